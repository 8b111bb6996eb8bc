"""The words for what happens in a run, one event at a time."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from specbuild.engine.events import (
    GateFinished,
    GateStarted,
    Outcome,
    Planned,
    RunStarted,
    TaskFinished,
    TaskRetried,
    TaskStarted,
    Warned,
)
from specbuild.engine.task import TaskName
from specbuild.reporting.summary import Diagnosed, Tests, tests_of
from specbuild.reporting.text import Line, alike, capital, clean, clock, count, duration, ellipsis, percent

Label = Callable[[TaskName], str]
LONGEST = 500
"""So many columns of a line are shown: a recipe may print a megabyte without a line break."""
SHOWN_FILES = 12
TAIL = 12
"""So many lines of the output of what failed are shown."""


def _cut(text: str) -> str:
    return ellipsis(clean(text), LONGEST)


def opening(event: RunStarted) -> Iterator[Line]:
    """What a run is about to do (SPEC section 8)."""
    branch = f"on branch {_cut(event.branch)}" if event.branch is not None else "on a detached HEAD"
    files = ", ".join(_cut(file) for file in event.files)
    yield Line(f"specbuild: {count(event.tasks, 'task')} in {files}, {branch}", "head")
    if event.filter is not None:
        yield Line(f"  filter {_cut(event.filter)}: {event.chosen} of {count(event.tasks, 'task')} chosen")
        if event.foundation:
            yield Line(f"  of these, only since others wait for them: {event.foundation}")
        deferred = {key: len(titles) for key, titles in event.deferred.items()}
        if deferred:
            yield Line(f"  deferred: {count(sum(deferred.values()), 'task')} ({_tally(deferred, ': ')})")
    priorities = {key: number for key, number in event.by_priority.items() if key != "none"}
    if priorities:
        none = event.by_priority.get("none", 0)
        yield Line(f"  priorities: {_tally(priorities)}{f', without {none}' if none else ''}")
    stories = {key: number for key, number in event.by_story.items() if key != "none"}
    if stories:
        yield Line(f"  stories: {_tally(stories)}")
    yield Line(f"  marked [P]: {event.parallel_tasks or 'none'}")
    yield Line(f"  mode: {_cut(event.mode)}" + (f", {_cut(event.why)}" if event.why else ""))
    if event.executors:
        yield Line(f"  executors: {_tally(event.executors)}")


def _tally(numbers: Mapping[str, int], joint: str = "") -> str:
    """`US1 (3), US2 (2)`, or with `: ` as joint `P2: 3, P3: 2`."""
    items = sorted((clean(key), number) for key, number in numbers.items())
    words = [f"{key}{joint}{number}" if joint else f"{key} ({number})" for key, number in items]
    return ", ".join(words)


def plan(
    event: Planned, label: Label, outcomes: Mapping[TaskName, Outcome] | None, *, resumed: bool, verbose: bool
) -> Iterator[Line]:
    """What the run found when it began."""
    pending = len(event.will_run) + len(event.may_run)
    if resumed:
        yield Line(f"  ✓ {count(len(event.up_to_date), 'task')} completed earlier and up to date", "good")
        before = outcomes or {}
        failed = [label(task) for task in (*event.will_run, *event.may_run) if before.get(task) == "failed"]
        nothing = "unknown, the log is gone" if outcomes is None else "none known"
        known = ", ".join(failed) if failed else nothing
        yield Line(f"  ✓ failed in the last session: {_cut(known)}")
        yield Line(f"  ✓ {count(pending, 'task')} pending")
    else:
        may = f", {len(event.may_run)} may run" if event.may_run else ""
        yield Line(f"  plan: {len(event.will_run)} will run{may}, {len(event.up_to_date)} up to date")
    if event.claimed:
        names = _cut(", ".join(label(task) for task in event.claimed))
        yield Line(f"  claimed, ticked but recorded by no commit: {names}", "warn")
    if verbose:
        for task in event.will_run:
            why = "; ".join(event.reasons.get(task, ()))
            yield Line(f"  will run {_cut(label(task))}" + (f": {_cut(why)}" if why else ""), "dim")
        for task in event.may_run:
            yield Line(f"  may run {_cut(label(task))}", "dim")


def title(event: TaskStarted | TaskFinished, label: Label) -> str:
    """`T003 [US1] Create auth service in src/services/auth.js`."""
    story = f" [{event.story}]" if event.story else ""
    return _cut(f"{label(event.task)}{story} {event.title}")


def header(event: TaskStarted | TaskFinished, label: Label, *, retry: bool) -> Line:
    """`[3/8] T003 [US1] Create auth service in src/services/auth.js`."""
    again = "[Retry] " if retry else ""
    return Line(f"{_place(event)}{again}{title(event, label)}", "head")


def _place(event: TaskStarted | TaskFinished) -> str:
    """`[3/8] `; a task that never came up has no place."""
    return f"[{event.position}/{event.total}] " if event.position else ""


def worker(event: TaskStarted, label: Label) -> Line:
    """A task that begins while others run."""
    return Line(f"[Worker {event.worker}] {title(event, label)}", "head")


def reasons(why: Sequence[str], *, verbose: bool) -> Iterator[Line]:
    """Why a task is stale, where a person asked for it."""
    if verbose:
        for reason in why:
            yield Line(f"  because {_cut(reason)}", "dim")


def output(text: str, *, verbose: bool) -> list[Line]:
    """The steps that a recipe tells of, lines that begin with `→ `; with `verbose` all that it prints."""
    lines: list[Line] = []
    if not verbose and "→" not in text:
        return lines  # gigabytes may come
    for raw in clean(text, lines=True).split("\n"):
        line = ellipsis(raw.replace("\t", "    ").rstrip(), LONGEST)
        if line.startswith("→ "):
            lines.append(Line(f"  {line}"))
        elif verbose and line:
            lines.append(Line(f"    {line}", "dim"))
    return lines


def retried(event: TaskRetried) -> Line:
    """An attempt that failed, with another to come."""
    when = f"; next in {duration(event.delay)}" if event.delay > 0 else ""
    return Line(f"  ↻ Attempt {event.attempt} of {event.attempts} failed: {_cut(event.error)}{when}", "warn")


def files(event: TaskFinished, *, verbose: bool) -> Iterator[Line]:
    """The files that a task changed, as they were found, not as its recipe tells."""
    shown = event.files if verbose else event.files[:SHOWN_FILES]
    for change in shown:
        lines = "" if change.lines is None else f" ({count(change.lines, 'line')})"
        yield Line(f"  {change.change} {_cut(change.path)}{lines}")
    if len(event.files) > len(shown):
        yield Line(f"  … and {count(len(event.files) - len(shown), 'more file')}", "dim")


def finished(event: TaskFinished, *, at: float | None, retry: bool) -> Line:
    """How a task ended; `at`: seconds into a parallel run."""
    place = f", worker {event.worker} at {clock(at)}" if at is not None else ""
    took = duration(event.seconds)
    match event.outcome:
        case "completed":
            note = " (retry successful)" if retry else ""
            return Line(f"  ✓ Completed in {took}{place}{note}", "good")
        case "reused":
            origin = f" from {event.reused_from[:10]}" if event.reused_from else ""
            saved = "" if event.saved_seconds is None else f", saved {duration(event.saved_seconds)}"
            return Line(f"  ✓ Reused{origin}{saved}", "good")
        case "failed":
            after = f" after {count(event.attempts, 'attempt')}" if event.attempts > 1 else ""
            return Line(f"  ✗ Failed{after} in {took}{place}: {_cut(event.error or 'unknown error')}", "bad")
    return Line(f"  – {_cut(capital(event.error or event.outcome))}, after {took}{place}", "warn")


def failure(event: TaskFinished, diagnosis: Diagnosed | None, *, with_output: bool) -> Iterator[Line]:
    """What is known of a failure at once; the summary has causes and fixes."""
    if with_output:
        yield from tail(event.output)
    if diagnosis is not None and diagnosis.summary:
        yield Line(f"  Diagnosis: {_cut(diagnosis.summary)}", "warn")
    yield from partial(event)


def partial(event: TaskFinished) -> Iterator[Line]:
    """Where the work of a task that was not recorded is kept."""
    if event.partial:
        yield Line(f"  Partial work is kept at {_cut(event.partial)}", "dim")


def tail(text: str) -> Iterator[Line]:
    """The end of what something that failed printed."""
    lines = [line.rstrip() for line in clean(text, lines=True).split("\n") if line.strip()]
    if len(lines) > TAIL:
        yield Line(f"    | … {count(len(lines) - TAIL, 'line')} before", "dim")
    for line in lines[-TAIL:]:
        shown = ellipsis(line.replace("\t", "    "), LONGEST)
        yield Line(f"    | {shown}", "dim")


def blocked(event: TaskFinished, label: Label) -> Line:
    """A task that could not run."""
    by = f"blocked by {label(event.blocked_by)}" if event.blocked_by else "blocked"
    by += f", {event.error}" if event.error else ""
    return Line(f"{_place(event)}{title(event, label)}: {_cut(by)}", "warn")


def skipped(event: TaskFinished, label: Label) -> Line:
    """A task that was passed over."""
    why = f": {_cut(event.error)}" if event.error else ""
    return Line(f"  skipped {title(event, label)}{why}", "dim")


def batch(tasks: int, completed: int, wall: float, seconds: float) -> Line:
    """Tasks that overlapped, when the last of them has ended."""
    wall, seconds = alike(wall, seconds)
    saved = seconds - wall
    gain = f", {duration(saved)} saved ({percent(saved / seconds)})" if saved > 0 else ""
    took = f"{duration(wall)} (one after another {duration(seconds)}){gain}"
    if completed == tasks:
        return Line(f"Parallel batch: {count(tasks, 'task')} in {took}")
    return Line(
        f"Partial success: {completed} of {count(tasks, 'task')} of a parallel batch in {took}", "warn"
    )


def gate_header(event: GateStarted, chosen: str | None) -> Line:
    """`[Running tests: Phase 1]`, `[Running tests: P1 only]`, `[Final tests]`."""
    name = _cut(event.gate)
    only = f"{_cut(chosen)} only" if chosen else ""
    if event.phase is None and not only:
        return Line(f"[Final {name}]", "head")
    phase = "" if event.phase is None else _cut(event.phase) or "tasks without phase"
    where = ", ".join(filter(None, [phase, only]))
    return Line(f"[Running {name}: {where}]", "head")


def gate(event: GateFinished, *, verbose: bool) -> Iterator[Line]:
    """How a gate ended, with what it counted."""
    tests = tests_of(event)
    if tests is not None:
        yield from _suites(tests, every=verbose)
    if event.coverage is not None:
        yield Line(f"  Coverage: {event.coverage:.0f}%")
    if event.cached:
        yield Line("  ✓ Passed before on the same tree, not run again", "good")
    elif event.passed:
        yield Line(f"  ✓ Passed in {duration(event.seconds)}", "good")
    else:
        yield Line(f"  ✗ Failed in {duration(event.seconds)}", "bad")
        yield from tail(event.output)


def _suites(tests: Tests, *, every: bool) -> Iterator[Line]:
    suites = tests.suites if every else tests.suites[:SHOWN_FILES]
    for suite in suites:
        yield _counts(_cut(suite.name) or "tests", suite.passed, suite.failed, suite.skipped)
    if len(tests.suites) > len(suites):
        yield Line(f"  … and {count(len(tests.suites) - len(suites), 'more suite')}", "dim")
    if len(tests.suites) != 1:
        yield _counts("all tests", tests.passed, tests.failed, tests.skipped)


def _counts(name: str, passed: int, failed: int, skipped: int) -> Line:
    words = [f"{passed} passing"]
    if failed:
        words.append(f"{failed} failing")
    if skipped:
        words.append(f"{skipped} skipped")
    text = f"{name} - {', '.join(words)}"
    return Line(f"  ✗ {text}", "bad") if failed else Line(f"  ✓ {text}", "good")


def warning(event: Warned, label: Label) -> Line:
    """Something that a person should look at."""
    task = f"{label(event.task)}: " if event.task else ""
    return Line(f"warning: {_cut(task + event.message)}", "warn")
