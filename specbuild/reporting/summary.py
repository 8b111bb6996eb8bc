"""The figures of a run, each measured from its events: what a summary says, before it is put in words."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from specbuild.engine.events import (
    Event,
    FileChange,
    GateFinished,
    GateStarted,
    Headline,
    Planned,
    RunFinished,
    RunStarted,
    TaskFinished,
    TaskRetried,
    TaskStarted,
    Warned,
)
from specbuild.engine.spending import added
from specbuild.engine.task import RepoPath, TaskName
from specbuild.runlog.reading import Run, last_outcomes

Kind = TypeVar("Kind", bound=Event)


class Diagnosed(Protocol):
    """What a failure may be, and what to try (see specbuild.diagnosis)."""

    @property
    def summary(self) -> str: ...
    @property
    def causes(self) -> tuple[str, ...]: ...
    @property
    def fixes(self) -> tuple[str, ...]: ...


Diagnose = Callable[[TaskFinished], Diagnosed | None]


class Suite(NamedTuple):
    """One test suite of a gate."""

    name: str
    passed: int
    failed: int
    skipped: int


class Tests(NamedTuple):
    """What a gate's JUnit XML counted."""

    suites: tuple[Suite, ...]
    passed: int
    failed: int
    skipped: int


def tests_of(gate: GateFinished) -> Tests | None:
    """The counts of a gate; None: it counted nothing. A suite is a mapping with the same names and `name`."""
    if not gate.tests:
        return None
    suites = gate.tests.get("suites")
    found = tuple(
        Suite(str(suite.get("name", "")), *_counts(suite))
        for suite in (suites if isinstance(suites, Sequence) else ())
        if isinstance(suite, Mapping)
    )
    return Tests(found, *_counts(gate.tests))


def _counts(numbers: Mapping[str, Any]) -> tuple[int, int, int]:
    def number(name: str) -> int:
        value = numbers.get(name, 0)
        return value if isinstance(value, int) else 0

    return number("passed"), number("failed"), number("skipped")


class Failed(NamedTuple):
    """A task that failed; `allowed` attempts (None: unknown, it was never retried)."""

    task: TaskFinished
    allowed: int | None
    diagnosis: Diagnosed | None


class PhaseTime(NamedTuple):
    """What the tasks of one phase took, added up."""

    name: str  # "": its tasks have neither phase nor story
    stories: tuple[str, ...]
    tasks: int
    seconds: float


class Files(NamedTuple):
    """Files that differ from before the run, by what became of them."""

    created: int
    modified: int
    deleted: int


class Parallelism(NamedTuple):
    """The figures of a parallel run, by the definitions of SPEC section 8."""

    marked: int  # tasks with [P] that ran
    workers: int  # that were given a task
    sequential: float  # sum of the tasks' seconds
    wall: float  # seconds of the run without its gates, which run alone
    longest: TaskFinished
    shortest: TaskFinished

    @property
    def saved(self) -> float:
        """Negative: overlapping did not make up for what the run itself took."""
        return self.sequential - self.wall

    @property
    def efficiency(self) -> float:
        return self.saved / self.sequential

    @property
    def average(self) -> float:
        return self.sequential / self.wall


class Retried(NamedTuple):
    """A task that had failed when the run began."""

    name: TaskName
    error: str | None  # of then
    now: TaskFinished | None  # None: it was not run this time


@dataclass(frozen=True, slots=True)
class Sessions:
    """The runs since the last that succeeded, this one included."""

    known: bool  # False: no log of any earlier run is left
    number: int
    seconds: float
    exact: bool  # False: one was cut off, it took at least this long
    previous: int  # tasks that were up to date when this run began
    repeated: int  # completed in those sessions, yet stale when this run began
    resumed: int  # tasks that this run ran
    retried: tuple[Retried, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """All that is said of a run when it is over."""

    headline: Headline
    exit_code: int | None  # None: the run has no end, it was killed
    interrupted: bool
    resumed: bool
    filter: str | None
    files: tuple[RepoPath, ...]  # the task files
    chosen: int
    up_to_date: int
    completed: tuple[TaskFinished, ...]
    reused: tuple[TaskFinished, ...]
    failed: tuple[Failed, ...]
    blocked: tuple[TaskFinished, ...]
    broken_off: tuple[TaskFinished, ...]  # had begun when the run was interrupted, or ended by an error
    not_run: int
    waiting: tuple[TaskName, ...]  # those, by name; empty: not known which they are
    claimed: tuple[TaskName, ...]
    left: tuple[TaskName, ...]
    deferred: Mapping[str, tuple[str, ...]]
    deferred_stories: tuple[str, ...]
    seconds: float | None  # None: unknown
    testing: float
    phases: tuple[PhaseTime, ...]
    gates: tuple[GateFinished, ...]
    unfinished_gate: GateStarted | None  # it ran when the run was interrupted
    skipped_gates: bool
    tests: Tests | None
    coverage: float | None
    changed: Files
    parallel: Parallelism | None
    sessions: Sessions | None
    warnings: tuple[Warned, ...]
    titles: Mapping[TaskName, str] = field(default_factory=dict)
    foundation: int = 0  # of the chosen, those that were chosen only since others wait for them
    usage: Mapping[str, Any] = field(default_factory=dict)  # cost_usd, tokens… of all tasks that told of it

    @property
    def done(self) -> int:
        """Chosen tasks whose completion a commit records, earlier ones included."""
        return len(self.completed) + len(self.reused) + self.up_to_date

    @property
    def average(self) -> float | None:
        """Seconds of a task that completed in this run."""
        if not self.completed:
            return None
        return sum(task.seconds for task in self.completed) / len(self.completed)

    @property
    def saved_by_reuse(self) -> float | None:
        """None: unknown, a checkpoint did not say."""
        saved = [task.saved_seconds for task in self.reused]
        return None if None in saved else sum(second for second in saved if second is not None)


def summarise(
    events: Iterable[Event], *, earlier: Sequence[Run] | None = None, diagnose: Diagnose | None = None
) -> Summary:
    """The figures of one run; `earlier`: the runs that `--continue` adds up, see sessions_since_success.

    None: there is no log of any.
    """
    happened = list(events)
    opening = _last(happened, RunStarted)
    plan = _last(happened, Planned)
    end = _last(happened, RunFinished)
    finished = {event.task: event for event in happened if isinstance(event, TaskFinished)}
    gates = tuple(event for event in happened if isinstance(event, GateFinished))
    by_outcome: dict[str, list[TaskFinished]] = {}
    for task in finished.values():
        by_outcome.setdefault(task.outcome, []).append(task)
    ran = [task for task in finished.values() if task.outcome in {"completed", "failed", "skipped"}]
    testing = sum(gate.seconds for gate in gates if not gate.cached)
    seconds = end.seconds if end else None
    up_to_date = end.up_to_date if end else len(plan.up_to_date) if plan else 0
    chosen = end.chosen if end else opening.chosen if opening else len(finished)
    claimed = end.claimed if end else plan.claimed if plan else ()
    left = end.left if end else ()
    settled = len(finished) + up_to_date
    not_run = max(0, chosen - settled - len({*claimed, *left} - finished.keys()))
    tests, coverage = _tests(gates)
    gate = _unfinished_gate(happened)
    return Summary(
        headline=end.headline if end else "failed",
        exit_code=end.exit_code if end else None,
        interrupted=end.interrupted if end else True,
        resumed=opening.resumed if opening else False,
        filter=(end.filter if end else None) or (opening.filter if opening else None),
        files=opening.files if opening else (),
        chosen=chosen,
        foundation=opening.foundation if opening else 0,
        up_to_date=up_to_date,
        completed=tuple(by_outcome.get("completed", ())),
        reused=tuple(by_outcome.get("reused", ())),
        failed=_failed(by_outcome.get("failed", ()), happened, diagnose),
        blocked=tuple(by_outcome.get("blocked", ())),
        broken_off=tuple(by_outcome.get("skipped", ())),
        not_run=not_run,
        waiting=_waiting(plan, {*finished, *claimed, *left}, not_run),
        claimed=claimed,
        left=left,
        deferred=(end.deferred if end else None) or (opening.deferred if opening else {}),
        deferred_stories=opening.deferred_stories if opening else (),
        seconds=seconds,
        testing=testing,
        phases=_phases(ran),
        gates=gates,
        unfinished_gate=gate,
        skipped_gates=end.skipped_gates if end else False,
        tests=tests,
        coverage=coverage,
        changed=_files(task for task in finished.values() if task.outcome in {"completed", "reused"}),
        parallel=None if gate else _parallelism(opening, ran, seconds, testing),
        sessions=_sessions(opening, plan, finished, seconds, earlier),
        warnings=tuple(event for event in happened if isinstance(event, Warned)),
        usage=_usage(finished.values()),
        titles={e.task: e.title for e in happened if isinstance(e, (TaskStarted, TaskFinished))},
    )


def _waiting(plan: Planned | None, settled: Collection[TaskName], number: int) -> tuple[TaskName, ...]:
    """Planned tasks of which nothing became anything; of those that only may have run it may be unknown."""
    planned = dict.fromkeys((*plan.will_run, *plan.may_run)) if plan else {}
    found = tuple(name for name in planned if name not in settled)
    return found if len(found) == number else ()


def _usage(tasks: Iterable[TaskFinished]) -> Mapping[str, Any]:
    sums: dict[str, Any] = {}
    for task in tasks:
        sums = added(sums, {k: v for k, v in task.usage.items() if isinstance(v, int | float)})
    return sums


def _last(happened: Sequence[Event], kind: type[Kind]) -> Kind | None:
    return next((event for event in reversed(happened) if isinstance(event, kind)), None)


def _failed(
    tasks: Sequence[TaskFinished], happened: Sequence[Event], diagnose: Diagnose | None
) -> tuple[Failed, ...]:
    allowed = {event.task: event.attempts for event in happened if isinstance(event, TaskRetried)}
    return tuple(
        Failed(task, allowed.get(task.task), diagnose(task) if diagnose is not None else None)
        for task in tasks
    )


def _phases(ran: Sequence[TaskFinished]) -> tuple[PhaseTime, ...]:
    groups: dict[str, list[TaskFinished]] = {}
    for task in sorted(ran, key=lambda task: task.position):
        groups.setdefault(task.phase or task.story or "", []).append(task)
    return tuple(
        PhaseTime(
            name,
            tuple(dict.fromkeys(task.story for task in tasks if task.story)),
            len(tasks),
            sum(task.seconds for task in tasks),
        )
        for name, tasks in groups.items()
    )


def _unfinished_gate(happened: Sequence[Event]) -> GateStarted | None:
    """The gate whose end was not told; how long it took is unknown."""
    gates = [event for event in happened if isinstance(event, (GateStarted, GateFinished))]
    return gates[-1] if gates and isinstance(gates[-1], GateStarted) else None


def _tests(gates: Sequence[GateFinished]) -> tuple[Tests | None, float | None]:
    """The counts of the run as a whole.

    A phase's gate sees the tests of earlier phases again, so the last of each name counts; and where a gate
    at the end counted tests, those are all of them.
    """
    counted = {(gate.gate, gate.phase is None): gate for gate in gates if gate.tests}
    at_end = [gate for (_, end), gate in counted.items() if end]
    chosen = at_end or list(counted.values())
    tests = [found for gate in chosen if (found := tests_of(gate)) is not None]
    coverage = next((gate.coverage for gate in reversed(gates) if gate.coverage is not None), None)
    if not tests:
        return None, coverage
    suites = tuple(suite for found in tests for suite in found.suites)
    return Tests(
        suites,
        sum(found.passed for found in tests),
        sum(found.failed for found in tests),
        sum(found.skipped for found in tests),
    ), coverage


def _files(tasks: Iterable[TaskFinished]) -> Files:
    """What became of each file over all tasks: one created and then modified is created, once."""
    fates: dict[RepoPath, str | None] = {}
    for task in tasks:
        for change in task.files:
            fates[change.path] = _fate(fates.get(change.path), change)
    found = list(fates.values())
    return Files(found.count("created"), found.count("modified"), found.count("deleted"))


def _fate(before: str | None, change: FileChange) -> str | None:
    match before, change.change:
        case "created", "deleted":
            return None
        case "created", _:
            return "created"
        case "deleted", "created":
            return "modified"
    return change.change


def _parallelism(
    opening: RunStarted | None, ran: Sequence[TaskFinished], seconds: float | None, testing: float
) -> Parallelism | None:
    sequential = sum(task.seconds for task in ran)
    if opening is None or opening.mode == "serial" or seconds is None:
        return None
    wall = seconds - testing
    if sequential <= 0 or wall <= 0:
        return None
    return Parallelism(
        marked=sum(task.parallel for task in ran),
        workers=len({task.worker for task in ran if task.worker}),
        sequential=sequential,
        wall=wall,
        longest=max(ran, key=lambda task: task.seconds),
        shortest=min(ran, key=lambda task: task.seconds),
    )


def _sessions(
    opening: RunStarted | None,
    plan: Planned | None,
    finished: Mapping[TaskName, TaskFinished],
    seconds: float | None,
    earlier: Sequence[Run] | None,
) -> Sessions | None:
    if opening is None or not opening.resumed:
        return None
    known, earlier = earlier is not None, earlier or ()
    stale = {*plan.will_run, *plan.may_run} if plan else set()
    before = {event.task: event for run in earlier for event in run.finished if event.outcome != "skipped"}
    done = {task for task, event in before.items() if event.outcome in {"completed", "reused"}}
    return Sessions(
        known=known,
        number=len(earlier) + 1,
        seconds=sum(run.seconds for run in earlier) + (seconds or 0.0),
        exact=seconds is not None and all(run.end is not None for run in earlier),
        previous=len(plan.up_to_date) if plan else 0,
        repeated=len(done & stale),
        resumed=sum(task.outcome in {"completed", "reused", "failed"} for task in finished.values()),
        retried=tuple(
            Retried(task, before[task].error, finished.get(task))
            for task, outcome in last_outcomes(earlier).items()
            if outcome == "failed"
        ),
    )
