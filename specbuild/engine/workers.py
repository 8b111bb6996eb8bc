"""Threads in which executors work, so that the loop never waits for one of them alone."""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from specbuild.engine.events import TaskOutput
from specbuild.engine.inbox import Answer, Inbox
from specbuild.engine.ports import Attempt, Clock, Executors, Failure, Ran, Reporter
from specbuild.engine.work import Work
from specbuild.threads import SerialThread

Stage = Literal["setup", "run", "verify"]


class Workers:
    """Each does one attempt at a time; its answer comes to the inbox.

    Attempts may wait in line: a worker whose task was done well begins the first of them by itself, so that
    the loop may be busy then. `began` is told, by the worker's thread, before anything of it is.
    """

    def __init__(
        self,
        executors: Executors,
        clock: Clock,
        inbox: Inbox,
        emit: Reporter,
        began: Callable[[Work], None],
    ) -> None:
        self._calls = {"setup": executors.setup, "run": executors.run, "verify": executors.verify}
        self._clock = clock
        self._inbox = inbox
        self._emit = emit
        self._began = began
        self._line: deque[tuple[Work, Attempt]] = deque()
        self._cancelled = threading.Event()
        self._threads: dict[int, SerialThread] = {}

    def send(self, work: Work, stage: Stage, attempt: Attempt, *, delay: float) -> None:
        """Does one stage of an attempt, `delay` seconds from now."""
        if work.worker not in self._threads:
            self._threads[work.worker] = SerialThread(f"worker-{work.worker}")
        thread = self._threads[work.worker]
        thread.do(lambda: self._attend(thread, work, stage, attempt, delay))

    def line_up(self, work: Work, attempt: Attempt) -> None:
        """An attempt that the first worker shall begin that is done with another."""
        self._line.append((work, attempt))

    def take_back(self) -> tuple[Work, Attempt] | None:
        """The first in line, if no worker has begun it meanwhile."""
        with suppress(IndexError):
            return self._line.popleft()
        return None

    def _attend(self, thread: SerialThread, work: Work, stage: Stage, attempt: Attempt, delay: float) -> None:
        number = work.worker
        while True:
            outcome = self._do(work, stage, attempt, delay)
            idle = self._is_done(work, stage, outcome) and not thread.waits  # for a further attempt, perhaps
            follows = self.take_back() if idle else None
            if follows is None:
                self._inbox.put(Answer(work, stage, outcome))
                return
            follows[0].begin(number, self._clock.now())
            self._inbox.put(Answer(work, stage, outcome, follows[0]))
            (work, attempt), stage, delay = follows, "run", 0.0
            self._began(work)

    def _do(self, work: Work, stage: Stage, attempt: Attempt, delay: float) -> Failure | Ran:
        def log(text: str) -> None:
            work.log(text)
            self._emit(TaskOutput(work.task.name, text))

        try:
            if delay:
                self._clock.sleep(delay, self._cancelled.is_set)
            return self._calls[stage](attempt, log, self._cancelled.is_set)
        except BaseException as error:  # noqa: BLE001  (a worker must always answer)
            return Failure(work.attempt, f"{type(error).__name__}: {error}", "")

    def _is_done(self, work: Work, stage: Stage, outcome: Failure | Ran) -> bool:
        """Whether nothing of the task is left for a worker, as far as a worker can tell."""
        last = "run" if work.task.verify is None else "verify"
        done = isinstance(outcome, Ran) and stage == last and not work.task.review
        return done and not self._cancelled.is_set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Stops all of them, and waits until they have stopped."""
        self._cancelled.set()
        self.close()

    def close(self) -> None:
        """Lets the threads end, and waits until they have."""
        while self._threads:
            self._threads.popitem()[1].close()
