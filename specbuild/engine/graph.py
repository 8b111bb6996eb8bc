"""Which task waits for which, and why: the edges of SPEC section 3."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from specbuild.engine.cycles import break_cycles, in_order
from specbuild.engine.edges import Barrier, Draft, Edge
from specbuild.engine.glob import is_glob, matcher
from specbuild.engine.task import RepoPath, Task, TaskName, TaskText, Warning_
from specbuild.engine.writers import Writers

__all__ = ["Barrier", "Edge", "Graph", "build"]


@dataclass(frozen=True, slots=True)
class Graph:
    """Tasks in order, each with the edges that lead into it."""

    tasks: Sequence[Task]
    index: dict[TaskName, int]  # in order of the tasks
    edges: Sequence[tuple[Edge, ...]]  # by task; without the phase edges of `barriers`
    barriers: tuple[Barrier, ...]
    order: tuple[int, ...]  # topological, otherwise as the files have them
    writers: Writers
    looks: tuple[tuple[RepoPath, ...], ...]  # by task: what it reads that tasks target or may target
    definitions: tuple[str, ...]  # by task: its text's
    optional: frozenset[int]  # positions of the tasks that run only if named
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


def build(tasks: Sequence[Task]) -> Graph:
    """The graph of tasks that stand in order (files as config lists them, then lines).

    Raises TaskFileError for a cycle that `needs` close.
    """
    index = {task.name: position for position, task in enumerate(tasks)}
    draft = Draft(tasks, index, [{} for _ in tasks])
    writers = Writers(tasks)
    _needs(draft)
    looks = tuple([_read_paths(task, tasks, writers, index) for task in tasks])
    _paths(draft, writers, looks)
    _stories(draft)
    _alls(draft)
    _phases(draft)
    backward = any(
        index[edge.source] > position for position, edges in enumerate(draft.edges) for edge in edges
    )
    if backward:
        break_cycles(draft)
    order = in_order(draft) if backward else tuple(range(len(tasks)))
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
        looks=looks,
        definitions=tuple([task.text.definition for task in tasks]),
        optional=frozenset([position for position, task in enumerate(tasks) if task.text.optional]),
        barred={position: tuple(found) for position, found in barred.items()},
        warnings=tuple(draft.warnings),
    )


def _needs(draft: Draft) -> None:
    for position, task in enumerate(draft.tasks):
        for name in task.needs:
            if name in draft.index:
                draft.add(position, draft.index[name], "needs", content=True)


def _read_paths(
    task: Task, tasks: Sequence[Task], writers: Writers, index: dict[TaskName, int]
) -> tuple[RepoPath, ...]:
    """Paths that a task looks at and that tasks target or may target, patterns matched against targets."""
    if not task.inputs:
        return task.reads
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
            if not pattern.endswith("/") and writers.overlapping(pattern + "/"):
                paths[pattern + "/"] = None
    return tuple(paths)


def _paths(draft: Draft, writers: Writers, looks: Sequence[Sequence[RepoPath]]) -> None:
    readers: dict[RepoPath, list[int]] = defaultdict(list)
    for position, task in enumerate(draft.tasks):
        own = task.targets
        for path in looks[position]:
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
            read = readers.get(path)
            if read is None:
                continue
            nearest = max((before for before, _ in writers.nearest(path, position)), default=-1)
            for reader in read:
                if nearest < reader < position:
                    draft.add(position, reader, "overwrites", path)


def _stories(draft: Draft) -> None:
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


def _alls(draft: Draft) -> None:
    # Since the previous [ALL] of the file is enough: that one waited for all before it.
    waiting: dict[RepoPath, list[int]] = defaultdict(list)
    for position, task in enumerate(draft.tasks):
        lane = waiting[task.name.file]
        if task.text.after_all:
            for before in lane:
                draft.add(position, before, "all")
            lane.clear()
        lane.append(position)


def _phases(draft: Draft) -> None:
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
