"""Judges one pushed commit as hooks do (SPEC section 10): what refuses the push, what is only told."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

from specbuild.cli.check import find_stale
from specbuild.cli.parts import Here, Selection, short_ids
from specbuild.engine.plan import waits_for
from specbuild.engine.task import Oid, RepoPath, TaskName
from specbuild.engine.verdict import Verdict
from specbuild.errors import ConfigError
from specbuild.project import reported_files


class Pushed(Here):
    """A commit, judged for the branch that it is pushed as."""

    def __init__(self, commit: Oid, branch: str | None) -> None:
        super().__init__(Selection(), at=commit)
        self.branch = branch
        self.outcomes = {}  # of runs in the working tree

    @cached_property
    def reported(self) -> frozenset[RepoPath]:
        """Where nothing says which of several task files is meant, all are: a hook cannot ask."""
        try:
            files = reported_files(self.loaded, tasks=(), everything=False, branch=self.branch)
        except ConfigError:
            files = self.loaded.project.files
        return frozenset(files)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Positions of a pushed commit's stale tasks, by what a hook makes of them."""

    here: Pushed
    refused: tuple[int, ...]
    keep: tuple[int, ...] = ()  # a person's or an agent's, so not ours to start
    waiting: tuple[int, ...] = ()  # never done, and behind one of `keep`, `rolled_back` or `skipped`
    rolled_back: tuple[int, ...] = ()
    skipped: tuple[int, ...] = ()

    @property
    def buildable(self) -> frozenset[TaskName]:
        """All that a build may run: also what it makes stale on its way, but nothing that is only told."""
        left = {*self.keep, *self.waiting, *self.rolled_back, *self.skipped}
        keeps = self.here.loaded.config.hooks.keep
        tasks = self.here.tasks
        return frozenset(
            tasks[position].name
            for position in self.here.chosen()
            if position not in left and (keeps or tasks[position].rebuild)
        )

    @property
    def silent(self) -> bool:
        return not (self.refused or self.keep or self.waiting or self.rolled_back or self.skipped)

    def told(self) -> Iterator[str]:
        """What is only mentioned, a line for each kind."""
        kinds = (
            ("keep tasks are left to you", self.keep),
            ("waiting for those", self.waiting),
            ("rolled back, so left alone", self.rolled_back),
            ("skipped by SPECBUILD_SKIP", self.skipped),
        )
        name = short_ids(self.here)
        for what, positions in kinds:
            if positions:
                listed = [name(self.here.tasks[position].name) for position in positions[:12]]
                more = f" and {len(positions) - 12} more" if len(positions) > 12 else ""
                yield f"{what}: {', '.join(listed)}{more}"

    def lines(self) -> Iterator[str]:
        """What is stale and refused, a line for each task."""
        name = short_ids(self.here)
        for position in self.refused:
            task, verdict = self.here.tasks[position], self.here.judge.verdict(position)
            yield f"{name(task.name)} {task.text.title}: {'; '.join(map(str, verdict.reasons))}"


def judge(here: Pushed, *, check: bool, skip: Collection[str] = ()) -> Judgement:
    """What a hook makes of a commit. `check`: only what is stale though completed counts."""
    here.memorise()
    stale = find_stale(here, completed=check)
    skipped = {position for position in stale if _is_named(here, position, skip)}
    rolled = _rolled_back(here, [position for position in stale if position not in skipped])
    rest = [position for position in stale if position not in skipped | rolled]
    keeps = set() if here.loaded.config.hooks.keep else {p for p in rest if not here.tasks[p].rebuild}
    counted = [position for position in rest if position not in keeps]
    waiting = _waiting(here, counted, {*keeps, *rolled, *skipped})
    refused = [position for position in counted if position not in waiting]
    here.refuse_cut([here.judge.verdict(position) for position in refused])
    return Judgement(
        here,
        tuple(refused),
        tuple(sorted(keeps)),
        tuple(sorted(waiting)),
        tuple(sorted(rolled)),
        tuple(sorted(skipped)),
    )


def _is_named(here: Pushed, position: int, names: Collection[str]) -> bool:
    name = here.tasks[position].name
    return name.id.casefold() in names or str(name).casefold() in names


def _rolled_back(here: Pushed, stale: Collection[int]) -> set[int]:
    """Stale only because a person took them, or what they depend on, back."""
    found: set[int] = set()
    index = here.loaded.project.graph.index

    def follows(verdict: Verdict) -> bool:
        return all(
            reason.code == "rolled-back"
            or (
                reason.code == "dependency-changed"
                and reason.task is not None
                and index[reason.task] in found
            )
            for reason in verdict.reasons
        )

    wanted = set(stale)
    for position in here.loaded.project.graph.order if wanted else ():
        if position in wanted and (verdict := here.judge.verdict(position)).stale and follows(verdict):
            found.add(position)
    return found


def _waiting(here: Pushed, counted: Collection[int], held: Collection[int]) -> set[int]:
    """Tasks that were never done and that a build could not reach: unfinished work, which may be pushed."""
    graph = here.loaded.project.graph
    found: set[int] = set()
    wanted = set(counted)
    for position in graph.order if wanted else ():
        if position not in wanted:
            continue
        if here.judge.verdict(position).checkpoint is not None or here.judge.checkpoints(position):
            continue  # it was done before
        if any((hard and source in held) or source in found for source, hard in waits_for(graph, position)):
            found.add(position)
    return found


def edited(tree: Here, judgement: Judgement) -> list[RepoPath]:
    """Uncommitted files that a build in this tree, or in what is pushed, would use or overwrite.

    Both count: an input that came to a pattern is only in the tree, one that was removed only in the commit.
    """
    dirty = tree.tree.dirty()
    if not dirty:
        return []
    relevant: set[RepoPath] = set()
    for here in (tree, judgement.here):
        graph = here.loaded.project.graph
        relevant.update(here.loaded.project.sources)
        for name in judgement.buildable:
            if name in graph.index:
                position = graph.index[name]
                relevant.update(here.judge.inputs(position).paths, graph.tasks[position].targets)
    folders = tuple(path for path in relevant if path.endswith("/"))
    return sorted(path for path in dirty if path in relevant or path.startswith(folders))
