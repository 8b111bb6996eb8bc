"""The summary's figures against arithmetic of their own, and its words against what is stored."""

import io
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import event_streams as streams
import pytest
from event_streams import FILE, Plan, Stream, created, modified

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
    Warned,
)
from specbuild.engine.task import TaskName
from specbuild.reporting.next_steps import Invocation, next_steps
from specbuild.reporting.plain import PlainReporter
from specbuild.reporting.summary import Summary, summarise
from specbuild.reporting.summary_text import headline, label_for, render
from specbuild.reporting.text import Line
from specbuild.runlog.reading import Run, Stamped, last_outcomes

EXPECTED = Path(__file__).parent / "expected"


def text_of(summary: Summary, invocation: Invocation | None = None) -> str:
    return "\n".join(line.text for line in render(summary, invocation=invocation))


def commands(summary: Summary, invocation: Invocation | None = None) -> list[str]:
    return [step.command for step in next_steps(summary, label_for(summary), invocation or Invocation())]


@pytest.mark.parametrize("name", ["serial", "parallel", "interrupted", "resumed", "filtered", "partial"])
def test_a_scenario_is_told_as_it_is_stored(name: str) -> None:
    make: Callable[[], Stream] = getattr(streams, name)
    stream, now, out = make(), [0.0], io.StringIO()
    earlier = [streams.interrupted().run] if name == "resumed" else []
    diagnose = streams.smtp if name == "partial" else None
    reporter = PlainReporter(
        out, colour=False, clock=lambda: now[0], outcomes=last_outcomes(earlier), diagnose=diagnose
    )
    for at, event in stream.stamped:
        now[0] = at
        reporter(event)
    reporter.show([Line(""), *render(summarise(stream.events, earlier=earlier, diagnose=diagnose))])
    assert out.getvalue() == (EXPECTED / f"{name}.txt").read_text()


def test_the_figures_of_the_serial_scenario_are_those_of_its_tasks() -> None:
    summary = summarise(streams.serial().events)
    seconds = [12, 8, 15, 10, 7, 9, 18, 5]
    assert (summary.done, summary.chosen) == (8, 8)
    assert summary.average == sum(seconds) / 8
    assert summary.seconds == sum(seconds) + 5 + 6 + 8 + 1 == 104
    assert summary.testing == 20
    assert [(phase.name, phase.tasks, phase.seconds) for phase in summary.phases] == [
        ("Phase 1", 3, 35),
        ("Phase 2", 3, 26),
        ("Phase 3", 2, 23),
    ]
    assert summary.tests is not None
    assert (summary.tests.passed, summary.coverage) == (41, 92)
    assert summary.changed == (8, 3, 0)
    assert summary.parallel is None


def test_the_figures_of_a_parallel_run_follow_their_definitions() -> None:
    figures = summarise(streams.parallel().events).parallel
    assert figures is not None
    tasks = [14, 12, 11, 13, 15, 12, 18, 5, 9, 8, 10, 4]
    wall = 14 + 12 + 11 + 13 + max(15, 12, 18, 5) + 9 + 8 + 10 + 4
    assert figures.sequential == sum(tasks) == 131
    assert figures.wall == wall == 99
    assert figures.saved == 131 - 99
    assert figures.efficiency == pytest.approx(32 / 131)
    assert figures.average == pytest.approx(131 / 99)
    assert (figures.marked, figures.workers) == (4, 4)
    assert (figures.longest.task.id, figures.shortest.task.id) == ("T007", "T012")


def test_the_figures_of_a_parallel_run_come_out_for_who_calculates_with_them() -> None:
    stream = Stream([Plan(f"T00{number}", "a") for number in range(1, 5)])
    stream.open(mode="parallel (4 workers)")
    for worker in range(1, 5):
        stream.start(f"T00{worker}", worker)
    for number, at in enumerate((2.01, 2.01, 3.02, 4.44), 1):
        stream.end(f"T00{number}", at=at)
    stream.now += 2
    stream.close()
    text = text_of(summarise(stream.events))
    assert "- Sequential equivalent: 11.5s (" in text
    assert "- Wall time: 6.4s (" in text
    assert "- Time saved: 5.1s (44% faster)\n- Efficiency: 44% (" in text


def test_a_parallel_run_that_saved_nothing_says_so() -> None:
    stream = Stream([Plan("T001", "a"), Plan("T002", "b")])
    stream.open(mode="parallel (2 workers)")
    stream.task("T001", 1)
    stream.task("T002", 1)
    stream.now += 1
    stream.close()
    text = text_of(summarise(stream.events))
    assert "- Time saved: none, the run took 1s more\n- Efficiency: none\n" in text


def test_a_parallel_run_that_did_next_to_nothing_has_no_figures_below_zero() -> None:
    stream = Stream([Plan("T001", "a"), Plan("T002", "b")])
    stream.open(mode="parallel (2 workers)")
    stream.task("T001", 0.01)
    stream.now += 3
    stream.close("partially complete", 1)
    text = text_of(summarise(stream.events))
    assert "- Efficiency: none\n- Average parallelism: less than 0.1 (" in text


def test_sessions_are_added_up_when_a_run_continues() -> None:
    first, second = streams.interrupted(), streams.resumed()
    sessions = summarise(second.events, earlier=[first.run]).sessions
    assert sessions is not None
    assert first.run.seconds == 14 + 16 + 12 + 15 + 17 + 13 + 9
    assert sessions.seconds == first.run.seconds + 117
    assert (sessions.number, sessions.exact, sessions.known) == (2, True, True)
    assert (sessions.previous, sessions.repeated, sessions.resumed) == (6, 0, 9)
    (retried,) = sessions.retried
    assert retried.error == streams.REFUSED
    assert retried.now is not None
    assert retried.now.outcome == "completed"


def test_a_session_without_an_end_took_at_least_what_its_log_knows() -> None:
    first = streams.interrupted().run
    cut = Run(first.path, first.events[:-1])
    text = text_of(summarise(streams.resumed().events, earlier=[cut]))
    assert "- Total duration: at least 3m 33s (across 2 sessions)" in text


def test_figures_of_a_deleted_log_are_said_to_be_unknown() -> None:
    text = text_of(summarise(streams.resumed().events, earlier=None))
    assert "- Previously completed: 6 tasks\n" in text
    assert "- Failed task retry: unknown, the logs of earlier sessions are gone" in text
    assert "- Total duration: unknown, the logs of earlier sessions are gone" in text


def test_where_the_last_session_succeeded_nothing_is_unknown() -> None:
    text = text_of(summarise(streams.resumed().events, earlier=[]))
    assert "- Previously completed: 6 tasks, all intact\n" in text
    assert "- Total duration: 1m 57s (across 1 session)" in text
    assert "unknown" not in text


def test_work_of_an_earlier_session_that_had_to_be_repeated_is_told() -> None:
    stream = Stream(streams.RESUMED)
    stream.open(up_to_date=["T001", "T002", "T003", "T004", "T005"], resumed=True)
    stream.task("T006", 3)
    stream.close("partially complete", 1, up_to_date=5)
    text = text_of(summarise(stream.events, earlier=[streams.interrupted().run]))
    assert "- Previously completed: 6 tasks, of which 1 had to run again" in text
    assert "- Failed task retry: T007, not run; before: Connection refused (ECONNREFUSED)" in text


def test_a_run_without_continue_does_not_speak_of_sessions() -> None:
    assert summarise(streams.serial().events, earlier=[streams.interrupted().run]).sessions is None


def small(*finished: TaskFinished, **ending: object) -> list[Event]:
    end = RunFinished("complete", 0, 2.0, 1, 0, 0, 0, 0, max(1, len(finished)))
    opening = RunStarted((FILE,), "main", 3, max(1, len(finished)), None)
    return [opening, *finished, replace(end, **ending)]  # type: ignore[arg-type]


def task(id_: str, outcome: Outcome = "completed", **more: object) -> TaskFinished:
    event = TaskFinished(TaskName(FILE, id_), f"title of {id_}", outcome, 1.0, 1, None, position=int(id_[1:]))
    return replace(event, **more)  # type: ignore[arg-type]


def test_a_file_counts_once_by_what_became_of_it() -> None:
    deleted = FileChange("d", "deleted", None)
    first = task("T1", files=(created("a"), created("b"), modified("c"), deleted))
    second = task("T2", files=(modified("a"), FileChange("b", "deleted", None), modified("c"), created("d")))
    failed = task("T3", "failed", files=(created("never"),))
    assert summarise(small(first, second, failed)).changed == (1, 2, 0)
    assert summarise(small(first)).changed == (2, 1, 1)


def test_a_cached_gate_took_no_time_of_this_run() -> None:
    gates = [GateFinished("tests", None, True, True, 50.0), GateFinished("lint", None, True, False, 2.0)]
    summary = summarise([*small(task("T1")), *gates])
    assert summary.testing == 2.0
    assert "- tests, at the end: passed before, on the same tree" in text_of(summary)


def test_later_phases_count_the_tests_of_earlier_ones_again() -> None:
    gates = [
        GateFinished("unit", "Phase 1", True, False, 1.0, tests={"passed": 3}),
        GateFinished("unit", "Phase 2", True, False, 1.0, tests={"passed": 5, "failed": 1, "skipped": 2}),
        GateFinished("web", "Phase 2", True, False, 1.0, tests={"passed": 4}),
    ]
    summary = summarise([*small(task("T1")), *gates])
    assert "- Tests: 9 passing, 1 failing, 2 skipped" in text_of(summary)


@pytest.mark.parametrize(
    ("gates", "skipped", "words"),
    [
        ([], False, "none, no gate ran"),
        ([], True, "not run (--skip-tests)"),
        ([GateFinished("lint", None, True, False, 1.0)], False, "number unknown, no gate wrote JUnit XML"),
        (
            [GateFinished("t", None, True, False, 1.0, tests={"suites": "odd", "passed": "3"})],
            False,
            "0 passing",
        ),
    ],
)
def test_tests_that_nobody_counted_are_not_invented(gates: list[Event], skipped: bool, words: str) -> None:
    summary = summarise([*small(task("T1"), skipped_gates=skipped), *gates])
    assert f"- Tests: {words}\n" in text_of(summary)


def test_a_run_that_was_killed_has_unknown_figures() -> None:
    summary = summarise(small(task("T1"))[:-1])
    assert headline(summary).text == "Build failed ✗ (interrupted)"
    assert "- Duration: unknown" in text_of(summary)
    assert commands(summary) == ["specbuild --continue"]


def test_reuse_says_what_it_saved_where_that_is_known() -> None:
    known, unknown = task("T1", "reused", saved_seconds=12.0), task("T2", "reused")
    assert "- Reused: 1 (saved 12s)" in text_of(summarise(small(known)))
    assert "- Reused: 2 (saved unknown)" in text_of(summarise(small(known, unknown)))


def test_tasks_that_a_serial_run_never_came_to_are_counted() -> None:
    assert summarise(streams.interrupted().events).not_run == 8
    assert summarise(small(task("T1"), task("T2", "skipped"), chosen=5)).not_run == 3


def cut_off() -> Stream:
    """Two tasks at once that a signal ends, after a short one."""
    stream = Stream([Plan("T001", "a"), Plan("T002", "b"), Plan("T003", "c"), Plan("T004", "d")])
    stream.open(mode="parallel (2 workers)")
    stream.start("T002", 2)
    stream.task("T001", 0.5)
    stream.start("T003")
    stream.end("T002", "skipped", at=2.5, error="interrupted", partial="refs/specbuild/failed/1")
    stream.end("T003", "skipped", error="interrupted")
    stream.close("partially complete", 130, interrupted=True)
    return stream


def test_interrupted_tasks_are_named_with_where_their_work_is_kept() -> None:
    summary = summarise(cut_off().events)
    text = text_of(summary)
    assert summary.not_run == 1
    assert "- Tasks interrupted: 2 (T002..T003)\n" in text
    assert "  T002 b\n  Interrupted, after 2.5s\n  Partial work: refs/specbuild/failed/1\n" in text


def test_interrupted_tasks_count_for_what_ran_at_once() -> None:
    figures = summarise(cut_off().events).parallel
    assert figures is not None
    assert (figures.workers, figures.sequential, figures.wall) == (2, 5.0, 2.5)


def test_a_gate_that_was_interrupted_is_told_as_such() -> None:
    events = small(task("T1"), headline="partially complete", exit_code=130, interrupted=True)
    summary = summarise([*events[:-1], GateStarted("tests", "Phase 1"), events[-1]])
    assert "- tests, Phase 1: interrupted" in text_of(summary)
    assert "- Tests: unknown, the gate was interrupted" in text_of(summary)


def test_an_interrupted_gate_leaves_out_figures_of_time_without_gates() -> None:
    events = streams.parallel().events
    summary = summarise(event for event in events if not isinstance(event, GateFinished))
    assert summary.parallel is None


def purpose(stream: Stream) -> str:
    steps = next_steps(summarise(stream.events), lambda name: name.id, Invocation())
    return next(step.purpose for step in steps if "--continue" in step.command)


def stopped(*, may_be_well: bool = False) -> Stream:
    """The second task fails, the fourth waits for it, and the run stops."""
    stream = Stream([Plan(f"T{number}", "a") for number in range(8, 14)])
    stream.open(up_to_date=["T13"] if not may_be_well else [])
    stream.task("T8", 1)
    stream.start("T9")
    stream.end("T9", "failed", error="no")
    stream.end("T11", "blocked", attempts=0, blocked_by=TaskName(FILE, "T9"))
    stream.close("partially complete", 1, up_to_date=1)
    return stream


def test_what_comes_next_names_all_that_was_not_run() -> None:
    assert purpose(stopped()) == "when the cause is mended: retries T9, then runs T10..T12"


def test_what_comes_next_counts_what_was_not_run_where_it_may_be_up_to_date() -> None:
    told = purpose(stopped(may_be_well=True))
    assert told == "when the cause is mended: retries T9, then runs 3 further tasks"


def test_claimed_and_left_tasks_are_named_with_a_way_on() -> None:
    claimed = (TaskName(FILE, "T2"), TaskName(FILE, "T3"))
    left = (TaskName(FILE, "T4"),)
    summary = summarise(
        small(task("T1"), headline="partially complete", exit_code=3, claimed=claimed, left=left, chosen=4)
    )
    text = text_of(summary)
    assert "- Claimed, ticked but recorded by no commit: 2 (T2..T3)" in text
    assert "- Left stale: 1 (T4)" in text
    assert commands(summary) == ["specbuild --yes", "specbuild adopt"]


def test_a_task_blocked_by_one_outside_the_filter_offers_with_needs() -> None:
    error = "it needs T9, which is unfinished and not chosen"
    blocked = task("T1", "blocked", blocked_by=TaskName(FILE, "T9"), error=error)
    summary = summarise(small(blocked, headline="failed", exit_code=1, filter="US1 and P1"))
    assert headline(summary).text == "Build failed ✗ (filter US1 and P1)"
    assert "  T1 title of T1 (blocked by T9, it needs T9, which is unfinished and not chosen)" in text_of(
        summary
    )
    assert commands(summary) == ["specbuild --filter 'US1 and P1' --with-needs"]


def test_tasks_that_no_task_blocks_are_gone_on_with() -> None:
    blocked = [task(id_, "blocked", error="the run's budget is used up") for id_ in ("T2", "T3")]
    summary = summarise(small(task("T1"), *blocked, headline="partially complete", exit_code=1))
    (step,) = next_steps(summary, lambda name: name.id, Invocation(options=("-j", "2")))
    assert step.command == "specbuild --continue -j 2"
    assert step.purpose.startswith("go on with T2")


def test_tasks_that_a_filter_took_only_for_others_are_counted_apart() -> None:
    events = small(task("T1"), task("T2"), task("T3"), filter="P1")
    opening = replace(next(event for event in events if isinstance(event, RunStarted)), foundation=2)
    told = text_of(summarise([opening if isinstance(event, RunStarted) else event for event in events]))
    assert "- P1 tasks completed: 3/3\n- Of these, setup and foundations that others wait for: 2\n" in told


def test_a_failed_gate_is_no_success() -> None:
    gate = GateFinished("tests", "Phase 1", False, False, 3.0, tests={"passed": 1, "failed": 2})
    summary = summarise([*small(task("T1"), headline="failed", exit_code=1), gate])
    assert "- tests, Phase 1: failed in 3s, 1 passing, 2 failing" in text_of(summary)
    (step,) = next_steps(summary, str, Invocation())
    assert (step.command, step.purpose) == ("specbuild --continue", "when gate tests is mended")


def test_what_comes_next_repeats_the_options_of_the_run() -> None:
    summary = summarise(streams.partial().events)
    invocation = Invocation(scope=("--tasks", "my specs/tasks.md"), options=("--parallel=4",))
    assert commands(summary, invocation) == [
        "specbuild log T006 --tasks 'my specs/tasks.md'",
        "git show refs/specbuild/failed/T006-1",
        "specbuild --continue --parallel=4 --tasks 'my specs/tasks.md'",
    ]


def test_commands_survive_a_shell_whatever_an_id_holds() -> None:
    evil = TaskName("a.md", "$(touch x)\x1b]0;t\x07`'\"")
    failed = replace(task("T1"), task=evil, outcome="failed", error="e")
    summary = summarise([RunStarted(("a.md",), "main", 1, 1, None), failed])
    command = commands(summary)[0].replace("specbuild", "printf %s:", 1)
    assert "\x1b" not in text_of(summary)
    shown = subprocess.run(["bash", "-c", command], capture_output=True, check=True)
    assert shown.stdout.decode() == f"log:{evil.id}:"


def test_tasks_of_several_files_have_their_full_names() -> None:
    events = small(task("T1", "failed", error="no"))
    opening = events[0]
    assert isinstance(opening, RunStarted)
    events[0] = replace(opening, files=("a.md", "b.md"))
    assert f"- Tasks failed: 1 ({FILE}#T1)" in text_of(summarise(events))


def test_a_task_that_ran_twice_counts_once() -> None:
    summary = summarise(small(task("T1", "failed", error="no"), task("T1")))
    assert (len(summary.completed), len(summary.failed)) == (1, 0)


def test_a_permanent_failure_is_told_from_attempts_that_ran_out() -> None:
    stream = Stream([Plan("T001", "a")])
    stream.open()
    stream.start("T001")
    stream.retry("T001", 1, 4, "refused", 1)
    stream.end("T001", "failed", attempts=2, error="no such module")
    stream.close("failed", 1)
    assert "  Attempts: 2 of 4 (not worth repeating), 1s" in text_of(summarise(stream.events))


def test_documents_that_were_written_are_listed() -> None:
    lines = render(summarise(small(task("T1"))), documents=["docs/session.md"])
    assert Line("✓ docs/session.md") in lines


def test_warnings_are_counted_and_nothing_hostile_is_shown() -> None:
    evil = "\x1b[2J\x1b]0;owned\x07\u202etitle\r\n"
    bad = task("T1", "failed", title=evil, error=evil, partial=evil, phase=evil, story=evil)
    events = [*small(bad, headline="failed", filter=evil, deferred={evil: (evil,)}), Warned(evil)]
    events += [
        GateFinished(evil, evil, False, False, 1.0, tests={"suites": [{"name": evil}]}),
        Planned((), (), (), ()),
    ]
    text = text_of(summarise(events))
    assert "- Warnings: 1" in text
    assert not any(ord(c) < 32 and c != "\n" for c in text)
    assert "\u202e" not in text


def test_a_list_of_many_titles_is_cut() -> None:
    finished = [task(f"T{number}") for number in range(1, 31)]
    deferred = {"P2": tuple(f"title {number}" for number in range(25))}
    text = text_of(summarise(small(*finished, filter="P1", deferred=deferred)))
    assert "\n… and 10 more\n" in text
    assert "title 19, … and 5 more)" in text


def test_the_time_of_an_earlier_run_comes_from_its_end() -> None:
    run = Run("x", (Stamped(5.0, Warned("w")), Stamped(8.0, small()[-1])))
    assert run.seconds == 2.0
