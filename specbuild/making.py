"""Makes tasks of texts and decisions: what a task targets and reads, in the tree that it is judged in."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from specbuild.config import Decider, Decision, ExecutorDefaults
from specbuild.engine.checkpoint import Checkpoint
from specbuild.engine.glob import is_glob
from specbuild.engine.paths import normal, outside
from specbuild.engine.ports import Snapshot
from specbuild.engine.task import Need, RepoPath, Task, TaskFile, TaskName, TaskText, Warning_
from specbuild.recalling import Paths, as_recorded, targets_in_prose
from specbuild.taskfile.foreseen import Foreseen
from specbuild.taskfile.links import Leaves, Links
from specbuild.taskfile.paths import resolve

Dialect = Callable[[bytes, RepoPath], TaskFile]


class Known(NamedTuple):
    """What is known of executors and dialects without running any code of the repository."""

    defaults: Callable[[str], ExecutorDefaults | None]
    names: Collection[str]
    files: Mapping[str, RepoPath] = {}  # executor -> the repository's file that holds it
    dialects: Mapping[str, Dialect] = {}


def decided(text: TaskText, decide: Decider) -> tuple[TaskText, Decision | None]:
    """A text with the needs that a rule adds, and the decision about it; None: a group is never run."""
    if text.group:
        return text, None
    decision = decide(text)
    if decision.needs:
        added = (Need(need, explicit=True, line=text.line) for need in decision.needs)
        text = replace(text, needs=(*text.needs, *added))
    return text, decision


class Maker:
    """Makes tasks of texts and decisions, in order: each sees the targets of those before it."""

    def __init__(
        self, snapshot: Snapshot, known: Known, needs: Mapping[TaskName, tuple[TaskName, ...]]
    ) -> None:
        self._known = known
        self._needs = needs
        self._places = Foreseen(snapshot)
        self._links = Links(snapshot.entry, snapshot.read)
        self._blob = lru_cache(maxsize=None)(lambda path: _blob(path, snapshot))

    def task(
        self, text: TaskText, decision: Decision, root: RepoPath, checkpoint: Checkpoint | None
    ) -> tuple[Task, Sequence[Warning_]]:
        warnings: Sequence[Warning_] = ()
        if checkpoint is None:
            paths, warnings = self._resolved(text, root)
        else:
            paths = as_recorded(text, checkpoint)
        if decision.targets is not None:
            paths = paths.declared(self._targets(text, decision.targets, root), decision.targets)
        self._places.add(paths.targets)
        task = Task(
            text=text,
            targets=paths.targets,
            absent=paths.absent,
            targets_declared=decision.targets is not None,
            targets_written=paths.written,
            reads=paths.reads,
            inputs=self._inputs(text, decision, root),
            links=self._links_above(decision, root),
            unresolved=paths.unresolved,
            executor=decision.executor,
            options=decision.options,
            recipe=decision.recipe,
            recipe_where=decision.where,
            on_edit=decision.on_edit,
            writes=decision.writes,
            isolation=decision.isolation,
            verify=decision.verify,
            timeout=decision.timeout,
            retries=decision.retries,
            env=decision.env,
            setup=decision.setup,
            review=decision.review,
            share=decision.share,
            reuse=decision.reuse,
            executor_blob=self._blob(self._known.files.get(decision.executor or "")),
            template=decision.template,
            template_blob=self._blob(decision.template),
            needs=self._needs[text.name],
        )
        return task, warnings

    def _resolved(self, text: TaskText, root: RepoPath) -> tuple[Paths, Sequence[Warning_]]:
        """Paths as the description says them."""
        found = resolve(text, self._places, root=root)
        written = targets_in_prose(text)
        return Paths(found.targets, written, found.reads, found.absent, found.unresolved), found.warnings

    def _targets(self, text: TaskText, declared: Sequence[str], root: RepoPath) -> tuple[RepoPath, ...]:
        below = root if "targets" in text.keys else ""
        return tuple(dict.fromkeys(_real(self._links, normal(path, root=below)) for path in declared))

    def _links_above(self, decision: Decision, root: RepoPath) -> tuple[RepoPath, ...]:
        """What a strict tree must hold for declared paths to be there as they are written."""
        if not decision.inputs and not decision.targets:
            return ()
        written = [*(normal(path) for path in decision.inputs)]
        written += [normal(path, root=root) for path in (*decision.own_inputs, *(decision.targets or ()))]
        above = (link for path in written if outside(path) is None for link in self._links.above(path))
        return tuple(dict.fromkeys(above))

    def _inputs(self, text: TaskText, decision: Decision, root: RepoPath) -> tuple[RepoPath, ...]:
        if not decision.inputs:
            return ()
        links = self._links
        shared = len(decision.inputs) - len(decision.own_inputs)
        below = root if "inputs" in text.keys else ""
        inputs = (
            *(normal(path) for path in decision.inputs[:shared]),
            *(normal(path, root=below) for path in decision.own_inputs),
        )
        return tuple(dict.fromkeys(each for path in inputs for each in _followed(links, _real(links, path))))


def _real(links: Links, path: RepoPath) -> RepoPath:
    """Where a path leads; one that leads out stays as it is, to be refused by that name."""
    if path.startswith("@") or outside(path):
        return path
    try:
        return links.real(path)
    except Leaves:
        return path


def _followed(links: Links, path: RepoPath) -> tuple[RepoPath, ...]:
    """An input, and what it leads to where it is a symlink: an earlier task may make that."""
    if path.startswith("@") or is_glob(path):
        return (path,)
    try:
        leads = links.end(path)
    except Leaves:
        return (path,)
    return (path,) if leads == path else (path, leads)


def _blob(path: RepoPath | None, snapshot: Snapshot) -> str | None:
    entry = snapshot.entry(path) if path else None
    return entry.oid if entry else None
