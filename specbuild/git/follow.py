"""How the working tree follows a commit: only where it was clean, never over a person's change."""

import errno
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from specbuild.engine.modes import SUBMODULE, SYMLINK
from specbuild.engine.ports import Unusable
from specbuild.engine.task import Entry, Oid, RepoPath
from specbuild.git import faults
from specbuild.git.files import Files
from specbuild.git.hashing import blob_id
from specbuild.git.indexfile import IndexFile, certain, same_second
from specbuild.git.indexformat import Held, Wanted
from specbuild.git.transaction import Action, Step

_SMALL = 4_000_000  # bytes that may be read again to prove that a file is unchanged
_IN_THE_WAY = {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR}


class Standing(NamedTuple):
    """What is at a path of the working tree; `stat` is that of the very bytes that `entry` was made of."""

    entry: Entry | None
    stat: os.stat_result | None
    folder: bool = False
    foreign: bool = False  # a socket, a pipe: nothing that git could store


def look(files: Files, paths: Iterable[RepoPath], index: IndexFile) -> dict[RepoPath, Standing]:
    """What stands at the paths; files are read only where stat data does not prove what they hold."""
    found: dict[RepoPath, Standing] = {}
    unsure: dict[RepoPath, os.stat_result] = {}
    for path in paths:
        now = files.look(path)
        held = index.get(os.fsencode(path))
        if now is None:
            found[path] = Standing(None, None)
        elif not (stat.S_ISREG(now.st_mode) or stat.S_ISLNK(now.st_mode)):
            folder = stat.S_ISDIR(now.st_mode)
            found[path] = Standing(None, None, folder=folder, foreign=not folder)
        elif held is not None and certain(held, now, index.written_ns):
            found[path] = Standing(held.entry, now)
        else:
            unsure[path] = now
    entries = files.entries(unsure)
    for path, before in unsure.items():
        found[path] = Standing(entries[path], before if same(before, files.look(path)) else None)
    return found


def plan(
    after: Mapping[RepoPath, Entry | None],
    *,
    in_place: Mapping[RepoPath, bool],
    before: Mapping[RepoPath, Entry | None],
    standing: Mapping[RepoPath, Standing],
    index: IndexFile,
) -> tuple[Step, ...]:
    """What is to be done for each path that a commit changes."""
    steps = []
    for path, entry in after.items():
        held = index.get(os.fsencode(path))
        action = _action(before.get(path), entry, standing[path], in_place=in_place[path])
        steps.append(Step(path, before.get(path), entry, held.entry if held else None, action))
    return tuple(steps)


def _action(before: Entry | None, after: Entry | None, found: Standing, *, in_place: bool) -> Action:
    """What is to become of a working file: it follows only where it is as the parent commit has it."""
    if found.foreign or (after is not None and after.mode == SUBMODULE):
        return "none"
    if found.folder:
        return "none" if after is None or in_place else "write"
    if found.entry == after:
        return "none"
    if found.entry is not None:
        clean = before is not None and found.entry == before
        return "none" if not clean else "remove" if after is None else "write"
    return "write" if before is None and not in_place else "none"


def left_alone(
    steps: Sequence[Step], standing: Mapping[RepoPath, Standing], index: IndexFile
) -> list[RepoPath]:
    """Paths where a person's change stands instead of what was committed (sparse files are none)."""
    left = []
    for step in steps:
        found, held = standing[step.path], index.get(os.fsencode(step.path))
        sparse = held is not None and held.skip_worktree and found.entry is None
        link = step.after is not None and step.after.mode == SUBMODULE
        gone = step.after is None and found.entry is None and not found.foreign
        if step.action == "none" and found.entry != step.after and not (sparse or link or gone):
            left.append(step.path)
    return left


def follow(
    files: Files, steps: Sequence[Step], standing: Mapping[RepoPath, Standing], left: list[RepoPath]
) -> dict[RepoPath, os.stat_result | None]:
    """Does what was planned; returns stat data of files that are as committed, adds to `left` others."""
    stats: dict[RepoPath, os.stat_result | None] = {}
    for step in steps:
        found = standing[step.path]
        if step.action == "none" and found.entry == step.after and found.stat is not None:
            stats[step.path] = found.stat if same(found.stat, files.look(step.path)) else None
    for step in steps:
        if step.action == "remove":
            if same(standing[step.path].stat, files.look(step.path)):
                files.remove(step.path)
                faults.point("commit.follow-removed")
            else:
                left.append(step.path)
    writes = {s.path: s.after for s in steps if s.action == "write" and s.after is not None}
    contents = files.contents(writes)
    for path, entry in writes.items():
        if _write(files, path, entry, contents.get(path, b""), standing[path]):
            stats[path] = files.look(path)
            faults.point("commit.follow-written")
        else:
            left.append(path)
    return stats


def _write(files: Files, path: RepoPath, entry: Entry, content: bytes, found: Standing) -> bool:
    """False: something of a person's is in the way, or came there just now."""

    def still() -> bool:
        now = files.look(path)
        return found.folder or now is None or same(found.stat, now)

    try:
        return still() and files.place(path, entry, content, still=still)
    except Unusable:
        return False
    except OSError as error:
        if error.errno not in _IN_THE_WAY:
            raise
        return False


def wanted(
    files: Files, steps: Sequence[Step], stats: Mapping[RepoPath, os.stat_result | None], index: IndexFile
) -> dict[bytes, Wanted | None]:
    """The index entries for the steps; where the file is not as committed, without stat data."""
    entries: dict[bytes, Wanted | None] = {}
    for step in steps:
        name = os.fsencode(step.path)
        held = index.get(name)
        if step.after is None:
            entries[name] = None
            continue
        found = stats.get(step.path) if step.after.mode != SUBMODULE else None
        skip = bool(held and held.skip_worktree and files.look(step.path) is None)
        entries[name] = Wanted(step.after, found, bool(held and held.assume_valid), skip)
    return entries


class Unchanged:
    """Whether an entry as new as the index file still says what its file holds."""

    def __init__(self, files: Files, index: IndexFile) -> None:
        self._files = files
        self._written_ns = index.written_ns

    def __call__(self, name: bytes, held: Held) -> bool:
        path = os.fsdecode(name)
        if held.skip_worktree or held.entry.mode == SUBMODULE:
            return True
        now = self._files.look(path)
        if now is None or not same_second(held, now) or certain(held, now, self._written_ns):
            return True  # git sees the difference by itself, or there is none
        return now.st_size <= _SMALL and self._bytes(path, held.entry.mode) == held.entry.oid

    def _bytes(self, path: RepoPath, mode: int) -> Oid | None:
        try:
            if mode == SYMLINK:
                return blob_id(os.readlink(os.fsencode(self._files.at(path))))
            with open(self._files.at(path), "rb") as file:
                return blob_id(file.read())
        except OSError:
            return None


def same(before: os.stat_result | None, now: os.stat_result | None) -> bool:
    """Whether stat data shows no change between two looks (both None: nothing was there, nor is)."""
    if before is None or now is None:
        return before is now
    return _print(before) == _print(now)


def _print(found: os.stat_result) -> tuple[int, ...]:
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_mode)
