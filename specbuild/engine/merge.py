"""Results of a private worktree laid over a tip that moved meanwhile, path by path (SPEC section 6)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from specbuild.engine.modes import EXECUTABLE, PLAIN
from specbuild.engine.ports import Snapshot
from specbuild.engine.record import Results
from specbuild.engine.task import Entry, Oid, RepoPath

_REGULAR = {PLAIN, EXECUTABLE}

Blobs = Callable[[RepoPath, Oid, Oid, Oid], Oid | None]
"""Merges the blobs base, ours, theirs of a path; None: both sides changed the same lines."""


class Conflict(Exception):  # noqa: N818  (a state of the world, not a mistake)
    """Both the task and the branch changed `path`, and the changes do not go together."""

    def __init__(self, path: RepoPath) -> None:
        super().__init__(path)
        self.path = path


@dataclass(frozen=True, slots=True)
class Sides:
    """The start tree of a task (`base` with `laid` over it) and the tip with what is saved before it."""

    base: Snapshot
    laid: Mapping[RepoPath, Entry | None]
    tip: Snapshot
    saved: Mapping[RepoPath, Entry | None]

    def start(self, path: RepoPath) -> Entry | None:
        return self.laid[path] if path in self.laid else self.base.entry(path)

    def theirs(self, path: RepoPath) -> Entry | None:
        return self.saved[path] if path in self.saved else self.tip.entry(path)


def merged(results: Results, sides: Sides, blobs: Blobs, *, own: bool) -> Results:
    """The results as they stand on the tip. Raises Conflict.

    `own`: also at the targets. (A `rebuild` task's targets are what it made, whatever came there.)
    """
    extra: dict[RepoPath, Entry | None] = {}
    for path, entry in results.extra.items():
        if own or path not in results.entries:
            extra[path] = one(path, entry, sides, blobs)
        else:
            extra[path] = entry
    if not own:
        return replace(results, extra=extra)
    entries: dict[RepoPath, Entry] = {}
    removed: list[RepoPath] = []
    for path, ours in (*results.entries.items(), *((path, None) for path in results.removed)):
        found = one(path, ours, sides, blobs)
        if found is not None:
            entries[path] = found
        elif ours is None or sides.start(path) is not None:
            removed.append(path)
    return replace(results, entries=entries, removed=tuple(removed), extra=extra)


def one(path: RepoPath, ours: Entry | None, sides: Sides, blobs: Blobs) -> Entry | None:
    """What a path becomes (None: absent)."""
    base, theirs = sides.start(path), sides.theirs(path)
    if ours == base:
        return theirs
    if theirs in (base, ours):
        return ours
    if base is None or ours is None or theirs is None:
        raise Conflict(path)
    if {base.mode, ours.mode, theirs.mode} - _REGULAR:
        raise Conflict(path)
    mode = ours.mode if ours.mode != base.mode else theirs.mode
    if ours.oid in (base.oid, theirs.oid):
        return Entry(mode, theirs.oid)
    if theirs.oid == base.oid:
        return Entry(mode, ours.oid)
    oid = blobs(path, base.oid, ours.oid, theirs.oid)
    if oid is None:
        raise Conflict(path)
    return Entry(mode, oid)
