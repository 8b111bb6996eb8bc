"""A private worktree goes from one tree to another at the cost of what differs, not of what is there."""

import os
from collections.abc import Collection, Mapping
from dataclasses import replace

from specbuild.engine.modes import SUBMODULE
from specbuild.engine.task import Entry, Oid, RepoPath
from specbuild.git import durable
from specbuild.git.files import Files
from specbuild.git.folders import remove_tree
from specbuild.git.follow import Unchanged
from specbuild.git.indexfile import IndexFile
from specbuild.git.indexformat import Wanted
from specbuild.git.repository import GitFailed, Repository
from specbuild.git.trees import Reader, differing
from specbuild.gitstate import stat_identity

MANY = 2000
"""So many files are not written one by one: git does it faster."""


class Base:
    """The index of a worktree's start tree, in a file of its own, and a note which tree that is."""

    def __init__(self, repo: Repository, path: str) -> None:
        self._repo = repo
        self.path = path
        self._note = f"{path}.tree"

    def note(self, tree: Oid) -> None:
        """The index stands for `tree` now."""
        durable.put(self._note, tree.encode() + b" " + stat_identity(self.path), durable=False)

    def forget(self) -> None:
        for path in (self.path, f"{self.path}.lock", self._note):
            durable.drop(path)

    @property
    def tree(self) -> Oid | None:
        """None: it is not known for certain."""
        try:
            with open(self._note, "rb") as file:
                tree, _, identity = file.read().partition(b" ")
        except OSError:
            return None
        return tree.decode("ascii", "replace") if identity == stat_identity(self.path) else None

    def read(self) -> IndexFile:
        known = self._repo.shared.bases
        found = known[self.path] = IndexFile.read(self.path, known.get(self.path))
        return found

    def stands_now_at(self, path: str) -> None:
        """A copy was made there."""
        self._repo.shared.copies[path] = stat_identity(self.path), stat_identity(path)

    def stands_at(self, path: str) -> bool:
        """Whether the copy that was made there last is this index, and nobody touched it since."""
        return self._repo.shared.copies.get(path) == (stat_identity(self.path), stat_identity(path))

    def copied(self, path: str) -> IndexFile:
        """As the copy at `path` will be read."""
        now = os.stat(path)
        return replace(self.read(), path=path, inode=now.st_ino, permissions=now.st_mode & 0o777)

    def write(self, content: bytes, after: IndexFile) -> None:
        durable.put(self.path, content, durable=False)
        self._repo.shared.bases[self.path] = after.settled(os.stat(self.path))


def switch(slot: Repository, files: Files, base: Base, tree: Oid, spared: Collection[RepoPath]) -> bool:
    """Makes the worktree `slot` hold exactly the files of `tree`, and what is `spared` of those in no tree.

    False: that is for git to do, which looks at every file.
    """
    old = base.tree
    if old is None:
        return False
    dirty, others = _scan(slot, base.path, "--directory", modules="none")
    before, after = Reader(slot, old), Reader(slot, tree)
    wanted = {path: after.entry(path) for path in dirty.union(differing(slot, old, tree))}
    modules = any(_is_module(entry) or _is_module(before.entry(path)) for path, entry in wanted.items())
    others -= {path for path in others if path.rstrip("/") in spared}
    if len(wanted) > MANY or modules or any(path.startswith(tuple(others)) for path in spared):
        return False
    for path in others:
        _remove(files, path)
    for path, entry in wanted.items():
        if before.entry(path) is not None and _is_folder(files.at(path)):
            _remove(files, path)  # in place of a file: git does not list it
        if entry is None:
            files.remove(path)
            files.remove_empty_above(path)
    files.write({path: entry for path, entry in wanted.items() if entry is not None})
    _put(files, base, wanted)
    base.note(tree)
    return True


def changed(slot: Repository, base: Base) -> list[RepoPath]:
    """Files that are not as in the start tree, and new ones that git does not ignore."""
    dirty, others = _scan(slot, base.path, "--exclude-standard", modules="dirty")
    return sorted(dirty.union(path for path in others if not path.endswith("/")))


def _scan(slot: Repository, index: str, how: str, *, modules: str) -> tuple[set[RepoPath], set[RepoPath]]:
    """Tracked files that are not as the index says, and what it does not know (folders end with `/`).

    `how`: an option of `git ls-files --others`; `modules`: what is ignored of submodules.
    """
    env = {"GIT_INDEX_FILE": index, "GIT_OPTIONAL_LOCKS": "0"}
    quiet = ["-c", "core.fsmonitor=false"]
    commands = (
        [*quiet, "diff-files", "-z", "--name-only", "--no-renames", f"--ignore-submodules={modules}"],
        [*quiet, "ls-files", "-z", "--others", how],
    )
    running = [(command, slot.spawn(command, env=env)) for command in commands]  # both at once
    found = []
    for command, process in running:
        with process:
            output = process.stdout.read() if process.stdout else b""
        if process.returncode:
            raise GitFailed(command, process.returncode, b"")
        found.append({os.fsdecode(path) for path in output.split(b"\0") if path})
    dirty, others = found
    return dirty, others


def _is_module(entry: Entry | None) -> bool:
    return entry is not None and entry.mode == SUBMODULE


def _remove(files: Files, path: RepoPath) -> None:
    target = files.at(path.rstrip("/"))
    if _is_folder(target):
        remove_tree(target)
    else:
        os.unlink(target)


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _put(files: Files, base: Base, wanted: Mapping[RepoPath, Entry | None]) -> None:
    index = base.read()
    entries = {
        os.fsencode(path): None if entry is None else Wanted(entry, files.look(path))
        for path, entry in wanted.items()
    }
    base.write(*index.edit(entries, Unchanged(files, index)))
