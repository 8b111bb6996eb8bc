"""One task on its way from its start state to its commit, and what became of it."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from specbuild.engine.checkpoint import Checkpoint, Recorded
from specbuild.engine.events import FileChange
from specbuild.engine.inputs import Inputs
from specbuild.engine.ports import Failure, Record, Sandbox
from specbuild.engine.record import Results
from specbuild.engine.task import Entry, Oid, RepoPath, Task
from specbuild.engine.verdict import Verdict

OUTPUT = 20_000
"""So many characters of the end of an attempt's output are kept."""


@dataclass(slots=True)
class Work:
    """A task on its way from its start state to its commit."""

    position: int
    task: Task
    verdict: Verdict
    inputs: Inputs
    before: Mapping[RepoPath, Entry]  # what stood at its targets
    saved: Mapping[RepoPath, Entry | None]  # edits by people that its checkpoint has to hold
    stack: ExitStack
    sandbox: Sandbox
    base: Oid | None  # HEAD's commit in its start tree
    laid: Mapping[RepoPath, Entry | None]  # what was laid over that
    worker: int  # 0: none yet
    began: float
    place: int  # n of n/m
    carried: Mapping[RepoPath, str] = field(default_factory=dict)  # see Judge.carried_bytes
    attempt: int = 1
    failures: list[Failure] = field(default_factory=list)
    disturbed: int = 0  # how often an input changed meanwhile
    overtaken: int = 0  # how often the branch moved under it
    usage: Mapping[str, Any] = field(default_factory=dict)  # of all attempts
    cost: Mapping[str, Any] = field(default_factory=dict)  # of this attempt
    doubt: str = ""  # what this attempt says against itself
    asked: int = 0  # further attempts that a person asked for
    output: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # paragraphs of the commit message
    told: list[str] = field(default_factory=list)  # warnings for the person
    ticked: dict[RepoPath, Entry | None] = field(default_factory=dict)
    """Task files as an attempt left them in the working tree; the commit's take their place."""
    boxed: set[RepoPath] = field(default_factory=set)
    """Task files in which an attempt changed nothing but boxes."""
    plain: bool = False  # may be recorded together with others, see `Transactions.is_plain`
    seconds: float = 0.0

    def begin(self, worker: int, now: float) -> None:
        """A worker takes what was opened before one was free."""
        self.worker, self.began = worker, now

    def log(self, text: str) -> None:
        self.output.append(text[-OUTPUT:])
        if len(self.output) > 200:  # a recipe may print without end
            self.output[:] = [self.printed]

    @property
    def printed(self) -> str:
        """The end of what this attempt printed."""
        return "".join(self.output)[-OUTPUT:]

    def failure(self, message: str, *, permanent: bool = False) -> Failure:
        """Why this attempt failed although its executor was content."""
        return Failure(self.attempt, message, self.printed, permanent=permanent)

    @property
    def seen_by_hooks(self) -> str | None:
        """The private tree in which it made its results; a strict one lacks what hooks need."""
        private = not self.sandbox.in_place and self.task.isolation != "strict"
        return self.sandbox.folder if private else None

    def edited_targets(self, results: Results) -> dict[RepoPath, Entry | None]:
        """What stood at a `rebuild` task's targets in the working tree while it ran elsewhere."""
        if self.sandbox.in_place or not self.task.rebuild:
            return {}
        return {path: self.before.get(path) for path in (*results.entries, *results.removed)}

    def says_more(self, new: Checkpoint) -> bool:
        """Whether a checkpoint says anything that the counting one does not."""
        if self.verdict.checkpoint is None:
            return True
        old = self.verdict.checkpoint.checkpoint
        return (old.key, old.local, old.targets) != (new.key, new.local, new.targets)

    def takes_over(self, earlier: "Work") -> None:
        """It begins once more what `earlier` began: attempts and what they cost go on counting."""
        self.disturbed, self.failures, self.attempt = earlier.disturbed, earlier.failures, earlier.attempt
        self.overtaken, self.usage, self.asked = earlier.overtaken, earlier.usage, earlier.asked


class Done(NamedTuple):
    """A recorded completion; `commit` is None where nothing had to be recorded."""

    recorded: Recorded | None
    commit: Oid | None
    files: tuple[FileChange, ...]
    warnings: tuple[str, ...]
    replan: bool  # what it left changes the tasks themselves
    elsewhere: bool = False  # it changed more than its own targets


class Member(NamedTuple):
    """A completed task in a group of them that is recorded together; mostly the only one."""

    work: Work
    results: Results
    checkpoint: Checkpoint
    before: Mapping[RepoPath, Entry]  # what stood where it changed something
    records: tuple[Record, ...] = ()  # empty: nothing has to be recorded
    instead: Mapping[RepoPath, Entry | None] = {}  # edits, kept elsewhere, that its results take the place of
    elsewhere: bool = False  # it changed more than its own targets


class Group(NamedTuple):
    """Completed tasks whose commits become one chain, with one move of the branch."""

    members: tuple[Member, ...]
    onto: Oid | None

    @property
    def records(self) -> list[Record]:
        return [record for member in self.members for record in member.records]
