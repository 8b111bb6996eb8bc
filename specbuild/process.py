"""Runs a child so that none of it outlives its time: not after a timeout, Ctrl-C, or our own kill -9."""

import contextlib
import functools
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import selectors
    import subprocess

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""

LEFT_BEHIND_GRACE = 1.0
"""The same for what a recipe left running in the background."""

TAIL = 64 * 1024
"""Characters of output that are remembered, and the longest piece of a line that is handed on at once."""

MARK = "SPECBUILD_LANE"
"""The variable by which children are found that left their process group, such as daemons."""

# What `git rev-parse --local-env-vars` lists (git 2.47), but for GIT_CONFIG_COUNT: its KEY and VALUE
# pairs are how people and CI systems hand settings to every git (safe.directory, credentials).
# A child git with GIT_DIR set works on our repository instead of its own (BasedHardware/omi#13850).
_GIT_LOCAL = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_CONFIG",
        "GIT_CONFIG_PARAMETERS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_GRAFT_FILE",
        "GIT_INDEX_FILE",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_REPLACE_REF_BASE",
        "GIT_PREFIX",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_SHALLOW_FILE",
        "GIT_COMMON_DIR",
        "GIT_REF_FORMAT",
    }
)
# What git further sets for its hooks and the commands that it starts.
_GIT_HOOKS = frozenset({"GIT_EXEC_PATH", "GIT_NAMESPACE", "GIT_QUARANTINE_PATH", "GIT_REFLOG_ACTION"})
_GIT_HOOK_PREFIXES = ("GIT_PUSH_OPTION_", "GIT_PUSH_CERT", "GIT_INTERNAL_")


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without the variables that tie a child git to the repository or the hook we run in."""
    return {
        name: value
        for name, value in environ.items()
        if name not in _GIT_LOCAL
        and name not in _GIT_HOOKS
        and not name.startswith(_GIT_HOOK_PREFIXES)
        and not (name == "GIT_EDITOR" and value == ":")  # set for hooks; a person's own editor stays
    }


class Finished(NamedTuple):
    """How a child ended."""

    exit_code: int  # negative: the signal that killed it; 126, 127: it could not be started
    timed_out: bool
    cancelled: bool
    tail: str  # the end of its output

    @property
    def ok(self) -> bool:
        return self.exit_code == 0 and not self.timed_out and not self.cancelled


def run(
    argv: Sequence[str | bytes],
    *,
    cwd: str,
    env: Mapping[str, str],
    timeout: float | None = None,
    log: Callable[[str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    stdin: bytes | None = None,
    grace: float = GRACE,
) -> Finished:
    """Runs a command to its end, and with it all that it started.

    `log` gets the output, stdout and stderr as they come, in chunks of whole lines (longer lines in
    pieces); what is not UTF-8 in it is replaced. `stdin` None: it is empty. `timeout` and `grace` are
    seconds. Never raises for what the command does; it raises what `log` and `cancelled` raise.
    """
    import subprocess  # noqa: PLC0415

    guardian = _guardian()
    output = _Output(log or _ignore)
    with guardian.lane(env.get(MARK)) as lane:
        try:
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env={**env, MARK: lane},
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:  # ValueError: a NUL in an argument
            return _not_started(argv, cwd, error, output)
        with process, guardian.watching(process.pid):
            child = _Child(process, guardian=guardian, lane=lane, output=output, stdin=stdin, grace=grace)
            try:
                return child.finish(timeout, cancelled or _never)
            finally:
                child.close()


def _ignore(_: str) -> None:
    pass


def _never() -> bool:
    return False


def _not_started(
    argv: Sequence[str | bytes], cwd: str, error: OSError | ValueError, output: "_Output"
) -> Finished:
    program = os.fsdecode(argv[0]) if argv else ""
    if isinstance(error, FileNotFoundError) and not os.path.isdir(cwd):
        message = f"specbuild: the folder {cwd} is not there\n"
    elif isinstance(error, FileNotFoundError):
        message = f"specbuild: {program}: command not found\n"
    else:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        message = f"specbuild: {program}: {(reason or str(error)).lower()}\n"
    output.feed(message.encode("utf-8", "surrogateescape"))
    output.close()
    code = 127 if isinstance(error, FileNotFoundError) else 126
    return Finished(code, timed_out=False, cancelled=False, tail=output.tail)


class _Output:
    """Bytes in, chunks of lines out; memory stays bounded whatever comes."""

    def __init__(self, log: Callable[[str], None]) -> None:
        import codecs  # noqa: PLC0415

        self._decoder: codecs.IncrementalDecoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._log = log
        self._line = ""  # not yet ended
        self._tail: deque[str] = deque()
        self._length = 0

    def feed(self, data: bytes) -> None:
        self._take(self._decoder.decode(data))

    def close(self) -> None:
        self._take(self._decoder.decode(b"", final=True))
        if self._line:
            line, self._line = self._line, ""
            self._log(line)

    @property
    def tail(self) -> str:
        return "".join(self._tail)[-TAIL:]

    def _take(self, text: str) -> None:
        if not text:
            return
        self._tail.append(text)
        self._length += len(text)
        while self._length - len(self._tail[0]) >= TAIL:
            self._length -= len(self._tail.popleft())
        text = self._line + text
        cut = text.rfind("\n") + 1
        if len(text) - cut > TAIL:
            cut = len(text)
        self._line = text[cut:]
        if cut:
            self._log(text[:cut])


class _Child:
    """A running command, its output and all its descendants."""

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        *,
        guardian: "_Guardian",
        lane: str,
        output: _Output,
        stdin: bytes | None,
        grace: float,
    ) -> None:
        self.process = process
        self.guardian = guardian
        self.lane = lane
        self.output = output
        self.grace = grace
        self.unsent = memoryview(stdin or b"")
        self.swept = False
        self.pidfd = -1
        self.selector = self._listen()

    def _listen(self) -> "selectors.BaseSelector":
        import selectors  # noqa: PLC0415

        selector = selectors.DefaultSelector()
        streams = (self.process.stdout, selectors.EVENT_READ), (self.process.stdin, selectors.EVENT_WRITE)
        for stream, event in streams:
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, event)
        if hasattr(os, "pidfd_open"):  # wakes us when the command ends; elsewhere we look often
            with contextlib.suppress(OSError):
                self.pidfd = os.pidfd_open(self.process.pid)
                selector.register(self.pidfd, selectors.EVENT_READ)
        return selector

    def close(self) -> None:
        """Whatever happened, nothing is left running or open."""
        if self.process.returncode is None:
            self._signal(signal.SIGKILL)
            self.process.wait()
        if not self.swept:
            self._sweep(signal.SIGKILL, 0.0)
        self.selector.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)

    def finish(self, timeout: float | None, cancelled: Callable[[], bool]) -> Finished:
        deadline = None if timeout is None else time.monotonic() + timeout
        timed_out, was_cancelled, kill_at, killed = False, False, 0.0, False
        while self.process.poll() is None:
            now = time.monotonic()
            if not (timed_out or was_cancelled):
                was_cancelled = cancelled()
                timed_out = not was_cancelled and deadline is not None and now >= deadline
                if timed_out or was_cancelled:
                    self._signal(signal.SIGTERM, signal.SIGCONT)
                    kill_at = now + self.grace
            elif now >= kill_at and not killed:
                self._signal(signal.SIGKILL)
                killed = True
            wait = 0.1 if self.pidfd >= 0 else 0.02
            if deadline is not None and not timed_out:
                wait = max(0.0, min(wait, deadline - now))
            self._transfer(wait)
        if timed_out or was_cancelled:
            self._sweep(signal.SIGKILL, 0.0)
        else:
            self._sweep(signal.SIGTERM, min(self.grace, LEFT_BEHIND_GRACE))
        self._drain()
        self.output.close()
        return Finished(self.process.returncode, timed_out, was_cancelled, self.output.tail)

    def _transfer(self, wait: float) -> bool:
        """Moves what can be moved within `wait` seconds; whether any output came."""
        if not self.selector.get_map():
            time.sleep(wait)  # the command closed its output and works on
            return False
        came = False
        for key, _ in self.selector.select(wait):
            if key.fileobj is self.process.stdout:
                came = self._read() or came
            elif key.fileobj is self.process.stdin:
                self._write()
        return came

    def _read(self) -> bool:
        stream = self.process.stdout
        if stream is None or stream.closed:
            return False
        try:
            data = os.read(stream.fileno(), 65536)
        except BlockingIOError:
            return False
        if data:
            self.output.feed(data)
        else:
            self.selector.unregister(stream)
            stream.close()
        return bool(data)

    def _write(self) -> None:
        stream = self.process.stdin
        if stream is None:
            return
        try:
            self.unsent = self.unsent[os.write(stream.fileno(), self.unsent[:65536]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # the command does not want to read all of it
            self.unsent = memoryview(b"")
        if not self.unsent:
            self.selector.unregister(stream)
            stream.close()

    def _drain(self) -> None:
        """What is still in the pipe; a descendant that got away may hold it open for ever."""
        until = time.monotonic() + 1.0
        while self._read() and time.monotonic() < until:
            pass

    def _signal(self, *signals: signal.Signals) -> None:
        for each in signals:
            _kill(-self.process.pid, each)

    def _sweep(self, first: signal.Signals, grace: float) -> None:
        """Ends what outlived the command: its process group, then orphans that bear its mark."""
        until = time.monotonic() + grace
        group = -self.process.pid
        sent: dict[int, signal.Signals] = {}  # process id, or minus the group's -> last signal
        while True:
            # In this order, and dying orphans counted: who dies loses its mark first, then hands its
            # children to us, and only then can be reaped.
            left = [pid for pid in sent if pid > 0 and not _reap(pid)]
            if _group_alive(self.process.pid):
                left.append(group)
            left += [pid for pid in self.guardian.orphans(self.lane) if pid not in left]
            now = time.monotonic()
            if not left or now > until + 2.0:  # then not ours to kill (setuid), or in the kernel's hands
                break
            kind = first if now < until else signal.SIGKILL
            for each in left:
                if sent.get(each) != kind:
                    sent[each] = kind
                    _kill(each, kind)
            self._transfer(0.01)
        self.swept = True


def _kill(pid: int, kind: int) -> bool:
    """Signals a process, or with minus its id a group; whether somebody was there to get it."""
    try:
        os.kill(pid, kind)
    except (ProcessLookupError, PermissionError):  # macOS says EPERM of a group of zombies
        return False
    return True


def _reap(pid: int) -> bool:
    """Takes the exit status of a child, or of all in a group; whether none of them is left."""
    try:
        while os.waitpid(pid, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True
    return False


def _group_alive(group: int) -> bool:
    _reap(-group)
    return _kill(-group, 0)


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


class _Guardian:
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


def _guardian() -> _Guardian:
    with _FIRST:  # two recipes that begin a run at once must not each get their own
        return _only_guardian()


@functools.cache
def _only_guardian() -> _Guardian:
    return _Guardian()


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
    found: list[int] = []
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError), open(f"/proc/self/task/{thread}/children", "rb") as file:
            found += map(int, file.read().split())
    return found


def _bears(pid: int, lane: str) -> bool:
    """Whether a process was started with the mark of `lane`, or of one inside it. A zombie has none."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            variables = file.read().split(b"\0")
    except OSError:
        return False
    mark = f"{MARK}={lane}".encode()
    return any(each == mark or each.startswith(mark + b".") for each in variables)
