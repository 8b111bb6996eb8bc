"""What a tree becomes when commits are taken back: worked out path by path, touching nothing."""

import os
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import pygit2

from specbuild.engine.modes import EXECUTABLE, PLAIN
from specbuild.engine.ports import Record
from specbuild.engine.task import Entry, Oid, RepoPath
from specbuild.git import messages
from specbuild.git.merging import merged
from specbuild.git.repository import Repository
from specbuild.git.trees import entry_at, subtree, tree_of
from specbuild.taskfile.merging import merge as merge_boxes

_FILES = {PLAIN, EXECUTABLE}


class Conflicting(Exception):  # noqa: N818  (a state of the world, not a mistake)
    """A commit cannot be taken back, since later ones changed the same places."""

    def __init__(self, commit: Oid, paths: Sequence[RepoPath], why: str = "") -> None:
        super().__init__(commit)
        self.commit = commit
        self.paths = tuple(paths)  # none where the commit as a whole is the matter
        self.why = why


class Change(NamedTuple):
    """A path that a commit changed."""

    path: RepoPath
    before: Entry | None
    after: Entry | None


class Reverting:
    """The tree of `tip` on its way back; a task file's boxes are merged one by one."""

    def __init__(self, repository: Repository, tip: Oid, task_files: Collection[RepoPath]) -> None:
        self.records: list[Record] = []  # a commit for each that was taken back
        self.contents: dict[Oid, bytes] = {}  # of merged files, not stored yet
        self._repository = repository
        self._base = tree_of(repository, tip)
        self._task_files = task_files
        self._state: dict[RepoPath, Entry | None] = {}

    @property
    def changes(self) -> Mapping[RepoPath, tuple[Entry | None, Entry | None]]:
        """Paths that differ in the end: what `tip` has there, and what will be there."""
        pairs = {
            path: (entry_at(self._repository, self._base, path), now) for path, now in self._state.items()
        }
        return {path: pair for path, pair in pairs.items() if pair[0] != pair[1]}

    def take_back(self, commit: Oid) -> None:
        """Raises Conflicting, and then nothing of this commit was taken back."""
        parents = self._parents(commit)
        if len(parents) > 1:
            raise Conflicting(
                commit, (), "it is a merge: `git revert -m 1` takes back all that came in with it"
            )
        changes: dict[RepoPath, Entry | None] = {}
        conflicts: list[RepoPath] = []
        for change in self._changed(commit, parents):
            ours = self._entry(change.path)
            if ours == change.after:
                changes[change.path] = change.before
            elif ours != change.before:
                merged = self._merge(change, ours)
                if merged is None:
                    conflicts.append(change.path)
                else:
                    changes[change.path] = merged
        conflicts += [path for path, entry in changes.items() if entry and self._in_the_way(path, changes)]
        if conflicts:
            raise Conflicting(commit, sorted(set(conflicts)))
        self._state.update(changes)
        self.records.append(Record(self._message(commit), changes, in_place=False))

    def read(self, entry: Entry | None) -> bytes:
        if entry is None:
            return b""
        return self.contents[entry.oid] if entry.oid in self.contents else self._repository.read(entry.oid)

    def _entry(self, path: RepoPath) -> Entry | None:
        return self._state[path] if path in self._state else entry_at(self._repository, self._base, path)

    def _parents(self, commit: Oid) -> list[Oid]:
        return self._repository.git(["rev-list", "--parents", "-n1", commit, "--"]).decode().split()[1:]

    def _changed(self, commit: Oid, parents: Sequence[Oid]) -> list[Change]:
        trees = [*parents, commit] if parents else ["--root", commit]
        output = self._repository.git(["diff-tree", "-r", "-z", "--no-renames", "--no-commit-id", *trees])
        words = output.split(b"\0")
        found = []
        for head, path in zip(words[0:-1:2], words[1::2], strict=True):
            modes_and_ids = head.decode("ascii").removeprefix(":").split(" ")
            old, new, before, after = modes_and_ids[:4]
            found.append(Change(os.fsdecode(path), _as_entry(old, before), _as_entry(new, after)))
        return found

    def _merge(self, change: Change, ours: Entry | None) -> Entry | None:
        """Three-way, with what the commit made as the base; None: a conflict."""
        base, theirs = change.after, change.before
        if base is None or ours is None or theirs is None:
            return None
        if not {base.mode, ours.mode, theirs.mode} <= _FILES:
            return None
        mode = theirs.mode if ours.mode == base.mode else ours.mode
        if base.oid == theirs.oid:
            return Entry(mode, ours.oid)
        versions = self.read(base), self.read(ours), self.read(theirs)
        if change.path in self._task_files:
            found = merge_boxes(*versions, change.path)
        else:
            found = merged(self._repository, *versions)
        if found is None:
            return None
        oid = str(pygit2.hash(found))
        self.contents[oid] = found
        return Entry(mode, oid)

    def _in_the_way(self, path: RepoPath, changes: Mapping[RepoPath, Entry | None]) -> bool:
        """Whether a file stands where this one needs a folder, or a folder where this one is to stand."""

        def there(other: RepoPath) -> bool:
            return (changes[other] if other in changes else self._entry(other)) is not None

        parts = path.split("/")
        if any(there("/".join(parts[:count])) for count in range(1, len(parts))):
            return True
        if subtree(self._repository, self._base, f"{path}/") is None:
            return False
        listed = self._repository.git(["ls-tree", "-r", "-z", "--name-only", str(self._base), f"{path}/"])
        return any(there(os.fsdecode(name)) for name in listed.split(b"\0") if name)

    def _message(self, commit: Oid) -> str:
        body = self._repository.read(commit).partition(b"\n\n")[2]
        subject = messages.subject(body).decode("utf-8", "surrogateescape")
        return f'Revert "{subject}"\n\nThis reverts commit {commit}.\n'


def _as_entry(mode: str, oid: str) -> Entry | None:
    return None if mode == "000000" else Entry(int(mode, 8), oid)
