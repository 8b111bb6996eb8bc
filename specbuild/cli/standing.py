"""Verdicts as a memo keeps them, with all that they looked at, and which of them still stand."""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import NamedTuple

from specbuild.cli.shelf import Shelf
from specbuild.engine.checkpoint import Recorded
from specbuild.engine.graph import Graph
from specbuild.engine.judge import Judge
from specbuild.engine.modes import SUBMODULE, SYMLINK
from specbuild.engine.ports import Snapshot
from specbuild.engine.task import Entry, Oid, RepoPath
from specbuild.engine.verdict import Verdict


class Rows(NamedTuple):
    """Verdicts by row, with the single files that they looked at, and what stood there."""

    positions: tuple[int, ...]
    verdicts: Sequence[Verdict]
    looked: tuple[tuple[int, ...], ...]  # by row: places in `paths`
    paths: tuple[RepoPath, ...]
    stood: tuple[tuple[int, Oid] | None, ...]  # by path
    apart: frozenset[int]  # places of paths at which the basis' commit has something else
    well: frozenset[int]  # positions that are up to date
    naming: frozenset[int]  # positions whose prose means what happens to be there
    above: tuple[tuple[int, ...], ...]  # by position of any task: those whose staleness it inherits


class Standing(Mapping[int, Verdict]):
    """The verdicts that still stand, by position; each is read when somebody asks for it."""

    def __init__(self, rows: Rows, standing: Mapping[int, int]) -> None:
        self._rows = rows
        self._standing = standing  # position -> row

    def __getitem__(self, position: int) -> Verdict:
        return self._rows.verdicts[self._standing[position]]

    def __contains__(self, position: object) -> bool:
        return position in self._standing

    def __iter__(self) -> Iterator[int]:
        return iter(self._standing)

    def __len__(self) -> int:
        return len(self._standing)

    @property
    def well(self) -> frozenset[int]:
        """Positions that are up to date; of others than those that stand, too."""
        return self._rows.well

    def looked(self) -> set[RepoPath]:
        """The files that the verdicts looked at."""
        rows = self._rows
        if len(self) == len(rows.positions):
            return set(rows.paths)
        return {rows.paths[place] for row in self._standing.values() for place in rows.looked[row]}

    @property
    def has_links(self) -> bool:
        """Whether a symlink is among the files that some verdict looked at."""
        return any(stood is not None and stood[0] == SYMLINK for stood in self._rows.stood)

    @property
    def depend_on_names(self) -> bool:
        """Whether one that still stands does; see the function of this name."""
        return not self._rows.naming.isdisjoint(self._standing)


def still(
    rows: Rows,
    graph: Graph,
    snapshot: Snapshot,
    new: Sequence[Recorded],
    doubtful: Container[RepoPath] | None,
) -> dict[int, int]:
    """Rows, by position, of which nothing changed, nor of any task that they depend on.

    `new`: checkpoints that came since; `doubtful`: paths of the basis' commit that may have changed
    since (None: all).
    """
    entry = snapshot.entry
    definitions = {recorded.checkpoint.definition for recorded in new}
    gone = {graph.index.get(recorded.checkpoint.name, -1) for recorded in new}
    if definitions:
        gone.update(p for p, definition in enumerate(graph.definitions) if definition in definitions)
    changed = {
        place
        for place, path in enumerate(rows.paths)
        if (doubtful is None or path in doubtful or place in rows.apart) and entry(path) != rows.stood[place]
    }
    found = {
        position: row
        for row, position in enumerate(rows.positions)
        if position not in gone and (not changed or changed.isdisjoint(rows.looked[row]))
    }
    if len(found) == len(graph.tasks):
        return found
    lost = {position for position in range(len(graph.tasks)) if position not in found}
    for position in graph.order:
        if not lost.isdisjoint(rows.above[position]) and position in found:
            del found[position]
            lost.add(position)
    return found


def rows_of(judge: Judge, commit: Snapshot) -> Rows:
    """All verdicts that looked at nothing but single files; `commit`: what the judged tree stands on."""
    places: dict[RepoPath, int] = {}
    stood: list[tuple[int, Oid] | None] = []
    found: list[tuple[int, Verdict, tuple[int, ...]]] = []
    for position in range(len(judge.graph.tasks)):
        looked = _looked(judge, position)
        if looked is None:
            continue
        for path, held in looked.items():
            if path not in places:
                places[path] = len(places)
                stood.append(held)
        found.append((position, judge.verdict(position), tuple([places[path] for path in looked])))
    return Rows(
        positions=tuple([position for position, _, _ in found]),
        verdicts=Shelf.of([verdict for _, verdict, _ in found]),
        looked=tuple([looked for _, _, looked in found]),
        paths=tuple(places),
        stood=tuple(stood),
        apart=frozenset([place for path, place in places.items() if commit.entry(path) != stood[place]]),
        well=frozenset([position for position, verdict, _ in found if verdict.state == "up-to-date"]),
        naming=frozenset([p for p, _, _ in found if depends_on_names(judge, p)]),
        above=tuple([_above(judge.graph, position) for position in range(len(judge.graph.tasks))]),
    )


def _above(graph: Graph, position: int) -> tuple[int, ...]:
    return tuple([graph.index[edge.source] for edge in graph.content(position)])


def _looked(judge: Judge, position: int) -> dict[RepoPath, tuple[int, Oid] | None] | None:
    """The single files that a verdict looked at, and what stood there; None: it looked at more than such."""
    entry, task = judge.snapshot.entry, judge.graph.tasks[position]
    recorded, inputs = judge.verdict(position).checkpoint, judge.inputs(position)
    if judge.looks_widely(position) or (recorded is not None and recorded.checkpoint.local != "-"):
        return None
    looked = {path: _pair(entry(path)) for path, _ in inputs.committed}
    if any(held is None or held[0] in (SYMLINK, SUBMODULE) for held in looked.values()):
        return None
    # Of several checkpoints that may count, the one counts whose results the tree has.
    others = {path for each in judge.checkpoints(position) for path in each.checkpoint.targets}
    targets = {*task.targets, *(recorded.checkpoint.targets if recorded is not None else ())}
    stood = {path: _pair(entry(path)) for path in sorted(targets | others)}
    if any(path.endswith("/") for path in stood):
        return None
    if recorded is not None and any(stood[path] is None for path in targets):
        return None
    return looked | stood


def depends_on_names(judge: Judge, position: int) -> bool:
    """Whether paths in a task's prose mean what happens to be there, not what a checkpoint recorded."""
    text = judge.graph.tasks[position].text
    if not text.mentions:
        return False
    recorded = judge.checkpoints(position)
    return not any(found.checkpoint.definition == text.definition and not found.undone for found in recorded)


def _pair(entry: Entry | None) -> tuple[int, Oid] | None:
    """An entry as what is read fastest, and equals it."""
    return None if entry is None else (entry.mode, entry.oid)
