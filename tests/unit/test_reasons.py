"""Why a task is stale, told in full: each reason with its data, and no reason besides."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import date

import pytest
from fakes import PLAIN, FakeHistory, FakeSandbox, FakeTree, Project, Repo, rule

from specbuild.engine.checkpoint import Checkpoint, Recorded, format_line, parse_lines
from specbuild.engine.graph import build as build_graph
from specbuild.engine.inputs import Inputs
from specbuild.engine.judge import Judge, recipe_parts
from specbuild.engine.key import digest
from specbuild.engine.merge import Conflict, Sides, merged
from specbuild.engine.record import Results
from specbuild.engine.result import of_folder
from specbuild.engine.task import Entry, Recipe, RepoPath, Task, TaskName
from specbuild.engine.verdict import Reason, Verdict


def built(*rules: str, bodies: Mapping[str, Mapping[str, str]] | None = None, **files: str) -> Project:
    project = Project(*rules, files=files)
    for id_, texts in (bodies or {}).items():
        project.executors.bodies[id_] = writing(texts)
    project.build()
    return project


def writing(texts: Mapping[str, str]) -> Callable[[FakeSandbox, Task, Repo], None]:
    def body(sandbox: FakeSandbox, _task: Task, repo: Repo) -> None:
        for path, text in texts.items():
            sandbox.files[path] = Entry(PLAIN, repo.store(text.encode()))

    return body


def reasons(project: Project, id_: str) -> list[Reason]:
    return list(project.verdicts()[id_].reasons)


def at(project: Project, path: RepoPath) -> str:
    """The result of a file on disk."""
    return project.repo.disk[path].oid[:20]


def name(id_: str) -> TaskName:
    return TaskName("tasks.md", id_)


def rewritten(project: Project, change: Callable[[Checkpoint], Checkpoint]) -> None:
    """Changes what the newest commit records."""
    assert project.repo.tip is not None
    commit = project.repo.commits[project.repo.tip]
    commit.message = "\n".join(format_line(change(line)) for line in parse_lines(commit.message.encode()))


# -- targets


def test_each_target_that_was_edited_or_is_missing_is_told_with_what_it_was() -> None:
    project = built("b c d e: a", a="1")
    old = {path: at(project, path) for path in "bcde"}
    project.repo.type("c", "mine")
    project.repo.type("d", None)
    assert reasons(project, "T1") == [
        Reason("target-edited", "c", old["c"], at(project, "c")),
        Reason("target-missing", "d", old["d"], "-"),
    ]


def test_a_target_that_a_later_task_wrote_hides_no_other() -> None:
    project = built("b c: a", "b: x", a="1", x="1")
    old = at(project, "c")
    project.repo.type("c", "mine")
    assert reasons(project, "T1") == [Reason("target-edited", "c", old, at(project, "c"))]


def test_a_folder_is_compared_as_a_whole() -> None:
    project = built("d/: a", bodies={"T1": {"d/1": "1", "d/2": "2"}}, a="1")
    assert reasons(project, "T1") == []
    tree = FakeTree(project.repo)
    old = of_folder("d/", tree.below("d/"))
    project.repo.type("d/2", "mine")
    assert reasons(project, "T1") == [Reason("target-edited", "d/", old, of_folder("d/", tree.below("d/")))]


def test_a_source_folder_that_is_gone_is_missing_until_that_is_committed() -> None:
    project = built("d/: a [keep]", bodies={"T1": {"d/1": "1"}}, a="1")
    old = of_folder("d/", project.repo.disk)
    project.repo.type("d/1", None)
    assert reasons(project, "T1") == [Reason("target-missing", "d/", old, "-")]
    project.repo.commit(dict(project.repo.disk), "gone")
    assert reasons(project, "T1") == []


def test_of_a_target_that_git_ignores_only_the_presence_counts_and_only_in_a_working_tree() -> None:
    project = built("b c: a", a="1")
    rewritten(project, lambda line: replace(line, targets={**line.targets, "b": line.key}))
    old = at(project, "c")
    project.repo.type("b", "whatever")
    assert reasons(project, "T1") == []
    project.repo.type("c", "mine")
    assert reasons(project, "T1") == [Reason("target-edited", "c", old, at(project, "c"))]
    project.repo.type("b", None)
    assert reasons(project, "T1")[0] == Reason("target-missing", "b")
    loaded, _ = project.load()
    files = {path: entry for path, entry in project.repo.disk.items() if path != "b"}
    elsewhere = FakeTree(project.repo, files)
    judge = Judge(loaded.graph, elsewhere, FakeHistory(project.repo), task_files={}, environment={})
    assert [reason.path for reason in judge.verdict(0).reasons] == ["c"]


# -- text, inputs, environment


def test_a_changed_text_is_told_with_both_definitions() -> None:
    project = built("b: a", a="1")
    old = project.load()[1].graph.tasks[0].text.definition
    project.rules[0] = "b: a [def other]"
    new = project.load()[1].graph.tasks[0].text.definition
    assert reasons(project, "T1") == [Reason("definition-changed", old=old, new=new)]


def test_a_file_that_is_gone_from_a_pattern_is_told() -> None:
    project = Project("b: s/*", files={"s/1": "1", "s/2": "2"})
    project.build()
    old = f"100644 {project.repo.disk['s/2'].oid}"
    project.repo.type("s/2", None)
    assert reasons(project, "T1") == [Reason("input-changed", "s/2", old, "missing")]


def test_an_input_that_is_no_longer_named_makes_stale_too() -> None:
    project = built("b: a x", a="1", x="1")
    project.rules[0] = "b: a"
    assert [reason.code for reason in reasons(project, "T1")] == ["executor-changed"]


def test_a_changed_input_and_environment_are_both_told() -> None:
    project = Project("b: a", files={"a": "1"})
    project.build()
    rewritten(project, lambda line: replace(line, local="0" * 20))
    project.repo.type("a", "2")
    assert [reason.code for reason in reasons(project, "T1")] == ["input-changed", "local-changed"]
    project.repo.type("a", "1")
    assert reasons(project, "T1") == [Reason("local-changed")]


# -- what edges carry: where only another input changed, that is the one reason


def only_its_input(project: Project, id_: str) -> bool:
    """Types `y` and says whether that alone makes the task stale."""
    project.repo.type("y", "2")
    return [(reason.code, reason.path) for reason in reasons(project, id_)] == [("input-changed", "y")]


def test_several_generated_inputs_that_are_as_they_were_are_no_reason() -> None:
    assert only_its_input(built("a: x", "b: x", "c: a b y", x="1", y="1"), "T3")


def test_one_of_several_files_of_a_task_is_read_alone() -> None:
    assert only_its_input(built("a aa: x", "b: a y", x="1", y="1"), "T2")


def test_a_needed_task_with_or_without_targets_is_no_reason() -> None:
    assert only_its_input(built("a aa: x", "b: y [needs T1]", x="1", y="1"), "T2")
    assert only_its_input(built("T1 : x", "b: y [needs T1]", x="1", y="1"), "T2")


def test_tasks_recorded_by_one_commit_knew_of_each_other() -> None:
    project = built("a: x", "b: a y", x="1", y="1")
    messages = [project.repo.commits[oid].message for oid in project.repo.log()][:-1]
    files = dict(project.repo.disk)
    project.repo.reset(2)
    project.repo.commit(files, "\n".join(messages))
    project.repo.disk = dict(files)
    assert only_its_input(project, "T2")


def test_a_claimed_task_was_carried_as_it_is() -> None:
    for mark in ("", " [keep]"):
        project = built("b bb: x [keep] [ticked]", f"c: b y{mark}", x="1", y="1", b="mine", bb="mine")
        assert only_its_input(project, "T2")


def test_a_source_file_that_was_edited_before_counts_for_a_source_task_as_it_was_recorded() -> None:
    project = Project("b: x [keep]", "c: b y [keep]", files={"x": "1", "y": "1"})
    project.build(only=["T1"])
    project.repo.type("b", "mine")
    project.repo.commit(dict(project.repo.disk), "edit")
    project.build()
    assert only_its_input(project, "T2")


def test_a_changed_result_is_told_with_task_path_and_both_results() -> None:
    project = built("a: x", "b: a", x="1")
    old = at(project, "a")
    project.repo.type("x", "2")
    project.build(only=["T1"])
    assert reasons(project, "T2") == [
        Reason("dependency-changed", "a", old, at(project, "a"), task=name("T1"))
    ]


def test_a_needed_task_that_makes_less_than_it_did_is_told_without_a_path() -> None:
    project = built("a c: x", "b: y [needs T1]", x="1", y="1")
    project.rules[0] = "a: x"
    project.build(only=["T1"])
    assert reasons(project, "T2") == [Reason("dependency-changed", task=name("T1"))]


def test_of_several_needed_files_the_one_that_changed_is_told() -> None:
    project = built("a c: x", "b: y [needs T1]", bodies={"T1": {"a": "same", "c": "one"}}, x="1", y="1")
    old = at(project, "c")
    project.repo.type("x", "2")
    project.executors.bodies["T1"] = writing({"a": "same", "c": "two"})
    project.build(only=["T1"])
    assert reasons(project, "T2") == [
        Reason("dependency-changed", "c", old, at(project, "c"), task=name("T1"))
    ]


# -- single questions


def test_what_is_assumed_is_up_to_date_and_newer_than_all_that_is_recorded() -> None:
    _, judge = Project("b: a", files={"a": "1"}).load()
    checkpoint = Checkpoint(name("T1"), "1" * 20, "2" * 20, "3" * 20, 0.0, "adopt")
    judge.assume(0, checkpoint)
    recorded = Recorded(checkpoint, commit="", order=-1, undone=False, time=0)
    assert judge.verdict(0) == Verdict("up-to-date", "1" * 20, "2" * 20, (), False, recorded)
    judge.forget(0)
    assert judge.verdict(0).state == "stale"


def test_only_a_source_task_that_writes_a_path_last_passes_its_bytes_on() -> None:
    _, judge = Project("a: x", "b: x [keep]", "c: x [keep]", "c: y [keep]", files={"x": "1"}).load()
    assert not judge.carries_bytes(0, "a")
    assert judge.carries_bytes(1, "b")
    assert not judge.carries_bytes(2, "c")
    assert judge.carries_bytes(3, "c")


def test_of_several_lines_in_one_commit_the_one_whose_results_its_tree_has_counts() -> None:
    """Also where the working tree has none of them any more, and beside a commit with one line."""
    project = built("b: a [keep]", a="1")
    project.repo.type("a", "2")
    project.build()
    lines = [
        project.repo.commits[oid].message
        for oid in project.repo.log()
        if "T1" in project.repo.commits[oid].message
    ]
    newest = project.repo.disk["b"]
    files = dict(project.repo.disk)
    while project.repo.tip is not None and project.repo.commits[project.repo.tip].parent is not None:
        project.repo.reset(1)
    project.repo.commit(files, "\n".join(reversed(lines)))
    project.repo.disk = dict(files)
    project.repo.type("a", "3")
    project.repo.type("b", "mine")
    counting = project.verdicts()["T1"].checkpoint
    assert counting is not None
    assert counting.checkpoint.targets == {"b": newest.oid[:20]}


# -- results laid over a moved tip


def entries(paths: Collection[RepoPath], digit: str) -> dict[RepoPath, Entry]:
    return {path: Entry(PLAIN, digit * 40) for path in paths}


def sides(
    base: Mapping[RepoPath, Entry], tip: Mapping[RepoPath, Entry], **more: Mapping[RepoPath, Entry | None]
) -> Sides:
    repo = Repo()
    laid, saved = more.get("laid", {}), more.get("saved", {})
    return Sides(FakeTree(repo, dict(base)), laid, FakeTree(repo, dict(tip)), saved)


def test_a_generated_tasks_targets_are_what_it_made_whatever_came_there() -> None:
    made = entries(["t"], "1")
    results = Results(made, removed=("gone",), extra={"t": made["t"], "e": made["t"]})
    tip = sides(entries(["t", "e", "gone"], "0"), entries(["t", "gone"], "2") | entries(["e"], "0"))
    found = merged(results, tip, lambda *_: None, own=False)
    assert found == results


def test_a_source_tasks_targets_are_merged_path_by_path() -> None:
    made = entries(["mine", "both"], "1")
    results = Results(made | entries(["same"], "0"), removed=("gone", "back"), extra={"x": None})
    base = entries(["mine", "both", "same", "gone", "back", "x", "dropped"], "0")
    asked: list[tuple[RepoPath, str, str, str]] = []

    def blobs(path: RepoPath, old: str, ours: str, theirs: str) -> str:
        asked.append((path, old[0], ours[0], theirs[0]))
        return "9" * 40

    tip = sides(base, entries(["mine", "gone", "back", "x"], "0") | entries(["both", "same"], "2"))
    found = merged(results, tip, blobs, own=True)
    assert asked == [("both", "0", "1", "2")]
    assert found.entries == entries(["mine"], "1") | entries(["both"], "9") | entries(["same"], "2")
    assert found.removed == ("gone", "back")
    assert found.extra == {"x": None}


def test_what_the_branch_removed_and_the_task_left_alone_stays_removed() -> None:
    base = entries(["t"], "0")
    found = merged(Results(dict(base)), sides(base, {}), lambda *_: None, own=True)
    assert (found.entries, found.removed) == ({}, ("t",))
    nothing = merged(Results({}), sides({}, {}), lambda *_: None, own=True)
    assert (nothing.entries, nothing.removed) == ({}, ())


def test_what_was_laid_over_the_start_and_saved_before_the_commit_counts_as_each_sides_own() -> None:
    old, new = entries(["t"], "0"), entries(["t"], "1")
    laid = sides(old, old, laid=new, saved=new)
    assert merged(Results(new), laid, lambda *_: None, own=True).entries == new
    assert (laid.start("t"), laid.theirs("t")) == (new["t"], new["t"])


# -- what a key is made of: whatever changes here makes every task of every user stale


def test_what_a_key_holds_of_a_recipe_is_fixed() -> None:
    task = replace(
        rule("T1 b: x", 0),
        recipe=Recipe("sh", "make {id} {target} {inputs} {nothing} {prompt_file}", 3),
        executor="agent",
        executor_blob="e" * 40,
        options={"z": 1, "a": ["x"]},
        template_blob="f" * 40,
    )
    parts = recipe_parts(task, Inputs(("x", "y"), (), ()))
    assert parts[:2] == ("sh", "make {id} {target} {inputs} {nothing} {prompt_file}")
    assert [part for part in parts[2:] if part.startswith(("id=", "target=", "inputs=", "prompt_file="))] == [
        'id="T1"',
        'inputs=["x", "y"]',
        f'prompt_file="{"f" * 40}"',
        'target="b"',
    ]
    assert parts[-3:] == ("agent", '{"a": ["x"], "z": 1}', "e" * 40)


def test_what_a_key_holds_where_there_is_nothing_to_hold() -> None:
    task = replace(rule("T1 b: x", 0), recipe=None, executor=None, options={})
    assert recipe_parts(task, Inputs((), (), ())) == ("", "", "", "{}", "")
    with_template = replace(task, options={"template": "t"}, template_blob="f" * 40)
    assert recipe_parts(with_template, Inputs((), (), ()))[-2:] == ("", "f" * 40)
    without = replace(task, options={"template": "t"}, recipe=Recipe("sh", "{prompt_file}", 1))
    assert recipe_parts(without, Inputs((), (), ()))[-1] == ""
    assert 'prompt_file=""' in recipe_parts(without, Inputs((), (), ()))


def test_options_that_are_no_json_are_told_as_text() -> None:
    task = replace(rule("T1 b: x", 0), options={"since": date(2026, 1, 2)})
    assert '{"since": "2026-01-02"}' in recipe_parts(task, Inputs((), (), ()))


def carried(project: Project, id_: str) -> list[tuple[RepoPath, str]]:
    """What the content edges into a task carry."""
    loaded, judge = project.load()
    position = loaded.graph.index[name(id_)]
    task = loaded.graph.tasks[position]
    return [pair for edge in loaded.graph.content(position) for pair in judge.carried(edge, task)]


def test_a_task_that_never_ran_carries_that_it_did_not() -> None:
    project = Project("a aa: x", "b: a", "c: y [needs T1]", files={"x": "1"})
    assert carried(project, "T2") == [("a", "none")]
    assert carried(project, "T3") == [("", "none")]


def test_a_claimed_task_carries_a_constant_or_its_bytes() -> None:
    files = {"x": "1", "a": "1", "aa": "2"}
    claim = "a aa: x [keep] [ticked]"
    project = Project(claim, "b: a [keep]", "c: y [keep] [needs T1]", "d: aa", "e: y [needs T1]", files=files)
    both = [("a", at(project, "a")), ("aa", at(project, "aa"))]
    assert carried(project, "T2") == [("a", "claimed")]
    assert carried(project, "T3") == [("", "claimed")]
    assert carried(project, "T4") == both[1:]
    assert carried(project, "T5") == both


def test_a_completed_task_carries_the_results_that_are_read_or_all_of_them() -> None:
    project = built("aa a: x", "b: a", "c: y [needs T1]", x="1", y="1")
    assert carried(project, "T2") == [("a", at(project, "a"))]
    assert carried(project, "T3") == [("a", at(project, "a")), ("aa", at(project, "aa"))]


def test_a_completed_task_without_targets_carries_its_key() -> None:
    project = built("T1 : x", "b: y [needs T1]", x="1", y="1")
    checkpoint = project.verdicts()["T1"].checkpoint
    assert checkpoint is not None
    assert carried(project, "T2") == [("", checkpoint.checkpoint.key)]


def test_a_target_that_a_checkpoint_does_not_name_carries_what_stands_there() -> None:
    project = built("a aa: x", "b: aa", x="1")
    loaded, _ = project.load()
    # The newest commit is T2's; T1's line is in the one before.
    assert project.repo.tip is not None
    parent = project.repo.commits[project.repo.tip].parent
    assert parent is not None
    [line] = parse_lines(project.repo.commits[parent].message.encode())
    project.repo.commits[parent].message = format_line(replace(line, targets={"a": line.targets["a"]}))
    assert loaded.graph.tasks[1].name == name("T2")
    assert carried(project, "T2") == [("aa", at(project, "aa"))]


def test_a_key_may_be_asked_of_another_tree() -> None:
    project = built("a: x [keep]", "b: a y", x="1", y="1")
    _, judge = project.load()
    now = judge.parts(1)
    other = dict(project.repo.disk)
    other["y"] = other["a"] = Entry(PLAIN, "7" * 40)
    then = judge.parts(1, FakeTree(project.repo, other))
    assert then.inputs == (("y", f"100644 {'7' * 40}"),)
    assert then.carried == (("a", "7" * 20),)
    assert (then.definition, then.recipe, then.written) == (now.definition, now.recipe, now.written)
    assert judge.parts(1) == now


def test_a_tasks_checkpoints_are_looked_for_once() -> None:
    project = built("b: a", a="1")
    _, judge = project.load()
    assert judge.checkpoints(0) is judge.checkpoints(0)
    assert len(judge.checkpoints(0)) == 1


# -- environment and ignored inputs; verdicts as wholes


class Ignoring(FakeTree):
    """A working tree in which git ignores `secret`."""

    def tracked(self, path: RepoPath) -> Entry | None:
        return None if path == "secret" else super().tracked(path)

    def ignored(self, path: RepoPath) -> bool:
        return path == "secret"


def judged(project: Project, *, env: tuple[str, ...] = (), **environment: str) -> Judge:
    loaded, _ = project.load()
    tasks = [replace(task, env=env) for task in loaded.graph.tasks]
    tree, history = Ignoring(project.repo), FakeHistory(project.repo)
    return Judge(build_graph(tasks), tree, history, task_files={}, environment=environment)


def test_the_local_digest_is_of_declared_values_by_name_and_of_ignored_inputs() -> None:
    project = Project("b: a secret", files={"a": "1", "secret": "s"})
    secret = f"100644 {project.repo.disk['secret'].oid}"
    assert judged(Project("b: a", files={"a": "1"}), HOME="h").local(0) == "-"
    assert judged(project).local(0) == digest("local 1", digest(), "secret", secret)
    found = judged(project, env=("Z", "A", "NONE"), A="1", Z="2", OTHER="3").local(0)
    assert found == digest("local 1", digest("A=1", "NONE=\0", "Z=2"), "secret", secret)


def test_a_verdict_has_key_and_local_digest_whatever_it_says() -> None:
    project = Project(
        "b: a", "c: a [keep] [ticked]", "d: c [keep] [ticked]", files={"a": "1", "c": "1", "d": "1"}
    )
    judge = judged(project, env=("A",), A="1")
    for position, state in enumerate(("stale", "claimed", "claimed")):
        verdict = judge.verdict(position)
        assert (verdict.state, verdict.checkpoint, verdict.may_run) == (state, None, False)
        assert (verdict.key, verdict.local) == (judge.parts(position).key(), judge.local(position))


def test_a_claimed_task_below_a_stale_one_may_run() -> None:
    project = Project("b: a", "c: b [keep] [ticked]", files={"a": "1", "c": "1"})
    assert project.verdicts()["T2"].may_run


def test_what_was_rolled_back_names_the_commit_and_what_changed_since() -> None:
    project = built("b: a", a="1")
    undone = project.repo.tip
    project.repo.revert()
    assert reasons(project, "T1") == [Reason("rolled-back", commit=undone)]
    old = project.repo.disk["a"].oid
    project.repo.type("a", "2")
    new = project.repo.disk["a"].oid
    assert reasons(project, "T1") == [
        Reason("rolled-back", commit=undone),
        Reason("input-changed", "a", f"100644 {old}", f"100644 {new}"),
    ]


def test_changes_are_told_against_the_checkpoint_that_counts() -> None:
    """After a roll-back of the newest the changes are since that one, though an older one still counts."""
    project = built("b: a", a="1")
    project.repo.type("a", "2")
    project.build()
    undone = project.repo.tip
    project.repo.revert()
    project.repo.type("a", "3")
    found = reasons(project, "T1")
    assert found[0] == Reason("rolled-back", commit=undone)
    assert [reason.code for reason in found[1:]] == ["input-changed"]
    two = f"100644 {project.repo.store(b'2')}"
    assert found[1].old == two


def test_documents_and_task_files_count_alike_in_another_tree() -> None:
    project = Project("b: tasks.md report", files={"tasks.md": "- [x]", "report": "r"})
    loaded, _ = project.load()
    judge = Judge(
        loaded.graph,
        FakeTree(project.repo),
        FakeHistory(project.repo),
        task_files={"tasks.md": lambda _path, data: data.replace(b"x", b" ")},
        environment={},
        never=("report",),
    )
    other = {**project.repo.disk, "tasks.md": Entry(PLAIN, project.repo.store(b"- [ ]"))}
    found = judge.look(0, FakeTree(project.repo, other)).committed
    assert found == judge.inputs(0).committed
    assert [path for path, _ in found] == ["tasks.md"]


def test_a_conflict_names_its_path() -> None:
    base, ours, theirs = (entries(["p"], digit) for digit in "012")
    with pytest.raises(Conflict) as caught:
        merged(Results(ours), sides(base, theirs), lambda *_: None, own=True)
    assert (caught.value.path, str(caught.value)) == ("p", "p")
    with pytest.raises(Conflict) as caught:
        merged(Results(ours), sides({}, theirs), lambda *_: None, own=True)
    assert caught.value.path == "p"


def test_other_changes_of_a_generated_task_are_merged() -> None:
    base, ours, theirs = (entries(["e"], digit) for digit in "012")
    found = merged(Results({}, extra=dict(ours)), sides(base, theirs), lambda *_: "9" * 40, own=False)
    assert found.extra == entries(["e"], "9")
    same = merged(Results(entries(["new"], "1")), sides({}, {}), lambda *_: None, own=True)
    assert (same.entries, same.removed) == (entries(["new"], "1"), ())
