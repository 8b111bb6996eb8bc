"""Which commits taking a task back means: its own, and those of all that depended on it by content."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from specbuild.engine.judge import Judge
from specbuild.engine.task import Oid


class Taken(NamedTuple):
    """A commit to be reverted, with the tasks whose counting checkpoints it holds."""

    commit: Oid
    tasks: tuple[int, ...]  # the task asked for and what depends on it
    along: tuple[int, ...]  # others, which go with them since one commit holds both


def rollback(judge: Judge, position: int) -> Sequence[Taken]:
    """The commits, newest first; empty where no commit records the task.

    What goes along is taken back as truly as the rest, so what depended on that goes, too.
    """
    counting = {
        place: verdict.checkpoint
        for place, verdict in enumerate(judge.all())
        if verdict.checkpoint is not None
    }
    if position not in counting:
        return ()
    held: dict[Oid, list[int]] = defaultdict(list)
    for place, recorded in counting.items():
        held[recorded.commit].append(place)
    below = _dependents(judge)
    asked = {place for place in _reach(position, below) if place in counting}
    gone, waiting = set[int](), [position]
    while waiting:
        place = waiting.pop()
        if place in gone:
            continue
        gone.add(place)
        waiting += below.get(place, ())
        if place in counting:
            waiting += held[counting[place].commit]
    order = {recorded.commit: recorded.order for recorded in counting.values()}
    commits = {counting[place].commit for place in gone if place in counting}
    return [
        Taken(
            commit,
            tuple(place for place in held[commit] if place in asked),
            tuple(place for place in held[commit] if place not in asked),
        )
        for commit in sorted(commits, key=lambda commit: order[commit])
    ]


def _dependents(judge: Judge) -> Mapping[int, Sequence[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for place in range(len(judge.graph.tasks)):
        for edge in judge.graph.content(place):
            found[judge.graph.index[edge.source]].append(place)
    return found


def _reach(position: int, below: Mapping[int, Sequence[int]]) -> set[int]:
    found, waiting = set[int](), [position]
    while waiting:
        place = waiting.pop()
        if place not in found:
            found.add(place)
            waiting += below.get(place, ())
    return found
