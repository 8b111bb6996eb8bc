"""`specbuild log`: checkpoints, newest first; of one task also its attempts and what they changed."""

from typing import TYPE_CHECKING, Any

import click

from specbuild.cli.parts import Here, Selection, json_option, print_json, tasks_option
from specbuild.engine.checkpoint import Recorded
from specbuild.git.repository import GitFailed

if TYPE_CHECKING:
    from specbuild.runlog.reading import AttemptLog


@click.command("log")
@click.argument("task_id", metavar="[ID]", required=False)
@tasks_option
@json_option
def command(**given: Any) -> int:
    """Checkpoints, newest first; with ID also attempts, their output and diffs."""
    here = Here(Selection(given["tasks"], everything=not given["tasks"]))
    if given["task_id"] is None:
        return _all(here, as_json=given["as_json"])
    return _one(here, given["task_id"], as_json=given["as_json"])


def _document(recorded: Recorded) -> dict[str, Any]:
    checkpoint = recorded.checkpoint
    return {
        "name": str(checkpoint.name),
        "commit": recorded.commit,
        "time": recorded.time,
        "seconds": checkpoint.seconds,
        "executor": checkpoint.executor,
        "key": checkpoint.key,
        "undone": recorded.undone,
        "targets": dict(checkpoint.targets),
    }


def _line(recorded: Recorded) -> str:
    from specbuild.reporting.text import clean, duration, moment

    checkpoint = recorded.checkpoint
    undone = "  (reverted)" if recorded.undone else ""
    return clean(
        f"{recorded.commit[:7]}  {moment(recorded.time)}  {checkpoint.name}  {checkpoint.executor}  "
        f"{duration(checkpoint.seconds)}{undone}"
    )


def _all(here: Here, *, as_json: bool) -> int:
    found = here.history.checkpoints()
    if as_json:
        print_json({"checkpoints": [_document(recorded) for recorded in found]})
        return 0
    for recorded in found:
        click.echo(_line(recorded))
    return 0


def _one(here: Here, reference: str, *, as_json: bool) -> int:
    from specbuild.reporting.text import clean, duration
    from specbuild.runlog.reading import attempts, read_runs

    position = here.find(reference)
    task = here.tasks[position]
    found = here.judge.checkpoints(position)
    tried = attempts(read_runs(here.runs_folder, output=True), task.name)
    if as_json:
        checkpoints = [{**_document(recorded), "diff": _diff(here, recorded)} for recorded in found]
        print_json(
            {
                "name": str(task.name),
                "checkpoints": checkpoints,
                "attempts": [{**each._asdict(), "task": str(task.name)} for each in tried],
            }
        )
        return 0
    click.echo(clean(f"{task.name}  {task.text.title}"))
    for recorded in found:
        click.echo(_line(recorded))
        click.echo(clean(_diff(here, recorded), lines=True), nl=False)
    for each in tried:
        took = f" in {duration(each.seconds)}" if each.seconds is not None else ""
        click.echo(clean(f"attempt {each.attempt}: {_how(each, took)}"))
        for line in clean(each.output, lines=True).splitlines():
            click.echo(f"  | {line}")
    if not found and not tried:
        click.echo("no checkpoint, and no attempt in the runs' logs", err=True)
    return 0


def _how(tried: "AttemptLog", took: str) -> str:
    """How an attempt ended."""
    if tried.outcome is None:
        return "its end is not in the log: the run was killed, or still goes on"
    if tried.outcome == "skipped":
        return f"{tried.error or 'interrupted'}{took}"
    return f"{tried.outcome}{took}{': ' + tried.error if tried.error else ''}"


def _diff(here: Here, recorded: Recorded) -> str:
    """What the checkpoint's commit changed at its targets."""
    paths = [f":(literal){path}" for path in recorded.checkpoint.targets]
    if not paths:
        return ""
    try:
        shown = here.repository.git(["show", "--format=", "--patch", recorded.commit, "--", *paths])
    except GitFailed:
        return ""
    return shown.decode("utf-8", "replace")
