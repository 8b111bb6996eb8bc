"""What was promised, beside what was measured."""

from collections.abc import Iterator
from typing import NamedTuple

from harness.results import Cell, Results
from harness.session import OURS

BARE = "bare Python"
MIB = 1 << 20


class Target(NamedTuple):
    """A promise. `met`: None, not measured."""

    what: str
    wanted: str
    measured: str
    met: bool | None


class Place(NamedTuple):
    """Where a figure stands in the results."""

    row: str
    size: int
    name: str = OURS


class Over(NamedTuple):
    """What a time may be compared with, by its place and in words."""

    base: Place
    words: str


def targets(results: Results) -> Iterator[Target]:
    yield from _nothing(results)
    yield from _touched(results)
    yield _ninja(results, Place("leaf", 10_000), "one stale leaf of 10,000, commit included", 5.0)
    yield _milliseconds(results, Place("status", 10_000), "`status` of 10,000 tasks", 400)
    yield _ninja(results, Place("build", 1_000), "full build of 1,000 tasks, a durable commit each", 1.6)
    yield _ninja(results, Place("build", 10_000), "full build of 10,000 tasks", 2.0)
    yield _ninja(results, Place("waiting", 1_000), "full build of 1,000 tasks of 20 ms", 1.15)
    yield _milliseconds(results, Place("plan-alone", 10_000), "planning 10,000 tasks", 300)
    yield _memory(results, 10_000, 150, "planning 10,000 tasks, whole process", rows=("plan", "plan-alone"))
    yield _memory(results, 10_000, 100, "any command at 10,000 tasks")
    yield _memory(results, 100_000, 600, "any command at 100,000 tasks")
    yield _curve(results)
    yield from _history(results)


def _curve(results: Results) -> Target:
    """No figure was promised: the reader sees how it grows."""
    seconds = {size: _seconds(results, Place("one-task", size)) for size in results.sizes("one-task")}
    told = ", ".join(f"{one:.3f} s at {size:,}" for size, one in seconds.items() if one is not None)
    what = "a run of one task of 100, by files of the repository"
    return Target(what, "grows with what changed, not with the repository", told or "not measured", None)


def _nothing(results: Results) -> Iterator[Target]:
    forms = {
        "nothing": "nothing to do",
        "json": "the same with `--json`",
        "globs": "the same with input globs",
        "hooks": "the same in the pre-push hook",
        "check": "the same with `check`",
    }
    for row, words in forms.items():
        for size in (100, 1_000):
            over = Over(Place(row, size, BARE), "the bare interpreter")
            yield _milliseconds(results, Place(row, size), f"{words}, {size:,} tasks", 15, over)
        for size, ratio in ((10_000, 0.7), (100_000, 0.5)):
            yield _ninja(results, Place(row, size), f"{words}, {size:,} tasks", ratio)


def _touched(results: Results) -> Iterator[Target]:
    for size in (1_000, 10_000):
        touched = _seconds(results, Place("touch", size))
        git = _seconds(results, Place("touch", size, "git update-index"))
        what = f"every input touched, {size:,} tasks"
        yield _judged(what, "at most 2 × `git update-index --refresh`", _ratio(touched, git), 2.0)
        after = _seconds(results, Place("after-touch", size))
        before = _seconds(results, Place("nothing", size))
        # A tenth is the noise of a time of some 30 ms.
        wanted = "as fast as before (1.1 ×)"
        yield _judged(f"the run after that, {size:,} tasks", wanted, _ratio(after, before), 1.1)


def _history(results: Results) -> Iterator[Target]:
    size = max(results.sizes("history-cold"), default=100_000)
    words = f"`status` in a history of {size:,} commits, every tenth a checkpoint"
    place, over = "with history", Over(Place("history-warm", size, "without"), "an empty one")
    yield _milliseconds(results, Place("history-cold", size, place), f"{words}, nothing cached", 2_000)
    yield _milliseconds(results, Place("history-warm", size, place), f"{words}, cached", 20, over)
    over = Over(Place("history-moved", size, "stayed"), "unmoved")
    for name, words in (("moved", "went on"), ("back", "went back")):
        what = f"`status` after HEAD {words} by 1,000 commits"
        yield _milliseconds(results, Place("history-moved", size, name), what, 50, over)


def _cell(results: Results, place: Place) -> Cell | None:
    return results.cell(place.row, place.size, place.name)


def _seconds(results: Results, place: Place) -> float | None:
    cell = _cell(results, place)
    return None if cell is None else cell.seconds


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours / theirs


def _milliseconds(
    results: Results, place: Place, what: str, limit: float, over: Over | None = None
) -> Target:
    """So many at most; with `over`, so many more."""
    ours = _seconds(results, place)
    under = 0.0 if over is None else _seconds(results, over.base)
    wanted = f"at most {limit:,} ms" + (f" over {over.words}" if over is not None else "")
    if ours is None or under is None:
        return Target(what, wanted, _why(_cell(results, place)), None)
    added = 1000 * (ours - under)
    return Target(what, wanted, f"{added:.1f} ms", added <= limit)


def _ninja(results: Results, place: Place, what: str, limit: float) -> Target:
    wanted, cell = f"at most {limit:g} × ninja", _cell(results, place)
    if cell is None or cell.seconds is None:
        return Target(what, wanted, _why(cell), None)
    return _judged(what, wanted, cell.ratio, limit)


def _judged(what: str, wanted: str, ratio: float | None, limit: float) -> Target:
    if ratio is None:
        return Target(what, wanted, "not measured", None)
    return Target(what, wanted, f"{ratio:.2f} ×", ratio <= limit)


def _memory(results: Results, size: int, limit: int, what: str, *, rows: tuple[str, ...] = ()) -> Target:
    """Of the rows that are named, else of all; with the one that takes most."""
    counts_files = {"one-task", "no-task"}
    cells = [
        cell
        for cell in results.of(OURS, size)
        if cell.memory and (cell.row in rows if rows else cell.row not in counts_files)
    ]
    what, wanted = f"memory: {what}", f"at most {limit} MB"
    if not cells:
        return Target(what, wanted, "not measured", None)
    most = max(cells, key=lambda cell: cell.memory or 0)
    taken = (most.memory or 0) / 1_000_000
    return Target(what, wanted, f"{taken:.0f} MB ({most.row})", taken <= limit)


def _why(cell: Cell | None) -> str:
    return "not measured" if cell is None or cell.missing is None else f"not measured: {cell.missing}"
