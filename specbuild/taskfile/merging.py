"""The merge driver for task files: ticks of both sides are united, other lines are merged one by one."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import chain
from typing import Final, NamedTuple

from specbuild.engine.task import RepoPath
from specbuild.errors import TaskFileError
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
    b = o = t = 0
    for index in chain((i for i in range(len(base)) if i in in_ours and i in in_theirs), [len(base)]):
        next_o = in_ours.get(index, len(ours))
        next_t = in_theirs.get(index, len(theirs))
        yield from _between(base[b:index], ours[o:next_o], theirs[t:next_t])
        if index < len(base):
            yield _united(base[index], ours[next_o], theirs[next_t])
        b, o, t = index + 1, next_o + 1, next_t + 1


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


def _united(base: Row, ours: Row, theirs: Row) -> Row:
    """One line that only boxes may differ in; a side that changed its box wins, a tick over anything else."""
    if ours.box == base.box or _is_ticked(theirs):
        return theirs._replace(head=ours.head, tail=ours.tail) if theirs.box != base.box else ours
    return ours


def _is_ticked(row: Row) -> bool:
    return row.box in (b"x", b"X")


def _between(base: Sequence[Row], ours: Sequence[Row], theirs: Sequence[Row]) -> Sequence[Row]:
    """A stretch in which at least one side changed words."""
    if _same(ours, theirs):
        return (
            [_united(b, o, t) for b, o, t in zip(ours, ours, theirs, strict=True)] if ours != theirs else ours
        )
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
    return worded._replace(box=other.box)


def _ticks_carried(base: Sequence[Row], ticked: Sequence[Row], worded: Sequence[Row]) -> Sequence[Row]:
    """`worded`, with what the other side, which left the words alone, did to the boxes."""
    changed = {b.words: (b, t) for b, t in zip(base, ticked, strict=True) if b.box != t.box}
    if not changed:
        return worded
    if len(base) == len(worded):
        return [_boxed(b, w, t) for b, t, w in zip(base, ticked, worded, strict=True)]
    return [_boxed(*_pair(changed, row)) for row in worded]


def _pair(changed: dict[tuple[bytes, bytes], tuple[Row, Row]], row: Row) -> tuple[Row, Row, Row]:
    """A reworded stretch's line with its own earlier and ticked form, where it was only moved."""
    base, ticked = changed.get(row.words, (row, row))
    return base, row, ticked
