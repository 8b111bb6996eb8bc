"""Where commits stand in history: an order that no cache changes, and who descends from whom."""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from specbuild.engine.task import Oid
from specbuild.git.walk import Commit

_ROW = struct.Struct(">20sqii")


class Place(NamedTuple):
    """`date` is the commit's time, put right where a clock was behind its parents' (git's corrected
    commit date), so that sorting by it is topological, then by time. Commits of a chain descend from
    each other by first parents; a higher position is newer.
    """

    date: int
    chain: int
    position: int


class Lineage:
    """The places of all commits that were ever walked. A place depends on nothing that comes after."""

    def __init__(
        self,
        table: bytes = b"",
        links: dict[int, tuple[int, int]] | None = None,
        counters: Sequence[int] = (0, 0),
    ) -> None:
        self.table = table
        self.links = {} if links is None else links  # chain -> chain and position of what it grew from
        self.chains, self.positions = counters

    def place(self, oid: Oid) -> Place | None:
        """None: the commit was never walked."""
        wanted = bytes.fromhex(oid)
        start = self.table.find(wanted)
        while start % _ROW.size and start != -1:
            start = self.table.find(wanted, start + 1)
        return None if start == -1 else Place(*_ROW.unpack_from(self.table, start)[1:])

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
        return places

    def compact(self) -> None:
        """Forgets all but the last place of commits that were walked more than once."""
        rows = [self.table[at : at + _ROW.size] for at in range(0, len(self.table), _ROW.size)]
        self.table = b"".join({row[:20]: row for row in rows}.values())

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
