"""What happens in a run, as values; everything that is shown or logged is made from these."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from specbuild.engine.task import Oid, RepoPath, TaskName

Headline = Literal["complete", "partially complete", "failed"]
Outcome = Literal["completed", "reused", "failed", "blocked", "skipped"]
"""`skipped`: it had begun, and was broken off with the run (`error` says why), which says nothing of it."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file that a task created, modified or deleted; `lines` of its content now, None: binary or gone."""

    path: RepoPath
    change: Literal["created", "modified", "deleted"]
    lines: int | None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; `event` is its name in `run --json` (SPEC section 9)."""

    event: ClassVar[str]


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    event = "run-started"
    files: tuple[RepoPath, ...]
    branch: str | None  # None: detached HEAD
    tasks: int  # in the files that are reported, groups not counted
    chosen: int
    filter: str | None
    by_priority: Mapping[str, int] = field(default_factory=dict)  # "P1" -> chosen tasks; "none"
    by_story: Mapping[str, int] = field(default_factory=dict)
    deferred: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # "P2" -> titles
    foundation: int = 0  # chosen only because chosen tasks wait for them
    parallel_tasks: int = 0
    mode: str = "serial"  # "serial", "parallel (4 workers)"
    why: str = ""
    executors: Mapping[str, int] = field(default_factory=dict)
    resumed: bool = False
    deferred_stories: tuple[str, ...] = ()  # stories of deferred tasks


@dataclass(frozen=True, slots=True)
class Planned(Event):
    """What the run found when it began: tasks that will run, that may run, that are up to date."""

    event = "plan"
    will_run: tuple[TaskName, ...]
    may_run: tuple[TaskName, ...]
    up_to_date: tuple[TaskName, ...]
    claimed: tuple[TaskName, ...]
    reasons: Mapping[TaskName, tuple[str, ...]] = field(default_factory=dict)  # printed reasons


@dataclass(frozen=True, slots=True)
class TaskStarted(Event):
    event = "task-started"
    task: TaskName
    title: str
    position: int  # from 1, of `total`; tasks completed earlier are counted
    total: int
    worker: int  # from 1
    attempt: int  # from 1
    phase: str | None
    story: str | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TaskOutput(Event):
    event = "task-output"
    task: TaskName
    text: str  # as the recipe wrote it, a chunk of lines


@dataclass(frozen=True, slots=True)
class TaskRetried(Event):
    event = "task-retried"
    task: TaskName
    attempt: int  # the one that failed
    attempts: int  # allowed
    error: str
    delay: float  # seconds until the next


@dataclass(frozen=True, slots=True)
class TaskFinished(Event):
    event = "task-finished"
    task: TaskName
    title: str
    outcome: Outcome
    seconds: float
    attempts: int
    commit: Oid | None
    error: str | None = None
    position: int = 0
    total: int = 0
    worker: int = 0
    phase: str | None = None
    story: str | None = None
    priority: int | None = None
    parallel: bool = False
    files: tuple[FileChange, ...] = ()
    blocked_by: TaskName | None = None
    partial: str | None = None  # the ref that keeps the work of one that failed or was broken off
    reused_from: Oid | None = None
    saved_seconds: float | None = None  # what reuse saved
    output: str = ""  # the end of the last attempt's output, for diagnosis
    usage: Mapping[str, Any] = field(default_factory=dict)
    exit_code: int | None = None  # of what failed; negative: the signal that killed it; None: nothing exited
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class GateStarted(Event):
    event = "gate-started"
    gate: str
    phase: str | None  # None: at the end


@dataclass(frozen=True, slots=True)
class GateFinished(Event):
    event = "gate-finished"
    gate: str
    phase: str | None
    passed: bool
    cached: bool
    seconds: float
    output: str = ""
    tests: Mapping[str, Any] = field(default_factory=dict)  # suites, passed, failed, skipped
    coverage: float | None = None  # percent


@dataclass(frozen=True, slots=True)
class Warned(Event):
    event = "warning"
    message: str
    task: TaskName | None = None


@dataclass(frozen=True, slots=True)
class RunFinished(Event):
    """The end; `headline` is one of the three of SPEC section 8."""

    event = "run-finished"
    headline: Headline
    exit_code: int
    seconds: float
    completed: int
    up_to_date: int
    reused: int
    failed: int
    blocked: int
    chosen: int
    claimed: tuple[TaskName, ...] = ()
    left: tuple[TaskName, ...] = ()  # stale, but run only with leave
    deferred: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    filter: str | None = None
    interrupted: bool = False
    skipped_gates: bool = False
