"""Ids of other tasks in a description."""

import pytest

from specbuild.taskfile import parse

FILE = """\
- [ ] T001 one
- [ ] T002 two
- [ ] T002a two and a half
- [ ] T003 three
- [ ] T010 ten
- [ ] 1.1 dotted
- [ ] 2. whole
- [ ] T042 {text}
- [ ] T050 later
"""


def read(text: str) -> tuple[str, list[str], list[str]]:
    """The title, explicit needs and mentions of T042."""
    tasks = {task.name.id: task for task in parse(FILE.format(text=text).encode(), "t.md").tasks}
    needs = tasks["T042"].needs
    explicit = [need.id for need in needs if need.explicit]
    return tasks["T042"].title, explicit, [need.id for need in needs if not need.explicit]


@pytest.mark.parametrize(
    ("text", "title", "ids"),
    [
        ("Go (depends on T001, T002)", "Go", ["T001", "T002"]),
        ("Go (depends on T001 + T002 + T003)", "Go", ["T001", "T002", "T003"]),
        ("Go (Depends on: T001 and T002).", "Go.", ["T001", "T002"]),
        ("Go depends on T001 for it", "Go for it", ["T001"]),
        ("Go (depends on T001–T003)", "Go", ["T001", "T002", "T002a", "T003"]),
        ("Go (depends on T001-T003)", "Go", ["T001", "T002", "T002a", "T003"]),
        ("Go (depends on T002..T003)", "Go", ["T002", "T002a", "T003"]),
        ("Go (depends on T001–003)", "Go", ["T001", "T002", "T002a", "T003"]),
        ("Go (depends on T001 to T002)", "Go", ["T001", "T002", "T002a"]),
        ("Go after T001", "Go", ["T001"]),
        ("After T001, go", "go", ["T001"]),
        ("Go, blocked by T001", "Go", ["T001"]),
        ("Go [deps:T001,T002]", "Go", ["T001", "T002"]),
        ("[deps:T001,T002] Go", "Go", ["T001", "T002"]),
        ("Go (depends on 1.1, 2)", "Go", ["1.1", "2"]),
        ("Go after task 1.1", "Go", ["1.1"]),
        ("Go (depends on T001; see notes)", "Go (see notes)", ["T001"]),
        ("Go (with care, depends on T001)", "Go (with care)", ["T001"]),
        ("Go (depends on t001)", "Go", ["T001"]),
        ("Go (depends on T099)", "Go", ["T099"]),
        ("Go (depends on T003–T009)", "Go", ["T003", "T009"]),
        ("Go (depends on T-NEW-A)", "Go", ["T-NEW-A"]),
        ("实现 X (依赖 T001, T002)", "实现 X", ["T001", "T002"]),
        ("Keep `id = :id` as is (depends on T001)", "Keep `id = :id` as is", ["T001"]),
    ],
)
def test_a_clause_names_what_is_needed_and_is_no_part_of_the_title(
    text: str, title: str, ids: list[str]
) -> None:
    assert read(text) == (title, ids, [])


@pytest.mark.parametrize(
    "text",
    [
        "Go after 3 retries",
        "Go after 1.2 is out",
        "It depends on 3 services",
        "Go (depends on the auth service)",
        "Step 1.1 of 2 goes",
        "Validate per FR-003 (missing)",
        "Go (blocks T050)",
        "Go before T050",
        "Go (unblocks T001, T002)",
        "Go, required by T050",
        "Compare with T099",
        "I am T042",
    ],
)
def test_what_only_looks_like_a_need_is_text(text: str) -> None:
    assert read(text) == (text, [], [])


@pytest.mark.parametrize(
    "text", ["Go (dependencies: none)", "Go (depends on: none)", "Go (Dependencies: N/A)"]
)
def test_no_dependencies_are_nothing(text: str) -> None:
    assert read(text) == ("Go", [], [])


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("Confirm T001–T002 pass", ["T001", "T002", "T002a"]),
        ("Make T001 and T003 green", ["T001", "T003"]),
        ("Use the parser (T010)", ["T010"]),
        ("Go before T050, with T001", ["T001"]),
        ("跑 T001..T002 测试", ["T001", "T002", "T002a"]),
    ],
)
def test_another_mention_is_a_softer_need(text: str, ids: list[str]) -> None:
    assert read(text) == (text, [], ids)


def test_a_clause_counts_before_a_mention() -> None:
    assert read("Extend T001 (depends on T001)") == ("Extend T001", ["T001"], [])


def test_a_generated_id_may_be_needed() -> None:
    first = parse(b"- [ ] Write parser\n", "t.md").tasks[0].name.id
    text = f"- [ ] Write parser\n- [ ] Write writer (depends on {first})\n"
    assert [need.id for need in parse(text.encode(), "t.md").tasks[1].needs] == [first]
