"""A thread that does one thing after another: starting one for each would cost more than what it does."""

import queue
import threading
from collections.abc import Callable


class SerialThread:
    """Starts with the first thing that is given to it; what is given must not raise."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._todo: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def do(self, body: Callable[[], None]) -> None:
        """Once all that was given before is done."""
        self._todo.put(body)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()

    @property
    def waits(self) -> bool:
        """Whether something was given that it has not begun."""
        return not self._todo.empty()

    def _work(self) -> None:
        while (body := self._todo.get()) is not None:
            body()

    def close(self) -> None:
        """Waits until all that was given is done, and ends the thread."""
        if self._thread is not None:
            self._todo.put(None)
            self._thread.join()
            self._thread = None
