"""The bytes that a run starts from (SPEC section 4, `on_edit`, and section 6, "supplies bytes")."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from specbuild.engine.judge import Judge
from specbuild.engine.ports import Snapshot
from specbuild.engine.result import result_of
from specbuild.engine.task import Entry, RepoPath

Entries = Mapping[RepoPath, Entry]


@dataclass(frozen=True, slots=True)
class Start:
    """A start tree, as differences from the tree that is there, and from HEAD's (None: absent)."""

    changes: Mapping[RepoPath, Entry | None] = field(default_factory=dict)
    elsewhere: bool = False  # it must see other bytes than the tree's: not in the working tree itself
    lost: int | None = None  # the writer whose bytes are in no tree any more


def start_of(judge: Judge, position: int, snapshot: Snapshot) -> Start:
    """Where a `rebuild` task starts: its targets as the nearest earlier writer left them, reads as carried.

    A `keep` task starts from what is there.
    """
    task = judge.graph.tasks[position]
    if not task.rebuild:
        return Start()
    changes: dict[RepoPath, Entry | None] = {}
    for target in task.targets:
        changes.update(_cleared(judge, target, snapshot))
    elsewhere = False
    for source, path, result in _carried(judge, position):
        entries = bytes_of(judge, source, path, result, snapshot)
        if entries is None:
            return Start(lost=source)
        if path not in task.targets:
            elsewhere = elsewhere or judge.result_now(path) != result
            changes.update(_cleared(judge, path, snapshot))
        changes.update(entries)
    return Start(changes, elsewhere)


def _cleared(judge: Judge, path: RepoPath, snapshot: Snapshot) -> dict[RepoPath, Entry | None]:
    """Every file that is at a path now, or is in HEAD though a person removed it, as absent."""
    if not path.endswith("/"):
        there = snapshot.entry(path) is not None or snapshot.tracked(path) is not None
        return {path: None} if there else {}
    tip = judge.history.tip
    recorded = {} if tip is None else judge.history.snapshot(tip).below(path)
    return dict.fromkeys([*snapshot.below(path), *recorded])


def bytes_of(judge: Judge, source: int, path: RepoPath, result: str, snapshot: Snapshot) -> Entries | None:
    """Files whose result at `path` is `result`, from the tree or those of the source's checkpoints."""
    found = entries_at(snapshot, path)
    if result_of(path, found) == result:
        return found
    for recorded in judge.checkpoints(source):
        if recorded.checkpoint.targets.get(path) == result:
            found = entries_at(judge.history.snapshot(recorded.commit), path)
            if result_of(path, found) == result:
                return found
    return None


def entries_at(snapshot: Snapshot, path: RepoPath) -> Entries:
    """The files that a target is, in a snapshot."""
    if path.endswith("/"):
        return snapshot.below(path)
    entry = snapshot.entry(path)
    return {} if entry is None else {path: entry}


def _carried(judge: Judge, position: int) -> Iterator[tuple[int, RepoPath, str]]:
    """Writers with paths and results that the start tree must have.

    Along `needs` only where no later task before this one writes the path; what a claimed task or an
    ignored target stands for has no bytes to lay out.
    """
    graph, task = judge.graph, judge.graph.tasks[position]
    for edge in sorted(graph.content(position), key=lambda edge: edge.kind != "needs"):
        source = graph.index[edge.source]
        recorded = judge.verdict(source).checkpoint
        if recorded is None:
            continue
        for path, result in judge.carried(edge, task):
            nearest = [before for before, _ in graph.writers.nearest(path, position)]
            if path and result != recorded.checkpoint.key and source in nearest:
                yield source, path, result
