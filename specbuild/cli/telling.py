"""Tells every listener the same events in the same order, one at a time, whichever threads they come from."""

import threading
from collections import deque
from collections.abc import Callable, Sequence

from specbuild.engine.events import Event


class Telling:
    """`listeners` may grow while it tells."""

    def __init__(self, listeners: Sequence[Callable[[Event], None]]) -> None:
        self._listeners = listeners
        self._waiting: deque[Event] = deque()
        self._turn = threading.Lock()
        self._teller: int | None = None  # the thread that has the turn

    def __call__(self, event: Event, *, wait: bool = True) -> None:
        """Returns when all listeners were told.

        What a listener itself says comes after what it is being told. `wait` False: where another thread is
        telling, the event is left to it; so may speak whom a listener waits for.
        """
        self._waiting.append(event)
        while True:
            if self._teller == threading.get_ident() or not self._turn.acquire(blocking=wait):
                return
            try:
                self._teller = threading.get_ident()
                self._tell()
            finally:
                self._teller = None
                self._turn.release()
            if not self._waiting:  # nor did anybody leave an event to us just before
                return

    def _tell(self) -> None:
        while self._waiting:
            event = self._waiting.popleft()
            for listener in self._listeners:
                listener(event)
