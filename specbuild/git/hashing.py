"""From a file of the working tree to the blob that git would make of it."""

import hashlib
import os
import re
from functools import cached_property

import pygit2

from specbuild.engine.task import Oid, RepoPath
from specbuild.errors import RepositoryError
from specbuild.git.repository import GitFailed, Repository
from specbuild.git.statcache import StatCache

_CONVERSION_SETTINGS = re.compile(r"core\.(autocrlf|eol|safecrlf|attributesfile)|filter\.")
_EXTERNAL = ("filter", "working-tree-encoding")
_ID_KEYWORD = re.compile(rb"\$Id:[^\n$]*\$")


class Hasher:
    """Blob ids of working-tree files, after the conversions that git makes when it adds them."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._cache: StatCache | None = None

    def hash(self, path: RepoPath, found: os.stat_result) -> Oid:
        """The id of the blob for the regular file at `path`, whose stat data is `found`."""
        cached = self._stat_cache().get(path, found)
        if cached is not None:
            return cached
        oid = self._convert_and_hash(path)
        if _same(found, os.lstat(self._repository.absolute(path))):
            self._stat_cache().put(path, found, oid)
        return oid

    def hash_as_it_is(self, path: RepoPath) -> Oid:
        """The id of the blob that holds the file's very bytes."""
        with open(self._repository.absolute(path), "rb") as file:
            return blob_id(file.read())

    def content(self, path: RepoPath, oid: Oid) -> bytes:
        """The bytes of the blob `oid` that the file at `path` makes; writes nothing to the repository."""
        with open(self._repository.absolute(path), "rb") as file:
            raw = file.read()
        unix = raw.replace(b"\r\n", b"\n")
        for candidate in (raw, unix, _ID_KEYWORD.sub(b"$Id$", raw), _ID_KEYWORD.sub(b"$Id$", unix)):
            if blob_id(candidate) == oid:
                return candidate
        if oid in self._repository.raw:
            return self._repository.read(oid)
        return self._filtered(path)

    def save(self) -> None:
        if self._cache is not None:
            self._cache.save()

    def _convert_and_hash(self, path: RepoPath) -> Oid:
        absolute = self._repository.absolute(path)
        if not self._has_external_filter(path):
            try:
                names = (os.fsencode(absolute), pygit2.enums.ObjectType.BLOB, os.fsencode(path))
                return str(self._repository.raw.hashfile(*names))  # type: ignore[arg-type]  # takes bytes
            except pygit2.GitError:
                pass  # core.safecrlf = true, or a conversion that libgit2 does not know: git says what it is
        try:
            return self._repository.git(["hash-object", "--path", path, "--", absolute]).decode().strip()
        except GitFailed as error:
            raise RepositoryError(
                f"git cannot store the file: {error.stderr}",
                where=path,
                hint="its permissions or its filter (`git check-attr -a`) may be why; `git add` must work",
            ) from error

    def _has_external_filter(self, path: RepoPath) -> bool:
        """libgit2 stores what LFS and re-encoded files hold on disk, which git would not."""
        if not self._libgit2_agrees:
            return True
        name = os.fsencode(path)
        attributes = (self._repository.raw.get_attr(name, attribute) for attribute in _EXTERNAL)
        return any(isinstance(value, str) for value in attributes)

    @cached_property
    def _libgit2_agrees(self) -> bool:
        """Whether libgit2 sees git's settings: it knows nothing of GIT_CONFIG_GLOBAL and GIT_CONFIG_COUNT."""
        config = self._repository.raw.config
        return all(
            (config[name] if name in config else None)  # noqa: SIM401  (it has no `get`)
            == self._repository.config_get(name)
            for name in ("core.autocrlf", "core.eol", "core.attributesfile")
        )

    def _filtered(self, path: RepoPath) -> bytes:
        """What git's filters make of the file, stored aside so that looking writes no object."""
        import tempfile  # noqa: PLC0415  (few files have such filters)

        repository = self._repository
        with tempfile.TemporaryDirectory(prefix="specbuild-") as folder:
            environment = {
                "GIT_OBJECT_DIRECTORY": folder,
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": os.path.join(repository.common_dir, "objects"),
            }
            command = ["hash-object", "-w", "--path", path, "--", repository.absolute(path)]
            oid = repository.git(command, env=environment).decode().strip()
            return repository.git(["cat-file", "blob", oid], env=environment)

    def _stat_cache(self) -> StatCache:
        if self._cache is None:
            path = os.path.join(self._repository.state_dir, "stat.json")
            self._cache = StatCache(path, self._conversions())
        return self._cache

    def _conversions(self) -> str:
        """All that decides how files become blobs: when it changes, no id that was found before counts."""
        repository = self._repository
        settings = [
            f"{name}={value}"
            for name, value in sorted(repository.settings.items())
            if _CONVERSION_SETTINGS.match(name)
        ]
        files = [repository.absolute(path) for path in repository.index() if path.endswith(".gitattributes")]
        files += [repository.absolute(".gitattributes"), f"{repository.common_dir}/info/attributes"]
        return "\n".join([*settings, *(_stamp(path) for path in files)])


def blob_id(data: bytes) -> Oid:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _stamp(path: str) -> str:
    try:
        found = os.stat(path)
    except OSError:
        return path
    return f"{path} {found.st_mtime_ns} {found.st_size} {found.st_ino}"


def _same(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_mtime_ns, before.st_ctime_ns, before.st_size, before.st_ino) == (
        after.st_mtime_ns,
        after.st_ctime_ns,
        after.st_size,
        after.st_ino,
    )
