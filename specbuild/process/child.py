"""A running command with its output and all its descendants, to the end of the last of them."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable

from specbuild.process import Finished
from specbuild.process.guardian import Guardian
from specbuild.process.output import Output

UNKILLABLE = 2.0
"""Seconds after SIGKILL in which a command ends; if not, it is not ours to kill, or in the kernel's hands."""

LEFT_BEHIND_GRACE = 1.0
"""Seconds between SIGTERM and SIGKILL for what a recipe left running in the background."""


class Child:
    """Made when the command has started; `close` it whatever happens."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        *,
        guardian: Guardian,
        lane: str,
        output: Output,
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
        self.given_up = False
        self.pidfd = -1
        self.selector = self._listen()

    def _listen(self) -> selectors.BaseSelector:
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
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.0 if self.given_up else UNKILLABLE)
        if self.process.returncode is None:
            self.process.returncode = -signal.SIGKILL  # nobody waits for it any more
        if not self.swept:
            self._sweep(signal.SIGKILL, 0.0)
        self.selector.close()
        for stream in (self.process.stdout, self.process.stdin):
            if stream is not None:
                stream.close()
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
            elif now >= kill_at + UNKILLABLE:
                self.given_up = True
                break
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
        code = -signal.SIGKILL if self.given_up else self.process.returncode
        return Finished(code, timed_out, was_cancelled, self.output.tail)

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
            if not left or now > until + UNKILLABLE:
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
