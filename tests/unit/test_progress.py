"""How far a run is: plans that change or cannot be read, tasks that are made again, what is held back."""

import pytest
from fakes import PLAIN, FakeSandbox, Project, Repo

from specbuild.engine.events import TaskFinished, Warned
from specbuild.engine.judge import Judge
from specbuild.engine.project import Project as EngineProject
from specbuild.engine.project import Settings
from specbuild.engine.task import Entry, Task
from specbuild.errors import UsageError

TWO_AT_ONCE = Settings(jobs=2, overlap="all")
HALF = "a: [P]", "b c: [P] [inferred]", "d: b"
"""The second of these, where it does not make `c`, changes the plan."""


def half(sandbox: FakeSandbox, _task: Task, repo: Repo) -> None:
    sandbox.files["b"] = Entry(PLAIN, repo.store(b"made"))


def finished(project: Project, id_: str) -> TaskFinished:
    (found,) = (event for event in project.finished() if event.task.id == id_)
    return found


class Unreadable(Project):
    """A task breaks specbuild.toml, so that the plan cannot be read a second time."""

    readings = 0

    def load(self) -> tuple[EngineProject, Judge]:
        self.readings += 1
        if self.readings > 1:
            raise UsageError("specbuild.toml:1: not TOML")
        return super().load()


@pytest.mark.parametrize("settings", [Settings(), Settings(keep_going=True), TWO_AT_ONCE])
def test_a_plan_that_cannot_be_read_again_ends_the_run(settings: Settings) -> None:
    project = Unreadable(*HALF)
    project.executors.bodies["T2"] = half
    project.build(settings=settings)
    assert project.end is not None
    assert (project.end.exit_code, project.end.headline) == (2, "partially complete")
    assert finished(project, "T2").outcome == "completed"
    assert "T3" not in project.executors.ran
    assert project.warnings[-1] == "the plan cannot be made anew: specbuild.toml:1: not TOML"


def test_a_changed_plan_keeps_what_was_done() -> None:
    project = Project(*HALF)
    project.executors.bodies["T2"] = half
    assert project.build() == ["T1", "T2", "T3"]
    assert [(event.task.id, event.outcome) for event in project.finished()] == [
        ("T1", "completed"),
        ("T2", "completed"),
        ("T3", "completed"),
    ]
    assert project.warnings[:1] == ["c was not made"]


def test_tasks_that_a_failed_one_held_back_stay_so_under_a_changed_plan() -> None:
    project = Project("a: [P]", "b c: [P] [inferred]", "d: a", "e: d")
    project.executors.bodies["T2"] = half
    project.executors.failing["T1"] = 1
    project.build(settings=TWO_AT_ONCE)
    outcomes = {event.task.id: (event.outcome, event.blocked_by) for event in project.finished()}
    assert {id_: outcome for id_, (outcome, _) in outcomes.items()} == {
        "T1": "failed",
        "T2": "completed",
        "T3": "blocked",
        "T4": "blocked",
    }
    assert len(project.finished()) == 4


def test_a_task_that_is_chosen_no_more_under_a_changed_plan_counts_as_it_ended() -> None:
    project = Project(*HALF)
    only = {"T1", "T2", "T3"}

    def turns(sandbox: FakeSandbox, task: Task, repo: Repo) -> None:
        half(sandbox, task, repo)
        only.discard("T1")

    project.executors.bodies["T2"] = turns
    assert project.build(only=only) == ["T1", "T2", "T3"]
    assert project.end is not None
    assert (project.end.headline, project.end.exit_code) == ("complete", 0)
    assert (project.end.completed, project.end.chosen) == (3, 3)


def test_what_failed_is_not_begun_again_under_a_changed_plan() -> None:
    project = Project("x: [P]", "y: [P]", "b c: [P] [inferred]", "d: b [P]")
    only = {"T1", "T2", "T3", "T4"}

    def turns(sandbox: FakeSandbox, task: Task, repo: Repo) -> None:
        half(sandbox, task, repo)
        only.discard("T1")

    project.executors.bodies["T3"] = turns
    project.executors.failing["T2"] = 1
    assert project.build(only=only, settings=Settings(keep_going=True)) == ["T1", "T2", "T3", "T4"]
    assert project.end is not None
    assert (project.end.failed, project.end.completed) == (1, 3)


def test_a_new_task_under_a_changed_plan_is_held_back_by_what_failed_before() -> None:
    project = Project("a: [P]", "z: a [P]", "b c: [P] [inferred]")

    def adds(sandbox: FakeSandbox, task: Task, repo: Repo) -> None:
        half(sandbox, task, repo)
        project.rules.append("d: z [P]")

    project.executors.bodies["T3"] = adds
    project.executors.failing["T1"] = 1
    assert project.build(settings=Settings(keep_going=True)) == ["T1", "T3"]
    outcomes = {event.task.id: (event.outcome, event.blocked_by) for event in project.finished()}
    first = finished(project, "T1").task
    assert outcomes["T2"] == ("blocked", first)
    assert outcomes["T4"] == ("blocked", first)


def test_a_new_task_under_a_changed_plan_is_blocked_by_one_that_is_not_chosen() -> None:
    project = Project("a: [P]", "z: [US1]", "y: z [P]", "b c: [US1] [inferred]", "x: [US1]")

    def adds(sandbox: FakeSandbox, task: Task, repo: Repo) -> None:
        half(sandbox, task, repo)
        project.rules.append("d: a [P]")

    project.executors.bodies["T4"] = adds
    assert project.build(only=["T3", "T4", "T5", "T6"]) == ["T4", "T5"]
    blocked = [(e.task.id, e.blocked_by and e.blocked_by.id) for e in project.finished() if e.blocked_by]
    assert blocked == [("T3", "T2"), ("T6", "T1")]
    assert len([warning for warning in project.warnings if "does not wait" in warning]) == 1


def test_the_gate_of_a_phase_with_a_blocked_task_is_not_asked_under_a_changed_plan_either() -> None:
    project = Project("z: [P] [phase 1]", "y: z [P] [phase 1]", "b c: [P] [inferred] [phase 1]")
    project.executors.bodies["T3"] = half
    asked: list[tuple[str, str | None]] = []

    def gates(at: str, phase: str | None) -> bool:
        asked.append((at, phase))
        return True

    assert project.build(only=["T2", "T3"], gates=gates, settings=Settings(keep_going=True)) == ["T3"]
    assert finished(project, "T2").outcome == "blocked"
    assert asked == []


# -- which comes first


@pytest.mark.parametrize(
    ("settings", "first"),
    [
        (Settings(jobs=2, overlap="all"), ["T2", "T1"]),
        (Settings(jobs=2, overlap="marked"), ["T1", "T2"]),
        (Settings(jobs=1, overlap="all"), ["T1", "T2"]),
    ],
)
def test_the_longest_way_comes_first_only_where_everything_may_overlap(
    settings: Settings, first: list[str]
) -> None:
    project = Project("b: a [P]", "c: a [P]", "d: c [P]", "e: d [P]", files={"a": "1"})
    project.build(settings=settings)
    assert project.started[:2] == first


# -- what a later task changed


def meddles(project: Project, id_: str, **texts: str) -> None:
    """The task changes these files beside its target."""

    def body(sandbox: FakeSandbox, task: Task, repo: Repo) -> None:
        for path, text in {**dict.fromkeys(task.targets, "made"), **texts}.items():
            sandbox.files[path] = Entry(PLAIN, repo.store(text.encode()))

    project.executors.bodies[id_] = body


def test_all_that_made_an_earlier_task_stale_again_is_told() -> None:
    project = Project("b: a c", "d: x [keep] [any]", files={"a": "1", "c": "1", "x": "1"})
    meddles(project, "T2", a="2", c="2")
    project.build()
    (warning,) = (event for event in project.events if isinstance(event, Warned))
    assert warning.task == finished(project, "T1").task
    assert warning.message == (
        "it is stale again, since what it depends on was changed meanwhile: "
        "input-changed: a (56a6051 -> d8263ee); input-changed: c (56a6051 -> d8263ee)"
    )


def test_a_task_that_was_up_to_date_is_stale_again_where_a_later_one_changed_its_input() -> None:
    project = Project("b: a", "d: x [keep] [any]", files={"a": "1", "x": "1"})
    project.build(only=["T1"])
    meddles(project, "T2", a="2")
    assert project.build() == ["T2"]
    assert project.end is not None
    assert ([name.id for name in project.end.left], project.end.up_to_date) == (["T1"], 0)


def test_an_edit_that_a_person_makes_during_the_run_is_blamed_on_no_task() -> None:
    project = Project("b: a", "d: x", files={"a": "1", "x": "1"})

    def typed(sandbox: FakeSandbox, _task: Task, repo: Repo) -> None:
        sandbox.files["d"] = Entry(PLAIN, repo.store(b"made"))
        repo.type("a", "2")

    project.executors.bodies["T2"] = typed
    assert project.build() == ["T1", "T2"]
    assert project.warnings == []
    assert project.end is not None
    assert project.end.exit_code == 0
    assert project.build() == ["T1"]


# -- what is held back


def test_what_needs_no_run_is_not_held_back() -> None:
    rules = ("a: x", "b: y [ticked] [keep]", "c: y", "d: y", "e: a")
    project = Project(*rules, files={"x": "1", "y": "1"})
    project.build(only=["T3"])
    project.executors.failing["T1"] = 1
    project.build(settings=Settings(keep_going=True))
    outcomes = {event.task.id: event.outcome for event in project.finished()}
    assert outcomes == {"T1": "failed", "T4": "blocked", "T5": "blocked"}
    assert finished(project, "T4").blocked_by == finished(project, "T1").task
    assert project.end is not None
    assert [name.id for name in project.end.claimed] == ["T2"]
    assert project.end.up_to_date == 1


# -- what is made again


def squashed(*rules: str) -> Project:
    """Built, and its commits made one: what earlier writers of a path left stands in no tree any more."""
    project = Project(*rules, files={"a": "1", "b": "1", "r": "1"})
    project.build()
    messages = [project.repo.commits[oid].message for oid in reversed(list(project.repo.log()))]
    files = dict(project.repo.disk)
    project.repo.reset(len(messages) - 1)
    project.repo.commit(files, "\n".join(messages[1:]))
    project.repo.disk = dict(files)
    project.repo.type("r", "2")
    return project


def test_a_writer_that_runs_again_is_told_and_counted_once() -> None:
    project = squashed("p: a", "q: p r", "p: b")
    assert project.build() == ["T1", "T2"]
    (warning,) = (e for e in project.events if isinstance(e, Warned) and "bytes" in e.message)
    assert warning.message == "T1 runs again: no commit has its bytes any more"
    assert warning.task == finished(project, "T2").task
    assert finished(project, "T1").outcome == "completed"
    assert project.end is not None
    assert project.end.completed + project.end.reused + project.end.up_to_date == 3
    assert project.end.headline == "complete"


def test_a_task_that_is_restored_after_its_writer_ran_again_counts_once() -> None:
    project = squashed("p x: a", "x: b", "q: p r", "p: b")
    project.build()
    assert project.end is not None
    assert project.end.completed + project.end.reused + project.end.up_to_date == 4
    assert project.end.headline == "complete"


def test_a_source_task_is_not_run_for_its_lost_bytes_but_named() -> None:
    project = squashed("p: a [keep]", "q: p r", "p: b [keep]")
    assert project.build() == []
    event = finished(project, "T2")
    assert event.outcome == "blocked"
    assert event.error is not None
    assert "specbuild adopt T1 records the present ones" in event.error
    assert event.blocked_by is not None
    assert event.blocked_by.id == "T1"


def test_a_writer_outside_the_choice_is_not_run_for_its_lost_bytes_but_named() -> None:
    project = squashed("p: a", "q: p r", "p: b")
    assert project.build(only=["T2", "T3"]) == []
    event = finished(project, "T2")
    assert (event.outcome, event.blocked_by and event.blocked_by.id) == ("blocked", "T1")
    assert event.error == (
        "it starts from what T1 made, and no commit has those bytes any more; "
        "specbuild adopt T1 records the present ones"
    )


def test_who_switched_is_told_where_the_work_is() -> None:
    project = Project("b: a", files={"a": "1"})

    def switches(sandbox: FakeSandbox, _task: Task, repo: Repo) -> None:
        sandbox.files["b"] = Entry(PLAIN, repo.store(b"made"))
        repo.attached = False

    project.executors.bodies["T1"] = switches
    project.build()
    assert project.end is not None
    assert (project.end.headline, project.end.exit_code) == ("failed", 4)
    assert project.warnings == [
        "HEAD no longer names the branch that this run began on; switch back, and run specbuild again"
    ]
    assert finished(project, "T1").partial == "refs/specbuild/failed/0"


def test_what_the_repository_refuses_ends_the_run_and_what_was_done_is_told() -> None:
    project = Project("b: a", "c: b", files={"a": "1"})

    def gone(sandbox: FakeSandbox, _task: Task, repo: Repo) -> None:
        sandbox.files["c"] = Entry(PLAIN, repo.store(b"made"))
        repo.attached = False

    project.executors.bodies["T2"] = gone
    assert project.build() == ["T1", "T2"]
    assert project.end is not None
    assert (project.end.headline, project.end.exit_code) == ("partially complete", 4)
    assert project.end.completed == 1
    assert project.verdicts()["T1"].state == "up-to-date"


def test_workers_are_numbered_from_one_however_many_there_may_be() -> None:
    project = Project("b: a", "c: a", files={"a": "1"})
    assert sorted(project.build(settings=Settings(jobs=10**18, overlap="all"))) == ["T1", "T2"]
    assert {event.worker for event in project.finished()} <= {1, 2}


# -- what a run that stops early did not come to


@pytest.mark.parametrize("limit", [None, 1])
def test_tasks_that_are_up_to_date_count_though_a_run_stops_before_them(limit: int | None) -> None:
    rules = ["b: a", "c: x [phase 2]", "d: y [phase 2]", "e: d [phase 2]"]
    project = Project(*rules, files={"a": "1", "x": "1", "y": "1"})
    project.build()
    project.repo.type("a", "2")
    project.build(gates=lambda _at, _phase: limit is not None, settings=Settings(limit=limit))
    assert project.end is not None
    assert (project.end.completed, project.end.up_to_date, project.end.chosen) == (1, 3, 4)


def test_tasks_that_may_run_do_not_count_as_up_to_date_where_a_run_stops_before_them() -> None:
    project = Project("b: a", "c: x", "d: c", files={"a": "1", "x": "1"})
    project.build()
    project.repo.type("a", "2")
    project.repo.type("x", "2")
    project.build(settings=Settings(limit=1))
    assert project.end is not None
    assert (project.end.completed, project.end.up_to_date) == (1, 0)
