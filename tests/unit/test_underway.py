"""One task from its start to its commit: what its executor is given, what it costs, and how it ends."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from fakes import PLAIN, FakeExecutors, FakeSandbox, FakeWorkspaces, Project, Repo, make, meanwhile

from specbuild.engine.build import Review
from specbuild.engine.events import Event, TaskFinished, TaskOutput, TaskRetried, TaskStarted, Warned
from specbuild.engine.judge import Judge
from specbuild.engine.ports import Attempt, Failure, Ran, Refused, Unusable
from specbuild.engine.project import Project as EngineProject
from specbuild.engine.project import Settings
from specbuild.engine.task import Entry, RepoPath, Task
from specbuild.errors import RepositoryError

TWO_AT_ONCE = Settings(jobs=2, overlap="all")
PATIENCE = 10.0
"""Seconds after which a test that waits for another thread has failed."""

Log = Callable[[str], None]
Cancelled = Callable[[], bool]


class Scripted(FakeExecutors):
    """Answers as a test says, and remembers what it was given."""

    def __init__(self, project: Project) -> None:
        super().__init__(project.repo, project.workspaces)
        self.given: list[Attempt] = []
        self.checked: list[Attempt] = []
        self.answers: dict[str, list[Failure | Ran]] = {}  # id -> after its recipe ran
        self.checks: dict[str, list[Failure | Ran]] = {}  # id -> of its verify
        self.says: dict[str, str] = {}
        project.executors = self

    def run(self, attempt: Attempt, log: Log, cancelled: Cancelled) -> Failure | Ran:
        self.given.append(attempt)
        id_ = attempt.task.name.id
        if id_ in self.says:
            log(self.says[id_])
        found = super().run(attempt, log, cancelled)
        answers = self.answers.get(id_)
        return answers.pop(0) if answers else found

    def verify(self, attempt: Attempt, log: Log, cancelled: Cancelled) -> Failure | Ran:
        self.checked.append(attempt)
        checks = self.checks.get(attempt.task.name.id)
        return checks.pop(0) if checks else Ran()


class Reading(Project):
    """Counts how often the plan was read in the last run."""

    readings = 0

    def build(self, **asked: Any) -> list[str]:
        self.readings = 0
        return super().build(**asked)

    def load(self) -> tuple[EngineProject, Judge]:
        self.readings += 1
        return super().load()


def finished(project: Project, id_: str) -> TaskFinished:
    (found,) = (event for event in project.finished() if event.task.id == id_)
    return found


def told(project: Project) -> list[str]:
    """Starts and ends of tasks, each as a few words."""
    found: list[str] = []
    for event in project.events:
        if isinstance(event, TaskStarted):
            found.append(f"start {event.task.id}")
        elif isinstance(event, TaskFinished):
            found.append(f"{event.outcome} {event.task.id}")
    return found


def until(holds: Callable[[], object]) -> None:
    """Waits, in an executor's thread, for what another one or the loop does."""
    bell = threading.Event()
    for _ in range(int(PATIENCE / 0.001)):
        if holds():
            return
        bell.wait(0.001)
    raise AssertionError("it never came")


def ended(project: Project, id_: str) -> Callable[[], bool]:
    return lambda: any(isinstance(e, TaskFinished) and e.task.id == id_ for e in list(project.events))


def began(project: Project, id_: str) -> Callable[[], bool]:
    return lambda: any(isinstance(e, TaskStarted) and e.task.id == id_ for e in list(project.events))


def writes(path: RepoPath, text: str) -> Callable[[FakeSandbox, Task, Repo], None]:
    def body(sandbox: FakeSandbox, _task: Task, repo: Repo) -> None:
        sandbox.files[path] = Entry(PLAIN, repo.store(text.encode()))

    return body


def commits(project: Project, **texts: str) -> None:
    """A person's commit, in the working tree, too."""
    repo = project.repo
    files = dict(repo.commits[repo.tip].files) if repo.tip else {}
    for path, text in texts.items():
        repo.type(path, text)
        files[path] = repo.disk[path]
    repo.commit(files, "a person's")


def tip(project: Project) -> dict[RepoPath, str]:
    assert project.repo.tip is not None
    files = project.repo.commits[project.repo.tip].files
    return {path: project.repo.blobs[entry.oid].decode() for path, entry in files.items()}


# -- what an executor is given


def test_an_executor_is_given_the_environment_and_what_is_left_of_the_budget() -> None:
    project = Project("b: a", "c: b", files={"a": "1"})
    executors = Scripted(project)
    project.environment = {"LANG": "C"}
    executors.usage = {"cost_usd": 0.5, "tokens": 30}
    project.build(settings=Settings(budget_usd=2.0, budget_tokens=100))
    first, second = executors.given
    assert first.environment == {"LANG": "C"}
    assert (first.left_usd, first.left_tokens) == (2.0, 100)
    assert (second.left_usd, second.left_tokens) == (1.5, 70)


def test_without_a_budget_there_is_no_limit_to_tell() -> None:
    project = Project("b: a", files={"a": "1"})
    executors = Scripted(project)
    project.build()
    (given,) = executors.given
    assert (given.left_usd, given.left_tokens, given.failures) == (None, None, ())


def test_a_further_attempt_is_given_what_became_of_the_earlier_ones() -> None:
    project = Project("b: a [retries 2]", files={"a": "1"})
    executors = Scripted(project)
    crash = Failure(1, "it crashed", "Segmentation fault", exit_code=-11, usage={"tokens": 7})
    late = Failure(2, "it took too long", "...", timed_out=True)
    executors.answers["T1"] = [crash, late]
    project.build()
    assert [given.failures for given in executors.given] == [(), (crash,), (crash, late)]
    assert [given.attempt for given in executors.given] == [1, 2, 3]


def test_what_a_hook_said_is_given_to_the_next_attempt() -> None:
    project = Project("b: a [retries 1]", files={"a": "1"})
    executors = Scripted(project)

    def refuse() -> None:
        raise Refused("pre-commit", "T1 do", "ended with exit code 1", output="line 3 is too long\n")

    project.repo.interlopers = [refuse]
    project.build()
    (failure,) = executors.given[1].failures
    assert failure.output == "line 3 is too long\n"
    assert failure.attempt == 1
    assert [event.task for event in project.events if isinstance(event, TaskOutput)] == [
        finished(project, "T1").task
    ]


def test_what_a_person_asks_for_is_given_to_the_next_attempt() -> None:
    project = Project("b: a [keep] [review]", files={"a": "1"})
    executors = Scripted(project)
    executors.says["T1"] = "done"
    answers = [Review("retry", "shorter"), Review("accept")]
    asked: list[str] = []

    def review(task: Task, _difference: object) -> Review:
        asked.append(task.name.id)
        return answers.pop(0)

    project.build(review=review)
    message = "a person looked at it and asks for another attempt: shorter"
    assert executors.given[1].failures == (Failure(1, message, ""),)
    assert asked == ["T1", "T1"]


def test_what_a_person_rejects_is_not_tried_again() -> None:
    project = Project("b: a [keep] [review] [retries 3]", files={"a": "1"})
    assert project.build(review=lambda _task, _difference: Review("reject")) == ["T1"]
    assert finished(project, "T1").outcome == "failed"


# -- time


def test_a_task_takes_the_seconds_that_its_attempt_took() -> None:
    project = Project("b: a", files={"a": "1"})
    project.build()
    assert finished(project, "T1").seconds == 1.0  # the clock of these tests ticks once when it is asked


def test_a_further_attempt_begins_after_the_delay_that_was_told() -> None:
    project = Project("b: a [retries 1]", files={"a": "1"})
    project.executors.failing["T1"] = 1
    project.build()
    (retried,) = (event for event in project.events if isinstance(event, TaskRetried))
    assert retried.delay > 0
    assert finished(project, "T1").seconds == pytest.approx(2.0 + retried.delay)


def test_setup_and_verify_begin_at_once() -> None:
    project = Project("b: a [worktree] [setup prepare] [verify check]", files={"a": "1"})
    project.build()
    assert finished(project, "T1").seconds == 3.0


# -- verify


def test_a_task_is_verified_after_each_attempt_and_recorded_when_that_goes_well() -> None:
    project = Project("b: a [verify check] [retries 1]", "c: a", files={"a": "1"})
    executors = Scripted(project)
    executors.checks["T1"] = [Failure(1, "check: 2 errors", "2 errors")]
    assert project.build() == ["T1", "T1", "T2"]
    assert [(each.task.name.id, each.attempt) for each in executors.checked] == [("T1", 1), ("T1", 2)]
    (retried,) = (event for event in project.events if isinstance(event, TaskRetried))
    assert retried.error == "check: 2 errors"
    assert (finished(project, "T1").outcome, finished(project, "T1").attempts) == ("completed", 2)


def test_what_cannot_be_taken_is_not_verified() -> None:
    project = Project("b c: a [verify check]", files={"a": "1"})
    executors = Scripted(project)
    executors.bodies["T1"] = writes("b", "made")
    project.build()
    assert finished(project, "T1").error == "it did not make c"
    assert executors.checked == []


def test_an_attempt_costs_what_its_recipe_and_its_verify_cost_and_a_task_what_all_attempts_did() -> None:
    project = Project("b: a [verify check] [retries 1]", files={"a": "1"})
    executors = Scripted(project)
    executors.usage = {"tokens": 10}
    executors.checks["T1"] = [Failure(1, "check", "", usage={"tokens": 1}), Ran(usage={"tokens": 2})]
    project.build()
    (failure,) = executors.given[1].failures
    assert failure.usage == {"tokens": 11}
    assert finished(project, "T1").usage == {"tokens": 23}


def test_the_cost_of_setup_is_the_tasks_and_not_the_attempts() -> None:
    class Paid(Scripted):
        def setup(self, attempt: Attempt, log: Log, cancelled: Cancelled) -> Failure | Ran:
            super().setup(attempt, log, cancelled)
            return Ran(usage={"tokens": 100})

    project = Project("b: a [worktree] [setup prepare] [retries 1]", files={"a": "1"})
    executors = Paid(project)
    executors.answers["T1"] = [Failure(1, "no", "", usage={"tokens": 1})]
    project.build()
    assert executors.given[1].failures[0].usage == {"tokens": 1}
    assert finished(project, "T1").usage == {"tokens": 101}


# -- failures


def test_a_failed_task_tells_how_it_ended_and_what_it_printed() -> None:
    project = Project("b: a [priority 2]", "c: b", files={"a": "1"})
    executors = Scripted(project)
    executors.says["T1"] = "one\ntwo\n"
    executors.answers["T1"] = [Failure(1, "it was killed", "", exit_code=-9, timed_out=True)]
    project.build()
    event = finished(project, "T1")
    assert (event.error, event.exit_code, event.timed_out) == ("it was killed", -9, True)
    assert (event.output, event.priority) == ("one\ntwo\n", 2)
    held = finished(project, "T2")
    assert (held.output, held.seconds, held.position, held.worker, held.priority) == ("", 0.0, 0, 0, None)


def test_edits_that_a_failed_task_found_at_its_targets_are_told_as_its_own() -> None:
    project = Project("b: a", files={"a": "1"})
    project.build()
    project.repo.type("a", "2")
    project.repo.type("b", "mine")
    project.executors.failing["T1"] = 1
    project.build()
    (warning,) = (event for event in project.events if isinstance(event, Warned))
    assert "b had been edited" in warning.message
    assert warning.task == finished(project, "T1").task
    assert project.repo.text("b") == "mine"


class Vanishing(FakeSandbox):
    """Its folder is gone when it is to be laid out again."""

    def reset(self) -> None:
        raise Unusable("its folder is gone")


class Behind(FakeSandbox):
    """What its first attempt leaves lies behind a symlink."""

    good = False

    def reset(self) -> None:
        super().reset()
        self.good = True

    def result(self, paths: Iterable[RepoPath]) -> Mapping[RepoPath, Entry]:
        if not self.good:
            raise Unusable("b is behind a symlink")
        return super().result(paths)


class Few(FakeWorkspaces):
    """No more than so many sandboxes can be laid out."""

    def __init__(self, repo: Repo, count: int) -> None:
        super().__init__(repo)
        self.left = count

    @contextmanager
    def open(self, task: Task, **asked: Any) -> Iterator[FakeSandbox]:
        self.left -= 1
        if self.left < 0:
            raise Unusable("its folder is gone")
        with super().open(task, **asked) as sandbox:
            yield sandbox


def given_by(project: Project, workspaces: FakeWorkspaces) -> Scripted:
    project.workspaces = workspaces
    return Scripted(project)


def test_a_task_whose_start_cannot_be_laid_out_has_failed_and_nothing_ran() -> None:
    project = Project("b: a", "c: b", "d: a", files={"a": "1"})
    given_by(project, Few(project.repo, 0))
    assert project.build(settings=Settings(keep_going=False)) == []
    event = finished(project, "T1")
    assert (event.outcome, event.error, event.attempts) == ("failed", "its folder is gone", 0)
    assert finished(project, "T2").outcome == "blocked"
    assert project.end is not None
    assert project.end.exit_code == 1


def test_a_task_that_cannot_be_laid_out_once_more_has_failed() -> None:
    project = Project("b: a", files={"a": "1"})
    given_by(project, Few(project.repo, 1))
    meanwhile(project, "T1", lambda: project.repo.type("a", "2"))
    assert project.build() == ["T1"]
    assert finished(project, "T1").error == "its folder is gone"


def test_what_an_attempt_left_and_cannot_be_taken_is_a_failed_attempt() -> None:
    project = Project("b: a [retries 1]", files={"a": "1"})
    workspaces = FakeWorkspaces(project.repo)
    workspaces.sandbox = Behind
    executors = given_by(project, workspaces)
    executors.says["T1"] = "linking b\n"
    assert project.build() == ["T1", "T1"]
    assert executors.given[1].failures == (Failure(1, "b is behind a symlink", "linking b\n"),)
    assert finished(project, "T1").outcome == "completed"


def test_a_sandbox_that_cannot_be_made_good_again_ends_the_attempts() -> None:
    project = Project("b: a [retries 3]", files={"a": "1"})
    workspaces = FakeWorkspaces(project.repo)
    workspaces.sandbox = Vanishing
    given_by(project, workspaces).failing["T1"] = 1
    assert project.build() == ["T1"]
    assert finished(project, "T1").error == "it failed; its folder is gone"


# -- reuse


def reusing(*marks: str) -> Project:
    """The second task's result is known already: its input is as it was once."""
    project = Project("c: x", f"b: a {' '.join(marks)}", files={"a": "1", "x": "1"})
    for text in ("1", "2"):
        project.repo.type("a", text)
        project.build()
    project.repo.type("a", "1")
    return project


def test_a_reused_task_has_its_place_among_the_others() -> None:
    project = reusing()
    project.build()
    event = finished(project, "T2")
    assert (event.outcome, event.position, event.total, event.worker) == ("reused", 2, 2, 1)


def test_a_hook_that_refuses_a_reused_result_fails_the_task_and_nothing_is_run() -> None:
    project = reusing("[retries 3]")
    before = project.repo.text("b")

    def refuse() -> None:
        raise Refused("pre-commit", "T2", "ended with exit code 1", output="no\n")

    project.repo.interlopers = [refuse]
    assert project.build(settings=Settings(run_hooks=True)) == []
    assert finished(project, "T2").outcome == "failed"
    assert project.repo.text("b") == before


def test_a_reused_result_that_cannot_be_committed_ends_the_run() -> None:
    project = reusing()

    def full() -> None:
        raise OSError("no space left on device")

    project.repo.interlopers = [full]
    with pytest.raises(OSError, match="no space left"):
        project.build()


# -- what cannot be recorded


def test_work_that_cannot_be_committed_is_kept_once_and_says_why() -> None:
    project = Project("b: a [worktree]", files={"a": "1"})

    def full() -> None:
        raise OSError("no space left on device")

    project.repo.interlopers = [full]
    with pytest.raises(OSError, match="no space left"):
        project.build()
    assert list(project.repo.why_kept.values()) == ["tasks.md#T1: it could not be recorded\n"]
    told = project.events[-1]
    assert isinstance(told, TaskFinished)
    assert (told.outcome, told.error, told.partial) == (
        "skipped",
        "it could not be recorded",
        *project.repo.why_kept,
    )


# -- the branch moved, or an input changed


def test_an_input_that_changed_is_no_reason_to_read_the_plan_again() -> None:
    project = Reading("b: a", files={"a": "1"})
    meanwhile(project, "T1", lambda: project.repo.type("a", "2"))
    assert project.build() == ["T1", "T1"]
    assert project.readings == 1


def test_a_commit_of_others_is_a_reason_to_read_the_plan_again() -> None:
    project = Reading("b: a", files={"a": "1"})

    def adds() -> None:
        project.rules.append("c: a")
        commits(project, a="2")

    project.repo.interlopers = [adds]
    assert project.build() == ["T1", "T1", "T2"]
    assert project.readings == 2
    assert project.build() == []


@pytest.mark.parametrize("marks", ["[keep] [worktree]", "[worktree]"])
def test_what_somebody_else_completed_meanwhile_is_not_done_once_more(marks: str) -> None:
    rule = f"b: a {marks}"
    project, other = Project(rule, files={"a": "1"}), Project(rule, files={"a": "2"})
    other.build()
    assert other.repo.tip is not None
    theirs = other.repo.commits[other.repo.tip]

    def completes() -> None:
        project.repo.blobs.update(other.repo.blobs)
        project.repo.disk.update(theirs.files)
        project.repo.commit(theirs.files, theirs.message)

    project.repo.interlopers = [completes]
    assert project.build() == ["T1"]
    assert project.end is not None
    assert (project.end.headline, project.end.completed, project.end.up_to_date) == ("complete", 0, 1)
    assert project.build() == []


def test_a_task_that_somebody_took_from_the_list_meanwhile_is_not_begun_again() -> None:
    project = Project("b: a", "c: x", files={"a": "1", "x": "1"})

    def removes() -> None:
        project.rules[:] = ["T2 c: x"]
        commits(project, a="2")

    project.repo.interlopers = [removes]
    assert project.build() == ["T1", "T2"]
    assert set(tip(project)) == {"a", "x", "c"}
    assert project.repo.text("b") is None


def test_one_of_two_that_wait_for_their_commit_is_overtaken_and_the_plan_read_when_nothing_runs() -> None:
    project = Reading("b: a [P]", "c: x [P]", "d: y [P]", files={"a": "1", "x": "1", "y": "1"})

    once = threading.Lock()

    def adds() -> None:
        if once.acquire(blocking=False):
            project.rules.append("e: x [P]")
            commits(project, a="2")

    def waits_and_adds() -> None:
        until(began(project, "T3"))  # so the first one is completed, and waits for its commit
        adds()

    meanwhile(project, "T2", waits_and_adds)
    meanwhile(project, "T3", lambda: until(lambda: project.warnings))
    project.repo.interlopers = [adds]  # where it did not wait that long
    ran = project.build(settings=TWO_AT_ONCE)
    assert sorted(ran) == ["T1", "T1", "T2", "T3", "T4"]
    assert project.warnings == ["the branch moved and changed what it reads or writes: once more"]
    assert project.readings == 2
    assert tip(project)["b"] == "T1(a=2)"
    assert [event.outcome for event in project.finished()] == ["completed"] * 4
    assert project.build() == []


# -- several at once


def test_tasks_that_run_at_once_are_told_with_places_of_their_own() -> None:
    project = Project("b: a [P]", "c: a [P]", files={"a": "1"})
    meanwhile(project, "T1", lambda: until(began(project, "T2")))
    project.build(settings=TWO_AT_ONCE)
    starts = [event for event in project.events if isinstance(event, TaskStarted)]
    assert sorted((start.position, start.worker) for start in starts) == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("marks", "order"),
    [("", ["start T3", "completed T1"]), ("[keep]", ["completed T1", "start T3"])],
)
def test_only_a_task_that_looks_at_head_waits_for_commits_before_it_starts(
    marks: str, order: list[str]
) -> None:
    project = Project("b: a [P]", "c: a [P]", f"d: a [P] {marks}", files={"a": "1"})
    meanwhile(project, "T2", lambda: until(ended(project, "T3")))
    project.build(settings=TWO_AT_ONCE)
    assert [each for each in told(project) if each in order] == order


def test_what_completed_first_is_recorded_first() -> None:
    project = Project("b: a [P]", "c: x [P] [keep]", "d: y [P]", files={"a": "1", "x": "1", "y": "1"})
    meanwhile(project, "T2", lambda: until(began(project, "T3")))  # so the first one waits for its commit
    meanwhile(project, "T3", lambda: until(ended(project, "T2")))
    project.build(settings=TWO_AT_ONCE)
    messages = [project.repo.commits[oid].message.splitlines()[0] for oid in project.repo.log()]
    assert messages[::-1][1:] == ["T1 T1", "T2 T2", "T3 T3"]


def test_a_plan_that_one_task_changed_is_read_though_another_completes_after_it() -> None:
    project = Reading("a: [P]", "b c: [P] [inferred]", "d: b", files={"x": "1"})
    project.executors.bodies["T2"] = writes("b", "made")
    meanwhile(project, "T1", lambda: until(ended(project, "T2")))
    project.build(settings=TWO_AT_ONCE)
    assert project.readings == 2
    assert sorted(project.executors.ran) == ["T1", "T2", "T3"]


def test_what_one_task_changed_of_an_earlier_ones_inputs_is_told_though_others_follow() -> None:
    project = Project("b: a", "c: x [keep] [any]", "d: x", files={"a": "1", "x": "1"})

    def meddles(sandbox: FakeSandbox, task: Task, repo: Repo) -> None:
        writes("c", "made")(sandbox, task, repo)
        writes("a", "2")(sandbox, task, repo)

    project.executors.bodies["T2"] = meddles
    assert project.build() == ["T1", "T2", "T3"]
    assert project.end is not None
    assert [name.id for name in project.end.left] == ["T1"]


# -- in line for a worker


class Heard(list[Event]):
    """Events, and by which threads tasks were said to start."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: dict[str, str] = {}

    def append(self, event: Event) -> None:
        super().append(event)
        if isinstance(event, TaskStarted):
            self.threads[event.task.id] = threading.current_thread().name

    @property
    def by_workers(self) -> list[str]:
        return sorted(id_ for id_, thread in self.threads.items() if thread.startswith("worker"))


def short(*rules: str) -> Project:
    """Each of eight tasks takes no time to speak of."""
    names = "bcdefghi"
    project = Project(*(rules or [f"{name}: a [P]" for name in names]), files={"a": "1"})
    project.tick = 0.01
    project.events = Heard()
    return project


def two_in_line(project: Project) -> Callable[[], bool]:
    """Arranges the first two tasks; while the next two run, it comes about that two more wait in line."""
    opened = project.workspaces.opened
    opened.clear()
    meanwhile(project, "T1", lambda: until(lambda: "T2" in opened))
    meanwhile(project, "T2", lambda: until(lambda: "T5" in opened))
    return lambda: "T6" in opened


def by_workers(project: Project) -> list[str]:
    assert isinstance(project.events, Heard)
    return project.events.by_workers


def test_where_tasks_are_short_workers_begin_the_next_by_themselves() -> None:
    project = short()
    assert sorted(project.build(settings=TWO_AT_ONCE)) == [f"T{number}" for number in range(1, 9)]
    assert by_workers(project)
    assert [event.outcome for event in project.finished()] == ["completed"] * 8
    starts = [event for event in project.events if isinstance(event, TaskStarted)]
    assert sorted(start.position for start in starts) == list(range(1, 9))
    assert {start.worker for start in starts} <= {1, 2}
    assert project.build() == []


def test_no_more_run_at_once_than_there_are_workers() -> None:
    project, at_once, most = short(), set[str](), list[int]()
    mutex = threading.Lock()

    def body(sandbox: FakeSandbox, task: Task, repo: Repo) -> None:
        with mutex:
            at_once.add(task.name.id)
            most.append(len(at_once))
        make(sandbox.files, task, repo, list(task.inputs))
        with mutex:
            at_once.discard(task.name.id)

    project.executors.bodies = {f"T{number}": body for number in range(1, 9)}
    project.build(settings=TWO_AT_ONCE)
    assert max(most) <= 2
    assert len(most) == 8


@pytest.mark.parametrize(
    ("how", "tick"),
    [
        (Settings(), 0.01),
        (TWO_AT_ONCE, 1.0),
        (replace(TWO_AT_ONCE, keep_going=False), 0.01),
        (replace(TWO_AT_ONCE, budget_usd=1.0), 0.01),
        (replace(TWO_AT_ONCE, run_hooks=True), 0.01),
    ],
    ids=["one worker", "long tasks", "the first failure ends all", "a budget", "git's hooks look at HEAD"],
)
def test_nothing_waits_in_line_where_that_might_matter(how: Settings, tick: float) -> None:
    project = short()
    project.tick = tick
    assert len(project.build(settings=how)) == 8
    assert by_workers(project) == []


def test_what_waits_in_line_counts_for_the_limit() -> None:
    project = short()
    assert len(project.build(settings=replace(TWO_AT_ONCE, limit=5))) == 5


def test_a_task_that_is_alone_does_not_wait_in_line_behind_others() -> None:
    project = short("b: a [P]", "c: a [P]", "d: a [P]", "e: a", "f: a [P]", "g: a [P]", "h: a")
    running: set[str] = set()
    seen: dict[str, set[str]] = {}

    def body(sandbox: FakeSandbox, task: Task, repo: Repo) -> None:
        running.add(task.name.id)
        seen[task.name.id] = set(running)
        make(sandbox.files, task, repo, list(task.inputs))
        seen[task.name.id] |= running
        running.discard(task.name.id)

    project.executors.bodies = {f"T{number}": body for number in range(1, 8)}
    project.build(settings=Settings(jobs=2, overlap="marked"))
    assert [seen["T4"], seen["T7"]] == [{"T4"}, {"T7"}]


def test_what_waits_in_line_is_put_back_where_a_signal_ends_the_run() -> None:
    project = short()
    project.build()  # one by one, so that all take as long
    before = project.targets()
    commits(project, a="2")
    waiting = two_in_line(project)

    def interrupted() -> None:
        until(waiting)
        interrupts(project)()
        assert project.builder is not None
        workers = project.builder._under_way._workers
        until(lambda: workers.cancelled)

    meanwhile(project, "T3", interrupted)
    meanwhile(project, "T4", interrupted)
    project.build(settings=TWO_AT_ONCE)
    assert project.end is not None
    assert project.end.exit_code == 130
    recorded = {event.task.id for event in project.finished() if event.outcome == "completed"}
    assert set(project.started) >= {event.task.id for event in project.finished()}
    assert recorded <= {"T1", "T2"}  # or one of them still waited for its commit
    made = {path for path, text in project.targets().items() if text != before[path]}
    assert made == {{"T1": "b", "T2": "c"}[id_] for id_ in recorded}


def test_what_waits_in_line_is_put_back_and_opened_anew_where_the_plan_is_read_again() -> None:
    rules = ["b: a [P]", "c: a [P]", "d: x [P]", *(f"{name}: a [P]" for name in "efghi")]
    project = Reading(*rules, files={"a": "1", "x": "1"})
    project.tick = 0.01

    waiting = two_in_line(project)

    def moved() -> None:
        until(waiting)
        commits(project, x="2")

    def put_back() -> None:
        until(lambda: project.warnings)
        assert project.builder is not None
        under_way = project.builder._under_way
        until(lambda: not under_way._line.positions)

    meanwhile(project, "T3", moved)
    for id_ in ("T4", "T5"):
        meanwhile(project, id_, put_back)
    project.build(settings=TWO_AT_ONCE)
    assert project.end is not None
    assert (project.end.headline, project.readings) == ("complete", 2)
    assert project.workspaces.opened.count("T6") == 2
    assert project.targets() == project.clean()
    assert project.build(settings=TWO_AT_ONCE) == []


# -- interrupts


def interrupts(project: Project, *further: Callable[[], object]) -> Callable[[], None]:
    def act() -> None:
        assert project.builder is not None
        project.builder.interrupt()
        for each in further:
            each()

    return act


def kept(project: Project) -> list[str]:
    return sorted(project.repo.why_kept.values())


def test_an_interrupted_task_is_kept_and_says_so() -> None:
    project = Project("b: a", files={"a": "1"})
    meanwhile(project, "T1", interrupts(project))
    project.build()
    assert kept(project) == ["tasks.md#T1: interrupted\n"]
    assert project.repo.text("b") is None
    told = finished(project, "T1")
    assert (told.outcome, told.error, told.partial) == ("skipped", "interrupted", *project.repo.why_kept)
    assert told.seconds > 0


def test_what_a_signal_finds_before_its_commit_is_told_as_interrupted() -> None:
    project = Project("b: a [P]", files={"a": "1"})
    project.repo.interlopers = [interrupts(project, lambda: moves(project))]
    project.build(settings=TWO_AT_ONCE)
    told = finished(project, "T1")
    assert (told.outcome, told.error, told.partial) == ("skipped", "interrupted", *project.repo.why_kept)


def test_a_task_is_told_as_broken_off_where_the_repository_ends_the_run() -> None:
    project = Project("b: a", files={"a": "1"})

    def full() -> None:
        raise RepositoryError("the disk is full")

    project.repo.interlopers = [full]
    project.build(settings=TWO_AT_ONCE)
    told = finished(project, "T1")
    assert (told.outcome, told.error) == ("skipped", "broken off with the run")
    assert project.end is not None
    assert project.end.exit_code == 4


def test_a_commit_that_a_signal_comes_into_counts_if_it_was_made() -> None:
    project = Project("b: a [P]", "c: a [P]", files={"a": "1"})
    meanwhile(project, "T2", lambda: until(lambda: not project.repo.interlopers))
    project.repo.interlopers = [interrupts(project)]
    project.build(settings=TWO_AT_ONCE)
    assert project.end is not None
    assert (project.end.exit_code, project.end.completed) == (130, 1)
    assert finished(project, "T1").commit is not None
    assert "b" in tip(project)


def moves(project: Project) -> None:
    commits(project, x="theirs")


def fails(_project: Project) -> None:
    raise OSError("no space left on device")


@pytest.mark.parametrize("befalls", [moves, fails])
def test_what_a_signal_finds_before_its_commit_is_kept_once(befalls: Callable[[Project], None]) -> None:
    project = Project("b: a [P]", files={"a": "1"})
    project.repo.interlopers = [interrupts(project, lambda: befalls(project))]
    project.build(settings=TWO_AT_ONCE)
    assert project.end is not None
    assert (project.end.exit_code, project.end.completed) == (130, 0)
    assert kept(project) == ["tasks.md#T1: interrupted\n"]
    assert "b" not in project.repo.disk


@pytest.mark.parametrize(("limit", "headline"), [(None, "failed"), (1, "partially complete")])
def test_an_interrupted_run_that_did_nothing_has_failed_unless_it_was_to_do_little(
    limit: int | None, headline: str
) -> None:
    project = Project("b: a", "c: a", files={"a": "1"})
    meanwhile(project, "T1", interrupts(project))
    project.build(settings=Settings(limit=limit))
    assert project.end is not None
    assert (project.end.headline, project.end.exit_code) == (headline, 130)
