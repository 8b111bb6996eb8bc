"""A run on a terminal: finished tasks scroll by, below them a line for each worker and the whole."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Self, TextIO

from rich.console import Console, ConsoleDimensions
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from specbuild.engine.events import (
    Event,
    GateFinished,
    GateStarted,
    Outcome,
    Planned,
    RunFinished,
    TaskFinished,
    TaskOutput,
    TaskStarted,
)
from specbuild.engine.task import TaskName
from specbuild.reporting import phrases
from specbuild.reporting.narrator import Narrator, Verbosity
from specbuild.reporting.outlet import Outlet
from specbuild.reporting.plain import wants_colour
from specbuild.reporting.summary import Diagnose
from specbuild.reporting.text import Line, clean, clock, duration, ellipsis, pad, width

_STYLES = {"head": "bold", "good": "green", "bad": "red", "warn": "yellow", "dim": "dim"}
_FROZEN = {"COLUMNS", "LINES"}  # a shell that exports these does not follow a resize
INTERVAL = 0.1
"""Seconds between two looks for something new to draw."""
WIDEST_BAR = 40


class _Console(Console):
    """A console that never hides the cursor: then nothing, not even kill -9, can leave it hidden."""

    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002, FBT001, FBT002  (rich's signature)
        return False


@dataclass(slots=True)
class _Working:
    start: TaskStarted
    began: float
    step: str = ""


class Estimate:
    """How long a run may still take, from what its tasks took before."""

    def __init__(self, seconds: Mapping[TaskName, float]) -> None:
        self._seconds = seconds  # of earlier checkpoints
        self._remaining: dict[TaskName, None] = {}
        self._measured: list[float] = []

    def plan(self, tasks: Iterable[TaskName]) -> None:
        self._remaining = dict.fromkeys(tasks)

    def finish(self, task: TaskName, seconds: float) -> None:
        self._remaining.pop(task, None)
        if seconds > 0:
            self._measured.append(seconds)

    def left(self, elapsed: float, running: Mapping[TaskName, float]) -> float | None:
        """Seconds; None: nothing is known of how long such tasks take. `running`: seconds so far."""
        known = [self._seconds[task] for task in self._remaining if task in self._seconds] + self._measured
        if not known:
            return None
        typical = sum(known) / len(known)
        work = sum(
            max(0.0, self._seconds.get(task, typical) - running.get(task, 0.0)) for task in self._remaining
        )
        done = sum(self._measured) + sum(running.values())
        overlap = max(1.0, done / elapsed) if elapsed > 0 else 1.0
        return work / overlap


class Row(NamedTuple):
    """A line of the live region: `left` gives way before `right`."""

    left: str
    right: str

    def fit(self, columns: int) -> str:
        right = ellipsis(self.right, columns)
        room = columns - width(right) - 1
        return f"{pad(ellipsis(self.left, room), room)} {right}" if room > 3 else right


def overall(done: int, total: int, elapsed: float, left: float | None, columns: int) -> str:
    """The bar over the whole run, as much of it as fits: `████░░░░ 3/8 00:42 ~1m 20s left`."""
    figures = f"{done}/{total} {clock(elapsed)}"
    more = f"{figures} {'time left unknown' if left is None else f'~{duration(round(left))} left'}"
    if width(more) + 6 <= columns:
        figures = more
    room = min(WIDEST_BAR, columns - width(figures) - 1)
    if room < 4:
        return ellipsis(figures, columns)
    filled = room * done // total if total else 0
    return f"{'█' * filled}{'░' * (room - filled)} {figures}"


class LiveReporter:
    """Draws from a thread of its own, so that the builder never waits for a terminal.

    Use it as a context manager, or call `close`: both leave only the lines that scrolled by.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        verbosity: Verbosity = "normal",
        seconds: Mapping[TaskName, float] | None = None,
        colour: bool | None = None,
        label: Callable[[TaskName], str] | None = None,
        outcomes: Mapping[TaskName, Outcome] | None = None,
        diagnose: Diagnose | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._narrator = Narrator(
            verbosity=verbosity, stream=False, label=label, outcomes=outcomes, diagnose=diagnose, clock=clock
        )
        self._painted = wants_colour(stream) if colour is None else colour
        self._console = _Console(
            file=stream,
            force_terminal=True,
            no_color=not self._painted,
            highlight=False,
            markup=False,
            emoji=False,
            _environ={name: value for name, value in os.environ.items() if name not in _FROZEN},
        )
        self._outlet = Outlet(stream)
        self._lock = threading.RLock()
        self._estimate = Estimate(seconds or {})
        self._working: dict[TaskName, _Working] = {}
        self._gate: tuple[str, float] | None = None
        self._done = 0
        self._total = 0
        self._queue: list[Line] = []
        self._live: Live | None = None
        self._drawn: list[int] = []  # widths of the region's rows as they stand on the screen
        self._shown: tuple[object, ...] = ()  # what was drawn last
        self._ticker: threading.Thread | None = None
        self._stop = threading.Event()
        self._asking = 0  # so many wait for a person's answer on the same terminal

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._queue += self._narrator.tell(event)
            self._follow(event)
        if isinstance(event, RunFinished):
            self.close()
        elif self._ticker is None and isinstance(event, (TaskStarted, GateStarted)):
            self._begin()
        elif self._ticker is None:
            self._draw()

    def show(self, lines: Iterable[Line]) -> None:
        """Lines that scroll by."""
        with self._lock:
            self._queue += lines
        if self._ticker is None:
            self._draw()

    def _follow(self, event: Event) -> None:
        match event:
            case Planned():
                self._estimate.plan((*event.will_run, *event.may_run))
                self._done = len(event.up_to_date)
                self._total = self._done + len(event.will_run) + len(event.may_run)
            case TaskStarted():
                self._total = event.total
                known = self._working.get(event.task)
                self._working[event.task] = _Working(event, known.began if known else self._clock())
            case TaskOutput(task=task) if task in self._working:
                steps = phrases.output(event.text[-phrases.LONGEST :], verbose=True)
                if steps:
                    self._working[task].step = steps[-1].text.strip().removeprefix("→ ")
            case TaskFinished():
                self._working.pop(event.task, None)
                self._estimate.finish(event.task, event.seconds)
                self._done += event.outcome in {"completed", "reused"}
                self._total = event.total or self._total
            case GateStarted():
                where = f": {event.phase}" if event.phase else ""
                self._gate = (clean(f"{event.gate}{where}"), self._clock())
            case GateFinished():
                self._gate = None

    def _begin(self) -> None:
        with self._lock:
            if self._asking or self._ticker is not None:
                return
            self._stop.clear()
            self._ticker = threading.Thread(target=self._tick, name="specbuild-live", daemon=True)
            self._ticker.start()

    def _tick(self) -> None:
        self._draw()
        while not self._stop.wait(INTERVAL):
            self._draw()

    def _draw(self) -> None:
        """Writes what is new; a terminal that went away ends the drawing, not the run."""
        with self._lock:
            if self._outlet.closed:
                self._queue.clear()
                return
            if self._asking and self._live is None:  # it is told afterwards
                return
            try:
                self._write()
            except (OSError, ValueError):
                self._outlet.closed = True

    def _measure(self) -> None:
        """Asks the terminal that is written to how big it is; rich would ask stdin first."""
        try:
            columns, rows = os.get_terminal_size(self._outlet.stream.fileno())
        except (OSError, ValueError):
            return
        if columns and rows:
            self._console.size = ConsoleDimensions(columns, rows)

    def _write(self) -> None:
        self._measure()
        lines, self._queue = self._queue, []
        running = self._ticker is not None and not self._stop.is_set()
        if running and self._live is None:
            self._live = Live(
                Text(), console=self._console, auto_refresh=False, transient=True, redirect_stdout=False,
                redirect_stderr=False, vertical_overflow="crop",
            )  # fmt: skip
            self._live.start()
            self._drawn, self._shown = [0], ()
        self._unfold()
        if lines:
            self._console.print(Text("\n").join(map(self._text, lines)), soft_wrap=True)
        if self._live is None:
            return
        rows = self._rows() if running else []
        shown = (rows, self._console.width)
        if shown != self._shown or lines:
            self._live.update(Text("\n".join(rows), no_wrap=True), refresh=True)
            self._drawn, self._shown = [width(row) for row in rows], shown
        if not running:
            self._live.stop()
            self._live = None

    def _text(self, line: Line) -> Text:
        return Text(line.text, style=_STYLES.get(line.tone, "") if self._painted else "")

    def _unfold(self) -> None:
        """After the terminal became narrower: goes up over the rows that its lines were folded into."""
        if self._live is None or not self._shown or self._shown[1] == self._console.width:
            return
        columns = max(1, self._console.width)
        folded = sum(max(0, -(-drawn // columns) - 1) for drawn in self._drawn)
        step = ((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1))
        self._console.control(Control(ControlType.CARRIAGE_RETURN, *(step * folded)))

    def _rows(self) -> list[str]:
        # The last columns stay free: `^C`, echoed behind the last row, must not fold it.
        columns, height = max(4, self._console.width - 3), max(2, self._console.height - 1)
        now = self._clock()
        working = sorted(self._working.values(), key=lambda work: work.start.worker)
        rows = [self._row(work, now).fit(columns) for work in working]
        if self._gate is not None:
            rows.append(Row(self._gate[0], duration(int(now - self._gate[1]))).fit(columns))
        if len(rows) > height - 1:
            hidden = len(rows) - (height - 2)
            rows = [*rows[: height - 2], ellipsis(f"… and {hidden} more", columns)]
        spent = {work.start.task: now - work.began for work in working}
        elapsed = self._narrator.elapsed
        left = self._estimate.left(elapsed, spent)
        rows.append(overall(self._done, self._total, elapsed, left, columns))
        return rows

    def _row(self, work: _Working, now: float) -> Row:
        step = f" → {work.step}" if work.step else ""
        title = phrases.title(work.start, self._narrator.label)
        return Row(f"{title}{step}", duration(int(now - work.began)))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Takes the region away while somebody is asked something; also by several threads at once."""
        with self._lock:
            self._asking += 1
        self._end()
        try:
            yield
        finally:
            with self._lock:
                self._asking -= 1
                busy = bool(self._working) or self._gate is not None
            if busy:
                self._begin()
            else:
                self._draw()

    def _end(self) -> None:
        self._stop.set()
        ticker, self._ticker = self._ticker, None
        if ticker is not None and ticker is not threading.current_thread():
            ticker.join()
        self._draw()

    def close(self) -> None:
        """Takes the region away and leaves the finished lines."""
        with self._lock:
            self._working.clear()
            self._gate = None
        self._end()
