"""Edges between tasks, and the draft in which a graph collects them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from specbuild.engine.task import RepoPath, Task, TaskName, Warning_

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


@dataclass(slots=True)
class Draft:
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
