"""Which tasks target a path, folders counted for all that is below them."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from specbuild.engine.task import RepoPath, Task


class Writers:
    """Which tasks target a path, folders counted for all that is below them."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._exact: dict[RepoPath, list[int]] = {}
        for position, task in enumerate(tasks):
            for path in task.targets:
                found = self._exact.setdefault(path, [])
                if not found or found[-1] != position:
                    found.append(position)
        self._paths = sorted(self._exact)
        self._folders = any(path.endswith("/") for path in self._paths)

    def paths(self) -> Sequence[RepoPath]:
        return self._paths

    def overlapping(self, path: RepoPath) -> Sequence[tuple[RepoPath, list[int]]]:
        """Targets that are `path`, hold it or lie below it, each with its tasks in order."""
        exact = self._exact.get(path)
        found = [] if exact is None else [(path, exact)]
        if self._folders:
            found += self._around(path)
        if path.endswith("/"):
            found += self._below(path)
        return found

    def _around(self, path: RepoPath) -> Iterator[tuple[RepoPath, list[int]]]:
        slash = path.rfind("/", 0, len(path) - 1)
        while slash != -1:
            folder = path[: slash + 1]
            if folder in self._exact:
                yield folder, self._exact[folder]
            slash = path.rfind("/", 0, slash)

    def _below(self, folder: RepoPath) -> Iterator[tuple[RepoPath, list[int]]]:
        for place in range(bisect_left(self._paths, folder), len(self._paths)):
            path = self._paths[place]
            if not path.startswith(folder):
                return
            if path != folder:
                yield path, self._exact[path]

    def nearest(self, path: RepoPath, before: int) -> list[tuple[int, RepoPath]]:
        """The last writers of `path` before a position: one, or for a folder one for each part of it."""
        whole: tuple[int, RepoPath] | None = None
        parts: list[tuple[int, RepoPath]] = []
        for target, positions in self.overlapping(path):
            place = bisect_left(positions, before)
            if place == 0:
                continue
            found = (positions[place - 1], target)
            if path.startswith(target):
                whole = max(whole, found) if whole else found
            else:
                parts.append(found)
        if whole is None:
            return parts
        return [whole, *(part for part in parts if part[0] > whole[0])]

    def last(self, path: RepoPath) -> int | None:
        """The task that writes `path`, or anything that overlaps it, last of all."""
        return max((positions[-1] for _, positions in self.overlapping(path)), default=None)

    def written(self, path: RepoPath) -> bool:
        return path in self._exact or bool(self.overlapping(path))
