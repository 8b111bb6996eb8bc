"""Laws of task files that hold for any text."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specbuild.taskfile import parse
from specbuild.taskfile.merging import merge
from specbuild.taskfile.ticks import emptied, set_boxes

PIECES = [
    "- [ ] ", "- [x] ", "- [] ", "* [X] ", "1. [ ] ", "- [✅] ", "- [ ]* ", "T001 ", "T002: ", "1.1 ", "2. ", "[P] ", "[US1] ",
    "[P1]", "[ALL]", "(depends on T001, T003–T005) ", "after T001 ", "src/a.py ", "`b/{c,d}.ts` ", "plan.md ", "../x ",
    "delete ", "from ", "## Phase 1: A (P1)", "### User Story 2", "### T026: x", "## Acceptance", "```", "```sh", "~~~", "<!--", "-->",
    "---", "===", "> ", "| ", "  ", "\t", "\n", "\n\n", "\r\n", "\r", "  - targets: a, b", "  - needs: T001", "_Requirements: 1.1_",
    "File: src/a.ts", "é中ゲ", "\u2028", "\x0b", "\x00", "word ", ".", "/", "**", "`", "[", "]", "(", ")", "{", "}", ":",
]  # fmt: skip
texts = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=40).map("".join)
datas = texts.map(lambda text: text.encode("utf-8", "replace"))
words = st.text("abcdefgh -", min_size=1, max_size=20).map(lambda text: " ".join(text.split())).filter(bool)


@settings(max_examples=400, deadline=None)
@given(datas)
def test_any_text_parses(data: bytes) -> None:
    file = parse(data, "tasks.md")
    assert len({task.name for task in file.tasks}) == len(file.tasks)
    assert [task.line for task in file.tasks] == sorted(task.line for task in file.tasks)
    boxes = [task.box for task in file.tasks if task.box is not None]
    assert len(boxes) == len(set(boxes))
    assert all(0 <= index < len(file.boxes) for index in boxes)
    assert all("\n" not in task.title for task in file.tasks)


@settings(max_examples=400, deadline=None)
@given(datas)
def test_ticking_and_unticking_restores_the_bytes(data: bytes) -> None:
    data = emptied(data, "tasks.md")
    file = parse(data, "tasks.md")
    assert not any(box.ticked for box in file.boxes)
    everything = range(len(file.boxes))
    ticked = set_boxes(data, file, everything, ticked=True)
    again = parse(ticked, "tasks.md")
    assert len(ticked) == len(data)
    assert all(box.ticked for box in again.boxes)
    assert [task.name for task in again.tasks] == [task.name for task in file.tasks]
    assert [task.definition for task in again.tasks] == [task.definition for task in file.tasks]
    assert set_boxes(ticked, again, everything, ticked=False) == data
    assert emptied(ticked, "tasks.md") == data


@settings(max_examples=200, deadline=None)
@given(datas, st.data())
def test_ticks_of_two_sides_are_united(data: bytes, draw: st.DataObject) -> None:
    base = emptied(data, "tasks.md")
    file = parse(base, "tasks.md")
    indexes = st.sets(st.integers(0, max(0, len(file.boxes) - 1)) if file.boxes else st.nothing())
    one, two = draw.draw(indexes), draw.draw(indexes)
    ours, theirs = (set_boxes(base, file, each, ticked=True) for each in (one, two))
    assert merge(base, ours, theirs, "tasks.md") == set_boxes(base, file, one | two, ticked=True)


@settings(max_examples=200, deadline=None)
@given(st.lists(words, min_size=1, max_size=6), st.data())
def test_definitions_follow_the_words_and_nothing_else(titles: list[str], draw: st.DataObject) -> None:
    def written(numbers: list[int], *, marker: str, box: str, end: str) -> bytes:
        lines = [
            f"- [{box}] T{number:03} {marker}{title}{end}{end}    - more of {title}{end}"
            for number, title in zip(numbers, titles, strict=True)
        ]
        return "".join(lines).encode()

    count = len(titles)
    plain = parse(written(list(range(1, count + 1)), marker="", box=" ", end="\n"), "a.md")
    other = parse(
        written(
            draw.draw(st.permutations(range(50, 50 + count))),
            marker=draw.draw(st.sampled_from(["[P] ", "[US2] [P3] ", "[Frontend] (P) "])),
            box=draw.draw(st.sampled_from(["x", "-", "X"])),
            end=draw.draw(st.sampled_from(["\n", "\r\n"])),
        ),
        "b.md",
    )
    assert [task.definition for task in plain.tasks] == [task.definition for task in other.tasks]
    assert len({task.definition for task in plain.tasks}) == len(set(titles))


UNITS = [
    "a/", "`", "``a` ", "(", "[", "T001 ", " x", "{a,", "{a}", "depends on T001 ", "(depends on T001, ", "T001-T999 ", "blocks T001 ",
    "**", "src/a.py, ", "from src/a.py ", "delete ", "`a.py`, ", "{a, b}.ts ", "<!-- ", "](", "[a](", "../", "- [ ] ", "::", "a.b", ":",
    "FR-001 ", "中", "Phase 1 ",
]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_long_lines_take_linear_time(unit: str) -> None:
    def seconds(size: int) -> float:
        """Of this process' own CPU, whatever else the machine does."""
        text = (unit * (size // len(unit) + 1))[:size]
        data = f"## {text}\n- [ ] T001 {text}\n  - needs: {text}\n  - File: {text}\n  - Depends on: {text}\n".encode()
        best = []
        for _ in range(2):
            start = time.process_time()
            parse(data, "tasks.md")
            best.append(time.process_time() - start)
        return min(best)

    # quadratic time would be 64 times as long
    assert seconds(80_000) < 24 * seconds(10_000) + 0.1


ids = st.integers(1, 99).map("T{:03}".format)
sentences = st.lists(
    st.sampled_from(
        ["Create", "verify", "user", "model,", "and", "in", "src/a.py", "from", "per", "so", "Read"]
    ),
    min_size=1,
    max_size=8,
).map(" ".join)


@settings(max_examples=300, deadline=None)
@given(ids, st.booleans(), st.integers(0, 3), st.lists(ids, max_size=3), sentences)
def test_the_usual_form_says_what_any_other_says(
    id_: str, parallel: bool, story: int, others: list[str], sentence: str
) -> None:
    """The usual form is read by short cuts; doubled spaces and another bullet go the long way."""
    marks = ["[P]"] * parallel + [f"[US{story}]"] * bool(story)
    clause = [f"(depends on {', '.join(others)})"] * bool(others)
    usual = f"- [x] {' '.join([id_, *marks, sentence, *clause])}"
    [one] = parse(f"{usual}\n".encode(), "tasks.md").tasks
    clause = [f"(Depends  on: {', '.join(others)})"] * bool(others)
    other = f"*  [X]  {'  '.join([f'**{id_}**:', *marks, sentence, *clause])}"
    [two] = parse(f"{other}\n".encode(), "tasks.md").tasks
    assert one == two
    [three] = parse(f"{usual} 中".encode(), "tasks.md").tasks  # the short cuts are for ASCII
    if not others:
        assert one.mentions == three.mentions
