"""A commit's tree as paths and blob ids, read folder by folder as it is asked for."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache

from specbuild.engine import glob
from specbuild.engine.modes import EXECUTABLE, FOLDER, PLAIN, SUBMODULE
from specbuild.engine.task import Entry, Oid, RepoPath
from specbuild.git.repository import Repository

_ENTRY = re.compile(rb"([0-7]+) ([^\0]+)\0(.{20})", re.DOTALL)


class CommitSnapshot:
    """What a commit holds; needs no working tree. Without a commit (an unborn branch) it is empty."""

    working = False

    def __init__(self, repository: Repository, commit: Oid | None) -> None:
        self.commit = commit
        self._repository = repository
        self._folders: dict[RepoPath, _Folder] = {}
        self._below: dict[RepoPath, Mapping[RepoPath, Entry]] = {}

    def entry(self, path: RepoPath) -> Entry | None:
        folder, slash, name = path.rpartition("/")
        found = self._folder(folder + slash)[name]
        return None if found is None or found.mode == FOLDER else found

    def exists(self, path: RepoPath) -> bool:
        if path.endswith("/"):
            return self._folder(path).count > 0
        return self.entry(path) is not None or self._folder(path + "/").count > 0

    def below(self, folder: RepoPath) -> Mapping[RepoPath, Entry]:
        if folder not in self._below:
            self._below[folder] = dict(self._walk(folder))
        return self._below[folder]

    def glob(self, pattern: str) -> Sequence[RepoPath]:
        pattern = pattern.removeprefix("./")
        if not glob.is_glob(pattern) and not pattern.endswith("/"):
            return [pattern] if self.entry(pattern) else []
        matches = glob.matcher(pattern)
        return sorted(path for path in self.below(glob.fixed_folder(pattern)) if matches(path))

    def named(self, last: str) -> Sequence[RepoPath]:
        return self._names.get(last, ())

    def tracked(self, path: RepoPath) -> Entry | None:
        return self.entry(path)

    def tracked_below(self, folder: RepoPath) -> bool:
        return self._folder(folder).count > 0

    def read(self, path: RepoPath) -> bytes | None:
        entry = self.entry(path)
        return None if entry is None else content(self._repository, entry)

    def ignored(self, path: RepoPath) -> bool:  # noqa: ARG002  (the port's signature)
        return False

    def advance(self, commit: Oid, changes: Mapping[RepoPath, Entry | None]) -> None:
        """Becomes a snapshot of `commit`, which differs in just these files; what was read stays read."""
        _ = self._base
        self.commit = commit
        self._below.clear()
        for name in ("tree", "_names"):
            self.__dict__.pop(name, None)
        for path, entry in sorted(changes.items(), key=_comes):  # what is in a newcomer's way goes first
            folder, slash, name = path.rpartition("/")
            self._set(folder + slash, name, entry)

    def _set(self, folder: RepoPath, name: str, entry: Entry | None) -> None:
        held = self._folder(folder)
        held.put(name, entry)
        if folder and (entry is None or held.count == 1):  # the folder itself came or went
            above, slash, own = folder[:-1].rpartition("/")
            there = self._folder(above + slash)[own]
            if not held.count and there is not None:
                self._set(above + slash, own, None)
            elif held.count and (there is None or there.mode != FOLDER):
                self._set(above + slash, own, Entry(FOLDER, ""))

    @cached_property
    def _base(self) -> Oid | None:
        """The tree that folders are read from: the one before `advance`, which read what it changed."""
        return self.tree

    @cached_property
    def tree(self) -> Oid | None:
        """The tree's id; None: there is no commit."""
        if self.commit is None:
            return None
        return self._repository.read(self.commit)[5:45].decode("ascii")

    @cached_property
    def _names(self) -> Mapping[str, list[RepoPath]]:
        names: dict[str, list[RepoPath]] = {}
        for path in sorted(self.below("")):
            names.setdefault(path.rpartition("/")[2], []).append(path)
        return names

    def _folder(self, folder: RepoPath) -> "_Folder":
        """The entries of one folder, sub-folders with mode FOLDER; empty where there is none."""
        known = self._folders.get(folder)
        if known is None:
            oid = self._tree_of(folder)
            known = self._folders[folder] = _Folder(self._repository.read(oid) if oid else b"")
        return known

    def _tree_of(self, folder: RepoPath) -> Oid | None:
        if not folder:
            return self._base
        above, slash, name = folder[:-1].rpartition("/")
        found = self._folder(above + slash)[name]
        return found.oid if found is not None and found.mode == FOLDER else None

    def _walk(self, folder: RepoPath) -> Iterator[tuple[RepoPath, Entry]]:
        for name, entry in self._folder(folder).entries():
            if entry.mode == FOLDER:
                yield from self._walk(f"{folder}{name}/")
            else:
                yield folder + name, entry


class _Folder(dict[str, Entry | None]):
    """One tree object's entries by name, each made when it is first asked for; None where there is none."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._written = {name: (mode, oid) for mode, name, oid in _ENTRY.findall(data)}

    def __missing__(self, name: str) -> Entry | None:
        written = self._written.get(_encoded(name))
        found = None if written is None else Entry(_canonical(written[0]), written[1].hex())
        self[name] = found
        return found

    @property
    def count(self) -> int:
        """Of those that are there."""
        return len(self._written)

    def entries(self) -> Iterator[tuple[str, Entry]]:
        for written in self._written:
            name = written.decode("utf-8", "surrogateescape")
            entry = self[name]
            if entry is not None:
                yield name, entry

    def put(self, name: str, entry: Entry | None) -> None:
        self[name] = entry
        if entry is None:
            self._written.pop(_encoded(name), None)
        else:
            self._written[_encoded(name)] = (b"%o" % entry.mode, bytes.fromhex(entry.oid))


def _comes(change: tuple[RepoPath, Entry | None]) -> bool:
    return change[1] is not None


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def content(repository: Repository, entry: Entry) -> bytes:
    """The bytes of a file or symlink; a submodule's are what `git diff` shows of it."""
    if entry.mode == SUBMODULE:
        return f"Subproject commit {entry.oid}\n".encode()
    return repository.read(entry.oid)


@lru_cache(maxsize=64)  # a folder has thousands of entries of two or three modes
def _canonical(written: bytes) -> int:
    """Old versions of git recorded more permission bits; git itself shows them as these two."""
    mode = int(written, 8)
    if mode & 0o170000 != 0o100000:
        return mode
    return EXECUTABLE if mode & 0o100 else PLAIN
