"""A private worktree goes from one tree to another at the cost of what differs, not of what is there."""

import os
import sys
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from specbuild.engine.modes import SUBMODULE
from specbuild.engine.task import Entry, Oid, RepoPath
from specbuild.git import durable
from specbuild.git.files import Files
from specbuild.git.folders import remove_tree
from specbuild.git.follow import Unchanged
from specbuild.git.indexfile import IndexFile
from specbuild.git.indexformat import Wanted
from specbuild.git.modified import Modified
from specbuild.git.repository import Repository
from specbuild.git.trees import Reader, differing
from specbuild.git.untracked import Untracked
from specbuild.gitstate import stat_identity

MANY = 2000
"""So many files are not written one by one: git does it faster."""

_FEW = 100
"""So many paths git is told to look at; then it looks at all."""

FRESH = 1.0
"""Seconds for which what was found in a worktree counts; something might work on there in hiding."""


class Found(NamedTuple):
    """What a worktree holds that its start tree does not."""

    dirty: frozenset[RepoPath]  # tracked files that are not as the tree says, or gone
    others: frozenset[RepoPath]  # new files, ignored or not, and folders (`x/`) but those in place of a file
    time: float  # when the look began, on the monotonic clock

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() - self.time < FRESH


class Base:
    """The index of a worktree's start tree, in a file of its own, and a note which tree that is."""

    def __init__(self, repo: Repository, path: str) -> None:
        self._repo = repo
        self.path = path
        self._note = f"{path}.tree"

    def note(self, tree: Oid) -> None:
        """The index stands for `tree` now."""
        durable.put_anew(self._note, tree.encode() + b" " + stat_identity(self.path))

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

    def write(self, content: bytes, after: IndexFile, names: Iterable[bytes]) -> None:
        """`names`: of the entries in which it differs from what was there."""
        durable.put_anew(self.path, content)
        after = self._repo.shared.bases[self.path] = after.settled(os.stat(self.path))
        if (untracked := self._repo.shared.untracked.get(self.path)) is not None:
            untracked.moved(after, names)

    def untracked(self, slot: Repository) -> Untracked | None:
        """None: names are not only their bytes there; git is to be asked."""
        if slot.config_bool("core.ignorecase", default=False) or sys.platform == "darwin":
            return None
        return self._repo.shared.untracked.setdefault(self.path, Untracked(slot.top))


def switch(
    files: Files, base: Base, tree: Oid, spared: Collection[RepoPath], found: Found | None = None
) -> bool:
    """Makes a worktree's files those of `tree`, and what is `spared` of those in no tree.

    `found`: what is there now, where that is known. False: it is for git to do, which looks at every file.
    """
    slot, old = files.repo, base.tree
    if old is None:
        return False
    dirty, others, _ = found or look(slot, base)
    before, after = Reader(slot, old), Reader(slot, tree)
    wanted = {path: after.entry(path) for path in dirty.union(differing(slot, old, tree))}
    modules = any(_is_module(entry) or _is_module(before.entry(path)) for path, entry in wanted.items())
    others = frozenset(path for path in others if path.rstrip("/") not in spared)
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


def look(slot: Repository, base: Base) -> Found:
    """Looks at every file of the worktree."""
    began = time.monotonic()
    modified = Modified(slot, modules="none", index=base.path)  # git does both at once
    untracked = base.untracked(slot)
    others = partial(_others, slot, base, "--directory")
    found = others() if untracked is None else untracked.paths(base.read(), others)
    return Found(modified.paths(), found, began)


def changed(slot: Repository, base: Base, found: Found) -> list[RepoPath]:
    """Files that are not as in the start tree, and new ones that git does not ignore, of what was found.

    New repositories among them end with `/`.
    """
    dirty, new = found.dirty, frozenset[RepoPath]()
    before = None if base.tree is None else Reader(slot, base.tree)
    modules = [path for path in dirty if before is None or _is_module(before.entry(path))]
    if modules:  # what is not committed in them is their own affair
        differ = Modified(slot, modules="dirty", index=base.path, only=_few(modules))
        dirty = dirty.difference(modules) | differ.paths()
    places = found.others.union(path for path in dirty if _is_folder(os.path.join(slot.top, path)))
    if places:
        new = _others(slot, base, "--exclude-standard", "--", *_few(places))
    return sorted(dirty | new)


def _others(slot: Repository, base: Base, *words: str) -> frozenset[RepoPath]:
    env = {"GIT_INDEX_FILE": base.path}
    listed = slot.git(["-c", "core.fsmonitor=false", "ls-files", "-z", "--others", *words], env=env)
    return frozenset(os.fsdecode(path) for path in listed.split(b"\0") if path)


def _few(paths: Collection[RepoPath]) -> Collection[RepoPath]:
    """Where they are many, git looks at all as fast."""
    return paths if len(paths) <= _FEW else ()


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
    base.write(*index.edit(entries, Unchanged(files, index)), entries)
