"""How a run opens: what it is about, how its tasks may overlap, and its plan."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from specbuild.cli.options import Options
from specbuild.cli.parts import Here
from specbuild.engine.events import Planned, RunStarted
from specbuild.engine.graph import Graph
from specbuild.engine.plan import Choice, in_a_row
from specbuild.engine.project import Settings
from specbuild.engine.task import TaskName
from specbuild.engine.verdict import Reason


def opening(here: Here, options: Options, settings: Settings, choice: Choice) -> RunStarted:
    """The files, the branch, the chosen tasks by priority and story, and what the filter puts off."""
    graph = here.loaded.project.graph
    chosen = [graph.tasks[position] for position in sorted(choice.chosen)]
    deferred, stories = _deferred(here, choice)
    mode, why = _mode(settings, graph, choice.chosen, options)
    return RunStarted(
        files=tuple(path for path in here.loaded.project.files if path in here.reported),
        branch=here.repository.branch,
        tasks=sum(1 for task in graph.tasks if task.name.file in here.reported),
        chosen=len(chosen),
        filter=here.selection.filter,
        by_priority=_counts(f"P{t.text.priority}" if t.text.priority else "none" for t in chosen),
        by_story=_counts(t.text.story or "none" for t in chosen),
        deferred=deferred,
        deferred_stories=stories,
        foundation=len(choice.foundation),
        parallel_tasks=sum(task.text.parallel for task in chosen),
        mode=mode,
        why=why,
        executors=_counts(t.executor or "none" for t in chosen),
        resumed=options.resume,
    )


def plan(here: Here, choice: Choice, forced: Collection[TaskName]) -> Planned:
    """What will run and why, what may, and what need not."""
    will: dict[TaskName, tuple[str, ...]] = {}
    other: dict[str, list[TaskName]] = {"may-run": [], "up-to-date": [], "claimed": []}
    for position in sorted(choice.chosen):
        name, verdict = here.tasks[position].name, here.judge.verdict(position)
        if verdict.stale or name in forced:
            reasons = (*verdict.reasons, *([Reason("forced")] if name in forced else []))
            will[name] = tuple(map(str, reasons))
            continue
        if verdict.may_run:
            other["may-run"].append(name)
        if verdict.state == "claimed" or not verdict.may_run:
            other[verdict.state].append(name)
    return Planned(
        will_run=tuple(will),
        may_run=tuple(other["may-run"]),
        up_to_date=tuple(other["up-to-date"]),
        claimed=tuple(other["claimed"]),
        reasons=will,
    )


def _deferred(here: Here, choice: Choice) -> tuple[Mapping[str, tuple[str, ...]], tuple[str, ...]]:
    """Titles of stale tasks that the filter leaves for later, by priority, and their stories."""
    titles: dict[str, list[str]] = {}
    stories: dict[str, None] = {}
    if here.filter is not None:
        for position, task in enumerate(here.tasks):
            if position in choice.chosen or task.name.file not in here.reported or task.text.optional:
                continue
            if here.judge.verdict(position).stale:
                priority = f"P{task.text.priority}" if task.text.priority else "none"
                titles.setdefault(priority, []).append(task.text.title)
                if task.text.story:
                    stories[task.text.story] = None
    return {priority: tuple(found) for priority, found in sorted(titles.items())}, tuple(stories)


def _counts(words: Iterable[str]) -> Mapping[str, int]:
    return dict(sorted(Counter(words).items(), key=lambda pair: (pair[0] == "none", pair[0])))


def _mode(settings: Settings, graph: Graph, chosen: Collection[int], options: Options) -> tuple[str, str]:
    """How tasks of this run may overlap, and why."""
    marked = [position for position in chosen if graph.tasks[position].text.parallel]
    if settings.overlap == "none":
        if options.parallel is None and options.jobs is None:
            return "serial", "the default; --parallel overlaps tasks marked [P]" if marked else "no [P] tasks"
        return "serial", "one worker"
    if settings.overlap == "marked" and len(marked) < 2:
        return "serial", "no two tasks are marked [P], so nothing may overlap"
    able = marked if settings.overlap == "marked" else chosen
    free = [position for position in able if not graph.tasks[position].alone]
    if len(free) < 2 <= len(able):
        return (
            "serial",
            'with writes = "any" in the working tree each runs alone, so nothing may overlap',
        )
    if in_a_row(graph, free):
        which = "the tasks marked [P]" if settings.overlap == "marked" else "the tasks"
        return "serial", f"{which} wait for one another, so nothing may overlap"
    what = "tasks marked [P] overlap" if settings.overlap == "marked" else "whatever no edge forbids overlaps"
    return f"parallel ({settings.jobs} workers)", what
