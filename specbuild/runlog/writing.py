"""Writes what happens in a run, within bounds, as it happens."""

import os
import time
from collections import deque
from collections.abc import Callable

from specbuild.engine.events import (
    Event,
    RunFinished,
    RunStarted,
    TaskFinished,
    TaskOutput,
    TaskRetried,
    TaskStarted,
)
from specbuild.engine.task import TaskName
from specbuild.runlog.folder import Limits, prune
from specbuild.runlog.lines import to_line


class RunLog:
    """A reporter that appends each event to a file of its run; it never raises, a log is not worth a run."""

    def __init__(
        self, folder: str, limits: Limits | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.folder = folder
        self.limits = limits or Limits()
        self.path: str | None = None  # None: nothing was written yet
        self.problem: str | None = None  # why nothing more is written
        self._clock = clock
        self._file: int | None = None
        self._written = 0
        self._outputs: dict[TaskName, _Output] = {}
        self._over = False

    def __call__(self, event: Event) -> None:
        if self.problem is not None:
            return
        try:
            self._log(event)
        except OSError as error:
            self.problem = f"{self.folder}: {error.strerror or error}"
            self.close()

    def _log(self, event: Event) -> None:
        self._over = self._over and not isinstance(event, RunStarted)
        if self._over:
            return  # a late warning is no run of its own
        if isinstance(event, TaskOutput):
            output = self._outputs.setdefault(event.task, _Output(self.limits.attempt_bytes))
            if text := output.take(event.text):
                self._write(TaskOutput(event.task, text))
            return
        if isinstance(event, (TaskStarted, TaskRetried, TaskFinished)):
            self._end_output(event.task)
        self._write(event)
        if isinstance(event, RunFinished):
            self._over = True
            self.close()

    def _end_output(self, task: TaskName) -> None:
        output = self._outputs.pop(task, None)
        if output is not None and (text := output.rest()):
            self._write(TaskOutput(task, text))

    def _write(self, event: Event) -> None:
        now = self._clock()
        if self._file is None:
            os.makedirs(self.folder, exist_ok=True)
            prune(self.folder, self.limits._replace(keep=self.limits.keep - 1))
            self._file = self._create(now)
        line = to_line(event, now).encode("ascii") + b"\n"
        if isinstance(event, TaskOutput) and self._written + len(line) > self.limits.max_bytes:
            return  # one run alone may not break the bound; what happened is kept, what was printed is not
        self._written += len(line)
        while line:
            line = line[os.write(self._file, line) :]

    def _create(self, now: float) -> int:
        whole = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now))
        stamp = f"{whole}.{int(now % 1 * 1000):03d}Z"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        number = 1
        while True:
            suffix = f"-{number}" if number > 1 else ""
            self.path = os.path.join(self.folder, f"{stamp}-{os.getpid()}{suffix}.jsonl")
            try:
                return os.open(self.path, flags, 0o600)
            except FileExistsError:
                number += 1

    def close(self) -> None:
        """Ends the log; the next run begins another."""
        if self._file is None:
            return
        file, self._file = self._file, None
        self._written = 0
        self._outputs.clear()
        try:
            os.close(file)
            prune(self.folder, self.limits, spare=self.path)
        except OSError as error:
            self.problem = self.problem or f"{self.folder}: {error.strerror or error}"


class _Output:
    """One attempt's output within a bound: its start as it comes, its end when it is over."""

    def __init__(self, bound: int) -> None:
        self._head = bound // 4
        self._bound = bound - self._head
        self._tail: deque[str] = deque()
        self._size = 0
        self._dropped = 0

    def take(self, text: str) -> str:
        """What of `text` belongs to the start."""
        head, rest = text[: self._head], text[self._head :]
        self._head -= len(head)
        if rest:
            self._tail.append(rest[-self._bound :])
            self._dropped += max(0, len(rest) - self._bound)
            self._size += len(self._tail[-1])
        while self._size > self._bound:
            oldest = self._tail.popleft()
            kept = oldest[self._size - self._bound :]
            if kept:
                self._tail.appendleft(kept)
            self._dropped += len(oldest) - len(kept)
            self._size -= len(oldest) - len(kept)
        return head

    def rest(self) -> str:
        """The end, with a word about what was left out."""
        gap = f"\n… {self._dropped} characters left out …\n" if self._dropped else ""
        return gap + "".join(self._tail)
