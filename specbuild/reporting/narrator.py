"""Tells a run in lines, in the order in which they can be read: no two tasks' lines are ever mixed."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from specbuild.engine.events import (
    Event,
    GateFinished,
    GateStarted,
    Outcome,
    Planned,
    RunStarted,
    TaskFinished,
    TaskOutput,
    TaskRetried,
    TaskStarted,
    Warned,
)
from specbuild.engine.task import TaskName
from specbuild.reporting import phrases
from specbuild.reporting.summary import Diagnose
from specbuild.reporting.text import Line

Verbosity = Literal["quiet", "normal", "verbose"]
BUFFERED = 2000
"""So many lines of a task that cannot be shown yet are kept; the oldest go first."""


@dataclass(slots=True)
class _Running:
    start: TaskStarted
    lines: deque[Line] = field(default_factory=lambda: deque(maxlen=BUFFERED))
    dropped: int = 0

    def add(self, line: Line) -> None:
        self.dropped += len(self.lines) == BUFFERED
        self.lines.append(line)


@dataclass(slots=True)
class _Batch:
    """Tasks that overlapped, from the moment the first began until none ran."""

    began: float
    tasks: int = 0
    completed: int = 0
    seconds: float = 0.0
    overlapped: bool = False


class Narrator:
    """Turns events into lines. A task that runs alone is told as it goes on (`stream`), else when it ends."""

    def __init__(
        self,
        *,
        verbosity: Verbosity = "normal",
        stream: bool = True,
        label: Callable[[TaskName], str] | None = None,
        outcomes: Mapping[TaskName, Outcome] | None = None,
        diagnose: Diagnose | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.label = label or str
        self._own_label = label is None
        self._verbosity = verbosity
        self._stream = stream
        self._outcomes = outcomes  # of the last run, see runlog.last_outcomes; None: there is no log of any
        self._diagnose = diagnose
        self._clock = clock
        self._began = clock()
        self._opening: RunStarted | None = None
        self._running: dict[TaskName, _Running] = {}
        self._foreground: TaskName | None = None
        self._batch: _Batch | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self._clock() - self._began

    @property
    def _verbose(self) -> bool:
        return self._verbosity == "verbose"

    def tell(self, event: Event) -> list[Line]:
        """What can be shown now."""
        lines = list(self._tell(event))
        if self._verbosity != "quiet":
            return lines
        bad_task = isinstance(event, TaskFinished) and event.outcome == "failed"
        bad_gate = isinstance(event, GateFinished) and not event.passed
        return lines if bad_task or bad_gate else []

    def _tell(self, event: Event) -> Iterator[Line]:
        match event:
            case RunStarted():
                yield from self._open(event)
            case Planned():
                resumed = self._opening is not None and self._opening.resumed
                yield from phrases.plan(
                    event,
                    self.label,
                    self._outcomes,
                    resumed=resumed,
                    verbose=self._verbose,
                )
            case TaskStarted():
                yield from self._start(event)
            case TaskOutput():
                yield from self._say(event.task, phrases.output(event.text, verbose=self._verbose))
            case TaskRetried():
                yield from self._say(event.task, [phrases.retried(event)])
            case TaskFinished():
                yield from self._finish(event)
            case GateStarted() if self._verbosity != "quiet":
                yield phrases.gate_header(event, self._opening.filter if self._opening else None)
            case GateFinished():
                yield from self._gate(event)
            case Warned():
                yield phrases.warning(event, self.label)

    def _open(self, event: RunStarted) -> Iterator[Line]:
        self._began = self._clock()
        self._opening = event
        if self._own_label and len(event.files) == 1:
            self.label = _short
        yield from phrases.opening(event)

    def _start(self, event: TaskStarted) -> Iterator[Line]:
        if event.task in self._running:  # a further attempt: the retry was told
            return
        if self._batch is None:
            self._batch = _Batch(self._clock())
        self._batch.tasks += 1
        alone = not self._running
        self._running[event.task] = _Running(event)
        self._batch.overlapped |= not alone
        if alone and self._stream and self._verbosity != "quiet":
            self._foreground = event.task
            yield phrases.header(event, self.label, retry=self._failed_before(event.task))
            yield from phrases.reasons(event.reasons, verbose=self._verbose)
        elif not alone and self._stream:
            self._foreground = None  # from here on each is told as a whole when it ends
            yield phrases.worker(event, self.label)

    def _say(self, task: TaskName, lines: list[Line]) -> Iterator[Line]:
        running = self._running.get(task)
        if running is None:
            return
        if task == self._foreground:
            yield from lines
        else:
            for line in lines:
                running.add(line)

    def _finish(self, event: TaskFinished) -> Iterator[Line]:
        running = self._running.pop(event.task, None)
        retry = self._failed_before(event.task)
        shown = event.task == self._foreground
        if event.outcome == "blocked":
            yield phrases.blocked(event, self.label)
        elif event.outcome == "skipped" and running is None:
            if self._verbose:
                yield phrases.skipped(event, self.label)
        else:
            if not shown:
                yield phrases.header(event, self.label, retry=retry)
                if running is not None:
                    yield from self._buffered(running)
            yield from self._outcome(event, retry=retry, streamed=running is not None)
        if shown:
            self._foreground = None
        if running is not None:
            yield from self._count(event)

    def _buffered(self, running: _Running) -> Iterator[Line]:
        yield from phrases.reasons(running.start.reasons, verbose=self._verbose)
        if running.dropped:
            yield Line(f"  … {running.dropped} lines left out", "dim")
        yield from running.lines

    def _outcome(self, event: TaskFinished, *, retry: bool, streamed: bool) -> Iterator[Line]:
        parallel = self._opening is not None and self._opening.mode != "serial"
        at = self.elapsed if parallel and event.worker else None
        yield from phrases.files(event, verbose=self._verbose)
        yield phrases.finished(event, at=at, retry=retry)
        if event.outcome == "failed":
            diagnosis = self._diagnose(event) if self._diagnose is not None else None
            yield from phrases.failure(event, diagnosis, with_output=not (self._verbose and streamed))
        else:
            yield from phrases.partial(event)
        if self._verbose and event.commit:
            yield Line(f"  commit {event.commit[:10]}", "dim")

    def _count(self, event: TaskFinished) -> Iterator[Line]:
        batch = self._batch
        if batch is None:
            return
        batch.seconds += event.seconds
        batch.completed += event.outcome == "completed"
        if not self._running:
            self._batch = None
            if batch.overlapped and self._verbosity != "quiet":
                wall = self._clock() - batch.began
                yield phrases.batch(batch.tasks, batch.completed, wall, batch.seconds)

    def _gate(self, event: GateFinished) -> Iterator[Line]:
        if self._verbosity == "quiet":
            start = GateStarted(event.gate, event.phase)
            yield phrases.gate_header(start, self._opening.filter if self._opening else None)
        yield from phrases.gate(event, verbose=self._verbose)

    def _failed_before(self, task: TaskName) -> bool:
        resumed = self._opening is not None and self._opening.resumed
        return resumed and self._outcomes is not None and self._outcomes.get(task) == "failed"


def _short(task: TaskName) -> str:
    return task.id
