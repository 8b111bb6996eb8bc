"""Events round-trip, logs keep within their bounds, and whatever stands in a log folder can be read."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specbuild.engine import events
from specbuild.engine.events import (
    Event,
    FileChange,
    GateFinished,
    GateStarted,
    Outcome,
    Planned,
    RunFinished,
    RunStarted,
    TaskFinished,
    TaskOutput,
    TaskRetried,
    TaskStarted,
    Warned,
)
from specbuild.engine.task import TaskName
from specbuild.runlog.folder import Limits, prune
from specbuild.runlog.lines import from_dict, parse_name, to_dict, to_line
from specbuild.runlog.reading import attempts, last_outcomes, read_runs, sessions_since_success
from specbuild.runlog.writing import RunLog

A, B = TaskName("tasks.md", "T001"), TaskName("tasks.md", "T002")


class Ticking:
    """A clock that goes on by a second at every look."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self.time = start

    def __call__(self) -> float:
        self.time += 1
        return self.time


def started(task: TaskName, attempt: int = 1) -> TaskStarted:
    return TaskStarted(task, "title", 1, 2, 1, attempt, None, None, ())


def finished(task: TaskName, outcome: Outcome = "completed", error: str | None = None) -> TaskFinished:
    return TaskFinished(task, "title", outcome, 1.5, 1, None, error)


def ended(headline: str = "complete") -> RunFinished:
    assert headline in {"complete", "partially complete", "failed"}
    return RunFinished(headline, 0, 2.5, 1, 0, 0, 0, 0, 1)  # type: ignore[arg-type]


def opened() -> RunStarted:
    return RunStarted(("tasks.md",), "main", 2, 2, None)


def log(folder: Path, *happened: Event, clock: Ticking | None = None, limits: Limits | None = None) -> RunLog:
    run_log = RunLog(str(folder), limits, clock or Ticking())
    for event in happened:
        run_log(event)
    run_log.close()
    return run_log


EVERY_KIND: tuple[Event, ...] = (
    RunStarted(
        ("a.md", "b\udcff.md"), None, 3, 2, "P1 and not US2", {"P1": 2, "none": 1}, {"US1": 2}, {"P2": ("Späte",)},
        1, 2, "parallel (4 workers)", "because", {"shell": 3}, True,
    ),
    Planned((A,), (B,), (), (A,), {A: ("never run", "input changed: x")}),
    started(A),
    TaskOutput(A, "\x1b[31m→ raw\udc80\n"),
    TaskRetried(A, 1, 3, "refused", 0.5),
    TaskFinished(
        A, "title", "failed", 12.25, 3, "a" * 40, "refused", 3, 8, 2, "Phase 1", "US1", 1, True,
        (FileChange("src/x.js", "created", 245), FileChange("logo.png", "modified", None)),
        B, "refs/specbuild/failed/T001", "b" * 40, 4.5, "the end", {"tokens": 12, "cost": 0.5, "parts": [1, None]},
        -9, True,
    ),
    GateStarted("tests", None),
    GateFinished("tests", "Phase 1", True, False, 5.5, "ok", {"passed": 3, "suites": [{"name": "a"}]}, 91.5),
    Warned("two tasks write x", B),
    RunFinished("failed", 1, 90.0, 1, 2, 0, 1, 1, 5, (A,), (B,), {"P2": ("x", "y")}, "P1", True, True),
)  # fmt: skip


@pytest.mark.parametrize("event", EVERY_KIND, ids=lambda event: event.event)
def test_an_event_comes_back_from_a_line_as_it_was(event: Event) -> None:
    line = to_line(event, 1.0)
    assert line.isascii()
    assert "\n" not in line
    assert from_dict(json.loads(line)) == event


def test_every_kind_of_event_is_tried() -> None:
    assert {event.event for event in EVERY_KIND} == {kind.event for kind in events.Event.__subclasses__()}


@given(st.text(st.characters(categories=None)), st.floats(allow_nan=False, allow_infinity=False))
def test_any_text_and_number_round_trips(text: str, seconds: float) -> None:
    event = TaskFinished(A, text, "failed", seconds, 1, None, text, output=text)
    assert from_dict(json.loads(to_line(event, 0))) == event


@pytest.mark.parametrize(
    "name", [A, TaskName("a#b.md", "1.1"), TaskName("tasks.md", "#0a1b2c"), TaskName("x", "T1@2")]
)
def test_a_task_name_comes_back_from_its_print(name: TaskName) -> None:
    assert parse_name(str(name)) == name


@pytest.mark.parametrize(
    "change",
    [
        {"event": "task-vanished"}, {"event": None}, {"event": ["x"]}, {"outcome": "exploded"}, {"seconds": "1"},
        {"seconds": True}, {"task": "no hash"}, {"task": 3}, {"files": {}}, {"files": [{"path": "x"}]},
        {"usage": [1]}, {"title": None},
    ],
)  # fmt: skip
def test_a_damaged_event_is_no_event(change: dict[str, object]) -> None:
    assert from_dict(to_dict(finished(A)) | change) is None


def test_fields_of_a_later_version_are_passed_over_and_missing_ones_have_their_default() -> None:
    document = to_dict(finished(A)) | {"mood": "good"}
    del document["partial"]
    assert from_dict(document) == finished(A)
    del document["title"]
    assert from_dict(document) is None


def test_values_that_json_does_not_know_are_written_as_text() -> None:
    event = TaskFinished(
        A, "t", "completed", 1.0, 1, None, usage={"rate": float("nan"), "who": Path("x"), "n": {1}}
    )
    assert json.loads(to_line(event, 0))["usage"] == {"rate": None, "who": "x", "n": [1]}


def test_a_run_is_read_back_with_its_times(tmp_path: Path) -> None:
    happened = (opened(), started(A), finished(A), ended())
    run_log = log(tmp_path / "runs", *happened)
    (run,) = read_runs(str(tmp_path / "runs"))
    assert [event for _, event in run.events] == list(happened)
    assert run.path == run_log.path
    assert os.path.basename(run.path).startswith("20231114T221321.000Z-")
    assert run.started == 1_700_000_001
    assert run.succeeded
    assert run.seconds == 2.5
    assert run.opening == opened()
    assert run_log.problem is None


def test_a_run_that_was_killed_has_no_end_and_lasted_as_long_as_is_known(tmp_path: Path) -> None:
    log(tmp_path, opened(), started(A), finished(A), started(B))
    (run,) = read_runs(str(tmp_path))
    assert (run.end, run.succeeded, run.seconds) == (None, False, 3.0)


def test_damaged_lines_and_foreign_files_are_passed_over(tmp_path: Path) -> None:
    run_log = log(tmp_path, opened(), finished(A))
    assert run_log.path
    with open(run_log.path, "ab") as file:
        file.write(b"\xff\xfe not json\n[1,2]\nnull\n" + b"[" * 100_000 + b"\n")
        file.write(to_line(finished(B), 5.0).replace('"version":1', '"version":2').encode() + b"\n")
        file.write(to_line(finished(B), 6.0).replace('"time":6.0', '"time":"noon"').encode() + b"\n")
        file.write(to_line(finished(B, "failed"), 7.0).encode() + b"\n")
        file.write(to_line(ended(), 8.0).encode()[:40])
    (tmp_path / "20230101T000000.000Z-1.jsonl").mkdir()
    (tmp_path / "20230101T000000.000Z-2.jsonl").write_bytes(os.urandom(1000))
    (tmp_path / "notes.txt").write_text("mine")
    (run,) = read_runs(str(tmp_path))
    assert [event for _, event in run.events] == [opened(), finished(A), finished(B, "failed")]


def test_a_folder_that_is_not_there_holds_no_runs(tmp_path: Path) -> None:
    assert read_runs(str(tmp_path / "none")) == []


def test_the_newest_runs_are_read_oldest_first(tmp_path: Path) -> None:
    clock = Ticking()
    for number in range(4):
        log(tmp_path, Warned(str(number)), ended(), clock=clock)
    runs = read_runs(str(tmp_path), newest=2)
    assert [run.events[0].event for run in runs] == [Warned("2"), Warned("3")]


def test_two_runs_of_one_process_at_one_moment_have_two_logs_in_order(tmp_path: Path) -> None:
    for number in range(3):
        run_log = RunLog(str(tmp_path), clock=lambda: 1.0)
        run_log(Warned(str(number)))
        run_log.close()
    assert [run.events[0].event for run in read_runs(str(tmp_path))] == [
        Warned("0"),
        Warned("1"),
        Warned("2"),
    ]


def test_old_runs_go_when_there_are_more_than_are_kept(tmp_path: Path) -> None:
    clock = Ticking()
    (tmp_path / "mine.jsonl").write_text("not a log of ours")
    for number in range(5):
        log(tmp_path, Warned(str(number)), ended(), clock=clock, limits=Limits(keep=3))
    assert [run.events[0].event for run in read_runs(str(tmp_path))] == [
        Warned("2"),
        Warned("3"),
        Warned("4"),
    ]
    assert (tmp_path / "mine.jsonl").exists()


def test_old_runs_go_when_all_together_are_too_big(tmp_path: Path) -> None:
    clock = Ticking()
    limits = Limits(max_bytes=3000)
    for number in range(5):
        log(tmp_path, Warned(f"{number}" + "x" * 1000), ended(), clock=clock, limits=limits)
    assert [str(e.event)[16:17] for run in read_runs(str(tmp_path)) for e in run.events[:1]] == ["3", "4"]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 3000


def test_pruning_spares_the_log_that_was_just_written(tmp_path: Path) -> None:
    run_log = log(tmp_path, opened(), Warned("x" * 500), limits=Limits(max_bytes=100))
    assert [run.path for run in read_runs(str(tmp_path))] == [run_log.path]
    prune(str(tmp_path), Limits(max_bytes=100))
    assert read_runs(str(tmp_path)) == []


def test_output_is_kept_for_each_attempt(tmp_path: Path) -> None:
    log(
        tmp_path,
        opened(),
        started(A),
        TaskOutput(A, "first\n"),
        TaskOutput(B, "another task's\n"),
        TaskRetried(A, 1, 2, "refused", 1.0),
        started(A, 2),
        TaskOutput(A, "second\n"),
        TaskOutput(A, "third\n"),
        finished(A, "failed", "refused again"),
        ended("failed"),
    )
    one, two = attempts(read_runs(str(tmp_path), output=True), A)
    assert (one.attempt, one.outcome, one.error, one.output) == (1, "failed", "refused", "first\n")
    assert (two.attempt, two.outcome, two.error) == (2, "failed", "refused again")
    assert two.output == "second\nthird\n"
    assert one.seconds == 3.0  # three lines were logged meanwhile, a second each
    assert attempts(read_runs(str(tmp_path)), A)[0].output == ""


def test_an_attempt_that_nothing_ended_has_no_outcome(tmp_path: Path) -> None:
    log(tmp_path, opened(), started(A), TaskRetried(A, 1, 3, "refused", 0.0), TaskOutput(A, "x"))
    assert [(a.attempt, a.outcome, a.seconds) for a in attempts(read_runs(str(tmp_path)), A)] == [
        (1, "failed", 1.0),
        (2, None, None),
    ]


def chunks(text: str, size: int) -> Iterator[Event]:
    return (TaskOutput(A, text[at : at + size]) for at in range(0, len(text), size))


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 5000])
def test_of_much_output_start_and_end_are_kept_and_the_gap_is_named(tmp_path: Path, size: int) -> None:
    text = "".join(f"{number:04d}\n" for number in range(1000))
    limits = Limits(attempt_bytes=400)
    log(tmp_path, started(A), *chunks(text, size), finished(A), limits=limits)
    (attempt,) = attempts(read_runs(str(tmp_path), output=True), A)
    assert attempt.output == text[:100] + "\n… 4600 characters left out …\n" + text[-300:]


def test_output_within_the_bound_is_kept_whole(tmp_path: Path) -> None:
    text = "0123456789" * 40
    log(tmp_path, started(A), *chunks(text, 9), finished(A), limits=Limits(attempt_bytes=400))
    (attempt,) = attempts(read_runs(str(tmp_path), output=True), A)
    assert attempt.output == text


def test_one_run_alone_keeps_within_the_bound_and_still_tells_what_happened(tmp_path: Path) -> None:
    limits = Limits(max_bytes=20_000, attempt_bytes=8_000)
    happened: list[Event] = [opened()]
    for number in range(10):
        task = TaskName("tasks.md", f"T{number}")
        happened += [started(task), TaskOutput(task, "x" * 8000), finished(task)]
    run_log = log(tmp_path, *happened, limits=limits)
    assert run_log.path
    assert os.stat(run_log.path).st_size < 30_000
    (run,) = read_runs(str(tmp_path))
    assert len(run.finished) == 10


def test_a_log_that_cannot_be_written_says_so_and_does_not_raise(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where the folder should be")
    run_log = log(tmp_path / "runs", opened(), finished(A), ended())
    assert run_log.problem == f"{tmp_path / 'runs'}: File exists"
    assert run_log.path is None


def test_a_full_disk_ends_the_log_and_not_the_run(tmp_path: Path) -> None:
    run_log = RunLog(str(tmp_path), clock=Ticking())
    run_log(opened())
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, run_log._file or 0)
    os.close(full)
    run_log(finished(A))
    assert run_log.problem == f"{tmp_path}: No space left on device"
    run_log(ended())
    assert [len(run.events) for run in read_runs(str(tmp_path))] == [1]


def test_the_last_outcome_of_a_task_is_of_the_last_run_that_ended_it(tmp_path: Path) -> None:
    clock = Ticking()
    log(tmp_path, finished(A, "failed"), finished(B, "blocked"), ended("failed"), clock=clock)
    log(tmp_path, finished(A), started(B), clock=clock)
    log(tmp_path, finished(A, "skipped"), clock=clock)
    assert last_outcomes(read_runs(str(tmp_path))) == {A: "completed", B: "blocked"}


def test_sessions_are_counted_from_the_last_run_that_succeeded(tmp_path: Path) -> None:
    clock = Ticking()
    for headline in ("failed", "complete", "partially complete", "failed"):
        log(tmp_path, Warned(headline), ended(headline), clock=clock)
    log(tmp_path, Warned("killed"), clock=clock)
    runs = read_runs(str(tmp_path))
    assert [run.events[0].event for run in sessions_since_success(runs)] == [
        Warned("partially complete"),
        Warned("failed"),
        Warned("killed"),
    ]
    assert sessions_since_success([]) == []


def test_what_is_told_after_the_end_of_a_run_begins_no_other(tmp_path: Path) -> None:
    end = RunFinished("complete", 0, 1.0, 1, 0, 0, 0, 0, 1)
    log(tmp_path, opened(), end, Warned("a plugin is late", None))
    [run] = read_runs(str(tmp_path))
    assert run.end == end
