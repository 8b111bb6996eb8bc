"""Threads in which executors work, so that the loop never waits for one of them alone."""

import threading
from typing import Literal

from specbuild.engine.events import TaskOutput
from specbuild.engine.inbox import Answer, Inbox
from specbuild.engine.ports import Attempt, Clock, Executors, Failure, Reporter
from specbuild.engine.work import Work

Stage = Literal["setup", "run", "verify"]


class Workers:
    """Each is one attempt at a time; its answer comes to the inbox."""

    def __init__(self, executors: Executors, clock: Clock, inbox: Inbox, emit: Reporter) -> None:
        self._calls = {"setup": executors.setup, "run": executors.run, "verify": executors.verify}
        self._clock = clock
        self._inbox = inbox
        self._emit = emit
        self._cancelled = threading.Event()
        self._threads: dict[int, threading.Thread] = {}

    def send(self, work: Work, stage: Stage, attempt: Attempt, *, delay: float) -> None:
        """Does one stage of an attempt, `delay` seconds from now."""
        call = self._calls[stage]

        def log(text: str) -> None:
            work.log(text)
            self._emit(TaskOutput(work.task.name, text))

        def body() -> None:
            try:
                if delay:
                    self._clock.sleep(delay, self._cancelled.is_set)
                outcome = call(attempt, log, self._cancelled.is_set)
            except BaseException as error:  # noqa: BLE001  (a worker must always answer)
                outcome = Failure(work.attempt, f"{type(error).__name__}: {error}", "")
            self._inbox.put(Answer(work, stage, outcome))

        thread = threading.Thread(target=body, name=f"worker-{work.worker}", daemon=True)
        thread.start()
        self._threads[work.worker] = thread

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Stops all of them, and waits until they have stopped."""
        self._cancelled.set()
        for thread in self._threads.values():
            thread.join()
