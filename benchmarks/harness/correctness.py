"""What each tool does where builds go wrong: killed midway, inputs edited at once, outputs edited by hand."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from typing import NamedTuple

from harness import trees
from harness.measure import TROUBLE, TooSlow, Unmeasured, measure
from harness.peers.base import Peer, Place
from harness.session import Session
from tree import PLAIN, Tree

KILL, TICK, TIME, HAND = "kill", "tick", "time", "hand"
TASKS = 40
PAUSE = 0.1
"""Seconds for which a task's output is half-written."""


class Killed(NamedTuple):
    """What came of one kill."""

    problem: str | None  # after two further builds
    kept: int  # finished tasks that did not run again
    done: int


class Trials:
    """One tool, on small trees of its own."""

    def __init__(self, session: Session, peer: Peer) -> None:
        self.session = session
        self.peer = peer
        self.bin = session.tools[peer.key]
        self.folder = os.path.join(session.options.work, "correctness", peer.key)
        self.log = f"{self.folder}.ran"

    def run(self) -> None:
        questions: dict[str, Callable[[], tuple[str, bool]]] = {
            KILL: self.killed,
            TICK: lambda: self.edited(bearing_its_time=False),
            TIME: lambda: self.edited(bearing_its_time=True),
            HAND: self.edited_output,
        }
        for question, answer in questions.items():
            lacks = self.peer.lacks.get(question)
            if lacks is not None:
                self.session.find(self.peer, question, lacks, right=None)
                continue
            try:
                said, right = answer()
            except TROUBLE as error:
                said, right = f"could not be tried: {error}", None
            self.session.find(self.peer, question, said, right=right)
        shutil.rmtree(os.path.dirname(self.folder), ignore_errors=True)

    def _laid(self, tree: Tree) -> Place:
        for path in (self.folder, f"{self.folder}.home"):
            shutil.rmtree(path, ignore_errors=True)
        os.makedirs(os.path.dirname(self.folder), exist_ok=True)
        with open(self.log, "w", encoding="utf-8"):
            pass
        return trees.laid(self.peer, tree, self.folder, self.bin)

    def _build(self, place: Place) -> None:
        measure(trees.command(place, self.peer.build(self.bin)), self.session.options.limit)

    def _ran(self) -> list[str]:
        """The outputs whose tasks ran since the log was last emptied."""
        found = (trees.read(self.log) or "").split()
        os.truncate(self.log, 0)
        return found

    # -- killed ---------------------------------------------------------------------------------------

    def killed(self) -> tuple[str, bool]:
        """Killed with half-written outputs about, and called again, twice."""
        kills = self.session.options.kills
        told = [self._kill_once() for _ in range(kills)]
        right = [one for one in told if one.problem is None]
        kept, done = sum(one.kept for one in told), sum(one.done for one in told)
        words = f"right {len(right)} of {kills} times; {kept} of {done} finished tasks kept"
        problem = next((one.problem for one in told if one.problem is not None), None)
        if problem is not None and problem.startswith("it stops"):
            return f"right {len(right)} of {kills} times; {problem}", False
        # Some tasks had just ended when the kill came; a tool that lost most of them has lost its state.
        return (f"{words}; {problem}", False) if problem is not None else (words, 2 * kept >= done)

    def _kill_once(self) -> Killed:
        place = self._laid(Tree(TASKS, trees.slow(self.log, PAUSE)))
        child = subprocess.Popen(
            self.peer.build(self.bin),
            cwd=place.folder,
            env=dict(place.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self._wait_for_a_half(place.folder, child)
        finally:
            kill_all(child)
        bad = set(trees.wrong(place.folder, TASKS, trees.BEGIN))
        finished = {f"out/{number}.txt" for number in range(TASKS) if number not in bad}
        self._ran()
        ends = [self._ends(place) for _ in range(2)]
        kept = len(finished - set(self._ran()))
        if ends[1] is not None:
            return Killed(f"it stops: {ends[1]}", kept, len(finished))
        bad = set(trees.wrong(place.folder, TASKS, trees.BEGIN))
        halves = [n for n in bad if trees.read(f"{place.folder}/out/{n}.txt") == trees.BEGIN]
        made = f", and {len(bad) - len(halves)} made from them" if len(bad) > len(halves) else ""
        problem = f"{len(halves)} half-written outputs count as done{made}" if bad else None
        return Killed(problem, kept, len(finished))

    def _ends(self, place: Place) -> str | None:
        """How a build fails; None: it does not."""
        try:
            self._build(place)
        except Unmeasured as error:
            return str(error)
        return None

    def _wait_for_a_half(self, folder: str, child: "subprocess.Popen[bytes]") -> None:
        """Until some tasks are done, and one has just begun."""
        until = time.monotonic() + self.session.options.limit
        while time.monotonic() < until:
            if child.poll() is not None:
                raise Unmeasured(f"the build ended by itself, with {child.returncode}")
            sizes = []
            for number in range(TASKS):
                try:
                    sizes.append(os.path.getsize(f"{folder}/out/{number}.txt"))
                except OSError:
                    continue
            if len(sizes) > 12 and len(trees.BEGIN) in sizes:
                return
            time.sleep(0.005)
        raise TooSlow(f"more than {self.session.options.limit:g} s until the kill")

    # -- edits ----------------------------------------------------------------------------------------

    def edited(self, *, bearing_its_time: bool) -> tuple[str, bool]:
        """An input edited in place, to other bytes of the same length, as soon as the build has ended.

        `bearing_its_time`: with the time of the output that the build has just made.
        """
        place = self._laid(Tree(1, PLAIN))
        source, output = f"{place.folder}/in/0.txt", f"{place.folder}/out/0.txt"
        self._build(place)
        seen = tried = 0
        until = time.monotonic() + self.session.options.limit
        while tried < self.session.options.edits and (time.monotonic() < until or not tried):
            time.sleep(0.02)
            _type(source, f"{tried:07d} before\n")
            self._quickly(place)
            if trees.read(output) != trees.read(source):  # missed an edit that nobody hurried
                raise Unmeasured("an ordinary edit was not seen")
            made = os.stat(output).st_mtime_ns
            _type(source, f"{tried:07d} after!\n")
            if bearing_its_time:
                os.utime(source, ns=(made, made))
            self._quickly(place)
            tried += 1
            seen += trees.read(output) == trees.read(source)
        return f"{seen} of {tried} seen", seen == tried

    def _quickly(self, place: Place) -> None:
        """A build that this process waits for itself, so that it can edit at once."""
        try:
            done = subprocess.run(
                self.peer.build(self.bin),
                cwd=place.folder,
                env=dict(place.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                timeout=self.session.options.limit,
            )
        except subprocess.TimeoutExpired as error:
            raise TooSlow(f"more than {self.session.options.limit:g} s") from error
        if done.returncode:
            raise Unmeasured(f"ended with {done.returncode}")

    def edited_output(self) -> tuple[str, bool]:
        """A line added to an output by hand; then a build, and one after an edit to what depends on it."""
        place = self._laid(Tree(20, trees.noting(self.log)))
        self._build(place)
        trees.settle(place.folder, 0.1)
        self._ran()
        with open(f"{place.folder}/out/1.txt", "a", encoding="utf-8") as file:
            file.write("by hand\n")
        edited = trees.read(f"{place.folder}/out/1.txt") or ""
        self._build(place)
        bad = trees.wrong(place.folder, 20)
        ran = ", ran again" if "out/1.txt" in self._ran() else ""
        if not bad:
            kept = "; the edit is kept in git" if _in_git(place, edited) else "; the edit is lost"
            return f"restored{ran}{kept}", True
        poisoned = len([number for number in bad if number != 1])
        return (f"ignored, and {poisoned} outputs made from it" if poisoned else "ignored"), False


def _type(path: str, line: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(line * 8)


def _in_git(place: Place, text: str) -> bool:
    """Whether these bytes are an object of the repository that a ref leads to."""
    found = subprocess.run(
        ["git", "hash-object", "--stdin"],
        cwd=place.folder,
        input=text,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    return found in place.call("git", "rev-list", "--objects", "--all", "--no-object-names")


def kill_all(child: "subprocess.Popen[bytes]") -> None:
    """Ends a process and all that it started, whatever groups they are in, as loss of power would."""
    if child.poll() is None:
        os.kill(child.pid, signal.SIGSTOP)  # it starts no more, while the others are looked for
    for process in (child.pid, *_below(child.pid)):
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue
    child.wait()


def _below(process: int) -> list[int]:
    """Its descendants, parents first."""
    said = subprocess.run(
        ["ps", "-A", "-o", "pid=", "-o", "ppid="], capture_output=True, text=True, check=True
    ).stdout
    parents = {int(one): int(parent) for one, parent in (line.split() for line in said.splitlines())}
    found, work = [], [process]
    while work:
        parent = work.pop(0)
        children = [one for one, of in parents.items() if of == parent]
        found += children
        work += children
    return found
