"""What the last look at a project found, so that the next one looks only at what changed since.

A cache like any other: where it is missing, damaged, or about other circumstances, all is read and judged.
It holds the tasks with their graph and what reading them had asked of the tree; and verdicts, each with all
that it had looked at. A verdict that looked at more than single files is not kept.
"""

import gc
import hashlib
import io
import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from specbuild.engine.glob import is_glob
from specbuild.engine.inputs import MISSING
from specbuild.engine.modes import SUBMODULE, SYMLINK
from specbuild.engine.ports import Snapshot
from specbuild.engine.task import Entry, Oid, RepoPath
from specbuild.engine.verdict import Verdict
from specbuild.errors import SpecbuildError
from specbuild.git.durable import write_aside
from specbuild.git.trees import same_names
from specbuild.githooks.known import circumstances
from specbuild.project import Loaded, Pieces, assembled, find_files, recalled_alike

if TYPE_CHECKING:
    from specbuild.cli.parts import Here

VERSION: Final = b"specbuild memo 1\n"
NAME: Final = "memo"
_BUILTINS: Final = frozenset(("set", "frozenset"))


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


def read(here: "Here") -> Memo | None:
    """What still holds; None: nothing of it."""
    try:
        with open(_path(here), "rb") as file:
            data = file.read()
    except OSError:
        return None
    start = len(VERSION) + 32
    if not data.startswith(VERSION) or hashlib.sha256(data[start:]).digest() != data[start - 32 : start]:
        return None
    collecting = gc.isenabled()
    gc.disable()  # as in the parser: all that is made here stays
    try:
        return _read(here, data[start:])
    except (SpecbuildError, pickle.UnpicklingError, LookupError, AttributeError, TypeError, ValueError):
        return (
            None  # what it names is gone, or was made by other code; where it matters, reading anew says so
        )
    finally:
        if collecting:
            gc.enable()


def _read(here: "Here", data: bytes) -> Memo | None:
    stream = io.BytesIO(data)
    basis = _Reader(stream).load()
    if not _stands(here, basis):
        return None
    pieces, rows = _Reader(stream).load()
    new = here.history.since(basis.records[0])
    loaded = assembled(pieces, here.snapshot)
    files = tuple(source.file for source in find_files(here.snapshot, loaded.config))
    if files != basis.files or not recalled_alike(loaded, here.history, new):
        return None
    concerned = {(recorded.checkpoint.definition, recorded.checkpoint.name) for recorded in new}
    return Memo(loaded, basis, _standing(here, loaded, rows, concerned))


def _stands(here: "Here", basis: Basis) -> bool:
    entry = here.snapshot.entry
    tree = _tree(here)
    return (
        isinstance(basis, Basis)
        and basis.circumstances == _circumstances(here)
        and all(entry(path) == held for path, held in basis.sources.items())
        and here.history.identity(basis.records[0]) == basis.records
        and tree is not None
        and (tree == basis.tree or same_names(here.repository, basis.tree, tree))
        and all(_kind(entry(path)) == kind for path, kind in basis.kinds.items())
    )


def _standing(
    here: "Here", loaded: Loaded, rows: Sequence[Row], concerned: set[tuple[str, Any]]
) -> dict[int, Verdict]:
    """Verdicts of which nothing changed, nor of any task that they depend on."""
    graph, entry = loaded.project.graph, here.snapshot.entry
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


def write(here: "Here", asked: Asked | None, memo: Memo | None) -> None:
    """Keeps what was read and judged, where much of it was new; a disk that is full costs time, no more."""
    tasks, tree = here.tasks, _tree(here)
    if tree is None or here.named_files:
        return
    if memo is not None and len(tasks) - len(memo.verdicts) <= len(tasks) // 10:
        return
    loaded = here.loaded
    if any(source.dialect for source in loaded.sources) or (asked is not None and asked.whole):
        return
    kinds = asked.kinds if asked is not None else memo.basis.kinds if memo is not None else {}
    sources = {*loaded.project.sources, *(d.template for d in loaded.decisions.values() if d.template)}
    sources.update(here.registry.files.values() if memo is None else memo.basis.sources)
    basis = Basis(
        circumstances=_circumstances(here),
        files=tuple(source.file for source in loaded.sources),
        sources={path: here.snapshot.entry(path) for path in sorted(sources)},
        tree=tree,
        kinds=kinds,
        records=here.history.identity(None),
    )
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, protocol=5)
    pickler.dump(basis)
    pickle.Pickler(stream, protocol=5).dump((Pieces.of(loaded), _rows(here)))
    body = stream.getvalue()
    write_aside(_path(here), VERSION + hashlib.sha256(body).digest() + body)


def _rows(here: "Here") -> list[Row]:
    graph, judge, entry = here.loaded.project.graph, here.judge, here.snapshot.entry
    rows: list[Row] = []
    for position, task in enumerate(graph.tasks):
        verdict, inputs = judge.verdict(position), judge.inputs(position)
        recorded = verdict.checkpoint
        local = verdict.local != "-" or (recorded is not None and recorded.checkpoint.local != "-")
        wide = any(each.endswith("/") or is_glob(each) for each in (*task.reads, *task.inputs, *task.targets))
        if local or wide or inputs.ignored or any(value == MISSING for _, value in inputs.committed):
            continue
        looked = {path: _pair(entry(path)) for path, _ in inputs.committed}
        if any(held is None or held[0] in (SYMLINK, SUBMODULE) for held in looked.values()):
            continue
        targets = {*task.targets, *(recorded.checkpoint.targets if recorded is not None else ())}
        stood = {path: _pair(entry(path)) for path in sorted(targets)}
        if any(path.endswith("/") for path in targets) or (recorded is not None and None in stood.values()):
            continue
        rows.append((position, looked | stood, verdict))
    return rows


def _pair(entry: Entry | None) -> tuple[int, Oid] | None:
    """An entry as what is read fastest, and equals it."""
    return None if entry is None else (entry.mode, entry.oid)


def _circumstances(here: "Here") -> bytes:
    """As for other notes; and our own code, of which a folder that is worked in has many of one version."""
    newest, folders = 0, [os.path.dirname(os.path.dirname(__file__))]
    while folders:
        for entry in os.scandir(folders.pop()):
            if entry.name.endswith(".py"):
                newest = max(newest, entry.stat().st_mtime_ns)
            elif entry.name != "__pycache__" and entry.is_dir():
                folders.append(entry.path)
    return circumstances(here.repository.common_dir) + f" {newest}".encode()


def _tree(here: "Here") -> Oid | None:
    """Of the commit that the snapshot stands on."""
    return None if here.commit is None else here.history.snapshot(here.commit).tree


def _path(here: "Here") -> str:
    return os.path.join(here.repository.common_state_dir, NAME)


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
