"""`specbuild lint`: what was understood of the task files."""

from typing import Any

import click

from specbuild.cli.parts import Here, Selection, all_option, json_option, print_json, tasks_option
from specbuild.engine.task import Task, Warning_
from specbuild.errors import UsageError


@click.command("lint")
@click.argument("file", required=False)
@tasks_option
@all_option
@json_option
def command(**given: Any) -> int:
    """What was understood of a task file, and every warning with its line."""
    files = given["tasks"] + ((given["file"],) if given["file"] else ())
    everything = given["everything"] or not files
    here = Here(Selection(files, everything=everything))
    if files and (missing := [f for f in here.named_files if here.snapshot.read(f) is None]):
        raise UsageError(f"there is no {missing[0]}")
    project = here.loaded.project
    tasks = [task for task in project.graph.tasks if task.name.file in here.reported]
    warnings = [w for w in (*project.warnings, *_later(here)) if w.file in here.reported]
    warnings.sort(key=lambda warning: (project.files.index(warning.file), warning.line))
    warnings += _of_options(here)
    alone = [task for task in tasks if not _looks_at_anything(task)]
    if given["as_json"]:
        print_json(
            {
                "files": [path for path in project.files if path in here.reported],
                "tasks": [_document(task) for task in tasks],
                "groups": [str(text.name) for text in project.groups if text.name.file in here.reported],
                "without_inputs": len(alone),
                "warnings": [
                    {"file": w.file, "line": w.line, "code": w.code, "message": w.message} for w in warnings
                ],
            }
        )
        return 0
    _print(tasks, warnings, len(alone))
    return 0


def _looks_at_anything(task: Task) -> bool:
    return bool(task.reads or task.inputs or task.needs)


def _later(here: Here) -> list[Warning_]:
    """Reads of what only later tasks make: they are no inputs."""
    graph = here.loaded.project.graph
    found = []
    for position, task in enumerate(graph.tasks):
        for path in (*task.reads, *task.inputs):
            if path in task.targets or graph.writers.nearest(path, position):
                continue
            last = graph.writers.last(path)
            if last is not None and last > position:
                later = graph.tasks[last].name.id
                message = f"{task.name.id} reads {path}, which only the later {later} makes: it is no input"
                found.append(Warning_(task.name.file, task.text.line, "read-before-made", message))
    return found


def _of_options(here: Here) -> list[Warning_]:
    """What a run would refuse of `[executor.*]`."""
    found = []
    for error in here.registry.bad_options(here.executors):
        file, _, line = error.where.rpartition(":")
        message = f"{error.what}; {error.hint}" if error.hint else error.what
        found.append(Warning_(file or error.where, int(line) if file else 1, "bad-option", message))
    return found


def _document(task: Task) -> dict[str, Any]:
    text = task.text
    return {
        "name": str(text.name),
        "id": text.name.id,
        "file": text.name.file,
        "line": text.line,
        "title": text.title,
        "phase": text.phase,
        "story": text.story,
        "priority": f"P{text.priority}" if text.priority else None,
        "parallel": text.parallel,
        "optional": text.optional,
        "labels": list(text.labels),
        "ticked": text.ticked,
        "targets": list(task.targets),
        "reads": list(task.reads),
        "inputs": list(task.inputs),
        "needs": [str(name) for name in task.needs],
        "executor": task.executor,
        "on_edit": task.on_edit,
    }


def _print(tasks: list[Task], warnings: list[Warning_], alone: int) -> None:
    from specbuild.reporting.text import clean, table

    rows = [
        (
            task.name.id,
            str(task.text.line),
            "x" if task.text.ticked else "",
            " ".join(
                part
                for part in (
                    f"P{task.text.priority}" if task.text.priority else "",
                    task.text.story or "",
                    "[P]" if task.text.parallel else "",
                )
                if part
            ),
            " ".join(task.targets),
            " ".join((*task.reads, *task.inputs)),
            " ".join(name.id for name in task.needs),
            task.text.title,
        )
        for task in tasks
    ]
    for line in table(rows, header=("id", "line", "done", "marks", "targets", "reads", "needs", "title")):
        click.echo(line)
    told = "has no input but its text" if alone == 1 else "have no input but their text"
    click.echo(f"{len(tasks)} {'task' if len(tasks) == 1 else 'tasks'}; {alone} {told}")
    for warning in warnings:
        click.echo(clean(f"{warning.file}:{warning.line}: {warning.code}: {warning.message}"), err=True)
