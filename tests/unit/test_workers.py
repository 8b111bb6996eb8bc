"""Threads in which executors work: every one of them answers."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from fakes import FakeClock
from works import work

from specbuild.engine import attempt, retrying
from specbuild.engine.events import Event, TaskOutput
from specbuild.engine.inbox import Answer, Inbox
from specbuild.engine.ports import Attempt, Failure, Ran
from specbuild.engine.project import Settings
from specbuild.engine.retrying import Retry
from specbuild.engine.spending import Purse
from specbuild.engine.work import OUTPUT, Work
from specbuild.engine.workers import Stage, Workers

Log = Callable[[str], None]
Cancelled = Callable[[], bool]


class Scripted:
    """Says which stage it is in, and does what a test says."""

    def __init__(self, does: Callable[[Log, Cancelled], None] = lambda _log, _cancelled: None) -> None:
        self.does = does

    def _stage(self, stage: str, log: Log, cancelled: Cancelled) -> Failure | Ran:
        self.does(log, cancelled)
        return Ran(stage)

    def setup(self, attempt: Attempt, log: Log, cancelled: Cancelled) -> Failure | Ran:
        return self._stage("setup", log, cancelled)

    def run(self, attempt: Attempt, log: Log, cancelled: Cancelled) -> Failure | Ran:
        return self._stage("run", log, cancelled)

    def verify(self, attempt: Attempt, log: Log, cancelled: Cancelled) -> Failure | Ran:
        return self._stage("verify", log, cancelled)


class Crew:
    def __init__(self, executors: Scripted) -> None:
        self.events: list[Event] = []
        self.began: list[Work] = []
        self.clock = FakeClock()
        self.inbox = Inbox()
        self.workers = Workers(executors, self.clock, self.inbox, self.events.append, began=self.began.append)
        self.work = work()

    def send(self, stage: Stage = "run", *, delay: float = 0.0) -> Answer:
        given = attempt.given(self.work, Settings(), {})
        self.workers.send(self.work, stage, given, delay=delay)
        answer = self.inbox.take()
        assert isinstance(answer, Answer)
        return answer


@pytest.mark.parametrize("stage", ["setup", "run", "verify"])
def test_each_stage_is_the_executors_own(stage: Stage) -> None:
    crew = Crew(Scripted())
    assert crew.send(stage) == Answer(crew.work, stage, Ran(stage))


def test_output_is_told_and_its_end_is_kept() -> None:
    def prints(log: Log, _cancelled: Cancelled) -> None:
        log("one\n")
        log("two\n")

    crew = Crew(Scripted(prints))
    crew.send()
    assert crew.events == [TaskOutput(crew.work.task.name, text) for text in ("one\n", "two\n")]
    assert crew.work.printed == "one\ntwo\n"


def test_of_endless_output_only_the_end_is_kept() -> None:
    found = work()
    for number in range(1000):
        found.log(f"{number:099}\n")
    assert len(found.output) <= 201
    assert len(found.printed) == OUTPUT
    assert found.printed.endswith(f"{999:099}\n")
    found.log("x" * (2 * OUTPUT))
    assert found.printed == "x" * OUTPUT
    assert len(found.output[-1]) == OUTPUT


def test_an_executor_that_raises_has_failed() -> None:
    def raises(_log: Log, _cancelled: Cancelled) -> None:
        raise ValueError("no")

    crew = Crew(Scripted(raises))
    crew.work.attempt = 3
    assert crew.send().outcome == Failure(3, "ValueError: no", "")


def test_a_worker_goes_by_its_number_and_does_not_keep_the_process_alive() -> None:
    seen: list[tuple[str, bool]] = []

    def looks(_log: Log, _cancelled: Cancelled) -> None:
        thread = threading.current_thread()
        seen.append((thread.name, thread.daemon))

    crew = Crew(Scripted(looks))
    crew.work.worker = 7
    crew.send()
    assert seen == [("worker-7", True)]


def test_a_delay_ends_where_the_run_is_cancelled() -> None:
    class Waiting(FakeClock):
        def sleep(self, seconds: float, cancelled: Cancelled) -> None:
            self.time += 0.0 if cancelled() else seconds

    crew = Crew(Scripted())
    crew.clock = Waiting()
    crew.workers = Workers(Scripted(), crew.clock, crew.inbox, crew.events.append, began=crew.began.append)
    crew.send(delay=7.5)
    crew.workers.cancel()
    crew.send(delay=100.0)
    assert crew.clock.time == 7.5


@pytest.mark.parametrize(("delay", "slept"), [(0.0, 0.0), (7.5, 7.5)])
def test_a_delay_passes_before_the_attempt(delay: float, slept: float) -> None:
    crew = Crew(Scripted())
    crew.send(delay=delay)
    assert crew.clock.time == slept


def test_cancelling_tells_all_and_waits_for_them() -> None:
    seen: list[bool] = []
    crew = Crew(Scripted(lambda _log, cancelled: seen.append(cancelled())))
    before = crew.workers.cancelled
    crew.send()
    crew.workers.cancel()
    crew.send()
    assert (before, crew.workers.cancelled) == (False, True)
    assert seen == [False, True]


# -- whether another attempt follows


@pytest.mark.parametrize(
    ("retries", "asked", "at", "follows"),
    [(0, 0, 1, False), (2, 0, 2, True), (2, 0, 3, False), (0, 1, 1, True), (1, 1, 3, False)],
)
def test_attempts_are_counted(retries: int, asked: int, at: int, *, follows: bool) -> None:
    found = work(line=f"b: a [retries {retries}]")
    found.attempt, found.asked = at, asked
    failure = Failure(at, "no", "")
    after = retrying.after(found, failure, Purse(), cancelled=False)
    if follows:
        assert isinstance(after, Retry)
        assert after.attempts == retries + asked + 1
    else:
        assert after == failure


@pytest.mark.parametrize(("permanent", "cancelled"), [(True, False), (False, True)])
def test_a_permanent_failure_or_a_cancelled_run_allows_no_other(*, permanent: bool, cancelled: bool) -> None:
    failure = Failure(1, "no", "", permanent=permanent)
    assert retrying.after(work(line="b: a [retries 9]"), failure, Purse(), cancelled=cancelled) == failure


def test_a_budget_that_is_used_up_allows_no_other_and_says_so() -> None:
    purse = Purse(usd=1.0)
    purse.pay("fake", {"cost_usd": 1.0})
    after = retrying.after(work(line="b: a [retries 9]"), Failure(1, "no", ""), purse, cancelled=False)
    assert isinstance(after, Failure)
    assert after.message.startswith("no; the run's budget is used up: $1.00 of $1.00")


@pytest.mark.parametrize(("at", "seconds"), [(1, 0.5), (2, 1.0), (3, 2.0), (7, 32.0), (8, 60.0), (20, 60.0)])
def test_the_delay_doubles_up_to_a_minute_with_jitter(at: int, seconds: float) -> None:
    found = work(line="b: a [retries 99]")
    found.attempt = at
    delays = []
    for _ in range(50):
        after = retrying.after(found, Failure(at, "no", ""), Purse(), cancelled=False)
        assert isinstance(after, Retry)
        delays.append(after.delay)
    assert all(0.75 * seconds <= delay <= 1.25 * seconds for delay in delays)
    assert len(set(delays)) > 1


def test_who_begins_again_takes_over_what_counts() -> None:
    earlier, again = work(), work()
    earlier.disturbed, earlier.overtaken, earlier.attempt, earlier.asked = 1, 2, 3, 4
    earlier.failures.append(Failure(1, "no", ""))
    earlier.usage = {"tokens": 5}
    again.takes_over(earlier)
    assert (again.disturbed, again.overtaken, again.attempt, again.asked) == (1, 2, 3, 4)
    assert (again.failures, again.usage) == ([Failure(1, "no", "")], {"tokens": 5})


def given(work: Work) -> Attempt:
    return attempt.given(work, Settings(), {})


def test_a_worker_that_has_done_its_task_begins_the_next_in_line() -> None:
    crew = Crew(Scripted())
    crew.work.worker = 2
    following = work(5)
    crew.workers.line_up(following, given(following))
    assert crew.send() == Answer(crew.work, "run", Ran("run"), following)
    assert crew.inbox.take() == Answer(following, "run", Ran("run"))
    assert (following.worker, following.began) == (2, 1.0)
    assert crew.began == [following]
    assert crew.workers.take_back() is None


def test_who_waits_in_line_can_be_taken_back() -> None:
    crew = Crew(Scripted())
    following = work(5)
    crew.workers.line_up(following, given(following))
    assert crew.workers.take_back() == (following, given(following))
    assert crew.send().follows is None


def fails(_log: Log, _cancelled: Cancelled) -> None:
    raise ValueError("no")


@pytest.mark.parametrize("why", ["failed", "setup", "to be verified", "to be reviewed", "cancelled"])
def test_a_worker_whose_task_is_not_done_leaves_the_line_alone(why: str) -> None:
    crew = Crew(Scripted(fails) if why == "failed" else Scripted())
    if why == "to be verified":
        crew.work.task = replace(crew.work.task, verify="true")
    if why == "to be reviewed":
        crew.work.task = replace(crew.work.task, review=True)
    if why == "cancelled":
        crew.workers.cancel()
    following = work(5)
    crew.workers.line_up(following, given(following))
    assert crew.send("setup" if why == "setup" else "run").follows is None
    assert crew.workers.take_back() is not None
    assert crew.began == []


def test_what_was_verified_is_done() -> None:
    crew = Crew(Scripted())
    crew.work.task = replace(crew.work.task, verify="true")
    following = work(5)
    crew.workers.line_up(following, given(following))
    assert crew.send("verify").follows is following


def test_what_was_given_to_a_worker_comes_before_what_waits_in_line() -> None:
    at_it, go_on = threading.Event(), threading.Event()

    def waits(_log: Log, _cancelled: Cancelled) -> None:
        at_it.set()
        go_on.wait(10)

    crew = Crew(Scripted(waits))
    again, following = work(4), work(5)
    again.worker = crew.work.worker
    crew.workers.send(crew.work, "run", given(crew.work), delay=0.0)
    at_it.wait(10)
    crew.workers.line_up(following, given(following))
    crew.workers.send(again, "run", given(again), delay=0.0)
    go_on.set()
    answers = [crew.inbox.take() for _ in range(3)]
    assert [answer.work.position for answer in answers if isinstance(answer, Answer)] == [0, 4, 5]
