"""The lines of a history, told apart by what verdicts rest on."""

from collections.abc import Callable

import pytest

from specbuild.engine.checkpoint import Checkpoint, format_line
from specbuild.engine.task import TaskName
from specbuild.git.historycache import Flat
from specbuild.git.records import Records


def flat(count: int = 3) -> Flat:
    lines = [
        format_line(Checkpoint(TaskName("tasks.md", f"T{at}"), f"{at:020}", "-", "1" * 20, 0.1, "shell"))
        for at in range(count)
    ]
    return Flat(
        "tip",
        False,
        [f"{at:040}" for at in range(count)],
        [count - at for at in range(count)],
        [0] * count,
        [0] * count,
        [False] * count,
        [line.encode() for line in lines],
    )


def test_the_oldest_lines_are_the_same_after_newer_ones_came() -> None:
    longer = flat(3)
    before = Records(longer).identity(None)
    records = Records(longer)
    records.append(
        "f" * 40, [Checkpoint(TaskName("tasks.md", "T9"), "9" * 20, "-", "2" * 20, 0.1, "shell")], 0
    )
    assert records.identity(3) == before
    assert records.identity(None) != before
    assert [found.checkpoint.name.id for found in records.since(3)] == ["T9"]


def _undone(found: Flat) -> None:
    found.undone[1] = True


def _moved(found: Flat) -> None:
    found.orders[0], found.orders[1] = found.orders[1], found.orders[0]


def _elsewhere(found: Flat) -> None:
    found.commits[2] = "e" * 40


def _cut(found: Flat) -> None:
    found.cut = True


@pytest.mark.parametrize("change", [_undone, _moved, _elsewhere, _cut])
def test_other_commits_another_order_and_what_was_undone_make_another_history(
    change: Callable[[Flat], None],
) -> None:
    other = flat()
    change(other)
    assert Records(other).identity(3) != Records(flat()).identity(3)
