"""What the last look at a project found, so that the next one looks only at what changed since.

A cache like any other: where it is missing, damaged, or about other circumstances, all is read and judged.
It holds the tasks with their graph and what reading them had asked of the tree; and verdicts, each with all
that it had looked at. A verdict that looked at more than single files is not kept.
"""

import hashlib
import os
import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import BinaryIO, Final, NamedTuple

from specbuild.cli import shelf
from specbuild.cli.shelf import Shelf, Texts
from specbuild.cli.standing import Standing, rows_of, still
from specbuild.engine.judge import Judge
from specbuild.engine.modes import SUBMODULE, SYMLINK
from specbuild.engine.ports import Snapshot
from specbuild.engine.task import Entry, Oid, RepoPath
from specbuild.errors import SpecbuildError
from specbuild.git.durable import write_aside
from specbuild.git.history import GitHistory
from specbuild.git.repository import Repository
from specbuild.git.trees import changed_files
from specbuild.githooks.known import circumstances
from specbuild.heap import growing
from specbuild.project import Loaded, Pieces, assembled, find_files, recalled_alike

VERSION: Final = b"specbuild memo 3\n"
NAME: Final = "memo"


class Look(NamedTuple):
    """What is looked at: a commit, or the working tree on top of one."""

    repository: Repository
    snapshot: Snapshot
    history: GitHistory
    commit: Oid | None  # None: there is none yet


class Names(NamedTuple):
    """What the tree of a commit was asked, to find what names in prose mean."""

    last: set[str]  # which paths end so
    files: set[RepoPath]  # whether they are there
    folders: set[RepoPath]  # whether anything is below them

    def concern(self, path: RepoPath) -> bool:
        """Whether an answer may be another where this path came or went."""
        at = path.rfind("/")
        if path in self.files or path[at + 1 :] in self.last:
            return True
        while at > 0:
            if path[: at + 1] in self.folders:
                return True
            at = path.rfind("/", 0, at)
        return False


class Asked:
    """A snapshot that remembers where it was asked, and what there was that is neither file nor nothing."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.working = snapshot.working
        self.kinds: dict[RepoPath, str] = {}
        self.names = Names(set(), set(), set())
        self.whole = False  # whether it told more than that: what a folder holds, where a link leads
        self._snapshot = snapshot

    def entry(self, path: RepoPath) -> Entry | None:
        found = self._snapshot.entry(path)
        kind = self.kinds[path] = _kind(found)
        self.whole |= kind == "link"
        return found

    def below(self, folder: RepoPath) -> Mapping[RepoPath, Entry]:
        self.whole = True
        return self._snapshot.below(folder)

    # Which task files there are, and what they say, is asked anew each time.

    def glob(self, pattern: str) -> Sequence[RepoPath]:
        return self._snapshot.glob(pattern)

    def read(self, path: RepoPath) -> bytes | None:
        return self._snapshot.read(path)

    def named(self, last: str) -> Sequence[RepoPath]:
        self.names.last.add(last)
        return self._snapshot.named(last)

    def tracked(self, path: RepoPath) -> Entry | None:
        self.names.files.add(path)
        return self._snapshot.tracked(path)

    def tracked_below(self, folder: RepoPath) -> bool:
        self.names.folders.add(folder)
        return self._snapshot.tracked_below(folder)

    def exists(self, path: RepoPath) -> bool:
        self.whole = True
        return self._snapshot.exists(path)

    def ignored(self, path: RepoPath) -> bool:
        return self._snapshot.ignored(path)


def _kind(entry: Entry | None) -> str:
    """All that reading the tasks makes of an entry: whether a path is a file is asked when it is judged."""
    return "" if entry is None else {SYMLINK: "link", SUBMODULE: "module"}.get(entry.mode, "")


class Basis(NamedTuple):
    """What has to be as it was for the tasks to be the same."""

    circumstances: bytes
    files: tuple[RepoPath, ...]  # task files, in order
    sources: Mapping[RepoPath, Entry | None]  # what says which tasks there are, and how they are run
    tree: Oid  # of the commit that all this stands on
    names: Names
    kinds: Mapping[RepoPath, str]
    records: tuple[int, str]  # of history: how many lines there were, and their digest


class Memo(NamedTuple):
    """What still holds of a memo."""

    loaded: Loaded
    basis: Basis
    verdicts: Standing


@growing()
def read(look: Look) -> Memo | None:
    """What still holds; None: nothing of it."""
    try:
        with open(_path(look), "rb") as file:
            head = file.read(len(VERSION) + 32)
            if not head.startswith(VERSION) or hashlib.file_digest(file, "sha256").digest() != head[-32:]:
                return None
            file.seek(len(head))
            return _read(look, file)
    except OSError:
        return None
    except (SpecbuildError, pickle.UnpicklingError, LookupError, AttributeError, TypeError, ValueError):
        return None  # what it names is gone, or of other code; where that matters reading anew says so


def _read(look: Look, stream: BinaryIO) -> Memo | None:
    basis = shelf.read(stream)
    tree = _tree(look)
    if not isinstance(basis, Basis) or tree is None:
        return None
    edited, moved = changed_files(look.repository, basis.tree, tree)
    if any(map(basis.names.concern, moved)) or not _stands(look, basis):
        return None
    pieces, rows = shelf.read(stream)
    new = look.history.since(basis.records[0])
    loaded = assembled(pieces, look.snapshot)
    files = tuple(source.file for source in find_files(look.snapshot, loaded.config))
    if files != basis.files or not recalled_alike(loaded, look.history, new):
        return None
    doubtful = None if look.snapshot.working else edited | moved
    return Memo(
        loaded, basis, Standing(rows, still(rows, loaded.project.graph, look.snapshot, new, doubtful))
    )


def _stands(look: Look, basis: Basis) -> bool:
    entry = look.snapshot.entry
    return (
        basis.circumstances == _circumstances(look)
        and all(entry(path) == held for path, held in basis.sources.items())
        and look.history.identity(basis.records[0]) == basis.records
        and all(_kind(entry(path)) == kind for path, kind in basis.kinds.items())
    )


def write(look: Look, loaded: Loaded, judge: Judge, found: Asked | Memo, sources: Iterable[RepoPath]) -> None:
    """Keeps what was read and judged, where much of it was new; a disk that is full costs time, no more.

    `found`: what reading the tasks had asked, or the memo that they are from; `sources`: files that say
    what executors do.
    """
    count, tree = len(loaded.project.graph.tasks), _tree(look)
    if look.commit is None or tree is None or any(source.dialect for source in loaded.sources):
        return
    held = {*loaded.project.sources, *sources, *(d.template for d in loaded.decisions.values() if d.template)}
    if isinstance(found, Asked):
        if found.whole:
            return
        kinds: Mapping[RepoPath, str] = found.kinds
        names = found.names
    else:
        if count - len(found.verdicts) <= count // 10:
            return
        kinds, names = found.basis.kinds, found.basis.names
        held.update(found.basis.sources)
    basis = Basis(
        circumstances=_circumstances(look),
        files=tuple(source.file for source in loaded.sources),
        sources={path: look.snapshot.entry(path) for path in sorted(held)},
        tree=tree,
        names=names,
        kinds=kinds,
        records=look.history.identity(None),
    )
    rows = rows_of(judge, look.history.snapshot(look.commit))
    body = pickle.dumps(basis, 5) + pickle.dumps((_shelved(loaded), rows), 5)
    write_aside(_path(look), VERSION + hashlib.sha256(body).digest() + body)


def _shelved(loaded: Loaded) -> Pieces:
    """A project's pieces, tasks and texts in parts."""
    pieces = Pieces.of(loaded)
    tasks = Shelf.of(pieces.graph.tasks)
    places = {id(task.text): position for position, task in enumerate(pieces.graph.tasks)}
    parsed = {
        path: replace(file, tasks=Texts(tasks, [places.get(id(text), text) for text in file.tasks]))
        for path, file in pieces.parsed.items()
    }
    graph = replace(pieces.graph, tasks=tasks, edges=Shelf.of(pieces.graph.edges))
    return pieces._replace(graph=graph, parsed=parsed)


def _circumstances(look: Look) -> bytes:
    """As for other notes; and our own code, of which a folder that is worked in has many of one version."""
    newest, folders = 0, [os.path.dirname(os.path.dirname(__file__))]
    while folders:
        for entry in os.scandir(folders.pop()):
            if entry.name.endswith(".py"):
                newest = max(newest, entry.stat().st_mtime_ns)
            elif entry.name != "__pycache__" and entry.is_dir():
                folders.append(entry.path)
    return circumstances(look.repository.common_dir) + f" {newest}".encode()


def _tree(look: Look) -> Oid | None:
    """Of the commit that the snapshot stands on."""
    return None if look.commit is None else look.history.snapshot(look.commit).tree


def _path(look: Look) -> str:
    return os.path.join(look.repository.common_state_dir, NAME)
