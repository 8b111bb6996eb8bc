"""A snapshot with changes laid over it: the tree that a commit is about to record."""

from collections.abc import Mapping, Sequence

from specbuild.engine.glob import matcher
from specbuild.engine.ports import Snapshot
from specbuild.engine.task import Entry, RepoPath


class Overlay:
    """Snapshot `base` with `changes` (None: absent); `contents` gives bytes of blobs that are new."""

    def __init__(
        self,
        base: Snapshot,
        changes: Mapping[RepoPath, Entry | None],
        contents: Mapping[RepoPath, bytes] | None = None,
    ) -> None:
        self.working = base.working
        self._base = base
        self._changes = changes
        self._contents = contents or {}

    def entry(self, path: RepoPath) -> Entry | None:
        return self._changes[path] if path in self._changes else self._base.entry(path)

    def below(self, folder: RepoPath) -> Mapping[RepoPath, Entry]:
        found = dict(self._base.below(folder))
        for path, entry in self._changes.items():
            if path.startswith(folder):
                found.pop(path, None)
                if entry is not None:
                    found[path] = entry
        return found

    def glob(self, pattern: str) -> Sequence[RepoPath]:
        found = set(self._base.glob(pattern))
        matches = matcher(pattern)
        for path, entry in self._changes.items():
            if entry is None:
                found.discard(path)
            elif matches(path):
                found.add(path)
        return sorted(found)

    def named(self, last: str) -> Sequence[RepoPath]:
        return self._base.named(last)

    def tracked(self, path: RepoPath) -> Entry | None:
        return self._changes[path] if path in self._changes else self._base.tracked(path)

    def tracked_below(self, folder: RepoPath) -> bool:
        return self._base.tracked_below(folder)

    def read(self, path: RepoPath) -> bytes | None:
        if path in self._contents:
            return self._contents[path]
        return self._base.read(path)

    def exists(self, path: RepoPath) -> bool:
        return self._changes[path] is not None if path in self._changes else self._base.exists(path)

    def ignored(self, path: RepoPath) -> bool:
        return self._base.ignored(path)
