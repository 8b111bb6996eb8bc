"""What the loop waits for: answers of workers, commits that were made, and a signal's call to wake up."""

import queue
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from specbuild.engine.ports import Failure, Ran
from specbuild.engine.task import Oid
from specbuild.engine.work import Group, Work


class Answer(NamedTuple):
    """What a worker sends back."""

    work: Work
    stage: str  # "setup", "run" or "verify"
    outcome: Failure | Ran
    follows: Work | None = None  # what it began then, of what waited in line


class Committed(NamedTuple):
    """What the committer's thread sends back."""

    group: Group
    answer: Sequence[Oid] | BaseException


class Inbox:
    """Filled by other threads and by signals, emptied by the loop."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Answer | Committed | None] = queue.SimpleQueue()
        self._held: deque[Answer] = deque()  # came while a commit was waited for

    def put(self, event: Answer | Committed) -> None:
        self._queue.put(event)

    def wake(self) -> None:
        self._queue.put(None)

    def take(self, patience: float | None = None) -> Answer | Committed | None:
        """Waits for the next, `patience` seconds at most; None: nothing came, or somebody woke the loop."""
        if self._held:
            return self._held.popleft()
        try:
            return self._queue.get(timeout=patience)
        except queue.Empty:
            return None

    def take_committed(self) -> Committed:
        """Waits for a commit; what else comes is taken later."""
        while True:
            event = self._queue.get()
            if isinstance(event, Committed):
                return event
            if event is not None:
                self._held.append(event)

    def leftovers(self) -> Iterator[Answer | Committed]:
        """What came and was not taken; does not wait."""
        while True:
            try:
                event = self._queue.get_nowait()
            except queue.Empty:
                return
            if event is not None:
                yield event
