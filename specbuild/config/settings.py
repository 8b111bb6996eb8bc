"""What specbuild.toml says, as values; a missing file is `Config()`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from specbuild.engine.filter import Filter
from specbuild.engine.task import Isolation, OnEdit, RepoPath, Writes

FILE = "specbuild.toml"


class TaskSource(NamedTuple):
    """A task file that config names (it may be a glob), and the folder that its paths start from."""

    file: RepoPath
    root: str = ""  # "": the repository's top
    dialect: str | None = None  # None: markdown checklists
    line: int = 0


@dataclass(frozen=True, slots=True)
class Build:
    """`[build]`: how runs go, and what holds for tasks that nothing else decides."""

    executor: str | None = None
    jobs: int | None = None  # None: the command decides
    retries: int = 0  # further attempts after the first
    timeout: float | None = None  # seconds; None: no limit
    inputs: tuple[str, ...] = ()  # read by every task
    save_inputs: Literal["commit", "refuse"] = "commit"
    tick: bool = True
    reuse_from: tuple[str, ...] = ("refs/heads/*",)
    subject: str = "{id} {title}"
    run_hooks: bool = False  # whether git's hooks run for checkpoints' commits
    on_finish: str | None = None  # a shell command after each run
    budget_usd: float | None = None  # what a run's agents may cost
    budget_tokens: int | None = None
    share: tuple[str, ...] = ()  # ignored folders that worktrees link in


@dataclass(frozen=True, slots=True)
class Rule:
    """A `[[rule]]`; None: it says nothing about this key."""

    number: int  # from 1
    line: int
    match: Filter | None = None  # None: every task
    executor: str | None = None
    run: str | None = None
    inputs: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None
    verify: str | None = None
    on_edit: OnEdit | None = None
    writes: Writes | None = None
    isolation: Isolation | None = None
    timeout: float | None = None
    retries: int | None = None
    env: tuple[str, ...] | None = None
    needs: tuple[str, ...] | None = None
    setup: str | None = None
    review: bool | None = None
    reuse: bool | None = None
    share: tuple[str, ...] | None = None
    lines: Mapping[str, int] = field(default_factory=dict)  # key -> line


@dataclass(frozen=True, slots=True)
class Gate:
    """A `[[gate]]`: a command over the whole tree."""

    name: str
    run: str
    at: Literal["phase", "end"] = "end"
    timeout: float | None = None  # seconds
    line: int = 0


@dataclass(frozen=True, slots=True)
class Plugins:
    load: tuple[str, ...] = ()  # files of the repository, or modules
    line: int = 0


@dataclass(frozen=True, slots=True)
class Hooks:
    keep: bool = False  # whether `keep` tasks count in git hooks
    pre_push_mode: Literal["run", "check"] = "run"
    pre_push_budget: float = 600.0  # seconds that a build may hold up a push


@dataclass(frozen=True, slots=True)
class Report:
    """A `[[report]]`: a document written after each run."""

    format: Literal["session", "changes", "progress", "junit", "json"]
    path: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Runs:
    """`[runs]`: how much of the runs' logs is kept; None: specbuild's own limit."""

    keep: int | None = None  # runs
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """All of specbuild.toml."""

    file: str = FILE
    tasks: tuple[TaskSource, ...] | None = None  # None: the default places
    build: Build = Build()
    rules: tuple[Rule, ...] = ()
    gates: tuple[Gate, ...] = ()
    executors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # options by name
    plugins: Plugins = Plugins()
    hooks: Hooks = Hooks()
    reports: tuple[Report, ...] = ()
    runs: Runs = Runs()
    lines: Mapping[str, int] = field(default_factory=dict)  # "build.executor", "executor.agent" -> line
