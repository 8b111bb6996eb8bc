"""Trees and commits as objects: a tree is rewritten only along the folders that changed."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from specbuild.engine.task import Entry, Oid, RepoPath
from specbuild.git.repository import Repository

if TYPE_CHECKING:
    import pygit2

TREE = 0o040000
BLOB_TYPE = 3
TREE_TYPE = 2
COMMIT_TYPE = 1
_ENTRY = re.compile(rb"([0-7]+) ([^\0]+)\0(.{20})", re.DOTALL)

Folder = dict[bytes, tuple[int, bytes]]
"""A tree object's entries: name -> mode and binary id."""


@dataclass(slots=True)
class Writing:
    """Objects that were written or named and are perhaps not on disk yet, and what paths were before."""

    oids: set[Oid] = field(default_factory=set)
    before: dict[RepoPath, Entry | None] = field(default_factory=dict)


def read_tree(repo: Repository, oid: Oid | None) -> Folder:
    """The entries of one tree; names stay bytes, since libgit2's own reader refuses what is not UTF-8."""
    if oid is None:
        return {}
    return {m[2]: (int(m[1], 8), m[3]) for m in _ENTRY.finditer(repo.read(oid))}


def tree_of(repo: Repository, commit: Oid | None) -> Oid | None:
    """The tree of a commit."""
    return None if commit is None else repo.read(commit)[5:45].decode()


def entry_at(repo: Repository, tree: Oid | None, path: RepoPath) -> Entry | None:
    """What the tree holds at `path`; None: nothing, or a folder."""
    *folders, name = os.fsencode(path).split(b"/")
    for folder in folders:
        mode, raw = read_tree(repo, tree).get(folder, (0, b""))
        if mode != TREE:
            return None
        tree = raw.hex()
    mode, raw = read_tree(repo, tree).get(name, (0, b""))
    return None if mode in {0, TREE} else Entry(mode, raw.hex())


def entries_below(repo: Repository, tree: Oid | None, prefix: bytes = b"") -> dict[RepoPath, Entry]:
    """Every file of a tree."""
    found: dict[RepoPath, Entry] = {}
    for name, (mode, raw) in read_tree(repo, tree).items():
        if mode == TREE:
            found.update(entries_below(repo, raw.hex(), prefix + name + b"/"))
        else:
            found[os.fsdecode(prefix + name)] = Entry(mode, raw.hex())
    return found


def subtree(repo: Repository, tree: Oid | None, folder: RepoPath) -> Oid | None:
    """The tree at `folder` (ends with `/`)."""
    for part in os.fsencode(folder).rstrip(b"/").split(b"/"):
        mode, raw = read_tree(repo, tree).get(part, (0, b""))
        if mode != TREE:
            return None
        tree = raw.hex()
    return tree


def write_tree(
    repo: Repository,
    base: Oid | None,
    changes: Mapping[RepoPath, Entry | None],
    writing: Writing | None = None,
) -> Oid:
    """`base` with the changes; a key that ends with `/` (always None) removes a folder first."""
    writing = Writing() if writing is None else writing
    encoded = {os.fsencode(path): entry for path, entry in changes.items()}
    return _rewrite(repo, base, encoded, b"", writing) or _write(repo, {}, writing)


def _rewrite(
    repo: Repository,
    base: Oid | None,
    changes: Mapping[bytes, Entry | None],
    prefix: bytes,
    writing: Writing,
) -> Oid | None:
    """The tree's id; None: nothing is left in it."""
    folder = read_tree(repo, base)
    here: dict[bytes, Entry | None] = {}
    deeper: dict[bytes, dict[bytes, Entry | None]] = {}
    for path, entry in changes.items():
        name, slash, rest = path.partition(b"/")
        if slash:
            deeper.setdefault(name, {})[rest] = entry
        else:
            here[name] = entry
    for name, entry in here.items():
        mode, raw = folder.get(name, (0, b""))
        old = None if mode in {0, TREE} else Entry(mode, raw.hex())
        writing.before.setdefault(os.fsdecode(prefix + name), old)
        if entry is None and old is not None:
            del folder[name]
    for name, below in deeper.items():
        mode, raw = folder.get(name, (0, b""))
        whole = b"" in below
        inner = {rest: entry for rest, entry in below.items() if rest}
        under = raw.hex() if mode == TREE and not whole else None
        made = _rewrite(repo, under, inner, prefix + name + b"/", writing)
        if made is not None:
            folder[name] = (TREE, bytes.fromhex(made))
        elif mode == TREE:
            folder.pop(name, None)
    for name, entry in here.items():
        if entry is not None:
            folder[name] = (entry.mode, bytes.fromhex(entry.oid))
            if entry.mode != 0o160000:
                writing.oids.add(entry.oid)
    return _write(repo, folder, writing) if folder else None


def _write(repo: Repository, folder: Folder, writing: Writing) -> Oid:
    def order(item: tuple[bytes, tuple[int, bytes]]) -> bytes:
        return item[0] + b"/" if item[1][0] == TREE else item[0]

    data = b"".join(
        b"%o %s\0%s" % (mode, name, raw) for name, (mode, raw) in sorted(folder.items(), key=order)
    )
    oid = write_object(repo.raw, TREE_TYPE, data)
    writing.oids.add(oid)
    return oid


def write_object(raw: "pygit2.Repository", kind: int, data: bytes) -> Oid:
    """Stores an object as git would, and returns its id."""
    return str(raw.write(kind, data))
