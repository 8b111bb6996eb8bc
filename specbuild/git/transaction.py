"""What makes a commit's steps one: the index lock, and a note of what was meant, for use after a crash."""

import contextlib
import errno
import itertools
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from specbuild.engine.task import Entry, Oid, RepoPath
from specbuild.errors import RepositoryError
from specbuild.git import durable, faults
from specbuild.git.files import Files, beside
from specbuild.git.indexfile import IndexFile
from specbuild.git.indexformat import Wanted
from specbuild.git.repository import Repository

_numbers = itertools.count(1)

Action = Literal["write", "remove", "none"]


class Step(NamedTuple):
    """A path that a commit changes: what the parent's tree, the commit and the index say of it."""

    path: RepoPath
    before: Entry | None
    after: Entry | None
    held: Entry | None  # in the index, before
    action: Action  # on the working file


@dataclass(frozen=True, slots=True)
class Intent:
    """A commit that is about to be made visible."""

    ref: str
    onto: Oid | None
    tip: Oid
    steps: tuple[Step, ...]

    def dump(self) -> bytes:
        return json.dumps(
            {"version": 1, "ref": self.ref, "onto": self.onto, "tip": self.tip, "steps": self.steps}
        ).encode()

    @staticmethod
    def load(data: bytes) -> "Intent | None":
        """None: not an intent, or half of one."""
        try:
            found = json.loads(data)
            if found["version"] != 1:
                return None
            steps = tuple(_step(item) for item in found["steps"])
            return Intent(str(found["ref"]), found["onto"], str(found["tip"]), steps)
        except (ValueError, KeyError, TypeError, IndexError):
            return None


def _step(item: Any) -> Step:
    path, before, after, held, action = item
    if not isinstance(path, str) or not sound(path) or action not in {"write", "remove", "none"}:
        raise ValueError(path)
    return Step(path, as_entry(before), as_entry(after), as_entry(held), action)


def as_entry(item: Any) -> Entry | None:
    """An entry as JSON holds it; ValueError or TypeError where it is none."""
    if item is None:
        return None
    mode, oid = item
    if not isinstance(mode, int) or not isinstance(oid, str) or len(oid) != 40:
        raise ValueError(item)
    return Entry(mode, oid)


def sound(path: str) -> bool:
    """Whether a path from a file of our own may be acted on: it stays in the tree and out of .git."""
    parts = path.rstrip("/").split("/")
    return (
        bool(path)
        and not path.startswith("/")
        and not any(part in {"", ".", ".."} or part.lower() == ".git" for part in parts)
    )


def intent_path(state_dir: str) -> str:
    return os.path.join(state_dir, f"commit.{os.getpid()}.json")


class IndexLock:
    """Git's own lock on the index, which holds its new content when it is published.

    The lock is a second name of a file in our state folder: whoever finds it after a crash knows whose it is.
    """

    def __init__(self, git_dir: str, state_dir: str, *, patience: float) -> None:
        self.path = os.path.join(git_dir, "index")
        self._lock = f"{self.path}.lock"
        self._state_dir = state_dir
        self._token = os.path.join(state_dir, f"index.{os.getpid()}-{next(_numbers)}.token")
        self._patience = patience
        self._held = False

    def __enter__(self) -> Self:
        os.makedirs(self._state_dir, exist_ok=True)
        durable.drop(self._token)  # never written through: it may be a second name of the index itself
        os.close(os.open(self._token, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666))
        try:
            for _ in backing_off(self._patience):
                if self._take():
                    return self
        except OSError:
            durable.drop(self._token)
            raise
        durable.drop(self._token)
        raise RepositoryError(
            f"the index is locked by another git process, for more than {self._patience:g} seconds",
            where=self._lock,
            hint="let it end, or remove the file if no git process runs any more",
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._held:
            durable.drop(self._lock)
            self._held = False
        durable.drop(self._token)

    def _take(self) -> bool:
        try:
            os.link(self._token, self._lock)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV}:
                raise
            return self._take_without_links()
        self._held = True
        return True

    def _take_without_links(self) -> bool:
        try:
            fd = os.open(self._lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
        except FileExistsError:
            return False
        found = os.fstat(fd)
        os.close(fd)
        durable.put(self._token, f"{found.st_dev} {found.st_ino}".encode(), durable=False)
        self._held = True
        return True

    def write(self, content: bytes, permissions: int | None, *, sync: bool) -> os.stat_result:
        """The content that the index is to have; returns stat data that it keeps when it is published."""
        fd = os.open(self._lock, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        with open(fd, "wb") as file:
            file.write(content)
            file.flush()
            if permissions is not None:
                os.fchmod(fd, permissions)
            if sync:
                os.fsync(fd)
            return os.fstat(fd)

    def publish(self) -> None:
        os.rename(self._lock, self.path)
        self._held = False


def drop_own_locks(git_dir: str, state_dir: str) -> bool:
    """Removes an index lock that a dead specbuild left; anybody else's stays."""
    lock = os.path.join(git_dir, "index.lock")
    dropped = False
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(state_dir):
            if name.startswith("index.") and name.endswith(".token"):
                token = os.path.join(state_dir, name)
                if _same_file(token, lock):
                    durable.drop(lock)
                    dropped = True
                durable.drop(token)
    return dropped


def _same_file(token: str, lock: str) -> bool:
    try:
        found = os.lstat(lock)
        if os.path.samestat(os.lstat(token), found):
            return True
        with open(token, "rb") as file:
            return file.read(64) == f"{found.st_dev} {found.st_ino}".encode()
    except OSError:
        return False


def backing_off(patience: float) -> Iterator[None]:
    """A turn at once, then more with growing pauses, until `patience` seconds are over."""
    end = time.monotonic() + patience
    pause = 0.005
    yield
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(pause, left))
        pause = min(pause * 1.6, 0.25)
        yield


def roll_back(files: Files, steps: tuple[Step, ...]) -> list[RepoPath]:
    """Takes back what was done to working files for a commit that did not come; returns the paths.

    Only where the file still is what was written: anything newer is a person's.
    """
    done = [step for step in steps if step.action != "none"]
    for step in done:
        durable.drop(beside(files.at(step.path)))
    now = files.entries(step.path for step in done)
    touched = [step for step in done if now[step.path] == step.after != step.before]
    for step in touched:
        if step.before is None:
            files.remove(step.path)
    files.write({step.path: step.before for step in touched if step.before is not None})
    return [step.path for step in touched]


def finish_index(files: Files, lock: IndexLock, steps: tuple[Step, ...]) -> None:
    """Sets the entries that a commit changed, where the index still holds what it held before."""
    index = IndexFile.read(lock.path)
    now = files.entries(step.path for step in steps)
    changes: dict[bytes, Wanted | None] = {}
    for step in steps:
        name = os.fsencode(step.path)
        held = index.get(name)
        if (held.entry if held else None) != step.held or step.held == step.after:
            continue
        if step.after is None:
            changes[name] = None
            continue
        absent = files.look(step.path) is None
        skip = bool(held and held.skip_worktree and absent)
        stat = files.look(step.path) if now[step.path] == step.after else None
        changes[name] = Wanted(step.after, stat, bool(held and held.assume_valid), skip)
    if changes:
        content, _ = index.edit(changes, unchanged=lambda _name, _held: False)
        lock.write(content, index.permissions, sync=True)
        faults.point("recover.index")
        lock.publish()


def own_ref_lock(repo: Repository, intent: Intent) -> None:
    """Removes the lock of a ref that a dead specbuild was about to move; one that is being used changes."""
    folder = repo.git_dir if intent.ref == "HEAD" else repo.common_dir
    lock = os.path.join(folder, f"{intent.ref}.lock")
    before = _content(lock)
    if before is None or before.strip() not in {b"", intent.tip.encode()}:
        return
    time.sleep(1.0)  # no living git holds one that long
    if _content(lock) == before:
        durable.drop(lock)


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(100)
    except OSError:
        return None
