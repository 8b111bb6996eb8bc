"""What may run next, what a failed task holds back, and what a choice takes along."""

from collections.abc import Iterable
from dataclasses import replace

from fakes import rule

from specbuild.engine.graph import Graph, build
from specbuild.engine.needs import resolve_needs
from specbuild.engine.plan import Choice, Plan, choose, in_a_row, waits_for


def graph(*rules: str, optional: str = "") -> Graph:
    tasks = [rule(line, position) for position, line in enumerate(rules)]
    tasks = [
        replace(task, text=replace(task.text, optional=task.name.id in optional.split())) for task in tasks
    ]
    needs = resolve_needs([task.text for task in tasks])
    return build([replace(task, needs=needs[task.name]) for task in tasks])


def plan(found: Graph, *chosen: int) -> Plan:
    return Plan(found, chosen or range(len(found.tasks)), float)


def run(found: Plan) -> list[int]:
    """Settles one task after the other; the order."""
    order = []
    while (position := found.ready()) is not None:
        found.start(position)
        found.settle(position)
        order.append(position)
    return order


CHAIN = ("a: x [P]", "b: a [P]", "c: b [P]")
FREE = ("a: x [P]", "b: x [P]", "c: x [P]")


def test_a_task_is_ready_when_all_that_it_waits_for_is_settled() -> None:
    found = plan(graph("a: x [P]", "b: x [P]", "c: a b [P]"))
    assert list(found.candidates()) == [0, 1]
    found.start(0)
    assert list(found.candidates()) == [1]
    found.settle(0)
    assert list(found.candidates()) == [1]
    found.start(1)
    assert found.ready() is None
    found.settle(1)
    assert list(found.candidates()) == [2]


def test_asking_what_is_ready_starts_nothing() -> None:
    found = plan(graph(*FREE))
    assert [found.ready(), found.ready()] == [0, 0]
    assert list(found.candidates()) == [0, 1, 2]
    assert list(found.candidates()) == [0, 1, 2]


def test_the_best_rank_comes_first() -> None:
    ranks = {0: 5.0, 1: 1.0, 2: 3.0}
    found = Plan(graph(*FREE), range(3), ranks.__getitem__)
    assert list(found.candidates()) == [1, 2, 0]
    assert run(found) == [1, 2, 0]


def test_a_released_task_is_ranked_among_those_that_wait() -> None:
    ranks = {0: 0.0, 1: 9.0, 2: 1.0}
    found = Plan(graph("a: x [P]", "b: x [P]", "c: a [P]"), range(3), ranks.__getitem__)
    assert run(found) == [0, 2, 1]


def test_only_chosen_tasks_run_and_wait_only_for_each_other() -> None:
    assert run(plan(graph(*CHAIN), 1, 2)) == [1, 2]
    assert run(plan(graph(*CHAIN), 0, 2)) == [0, 2]


def test_two_edges_between_two_tasks_are_one_wait() -> None:
    found = plan(graph("a b: x [P]", "c: a b [P] [needs T1]"))
    assert run(found) == [0, 1]


def test_tasks_after_a_barrier_wait_for_all_before_it() -> None:
    found = plan(
        graph("a: x [P] [phase 1]", "b: x [P] [phase 1]", "c: x [P] [phase 2]", "d: x [P] [phase 2]")
    )
    assert list(found.candidates()) == [0, 1]
    found.settle(1)
    assert list(found.candidates()) == [0]
    found.settle(0)
    assert list(found.candidates()) == [2, 3]


def test_a_barrier_with_nothing_chosen_before_or_after_it_holds_nobody() -> None:
    rules = ("a: x [P] [phase 1]", "b: x [P] [phase 2]", "c: x [P] [phase 3]")
    assert run(plan(graph(*rules), 1)) == [1]
    found = plan(graph(*rules), 1, 2)
    assert list(found.candidates()) == [1]
    assert found.unsettled == 2
    assert run(found) == [1, 2]
    assert found.unsettled == 0


def test_barriers_are_not_counted_as_tasks() -> None:
    found = plan(graph("a: x [P] [phase 1]", "b: x [P] [phase 2]"))
    assert found.unsettled == 2
    found.settle(0)
    assert found.unsettled == 1
    assert found.fail(1) == []
    assert found.unsettled == 0


def test_a_failure_holds_back_all_that_is_below_and_nothing_else() -> None:
    found = plan(graph("a: x [P]", "b: a [P]", "c: b [P]", "d: x [P]", "e: d c [P]"))
    found.start(0)
    assert found.fail(0) == [1, 2, 4]
    assert found.blocked == {1: 0, 2: 0, 4: 0}
    assert found.unsettled == 1
    assert run(found) == [3]
    assert found.unsettled == 0


def test_a_failure_holds_back_through_a_barrier_and_names_the_task() -> None:
    found = plan(graph("a: x [P] [phase 1]", "b: x [P] [phase 1]", "c: x [P] [phase 2]"))
    assert found.fail(0) == [2]
    assert found.blocked == {2: 0}
    assert list(found.candidates()) == [1]
    found.settle(1)
    assert found.ready() is None


def test_the_first_failure_that_blocks_a_task_is_named() -> None:
    found = plan(graph("a: x [P]", "b: x [P]", "c: a b [P]"))
    assert found.fail(1) == [2]
    assert found.fail(0) == []
    assert found.blocked == {2: 1}


def test_an_overwriter_runs_though_a_reader_failed() -> None:
    found = plan(graph("a: x [P]", "b: a [P]", "a: y [P]"))
    found.settle(0)
    assert list(found.candidates()) == [1]
    assert found.fail(1) == []
    assert found.blocked == {}
    assert run(found) == [2]


def test_an_edge_that_blocks_wins_over_one_between_the_same_tasks_that_does_not() -> None:
    for order in ("a: y [P] [needs T2]", "a: y [ALL] [P]"):
        found = plan(graph("a: x [P]", "b: a [P]", order))
        found.settle(0)
        assert found.fail(1) == [2]


def test_a_settled_task_is_not_held_back_any_more() -> None:
    found = plan(graph(*CHAIN))
    found.settle(1)
    assert found.fail(0) == []
    assert found.blocked == {}
    assert found.unsettled == 1


def test_settling_twice_releases_once() -> None:
    found = plan(graph("a: x [P]", "b: x [P]", "c: a b [P]"))
    found.settle(0)
    found.settle(0)
    assert found.unsettled == 2
    assert list(found.candidates()) == [1]


def test_a_task_that_runs_once_more_is_open_and_ready_again() -> None:
    found = plan(graph("a: x [P]", "b: a [P]"))
    found.start(0)
    found.settle(0)
    found.again(0)
    assert found.unsettled == 2
    assert found.ready() == 0
    found.start(0)
    found.settle(0)
    assert found.unsettled == 1
    assert run(found) == [1]


def test_a_task_that_never_settled_is_not_counted_twice_when_it_runs_again() -> None:
    found = plan(graph(*FREE))
    found.again(1)
    assert found.unsettled == 3
    assert run(found) == [0, 1, 2]


def test_a_postponed_task_waits_for_the_other_and_runs_then() -> None:
    found = plan(graph(*FREE))
    found.start(0)
    found.postpone(0, 2)
    assert list(found.candidates()) == [1, 2]
    found.settle(2)
    assert list(found.candidates()) == [0, 1]
    assert run(found) == [0, 1]


def test_a_task_postponed_twice_waits_for_both() -> None:
    found = plan(graph(*FREE))
    found.postpone(0, 1)
    found.postpone(0, 2)
    found.settle(1)
    assert list(found.candidates()) == [2]
    found.settle(2)
    assert list(found.candidates()) == [0]


def test_a_postponed_task_is_held_back_by_the_failure_of_what_it_waits_for() -> None:
    found = plan(graph(*FREE))
    found.start(0)
    found.postpone(0, 2)
    assert found.fail(2) == [0]
    assert found.blocked == {0: 2}


def test_a_failed_task_is_neither_ready_nor_under_way() -> None:
    found = plan(graph(*FREE))
    found.start(0)
    found.fail(0)
    assert list(found.candidates()) == [1, 2]
    assert found.unsettled == 2


def choice(
    found: Graph,
    *wanted: int,
    done: tuple[int, ...] = (),
    supports: tuple[int, ...] = (),
    needs: bool = False,
) -> Choice:
    return choose(
        found,
        wanted,
        unfinished=lambda position: position not in done,
        supports=lambda position: position in supports,
        with_needs=needs,
    )


def test_a_finished_task_outside_is_nothing_to_wait_for() -> None:
    assert choice(graph(*CHAIN), 2, done=(1,)) == Choice(frozenset({2}))


def test_an_unfinished_dependency_outside_is_named() -> None:
    found = choice(graph(*CHAIN), 2)
    assert (found.chosen, found.outside) == (frozenset({2}), {2: 1})
    assert (found.foundation, found.passed_over) == (frozenset(), ())


def test_of_several_dependencies_outside_the_first_is_named() -> None:
    assert choice(graph("a: x [P]", "b: x [P]", "c: a b [P]"), 2).outside == {2: 0}


def test_with_needs_takes_them_along_all_the_way_up() -> None:
    found = choice(graph(*CHAIN), 2, needs=True)
    assert found.chosen == found.foundation | {2} == frozenset({0, 1, 2})
    assert found.outside == {}


def test_what_supports_is_taken_along_without_being_asked_for_and_what_it_lacks_is_named() -> None:
    found = choice(graph(*CHAIN), 2, supports=(1,))
    assert (found.chosen, found.foundation) == (frozenset({1, 2}), frozenset({1}))
    assert found.outside == {1: 0}


def test_story_edges_to_tasks_outside_are_passed_over() -> None:
    found = choice(graph("a: x [US1]", "b: x [US1]", "c: x [ALL]"), 1, 2)
    assert found.outside == {}
    assert found.passed_over == ((1, 0), (2, 0))
    assert choice(graph("a: x [US1]", "b: x [US1]"), 1, needs=True).passed_over == ((1, 0),)
    assert choice(graph("a: x [US1]", "b: x [US1]"), 1, supports=(0,)).chosen == {0, 1}


def test_a_chosen_task_does_not_pass_over_another_chosen_one() -> None:
    assert choice(graph("a: x [US1]", "b: x [US1]"), 0, 1).passed_over == ()


def test_a_task_that_another_takes_along_is_not_passed_over() -> None:
    found = choice(graph("a: x [US1]", "b: x [US1]", "c: a [P]"), 1, 2, needs=True)
    assert (found.chosen, found.passed_over) == (frozenset({0, 1, 2}), ())


def test_what_comes_after_a_finished_dependency_is_still_looked_at() -> None:
    assert choice(graph("a: x [P]", "b: x [P]", "c: a b [P]"), 2, done=(0,)).outside == {2: 1}


def test_a_barrier_before_a_task_cannot_be_done_without() -> None:
    rules = graph("a: x [P] [phase 1]", "b: x [P] [phase 1]", "c: x [P] [phase 2]")
    assert choice(rules, 2).outside == {2: 0}
    assert choice(rules, 2, done=(0,)).outside == {2: 1}
    assert choice(rules, 2, needs=True).chosen == {0, 1, 2}


def test_an_optional_task_before_a_barrier_blocks_nobody_who_does_not_use_it() -> None:
    rules = ("a: x [P] [phase 1]", "b: x [P] [phase 2]", "c: a [P] [phase 2]")
    found = choice(graph(*rules, optional="T1"), 1, 2)
    assert found.outside == {2: 0}


def test_with_needs_takes_along_an_optional_task_only_for_one_that_uses_it() -> None:
    rules = graph("a: x [P] [phase 1]", "b: x [P] [phase 2]", "c: a [P] [phase 2]", optional="T1")
    assert choice(rules, 1, needs=True).chosen == {1}
    assert choice(rules, 1, 2, needs=True).chosen == {0, 1, 2}


def test_an_overwriter_does_not_need_the_readers() -> None:
    rules = graph("a: x [P]", "b: a [P]", "a: y [P]")
    assert choice(rules, 2, done=(0,)) == Choice(frozenset({2}))
    assert list(waits_for(rules, 2)) == [(0, True)]


def test_a_task_waits_for_all_before_its_barriers_and_for_its_own_edges() -> None:
    rules = graph("a: x [P] [phase 1]", "b: x [P] [phase 1]", "c: a [phase 2]", "d: x [phase 2]")
    assert list(waits_for(rules, 2)) == [(0, True), (0, True), (1, True)]
    assert list(waits_for(rules, 3)) == [(2, False), (0, True), (1, True)]


def test_a_phase_that_became_edges_cannot_be_done_without_either() -> None:
    rules = graph(
        "a: x [P] [phase 1] [needs T2]", "b: x [P] [phase 1]", "c: x [P] [phase 2] [needs T4]", "d: x [P]"
    )
    assert rules.barriers == ()
    assert list(waits_for(rules, 2)) == [(3, True), (0, True), (1, True)]


def test_content_from_another_task_does_not_make_an_optional_one_needed() -> None:
    rules = graph("a: x [P] [phase 1]", "b: x [P] [phase 1]", "c: b [P] [phase 2]", optional="T1")
    assert choice(rules, 2, done=(1,)).outside == {}


def test_any_task_may_be_postponed() -> None:
    found = plan(graph(*FREE))
    found.start(1)
    found.postpone(1, 2)
    assert list(found.candidates()) == [0, 2]
    found.settle(2)
    assert list(found.candidates()) == [0, 1]


def test_a_task_that_runs_once_more_may_be_postponed_then() -> None:
    found = plan(graph(*FREE))
    found.settle(1)
    found.again(1)
    found.start(1)
    found.postpone(1, 2)
    assert list(found.candidates()) == [0, 2]
    found.settle(2)
    assert list(found.candidates()) == [0, 1]


def test_a_failed_task_may_run_once_more() -> None:
    found = plan(graph(*FREE))
    found.start(0)
    found.fail(0)
    found.again(0)
    assert found.ready() == 0
    assert found.unsettled == 3


def test_a_failure_passes_by_a_settled_task_and_holds_back_the_others() -> None:
    found = plan(graph("a: x [P]", "b: a [P]", "c: a [P]"))
    found.settle(2)
    assert found.fail(0) == [1]


def test_a_failure_releases_an_overwriter_and_holds_back_the_others() -> None:
    found = plan(graph("a: x [P]", "b: a [P]", "c: b [P]", "a: y [P]"))
    found.settle(0)
    assert found.fail(1) == [2]
    assert list(found.candidates()) == [3]


def test_a_failure_holds_back_every_branch() -> None:
    found = plan(graph("a: x [P]", "b: a [P]", "c: a [P]", "d: c [P]", "e: b [P]"))
    assert found.fail(0) == [1, 2, 3, 4]


def row(*rules: str, of: Iterable[int] | None = None) -> bool:
    found = graph(*rules)
    return in_a_row(found, [*(range(len(rules)) if of is None else of)])


def test_tasks_that_wait_for_each_other_are_in_a_row() -> None:
    assert row("a: x [P]", "b: a [P]", "c: b [P]")
    assert not row("a: x [P]", "b: a [P]", "c: a [P]")
    assert row("a: x [P]", "b: a [P]", "c: a [P]", of=[0, 2])
    assert row("a: x [P]")
    assert row()
    assert row(*FREE, of=[])


def test_tasks_between_those_asked_about_still_order_them() -> None:
    assert row(*CHAIN, of=[0, 2])
    assert not row(*FREE, of=[0, 2])


def test_a_barrier_puts_phases_in_a_row() -> None:
    assert row("a: x [P] [phase 1]", "b: x [P] [phase 2]", "c: x [P] [phase 3]")
    assert row("a: x [P] [phase 1]", "b: x [P] [phase 1]", "c: x [P] [phase 2]", of=[1, 2])
    assert not row("a: x [P] [phase 1]", "b: x [P] [phase 1]", "c: x [P] [phase 2]")
    assert not row("a: x [P] [phase 1]", "b: x [P] [phase 2]", "c: x [P] [phase 2]")
    assert not row("a: x [P] [phase 1]", "b: x [P] [phase 2]", "c: x [P] [phase 2]", of=[1, 2])
    assert row("a: x [phase 1]", "b: x [phase 1]", "c: x [phase 2]", "d: x [phase 2]", "e: x [phase 3]")


def test_forward_needs_count_in_their_order() -> None:
    assert row("a: x [P] [needs T2]", "b: x [P] [needs T3]", "c: x [P]")
