"""SPEC section 4, `writes`: what a task may change beside its targets, in the working tree and in a private one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from repositories import Workshop, workshops

Make = Callable[..., Workshop]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with workshops(tmp_path) as made:
        yield made


def any_config(isolation: str) -> str:
    return f"""\
[[rule]]
match = "T002"
writes = "any"
isolation = "{isolation}"
[[rule]]
run = "echo {{id}} >{{target}}"
"""


@pytest.mark.parametrize("isolation", ["none", "worktree"])
def test_boxes_that_a_task_changes_are_dropped_and_its_other_edits_taken(make: Make, isolation: str) -> None:
    edit = r"""sed -i -e "s/\[x\] T001/[ ] T001/" -e "s/\[ \] T003/[x] T003/" tasks.md"""
    work = make(
        "- [ ] T001 One in a.txt\n",
        "- [ ] T002 Two in b.txt\n",
        f"  - run: echo 2 >b.txt; {edit}; echo '- [ ] T004 Four in d.txt' >>tasks.md\n",
        "- [ ] T003 Three in c.txt\n",
        config=any_config(isolation),
    )
    done = work.call("run")
    assert done.code == 0, done.err
    assert "was edited meanwhile" not in done.err
    text = (work.folder / "tasks.md").read_text()
    assert [line[:10] for line in text.split("\n") if line.startswith("- [")] == [
        "- [x] T001",
        "- [x] T002",
        "- [x] T003",
        "- [x] T004",
    ]
    assert "specbuild: save edited inputs" not in work.subjects()
    assert (work.folder / "d.txt").read_text() == "T004\n"
    work.assert_tidy()


@pytest.mark.parametrize("isolation", ["none", "worktree"])
def test_a_task_that_only_ticks_boxes_changes_none_but_its_own(make: Make, isolation: str) -> None:
    work = make(
        "- [ ] T001 One in a.txt\n",
        "- [ ] T002 Two in b.txt\n",
        '  - run: echo 2 >b.txt; sed -i "s/\\[ \\]/[x]/; s/T001 \\[x\\]/x/" tasks.md\n',
        "- [ ] T003 Three in c.txt\n",
        config=any_config(isolation),
    )
    done = work.call("run", "--limit", "2")
    assert done.code == 0, done.err
    text = (work.folder / "tasks.md").read_text()
    assert ["[x]" in line for line in text.split("\n") if line.startswith("- [")] == [True, True, False]
    work.assert_tidy()


def test_changes_to_files_that_were_dirty_before_are_reported_too(
    make: Make,
) -> None:
    work = make(
        "- [ ] T001 One in a.txt\n",
        "  - run: echo 1 >a.txt; for f in clean edited loose; do echo more >>$f; done; rm gone; cp kept reset\n",
        config="",
        clean="1\n",
        edited="1\n",
        reset="1\n",
        kept="1\n",
    )
    for name in ("edited", "loose", "gone", "reset", "same"):
        (work.folder / name).write_text("mine\n")
    done = work.call("run")
    assert done.code == 0, done.err
    told = [line for line in (done.out + done.err).splitlines() if "so left alone" in line]
    assert [line.partition("left alone: ")[2] for line in told] == ["clean, edited, gone, loose, reset"]


def test_a_box_that_is_ticked_again_in_an_edited_task_file_is_no_change_to_report(make: Make) -> None:
    work = make("- [ ] T001 One in a.txt\n", config='[[rule]]\nrun = "echo 1 >{target}"\n')
    work.call("run")
    (work.folder / "tasks.md").write_text("- [ ] T001 One in a.txt\n\na remark\n")
    done = work.call("run")
    assert "its box is ticked again" in done.err
    assert "left alone" not in done.out + done.err
    assert (work.folder / "tasks.md").read_text() == "- [x] T001 One in a.txt\n\na remark\n"
