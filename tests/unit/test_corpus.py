"""Real task files of five dialects: all parse, tick byte for byte, and read as Markdown reads them."""

import csv
import os
import re
from collections import Counter
from functools import cache
from typing import Final

import pytest
from markdown_it import MarkdownIt

from specbuild.engine.task import TaskFile
from specbuild.taskfile import parse
from specbuild.taskfile.lines import scan
from specbuild.taskfile.ticks import boxes_of, emptied, set_boxes

ROOT: Final = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHARED: Final = os.path.join(os.path.dirname(ROOT), "shared")
CORPUS: Final = os.path.join(SHARED, "corpus")
SEEDS: Final = os.path.join(SHARED, "seeds", "implement-examples.md")
INDEX: Final = os.path.join(CORPUS, "INDEX.tsv")

pytestmark = pytest.mark.skipif(not os.path.exists(INDEX), reason="the corpus is not part of the product")


def _counts() -> dict[str, int]:
    if not os.path.exists(INDEX):
        return {}
    with open(INDEX, encoding="utf-8", newline="") as file:
        return {row["file"]: int(row["n_tasks"]) for row in csv.DictReader(file, delimiter="\t")}


COUNTS: Final = _counts()
NAMES: Final = sorted(COUNTS)


@cache
def data(name: str) -> bytes:
    with open(os.path.join(CORPUS, name), "rb") as file:
        return file.read()


@cache
def read(name: str) -> TaskFile:
    return parse(data(name), f"specs/001/{name}")


NOTES = "boxes without ids in a file with ids are notes (or the body of a task)"
HEADINGS = "headings with ids are the tasks, the boxes their checklists"
DIFFERENT: Final = {
    "kiro-023.md": (37, "eight boxes stand under `Success Criteria`"),
    "kiro-027.md": (24, NOTES),
    "kiro-029.md": (11, NOTES),
    "kiro-033.md": (59, "ten boxes stand under a checklist"),
    "openspec-019.md": (0, "its tasks are headings without boxes; the boxes stand under acceptance criteria"),
    "openspec-025.md": (39, NOTES),
    "openspec-033.md": (160, "it has no ids, so nested boxes are body"),
    "openspec-043.md": (54, NOTES),
    "other-010.md": (15, HEADINGS),
    "speckit-002.md": (23, HEADINGS),
    "speckit-012.md": (5, HEADINGS),
    "speckit-022.md": (21, NOTES),
    "speckit-026.md": (16, HEADINGS),
    "speckit-028.md": (94, NOTES),
    "speckit-054.md": (43, NOTES),
    "speckit-070.md": (65, NOTES),
    "speckit-072.md": (149, NOTES),
    "speckitty-001.md": (0, "all boxes stand under acceptance criteria"),
    "speckitty-003.md": (0, "all boxes stand under a definition of done"),
}
"""Files where SPEC section 2 asks for another number of tasks than the index counts boxes."""


@pytest.mark.parametrize("name", NAMES)
def test_a_file_has_as_many_tasks_as_the_index_counts(name: str) -> None:
    expected = DIFFERENT[name][0] if name in DIFFERENT else COUNTS[name]
    assert len(read(name).tasks) == expected
    assert len(read(name).boxes) == COUNTS[name]


@pytest.mark.parametrize("name", NAMES)
def test_ticking_and_unticking_each_task_restores_the_bytes(name: str) -> None:
    empty = emptied(data(name), name)
    file = parse(empty, name)
    for task in file.tasks:
        expected = empty
        for index in boxes_of(task):
            start = file.boxes[index].start
            expected = expected[:start] + b"x" + expected[start + 1 :]
        assert set_boxes(empty, file, boxes_of(task), ticked=True) == expected
    full = set_boxes(empty, file, range(len(file.boxes)), ticked=True)
    again = parse(full, name)
    assert all(task.ticked for task in again.tasks if boxes_of(task))
    assert [task.definition for task in again.tasks] == [task.definition for task in file.tasks]
    assert set_boxes(full, again, range(len(file.boxes)), ticked=False) == empty


@pytest.mark.parametrize("name", NAMES)
def test_no_need_is_unknown(name: str) -> None:
    ids = {task.name.id for task in read(name).tasks}
    unknown = [(task.line, need.id) for task in read(name).tasks for need in task.needs if need.id not in ids]
    assert unknown == []


@pytest.mark.parametrize("name", NAMES)
def test_no_file_has_an_unclosed_fence_or_a_task_in_code(name: str) -> None:
    codes = {warning.code for warning in read(name).warnings}
    assert codes <= {"repeated-id", "heading-without-box", "box-without-id", "no-task", "outside-path"}


@pytest.mark.parametrize("name", NAMES)
def test_titles_are_clean(name: str) -> None:
    for task in read(name).tasks:
        assert task.title
        assert not re.match(r"T\d|\d+\.\d|\[(?:P|US\d+)\]", task.title), task.title
        assert task.title == " ".join(task.title.split())


def as_markdown(text: str) -> tuple[set[int], set[int]]:
    """Lines of items with a box, and lines in fences, as markdown-it-py sees them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    boxes: set[int] = set()
    fenced: set[int] = set()
    quoted = 0
    lines = re.split(r"\r\n|\n|\r", text)
    for token in tokens:
        quoted += token.nesting if token.type.startswith("blockquote") else 0
        if token.map is None:
            continue
        first, last = token.map
        if token.type == "fence":
            fenced.update(range(first + 1, last + 1))
        elif token.type == "list_item_open" and not quoted:
            found = re.match(
                r"\s*(?:[-*+]|\d+[.)])[ \t]+\[(?:[ xX]?|[^\w\s\[\]]{1,3})\](?:\\?\*)?(?:\s|$)", lines[first]
            )
            if found:
                boxes.add(first + 1)
    return boxes, fenced


@pytest.mark.parametrize("name", NAMES)
def test_markdown_agrees_about_items_and_fences(name: str) -> None:
    lines = scan(data(name), name).lines
    boxes = {line.number for line in lines if line.box is not None}
    fenced = {line.number for line in lines if line.kind == "fence"}
    text = data(name).decode("utf-8-sig")
    front = re.match(r"---\r?\n.*?\r?\n---\r?\n", text, re.DOTALL)
    if front:  # CommonMark knows no front matter
        text = re.sub(r"[^\r\n]+", "", front[0]) + text[front.end() :]
    expected_boxes, expected_fenced = as_markdown(text)
    blank = {number for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1) if not line.strip()}
    assert boxes == expected_boxes
    assert fenced == expected_fenced - blank


@cache
def scenario(number: int) -> TaskFile:
    """The task list of one of the five scenarios; two of them only show their tasks in a run's output."""
    with open(SEEDS, encoding="utf-8") as file:
        part = file.read().split(f"\n## Example {number}:")[1].split("\n---\n")[0]
    listed = re.findall(r"(?m)^(?:- \[[ x]\] T\d+ .*|## Phase .*)$", part)
    if not any(line.startswith("- [ ] T001") for line in listed):
        shown = re.findall(r"(?m)^\[(?:Worker |Retry)?[\d/]*\] (T\d+ .*?)(?: →| ←|$)", part)
        shown += re.findall(r"(?m)^(?:- \[x\]| ) (T\d+ \[.*)$", part)
        tasks = {line[:4]: line for line in sorted(shown, key=len)}
        listed = [f"- [ ] {line}" for _, line in sorted(tasks.items())]
    return parse("\n".join(listed).encode(), "features/001-auth/tasks.md")


@pytest.mark.parametrize(
    ("number", "count", "stories", "parallel"),
    [
        (1, 8, {"US1": 3, "US2": 3, "US3": 2}, []),
        (2, 12, {"US1": 5, "US2": 3, "US3": 3, None: 1}, ["T005", "T006", "T007", "T008"]),
        (4, 8, {"US1": 2, "US2": 1, "US3": 2, "US4": 1, "US5": 2}, []),
    ],
)
def test_the_seed_scenarios_parse(
    number: int, count: int, stories: dict[str | None, int], parallel: list[str]
) -> None:
    tasks = scenario(number).tasks
    assert len(tasks) == count
    assert Counter(task.story for task in tasks) == stories
    assert [task.name.id for task in tasks if task.parallel] == parallel
    assert all(task.mentions for task in tasks)
    assert scenario(number).warnings == ()


def test_the_resumed_scenario_parses() -> None:
    tasks = scenario(3).tasks
    assert [task.name.id for task in tasks] == [f"T{number:03}" for number in range(1, 16)]
    assert [task.name.id for task in tasks if task.parallel] == ["T012", "T013"]
    assert [task.name.id for task in tasks if task.after_all] == ["T015"]
    assert (tasks[6].story, tasks[6].title) == ("US2", "Database migration")


def test_the_partly_failing_scenario_parses() -> None:
    tasks = {task.name.id: task for task in scenario(5).tasks}
    assert list(tasks) == [f"T{number:03}" for number in range(1, 11)]
    assert [need.id for need in tasks["T008"].needs] == ["T006"]


def test_the_filtered_scenario_has_priorities_phases_and_a_task_after_all() -> None:
    tasks = scenario(4).tasks
    assert [task.priority for task in tasks] == [1, 1, 1, 2, 2, 2, 3, 3]
    assert [task.phase_index for task in tasks] == [1, 1, 1, 2, 2, 2, 3, 3]
    assert tasks[0].phase == "Phase 1: Core Features (P1)"
    assert [task.name.id for task in scenario(2).tasks if task.after_all] == ["T012"]
    assert [task.phase_index for task in scenario(1).tasks] == [1, 1, 1, 2, 2, 2, 3, 3]
