"""Cycles: which edge gives way, which are an error, and the order that is left."""

from dataclasses import replace

import pytest
from fakes import rule

from specbuild.engine.graph import Graph, build
from specbuild.engine.needs import resolve_needs
from specbuild.errors import TaskFileError


def graph(*rules: str) -> Graph:
    tasks = [rule(line, position) for position, line in enumerate(rules)]
    needs = resolve_needs([task.text for task in tasks])
    return build([replace(task, needs=needs[task.name]) for task in tasks])


def waits(found: Graph, position: int) -> list[str]:
    return [f"{edge.source.id} {edge.kind}" for edge in found.all_edges(position)]


def refusal(*rules: str) -> TaskFileError:
    with pytest.raises(TaskFileError) as caught:
        graph(*rules)
    return caught.value


def test_a_story_edge_against_a_need_gives_way_and_is_told() -> None:
    found = graph("a: x [US1] [needs T2]", "b: x [US1]")
    assert waits(found, 0) == ["T2 needs"]
    assert waits(found, 1) == []
    assert found.order == (1, 0)
    [warning] = found.warnings
    assert (warning.file, warning.line, warning.code) == ("tasks.md", 2, "dropped-edge")
    assert warning.message == "T2 does not wait for T1 (story): T1 needs it first"


def test_edges_that_close_no_cycle_stay() -> None:
    found = graph("a: x [US1]", "b: x [US1] [needs T3]", "c: x [US1]", "d: x [US1]")
    assert waits(found, 1) == ["T3 needs", "T1 story"]
    assert waits(found, 2) == []
    assert waits(found, 3) == ["T3 story"]
    assert found.order == (0, 2, 1, 3)


def test_barriers_become_edges_of_which_only_those_against_a_need_give_way() -> None:
    found = graph(
        "a: x [P] [phase 1] [needs T3]", "b: x [P] [phase 1]", "c: x [P] [phase 2]", "d: x [P] [phase 2]"
    )
    assert found.barriers == ()
    assert waits(found, 0) == ["T3 needs"]
    assert waits(found, 2) == ["T2 phase"]
    assert waits(found, 3) == ["T1 phase", "T2 phase"]
    assert [warning.message for warning in found.warnings] == [
        "T3 does not wait for T1 (phase): T1 needs it first"
    ]


def test_the_edge_right_against_a_need_gives_way_before_another_of_the_circle() -> None:
    found = graph("a: x [US1] [needs T3]", "b: x [US1]", "c: x [US1] [P] [needs T2]", "d: x [US1]")
    assert "T1 story" not in waits(found, 1)
    assert waits(found, 0) == ["T3 needs"]
    assert "T2 needs" in waits(found, 2)
    assert sorted(found.order) == [0, 1, 2, 3]


def test_a_phase_edge_gives_way_before_a_story_edge() -> None:
    found = graph("a: x [P] [phase 1] [needs T3]", "b: x [phase 2]", "c: x [phase 2]")
    assert [warning.message for warning in found.warnings] == [
        "T3 does not wait for T1 (phase): T1 needs it first",
        "T2 does not wait for T1 (phase): T1 needs it first",
    ]
    assert waits(found, 2) == ["T2 story"]


def test_of_two_circles_each_loses_an_edge() -> None:
    found = graph("a: x [US1] [needs T2]", "b: x [US1]", "c: x [US2] [needs T4]", "d: x [US2]")
    assert {warning.line for warning in found.warnings} == {2, 4}
    assert found.order == (1, 0, 3, 2)


def test_a_cycle_of_needs_is_printed_from_its_first_task() -> None:
    error = refusal("a: x", "b: x [P] [needs T4]", "c: x [P] [needs T2]", "d: x [P] [needs T3]")
    assert error.what == "a cycle: T2 needs T4 needs T3 needs T2"
    assert error.where == "tasks.md:2"
    assert error.hint == "take one of these dependencies out"


def test_a_cycle_leaves_out_how_one_gets_to_it() -> None:
    error = refusal("a: x [P] [needs T2]", "b: x [P] [needs T3]", "c: x [P] [needs T2]")
    assert error.what == "a cycle: T2 needs T3 needs T2"


def test_a_cycle_of_a_need_and_a_file_says_which_is_which() -> None:
    error = refusal("a: x [P] [needs T2]", "b: a [P]")
    assert error.what == "a cycle: T1 needs T2 reads after T1"
    assert error.where == "tasks.md:1"


def test_in_a_knot_of_several_cycles_needs_are_followed_first_and_the_earliest_of_them() -> None:
    error = refusal("a: x [P] [needs T3 T2]", "b: a [P] [needs T1]", "c: a [P] [needs T1]")
    assert error.what == "a cycle: T1 needs T2 needs T1"


def test_a_knot_that_the_walk_leaves_by_its_tail_is_cut_to_the_cycle() -> None:
    error = refusal(
        "a: x [P] [needs T2]", "b: x [P] [needs T3]", "c: x [P] [needs T2 T4]", "d: x [P] [needs T1]"
    )
    assert error.what == "a cycle: T2 needs T3 needs T2"
    assert error.where == "tasks.md:2"


def test_where_something_points_backward_the_order_is_that_of_the_file_as_far_as_it_goes() -> None:
    found = graph("a: x [P]", "b: x [P] [needs T5]", "c: x [P]", "d: b [P]", "e: x [P]", "f: a d [P]")
    assert found.order == (0, 2, 4, 1, 3, 5)


def test_without_backward_edges_the_order_is_the_files() -> None:
    assert graph("a: x", "b: x", "c: a").order == (0, 1, 2)


def test_a_long_way_round_is_found() -> None:
    rules = [f"f{n}: x [P] [needs T{n + 1}]" for n in range(1, 60)]
    error = refusal(*rules, "g: x [P] [needs T1]")
    assert error.what.startswith("a cycle: T1 needs T2 needs T3")
    assert error.what.endswith("needs T60 needs T1")


def test_a_story_edge_against_a_need_gives_way_before_a_phase_edge_that_only_closes_a_longer_way() -> None:
    found = graph("a: x [phase 1] [needs T2 T3]", "b: x [phase 1]", "c: x [phase 2]")
    assert [warning.message for warning in found.warnings] == [
        "T3 does not wait for T1 (phase): T1 needs it first",
        "T2 does not wait for T1 (story): T1 needs it first",
    ]
    assert waits(found, 2) == ["T2 phase"]


def test_needs_are_followed_before_an_edge_to_an_earlier_task() -> None:
    error = refusal("a: x [P] [needs T2]", "b: x [P] [needs T3]", "c: a [P] [needs T2]")
    assert error.what == "a cycle: T2 needs T3 needs T2"
