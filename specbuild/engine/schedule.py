"""The order of the chosen tasks under one reading of the project: ready ones, phases, what runs again."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence

from specbuild.engine.graph import Graph
from specbuild.engine.judge import Judge
from specbuild.engine.plan import Choice, Plan
from specbuild.engine.task import RepoPath, TaskName
from specbuild.engine.verdict import Reason

Phase = tuple[RepoPath, int]
"""A file, and the number of the phase in it."""

NEVER = 1_000_000
"""More open tasks than a phase can have: its gate never comes due."""


class Schedule:
    """The chosen tasks on their way, by position."""

    def __init__(self, graph: Graph, choice: Choice, rank: Callable[[int], float]) -> None:
        self.choice = choice
        self.must_run: dict[int, Reason] = {}  # whatever their verdict says
        self._graph = graph
        self._plan = Plan(graph, choice.chosen, rank)
        self._open = Counter(self._phase(position) for position in choice.chosen)

    @property
    def unsettled(self) -> int:
        """How many tasks neither finished nor failed nor are blocked."""
        return self._plan.unsettled

    @property
    def settled(self) -> int:
        return len(self.choice.chosen) - self._plan.unsettled

    def next(self, fits: Callable[[int], bool]) -> int | None:
        """The best task that may start now, beside those that run."""
        return next((position for position in self._plan.candidates() if fits(position)), None)

    def start(self, position: int) -> None:
        self._plan.start(position)

    def settle(self, position: int) -> None:
        self._plan.settle(position)
        self._open[self._phase(position)] -= 1

    def fail(self, position: int) -> Sequence[int]:
        """Returns the tasks that this holds back."""
        return self._plan.fail(position)

    def close(self, position: int) -> None:
        """A task of this phase failed, so its gate never comes due."""
        self._open[self._phase(position)] += NEVER

    # -- what runs again --------------------------------------------------------------------------

    def can_make_again(self, source: int) -> bool:
        return (
            self._graph.tasks[source].rebuild and source in self.choice.chosen and source not in self.must_run
        )

    def is_made_again(self, source: int) -> bool:
        """Whether it is on its way already."""
        return source in self.must_run and not self._plan.settled(source)

    def wait(self, position: int, source: int) -> None:
        self._plan.postpone(position, until=source)

    def make_again(self, position: int, source: int) -> None:
        """The task waits for one that was settled before, and runs once more whatever its verdict says."""
        self.must_run[source] = Reason("target-missing", task=self._graph.tasks[position].name)
        self._open[self._phase(source)] += 1
        self._plan.postpone(position, until=source)
        self._plan.again(source)

    def followers(self, position: int) -> Sequence[int]:
        """Later tasks that share a target with this one, or depend on it by content; in order."""
        graph, name = self._graph, self._graph.tasks[position].name
        found = {
            after
            for target in graph.tasks[position].targets
            for _, writers in graph.writers.overlapping(target)
            for after in writers
        }
        for after, edges in enumerate(graph.edges):
            if any(edge.content and edge.source == name for edge in edges):
                found.add(after)
        return sorted(after for after in found if after > position)

    def apart(self, position: int, under_way: Collection[int]) -> bool:
        """Whether a task may start, where others run again: neither before one that it follows is recorded,
        nor, if it runs again itself, beside one that follows it.

        Of tasks that run for the first time the plan sees to it.
        """
        if position in self.must_run and not set(under_way).isdisjoint(self.followers(position)):
            return False
        return not any(
            position in self.followers(source)
            for source in self.must_run
            if source != position and self.is_made_again(source)
        )

    def reopen(self, positions: Sequence[int]) -> None:
        """Settled tasks are judged once more, one behind the other."""
        waits: tuple[int, ...] = ()
        for position in positions:
            self._open[self._phase(position)] += 1
            self._plan.again(position, behind=waits)
            waits = (position,)

    # -- phases -----------------------------------------------------------------------------------

    def due(self) -> Sequence[Phase]:
        """Phases whose chosen tasks are all done, and that were not yet taken."""
        return sorted(phase for phase, left in self._open.items() if left == 0)

    def take(self, phases: Collection[Phase]) -> str:
        """They are due no more; returns the last one's name.

        A gate looks at the whole tree: where several phases ended at once, it looks at it once.
        """
        for phase in phases:
            del self._open[phase]
        texts = (task.text for task in self._graph.tasks)
        last = max(phases)
        return next(text for text in texts if (text.name.file, text.phase_index) == last).phase or ""

    def _phase(self, position: int) -> Phase:
        text = self._graph.tasks[position].text
        return text.name.file, text.phase_index


def ranks(judge: Judge, first: Collection[TaskName], *, longest_first: bool) -> Callable[[int], float]:
    """Order among ready tasks: what failed last time, then as the files have it or longest path first."""
    graph = judge.graph
    found = {position: -seconds for position, seconds in _lengths(judge).items()} if longest_first else {}
    lowest = min(found.values(), default=0.0) - 1.0
    for name in first:
        if name in graph.index:
            found[graph.index[name]] = lowest
    return lambda position: found.get(position, position)


def _lengths(judge: Judge) -> dict[int, float]:
    """Seconds, as far as they are known, until all that waits for a task is done.

    A task that nothing called into question takes none: its checkpoints need not be read.
    """
    graph = judge.graph
    length: dict[int, float] = {}
    for position in reversed(graph.order):
        own = 0.0
        if not (judge.stands(position) and judge.is_up_to_date(position)):
            found = judge.checkpoints(position)
            own = found[0].checkpoint.seconds if found else 1.0
        length[position] = own + length.get(position, 0.0)
        for edge in graph.edges[position]:
            source = graph.index[edge.source]
            length[source] = max(length.get(source, 0.0), length[position])
    return length
