"""Documents about the work, in Markdown, rendered from checkpoints and run logs: never read back."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from specbuild.engine.events import GateFinished, Outcome, TaskFinished, TaskRetried
from specbuild.engine.task import Oid, TaskName
from specbuild.reporting.summary import Diagnose, Summary, tests_of
from specbuild.reporting.summary_text import counted, label_for, render
from specbuild.reporting.text import clean, count, duration, moment, percent
from specbuild.runlog.reading import Run, last_outcomes

RECENT = 20
"""So many runs of a history are listed."""


class Standing(NamedTuple):
    """A task as it stands now."""

    task: TaskName
    title: str
    verdict: str  # "up-to-date", "stale", "claimed"
    phase: str | None = None
    story: str | None = None
    priority: int | None = None
    commit: Oid | None = None  # of the checkpoint that counts; None: it has none
    time: int | None = None  # of that commit, seconds since 1970
    seconds: float | None = None  # that the task took; None: unknown
    executor: str | None = None
    files: tuple[str, ...] = ()  # the targets that the checkpoint records

    @property
    def done(self) -> bool:
        return self.verdict in {"up-to-date", "claimed"}


def literal(text: str) -> str:
    """Foreign text as text: nothing in it is taken for Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]<>#|!~&])", r"\\\1", clean(text)).strip()


def _code(text: str) -> str:
    shown = clean(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    space = " " if "`" in shown else ""
    return f"{fence}{space}{shown}{space}{fence}"


def _label(standings: Sequence[Standing]) -> Callable[[TaskName], str]:
    several = len({standing.task.file for standing in standings}) > 1
    return lambda task: str(task) if several else task.id


def _item(standing: Standing, label: Callable[[TaskName], str]) -> str:
    story = f" \\[{literal(standing.story)}\\]" if standing.story else ""
    box = "x" if standing.done else " "
    return f"- [{box}] {literal(label(standing.task))}{story} {literal(standing.title)}"


def session(
    standings: Sequence[Standing],
    runs: Sequence[Run],
    *,
    branch: str | None,
    diagnose: Diagnose | None = None,
) -> str:
    """Where the work stands: what is done, what failed and why, what comes next."""
    label = _label(standings)
    outcomes = last_outcomes(runs)
    done = [standing for standing in standings if standing.done]
    bad = {"failed", "blocked"}
    rest = [standing for standing in standings if not standing.done]
    failed = [standing for standing in rest if outcomes.get(standing.task) == "failed"]
    lines = ["# Session", "", f"Branch: {literal(branch) if branch else 'detached HEAD'}  "]
    lines += [
        f"Status: {_status(rest, outcomes)}  ",
        f"Progress: {len(done)}/{count(len(standings), 'task')}  ",
    ]
    lines += [f"Last run: {_last_run(runs)}", ""]
    lines += _list("Completed tasks", [_item(standing, label) for standing in done])
    for standing in failed:
        lines += _list("Failed task", [_item(standing, label), *_failure(standing.task, runs, diagnose)])
    blocked = [standing for standing in rest if outcomes.get(standing.task) == "blocked"]
    lines += _list("Blocked tasks", [_item(standing, label) for standing in blocked])
    pending = [standing for standing in rest if outcomes.get(standing.task) not in bad]
    lines += _list("Pending tasks", [_item(standing, label) for standing in pending])
    if rest:
        lines += ["## Next", "", "    specbuild --continue", ""]
    return "\n".join(lines)


def _status(rest: Sequence[Standing], outcomes: Mapping[TaskName, Outcome]) -> str:
    if not rest:
        return "complete"
    return "failed" if any(outcomes.get(standing.task) == "failed" for standing in rest) else "in progress"


def _last_run(runs: Sequence[Run]) -> str:
    if not runs:
        return "unknown, there is no log of a run"
    end = runs[-1].end
    how = end.headline if end else "cut off"
    return f"{moment(runs[-1].started)}, {how}, {duration(runs[-1].seconds)}"


def _list(title: str, items: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *items, ""] if items else []


def _failure(task: TaskName, runs: Sequence[Run], diagnose: Diagnose | None) -> Iterator[str]:
    failures = [
        (run, event)
        for run in runs
        for event in run.finished
        if event.task == task and event.outcome == "failed"
    ]
    run, event = failures[-1]
    allowed = [e.attempts for _, e in run.events if isinstance(e, TaskRetried) and e.task == task]
    attempts = f"{event.attempts} of {allowed[-1]}" if allowed else str(event.attempts)
    yield f"  - Error: {literal(event.error or 'unknown')}"
    yield f"  - Attempts: {attempts}"
    if event.partial:
        yield f"  - Partial work: {_code(event.partial)}"
    diagnosis = diagnose(event) if diagnose is not None else None
    if diagnosis is not None:
        yield f"  - Diagnosis: {literal(diagnosis.summary)}"
        yield from (f"  - Possible cause: {literal(cause)}" for cause in diagnosis.causes)
        yield from (f"  - Suggested fix: {_code(fix)}" for fix in diagnosis.fixes)


def changes(standings: Sequence[Standing]) -> str:
    """What was completed, newest first, with commit, time and files."""
    label = _label(standings)
    recorded = [standing for standing in standings if standing.commit is not None and standing.done]
    recorded.sort(key=lambda standing: standing.time or 0, reverse=True)
    lines = ["# Completed changes", "", f"{count(len(recorded), 'task')} completed.", ""]
    day = ""
    for standing in recorded:
        when = moment(standing.time) if standing.time is not None else "unknown time"
        if when[:10] != day:
            day = when[:10]
            lines += [*([""] if lines[-1] else []), f"## {day}", ""]
        took = "unknown" if standing.seconds is None else duration(standing.seconds)
        lines.append(f"- {literal(label(standing.task))} {literal(standing.title)}")
        lines.append(
            f"  - commit {_code((standing.commit or '')[:10])}, {when[11:] or when}, "
            f"took {took}, by {literal(standing.executor or 'unknown')}"
        )
        lines += [f"  - {_code(path)}" for path in standing.files]
    claimed = [standing for standing in standings if standing.verdict == "claimed"]
    items = [f"- {literal(label(s.task))} {literal(s.title)}" for s in claimed]
    lines += ["", *_list("Claimed, ticked but recorded by no commit", items)]
    return "\n".join(lines).rstrip() + "\n"


def progress(standings: Sequence[Standing], runs: Sequence[Run]) -> str:
    """How far the work is and how long it took: by phase, story and priority, and the latest runs."""
    done = sum(standing.done for standing in standings)
    share = percent(done / len(standings)) if standings else "unknown"
    lines = ["# Progress", "", f"{done} of {count(len(standings), 'task')} done ({share}).", ""]
    lines += _grouped("Phase", standings, lambda standing: standing.phase)
    lines += _grouped("Story", standings, lambda standing: standing.story)
    lines += _grouped("Priority", standings, lambda s: f"P{s.priority}" if s.priority else None)
    lines += _runs(runs)
    return "\n".join(lines).rstrip() + "\n"


def _grouped(
    title: str, standings: Sequence[Standing], key: Callable[[Standing], str | None]
) -> Iterable[str]:
    groups: dict[str | None, list[Standing]] = {}
    for standing in standings:
        groups.setdefault(key(standing), []).append(standing)
    if not set(groups) - {None}:
        return []
    rows = []
    for name, members in groups.items():
        known = [member.seconds for member in members if member.seconds is not None]
        took = duration(sum(known)) if known else "unknown"
        done = sum(member.done for member in members)
        rows.append((literal(name) if name else "none", f"{done}/{len(members)}", took))
    return [*_table((title, "Done", "Time of tasks"), rows), ""]


def _runs(runs: Sequence[Run]) -> Iterable[str]:
    if not runs:
        return ["Runs: unknown, there is no log of any.", ""]
    rows = []
    for run in reversed(runs[-RECENT:]):
        end = run.end
        counts: dict[str, int] = {}
        for event in run.finished:
            counts[event.outcome] = counts.get(event.outcome, 0) + 1
        took = duration(run.seconds) if end else f"at least {duration(run.seconds)}"
        tests, coverage = _tests(run)
        rows.append(
            (moment(run.started), end.headline if end else "cut off", str(counts.get("completed", 0)),
             str(counts.get("reused", 0)), str(counts.get("failed", 0)), took, tests, coverage)
        )  # fmt: skip
    head = ("Run", "Result", "Completed", "Reused", "Failed", "Duration", "Tests", "Coverage")
    older = len(runs) - len(rows)
    note = [f"{count(older, 'older run')} not listed.", ""] if older else []
    return [*_table(head, rows), "", *note]


def _tests(run: Run) -> tuple[str, str]:
    gates = [event for _, event in run.events if isinstance(event, GateFinished)]
    tests = next((found for gate in reversed(gates) if (found := tests_of(gate)) is not None), None)
    coverage = next((gate.coverage for gate in reversed(gates) if gate.coverage is not None), None)
    return counted(tests) if tests else "unknown", "unknown" if coverage is None else f"{coverage:.0f}%"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{' --- |' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def summary_document(summary: Summary, *, documents: Sequence[str] = ()) -> str:
    """The summary of one run, for a page that shows Markdown."""
    first, _, *rest = render(summary, documents=documents)
    name = label_for(summary)
    rows = [
        _row(task, name) for task in sorted(_tasks(summary), key=lambda task: task.position or sys.maxsize)
    ]
    head = ("Task", "Outcome", "Time", "Attempts", "Commit")
    body = "\n".join(f"    {line.text}".rstrip() for line in rest)
    listing = "\n".join([*_table(head, rows), ""]) + "\n" if rows else ""
    return f"## {literal(first.text)}\n\n{listing}{body}\n\n"


def _tasks(summary: Summary) -> list[TaskFinished]:
    return [
        *summary.completed, *summary.reused, *(failed.task for failed in summary.failed),
        *summary.broken_off, *summary.blocked,
    ]  # fmt: skip


def _row(task: TaskFinished, name: Callable[[TaskName], str]) -> tuple[str, ...]:
    return (
        f"{literal(name(task.task))} {literal(task.title)}",
        "interrupted" if task.outcome == "skipped" else task.outcome,
        duration(task.seconds),
        str(task.attempts),
        _code(task.commit[:10]) if task.commit else "",
    )
