"""`specbuild next`: the tasks that could run now."""

from typing import Any

import click

from specbuild.cli.parts import (
    Here,
    Selection,
    all_option,
    filter_option,
    json_option,
    print_json,
    short_ids,
    task_document,
    tasks_option,
)


@click.command("next")
@tasks_option
@all_option
@filter_option
@json_option
def command(**given: Any) -> int:
    """The stale tasks that wait for nothing unfinished."""
    here = Here(Selection(given["tasks"], given["everything"], given["filter_"]))
    ready = runnable(here)
    if given["as_json"]:
        print_json({"tasks": [task_document(here, p, here.judge.verdict(p)) for p in ready]})
        return 0
    from specbuild.reporting.text import table

    name = short_ids(here)
    rows = [
        (
            name(here.tasks[p].name),
            here.tasks[p].text.title,
            "; ".join(str(reason) for reason in here.judge.verdict(p).reasons),
        )
        for p in ready
    ]
    for line in table(rows):
        click.echo(line)
    if not ready:
        click.echo("nothing to run", err=True)
    return 0


def runnable(here: Here) -> list[int]:
    """Positions of stale tasks of the choice that no unfinished task holds up."""
    graph, judge = here.loaded.project.graph, here.judge
    judge.all()
    stale = {position for position in range(len(graph.tasks)) if judge.verdict(position).stale}
    optional = {position for position in stale if graph.tasks[position].text.optional}
    ready = []
    for position in here.chosen():
        if position not in stale:
            continue
        holding = stale - {position}
        waits = {graph.index[edge.source] for edge in graph.edges[position] if edge.blocks}
        behind = any(
            holding.intersection(barrier.before) - optional for barrier in graph.barred.get(position, ())
        )
        if not behind and not (waits & holding - optional):
            ready.append(position)
    return ready
