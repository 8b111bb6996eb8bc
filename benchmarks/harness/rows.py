"""The rows of the tables: what is measured on the trees of one size, for every tool."""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from harness import trees
from harness.alternate import Entry, alternate, keep
from harness.measure import TROUBLE, Command, measure
from harness.own import Own
from harness.peers import PEERS
from harness.peers.base import Peer, Place
from harness.results import Cell
from harness.session import BARE, OURS, YARDSTICK, Session
from tree import Tree, waiting

BUILDS = {"build", "touch", "waiting"}
"""Rows in which some tools build everything, so that the limit for builds holds."""

WAITS = 0.02
WAITING_AT_MOST = 1_000
"""Tasks of 20 ms are timed up to this size: more of them say no more about what comes on top."""


@dataclass(slots=True)
class Competitor:
    """A tool, and its tree of the size that is measured."""

    peer: Peer
    place: Place
    out: str | None = None  # why it takes part no more
    adopted: str | None = None  # why it did not build its tree, but took outputs that stood there for its own


class Rows:
    """The trees of one size, one for each tool, and what is measured on them."""

    def __init__(self, session: Session, size: int) -> None:
        self.session = session
        self.size = size
        self.tree = Tree(size)
        self.competitors: list[Competitor] = []

    def measure(self) -> None:
        options = self.session.options
        needed = [row for row in self._rows() if options.wants(row)]
        if options.wants("waiting") and self.size <= WAITING_AT_MOST:
            self._waiting()
        own = ("plan", "check", "status", "json", "globs", "hooks")
        if not needed and not any(options.wants(row) for row in own):
            return
        self._lay()
        ours = next(c for c in self.competitors if c.peer.key == OURS)
        mine = Own(self.session, self.size, ours.place)
        mine.plan()
        self._build()
        mine.yardstick = self._yardstick()
        for row, step in self._rows().items():
            if row != "build" and options.wants(row):
                step()
        mine.built(ours.out)
        shutil.rmtree(self._folder(""), ignore_errors=True)

    def _rows(self) -> dict[str, Callable[[], None]]:
        return {"build": self._build, "nothing": self._nothing, "leaf": self._leaf, "touch": self._touch}

    def _yardstick(self) -> Command | None:
        for competitor in self.competitors:
            if competitor.peer.key == YARDSTICK and competitor.out is None:
                words = competitor.peer.nothing(competitor.place.bin)
                return trees.command(competitor.place, words)
        return None

    def _folder(self, name: str) -> str:
        return os.path.join(self.session.options.work, str(self.size), name)

    def _lay(self) -> None:
        for key, reason in self.session.unavailable.items():
            name = next(peer.name for peer in PEERS if peer.key == key)
            for row in ("build", "nothing", "leaf", "touch", "after-touch"):
                self.session.add(Cell(row, self.size, name, self.session.name, missing=reason))
        for peer in self.session.peers:
            folder, bin_ = self._folder(peer.key), self.session.tools[peer.key]
            place = Place(folder, bin_, peer.environment(f"{folder}.home", bin_))
            competitor = Competitor(peer, place, self._hopeless(peer, "build"))
            self.competitors.append(competitor)
            if competitor.out is None:
                self._attempt(competitor, partial(trees.laid, peer, self.tree, folder, bin_))

    def _attempt(self, competitor: Competitor, step: Callable[[], object]) -> None:
        """A tool that fails is out; the others go on."""
        try:
            step()
        except TROUBLE as error:
            competitor.out = str(error)
            self.session.say(f"{competitor.peer.name}: {error}")

    def _hopeless(self, peer: Peer, row: str) -> str | None:
        """Why it is not even tried: by what it took at smaller sizes, it would pass the limit."""
        return None if peer.key in {OURS, YARDSTICK} else self._too_long(peer, row)

    def _too_long(self, peer: Peer, row: str) -> str | None:
        """The same, also for those that take part whatever they take."""
        limit = self._limit(row)
        for size in reversed([size for size in self.session.results.sizes(row) if size < self.size]):
            cell = self.session.results.cell(row, size, peer.name)
            if cell is None:
                continue
            if cell.seconds is not None:
                enough = cell.seconds * self.size / size <= limit
                return None if enough else f"not tried: {cell.seconds:.3g} s at {size:,} tasks already"
            if cell.missing is not None and cell.missing.startswith("not tried"):
                return cell.missing
            if cell.missing is not None and cell.missing.startswith("more than"):
                return f"not tried: {cell.missing} at {size:,} tasks already"
        return None

    def _limit(self, row: str) -> float:
        options = self.session.options
        return options.build_limit if row in BUILDS else options.limit

    def _run(self, row: str, entries: Sequence[Entry], *, after: str | None = None) -> None:
        options = self.session.options
        alternate(entries, options.rounds, self._limit(row), options.limit)
        self._keep(row, entries, after=after)

    def _keep(self, row: str, entries: Sequence[Entry], *, after: str | None = None) -> None:
        """Enters a row; tools that could not take part with the reason."""
        session = self.session
        keep(session, row, self.size, entries)
        if after is not None:
            keep(session, after, self.size, entries, after=True)
        seen = {entry.name for entry in entries}
        for competitor in self.competitors:
            if competitor.peer.name not in seen:
                for missed in (row, *([after] if after else [])):
                    reason = self._reason(competitor, row)
                    session.add(Cell(missed, self.size, competitor.peer.name, session.name, missing=reason))
        session.keep()

    def _reason(self, competitor: Competitor, row: str) -> str:
        lacks = competitor.peer.lacks.get(row)
        out = competitor.out
        if row == "build" and competitor.adopted is not None:
            return competitor.adopted
        return (
            lacks
            or (f"its tree was not built: {out}" if out and row != "build" else out)
            or (self._hopeless(competitor.peer, row) or "it took no part")
        )

    def _able(self, row: str) -> list[Competitor]:
        return [
            competitor
            for competitor in self.competitors
            if competitor.out is None
            and row not in competitor.peer.lacks
            and self._hopeless(competitor.peer, row) is None
        ]

    def _build(self) -> None:
        """From nothing; the last build's trees are the ones that the other rows use."""
        entries = []
        for competitor in self._able("build"):
            peer, place = competitor.peer, competitor.place
            too_long = self._too_long(peer, "build")
            if too_long is not None and (words := peer.adopt(place.bin)):
                competitor.adopted = f"{too_long}; for the other rows, outputs were laid there and adopted"
                self._attempt(competitor, partial(self._adopt, competitor, words))
                continue
            entries.append(
                Entry(
                    peer.name,
                    trees.command(place, peer.build(place.bin)),
                    partial(self._anew, peer, place),
                )
            )
        rounds = 3 if self.size <= 1_000 and self.session.options.wants("build") else 1
        alternate(
            entries, min(rounds, self.session.options.rounds), self._limit("build"), self._limit("nothing")
        )
        by_name = {competitor.peer.name: competitor for competitor in self.competitors}
        for entry in entries:
            competitor = by_name[entry.name]
            competitor.out = entry.missing
            if competitor.out is None:
                self._attempt(competitor, partial(trees.check, competitor.place.folder, self.size))
            if competitor.out is not None:
                entry.missing, entry.samples = competitor.out, []
        if self.session.options.wants("build"):
            self._keep("build", entries)

    def _adopt(self, competitor: Competitor, words: tuple[str, ...]) -> None:
        trees.hand_made(competitor.place.folder, self.size)
        competitor.place.call(*words)

    def _anew(self, peer: Peer, place: Place, turn: int) -> None:
        if turn:
            shutil.rmtree(place.folder)
            trees.laid(peer, self.tree, place.folder, place.bin)

    def _entries(
        self, row: str, prepare: Callable[[Competitor, int], None], *, nothing: bool = False
    ) -> list[Entry]:
        found = []
        for competitor in self._able(row):
            peer, place = competitor.peer, competitor.place
            words = peer.nothing(place.bin) if nothing else peer.build(place.bin)
            found.append(Entry(peer.name, trees.command(place, words), partial(prepare, competitor)))
        return found

    def _nothing(self) -> None:
        ours = next(c for c in self.competitors if c.peer.key == OURS)
        bare = Entry("bare Python", trees.command(ours.place, BARE))
        self._run("nothing", [*self._entries("nothing", self._remembered, nothing=True), bare])

    def _remembered(self, competitor: Competitor, turn: int) -> None:
        """The first look after a change saves what the next ones remember."""
        if turn == 0:
            trees.settle(competitor.place.folder, self.session.settled)
            self._untimed(competitor)

    def _untimed(self, competitor: Competitor) -> None:
        measure(
            trees.command(competitor.place, competitor.peer.nothing(competitor.place.bin)),
            self.session.options.build_limit,
        )

    def _leaf(self) -> None:
        self._run("leaf", self._entries("leaf", self._edit_leaf))

    def _edit_leaf(self, competitor: Competitor, turn: int) -> None:
        with open(f"{competitor.place.folder}/in/{self.size - 1}.txt", "a", encoding="utf-8") as file:
            file.write(f"edit {turn} {time.time_ns()}\n")

    def _touch(self) -> None:
        entries = self._entries("touch", self._touch_all, nothing=True)
        for entry in entries:
            entry.then = entry.command
        ours = next(c for c in self.competitors if c.peer.key == OURS)
        folder = f"{ours.place.folder}.git-only"
        if ours.out is None:
            shutil.copytree(ours.place.folder, folder, symlinks=True)
            entries.append(
                Entry(
                    "git update-index",
                    Command(("git", "update-index", "-q", "--refresh"), folder, ours.place.environment),
                    lambda _turn: self._touch_inputs(folder),
                )
            )
        self._run("touch", entries, after="after-touch")

    def _touch_all(self, competitor: Competitor, _turn: int) -> None:
        self._touch_inputs(competitor.place.folder)

    def _touch_inputs(self, folder: str) -> None:
        for number in range(self.size):
            os.utime(f"{folder}/in/{number}.txt")
        trees.settle(folder, self.session.settled)

    def _waiting(self) -> None:
        """Tasks that take their time, on trees of their own: what scheduling and commits add to it."""
        tree, entries = Tree(self.size, waiting(WAITS)), []
        for peer in self.session.peers:
            if peer.key in {OURS, YARDSTICK}:
                folder, bin_ = self._folder(f"waiting-{peer.key}"), self.session.tools[peer.key]
                place = Place(folder, bin_, peer.environment(f"{folder}.home", bin_))

                def anew(_turn: int, peer: Peer = peer, place: Place = place) -> None:
                    shutil.rmtree(place.folder, ignore_errors=True)
                    trees.laid(peer, tree, place.folder, place.bin)

                entries.append(Entry(peer.name, trees.command(place, peer.build(bin_)), anew))
        alternate(
            entries, min(3, self.session.options.rounds), self._limit("waiting"), 2 * self._limit("nothing")
        )
        keep(self.session, "waiting", self.size, entries)
