"""Checkpoints reachable from a commit: found once, remembered by tip, followed wherever the tip moves."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial

from specbuild.engine.checkpoint import Checkpoint, Recorded
from specbuild.engine.glob import is_glob
from specbuild.engine.task import Oid, RepoPath, TaskName
from specbuild.errors import RepositoryError
from specbuild.git import historycache, messages
from specbuild.git.historycache import Deep, Flat, Stored
from specbuild.git.lineage import Place
from specbuild.git.records import Records, extend, flatten
from specbuild.git.repository import GitFailed, Repository
from specbuild.git.tree import CommitSnapshot
from specbuild.git.undone import Node, Reverts, Told, newest_first
from specbuild.git.walk import Commit, Walked, outside, walk
from specbuild.heap import growing

_LONG_LOG = 100  # moves of the tip; then the nodes are written anew, without those that went


class GitHistory:
    """The History port on a real repository."""

    def __init__(self, repository: Repository, tip: Oid | None) -> None:
        self.tip = tip
        self._repository = repository
        self._snapshots: dict[Oid, CommitSnapshot] = {}
        self._ancestry: dict[tuple[Oid, Oid], bool] = {}
        self._places: dict[Oid, Place] = {}
        self._everywhere: set[tuple[RepoPath, str]] | None = None
        self._elsewhere: dict[tuple[str, ...], Records] = {}
        self._added: dict[Oid, int] = {}  # commits that this process made, numbered as they came
        self._walked: Oid | None = None  # the tip that `_stored` or `_deep` is about
        self._walked_lines = 0
        self._stored: Stored | None = None
        self._deep: Deep | None = None
        self._changed = False
        self._flat = Flat("", cut=False)
        if tip is not None:
            self._find(tip)
        self._records = Records(self._flat)

    # The port

    def checkpoints(self) -> Sequence[Recorded]:
        return self._records

    def concerning(self, name: TaskName, definition: str) -> Sequence[Recorded]:
        """The checkpoints, newest first, that have this definition or this name; the others stay unread."""
        return self._records.concerning(name, definition)

    def with_definition(self, definition: str) -> Iterator[Recorded]:
        return self._records.with_definition(definition)

    def with_targets(self, wanted: Callable[[RepoPath], bool]) -> Iterator[Recorded]:
        """The checkpoints with a target that is wanted, newest first; the others stay unread."""
        return self._records.with_targets(wanted)

    def identity(self, count: int | None = None) -> tuple[int, str]:
        """How many checkpoints the oldest `count` are (None: all), and a digest of which, and if undone."""
        return self._records.identity(count)

    def since(self, count: int) -> Sequence[Recorded]:
        """The checkpoints after the oldest `count`."""
        return self._records.since(count)

    @property
    def cut(self) -> bool:
        """Whether history ends at a shallow clone's boundary: what was not found may lie behind it."""
        return self._flat.cut

    def refuse_cut(self, what: str) -> None:
        """Raises where `what` was not found only because history is cut before it."""
        if self.cut:
            raise RepositoryError(
                f"history is cut (a shallow clone) before {what} was found",
                where=self._repository.git_dir,
                hint="get the rest with `git fetch --unshallow`, or more with `git fetch --deepen=1000`",
            )

    def supersedes(self, newer: Recorded, older: Recorded) -> bool:
        return newer.commit != older.commit and self._descends(newer.commit, older.commit)

    def snapshot(self, commit: Oid) -> CommitSnapshot:
        if commit not in self._snapshots:
            self._snapshots[commit] = CommitSnapshot(self._repository, commit)
        return self._snapshots[commit]

    def with_key(self, key: str) -> Sequence[Recorded]:
        return self._records.with_key(key)

    def elsewhere(self, refs: Sequence[str], key: str | None = None) -> Sequence[Recorded]:
        if not refs:
            return ()
        found = self._elsewhere.get(tuple(refs))
        if found is None:  # once: a run does not see what others record meanwhile
            nodes = self._nodes_of([f"--glob={_as_glob(pattern)}" for pattern in refs])
            found = self._elsewhere[tuple(refs)] = Records(flatten("", nodes, cut=False))
        undone_here = {record.checkpoint.key for record in self._records.undone()}
        return [
            record
            for record in (found if key is None else found.with_key(key))
            if not record.undone and record.checkpoint.key not in undone_here
        ]

    def anywhere(self, path: RepoPath, result: str | None) -> bool:
        if result is not None and any(r.checkpoint.targets.get(path) == result for r in self._records):
            return True
        if self._everywhere is None:
            nodes = self._nodes_of(["--all", "--reflog"])
            self._everywhere = {
                target
                for record in Records(flatten("", nodes, cut=False))
                for target in record.checkpoint.targets.items()
            }
        if result is None:
            return any(found == path for found, _ in self._everywhere)
        return (path, result) in self._everywhere

    # What the builder tells

    def added(self, commit: Oid, checkpoints: Sequence[Checkpoint], time: int) -> None:
        """The tip is now `commit`, just made on top of the one before, with these checkpoints."""
        self.tip = commit
        self._added[commit] = len(self._added)
        self._records.append(commit, checkpoints, time)

    def save(self) -> None:
        """Remembers what was read for the next process; a disk that is read-only costs time, no more."""
        if self.tip is None or not (self._changed or self._added):
            return
        if self._added:
            for column in self._flat.columns:
                del column[self._walked_lines :]
            self._added.clear()
            self._find(self.tip)
            self._records = Records(self._flat)
        historycache.save(self._repository, self._flat, self._deep_state())
        self._changed = False

    # Reading

    def _find(self, tip: Oid) -> None:
        if self._walked is None:
            self._stored = historycache.load(self._repository)
            if self._stored is not None:
                self._walked, self._flat = self._stored.flat.tip, self._stored.flat
        if self._walked != tip:
            self._flat = self._follow_to(tip)
            self._walked, self._changed = tip, True
        self._walked_lines = len(self._flat.lines)

    @growing()
    def _follow_to(self, tip: Oid) -> Flat:
        walked = None if self._walked is None else self._moved(self._walked, tip)
        if walked is None:
            self._stored, self._deep, self._flat = None, Deep(), Flat(tip, cut=False)
            walked = self._all(tip)
        deep = self._deep_state()
        flat = self._follow(deep, self._flat, walked)
        flat.tip, flat.cut = tip, not deep.roots.isdisjoint(_shallow(self._repository))
        return flat

    def _moved(self, before: Oid, tip: Oid) -> Walked | None:
        """What the tip reaches that `before` did not, and the other way round."""
        added = outside(self._repository, tip, partial(self._is_below, {before}))
        if added is not None:
            removed = outside(self._repository, before, partial(self._is_below, added.ends))
            if removed is not None:
                return Walked(added.commits, removed.commits)
        try:
            return walk(self._repository, ["--left-right", f"{tip}...{before}"])
        except GitFailed:  # the remembered commit is gone
            return None

    def _all(self, tip: Oid) -> Walked:
        try:
            return walk(self._repository, [tip])
        except GitFailed as error:
            raise RepositoryError(
                f"history cannot be read from {tip[:12]}: {error.stderr}",
                where=self._repository.git_dir,
                hint="`git fsck` says what is missing",
            ) from error

    def _deep_state(self) -> Deep:
        if self._deep is None:
            self._deep = Deep() if self._stored is None else self._stored.deep()
        return self._deep

    def _follow(self, deep: Deep, flat: Flat, walked: Walked) -> Flat:
        """The lines at a tip that has these commits more, and these less; `deep` comes along."""
        complete = not deep.lineage.table
        self._places = places = deep.lineage.add(walked.added)
        reverts = Reverts(
            self._repository,
            walked.added,
            self._descends,
            self._place,
            complete=complete,
        )
        nodes = _nodes(walked.added, places, reverts)
        gone = [commit.oid for commit in walked.removed if messages.is_interesting(commit.message)]
        deep.roots.difference_update(commit.oid for commit in walked.removed)
        deep.roots.update(commit.oid for commit in walked.added if not commit.parents)
        deep.went(gone)
        deep.came(nodes)
        simple = len(deep.log) <= _LONG_LOG and not any(
            messages.has_revert(commit.message) for commit in walked.removed
        )
        longer = extend(flat, nodes, set(gone)) if simple else None
        return longer or flatten(flat.tip, deep.compact(), cut=False)

    def _nodes_of(self, arguments: Sequence[str]) -> list[Node]:
        """The nodes of other refs that the tip does not reach, newest first."""
        exclude = [] if self.tip is None else ["--not", self.tip]
        try:
            walked = walk(self._repository, ["--ignore-missing", *arguments, *exclude])
        except GitFailed:
            return []  # a broken ref elsewhere is no reason not to build here
        other = GitHistory(self._repository, None)
        other._deep = deep = Deep()
        other._follow(deep, Flat("", cut=False), walked)
        return deep.nodes()

    def _descends(self, newer: Oid, older: Oid) -> bool:
        known = self._ancestry.get((newer, older))
        if known is None:
            known = self._ancestry[newer, older] = self._ask_descent(newer, older)
        return known

    def _ask_descent(self, newer: Oid, older: Oid) -> bool:
        if older in self._added:
            return newer in self._added and self._added[older] < self._added[newer]
        if newer in self._added:
            base = self._walked
            return base is not None and (older == base or self._descends(base, older))
        told = self._precedes(older, newer)
        if told is not None:
            return told
        command = ["merge-base", "--is-ancestor", older, newer]
        try:
            self._repository.git(command)
        except GitFailed:
            return False
        return True

    def _precedes(self, older: Oid, newer: Oid) -> bool | None:
        """Whether one is the other's ancestor; None: what was read of history does not tell."""
        above, below = self._place(newer), self._place(older)
        return None if above is None or below is None else self._deep_state().lineage.precedes(below, above)

    def _is_below(self, tips: AbstractSet[Oid], oid: Oid) -> bool | None:
        """Whether a commit is one of these, which were walked, or an ancestor; None: that is not known."""
        if oid in tips:
            return True
        if self._place(oid) is None:  # it was never walked
            return False
        told = {self._precedes(oid, tip) for tip in tips}
        return True if True in told else None if None in told else False

    def _place(self, oid: Oid) -> Place | None:
        place = self._places.get(oid)
        if place is None:
            place = self._deep_state().lineage.place(oid)
            if place is not None:
                self._places[oid] = place
        return place


def _as_glob(pattern: str) -> str:
    """As it is meant: where no wildcard stands, git would take it for a folder of refs."""
    return pattern if is_glob(pattern) or not pattern else f"{pattern[:-1]}[{pattern[-1]}]"


def _nodes(added: Sequence[Commit], places: Mapping[Oid, Place], reverts: Reverts) -> list[Node]:
    nodes: list[Node] = []
    for commit in added:
        if not messages.is_interesting(commit.message):
            continue
        sections = messages.sections(commit.message)
        undoes = reverts.resolve(commit.oid, sections)
        told = tuple(
            Told(tuple(section.lines), tuple(section.starts), parts)
            for section, parts in zip(sections, undoes, strict=True)
        )
        if told:
            nodes.append(Node(commit.oid, commit.time, places[commit.oid].date, told))
    return newest_first(nodes)


def _shallow(repository: Repository) -> set[Oid]:
    try:
        with open(os.path.join(repository.common_dir, "shallow"), encoding="ascii") as file:
            return set(file.read().split())
    except (OSError, ValueError):
        return set()
