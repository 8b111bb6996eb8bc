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


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        ("", ["empty"]),
        ("P1 nd stale", ["column 4", "missing before"]),
        ("bogus", ["column 1", 'unknown word "bogus"', "label:optional"]),
        ("P1 and stal", ["column 8", 'unknown word "stal"', 'did you mean "stale"']),
        ("targt:src/**", ['did you mean "target:src/**"']),
        ("(P1 or", ["column 7", "missing at the end"]),
        ("(P1", ["column 1", "not closed"]),
        ("P1)", ["column 3", "closes nothing"]),
        ("P1 and and P2", ["column 8", 'missing before "and"']),
        ('title:"a', ["column 7", "quote"]),
        ("title: model", ["column 1", "no value"]),
        ("priority:0", ["no priority", "P1 to P9"]),
    ],
)
def test_a_wrong_filter_is_told_where_and_what_is_known(expression: str, parts: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parse(expression)
    for part in parts:
        assert part in str(caught.value)
