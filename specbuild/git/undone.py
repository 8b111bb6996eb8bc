"""Which checkpoints were taken back: by reverts, also where a rebase gave the reverted commit another id."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from specbuild.engine.task import Oid
from specbuild.git import messages
from specbuild.git.lineage import Place
from specbuild.git.repository import GitFailed, Repository
from specbuild.git.walk import Commit, walk

WHOLE = -1
Part = tuple[Oid, int]
"""A commit and the index of one of its sections, or WHOLE."""


class Told(NamedTuple):
    """What one section of a commit's message tells."""

    lines: tuple[bytes, ...]
    starts: tuple[bytes, ...]
    undoes: tuple[Part, ...]


class Node(NamedTuple):
    """A commit with checkpoint lines or reverts."""

    oid: Oid
    time: int
    date: int  # see lineage.Place
    sections: tuple[Told, ...]


class Reverts:
    """Finds what reverts mean, once for each: it depends only on what the revert's commit descends from."""

    def __init__(
        self,
        repository: Repository,
        added: Sequence[Commit],
        descends: Callable[[Oid, Oid], bool],
        place: Callable[[Oid], Place | None],
        *,
        complete: bool,
    ) -> None:
        self._repository = repository
        self._added = {commit.oid: commit for commit in added}
        self._descends = descends
        self._place = place
        self._complete = complete  # whether `added` is the whole history
        self._subjects: dict[bytes, list[Commit]] | None = None

    def resolve(self, commit: Oid, sections: Sequence[messages.Section]) -> list[tuple[Part, ...]]:
        """For each section of a commit's message the parts of history that it takes back."""
        return [
            tuple(
                part
                for revert in section.reverts
                for part in self._resolve(commit, revert, sections, but=number)
            )
            for number, section in enumerate(sections)
        ]

    def _resolve(
        self, commit: Oid, revert: messages.Revert, sections: Sequence[messages.Section], *, but: int
    ) -> Iterable[Part]:
        siblings = [
            number
            for number, section in enumerate(sections)
            if number != but and section.commit is not None and section.commit.startswith(revert.id)
        ]
        if siblings:
            return [(commit, number) for number in siblings]
        target = self._by_id(commit, revert.id)
        if target is not None:
            return self._parts_of(target, revert.mainline)
        if revert.subject is None:
            return ()
        siblings = [
            number
            for number, section in enumerate(sections)
            if number != but and revert.subject in section.starts
        ]
        if siblings:
            return [(commit, number) for number in siblings]
        return self._by_subject(commit, revert.subject)

    def _by_id(self, commit: Oid, prefix: str) -> Oid | None:
        try:
            found = str(self._repository.raw[prefix].id)
        except (KeyError, ValueError):  # gone, or no longer unique
            return self._nearest(commit, prefix)
        return found if self._is_below(found, commit) else None

    def _nearest(self, commit: Oid, prefix: str) -> Oid | None:
        """The newest ancestor whose id begins so."""
        if len(prefix) == 40:
            return None
        found = self._repository.git(["rev-parse", f"--disambiguate={prefix}"]).decode().split()
        places = {oid: self._place(oid) for oid in found if self._is_below(oid, commit)}
        dates = [(place.date, oid) for oid, place in places.items() if place is not None]
        return max(dates)[1] if dates else None

    def _is_below(self, oid: Oid, commit: Oid) -> bool:
        is_commit = self._repository.raw[oid].type_str == "commit"
        return is_commit and oid != commit and self._descends(commit, oid)

    def _parts_of(self, target: Oid, mainline: str | None) -> Iterable[Part]:
        """A merge stands for all that came in with it."""
        parents = self._parents(target)
        if len(parents) < 2:
            return [(target, WHOLE)]
        for stays in filter(None, (mainline, parents[0])):
            try:
                side = self._repository.git(["rev-list", target, f"^{stays}", "--"]).decode().split()
            except GitFailed:
                continue
            return [(oid, WHOLE) for oid in side]
        return [(target, WHOLE)]

    def _parents(self, oid: Oid) -> Sequence[Oid]:
        if oid in self._added:
            return self._added[oid].parents
        return self._repository.git(["rev-list", "--parents", "-n1", oid, "--"]).decode().split()[1:]

    def _by_subject(self, commit: Oid, subject: bytes) -> Iterable[Part]:
        """The newest earlier commit with this subject, or with a squashed message of this subject."""
        target = self._newest(commit, subject)
        if target is None:
            return ()
        return _sections_meant(target, subject) or self._parts_of(target.oid, None)

    def _newest(self, commit: Oid, subject: bytes) -> Commit | None:
        """By the order of all history: a walk's own order is another one from each tip."""
        if self._subjects is None:
            self._subjects = {}
            for added in sorted(self._added.values(), key=self._rank):
                for start in _starts(added):
                    self._subjects.setdefault(start, []).append(added)
        near = (found for found in self._subjects.get(subject, ()) if found.oid != commit)
        target = next((found for found in near if self._descends(commit, found.oid)), None)
        if self._complete:
            return target
        # What the target descends from is older; what was walked before and is not, may be newer.
        known, below = ([], []) if target is None else ([target], [f"^{target.oid}"])
        known += [
            found
            for found in walk(self._repository, [commit, *below]).added
            if found.oid != commit and subject in _starts(found)
        ]
        return min(known, key=self._rank, default=None)

    def _rank(self, commit: Commit) -> tuple[int, int, Oid]:
        place = self._place(commit.oid)
        return _order(commit.time if place is None else place.date, commit.time, commit.oid)


def _starts(commit: Commit) -> set[bytes]:
    """The subjects that a commit may be quoted by: its own, and those of the messages squashed in it."""
    found = {messages.subject(commit.message)}
    if messages.is_interesting(commit.message):
        found.update(start for section in messages.sections(commit.message) for start in section.starts)
    return found


def _sections_meant(target: Commit, subject: bytes) -> list[Part]:
    """Of a squashed commit only the sections meant, unless it is meant as a whole."""
    if messages.subject(target.message) == subject:
        return []
    sections = messages.sections(target.message)
    return [(target.oid, number) for number, found in enumerate(sections) if subject in found.starts]


def newest_first(nodes: Iterable[Node]) -> list[Node]:
    """Topologically, then by time; never by what happened to be read first."""
    return sorted(nodes, key=lambda node: _order(node.date, node.time, node.oid))


def _order(date: int, time: int, oid: Oid) -> tuple[int, int, Oid]:
    return -date, -time, oid


def undone_parts(nodes: Iterable[Node]) -> set[Part]:
    """The parts that reverts take back which are themselves not taken back; nodes come newest first."""
    undone: set[Part] = set()
    for node in nodes:
        if (node.oid, WHOLE) in undone:
            continue
        for number, told in enumerate(node.sections):
            if (node.oid, number) not in undone and _stands(node, number, frozenset()):
                undone.update(told.undoes)
    return undone


def _stands(node: Node, number: int, asked: frozenset[int]) -> bool:
    """Whether no other section of the same squashed commit takes this one back."""
    return not any(
        (node.oid, number) in told.undoes and _stands(node, other, asked | {number})
        for other, told in enumerate(node.sections)
        if other != number and other not in asked
    )


def undone_lines(nodes: Sequence[Node]) -> list[bool]:
    """For every line of every node, in order, whether it is undone (SPEC section 6).

    An undone line takes its task's older ones with the same key with it: they say the same thing.
    """
    parts = undone_parts(nodes)
    if not parts:
        return [False] * sum(len(told.lines) for node in nodes for told in node.sections)
    gone: set[tuple[bytes, bytes]] = set()  # key with definition, key with name
    flags: list[bool] = []
    for node in nodes:
        found: set[tuple[bytes, bytes]] = set()
        for number, told in enumerate(node.sections):
            undone = (node.oid, WHOLE) in parts or (node.oid, number) in parts
            for line in told.lines:
                words = line.split(b" ")
                identities = {(words[2], words[4]), (words[2], words[7])}
                flags.append(undone or bool(identities & gone))
                if undone:
                    found |= identities
        gone |= found
    return flags
