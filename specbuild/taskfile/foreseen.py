"""Where paths of prose are looked for: the commit, and what earlier tasks are going to make there.

So a name means the same before the first run and after it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from specbuild.engine.modes import PLAIN
from specbuild.engine.ports import Snapshot
from specbuild.engine.task import Entry, RepoPath

_TO_COME = Entry(PLAIN, "0" * 40)


class Foreseen:
    """The tracked side of a snapshot, with targets of earlier tasks added; asks no more of it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._paths: set[RepoPath] = set()
        self._folders: set[RepoPath] = set()
        self._by_name: dict[str, set[RepoPath]] = defaultdict(set)

    def add(self, targets: Iterable[RepoPath]) -> None:
        """A task's targets: later tasks find them."""
        for path in targets:
            if not path.endswith("/"):
                self._paths.add(path)
                self._by_name[path.rpartition("/")[2]].add(path)
            slash = path.rfind("/")
            while slash > 0 and path[: slash + 1] not in self._folders:
                self._folders.add(path[: slash + 1])
                slash = path.rfind("/", 0, slash)

    def tracked(self, path: RepoPath) -> Entry | None:
        return self._snapshot.tracked(path) or (_TO_COME if path in self._paths else None)

    def tracked_below(self, folder: RepoPath) -> bool:
        return folder in self._folders or self._snapshot.tracked_below(folder)

    def named(self, last: str) -> Sequence[RepoPath]:
        here, to_come = self._snapshot.named(last), self._by_name.get(last)
        return sorted({*here, *to_come}) if to_come else here
