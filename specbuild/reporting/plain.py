"""A run as plain lines, for logs, pipes and simple terminals."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from specbuild.engine.events import Event, Outcome
from specbuild.engine.task import TaskName
from specbuild.reporting.narrator import Narrator, Verbosity
from specbuild.reporting.outlet import Outlet, is_terminal
from specbuild.reporting.summary import Diagnose
from specbuild.reporting.text import Line, Tone

_CODES: Mapping[Tone, str] = {"head": "1", "good": "32", "bad": "31", "warn": "33", "dim": "2"}


def wants_colour(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Only on a terminal that knows it, and where nobody said no (https://no-color.org)."""
    if environment.get("NO_COLOR") or environment.get("TERM", "dumb") == "dumb":
        return False
    return is_terminal(stream)


class PlainReporter:
    """Writes lines as the narrator tells them; `colour` None: by the stream and the environment."""

    def __init__(
        self,
        stream: TextIO,
        *,
        verbosity: Verbosity = "normal",
        colour: bool | None = None,
        label: Callable[[TaskName], str] | None = None,
        outcomes: Mapping[TaskName, Outcome] | None = None,
        diagnose: Diagnose | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outlet = Outlet(stream)
        self._colour = wants_colour(stream) if colour is None else colour
        self._narrator = Narrator(
            verbosity=verbosity, label=label, outcomes=outcomes, diagnose=diagnose, clock=clock
        )

    def __call__(self, event: Event) -> None:
        self.show(self._narrator.tell(event))

    def show(self, lines: Iterable[Line]) -> None:
        """Writes lines at once, so that another process's output does not come between."""
        text = "".join(f"{self._paint(line)}\n" for line in lines)
        if text:
            self._outlet.write(text)

    def _paint(self, line: Line) -> str:
        code = _CODES.get(line.tone)
        return f"\x1b[{code}m{line.text}\x1b[0m" if self._colour and code and line.text else line.text

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While somebody is asked something; nothing here is in the way."""
        yield

    def close(self) -> None:
        """Nothing is left to do; the live reporter has something."""
