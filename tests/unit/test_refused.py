"""A commit that a git hook refuses, as the loop sees it."""

from collections.abc import Callable
from typing import NoReturn

from fakes import Project

from specbuild.engine.events import TaskFinished, TaskOutput, TaskRetried
from specbuild.engine.ports import Refused
from specbuild.engine.project import Settings


def refusing(hook: str = "pre-commit", *, final: bool = False) -> Callable[[], NoReturn]:
    def refuse() -> NoReturn:
        raise Refused(hook, "T1 do", "ended with exit code 1", output="line 3 is too long\n", final=final)

    return refuse


def finished(project: Project, id_: str) -> TaskFinished:
    return next(event for event in project.finished() if event.task.id == id_)


def test_its_task_fails_and_is_undone_and_its_work_is_kept() -> None:
    project = Project("b: a", "c: b", files={"a": "1"})
    project.repo.interlopers = [refusing()]
    tip = project.repo.tip
    assert project.build(settings=Settings(run_hooks=True)) == ["T1"]
    failed = finished(project, "T1")
    assert failed.error == 'the pre-commit hook refuses the commit "T1 do": it ended with exit code 1'
    assert failed.partial is not None
    assert project.repo.kept[failed.partial].keys() == {"b"}
    assert finished(project, "T2").outcome == "blocked"
    assert project.repo.tip == tip
    assert project.repo.text("b") is None


def test_what_the_hook_said_is_told_as_the_tasks_output_and_to_the_next_attempt() -> None:
    project = Project("b: a [retries 1]", files={"a": "1"})
    project.repo.interlopers = [refusing()]
    assert project.build(settings=Settings(run_hooks=True)) == ["T1", "T1"]
    assert [event.text for event in project.events if isinstance(event, TaskOutput)] == [
        "line 3 is too long\n"
    ]
    [retried] = [event for event in project.events if isinstance(event, TaskRetried)]
    assert "the pre-commit hook refuses" in retried.error
    assert (finished(project, "T1").outcome, finished(project, "T1").attempts) == ("completed", 2)


def test_what_no_further_attempt_can_change_is_final() -> None:
    project = Project("b: a [retries 3]", files={"a": "1"})
    project.repo.interlopers = [refusing("commit-msg", final=True)]
    assert project.build(settings=Settings(run_hooks=True)) == ["T1"]
    assert finished(project, "T1").outcome == "failed"


def test_where_hooks_run_each_task_is_committed_alone() -> None:
    project = Project("b: a [P]", "c: a [P]", "d: a [P]", files={"a": "1"})
    calls: list[None] = []
    project.repo.interlopers = [lambda: calls.append(None)] * 9
    project.build(settings=Settings(run_hooks=True, jobs=3, overlap="all"))
    assert len(calls) == 3


def test_a_refusal_says_which_hook_what_commit_and_what_to_do() -> None:
    refusal = Refused("commit-msg", "T1 do", "left an empty message", output="why\n")
    assert refusal.exit_code == 1
    assert str(refusal) == (
        'the commit-msg hook refuses the commit "T1 do": it left an empty message; '
        "see to what it says; with run_hooks = false in [build] no hook is asked\nwhy"
    )
