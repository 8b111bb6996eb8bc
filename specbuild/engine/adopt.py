"""Records the present state of tasks as done: which lines that gives, and to whom it is refused."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from specbuild.engine.boxes import tick_all
from specbuild.engine.checkpoint import ABSENT, Checkpoint, disarm, format_line
from specbuild.engine.judge import CLAIMED, NOTHING, Judge
from specbuild.engine.ports import Moved, Record, Tree
from specbuild.engine.record import Results, results_line
from specbuild.engine.saving import SAVED_SUBJECT, keep_staged, refuse
from specbuild.engine.start import entries_at
from specbuild.engine.task import Entry, Oid, RepoPath, Task, TaskName
from specbuild.engine.transaction import Transactions
from specbuild.engine.verdict import Verdict
from specbuild.errors import RepositoryError

EXECUTOR = "adopt"


class Refusal(NamedTuple):
    """Why a task cannot be recorded as done."""

    task: TaskName
    why: str


@dataclass(frozen=True, slots=True)
class Adoption:
    """The lines that record tasks as they are."""

    lines: Mapping[int, Checkpoint]  # of the tasks asked for, by position
    renewed: Mapping[int, Checkpoint]  # of up-to-date tasks whose keys only this changes
    refusals: tuple[Refusal, ...] = ()
    warnings: tuple[str, ...] = ()


def adopt(judge: Judge, wanted: Collection[int], tree: Tree) -> Adoption:
    """What recording the stale and claimed ones of these tasks would say; the judge then assumes it."""
    tasks, graph = judge.graph.tasks, judge.graph
    verdicts = judge.all()
    chosen = {position for position in wanted if verdicts[position].state != "up-to-date"}
    standing = {position: _standing(tasks[position], tree) for position in chosen}
    refusals = [
        Refusal(tasks[position].name, why)
        for position in sorted(chosen)
        for why in _objections(judge, position, chosen, standing[position])
    ]
    if refusals:
        return Adoption({}, {}, tuple(refusals))
    carried = {position: _carried(judge, position) for position in range(len(tasks))}
    lines: dict[int, Checkpoint] = {}
    renewed: dict[int, Checkpoint] = {}
    for position in graph.order:
        sources = (graph.index[edge.source] for edge in graph.content(position))
        if position in chosen:
            lines[position] = _line(judge, position, standing[position])
            judge.assume(position, lines[position])
        elif any(source in lines or source in renewed for source in sources):
            judge.forget(position)
            line = _renewed(judge, position, verdicts[position], carried[position])
            if line is not None:
                renewed[position] = line
                judge.assume(position, line)
    warnings = [
        f"{tasks[position].name.id}: {path} is not there"
        for position in sorted(chosen)
        for path in standing[position].missing
    ]
    return Adoption(dict(sorted(lines.items())), dict(sorted(renewed.items())), (), tuple(warnings))


def commit(
    adoption: Adoption, transactions: Transactions, warn: Callable[[str], object] = lambda _message: None
) -> Oid:
    """One commit with all lines, the ticks, and generated targets as they are; edited inputs below it.

    Raises RepositoryError where the branch moved meanwhile: nothing is recorded then.
    """
    judge, world = transactions.judge, transactions.world
    tree, committer = world.tree, world.committer
    tasks = judge.graph.tasks
    targets: dict[RepoPath, None] = {}
    edits: dict[RepoPath, Entry | None] = {}
    for position in adoption.lines:
        edits.update(transactions.edits.of(position))
        differing = list(_differing(tasks[position], tree))
        if tasks[position].rebuild:
            targets.update(dict.fromkeys(differing))
        else:
            edits.update((path, tree.entry(path)) for path in differing)
    edits = {path: entry for path, entry in edits.items() if path not in targets}
    if not transactions.settings.save_inputs:
        refuse(edits)
    saved = committer.add(edits) if edits else {}
    results = committer.add(targets) if targets else {}
    for message in keep_staged([*saved, *results], {}, tree, committer):
        warn(message)
    changes = dict(results)
    if transactions.settings.tick:
        adopted = [tasks[position] for position in adoption.lines]
        ticked, _ = tick_all(transactions.project, adopted, tree, committer, {**saved, **results})
        changes.update(ticked)
    records = [Record(SAVED_SUBJECT + "\n", saved, edited=True)] if saved else []
    records.append(Record(_message(adoption, tasks), changes, in_place=False))
    try:
        return committer.commit(records, onto=transactions.head)[-1]
    except Moved as error:
        raise RepositoryError(
            "the branch moved meanwhile", hint="nothing was recorded; run specbuild adopt again"
        ) from error


def _standing(task: Task, tree: Tree) -> Results:
    """What is at a task's targets now, as if it had just made it."""
    entries: dict[RepoPath, Entry] = {}
    ignored: list[RepoPath] = []
    for target in task.targets:
        if tree.ignored(target) and tree.exists(target):
            ignored.append(target)
        else:
            entries.update(entries_at(tree, target))
    there = {target for target in task.targets if target in ignored or entries_at(tree, target)}
    return Results(
        entries,
        missing=tuple(path for path in task.targets if path not in there and path not in task.absent),
        lingering=tuple(path for path in task.absent if path in there),
        ignored=tuple(ignored),
    )


def _objections(judge: Judge, position: int, chosen: Collection[int], standing: Results) -> Iterator[str]:
    graph, task = judge.graph, judge.graph.tasks[position]
    sources = dict.fromkeys(graph.index[edge.source] for edge in graph.content(position))
    for source in sources:
        if source not in chosen and judge.verdict(source).stale:
            name = graph.tasks[source].name.id
            yield f"it depends on {name}, which is stale: run {name}, or adopt it together with this one"
    if task.rebuild:
        for path in task.targets:
            last = graph.writers.last(path)
            if last is not None and last != position:
                yield f"{graph.tasks[last].name.id} writes {path} after it, so its own result is not there"
    if task.targets_declared and standing.missing:
        yield f"its target {', '.join(standing.missing)} is not there"
    if standing.lingering:
        yield f"{', '.join(sorted(standing.lingering))} should be gone, and is there"


def _line(judge: Judge, position: int, standing: Results) -> Checkpoint:
    task = judge.graph.tasks[position]
    key = judge.parts(position).key()
    return Checkpoint(
        name=task.name,
        key=key,
        local=judge.local(position),
        definition=task.text.definition,
        seconds=0.0,
        executor=EXECUTOR,
        targets=results_line(task, standing, key),
        reads=task.reads,
    )


Carried = Collection[tuple[RepoPath, str]]


def _carried(judge: Judge, position: int) -> Carried:
    task = judge.graph.tasks[position]
    return {pair for edge in judge.graph.content(position) for pair in judge.carried(edge, task)}


def _renewed(judge: Judge, position: int, before: Verdict, carried: Carried) -> Checkpoint | None:
    """A new line for a task that was up to date and has another key now, though nothing it uses differs.

    A generated file made from other bytes than those that are carried now has to be made again (law 4);
    what people or agents write is theirs to repeat.
    """
    after = judge.verdict(position)
    if before.state != "up-to-date" or before.checkpoint is None or after.key == before.key:
        return None
    task = judge.graph.tasks[position]
    if task.rebuild and not _bytes_of(_carried(judge, position)) <= _bytes_of(carried):
        return None
    old = before.checkpoint.checkpoint
    targets = {path: after.key if result == old.key else result for path, result in old.targets.items()}
    return replace(
        old,
        name=task.name,
        key=after.key,
        local=after.local,
        definition=task.text.definition,
        seconds=0.0,
        executor=EXECUTOR,
        targets=targets,
    )


def _bytes_of(carried: Carried) -> set[tuple[RepoPath, str]]:
    return {(path, result) for path, result in carried if path and result not in {ABSENT, CLAIMED, NOTHING}}


def _differing(task: Task, tree: Tree) -> Iterator[RepoPath]:
    """Files at a task's targets that HEAD does not have like that, the deleted ones too."""
    for target in task.targets:
        if tree.ignored(target):
            continue
        found = set(entries_at(tree, target))
        if target.endswith("/"):
            found.update(path for path in tree.dirty() if path.startswith(target))
        else:
            found.add(target)
        yield from (path for path in sorted(found) if tree.entry(path) != tree.tracked(path))


def _message(adoption: Adoption, tasks: Sequence[Task]) -> str:
    names = [tasks[position].name.id for position in adoption.lines]
    subject = f"specbuild: adopt {names[0] if len(names) == 1 else f'{len(names)} tasks'}"
    titles = [f"{tasks[p].name.id} {tasks[p].text.title}" for p in adoption.lines]
    lines = [format_line(line) for line in (*adoption.lines.values(), *adoption.renewed.values())]
    told = "\n".join(disarm(" ".join(title.split())) for title in titles)
    return "\n\n".join([disarm(subject), told, "\n".join(lines)]) + "\n"
