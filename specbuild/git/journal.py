"""What stood where a task works in place, on disk before anything is touched, and how it is put back."""

import contextlib
import itertools
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from specbuild.engine.task import Oid, RepoPath
from specbuild.git import durable, faults
from specbuild.git.commits import Commits
from specbuild.git.files import Files, Raw, beside
from specbuild.git.folders import remove_tree
from specbuild.git.repository import Repository
from specbuild.git.transaction import sound
from specbuild.git.trees import entry_at, tree_of

PATIENCE = 30.0  # seconds to wait for a lock of git's
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Journal:
    """One task's: where it began and what stood there.

    `before`: the task's files (None: nothing there). `folders`: owned whole (end with `/`), so that a file
    below that `before` does not name is the task's. `moved`: ignored folders that were moved aside, with
    the name they have there. `made`: folders made for the task, deepest last. `ref`: holds those bytes of
    `before` that HEAD has not, for as long as the task runs.
    """

    head: Oid | None
    task: str
    before: Mapping[RepoPath, Raw | None]
    folders: tuple[RepoPath, ...] = ()
    moved: Mapping[RepoPath, str] | None = None
    made: tuple[RepoPath, ...] = ()
    ref: str | None = None

    def dump(self) -> bytes:
        said = {
            "version": 1,
            "head": self.head,
            "task": self.task,
            "before": self.before,
            "folders": self.folders,
            "moved": self.moved or {},
            "made": self.made,
            "ref": self.ref,
        }
        return json.dumps(said).encode()

    @staticmethod
    def load(data: bytes) -> "Journal | None":
        """None: not a journal, half of one, or one that names places where nothing of ours can be."""
        try:
            found = json.loads(data)
            if found["version"] != 1:
                return None
            journal = Journal(
                found["head"],
                str(found["task"]),
                {path: _raw(item) for path, item in found["before"].items()},
                tuple(found["folders"]),
                dict(found["moved"]),
                tuple(found["made"]),
                found["ref"],
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        names = [*journal.before, *journal.folders, *(journal.moved or {}), *journal.made]
        moved = (journal.moved or {}).values()
        if not all(isinstance(name, str) and sound(name) for name in names):
            return None
        if journal.ref is not None and not str(journal.ref).startswith("refs/specbuild/saved/"):
            return None
        return journal if all(isinstance(name, str) and "/" not in name for name in moved) else None


def _raw(item: Any) -> Raw | None:
    if item is None:
        return None
    oid, permissions, mtime_ns, link = item
    if len(oid) != 40 or not isinstance(permissions, int) or not isinstance(mtime_ns, int):
        raise ValueError(item)
    return Raw(str(oid), permissions, mtime_ns, bool(link))


def folder(state_dir: str) -> str:
    return f"{state_dir}/journal"


def tips_path(state_dir: str) -> str:
    return os.path.join(folder(state_dir), "tips")


def note_tip(state_dir: str, tip: Oid) -> None:
    """Tells the journals that are open that HEAD moves by our own hand."""
    with contextlib.suppress(FileNotFoundError), open(tips_path(state_dir), "a", encoding="ascii") as file:
        file.write(f"{tip}\n")


def tips(state_dir: str) -> set[Oid]:
    """Where the dead run moved HEAD."""
    try:
        with open(tips_path(state_dir), encoding="ascii", errors="replace") as file:
            return {line.strip() for line in file}
    except FileNotFoundError:
        return set()


def names(state_dir: str) -> list[str]:
    """Journals that are open, oldest first."""
    try:
        found = [name for name in os.listdir(folder(state_dir)) if name.endswith(".json")]
    except FileNotFoundError:
        return []
    return [f"{folder(state_dir)}/{name}" for name in sorted(found)]


def open_(repo: Repository, journal: Journal) -> tuple[Journal, str]:
    """Writes a journal, on disk on return with the bytes that it names; returns it with its path."""
    sync = durable.wanted(repo)
    stood = {raw.oid for raw in journal.before.values() if raw is not None}
    repo.shared.store.write(repo.raw, stood)
    if sync:
        durable.make_durable(repo, stood)
    faults.point("place.stored")
    journal = replace(journal, ref=_hold(repo, journal))
    path = os.path.join(folder(repo.state_dir), f"{os.getpid()}-{next(_numbers)}.json")
    if stood or journal.moved:
        durable.put(path, journal.dump(), durable=sync)
    else:  # nothing can be lost: that the note is written first is enough
        durable.put_new(path, journal.dump())
    return journal, path


def _hold(repo: Repository, journal: Journal) -> str | None:
    """A ref for what a person has not committed: it must outlive .git/specbuild and `git gc`."""
    if not any(journal.before.values()):
        return None
    tree = tree_of(repo, journal.head)
    known = {entry.oid for path in journal.before if (entry := entry_at(repo, tree, path)) is not None}
    loose = {p: raw.entry for p, raw in journal.before.items() if raw is not None and raw.oid not in known}
    if not loose:
        return None
    text = f"specbuild: what stood at the targets of {journal.task} before it ran\n"
    return Commits(repo, patience=PATIENCE).keep("saved", journal.head, loose, text)


def release(repo: Repository, journal: Journal) -> None:
    """The task is over: those bytes stand in the tree again, in history, or under a ref of the builder's."""
    if journal.ref is not None:
        with contextlib.suppress(KeyError):
            repo.raw.references.delete(journal.ref)


def close(state_dir: str, path: str) -> None:
    """Forgets a journal; with the last one, also where HEAD was moved."""
    durable.drop(path)
    if not names(state_dir):
        durable.drop(tips_path(state_dir))


class Undo:
    """Puts back what a journal names."""

    def __init__(self, files: Files, state_dir: str, point: str) -> None:
        self._files = files
        self._aside = aside_root(state_dir)
        self._point = point

    def changed(self, journal: Journal) -> list[RepoPath]:
        """Paths that are not as the journal saw them."""
        found = [path for path, raw in journal.before.items() if not self._as_before(path, raw)]
        return found + [path for path in self._below(journal) if path not in journal.before]

    def _as_before(self, path: RepoPath, raw: Raw | None) -> bool:
        if raw is None:
            return self._files.look(path) is None
        return self._files.is_raw(path, raw)

    def _below(self, journal: Journal) -> Iterable[RepoPath]:
        for owned in journal.folders:
            yield from self._files.below(owned)

    def run(self, journal: Journal) -> None:
        """Can be broken off anywhere and done again."""
        for path in self.changed(journal):
            raw = journal.before.get(path)
            durable.drop(beside(self._files.at(path)))
            if raw is not None:
                self._files.put_back(path, raw)
            else:
                self._remove(path, journal)
            faults.point(self._point)
        for path, name in (journal.moved or {}).items():
            self._move_back(path, name)
        remove_made(self._files, journal.made)

    def move_back_where_free(self, journal: Journal) -> None:
        """Ignored folders that were moved aside, where nothing stands in their place now."""
        for path, name in (journal.moved or {}).items():
            if not os.path.lexists(self._files.at(path.rstrip("/"))):
                self._move_back(path, name)

    def _remove(self, path: RepoPath, journal: Journal) -> None:
        target = self._files.at(path)
        if os.path.isdir(target) and not os.path.islink(target):
            remove_tree(target)  # a file's place, where nothing stood: all of it is the task's
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(target)
        for owned in journal.folders:
            if path.startswith(owned):
                self._remove_empty(os.path.dirname(path), owned)

    def _remove_empty(self, below: RepoPath, owned: RepoPath) -> None:
        """Folders that the task made below one that it owns; not that one itself."""
        while below.startswith(owned):
            try:
                os.rmdir(self._files.at(below))
            except OSError:
                return
            below = os.path.dirname(below)

    def _move_back(self, path: RepoPath, name: str) -> None:
        saved = os.path.join(self._aside, name)
        if os.path.lexists(saved):
            target = self._files.at(path.rstrip("/"))
            if os.path.isdir(target) and not os.path.islink(target):
                remove_tree(target)
            elif os.path.lexists(target):
                os.unlink(target)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.rename(saved, target)


def remove_made(files: Files, made: Iterable[RepoPath]) -> None:
    """Removes folders that were made for a task, if nothing is in them."""
    for path in sorted(made, key=len, reverse=True):
        if files.through_link(path) is None:
            with contextlib.suppress(OSError):
                os.rmdir(files.at(path))


def aside_root(state_dir: str) -> str:
    """Where ignored folders that a task owns wait until it is over."""
    return os.path.join(state_dir, "owned")
