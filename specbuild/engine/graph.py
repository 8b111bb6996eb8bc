"""Which task waits for which, and why: the edges of SPEC section 3."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from heapq import heappop, heappush
from typing import Literal, NamedTuple

from specbuild.engine.glob import is_glob, matcher
from specbuild.engine.task import RepoPath, Task, TaskName, TaskText, Warning_
from specbuild.errors import Problems, SpecbuildError, TaskFileError

Kind = Literal["needs", "reads", "writes", "overwrites", "story", "phase", "all"]


class Edge(NamedTuple):
    """`source` is done before the task that holds this edge.

    `path`: along reads and writes, the target of `source` whose result the edge carries.
    """

    source: TaskName
    kind: Kind
    path: RepoPath | None = None
    content: bool = False

    @property
    def blocks(self) -> bool:
        return self.kind != "overwrites"


class Barrier(NamedTuple):
    """All of `before` is done before any of `after` starts: phase edges, without writing out each pair.

    `last`: those of `before` that no other of them waits for, which stand for all.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    last: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """Tasks in order, each with the edges that lead into it."""

    tasks: tuple[Task, ...]
    index: dict[TaskName, int]
    edges: tuple[tuple[Edge, ...], ...]  # by task; without the phase edges of `barriers`
    barriers: tuple[Barrier, ...]
    order: tuple[int, ...]  # topological, otherwise as the files have them
    writers: "Writers"
    barred: Mapping[int, tuple[Barrier, ...]] = field(default_factory=dict)  # barriers before a task
    warnings: tuple[Warning_, ...] = ()

    def task(self, name: TaskName) -> Task:
        return self.tasks[self.index[name]]

    def content(self, position: int) -> Iterator[Edge]:
        """The edges into a task that carry staleness."""
        return (edge for edge in self.edges[position] if edge.content)

    def all_edges(self, position: int) -> Iterator[Edge]:
        """The edges into a task with those of barriers, which name only what stands for the rest."""
        yield from self.edges[position]
        for barrier in self.barred.get(position, ()):
            for before in barrier.last:
                yield Edge(self.tasks[before].name, "phase")


class Writers:
    """Which tasks target a path, folders counted for all that is below them."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._exact: dict[RepoPath, list[int]] = defaultdict(list)
        for position, task in enumerate(tasks):
            for path in dict.fromkeys(task.targets):
                self._exact[path].append(position)
        self._paths = sorted(self._exact)

    def paths(self) -> Sequence[RepoPath]:
        return self._paths

    def overlapping(self, path: RepoPath) -> Iterator[tuple[RepoPath, list[int]]]:
        """Targets that are `path`, hold it or lie below it, each with its tasks in order."""
        if path in self._exact:
            yield path, self._exact[path]
        yield from self._around(path)
        if path.endswith("/"):
            yield from self._below(path)

    def _around(self, path: RepoPath) -> Iterator[tuple[RepoPath, list[int]]]:
        slash = path.rfind("/", 0, len(path) - 1)
        while slash != -1:
            folder = path[: slash + 1]
            if folder in self._exact:
                yield folder, self._exact[folder]
            slash = path.rfind("/", 0, slash)

    def _below(self, folder: RepoPath) -> Iterator[tuple[RepoPath, list[int]]]:
        for place in range(bisect_left(self._paths, folder), len(self._paths)):
            path = self._paths[place]
            if not path.startswith(folder):
                return
            if path != folder:
                yield path, self._exact[path]

    def nearest(self, path: RepoPath, before: int) -> list[tuple[int, RepoPath]]:
        """The last writers of `path` before a position: one, or for a folder one for each part of it."""
        whole: tuple[int, RepoPath] | None = None
        parts: list[tuple[int, RepoPath]] = []
        for target, positions in self.overlapping(path):
            place = bisect_left(positions, before)
            if place == 0:
                continue
            found = (positions[place - 1], target)
            if path.startswith(target):
                whole = max(whole, found) if whole else found
            else:
                parts.append(found)
        if whole is None:
            return parts
        return [whole, *(part for part in parts if part[0] > whole[0])]

    def last(self, path: RepoPath) -> int | None:
        """The task that writes `path`, or anything that overlaps it, last of all."""
        return max((positions[-1] for _, positions in self.overlapping(path)), default=None)

    def written(self, path: RepoPath) -> bool:
        return next(self.overlapping(path), None) is not None


@dataclass(slots=True)
class _Draft:
    """Edges while they are collected."""

    tasks: Sequence[Task]
    index: dict[TaskName, int]
    edges: list[dict[Edge, None]]
    barriers: list[Barrier] = field(default_factory=list)
    warnings: list[Warning_] = field(default_factory=list)

    def add(
        self, after: int, before: int, kind: Kind, path: RepoPath | None = None, *, content: bool = False
    ) -> None:
        if before != after:
            self.edges[after][Edge(self.tasks[before].name, kind, path, content)] = None

    def barrier(self, before: Sequence[int], after: Sequence[int]) -> None:
        inner = {self.index[edge.source] for position in before for edge in self.edges[position]}
        last = tuple(position for position in before if position not in inner)
        self.barriers.append(Barrier(tuple(before), tuple(after), last))

    def warn(self, task: Task, code: str, message: str) -> None:
        self.warnings.append(Warning_(task.name.file, task.text.line, code, message))


def build(tasks: Sequence[Task]) -> Graph:
    """The graph of tasks that stand in order (files as config lists them, then lines).

    Raises TaskFileError for a cycle that `needs` close.
    """
    index = {task.name: position for position, task in enumerate(tasks)}
    draft = _Draft(tasks, index, [{} for _ in tasks])
    writers = Writers(tasks)
    _needs(draft)
    _paths(draft, writers)
    _stories(draft)
    _alls(draft)
    _phases(draft)
    backward = any(
        index[edge.source] > position for position, edges in enumerate(draft.edges) for edge in edges
    )
    if backward:
        _break_cycles(draft)
    order = _sorted(draft) if backward else tuple(range(len(tasks)))
    barred: dict[int, list[Barrier]] = defaultdict(list)
    for barrier in draft.barriers:
        for position in barrier.after:
            barred[position].append(barrier)
    return Graph(
        tasks=tuple(tasks),
        index=index,
        edges=tuple(map(tuple, draft.edges)),
        barriers=tuple(draft.barriers),
        order=order,
        writers=writers,
        barred={position: tuple(found) for position, found in barred.items()},
        warnings=tuple(draft.warnings),
    )


def resolve_needs(texts: Sequence[TaskText]) -> dict[TaskName, tuple[TaskName, ...]]:
    """Ids that texts name, as tasks; a group stands for its children.

    Raises TaskFileError (or several) for an explicit id that no task has, with the nearest known one.
    """
    by_file: dict[RepoPath, dict[str, int]] = defaultdict(dict)
    anywhere: dict[str, list[int]] = defaultdict(list)
    children: dict[tuple[RepoPath, str], list[int]] = defaultdict(list)
    for position, text in enumerate(texts):
        by_file[text.name.file].setdefault(text.name.id.casefold(), position)
        anywhere[text.name.id.casefold()].append(position)
        if text.parent is not None:
            children[text.name.file, text.parent].append(position)

    def find(reference: str, file: RepoPath) -> list[int]:
        where, hash_, id_ = reference.rpartition("#")
        if hash_ and where:
            found = by_file.get(where, {}).get(id_.casefold())
            return [] if found is None else [found]
        found = by_file[file].get(reference.casefold())
        return [found] if found is not None else anywhere.get(reference.casefold(), [])

    def expand(position: int) -> Iterator[int]:
        text = texts[position]
        if not text.group:
            yield position
            return
        for child in children[text.name.file, text.name.id]:
            yield from expand(child)

    resolved: dict[TaskName, tuple[TaskName, ...]] = {}
    errors: list[SpecbuildError] = []
    for position, text in enumerate(texts):
        names: dict[TaskName, None] = {}
        for need in text.needs:
            found = find(need.id, text.name.file)
            if need.explicit and len(found) != 1:
                errors.append(_unknown(need.id, text, need.line, found, texts, by_file[text.name.file]))
                continue
            for place in found[:1] if len(found) == 1 else []:
                if need.explicit or place < position:
                    names.update((texts[p].name, None) for p in expand(place) if p != position)
        resolved[text.name] = tuple(names)
    if errors:
        raise errors[0] if len(errors) == 1 else Problems(errors)
    return resolved


def _unknown(
    id_: str, text: TaskText, line: int, found: list[int], texts: Sequence[TaskText], known: Iterable[str]
) -> TaskFileError:
    where = f"{text.name.file}:{line}"
    if found:
        names = ", ".join(str(texts[position].name) for position in found)
        return TaskFileError(
            f"{text.name.id} needs {id_!r}, which several tasks are called",
            where=where,
            hint=f"write one of {names}",
        )
    by_fold = {t.name.id.casefold(): t.name.id for t in texts}
    near = get_close_matches(id_.casefold(), [*known], n=1, cutoff=0.0)
    hint = f"the nearest known one is {by_fold[near[0]]}" if near else "the file has no other task"
    return TaskFileError(f"{text.name.id} needs {id_!r}, which no task is called", where=where, hint=hint)


def _needs(draft: _Draft) -> None:
    for position, task in enumerate(draft.tasks):
        for name in task.needs:
            if name in draft.index:
                draft.add(position, draft.index[name], "needs", content=True)


def read_paths(
    task: Task, tasks: Sequence[Task], writers: Writers, index: dict[TaskName, int]
) -> list[RepoPath]:
    """Paths that a task looks at and that tasks target or may target, patterns matched against targets."""
    paths: dict[RepoPath, None] = dict.fromkeys(task.reads)
    for pattern in task.inputs:
        if pattern == "@needs":
            paths.update(
                (path, None) for name in task.needs if name in index for path in tasks[index[name]].targets
            )
        elif pattern == "@story":
            mine = index[task.name]
            paths.update(
                (path, None)
                for other in tasks[:mine]
                if other.text.story == task.text.story and other.name.file == task.name.file
                for path in other.targets
            )
        elif is_glob(pattern):
            matches = matcher(pattern)
            paths.update((path, None) for path in writers.paths() if matches(path))
        else:
            paths[pattern] = None
            if not pattern.endswith("/") and any(True for _ in writers.overlapping(pattern + "/")):
                paths[pattern + "/"] = None
    return list(paths)


def _paths(draft: _Draft, writers: Writers) -> None:
    readers: dict[RepoPath, list[int]] = defaultdict(list)
    for position, task in enumerate(draft.tasks):
        own = set(task.targets)
        for path in read_paths(task, draft.tasks, writers, draft.index):
            if path in own:
                continue
            for before, target in writers.nearest(path, position):
                if target not in own:
                    draft.add(position, before, "reads", target, content=True)
            for target, _ in writers.overlapping(path):
                readers[target].append(position)
        for path in task.targets:
            for before, target in writers.nearest(path, position):
                other = draft.tasks[before]
                draft.add(position, before, "writes", target, content=task.rebuild or other.rebuild)
                if task.text.parallel and other.text.parallel:
                    draft.warn(
                        task,
                        "parallel-overlap",
                        f"{task.name.id} and {other.name.id} are both [P] and both write {path}",
                    )
    for position, task in enumerate(draft.tasks):
        for path in task.targets:
            nearest = max((before for before, _ in writers.nearest(path, position)), default=-1)
            for reader in readers.get(path, ()):
                if nearest < reader < position:
                    draft.add(position, reader, "overwrites", path)


def _stories(draft: _Draft) -> None:
    last: dict[tuple[str, ...], int] = {}
    since: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for position, task in enumerate(draft.tasks):
        text = task.text
        lane = (
            (text.name.file, "story", text.story) if text.story else (text.name.file, str(text.phase_index))
        )
        if lane in last:
            draft.add(position, last[lane], "story")
        if text.parallel:
            since[lane].append(position)
            continue
        for before in since[lane]:
            draft.add(position, before, "story")
        last[lane], since[lane] = position, []


def _alls(draft: _Draft) -> None:
    # Since the previous [ALL] of the file is enough: that one waited for all before it.
    waiting: dict[RepoPath, list[int]] = defaultdict(list)
    for position, task in enumerate(draft.tasks):
        lane = waiting[task.name.file]
        if task.text.after_all:
            for before in lane:
                draft.add(position, before, "all")
            lane.clear()
        lane.append(position)


def _phases(draft: _Draft) -> None:
    by_file: dict[RepoPath, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for position, task in enumerate(draft.tasks):
        by_file[task.name.file][task.text.phase_index].append(position)
    for phases in by_file.values():
        barrier: list[int] = []
        since: list[int] = []  # the last barrier and what came after it
        for _, members in sorted(phases.items()):
            if _is_story_phase([draft.tasks[member].text for member in members]):
                if barrier:
                    draft.barrier(barrier, members)
                since = since + members
            else:
                if since:
                    draft.barrier(since, members)
                barrier = since = members


def _is_story_phase(texts: Sequence[TaskText]) -> bool:
    return texts[0].phase_story is not None or all(text.story for text in texts)


def _break_cycles(draft: _Draft) -> None:
    """Drops story and phase edges that would close a cycle; a cycle without such an edge is an error.

    Only `needs` point backward, so without them nothing can close and this is never called.
    """
    for barrier in draft.barriers:
        for after in barrier.after:
            for before in barrier.before:
                draft.add(after, before, "phase")
    draft.barriers.clear()
    while knots := _knots(draft):
        for knot in knots:
            _loosen(draft, knot)


def _loosen(draft: _Draft, knot: set[int]) -> None:
    weak = [
        (edge, after)
        for after in knot
        for edge in draft.edges[after]
        if edge.kind in {"story", "phase"} and draft.index[edge.source] in knot
    ]
    if not weak:
        raise _cycle(draft, knot)

    def weight(found: tuple[Edge, int]) -> tuple[bool, bool, int]:
        edge, after = found
        head, source = draft.tasks[after].name, draft.index[edge.source]
        opposed = any(back.source == head for back in draft.edges[source])
        return opposed, edge.kind == "phase", after

    edge, after = max(weak, key=weight)
    del draft.edges[after][edge]
    task = draft.tasks[after]
    draft.warn(
        task,
        "dropped-edge",
        f"{task.name.id} does not wait for {edge.source.id} ({edge.kind}): {edge.source.id} needs it first",
    )


def _cycle(draft: _Draft, knot: set[int]) -> TaskFileError:
    start = min(knot)
    path, seen = [start], {start: 0}
    kinds: list[str] = []
    while True:
        edge = min(
            (edge for edge in draft.edges[path[-1]] if draft.index[edge.source] in knot),
            key=lambda edge: (edge.kind != "needs", draft.index[edge.source]),
        )
        kinds.append(edge.kind)
        step = draft.index[edge.source]
        if step in seen:
            path, kinds = path[seen[step] :], kinds[seen[step] :]
            break
        seen[step] = len(path)
        path.append(step)
    names = [draft.tasks[position].name.id for position in [*path, path[0]]]
    steps = names[0] + "".join(
        f" needs {name}" if kind == "needs" else f" {kind} after {name}"
        for kind, name in zip(kinds, names[1:], strict=True)
    )
    task = draft.tasks[path[0]]
    return TaskFileError(
        f"a cycle: {steps}",
        where=f"{task.name.file}:{task.text.line}",
        hint="take one of these dependencies out",
    )


def _knots(draft: _Draft) -> list[set[int]]:
    """Strongly connected sets of more than one task (Tarjan, without recursion)."""
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    waiting: set[int] = set()
    knots: list[set[int]] = []
    sources = [[draft.index[edge.source] for edge in edges] for edges in draft.edges]
    for root in range(len(sources)):
        if root in number:
            continue
        work = [(root, 0)]
        while work:
            node, place = work.pop()
            if node not in number:
                number[node] = low[node] = len(number)
                stack.append(node)
                waiting.add(node)
            for next_place in range(place, len(sources[node])):
                child = sources[node][next_place]
                if child not in number:
                    work += [(node, next_place), (child, 0)]
                    break
                if child in waiting:
                    low[node] = min(low[node], low[child])
            else:
                if low[node] == number[node]:
                    knot = set()
                    while node not in knot:
                        member = stack.pop()
                        waiting.discard(member)
                        knot.add(member)
                    if len(knot) > 1:
                        knots.append(knot)
    return knots


def _sorted(draft: _Draft) -> tuple[int, ...]:
    missing = [len({edge.source for edge in edges}) for edges in draft.edges]
    after: dict[int, list[int]] = defaultdict(list)
    for position, edges in enumerate(draft.edges):
        for source in {edge.source for edge in edges}:
            after[draft.index[source]].append(position)
    ready = [position for position, count in enumerate(missing) if count == 0]
    order: list[int] = []
    while ready:
        position = heappop(ready)
        order.append(position)
        for follower in after[position]:
            missing[follower] -= 1
            if missing[follower] == 0:
                heappush(ready, follower)
    return tuple(order)
