"""Private worktrees that are kept from task to task, so that a switch costs what changed."""

import contextlib
import fcntl
import json
import os
import re
import shutil
from collections.abc import Sequence
from typing import Any

from specbuild.engine.ports import Unusable
from specbuild.engine.task import Oid, RepoPath
from specbuild.errors import RepositoryError
from specbuild.git import durable, faults
from specbuild.git.files import Files
from specbuild.git.folders import remove_tree
from specbuild.git.repository import Repository
from specbuild.git.switching import Base, Found, switch

REASON = "a private worktree of specbuild's pool"
_QUIET = [
    "-c",
    f"core.hooksPath={os.devnull}",
    "-c",
    "core.sparseCheckout=false",
    "-c",
    "core.ignoreStat=false",
    "-c",
    "submodule.recurse=false",
]
_LEFT_BY_GIT = (
    *("MERGE_HEAD", "MERGE_MSG", "MERGE_MODE", "CHERRY_PICK_HEAD", "REVERT_HEAD", "SQUASH_MSG", "AUTO_MERGE"),
    *("BISECT_LOG", "BISECT_START", "rebase-merge", "rebase-apply", "sequencer", "index.lock", "HEAD.lock"),
)
_CROWD = 32
"""So many worktrees with another setup than wanted are passed over; then one is set up anew."""

_TOKEN = 16
"""Bytes in a slot's lock by which who left it knows that nobody took it since."""


class Slot:
    """One worktree of the pool, ours while this object holds its lock (any process may have another)."""

    def __init__(self, repo: Repository, folder: str, lock: int) -> None:
        self._repo = repo
        self.folder = folder
        self._lock = lock
        self.base = Base(repo, f"{folder}.index")
        self._found = self._left()

    @staticmethod
    def take(repo: Repository, setup: str | None = None) -> "Slot":
        """The first slot that nobody uses and that is set up so; a new one where there is none."""
        pool = os.path.join(repo.common_state_dir, "pool")
        number = 0
        while True:
            number += 1
            lock = _try_lock(pool, f"{number}.lock")
            if lock is not None:
                slot = Slot(repo, os.path.join(pool, str(number)), lock)
                state = slot.state()
                if state.get("setup") == setup or not os.path.isdir(slot.folder) or number > _CROWD:
                    return slot
                slot.release()

    # What a task's `setup` left

    def state(self) -> dict[str, Any]:
        """`setup`, the `key` of what it depends on, and the ignored paths that it left (`kept`)."""
        try:
            with open(f"{self.folder}.setup", encoding="utf-8") as file:
                found = json.load(file)
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def remember(self, setup: str, key: str) -> None:
        """What git ignores in the worktree now is what `setup` left."""
        command = ["ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"]
        listed = self._repo.another(self.folder).git(command, env={"GIT_INDEX_FILE": self.base.path})
        kept = [os.fsdecode(path).rstrip("/") for path in listed.split(b"\0") if path]
        state = json.dumps({"setup": setup, "key": key, "kept": kept})
        durable.put(f"{self.folder}.setup", state.encode(), durable=False)

    def _kept(self, key: str | None) -> list[RepoPath]:
        """What the setup left, where that is still what is wanted, and there."""
        state = self.state()
        found = state.get("kept")
        kept = [path for path in found if isinstance(path, str)] if isinstance(found, list) else []
        there = all(os.path.lexists(os.path.join(self.folder, path)) for path in kept)
        if key is None or state.get("key") != key or not there:
            durable.drop(f"{self.folder}.setup")
            return []
        return kept

    def release(self) -> None:
        os.close(self._lock)

    # What is in it, for whoever takes it next

    def leave(self, found: Found) -> None:
        """From now on nobody changes anything in the worktree until it is taken again."""
        token = os.urandom(_TOKEN)
        with contextlib.suppress(OSError):  # a full disk: the next one looks for itself
            if os.pwrite(self._lock, token, 0) == _TOKEN:
                self._repo.shared.left[self.folder] = token, found

    def _left(self) -> Found | None:
        """What this process found in it last, if nobody had it in hand since."""
        token, found = self._repo.shared.left.pop(self.folder, (b"", None))
        written = os.pread(self._lock, _TOKEN, 0)
        os.ftruncate(self._lock, 0)
        return found if found is not None and written == token and found.is_fresh else None

    def admin(self) -> str | None:
        """The worktree's folder in the repository; None: it is not whole."""
        try:
            with open(os.path.join(self.folder, ".git"), encoding="utf-8", errors="surrogateescape") as file:
                admin = file.read().removeprefix("gitdir: ").rstrip("\n")
            with open(os.path.join(admin, "gitdir"), encoding="utf-8", errors="surrogateescape") as file:
                back = file.read().rstrip("\n")
        except OSError:
            return None
        common = os.path.realpath(os.path.join(self._repo.common_dir, "worktrees"))
        whole = os.path.realpath(os.path.dirname(admin)) == common
        here = os.path.realpath(back) == os.path.realpath(os.path.join(self.folder, ".git"))
        return admin if whole and here and os.path.isfile(os.path.join(admin, "commondir")) else None

    def lay_out(self, commit: Oid, tree: Oid, key: str | None = None) -> Repository:
        """HEAD at `commit`, detached, and exactly the files of `tree`; mended first if it is not whole.

        `key`: also what a setup of this key left, if there was one.
        """
        try:
            return self._lay_out(commit, tree, key)
        except (RepositoryError, OSError):
            self.remove()
            return self._lay_out(commit, tree, key)

    def _lay_out(self, commit: Oid, tree: Oid, key: str | None) -> Repository:
        admin = self.admin()
        if admin is None or not os.path.isfile(self.base.path):
            self.remove()
            self._add(commit)
            admin = self.admin()
            if admin is None:
                raise RepositoryError("a private worktree cannot be made", where=self.folder)
        for name in _LEFT_BY_GIT:
            _discard(os.path.join(admin, name))
        self._put_head(admin, commit)
        slot = self._repo.another(self.folder)
        durable.drop(f"{self.base.path}.lock")
        kept = self._kept(key)
        if not self._switch(slot, admin, tree, kept):
            self._switch_by_git(slot, tree, kept)
        faults.point("pool.laid")
        self._put_index(admin, slot)
        return slot

    def _switch(self, slot: Repository, admin: str, tree: Oid, kept: Sequence[RepoPath]) -> bool:
        found, self._found = self._found, None
        self._put_index(admin, slot)
        try:
            return switch(self.files(slot), self.base, tree, kept, found)
        except (RepositoryError, Unusable, OSError, KeyError):  # a task left something unheard of
            return False

    def _switch_by_git(self, slot: Repository, tree: Oid, kept: Sequence[RepoPath]) -> None:
        env = {"GIT_INDEX_FILE": self.base.path}
        spared = [word for path in kept for word in ("-e", "/" + re.sub(r"([\\*?\[\]!# ])", r"\\\1", path))]
        slot.git([*_QUIET, "clean", "-ffdxq", *spared], env=env)
        slot.git([*_QUIET, "read-tree", "--reset", "-u", tree], env=env)
        self.base.note(tree)

    def files(self, slot: Repository) -> Files:
        return Files(slot, f"{self.folder}.aside")

    def restore(self, commit: Oid, slot: Repository) -> None:
        """HEAD and index as they were laid out; the files stay as they are."""
        admin = self.admin()
        if admin is not None:
            self._put_head(admin, commit)
            self._put_index(admin, slot)

    def _put_head(self, admin: str, commit: Oid) -> None:
        durable.put(os.path.join(admin, "HEAD"), f"{commit}\n".encode(), durable=False)

    def _put_index(self, admin: str, slot: Repository) -> None:
        """The start tree's, unless it stands there untouched.

        With its time: git compares that with the files' to see which to look at again.
        """
        index = os.path.join(admin, "index")
        if not self.base.stands_at(index):
            shutil.copy2(self.base.path, f"{index}.new")
            durable.drop(index)  # see `durable.put_anew`
            faults.point("pool.index-away")
            os.rename(f"{index}.new", index)
            self.base.stands_now_at(index)
        slot.shared.index = self.base.copied(index)

    def _add(self, commit: Oid) -> None:
        command = ["worktree", "add", "-q", "--no-checkout", "--detach", "--lock", "--reason", REASON]
        self._repo.git([*_QUIET, *command, self.folder, commit])
        env = {"GIT_INDEX_FILE": self.base.path}
        self._repo.another(self.folder).git(["read-tree", "--empty"], env=env)
        faults.point("pool.added")

    def remove(self) -> None:
        """Removes the worktree, whatever state it is in."""
        _discard(self.folder)
        self.base.forget()
        _discard(f"{self.folder}.setup")
        admins = os.path.join(self._repo.common_dir, "worktrees")
        wanted = os.path.join(self.folder, ".git")
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(admins):
                with contextlib.suppress(OSError), open(os.path.join(admins, name, "gitdir")) as file:
                    if os.path.realpath(file.read().rstrip("\n")) == os.path.realpath(wanted):
                        remove_tree(os.path.join(admins, name))
            os.rmdir(admins) if not os.listdir(admins) else None


def heal(repo: Repository) -> None:
    """Removes worktrees of the pool that are broken and that nobody uses."""
    pool = os.path.join(repo.common_state_dir, "pool")
    with contextlib.suppress(FileNotFoundError):
        for name in sorted(os.listdir(pool)):
            number, dot, rest = name.partition(".lock")
            if dot and not rest and (lock := _try_lock(pool, name)) is not None:
                slot = Slot(repo, os.path.join(pool, number), lock)
                if slot.admin() is None:
                    slot.remove()
                slot.release()


def _try_lock(pool: str, name: str) -> int | None:
    os.makedirs(pool, exist_ok=True)
    fd = os.open(os.path.join(pool, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def _discard(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        remove_tree(path)
    else:
        durable.drop(path)
