"""The summary of a run in words: headline, figures, what failed and why, and commands to paste."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from specbuild.engine.events import GateFinished, TaskFinished
from specbuild.engine.task import TaskName
from specbuild.reporting.next_steps import Invocation, Step, next_steps
from specbuild.reporting.summary import (
    Diagnosed,
    Failed,
    Parallelism,
    PhaseTime,
    Retried,
    Sessions,
    Suite,
    Summary,
    Tests,
    tests_of,
)
from specbuild.reporting.text import Line, Tone, alike, capital, clean, count, duration, percent, ranges

LISTED = 20
"""So many titles of a list are shown; the rest is counted."""


def label_for(summary: Summary) -> Callable[[TaskName], str]:
    """The short id where all tasks of the run are of one file, else the full name."""
    return (lambda task: task.id) if len(summary.files) == 1 else str


def headline(summary: Summary) -> Line:
    """One of the three headlines, with what was particular about the run."""
    kind = {"complete": "complete ✓", "partially complete": "partially complete", "failed": "failed ✗"}
    particular = []
    if summary.resumed:
        particular.append("resumed")
    if summary.filter:
        particular.append(_filter_words(summary.filter))
    if summary.interrupted:
        particular.append("interrupted")
    tail = f" ({', '.join(particular)})" if particular else ""
    tones: dict[str, Tone] = {"complete": "good", "partially complete": "warn", "failed": "bad"}
    return Line(f"Build {kind[summary.headline]}{tail}", tones[summary.headline])


def _filter_words(expression: str) -> str:
    expression = clean(expression)
    return f"{expression} tasks" if re.fullmatch(r"\w+", expression) else f"filter {expression}"


def render(
    summary: Summary,
    *,
    label: Callable[[TaskName], str] | None = None,
    invocation: Invocation | None = None,
    documents: Sequence[str] = (),
) -> list[Line]:
    """The whole summary; `documents`: those that `[[report]]` wrote after the run."""
    name = label or label_for(summary)
    lines = [headline(summary), Line("")]
    lines += _section("Summary", _figures(summary, name))
    for failed in summary.failed:
        lines += _section("Failed task", _failure(failed, name), tone="bad")
    for task in summary.broken_off:
        lines += _section("Interrupted task", _broken_off(task, name), tone="warn")
    lines += _section("Blocked tasks", [f"  {_blocked(task, summary, name)}" for task in summary.blocked])
    lines += _section(*_completed(summary, name))
    if summary.sessions is not None:
        lines += _section("Resume", _resume(summary.sessions, summary, name))
    if summary.parallel is not None:
        lines += _section("Parallel", _parallel(summary.parallel, name))
    lines += _section("Phases", _phases(summary))
    lines += _section("Gates", _gates(summary))
    lines += _section("Tests", _suites(summary.tests))
    lines += _section("Deferred", list(_deferred(summary)))
    lines += _section("Documents", [f"✓ {clean(document)}" for document in documents])
    lines += _section("Next steps", _steps(next_steps(summary, name, invocation or Invocation())))
    return lines[:-1]


def _section(title: str, lines: Sequence[str], tone: Tone = "head") -> list[Line]:
    if not lines:
        return []
    return [Line(f"{title}:", tone), *map(Line, lines), Line("")]


def _figures(summary: Summary, name: Callable[[TaskName], str]) -> list[str]:
    kind = f"{clean(summary.filter)} tasks" if summary.filter else "Tasks"
    lines = [f"{kind} completed: {summary.done}/{summary.chosen}"]
    if summary.foundation:
        lines.append(f"Of these, setup and foundations that others wait for: {summary.foundation}")
    if summary.up_to_date:
        lines.append(f"Up to date before: {summary.up_to_date}")
    if summary.reused:
        saved = summary.saved_by_reuse
        lines.append(f"Reused: {len(summary.reused)} (saved {_known(saved)})")
    if summary.failed:
        lines.append(f"Tasks failed: {_named([failed.task.task for failed in summary.failed], name)}")
    if summary.blocked:
        lines.append(f"Tasks blocked: {_named([task.task for task in summary.blocked], name)}")
    if summary.broken_off:
        lines.append(f"Tasks interrupted: {_named([task.task for task in summary.broken_off], name)}")
    if summary.not_run:
        lines.append(f"Tasks not run: {summary.not_run}")
    if summary.deferred:
        total = sum(len(titles) for titles in summary.deferred.values())
        each = ", ".join(f"{_priority(p)}: {len(titles)}" for p, titles in sorted(summary.deferred.items()))
        lines.append(f"Tasks deferred: {total} ({each})")
    if summary.claimed:
        lines.append(f"Claimed, ticked but recorded by no commit: {_named(summary.claimed, name)}")
    if summary.left:
        lines.append(f"Left stale: {_named(summary.left, name)}")
    lines.append(f"Duration: {_known(summary.seconds)}")
    if summary.average is not None:
        lines.append(f"Average task time: {duration(summary.average)}")
    if {"cost_usd", "tokens"} & summary.usage.keys():
        lines.append(f"Agents: {usage_words(summary.usage)}")
    lines.append(f"Tests: {_tests(summary)}")
    lines.append(f"Files created: {summary.changed.created}")
    lines.append(f"Files modified: {summary.changed.modified}")
    if summary.changed.deleted:
        lines.append(f"Files deleted: {summary.changed.deleted}")
    if summary.warnings:
        lines.append(f"Warnings: {len(summary.warnings)}")
    return [f"- {line}" for line in lines]


def usage_words(usage: Mapping[str, Any]) -> str:
    """`$0.42, 12,345 tokens (11,000 in, 1,345 out)`; what was not told is unknown."""
    cost, tokens = usage.get("cost_usd"), usage.get("tokens")
    words = [f"${cost:.2f}" if cost is not None else "cost unknown"]
    if tokens is not None:
        given, made = usage.get("input_tokens"), usage.get("output_tokens")
        parts = f" ({given:,} in, {made:,} out)" if given is not None and made is not None else ""
        words.append(f"{tokens:,} tokens{parts}")
    return ", ".join(words)


def _known(seconds: float | None) -> str:
    return "unknown" if seconds is None else duration(seconds)


def _named(tasks: Sequence[TaskName], name: Callable[[TaskName], str]) -> str:
    return f"{len(tasks)} ({clean(ranges(name(task) for task in tasks))})"


def _priority(priority: str) -> str:
    return "without priority" if priority == "none" else clean(priority)


def _tests(summary: Summary) -> str:
    if summary.tests is not None:
        cover = "" if summary.coverage is None else f" ({summary.coverage:.0f}% coverage)"
        return counted(summary.tests) + cover
    if summary.skipped_gates:
        return "not run (--skip-tests)"
    if not summary.gates:
        return "unknown, the gate was interrupted" if summary.unfinished_gate else "none, no gate ran"
    cover = "" if summary.coverage is None else f", {summary.coverage:.0f}% coverage"
    return f"number unknown, no gate wrote JUnit XML{cover}"


def _suites(tests: Tests | None) -> list[str]:
    suites = tests.suites if tests is not None else ()
    lines = [
        f"{'✗' if suite.failed else '✓'} {clean(suite.name) or 'tests'} - {counted(suite)}"
        for suite in sorted(suites, key=lambda suite: suite.failed == 0)[:LISTED]
    ]
    more = len(suites) - len(lines)
    return [*lines, *([f"… and {count(more, 'more suite')}"] if more else [])]


def counted(tests: Tests | Suite) -> str:
    """`41 passing, 2 failing`."""
    words = [f"{tests.passed} passing"]
    if tests.failed:
        words.append(f"{tests.failed} failing")
    if tests.skipped:
        words.append(f"{tests.skipped} skipped")
    return ", ".join(words)


def task_words(task: TaskFinished, name: Callable[[TaskName], str]) -> str:
    """`T006 [US2] Email service`."""
    story = f" [{task.story}]" if task.story else ""
    return clean(f"{name(task.task)}{story} {task.title}")


def _failure(failed: Failed, name: Callable[[TaskName], str]) -> list[str]:
    task = failed.task
    lines = [
        f"  {task_words(task, name)}",
        f"  Error: {clean(task.error or 'unknown')}{_told(failed.diagnosis)}",
        f"  Attempts: {attempts(failed)}, {duration(task.seconds)}",
    ]
    if task.partial:
        lines.append(f"  Partial work: {clean(task.partial)}")
    diagnosis = failed.diagnosis
    if diagnosis is not None:
        if diagnosis.causes:
            lines += ["", "  Possible causes:", *(f"  - {clean(cause)}" for cause in diagnosis.causes)]
        if diagnosis.fixes:
            lines += ["", "  Suggested fixes:"]
            lines += [f"  {number}. {clean(fix)}" for number, fix in enumerate(diagnosis.fixes, 1)]
    return lines


def _broken_off(task: TaskFinished, name: Callable[[TaskName], str]) -> list[str]:
    why = clean(capital(task.error or "interrupted"))
    lines = [f"  {task_words(task, name)}", f"  {why}, after {duration(task.seconds)}"]
    return [*lines, f"  Partial work: {clean(task.partial)}"] if task.partial else lines


def _told(diagnosis: Diagnosed | None) -> str:
    return f" ({clean(diagnosis.summary)})" if diagnosis is not None and diagnosis.summary else ""


def attempts(failed: Failed) -> str:
    """`3 of 3 (exhausted)`; a task that failed before its attempts ran out failed for good."""
    made, allowed = failed.task.attempts, failed.allowed
    if allowed is None:
        return str(made)
    return f"{made} of {allowed} ({'exhausted' if made >= allowed else 'not worth repeating'})"


def _blocked(task: TaskFinished, summary: Summary, name: Callable[[TaskName], str]) -> str:
    why = ["blocked"]
    if task.blocked_by is not None:
        why = [f"blocked by {name(task.blocked_by)} {summary.titles.get(task.blocked_by, '')}".rstrip()]
    if task.error:
        why.append(task.error)
    return f"{task_words(task, name)} ({clean(', '.join(why))})"


def _completed(summary: Summary, name: Callable[[TaskName], str]) -> tuple[str, list[str]]:
    tasks = [*summary.completed, *summary.reused]
    tasks.sort(key=lambda task: task.position)
    if summary.failed:
        if not tasks:
            return "", []
        ids = clean(ranges(name(task.task) for task in tasks))
        went_on = not summary.not_run  # else the run stopped at the first failure
        return "Independent tasks completed" if went_on else "Completed", [
            f"  ✓ {ids} ({count(len(tasks), 'task')})"
        ]
    if not summary.filter:
        return "", []
    shown = [f"✓ {clean(task.title)}" for task in tasks[:LISTED]]
    more = len(tasks) - len(shown)
    return "Completed", [*shown, *([f"… and {more} more"] if more else [])]


def _resume(sessions: Sessions, summary: Summary, name: Callable[[TaskName], str]) -> list[str]:
    intact = f", of which {sessions.repeated} had to run again" if sessions.repeated else ", all intact"
    lines = [
        f"Previously completed: {count(sessions.previous + sessions.repeated, 'task')}"
        + (intact if sessions.known else ""),
        f"Resumed tasks: {count(sessions.resumed, 'task')}",
    ]
    lines += [f"Failed task retry: {_retried(retried, summary, name)}" for retried in sessions.retried]
    lines.append(f"Resume duration: {_known(summary.seconds)}")
    if not sessions.known:
        lines.append("Failed task retry: unknown, the logs of earlier sessions are gone")
        lines.append("Total duration: unknown, the logs of earlier sessions are gone")
        return [f"- {line}" for line in lines]
    least = "" if sessions.exact else "at least "
    lines.append(
        f"Total duration: {least}{duration(sessions.seconds)} (across {count(sessions.number, 'session')})"
    )
    return [f"- {line}" for line in lines]


def _retried(retried: Retried, summary: Summary, name: Callable[[TaskName], str]) -> str:
    title = retried.now.title if retried.now else summary.titles.get(retried.name, "")
    words = clean(f"{name(retried.name)} {title}".strip())
    before = f"; before: {clean(retried.error)}" if retried.error else ""
    if retried.now is None:
        return f"{words}, not run{before}"
    words_for = {"completed": "successful", "reused": "successful, reused", "skipped": "interrupted"}
    result = words_for.get(retried.now.outcome, retried.now.outcome)
    tried = f" ({count(retried.now.attempts, 'attempt')})" if retried.now.attempts else ""
    return f"{words}, {result}{tried}{before}"


def _parallel(figures: Parallelism, name: Callable[[TaskName], str]) -> list[str]:
    sequential, wall = alike(figures.sequential, figures.wall)
    if sequential and wall:
        figures = figures._replace(sequential=sequential, wall=wall)
    efficiency = f"{percent(figures.efficiency)} (time saved / sequential equivalent)"
    average = f"{figures.average:.1f}" if figures.average >= 0.1 else "less than 0.1"
    if figures.saved >= 0:
        saved = f"{duration(figures.saved)} ({percent(figures.efficiency)} faster)"
    else:
        saved, efficiency = f"none, the run took {duration(-figures.saved)} more", "none"
    lines = [
        f"Parallel tasks, marked [P]: {figures.marked}",
        f"Concurrent workers: {figures.workers}",
        f"Sequential equivalent: {duration(figures.sequential)} (sum of all tasks)",
        f"Wall time: {duration(figures.wall)} (of the run, without its gates)",
        f"Time saved: {saved}",
        f"Efficiency: {efficiency}",
        f"Average parallelism: {average} (sequential equivalent / wall time)",
        f"Longest task: {duration(figures.longest.seconds)} ({clean(name(figures.longest.task))})",
        f"Shortest task: {duration(figures.shortest.seconds)} ({clean(name(figures.shortest.task))})",
    ]
    return [f"- {line}" for line in lines]


def _phases(summary: Summary) -> list[str]:
    lines = [f"- {_phase(phase)}" for phase in summary.phases]
    if lines and any(not gate.cached for gate in summary.gates):
        lines.append(f"- Testing: {duration(summary.testing)}")
    return lines


def _phase(phase: PhaseTime) -> str:
    missing = [story for story in phase.stories if story.lower() not in phase.name.lower()]
    stories = f" ({', '.join(missing)})" if missing else ""
    label = clean(phase.name) or "Without phase"
    return f"{label}{clean(stories)}: {count(phase.tasks, 'task')} in {duration(phase.seconds)}"


def _gates(summary: Summary) -> list[str]:
    lines = [f"- {_gate(gate)}" for gate in summary.gates]
    gate = summary.unfinished_gate
    return [*lines, f"- {clean(gate.gate)}{_where(gate.phase)}: interrupted"] if gate else lines


def _where(phase: str | None) -> str:
    return ", at the end" if phase is None else f", {clean(phase) or 'tasks without phase'}"


def _gate(gate: GateFinished) -> str:
    result = "passed" if gate.passed else "failed"
    took = "before, on the same tree" if gate.cached else f"in {duration(gate.seconds)}"
    tests = tests_of(gate)
    words = [f"{clean(gate.gate)}{_where(gate.phase)}: {result} {took}"]
    if tests is not None:
        words.append(counted(tests))
    if gate.coverage is not None:
        words.append(f"coverage {gate.coverage:.0f}%")
    return ", ".join(words)


def _deferred(summary: Summary) -> Iterator[str]:
    for priority, titles in sorted(summary.deferred.items()):
        shown = ", ".join(clean(title) for title in titles[:LISTED])
        more = f", … and {len(titles) - LISTED} more" if len(titles) > LISTED else ""
        yield f"  {_priority(priority)}: {count(len(titles), 'task')} ({shown}{more})"


def _steps(steps: Sequence[Step]) -> list[str]:
    breadth = min(60, max((len(step.command) for step in steps), default=0))
    return [f"  {step.command:<{breadth}}  # {step.purpose}" for step in steps]
