"""What a worktree holds beside its index; only folders where something came or went are listed again."""

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from specbuild.engine.task import RepoPath
from specbuild.git.indexfile import IndexFile, folders_of

_TICK = 50_000_000
"""Nanoseconds in which a folder may change twice and bear one time: file systems' clocks are slow."""

_COARSE = 2_000_000_000
"""The same where they tell whole seconds only."""

_MANY = 64
"""So many folders git lists faster."""

Stamp = tuple[int, int, int]


class _Listed(NamedTuple):
    """What a folder was seen to hold, when it bore the stamp."""

    stamp: Stamp | None  # None: it is to be listed again
    others: frozenset[bytes]


_UNSEEN = _Listed(None, frozenset())


class Untracked:
    """What `git ls-files --others --directory` lists in the worktree at `top`."""

    def __init__(self, top: str) -> None:
        self._top = os.fsencode(top) + b"/"
        self._folders: dict[bytes, _Listed] = {}  # those with tracked files, and all above; `a/b/`
        self._index: object = None

    def paths(self, index: IndexFile, ask: Callable[[], frozenset[RepoPath]]) -> frozenset[RepoPath]:
        """By this index, of which `moved` was told all changes; otherwise git is asked.

        Raises what `ask` raises.
        """
        try:
            if self._index == index.identity and len(touched := self._touched()) <= _MANY:
                return self._look(index, touched)
        except OSError:  # a folder that may not be read, or went away
            self._index = None
        stamps = self._begin(index)
        found = ask()
        self._take(stamps, map(os.fsencode, found))
        self._index = index.identity
        return found

    def moved(self, index: IndexFile, names: Iterable[bytes]) -> None:
        """The index is another now, which differs in these names."""
        above = {folder for name in names for folder in folders_of(name)}
        for folder in above:
            if folder and not index.holds_below(folder):
                self._folders.pop(folder, None)
            else:
                self._folders[folder] = _UNSEEN
        self._index = index.identity

    def _begin(self, index: IndexFile) -> dict[bytes, Stamp | None]:
        """All folders of the index, with what they bear before anybody looks into them."""
        names = {name[: name.rfind(b"/") + 1] for name in index}
        return {
            folder: _settled(self._stamp(folder))
            for folder in {above for name in names for above in folders_of(name)}
        }

    def _take(self, stamps: dict[bytes, Stamp | None], others: Iterable[bytes]) -> None:
        inside: dict[bytes, set[bytes]] = {folder: set() for folder in stamps}
        for path in others:
            inside.setdefault(path[: path.rstrip(b"/").rfind(b"/") + 1], set()).add(path)
        self._folders = {
            folder: _Listed(stamps.get(folder), frozenset(found)) for folder, found in inside.items()
        }

    def _touched(self) -> dict[bytes, Stamp]:
        """Folders that are to be listed again, with what they bear now; those that are gone hold nothing."""
        found: dict[bytes, Stamp] = {}
        gone: bytes | None = None
        for folder, listed in sorted(self._folders.items()):
            if gone is not None and folder.startswith(gone):
                self._folders[folder] = _UNSEEN  # in what is no folder any more
                continue
            stamp = self._stamp(folder)
            if stamp is None:
                gone, self._folders[folder] = folder, _UNSEEN
            elif stamp != listed.stamp:
                found[folder] = stamp
        return found

    def _look(self, index: IndexFile, touched: Mapping[bytes, Stamp]) -> frozenset[RepoPath]:
        for folder, stamp in touched.items():
            self._folders[folder] = _Listed(_settled(stamp), frozenset(self._list(folder, index)))
        return frozenset(os.fsdecode(path) for listed in self._folders.values() for path in listed.others)

    def _stamp(self, folder: bytes) -> Stamp | None:
        try:
            found = os.lstat(self._top + folder[:-1])
        except OSError:  # gone, or behind a link that leads nowhere
            return None
        if not stat.S_ISDIR(found.st_mode):
            return None
        return found.st_mtime_ns, found.st_ctime_ns, found.st_ino

    def _list(self, folder: bytes, index: IndexFile) -> Iterator[bytes]:
        with os.scandir(self._top + folder) as entries:
            for entry in entries:
                name = folder + entry.name
                if entry.name == b".git":
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if not index.holds(name) and not index.holds_below(name + b"/"):
                        yield name + b"/"
                elif (entry.is_symlink() or entry.is_file(follow_symlinks=False)) and not index.holds(name):
                    yield name


def _settled(stamp: Stamp | None) -> Stamp | None:
    """None: the folder may change again and bear the same."""
    if stamp is None:
        return None
    changed = max(stamp[:2])
    tick = _TICK if changed % 10**9 else _COARSE
    return stamp if changed < time.time_ns() - tick else None
