"""What the last look at a project found, so that the next one looks only at what changed since.

A cache like any other: where it is missing, damaged, or about other circumstances, all is read and judged.
It holds the tasks with their graph and what reading them had asked of the tree; and verdicts, each with all
that it had looked at. A verdict that looked at more than single files is not kept.
"""

import gc
import hashlib
import os
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, BinaryIO, Final, NamedTuple

from specbuild.engine.judge import Judge
from specbuild.engine.modes import SUBMODULE, SYMLINK
from specbuild.engine.ports import Snapshot
from specbuild.engine.task import Entry, Oid, RepoPath
from specbuild.engine.verdict import Verdict
from specbuild.errors import SpecbuildError
from specbuild.git.durable import write_aside
from specbuild.git.history import GitHistory
from specbuild.git.repository import Repository
from specbuild.git.trees import same_names
from specbuild.githooks.known import circumstances
from specbuild.project import Loaded, Pieces, assembled, find_files, recalled_alike

VERSION: Final = b"specbuild memo 1\n"
NAME: Final = "memo"
_BUILTINS: Final = frozenset(("set", "frozenset"))


class Look(NamedTuple):
    """What is looked at: a commit, or the working tree on top of one."""

    repository: Repository
    snapshot: Snapshot
    history: GitHistory
    commit: Oid | None  # None: there is none yet


class Asked:
    """A snapshot that remembers where it was asked, and what there was that is neither file nor nothing."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.working = snapshot.working
        self.kinds: dict[RepoPath, str] = {}
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

    # Which task files there are is asked anew each time, and names of a commit stay as they are.

    def glob(self, pattern: str) -> Sequence[RepoPath]:
        return self._snapshot.glob(pattern)

    def read(self, path: RepoPath) -> bytes | None:
        return self._snapshot.read(path)

    def named(self, last: str) -> Sequence[RepoPath]:
        return self._snapshot.named(last)

    def tracked(self, path: RepoPath) -> Entry | None:
        return self._snapshot.tracked(path)

    def tracked_below(self, folder: RepoPath) -> bool:
        return self._snapshot.tracked_below(folder)

    def exists(self, path: RepoPath) -> bool:
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
    tree: Oid  # of the commit whose names prose was resolved by
    kinds: Mapping[RepoPath, str]
    records: tuple[int, str]  # of history: how many lines there were, and their digest


Row = tuple[int, dict[RepoPath, tuple[int, Oid] | None], Verdict]
"""A task's position, the single files that its verdict looked at, and the verdict."""


class Memo(NamedTuple):
    """What still holds of a memo."""

    loaded: Loaded
    basis: Basis
    verdicts: Mapping[int, Verdict]


def read(look: Look) -> Memo | None:
    """What still holds; None: nothing of it."""
    collecting = gc.isenabled()
    gc.disable()  # as in the parser: all that is made here stays
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
    finally:
        if collecting:
            gc.enable()


def _read(look: Look, stream: BinaryIO) -> Memo | None:
    basis = _Reader(stream).load()
    if not _stands(look, basis):
        return None
    pieces, rows = _Reader(stream).load()
    new = look.history.since(basis.records[0])
    loaded = assembled(pieces, look.snapshot)
    files = tuple(source.file for source in find_files(look.snapshot, loaded.config))
    if files != basis.files or not recalled_alike(loaded, look.history, new):
        return None
    concerned = {(recorded.checkpoint.definition, recorded.checkpoint.name) for recorded in new}
    return Memo(loaded, basis, _standing(look, loaded, rows, concerned))


def _stands(look: Look, basis: Basis) -> bool:
    entry = look.snapshot.entry
    tree = _tree(look)
    return (
        isinstance(basis, Basis)
        and basis.circumstances == _circumstances(look)
        and all(entry(path) == held for path, held in basis.sources.items())
        and look.history.identity(basis.records[0]) == basis.records
        and tree is not None
        and (tree == basis.tree or same_names(look.repository, basis.tree, tree))
        and all(_kind(entry(path)) == kind for path, kind in basis.kinds.items())
    )


def _standing(
    look: Look, loaded: Loaded, rows: Sequence[Row], concerned: set[tuple[str, Any]]
) -> dict[int, Verdict]:
    """Verdicts of which nothing changed, nor of any task that they depend on."""
    graph, entry = loaded.project.graph, look.snapshot.entry
    definitions = {definition for definition, _ in concerned}
    names = {name for _, name in concerned}
    found: dict[int, Verdict] = {}
    for position, looked, verdict in rows:
        text = graph.tasks[position].text
        if text.definition in definitions or text.name in names:
            continue
        for path, held in looked.items():
            if entry(path) != held:
                break
        else:
            found[position] = verdict
    for position in graph.order:
        if position in found and any(graph.index[e.source] not in found for e in graph.content(position)):
            del found[position]
    return found


def write(look: Look, loaded: Loaded, judge: Judge, found: Asked | Memo, sources: Iterable[RepoPath]) -> None:
    """Keeps what was read and judged, where much of it was new; a disk that is full costs time, no more.

    `found`: what reading the tasks had asked, or the memo that they are from; `sources`: files that say
    what executors do.
    """
    count, tree = len(loaded.project.graph.tasks), _tree(look)
    if tree is None or any(source.dialect for source in loaded.sources):
        return
    held = {*loaded.project.sources, *sources, *(d.template for d in loaded.decisions.values() if d.template)}
    if isinstance(found, Asked):
        if found.whole:
            return
        kinds: Mapping[RepoPath, str] = found.kinds
    else:
        if count - len(found.verdicts) <= count // 10:
            return
        kinds = found.basis.kinds
        held.update(found.basis.sources)
    basis = Basis(
        circumstances=_circumstances(look),
        files=tuple(source.file for source in loaded.sources),
        sources={path: look.snapshot.entry(path) for path in sorted(held)},
        tree=tree,
        kinds=kinds,
        records=look.history.identity(None),
    )
    body = pickle.dumps(basis, 5) + pickle.dumps((Pieces.of(loaded), _rows(look.snapshot, judge)), 5)
    write_aside(_path(look), VERSION + hashlib.sha256(body).digest() + body)


def _rows(snapshot: Snapshot, judge: Judge) -> list[Row]:
    entry = snapshot.entry
    rows: list[Row] = []
    for position, task in enumerate(judge.graph.tasks):
        verdict, inputs = judge.verdict(position), judge.inputs(position)
        recorded = verdict.checkpoint
        if judge.looks_widely(position) or (recorded is not None and recorded.checkpoint.local != "-"):
            continue
        looked = {path: _pair(entry(path)) for path, _ in inputs.committed}
        if any(held is None or held[0] in (SYMLINK, SUBMODULE) for held in looked.values()):
            continue
        # Of several checkpoints that may count, the one counts whose results the tree has.
        others = {path for each in judge.checkpoints(position) for path in each.checkpoint.targets}
        targets = {*task.targets, *(recorded.checkpoint.targets if recorded is not None else ())}
        stood = {path: _pair(entry(path)) for path in sorted(targets | others)}
        if any(path.endswith("/") for path in stood):
            continue
        if recorded is not None and any(stood[path] is None for path in targets):
            continue
        rows.append((position, looked | stood, verdict))
    return rows


def _pair(entry: Entry | None) -> tuple[int, Oid] | None:
    """An entry as what is read fastest, and equals it."""
    return None if entry is None else (entry.mode, entry.oid)


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


class _Reader(pickle.Unpickler):
    """Makes nothing but this package's own values: a cache runs no code."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "builtins" and name in _BUILTINS:
            return super().find_class(module, name)
        if module.startswith("specbuild.") and "." not in name:
            found: Callable[..., Any] = super().find_class(module, name)
            if isinstance(found, type):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a memo")
