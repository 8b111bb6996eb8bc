"""Rolling back: which commits go, in which order, and which tasks go along."""

from fakes import PLAIN, FakeSandbox, Project, Repo

from specbuild.engine.rollback import rollback
from specbuild.engine.task import Entry, Task


def taken(project: Project, id_: str) -> list[tuple[list[str], list[str]]]:
    loaded, judge = project.load()
    names = [task.name.id for task in loaded.graph.tasks]
    found = rollback(judge, names.index(id_))
    return [([names[p] for p in each.tasks], [names[p] for p in each.along]) for each in found]


def squash(project: Project, steps: int) -> None:
    """The newest commits as one."""
    messages = [project.repo.commits[oid].message for oid in project.repo.log()][:steps]
    files = dict(project.repo.disk)
    project.repo.reset(steps)
    project.repo.commit(files, "\n".join(messages))
    project.repo.disk = files


def test_a_task_goes_with_what_depends_on_it_newest_first_and_nothing_else() -> None:
    project = Project("b: a", "c: b", "d: c", "e: a", files={"a": "1"})
    project.build()
    assert taken(project, "T2") == [(["T3"], []), (["T2"], [])]
    assert taken(project, "T4") == [(["T4"], [])]


def test_an_edge_without_content_takes_nothing_with_it() -> None:
    project = Project("p: a [keep]", "p: b [keep]", files={"a": "1", "b": "1"})
    project.build()
    assert taken(project, "T1") == [(["T1"], [])]


def test_what_was_never_recorded_has_no_commit() -> None:
    project = Project("b: a", "c: b", files={"a": "1"})
    assert taken(project, "T1") == []
    project.build(only=["T1"])
    assert taken(project, "T1") == [(["T1"], [])]
    assert taken(project, "T2") == []


def test_tasks_of_one_commit_go_along_with_what_depends_on_them() -> None:
    project = Project("b: a", "c: a", "d: c", files={"a": "1"})
    project.build(only=["T1", "T2"])
    squash(project, 2)
    project.build()
    assert taken(project, "T1") == [([], ["T3"]), (["T1"], ["T2"])]


def test_a_dependent_that_was_not_run_again_goes_all_the_same() -> None:
    project = Project("b: a", "c: b", files={"a": "1"})

    def same(sandbox: FakeSandbox, _task: Task, repo: Repo) -> None:
        sandbox.files["b"] = Entry(PLAIN, repo.store(b"same"))

    project.executors.bodies["T1"] = same
    project.build()
    project.repo.type("a", "2")
    assert project.build() == ["T1"]
    assert taken(project, "T1") == [(["T1"], []), (["T2"], [])]


def test_stale_tasks_are_taken_back_by_the_checkpoint_that_counts() -> None:
    project = Project("b: a", "c: b", files={"a": "1"})
    project.build()
    project.repo.type("a", "2")
    assert taken(project, "T1") == [(["T2"], []), (["T1"], [])]
