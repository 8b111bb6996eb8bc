"""Verdict and reasons of a task, from a snapshot and its history (SPEC section 5): looks, never changes."""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property, lru_cache

from specbuild.engine.checkpoint import ABSENT, Checkpoint, Recorded
from specbuild.engine.edges import Edge
from specbuild.engine.graph import Graph
from specbuild.engine.inputs import MISSING, Emptied, Inputs, Looker, looked_through
from specbuild.engine.key import KeyParts, digest
from specbuild.engine.ports import History, Snapshot
from specbuild.engine.recipe import placeholders
from specbuild.engine.result import result_of
from specbuild.engine.task import RepoPath, Task
from specbuild.engine.values import values
from specbuild.engine.verdict import Reason, Verdict

CLAIMED = "claimed"
NOTHING = "none"
"""What an edge carries from a task that was never completed."""


class Judge:
    """Judges the tasks of one graph; each after those it depends on."""

    def __init__(
        self,
        graph: Graph,
        snapshot: Snapshot,
        history: History,
        *,
        task_files: Mapping[RepoPath, Emptied],
        environment: Mapping[str, str],
        never: Collection[RepoPath] = (),
        known: Mapping[int, Verdict] | None = None,
        well: AbstractSet[int] = frozenset(),
    ) -> None:
        """`known`: verdicts found before, of tasks for which nothing changed since.

        `well`: positions of those that are up to date, for who need not look the verdict up.
        """
        self.graph = graph
        self.snapshot = snapshot
        self.history = history
        self._task_files = task_files
        self._environment = environment
        self._never = never  # documents about the work, which are no inputs (SPEC section 9, `report`)
        self._looker = self._look_at(snapshot)
        self._owners = _Owners(graph)
        self._rank = {position: rank for rank, position in enumerate(graph.order)}
        self._found: dict[int, list[Recorded]] = {}
        self._verdicts: dict[int, Verdict] = {}
        self._known = known or {}
        self._standing = {*self._known}  # positions of which nothing was forgotten
        self._well = well
        self._inputs: dict[int, Inputs] = {}
        self._doubtful: set[int] = set()  # depend on what was forgotten or recorded since they were judged

    def all(self) -> Sequence[Verdict]:
        """Every task's verdict, in order of the tasks."""
        for position in self.graph.order:
            self.verdict(position)
        return [self._verdicts[position] for position in range(len(self.graph.tasks))]

    def verdict(self, position: int) -> Verdict:
        """One task's; remembered until `forget`."""
        if position not in self._verdicts:
            if position in self._standing:
                self._verdicts[position] = self._known[position]
            else:
                for place in self._unjudged(position):
                    self._verdicts[place] = self._judge(place)
        return self._verdicts[position]

    def is_up_to_date(self, position: int) -> bool:
        """As its verdict says, which is looked up only where that is not known anyway."""
        if position in self._well and position in self._standing and position not in self._verdicts:
            return True
        return self.verdict(position).state == "up-to-date"

    def _is_judged(self, position: int) -> bool:
        return position in self._verdicts or position in self._standing

    def _unjudged(self, position: int) -> list[int]:
        """The task after all that it depends on by content: asked of each other they would fill the stack."""
        found, waiting = {position}, [position]
        while waiting:
            for edge in self.graph.content(waiting.pop()):
                source = self.graph.index[edge.source]
                if source not in found and not self._is_judged(source):
                    found.add(source)
                    waiting.append(source)
        return sorted(found, key=self._rank.__getitem__) if len(found) > 1 else [position]

    def forget(self, position: int) -> None:
        """The tree changed where this task looks: the next question looks again."""
        self._verdicts.pop(position, None)
        self._standing.discard(position)
        self._inputs.pop(position, None)
        self._doubtful.update(self._followers.get(position, ()))

    def renew(self, position: int, touched: AbstractSet[RepoPath]) -> None:
        """As `forget`, unless it is certain that the answer would be the same.

        `touched`: files that may have changed since they were looked at.
        """
        if position in self._doubtful or not self._is_judged(position) or self.looks_widely(position):
            self._doubtful.discard(position)
            self.forget(position)
        elif touched:
            task, inputs = self.graph.tasks[position], self._inputs.get(position)
            paths = self.graph.looks[position] if inputs is None else inputs.paths
            looked = (*paths, *task.targets, *task.reads, *task.inputs)
            if not touched.isdisjoint(looked):
                self.forget(position)

    def recorded(self, position: int, recorded: Recorded) -> None:
        """A new checkpoint of a task is in the history."""
        if position in self._found:
            self._found[position].insert(0, recorded)
        self.forget(position)

    @cached_property
    def _followers(self) -> Mapping[int, Sequence[int]]:
        """By task, those that depend on it by content."""
        found: dict[int, list[int]] = defaultdict(list)
        for position in range(len(self.graph.tasks)):
            for edge in self.graph.content(position):
                found[self.graph.index[edge.source]].append(position)
        return found

    def looks_widely(self, position: int) -> bool:
        """Whether it looks at more than single files that git does not ignore."""
        task, inputs = self.graph.tasks[position], self._inputs.get(position)
        if inputs is None and position in self._standing:
            return False  # of such a task no verdict is kept
        if inputs is not None and (inputs.ignored or any(value == MISSING for _, value in inputs.committed)):
            return True
        folders = any(path.endswith("/") for path in task.targets)
        return bool(task.env) or folders or any(looked_through(task, self.snapshot))

    def stands(self, position: int) -> bool:
        """Whether its verdict is one that was known before, and that nothing has called into question."""
        return position in self._standing

    def assume(self, position: int, checkpoint: Checkpoint) -> None:
        """Judges what is below as if this checkpoint, which no commit holds yet, were recorded now."""
        recorded = Recorded(checkpoint, commit="", order=-1, undone=False, time=0)
        key, local = checkpoint.key, checkpoint.local
        self._verdicts[position] = Verdict("up-to-date", key, local, checkpoint=recorded)

    def checkpoints(self, position: int) -> Sequence[Recorded]:
        """All that belong to a task, newest first, undone ones included."""
        found = self._found.get(position)
        if found is None:
            text = self.graph.tasks[position].text
            concerning = self.history.concerning(text.name, text.definition)
            found = [recorded for recorded in concerning if self._owners.of(recorded) == position]
            self._found[position] = found
        return found

    def inputs(self, position: int) -> Inputs:
        if position not in self._inputs:
            self._inputs[position] = self._looker.look(self.graph, position)
        return self._inputs[position]

    def parts(self, position: int, tree: Snapshot | None = None) -> KeyParts:
        """What the task's key is made of, now, or in a tree that a commit is about to record."""
        task = self.graph.tasks[position]
        inputs = self.inputs(position) if tree is None else self.look(position, tree)
        return KeyParts(
            definition=task.text.definition,
            written=tuple(sorted(task.targets_written)),
            recipe=recipe_parts(task, inputs) if task.rebuild else (),
            inputs=inputs.committed,
            carried=tuple(
                pair for edge in self.graph.content(position) for pair in self.carried(edge, task, tree)
            ),
        )

    def look(self, position: int, tree: Snapshot) -> Inputs:
        """What the task looks at in another tree."""
        return self._look_at(tree).look(self.graph, position)

    def _look_at(self, tree: Snapshot) -> Looker:
        return Looker(tree, self._task_files, self._never)

    def local(self, position: int) -> str:
        """The second digest: declared environment values and ignored inputs; `-` where there are none."""
        task = self.graph.tasks[position]
        ignored = self.inputs(position).ignored
        if not task.env and not ignored:
            return "-"
        values_ = [f"{name}={self._environment.get(name, chr(0))}" for name in sorted(task.env)]
        return digest("local 1", digest(*values_), *(text for pair in ignored for text in pair))

    def carried(
        self, edge: Edge, reader: Task, tree: Snapshot | None = None
    ) -> Iterator[tuple[RepoPath, str]]:
        """What a content edge carries to the task that holds it: results, by path."""
        tree = tree or self.snapshot
        position = self.graph.index[edge.source]
        task = self.graph.tasks[position]
        verdict = self.verdict(position)
        if verdict.checkpoint is None:
            if verdict.state != "claimed":
                yield edge.path or "", NOTHING
            elif not reader.rebuild:
                yield edge.path or "", CLAIMED
            else:
                for path in [edge.path] if edge.path else task.targets:
                    yield path, self._result(tree, path)
            return
        checkpoint = verdict.checkpoint.checkpoint
        if edge.path is None and not checkpoint.targets:
            yield "", checkpoint.key
        for path in [edge.path] if edge.path else sorted(checkpoint.targets):
            result = checkpoint.targets.get(path)
            if reader.rebuild and result != checkpoint.key and self.carries_bytes(position, path):
                yield path, self._result(tree, path)
            else:
                yield path, result or self._result(tree, path)

    def carries_bytes(self, source: int, path: RepoPath) -> bool:
        """Whether an edge into a `rebuild` task carries the tree's bytes.

        From a `keep` task that is the last writer it does: a hand fix rebuilds what is made of it.
        """
        return not self.graph.tasks[source].rebuild and self.graph.writers.last(path) == source

    def carried_bytes(self, position: int) -> Mapping[RepoPath, str]:
        """What `keep` tasks carry into a `rebuild` task, by path: people may edit that at any time."""
        graph, task = self.graph, self.graph.tasks[position]
        if not task.rebuild:
            return {}
        edges = [e for e in graph.content(position) if not graph.tasks[graph.index[e.source]].rebuild]
        return {path: result for edge in edges for path, result in self.carried(edge, task) if path}

    def result_now(self, path: RepoPath) -> str:
        """The result that the snapshot has at a path."""
        return self._result(self.snapshot, path)

    def has_results(self, recorded: Recorded, snapshot: Snapshot) -> bool:
        """Whether a snapshot still has what a checkpoint states."""
        return all(
            self._result(snapshot, path) == result for path, result in recorded.checkpoint.targets.items()
        )

    @staticmethod
    def _result(snapshot: Snapshot, path: RepoPath) -> str:
        if path.endswith("/"):
            return result_of(path, snapshot.below(path))
        entry = snapshot.entry(path)
        return result_of(path, {} if entry is None else {path: entry})

    def _judge(self, position: int) -> Verdict:
        task = self.graph.tasks[position]
        found = self.checkpoints(position)
        key, local = self.parts(position).key(), self.local(position)
        may_run = any(
            above.stale or above.may_run
            for above in (
                self.verdict(self.graph.index[edge.source]) for edge in self.graph.content(position)
            )
        )
        if not found:
            if task.text.ticked and not task.rebuild:
                return Verdict("claimed", key, local, may_run=may_run)
            return Verdict("stale", key, local, (Reason("never-run"),), may_run)
        fit = self._best(
            self._live(position, lambda r: r.checkpoint.key == key and self._local_fits(r, local))
        )
        counting = fit or self._best(self._live(position))
        reasons: list[Reason]
        if fit is not None:
            reasons = list(self._target_reasons(task, position, fit))
        else:
            base = found[0]
            reasons = [Reason("rolled-back", commit=base.commit)] if base.undone else []
            reasons += self._changes(position, base if base.undone else counting or base, key, local)
        return Verdict("stale" if reasons else "up-to-date", key, local, tuple(reasons), may_run, counting)

    def _local_fits(self, recorded: Recorded, local: str) -> bool:
        return not self.snapshot.working or recorded.checkpoint.local == local

    def _best(self, candidates: Iterable[Recorded]) -> Recorded | None:
        """One whose results the tree has, else the newest; looks no further than it must."""
        newest: Recorded | None = None
        for recorded in candidates:
            if self.has_results(recorded, self.snapshot):
                return recorded
            newest = newest or recorded
        return newest

    def _live(self, position: int, wanted: Callable[[Recorded], bool] = lambda _: True) -> Iterator[Recorded]:
        """Of a task's checkpoints, those that no newer one supersedes; several after a merge or a squash.

        To ask for ancestry is what costs in a long history, so it is asked last.
        """
        rebuild = self.graph.tasks[position].rebuild
        newer: list[Recorded] = []
        for recorded in self.checkpoints(position):
            if recorded.undone:
                continue
            if (
                wanted(recorded)
                and not any(
                    other.commit != recorded.commit and self.history.supersedes(other, recorded)
                    for other in newer
                )
                and (rebuild or self._is_held(position, recorded))
            ):
                yield recorded
            newer.append(recorded)

    def _is_held(self, position: int, recorded: Recorded) -> bool:
        """Of several lines of a `keep` task in one commit those count whose results its tree has, if any."""
        lines = [
            other
            for other in self.checkpoints(position)
            if other.commit == recorded.commit and not other.undone
        ]
        if len(lines) < 2:
            return True
        tree = self.history.snapshot(recorded.commit)
        return self.has_results(recorded, tree) or not any(self.has_results(line, tree) for line in lines)

    def _target_reasons(self, task: Task, position: int, counting: Recorded) -> Iterator[Reason]:
        checkpoint = counting.checkpoint
        for path, result in checkpoint.targets.items():
            if result == checkpoint.key:  # git ignores it: only its presence can be looked at
                if self.snapshot.working and not self.snapshot.exists(path):
                    yield Reason("target-missing", path)
                continue
            if self.graph.writers.last(path) not in {position, None}:
                continue
            now = self.result_now(path)
            if now == result:
                continue
            if task.rebuild:
                missing = now == ABSENT
                yield Reason("target-missing" if missing else "target-edited", path, old=result, new=now)
            elif now == ABSENT and self.snapshot.working and self._committed(path):
                yield Reason("target-missing", path, old=result, new=now)

    def _committed(self, path: RepoPath) -> bool:
        if path.endswith("/"):
            return self.snapshot.tracked_below(path)
        return self.snapshot.tracked(path) is not None

    def _changes(self, position: int, base: Recorded, key: str, local: str) -> Iterator[Reason]:
        """Why a key is not the one of `base`: each part now against what stood in its commit."""
        task, checkpoint = self.graph.tasks[position], base.checkpoint
        if checkpoint.key == key:
            if self.snapshot.working and checkpoint.local != local:
                yield Reason("local-changed")
            return
        if checkpoint.definition != task.text.definition:
            yield Reason("definition-changed", old=checkpoint.definition, new=task.text.definition)
        now = self.parts(position)
        then = self.look(position, self.history.snapshot(base.commit)).committed
        yield from _input_changes(dict(then), dict(now.inputs))
        then_along: list[tuple[Edge, list[tuple[str, str]]]] = []
        for edge in self.graph.content(position):
            before = list(self._carried_then(edge, task, base))
            then_along.append((edge, before))
            if before != (after := list(self.carried(edge, task))):
                yield _dependency_change(edge, before, after)
        as_then = now._replace(definition=checkpoint.definition, inputs=then)
        if checkpoint.definition == task.text.definition:
            new = _new_edges(as_then, then_along, checkpoint.key)
            if new is None:
                yield Reason("executor-changed")
            for edge in new or ():
                before, after = dict(then_along)[edge], list(self.carried(edge, task))
                if before == after:  # otherwise it is told already
                    yield _dependency_change(edge, [], after)
        if self.snapshot.working and checkpoint.local != local:
            yield Reason("local-changed")

    def _carried_then(self, edge: Edge, reader: Task, base: Recorded) -> Iterator[tuple[RepoPath, str]]:
        """What an edge carried when `base` was recorded: by the source's checkpoint that was newest then."""
        position = self.graph.index[edge.source]
        older = [r for r in self.checkpoints(position) if r.order >= base.order]
        tree = self.history.snapshot(base.commit)
        if not older:
            for path in [edge.path] if edge.path else self.graph.tasks[position].targets:
                yield path, self._result(tree, path) if reader.rebuild else CLAIMED
            return
        checkpoint = older[0].checkpoint
        if edge.path is None and not checkpoint.targets:
            yield "", checkpoint.key
        for path in [edge.path] if edge.path else sorted(checkpoint.targets):
            if reader.rebuild and self.carries_bytes(position, path):
                yield path, self._result(tree, path)
            else:
                yield path, checkpoint.targets.get(path) or self._result(tree, path)


def recipe_parts(task: Task, inputs: Inputs) -> tuple[str, ...]:
    """What a `rebuild` task's key holds of how it is run."""
    recipe = task.recipe
    used = _used(recipe.text, recipe.language) if recipe else ()
    known = {**values(task, inputs.paths), "prompt_file": task.template_blob or ""} if used else {}
    return (
        recipe.language if recipe else "",
        recipe.text if recipe else "",
        *[f"{name}={json.dumps(known.get(name, ''))}" for name in used],
        task.executor or "",
        json.dumps(task.options, sort_keys=True, default=str) if task.options else "{}",
        task.executor_blob or "",
        *([task.template_blob or ""] if "template" in task.options else []),
    )


@lru_cache(maxsize=256)  # rules have one recipe for many tasks
def _used(text: str, language: str) -> Sequence[str]:
    return sorted(placeholders(text, language=language))


def _input_changes(then: Mapping[RepoPath, str], now: Mapping[RepoPath, str]) -> Iterator[Reason]:
    for path in sorted({*then, *now}):
        old, new = then.get(path, MISSING), now.get(path, MISSING)
        if old != new:
            yield Reason("input-changed", path, old=old, new=new)


def _new_edges(
    parts: KeyParts, along: Sequence[tuple[Edge, list[tuple[str, str]]]], key: str
) -> Sequence[Edge] | None:
    """The content edges without which the key is that of then; None: with or without, it is another."""
    edges = [edge for edge, _ in along]
    for left_out in ([], *([edge] for edge in edges), edges):
        carried = tuple(each for edge, before in along if edge not in left_out for each in before)
        if parts._replace(carried=carried).key() == key:
            return left_out
    return None


def _dependency_change(
    edge: Edge, before: list[tuple[RepoPath, str]], after: list[tuple[RepoPath, str]]
) -> Reason:
    changed = [(path, dict(before).get(path), new) for path, new in after if dict(before).get(path) != new]
    path, old, new = changed[0] if changed else (edge.path or "", None, None)
    return Reason("dependency-changed", path or None, old, new, task=edge.source)


class _Owners:
    """Whose a checkpoint is: the one task with its definition, else the task with its name."""

    def __init__(self, graph: Graph) -> None:
        self._by_name = graph.index
        self._definitions = graph.definitions

    @cached_property
    def _by_definition(self) -> Mapping[str, Sequence[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for position, definition in enumerate(self._definitions):
            found[definition].append(position)
        return found

    def of(self, recorded: Recorded) -> int | None:
        same = self._by_definition.get(recorded.checkpoint.definition, ())
        if len(same) == 1:
            return same[0]
        return self._by_name.get(recorded.checkpoint.name)
