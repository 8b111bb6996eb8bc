"""`run --json`: each event as one object on a line of its own (SPEC section 9)."""

import time
from collections.abc import Callable
from typing import TextIO

from specbuild.engine.events import Event
from specbuild.reporting.outlet import Outlet
from specbuild.runlog.lines import to_line


class JsonLines:
    """A reporter for programs; the lines are plain ASCII, whatever names and output hold."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.time) -> None:
        self._outlet = Outlet(stream)
        self._clock = clock

    @property
    def failure(self) -> OSError | None:
        """Why some events are missing; None: all were written."""
        return self._outlet.failure

    def __call__(self, event: Event) -> None:
        self._outlet.write(to_line(event, self._clock()) + "\n")
