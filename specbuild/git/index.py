"""A reader of git's index file: libgit2 shows no flags, and notices too late what it cannot read."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from specbuild.engine.task import Entry, RepoPath
from specbuild.errors import RepositoryError

Identity = tuple[int, int, int]

_STAT = struct.Struct(">4I4xI4x3I")  # ctime, mtime (seconds, nanoseconds), inode, user, group, size
_ASSUME_VALID = 0x8000
_EXTENDED = 0x4000
_STAGE = 0x3000
_SKIP_WORKTREE = 0x4000
_INTENT_TO_ADD = 0x2000
_LENGTH = 0x0FFF


@dataclass(slots=True)
class Index:
    """What is staged: merged entries by path, and the paths that need a closer look."""

    identity: Identity | None  # None: there is no index file yet
    data: bytes = b""
    offsets: dict[RepoPath, int] = field(default_factory=dict)  # of merged entries, in git's order
    unmerged: set[RepoPath] = field(default_factory=set)
    assume_unchanged: set[RepoPath] = field(default_factory=set)
    skip_worktree: set[RepoPath] = field(default_factory=set)
    intent_to_add: set[RepoPath] = field(default_factory=set)

    def __contains__(self, path: RepoPath) -> bool:
        return path in self.offsets

    def __iter__(self) -> Iterator[RepoPath]:
        return iter(self.offsets)

    def get(self, path: RepoPath) -> Entry | None:
        """The staged file; None: nothing is staged there (an intent to add is nothing yet)."""
        offset = self.offsets.get(path)
        if offset is None or path in self.intent_to_add:
            return None
        mode = int.from_bytes(self.data[offset + 24 : offset + 28], "big")
        return Entry(mode, self.data[offset + 40 : offset + 60].hex())

    def vouches_for(self, path: RepoPath, found: os.stat_result) -> bool:
        """Whether the file is for certain the staged one: same stat data, and at rest when that was written.

        Stricter than git, which also takes what differs only in fields that some file systems lose.
        """
        offset = self.offsets.get(path)
        if offset is None or self.identity is None:
            return False
        if int(found.st_mtime) >= self.identity[0] // 1_000_000_000:
            return False
        wide = (*divmod(found.st_ctime_ns, 10**9), *divmod(found.st_mtime_ns, 10**9))
        recorded = _STAT.unpack_from(self.data, offset)
        return recorded == tuple(
            number & 0xFFFFFFFF for number in (*wide, found.st_ino, found.st_uid, found.st_gid, found.st_size)
        )


def identity_of(path: str) -> Identity | None:
    """What tells whether the index file was written anew; None: there is none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def read(path: str) -> Index:
    """The index file at `path`; a repository where nothing was ever added has none."""
    identity = identity_of(path)
    if identity is None:
        return Index(None)
    with open(path, "rb") as file:
        data = file.read()
    try:
        return _parse(path, identity, data)
    except (ValueError, IndexError) as error:
        raise RepositoryError(
            "git's index is damaged", where=path, hint="move it away and run `git reset` to make it anew"
        ) from error


def _parse(path: str, identity: Identity, data: bytes) -> Index:
    version = int.from_bytes(data[4:8], "big")
    if data[:4] != b"DIRC" or version not in {2, 3, 4} or len(data) < 32:
        raise ValueError(path)
    index = Index(identity, data)
    count = int.from_bytes(data[8:12], "big")
    end = _read_packed(index, count) if version == 4 else _read_padded(index, count)
    for extension in _extensions(data, end):
        _refuse_form(path, extension)
    return index


def _read_padded(index: Index, count: int) -> int:
    """Versions 2 and 3: each entry is filled up to eight bytes."""
    data, offsets, offset = index.data, index.offsets, 12
    for _ in range(count):
        flags = data[offset + 60] << 8 | data[offset + 61]
        start = offset + (64 if flags & _EXTENDED else 62)
        length = flags & _LENGTH
        stop = start + length if length < _LENGTH else data.index(b"\0", start + length)
        name = data[start:stop].decode("utf-8", "surrogateescape")
        if flags <= _LENGTH:
            offsets[name] = offset
        else:
            _note_flags(index, name, offset, flags)
        offset += (stop - offset + 8) & ~7
    return offset


def _read_packed(index: Index, count: int) -> int:
    """Version 4: a name states how much of the one before it drops, and what follows."""
    data, offset, previous = index.data, 12, b""
    for _ in range(count):
        flags = data[offset + 60] << 8 | data[offset + 61]
        start = offset + (64 if flags & _EXTENDED else 62)
        byte = data[start]
        dropped = byte & 0x7F
        while byte & 0x80:
            start += 1
            byte = data[start]
            dropped = (dropped + 1) << 7 | byte & 0x7F
        stop = data.index(b"\0", start + 1)
        previous = previous[: len(previous) - dropped] + data[start + 1 : stop]
        _note_flags(index, previous.decode("utf-8", "surrogateescape"), offset, flags)
        offset = stop + 1
    return offset


def _note_flags(index: Index, name: RepoPath, offset: int, flags: int) -> None:
    if flags & _STAGE:
        index.unmerged.add(name)
        return
    index.offsets[name] = offset
    if flags & _ASSUME_VALID:
        index.assume_unchanged.add(name)
    if flags & _EXTENDED:
        extended = index.data[offset + 62] << 8 | index.data[offset + 63]
        if extended & _SKIP_WORKTREE:
            index.skip_worktree.add(name)
        if extended & _INTENT_TO_ADD:
            index.intent_to_add.add(name)


def _extensions(data: bytes, offset: int) -> Iterator[bytes]:
    while offset < len(data) - 20:
        yield data[offset : offset + 4]
        offset += 8 + int.from_bytes(data[offset + 4 : offset + 8], "big")


def _refuse_form(path: str, extension: bytes) -> None:
    if extension == b"link":
        raise RepositoryError(
            "the repository has a split index (core.splitIndex), which specbuild cannot read",
            where=path,
            hint="run `git update-index --no-split-index`",
        )
    if extension == b"sdir":
        raise RepositoryError(
            "the repository has a sparse index (index.sparse), which specbuild cannot read",
            where=path,
            hint="run `git sparse-checkout init --no-sparse-index` (the sparse checkout itself may stay)",
        )
    if extension[:1].islower():
        raise RepositoryError(
            f"git's index has the extension {extension.decode('latin-1')!r}, which specbuild does not know",
            where=path,
            hint="`git status` in a version of git that knows it may write it anew",
        )
