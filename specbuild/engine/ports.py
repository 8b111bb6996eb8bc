"""Every effect that the engine asks for, on one page; each port has a real and an in-memory form."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from specbuild.engine.checkpoint import Checkpoint, Recorded
from specbuild.engine.task import Entry, Isolation, Oid, RepoPath, Task, TaskName
from specbuild.errors import RepositoryError

if TYPE_CHECKING:
    from specbuild.engine.events import Event

__all__ = [
    "Attempt",
    "Clock",
    "Committer",
    "Entry",
    "Executors",
    "Failure",
    "History",
    "Moved",
    "Ran",
    "Record",
    "Refused",
    "Reporter",
    "Sandbox",
    "Snapshot",
    "Tree",
    "Workspaces",
    "World",
]


class Snapshot(Protocol):
    """One state of the tree as paths and blob ids: a commit's, or the working tree's."""

    working: bool
    """Whether this is the working tree; if so `entry` and `below` also see untracked files."""

    def entry(self, path: RepoPath) -> Entry | None:
        """The file, symlink or submodule at `path`; None: nothing there, or a folder.

        In the working tree an ignored file is seen if it is asked for by its name.
        """

    def below(self, folder: RepoPath) -> Mapping[RepoPath, Entry]:
        """All entries below `folder` (ends with `/`; `""`: the whole tree) that git does not ignore."""

    def glob(self, pattern: str) -> Sequence[RepoPath]:
        """Paths that match, sorted, ignored ones left out. `*` `?` `[…]` stop at `/`, `**` does not."""

    def named(self, last: str) -> Sequence[RepoPath]:
        """Tracked paths whose last component is `last`, sorted."""

    def tracked(self, path: RepoPath) -> Entry | None:
        """As `entry`, in the commit that this snapshot stands on (HEAD's, for the working tree)."""

    def tracked_below(self, folder: RepoPath) -> bool:
        """Whether that commit has anything below `folder`."""

    def read(self, path: RepoPath) -> bytes | None:
        """The content of the file at `path` as git would store it; None: nothing there."""

    def exists(self, path: RepoPath) -> bool:
        """Whether anything stands at `path`, ignored by git or not."""

    def ignored(self, path: RepoPath) -> bool:
        """Whether git ignores `path`; False for what is tracked, and where there is no working tree."""


class Tree(Snapshot, Protocol):
    """The working tree as a snapshot that stands on HEAD."""

    @property
    def touched(self) -> AbstractSet[RepoPath]:
        """Files that `refresh` named since the tree as a whole was looked at."""

    def refresh(self, paths: Iterable[RepoPath] | None = None) -> None:
        """These paths (folders end with `/`; None: any) may have changed on disk, and HEAD may have moved."""

    def moved(self, commit: Oid, changes: Mapping[RepoPath, Entry | None]) -> None:
        """HEAD is now at `commit`, which differs from the last one in just these (None: removed)."""

    def dirty(self) -> Collection[RepoPath]:
        """Tracked paths that differ from HEAD, staged or not, and untracked ones that git does not ignore."""

    def staged(self, path: RepoPath) -> Entry | None:
        """What the index holds at `path`; None: nothing."""


class History(Protocol):
    """Checkpoints reachable from one commit."""

    @property
    def tip(self) -> Oid | None:
        """The commit; None: there is none yet."""

    def checkpoints(self) -> Sequence[Recorded]:
        """All of them, undone ones included, newest first: topologically, then by time."""

    def supersedes(self, newer: Recorded, older: Recorded) -> bool:
        """Whether `older`'s commit is an ancestor of `newer`'s (false on two sides of a merge)."""

    def snapshot(self, commit: Oid) -> Snapshot:
        """The tree of a commit."""

    def added(self, commit: Oid, checkpoints: Sequence[Checkpoint], time: int) -> None:
        """The tip moved to a commit, just made on top of the last, with these checkpoints: now the newest."""

    def concerning(self, name: TaskName, definition: str) -> Sequence[Recorded]:
        """Those of them that have this definition or this name."""

    def with_definition(self, definition: str) -> Iterator[Recorded]:
        """Those of them that have this definition, newest first."""

    def with_key(self, key: str) -> Sequence[Recorded]:
        """Those of them that have this key."""

    def elsewhere(self, refs: Sequence[str], key: str | None = None) -> Sequence[Recorded]:
        """Checkpoints that only other refs (patterns such as `refs/heads/*`) reach, not undone there.

        `key`: only those that have it.
        """

    def anywhere(self, path: RepoPath, result: str | None) -> bool:
        """Whether a checkpoint reachable from any ref or reflog records this result of this path.

        `result` None: whatever it recorded, since of what git ignores no bytes are.
        """


class Sandbox(Protocol):
    """Where one task runs: its start state is laid out, and what it leaves is taken or undone."""

    folder: str
    """Absolute path of the folder to work in."""
    in_place: bool
    """Whether that is the working tree itself."""

    def reset(self) -> None:
        """Lays out the start state again, for the next attempt."""

    def result(self, paths: Iterable[RepoPath]) -> Mapping[RepoPath, Entry]:
        """What stands at the paths, folders expanded to what git does not ignore; blobs are stored."""

    def changed(self) -> Mapping[RepoPath, Entry | None]:
        """All that differs from the start state and git does not ignore (None: deleted); blobs stored.

        Costs a look at the whole tree: only where `writes` is `any`, or a name is still unresolved.
        """

    def exists(self, path: RepoPath) -> bool:
        """Whether anything stands at `path` there, ignored by git or not."""

    def unprepared(self, setup: str) -> bool:
        """Whether `setup` is still to run there: not in the working tree, and not twice alike."""

    def prepared(self, setup: str) -> None:
        """`setup` ran: what it left, and git ignores, stays for later tasks with the same one."""

    def undo(self) -> None:
        """Leaves everything as it was before the task."""

    def accept(self, *, untouched: bool = False) -> None:
        """The result was recorded: nothing is undone any more.

        `untouched`: nobody worked in the folder since it was asked what changed there.
        """


class Workspaces(Protocol):
    """Makes sandboxes."""

    def open(
        self,
        task: Task,
        *,
        start: Mapping[RepoPath, Entry | None],
        owned: Sequence[RepoPath],
        isolation: Isolation,
        visible: Sequence[RepoPath] | None,
    ) -> AbstractContextManager[Sandbox]:
        """A sandbox whose tree is HEAD's with `start` laid over it (None: absent).

        `owned`: target paths, restored on `undo`; a folder is owned whole. `visible`: with `strict`, all
        that may be seen. Leaving the context without `accept` undoes.
        """


@dataclass(frozen=True, slots=True)
class Record:
    """One commit to be made. A path not named stays as in its parent."""

    message: str
    changes: Mapping[RepoPath, Entry | None]  # None: removed
    edited: bool = False  # these bytes are the person's own edits, already in the working tree
    in_place: bool = True  # the working tree already has these bytes
    folder: str | None = None
    """Where its bytes stand while hooks look at them; None: in the working tree."""
    instead: Mapping[RepoPath, Entry | None] = field(default_factory=dict)
    """What may stand in the working tree other than the parent has it, and is overwritten: a ref keeps it."""


class Committer(Protocol):
    """Makes results visible: blobs, trees, commits, one ref update."""

    def head(self) -> Oid | None:
        """The commit of the run's branch now; None: unborn."""

    def attached(self) -> bool:
        """Whether HEAD still names the branch that the run belongs to."""

    def store(self, data: bytes, *, like: Oid | None = None) -> Oid:
        """Makes a blob, which is on disk as soon as a commit holds it; `like`: what it was made of."""

    def read(self, oid: Oid) -> bytes:
        """The content of a blob."""

    def write(self, path: RepoPath, data: bytes, *, instead: Entry | None) -> bool:
        """Writes a file of the working tree, if `instead` still stands there; says whether it did."""

    def place(self, path: RepoPath, entry: Entry | None, *, instead: Entry | None) -> bool:
        """Puts a blob into the working tree (None: removes the file), if `instead` still stands there."""

    def add(self, paths: Iterable[RepoPath]) -> Mapping[RepoPath, Entry | None]:
        """Writes blobs of what stands in the working tree, as `git add` would; None: nothing there."""

    def commit(self, records: Sequence[Record], *, onto: Oid | None) -> Sequence[Oid]:
        """A chain of commits, one per record, made visible by one compare-and-swap of the branch from `onto`.

        Index and working tree follow for the changed paths. Durable on return.
        Raises Moved where the branch is not at `onto` any more, Refused where a git hook refuses one of the
        commits: nothing happened then.
        """

    def merge(self, base: Oid, ours: Oid, theirs: Oid) -> Oid | None:
        """A blob with the changes that both sides made to `base`, line by line; None: they contradict."""

    def keep(self, kind: str, changes: Mapping[RepoPath, Entry | None], message: str) -> str:
        """Commits a tree under `refs/specbuild/<kind>/…` (kind: `saved` or `failed`) and returns the ref."""


class World(NamedTuple):
    """The repository's side of a run."""

    tree: Tree
    history: History
    workspaces: Workspaces
    committer: Committer


class Moved(Exception):  # noqa: N818  (a state of the world, not a mistake)
    """The branch is no longer where it was."""


class Refused(RepositoryError):  # noqa: N818  (as `Moved`)
    """A git hook of the user's refuses a commit.

    `final`: another attempt of the task would change nothing about it.
    """

    exit_code = 1

    def __init__(self, hook: str, subject: str, why: str, *, output: str = "", final: bool = False) -> None:
        super().__init__(
            f'the {hook} hook refuses the commit "{subject}": it {why}',
            hint="see to what it says; with run_hooks = false in [build] no hook is asked",
        )
        self.output = output
        self.final = final

    def __str__(self) -> str:
        return "\n".join(filter(None, [super().__str__(), self.output.rstrip()]))


class Unusable(Exception):  # noqa: N818  (as `Moved`)
    """What an attempt left cannot be taken, as its folder is gone or a target lies behind a symlink.

    The attempt has failed; its message says why. `Sandbox.reset` makes the sandbox good again.
    """


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that failed."""

    attempt: int
    message: str
    output: str  # the end of what it printed
    exit_code: int | None = None  # negative: the signal that killed it
    permanent: bool = False
    usage: Mapping[str, Any] = field(default_factory=dict)  # what it cost all the same
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of one task, as the engine hands it to an executor."""

    task: Task
    recipe: str | None  # with placeholders filled in
    verify: str | None
    folder: str
    attempt: int  # from 1
    failures: tuple[Failure, ...]
    environment: Mapping[str, str]
    values: Mapping[str, Any] = field(default_factory=dict)  # of the placeholders
    setup: str | None = None  # what a fresh worktree needs first
    left_usd: float | None = None  # what the run may still cost; None: no limit
    left_tokens: int | None = None


class Executors(Protocol):
    """Runs attempts. An implementation times out, captures output and never raises for a recipe's fault."""

    def run(
        self, attempt: Attempt, log: Callable[[str], None], cancelled: Callable[[], bool]
    ) -> "Failure | Ran": ...

    def verify(
        self, attempt: Attempt, log: Callable[[str], None], cancelled: Callable[[], bool]
    ) -> "Failure | Ran":
        """Runs the task's `verify` command in the same folder."""

    def setup(
        self, attempt: Attempt, log: Callable[[str], None], cancelled: Callable[[], bool]
    ) -> "Failure | Ran":
        """Runs the task's `setup` command in its fresh worktree."""


class Ran(NamedTuple):
    """An attempt whose executor was content."""

    message: str = ""
    usage: Mapping[str, Any] = {}
    doubt: str = ""  # why it failed, if it turns out to have changed nothing


class Clock(Protocol):
    """Time, so that tests have none."""

    def now(self) -> float:
        """Seconds since 1970."""

    def sleep(self, seconds: float, cancelled: Callable[[], bool]) -> None:
        """Waits, but no longer than until `cancelled` says so."""


Reporter = Callable[["Event"], None]
"""Whoever wants to know what happens; it must not raise and cannot change anything."""
