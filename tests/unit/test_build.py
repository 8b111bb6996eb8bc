"""The build loop, without a disk: graphs in makefile words, asserting what ran and what is there."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest
from fakes import FakeExecutors, FakeHistory, FakeSandbox, Project, Repo, make

from specbuild.engine.checkpoint import Recorded
from specbuild.engine.events import TaskFinished, TaskOutput, TaskStarted, Warned
from specbuild.engine.judge import Judge
from specbuild.engine.ports import Attempt, Failure, Ran, Refused
from specbuild.engine.project import Project as EngineProject
from specbuild.engine.project import Settings
from specbuild.engine.task import Task, TaskName


def test_a_build_runs_everything_once_and_then_nothing() -> None:
    project = Project("b: a", "c: b", files={"a": "1"})
    assert project.build() == ["T1", "T2"]
    assert project.build() == []
    assert project.end is not None
    assert project.end.headline == "complete"
    assert project.end.exit_code == 0


def test_an_edited_input_rebuilds_what_depends_on_it() -> None:
    project = Project("b: a", "c: b", "d: x", files={"a": "1", "x": "1"})
    project.build()
    project.repo.type("a", "2")
    assert project.reasons("T1") == ["input-changed"]
    assert project.verdicts()["T2"].may_run
    assert project.build() == ["T1", "T2"]
    assert project.targets() == project.clean()


def test_same_bytes_cut_off_what_is_below() -> None:
    project = Project("b: a", "c: b", files={"a": "1"})
    project.executors.bodies["T1"] = lambda sandbox, task, repo: sandbox.files.update(
        b=type(repo.disk["a"])(0o100644, repo.store(b"same"))
    )
    project.build()
    project.repo.type("a", "2")
    assert project.build() == ["T1"]


def test_a_chain_on_one_file_gives_a_clean_builds_bytes_after_a_change_to_any_link() -> None:
    project = Project("p: a", "q: p", "p: b", "p: c", files={"a": "1", "b": "1", "c": "1"})
    assert project.build() == ["T1", "T2", "T3", "T4"]
    assert project.build() == []
    for path, ran in (("a", ["T1", "T2", "T3", "T4"]), ("b", ["T3", "T4"]), ("c", ["T4"])):
        project.repo.type(path, "2")
        assert project.build() == ran
        assert project.targets() == project.clean()
        assert project.build() == []


def test_an_early_link_with_the_same_bytes_restores_the_later_ones_without_running_them() -> None:
    project = Project("p: a", "p: b", files={"a": "1", "b": "1"})
    same = lambda sandbox, task, repo: sandbox.files.update(  # noqa: E731
        p=type(repo.disk["a"])(0o100644, repo.store(b"P"))
    )
    project.executors.bodies["T1"] = same
    project.build()
    made = project.repo.text("p")
    project.repo.type("a", "2")
    assert project.build() == ["T1"]
    assert project.repo.text("p") == made
    assert project.build() == []


def test_a_reader_between_two_writers_sees_what_the_first_left() -> None:
    project = Project("p: a", "q: p r", "p: b", files={"a": "1", "b": "1", "r": "1"})
    project.build()
    project.repo.type("r", "2")
    assert project.build() == ["T2"]
    assert project.targets() == project.clean()


def test_a_hand_edited_generated_file_is_kept_and_made_again() -> None:
    project = Project("b: a", files={"a": "1"})
    project.build()
    made = project.repo.text("b")
    project.repo.type("b", "mine")
    assert project.reasons("T1") == ["target-edited"]
    project.build()
    assert project.repo.text("b") == made
    assert any(
        project.repo.blobs[entry.oid] == b"mine"
        for kept in project.repo.kept.values()
        for entry in kept.values()
    )


def test_a_missing_generated_file_is_made_again_from_its_checkpoint() -> None:
    project = Project("b: a", files={"a": "1"})
    project.build()
    project.repo.type("b", None)
    assert project.reasons("T1") == ["target-missing"]
    assert project.build() == []
    assert project.repo.text("b") is not None


def test_an_edited_source_file_is_accepted_and_rebuilds_what_is_made_of_it() -> None:
    project = Project("b: a [keep]", "c: b [keep]", "d: b", files={"a": "1"})
    project.build()
    project.repo.type("b", "mine")
    assert project.verdicts()["T1"].state == "up-to-date"
    assert project.verdicts()["T2"].state == "up-to-date"
    assert project.build() == ["T3"]
    assert project.repo.text("b") == "mine"
    assert project.build() == []


def test_completed_source_tasks_are_repeated_only_with_leave() -> None:
    project = Project("b: a [keep]", files={"a": "1"})
    project.build()
    project.repo.type("a", "2")
    assert project.build(leave=False) == []
    assert project.end is not None
    assert project.end.exit_code == 3
    assert project.build(leave=True) == ["T1"]


def test_a_failed_task_leaves_its_targets_and_holds_back_only_its_dependents() -> None:
    project = Project("b: a", "c: b", "d: x [US2]", files={"a": "1", "x": "1"})
    project.build()
    before = project.repo.text("b")
    project.repo.type("a", "2")
    project.repo.type("x", "2")
    project.executors.failing["T1"] = 1
    assert project.build(settings=Settings(keep_going=True)) == ["T1", "T3"]
    assert project.repo.text("b") == before
    assert project.end is not None
    assert (project.end.failed, project.end.blocked, project.end.exit_code) == (1, 1, 1)
    assert project.end.headline == "partially complete"
    assert project.build() == ["T1", "T2"]


def test_a_serial_run_stops_at_the_first_failure() -> None:
    project = Project("b: a", "d: x", files={"a": "1", "x": "1"})
    project.executors.failing["T1"] = 1
    assert project.build() == ["T1"]
    assert project.end is not None
    assert project.end.headline == "failed"


def test_each_attempt_starts_from_the_same_state() -> None:
    project = Project("p: a", "p: b [retries 2]", files={"a": "1", "b": "1"})
    project.executors.failing["T2"] = 2
    assert project.build() == ["T1", "T2", "T2", "T2"]
    assert project.targets() == project.clean()


def test_a_reset_takes_the_state_back_and_a_revert_makes_stale() -> None:
    project = Project("b: a", "c: b", files={"a": "1"})
    project.build()
    project.repo.reset(1)
    assert project.reasons("T2") == ["never-run"]
    assert project.build() == ["T2"]
    project.repo.revert()
    assert project.reasons("T2") == ["rolled-back"]
    assert project.build() == ["T2"]
    assert project.build() == []


def test_a_ticked_source_task_without_a_record_is_claimed_and_satisfies() -> None:
    project = Project("b: a [keep] [ticked]", "c: b", files={"a": "1", "b": "mine"})
    assert project.verdicts()["T1"].state == "claimed"
    assert project.build() == ["T2"]
    assert project.end is not None
    assert [name.id for name in project.end.claimed] == ["T1"]


def test_going_back_to_an_earlier_input_reuses_its_result() -> None:
    project = Project("b: a", "c: b", files={"a": "1"})
    project.build()
    first = project.targets()
    project.repo.type("a", "2")
    project.build()
    project.repo.type("a", "1")
    assert project.build() == []
    assert project.targets() == first
    assert project.build() == []


def test_a_forced_task_runs_although_it_is_up_to_date() -> None:
    project = Project("b: a", files={"a": "1"})
    project.build()
    assert project.build(forced=["T1"]) == ["T1"]


def test_a_task_outside_the_choice_blocks_by_content() -> None:
    project = Project("b: a", "c: b", files={"a": "1"})
    assert project.build(only=["T2"]) == []
    assert project.end is not None
    assert project.end.blocked == 1


def test_a_task_with_a_reason_of_its_own_is_blocked_once_and_by_that() -> None:
    project = Project("b: a [US1]", "c: b [ALL]", "d: b c", "e: c", files={"a": "1"})
    assert project.build(only=["T2", "T3", "T4"]) == []
    blocked = [(e.task.id, e.blocked_by and e.blocked_by.id) for e in project.finished()]
    assert blocked == [("T2", "T1"), ("T3", "T1"), ("T4", "T2")]
    assert project.warnings == []


def test_lost_bytes_make_the_earlier_writer_run_again() -> None:
    project = Project("p: a", "q: p r", "p: b", files={"a": "1", "b": "1", "r": "1"})
    project.build()
    assert project.repo.tip is not None
    lines = [project.repo.commits[oid].message for oid in reversed(list(project.repo.log()))]
    # All three squashed into one commit: what T1 left of p stands in no tree any more.
    files = dict(project.repo.disk)
    project.repo.reset(3)
    project.repo.commit(files, "\n".join(lines[1:]))
    project.repo.disk = dict(files)
    assert project.build() == []
    project.repo.type("r", "2")
    assert project.build() == ["T1", "T2"]
    assert project.targets() == project.clean()
    assert project.build() == []


def test_a_task_that_writes_its_own_input_fails_if_it_is_generated() -> None:
    project = Project("b: a", files={"a": "1"})

    def meddle(sandbox, task, repo):  # type: ignore[no-untyped-def]
        repo.type("a", repo.text("a") + "!")
        repo.type("b", "x")

    project.executors.bodies["T1"] = meddle
    assert project.build() == ["T1", "T1"]
    assert project.end is not None
    assert project.end.failed == 1


def squashed(*rules: str, files: dict[str, str]) -> Project:
    """Built, and all commits made one: what was overwritten stands in no tree any more."""
    project = Project(*rules, files=files)
    project.build()
    project.repo.squash(len(list(project.repo.log())) - 1)
    assert project.build() == []
    return project


def test_what_a_repeated_writer_overwrites_is_restored_though_its_last_writer_was_settled() -> None:
    project = squashed("p x: a", "x: b", "q: p r", "p: b", files={"a": "1", "b": "1", "r": "1"})
    project.repo.type("r", "2")
    assert project.build() == ["T1", "T3"]
    assert project.targets() == project.clean()
    assert project.build() == []


def test_several_tasks_that_wait_for_one_lost_writer_all_run() -> None:
    files = {"a": "1", "b": "1", "r": "1", "s": "1"}
    for settings in (Settings(), Settings(jobs=3, overlap="all")):
        project = squashed("p: a [P] [worktree]", "q: p r [P]", "t: p r [P]", "p: b [P]", files=files)
        project.repo.type("r", "2")
        assert sorted(project.build(settings=settings)) == ["T1", "T2", "T3"]
        assert project.targets() == project.clean()
        assert project.build() == []


def test_verdicts_ask_for_ancestry_only_where_the_newest_checkpoint_does_not_answer() -> None:
    project = Project("b: a", "c: a [keep]", files={"a": "0"})
    for number in range(20):
        project.repo.type("a", str(number))
        project.build()
    asked: list[Recorded] = []

    class Counting(FakeHistory):
        def supersedes(self, newer: Recorded, older: Recorded) -> bool:
            asked.append(older)
            return super().supersedes(newer, older)

    made, judge = project.load()
    judge = Judge(made.graph, judge.snapshot, Counting(project.repo), task_files={}, environment={})
    assert [verdict.state for verdict in judge.all()] == ["up-to-date", "up-to-date"]
    assert asked == []


# -- what executors are given, and what they say


class Talking(FakeExecutors):
    """Prints, and remembers the environment that it was given."""

    given: Mapping[str, str] | None = None

    def run(
        self, attempt: Attempt, log: Callable[[str], None], cancelled: Callable[[], bool]
    ) -> Failure | Ran:
        log("said\n")
        self.given = attempt.environment
        return super().run(attempt, log, cancelled)


def test_an_executor_gets_the_runs_environment_and_what_it_prints_is_told() -> None:
    project = Project("b: a", files={"a": "1"})
    project.environment["A"] = "1"
    project.executors = executors = Talking(project.repo, project.workspaces)
    project.build()
    assert executors.given == {"A": "1"}
    assert [event.text for event in project.events if isinstance(event, TaskOutput)] == ["said\n"]
    assert [event.output for event in project.finished()] == ["said\n"]


def test_a_run_tells_how_long_it_took() -> None:
    project = Project()
    project.build()
    assert project.end is not None
    assert project.end.seconds == 1.0  # the clock goes on by one whenever it is asked


# -- leave to repeat


def test_leave_is_asked_once_for_just_those_that_would_be_repeated() -> None:
    project = Project(
        "b: x [P]",  # will fail
        "c: b a [keep] [P]",  # held back by that
        "d: a [keep] [P]",
        "e: a [keep] [P]",
        "f: y [keep] [P]",  # up to date
        "g: a [P]",  # generated
        "h: a [keep] [P]",  # not chosen
        "i: a [keep] [P]",  # forced
        files={"a": "1", "x": "1", "y": "1"},
    )
    project.build()
    project.rules.append("j: a [keep] [P]")  # never done
    project.repo.type("a", "2")
    project.repo.type("x", "2")
    project.executors.failing["T1"] = 1
    asked: list[Sequence[TaskName]] = []

    def leave(names: Sequence[TaskName]) -> bool:
        asked.append(names)
        return False

    chosen = [f"T{number}" for number in range(1, 10) if number != 7]
    ran = project.build(settings=Settings(keep_going=True), leave=leave, forced=["T8"], only=chosen)
    assert [[name.id for name in names] for names in asked] == [["T3", "T4"]]
    assert ran == ["T1", "T6", "T8", "T9"]


def test_a_task_is_judged_when_its_turn_comes_whatever_was_thought_of_it_before() -> None:
    project = Project("b: a [keep]", "c: x", files={"a": "1", "x": "1"})
    project.build()
    project.repo.type("a", "2")

    def edits(sandbox: FakeSandbox, task: Task, repo: Repo) -> None:
        make(sandbox.files, task, repo, ["a"])
        repo.type("x", "2")

    project.executors.bodies["T1"] = edits
    assert project.build() == ["T1", "T2"]


# -- several at once


@pytest.mark.parametrize(
    ("rules", "overlap", "workers"),
    [
        (("b: a [P]", "c: a [P]"), "marked", [1, 2]),
        (("b: a [US1]", "c: a [US2]"), "marked", [1, 1]),
        (("b: a [US1]", "c: a [US2]"), "all", [1, 2]),
        (("b: a [P]", "c: a [P] [keep] [any]"), "all", [1, 1]),
        (("b: a [P] [keep] [any]", "c: a [P]"), "all", [1, 1]),
        (("b: a [P]", "c: a [P]"), "none", [1, 1]),
    ],
)
def test_a_second_worker_is_needed_only_where_tasks_may_overlap(
    rules: tuple[str, str], overlap: str, workers: list[int]
) -> None:
    project = Project(*rules, files={"a": "1"})
    project.build(settings=Settings(jobs=2, overlap=overlap))
    assert [event.worker for event in project.events if isinstance(event, TaskStarted)] == workers


def test_a_limit_counts_what_is_under_way() -> None:
    project = Project("b: a [P]", "c: a [P]", "d: a [P]", "e: a [P]", files={"a": "1"})
    ran = project.build(settings=Settings(jobs=4, overlap="all", limit=2))
    assert sorted(ran) == ["T1", "T2"]


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_where_a_limit_is_reached_the_gate_of_a_phase_that_was_completed_is_run(jobs: int) -> None:
    rules = ["b: a [US1] [phase 1]", "c: a [US2] [phase 2]", "d: a [US3] [phase 3]"]
    project = Project(*rules, files={"a": "1"})
    seen: list[str | None] = []

    def gates(_at: str, phase: str | None) -> bool:
        seen.append(phase)
        return True

    settings = Settings(jobs=jobs, overlap="all", limit=1)
    assert project.build(settings=settings, gates=gates) == ["T1"]
    assert len(seen) == 1


def waits_for(seen: Callable[[], bool]) -> Callable[[FakeSandbox, Task, Repo], None]:
    """A recipe that takes until something is seen, or too long."""

    def body(sandbox: FakeSandbox, task: Task, repo: Repo) -> None:
        patience = 2000
        while not seen() and patience:
            patience -= 1
            time.sleep(0.001)
        assert patience, "it waited in vain"
        make(sandbox.files, task, repo, [])

    return body


def ended(project: Project, id_: str) -> bool:
    return any(isinstance(event, TaskFinished) and event.task.id == id_ for event in project.events)


def test_what_completed_is_recorded_though_all_workers_are_busy_for_long() -> None:
    project = Project("b: a [P]", "c: a [P]", "d: a [P]", files={"a": "1"})
    for id_ in ("T2", "T3"):
        project.executors.bodies[id_] = waits_for(lambda: ended(project, "T1"))
    project.build(settings=Settings(jobs=2, overlap="all"))
    assert [event.outcome for event in project.finished()] == ["completed"] * 3


def test_a_gate_that_is_due_is_run_before_anything_more_is_started() -> None:
    rules = ("b: a [US1] [phase 1]", "c: a [P] [US2] [phase 2]", "d: b [P] [US2] [phase 2]")
    project = Project(*rules, files={"a": "1"})
    project.executors.bodies["T2"] = waits_for(lambda: ended(project, "T1"))
    asked: list[tuple[str, list[str]]] = []

    def gates(at: str, _phase: str | None) -> bool:
        asked.append((at, list(project.executors.ran)))
        return True

    project.build(settings=Settings(jobs=2, overlap="all"), gates=gates)
    assert (asked[0][0], sorted(asked[0][1])) == ("phase", ["T1", "T2"])
    assert project.end is not None
    assert project.end.completed == 3


# -- ticks and branches


class Boxed(Project):
    """Its task file has boxes that are never ticked."""

    def load(self) -> tuple[EngineProject, Judge]:
        project, judge = super().load()
        return replace(
            project, tick=lambda task, _snapshot: {"tasks.md": f"[x] {task.name.id}".encode()}
        ), judge


def test_where_a_hook_refuses_the_ticks_of_complete_tasks_that_is_told_and_no_more() -> None:
    project = Boxed("b: a", files={"a": "1", "tasks.md": "[ ] T1"})
    project.build()
    project.repo.type("tasks.md", "[ ] T1")
    project.repo.commit(dict(project.repo.disk), "unticked")

    def refuse() -> None:
        raise Refused("pre-commit", "specbuild: tick completed tasks", "ended with exit code 1")

    project.repo.interlopers = [refuse]
    project.events.clear()
    assert project.build() == []
    (warning,) = (event for event in project.events if isinstance(event, Warned))
    assert warning.task is None
    assert warning.message == (
        "boxes of complete tasks stay unticked: the pre-commit hook refuses the commit "
        '"specbuild: tick completed tasks": it ended with exit code 1'
    )
    assert project.end is not None
    assert project.end.exit_code == 0


def test_boxes_of_another_branch_are_nobodys_business() -> None:
    project = Boxed("b: a", "c: x [worktree]", files={"a": "1", "x": "1", "tasks.md": "[ ] T1"})
    project.build(settings=Settings(tick=False), only=["T1"])

    def switches(sandbox: FakeSandbox, task: Task, repo: Repo) -> None:
        make(sandbox.files, task, repo, ["x"])
        repo.attached = False

    project.executors.bodies["T2"] = switches
    project.events.clear()
    assert project.build() == ["T2"]
    assert project.repo.text("tasks.md") == "[ ] T1"
    assert project.warnings == []


def test_who_switched_branches_is_told_why_nothing_more_is_started() -> None:
    project = Project("b: a", files={"a": "1"})
    project.repo.attached = False
    assert project.build() == []
    (warning,) = project.warnings
    assert warning == (
        "HEAD no longer names the branch that this run began on, so no further task is started; "
        "switch back, and run specbuild again"
    )
