"""What grows with the repository and its history, and should not: specbuild in large ones."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial

import tree
from harness import trees
from harness.alternate import Entry, alternate, keep
from harness.measure import TROUBLE, Unmeasured, measure
from harness.peers.base import Place
from harness.results import Cell
from harness.session import OURS, Session

MOVED = 1_000
"""Commits by which HEAD is moved."""

EVERY = 10
"""One of so many commits of the history holds a checkpoint."""


class Scale:
    """Repositories of a few tasks, with many files beside them, or with a long history below them."""

    def __init__(self, session: Session, tasks: int = 100) -> None:
        self.session = session
        self.tasks = tasks
        self.peer = next(peer for peer in session.peers if peer.key == OURS)
        self.bin = session.tools[OURS]
        self.specbuild = os.path.join(self.bin, "specbuild")

    def _folder(self, name: str) -> str:
        return os.path.join(self.session.options.work, "scale", name)

    def _built(self, folder: str) -> Place:
        shutil.rmtree(folder, ignore_errors=True)
        place = trees.laid(self.peer, tree.Tree(self.tasks), folder, self.bin)
        self._measure(place)
        return place

    def _measure(self, place: Place) -> None:
        """A build whose time does not count."""
        measure(trees.command(place, self.peer.build(self.bin)), self.session.options.build_limit)

    def _missing(self, row: str, size: int, error: Exception) -> None:
        self.session.say(f"{size:,} {row}: {error}")
        self.session.add(Cell(row, size, OURS, self.session.name, missing=str(error)))
        self.session.keep()

    # -- files ----------------------------------------------------------------------------------------

    def files(self, count: int) -> None:
        """A run of one task, and of none, where git follows so many files; and git's own commit of one."""
        folder = self._folder(f"files-{count}")
        try:
            place = self._built(folder)
            _fill(place, max(count - 2 * self.tasks - 2, 0))
            trees.settle(folder, self.session.settled)
            self._measure(place)
            self._one_and_none(place, count)
        except TROUBLE as error:
            self._missing("one-task", count, error)
        shutil.rmtree(folder, ignore_errors=True)

    def _one_and_none(self, place: Place, count: int) -> None:
        options = self.session.options
        source, notes = f"{place.folder}/in/{self.tasks - 1}.txt", f"{place.folder}/notes.txt"
        commit = ("sh", "-c", "git add notes.txt && git commit -q --no-verify -m notes -- notes.txt")
        quiet = trees.command(place, self.peer.nothing(self.bin))
        entries = [
            Entry(OURS, quiet, lambda turn: _append(source, f"edit {turn}\n")),
            Entry(
                "git add, git commit", trees.command(place, commit), lambda turn: _append(notes, f"{turn}\n")
            ),
        ]
        alternate(entries, options.rounds, options.limit, options.limit)
        keep(self.session, "one-task", count, entries)
        trees.settle(place.folder, self.session.settled)
        measure(quiet, options.limit)
        nothing = Entry(OURS, quiet)
        git = Entry("git diff-files", trees.command(place, ("git", "diff-files", "--quiet")))
        alternate([nothing, git], options.rounds, options.limit, options.limit)
        keep(self.session, "no-task", count, [nothing, git])

    # -- history --------------------------------------------------------------------------------------

    def history(self, commits: int) -> None:
        """`status` above a history of so many commits with checkpoints, and without one."""
        long, short = self._folder("history-long"), self._folder("history-short")
        try:
            places = {"with history": self._built(long), "without": self._built(short)}
            self._grow(places["with history"], commits)
            self._status(places, commits)
        except TROUBLE as error:
            self._missing("history-cold", commits, error)
        for folder in (long, short):
            shutil.rmtree(folder, ignore_errors=True)

    def _grow(self, place: Place, commits: int) -> None:
        """The history, and a build on top of it."""
        self._import(place, commits, "main")
        place.call("git", "reset", "-q", "--hard")
        self._measure(place)

    def _import(self, place: Place, commits: int, branch: str, *, first: int = 0) -> None:
        """`first`: the task of the first checkpoint; the others follow, and come round."""
        start = place.call("git", "rev-parse", "HEAD")
        after = int(place.call("git", "log", "-1", "--format=%ct"))
        stream = subprocess.Popen(
            ["git", "fast-import", "--quiet", "--force"],
            cwd=place.folder,
            env=dict(place.environment),
            stdin=subprocess.PIPE,
        )
        with stream:
            if stream.stdin is None:
                raise OSError("git fast-import has no stdin")
            for part in past(commits, branch, start, after, range(first, first + self.tasks)):
                stream.stdin.write(part)
        if stream.returncode:
            raise Unmeasured(f"git fast-import ended with {stream.returncode}")

    def _status(self, places: dict[str, Place], commits: int) -> None:
        """Cold: nothing is cached. Warm: HEAD is where it was. Moved: it was elsewhere at the last look."""
        options = self.session.options

        def entries(prepare: Callable[[Place, int], None]) -> list[Entry]:
            return [
                Entry(name, trees.command(place, (self.specbuild, "status")), partial(prepare, place))
                for name, place in places.items()
            ]

        cold = entries(_forget)
        alternate(cold, min(3, options.rounds), options.limit, options.limit)
        keep(self.session, "history-cold", commits, cold)
        for place in places.values():
            self._measure(place)
        warm = entries(lambda _place, _turn: None)
        alternate(warm, options.rounds, options.limit, options.limit)
        keep(self.session, "history-warm", commits, warm)
        self._moved(places["with history"], commits)

    def _moved(self, place: Place, commits: int) -> None:
        """HEAD goes on by 1,000 commits that it has never seen, stays, and goes back by them.

        Their checkpoints are of tasks that are no more, so that only finding them takes time.
        """
        options = self.session.options
        status = trees.command(place, (self.specbuild, "status"))

        def go(tip: int) -> None:
            place.call("git", "checkout", "-q", "-B", "main", f"tip-{tip}")
            trees.settle(place.folder, self.session.settled)

        moved = Entry("moved", status, lambda turn: go(turn + 1))
        stayed = Entry("stayed", status)
        back = Entry("back", status, go)
        place.call("git", "branch", "tip-0")
        for turn in range(options.rounds):
            self._import(place, MOVED, f"tip-{turn + 1}", first=self.tasks)
            for entry in (moved, stayed, back):
                entry.turn(turn, options.limit)
            go(turn + 1)
            measure(status, options.build_limit)
        keep(self.session, "history-moved", commits, [moved, back, stayed])


def past(commits: int, branch: str, start: str, after: int, tasks: range) -> Iterator[bytes]:
    """For `git fast-import`: commits of one file each, every tenth with a checkpoint of one of the tasks;
    each a second after the one before, the first after the time `after`.
    """
    for number in range(commits):
        message = f"change {number}\n"
        if number % EVERY == 0:
            message += f"\n{_checkpoint(number // EVERY, tasks)}\n"
        text, note = message.encode(), f"note {number} of {branch}\n".encode()
        yield b"".join(
            (
                b"commit refs/heads/%s\n" % branch.encode(),
                b"committer Past <past@example.invalid> %d +0000\n" % (after + 1 + number),
                b"data %d\n%s" % (len(text), text),
                b"from %s\n" % start.encode() if number == 0 else b"",
                b"M 100644 inline notes/%02d.txt\ndata %d\n%s\n" % (number % 100, len(note), note),
            )
        )


def _checkpoint(number: int, tasks: range) -> str:
    """A line as a run long ago would have left it: right in form, of a key that holds no more."""
    task = tasks[number % len(tasks)]
    key, definition, result = (f"{number:010x}{part:010x}" for part in (1, 2, 3))
    reads = " ".join(f"r:{path}" for path in tree.inputs(task))
    name = f"tasks.md#T{task:06d}"
    return (
        f"Specbuild-Checkpoint: v1 {key} - {definition} 0.10 shell {name} t:out/{task}.txt={result} {reads}"
    )


def _forget(place: Place, _turn: int) -> None:
    shutil.rmtree(f"{place.folder}/.git/specbuild", ignore_errors=True)


def _append(path: str, text: str) -> None:
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


def _fill(place: Place, count: int) -> None:
    """So many further files, in folders of a hundred, committed."""
    for number in range(count):
        folder = f"{place.folder}/src/{number // 10_000}/{number // 100}"
        if number % 100 == 0:
            os.makedirs(folder)
        with open(f"{folder}/{number}.txt", "w", encoding="utf-8") as file:
            file.write(f"file {number}\n")
    with open(f"{place.folder}/notes.txt", "w", encoding="utf-8") as file:
        file.write("notes\n")
    place.call("git", "add", "--all")
    place.call("git", "commit", "-q", "--no-verify", "-m", f"{count} further files")
