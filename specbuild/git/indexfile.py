"""Git's index file, rewritten byte for byte except for the entries that a commit changes."""

import hashlib
import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from specbuild.engine.task import Entry, Oid
from specbuild.errors import RepositoryError

_ASSUME_VALID = 0x80  # in the first byte of the flags
_EXTENDED = 0x40
_STAGE = 0x30
_SKIP_WORKTREE = 0x4000  # in the extended flags
_INTENT_TO_ADD = 0x2000
_NO_STAT = bytes(40)


class Held(NamedTuple):
    """A merged entry as it stands in the index."""

    entry: Entry
    stat: bytes  # the 40 bytes of stat data, git's order
    assume_valid: bool
    skip_worktree: bool
    intent_to_add: bool


class Wanted(NamedTuple):
    """An entry as it is to stand; `stat` None: unknown, so that git looks at the file itself."""

    entry: Entry
    stat: os.stat_result | None
    assume_valid: bool = False
    skip_worktree: bool = False


def pack_stat(found: os.stat_result, mode: int) -> bytes:
    """Stat data as git stores it: ten 32-bit numbers."""
    numbers = (
        found.st_ctime_ns // 10**9,
        found.st_ctime_ns % 10**9,
        found.st_mtime_ns // 10**9,
        found.st_mtime_ns % 10**9,
        found.st_dev,
        found.st_ino,
        mode,
        found.st_uid,
        found.st_gid,
        found.st_size,
    )
    return b"".join((number & 0xFFFFFFFF).to_bytes(4, "big") for number in numbers)


@dataclass(slots=True)
class IndexFile:
    """The entries as bytes, where each begins, and the extensions behind them."""

    path: str
    version: int
    data: bytes  # header and entries; those of version 4 are kept as version 3 would write them
    offsets: list[int]  # one more than there are entries: the last is where they end
    extensions: list[tuple[bytes, bytes]]
    sealed: bool  # ends with a checksum (not with zeros, as `index.skipHash` asks)
    written_ns: int  # mtime of the file
    permissions: int | None  # None: there is no index file yet

    recent: frozenset[bytes] | None = None
    """Names of all entries that may be as new as the file; None: any may."""
    size: int = 0
    inode: int = 0

    @staticmethod
    def read(path: str, known: "IndexFile | None" = None) -> "IndexFile":
        """`known` is returned if it still is what the file holds."""
        try:
            with open(path, "rb") as file:
                found = os.fstat(file.fileno())
                if known is not None and known.is_file(found):
                    return known
                data = file.read()
        except FileNotFoundError:
            header = b"DIRC" + (2).to_bytes(4, "big") + bytes(4)
            return IndexFile(path, 2, header, [12], [], sealed=True, written_ns=0, permissions=None)
        try:
            return _parse(path, data, found)
        except (ValueError, IndexError) as error:
            raise RepositoryError(
                "git's index is damaged", where=path, hint="move it away and run `git reset` to make it anew"
            ) from error

    def is_file(self, found: os.stat_result) -> bool:
        """Whether the file was not written since."""
        return (self.written_ns, self.size, self.inode) == (found.st_mtime_ns, found.st_size, found.st_ino)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def _name(self, position: int) -> bytes:
        offset = self.offsets[position]
        start = offset + (64 if self.data[offset + 60] & _EXTENDED else 62)
        return self.data[start : self.data.index(b"\0", start)]

    def _lower(self, name: bytes) -> int:
        return bisect_left(range(len(self)), name, key=self._name)

    def _span(self, name: bytes) -> range:
        """Positions of all entries of this name: one, or the stages of a conflict."""
        first = last = self._lower(name)
        while last < len(self) and self._name(last) == name:
            last += 1
        return range(first, last)

    def get(self, name: bytes) -> Held | None:
        """The merged entry; None: there is none (or only a conflict's stages)."""
        span = self._span(name)
        return self._held(span[0]) if len(span) == 1 else None

    def _held(self, position: int) -> Held | None:
        offset, data = self.offsets[position], self.data
        flags = data[offset + 60]
        if flags & _STAGE:
            return None
        extended = int.from_bytes(data[offset + 62 : offset + 64], "big") if flags & _EXTENDED else 0
        mode = int.from_bytes(data[offset + 24 : offset + 28], "big")
        return Held(
            Entry(mode, data[offset + 40 : offset + 60].hex()),
            data[offset : offset + 40],
            assume_valid=bool(flags & _ASSUME_VALID),
            skip_worktree=bool(extended & _SKIP_WORKTREE),
            intent_to_add=bool(extended & _INTENT_TO_ADD),
        )

    def turned_back(self, since: float) -> bool:
        """Whether a file was changed after `since` that bears an older time of modification.

        Git, which compares whole seconds, would not see that file change again in the same second.
        """
        data, start = self.data, int(since)
        return any(
            (changed := int.from_bytes(data[offset : offset + 4], "big")) >= start
            and changed != int.from_bytes(data[offset + 8 : offset + 12], "big")
            for offset in self.offsets[:-1]
        )

    def displaced(self, changes: Mapping[bytes, object]) -> list[tuple[bytes, Held]]:
        """Merged entries that the changes replace, remove or push aside (a file where a folder is to be)."""
        found = [(self._name(position), self._held(position)) for position in sorted(self._removed(changes))]
        return [(name, held) for name, held in found if held is not None]

    def _removed(self, changes: Mapping[bytes, object]) -> set[int]:
        gone: set[int] = set()
        for name, wanted in changes.items():
            gone.update(self._span(name))
            if wanted is None:
                continue
            position = self._lower(name + b"/")
            while position < len(self) and self._name(position).startswith(name + b"/"):
                gone.add(position)
                position += 1
            for folder in _folders(name):
                if folder:
                    gone.update(self._span(folder[:-1]))
        return gone

    def edit(
        self, changes: Mapping[bytes, Wanted | None], unchanged: Callable[[bytes, Held], bool]
    ) -> tuple[bytes, "IndexFile"]:
        """The content of the index file with these entries set (None: removed) and no other touched, and
        how it will be read again (see `settled`).

        `unchanged` says of an entry as new as the index file itself whether its file still is what the
        entry says. Otherwise its stat data must not be believed once the index is newer (git: racy-git).
        """
        removed = self._removed(changes)
        data = bytearray(self.data)
        recent = {name for name, wanted in changes.items() if wanted is not None}
        for position in self._racy(removed):
            name, held = self._name(position), self._held(position)
            recent.add(name)
            if held is not None and not unchanged(name, held):
                offset = self.offsets[position]
                data[offset + 36 : offset + 40] = bytes(4)
        inserts: dict[int, list[bytes]] = {}
        for name in sorted(changes):
            wanted = changes[name]
            if wanted is not None:
                inserts.setdefault(self._lower(name), []).append(_encode(name, wanted))
        count = len(self) - len(removed) + sum(map(len, inserts.values()))
        version = self.version
        if version == 2 and any(wanted and wanted.skip_worktree for wanted in changes.values()):
            version = 3
        header = b"DIRC" + version.to_bytes(4, "big") + count.to_bytes(4, "big")
        entries, offsets = self._splice(bytes(data), removed, inserts)
        added = any(wanted is not None and not self._span(name) for name, wanted in changes.items())
        moved = added or count != len(self)
        extensions = list(self._kept_extensions(changes, moved=moved))
        tail = b"".join(sign + len(kept).to_bytes(4, "big") + kept for sign, kept in extensions)
        content = header + (_pack(entries, count) if version == 4 else entries) + tail
        content += hashlib.sha1(content, usedforsecurity=False).digest() if self.sealed else bytes(20)
        after = replace(
            self,
            version=version,
            data=header + entries,
            offsets=offsets,
            extensions=extensions,
            recent=frozenset(recent),
        )
        return content, after

    def settled(self, found: os.stat_result) -> "IndexFile":
        """As `edit` left it, now that it is a file. A clock that went back makes all entries suspicious."""
        recent = self.recent if found.st_mtime_ns >= self.written_ns else None
        self.written_ns, self.size, self.inode = found.st_mtime_ns, found.st_size, found.st_ino
        self.permissions, self.recent = found.st_mode & 0o777, recent
        return self

    def _racy(self, removed: set[int]) -> Iterator[int]:
        """Entries as new as the index file, to the second, whose stat data is believed so far."""
        since = (self.written_ns // 10**9 & 0xFFFFFFFF).to_bytes(4, "big")
        data, offsets = self.data, self.offsets
        positions: Iterable[int] = range(len(self))
        if self.recent is not None:
            positions = [position for name in self.recent for position in self._span(name)]
        for position in positions:
            offset = offsets[position]
            new = data[offset + 8 : offset + 12] >= since and data[offset + 36 : offset + 40] != bytes(4)
            if new and position not in removed:
                yield position

    def _splice(
        self, data: bytes, removed: set[int], inserts: Mapping[int, list[bytes]]
    ) -> tuple[bytes, list[int]]:
        """The entries' bytes without the header, and where each begins behind one."""
        pieces: list[bytes] = []
        offsets: list[int] = []
        done, size = 0, 12
        for position in sorted(removed | inserts.keys() | {len(self)}):
            start = self.offsets[done]
            shift = size - start
            offsets += [offset + shift for offset in self.offsets[done:position]] if position > done else []
            pieces.append(data[start : self.offsets[position]] if position > done else b"")
            size += len(pieces[-1])
            for piece in inserts.get(position, []):
                offsets.append(size)
                pieces.append(piece)
                size += len(piece)
            done = position + 1 if position in removed else max(done, position)
        return b"".join(pieces), [*offsets, size]

    def _kept_extensions(self, names: Iterable[bytes], *, moved: bool) -> Iterator[tuple[bytes, bytes]]:
        """What git itself would keep; offset tables are dropped, as their numbers are wrong now."""
        for signature, content in self.extensions:
            kept: bytes | None = content
            if signature == b"TREE":
                kept = _invalidate(content, {folder for name in names for folder in _folders(name)})
            elif signature == b"UNTR":
                # a folder that holds a tracked file now must not stay listed as untracked
                kept = _emptied(content) if moved else content
            elif signature == b"FSMN":
                kept = None if moved else content  # a bitmap over positions
            elif signature != b"REUC":
                kept = None
            if kept is not None:
                yield signature, kept


def _folders(name: bytes) -> Iterator[bytes]:
    """`a/b/c` → `a/b/`, `a/`, and the top as the empty name."""
    end = name.rfind(b"/")
    while end >= 0:
        yield name[: end + 1]
        end = name.rfind(b"/", 0, end)
    yield b""


def _parse(path: str, data: bytes, found: os.stat_result) -> IndexFile:
    version = int.from_bytes(data[4:8], "big")
    if data[:4] != b"DIRC" or version not in {2, 3, 4} or len(data) < 32:
        raise ValueError(path)
    count = int.from_bytes(data[8:12], "big")
    if version == 4:
        entries, offsets, end = _unpack(data, count)
    else:
        offsets = _offsets(data, count)
        end = offsets[-1]
        entries = data[:end]
    return IndexFile(
        path=path,
        version=version,
        data=entries,
        offsets=offsets,
        extensions=list(_extensions(path, data, end)),
        sealed=any(data[-20:]),
        written_ns=found.st_mtime_ns,
        permissions=found.st_mode & 0o777,
        size=found.st_size,
        inode=found.st_ino,
    )


def _offsets(data: bytes, count: int) -> list[int]:
    offsets, offset = [12], 12
    for _ in range(count):
        flags, length = data[offset + 60], data[offset + 61] | (data[offset + 60] & 0x0F) << 8
        head = 64 if flags & _EXTENDED else 62
        if length == 0xFFF:
            length = data.index(b"\0", offset + head) - offset - head
        offset += (head + length + 8) & ~7
        offsets.append(offset)
    if offset > len(data) - 20:
        raise ValueError("the entries end behind the file")
    return offsets


def _unpack(data: bytes, count: int) -> tuple[bytes, list[int], int]:
    """Version 4's entries as version 3 would write them: a name drops the end of the one before it."""
    pieces, offsets, size, offset, name = [data[:12]], [12], 12, 12, b""
    for _ in range(count):
        start = offset + (64 if data[offset + 60] & _EXTENDED else 62)
        head = data[offset:start]
        byte = data[start]
        dropped = byte & 0x7F
        while byte & 0x80:
            start += 1
            byte = data[start]
            dropped = (dropped + 1) << 7 | byte & 0x7F
        stop = data.index(b"\0", start + 1)
        name = name[: len(name) - dropped] + data[start + 1 : stop]
        piece = _padded(head + name)
        pieces.append(piece)
        size += len(piece)
        offsets.append(size)
        offset = stop + 1
    return b"".join(pieces), offsets, offset


def _pack(entries: bytes, count: int) -> bytes:
    pieces, previous = [], b""
    for offset in _offsets(bytes(12) + entries + bytes(20), count)[:-1]:
        start = offset - 12 + (64 if entries[offset - 12 + 60] & _EXTENDED else 62)
        name = entries[start : entries.index(b"\0", start)]
        common = next((n for n, (a, b) in enumerate(zip(name, previous, strict=False)) if a != b), -1)
        common = min(len(name), len(previous)) if common < 0 else common
        pieces.append(entries[offset - 12 : start] + _varint(len(previous) - common) + name[common:] + b"\0")
        previous = name
    return b"".join(pieces)


def _varint(number: int) -> bytes:
    out = [number & 0x7F]
    number >>= 7
    while number:
        number -= 1
        out.append(0x80 | number & 0x7F)
        number >>= 7
    return bytes(reversed(out))


def _padded(entry: bytes) -> bytes:
    return entry + bytes(8 - len(entry) % 8)


def _encode(name: bytes, wanted: Wanted) -> bytes:
    stat, mode, oid = wanted.stat, wanted.entry.mode, wanted.entry.oid
    extended = _SKIP_WORKTREE if wanted.skip_worktree else 0
    flags = min(len(name), 0xFFF)
    flags |= _ASSUME_VALID << 8 if wanted.assume_valid else 0
    flags |= _EXTENDED << 8 if extended else 0
    numbers = pack_stat(stat, mode) if stat else _NO_STAT[:24] + mode.to_bytes(4, "big") + _NO_STAT[28:]
    head = numbers + bytes.fromhex(oid) + flags.to_bytes(2, "big")
    return _padded(head + (extended.to_bytes(2, "big") if extended else b"") + name)


def _extensions(path: str, data: bytes, offset: int) -> Iterator[tuple[bytes, bytes]]:
    while offset < len(data) - 20:
        signature = data[offset : offset + 4]
        size = int.from_bytes(data[offset + 4 : offset + 8], "big")
        if signature[:1].islower():
            raise RepositoryError(
                f"git's index has the extension {signature.decode('latin-1')!r}, which is not supported",
                where=path,
                hint="`git update-index --no-split-index` or `git sparse-checkout init --no-sparse-index`",
            )
        yield signature, data[offset + 8 : offset + 8 + size]
        offset += 8 + size


def _invalidate(content: bytes, folders: set[bytes]) -> bytes:
    """The cache of tree ids, with those of the given folders marked as unknown."""
    out: list[bytes] = []
    position = 0
    above: list[tuple[bytes, int]] = []  # folder, subfolders still to come
    while position < len(content):
        name_end = content.index(b"\0", position)
        line_end = content.index(b"\n", name_end)
        count, _, subfolders = content[name_end + 1 : line_end].partition(b" ")
        end = line_end + (1 if count.startswith(b"-") else 21)
        folder = b""
        if above:
            parent, left = above.pop()
            folder = parent + content[position:name_end] + b"/"
            if left > 1:
                above.append((parent, left - 1))
        if folder in folders:
            out.append(content[position : name_end + 1] + b"-1 " + subfolders + b"\n")
        else:
            out.append(content[position:end])
        if int(subfolders):
            above.append((folder, int(subfolders)))
        position = end
    return b"".join(out)


def _emptied(content: bytes) -> bytes | None:
    """An untracked cache that knows nothing: its presence is the user's setting, and so are its flags."""
    size, shift, position = content[0] & 0x7F, content[0], 1
    while shift & 0x80:
        shift = content[position]
        size = (size + 1) << 7 | shift & 0x7F
        position += 1
    position += size  # the environment it was made in
    position += 2 * 36 + 4 + 2 * 20  # stat data and ids of two exclude files, and flags
    end = content.find(b"\0", position)
    return None if end < 0 else content[: end + 1] + b"\0"


def same_second(held: Held, found: os.stat_result) -> bool:
    """Whether git, which compares whole seconds, would believe the file unchanged."""
    mtime = int.from_bytes(held.stat[8:12], "big")
    size = int.from_bytes(held.stat[36:40], "big")
    return mtime == found.st_mtime_ns // 10**9 & 0xFFFFFFFF and size == found.st_size & 0xFFFFFFFF


def certain(held: Held, found: os.stat_result, written_ns: int) -> bool:
    """Whether stat data alone proves the file to be what the entry says: equal to the nanosecond, and
    older than the index file.
    """
    return held.stat == pack_stat(found, held.entry.mode) and found.st_mtime_ns < written_ns


def oid_of(data: bytes) -> Oid:
    """The blob id of plain bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
