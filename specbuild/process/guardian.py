"""Of this process, once: who is running, a watchdog that ends them if we cannot, and who finds runaways."""

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Iterator

MARK = "SPECBUILD_LANE"
"""The variable by which children are found that left their process group, such as daemons."""

# Reads lines `+ GROUP` and `- GROUP`. When we die, by whatever means, its stdin ends and it kills those left.
_WATCHDOG = """\
trap '' HUP INT QUIT TERM PIPE
cd /
groups=
while read -r sign group; do
    left=
    for each in $groups; do [ "$each" = "$group" ] || left="$left $each"; done
    groups=$left
    [ "$sign" = + ] && groups="$groups $group"
done
for each in $groups; do kill -9 "-$each" 2>/dev/null; done
exit 0
"""


class Guardian:
    """Of this process, once: who is running, and a watchdog that ends them if we cannot."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lanes: set[int] = set()
        self._leaders: set[int] = set()
        self._adopts = _adopt_orphans()
        # Before the first command starts: between its start and `watching` there must be no time to speak of.
        self._watchdog = _start_watchdog()

    @contextlib.contextmanager
    def lane(self, outer: str | None) -> Iterator[str]:
        """The lowest free number, so that a serial run gives every recipe the same environment."""
        with self._lock:
            number = next(n for n in range(1, len(self._lanes) + 2) if n not in self._lanes)
            self._lanes.add(number)
        try:
            yield f"{outer}.{number}" if outer else str(number)
        finally:
            with self._lock:
                self._lanes.discard(number)

    @contextlib.contextmanager
    def watching(self, pid: int) -> Iterator[None]:
        with self._lock:
            self._leaders.add(pid)
            self._tell(f"+ {pid}\n")
        try:
            yield
        finally:
            with self._lock:
                self._leaders.discard(pid)
                self._tell(f"- {pid}\n")

    def _tell(self, line: str) -> None:
        with contextlib.suppress(OSError):  # somebody killed the watchdog: we do without
            os.write(self._watchdog, line.encode())

    def orphans(self, lane: str) -> list[int]:
        """Processes that left their group, lost their parents and so became our children, of one lane."""
        if not self._adopts:
            return []
        return [pid for pid in _children() if pid not in self._leaders and _bears(pid, lane)]


_FIRST = threading.Lock()


def the_guardian() -> Guardian:
    with _FIRST:  # two recipes that begin a run at once must not each get their own
        return _only_guardian()


@functools.cache
def _only_guardian() -> Guardian:
    return Guardian()


def _start_watchdog() -> int:
    """The end of the pipe to write to. It has its own process group: Ctrl-C must not reach it."""
    read_end, write_end = os.pipe()
    actions = [
        (os.POSIX_SPAWN_DUP2, read_end, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    try:
        os.posix_spawn(
            "/bin/sh", ["sh", "-c", _WATCHDOG], {"PATH": os.defpath}, file_actions=actions, setpgroup=0
        )
    finally:
        os.close(read_end)
    return write_end


def _adopt_orphans() -> bool:
    """Linux: daemons of recipes become our children instead of init's, so that they can be found."""
    if sys.platform != "linux":
        return False
    import ctypes  # noqa: PLC0415

    set_child_subreaper = 36
    try:
        done = ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0) == 0
    except (OSError, AttributeError):
        return False
    return done and os.path.exists(f"/proc/self/task/{os.getpid()}/children")


def _children() -> list[int]:
    """Of this process's first thread: to that one the kernel gives orphans."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def _bears(pid: int, lane: str) -> bool:
    """Whether a process was started with the mark of `lane`, or of one inside it. A zombie has none."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            variables = file.read().split(b"\0")
    except OSError:
        return False
    mark = f"{MARK}={lane}".encode()
    return any(each == mark or each.startswith(mark + b".") for each in variables)
