"""What a signal does to the loop: it ends a wait for a person or a gate at once, and all else in time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Interruption:
    """Whether a signal came, and whether it may unwind what is being done."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._sheltered = False
        self._came = False

    def __call__(self) -> None:
        """A signal came; a second one changes nothing.

        Only where nothing but a person or a gate is waited for KeyboardInterrupt comes at once. Anywhere else
        it could leave a commit half told, or a lock that a worker waits for in a frame that is unwound.
        """
        if self._came:
            return
        self._came = True
        if not self._sheltered:
            raise KeyboardInterrupt
        self._wake()

    @contextmanager
    def sheltered(self) -> Iterator[None]:
        """Where a signal waits until it is heeded."""
        self._sheltered = True
        try:
            yield
        finally:
            self._sheltered = False

    @contextmanager
    def exposed(self) -> Iterator[None]:
        """Where a person is asked or a gate runs, which a signal ends."""
        self.heed()
        self._sheltered = False
        try:
            yield
        finally:
            self._sheltered = True

    def heed(self) -> None:
        """Raises KeyboardInterrupt if a signal came."""
        if self._came:
            raise KeyboardInterrupt
