"""Cycles: weak edges that would close one are dropped, others are an error; and the order that is left."""

from collections import defaultdict
from heapq import heappop, heappush

from specbuild.engine.edges import Draft, Edge
from specbuild.errors import TaskFileError


def break_cycles(draft: Draft) -> None:
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


def _loosen(draft: Draft, knot: set[int]) -> None:
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


def _cycle(draft: Draft, knot: set[int]) -> TaskFileError:
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


def _knots(draft: Draft) -> list[set[int]]:
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


def in_order(draft: Draft) -> tuple[int, ...]:
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
