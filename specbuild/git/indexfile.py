"""Git's index file, rewritten byte for byte except for the entries that a commit changes."""

import hashlib
import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from specbuild.errors import RepositoryError
from specbuild.git.indexformat import (
    Held,
    Wanted,
    emptied,
    encode,
    entry_offsets,
    extensions_of,
    held_at,
    invalidated,
    name_at,
    pack,
    pack_stat,
    unpack,
)

_ATTRIBUTES = b".gitattributes"


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
    names: list[bytes | None] = field(default_factory=list, compare=False, repr=False)
    """Those that were read once, by position: a search comes by some of them again and again."""
    _attributes: int | None = field(default=None, compare=False, repr=False)

    @staticmethod
    def read(path: str, known: "IndexFile | None" = None) -> "IndexFile":
        """`known` is returned if it still is what the file holds."""
        try:
            if known is not None and known.is_file(os.stat(path)):
                return known
            with open(path, "rb") as file:
                found = os.fstat(file.fileno())
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
        return self.identity == (found.st_mtime_ns, found.st_size, found.st_ino)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def _name(self, position: int) -> bytes:
        if not self.names:
            self.names = [None] * len(self)
        found = self.names[position]
        if found is None:
            found = self.names[position] = name_at(self.data, self.offsets[position])
        return found

    def _lower(self, name: bytes) -> int:
        return bisect_left(range(len(self)), name, key=self._name)

    def _span(self, name: bytes) -> range:
        """Positions of all entries of this name: one, or the stages of a conflict."""
        first = last = self._lower(name)
        while last < len(self) and self._name(last) == name:
            last += 1
        return range(first, last)

    def __iter__(self) -> Iterator[bytes]:
        """All names, those of a conflict several times."""
        return map(self._name, range(len(self)))

    def holds(self, name: bytes) -> bool:
        return len(self._span(name)) > 0

    def holds_below(self, folder: bytes) -> bool:
        """Whether it has an entry in `folder/`."""
        position = self._lower(folder)
        return position < len(self) and self._name(position).startswith(folder)

    @property
    def identity(self) -> tuple[int, int, int]:
        """Of the file that this was read from, or is."""
        return self.written_ns, self.size, self.inode

    def get(self, name: bytes) -> Held | None:
        """The merged entry; None: there is none (or only a conflict's stages)."""
        span = self._span(name)
        return self._held(span[0]) if len(span) == 1 else None

    def _held(self, position: int) -> Held | None:
        return held_at(self.data, self.offsets[position])

    @property
    def attribute_files(self) -> int:
        """How many entries have a name that ends in `.gitattributes`."""
        if self._attributes is None:
            self._attributes = self.data.count(_ATTRIBUTES + b"\0")
        return self._attributes

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
            for folder in folders_of(name):
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
        recent = {name for name, wanted in changes.items() if wanted is not None}
        doubted: list[int] = []
        for position in self._racy(removed):
            name, held = self._name(position), self._held(position)
            recent.add(name)
            if held is not None and not unchanged(name, held):
                doubted.append(self.offsets[position])
        inserts: dict[int, list[tuple[bytes, bytes]]] = {}
        for name in sorted(changes):
            wanted = changes[name]
            if wanted is not None:
                inserts.setdefault(self._lower(name), []).append((name, encode(name, wanted)))
        count = len(self) - len(removed) + sum(map(len, inserts.values()))
        version = self.version
        if version == 2 and any(wanted and wanted.skip_worktree for wanted in changes.values()):
            version = 3
        header = b"DIRC" + version.to_bytes(4, "big") + count.to_bytes(4, "big")
        pieces, offsets, names = self._splice(self._without_sizes(doubted), removed, inserts)
        data = b"".join([header, *pieces])
        added = any(wanted is not None and not self._span(name) for name, wanted in changes.items())
        extensions = list(self._kept_extensions(changes, moved=added or count != len(self)))
        gone = (self._name(position) for position in removed)
        counts = any(name.endswith(_ATTRIBUTES) for name in (*changes, *gone))
        after = replace(
            self,
            version=version,
            data=data,
            offsets=offsets,
            names=names,
            extensions=extensions,
            recent=frozenset(recent),
            _attributes=None if counts else self._attributes,
        )
        return after.content(), after

    def _without_sizes(self, offsets: Iterable[int]) -> bytes:
        """The data, with entries there that match no file."""
        data: bytes | bytearray = self.data
        for offset in offsets:
            data = data if isinstance(data, bytearray) else bytearray(data)
            data[offset + 36 : offset + 40] = bytes(4)
        return bytes(data)

    def content(self) -> bytes:
        """The bytes of the file."""
        body = self.data if self.version != 4 else self.data[:12] + pack(self.data[12:], len(self))
        tail = b"".join(sign + len(kept).to_bytes(4, "big") + kept for sign, kept in self.extensions)
        digest = hashlib.sha1(body, usedforsecurity=False)
        digest.update(tail)
        return b"".join([body, tail, digest.digest() if self.sealed else bytes(20)])

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
        self, data: bytes, removed: set[int], inserts: Mapping[int, list[tuple[bytes, bytes]]]
    ) -> tuple[list[bytes], list[int], list[bytes | None]]:
        """The entries' bytes in pieces, where each begins behind a header, and names that are known."""
        pieces: list[bytes] = []
        offsets: list[int] = []
        names: list[bytes | None] = []
        done, size = 0, 12
        for position in sorted(removed | inserts.keys() | {len(self)}):
            start = self.offsets[done]
            shift = size - start
            if position > done:
                offsets += [offset + shift for offset in self.offsets[done:position]]
                names += self.names[done:position]
                pieces.append(data[start : self.offsets[position]])
                size += len(pieces[-1])
            for name, piece in inserts.get(position, []):
                offsets.append(size)
                names.append(name)
                pieces.append(piece)
                size += len(piece)
            done = position + 1 if position in removed else max(done, position)
        return pieces, [*offsets, size], names

    def _kept_extensions(self, names: Iterable[bytes], *, moved: bool) -> Iterator[tuple[bytes, bytes]]:
        """What git itself would keep; offset tables are dropped, as their numbers are wrong now."""
        for signature, content in self.extensions:
            kept: bytes | None = content
            if signature == b"TREE":
                kept = invalidated(content, {folder for name in names for folder in folders_of(name)})
            elif signature == b"UNTR":
                # a folder that holds a tracked file now must not stay listed as untracked
                kept = emptied(content) if moved else content
            elif signature == b"FSMN":
                kept = None if moved else content  # a bitmap over positions
            elif signature != b"REUC":
                kept = None
            if kept is not None:
                yield signature, kept


def folders_of(name: bytes) -> Iterator[bytes]:
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
        entries, offsets, end = unpack(data, count)
    else:
        offsets = entry_offsets(data, count)
        end = offsets[-1]
        entries = data[:end]
    return IndexFile(
        path=path,
        version=version,
        data=entries,
        offsets=offsets,
        extensions=list(extensions_of(path, data, end)),
        sealed=any(data[-20:]),
        written_ns=found.st_mtime_ns,
        permissions=found.st_mode & 0o777,
        size=found.st_size,
        inode=found.st_ino,
    )


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
