"""The lines of a history's cache as a sequence of checkpoints, each read when somebody looks at it."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import overload

from specbuild.engine.checkpoint import (
    Checkpoint,
    Recorded,
    format_line,
    format_name,
    parse_lines,
    target_of,
    written_targets,
)
from specbuild.engine.task import Oid, RepoPath, TaskName
from specbuild.git.historycache import Flat
from specbuild.git.undone import Node, undone_lines

_FEW = 4  # tasks may be looked for line by line; after that an index of all lines pays


class Records(Sequence[Recorded]):
    """Checkpoints, newest first."""

    def __init__(self, flat: Flat) -> None:
        self._flat = flat
        self._parsed: list[Recorded | None] = [None] * len(flat.lines)
        self._by_definition: dict[bytes, list[int]] = {}
        self._by_name: dict[bytes, list[int]] = {}
        self._by_key: dict[bytes, list[int]] = {}
        self._looks = 0
        self._indexed = self._keyed = 0  # so many lines, the oldest, are in the first two, and in the third

    def append(self, commit: Oid, checkpoints: Sequence[Checkpoint], time: int) -> None:
        """A commit on top of all others."""
        flat = self._flat
        order = min(flat.orders[-1:], default=0) - 1
        date = max(time, *flat.dates[-1:], 0)
        for checkpoint in reversed(checkpoints):
            line = format_line(checkpoint).encode("ascii")
            for column, value in zip(flat.columns, (commit, order, date, time, False, line), strict=True):
                column.append(value)
            self._parsed.append(Recorded(checkpoint, commit, order, undone=False, time=time))

    def concerning(self, name: TaskName, definition: str) -> Sequence[Recorded]:
        """Those that have this definition or this name; the others stay unread."""
        wanted = definition.encode("ascii", "replace"), format_name(name).encode("ascii")
        self._looks += 1
        if self._looks <= _FEW and not self._indexed:
            positions = self._search(*wanted)
        else:
            self._index()
            positions = [*{*self._by_definition.get(wanted[0], ()), *self._by_name.get(wanted[1], ())}]
        return [self._at(position) for position in sorted(positions, reverse=True)]

    def _search(self, definition: bytes, name: bytes) -> list[int]:
        """Where either stands, without an index of all lines."""
        found = []
        for position, line in enumerate(self._flat.lines):
            if definition in line or name in line:
                words = line.split(b" ", 8)
                if words[4] == definition or words[7] == name:
                    found.append(position)
        return found

    def with_definition(self, definition: str) -> Iterator[Recorded]:
        """Those that have this definition, newest first; the others stay unread."""
        self._index()
        return map(self._at, reversed(self._by_definition.get(definition.encode("ascii", "replace"), ())))

    def with_key(self, key: str) -> Sequence[Recorded]:
        """Those that have this key, newest first."""
        lines = self._flat.lines
        for position in range(self._keyed, len(lines)):
            self._by_key.setdefault(lines[position].split(b" ", 3)[2], []).append(position)
        self._keyed = len(lines)
        return [self._at(position) for position in reversed(self._by_key.get(key.encode("ascii"), ()))]

    def _index(self) -> None:
        lines = self._flat.lines
        for position in range(self._indexed, len(lines)):
            _, _, _, _, definition, _, _, name, *_ = lines[position].split(b" ", 8)
            self._by_definition.setdefault(definition, []).append(position)
            self._by_name.setdefault(name, []).append(position)
        self._indexed = len(lines)

    def with_targets(self, wanted: Callable[[RepoPath], bool]) -> Iterator[Recorded]:
        """Those with a target that is wanted, newest first; the others stay unread."""
        answers: dict[bytes, bool] = {}  # most targets are in many lines
        for position in range(len(self) - 1, -1, -1):
            for written in written_targets(self._flat.lines[position]):
                answer = answers.get(written)
                if answer is None:
                    answer = answers[written] = wanted(target_of(written))
                if answer:
                    yield self._at(position)
                    break

    def identity(self, count: int | None) -> tuple[int, str]:
        """How many lines the oldest `count` are (None: all), and a digest of where and how they stand."""
        flat = self._flat
        count = len(flat.lines) if count is None else min(count, len(flat.lines))
        found = sha256("".join(flat.commits[:count]).encode("ascii"))
        found.update(array("q", flat.orders[:count]).tobytes())
        found.update(bytes(flat.undone[:count]))
        found.update(b"cut" if flat.cut else b"whole")
        return count, found.hexdigest()

    def since(self, count: int) -> Sequence[Recorded]:
        """Those after the oldest `count`."""
        return [self._at(position) for position in range(count, len(self._parsed))]

    def undone(self) -> Sequence[Recorded]:
        return [self._at(position) for position, undone in enumerate(self._flat.undone) if undone]

    def __len__(self) -> int:
        return len(self._parsed)

    @overload
    def __getitem__(self, index: int) -> Recorded: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Recorded]: ...

    def __getitem__(self, index: int | slice) -> Recorded | Sequence[Recorded]:
        positions = range(len(self) - 1, -1, -1)[index]
        if isinstance(positions, int):
            return self._at(positions)
        return [self._at(position) for position in positions]

    def __iter__(self) -> Iterator[Recorded]:
        return map(self._at, range(len(self) - 1, -1, -1))

    def _at(self, position: int) -> Recorded:
        record = self._parsed[position]
        if record is None:
            flat = self._flat
            record = self._parsed[position] = Recorded(
                next(parse_lines(flat.lines[position])),
                flat.commits[position],
                flat.orders[position],
                flat.undone[position],
                flat.times[position],
            )
        return record


def flatten(tip: Oid, nodes: Sequence[Node], *, cut: bool) -> Flat:
    """The lines of nodes (newest first) as columns (oldest first)."""
    flat = Flat(tip, cut, undone=undone_lines(nodes))
    for order, node in enumerate(nodes):
        for told in node.sections:
            for line in told.lines:
                flat.commits.append(node.oid)
                flat.orders.append(order)
                flat.dates.append(node.date)
                flat.times.append(node.time)
                flat.lines.append(line)
    for column in flat.columns:
        column.reverse()
    return flat


def extend(flat: Flat, nodes: Sequence[Node], gone: set[Oid]) -> Flat | None:
    """The lines without those of commits that are gone, and with those of newer nodes (newest first).

    None: it is not as simple as that, since a revert came, or a node that is no newer than all others.
    """
    if any(told.undoes for node in nodes for told in node.sections):
        return None
    if gone.isdisjoint(flat.commits):
        columns = tuple([*column] for column in flat.columns)
    else:
        stay = [position for position, commit in enumerate(flat.commits) if commit not in gone]
        columns = tuple([column[position] for position in stay] for column in flat.columns)
    longer = Flat(flat.tip, flat.cut, *columns)
    newest = longer.dates[-1] if longer.dates else -1
    if nodes and nodes[-1].date <= newest:
        return None
    added = flatten(flat.tip, nodes, cut=flat.cut)
    first = min(longer.orders[-1:], default=0)
    added.orders = [first - 1 - position for position in _ranks(added.commits)]
    for column, new in zip(longer.columns, added.columns, strict=True):
        column.extend(new)
    return longer


def _ranks(commits: Sequence[Oid]) -> Iterator[int]:
    """0 for the first commit's lines, 1 for the next one's."""
    rank, before = -1, None
    for commit in commits:
        rank += commit != before
        before = commit
        yield rank
