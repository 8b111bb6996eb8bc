"""The order of tasks, their phases, and what runs again."""

from collections.abc import Sequence

import pytest
from fakes import Project

from specbuild.engine.checkpoint import Recorded
from specbuild.engine.plan import Choice
from specbuild.engine.schedule import Schedule, ranks
from specbuild.engine.task import TaskName
from specbuild.engine.verdict import Reason

CHAIN = ("p: a [phase 1]", "p: b [phase 1]", "q: p [phase 2]", "r: b [phase 2] [P]")


def schedule(*rules: str, chosen: frozenset[int] | None = None) -> Schedule:
    loaded, _ = Project(*rules).load()
    graph = loaded.graph
    choice = Choice(frozenset(range(len(rules))) if chosen is None else chosen)
    return Schedule(graph, choice, lambda position: position)


def in_order(found: Schedule) -> list[int]:
    """Starts and settles one task after the other."""
    order = []
    while (position := found.next(lambda _: True)) is not None:
        found.start(position)
        found.settle(position)
        order.append(position)
    return order


def test_the_best_task_that_fits_is_next() -> None:
    found = schedule("a: [P]", "b: [P]", "c: [P]")
    assert found.next(lambda _: True) == 0
    assert found.next(lambda position: position > 0) == 1
    assert found.next(lambda _: False) is None
    found.start(0)
    assert found.next(lambda _: True) == 1


def test_settled_and_unsettled_tasks_are_counted() -> None:
    found = schedule("a: [P]", "b: [P]", "c: [P]", chosen=frozenset({0, 1}))
    assert (found.settled, found.unsettled) == (0, 2)
    found.settle(0)
    assert (found.settled, found.unsettled) == (1, 1)


def test_a_phase_is_due_when_its_chosen_tasks_are_settled_and_until_it_is_taken() -> None:
    found = schedule(*CHAIN, chosen=frozenset({0, 1, 2}))
    assert found.due() == []
    found.settle(0)
    assert found.due() == []
    found.settle(1)
    assert found.due() == [("tasks.md", 1)]
    found.settle(2)
    assert found.due() == [("tasks.md", 1), ("tasks.md", 2)]
    assert found.take(found.due()) == "Phase 2"
    assert found.due() == []


def test_a_phase_without_a_heading_has_no_name() -> None:
    found = schedule("a: b")
    found.settle(0)
    assert found.take(found.due()) == ""


def test_a_phase_with_a_failed_task_is_never_due() -> None:
    found = schedule(*CHAIN)
    found.fail(0)
    found.close(0)
    found.settle(1)
    assert found.due() == []


def test_failing_names_what_is_held_back() -> None:
    assert schedule("b: a", "c: b", "d: c", "e: a [US1]").fail(0) == [1, 2]


def test_a_task_waits_for_one_that_is_made_again() -> None:
    found = schedule("p: a", "p: b", "x: y [P]")
    found.settle(0)
    found.start(1)
    assert found.can_make_again(0)
    assert not found.is_made_again(0)
    found.make_again(1, 0)
    assert found.must_run[0].code == "target-missing"
    assert found.must_run[0].task == TaskName("tasks.md", "T2")
    assert found.is_made_again(0)
    assert not found.can_make_again(0)
    assert found.due() == []
    assert in_order(found) == [0, 1, 2]
    assert not found.is_made_again(0)
    assert len(found.due()) == 1


def test_a_second_task_may_wait_for_the_same_one() -> None:
    found = schedule("p: a", "p: b [P]", "q: b [P]")
    found.settle(0)
    found.start(1)
    found.make_again(1, 0)
    found.start(2)
    found.wait(2, 0)
    assert found.next(lambda _: True) == 0
    found.settle(0)
    assert found.next(lambda _: True) == 1


@pytest.mark.parametrize(("rule", "chosen"), [("p: a [keep]", frozenset({0, 1})), ("p: a", frozenset({1}))])
def test_what_people_edit_or_is_not_chosen_is_not_made_again(rule: str, chosen: frozenset[int]) -> None:
    assert not schedule(rule, "q: p", chosen=chosen).can_make_again(0)


def test_followers_share_a_target_or_depend_by_content() -> None:
    rules = ("p: a", "x: y", "p: b", "q: p", "z: y", "w: v [needs T1]", "d/: v", "d/e: v")
    found = schedule(*rules)
    assert found.followers(0) == [2, 5]
    assert found.followers(2) == [3]
    assert found.followers(1) == []
    assert found.followers(6) == [7]
    assert found.followers(7) == []


def test_what_is_reopened_comes_one_behind_the_other() -> None:
    found = schedule("a: [P]", "b: [P]", "c: [P]")
    for position in range(3):
        found.settle(position)
    assert len(found.due()) == 1
    found.reopen([0, 2])
    assert found.due() == []
    assert found.next(lambda position: position == 2) is None
    assert in_order(found) == [0, 2]
    assert len(found.due()) == 1


def test_the_longest_way_ranks_first_and_before_it_what_failed_last_time() -> None:
    project = Project("a: [P]", "b: [P]", "c: b [P]", "x: [P]")
    _, judge = project.load()
    by_file = ranks(judge, (), longest_first=False)
    assert sorted(range(4), key=by_file) == [0, 1, 2, 3]
    longest = ranks(judge, (), longest_first=True)
    assert [longest(position) for position in range(4)] == [-1.0, -2.0, -1.0, -1.0]
    failed = {TaskName("tasks.md", "T4"), TaskName("tasks.md", "T99")}
    assert sorted(range(4), key=ranks(judge, failed, longest_first=True)) == [3, 1, 0, 2]
    assert sorted(range(4), key=ranks(judge, failed, longest_first=False)) == [3, 0, 1, 2]


def test_the_seconds_of_the_last_completion_say_how_long_a_way_is() -> None:
    project = Project("a: [P] [retries 1]", "b: [P]", "c: a [P]")
    project.executors.failing["T1"] = 1
    project.build(only=["T1"])
    _, judge = project.load()
    seconds = judge.checkpoints(0)[0].checkpoint.seconds
    assert seconds > 1.0
    longest = ranks(judge, (), longest_first=True)
    assert [longest(position) for position in range(3)] == [-1.0 - seconds, -1.0, -1.0]


def test_a_task_that_nothing_called_into_question_takes_no_time_and_its_checkpoints_are_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = Project("a: [P]", "b: a [P]", "c: b [P]")
    project.build(only=["T1", "T2"])
    _, judge = project.load()
    read: list[int] = []
    checkpoints = judge.checkpoints

    def reading(position: int) -> Sequence[Recorded]:
        read.append(position)
        return checkpoints(position)

    monkeypatch.setattr(judge, "stands", lambda position: position < 2)
    monkeypatch.setattr(judge, "checkpoints", reading)
    monkeypatch.setattr(judge, "is_up_to_date", lambda position: position == 0)
    longest = ranks(judge, (), longest_first=True)
    assert read == [2, 1]
    assert [longest(position) < -1.0 for position in range(3)] == [True, True, False]


def test_only_where_one_runs_again_is_it_asked_what_follows_it() -> None:
    found = schedule("p: a", "q: b", "p: c", "r: p")
    assert found.apart(0, [2, 3])  # the plan sees to it
    found.must_run[0] = Reason("target-missing")
    assert found.apart(0, [])
    assert found.apart(0, [1])
    assert not found.apart(0, [1, 2])  # the same target
    assert not found.apart(2, [])  # before that one is recorded
    assert found.apart(1, [0])
    assert found.apart(3, [0])  # it reads what the later one makes
    found.settle(0)
    assert found.apart(2, [])
