"""What a person would do next after a run, as commands to paste."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from specbuild.engine.task import TaskName
from specbuild.reporting.summary import Summary
from specbuild.reporting.text import clean, count, ranges, shell_word

LONGEST = 80
"""So many characters of ids are listed in a purpose; of more there is only the number."""


class Step(NamedTuple):
    """Something to do next: a command to paste, and what it is for."""

    command: str  # "": nothing to paste
    purpose: str


class Invocation(NamedTuple):
    """What of this run's command line the next one needs."""

    scope: tuple[str, ...] = ()  # --tasks FILE or --all
    options: tuple[str, ...] = ()  # --parallel, -j 4: for runs only


def next_steps(summary: Summary, name: Callable[[TaskName], str], invocation: Invocation) -> list[Step]:
    """What a person would do next, as commands that can be pasted."""
    chosen = ("--filter", summary.filter) if summary.filter else ()
    again = (*invocation.options, *invocation.scope)
    steps: list[Step] = []
    for failed in summary.failed[:3]:
        ids = clean(name(failed.task.task))
        steps.append(
            Step(_command("log", name(failed.task.task), *invocation.scope), f"all that {ids} printed")
        )
        if failed.task.partial:
            steps.append(Step(f"git show {shell_word(failed.task.partial)}", "its partial work"))
    broken = [gate.gate for gate in summary.gates if not gate.passed]
    unfinished = summary.broken_off or (summary.not_run and not summary.left)
    if summary.failed or broken or summary.interrupted or unfinished:
        steps.append(Step(_command("--continue", *chosen, *again), _purpose(summary, name, broken)))
    bad = {failed.task.task for failed in summary.failed}
    if summary.filter and any(task.blocked_by not in bad for task in summary.blocked):
        purpose = "with the tasks outside the filter that chosen ones wait for"
        steps.append(Step(_command(*chosen, "--with-needs", *again), purpose))
    if summary.left:
        steps.append(Step(_command("--yes", *chosen, *again), "give leave to repeat what is left"))
    if summary.claimed:
        steps.append(Step(_command("adopt", *invocation.scope), "record the claimed tasks as done"))
    if summary.blocked and not steps:  # by no task: a budget is used up, say
        ids = clean(ranges(name(task.task) for task in summary.blocked))
        steps.append(Step(_command("--continue", *chosen, *again), f"go on with {ids}"))
    if summary.headline == "complete":
        steps += _after_success(summary, invocation)
    return steps


def _after_success(summary: Summary, invocation: Invocation) -> Iterator[Step]:
    for priority in sorted(set(summary.deferred) - {"none"}):
        command = _command("--filter", priority, *invocation.options, *invocation.scope)
        yield Step(command, f"the {clean(priority)} tasks, when ready")
    for story in summary.deferred_stories[:1]:
        command = _command("--filter", story, *invocation.options, *invocation.scope)
        yield Step(command, "or one story")
    if "none" in summary.deferred:
        yield Step(_command(*invocation.options, *invocation.scope), "all other tasks")
    if summary.skipped_gates:
        yield Step(_command(*invocation.options, *invocation.scope), "run the gates")
    made = len(summary.completed) + len(summary.reused)
    if made:
        yield Step(f"git log -{made}", "what was made, a commit for each task")
    if not summary.deferred:
        yield Step(_command("check", "--strict", *invocation.scope), "is everything up to date?")


def _purpose(summary: Summary, name: Callable[[TaskName], str], broken: Sequence[str]) -> str:
    if not summary.failed:
        return f"when gate {clean(broken[0])} is mended" if broken else "go on"
    ids = clean(ranges(name(failed.task.task) for failed in summary.failed))
    then = _further(summary, name)
    return f"when the cause is mended: retries {ids}" + (f", then runs {then}" if then else "")


def _further(summary: Summary, name: Callable[[TaskName], str]) -> str:
    """What could not run for what failed, or was not come to; "": nothing."""
    number = len(summary.blocked) + summary.not_run
    names = [*(task.task for task in summary.blocked), *summary.waiting]
    ids = clean(ranges(name(task) for task in sorted(names, key=_order)))
    known = len(names) == number and len(ids) <= LONGEST
    return ids if known else count(number, "further task")


def _order(task: TaskName) -> tuple[str, list[str | int]]:
    """T9 comes before T10."""
    parts = re.split(r"([0-9]+)", task.id)
    return task.file, [int(part) if index % 2 else part for index, part in enumerate(parts)]


def _command(*words: str) -> str:
    return " ".join(["specbuild", *(shell_word(word) for word in words)])
