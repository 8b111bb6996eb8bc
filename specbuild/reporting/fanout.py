"""Hands each event to every reporter, one event at a time, and drops a reporter that raises."""

import threading
from collections.abc import Callable, Sequence

from specbuild.engine.events import Event, TaskOutput
from specbuild.engine.ports import Reporter


class FanOut:
    """One reporter made of several; events may come from any thread."""

    def __init__(self, reporters: Sequence[Reporter], dropped: Callable[[Reporter, Exception], None]) -> None:
        self._reporters = list(reporters)
        self._dropped = dropped
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            for reporter in list(self._reporters):
                try:
                    reporter(event)
                except Exception as error:  # noqa: BLE001  (a plugin's reporter may raise anything)
                    self._reporters.remove(reporter)
                    self._dropped(reporter, error)


class Collector:
    """Keeps the events of a run for its summary; what recipes print is not part of that."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        if not isinstance(event, TaskOutput):
            self.events.append(event)
