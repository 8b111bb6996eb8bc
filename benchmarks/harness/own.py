"""Rows that only specbuild has: its plan, its other commands, its hook."""

import os
import sys

import tree
from harness import trees
from harness.alternate import Entry, alternate, keep
from harness.measure import TROUBLE, Command, Sample, Unmeasured, measure
from harness.peers.base import Place
from harness.results import Cell
from harness.session import BARE, OURS, YARDSTICK, Session

PLANNING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "planning.py")
GLOBS = 'inputs = ["in/*.csv", "lib/**"]\n'
ZEROS = "0" * 40


class Own:
    """The specbuild tree of one size."""

    def __init__(self, session: Session, size: int, place: Place, yardstick: Command | None = None) -> None:
        """`yardstick`: ninja with nothing to do, where its tree is there."""
        self.session = session
        self.size = size
        self.place = place
        self.yardstick = yardstick
        self.specbuild = os.path.join(place.bin, "specbuild")

    def plan(self) -> None:
        """Of the tree before anything is built."""
        if self.session.options.wants("plan"):
            self._row("plan", [self._entry("run", "--dry-run")])
            self._plan_alone()

    def _plan_alone(self) -> None:
        """Planning within a process, which says itself what it took."""
        row, session, samples, missing = "plan-alone", self.session, [], None
        try:
            for _ in range(session.options.rounds):
                seconds, memory = self.place.call(sys.executable, PLANNING).split()
                samples.append(Sample(float(seconds), int(memory)))
        except (Unmeasured, ValueError) as error:
            missing = str(error)
        session.add(Cell(row, self.size, OURS, session.name, samples=samples, missing=missing))
        session.keep()

    def built(self, out: str | None) -> None:
        """After the other rows, so that its hook cannot disturb them. `out`: why nothing was built."""
        wants = self.session.options.wants
        if out is not None:
            for row in filter(wants, ("json", "check", "status", "hooks", "globs")):
                self.session.add(Cell(row, self.size, OURS, self.session.name, missing=out))
            return
        trees.settle(self.place.folder, self.session.settled)
        self._call("run", "--quiet")
        if wants("json"):
            self._row("json", [self._entry("--json"), *self._beside()])
        if wants("check"):
            self._row("check", [self._entry("check"), *self._beside()])
        if wants("status"):
            self._row("status", [self._entry("status"), *self._beside()])
        if wants("hooks"):
            self._hooks()
        if wants("globs"):
            self._globs()

    def _entry(self, *arguments: str, place: Place | None = None) -> Entry:
        return Entry(OURS, trees.command(place or self.place, (self.specbuild, *arguments)))

    def _beside(self) -> list[Entry]:
        bare = Entry("bare Python", trees.command(self.place, BARE))
        return [bare, *([Entry(YARDSTICK, self.yardstick)] if self.yardstick is not None else [])]

    def _row(self, row: str, entries: list[Entry]) -> None:
        options = self.session.options
        alternate(entries, options.rounds, options.limit, options.limit)
        keep(self.session, row, self.size, entries)

    def _call(self, *arguments: str) -> None:
        """Not measured; what it fails at will be seen in what is."""
        try:
            self.place.call(self.specbuild, *arguments)
        except Unmeasured as error:
            self.session.say(f"specbuild: {error}")

    def _hooks(self) -> None:
        """The pre-push hook, as git calls it, of a commit that it has judged before."""
        folder = self.place.folder
        self._call("hook", "install", "--force")
        head = self.place.call("git", "rev-parse", "HEAD")
        given = f"{folder}.pushed"
        with open(given, "w", encoding="utf-8") as file:
            file.write(f"refs/heads/main {head} refs/heads/main {ZEROS}\n")
        words = (f"{folder}/.git/hooks/pre-push", "origin", "url")
        hook = Entry(OURS, trees.command(self.place, words, given))
        try:
            measure(hook.command, self.session.options.build_limit)  # judges in full
        except Unmeasured as error:
            hook.missing = str(error)
        self._row("hooks", [hook, *self._beside()])

    def _globs(self) -> None:
        """A tree of its own, whose tasks read globs, too."""
        folder = f"{self.place.folder}-globs"
        made = tree.Tree(self.size, "cat OUTPUT > /dev/null")  # never run: its outputs are adopted
        files = {
            "tasks.md": tree.tasks_md(self.size),
            "specbuild.toml": tree.specbuild_toml(made, GLOBS),
            **{f"in/{name}.csv": f"{name}\n" for name in ("a", "b")},
            **{f"lib/{name}/x.txt": f"{name}\n" for name in ("a", "b", "c")},
        }
        place = Place(folder, self.place.bin, self.place.environment)
        entry = self._entry("--quiet", place=place)
        try:
            tree.lay(folder, made, files)
            trees.hand_made(folder, self.size)
            place.call(self.specbuild, "adopt", "stale")
            place.call(self.specbuild, "--quiet")  # registers its merge driver in .git/config
            trees.settle(folder, self.session.settled)
            place.call(self.specbuild, "--quiet")
        except TROUBLE as error:
            entry.missing = str(error)
        self._row("globs", [entry, *self._beside()])
