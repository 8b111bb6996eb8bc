"""Keeps what was read of history between processes; where the file is not right, history is read again."""

import marshal
import os
import sys
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from specbuild.engine.key import digest
from specbuild.engine.task import Oid
from specbuild.git.durable import write_aside
from specbuild.git.lineage import Lineage
from specbuild.git.repository import Repository
from specbuild.git.undone import Node, Told, newest_first

_MAGIC = b"specbuild history 3\n"
_NAME = "history"
_ADDED, _GONE = 1, 0


@dataclass(slots=True)
class Flat:
    """Every checkpoint line below a tip, oldest first, in columns that load without a word of parsing."""

    tip: Oid
    cut: bool
    commits: list[Oid] = field(default_factory=list)
    orders: list[int] = field(default_factory=list)
    dates: list[int] = field(default_factory=list)  # see lineage.Place
    times: list[int] = field(default_factory=list)
    undone: list[bool] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)

    @property
    def columns(self) -> tuple[list[Any], ...]:
        return (self.commits, self.orders, self.dates, self.times, self.undone, self.lines)


@dataclass(slots=True)
class Deep:
    """What is needed to follow a tip that moved."""

    roots: set[Oid] = field(default_factory=set)  # commits without parents
    lineage: Lineage = field(default_factory=Lineage)
    log: list[tuple[int, bytes]] = field(
        default_factory=list
    )  # nodes that came and went, unread until needed

    def nodes(self) -> list[Node]:
        """Newest first."""
        found: dict[Oid, Node] = {}
        for kind, content in self.log:
            for item in marshal.loads(content):  # noqa: S302  (written by this module, checksummed)
                if kind == _GONE:
                    found.pop(item, None)
                else:
                    oid, time, date, sections = item
                    found[oid] = Node(oid, time, date, tuple(Told(*told) for told in sections))
        return newest_first(found.values())

    def compact(self) -> list[Node]:
        """As `nodes`, and forgets what went."""
        nodes = self.nodes()
        self.log.clear()
        self.came(nodes)
        return nodes

    def came(self, nodes: Iterable[Node]) -> None:
        content = [
            (node.oid, node.time, node.date, [tuple(told) for told in node.sections]) for node in nodes
        ]
        if content:
            self.log.append((_ADDED, marshal.dumps(content)))

    def went(self, commits: Sequence[Oid]) -> None:
        if commits:
            self.log.append((_GONE, marshal.dumps(list(commits))))


@dataclass(slots=True)
class Stored:
    """A cache file: `flat` is read, the rest is read when it is asked for."""

    flat: Flat
    _state: memoryview
    _log: memoryview
    _table: memoryview

    def deep(self) -> Deep:
        roots, links, counters = marshal.loads(self._state)  # noqa: S302  (as above)
        return Deep(set(roots), Lineage(bytes(self._table), links, counters), marshal.loads(self._log))  # noqa: S302


def load(repository: Repository) -> Stored | None:
    """None: there is none, or none that fits this repository's grafts and this Python."""
    try:
        with open(os.path.join(repository.common_state_dir, _NAME), "rb") as file:
            data = file.read()
    except OSError:
        return None
    head = data[len(_MAGIC) : len(_MAGIC) + 56]
    body = memoryview(data)[len(_MAGIC) + 56 :]
    if not data.startswith(_MAGIC) or head[:20] != _identity(repository):
        return None
    if head[52:] != zlib.crc32(body).to_bytes(4, "big"):
        return None
    ends = [0]
    for at in range(20, 52, 8):
        ends.append(ends[-1] + int.from_bytes(head[at : at + 8], "big"))
    if ends[-1] != len(body):
        return None
    flat, *parts = (body[start:end] for start, end in pairwise(ends))
    try:
        return Stored(Flat(*marshal.loads(flat)), *parts)  # noqa: S302  (as above)
    except (ValueError, EOFError, TypeError):
        return None


def save(repository: Repository, flat: Flat, deep: Deep) -> None:
    lineage = deep.lineage
    parts = [
        marshal.dumps((flat.tip, flat.cut, *flat.columns)),
        marshal.dumps((sorted(deep.roots), lineage.links, lineage.counters)),
        marshal.dumps(deep.log),
        lineage.table,
    ]
    body = b"".join(parts)
    sizes = b"".join(len(part).to_bytes(8, "big") for part in parts)
    content = _MAGIC + _identity(repository) + sizes + zlib.crc32(body).to_bytes(4, "big") + body
    write_aside(os.path.join(repository.common_state_dir, _NAME), content)


def _identity(repository: Repository) -> bytes:
    """What decides, beside the commits, what git says of history: where it is cut, grafts, replacements."""
    common = repository.common_dir
    parts = [sys.version, str(marshal.version)]
    parts += [_text(os.path.join(common, name)) for name in ("shallow", "info/grafts")]
    try:
        for name in sorted(os.listdir(os.path.join(common, "refs/replace"))):
            parts += [name, _text(os.path.join(common, "refs/replace", name))]
    except OSError:
        pass
    packed = _text(os.path.join(common, "packed-refs"))
    parts += [line for line in packed.splitlines() if " refs/replace/" in line]
    return digest(*parts).encode("ascii")


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
