"""The live display: what its rows hold, what it estimates, and that it leaves only finished lines."""

import fcntl
import io
import os
import pty
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterator

import event_streams as streams
import pyte
import pytest
from event_streams import FILE, Plan, Stream

from specbuild.engine.events import TaskStarted, Warned
from specbuild.engine.task import TaskName
from specbuild.reporting.live import Estimate, LiveReporter, Row, overall
from specbuild.reporting.text import Line, width

A, B, C = (TaskName(FILE, id_) for id_ in ("A", "B", "C"))


class Terminal:
    """A pseudo terminal of a given size that collects what is written to it."""

    def __init__(self, columns: int, rows: int = 24) -> None:
        self._parent, child = pty.openpty()
        self.stream = open(child, "w", encoding="utf-8")  # noqa: SIM115  (closed by close)
        self.resize(columns, rows)
        self._read = bytearray()
        self._screen = pyte.Screen(columns, rows)
        self._drawing = threading.Lock()
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def resize(self, columns: int, rows: int = 24) -> None:
        fcntl.ioctl(self.stream, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _collect(self) -> None:
        drawing = pyte.ByteStream(self._screen)
        while True:
            try:
                read = os.read(self._parent, 65536)
            except OSError:
                return
            with self._drawing:
                drawing.feed(read)
                self._read += read

    @property
    def text(self) -> str:
        return self._read.decode(errors="replace")

    @property
    def rows(self) -> list[str]:
        """What a person sees: the rows that hold something."""
        with self._drawing:
            return [row.rstrip() for row in self._screen.display if row.strip()]

    def wait_for(self, words: str) -> None:
        self.wait_until(lambda: words in self.text)

    def wait_until(self, shown: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not shown():
            assert time.monotonic() < deadline, (self.rows, self.text)
            time.sleep(0.02)

    def close(self) -> None:
        self.stream.close()
        self._reader.join()
        os.close(self._parent)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    found = Terminal(80)
    yield found
    found.close()


def test_an_estimate_is_what_the_remaining_tasks_took_before() -> None:
    estimate = Estimate({A: 10.0, B: 20.0, C: 30.0})
    estimate.plan([A, B, C])
    assert estimate.left(0.0, {}) == 60.0
    assert estimate.left(4.0, {A: 4.0}) == 56.0
    estimate.finish(A, 10.0)
    assert estimate.left(10.0, {}) == 50.0


def test_an_estimate_takes_overlapping_into_account() -> None:
    estimate = Estimate(dict.fromkeys((A, B, C), 10.0))
    estimate.plan([A, B, C])
    estimate.finish(A, 10.0)
    assert estimate.left(10.0, {B: 10.0}) == 10.0 / 2


def test_a_task_that_never_ran_is_taken_for_a_typical_one() -> None:
    estimate = Estimate({A: 10.0})
    estimate.plan([A, B])
    assert estimate.left(0.0, {}) == 20.0
    unknown = Estimate({})
    unknown.plan([A, B])
    assert unknown.left(3.0, {A: 3.0}) is None
    unknown.finish(A, 4.0)
    assert unknown.left(4.0, {}) == 4.0


def test_a_task_that_takes_longer_than_before_makes_no_time_negative() -> None:
    estimate = Estimate({A: 1.0})
    estimate.plan([A])
    assert estimate.left(100.0, {A: 100.0}) == 0.0


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        (77, "█████░░░░░░░░░░ 3/8 00:42 ~1m 20s left"),
        (17, "█░░░░░ 3/8 00:42"),
        (12, "3/8 00:42"),
        (5, "3/8…"),
    ],
)
def test_the_bar_gives_way_before_the_figures(columns: int, row: str) -> None:
    shown = overall(3, 8, 42.5, 80.0, columns)
    assert width(shown) <= columns
    assert shown.split(" ", 1)[-1] == row.split(" ", 1)[-1]


def test_an_unknown_rest_is_said_to_be_unknown() -> None:
    assert overall(0, 0, 0.0, None, 60).endswith("0/0 00:00 time left unknown")


@pytest.mark.parametrize("columns", range(1, 40))
def test_a_row_keeps_within_its_columns(columns: int) -> None:
    assert width(Row("T001 作る the model", "1m 2s").fit(columns)) <= columns


def test_rows_show_each_worker_and_the_whole(terminal: Terminal) -> None:
    stream = Stream([Plan("T001", "first", "US1"), Plan("T002", "second"), Plan("T003", "third")])
    stream.open()
    stream.start("T001", 2)
    stream.start("T002", 1)
    stream.say("T001", "noise\n→ the step\n\n")
    with LiveReporter(terminal.stream, colour=False, clock=lambda: 0.0) as live:
        for event in stream.events:
            live(event)
        terminal.wait_until(
            lambda: (
                [row.strip("█░ ").split("  ")[0] for row in terminal.rows[-3:]]
                == ["T002 second", "T001 [US1] first → the step", "0/3 00:00 time left unknown"]
            )
        )


def test_more_workers_than_rows_are_counted() -> None:
    terminal = Terminal(80, rows=6)
    tasks = [Plan(f"T{number:03d}", "x", parallel=True) for number in range(20)]
    stream = Stream(tasks)
    stream.open()
    for number, task in enumerate(tasks, 1):
        stream.start(task.id, number)
    with LiveReporter(terminal.stream, colour=False, clock=lambda: 0.0) as live:
        for event in stream.events:
            live(event)
        terminal.wait_for("… and 17 more")
    terminal.close()


def test_what_stays_is_what_a_log_would_hold(terminal: Terminal) -> None:
    now = [0.0]
    live = LiveReporter(terminal.stream, colour=False, clock=lambda: now[0])
    for at, event in streams.partial().stamped:
        now[0] = at
        live(event)
    terminal.wait_for("[10/10] T010 [US4] Health checks\r\n  ✓ Completed in 7s, worker 1 at 01:10")
    for line in (
        "specbuild: 10 tasks in specs/001-auth/tasks.md, on branch 001-auth",
        "[6/10] T006 [US2] Email service\r\n  ↻ Attempt 1 of 3 failed",
        "T008 [US3] Email templates: blocked by T006",
    ):
        assert line in terminal.text


def test_the_cursor_is_never_hidden(terminal: Terminal) -> None:
    with LiveReporter(terminal.stream) as live:
        for event in streams.serial().events:
            live(event)
        terminal.wait_for("T008 [US3] Update API docs in docs/api.md")
    assert "\x1b[?25l" not in terminal.text


def test_the_region_goes_away_while_something_is_asked(terminal: Terminal) -> None:
    start = TaskStarted(A, "title", 1, 1, 1, 1, None, None, ())
    with LiveReporter(terminal.stream, colour=False, clock=lambda: 0.0) as live:
        live(start)
        terminal.wait_for("0/1 00:00")
        with live.paused():
            assert not any(thread.name == "specbuild-live" for thread in threading.enumerate())
            terminal.stream.write("who are you? me\n")
            terminal.stream.flush()
            terminal.wait_for("who are you? me\r\n")
            before = terminal.text
            time.sleep(0.3)
            assert terminal.text == before
        terminal.wait_for("who are you? me\r\nspecs/001-auth/tasks.md#A title ")
    assert not any(thread.name == "specbuild-live" for thread in threading.enumerate())


def test_nothing_is_drawn_until_all_that_ask_have_their_answers(terminal: Terminal) -> None:
    first = TaskStarted(A, "title", 1, 2, 1, 1, None, None, ())
    with LiveReporter(terminal.stream, colour=False, clock=lambda: 0.0) as live:
        live(first)
        terminal.wait_for("0/2 00:00")
        with live.paused():
            other = live.paused()
            other.__enter__()
            terminal.stream.write("who are you?")
            terminal.stream.flush()
            terminal.wait_for("who are you?")
            live(TaskStarted(B, "other title", 2, 2, 2, 1, None, None, ()))
            live(Warned("meanwhile"))
            live.show([Line("a line")])
            other.__exit__(None, None, None)
            time.sleep(0.3)
            assert terminal.text.endswith("who are you?")
        terminal.wait_for("#B other title ")
    told = terminal.text.partition("who are you?")[2]
    assert told.index("warning: meanwhile") < told.index("a line") < told.index("#A title ")


def test_an_exception_takes_the_region_away(terminal: Terminal) -> None:
    def broken() -> None:
        with LiveReporter(terminal.stream, colour=False, clock=lambda: 0.0) as live:
            live(TaskStarted(A, "title", 1, 1, 1, 1, None, None, ()))
            terminal.wait_for("0/1 00:00")
            raise ValueError("the builder is broken")

    with pytest.raises(ValueError, match="broken"):
        broken()
    terminal.stream.write("END")
    terminal.stream.flush()
    terminal.wait_for("END")
    assert terminal.text.endswith("\x1b[2KEND")


def test_a_stream_that_went_away_ends_the_drawing_and_not_the_run() -> None:
    stream = io.StringIO()
    live = LiveReporter(stream, colour=False)
    live(TaskStarted(A, "title", 1, 1, 1, 1, None, None, ()))
    stream.close()
    live(Warned("a"))
    live.close()
    live(Warned("b"))


def test_lines_after_the_end_are_still_shown(terminal: Terminal) -> None:
    live = LiveReporter(terminal.stream, colour=False)
    for event in streams.filtered().events:
        live(event)
    live.show([])
    live(Warned("afterwards"))
    terminal.wait_for("warning: afterwards\r\n")
    live.close()


def test_colours_follow_the_tones(terminal: Terminal) -> None:
    with LiveReporter(terminal.stream, colour=True) as live:
        live(Warned("careful"))
        terminal.wait_for("careful")
    assert "\x1b[33mwarning: careful\x1b[0m" in terminal.text
