"""`specbuild check`: exit 0 if nothing is stale, 3 if something is; runs nothing and writes nothing."""

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
    tasks_option,
)

STALE = 3


@click.command("check")
@click.argument("rev", required=False)
@tasks_option
@all_option
@filter_option
@click.option("--strict", is_flag=True, help="Count claimed tasks as stale.")
@click.option("--completed", is_flag=True, help="Only tasks that a checkpoint or a tick says are done.")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing.")
@json_option
def command(**given: Any) -> int:
    """Exit 0 if nothing is stale in the working tree (or in commit REV), 3 if something is."""
    here = Here(Selection(given["tasks"], given["everything"], given["filter_"]), at=given["rev"])
    stale = find_stale(here, strict=given["strict"], completed=given["completed"])
    verdicts = {position: here.judge.verdict(position) for position in stale}
    here.refuse_cut([*verdicts.values()])
    tasks = here.tasks
    if given["as_json"]:
        print_json(
            {
                "stale": [
                    {
                        "name": str(tasks[position].name),
                        "title": tasks[position].text.title,
                        "verdict": verdicts[position].state,
                        "reasons": [reason.to_json() for reason in verdicts[position].reasons],
                    }
                    for position in stale
                ]
            }
        )
    elif not given["quiet"]:
        from specbuild.reporting.text import clean

        name = short_ids(here)
        for position in stale:
            why = "; ".join(map(str, verdicts[position].reasons)) or verdicts[position].state
            click.echo(clean(f"{name(tasks[position].name)} {tasks[position].text.title}: {why}"))
        click.echo(f"{len(stale)} stale" if stale else "nothing is stale")
    return STALE if stale else 0


def find_stale(here: Here, *, strict: bool = False, completed: bool = False) -> list[int]:
    """Positions of the tasks that a check is about and that are stale."""

    def counts(position: int) -> bool:
        verdict = here.judge.verdict(position)
        if verdict.state == "claimed":
            return strict
        if not verdict.stale:
            return False
        task = here.tasks[position]
        return not completed or task.text.ticked or bool(here.judge.checkpoints(position))

    doubtful = (position for position in here.chosen() if not here.judge.is_up_to_date(position))
    return [position for position in doubtful if counts(position)]
