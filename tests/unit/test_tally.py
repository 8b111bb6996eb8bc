"""What follows from what became of tasks: headline, exit code, figures."""

from dataclasses import replace

import pytest

from specbuild.engine.events import Headline, Outcome
from specbuild.engine.tally import Ending, Tally
from specbuild.engine.task import TaskName
from specbuild.engine.verdict import State, Verdict

ONE, TWO, THREE = (TaskName("tasks.md", id_) for id_ in ("T1", "T2", "T3"))
WELL = Ending(seconds=2.0, chosen=3, unsettled=0)


def tally(*outcomes: Outcome, ran: int | None = None) -> Tally:
    names = [TaskName("tasks.md", f"T{n + 1}") for n in range(len(outcomes))]
    made = sum(outcome in {"completed", "reused"} for outcome in outcomes)
    return Tally(dict(zip(names, outcomes, strict=True)), ran=made if ran is None else ran)


def verdict(state: State) -> Verdict:
    return Verdict(state, "0" * 20, "-")


@pytest.mark.parametrize(
    ("found", "ending", "code", "headline"),
    [
        (tally("completed"), WELL, 0, "complete"),
        (tally(), WELL, 0, "complete"),
        (tally("completed"), replace(WELL, unsettled=1), 0, "partially complete"),
        (tally("completed", "failed"), WELL, 1, "partially complete"),
        (tally("completed", "blocked"), WELL, 1, "partially complete"),
        (tally("failed"), WELL, 1, "failed"),
        (tally("blocked"), WELL, 1, "partially complete"),
        (tally("completed"), replace(WELL, gate_failed=True), 1, "partially complete"),
        (tally(), replace(WELL, gate_failed=True), 1, "failed"),
        (tally("completed"), replace(WELL, ended_by=4), 4, "partially complete"),
        (tally("failed"), replace(WELL, ended_by=4), 4, "failed"),
        (tally(), replace(WELL, ended_by=4), 4, "failed"),
        (tally("completed"), replace(WELL, interrupted=True), 130, "partially complete"),
        (tally(), replace(WELL, interrupted=True), 130, "failed"),
        (tally("failed"), replace(WELL, interrupted=True, ended_by=2), 130, "failed"),
        (tally(), replace(WELL, interrupted=True, limited=True), 130, "partially complete"),
        (tally("failed"), replace(WELL, limited=True), 1, "failed"),
        (tally(), replace(WELL, gate_failed=True, limited=True), 1, "failed"),
        (Tally(left={ONE: None}), WELL, 3, "partially complete"),
        (Tally(overtaken={ONE: None}), WELL, 3, "partially complete"),
        (Tally({ONE: "failed"}, left={TWO: None}), WELL, 1, "failed"),
    ],
)
def test_headline_and_exit_code_follow_from_the_outcomes(
    found: Tally, ending: Ending, code: int, headline: Headline
) -> None:
    assert (found.exit_code(ending), found.headline(ending)) == (code, headline)


@pytest.mark.parametrize(
    ("found", "ending", "well"),
    [
        (tally("completed", "reused"), WELL, True),
        (tally("completed", "failed"), WELL, False),
        (tally("blocked"), WELL, False),
        (tally(), replace(WELL, unsettled=1), False),
        (tally(), replace(WELL, gate_failed=True), False),
        (tally(), replace(WELL, ended_by=2), False),
        (Tally(left={ONE: None}), replace(WELL, interrupted=True, limited=True), True),
    ],
)
def test_all_is_well_where_everything_is_settled_and_nothing_failed(
    found: Tally, ending: Ending, *, well: bool
) -> None:
    assert found.all_well(ending) is well


def test_the_summary_has_every_figure() -> None:
    outcomes: list[Outcome] = ["completed", "completed", "completed", "reused", "reused", "failed", "blocked"]
    found = tally(*outcomes)
    found.up_to_date = {ONE}
    found.claimed[TWO] = None
    found.left[ONE] = None
    found.overtaken[THREE] = None
    end = found.summary(replace(WELL, interrupted=True))
    assert (end.completed, end.reused, end.failed, end.blocked, end.up_to_date) == (3, 2, 1, 1, 1)
    assert (end.chosen, end.seconds, end.interrupted, end.exit_code) == (3, 2.0, True, 130)
    assert end.headline == "partially complete"
    assert end.claimed == (TWO,)
    assert end.left == (ONE, THREE)


def test_a_task_that_needs_no_run_is_claimed_or_up_to_date_unless_it_has_an_outcome() -> None:
    found = Tally({ONE: "completed"})
    found.needs_no_run(ONE, verdict("up-to-date"))
    found.needs_no_run(TWO, verdict("up-to-date"))
    found.needs_no_run(THREE, verdict("claimed"))
    assert (found.up_to_date, list(found.claimed)) == ({TWO}, [THREE])


def test_what_runs_again_or_is_opened_again_counts_no_more() -> None:
    found = Tally({ONE: "completed"}, up_to_date={TWO, THREE})
    found.runs_again(ONE)
    found.runs_again(TWO)
    found.runs_again(TaskName("tasks.md", "T9"))
    assert (found.outcomes, found.up_to_date) == ({}, {THREE})
    found.reopen(THREE)
    assert (found.up_to_date, found.reopened) == (set(), {THREE})


def test_an_overtaken_task_is_not_up_to_date() -> None:
    found = Tally(up_to_date={ONE, TWO})
    found.overtake(ONE)
    found.overtake(THREE)
    assert (found.up_to_date, list(found.overtaken)) == ({TWO}, [ONE, THREE])


def test_only_what_still_holds_is_named() -> None:
    four, five = TaskName("tasks.md", "T4"), TaskName("tasks.md", "T5")
    found = Tally(
        {ONE: "failed", five: "completed"},
        up_to_date={TWO},
        claimed={THREE: None},
        left={four: None},
        reopened={five},
    )
    assert list(found.names()) == [ONE, TWO, THREE, four]


def test_done_is_what_was_made_and_what_was_up_to_date() -> None:
    found = tally("completed", "reused", "failed")
    found.up_to_date = {TaskName("tasks.md", "T7")}
    assert {name.id for name in found.done()} == {"T1", "T2", "T7"}
