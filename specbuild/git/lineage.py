"""Where commits stand in history: an order that no cache changes, and who descends from whom."""

import struct
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from specbuild.engine.task import Oid
from specbuild.git.walk import Commit

_ROW = struct.Struct(">20sqii")
_RECENT = 4_096  # rows that may stand unsorted behind the others


class Place(NamedTuple):
    """`date` is the commit's time, put right where a clock was behind its parents' (git's corrected
    commit date), so that sorting by it is topological, then by time. Commits of a chain descend from
    each other by first parents; a higher position is newer.
    """

    date: int
    chain: int
    position: int


class Lineage:
    """The places of all commits that were ever walked. A place depends on nothing that comes after.

    They lie in rows, sorted by id but for the recent ones, so that a place is found in no time and a
    process that asks for none spends none.
    """

    def __init__(
        self,
        table: bytes = b"",
        links: dict[int, tuple[int, int]] | None = None,
        counters: Sequence[int] = (0, 0, 0),
    ) -> None:
        self.table = table
        self.links = {} if links is None else links  # chain -> chain and position of what it grew from
        self.chains, self.positions, self.sorted = counters  # `sorted`: so many rows are
        self._recent: dict[bytes, int] | None = None  # the others, and where each begins

    @property
    def counters(self) -> tuple[int, int, int]:
        return self.chains, self.positions, self.sorted

    def place(self, oid: Oid) -> Place | None:
        """None: the commit was never walked."""
        wanted = bytes.fromhex(oid)
        if self._recent is None:
            starts = range(self.sorted * _ROW.size, len(self.table), _ROW.size)
            self._recent = {self.table[start : start + 20]: start for start in starts}
        start = self._recent.get(wanted)
        if start is None:
            row = bisect_left(range(self.sorted), wanted, key=self._id)
            if row == self.sorted or self._id(row) != wanted:
                return None
            start = row * _ROW.size
        return Place(*_ROW.unpack_from(self.table, start)[1:])

    def _id(self, row: int) -> bytes:
        return self.table[row * _ROW.size : row * _ROW.size + 20]

    def add(self, commits: Sequence[Commit]) -> dict[Oid, Place]:
        """The places of new commits (children first), whose other parents were added before."""
        dates = self._dates(commits)
        chains: dict[Oid, int] = {}
        last = self.positions + len(commits) - 1
        places: dict[Oid, Place] = {}
        grown: list[tuple[int, Oid]] = []
        for number, commit in enumerate(commits):
            chain = chains.get(commit.oid)
            if chain is None:
                chain = self.chains
                self.chains += 1
            places[commit.oid] = Place(dates[commit.oid], chain, last - number)
            parent = commit.parents[0] if commit.parents else None
            if parent in dates and parent not in chains:
                chains[parent] = chain
            elif parent is not None:
                grown.append((chain, parent))
        for chain, parent in grown:
            below = places.get(parent) or self.place(parent)
            if below is not None:
                self.links[chain] = (below.chain, below.position)
        self.positions = last + 1
        rows = [_ROW.pack(bytes.fromhex(oid), *place) for oid, place in places.items()]
        self.table = b"".join([self.table, *rows])
        self._recent = None
        if len(self.table) > (self.sorted + _RECENT) * _ROW.size:
            self._sort()
        return places

    def _sort(self) -> None:
        """Of commits that were walked more than once, the last place stays."""
        rows = [self.table[start : start + _ROW.size] for start in range(0, len(self.table), _ROW.size)]
        last = {row[:20]: row for row in rows}
        self.table = b"".join(sorted(last.values()))
        self.sorted = len(last)

    def precedes(self, older: Place, newer: Place) -> bool | None:
        """Whether one commit is the other's ancestor; None: first parents do not tell."""
        if older.date >= newer.date:
            return False
        if older.chain == newer.chain:
            return older.position < newer.position
        chain, position = newer.chain, newer.position
        while chain in self.links:
            chain, position = self.links[chain]
            if chain == older.chain and older.position <= position:
                return True
        return None

    def _dates(self, commits: Sequence[Commit]) -> dict[Oid, int]:
        dates: dict[Oid, int] = {}
        for commit in reversed(commits):
            date = commit.time
            for parent in commit.parents:
                below = dates.get(parent)
                if below is None:
                    known = self.place(parent)
                    below = -1 if known is None else known.date  # None: history is cut here
                if below >= date:
                    date = below + 1
            dates[commit.oid] = date
        return dates
