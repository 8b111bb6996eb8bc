"""Private worktrees that are kept from task to task, so that a switch costs what changed."""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from specbuild.engine.modes import SYMLINK
from specbuild.engine.ports import Unusable
from specbuild.engine.task import Entry, Oid, RepoPath
from specbuild.errors import RepositoryError
from specbuild.git import durable, faults
from specbuild.git.files import Files
from specbuild.git.folders import remove_tree
from specbuild.git.repository import Repository
from specbuild.git.store import COMMIT
from specbuild.git.switching import Base, Found, changed, look, switch
from specbuild.git.trees import (
    entries_below,
    entry_at,
    subtree,
    tree_of,
    write_object,
    write_tree,
)
from specbuild.git.workspace import expanded

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
_MANIFEST = re.compile(
    r"(package(-lock)?|npm-shrinkwrap|composer|deno)\.json|.*\.lock(b)?|pnpm-lock\.yaml|\.npmrc|\.nvmrc"
    r"|pyproject\.toml|setup\.(py|cfg)|Pipfile|.*requirements.*\.(txt|in)|\.python-version|Cargo\.toml"
    r"|go\.(mod|sum|work)|Gemfile|mix\.exs|build\.gradle(\.kts)?|pom\.xml|.*\.csproj|Makefile"
)
"""Files by which tools know what to install: where one changed, a worktree is set up again."""

_CROWD = 32
"""So many worktrees with another setup than wanted are passed over; then one is set up anew."""

_TOKEN = 16
"""Bytes in a slot's lock by which who left it knows that nobody took it since."""

_NOBODY = b"specbuild <specbuild@localhost> 0 +0000"


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
        """What the setup left, where that is still what is wanted."""
        state = self.state()
        if key is None or state.get("key") != key:
            durable.drop(f"{self.folder}.setup")
            return []
        kept = state.get("kept")
        return [path for path in kept if isinstance(path, str)] if isinstance(kept, list) else []

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


class PooledSandbox:
    """A task's private worktree: HEAD's tree, or what is visible of it, with the start laid over."""

    in_place = False

    def __init__(
        self,
        repo: Repository,
        head: Oid | None,
        start: Mapping[RepoPath, Entry | None],
        *,
        owned: Sequence[RepoPath],
        visible: Sequence[RepoPath] | None,
        share: Sequence[RepoPath],
        setup: str | None = None,
    ) -> None:
        self._repo = repo.another(repo.top)
        self._head = head or _empty_commit(self._repo)
        self._start = start
        self._owned = owned
        self._visible = visible
        self._share = [path.strip("/") for path in share]
        self._setup = setup
        self._slot = Slot.take(self._repo, setup)
        self._found: Found | None = None
        self.folder = self._slot.folder

    def reset(self) -> None:
        self._found = None
        tree = self._tree()
        self._key = None if self._setup is None else self._setup_key(self._setup, tree)
        slot = self._slot.lay_out(self._head, tree, self._key)
        self._files = self._slot.files(slot)
        for path in self._share:
            self._link(path)
        for path in self._owned:
            folder = path if path.endswith("/") else os.path.dirname(path)
            if self._files.through_link(folder) is None:
                with contextlib.suppress(FileExistsError, NotADirectoryError):
                    os.makedirs(self._files.at(folder), exist_ok=True)

    def _tree(self) -> Oid:
        base = tree_of(self._repo, self._head)
        if self._visible is None:
            return write_tree(self._repo, base, self._start)
        seen: dict[RepoPath, Entry | None] = {}
        for path in self._visible:
            if path.endswith("/"):
                inner = subtree(self._repo, base, path)
                seen.update(entries_below(self._repo, inner, os.fsencode(path)) if inner else {})
            elif (entry := entry_at(self._repo, base, path)) is not None:
                seen[path] = entry
        seen.update(self._start)
        return write_tree(self._repo, None, seen)

    def _setup_key(self, setup: str, tree: Oid) -> str:
        """Of the command, and of the files that say what is to be installed."""
        digest = hashlib.sha256(setup.encode("utf-8", "surrogateescape"))
        for path, entry in sorted(entries_below(self._repo, tree, b"").items()):
            if _MANIFEST.fullmatch(path.rsplit("/", 1)[-1]):
                digest.update(b"\0" + os.fsencode(path) + b"\0" + entry.oid.encode())
        return digest.hexdigest()

    def unprepared(self, setup: str) -> bool:  # noqa: ARG002  (its key is known since `reset`)
        return self._slot.state().get("key") != self._key

    def prepared(self, setup: str) -> None:
        """What it left elsewhere than in ignored places is put back: that is no task's work."""
        self._whole()
        if self._key is not None:
            self._slot.remember(setup, self._key)
        self.reset()

    def _link(self, path: RepoPath) -> None:
        """An ignored folder of the working tree, as it is there."""
        source, target = os.path.join(self._repo.top, path), self._files.at(path)
        if os.path.lexists(source) and not os.path.lexists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.symlink(source, target)

    def result(self, paths: Iterable[RepoPath]) -> Mapping[RepoPath, Entry]:
        files = self._whole()
        found = files.entries(expanded(files, paths, self._slot.base.path))
        return {path: self._inside(path, entry) for path, entry in found.items() if entry is not None}

    def changed(self) -> Mapping[RepoPath, Entry | None]:
        files = self._whole()
        self._found = look(files.repo, self._slot.base)
        paths = changed(files.repo, self._slot.base, self._found)
        found = files.entries(path for path in paths if not self._shared(path))
        return {path: entry and self._inside(path, entry) for path, entry in found.items()}

    def _whole(self) -> Files:
        """The task may have done anything to its folder."""
        if self._slot.admin() is None or not os.path.isfile(self._slot.base.path):
            raise Unusable("the task destroyed the private worktree that it worked in")
        # Whatever it did with HEAD and index: nothing is taken from there.
        self._slot.restore(self._head, self._files.repo)
        return self._files

    def _shared(self, path: RepoPath) -> bool:
        return any(path == shared or path.startswith(f"{shared}/") for shared in self._share)

    def _inside(self, path: RepoPath, entry: Entry) -> Entry:
        """A new link that leaves the worktree leads to nothing, or to something else, in any other."""
        if entry.mode == SYMLINK:
            target = os.fsdecode(self._repo.read(entry.oid))
            leads = os.path.normpath(os.path.join(os.path.dirname(path), target))
            old = entry_at(self._repo, tree_of(self._repo, self._head), path)
            if entry != old and (target.startswith("/") or leads == ".." or leads.startswith("../")):
                raise Unusable(f"{path} is a symlink that leaves the repository: {target}")
        return entry

    def exists(self, path: RepoPath) -> bool:
        return os.path.lexists(os.path.join(self.folder, path.rstrip("/")))

    def undo(self) -> None:
        """Nothing of the user's was touched."""

    def accept(self) -> None:
        """The commit took what it wanted, and nothing ran here since that was looked for."""
        if self._found is not None:
            self._slot.leave(self._found)

    def close(self) -> None:
        self._slot.release()


def _empty_commit(repo: Repository) -> Oid:
    """What a private worktree stands on while the branch is unborn."""
    tree = write_tree(repo, None, {})
    lines = [
        b"tree " + tree.encode(),
        b"author " + _NOBODY,
        b"committer " + _NOBODY,
        b"",
        b"nothing yet",
        b"",
    ]
    return write_object(repo.raw, COMMIT, b"\n".join(lines))


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
