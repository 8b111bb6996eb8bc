"""Trees and commits as objects: a tree is rewritten only along the folders that changed."""

import os
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from specbuild.engine.modes import FOLDER, SUBMODULE
from specbuild.engine.task import Entry, Oid, RepoPath
from specbuild.errors import RepositoryError
from specbuild.git.repository import Repository
from specbuild.git.store import TREE

if TYPE_CHECKING:
    import pygit2

_ENTRY = re.compile(rb"([0-7]+) ([^\0]+)\0(.{20})", re.DOTALL)

_NO_NAMES = frozenset((b"", b".", b".."))

_NOTHING = 0, b""

Folder = dict[bytes, tuple[int, bytes]]
"""A tree object's entries: name -> mode and binary id."""


class Sheet:
    """One tree object that is being edited: its entries encoded, in git's order."""

    __slots__ = ("_keys", "_pieces")

    def __init__(self, data: bytes) -> None:
        found = [(_key(m[2], int(m[1], 8)), m[0]) for m in _ENTRY.finditer(data)]
        self._keys = [key for key, _ in found]
        self._pieces = [piece for _, piece in found]

    def get(self, name: bytes) -> tuple[int, bytes]:
        """Mode and binary id; 0: nothing is called so."""
        for key in (name, name + b"/"):
            place = bisect_left(self._keys, key)
            if place < len(self._keys) and self._keys[place] == key:
                piece = self._pieces[place]
                return int(piece[: piece.index(b" ")], 8), piece[-20:]
        return 0, b""

    def drop(self, name: bytes) -> None:
        for key in (name, name + b"/"):
            place = bisect_left(self._keys, key)
            if place < len(self._keys) and self._keys[place] == key:
                del self._keys[place], self._pieces[place]

    def put(self, name: bytes, mode: int, raw: bytes) -> None:
        self.drop(name)
        key = _key(name, mode)
        place = bisect_left(self._keys, key)
        self._keys.insert(place, key)
        self._pieces.insert(place, b"%o %s\0%s" % (mode, name, raw))

    def __len__(self) -> int:
        return len(self._keys)

    def dump(self) -> bytes:
        return b"".join(self._pieces)


def _key(name: bytes, mode: int) -> bytes:
    return name + b"/" if mode == FOLDER else name


@dataclass(slots=True)
class Writing:
    """Objects that were made or named and are perhaps not on disk yet, and what paths were before.

    `sheets`: trees by id that the next one may be made of; who makes many commits in a row hands it on.
    """

    oids: set[Oid] = field(default_factory=set)
    before: dict[RepoPath, Entry | None] = field(default_factory=dict)
    sheets: dict[Oid, Sheet] = field(default_factory=dict)


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
    return Reader(repo, tree).entry(path)


class Reader:
    """A tree that is asked for several paths; each folder of it is read once."""

    def __init__(self, repo: Repository, tree: Oid | None) -> None:
        self._repo = repo
        self._tree = tree
        self._folders: dict[Oid | None, Folder] = {}

    def entry(self, path: RepoPath) -> Entry | None:
        """None: nothing is there, or a folder."""
        *folders, name = os.fsencode(path).split(b"/")
        tree = self._tree
        for folder in folders:
            mode, raw = self._folder(tree).get(folder, (0, b""))
            if mode != FOLDER:
                return None
            tree = raw.hex()
        mode, raw = self._folder(tree).get(name, (0, b""))
        return None if mode in {0, FOLDER} else Entry(mode, raw.hex())

    def _folder(self, tree: Oid | None) -> Folder:
        found = self._folders.get(tree)
        if found is None:
            found = self._folders[tree] = read_tree(self._repo, tree)
        return found


def differing(
    repo: Repository, one: Oid | None, other: Oid | None, prefix: bytes = b""
) -> Iterator[RepoPath]:
    """Files that two trees do not have in common; reads only folders that differ."""
    if one == other:
        return
    left, right = read_tree(repo, one), read_tree(repo, other)
    for name in left.keys() | right.keys():
        was, now = left.get(name, _NOTHING), right.get(name, _NOTHING)
        if was == now:
            continue
        if {was[0], now[0]} - {0, FOLDER}:
            yield os.fsdecode(prefix + name)
        left_below, right_below = (raw.hex() if mode == FOLDER else None for mode, raw in (was, now))
        yield from differing(repo, left_below, right_below, prefix + name + b"/")


def entries_below(repo: Repository, tree: Oid | None, prefix: bytes = b"") -> dict[RepoPath, Entry]:
    """Every file of a tree."""
    found: dict[RepoPath, Entry] = {}
    for name, (mode, raw) in read_tree(repo, tree).items():
        if mode == FOLDER:
            found.update(entries_below(repo, raw.hex(), prefix + name + b"/"))
        else:
            found[os.fsdecode(prefix + name)] = Entry(mode, raw.hex())
    return found


def subtree(repo: Repository, tree: Oid | None, folder: RepoPath) -> Oid | None:
    """The tree at `folder` (ends with `/`)."""
    for part in os.fsencode(folder).rstrip(b"/").split(b"/"):
        mode, raw = read_tree(repo, tree).get(part, (0, b""))
        if mode != FOLDER:
            return None
        tree = raw.hex()
    return tree


def write_tree(
    repo: Repository,
    base: Oid | None,
    changes: Mapping[RepoPath, Entry | None],
    writing: Writing | None = None,
) -> Oid:
    """`base` with the changes; a key that ends with `/` (always None) removes a folder first.

    With `writing` the objects are only made, and wait in the repository's store; else they are written.
    """
    found = Writing() if writing is None else writing
    encoded = {os.fsencode(path): entry for path, entry in changes.items()}
    oid = _rewrite(repo, base, encoded, b"", found) or _make(repo, Sheet(b""), None, found)
    if writing is None:
        repo.shared.store.write(repo.raw, found.oids)
    return oid


def _rewrite(
    repo: Repository,
    base: Oid | None,
    changes: Mapping[bytes, Entry | None],
    prefix: bytes,
    writing: Writing,
) -> Oid | None:
    """The tree's id; None: nothing is left in it."""
    folder = _sheet(repo, base, writing)
    here: dict[bytes, Entry | None] = {}
    deeper: dict[bytes, dict[bytes, Entry | None]] = {}
    for path, entry in changes.items():
        name, slash, rest = path.partition(b"/")
        if name in _NO_NAMES or name.lower() == b".git":
            raise _unrecordable(prefix + path, "git has no such path")
        if slash:
            deeper.setdefault(name, {})[rest] = entry
        else:
            here[name] = entry
    for name, entry in here.items():
        mode, raw = folder.get(name)
        old = None if mode in {0, FOLDER} else Entry(mode, raw.hex())
        writing.before.setdefault(os.fsdecode(prefix + name), old)
        if entry is None and old is not None:
            folder.drop(name)
    for name, below in deeper.items():
        mode, raw = folder.get(name)
        whole = b"" in below
        inner = {rest: entry for rest, entry in below.items() if rest}
        if mode == SUBMODULE and any(inner.values()):
            raise _unrecordable(prefix + name, "a file is to be in it, and it is a submodule")
        under = raw.hex() if mode == FOLDER and not whole else None
        made = _rewrite(repo, under, inner, prefix + name + b"/", writing)
        if made is not None:
            folder.put(name, FOLDER, bytes.fromhex(made))
        elif mode == FOLDER:
            folder.drop(name)
    for name, entry in here.items():
        if entry is not None:
            folder.put(name, entry.mode, bytes.fromhex(entry.oid))
            if entry.mode != SUBMODULE:
                writing.oids.add(entry.oid)
    return _make(repo, folder, base, writing) if len(folder) else None


def _unrecordable(path: bytes, why: str) -> RepositoryError:
    """The last guard before a tree that `git fsck` would call broken."""
    return RepositoryError(f"this cannot be recorded: {why}", where=os.fsdecode(path))


def _sheet(repo: Repository, oid: Oid | None, writing: Writing) -> Sheet:
    """The tree to be edited; whoever wants it as it was reads it again."""
    if oid is None:
        return Sheet(b"")
    return writing.sheets.pop(oid, None) or Sheet(repo.read(oid))


def _make(repo: Repository, sheet: Sheet, like: Oid | None, writing: Writing) -> Oid:
    oid = repo.shared.store.add(TREE, sheet.dump(), like)
    writing.sheets[oid] = sheet
    writing.oids.add(oid)
    return oid


def write_object(raw: "pygit2.Repository", kind: int, data: bytes) -> Oid:
    """Stores an object as git would, and returns its id."""
    return str(raw.write(kind, data))


def changed_files(repo: Repository, one: Oid, other: Oid) -> tuple[set[RepoPath], set[RepoPath]]:
    """Files whose bytes or modes differ; and those that came, went, or became another kind of thing.

    Raises KeyError where one of the trees is gone.
    """
    edited: set[RepoPath] = set()
    moved: set[RepoPath] = set()
    if one != other:
        for delta in repo.raw.diff(one, other).deltas:
            path = os.fsdecode(delta.new_file.raw_path)
            (edited if delta.status_char() == "M" else moved).add(path)
    return edited, moved
