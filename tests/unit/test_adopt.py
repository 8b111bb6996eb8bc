"""Adopting: what is recorded as done, what only gets a new line, and who is refused."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from fakes import PLAIN, FakeCommitter, FakeHistory, FakeTree, Project

from specbuild.engine import adopt as adopting
from specbuild.engine.adopt import Adoption, adopt
from specbuild.engine.checkpoint import ABSENT, Checkpoint, format_line, parse_lines
from specbuild.engine.judge import Judge
from specbuild.engine.ports import Record, Snapshot
from specbuild.engine.project import Project as EngineProject
from specbuild.engine.project import Settings
from specbuild.engine.task import Entry, Oid, RepoPath, Task
from specbuild.engine.transaction import Transactions, World
from specbuild.errors import RepositoryError, UsageError


class Books(FakeCommitter):
    """Remembers what it was to record."""

    records: Sequence[Record] = ()

    def commit(self, records: Sequence[Record], *, onto: Oid | None) -> Sequence[Oid]:
        self.records = records
        return super().commit(records, onto=onto)


class Ignoring(FakeTree):
    """git ignores `out` and what is below it."""

    def ignored(self, path: RepoPath) -> bool:
        return path.startswith("out")


def plan(
    project: Project, *ids: str, settings: Settings | None = None, tree: FakeTree | None = None
) -> tuple[Adoption, Transactions]:
    loaded, judge = project.load()
    tree = tree or FakeTree(project.repo)
    wanted = [p for p, task in enumerate(loaded.graph.tasks) if task.name.id in ids]
    world = World(tree, FakeHistory(project.repo), project.workspaces, Books(project.repo))
    return adopt(judge, wanted, tree), Transactions(loaded, judge, world, settings or Settings())


def records(project: Project, *ids: str, settings: Settings | None = None) -> Sequence[Record]:
    """Adopts; returns what it was that was recorded."""
    adoption, transactions = plan(project, *ids, settings=settings)
    adopting.commit(adoption, transactions)
    committer = transactions.world.committer
    assert isinstance(committer, Books)
    return committer.records


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
    assert (adoption.lines, adoption.renewed, adoption.warnings) == ({}, {}, ())
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


# -- who gets a new line


def test_a_task_below_whose_key_stays_gets_no_line() -> None:
    project = Project("b: a", "c: b", files={"a": "1"})
    project.build()
    project.repo.type("a", "2")
    assert set(take(project, "T1")) == {"T1"}
    assert project.build() == []


def test_a_stale_task_below_stays_stale() -> None:
    project = Project("b: a [keep]", "c: b x [keep]", files={"a": "1", "x": "1"})
    project.build()
    for path in "abx":
        project.repo.type(path, "2")
    assert set(take(project, "T1")) == {"T1"}
    assert project.verdicts()["T2"].stale


def test_a_generated_file_below_a_task_without_files_gets_a_new_line_and_is_not_made_again() -> None:
    project = Project(": a [keep]", "c: x [needs T1]", files={"a": "1", "x": "1"})
    project.build()
    project.repo.type("a", "2")
    assert set(take(project, "T1")) == {"T1", "T2"}
    assert project.build() == []


# -- what a line says


def test_a_line_says_what_one_of_a_run_would() -> None:
    rule = "b: a [reads r]"
    made, adopted = Project(rule, files={"a": "1"}), Project(rule, files={"a": "1"})
    made.build()
    adopted.repo.type("b", made.repo.text("b"))
    (run,) = parse_lines(made.repo.commits[made.repo.tip or ""].message.encode())
    assert run.reads == ("r",)
    assert take(adopted, "T1")["T1"] == replace(run, executor="adopt", seconds=0.0)


def test_a_renewed_line_keeps_its_results_and_has_the_present_key() -> None:
    project = Project("b: a [keep] [ticked]", "c: b [keep] [reads r]", files={"a": "1", "b": "mine"})
    project.build()
    (before,) = parse_lines(project.repo.commits[project.repo.tip or ""].message.encode())
    renewed = take(project, "T1")["T2"]
    verdict = project.verdicts()["T2"]
    assert verdict.state == "up-to-date"
    assert renewed.key == verdict.key != before.key
    assert renewed == replace(before, key=verdict.key, executor="adopt", seconds=0.0)


def test_a_renewed_line_has_the_present_name() -> None:
    project = Project("b: a [keep] [ticked]", "c: b [keep] [title Two]", files={"a": "1", "b": "mine"})
    project.build()
    project.rules[1] = f"T7 {project.rules[1]}"
    assert set(take(project, "T1")) == {"T1", "T7"}
    assert project.build() == []


def test_a_renewed_line_has_the_present_key_for_a_target_that_git_ignores_too() -> None:
    project = Project("b: a [keep] [ticked]", "c: b [keep]", files={"a": "1", "b": "mine"})
    project.build()
    made = project.repo.commits[project.repo.tip or ""]
    (line,) = parse_lines(made.message.encode())
    made.message = format_line(replace(line, targets={"c": line.key})) + "\n"
    renewed = take(project, "T1")["T2"]
    assert renewed.key != line.key
    assert renewed.targets == {"c": renewed.key}


def test_the_message_names_the_tasks_and_holds_their_lines_in_order() -> None:
    project = Project("b: [title One] [needs T2] [keep]", "d: c [title Two] [keep]", files={"c": "1"})
    project.repo.type("b", "x")
    project.repo.type("d", "y")
    adoption, transactions = plan(project, "T1", "T2")
    message = project.repo.commits[adopting.commit(adoption, transactions)].message
    subject, told, lines = message.split("\n\n")
    assert subject == "specbuild: adopt 2 tasks"
    assert told == "T1 One\nT2 Two"
    assert [line.name.id for line in parse_lines(lines.encode())] == ["T1", "T2"]
    assert lines.count("\n") == 2


def test_the_message_of_one_task_names_it() -> None:
    project = Project("b: a [keep] [ticked]", files={"a": "1", "b": "mine"})
    (record,) = records(project, "T1")
    assert record.message.startswith("specbuild: adopt T1\n\nT1 T1\n\n")


# -- what the commits take


def test_only_edits_are_committed_below_and_results_are_not_written_to_the_working_tree() -> None:
    project = Project("b: a [keep]", "d: c", "e: c", files={"a": "1", "c": "1", "e": "1", "x": "1"})
    project.build()
    for path in "abdx":
        project.repo.type(path, "typed")
    saved, adopted = records(project, "T1", "T2")
    typed = Entry(PLAIN, project.repo.store(b"typed"))
    assert (saved.changes, saved.edited) == ({"a": typed, "b": typed}, True)
    assert (adopted.changes, adopted.edited, adopted.in_place) == ({"d": typed}, False, False)
    assert project.repo.text("x") == "typed"


def test_where_nothing_is_edited_one_commit_is_made() -> None:
    project = Project("b: a [keep] [ticked]", files={"a": "1", "b": "mine"})
    (record,) = records(project, "T1")
    assert (record.changes, record.edited) == ({}, False)


def test_a_target_that_another_adopted_task_reads_is_a_result_and_no_edit() -> None:
    project = Project("b: a", "c: b x [keep]", files={"a": "1", "x": "1"})
    project.build()
    for path in "bcx":
        project.repo.type(path, "typed")
    saved, adopted = records(project, "T1", "T2")
    assert (set(saved.changes), set(adopted.changes)) == ({"c", "x"}, {"b"})


def test_a_removed_file_is_recorded_as_removed() -> None:
    project = Project(
        "b/: a", "d e: c [inferred]", files={"a": "1", "c": "1", "b/x": "1", "b/y": "1", "d": "1", "e": "1"}
    )
    for path in ("b/x", "e"):
        project.repo.type(path, None)
    project.repo.type("b/z", "new")
    (record,) = records(project, "T1", "T2")
    new = Entry(PLAIN, project.repo.store(b"new"))
    assert record.changes == {"b/x": None, "b/z": new, "e": None}


def test_what_git_ignores_is_no_part_of_the_commit_and_stands_by_the_key() -> None:
    project = Project("out/ b: a", files={"a": "1", "b": "1"})
    project.repo.disk["out/"] = project.repo.disk["b"]
    project.repo.type("out/x", "1")
    project.repo.type("b", "2")
    adoption, transactions = plan(project, "T1", tree=Ignoring(project.repo))
    assert adoption.warnings == ()
    line = adoption.lines[0]
    assert line.targets == {"out/": line.key, "b": project.repo.disk["b"].oid[:20]}
    oid = adopting.commit(adoption, transactions)
    files = project.repo.commits[oid].files
    assert files == {"a": project.repo.disk["a"], "b": project.repo.disk["b"]}


def test_what_git_ignores_and_is_not_there_is_missing() -> None:
    project = Project("out/x: a", files={"a": "1"})
    adoption, _ = plan(project, "T1", tree=Ignoring(project.repo))
    assert [refusal.why for refusal in adoption.refusals] == ["its target out/x is not there"]


def test_a_staged_version_of_what_is_adopted_is_kept() -> None:
    class Staging(FakeTree):
        def staged(self, path: RepoPath) -> Entry | None:
            return Entry(PLAIN, self.repo.store(f"staged {path}".encode()))

    project = Project("b: a [keep]", "d: c", files={"a": "1", "c": "1"})
    project.build()
    project.repo.type("b", "typed")
    project.repo.type("a", "typed")
    project.repo.type("d", "typed")
    adoption, transactions = plan(project, "T1", "T2", tree=Staging(project.repo))
    adopting.commit(adoption, transactions)
    (kept,) = project.repo.kept.values()
    assert set(kept) == {"a", "b", "d"}


def test_edits_are_refused_where_they_are_not_to_be_saved() -> None:
    project = Project("b: a [keep]", files={"a": "1"})
    project.build()
    project.repo.type("a", "typed")
    with pytest.raises(UsageError, match="a is edited and not committed"):
        records(project, "T1", settings=Settings(save_inputs=False))


class Ticking(Project):
    """Its task file is a line of ids, of which a tick makes capitals."""

    def load(self) -> tuple[EngineProject, Judge]:
        loaded, judge = super().load()

        def tick(task: Task, snapshot: Snapshot) -> dict[RepoPath, bytes]:
            data = snapshot.read("tasks.md") or b""
            id_ = task.name.id.lower().encode()
            return {"tasks.md": data.replace(id_, id_.upper())} if id_ in data else {}

        return replace(loaded, tick=tick), judge


@pytest.mark.parametrize(("settings", "text"), [(Settings(), "T1 T2 t3"), (Settings(tick=False), "t1 t2 t3")])
def test_boxes_of_adopted_tasks_are_ticked_unless_nobody_wants_that(settings: Settings, text: str) -> None:
    rules = ("b: a [keep]", "d: c [keep]", "f: e [keep]")
    project = Ticking(*rules, files={"tasks.md": "t1 t2 t3", **dict.fromkeys("abcdef", "1")})
    adopted = records(project, "T1", "T2", settings=settings)[-1]
    assert project.repo.text("tasks.md") == text
    assert ("tasks.md" in adopted.changes) is settings.tick


def test_a_box_is_ticked_in_the_task_file_as_it_was_edited() -> None:
    project = Ticking("b: tasks.md [keep]", files={"tasks.md": "t1", "b": "1"})
    project.repo.type("tasks.md", "t1 edited")
    saved, adopted = records(project, "T1")
    assert project.repo.blobs[(saved.changes["tasks.md"] or Entry(0, "")).oid] == b"t1 edited"
    assert project.repo.blobs[(adopted.changes["tasks.md"] or Entry(0, "")).oid] == b"T1 edited"


def test_a_branch_that_moves_meanwhile_ends_it_and_nothing_is_recorded() -> None:
    project = Project("b: a [keep] [ticked]", files={"a": "1", "b": "mine"})
    project.repo.interlopers = [lambda: project.repo.commit(dict(project.repo.disk), "a person's")]
    with pytest.raises(RepositoryError) as caught:
        records(project, "T1")
    assert str(caught.value) == "the branch moved meanwhile; nothing was recorded; run specbuild adopt again"
    assert project.verdicts()["T1"].state == "claimed"


# -- who is refused, and told what


def test_all_that_speaks_against_it_is_told_in_the_order_of_the_tasks() -> None:
    project = Project("a: x", "b: a", "p q: a b", "p: y", files={"x": "1", "y": "1"})
    assert refusals(project, "T3", "T4") == [
        "T3: it depends on T1, which is stale: run T1, or adopt it together with this one",
        "T3: it depends on T2, which is stale: run T2, or adopt it together with this one",
        "T3: T4 writes p after it, so its own result is not there",
        "T3: its target p, q is not there",
        "T4: its target p is not there",
    ]


def test_a_source_task_that_is_not_the_last_writer_is_not_refused_for_that() -> None:
    project = Project("p: a [keep]", "p: b [keep]", files={"a": "1", "b": "1", "p": "mine"})
    assert set(take(project, "T1")) == {"T1"}


def test_what_should_be_gone_and_is_there_refuses() -> None:
    project = Project("c b: a [absent b c]", files={"a": "1", "b": "1", "c": "1"})
    assert refusals(project, "T1") == ["T1: b, c should be gone, and is there"]


def test_what_should_be_gone_and_is_gone_is_recorded_as_absent() -> None:
    project = Project("b: a [absent b]", files={"a": "1"})
    assert take(project, "T1")["T1"].targets == {"b": ABSENT}
    assert project.build() == []


def test_all_that_is_missing_is_told_in_the_order_of_the_tasks() -> None:
    project = Project(
        "d e f/: a [keep] [inferred]", "b c: a [keep] [inferred]", files={"a": "1", "b": "1", "e": "1"}
    )
    adoption, _ = plan(project, "T2", "T1")
    assert adoption.warnings == ("T1: d is not there", "T1: f/ is not there", "T2: c is not there")
