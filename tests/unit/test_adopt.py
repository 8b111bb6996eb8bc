"""Adopting: what is recorded as done, what only gets a new line, and who is refused."""

from fakes import FakeCommitter, FakeHistory, FakeTree, Project

from specbuild.engine import adopt as adopting
from specbuild.engine.adopt import Adoption, adopt
from specbuild.engine.checkpoint import Checkpoint, parse_lines
from specbuild.engine.project import Settings
from specbuild.engine.transaction import Transactions, World


def plan(project: Project, *ids: str) -> tuple[Adoption, Transactions]:
    loaded, judge = project.load()
    tree = FakeTree(project.repo)
    wanted = [p for p, task in enumerate(loaded.graph.tasks) if task.name.id in ids]
    world = World(tree, FakeHistory(project.repo), project.workspaces, FakeCommitter(project.repo))
    return adopt(judge, wanted, tree), Transactions(loaded, judge, world, Settings())


def take(project: Project, *ids: str) -> dict[str, Checkpoint]:
    """Adopts; returns the lines of the commit by task."""
    adoption, transactions = plan(project, *ids)
    assert adoption.refusals == ()
    oid = adopting.commit(adoption, transactions)
    lines = list(parse_lines(project.repo.commits[oid].message.encode()))
    assert len({line.name for line in lines}) == len(lines)
    return {line.name.id: line for line in lines}


def refusals(project: Project, *ids: str) -> list[str]:
    adoption, _ = plan(project, *ids)
    assert not adoption.lines
    return [f"{task.id}: {why}" for task, why in adoption.refusals]


def test_a_claimed_task_is_recorded_as_it_stands() -> None:
    project = Project("b: a [keep] [ticked]", files={"a": "1", "b": "mine"})
    lines = take(project, "T1")
    assert (lines["T1"].executor, lines["T1"].seconds) == ("adopt", 0.0)
    assert lines["T1"].targets == {"b": project.repo.disk["b"].oid[:20]}
    assert project.verdicts()["T1"].state == "up-to-date"
    assert project.build() == []


def test_several_tasks_are_recorded_by_one_commit() -> None:
    project = Project(
        "b: a [keep] [ticked]", "d: c [keep] [ticked]", files={"a": "1", "b": "x", "c": "1", "d": "y"}
    )
    before = len(project.repo.commits)
    assert set(take(project, "T1", "T2")) == {"T1", "T2"}
    assert len(project.repo.commits) == before + 1


def test_what_is_up_to_date_is_not_recorded_again() -> None:
    project = Project("b: a", "d: c", files={"a": "1", "c": "1"})
    project.build()
    project.repo.type("c", "2")
    assert set(take(project, "T1", "T2")) == {"T2"}


def test_a_source_task_done_below_a_claim_gets_a_new_line_and_is_not_repeated() -> None:
    project = Project("b: a [keep] [ticked]", "c: b [keep]", files={"a": "1", "b": "mine"})
    assert project.build() == ["T2"]
    assert set(take(project, "T1")) == {"T1", "T2"}
    assert {id_: verdict.state for id_, verdict in project.verdicts().items()} == {
        "T1": "up-to-date",
        "T2": "up-to-date",
    }
    assert project.build() == []


def test_a_new_line_reaches_through_tasks_without_targets() -> None:
    project = Project(
        ": a [keep]", ": [keep] [needs T1]", "c: x [keep] [needs T2]", files={"a": "1", "x": "1"}
    )
    assert project.build() == ["T1", "T2", "T3"]
    project.repo.type("a", "2")
    assert set(take(project, "T1")) == {"T1", "T2", "T3"}
    assert project.build() == []


def test_a_generated_file_made_of_what_was_adopted_is_made_again() -> None:
    project = Project("b: a", "c: b", files={"a": "1"})
    project.build()
    project.repo.type("b", "mine")
    assert set(take(project, "T1")) == {"T1"}
    assert project.repo.text("b") == "mine"
    assert project.build() == ["T2"]
    assert "mine" in (project.repo.text("c") or "")
    assert project.repo.text("b") == "mine"


def test_a_source_file_written_from_an_edited_one_is_not_written_again() -> None:
    project = Project("b: a [keep]", "c: b [keep]", files={"a": "1"})
    project.build()
    project.repo.type("a", "2")
    project.repo.type("b", "mine")
    assert set(take(project, "T1")) == {"T1", "T2"}
    assert project.build() == []


def test_a_stale_dependency_refuses_unless_it_is_adopted_too() -> None:
    project = Project("b: a", "c: b", files={"a": "1"})
    project.build()
    project.repo.type("a", "2")
    project.repo.type("c", "mine")
    (refusal,) = refusals(project, "T2")
    assert refusal.startswith("T2: it depends on T1, which is stale")
    assert set(take(project, "T1", "T2")) == {"T1", "T2"}
    assert project.build() == []


def test_a_claimed_dependency_does_not_refuse() -> None:
    project = Project("b: a [keep] [ticked]", "c: b", files={"a": "1", "b": "mine", "c": "mine, too"})
    assert set(take(project, "T2")) == {"T2"}
    assert project.build() == []


def test_a_generated_task_that_is_not_the_last_writer_is_refused() -> None:
    project = Project("p: a", "p: b", files={"a": "1", "b": "1"})
    project.build()
    project.repo.type("a", "2")
    (refusal,) = refusals(project, "T1")
    assert refusal.startswith("T1: T2 writes p after it")


def test_a_declared_target_that_is_missing_refuses() -> None:
    project = Project("b: a", files={"a": "1"})
    assert refusals(project, "T1") == ["T1: its target b is not there"]


def test_an_inferred_target_that_is_missing_is_told_and_left_out() -> None:
    project = Project("b c: a [keep] [inferred] [ticked]", files={"a": "1", "b": "mine"})
    adoption, _ = plan(project, "T1")
    assert adoption.warnings == ("T1: c is not there",)
    assert set(adoption.lines[0].targets) == {"b"}


def test_a_file_that_was_there_before_its_task_is_taken_for_its_result() -> None:
    project = Project("b: a", files={"a": "1", "b": "by hand"})
    take(project, "T1")
    assert project.build() == []
    assert project.repo.text("b") == "by hand"


def test_edited_inputs_and_source_targets_are_committed_below_the_lines() -> None:
    project = Project("b: a [keep]", "d: c", files={"a": "1", "c": "1"})
    project.build()
    for path in "abcd":
        project.repo.type(path, "typed")
    oid = adopting.commit(*plan(project, "T1", "T2"))
    parent = project.repo.commits[oid].parent
    assert parent is not None
    saved = project.repo.commits[parent]
    assert saved.message == "specbuild: save edited inputs\n"
    typed = project.repo.store(b"typed")
    assert [path for path in "abcd" if saved.files[path].oid == typed] == ["a", "b", "c"]
    assert project.repo.commits[oid].files["d"].oid == typed
    assert project.build() == []


def test_adopted_results_are_never_reused() -> None:
    project = Project("b: a", files={"a": "1", "b": "by hand"})
    take(project, "T1")
    project.repo.type("a", "2")
    assert project.build() == ["T1"]
    project.repo.type("a", "1")
    assert project.build() == ["T1"]
    assert project.targets() == project.clean()
