"""Objects that this process made and has not written yet: most are written many at a time, as one pack."""

import hashlib
import itertools
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from specbuild.engine.task import Oid

if TYPE_CHECKING:
    import pygit2

COMMIT, TREE, BLOB = 1, 2, 3
_NAMES = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob"}
_OFFSET_DELTA = 6
_DEPTH = 40
"""So many deltas in a row: a reader has to undo them all."""

FEW = 8
"""So many objects are written one by one; more of them as a pack, which costs two syncs whatever is in it."""

LARGE = 1 << 22
"""Bytes; larger blobs are written at once instead of being held in memory."""

RECENT = 1 << 24
"""Bytes of packed objects that stay in memory: what comes next is mostly made of them, and of every pack that
is read libgit2 keeps in memory what a chain of deltas goes through.
"""

_numbers = itertools.count(1)


class Made(NamedTuple):
    """An object; `like` names an older one, of this process too, that differs little from it."""

    kind: int
    data: bytes
    like: Oid | None


@dataclass(slots=True)
class Store:
    """What waits, and which packs this process has written."""

    waiting: dict[Oid, Made] = field(default_factory=dict)
    packs: list[str] = field(default_factory=list)  # their paths without ending
    packed: set[Oid] = field(default_factory=set)  # what is in them
    _recent: dict[Oid, bytes] = field(default_factory=dict)  # oldest first
    _size: int = 0  # of those

    def add(self, kind: int, data: bytes, like: Oid | None = None) -> Oid:
        head = b"%s %d\0" % (_NAMES[kind], len(data))
        oid = hashlib.sha1(head + data if len(data) < 512 else head, usedforsecurity=False)
        if len(data) >= 512:
            oid.update(data)
        name = oid.hexdigest()
        if name not in self.waiting and name not in self.packed:
            self.waiting[name] = Made(kind, data, like)
        return name

    def get(self, oid: Oid) -> bytes | None:
        made = self.waiting.get(oid)
        return self._recent.get(oid) if made is None else made.data

    def write(self, raw: "pygit2.Repository", oids: Iterable[Oid]) -> None:
        """Those of them that wait become loose objects."""
        for oid in oids:
            made = self.waiting.get(oid)
            if made is not None:
                raw.write(made.kind, made.data)
                self.waiting.pop(oid, None)

    def pack(self, folder: str, oids: Iterable[Oid], *, sync: bool) -> None:
        """Those of them that wait become one pack in `folder` (`objects/pack`)."""
        wanted = set(oids)
        waiting = list(self.waiting.items())  # at once: others add meanwhile
        chosen = [(oid, made) for oid, made in waiting if oid in wanted]  # what one is like comes before it
        body, entries = _entries(chosen)
        self.packs.append(_write(folder, lambda: body, entries, sync=sync))
        self.packed.update(oid for oid, _ in chosen)
        for oid, made in chosen:
            self._keep(oid, made.data)
            self.waiting.pop(oid, None)

    def _keep(self, oid: Oid, data: bytes) -> None:
        if oid in self._recent:
            return
        self._recent[oid] = data
        self._size += len(data)
        while self._size > RECENT:
            self._size -= len(self._recent.pop(next(iter(self._recent))))

    def join_packs(self, folder: str, *, sync: bool) -> None:
        """Makes one pack of all that this process wrote. The last thing that is done: readers lose theirs."""
        if len(self.packs) < 2:
            return
        entries: dict[bytes, tuple[int, int]] = {}
        size = 12
        for path in self.packs:
            with open(f"{path}.idx", "rb") as file:
                found = _read_index(file.read())
            for oid, (crc, offset) in found.items():
                entries[oid] = (crc, offset - 12 + size)
            size += os.stat(f"{path}.pack").st_size - 32
        joined = _write(folder, lambda: map(_body, self.packs), entries, sync=sync)
        for path in self.packs:
            if path != joined:
                for ending in (".idx", ".pack"):
                    os.unlink(path + ending)
        self.packs = [joined]


def _body(path: str) -> bytes:
    """A pack's entries: what is between its head of 12 bytes and its checksum of 20."""
    with open(f"{path}.pack", "rb") as file:
        return file.read()[12:-20]


def _entries(chosen: Sequence[tuple[Oid, Made]]) -> tuple[list[bytes], dict[bytes, tuple[int, int]]]:
    """The pack's entries as bytes, and checksum and offset of each by its binary id."""
    pieces: list[bytes] = []
    entries: dict[bytes, tuple[int, int]] = {}
    places: dict[Oid, tuple[int, int]] = {}  # offset, depth
    data_of = {oid: made.data for oid, made in chosen}
    offset = 12
    for oid, made in chosen:
        like = places.get(made.like) if made.like is not None else None
        depth = 0
        if like is not None and made.like is not None and like[1] < _DEPTH:
            depth = like[1] + 1
            delta = _delta(data_of[made.like], made.data)
            head = _header(_OFFSET_DELTA, len(delta)) + distance(offset - like[0])
            piece = head + zlib.compress(delta, 1)
        else:
            piece = _header(made.kind, len(made.data)) + zlib.compress(made.data, 1)
        entries[bytes.fromhex(oid)] = (zlib.crc32(piece), offset)
        places[oid] = (offset, depth)
        pieces.append(piece)
        offset += len(piece)
    return pieces, entries


def _header(kind: int, size: int) -> bytes:
    byte = kind << 4 | size & 0x0F
    size >>= 4
    out = bytearray()
    while size:
        out.append(byte | 0x80)
        byte = size & 0x7F
        size >>= 7
    out.append(byte)
    return bytes(out)


def distance(number: int) -> bytes:
    """A number of several bytes, as packs and version 4 of the index write it."""
    out = [number & 0x7F]
    number >>= 7
    while number:
        number -= 1
        out.append(0x80 | number & 0x7F)
        number >>= 7
    return bytes(reversed(out))


def _delta(old: bytes, new: bytes) -> bytes:
    """`new` as what `old` begins with, what is between, and what `old` ends with."""
    first = _common(old, new)
    most = min(len(old), len(new)) - first
    last = _common(old[len(old) - most :][::-1], new[len(new) - most :][::-1]) if most else 0
    out = [_size(len(old)), _size(len(new)), *_copies(0, first)]
    middle = new[first : len(new) - last]
    for start in range(0, len(middle), 127):
        piece = middle[start : start + 127]
        out.append(bytes((len(piece),)) + piece)
    out += _copies(len(old) - last, last)
    return b"".join(out)


def _common(one: bytes, other: bytes) -> int:
    """How many bytes both begin with; the comparing is done by the machine, in halves."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


def _size(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _copies(offset: int, size: int) -> list[bytes]:
    out: list[bytes] = []
    while size:
        part = min(size, 0xFFFFFF)
        flags, numbers = 0x80, bytearray()
        for place in range(4):
            if byte := offset >> 8 * place & 0xFF:
                flags |= 1 << place
                numbers.append(byte)
        for place in range(3):
            if byte := part >> 8 * place & 0xFF:
                flags |= 0x10 << place
                numbers.append(byte)
        out.append(bytes((flags,)) + bytes(numbers))
        offset += part
        size -= part
    return out


def _write(
    folder: str, body: Callable[[], Iterable[bytes]], entries: dict[bytes, tuple[int, int]], *, sync: bool
) -> str:
    """Pack and index, the index last, as only with it the pack is seen; returns their path without ending.

    `body`: gives the entries, each time that it is asked.
    """
    head = b"PACK" + (2).to_bytes(4, "big") + len(entries).to_bytes(4, "big")
    digest = hashlib.sha1(head, usedforsecurity=False)
    for piece in body():
        digest.update(piece)
    path = os.path.join(folder, f"pack-{digest.hexdigest()}")
    os.makedirs(folder, exist_ok=True)
    _put(f"{path}.pack", itertools.chain([head], body(), [digest.digest()]), sync=sync)
    _put(f"{path}.idx", [_index(entries, digest.digest())], sync=sync)
    return path


def _put(path: str, pieces: Iterable[bytes], *, sync: bool) -> None:
    aside = os.path.join(os.path.dirname(path), f"tmp_specbuild_{os.getpid()}_{next(_numbers)}")
    with open(aside, "wb") as file:
        file.writelines(pieces)
        file.flush()
        os.fchmod(file.fileno(), 0o444)
        if sync:
            os.fsync(file.fileno())
    os.replace(aside, path)


def _index(entries: dict[bytes, tuple[int, int]], pack: bytes) -> bytes:
    names = sorted(entries)
    counts = [0] * 256
    for name in names:
        counts[name[0]] += 1
    out = [b"\xfftOc", (2).to_bytes(4, "big")]
    out += [number.to_bytes(4, "big") for number in itertools.accumulate(counts)]
    out += names
    out += [entries[name][0].to_bytes(4, "big") for name in names]
    large: list[bytes] = []
    for name in names:
        offset = entries[name][1]
        if offset < 1 << 31:
            out.append(offset.to_bytes(4, "big"))
        else:
            out.append((1 << 31 | len(large)).to_bytes(4, "big"))
            large.append(offset.to_bytes(8, "big"))
    content = b"".join([*out, *large, pack])
    return content + hashlib.sha1(content, usedforsecurity=False).digest()


def _read_index(data: bytes) -> dict[bytes, tuple[int, int]]:
    """Of an index that `_index` wrote for a pack below 2 GiB."""
    count = int.from_bytes(data[8 + 255 * 4 : 8 + 256 * 4], "big")
    names = 8 + 256 * 4
    sums = names + 20 * count
    offsets = sums + 4 * count
    return {
        data[names + 20 * n : names + 20 * n + 20]: (
            int.from_bytes(data[sums + 4 * n : sums + 4 * n + 4], "big"),
            int.from_bytes(data[offsets + 4 * n : offsets + 4 * n + 4], "big"),
        )
        for n in range(count)
    }
