"""From paths as written to paths of the repository: what exists decides what a name means."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from specbuild.engine.modes import SUBMODULE
from specbuild.engine.paths import as_folder, normal, outside, parents
from specbuild.engine.task import Entry, Mention, RepoPath, TaskText, Warning_
from specbuild.taskfile.grammar import is_spec_name


class Resolved(NamedTuple):
    """A task's inferred paths."""

    targets: tuple[RepoPath, ...]
    absent: frozenset[RepoPath]  # of the targets, those to be absent afterwards
    reads: tuple[RepoPath, ...]
    unresolved: tuple[str, ...]  # of the targets, bare names that match nothing yet
    warnings: tuple[Warning_, ...]


class _Match(NamedTuple):
    path: RepoPath
    exists: bool


class Places(Protocol):
    """Where paths are looked for: the tracked side of a Snapshot."""

    def tracked(self, path: RepoPath) -> Entry | None: ...
    def tracked_below(self, folder: RepoPath) -> bool: ...
    def named(self, last: str) -> Sequence[RepoPath]: ...


def resolve(task: TaskText, snapshot: Places, *, root: RepoPath = "") -> Resolved:
    """What the paths in a task's description mean in the commit that `snapshot` stands on."""
    return _Resolver(task, snapshot, as_folder(root)).resolve()


class _Resolver:
    def __init__(self, task: TaskText, snapshot: Places, root: RepoPath) -> None:
        self.task = task
        self.snapshot = snapshot
        self.root = root
        self.beside = as_folder(task.name.file.rpartition("/")[0])
        self.warnings: list[Warning_] = []

    def resolve(self) -> Resolved:
        targets: dict[RepoPath, bool] = {}
        reads: dict[RepoPath, None] = {}
        unresolved: dict[str, None] = {}
        for mention in self.task.mentions:
            match = self._match(mention)
            if match is None:
                continue
            if mention.role == "read":
                reads[match.path] = None
            elif submodule := self._submodule(match.path):
                message = f"`{match.path}` is in the submodule {submodule}, another repository: it is text"
                self._warn("path-in-submodule", message)
            else:
                # made anew somewhere else in the same sentence: it is not absent afterwards
                targets[match.path] = mention.absent and targets.get(match.path, True)
                if not match.exists and "/" not in mention.written and not self._is_spec(mention.written):
                    unresolved[match.path] = None
        return Resolved(
            tuple(targets),
            frozenset(path for path, absent in targets.items() if absent),
            tuple(path for path in reads if path not in targets),
            tuple(unresolved),
            tuple(self.warnings),
        )

    def _match(self, mention: Mention) -> _Match | None:
        if outside(mention.written):
            return None
        written = normal(mention.written)
        found = self._beside(written) if self._is_spec(written) else None
        found = found or (self._named(written) if "/" not in written else self._pathed(written))
        if found is not None:
            return found
        if self._is_spec(written):
            return _Match(self.beside + written, exists=False)
        if not mention.certain or ("/" not in written and mention.role == "read"):
            return None
        return _Match(self.root + written, exists=False)

    def _is_spec(self, written: str) -> bool:
        return is_spec_name(written) and ("/" not in written or written.startswith("contracts/"))

    def _exists(self, path: RepoPath) -> RepoPath | None:
        """The path as the commit has it, a folder with its `/`; None: it is not there."""
        if not path.endswith("/"):
            if self.snapshot.tracked(path) is not None:
                return path
            path += "/"
        return path if self.snapshot.tracked_below(path) else None

    def _submodule(self, path: RepoPath) -> RepoPath | None:
        """The submodule that a path lies in."""
        for folder in parents(path):
            entry = self.snapshot.tracked(folder)
            if entry is not None:
                return folder if entry.mode == SUBMODULE else None
        return None

    def _beside(self, written: str) -> _Match | None:
        path = self._exists(self.beside + written)
        return _Match(path, exists=True) if path else None

    def _pathed(self, written: str) -> _Match | None:
        for prefix in dict.fromkeys((self.root, "")):
            path = self._exists(prefix + written)
            if path:
                return _Match(path, exists=True)
        if written.endswith("/"):
            return None
        ending = "/" + written
        found = [path for path in self.snapshot.named(written.rpartition("/")[2]) if path.endswith(ending)]
        return self._one(written, found)

    def _named(self, written: str) -> _Match | None:
        """A name without `/`: the path of the same line that ends in it, else the one file that does."""
        for other in self.task.mentions:
            if other.written.endswith("/" + written):
                return self._match(other)
        for prefix in dict.fromkeys((self.root, "")):
            if self.snapshot.tracked(prefix + written) is not None:
                return _Match(prefix + written, exists=True)
        return self._one(written, list(self.snapshot.named(written)))

    def _one(self, written: str, found: list[RepoPath]) -> _Match | None:
        """The only candidate, or the only one below `root`."""
        near = [path for path in found if path.startswith(self.root)] if self.root else []
        chosen = near if len(near) == 1 else found
        if len(chosen) == 1:
            return _Match(chosen[0], exists=True)
        if found:
            some = ", ".join(found[:3]) + (", …" if len(found) > 3 else "")
            message = f"`{written}` may be any of {some}: write its path"
            self._warn("ambiguous-path", message)
        return None

    def _warn(self, code: str, message: str) -> None:
        self.warnings.append(Warning_(self.task.name.file, self.task.line, code, message))
