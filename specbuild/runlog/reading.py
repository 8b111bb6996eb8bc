"""Reads runs back, as far as their logs are still there and make sense."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from specbuild.engine.events import (
    Event,
    Outcome,
    RunFinished,
    RunStarted,
    TaskFinished,
    TaskOutput,
    TaskRetried,
    TaskStarted,
)
from specbuild.engine.task import Oid, TaskName
from specbuild.runlog.folder import logs
from specbuild.runlog.lines import VERSION, from_dict

_OUTPUT_LINE = f'{{"version":{VERSION},"event":"{TaskOutput.event}"'.encode()


class Stamped(NamedTuple):
    """An event and when it was logged, in seconds since 1970."""

    time: float
    event: Event


@dataclass(frozen=True, slots=True)
class Run:
    """What a log tells of one run."""

    path: str
    events: tuple[Stamped, ...]  # at least one

    @property
    def started(self) -> float:
        return self.events[0].time

    @property
    def opening(self) -> RunStarted | None:
        return next((e for _, e in self.events if isinstance(e, RunStarted)), None)

    @property
    def end(self) -> RunFinished | None:
        """None: the run was killed, still goes on, or its log was cut."""
        return next((e for _, e in reversed(self.events) if isinstance(e, RunFinished)), None)

    @property
    def succeeded(self) -> bool:
        end = self.end
        return end is not None and end.headline == "complete"

    @property
    def seconds(self) -> float:
        """How long it took; without its end, how long it is known to have gone on."""
        end = self.end
        return end.seconds if end is not None else max(0.0, self.events[-1].time - self.started)

    @property
    def finished(self) -> list[TaskFinished]:
        return [e for _, e in self.events if isinstance(e, TaskFinished)]


def read_runs(folder: str, *, newest: int | None = None, output: bool = False) -> list[Run]:
    """The runs whose logs are still there, oldest first; `output`: with what the recipes printed.

    Damaged lines, later versions and foreign files are passed over.
    """
    runs = []
    for path in logs(folder)[:newest]:
        try:
            with open(path, "rb") as file:
                found = tuple(_read(file, output=output))
        except OSError:
            continue
        if found:
            runs.append(Run(path, found))
    return runs[::-1]


def _read(lines: Iterable[bytes], *, output: bool) -> Iterable[Stamped]:
    for line in lines:
        if not output and line.startswith(_OUTPUT_LINE):
            continue
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(document, dict) or document.get("version") != VERSION:
            continue
        event, at = from_dict(document), document.get("time")
        if event is not None and isinstance(at, (int, float)) and math.isfinite(at):
            yield Stamped(float(at), event)


def last_outcomes(runs: Sequence[Run]) -> Mapping[TaskName, Outcome]:
    """How each task ended in the last run that tried it; one that was merely passed over did not end."""
    return {event.task: event.outcome for run in runs for event in run.finished if event.outcome != "skipped"}


def sessions_since_success(runs: Sequence[Run]) -> Sequence[Run]:
    """The runs after the last that succeeded, oldest first: what `--continue` adds up."""
    last = max((index for index, run in enumerate(runs) if run.succeeded), default=-1)
    return runs[last + 1 :]


class AttemptLog(NamedTuple):
    """What a log tells of one attempt."""

    task: TaskName
    attempt: int
    started: float  # seconds since 1970
    seconds: float | None  # None: unknown, its end is not in the log
    outcome: Outcome | None  # None: its end is not in the log
    error: str | None
    output: str
    commit: Oid | None


def attempts(runs: Sequence[Run], task: TaskName) -> list[AttemptLog]:
    """All attempts of one task, oldest first; `output` is there if the runs were read with it."""
    return [attempt for run in runs for attempt in _attempts(run, task)]


def _attempts(run: Run, task: TaskName) -> Iterable[AttemptLog]:
    current: AttemptLog | None = None
    for at, event in run.events:
        match event:
            case TaskStarted(task=name) if name == task:
                if current is not None and current.attempt == event.attempt and not current.output:
                    continue  # announced by the retry, which knows of the delay before it
                if current is not None:
                    yield current
                current = AttemptLog(task, event.attempt, at, None, None, None, "", None)
            case TaskOutput(task=name, text=text) if name == task and current is not None:
                current = current._replace(output=current.output + text)
            case TaskRetried(task=name) if name == task and current is not None:
                seconds = max(0.0, at - current.started)
                yield current._replace(seconds=seconds, outcome="failed", error=event.error)
                current = AttemptLog(task, event.attempt + 1, at + event.delay, None, None, None, "", None)
            case TaskFinished(task=name) if name == task and current is not None:
                yield current._replace(
                    seconds=max(0.0, at - current.started),
                    outcome=event.outcome,
                    error=event.error,
                    commit=event.commit,
                )
                current = None
    if current is not None:
        yield current
