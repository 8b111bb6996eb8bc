"""Makes results visible: objects, then files and index, then one move of the branch (SPEC section 6)."""

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pygit2
from pygit2.enums import FileMode

from specbuild.engine.modes import PLAIN, SUBMODULE
from specbuild.engine.ports import Moved, Record, Unusable
from specbuild.engine.task import Entry, Oid, RepoPath
from specbuild.errors import RepositoryError
from specbuild.git import durable, faults, follow, journal, merging
from specbuild.git.commits import DETACHED, Commits
from specbuild.git.files import Files, aside_folder
from specbuild.git.indexfile import IndexFile
from specbuild.git.repository import Repository
from specbuild.git.store import FEW
from specbuild.git.transaction import IndexLock, Intent, intent_path, roll_back
from specbuild.git.trees import Sheet, Writing, entry_at, tree_of, write_tree

if TYPE_CHECKING:
    from specbuild.git.commithooks import CommitHooks


@dataclass(frozen=True, slots=True)
class _Batch:
    """A chain of commits that is written, and waits for being made visible."""

    onto: Oid | None
    commits: tuple[Oid, ...]
    reason: str  # for the reflog
    after: Mapping[RepoPath, Entry | None]
    before: Mapping[RepoPath, Entry | None]
    in_place: Mapping[RepoPath, bool]

    @property
    def tip(self) -> Oid:
        return self.commits[-1]


class GitCommitter:
    """Commits on `ref` (a full name, or None for a detached HEAD), the branch that the run belongs to.

    `left`: paths of commits so far whose working file was not touched, since a person had changed it; the
    index has the committed entry, so that the change shows as unstaged. `kept`: staged versions that a
    commit replaced, with the ref that keeps each.
    """

    def __init__(
        self,
        repo: Repository,
        ref: str | None,
        *,
        patience: float = 30.0,
        hooks: "CommitHooks | None" = None,  # None: none of the user's is run
    ) -> None:
        self._repo = repo
        self._ref = ref or DETACHED
        self._patience = patience  # seconds to wait for a lock of git's
        self.hooks = hooks
        self._commits = Commits(repo, patience=patience)
        self._last = self._commits.tip(self._ref)  # of the branch, as it was seen last
        self._files = Files(repo, aside_folder(repo))
        self._results = Files(repo, aside_folder(repo), waiting=True)
        self._sheets: dict[Oid, Sheet] = {}  # of the trees that were written last
        self._mutex = threading.RLock()  # libgit2's objects belong to one thread at a time
        self._known: set[tuple[RepoPath, Entry]] = set()  # what `keep` has put under a ref
        self.left: list[RepoPath] = []
        self.kept: list[tuple[RepoPath, str]] = []

    def head(self) -> Oid | None:
        """Raises RepositoryError where the branch is gone: a commit without its past would take its place."""
        with self._mutex:
            found = self._commits.tip(self._ref)
            if found is None and self._last is not None:
                raise RepositoryError(
                    f"{self._ref} is gone: it was deleted during the run",
                    where=self._repo.git_dir,
                    hint=f"git update-ref {self._ref} {self._last} brings it back; then run specbuild again",
                )
            self._last = found
            return found

    def attached(self) -> bool:
        """Does not wait for a commit that is being made."""
        named = self._repo.head_ref
        return named is None if self._ref == DETACHED else named == self._ref

    def read(self, oid: Oid) -> bytes:
        with self._mutex:
            return self._repo.read(oid)

    def store(self, data: bytes, *, like: Oid | None = None) -> Oid:
        with self._writing():
            oid = self._results.store(data, like)
            faults.point("store.blob")
            return oid

    def add(self, paths: Iterable[RepoPath]) -> Mapping[RepoPath, Entry | None]:
        with self._writing():
            return self._files.entries(paths)

    def write(self, path: RepoPath, data: bytes, *, instead: Entry | None) -> bool:
        """A file of the working tree, where git would still store `instead` (None: nothing) for it."""
        with self._writing():
            before = self._files.look(path)
            if self._files.entries([path])[path] != instead:
                return False
            entry = Entry(instead.mode if instead else PLAIN, self._files.store(data))
            content = self._files.contents({path: entry})[path]
            still = partial(self._is_still, path, before)
            return self._files.place(path, entry, content, still=still)

    def merge(self, base: Oid, ours: Oid, theirs: Oid) -> Oid | None:
        with self._writing():
            found = self._merged(base, ours, theirs)
            return found if found is not None else self._merged_by_git(base, ours, theirs)

    def _merged(self, base: Oid, ours: Oid, theirs: Oid) -> Oid | None:
        """By libgit2, which takes no process; None: a conflict, or not its kind of text."""

        def side(oid: Oid) -> pygit2.IndexEntry:
            return pygit2.IndexEntry("merged", pygit2.Oid(hex=oid), FileMode.BLOB)

        try:
            found = self._repo.raw.merge_file_from_index(side(base), side(ours), side(theirs))
        except (pygit2.GitError, KeyError, UnicodeError):  # not on disk yet, or not UTF-8
            return None
        if not found.automergeable or "\0" in found.contents:
            return None
        return self._files.store(found.contents.encode())

    def _merged_by_git(self, base: Oid, ours: Oid, theirs: Oid) -> Oid | None:
        read = self._repo.read
        found = merging.merged(self._repo, read(base), read(ours), read(theirs))
        return None if found is None else self._files.store(found)

    def place(self, path: RepoPath, entry: Entry | None, *, instead: Entry | None) -> bool:
        with self._writing():
            before = self._files.look(path)
            if self._files.entries([path])[path] != instead:
                return False
            content = b"" if entry is None else self._files.contents({path: entry})[path]
            still = partial(self._is_still, path, before)
            if entry is not None:
                return self._files.place(path, entry, content, still=still)
            if not still():
                return False
            self._files.remove(path)
            return True

    def _is_still(self, path: RepoPath, before: os.stat_result | None) -> bool:
        return follow.same(before, self._files.look(path))

    def keep(self, kind: str, changes: Mapping[RepoPath, Entry | None], message: str) -> str:
        with self._writing():
            ref = self._commits.keep(kind, self._commits.tip(self._ref) or self._last, changes, message)
            self._known.update((path, entry) for path, entry in changes.items() if entry is not None)
            return ref

    def commit(self, records: Sequence[Record], *, onto: Oid | None) -> Sequence[Oid]:
        with self._writing():
            if not records:
                return []
            commits = self._commit(records, onto)
            if self.hooks is not None:
                self.hooks.after(self._commits.who().author)
            return commits

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One thread at a time; what the disk refuses is told as a state of the repository."""
        with self._mutex:
            try:
                yield
            except OSError as error:
                raise RepositoryError(
                    f"the repository cannot be written to: {error.strerror or error}",
                    where=str(error.filename or self._repo.git_dir),
                    hint="nothing was recorded; see to space and permissions, then run specbuild again",
                ) from error
            except (Unusable, pygit2.GitError) as error:
                raise RepositoryError(f"git refuses: {error}", where=self._repo.git_dir) from error

    def _commit(self, records: Sequence[Record], onto: Oid | None) -> Sequence[Oid]:
        if self._ref == DETACHED and not self.attached():
            raise RepositoryError(
                f"HEAD was detached when the run began and is now on {self._repo.branch}",
                where=self._repo.git_dir,
                hint="nothing was recorded; run specbuild again",
            )
        if self.head() != onto:
            raise Moved(f"{self._ref} is not at {onto}")
        batch = self._build(records, onto)
        if self._repo.is_bare or not self.attached():
            self._move(batch)
            return batch.commits
        with IndexLock(self._repo.git_dir, self._repo.state_dir, patience=self._patience) as lock:
            faults.point("commit.locked")
            if self.attached():
                self._publish(batch, lock)
            else:  # switched while we waited
                self._move(batch)
        return batch.commits

    def _build(self, records: Sequence[Record], onto: Oid | None) -> _Batch:
        """Writes every object; none of them is visible yet."""
        writing, commits, parent = Writing(sheets=self._sheets), list[Oid](), onto
        tree = tree_of(self._repo, onto)
        for record in records:
            tree = write_tree(self._repo, tree, record.changes, writing)
            faults.point("commit.trees")
            message = record.message
            if self.hooks is not None:
                self._repo.shared.store.write(self._repo.raw, [*writing.oids, *commits])  # for their git
                message = self.hooks.before(record, tree, self._commits.who().author)
            parent = self._commits.write(tree, parent, message)
            commits.append(parent)
        faults.point("commit.made")
        self._write([*writing.oids, *commits])
        faults.point("commit.durable")
        subject = (records[-1].message.strip().splitlines() or [""])[0]
        return _Batch(
            onto=onto,
            commits=tuple(commits),
            reason=f"specbuild: {subject}",
            after={path: entry for record in records for path, entry in record.changes.items()},
            # The working tree already has a person's edits: what follows them is laid over those.
            before=writing.before
            | {p: e for r in records if r.edited for p, e in r.changes.items()}
            | {p: e for r in records for p, e in r.instead.items()},
            in_place={path: record.in_place for record in records for path in record.changes},
        )

    def _write(self, oids: Sequence[Oid]) -> None:
        """Puts what was made for a chain of commits on disk: as a pack; where it is little, one by one."""
        store, sync = self._repo.shared.store, durable.wanted(self._repo)
        if sum(oid in store.waiting for oid in oids) > FEW:
            store.pack(os.path.join(self._repo.common_dir, "objects", "pack"), oids, sync=sync)
            return
        store.write(self._repo.raw, oids)
        if sync:
            durable.make_durable(self._repo, oids)

    def close(self) -> None:
        """The run is over, and nobody reads any more: of many small packs one is made."""
        folder = os.path.join(self._repo.common_dir, "objects", "pack")
        self._repo.shared.store.join_packs(folder, sync=durable.wanted(self._repo))

    def _move(self, batch: _Batch) -> None:
        self._commits.move(self._ref, batch.onto, batch.tip, batch.reason)

    def _publish(self, batch: _Batch, lock: IndexLock) -> None:
        """Files and new index first, so that after the ref has moved one rename is left to do."""
        index = self._repo.index_file()
        standing = follow.look(self._results, batch.after, index)
        self._keep_staged(batch, index, standing)
        faults.point("commit.staged-kept")
        steps = follow.plan(
            batch.after, in_place=batch.in_place, before=batch.before, standing=standing, index=index
        )
        left = follow.left_alone(steps, standing, index)
        # Order is enough for the note and the index: without them a lost disk cache leaves a commit that
        # the index does not know yet, as git itself would (core.fsync).
        note, sync = intent_path(self._repo.state_dir), durable.index_wanted(self._repo)
        durable.put(note, Intent(self._ref, batch.onto, batch.tip, steps).dump(), durable=sync)
        faults.point("commit.intent")
        try:
            stats = follow.follow(self._files, steps, standing, left)
            faults.point("commit.followed")
            wanted = follow.wanted(self._files, steps, stats, index)
            content, new_index = index.edit(wanted, follow.Unchanged(self._files, index))
            found = lock.write(content, index.permissions, sync=sync)
            faults.point("commit.index-written")
            journal.note_tip(self._repo.state_dir, batch.tip)
            faults.point("commit.tip-noted")
            self._move(batch)
        except BaseException:
            if self._commits.tip(self._ref) == batch.tip:  # Ctrl-C came after the ref had moved
                lock.publish()
            else:
                roll_back(self._files, steps)
            durable.drop(note)
            raise
        faults.point("commit.ref-moved")
        lock.publish()
        self._repo.shared.index = new_index.settled(found)
        faults.point("commit.index-renamed")
        durable.drop(note)
        faults.point("commit.intent-dropped")
        self.left += left

    def _keep_staged(
        self, batch: _Batch, index: IndexFile, standing: Mapping[RepoPath, follow.Standing]
    ) -> None:
        """A staged version that neither parent, nor commit, nor file has would be lost."""
        base = tree_of(self._repo, batch.onto)
        lost: dict[RepoPath, Entry | None] = {}
        for name, held in index.displaced({os.fsencode(path): now for path, now in batch.after.items()}):
            path = os.fsdecode(name)
            before = batch.before[path] if path in batch.before else entry_at(self._repo, base, path)
            found = standing.get(path)
            safe = {
                before,
                entry_at(self._repo, base, path),
                batch.after.get(path),
                found.entry if found else None,
            }
            known = (path, held.entry) in self._known
            if not (held.intent_to_add or held.entry.mode == SUBMODULE or held.entry in safe or known):
                lost[path] = held.entry
        if lost:
            ref = self.keep("saved", lost, "specbuild: staged versions that a commit replaced\n")
            self.kept += [(path, ref) for path in lost]
