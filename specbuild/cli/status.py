"""`specbuild status`: every task's verdict and reasons, and files that no task targets any more."""

from collections.abc import Sequence
from typing import Any

import click

from specbuild.cli.parts import (
    Here,
    Selection,
    all_option,
    at_option,
    filter_option,
    json_option,
    print_json,
    saved_cache,
    short_ids,
    task_document,
    tasks_option,
)
from specbuild.engine.checkpoint import ABSENT
from specbuild.engine.task import RepoPath
from specbuild.engine.verdict import Verdict


@click.command("status")
@tasks_option
@all_option
@filter_option
@at_option
@json_option
def command(**given: Any) -> int:
    """Every task's verdict, and why."""
    here = Here(Selection(given["tasks"], given["everything"], given["filter_"]), at=given["at"])
    with saved_cache(here):
        verdicts = here.judge.all()
        here.memorise()
        chosen = here.reported_positions() if given["filter_"] is None else here.chosen()
        orphans = orphaned(here)
        here.refuse_cut(verdicts)
        if given["as_json"]:
            documents = [task_document(here, position, verdicts[position]) for position in chosen]
            print_json({"tasks": documents, "untargeted": list(orphans)})
            return 0
        _print(here, chosen, verdicts, orphans)
    return 0


def orphaned(here: Here) -> Sequence[RepoPath]:
    """Files that a checkpoint of this history made as they are, and that no present task targets."""
    writers = here.loaded.project.graph.writers
    found: dict[RepoPath, None] = {}
    for recorded in here.history.with_targets(lambda path: not writers.written(path)):
        if recorded.undone:
            continue
        for path, result in recorded.checkpoint.targets.items():
            if path in found or result in {ABSENT, recorded.checkpoint.key} or writers.written(path):
                continue
            if here.judge.result_now(path) == result:
                found[path] = None
    return sorted(found)


def _print(
    here: Here, chosen: Sequence[int], verdicts: Sequence[Verdict], orphans: Sequence[RepoPath]
) -> None:
    from specbuild.reporting.text import clean, table

    tasks = here.loaded.project.graph.tasks
    name = short_ids(here)
    rows = []
    for position in chosen:
        verdict, task = verdicts[position], tasks[position]
        state = verdict.state + (" (may run)" if verdict.may_run and not verdict.stale else "")
        outcome = here.outcomes.get(task.name) if here.at is None and verdict.stale else None
        if outcome in {"failed", "blocked"}:
            state += f", {outcome} last time"
        rows.append((name(task.name), state, task.text.title))
        rows += [("", "", f"  {reason}") for reason in verdict.reasons]
    if rows:
        click.echo("\n".join(table(rows)))
    counts = {
        state: sum(1 for position in chosen if verdicts[position].state == state)
        for state in ("up-to-date", "stale", "claimed")
    }
    told = ", ".join(f"{number} {state}" for state, number in counts.items() if number or state != "claimed")
    click.echo(f"{len(chosen)} {'task' if len(chosen) == 1 else 'tasks'}: {told}" if chosen else "no tasks")
    if orphans:
        click.echo("made by tasks that are no longer there:")
        for path in orphans:
            click.echo(f"  {clean(path)}")
