"""Plain lines and JSON lines: what is shown when, to whom, and what a broken stream does."""

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import event_streams as streams
import pytest
from event_streams import FILE, Plan, Stream, created

from specbuild.engine.events import (
    FileChange,
    Outcome,
    RunStarted,
    TaskOutput,
    TaskRetried,
    Warned,
)
from specbuild.engine.task import TaskName
from specbuild.reporting.jsonlines import JsonLines
from specbuild.reporting.narrator import BUFFERED, Verbosity
from specbuild.reporting.outlet import Outlet
from specbuild.reporting.plain import PlainReporter, wants_colour
from specbuild.reporting.text import Line


def shown(stream: Stream, verbosity: Verbosity = "normal", *, colour: bool = False) -> list[str]:
    out, now = io.StringIO(), [0.0]
    reporter = PlainReporter(
        out, verbosity=verbosity, colour=colour, clock=lambda: now[0], diagnose=streams.smtp
    )
    for at, event in stream.stamped:
        now[0] = at
        reporter(event)
    return out.getvalue().splitlines()


def two(mode: str = "parallel (2 workers)") -> Stream:
    stream = Stream([Plan("T001", "first", parallel=True), Plan("T002", "second", parallel=True)])
    stream.open(mode=mode)
    stream.stamped.clear()
    stream.tell(RunStarted((FILE,), "main", 2, 2, None, mode=mode))
    return stream


@pytest.mark.parametrize(("outcomes", "words"), [({}, "none known"), (None, "unknown, the log is gone")])
def test_a_log_that_tells_of_no_failure_is_not_taken_for_gone(
    outcomes: Mapping[TaskName, Outcome] | None, words: str
) -> None:
    out = io.StringIO()
    reporter = PlainReporter(out, outcomes=outcomes)
    for event in streams.resumed().events[:2]:
        reporter(event)
    assert f"failed in the last session: {words}\n" in out.getvalue()


def test_a_lone_task_is_told_as_it_goes_on() -> None:
    stream = two("serial")
    stream.start("T001")
    stream.say("T001", "noise\n→ a step\nmore noise\n")
    assert shown(stream)[-2:] == ["[1/2] T001 first", "  → a step"]


def test_lines_of_tasks_that_overlap_are_never_mixed() -> None:
    stream = two()
    stream.start("T001", 1)
    stream.say("T001", "→ one a\n")
    stream.start("T002", 2)
    for _ in range(3):
        stream.say("T001", "→ one b\n")
        stream.say("T002", "→ two\n")
    stream.end("T002", at=4.0)
    stream.say("T001", "→ one c\n")
    stream.end("T001", at=5.0)
    assert shown(stream)[3:] == [
        "[1/2] T001 first",
        "  → one a",
        "[Worker 2] T002 second",
        "[2/2] T002 second",
        "  → two",
        "  → two",
        "  → two",
        "  ✓ Completed in 4s, worker 2 at 00:04",
        "[1/2] T001 first",
        "  → one b",
        "  → one b",
        "  → one b",
        "  → one c",
        "  ✓ Completed in 5s, worker 1 at 00:05",
        "Parallel batch: 2 tasks in 5s (one after another 9s), 4s saved (44%)",
    ]


def test_a_task_that_prints_without_end_keeps_within_memory() -> None:
    stream = two()
    stream.start("T001", 1)
    stream.start("T002", 2)
    for number in range(BUFFERED + 50):
        stream.say("T002", f"→ {number}\n")
    stream.end("T002")
    lines = shown(stream)
    assert "  … 50 lines left out" in lines
    assert lines[-2] == f"  → {BUFFERED + 49}"
    assert len(lines) < BUFFERED + 20


def test_quiet_tells_only_failures() -> None:
    lines = shown(streams.partial(), "quiet")
    assert lines == [
        "[6/10] T006 [US2] Email service",
        "  ↻ Attempt 1 of 3 failed: SMTP connection timeout after 30s; next in 1s",
        "  ↻ Attempt 2 of 3 failed: SMTP connection timeout after 30s; next in 2s",
        "  ✗ Failed after 3 attempts in 18s, worker 3 at 00:53: SMTP connection timeout after 30s",
        "    | dialling smtp.example.com:587",
        "    | SMTP connection timeout after 30s",
        "  Diagnosis: smtp.example.com did not answer on port 587",
        "  Partial work is kept at refs/specbuild/failed/T006-1",
    ]
    assert shown(streams.serial(), "quiet") == []


def test_quiet_tells_of_a_gate_that_failed() -> None:
    stream = two()
    stream.gate("Phase 1", 3, {}, None, passed=False, output="1 failed\n")
    stream.gate(None, 3, {}, None)
    assert shown(stream, "quiet") == ["[Running tests: Phase 1]", "  ✗ Failed in 3s", "    | 1 failed"]


def test_verbose_tells_output_reasons_and_commits() -> None:
    stream = two("serial")
    stream.start("T001")
    stream.say("T001", "\x1b[32mcompiling\x1b[0m\tx\n→ done\n")
    stream.end("T001", at=1.0)
    assert shown(stream, "verbose")[3:] == [
        "[1/2] T001 first",
        "  because never run",
        "    compiling    x",
        "  → done",
        "  ✓ Completed in 1s",
        "  commit c0ffeec0ff",
    ]


def test_verbose_tells_the_plan_with_its_reasons() -> None:
    lines = shown(streams.serial(), "verbose")
    assert "  will run T001: never run" in lines
    assert "  may run T002" in lines


def test_a_failure_shows_the_end_of_its_output() -> None:
    stream = two("serial")
    stream.start("T001")
    stream.end("T001", "failed", error="exit 1", output="".join(f"line {number}\n" for number in range(20)))
    lines = shown(stream)
    assert lines[4:7] == ["  ✗ Failed in 0s: exit 1", "    | … 8 lines before", "    | line 8"]
    assert "    | line 19" in lines


def test_many_files_are_counted_and_all_are_named_if_asked() -> None:
    stream = two("serial")
    files = [FileChange(f"f{number}", "deleted", None) for number in range(20)]
    stream.task("T001", 1, files=[created("a", 1), *files])
    assert "  … and 9 more files" in shown(stream)
    assert "  created a (1 line)" in shown(stream)
    assert "  deleted f19" in shown(stream, "verbose")


def test_reused_blocked_and_skipped_tasks_have_their_line() -> None:
    stream = two("serial")
    stream.end("T001", "reused", reused_from="ab" * 20, saved_seconds=61.0)
    stream.end("T002", "blocked", blocked_by=TaskName(FILE, "T001"), error="it needs T001")
    stream.end("T002", "skipped", error="the run stopped")
    assert shown(stream)[3:] == [
        "[1/2] T001 first",
        "  ✓ Reused from ababababab, saved 1m 1s",
        "T002 second: blocked by T001, it needs T001",
    ]
    assert shown(stream, "verbose")[-1] == "  skipped T002 second: the run stopped"


def test_output_of_a_task_that_does_not_run_is_passed_over() -> None:
    stream = two("serial")
    stream.say("T001", "→ late\n")
    stream.tell(TaskRetried(TaskName(FILE, "T001"), 1, 2, "late", 0.0))
    assert len(shown(stream)) == 3


def test_an_opening_with_filter_tells_what_was_chosen_only_for_others() -> None:
    opening = RunStarted(
        ("a.md", "b.md"), None, 9, 4, "P1", {"P1": 3, "none": 1}, {"US1": 3, "none": 1}, {"none": ("x",)}, 1, 2,
    )  # fmt: skip
    out = io.StringIO()
    PlainReporter(out, colour=False)(opening)
    assert out.getvalue().splitlines() == [
        "specbuild: 9 tasks in a.md, b.md, on a detached HEAD",
        "  filter P1: 4 of 9 tasks chosen",
        "  of these, only since others wait for them: 1",
        "  deferred: 1 task (none: 1)",
        "  priorities: P1 (3), without 1",
        "  stories: US1 (3)",
        "  marked [P]: 2",
        "  mode: serial",
    ]


def test_names_of_several_files_are_told_in_full() -> None:
    out = io.StringIO()
    reporter = PlainReporter(out, colour=False)
    reporter(RunStarted(("a.md", "b.md"), "main", 1, 1, None))
    reporter(Warned("look here", TaskName("a.md", "T1")))
    assert out.getvalue().splitlines()[-1] == "warning: a.md#T1: look here"


def test_colour_is_put_around_whole_lines() -> None:
    lines = shown(streams.partial(), colour=True)
    assert "\x1b[1m[1/10] T001 [US1] User model\x1b[0m" in lines
    assert "\x1b[32m  ✓ Completed in 12s, worker 1 at 00:12\x1b[0m" in lines


def test_colour_is_only_for_a_terminal_where_nobody_said_no() -> None:
    parent, child = pty.openpty()
    with open(child, "w") as terminal:
        assert wants_colour(terminal, {"TERM": "xterm"})
        assert not wants_colour(terminal, {"TERM": "xterm", "NO_COLOR": "1"})
        assert not wants_colour(terminal, {"TERM": "dumb"})
        assert not wants_colour(terminal, {})
    os.close(parent)
    assert not wants_colour(io.StringIO(), {"TERM": "xterm"})
    closed = io.StringIO()
    closed.close()
    assert not wants_colour(closed, {"TERM": "xterm"})


def test_hostile_text_reaches_no_terminal() -> None:
    evil = "\x1b[2J\x1b]0;owned\x07\u202e"
    stream = Stream([Plan("T001", evil + "title", evil + "story", phase=evil)])
    stream.open(filter=evil, why=evil, by_priority={evil: 1}, executors={evil: 1}, branch=evil, files=(evil,))
    stream.start("T001")
    stream.say("T001", f"→ {evil}step\n{evil}noise\n")
    stream.retry("T001", 1, 2, evil, 1)
    stream.end(
        "T001", "failed", error=evil, output=evil + "out\n", partial=evil, files=(created(evil + "p"),)
    )
    stream.gate(evil, 1, {evil: 1}, 1, name=evil, passed=False, output=evil)
    stream.tell(Warned(evil))
    text = "\n".join(shown(stream, "verbose"))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "owned" not in text


def test_a_line_of_a_megabyte_is_cut() -> None:
    stream = two("serial")
    stream.start("T001")
    stream.say("T001", "→ " + "x" * 1_000_000)
    assert max(map(len, shown(stream))) < 600


def test_an_encoding_without_ticks_gets_plain_signs() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    PlainReporter(stream, colour=False).show([Line("✓ → ✗ … 日")])
    assert raw.getvalue() == b"+ -> x ... \\u65e5\n"


def test_a_closed_stream_ends_the_writing_and_not_the_run() -> None:
    stream = io.StringIO()
    outlet = Outlet(stream)
    stream.close()
    outlet.write("x")
    outlet.write("y")
    assert outlet.closed


BROKEN = """
import sys
from specbuild.engine.events import Warned
from specbuild.reporting.jsonlines import JsonLines
from specbuild.reporting.plain import PlainReporter
for make in (JsonLines, PlainReporter):
    reporter = make(sys.stdout)
    for number in range(20000):
        reporter(Warned("x" * 100))
print("survived", file=sys.stderr)
"""


def test_a_reader_that_goes_away_kills_no_run() -> None:
    script = [sys.executable, "-W", "error", "-c", BROKEN]
    process = subprocess.Popen(
        script,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), error) == (0, b"survived\n")


def test_each_event_is_one_object_on_one_line() -> None:
    out = io.StringIO()
    reporter = JsonLines(out, clock=lambda: 12.3456)
    for event in streams.partial().events:
        reporter(event)
    documents = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(documents) == len(streams.partial().events)
    assert {document["version"] for document in documents} == {1}
    assert {document["time"] for document in documents} == {12.346}
    assert [documents[0]["event"], documents[-1]["event"]] == ["run-started", "run-finished"]
    (failed,) = [d for d in documents if d.get("outcome") == "failed"]
    assert failed["task"] == f"{FILE}#T006"
    assert (failed["seconds"], failed["attempts"], failed["commit"]) == (18.0, 3, None)
    assert failed["error"] == "SMTP connection timeout after 30s"


def test_bytes_that_are_no_text_are_escaped_in_json() -> None:
    out = io.StringIO()
    JsonLines(out)(TaskOutput(TaskName("t\udcff.md", "T1"), "日\udc80\x1b\n"))
    assert out.getvalue().isascii()
    assert json.loads(out.getvalue())["task"] == "t\udcff.md#T1"


@pytest.mark.parametrize("verbosity", ["quiet", "normal", "verbose"])
def test_nothing_is_paused_where_lines_just_scroll(verbosity: Verbosity) -> None:
    out = io.StringIO()
    reporter = PlainReporter(out, verbosity=verbosity, colour=False)
    with reporter.paused():
        reporter.show([Line("asked")])
    reporter.close()
    assert out.getvalue() == "asked\n"
