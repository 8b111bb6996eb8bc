"""Bytes of git's index file: entries, names, extensions (git's gitformat-index), as values and back."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from specbuild.engine.task import Entry
from specbuild.errors import RepositoryError
from specbuild.git.store import distance

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


def name_at(data: bytes, offset: int) -> bytes:
    """The name of the entry that begins there."""
    start = offset + (64 if data[offset + 60] & _EXTENDED else 62)
    return data[start : data.index(b"\0", start)]


def held_at(data: bytes, offset: int) -> Held | None:
    """The entry that begins there; None: it is a stage of a conflict."""
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


def entry_offsets(data: bytes, count: int) -> list[int]:
    """Where each entry begins, and where the last one ends."""
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


def unpack(data: bytes, count: int) -> tuple[bytes, list[int], int]:
    """Version 4's entries as version 3 would write them: a name drops the end of the one before it."""
    pieces, offsets, size, offset, name = [data[:12]], [12], 12, 12, b""
    for _ in range(count):
        start = offset + (64 if data[offset + 60] & _EXTENDED else 62)
        head = data[offset:start]
        dropped, behind = _number(data, start)
        stop = data.index(b"\0", behind)
        name = name[: len(name) - dropped] + data[behind:stop]
        piece = _padded(head + name)
        pieces.append(piece)
        size += len(piece)
        offsets.append(size)
        offset = stop + 1
    return b"".join(pieces), offsets, offset


def pack(entries: bytes, count: int) -> bytes:
    """The other way round: entries as version 4 writes them."""
    pieces, previous = [], b""
    for offset in entry_offsets(bytes(12) + entries + bytes(20), count)[:-1]:
        start = offset - 12 + (64 if entries[offset - 12 + 60] & _EXTENDED else 62)
        name = entries[start : entries.index(b"\0", start)]
        common = next((n for n, (a, b) in enumerate(zip(name, previous, strict=False)) if a != b), -1)
        common = min(len(name), len(previous)) if common < 0 else common
        pieces.append(entries[offset - 12 : start] + distance(len(previous) - common) + name[common:] + b"\0")
        previous = name
    return b"".join(pieces)


def _number(data: bytes, offset: int) -> tuple[int, int]:
    """The number that begins there, and where it ends."""
    byte = data[offset]
    number = byte & 0x7F
    while byte & 0x80:
        offset += 1
        byte = data[offset]
        number = (number + 1) << 7 | byte & 0x7F
    return number, offset + 1


def _padded(entry: bytes) -> bytes:
    return entry + bytes(8 - len(entry) % 8)


def encode(name: bytes, wanted: Wanted) -> bytes:
    """One entry, as version 3 writes it."""
    stat, mode, oid = wanted.stat, wanted.entry.mode, wanted.entry.oid
    extended = _SKIP_WORKTREE if wanted.skip_worktree else 0
    flags = min(len(name), 0xFFF)
    flags |= _ASSUME_VALID << 8 if wanted.assume_valid else 0
    flags |= _EXTENDED << 8 if extended else 0
    numbers = pack_stat(stat, mode) if stat else _NO_STAT[:24] + mode.to_bytes(4, "big") + _NO_STAT[28:]
    head = numbers + bytes.fromhex(oid) + flags.to_bytes(2, "big")
    return _padded(head + (extended.to_bytes(2, "big") if extended else b"") + name)


def extensions_of(path: str, data: bytes, offset: int) -> Iterator[tuple[bytes, bytes]]:
    """Signature and content of each; raises for one that changes what the entries mean."""
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


def invalidated(content: bytes, folders: set[bytes]) -> bytes:
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


def emptied(content: bytes) -> bytes | None:
    """An untracked cache that knows nothing: its presence is the user's setting, and so are its flags."""
    size, position = _number(content, 0)
    position += size  # the environment it was made in
    position += 2 * 36 + 4 + 2 * 20  # stat data and ids of two exclude files, and flags
    end = content.find(b"\0", position)
    return None if end < 0 else content[: end + 1] + b"\0"
