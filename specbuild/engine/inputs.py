"""Which files a task's key looks at, and what stands there (SPEC section 5, "An input")."""

import posixpath
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from specbuild.engine.glob import fixed_folder, is_glob
from specbuild.engine.graph import Graph
from specbuild.engine.key import digest_bytes
from specbuild.engine.modes import SUBMODULE, SYMLINK
from specbuild.engine.ports import Snapshot
from specbuild.engine.result import of_folder
from specbuild.engine.task import Entry, RepoPath, Task

MISSING = "missing"
_DEEPEST = 8  # symlinks in a row

Emptied = Callable[[RepoPath, bytes], bytes]
"""Gives a task file's bytes with all boxes emptied: how a task file counts as an input."""


class Inputs(NamedTuple):
    """What a task looks at in one snapshot."""

    paths: tuple[RepoPath, ...]  # all that it reads, other tasks' targets included
    committed: tuple[tuple[RepoPath, str], ...]  # path, what a commit holds there
    ignored: tuple[tuple[RepoPath, str], ...]  # path, what only this working tree holds there


def looked_through(task: Task, snapshot: Snapshot) -> Iterator[RepoPath]:
    """Folders in which a file that is not there yet could become an input of the task."""
    for path in (*task.reads, *task.inputs):
        if is_glob(path):
            yield fixed_folder(path)
        elif not path.startswith("@") and snapshot.entry(path) is None:  # a folder, or what may become one
            yield path if path.endswith("/") else path + "/"


class Looker:
    """Looks at inputs in one snapshot, each path once."""

    def __init__(
        self,
        snapshot: Snapshot,
        task_files: Mapping[RepoPath, Emptied],
        never: Collection[RepoPath] = (),
    ) -> None:
        self.snapshot = snapshot
        self._task_files = task_files
        self._never = never  # paths that are no inputs, whatever names them
        self._seen: dict[RepoPath, tuple[Entry | None, str]] = {}

    def look(self, graph: Graph, position: int) -> Inputs:
        """Raises nothing for what is missing: that is what `missing` says."""
        task = graph.tasks[position]
        paths: dict[RepoPath, None] = {}
        plain: dict[RepoPath, None] = {}
        for path in graph.looks[position]:
            if path not in task.targets and graph.writers.nearest(path, position):
                paths[path] = None
        for path in (*task.reads, *task.inputs):
            for found in self._expand(path):
                for each in (found, *self._behind(found)):
                    if not graph.writers.written(each) and each not in self._never:
                        paths[each] = plain[each] = None
        committed: list[tuple[RepoPath, str]] = []
        ignored: list[tuple[RepoPath, str]] = []
        for path in sorted(plain):
            value = self.value(path)
            if value != MISSING and self._is_ignored(path):
                ignored.append((path, value))
                value = MISSING
            committed.append((path, value))
        return Inputs(tuple(sorted(paths)), tuple(committed), tuple(ignored))

    def value(self, path: RepoPath) -> str:
        """What stands at a path: mode and blob id, with what a symlink leads to."""
        return self._value(path, depth=0)

    def _value(self, path: RepoPath, *, depth: int) -> str:
        if path.endswith("/"):
            return of_folder(path, self.snapshot.below(path))
        entry = self.snapshot.entry(path)
        seen = self._seen.get(path)
        if seen is not None and seen[0] == entry:
            return seen[1]
        if entry is None:
            value = MISSING
        elif entry.mode == SYMLINK:
            value = f"{entry.mode:o} {entry.oid} {self._led_to(path, depth)}"
        elif path in self._task_files:
            data = self.snapshot.read(path) or b""
            value = f"tasks {digest_bytes(self._task_files[path](path, data))}"
        else:
            value = f"{entry.mode:o} {entry.oid}"
        if entry is None or entry.mode != SYMLINK:
            self._seen[path] = (entry, value)
        return value

    def _led_to(self, path: RepoPath, depth: int) -> str:
        leads = self._leads(path)
        if leads is None or depth > _DEEPEST:
            return "outside"
        if self.snapshot.entry(leads) is None:
            return "folder" if self.snapshot.below(leads + "/") else MISSING
        return self._value(leads, depth=depth + 1)

    def _leads(self, path: RepoPath) -> RepoPath | None:
        """Where a symlink leads; None: out of the repository."""
        link = (self.snapshot.read(path) or b"").decode("utf-8", "surrogateescape")
        leads = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
        return None if link.startswith("/") or leads.startswith("..") else leads

    def _behind(self, path: RepoPath) -> Iterable[RepoPath]:
        """The files that a symlink leads to: what is read through it is an input as if it were named."""
        entry = None if path.endswith("/") else self.snapshot.entry(path)
        return () if entry is None or entry.mode != SYMLINK else self._led(path)

    def _led(self, path: RepoPath) -> Iterator[RepoPath]:
        for _ in range(_DEEPEST):
            entry = None if path.endswith("/") else self.snapshot.entry(path)
            leads = self._leads(path) if entry is not None and entry.mode == SYMLINK else None
            if leads is None:
                return
            if self.snapshot.entry(leads) is None:
                yield from self.snapshot.below(leads + "/")
                return
            yield leads
            path = leads

    def _expand(self, pattern: str) -> list[RepoPath]:
        if pattern.startswith("@"):
            return []
        if self.snapshot.entry(pattern) is not None:
            return [pattern]
        if submodule := self._submodule(pattern):
            return [submodule]
        if is_glob(pattern):
            return list(self.snapshot.glob(pattern))
        return [*self.snapshot.below(pattern if pattern.endswith("/") else pattern + "/")] or [pattern]

    def _submodule(self, pattern: str) -> RepoPath | None:
        """The submodule that a path or glob lies in, or is: it counts as its recorded commit."""
        folder = fixed_folder(pattern) if is_glob(pattern) else pattern
        at = folder.find("/")
        while at > 0:
            entry = self.snapshot.entry(folder[:at])
            if entry is not None:
                return folder[:at] if entry.mode == SUBMODULE else None
            at = folder.find("/", at + 1)
        return None

    def _is_ignored(self, path: RepoPath) -> bool:
        return self.snapshot.working and self.snapshot.tracked(path) is None and self.snapshot.ignored(path)
