"""Ids that texts name, as tasks: over several files, of groups, unknown and ambiguous ones."""

from dataclasses import replace

import pytest

from specbuild.engine.needs import resolve_needs
from specbuild.engine.task import Need, TaskName, TaskText
from specbuild.errors import Problems, TaskFileError


def text(
    id_: str,
    *needs: str,
    file: str = "a.md",
    mentions: str = "",
    group: bool = False,
    parent: str | None = None,
) -> TaskText:
    """A task on line 7 whose clauses name `needs` on line 8, and whose prose names `mentions`."""
    named = [Need(need, True, 8) for need in needs] + [Need(need, False, 7) for need in mentions.split()]
    base = TaskText(TaskName(file, id_), 7, id_, "0" * 20, "", 0)
    return replace(base, needs=tuple(named), group=group, parent=parent)


def resolved(*texts: TaskText) -> dict[str, list[str]]:
    return {str(name): [str(need) for need in needs] for name, needs in resolve_needs(texts).items()}


def refusal(*texts: TaskText) -> TaskFileError:
    with pytest.raises(TaskFileError) as caught:
        resolve_needs(texts)
    return caught.value


def test_a_need_is_the_task_of_that_id_wherever_it_stands() -> None:
    assert resolved(text("T1", "T2"), text("T2")) == {"a.md#T1": ["a.md#T2"], "a.md#T2": []}


def test_case_does_not_matter() -> None:
    assert resolved(text("T1a"), text("T2", "t1A"))["a.md#T2"] == ["a.md#T1a"]
    assert resolved(text("T1a"), text("T2", "a.md#t1A"))["a.md#T2"] == ["a.md#T1a"]


def test_an_id_means_the_own_files_task_before_another_files() -> None:
    found = resolved(text("T1"), text("T1", file="b.md"), text("T2", "T1", file="b.md"))
    assert found["b.md#T2"] == ["b.md#T1"]


def test_an_id_that_only_another_file_has_is_that_files_task() -> None:
    assert resolved(text("T1"), text("T2", "T1", file="b.md"))["b.md#T2"] == ["a.md#T1"]


def test_a_full_name_reaches_over_an_own_task_of_that_id() -> None:
    found = resolved(text("T1"), text("T1", file="b.md"), text("T2", "a.md#T1", file="b.md"))
    assert found["b.md#T2"] == ["a.md#T1"]


def test_a_generated_id_begins_with_a_hash_and_names_no_file() -> None:
    assert resolved(text("#12ab34"), text("T2", "#12ab34"))["a.md#T2"] == ["a.md##12ab34"]


def test_of_a_repeated_id_in_one_file_the_first_is_meant() -> None:
    found = resolve_needs([text("T1"), text("T1", "T3"), text("T2", "T1"), text("T3")])
    assert found[TaskName("a.md", "T2")] == (TaskName("a.md", "T1"),)


def test_a_repeated_need_counts_once_and_the_order_is_as_written() -> None:
    found = resolved(text("T1"), text("T2"), text("T3", "T2", "T1", "T2"))
    assert found["a.md#T3"] == ["a.md#T2", "a.md#T1"]


def test_a_group_stands_for_its_children_all_the_way_down_and_never_for_the_task_itself() -> None:
    found = resolved(
        text("1", group=True),
        text("1.1", parent="1"),
        text("1.2", parent="1", group=True),
        text("1.2.1", parent="1.2"),
        text("1.3", "1", parent="1"),
        text("1.1", file="b.md", parent="1"),
    )
    assert found["a.md#1.3"] == ["a.md#1.1", "a.md#1.2.1"]


def test_a_task_that_needs_itself_needs_nothing() -> None:
    assert resolved(text("T1", "T1")) == {"a.md#T1": []}


def test_a_mention_counts_only_of_an_earlier_task_and_an_unknown_one_is_text() -> None:
    found = resolved(text("T1", mentions="T2"), text("T2", mentions="T2 T1 T9"))
    assert found == {"a.md#T1": [], "a.md#T2": ["a.md#T1"]}


def test_a_mention_that_several_tasks_answer_to_is_text() -> None:
    found = resolved(text("T1"), text("T1", file="b.md"), text("T2", mentions="T1", file="c.md"))
    assert found["c.md#T2"] == []


def test_what_follows_an_unknown_need_is_still_looked_at() -> None:
    with pytest.raises(Problems) as caught:
        resolve_needs([text("T1", "T8", "T9")])
    assert [str(problem) for problem in caught.value.errors] == [
        str(refusal(text("T1", "T8"))),
        str(refusal(text("T1", "T9"))),
    ]


def test_an_unknown_need_says_where_it_stands_and_names_the_nearest_id_as_it_is_written() -> None:
    error = refusal(text("T001"), text("T123"), text("T2", "T0O1"))
    assert error.what == "T2 needs 'T0O1', which no task is called"
    assert error.where == "a.md:8"
    assert error.hint == "the nearest known one is T001"


def test_the_nearest_id_is_sought_whatever_the_case_and_however_far() -> None:
    assert refusal(text("TASK-1"), text("T2", "task-9")).hint == "the nearest known one is TASK-1"
    assert refusal(text("T1"), text("T2", "zzz")).hint == "the nearest known one is T1"


def test_the_task_itself_is_not_what_it_may_have_meant() -> None:
    assert refusal(text("T2"), text("T13", "T12")).hint == "the nearest known one is T2"
    assert refusal(text("T13", "T12")).hint == "the file has no other task"


def test_the_nearest_id_is_one_of_the_same_file() -> None:
    error = refusal(text("T001"), text("T002", "T001x", file="b.md"), text("T999", file="b.md"))
    assert error.hint == "the nearest known one is T999"


def test_a_need_that_several_files_answer_to_names_them() -> None:
    error = refusal(text("T1"), text("T1", file="b.md"), text("T2", "T1", file="c.md"))
    assert error.what == "T2 needs 'T1', which several tasks are called"
    assert error.where == "c.md:8"
    assert error.hint == "write one of a.md#T1, b.md#T1"


def test_a_full_name_of_an_unknown_file_is_unknown() -> None:
    assert refusal(text("T1"), text("T2", "c.md#T1")).what == "T2 needs 'c.md#T1', which no task is called"
