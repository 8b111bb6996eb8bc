"""What may run next, and what a failed task holds back."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from specbuild.engine.graph import Graph


@dataclass(frozen=True, slots=True)
class Choice:
    """Which tasks a run is about."""

    chosen: frozenset[int]
    foundation: frozenset[int] = frozenset()  # of them, those that only others wait for
    outside: Mapping[int, int] = field(default_factory=dict)  # chosen -> unfinished task it lacks
    passed_over: tuple[tuple[int, int], ...] = ()  # chosen, unfinished task it does not wait for


def choose(
    graph: Graph,
    wanted: Collection[int],
    *,
    unfinished: Callable[[int], bool],
    supports: Callable[[int], bool],
    with_needs: bool,
) -> Choice:
    """Adds to the wanted tasks what they cannot do without (SPEC section 3, "Filters").

    `supports`: whether an unfinished task outside counts as setup or foundation and so is chosen, too.
    """
    chosen = set(wanted)
    foundation: set[int] = set()
    outside: dict[int, int] = {}
    passed: dict[tuple[int, int], None] = {}
    work = sorted(wanted, reverse=True)
    while work:
        position = work.pop()
        for source, hard in waits_for(graph, position):
            if source in chosen or not unfinished(source):
                continue
            needed = hard and (not graph.tasks[source].text.optional or _content(graph, position, source))
            if supports(source) or (with_needs and needed):
                chosen.add(source)
                foundation.add(source)
                work.append(source)
            elif needed:
                outside.setdefault(position, source)
            elif not hard:
                passed[position, source] = None
    passed_over = tuple(pair for pair in passed if pair[1] not in chosen)  # one chosen later is waited for
    return Choice(frozenset(chosen), frozenset(foundation), outside, passed_over)


def waits_for(graph: Graph, position: int) -> Iterator[tuple[int, bool]]:
    """Tasks that one waits for; whether it cannot do without them (content edges and barriers)."""
    for edge in graph.edges[position]:
        if edge.kind != "overwrites":
            yield graph.index[edge.source], edge.content or edge.kind == "phase"
    for barrier in graph.barred.get(position, ()):
        for before in barrier.before:
            yield before, True


def _content(graph: Graph, position: int, source: int) -> bool:
    name = graph.tasks[source].name
    return any(edge.content and edge.source == name for edge in graph.edges[position])


def in_a_row(graph: Graph, positions: Collection[int]) -> bool:
    """Whether each of these tasks waits for another of them, so that no two can overlap."""
    wanted = frozenset(positions)
    longest: dict[int, int] = {}  # task -> of the wanted ones, so many follow each other up to it
    barriers: dict[int, int] = {}
    for position in graph.order:
        before = [longest.get(graph.index[edge.source], 0) for edge in graph.edges[position]]
        for barrier in graph.barred.get(position, ()):
            if id(barrier) not in barriers:
                barriers[id(barrier)] = max((longest.get(p, 0) for p in barrier.before), default=0)
            before.append(barriers[id(barrier)])
        longest[position] = max(before, default=0) + (position in wanted)
    return max(longest.values(), default=0) == len(wanted)


class Plan:
    """The chosen tasks on their way: waiting, ready, under way, settled."""

    def __init__(self, graph: Graph, chosen: Collection[int], rank: Callable[[int], float]) -> None:
        self._rank = rank
        self._missing: dict[int, int] = {}
        self._after: dict[int, list[tuple[int, bool]]] = defaultdict(list)  # node -> (node, blocks)
        self._ready: list[tuple[float, int]] = []
        self._settled: set[int] = set()
        self._open = len(chosen)  # tasks that are not settled
        self._under_way: set[int] = set()
        self.blocked: dict[int, int] = {}  # task -> the failed one that holds it back
        waits: dict[int, dict[int, bool]] = {position: {} for position in chosen}
        for position in chosen:
            for edge in graph.edges[position]:
                source = graph.index[edge.source]
                if source in waits:
                    waits[position][source] = waits[position].get(source, False) or edge.blocks
        for number, barrier in enumerate(graph.barriers):
            node = len(graph.tasks) + number
            before = [position for position in barrier.before if position in waits]
            after = [position for position in barrier.after if position in waits]
            if before and after:
                waits[node] = dict.fromkeys(before, True)
                for position in after:
                    waits[position][node] = True
        self._tasks = len(graph.tasks)
        for node, sources in waits.items():
            self._missing[node] = len(sources)
            for source, blocks in sources.items():
                self._after[source].append((node, blocks))
        for node in sorted(waits):
            if not waits[node]:
                heappush(self._ready, (rank(node), node))

    def ready(self) -> int | None:
        """The best task that may start now, without starting it."""
        while self._ready and self._taken(self._ready[0][1]):
            heappop(self._ready)
        return self._ready[0][1] if self._ready else None

    def _taken(self, node: int) -> bool:
        return node in self._settled or node in self._under_way

    def candidates(self) -> Iterator[int]:
        """All that may start now, best first."""
        best = self.ready()
        if best is not None:
            yield best  # mostly nobody asks for more
            yield from [node for _, node in sorted(self._ready) if node != best and not self._taken(node)]

    def start(self, position: int) -> None:
        self._under_way.add(position)

    def postpone(self, position: int, until: int) -> None:
        """A started task waits for another one after all."""
        self._under_way.discard(position)
        self._missing[position] = self._missing.get(position, 0) + 1
        self._ready = [item for item in self._ready if item[1] != position]
        heapify(self._ready)
        self._after[until].append((position, True))

    def again(self, position: int, behind: Collection[int] = ()) -> None:
        """A settled task is to be judged once more, after others."""
        self._open += position in self._settled
        self._settled.discard(position)
        waits = [node for node in behind if node not in self._settled]
        self._missing[position] = len(waits)
        self._ready = [item for item in self._ready if item[1] != position]
        heapify(self._ready)
        for node in waits:
            self._after[node].append((position, True))
        if not waits:
            heappush(self._ready, (self._rank(position), position))

    def settled(self, position: int) -> bool:
        return position in self._settled

    def settle(self, position: int) -> None:
        """Done: what waited only for this may start."""
        self._under_way.discard(position)
        if position in self._settled:
            return
        self._mark(position)
        for node, _ in self._after.pop(position, ()):
            self._release(node)

    def fail(self, position: int) -> Sequence[int]:
        """Failed: returns the tasks that it holds back, all the way down, in order."""
        self._under_way.discard(position)
        self._mark(position)
        held: list[int] = []
        work = [(node, blocks) for node, blocks in self._after.pop(position, ())]
        while work:
            node, blocks = work.pop()
            if node in self._settled:
                continue
            if not blocks:
                self._release(node)
                continue
            self._mark(node)
            if node < self._tasks:
                self.blocked[node] = position
                held.append(node)
            work += self._after.pop(node, ())
        return sorted(held)

    def _mark(self, node: int) -> None:
        self._open -= node < self._tasks and node not in self._settled
        self._settled.add(node)

    def _release(self, node: int) -> None:
        self._missing[node] -= 1
        if self._missing[node] > 0 or node in self._settled:
            return
        if node < self._tasks:
            heappush(self._ready, (self._rank(node), node))
        else:
            self.settle(node)

    @property
    def unsettled(self) -> int:
        """How many tasks neither finished nor failed nor are blocked."""
        return self._open
