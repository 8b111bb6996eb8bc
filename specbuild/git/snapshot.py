"""The working tree as paths and blob ids: what would be committed if all that is there now were added."""

import bisect
import errno
import os
import stat
from collections.abc import Iterable, Mapping, Sequence

from specbuild.engine import glob
from specbuild.engine.modes import EXECUTABLE, PLAIN, SUBMODULE, SYMLINK
from specbuild.engine.task import Entry, Oid, RepoPath
from specbuild.errors import RepositoryError
from specbuild.git.hashing import Hasher, blob_id
from specbuild.git.ignores import Ignores
from specbuild.git.index import Index
from specbuild.git.modified import Modified
from specbuild.git.repository import GitFailed, Repository
from specbuild.git.tree import CommitSnapshot, content

__all__ = ["CommitSnapshot", "WorkingTree"]

_FEW = 1000  # so many files are looked at one by one before git is asked about all of them
_NOTHING_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL}
_UNKNOWN = Entry(0, "")


class WorkingTree:
    """Tracked and untracked files as they are on disk. What was looked at once stays so until `refresh`."""

    working = True

    def __init__(self, repository: Repository) -> None:
        _ = repository.top  # a bare repository has none, and says so
        self.head = CommitSnapshot(repository, repository.head)
        self._repository = repository
        self._hasher = Hasher(repository)
        self._ignores = Ignores(repository)
        self._index: Index = repository.index()
        self._suspects: set[RepoPath] | None = None  # None: git was not asked yet
        self._looks = 0
        self._known: dict[RepoPath, Entry | None] = {}
        self._real_folders: dict[RepoPath, bool] = {"": True}
        self.touched: set[RepoPath] = set()  # changed since git was asked about all files
        self._untracked: set[RepoPath] | None = None  # None: not listed yet
        self._unlisted: set[RepoPath] = set()  # changed since they were listed
        self._sorted: list[RepoPath] | None = None
        self._links = repository.config_bool("core.symlinks", default=True)
        self._modes = repository.config_bool("core.filemode", default=True)

    # The port

    def entry(self, path: RepoPath) -> Entry | None:
        known = self._known.get(path, _UNKNOWN)
        if known is _UNKNOWN:
            known = self._known[path] = self._staged_if_clean(path) or self._look(path)
        return known

    def exists(self, path: RepoPath) -> bool:
        if self.entry(path) is not None:
            return True
        folder, slash, name = path.rstrip("/").rpartition("/")
        if not _is_name(name) or not self._is_real_folder(folder + slash):
            return False
        found = self._lstat(path.rstrip("/"))
        return found is not None and (not path.endswith("/") or stat.S_ISDIR(found.st_mode))

    def below(self, folder: RepoPath) -> Mapping[RepoPath, Entry]:
        names = self._names()
        first = bisect.bisect_left(names, folder)
        found: dict[RepoPath, Entry] = {}
        for position in range(first, len(names)):
            path = names[position]
            if not path.startswith(folder):
                break
            entry = self.entry(path)
            if entry is not None:
                found[path] = entry
        return found

    def glob(self, pattern: str) -> Sequence[RepoPath]:
        pattern = pattern.removeprefix("./")
        if not glob.is_glob(pattern) and not pattern.endswith("/"):
            return [pattern] if self.entry(pattern) and not self.ignored(pattern) else []
        matches = glob.matcher(pattern)
        names, folder = self._names(), glob.fixed_folder(pattern)
        first = bisect.bisect_left(names, folder)
        last = bisect.bisect_left(names, folder + "\U0010ffff") if folder else len(names)
        return [path for path in names[first:last] if matches(path) and self.entry(path)]

    def named(self, last: str) -> Sequence[RepoPath]:
        return self.head.named(last)

    def tracked(self, path: RepoPath) -> Entry | None:
        return self.head.entry(path)

    def tracked_below(self, folder: RepoPath) -> bool:
        return self.head.tracked_below(folder)

    def read(self, path: RepoPath) -> bytes | None:
        entry = self.entry(path)
        if entry is None:
            return None
        if entry.mode == SUBMODULE or entry in {self._index.get(path), self.head.entry(path)}:
            return content(self._repository, entry)
        try:
            if entry.mode == SYMLINK and self._links:
                return os.readlink(os.fsencode(self._repository.absolute(path)))
            return self._hasher.content(path, entry.oid)
        except FileNotFoundError:  # somebody removed it since it was looked at
            self._forget(path)
            return None

    def ignored(self, path: RepoPath) -> bool:
        if path in self._index or self.head.entry(path) is not None:
            return False
        if path.endswith("/") and self.head.tracked_below(path):
            return False
        return self._ignores(path)

    # More that the working tree knows

    def staged(self, path: RepoPath) -> Entry | None:
        """What the index holds now; None: nothing."""
        held = self._repository.index_file().get(os.fsencode(path))
        return None if held is None or held.intent_to_add else held.entry

    def is_dirty(self, path: RepoPath) -> bool:
        """Whether the file on disk differs from HEAD's."""
        return self.entry(path) != self.head.entry(path)

    def dirty(self) -> set[RepoPath]:
        """All paths, untracked ones included, whose file on disk or in the index differs from HEAD's."""
        self._ask_about_all()
        listing = self._list_untracked()
        head = self.head.tree or _EMPTY_TREE
        staged = self._repository.git(["diff-index", "--cached", "--name-only", "--no-renames", "-z", head])
        changed = {
            path
            for path in {*(self._suspects or ()), *self.touched, *listing}
            if not path.endswith("/") and self.is_dirty(path) and (path in listing or not self.ignored(path))
        }
        return changed.union(_names(staged))

    def moved(self, commit: Oid, changes: Mapping[RepoPath, Entry | None]) -> None:
        self.head.advance(commit, changes)
        self.refresh(changes)

    def refresh(self, paths: Iterable[RepoPath] | None = None) -> None:
        """These files or folders may have changed on disk (None: all may, and HEAD may have moved)."""
        self._real_folders = {"": True}
        self._sorted = None
        if paths is None:
            self.head = CommitSnapshot(self._repository, self._repository.head)
            self._known.clear()
            self._index, self._suspects, self._looks = self._repository.index(), None, 0
            self._untracked = None
            self.touched.clear()
            self._unlisted.clear()
            self._ignores.forget()
            return
        for path in paths:
            self._forget(path)

    def save(self) -> None:
        """Keeps the blob ids found for the next process."""
        self._hasher.save()

    # Looking

    def _staged_if_clean(self, path: RepoPath) -> Entry | None:
        """The index entry, where git says that the file is as it was staged; None: look."""
        if path in self.touched:
            return None
        if self._suspects is None:
            self._looks += 1
            if self._looks <= _FEW:
                return None
            self._ask_about_all()
        if self._suspects is not None and path in self._suspects:
            return None
        return self._index.get(path)

    def _ask_about_all(self) -> None:
        """One process compares all stat data in a fifth of the time that Python would take."""
        if self._suspects is not None:
            return
        while True:
            modified = Modified(self._repository, modules="dirty")
            self._index = index = self._repository.index()
            try:
                suspects = modified.paths()
            except GitFailed as error:
                raise RepositoryError(
                    "git cannot compare the working tree with its index",
                    where=self._repository.top,
                    hint="`git status` there says why",
                ) from error
            if self._repository.index() is index:  # otherwise git may have read another one
                break
        closer = index.assume_unchanged | index.skip_worktree | index.intent_to_add | index.unmerged
        self._suspects = closer | suspects

    def _look(self, path: RepoPath) -> Entry | None:
        folder, slash, name = path.rpartition("/")
        if not _is_name(name) or not self._is_real_folder(folder + slash):
            return None
        staged = self._index.get(path)
        found = self._lstat(path)
        if found is None:
            return staged if path in self._index.skip_worktree else None
        if stat.S_ISDIR(found.st_mode):
            return self._submodule(path, staged)
        if stat.S_ISLNK(found.st_mode):
            return Entry(SYMLINK, blob_id(os.readlink(os.fsencode(self._repository.absolute(path)))))
        if not stat.S_ISREG(found.st_mode):
            return None
        mode = self._mode(found, staged)
        if mode == SYMLINK:  # core.symlinks = false: a file that holds the link's text
            return Entry(mode, self._hasher.hash_as_it_is(path))
        if staged is not None and staged.mode == mode and self._index.vouches_for(path, found):
            return staged
        return Entry(mode, self._hasher.hash(path, found))

    def _mode(self, found: os.stat_result, staged: Entry | None) -> int:
        if staged is not None and staged.mode == SYMLINK and not self._links:
            return SYMLINK
        if not self._modes:
            return staged.mode if staged is not None and staged.mode in {PLAIN, EXECUTABLE} else PLAIN
        return EXECUTABLE if found.st_mode & 0o100 else PLAIN

    def _submodule(self, path: RepoPath, staged: Entry | None) -> Entry | None:
        """A folder is an entry only as a submodule: its commit, or the recorded one if it was not set up."""
        if staged is None or staged.mode != SUBMODULE:
            return None
        if self._lstat(f"{path}/.git") is None:
            return staged
        try:
            commit = self._repository.git(["-C", self._repository.absolute(path), "rev-parse", "HEAD"])
        except GitFailed:
            return staged
        return Entry(SUBMODULE, commit.decode().strip())

    def _is_real_folder(self, folder: RepoPath) -> bool:
        """Whether what stands in it is this repository's: not behind a symlink, nor in a nested one's."""
        known = self._real_folders.get(folder)
        if known is None:
            above, slash, name = folder[:-1].rpartition("/")
            known = _is_name(name) and self._is_real_folder(above + slash)
            if known:
                found = self._lstat(folder[:-1])
                # sparse checkout takes whole folders away, whose entries stand nevertheless
                known = found is None or (
                    stat.S_ISDIR(found.st_mode) and self._lstat(f"{folder}.git") is None
                )
            self._real_folders[folder] = known
        return known

    def _lstat(self, path: RepoPath) -> os.stat_result | None:
        try:
            return os.lstat(os.fsencode(self._repository.absolute(path)))
        except ValueError:  # a NUL, or a lone surrogate: no file is called so
            return None
        except OSError as error:
            if error.errno in _NOTHING_THERE:
                return None
            raise RepositoryError(
                f"the file cannot be looked at: {error.strerror}",
                where=path,
                hint="check the permissions of the folders above it",
            ) from error

    # Listing

    def _names(self) -> list[RepoPath]:
        """Everything tracked or untracked, ignored files left out, sorted; some may be deleted."""
        if self._sorted is None:
            self._sorted = sorted({*self._index, *self._list_untracked(), *self._committed_since()})
        return self._sorted

    def _committed_since(self) -> Iterable[RepoPath]:
        """Files that were changed after the index was read; they are tracked now where HEAD has them."""
        return [path for path in self.touched if self.head.entry(path) is not None]

    def _list_untracked(self) -> set[RepoPath]:
        if self._untracked is None:
            self._untracked = self._ls_untracked(())
            self._unlisted.clear()
        folders = sorted(path for path in self._unlisted if path.endswith("/"))
        for folder in folders:
            self._untracked = {path for path in self._untracked if not path.startswith(folder)}
        if folders:
            self._untracked |= self._ls_untracked(folders)
        for path in self._unlisted:
            if not path.endswith("/"):
                visible = self.entry(path) is not None and not self._ignores(path)
                (self._untracked.add if visible else self._untracked.discard)(path)
        self._unlisted.clear()
        return self._untracked

    def _ls_untracked(self, folders: Sequence[RepoPath]) -> set[RepoPath]:
        output = self._repository.git(["ls-files", "--others", "--exclude-standard", "-z", "--", *folders])
        return {path for path in _names(output) if not path.endswith("/")}  # those are nested repositories

    def _forget(self, path: RepoPath) -> None:
        if path.rpartition("/")[2] == ".gitignore":
            self._ignores.forget()
            self._untracked = None
        if path.endswith("/"):
            inside = [known for known in (*self._index, *self._known) if known.startswith(path)]
            for known in inside:
                self._known.pop(known, None)
            self.touched.update(inside)
        else:
            self._known.pop(path, None)
            self.touched.add(path)
        self._unlisted.add(path)


_EMPTY_TREE: Oid = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def _names(output: bytes) -> list[RepoPath]:
    return output.decode("utf-8", "surrogateescape").split("\0")[:-1]


def _is_name(name: str) -> bool:
    """Whether git would track a file or folder of this name."""
    return name not in {"", ".", ".."} and name.lower() != ".git"
