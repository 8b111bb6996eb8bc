"""One call of the benchmark: its options, its tools, its results as they come."""

import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from harness.environments import Unavailable, install
from harness.measure import Command, Unmeasured, last_line, measure
from harness.peers import PEERS
from harness.peers.base import Peer, called
from harness.results import Cell, Finding, Results

YARDSTICK = "ninja"
OURS = "specbuild"
BARE = (sys.executable, "-I", "-S", "-c", "pass")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    sizes: Sequence[int]
    peers: Sequence[str]  # keys
    only: frozenset[str]  # rows and parts; empty: all
    rounds: int
    limit: float
    build_limit: float
    edits: int
    kills: int
    files: Sequence[int]
    history: int
    cache: str
    work: str

    def wants(self, row: str) -> bool:
        return not self.only or row in self.only


@dataclass(slots=True)
class Session:
    """What the parts share: they ask it for tools, and hand it what they measure."""

    options: Options
    results: Results
    name: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%S"))
    tools: dict[str, str] = field(default_factory=dict)  # key -> folder of its commands
    unavailable: dict[str, str] = field(default_factory=dict)  # key -> why
    settled: float = 2.1  # seconds after which specbuild and git take no file for one that just changed

    @property
    def peers(self) -> list[Peer]:
        """The tools of this call that can be had; ours and the yardstick are always among them."""
        wanted = {*self.options.peers, OURS, YARDSTICK}
        return [peer for peer in PEERS if peer.key in wanted and peer.key in self.tools]

    def begin(self, command: str, note: str) -> None:
        """Installs the tools and describes the machine."""
        for peer in PEERS:
            if peer.key in {*self.options.peers, OURS, YARDSTICK}:
                try:
                    self.tools[peer.key] = install(peer, self.options.cache)
                except Unavailable as error:
                    self.unavailable[peer.key] = str(error)
                    self.say(f"{peer.name}: {error}")
        self.results.sessions[self.name] = {
            "machine": machine(),
            "versions": ", ".join([*map(self._version, self.peers), f"this checkout at {_checkout()}"]),
            "command": command,
            "note": note,
        }
        self.keep()

    def _version(self, peer: Peer) -> str:
        bin_ = self.tools[peer.key]
        try:
            said = called(peer.version(bin_), ".", peer.environment(self.options.work, bin_))
        except Unmeasured as error:
            return f"{peer.name} ({error})"
        return f"{peer.name} {_number(said)}"

    def add(self, cell: Cell) -> None:
        if cell.missing is not None:
            cell = replace(cell, missing=self._shown(cell.missing))
        self.results.add(cell)

    def _shown(self, text: str) -> str:
        """Without the folders of this machine, since it may be published."""
        for folder in (self.options.work, self.options.cache):
            text = text.replace(os.path.abspath(folder), "…")
        return text

    def find(self, peer: Peer, question: str, answer: str, *, right: bool | None) -> None:
        self.results.find(Finding(question, peer.name, self.name, self._shown(answer), right))
        self.say(f"{question}: {peer.name}: {answer}")
        self.keep()

    def keep(self) -> None:
        self.results.save(os.path.join(self.options.cache, "results.json"))

    def say(self, text: str) -> None:
        print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def _checkout() -> str:
    try:
        return called(("git", "describe", "--always", "--dirty"), os.path.dirname(os.path.abspath(__file__)))
    except (Unmeasured, OSError):
        return "an unknown commit"


def _number(said: str) -> str:
    """The version in what a tool says of it."""
    found = re.search(r"\d+(\.\d+)+", said)
    return found[0] if found else last_line(said)


def machine() -> str:
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        model = names[0] if names else model
    bare, usual = _start(BARE), _start((sys.executable, "-c", "pass"))
    return (
        f"{model}, {os.cpu_count()} cores, {_memory()}{platform.system()} {platform.release()}, "
        f"{called(('git', '--version'), '.')}, Python {platform.python_version()}, which starts in "
        f"{bare:.0f} ms (`python -I -S -c pass`: the bare interpreter), {usual:.0f} ms with its site"
    )


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / (1 << 30):.0f} GiB, "
    except (ValueError, OSError):
        return ""


def _start(words: tuple[str, ...]) -> float:
    """Milliseconds."""
    command = Command(words, ".", os.environ)
    return 1000 * statistics.median(measure(command, 10).seconds for _ in range(9))
