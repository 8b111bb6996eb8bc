"""Declared paths that go through symlinks: git records nothing behind a link, only where it leads."""

import posixpath
from collections.abc import Callable
from typing import Final

from specbuild.engine.glob import fixed_folder, is_glob
from specbuild.engine.modes import SYMLINK
from specbuild.engine.paths import parents
from specbuild.engine.task import Entry, RepoPath

_LONGEST: Final = 40  # links in a row, as in Linux


class Leaves(Exception):  # noqa: N818  (a state of the tree, which the caller words)
    """The symlink that leads out of the repository, or in a circle."""


class Links:
    """Where the symlinks of one tree lead."""

    def __init__(
        self, entry: Callable[[RepoPath], Entry | None], read: Callable[[RepoPath], bytes | None]
    ) -> None:
        self._entry = entry
        self._read = read
        self._folders: dict[RepoPath, RepoPath] = {}
        self._above: dict[RepoPath, tuple[RepoPath, ...]] = {}

    def real(self, path: RepoPath) -> RepoPath:
        """The path or glob without symlinks above it; a file that is one itself is not followed.

        Raises Leaves.
        """
        folder = fixed_folder(path) if is_glob(path) else path[: path.rfind("/") + 1]
        if not folder:
            return path
        found = self._folders.get(folder)
        if found is None:
            found = self._folders[folder] = self._followed(folder[:-1], _LONGEST)
        return (f"{found}/" if found else "") + path[len(folder) :]

    def above(self, path: RepoPath) -> tuple[RepoPath, ...]:
        """The symlinks above a path or glob that it goes through, in order."""
        folder = fixed_folder(path) if is_glob(path) else path[: path.rfind("/") + 1]
        known = self._above.get(folder)
        if known is None:
            found: list[RepoPath] = []
            rest = f"{folder}*"
            while len(found) < _LONGEST and (link := self._first_above(rest)) is not None:
                found.append(link)
                rest = posixpath.normpath(self._led(link) + rest[len(link) :])
            known = self._above[folder] = tuple(found)
        return known

    def _first_above(self, path: RepoPath) -> RepoPath | None:
        for part in parents(path):
            entry = self._entry(part)
            if entry is not None and entry.mode == SYMLINK:
                return part
        return None

    def _led(self, link: RepoPath) -> RepoPath:
        """Where a symlink says that it leads, from the repository's top; it may be out of it."""
        text = (self._read(link) or b"").decode("utf-8", "surrogateescape")
        return posixpath.normpath(posixpath.join(posixpath.dirname(link), text))

    def end(self, path: RepoPath) -> RepoPath:
        """Where a path leads that may be a symlink itself; a folder gets its `/`. Raises Leaves."""
        entry = None if path.endswith("/") else self._entry(path)
        if entry is None or entry.mode != SYMLINK:
            return path
        found = self._followed(path, _LONGEST)
        return found if self._entry(found) is not None or not found else f"{found}/"

    def _followed(self, path: RepoPath, left: int) -> RepoPath:
        for part in (*parents(path), path):
            entry = self._entry(part)
            if entry is None or entry.mode != SYMLINK:
                continue
            link = (self._read(part) or b"").decode("utf-8", "surrogateescape")
            leads = posixpath.normpath(posixpath.join(posixpath.dirname(part), link))
            if not left or link.startswith("/") or leads == ".." or leads.startswith("../"):
                raise Leaves(part)
            return self._followed(posixpath.normpath(leads + path[len(part) :]), left - 1)
        return "" if path == "." else path
