"""Chooses how a run is shown: live where a person looks at a capable terminal, else in plain lines."""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol, TextIO

from specbuild.engine.events import Event, Outcome
from specbuild.engine.task import TaskName
from specbuild.reporting.narrator import Verbosity
from specbuild.reporting.outlet import is_terminal
from specbuild.reporting.plain import PlainReporter
from specbuild.reporting.summary import Diagnose
from specbuild.reporting.text import Line


class Screen(Protocol):
    """A reporter that people read."""

    def __call__(self, event: Event) -> None: ...
    def show(self, lines: Iterable[Line]) -> None:
        """Lines of somebody else's, such as the summary."""

    def paused(self) -> AbstractContextManager[None]:
        """While somebody is asked something on the same terminal."""

    def close(self) -> None:
        """Leaves only finished lines; may be called again."""


def screen_for(
    stream: TextIO,
    *,
    verbosity: Verbosity = "normal",
    seconds: Mapping[TaskName, float] | None = None,
    label: Callable[[TaskName], str] | None = None,
    outcomes: Mapping[TaskName, Outcome] | None = None,
    diagnose: Diagnose | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Screen:
    """`seconds`: what tasks took by their checkpoints; `outcomes`: of the last run, for `--continue`."""
    if lively(stream, environment) and verbosity != "quiet":
        from specbuild.reporting.live import LiveReporter  # noqa: PLC0415  (rich takes 40 ms to import)

        return LiveReporter(
            stream, verbosity=verbosity, seconds=seconds, label=label, outcomes=outcomes, diagnose=diagnose
        )
    return PlainReporter(stream, verbosity=verbosity, label=label, outcomes=outcomes, diagnose=diagnose)


def lively(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether lines can be redrawn: a terminal that moves its cursor and shows block characters."""
    if environment.get("TERM", "dumb") in {"", "dumb", "unknown"} or environment.get("CI"):
        return False
    return is_terminal(stream) and (stream.encoding or "").lower().replace("-", "") == "utf8"


def on_github(environment: Mapping[str, str]) -> bool:
    """Whether this runs as a step of a workflow."""
    return environment.get("GITHUB_ACTIONS") == "true"
