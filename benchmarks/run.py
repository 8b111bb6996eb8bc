"""specbuild beside ninja, on the same trees, in alternating runs of one session.

    .venv/bin/pip install -q --group bench && .venv/bin/python benchmarks/run.py

prints a table of medians of wall seconds, whole processes; `--save FILE` writes it as Markdown, too.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tree

MIB = 1 << 20


class Sample(NamedTuple):
    """One run of one command."""

    seconds: float
    memory: int  # bytes resident at most


class Peer(NamedTuple):
    """A build tool with a tree of its own."""

    name: str
    build: tuple[str, ...]
    folder: str


class Row(NamedTuple):
    what: str
    tasks: int
    samples: dict[str, list[Sample]]


class Failed(Exception):  # noqa: N818  (what a command did)
    """A measured command failed: its time would mean nothing."""


def measure(command: Sequence[str], folder: str) -> Sample:
    """Runs a command to its end, its output to a file, so that nothing waits for a reader."""
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        child = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            output.seek(0)
            said = output.read()[-2000:].decode(errors="replace")
            raise Failed(f"{' '.join(command)} ended with {child.returncode} in {folder}:\n{said}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Sample(seconds, usage.ru_maxrss * unit)


class Session:
    """The trees of one size, one for each peer, and the rows that are measured on them."""

    def __init__(self, work: str, count: int, rounds: int, specbuild: str, ninja: str) -> None:
        self.count = count
        self.rounds = rounds
        self.work = work
        self.peers = [
            Peer("specbuild", (specbuild, "-j", "2", "--quiet"), f"{work}/specbuild-{count}"),
            Peer("ninja", (ninja, "-j", "2", "--quiet"), f"{work}/ninja-{count}"),
        ]
        self.ours = self.peers[0]
        for peer in self.peers:
            tree.write(peer.folder, count)

    def rows(self, *, builds: int) -> Iterator[Row]:
        yield self._own("plan, nothing built yet (--dry-run)", ("run", "--dry-run"))
        yield self._full_build(builds)
        yield self._alternating("nothing to do", self._nothing)
        yield self._alternating("one stale leaf", self._edit_leaf)
        yield self._alternating("every file touched", self._touch)
        yield self._alternating("nothing to do, after that", self._nothing)
        yield self._own("check", ("check",))
        yield self._own("status (parse and judge all)", ("status",))

    def _full_build(self, builds: int) -> Row:
        """From nothing; the last build's trees are the ones that the other rows use."""
        samples: dict[str, list[Sample]] = {peer.name: [] for peer in self.peers}
        for build in range(builds):
            for peer in self.peers:
                if build:
                    shutil.rmtree(peer.folder)
                    tree.write(peer.folder, self.count)
                samples[peer.name].append(measure(peer.build, peer.folder))
        self._compare_results()
        return Row("full build", self.count, samples)

    def waiting(self, seconds: float) -> Row:
        """Tasks that take their time, on trees of their own: what scheduling and commits add to it."""
        samples: dict[str, list[Sample]] = {}
        for peer in self.peers:
            folder = f"{peer.folder}-waiting"
            tree.write(folder, self.count, seconds)
            samples[peer.name] = [measure(peer.build, folder)]
            shutil.rmtree(folder)
        return Row(f"full build, tasks of {seconds * 1000:g} ms", self.count, samples)

    def _compare_results(self) -> None:
        for number in range(self.count):
            texts = []
            for peer in self.peers:
                with open(f"{peer.folder}/out/{number}.txt", "rb") as file:
                    texts.append(file.read())
            if len(set(texts)) != 1:
                raise Failed(f"out/{number}.txt differs between {', '.join(p.name for p in self.peers)}")

    def _alternating(self, what: str, prepare: Callable[[Peer, int], None]) -> Row:
        samples: dict[str, list[Sample]] = {peer.name: [] for peer in self.peers}
        for turn in range(self.rounds):
            for peer in self.peers[:: 1 if turn % 2 else -1]:
                prepare(peer, turn)
                samples[peer.name].append(measure(peer.build, peer.folder))
        return Row(what, self.count, samples)

    def _own(self, what: str, arguments: tuple[str, ...]) -> Row:
        command = (self.ours.build[0], *arguments)
        samples = [measure(command, self.ours.folder) for _ in range(self.rounds)]
        return Row(what, self.count, {self.ours.name: samples})

    def _nothing(self, peer: Peer, turn: int) -> None:
        if turn == 0:  # the first look after a change saves what the next ones remember
            measure(peer.build, peer.folder)

    def _edit_leaf(self, peer: Peer, turn: int) -> None:
        with open(f"{peer.folder}/in/{self.count - 1}.txt", "a", encoding="utf-8") as file:
            file.write(f"edit {turn} {time.time_ns()}\n")

    def _touch(self, peer: Peer, _turn: int) -> None:
        for number in range(self.count):
            os.utime(f"{peer.folder}/in/{number}.txt")


def median(samples: Sequence[Sample]) -> float:
    return statistics.median(sample.seconds for sample in samples)


def table(rows: Sequence[Row]) -> str:
    lines = [
        "| what | tasks | specbuild, s | ninja, s | ratio | spread of specbuild | MiB of specbuild |",
        "| --- | ---: | ---: | ---: | ---: | --- | ---: |",
    ]
    for row in rows:
        ours, theirs = row.samples["specbuild"], row.samples.get("ninja")
        ratio = f"{median(ours) / median(theirs):.2f}" if theirs else ""
        seconds = sorted(sample.seconds for sample in ours)
        memory = max(sample.memory for sample in ours) / MIB
        ninja = f"{median(theirs):.3f}" if theirs else ""
        spread = f"{seconds[0]:.3f} to {seconds[-1]:.3f}"
        cells = (row.what, f"{row.tasks:,}", f"{median(ours):.3f}", ninja, ratio, spread, f"{memory:.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def machine(specbuild: str, ninja: str) -> str:
    def said(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        model = names[0] if names else model
    bare = statistics.median(
        measure((sys.executable, "-I", "-S", "-c", "pass"), ".").seconds for _ in range(9)
    )
    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()} (bare start {bare * 1000:.0f} ms), {said('git', '--version')}, "
        f"ninja {said(ninja, '--version')}, {said(specbuild, '--version')}"
    )


def installed(name: str) -> str:
    """A command beside this interpreter, else on PATH."""
    beside = os.path.join(sysconfig.get_path("scripts"), name)
    found = beside if os.path.exists(beside) else shutil.which(name)
    if found is None:
        sys.exit(f"{name} is not installed here: pip install -e . --group bench")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="100,1000,10000", help="numbers of tasks (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="runs of each command (default: %(default)s)")
    parser.add_argument("--save", metavar="FILE", help="write the table as Markdown")
    parser.add_argument(
        "--work", metavar="DIR", help="where the trees are made (default: a temporary folder)"
    )
    options = parser.parse_args()
    specbuild, ninja = installed("specbuild"), installed("ninja")
    rows: list[Row] = []
    try:
        with tempfile.TemporaryDirectory(prefix="specbuild-bench-", dir=options.work) as work:
            for size in (int(word) for word in options.sizes.split(",")):
                session = Session(work, size, options.rounds, specbuild, ninja)
                waiting = [session.waiting(0.02)] if size == 1000 else []
                for row in (*waiting, *session.rows(builds=3 if size <= 1000 else 1)):
                    rows.append(row)
                    print(table([row]).splitlines()[-1], flush=True)
    except Failed as error:
        sys.exit(str(error))
    text = f"{machine(specbuild, ninja)}\n\n{table(rows)}\n"
    print(f"\n{text}")
    if options.save:
        with open(options.save, "w", encoding="utf-8") as file:
            file.write(
                f"# Benchmarks\n\nMade by `{' '.join(sys.argv[:1])}` (see benchmarks/README.md) on:\n\n{text}"
            )


if __name__ == "__main__":
    main()
