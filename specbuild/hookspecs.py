"""What a plugin is given and what it gives: the whole contract between specbuild and its plugins.

A plugin is a Python package with an entry point in group `specbuild`, or a file of the repository named in
`[plugins] load` of specbuild.toml. It implements one or more of the hooks in `Hooks`:

    from specbuild import Failed, Job, Succeeded, hookimpl

    class Docker:
        name = "docker"
        on_edit = "rebuild"

        def run(self, job: Job) -> Succeeded | Failed:
            code = job.run(["docker", "run", job.options["image"], "sh", "-c", job.task.recipe])
            return Succeeded() if code == 0 else Failed(f"the container ended with exit code {code}")

    @hookimpl
    def specbuild_executors():
        return [Docker()]

The rules are SPEC section 11. The executors that ship with specbuild use nothing else than this module.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

import pluggy

from specbuild.engine.task import TaskFile

hookspec = pluggy.HookspecMarker("specbuild")
hookimpl = pluggy.HookimplMarker("specbuild")
"""Marks a function of a plugin as the implementation of the hook of the same name."""

_LONGEST_ARGUMENT = 100_000  # bytes; Linux takes 128 KiB in one argument


@dataclass(frozen=True, slots=True)
class Task:
    """A task as an executor sees it. Paths are relative to `Job.folder`, with `/` between their parts.

    Text from a task file may hold anything: quotes, escape sequences, surrogate escapes for bytes that
    are not UTF-8 in paths. `recipe` has its placeholders filled in, quoted for its language.
    """

    id: str
    title: str = ""
    file: str = "tasks.md"
    line: int = 0  # from 1
    body: str = ""  # the lines below the item, as written
    story: str | None = None  # "US1"
    phase: str | None = None  # the heading's text
    priority: int | None = None  # 1 to 9
    parallel: bool = False
    labels: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()  # "FR-003"
    targets: tuple[str, ...] = ()  # a directory ends with "/"
    reads: tuple[str, ...] = ()  # inferred from the description
    inputs: tuple[str, ...] = ()  # declared, globs expanded
    recipe: str | None = None  # None: it has none
    language: str | None = None  # of the recipe: "sh", "bash", "python"
    verify: str | None = None  # specbuild runs it itself, after the executor

    @property
    def name(self) -> str:
        """The full name, `FILE#ID`."""
        return f"{self.file}#{self.id}"


class FailedAttempt(NamedTuple):
    """An earlier attempt of the same task in this run."""

    attempt: int  # from 1
    message: str
    output: str  # the end of what it printed
    exit_code: int | None  # negative: the signal that killed it; None: nothing exited
    usage: Mapping[str, Any] = {}  # what it cost, as its executor told


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The executor is content. Whether the task is done is decided by its targets and `verify`.

    `usage`: figures for reports, such as `{"cost_usd": 0.12, "tokens": 3400}`; those of all attempts are
    added up, and `cost_usd` and `tokens` count for the budgets of `[build]`. `doubt`: what speaks against a
    success, such as an exit code that cannot be relied on; where the attempt changed nothing, it has failed
    with these words.
    """

    message: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt failed. `permanent`: another one would fail alike, so none is made.

    `usage`: as of `Succeeded`; a failed attempt has its price, too.
    """

    message: str
    permanent: bool = False
    exit_code: int | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)


class Stopped(Exception):  # noqa: N818  (what happens to a job, not a mistake of it)
    """Raised by `Job.run` where time is over or the run was cancelled: let it pass."""

    def __init__(self, message: str, *, timed_out: bool) -> None:
        super().__init__(message)
        self.timed_out = timed_out


def _ignore(_: str) -> None:
    pass


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt of one task: plain data, and the five things that an executor may ask for.

    While `paused()` is open, nothing else is drawn on the terminal: an executor that asks a person something
    there does so in it.
    """

    task: Task
    folder: str  # absolute; where to work, and what is taken afterwards
    options: Mapping[str, Any] = field(default_factory=dict)  # `[executor.NAME]` of specbuild.toml
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))  # for what it starts
    timeout: float | None = None  # seconds for the whole attempt; None: no limit
    attempt: int = 1  # from 1
    failures: tuple[FailedAttempt, ...] = ()  # of earlier attempts, oldest first
    log: Callable[[str], None] = _ignore  # takes output for the person and the run's log
    cancelled: Callable[[], bool] = _never  # whether to stop as soon as possible
    paused: Callable[[], AbstractContextManager[None]] = nullcontext  # `with` it a person is asked something
    left_usd: float | None = None  # dollars that the run may still cost, by `[build]`; None: no limit
    left_tokens: int | None = None
    _deadline: list[float] = field(default_factory=list, repr=False, compare=False)
    _stopped: list[bool] = field(default_factory=list, repr=False, compare=False)  # whether for time

    def __post_init__(self) -> None:
        if self.timeout is not None and not self._deadline:
            self._deadline.append(time.monotonic() + self.timeout)

    def run(
        self,
        argv: Sequence[str | bytes],
        *,
        input: bytes | None = None,  # noqa: A002  (subprocess's own word)
        env: Mapping[str, str] | None = None,
        output: Callable[[str], None] | None = None,
    ) -> int:
        """Runs a command in `folder` with `env` and returns its exit code (negative: the signal).

        Its output goes to `output`, by default to `log`, in chunks of whole lines. Its stdin holds
        `input`, by default nothing. 127: there is no such command. When it ends, all that it started
        is ended, too. Raises Stopped where the time of the attempt is over or the run is cancelled.
        """
        from specbuild import process  # noqa: PLC0415

        left = self._deadline[0] - time.monotonic() if self._deadline else None
        done = process.run(
            argv,
            cwd=self.folder,
            env=self.env if env is None else env,
            timeout=None if left is None else max(left, 0.001),
            log=output or self.log,
            cancelled=self.cancelled,
            stdin=input,
        )
        if done.timed_out or done.cancelled:
            self._stopped.append(done.timed_out)
        if done.timed_out:
            raise Stopped(f"timed out after {self.timeout:g} s", timed_out=True)
        if done.cancelled:
            raise Stopped("cancelled", timed_out=False)
        return done.exit_code

    def shell(self, script: str, command: Sequence[str] = ("sh", "-eu")) -> int:
        """Runs a script by a shell; as `run`, for scripts of any length."""
        text = script.encode("utf-8", "surrogateescape")
        if len(text) <= _LONGEST_ARGUMENT:
            return self.run([*command, "-c", text])
        import tempfile  # noqa: PLC0415

        with tempfile.NamedTemporaryFile(prefix="specbuild-", suffix=".sh") as file:
            file.write(text)
            file.flush()
            return self.run([*command, file.name])


class Executor(Protocol):
    """Something that carries tasks out.

    It may also have the attributes `on_edit` ("keep" unless it says "rebuild"), `writes` ("any" unless it
    says "declared") and `isolation` ("none", "worktree", "strict"; without it, "worktree" where `writes` is
    "any"). SPEC section 4 says what they mean. Of executors in files of the repository they are not
    looked at: specbuild.toml states them there.

    A name of an executor in such a file must stand in it as `name = "…"`, since commands that only judge
    run no code of the repository.

    One that takes options should have a `check`, too; see `CheckedExecutor`.
    """

    @property
    def name(self) -> str: ...

    def run(self, job: Job) -> Succeeded | Failed:
        """Carries out one attempt. Several may run at once, in threads of their own.

        Whatever it raises fails the attempt, with the plugin's name and the traceback in the log.
        """


class BadOption(NamedTuple):
    """What is wrong with `[executor.NAME]` of specbuild.toml."""

    key: str  # the option that is wrong; "": one is missing, or they do not go together
    what: str  # what was found: 'image of [executor.docker] is 3'
    hint: str = ""  # what is allowed: "it takes a text"


class CheckedExecutor(Executor, Protocol):
    """An executor that looks at its options before anything runs."""

    def check(self, options: Mapping[str, Any]) -> Iterable[BadOption]:
        """What is wrong with the options; nothing: they are fine.

        Called once before a run, where a task uses the executor or its table is there, and by
        `specbuild lint` (there not for executors in files of the repository, whose code lint does not run).
        Each answer stops the run with file and line of its key. Where no task uses the executor, only
        answers about keys that are there count. `share` is checked by specbuild itself.
        """


class Dialect(Protocol):
    """Another form of task files, named by `dialect = "…"` in `tasks` of specbuild.toml."""

    @property
    def name(self) -> str: ...

    def parse(self, data: bytes, path: str) -> TaskFile:
        """What the file at `path` says. `TaskFile.boxes` are the places that ticks change."""


class Failure(NamedTuple):
    """A task that failed for good."""

    task: Task
    message: str
    output: str  # the end of what its last attempt printed
    exit_code: int | None
    timed_out: bool


class Diagnosis(NamedTuple):
    """What a failure may be and what to try."""

    kind: str  # stable, kebab-case: "connection-refused"
    summary: str  # one sentence, with the host, port, path or module named
    causes: tuple[str, ...] = ()
    fixes: tuple[str, ...] = ()


Reporter: TypeAlias = Callable[[Mapping[str, Any]], None]
"""Is called with each event of a run, as `run --json` prints it (SPEC section 9)."""


class Hooks:
    """The hooks. A plugin implements any of them, as functions marked with `hookimpl`."""

    @hookspec
    def specbuild_executors(self) -> Iterable[Executor]:
        """The executors that the plugin offers. Their names must be new."""
        raise NotImplementedError

    @hookspec
    def specbuild_dialects(self) -> Iterable[Dialect]:
        """Other forms of task files. Asked of installed plugins only."""
        raise NotImplementedError

    @hookspec
    def specbuild_reporters(self) -> Iterable[Reporter]:
        """Functions that are told each event of a run. One that raises is not called again."""
        raise NotImplementedError

    @hookspec
    def specbuild_diagnose(self, failure: Failure) -> Diagnosis | None:
        """What a failure may be; None: this plugin does not know. Asked before specbuild's own diagnosis."""
        raise NotImplementedError
