"""Boxes are ticked byte for byte, and merge by themselves."""

import pytest

from specbuild.taskfile import parse
from specbuild.taskfile.merging import merge
from specbuild.taskfile.ticks import boxes_of, emptied, set_boxes

PATH = "tasks.md"


def tick(data: bytes, *indexes: int, ticked: bool = True) -> bytes:
    return set_boxes(data, parse(data, PATH), indexes, ticked=ticked)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"- [ ] T001 a\n", b"- [x] T001 a\n"),
        (b"- [ ] T001 a\r\n", b"- [x] T001 a\r\n"),
        (b"\xef\xbb\xbf  - [ ]  T001\ta", b"\xef\xbb\xbf  - [x]  T001\ta"),
        (b"- [] T001 a\n", b"- [x] T001 a\n"),
        (b"- [  ] T001 a\n", b"- [x ] T001 a\n"),
        (b"- [-] T001 a\n", b"- [x] T001 a\n"),
        ("- [⚠️] T001 é\n".encode(), "- [x] T001 é\n".encode()),
        (b"- [ ]* T001 a\n", b"- [x]* T001 a\n"),
        (b"- [X] T001 a\n", b"- [X] T001 a\n"),
        (b"12) [ ] T001 a\n", b"12) [x] T001 a\n"),
    ],
)
def test_ticking_changes_the_box_and_nothing_else(before: bytes, after: bytes) -> None:
    before = b"# A\r\n\n" * (not before.startswith(b"\xef")) + before
    after = b"# A\r\n\n" * (not after.startswith(b"\xef")) + after
    assert tick(before, 0) == after
    assert parse(after, PATH).tasks[0].ticked


@pytest.mark.parametrize("box", [b"[x]", b"[X]", b"[ x ]"])
def test_unticking_empties_the_box(box: bytes) -> None:
    data = tick(b"- " + box + b" T001 a\n", 0, ticked=False)
    assert data == b"- " + box.replace(b"x", b" ").replace(b"X", b" ") + b" T001 a\n"


def test_several_boxes_are_ticked_at_once() -> None:
    assert tick(b"- [ ] T001\n- [x] T002\n- [ ] T003\n", 2, 0, 1) == b"- [x] T001\n- [x] T002\n- [x] T003\n"


def test_a_task_is_done_by_its_own_box_or_its_checklist() -> None:
    box, heading = parse(b"- [ ] T001 a\n### T002 b\n- [ ] one\n- [ ] two\n", PATH).tasks
    assert (boxes_of(box), boxes_of(heading)) == ((0,), (1, 2))


def test_an_emptied_file_is_blind_to_ticks() -> None:
    text = "# A\n- [{}] T001 a\n  - [{}] note\n```\n- [x] code\n```\n"
    assert emptied(text.format("x", "X").encode(), PATH) == text.format(" ", " ").encode()
    assert emptied(text.format("", "✅").encode(), PATH) == text.format(" ", " ").encode()


def test_an_emptied_file_that_is_no_text_stays_as_it_is() -> None:
    assert emptied(b"- [x] \xff", PATH) == b"- [x] \xff"


BASE = "# Tasks\n\n- [ ] T001 a\n- [ ] T002 b\n- [ ] T003 c\n- [ ] T004 d\n"


def merged(ours: str, theirs: str, base: str = BASE) -> str | None:
    both = merge(base.encode(), ours.encode(), theirs.encode(), PATH)
    other = merge(base.encode(), theirs.encode(), ours.encode(), PATH)
    assert both == other, "merging is symmetric"
    return None if both is None else both.decode()


def done(text: str, *numbers: int) -> str:
    for number in numbers:
        text = text.replace(f"[ ] T{number:03}", f"[x] T{number:03}")
    return text


def test_ticks_of_neighbours_are_united() -> None:
    assert merged(done(BASE, 1, 3), done(BASE, 2, 3)) == done(BASE, 1, 2, 3)


def test_a_side_that_emptied_a_box_wins() -> None:
    assert merged(BASE, done(BASE, 1, 2), done(BASE, 1)) == done(BASE, 2)


def test_two_ways_to_tick_are_no_conflict() -> None:
    assert (
        merge(BASE.encode(), done(BASE, 1).encode(), BASE.replace("[ ] T001", "[X] T001").encode(), PATH)
        is not None
    )


def test_a_tick_beside_an_added_task_stays() -> None:
    assert merged(done(BASE, 4), BASE + "- [ ] T005 e\n") == done(BASE, 4) + "- [ ] T005 e\n"


def test_a_tick_in_a_moved_task_stays() -> None:
    moved = BASE.replace("- [ ] T002 b\n", "") + "- [ ] T002 b\n"
    assert merged(done(BASE, 2), moved) == done(moved, 2)


def test_a_tick_in_a_reworded_task_stays() -> None:
    assert merged(done(BASE, 2), BASE.replace("T002 b", "T002 better")) == done(BASE, 2).replace(
        "T002 b", "T002 better"
    )


@pytest.mark.parametrize("new", ["T009 b", "better"])
def test_a_tick_does_not_go_to_another_task(new: str) -> None:
    replaced = BASE.replace("T002 b", new)
    assert merged(done(BASE, 2), replaced) == replaced


def test_other_lines_are_merged_one_by_one() -> None:
    ours, theirs = BASE.replace("T001 a", "T001 A"), BASE.replace("T002 b", "T002 B")
    assert merged(ours, theirs) == ours.replace("T002 b", "T002 B")


def test_the_same_change_on_both_sides_is_one() -> None:
    changed = BASE.replace("T001 a", "T001 A")
    assert merged(done(changed, 1), done(changed, 2)) == done(changed, 1, 2)


def test_a_deleted_task_stays_deleted() -> None:
    assert merged(BASE.replace("- [ ] T002 b\n", ""), done(BASE, 4)) == done(BASE, 4).replace(
        "- [ ] T002 b\n", ""
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (BASE.replace("T001 a", "T001 A"), BASE.replace("T001 a", "T001 aa")),
        (BASE + "- [ ] T005 e\n", BASE + "- [ ] T005 f\n"),
        (BASE.replace("- [ ] T001 a\n", ""), BASE.replace("T001 a", "T001 A")),
    ],
)
def test_what_contradicts_is_a_conflict(ours: str, theirs: str) -> None:
    assert merged(ours, theirs) is None


def test_line_ends_are_kept() -> None:
    base = BASE.replace("\n", "\r\n")
    assert merged(done(base, 1), done(base, 2), base) == done(base, 1, 2)


def test_a_side_that_is_no_text_is_a_conflict() -> None:
    assert merge(BASE.encode(), b"\xff", done(BASE, 1).encode(), PATH) is None


def test_without_a_base_equal_sides_merge() -> None:
    assert merged(BASE, BASE, "") == BASE
