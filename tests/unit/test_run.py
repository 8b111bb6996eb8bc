"""A run from outside: what it tells, in which order, and how it ends."""

from collections.abc import Callable

import pytest
from fakes import PLAIN, FakeSandbox, Project, Repo

from specbuild.engine.build import Review
from specbuild.engine.checkpoint import parse_lines
from specbuild.engine.events import (
    Event,
    RunFinished,
    TaskFinished,
    TaskOutput,
    TaskRetried,
    TaskStarted,
    Warned,
)
from specbuild.engine.project import Settings
from specbuild.engine.task import Entry, RepoPath, Task, TaskName
from specbuild.errors import UsageError


def told(project: Project, *kinds: type[Event]) -> list[str]:
    """The last run's events, each as a few words."""
    ends = [0, *(place + 1 for place, e in enumerate(project.events) if isinstance(e, RunFinished))]
    found: list[str] = []
    for event in project.events[ends[-2] :]:
        if kinds and not isinstance(event, kinds):
            continue
        match event:
            case TaskStarted():
                found.append(f"start {event.task.id} {event.position}/{event.total} attempt {event.attempt}")
            case TaskFinished():
                found.append(f"{event.outcome} {event.task.id}")
            case TaskRetried():
                found.append(f"retry {event.task.id} {event.attempt} of {event.attempts}")
            case Warned():
                found.append(f"warn {event.task.id if event.task else ''}: {event.message}")
            case RunFinished():
                found.append(event.headline)
    return found


def end(project: Project) -> RunFinished:
    assert project.end is not None
    return project.end


def finished(project: Project, id_: str) -> TaskFinished:
    return next(event for event in project.finished() if event.task.id == id_)


def writes(**texts: str | None) -> Callable[[FakeSandbox, Task, Repo], None]:
    """A recipe that leaves these files (None: removes); `_` stands for `/` and `__` for `.`."""
    files = {name.replace("__", ".").replace("_", "/"): text for name, text in texts.items()}

    def body(sandbox: FakeSandbox, _task: Task, repo: Repo) -> None:
        for path, text in files.items():
            sandbox.files.pop(path, None)
            if text is not None:
                sandbox.files[path] = Entry(PLAIN, repo.store(text.encode()))

    return body


def subjects(project: Project) -> list[str]:
    """Of commits, oldest first, without the first."""
    return [project.repo.commits[oid].message.splitlines()[0] for oid in project.repo.log()][-2::-1]


# -- what is told


def test_a_run_tells_start_and_end_of_each_task_in_order() -> None:
    project = Project("b: a [US1] [phase 2]", "c: b [US1] [phase 2]", files={"a": "1"})
    project.build()
    assert told(project) == [
        "start T1 1/2 attempt 1",
        "completed T1",
        "start T2 2/2 attempt 1",
        "completed T2",
        "complete",
    ]
    start = next(event for event in project.events if isinstance(event, TaskStarted))
    assert (start.title, start.phase, start.story, start.worker) == ("T1", "Phase 2", "US1", 1)
    assert start.reasons == ("never-run: no commit records that it ran",)


def test_a_finished_task_tells_its_commit_files_and_place() -> None:
    project = Project("b: a [P] [US3] [phase 1]", files={"a": "1"})
    project.executors.bodies["T1"] = writes(b="one\ntwo")
    project.build()
    event = finished(project, "T1")
    assert event.commit == project.repo.tip
    assert [(change.path, change.change, change.lines) for change in event.files] == [("b", "created", 2)]
    assert (event.attempts, event.position, event.total, event.worker) == (1, 1, 1, 1)
    assert (event.title, event.phase, event.story, event.parallel) == ("T1", "Phase 1", "US3", True)
    assert (event.error, event.blocked_by, event.partial, event.reused_from) == (None, None, None, None)
    assert event.seconds > 0


def test_files_are_created_modified_and_deleted() -> None:
    project = Project("b c: a [keep] [any]", files={"a": "1", "b": "old\n", "gone": "x"})
    project.executors.bodies["T1"] = writes(b="new\n", c="bin\0", gone=None)
    project.build()
    assert [(c.path, c.change, c.lines) for c in finished(project, "T1").files] == [
        ("b", "modified", 1),
        ("c", "created", None),
        ("gone", "deleted", None),
    ]
    assert project.repo.text("gone") is None


def test_the_summary_counts_what_became_of_the_tasks() -> None:
    project = Project("b: a", "c: x", "d: y [keep] [ticked]", files={"a": "1", "x": "1", "y": "1", "d": "1"})
    project.build()
    project.repo.type("a", "2")
    project.build()
    found = end(project)
    assert (found.completed, found.up_to_date, found.reused, found.failed, found.blocked) == (1, 1, 0, 0, 0)
    assert (found.chosen, [name.id for name in found.claimed], found.left) == (3, ["T3"], ())
    assert (found.headline, found.exit_code, found.interrupted) == ("complete", 0, False)
    assert found.seconds > 0


def test_a_completed_task_whose_box_was_unticked_is_ticked_again_and_told() -> None:
    project = Project("b: a", files={"a": "1"})
    project.build()
    assert told(project, Warned) == []
    project.build()
    again = "warn T1: it is complete, so its box is ticked again; specbuild --force T1 runs it again"
    assert told(project, Warned) == [again]
    project.build(settings=Settings(tick=False))
    assert told(project, Warned) == []
    project.rules[0] += " [ticked]"
    project.build()
    assert told(project, Warned) == []


# -- failures


def test_an_attempt_that_fails_is_told_with_the_next_ones_delay() -> None:
    project = Project("b: a [retries 2]", files={"a": "1"})
    project.executors.failing["T1"] = 2
    project.build()
    assert told(project) == [
        "start T1 1/1 attempt 1",
        "retry T1 1 of 3",
        "start T1 1/1 attempt 2",
        "retry T1 2 of 3",
        "start T1 1/1 attempt 3",
        "completed T1",
        "complete",
    ]
    delays = [event.delay for event in project.events if isinstance(event, TaskRetried)]
    assert 0.375 <= delays[0] <= 0.625
    assert 0.75 <= delays[1] <= 1.25
    assert [event.error for event in project.events if isinstance(event, TaskRetried)] == ["it failed"] * 2
    assert finished(project, "T1").attempts == 3


def test_a_task_whose_attempts_run_out_has_failed_and_its_work_is_kept() -> None:
    project = Project("b: a [retries 1]", "c: b", files={"a": "1"})
    project.executors.failing["T1"] = 5
    assert project.build() == ["T1", "T1"]
    event = finished(project, "T1")
    assert (event.outcome, event.error, event.attempts, event.commit) == ("failed", "it failed", 2, None)
    assert event.partial == "refs/specbuild/failed/0"
    assert project.repo.kept["refs/specbuild/failed/0"]["b"].oid == project.repo.store(b"half")
    blocked = finished(project, "T2")
    assert (blocked.outcome, blocked.blocked_by, blocked.attempts) == (
        "blocked",
        TaskName("tasks.md", "T1"),
        0,
    )
    assert (end(project).failed, end(project).blocked, end(project).exit_code) == (1, 1, 1)
    assert end(project).headline == "failed"
    assert project.repo.text("b") is None


def test_an_executor_that_raises_fails_its_task_only() -> None:
    project = Project("b: a [P]", "c: a [P]", files={"a": "1"})

    def broken(_sandbox: FakeSandbox, _task: Task, _repo: Repo) -> None:
        raise ValueError("no such thing")

    project.executors.bodies["T1"] = broken
    assert project.build(settings=Settings(keep_going=True)) == ["T1", "T2"]
    assert finished(project, "T1").error == "ValueError: no such thing"
    assert finished(project, "T2").outcome == "completed"


@pytest.mark.parametrize(
    ("jobs", "keep_going", "ran"), [(1, None, 1), (1, True, 3), (2, None, 3), (2, False, 2)]
)
def test_whether_a_run_goes_on_after_a_failure(jobs: int, keep_going: bool | None, ran: int) -> None:
    project = Project("b: a [P]", "c: a [P]", "d: c [P]", files={"a": "1"})
    project.executors.failing["T1"] = 1
    project.build(settings=Settings(jobs=jobs, overlap="all" if jobs > 1 else "none", keep_going=keep_going))
    assert len(project.executors.ran) <= ran
    assert ("T3" in project.executors.ran) == (ran == 3)


def test_a_declared_target_that_is_not_made_fails_the_task() -> None:
    project = Project("b c: a", files={"a": "1"})
    project.executors.bodies["T1"] = writes(b="1")
    project.build()
    assert finished(project, "T1").error == "it did not make c"


def test_an_inferred_target_that_is_not_made_is_told_and_put_back() -> None:
    project = Project("b c: a [inferred]", files={"a": "1", "c": "mine"})
    project.executors.bodies["T1"] = writes(b="1")
    project.build()
    assert finished(project, "T1").outcome == "completed"
    assert "warn T1: c was not made" in told(project, Warned)
    assert project.repo.text("b") == "1"


def test_a_source_task_that_changes_nothing_has_failed_the_first_time_only() -> None:
    project = Project("b: a [keep]", files={"a": "1", "b": "mine"})
    project.executors.bodies["T1"] = writes()
    project.build()
    assert finished(project, "T1").error == (
        "nothing was changed: its targets are as they were; if they are right, specbuild adopt T1 records it"
    )
    project.executors.bodies["T1"] = writes(b="done")
    project.build()
    project.repo.type("a", "2")
    project.executors.bodies["T1"] = writes()
    project.build()
    assert finished(project, "T1").outcome == "completed"


def test_an_executors_doubt_counts_where_nothing_was_changed() -> None:
    project = Project("b: a [keep]", "c: a [keep]", files={"a": "1", "c": "old"})
    project.executors.doubts = {"T1": "it said error", "T2": "it said error"}
    project.executors.bodies["T2"] = writes()
    project.build(settings=Settings(keep_going=True))
    assert finished(project, "T1").outcome == "completed"
    assert finished(project, "T2").error == "it said error"


def test_a_task_that_failed_last_time_comes_first() -> None:
    project = Project("b: a [P]", "c: a [P]", "d: a [P]", files={"a": "1"})
    assert project.build(first=["T3"]) == ["T3", "T1", "T2"]


def test_a_task_that_comes_first_is_counted_behind_those_that_were_completed_earlier() -> None:
    project = Project("b: a", "c: a", "d: a", "e: a", files={"a": "1"})
    project.executors.failing["T3"] = 1
    project.build()
    project.build(first=["T3"])
    assert told(project, TaskStarted) == ["start T3 3/4 attempt 1", "start T4 4/4 attempt 1"]


# -- what is chosen, left and limited


def test_a_limit_stops_the_run_without_a_failure() -> None:
    project = Project("b: a", "c: a", "d: a", files={"a": "1"})
    assert project.build(settings=Settings(limit=2)) == ["T1", "T2"]
    assert (end(project).headline, end(project).exit_code, end(project).completed) == (
        "partially complete",
        0,
        2,
    )
    assert project.build(settings=Settings(limit=0)) == []
    assert (end(project).headline, end(project).exit_code) == ("partially complete", 0)
    assert project.build(settings=Settings(limit=1)) == ["T3"]
    assert end(project).headline == "complete"


def test_a_task_outside_the_choice_is_named_with_the_way_out() -> None:
    project = Project("b: a", "c: b", "d: c", files={"a": "1"})
    project.build(only=["T2", "T3"])
    assert told(project) == ["blocked T2", "blocked T3", "failed"] or told(project)[:2] == [
        "blocked T2",
        "blocked T3",
    ]
    event = finished(project, "T2")
    assert event.error == "it needs T1, which is unfinished and not chosen; --with-needs chooses it"
    assert (event.blocked_by, event.total) == (TaskName("tasks.md", "T1"), 2)
    assert finished(project, "T3").blocked_by == TaskName("tasks.md", "T2")
    assert (end(project).blocked, end(project).exit_code) == (2, 1)


def test_a_story_edge_to_a_task_outside_is_passed_over_and_told() -> None:
    project = Project("b: a [US1]", "c: a [US1]", files={"a": "1"})
    assert project.build(only=["T2"]) == ["T2"]
    assert told(project, Warned) == ["warn T2: it does not wait for T1, which is unfinished and not chosen"]


def test_completed_source_tasks_are_left_and_listed_without_leave() -> None:
    project = Project("b: a [keep]", "c: x", files={"a": "1", "x": "1"})
    project.build()
    project.repo.type("a", "2")
    project.repo.type("x", "2")
    assert project.build(leave=False) == ["T2"]
    assert [name.id for name in end(project).left] == ["T1"]
    assert (end(project).headline, end(project).exit_code) == ("partially complete", 3)


def test_forcing_a_source_task_is_leave() -> None:
    project = Project("b: a [keep]", files={"a": "1"})
    project.build()
    assert project.build(leave=False, forced=["T1"]) == ["T1"]
    assert end(project).exit_code == 0


def test_a_budget_that_is_used_up_blocks_what_is_left() -> None:
    project = Project("b: a", "c: a", files={"a": "1"})
    project.executors.usage = {"tokens": 10.0, "cost_usd": 0.5}
    assert project.build(settings=Settings(budget_tokens=10)) == ["T1"]
    assert finished(project, "T1").usage == {"tokens": 10.0, "cost_usd": 0.5}
    event = finished(project, "T2")
    assert event.outcome == "blocked"
    assert event.error is not None
    assert "budget_tokens" in event.error


def test_a_budget_that_is_used_up_allows_no_further_attempt() -> None:
    project = Project("b: a [retries 5]", files={"a": "1"})
    project.executors.usage = {"cost_usd": 0.5}
    project.executors.failing["T1"] = 9
    assert project.build(settings=Settings(budget_usd=1.0)) == ["T1", "T1"]
    error = finished(project, "T1").error
    assert error is not None
    assert error.startswith("it failed; the run's budget is used up: $1.00 of $1.00")
    assert finished(project, "T1").usage == {"cost_usd": 1.0}


# -- gates


def gated(project: Project, *, failing: str | None = "none") -> list[str]:
    """Builds; which gates were asked for, between the tasks that ran."""
    log: list[str] = []

    def gates(at: str, phase: str | None) -> bool:
        log.append(f"{len(project.executors.ran)} {at} {phase}")
        return phase != failing

    project.build(gates=gates)
    return log


def test_a_gate_is_asked_after_each_phase_and_at_the_end() -> None:
    project = Project("b: a [phase 1]", "c: a [phase 1]", "d: a [phase 2]", files={"a": "1"})
    assert gated(project) == ["2 phase Phase 1", "3 phase Phase 2", "3 end None"]
    assert end(project).exit_code == 0


def test_a_gate_that_fails_stops_the_run_before_the_next_phase() -> None:
    project = Project("b: a [phase 1]", "c: a [phase 2]", files={"a": "1"})
    assert gated(project, failing="Phase 1") == ["1 phase Phase 1"]
    assert (end(project).exit_code, end(project).headline) == (1, "partially complete")
    assert gated(project, failing=None) == ["1 phase Phase 1", "2 phase Phase 2", "2 end None"]
    assert end(project).exit_code == 1


def test_no_gate_is_asked_after_a_failure() -> None:
    project = Project("b: a [phase 1]", files={"a": "1"})
    project.executors.failing["T1"] = 1
    assert gated(project) == []


def test_phases_that_were_done_before_are_looked_at_once() -> None:
    project = Project("b: a [phase 1]", "c: a [phase 2]", "d: a [phase 2]", files={"a": "1"})
    project.build(only=["T1", "T2"])
    assert gated(project)[-2:] == ["3 phase Phase 2", "3 end None"]


def test_an_interrupt_ends_the_run_with_130() -> None:
    project = Project("b: a", "c: a", files={"a": "1"})

    def gates(_at: str, _phase: str | None) -> bool:
        raise KeyboardInterrupt

    project.build(gates=gates)
    assert (end(project).exit_code, end(project).interrupted) == (130, True)
    assert end(project).headline == "partially complete"
    assert project.build() == []


# -- review


@pytest.mark.parametrize(
    ("answers", "ran", "outcome", "error"),
    [
        ([Review("accept")], 1, "completed", None),
        ([Review("reject", "too long")], 1, "failed", "a person looked at it and rejects it: too long"),
        ([Review("reject")], 1, "failed", "a person looked at it and rejects it"),
        ([Review("retry", "shorter"), Review("accept")], 2, "completed", None),
        (
            [Review("retry"), Review("retry"), Review("reject")],
            3,
            "failed",
            "a person looked at it and rejects it",
        ),
    ],
)
def test_a_review_decides(answers: list[Review], ran: int, outcome: str, error: str | None) -> None:
    project = Project("b: a [keep] [review]", files={"a": "1"})
    shown: list[dict[RepoPath, tuple[bool, bool]]] = []

    def review(_task: Task, difference: object) -> Review:
        assert isinstance(difference, dict)
        shown.append({path: (old is None, new is None) for path, (old, new) in difference.items()})
        return answers[len(shown) - 1]

    assert len(project.build(review=review)) == ran
    assert shown == [{"b": (True, False)}] * ran
    assert (finished(project, "T1").outcome, finished(project, "T1").error) == (outcome, error)


def test_a_review_without_anybody_to_ask_fails_before_anything_is_spent() -> None:
    project = Project("b: a [keep] [review] [retries 3]", files={"a": "1"})
    assert project.build() == []
    error = finished(project, "T1").error
    assert error is not None
    assert error.startswith(
        "a person is to look at what it changed (review), and there is no terminal to ask on"
    )


def test_what_a_person_asks_for_is_told_as_a_retry() -> None:
    project = Project("b: a [keep] [review]", files={"a": "1"})
    answers = [Review("retry", "shorter"), Review("accept")]
    project.build(review=lambda _task, _difference: answers.pop(0))
    retried = next(event for event in project.events if isinstance(event, TaskRetried))
    assert retried.error == "a person looked at it and asks for another attempt: shorter"
    assert (retried.attempt, retried.attempts) == (1, 2)


# -- what is recorded


def test_edited_inputs_are_committed_below_the_checkpoint_and_only_they() -> None:
    project = Project("b: a", files={"a": "1", "other": "1"})
    project.repo.type("a", "2")
    project.repo.type("other", "2")
    project.build()
    assert subjects(project) == ["specbuild: save edited inputs", "T1 T1"]
    assert project.repo.tip is not None
    files = project.repo.commits[project.repo.tip].files
    assert project.repo.blobs[files["a"].oid] == b"2"
    assert project.repo.blobs[files["other"].oid] == b"1"
    assert project.repo.text("other") == "2"


def test_edited_inputs_stop_the_run_where_they_are_not_to_be_saved() -> None:
    project = Project("b: a c", files={"a": "1", "c": "1"})
    project.repo.type("a", "2")
    with pytest.raises(UsageError) as caught:
        project.build(settings=Settings(save_inputs=False))
    assert caught.value.what == "a is edited and not committed"
    project.repo.type("c", "2")
    with pytest.raises(UsageError, match="a, c are edited and not committed"):
        project.build(settings=Settings(save_inputs=False))
    assert subjects(project) == []


def test_a_failed_task_leaves_no_saved_inputs() -> None:
    project = Project("b: a", files={"a": "1"})
    project.repo.type("a", "2")
    project.executors.failing["T1"] = 1
    project.build()
    assert subjects(project) == []


def test_the_subject_is_as_settings_say() -> None:
    project = Project("b: a [title Make]", files={"a": "1"})
    project.build(settings=Settings(subject="build: {title} ({id})"))
    assert subjects(project) == ["build: Make (T1)"]


def test_a_checkpoint_line_names_executor_seconds_and_results() -> None:
    project = Project("b: a", files={"a": "1"})
    project.build()
    assert project.repo.tip is not None
    [line] = parse_lines(project.repo.commits[project.repo.tip].message.encode())
    assert (line.name, line.executor, line.local) == (TaskName("tasks.md", "T1"), "fake", "-")
    assert line.targets == {"b": project.repo.disk["b"].oid[:20]}
    assert line.seconds > 0


def test_a_reused_result_says_from_where() -> None:
    project = Project("b: a", files={"a": "1"})
    project.build()
    first = project.repo.tip
    project.repo.type("a", "2")
    project.build()
    project.repo.type("a", "1")
    project.build()
    event = finished(project, "T1")
    assert (event.outcome, event.reused_from, event.attempts) == ("reused", first, 0)
    assert event.saved_seconds is not None
    assert event.saved_seconds > 0
    assert (end(project).reused, end(project).completed, end(project).headline) == (1, 0, "complete")
    assert project.repo.tip is not None
    assert f"Reused from {first}" in project.repo.commits[project.repo.tip].message


@pytest.mark.parametrize(
    ("rule", "settings", "forced"),
    [
        ("b: a", Settings(reuse=False), []),
        ("b: a", Settings(), ["T1"]),
        ("b: a [keep]", Settings(), []),
        ("b: a [any]", Settings(), []),
    ],
)
def test_what_is_not_reused_runs(rule: str, settings: Settings, forced: list[str]) -> None:
    project = Project(rule, files={"a": "1"})
    project.build()
    project.repo.type("a", "2")
    project.executors.bodies["T1"] = writes(b="2")
    project.build()
    project.repo.type("a", "1")
    assert project.build(settings=settings, forced=forced) == ["T1"]


def test_what_was_rolled_back_is_not_reused() -> None:
    project = Project("b: a", files={"a": "1"})
    project.build()
    project.repo.revert()
    assert project.build() == ["T1"]


# -- tasks that write anything


def test_a_task_that_may_write_anything_takes_all_that_it_changed() -> None:
    project = Project("b: a [keep] [any]", files={"a": "1"})
    project.executors.bodies["T1"] = writes(b="1", extra_x="2")
    project.build()
    assert project.repo.tip is not None
    assert "extra/x" in project.repo.commits[project.repo.tip].files
    assert [change.path for change in finished(project, "T1").files] == ["b", "extra/x"]


def test_a_task_that_may_write_its_targets_takes_nothing_else() -> None:
    project = Project("b: a [keep]", files={"a": "1"})
    project.executors.bodies["T1"] = writes(b="1", extra_x="2")
    project.build()
    assert project.repo.tip is not None
    assert "extra/x" not in project.repo.commits[project.repo.tip].files


def test_changes_of_files_that_another_task_generates_are_dropped_and_told() -> None:
    project = Project("g: a", "b: a [keep] [any]", files={"a": "1"})
    project.executors.bodies["T2"] = writes(b="1", g="meddled")
    project.build()
    assert "warn T2: its change of g was dropped: T1 makes that file" in told(project, Warned)
    assert project.repo.tip is not None
    files = project.repo.commits[project.repo.tip].files
    assert project.repo.blobs[files["g"].oid] == b"T1(a=1)"


def test_an_earlier_task_whose_input_was_changed_is_listed_and_not_run_again() -> None:
    project = Project("b: a", "c: x [keep] [any]", files={"a": "1", "x": "1"})
    project.executors.bodies["T2"] = writes(c="1", a="2")
    assert project.build() == ["T1", "T2"]
    assert [name.id for name in end(project).left] == ["T1"]
    assert (end(project).exit_code, end(project).headline) == (3, "partially complete")
    [warning] = [text for text in told(project, Warned) if "stale again" in text]
    assert warning.startswith(
        "warn T1: it is stale again, since what it depends on was changed meanwhile: input-changed"
    )
    assert project.build() == ["T1"]


# -- worktrees


def test_setup_runs_once_in_a_fresh_worktree_and_never_in_place() -> None:
    rules = ("b: a [worktree] [setup prepare]", "c: a [worktree] [setup prepare]", "d: a [setup prepare]")
    project = Project(*rules, files={"a": "1"})
    assert project.build() == ["setup of T1", "T1", "T2", "T3"]


def test_an_attempt_that_begins_with_setup_is_told_once() -> None:
    project = Project("b: a [worktree] [setup prepare]", files={"a": "1"})
    project.build()
    assert project.started == ["T1"]


def test_a_task_in_a_worktree_leaves_the_same_as_one_in_place() -> None:
    rules = ("b: a", "c: b", "b: x")
    one = Project(*rules, files={"a": "1", "x": "1"})
    two = Project(*(f"{rule} [worktree]" for rule in rules), files={"a": "1", "x": "1"})
    one.build()
    two.build()
    assert one.targets() == two.targets()
    assert subjects(one) == subjects(two)
    assert two.build() == []


# -- several at once


def test_workers_overlap_only_what_may() -> None:
    for overlap, most in (("all", 3), ("marked", 2), ("none", 1)):
        project = Project("b: a [P]", "c: a [P]", "d: a [US1]", files={"a": "1"})
        project.build(settings=Settings(jobs=4, overlap=overlap))
        assert sorted(project.executors.ran) == ["T1", "T2", "T3"]
        assert end(project).headline == "complete"
        assert {e.worker for e in project.events if isinstance(e, TaskStarted)} <= set(range(1, most + 1))


def test_several_at_once_leave_what_one_after_the_other_leaves() -> None:
    rules = ("b: a [P]", "c: a [P]", "d: b c [P]", "e: x [P]", "b: y [P]")
    files = {"a": "1", "x": "1", "y": "1"}
    one, many = Project(*rules, files=files), Project(*rules, files=files)
    one.build()
    many.build(settings=Settings(jobs=3, overlap="all"))
    assert one.targets() == many.targets()
    assert many.build() == []
    assert len(subjects(many)) == 5


def test_the_longest_way_is_begun_first() -> None:
    project = Project("b: a [P]", "c: a [P]", "d: c [P]", "e: d [P]", files={"a": "1"})
    project.build(settings=Settings(jobs=2, overlap="all"))
    starts = [event.task.id for event in project.events if isinstance(event, TaskStarted)]
    assert starts[:2] == ["T2", "T1"]


def test_output_is_told_as_it_comes() -> None:
    project = Project("b: a", files={"a": "1"})
    project.build()
    assert not any(isinstance(event, TaskOutput) for event in project.events)
    assert finished(project, "T1").output == ""


def test_the_gate_of_a_phase_with_a_failed_task_does_not_run_after_a_changed_plan_either() -> None:
    asked: list[tuple[str, str | None]] = []

    def gates(at: str, phase: str | None) -> bool:
        asked.append((at, phase))
        return True

    project = Project("b: a [P] [phase 1]", "c d: a [P] [inferred] [phase 1]", files={"a": "1"})
    project.executors.failing["T1"] = 1
    project.executors.bodies["T2"] = lambda sandbox, _task, repo: sandbox.files.update(
        c=Entry(PLAIN, repo.store(b"made"))
    )
    project.build(settings=Settings(jobs=2, overlap="all"), gates=gates)
    assert [e.outcome for e in project.finished() if e.task.id == "T2"] == ["completed"]
    assert asked == []
