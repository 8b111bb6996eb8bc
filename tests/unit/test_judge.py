"""Verdicts and reasons of SPEC section 5, on trees and histories in memory."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from fakes import FakeHistory, FakeTree, Project

from specbuild.engine.checkpoint import Checkpoint, Recorded, disarm, format_line, parse_lines
from specbuild.engine.judge import Judge
from specbuild.engine.key import digest
from specbuild.engine.task import TaskName
from specbuild.engine.verdict import Reason


def built(*rules: str, **files: str) -> Project:
    project = Project(*rules, files=files)
    project.build()
    return project


def test_never_run() -> None:
    assert Project("b: a", files={"a": "1"}).reasons("T1") == ["never-run"]


def test_a_changed_text() -> None:
    project = built("b: a", a="1")
    project.rules[0] = "b: a [def other]"
    assert project.reasons("T1") == ["definition-changed"]


def test_a_changed_input_names_path_and_blobs() -> None:
    project = built("b: a", a="1")
    before = project.repo.disk["a"].oid
    project.repo.type("a", "2")
    [reason] = project.verdicts()["T1"].reasons
    assert (reason.code, reason.path) == ("input-changed", "a")
    assert (reason.old, reason.new) == (f"100644 {before}", f"100644 {project.repo.disk['a'].oid}")


def test_a_removed_input() -> None:
    project = built("b: a", a="1")
    project.repo.type("a", None)
    [reason] = project.verdicts()["T1"].reasons
    assert (reason.code, reason.new) == ("input-changed", "missing")


def test_a_new_file_under_a_pattern() -> None:
    project = built("b: s/*.txt", **{"s/1.txt": "1"})
    project.repo.type("s/2.txt", "2")
    [reason] = project.verdicts()["T1"].reasons
    assert (reason.code, reason.path, reason.old) == ("input-changed", "s/2.txt", "missing")
    assert project.build() == ["T1"]
    project.repo.type("s/3.md", "3")
    assert project.reasons("T1") == []


def test_a_changed_recipe_of_a_generated_task() -> None:
    project = built("b: a", a="1")
    project.rules[0] = "b: a [recipe harder]"
    assert project.reasons("T1") == ["executor-changed"]


def test_a_changed_recipe_leaves_an_edited_task_alone() -> None:
    project = built("b: a [keep]", a="1")
    project.rules[0] = "b: a [keep] [recipe harder]"
    assert project.reasons("T1") == []


def test_a_changed_recipe_and_input_are_both_told() -> None:
    project = built("b: a", a="1")
    project.rules[0] = "b: a [recipe harder]"
    project.repo.type("a", "2")
    assert project.reasons("T1") == ["input-changed", "executor-changed"]


def test_a_changed_dependency_names_the_task_and_its_result() -> None:
    project = built("b: a", "c: b [keep]", a="1")
    project.repo.type("a", "2")
    project.build(only=["T1"])
    [reason] = project.verdicts()["T2"].reasons
    assert (reason.code, reason.path, reason.task) == ("dependency-changed", "b", TaskName("tasks.md", "T1"))
    assert reason.old != reason.new


def test_below_a_stale_task_one_may_run() -> None:
    project = built("b: a", "c: b", "d: c", "e: x", a="1", x="1")
    project.repo.type("a", "2")
    verdicts = project.verdicts()
    assert [verdicts[id_].may_run for id_ in ("T1", "T2", "T3", "T4")] == [False, True, True, False]
    assert verdicts["T2"].state == "up-to-date"


def test_below_a_task_that_never_ran_one_is_stale() -> None:
    project = built("b: a", "c: b", a="1")
    project.rules = ["T1 b: a", "T9 z: a", "T2 c: b z"]
    assert "dependency-changed" in project.reasons("T2")


def test_environment_values_that_are_declared_are_compared_in_a_working_tree_only() -> None:
    project = built("b: a", a="1")
    loaded, _ = project.load()
    tasks = tuple(replace(task, env=("MODE",)) for task in loaded.graph.tasks)
    graph = replace(loaded.graph, tasks=tasks)

    def judge(mode: str, tree: FakeTree) -> Judge:
        return Judge(graph, tree, FakeHistory(project.repo), task_files={}, environment={"MODE": mode})

    assert project.repo.tip is not None
    commit = FakeTree(project.repo, project.repo.commits[project.repo.tip].files)
    assert [str(r.code) for r in judge("x", FakeTree(project.repo)).verdict(0).reasons] == ["local-changed"]
    assert judge("x", commit).verdict(0).reasons == ()
    assert judge("x", commit).local(0) != judge("y", commit).local(0)


def test_a_deleted_source_file_is_missing_until_the_deletion_is_committed() -> None:
    project = built("b: a [keep]", a="1")
    project.repo.type("b", None)
    assert project.reasons("T1") == ["target-missing"]
    project.repo.commit(dict(project.repo.disk), "away with it")
    assert project.reasons("T1") == []


def test_only_the_last_writers_result_is_compared_with_the_tree() -> None:
    project = built("p: a", "p: b", a="1", b="1")
    project.repo.type("p", "mine")
    assert project.reasons("T1") == []
    assert project.reasons("T2") == ["target-edited"]


def test_a_rolled_back_task_says_so_alone_and_with_what_else_changed() -> None:
    project = built("b: a", a="1")
    project.repo.revert()
    verdict = project.verdicts()["T1"]
    assert [reason.code for reason in verdict.reasons] == ["rolled-back"]
    assert verdict.checkpoint is None
    project.repo.type("a", "2")
    assert project.reasons("T1") == ["rolled-back", "input-changed"]


def test_going_back_behind_a_revert_makes_the_older_checkpoint_count() -> None:
    project = built("b: a", a="1")
    project.repo.type("a", "2")
    project.build()
    project.repo.revert()
    project.repo.type("a", "1")
    assert project.verdicts()["T1"].state == "up-to-date"


def test_a_task_without_targets_passes_its_key_on() -> None:
    project = built("T1: a", "T2 c: [needs T1]", a="1")
    project.repo.type("a", "2")
    assert project.build() == ["T1", "T2"]


def test_needs_carries_all_targets() -> None:
    project = built("T1 b c: a", "T2 d: [needs T1]", a="1")
    project.repo.type("a", "2")
    assert project.build() == ["T1", "T2"]
    assert project.build() == []


def test_a_claimed_task_carries_bytes_into_generated_ones_and_a_constant_into_others() -> None:
    project = Project("b: a [keep] [ticked]", "c: b", "d: b [keep]", files={"a": "1", "b": "1"})
    project.build()
    project.repo.type("b", "2")
    assert project.reasons("T2") == ["dependency-changed"]
    assert project.reasons("T3") == []


def test_a_ticked_generated_task_is_not_believed() -> None:
    assert Project("b: a [ticked]", files={"a": "1"}).reasons("T1") == ["never-run"]


def test_a_renumbered_task_keeps_its_checkpoint() -> None:
    project = built("T1 b: a [title one]", "T2 c: b [title two]", a="1")
    project.rules = ["T7 b: a [title one]", "T8 c: b [title two]"]
    assert {id_: verdict.state for id_, verdict in project.verdicts().items()} == {
        "T7": "up-to-date",
        "T8": "up-to-date",
    }


def test_of_two_tasks_with_one_text_each_has_its_own_checkpoint() -> None:
    project = built("T1 b: a [title same]", "T2 c: a [title same]", a="1")
    assert project.build() == []
    assert {v.checkpoint.checkpoint.name.id for v in project.verdicts().values() if v.checkpoint} == {
        "T1",
        "T2",
    }


def squashed(project: Project) -> None:
    """All commits but the first as one, as `git merge --squash` words it."""
    messages = [project.repo.commits[oid].message for oid in project.repo.log()][:-1]
    files = dict(project.repo.disk)
    project.repo.reset(len(messages))
    indented = "\n".join(f"    {line}" for message in messages for line in message.splitlines())
    project.repo.commit(files, f"Squashed commit of the following:\n\n{indented}\n")
    project.repo.disk = dict(files)


def test_after_a_squash_nothing_is_stale() -> None:
    project = built("p: a", "q: p", "p: b", a="1", b="1")
    project.repo.type("a", "2")
    project.build()
    squashed(project)
    assert project.build() == []


def test_of_several_lines_of_an_edited_task_in_one_commit_those_count_that_its_tree_has() -> None:
    project = built("b: a [keep]", "c: b [keep]", a="1")
    project.repo.type("a", "2")
    project.build()
    squashed(project)
    assert {v.state for v in project.verdicts().values()} == {"up-to-date"}


class Forked(FakeHistory):
    """A history in which no checkpoint is older than another: two sides of a merge."""

    def supersedes(self, newer: Recorded, older: Recorded) -> bool:
        return False


def test_after_a_merge_any_checkpoint_that_fits_counts() -> None:
    project = built("b: a", a="1")
    project.repo.type("a", "2")
    project.build()
    project.repo.type("a", "1")
    project.repo.disk["b"] = project.repo.commits[list(project.repo.log())[-2]].files["b"]
    loaded, _ = project.load()
    judge = Judge(loaded.graph, FakeTree(project.repo), Forked(project.repo), task_files={}, environment={})
    assert judge.verdict(0).state == "up-to-date"
    assert project.verdicts()["T1"].state == "stale"


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        (Reason("never-run"), "never-run: no commit records that it ran"),
        (Reason("input-changed", "a", "100644 " + "1" * 40, "missing"), "input-changed: a (1111111 -> missing)"),
        (Reason("dependency-changed", "b", "1" * 20, "-", task=TaskName("f", "T1")),
         "dependency-changed: T1 b (1111111 -> absent)"),
        (Reason("rolled-back", commit="abcdef0123"), "rolled-back: its checkpoint abcdef0 was reverted"),
    ],
)  # fmt: skip
def test_a_reason_prints_as_one_line(reason: Reason, line: str) -> None:
    assert str(reason) == line


def test_a_reason_in_json_has_only_what_applies() -> None:
    assert Reason("input-changed", "a", "x", "y", task=TaskName("f", "T1")).to_json() == {
        "code": "input-changed",
        "path": "a",
        "old": "x",
        "new": "y",
        "task": "f#T1",
    }


CHECKPOINT = Checkpoint(
    name=TaskName("specs/ü x/tasks.md", "T1"),
    key="0" * 20,
    local="-",
    definition="1" * 20,
    seconds=1.5,
    executor="shell",
    targets={"z a=b\n": "2" * 20, "a%": "-"},
    reads=("r\udcff",),
)


def test_a_checkpoint_line_is_ascii_and_reads_back_in_order() -> None:
    line = format_line(CHECKPOINT)
    assert line.isascii()
    assert "\n" not in line
    [found] = parse_lines(f"T1 title\n\n    {line}\r\n".encode())
    assert found == CHECKPOINT
    assert list(found.targets) == ["z a=b\n", "a%"]


@pytest.mark.parametrize(
    "line",
    [
        "Specbuild-Checkpoint: v2 " + "0" * 20,
        "Specbuild-Checkpoint: v1 short - " + "1" * 20 + " 1.0 shell f#T1",
        "Specbuild-Checkpoint: v1 " + "0" * 20 + " - " + "1" * 20 + " 1.0 shell noname",
        "Specbuild-Checkpoint: v1 " + "0" * 20 + " - " + "1" * 20 + " soon shell f#T1",
        "Specbuild-Checkpoint: v1 " + "0" * 20 + " - " + "1" * 20 + " 1.0 shell f#T1 t:a",
        "Specbuild-Checkpoint: v1 " + "0" * 20 + " - " + "1" * 20 + " 1.0 shell f#T1 x:a",
        "x Specbuild-Checkpoint: v1 " + "0" * 20 + " - " + "1" * 20 + " 1.0 shell f#T1",
    ],
)
def test_a_malformed_or_later_line_is_passed_over(line: str) -> None:
    assert list(parse_lines(line.encode())) == []


def test_a_title_cannot_forge_a_line() -> None:
    forged = disarm("harmless\n  specbuild-checkpoint: v1 " + "0" * 20)
    assert list(parse_lines(forged.encode())) == []
    assert list(parse_lines(disarm(format_line(CHECKPOINT)).encode())) == []


def test_no_two_sequences_have_one_digest() -> None:
    assert digest("ab", "c") != digest("a", "bc")
    assert digest() != digest("")
    assert len(digest("x")) == 20


def renewed(
    project: Project, id_: str, touched: set[str], *, after: Callable[[Judge], object] | None = None
) -> bool:
    """Whether a judge that has judged all tasks looks again at one of them when its turn comes."""
    _, judge = project.load()
    before = judge.all()
    if after is not None:
        after(judge)
    position = judge.graph.index[TaskName("tasks.md", id_)]
    judge.renew(position, touched)
    return judge.verdict(position) is not before[position]


def test_a_verdict_stands_while_nothing_that_it_looked_at_was_touched() -> None:
    project = built("b: a", "c: b", a="1")
    assert not renewed(project, "T1", set())
    assert not renewed(project, "T1", {"x", "c"})


@pytest.mark.parametrize("touched", ["a", "b"])
def test_a_touched_input_or_target_is_looked_at_again(touched: str) -> None:
    assert renewed(built("b: a", a="1"), "T1", {touched})


def test_what_depends_on_a_task_that_was_recorded_is_judged_again_and_so_on() -> None:
    project = built("b: a", "c: b", "d: c", "e: a", a="1")

    def forget(judge: Judge) -> None:
        judge.forget(0)

    assert renewed(project, "T2", set(), after=forget)
    assert not renewed(project, "T4", set(), after=forget)

    def again(judge: Judge) -> None:
        judge.forget(0)
        judge.renew(1, set())

    assert renewed(project, "T3", set(), after=again)


def test_who_looks_at_more_than_single_files_is_always_judged_again() -> None:
    assert renewed(built("b: s/*.txt", **{"s/1.txt": "1"}), "T1", set())
    assert renewed(built("b: s/", **{"s/1.txt": "1"}), "T1", set())
    assert renewed(Project("b: a"), "T1", set())  # what is missing may come as a folder


def test_verdicts_that_are_known_are_not_found_again() -> None:
    project = built("b: a", "c: b", a="1")
    loaded, judge = project.load()
    known = judge.verdict(0)
    history = FakeHistory(project.repo)
    other = Judge(
        loaded.graph, FakeTree(project.repo), history, task_files={}, environment={}, known={0: known}
    )
    assert other.verdict(0) is known
    other.renew(0, set())
    assert other.verdict(0) is known
    other.renew(0, {"a"})
    assert other.verdict(0) is not known
    assert other.all() == judge.all()


def test_what_is_known_to_be_up_to_date_is_so_until_it_is_forgotten() -> None:
    project = built("b: a", "c: b", a="1")
    loaded, judge = project.load()
    known = {position: judge.verdict(position) for position in (0, 1)}
    project.repo.type("a", "2")
    tree, history = FakeTree(project.repo), FakeHistory(project.repo)
    other = Judge(
        loaded.graph, tree, history, task_files={}, environment={}, known=known, well=frozenset({0})
    )
    assert other.is_up_to_date(0)
    assert other.is_up_to_date(1)  # its verdict says so
    other.forget(0)
    assert not other.is_up_to_date(0)
    other.forget(1)
    assert other.verdict(1).may_run
