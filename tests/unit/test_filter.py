"""The filter language: what each word chooses, and what a wrong one is answered."""

from collections.abc import Callable

import pytest

from specbuild.engine import filter as language
from specbuild.engine.filter import Facts, file_order, parse
from specbuild.engine.glob import matcher
from specbuild.engine.task import TaskName, TaskText
from specbuild.errors import UsageError


@pytest.fixture(autouse=True)
def _forgetful() -> None:
    """What another test asked is understood again, so that a mutant of the language is seen."""
    for remembered in (parse, language._wildcard, matcher):
        remembered.cache_clear()


def task(id_: str, **given: object) -> TaskText:
    values: dict[str, object] = {"line": 1, "title": "", "definition": "", "body": "", "box": 0, **given}
    return TaskText(name=TaskName(str(values.pop("file", "tasks.md")), id_), **values)  # type: ignore[arg-type]


TASKS = [
    task("T001", title="Create project", phase="Phase 1: Setup", phase_index=1),
    task("T002", title="Lint", phase="Phase 1: Setup", phase_index=1, optional=True),
    task("T010", title="User Model", phase="Phase 3: Login", phase_index=2, story="US1", priority=1),
    task("T003", title="API", phase="Phase 3: Login", phase_index=2, story="US1", priority=1, labels=("db",)),
    task("T009", title="Docs, all (of them)", phase="Polish", phase_index=3, story="US12", priority=2),
    task("T011", title="End", phase="Polish", phase_index=3, requirements=("FR-003", "1.2")),
]
TARGETS = {
    "T001": ("src/",),
    "T003": ("src/api/users.py", "Docs/API.md"),
    "T010": ("src/model.py",),
}
ORDER = file_order(TASKS)


def facts(text: TaskText) -> Facts:
    return Facts(
        targets=TARGETS.get(text.name.id, ()),
        executor="shell" if text.name.id < "T004" else "agent",
        stale=text.name.id in ("T003", "T009"),
        failed=text.name.id == "T009",
        order=ORDER,
    )


def chosen(expression: str, make: Callable[[TaskText], Facts] = facts) -> list[str]:
    chooses = parse(expression)
    return [text.name.id for text in TASKS if chooses.matches(text, make(text))]


@pytest.mark.parametrize(
    ("expression", "ids"),
    [
        ("P1", ["T010", "T003"]),
        ("priority:p2", ["T009"]),
        ("us1", ["T010", "T003"]),
        ("story:US1*", ["T010", "T003", "T009"]),
        ("story:12", ["T009"]),
        ("t003", ["T003"]),
        ("tasks.md#T003", ["T003"]),
        ("other.md#T003", []),
        ("id:T00?", ["T001", "T002", "T003", "T009"]),
        ("phase:1", ["T001", "T002"]),
        ("phase:3", ["T010", "T003", "T009", "T011"]),
        ("phase:polish", ["T009", "T011"]),
        ("phase:*login", ["T010", "T003"]),
        ("target:src/**", ["T001", "T010", "T003"]),
        ("target:src/", ["T001", "T010", "T003"]),
        ("target:src/*", ["T010"]),
        ("target:*.py", ["T010", "T003"]),
        ("target:docs/api.md", ["T003"]),
        ("title:*model*", ["T010"]),
        ("title:model", ["T010"]),
        ("title:model*", []),
        ('title:"docs, all (of"', ["T009"]),
        ('"title:User Model"', ["T010"]),
        ("label:optional", ["T002"]),
        ("label:DB", ["T003"]),
        ("executor:shell", ["T001", "T002", "T003"]),
        ("req:fr-003", ["T011"]),
        ("req:1.2", ["T011"]),
        ("stale", ["T003", "T009"]),
        ("FAILED", ["T009"]),
    ],
)
def test_each_word_chooses_what_it_names(expression: str, ids: list[str]) -> None:
    assert chosen(expression) == ids


@pytest.mark.parametrize(
    ("expression", "ids"),
    [
        ("P1 and stale", ["T003"]),
        ("P2 or T001", ["T001", "T009"]),
        ("P2, T001,t011", ["T001", "T009", "T011"]),
        ("not P1 AND NOT P2", ["T001", "T002", "T011"]),
        ("T001 or P1 and stale", ["T001", "T003"]),
        ("(T001 or P1) and stale", ["T003"]),
        ("not (P1 or P2) and not label:optional", ["T001", "T011"]),
        ("not not P2", ["T009"]),
        ("not stale and not executor:agent", ["T001", "T002"]),
        ("!P1 and us12", ["T009"]),
    ],
)
def test_and_binds_tighter_than_or_and_not_tightest(expression: str, ids: list[str]) -> None:
    assert chosen(expression) == ids


def test_a_range_follows_the_order_of_the_file() -> None:
    assert chosen("T002..T003") == ["T002", "T010", "T003"]
    assert chosen("tasks.md#T002..T003") == ["T002", "T010", "T003"]
    assert chosen("other.md#T002..T003") == []


def test_a_range_whose_ends_are_not_there_compares_ids() -> None:
    assert chosen("T004..T010") == ["T010", "T009"]
    assert chosen("T002..T009", lambda _: Facts()) == ["T002", "T003", "T009"]
    assert chosen("X002..X009", lambda _: Facts()) == []
    numbered = task("2.10")
    assert parse("2.9..2.11").matches(numbered, Facts())
    assert not parse("2.1..2.9").matches(numbered, Facts())


def test_a_phase_without_a_number_goes_by_its_place() -> None:
    story = task("T1", phase="User Story 7 - Login", phase_index=4)
    assert parse("phase:4").matches(story, Facts())
    assert not parse("phase:7").matches(story, Facts())
    assert parse("phase:2").matches(task("T1", phase="2. Services", phase_index=5), Facts())


def test_what_is_not_known_counts_as_no() -> None:
    for expression in ("stale", "failed", "executor:*", "target:**"):
        assert chosen(expression, lambda _: Facts()) == []


def test_the_kinds_of_words_are_told() -> None:
    assert parse("P1 and not (US2 or stale)").words == {"priority", "story", "stale"}


def test_optional_tasks_are_named_by_id_range_or_label_only() -> None:
    optional = task("T002", optional=True, priority=1)
    named = [
        e
        for e in ("P1", "T002", "T001..T003", "label:optional", "not T002")
        if parse(e).names(optional, Facts())
    ]
    assert named == ["T002", "T001..T003", "label:optional"]


WORDS = (
    "known words: P1 to P9, US3, T003, T003..T009, phase:2, story:US3, priority:1, target:src/**, "
    "title:*model*, label:optional, executor:shell, req:FR-003, id:T003, stale, failed, and, or, not"
)


@pytest.mark.parametrize(
    ("expression", "column", "what"),
    [
        ("P1 nd stale", 4, '"and", "or" or a comma is missing before "nd"'),
        ('P1 ")"', 4, '"and", "or" or a comma is missing before ")"'),
        ("bogus", 1, f'unknown word "bogus"; {WORDS}'),
        ("(bogus)", 2, f'unknown word "bogus"; {WORDS}'),
        ("  bogus", 3, f'unknown word "bogus"; {WORDS}'),
        ("P1 and stal", 8, f'unknown word "stal"; did you mean "stale"? {WORDS}'),
        ("P1 and Faild", 8, f'unknown word "Faild"; did you mean "failed"? {WORDS}'),
        ("nott", 1, f'unknown word "nott"; did you mean "not"? {WORDS}'),
        ("annd", 1, f'unknown word "annd"; did you mean "and"? {WORDS}'),
        ("orr", 1, f'unknown word "orr"; did you mean "or"? {WORDS}'),
        ("targt:src/**", 1, f'unknown word "targt:src/**"; did you mean "target:src/**"? {WORDS}'),
        ("exEcuter:a:b", 1, f'unknown word "exEcuter:a:b"; did you mean "executor:a:b"? {WORDS}'),
        ('"and"', 1, f'unknown word "and"; did you mean "and"? {WORDS}'),
        ("(P1 or", 7, "something is missing at the end"),
        ("not", 4, "something is missing at the end"),
        ("(P1", 1, 'this "(" is not closed'),
        ("P2 or (P1", 7, 'this "(" is not closed'),
        ("P1)", 3, 'this ")" closes nothing'),
        ("P1 and and P2", 8, 'a word is missing before "and"'),
        ("P1 or OR P2", 7, 'a word is missing before "OR"'),
        ("P1,,P2", 4, 'a word is missing before ","'),
        ("()", 2, 'a word is missing before ")"'),
        ('title:"a', 7, "a quote is not closed"),
        ("P1 or  'a", 8, "a quote is not closed"),
        ("priority:0", 1, '"0" is no priority; there are P1 to P9'),
        ("P1 or priority:P10", 7, '"P10" is no priority; there are P1 to P9'),
        ("priority:x1", 1, '"x1" is no priority; there are P1 to P9'),
    ],
)
def test_a_wrong_filter_is_told_where_and_what_is_known(expression: str, column: int, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(expression)
    assert str(caught.value) == f'filter "{expression}", column {column}: {what}'


@pytest.mark.parametrize("expression", ["", "  "])
def test_an_empty_filter_is_told_what_is_known(expression: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(expression)
    assert str(caught.value) == f"the filter is empty; {WORDS}"


@pytest.mark.parametrize(
    "example",
    [
        "id:T003",
        "phase:2",
        "story:US3",
        "priority:1",
        "target:src/**",
        "title:*model*",
        "label:optional",
        "executor:shell",
        "req:FR-003",
    ],
)
def test_a_key_without_a_value_is_told_how_one_is_written(example: str) -> None:
    key = example.partition(":")[0]
    with pytest.raises(UsageError) as caught:
        parse(f"{key.upper()}: x")
    told = f'"{key}:" has no value; write it without a space, e.g. {example}'
    assert str(caught.value) == f'filter "{key.upper()}: x", column 1: {told}'
    assert parse(example).words == {key}


# -- words, in all their forms


@pytest.mark.parametrize(
    ("expression", "kinds"),
    [
        ("P1", {"priority"}),
        ("'P1'", {"priority"}),
        ("us-1", {"story"}),
        ("US3b", {"story"}),
        ("T1", {"id"}),
        ("8.6b", {"id"}),
        ("1.", {"id"}),
        ("T-001", {"id"}),
        ("TASK_1", {"id"}),
        ("T010@2", {"id"}),
        ("#a1b2c3", {"id"}),
        ("specs/1-x/tasks.md#T1", {"id"}),
        ("tasks.md##a1b2c3", {"id"}),
        ("T1..T3", {"range"}),
        ("a.md#T1..T3", {"range"}),
        ("1.1..1.10", {"range"}),
        ("id:T1..T3", {"range"}),
        ("ID:T1", {"id"}),
        ("id:anything", {"id"}),
        ("Stale", {"stale"}),
        ("P1 and (US1 or not failed)", {"priority", "story", "failed"}),
    ],
)
def test_words_are_told_apart_by_their_form(expression: str, kinds: set[str]) -> None:
    assert parse(expression).words == kinds


@pytest.mark.parametrize("word", ["..", "..T3", "x..T3", "t", "usx", "p12x:", "T1:x"])
def test_what_has_no_such_form_is_unknown(word: str) -> None:
    with pytest.raises(UsageError):
        parse(word)


@pytest.mark.parametrize(
    ("expression", "ids"),
    [
        ("title:'user model'", ["T010"]),
        ("title:user' 'model", ["T010"]),
        ('title:""model', ["T010"]),
        ("TITLE:MODEL", ["T010"]),
        ("title:?ser*", ["T010"]),
        ("title:?user*", []),
        ("title:.ser*", []),
        ("label:d", []),
        ("label:d?", ["T003"]),
        ("executor:SHELL", ["T001", "T002", "T003"]),
        ("executor:sh", []),
        ("req:FR-00", []),
        ("req:FR-00*", ["T011"]),
        ("story:us1", ["T010", "T003"]),
        ("story:1", ["T010", "T003"]),
        ("story:s1", []),
        ("story:US?2", ["T009"]),
        ("id:T00", []),
        ("id:*", ["T001", "T002", "T010", "T003", "T009", "T011"]),
        ("priority:1", ["T010", "T003"]),
        ("priority:P1", ["T010", "T003"]),
        ("phase:Phase*", ["T001", "T002", "T010", "T003"]),
        ("phase:LOGIN", ["T010", "T003"]),
        ("phase:phase?3:*", ["T010", "T003"]),
        ("phase:2", []),
        ("target:users.py", ["T003"]),
        ("target:SRC/API/", ["T003"]),
        ("target:api/", ["T003"]),
        ("target:api.md", ["T003"]),
        ("target:src", ["T001"]),
        ("target:nothing/", []),
    ],
)
def test_a_pattern_says_the_whole_of_a_word_and_a_part_of_a_title_or_a_phase(
    expression: str, ids: list[str]
) -> None:
    assert chosen(expression) == ids


@pytest.mark.parametrize(
    ("heading", "value", "holds"),
    [
        ("Phase 1.2: Models", "1.2", True),
        ("Phase 1.2: Models", "1", False),
        ("Phase 12", "1", False),
        ("2. Services", "2", True),
        ("## 2) Services", "2", True),
        ("Étape 4 - Fin", "4", True),
        ("Phase\t3", "3", True),
        ("Step two 3", "3", False),
        ("Step two 3", "7", True),
        ("3rd party", "3", False),
        (None, "7", True),
        (None, "1", False),
        (None, "phase", False),
        ("Phase 3: 2 models", "2 models", True),
        ("Phase 3: 2 models", "2", False),
    ],
)
def test_a_phase_is_known_by_its_number_else_by_its_place_or_by_words(
    heading: str | None, value: str, *, holds: bool
) -> None:
    found = parse(f'phase:"{value}"').matches(task("T1", phase=heading, phase_index=7), Facts())
    assert found is holds


def test_the_first_phase_has_a_place_too() -> None:
    assert parse("phase:1").matches(task("T1", phase="Setup", phase_index=1), Facts())


@pytest.mark.parametrize("expression", ["a#b.md#T1", "a#b.md#T1..T3"])
def test_a_files_name_may_hold_the_sign_before_an_id(expression: str) -> None:
    assert parse(expression).matches(task("T1", file="a#b.md"), Facts())
    assert not parse(expression).matches(task("T1", file="b.md"), Facts())


def test_a_path_with_a_slash_is_one_from_the_root() -> None:
    made = Facts(targets=("src/api/users.py",))
    assert parse("target:users.py").matches(task("T1"), made)
    assert parse("target:src/api/users.py").matches(task("T1"), made)
    assert not parse("target:api/users.py").matches(task("T1"), made)


def test_what_is_in_no_phase_is_in_none_by_number() -> None:
    assert not parse("phase:0").matches(task("T1"), Facts())


@pytest.mark.parametrize(
    ("expression", "id_", "holds"),
    [
        ("T9..T11", "T10", True),
        ("T9..T11", "T9", True),
        ("T9..T11", "T11", True),
        ("T9..T11", "T8", False),
        ("T9..T11", "T12", False),
        ("T9..T11", "X10", False),
        ("T9..X11", "T10", False),
        ("X9..T11", "T10", False),
        ("T9..T11", "t10", True),
        ("T010..T010b", "T010a", True),
        ("T010..T010b", "T010c", False),
        ("1.2..1.10", "1.9", True),
        ("1.2..1.10", "1.11", False),
        ("1.2..1.10", "1", False),
        ("tasks.md#T9..T11", "T10", True),
        ("TASKS.md#T9..T11", "T10", True),
        ("other.md#T9..T11", "T10", False),
        ("#T9..T11", "T10", False),
        ("1..3", "2", True),
        ("1..3", "2a", True),
        ("1.1..1.3", "1a2", False),
    ],
)
def test_ids_are_compared_by_letters_and_then_by_numbers(expression: str, id_: str, *, holds: bool) -> None:
    assert parse(expression).matches(task(id_), Facts()) is holds


def test_a_range_is_of_the_order_of_each_file() -> None:
    texts = [
        task("T3", file="a.md"),
        task("T1", file="a.md"),
        task("T2", file="a.md"),
        task("T2", file="b.md"),
    ]
    order = file_order(texts)
    found = [text for text in texts if parse("T3..T1").matches(text, Facts(order=order))]
    assert [(text.name.file, text.name.id) for text in found] == [("a.md", "T3"), ("a.md", "T1")]
    assert order("a.md", "t2") == 2
    assert order("b.md", "T3") is None


def test_of_a_repeated_id_the_first_place_counts() -> None:
    assert file_order([task("T1"), task("T2"), task("t1")])("tasks.md", "T1") == 0


def test_a_word_within_a_choice_names_a_task_and_one_below_not_does_not() -> None:
    optional = task("T002", optional=True)
    for expression, named in [
        ("P1 and T002", True),
        ("P1 or T002", True),
        ("(P1 or T002) and stale", True),
        ("P1 and not T002", False),
        ("P1 and not not T002", False),
        ("T003", False),
        ("title:*", False),
    ]:
        assert parse(expression).names(optional, Facts()) is named
    assert parse("not (T002 or P1)").words == {"id", "priority"}
