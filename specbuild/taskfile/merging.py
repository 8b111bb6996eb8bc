"""The merge driver for task files: ticks of both sides are united, other lines are merged one by one."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import chain
from typing import Final, NamedTuple

from specbuild.engine.task import RepoPath
from specbuild.errors import TaskFileError
from specbuild.taskfile.marks import read_head
from specbuild.taskfile.ticks import boxes

_LINES: Final = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+\Z")


class Row(NamedTuple):
    """A line, end included: what stands around its box, and what in it (None: it has no box)."""

    head: bytes
    box: bytes | None
    tail: bytes

    @property
    def words(self) -> tuple[bytes, bytes]:
        """The line but for its box: what two versions of it have in common."""
        return self.head, self.tail

    @property
    def text(self) -> bytes:
        return self.head + (self.box or b"") + self.tail


class Conflict(Exception):  # noqa: N818  (an outcome, not a mistake)
    """Both sides changed the same line in different ways."""


def merge(base: bytes, ours: bytes, theirs: bytes, path: RepoPath) -> bytes | None:
    """Both sides' changes; None where they contradict each other, or a side is not UTF-8."""
    if ours == theirs:
        return ours
    try:
        versions = [_rows(data, path) for data in (base, ours, theirs)]
    except TaskFileError:
        return None
    try:
        return b"".join(row.text for row in _merged(*versions))
    except Conflict:
        return None


def _rows(data: bytes, path: RepoPath) -> list[Row]:
    spans = [match.span() for match in _LINES.finditer(data)]
    starts = [start for start, _ in spans]
    at = {bisect_right(starts, box.start) - 1: box for box in boxes(data, path)}
    rows: list[Row] = []
    for index, (start, end) in enumerate(spans):
        box = at.get(index)
        if box is None:
            rows.append(Row(data[start:end], None, b""))
        else:
            rows.append(Row(data[start : box.start], data[box.start : box.end], data[box.end : end]))
    return rows


def _merged(base: Sequence[Row], ours: Sequence[Row], theirs: Sequence[Row]) -> Iterator[Row]:
    """diff3: lines that all three have keep them in step; between those, whoever changed something wins."""
    in_ours, in_theirs = _matches(base, ours), _matches(base, theirs)
    ours, theirs = (
        _moved(base, theirs, in_theirs, ours, in_ours),
        _moved(base, ours, in_ours, theirs, in_theirs),
    )
    b = o = t = 0
    for index in chain((i for i in range(len(base)) if i in in_ours and i in in_theirs), [len(base)]):
        next_o = in_ours.get(index, len(ours))
        next_t = in_theirs.get(index, len(theirs))
        yield from _between(base[b:index], ours[o:next_o], theirs[t:next_t])
        if index < len(base):
            yield _united(base[index].box, ours[next_o], theirs[next_t])
        b, o, t = index + 1, next_o + 1, next_t + 1


def _moved(
    base: Sequence[Row],
    ticked: Sequence[Row],
    in_ticked: dict[int, int],
    other: Sequence[Row],
    in_other: dict[int, int],
) -> Sequence[Row]:
    """`other`, with the boxes that the first side changed in lines that `other` has moved elsewhere."""
    changed = {
        base[index].words: ticked[place].box
        for index, place in in_ticked.items()
        if index not in in_other and ticked[place].box != base[index].box
    }
    if not changed:
        return other
    kept = set(in_other.values())
    return [
        row if place in kept or row.words not in changed else row._replace(box=changed[row.words])
        for place, row in enumerate(other)
    ]


def _matches(base: Sequence[Row], side: Sequence[Row]) -> dict[int, int]:
    """Which line of `side` each line of `base` still is, whatever its box holds."""
    a, b = [row.words for row in base], [row.words for row in side]
    head = 0
    while head < min(len(a), len(b)) and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < min(len(a), len(b)) - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    found = {index: index for index in range(head)}
    middle = SequenceMatcher(None, a[head : len(a) - tail], b[head : len(b) - tail], autojunk=False)
    for block in middle.get_matching_blocks():
        found.update((head + block.a + step, head + block.b + step) for step in range(block.size))
    found.update((len(a) - 1 - step, len(b) - 1 - step) for step in range(tail))
    return found


def _united(before: bytes | None, ours: Row, theirs: Row) -> Row:
    """One line that only boxes may differ in; a side that changed its box wins, a tick over anything else."""
    if ours.box == before or (theirs.box != before and _is_ticked(theirs) and not _is_ticked(ours)):
        return theirs
    return ours


def _is_ticked(row: Row) -> bool:
    return row.box in (b"x", b"X")


def _between(base: Sequence[Row], ours: Sequence[Row], theirs: Sequence[Row]) -> Sequence[Row]:
    """A stretch in which at least one side changed words."""
    if _same(ours, theirs):
        before = [row.box for row in base] if len(base) == len(ours) else [b" "] * len(ours)
        return [_united(box, o, t) for box, o, t in zip(before, ours, theirs, strict=True)]
    if _same(base, ours):
        return _ticks_carried(base, ours, theirs)
    if _same(base, theirs):
        return _ticks_carried(base, theirs, ours)
    if len(base) == len(ours) == len(theirs):
        return [_one(b, o, t) for b, o, t in zip(base, ours, theirs, strict=True)]
    raise Conflict


def _same(one: Sequence[Row], other: Sequence[Row]) -> bool:
    return len(one) == len(other) and all(a.words == b.words for a, b in zip(one, other, strict=True))


def _one(base: Row, ours: Row, theirs: Row) -> Row:
    """One line of a stretch in which no line was added or taken away."""
    if theirs.words in (ours.words, base.words):
        return _boxed(base, ours, theirs)
    if ours.words == base.words:
        return _boxed(base, theirs, ours)
    raise Conflict


def _boxed(base: Row, worded: Row, other: Row) -> Row:
    """`worded`, with the box of `other` where only that one changed it."""
    if worded.box is None or other.box is None or other.box == base.box or worded.box != base.box:
        return worded
    if worded.words != other.words and (_id(worded) is None or _id(worded) != _id(other)):
        return worded  # another task stands there now, and nobody did that one
    return worded._replace(box=other.box)


def _id(row: Row) -> str | None:
    return read_head(row.tail.partition(b"]")[2].strip().decode()).id


def _ticks_carried(base: Sequence[Row], ticked: Sequence[Row], worded: Sequence[Row]) -> Sequence[Row]:
    """`worded`, with what the other side, which left the words alone, did to the boxes of reworded lines."""
    if len(base) != len(worded):
        return worded
    return [_boxed(b, w, t) for b, t, w in zip(base, ticked, worded, strict=True)]
