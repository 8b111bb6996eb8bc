"""Files of a working tree to and from blobs: filters as git applies them, links as links, written aside."""

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import pygit2

from specbuild.engine.modes import EXECUTABLE, PLAIN, SUBMODULE, SYMLINK
from specbuild.engine.ports import Unusable
from specbuild.engine.task import Entry, Oid, RepoPath
from specbuild.git.folders import remove_empty, remove_tree
from specbuild.git.hashing import blob_id
from specbuild.git.indexfile import IndexFile
from specbuild.git.plain import Plain
from specbuild.git.repository import GitFailed, Repository
from specbuild.git.store import BLOB, LARGE

_numbers = itertools.count()


class Raw(NamedTuple):
    """A file's own bytes and permissions, before any filter; enough to put it back exactly."""

    oid: Oid
    permissions: int
    mtime_ns: int
    link: bool

    @property
    def entry(self) -> Entry:
        return Entry(SYMLINK if self.link else EXECUTABLE if self.permissions & 0o100 else PLAIN, self.oid)


class Files:
    """The files of one working tree; `repo` may be a linked worktree of the same repository."""

    def __init__(self, repo: Repository, aside: str, *, waiting: bool = False) -> None:
        self.repo = repo
        self.top = repo.top
        self._aside = aside  # where half-written files stand; best on the same disk
        self._waiting = waiting  # blobs wait in the repository's store for whoever commits them
        self._plain: Plain | None = None

    def at(self, path: RepoPath) -> str:
        return f"{self.top}/{path}"

    def look(self, path: RepoPath) -> os.stat_result | None:
        """Stat data of what stands at `path` itself; None: nothing, or behind a symlink."""
        if self.through_link(path) is not None:
            return None
        try:
            return os.lstat(self.at(path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def through_link(self, path: RepoPath) -> RepoPath | None:
        """The first folder on the way to `path` that is a symlink; git does not look behind those."""
        parts = path.rstrip("/").split("/")[:-1]
        for end in range(1, len(parts) + 1):
            folder = "/".join(parts[:end])
            try:
                if stat.S_ISLNK(os.lstat(self.at(folder)).st_mode):
                    return folder
            except OSError:
                return None
        return None

    # From files to blobs

    def entries(self, paths: Iterable[RepoPath]) -> dict[RepoPath, Entry | None]:
        """What git would store for each path (None: nothing there, or a folder); the blobs are stored."""
        found: dict[RepoPath, Entry | None] = {}
        by_git: list[RepoPath] = []
        modes = self._modes()
        for path in paths:
            now = self.look(path)
            found[path] = None
            if now is None:
                continue
            if stat.S_ISDIR(now.st_mode):
                found[path] = self._submodule(path)
            elif stat.S_ISLNK(now.st_mode):
                target = os.readlink(os.fsencode(self.at(path)))
                found[path] = Entry(SYMLINK, self.store(target))
            elif stat.S_ISREG(now.st_mode):
                oid = self._store_file(path, now)
                found[path] = Entry(modes(path, now), oid or "")
                if oid is None:
                    by_git.append(path)
            else:
                raise Unusable(f"{path} is neither a file nor a link, so git cannot store it")
        for path, oid in zip(by_git, self._store_by_git(by_git), strict=True):
            entry = found[path]
            if entry is not None:
                found[path] = Entry(entry.mode, oid)
        return found

    def store(self, data: bytes, like: Oid | None = None) -> Oid:
        if self._waiting and len(data) < LARGE:
            return self.repo.shared.store.add(BLOB, data, like)
        return str(self.repo.raw.create_blob(data))

    def is_plain(self, path: RepoPath) -> bool:
        """Whether it is certain that git stores the file's very bytes."""
        if self._plain is None:
            self._plain = Plain(self.repo)
        return self._plain(path)

    def _is_filtered(self, path: RepoPath) -> bool:
        """Whether libgit2 would store other bytes than git: LFS and other filters, re-encoded text."""
        try:
            attribute = self.repo.raw.get_attr
            return isinstance(attribute(path, "filter"), str) or isinstance(
                attribute(path, "working-tree-encoding"), str
            )
        except (UnicodeError, pygit2.GitError):
            return True

    def _store_file(self, path: RepoPath, found: os.stat_result) -> Oid | None:
        """The id of the stored blob; None: ask git."""
        plain = self.is_plain(path)
        if not plain and self._is_filtered(path):
            return None
        try:
            if plain and found.st_size < LARGE:
                with open(self.at(path), "rb") as file:
                    return self.store(file.read())
            return str(self.repo.raw.create_blob_fromworkdir(path))
        except (UnicodeError, pygit2.GitError, OSError, KeyError):
            return None  # core.safecrlf, a name that is not UTF-8, or the file went: git tells which

    def _store_by_git(self, paths: Sequence[RepoPath]) -> list[Oid]:
        if not paths:
            return []
        try:
            if any("\n" in path for path in paths):
                return [self._store_one_by_git(path) for path in paths]
            lines = b"".join(os.fsencode(path) + b"\n" for path in paths)
            return self.repo.git(["hash-object", "-w", "--stdin-paths"], input=lines).decode().split()
        except GitFailed as error:
            raise Unusable(f"git cannot store {', '.join(paths[:3])}: {error.stderr}") from error

    def _store_one_by_git(self, path: RepoPath) -> Oid:
        return self.repo.git(["hash-object", "-w", "--", path]).decode().strip()

    def _submodule(self, path: RepoPath) -> Entry | None:
        if not os.path.lexists(os.path.join(self.at(path), ".git")):
            return None
        try:
            head = self.repo.git(["-C", self.at(path), "rev-parse", "--verify", "-q", "HEAD"])
        except GitFailed:
            return None
        return Entry(SUBMODULE, head.decode().strip())

    def _modes(self) -> "_Modes":
        trusted = self.repo.config_bool("core.filemode", default=True)
        return _Modes(None if trusted else IndexFile.read(os.path.join(self.repo.git_dir, "index")))

    # From files to their own bytes

    def raw(self, path: RepoPath) -> Raw | None:
        """The file or link at `path`, its bytes stored as they are; None: nothing there, or a folder."""
        now = self.look(path)
        if now is None or stat.S_ISDIR(now.st_mode):
            return None
        if stat.S_ISLNK(now.st_mode):
            data = os.readlink(os.fsencode(self.at(path)))
        elif stat.S_ISREG(now.st_mode):
            with open(self.at(path), "rb") as file:
                data = file.read()
        else:
            raise Unusable(f"{path} is neither a file nor a link, so its bytes cannot be kept")
        link = stat.S_ISLNK(now.st_mode)
        return Raw(self.store(data), stat.S_IMODE(now.st_mode), now.st_mtime_ns, link)

    def is_raw(self, path: RepoPath, raw: Raw) -> bool:
        """Whether the file at `path` has these bytes and permissions now."""
        now = self.look(path)
        if now is None or not (stat.S_ISLNK(now.st_mode) if raw.link else stat.S_ISREG(now.st_mode)):
            return False  # nothing, or of another kind: a pipe would be waited for
        if not raw.link and stat.S_IMODE(now.st_mode) != raw.permissions:
            return False
        try:
            if raw.link:
                return blob_id(os.readlink(os.fsencode(self.at(path)))) == raw.oid
            with open(self.at(path), "rb") as file:
                return blob_id(file.read()) == raw.oid
        except OSError:
            return False

    def put_back(self, path: RepoPath, raw: Raw) -> None:
        """The file as `raw` saw it: bytes, permissions, modification time."""
        self._clear(path)
        self._place(path, raw.entry.mode, self.repo.read(raw.oid), raw)

    # From blobs to files

    def write(self, entries: Mapping[RepoPath, Entry]) -> None:
        """Writes the files as a checkout would."""
        contents = self.contents(entries)
        for path, entry in entries.items():
            self.place(path, entry, contents.get(path, b""))

    def place(
        self, path: RepoPath, entry: Entry, content: bytes, *, still: Callable[[], bool] | None = None
    ) -> bool:
        """Writes one file whose content `contents` gave.

        `still`: asked when nothing is left to do but the rename, whether what is there may go.
        """
        if entry.mode == SUBMODULE:
            os.makedirs(self.at(path), exist_ok=True)
            return True
        return self._place(path, entry.mode, content, still=still)

    def contents(self, entries: Mapping[RepoPath, Entry]) -> dict[RepoPath, bytes]:
        """The bytes that a checkout would write."""
        by_git = [
            path
            for path, entry in entries.items()
            if entry.mode not in {SYMLINK, SUBMODULE} and self._smudged(path)
        ]
        contents = dict(zip(by_git, self._smudge(by_git, entries), strict=True))
        for path, entry in entries.items():
            if path not in contents and entry.mode != SUBMODULE:
                contents[path] = self.repo.read(entry.oid)
        return contents

    def _smudged(self, path: RepoPath) -> bool:
        """Whether a checkout may write other bytes than the blob's."""
        if self.is_plain(path):
            return False
        if self._is_filtered(path):
            return True
        if self.repo.config_get("core.autocrlf") not in {None, "false", "input"}:
            return True
        attribute = self.repo.raw.get_attr
        if attribute(path, "ident") or attribute(path, "eol") == "crlf":
            return True
        return self.repo.config_get("core.eol") == "crlf"

    def _smudge(self, paths: Sequence[RepoPath], entries: Mapping[RepoPath, Entry]) -> Iterator[bytes]:
        """What a checkout by git itself would write, made in a folder aside."""
        if not paths:
            return
        folder = os.path.join(self._aside, f"checkout.{os.getpid()}.{next(_numbers)}")
        os.makedirs(folder)
        try:
            env = {"GIT_INDEX_FILE": os.path.join(folder, "index")}
            self.repo.shared.store.write(self.repo.raw, [entries[path].oid for path in paths])
            lines = b"".join(
                f"{entries[path].mode:o} {entries[path].oid}\t".encode() + os.fsencode(path) + b"\0"
                for path in paths
            )
            self.repo.git(["update-index", "-z", "--index-info"], input=lines, env=env)
            self.repo.git(["checkout-index", "--all", f"--prefix={folder}/files/"], env=env)
            for path in paths:
                with open(os.path.join(folder, "files", path), "rb") as file:
                    yield file.read()
        finally:
            remove_tree(folder)

    def _place(
        self,
        path: RepoPath,
        mode: int,
        data: bytes,
        raw: Raw | None = None,
        still: Callable[[], bool] | None = None,
    ) -> bool:
        """Written aside and moved into place, so that no reader ever sees half a file."""
        if (folder := self.through_link(path)) is not None:
            raise Unusable(f"{path} lies behind the symlink {folder}")
        target = self.at(path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.isdir(target) and not os.path.islink(target):
            remove_empty(target)
        return self._move(lambda aside: _create(aside, mode, data, raw), target, still)

    def _move(
        self, create: Callable[[str], None], target: str, still: Callable[[], bool] | None = None
    ) -> bool:
        os.makedirs(self._aside, exist_ok=True)
        aside = os.path.join(self._aside, f"file.{os.getpid()}.{next(_numbers)}")
        try:
            create(aside)
            if still is not None and not still():
                os.unlink(aside)
                return False
            os.rename(aside, target)
        except OSError as error:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(aside)
            if error.errno != errno.EXDEV:
                raise
            # .git is on another disk than this folder: the half-written file stands beside its target
            near = beside(target)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(near)
            create(near)
            if still is not None and not still():
                os.unlink(near)
                return False
            os.rename(near, target)
        return True

    def remove(self, path: RepoPath) -> None:
        """Removes a file or link, and the folders that this leaves empty, as git does."""
        if self.through_link(path) is not None:
            return
        try:
            os.unlink(self.at(path))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return
        self.remove_empty_above(path)

    def remove_empty_above(self, path: RepoPath) -> None:
        folder = os.path.dirname(path)
        while folder:
            try:
                os.rmdir(self.at(folder))
            except (FileNotFoundError, NotADirectoryError):
                pass  # the one above it may be empty, too
            except OSError:
                return
            folder = os.path.dirname(folder)

    def _clear(self, path: RepoPath) -> None:
        """Makes way for a file: what stands in place of it, or of a folder above it, is a task's."""
        parts = path.split("/")
        for end in range(1, len(parts)):
            above = self.at("/".join(parts[:end]))
            if os.path.lexists(above) and (os.path.islink(above) or not os.path.isdir(above)):
                os.unlink(above)
        if os.path.isdir(self.at(path)) and not os.path.islink(self.at(path)):
            remove_tree(self.at(path))

    # Lists

    def below(self, folder: RepoPath, index: str | None = None) -> list[RepoPath]:
        """Files below `folder` that git does not ignore, tracked or not, and that are there."""
        if self.look(folder.rstrip("/")) is None:
            return []
        env = {} if index is None else {"GIT_INDEX_FILE": index}
        command = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", folder]
        found = {os.fsdecode(item) for item in self.repo.git(command, env=env).split(b"\0") if item}
        return sorted(path for path in found if not path.endswith("/") and os.path.lexists(self.at(path)))

    def dirty(self) -> list[RepoPath]:
        """Paths that are not as in HEAD, in the index or on disk, and untracked ones."""
        command = ["status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames"]
        answer = self.repo.git([*command, "--ignore-submodules=dirty"])
        paths = [os.fsdecode(item[3:]) for item in answer.split(b"\0")]
        return [path for path in paths if path and not path.endswith("/")]

    def is_ignored(self, path: RepoPath) -> bool:
        """Whether git ignores the path (for a folder, with its final `/`)."""
        # check-ignore refuses literal pathspecs; with `./` in front no name is taken for another kind
        command, asked = ["check-ignore", "-z", "--stdin"], b"./" + os.fsencode(path) + b"\0"
        return bool(self.repo.git(command, input=asked, env={"GIT_LITERAL_PATHSPECS": "0"}, ok=(0, 1)))


class _Modes:
    """The mode that git would record; where `core.filemode` is off, the index' counts."""

    def __init__(self, index: IndexFile | None) -> None:
        self._index = index

    def __call__(self, path: RepoPath, found: os.stat_result) -> int:
        if self._index is None:
            return EXECUTABLE if found.st_mode & 0o100 else PLAIN
        held = self._index.get(os.fsencode(path))
        return held.entry.mode if held is not None and held.entry.mode == EXECUTABLE else PLAIN


def _create(path: str, mode: int, data: bytes, raw: Raw | None) -> None:
    if mode == SYMLINK:
        os.symlink(data, os.fsencode(path))
        return
    permissions = 0o777 if mode == EXECUTABLE else 0o666  # less the user's umask
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, permissions)
    with open(fd, "wb") as file:
        file.write(data)
        if raw is not None:
            os.fchmod(fd, raw.permissions)
    if raw is not None:
        os.utime(path, ns=(raw.mtime_ns, raw.mtime_ns))


def aside_folder(repo: Repository) -> str:
    """Where a worktree's files are half-written."""
    return os.path.join(repo.state_dir, "aside")


def beside(path: str) -> str:
    """Where a file is written that cannot be written aside."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".specbuild-{blob_id(os.fsencode(name))[:12]}~")
