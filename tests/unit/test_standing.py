"""Verdicts that are kept: what they looked at, and which of them still stand."""

import pickle
from dataclasses import replace

import pytest
from fakes import FakeHistory, FakeTree, Project

from specbuild.cli.shelf import PART, Shelf, Texts
from specbuild.cli.standing import Rows, Standing, depends_on_names, rows_of, still
from specbuild.engine.judge import Judge
from specbuild.engine.task import Mention, RepoPath, TaskName


def built(*rules: str, **files: str) -> Project:
    project = Project(*rules, files=files)
    project.build()
    return project


def kept(project: Project) -> tuple[Judge, Rows]:
    """As a look at the working tree keeps them."""
    judge = project.load()[1]
    return judge, rows_of(judge, FakeHistory(project.repo).snapshot(project.repo.tip or ""))


def looked(rows: Rows, position: int) -> set[RepoPath]:
    return {rows.paths[place] for place in rows.looked[rows.positions.index(position)]}


def standing(
    project: Project, rows: Rows, *, new: int = 0, doubtful: frozenset[RepoPath] | None = None
) -> list[int]:
    """Positions that stand in the working tree as it is now, the newest `new` checkpoints unknown so far."""
    recorded = FakeHistory(project.repo).checkpoints()[:new]
    return sorted(still(rows, project.load()[1].graph, FakeTree(project.repo), recorded, doubtful))


def test_a_verdict_looked_at_inputs_and_targets() -> None:
    _, rows = kept(built("b: a", "c: b", a="1"))
    assert looked(rows, 0) == {"a", "b"}
    assert looked(rows, 1) == {"c"}  # b comes along the edge, with the verdict that it depends on
    assert rows.well == {0, 1}


def test_it_looked_at_the_results_of_each_checkpoint_that_may_count() -> None:
    project = built("b: a", a="1")
    project.rules[0] = "c: a"
    project.build()
    _, rows = kept(project)
    assert looked(rows, 0) == {"a", "b", "c"}


def test_what_looks_at_more_than_single_files_is_not_kept() -> None:
    files = {"s/1": "1", "a": "1"}
    _, rows = kept(built("b: s/*", "c: s/", "d: s", "e: missing", "f: a", **files))
    assert rows.positions == (4,)


def test_a_verdict_about_the_environment_is_not_kept_even_where_it_no_longer_matters() -> None:
    project = built("b: a", a="1")
    now = project.load()[1]
    recorded = now.verdict(0).checkpoint
    assert recorded is not None
    of_then = recorded._replace(checkpoint=replace(recorded.checkpoint, local="f" * 20))
    history = FakeHistory(project.repo)
    known = {0: replace(now.verdict(0), checkpoint=of_then)}
    again = Judge(now.graph, now.snapshot, history, task_files={}, environment={}, known=known)
    assert rows_of(again, history.snapshot(project.repo.tip or "")).positions == ()
    assert rows_of(now, history.snapshot(project.repo.tip or "")).positions == (0,)


def test_all_stand_where_nothing_changed() -> None:
    project = built("b: a", "c: b", "e: d", a="1", d="1")
    _, rows = kept(project)
    assert standing(project, rows) == [0, 1, 2]


@pytest.mark.parametrize(
    ("path", "stand"), [("a", [2]), ("b", [2]), ("c", [0, 2]), ("d", [0, 1]), ("x", [0, 1, 2])]
)
def test_a_changed_file_takes_who_looked_at_it_and_who_depends_on_that(path: str, stand: list[int]) -> None:
    project = built("b: a", "c: b", "e: d", a="1", d="1")
    _, rows = kept(project)
    project.repo.type(path, "other")
    assert standing(project, rows) == stand


def test_it_takes_whoever_depends_on_it_along_any_number_of_edges() -> None:
    project = built("b: a", "c: b", "d: c", "e: d", a="1")
    _, rows = kept(project)
    project.repo.type("a", "other")
    assert standing(project, rows) == []


def test_a_new_checkpoint_takes_its_task_and_who_depends_on_it() -> None:
    project = built("b: a", "c: b", "e: d", a="1", d="1")
    project.repo.type("d", "2")
    _, rows = kept(project)
    assert project.build() == ["T3"]
    project.repo.type("d", "2")
    project.repo.type("e", None)
    assert 2 not in standing(project, rows, new=1)
    assert standing(project, replace_stood(project, rows), new=1) == [0, 1]


def replace_stood(project: Project, rows: Rows) -> Rows:
    """As if all files had stood there as they do now: so that nothing but checkpoints tells a difference."""
    tree = FakeTree(project.repo)
    return rows._replace(stood=tuple(tree.entry(path) for path in rows.paths))


def test_in_a_commit_only_what_differs_from_the_known_one_is_compared() -> None:
    project = built("b: a", "c: b", "e: d", a="1", d="1")
    _, rows = kept(project)
    project.repo.type("a", "2")
    project.repo.type("d", "2")
    assert standing(project, rows, doubtful=frozenset({"d"})) == [0, 1]


def test_in_a_commit_what_was_edited_then_is_compared_too() -> None:
    project = built("b: a", "e: d", a="1", d="1")
    committed = project.repo.disk["a"]
    project.repo.type("a", "edited")
    _, rows = kept(project)
    assert {rows.paths[place] for place in rows.apart} == {"a"}
    project.repo.disk["a"] = committed
    assert standing(project, rows, doubtful=frozenset()) == [1]


def test_what_stands_says_which_files_it_looked_at() -> None:
    project = built("b: a", "e: d", a="1", d="1")
    judge, rows = kept(project)
    found = Standing(rows, {1: 1})
    assert found.looked() == {"d", "e"}
    assert Standing(rows, {0: 0, 1: 1}).looked() == {"a", "b", "d", "e"}
    assert dict(found) == {1: judge.verdict(1)}
    assert not found.has_links


def test_prose_depends_on_names_until_a_checkpoint_recorded_its_paths() -> None:
    project = Project("b: a", files={"a": "1"})

    def asked(*, mentions: bool) -> bool:
        judge = project.load()[1]
        [task] = judge.graph.tasks
        text = replace(task.text, mentions=(Mention("a", "read", certain=True),) if mentions else ())
        judge.graph = replace(judge.graph, tasks=(replace(task, text=text),))
        return depends_on_names(judge, 0)

    assert not asked(mentions=False)
    assert asked(mentions=True)
    project.build()
    assert not asked(mentions=True)
    project.rules[0] = "b: a [def other]"
    assert asked(mentions=True)


# -- shelves ----------------------------------------------------------------------------------------


def names(count: int) -> list[TaskName]:
    return [TaskName("tasks.md", f"T{number}") for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, PART, PART + 1, 3 * PART - 1])
def test_a_shelf_is_the_sequence_that_it_was_made_of(count: int) -> None:
    values = names(count)
    shelf: Shelf[TaskName] = pickle.loads(pickle.dumps(Shelf.of(values)))
    assert [*shelf] == values
    assert len(shelf) == count
    assert [shelf[at] for at in range(-count, count)] == values + values
    assert shelf[1:-1] == values[1:-1]
    assert values == [] or values[-1] in shelf
    with pytest.raises(IndexError):
        shelf[count]
    with pytest.raises(IndexError):
        shelf[-count - 1]


def test_only_the_parts_that_are_asked_for_are_read() -> None:
    broken: Shelf[TaskName] = Shelf(
        2 * PART, [Shelf.of(names(PART))._parts[0], b"nothing that could be read"]
    )
    assert broken[PART - 1] == TaskName("tasks.md", f"T{PART - 1}")
    with pytest.raises(pickle.UnpicklingError):
        broken[PART]


def test_a_shelf_is_not_shelved_again() -> None:
    shelf = Shelf.of(names(3))
    assert Shelf.of(shelf) is shelf


def test_texts_are_those_of_the_tasks_and_their_own() -> None:
    tasks = Project("b: a", "c: b", files={}).load()[1].graph.tasks
    group = replace(tasks[0].text, group=True)
    texts: Texts = pickle.loads(pickle.dumps(Texts(tasks, [1, group, 0])))
    assert [*texts] == [tasks[1].text, group, tasks[0].text]
    assert texts[1:] == [group, tasks[0].text]
    assert len(texts) == 3
