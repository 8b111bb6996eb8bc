"""`specbuild run --dry-run`: what would run, and why; below those, what may run."""

import click

from specbuild.cli.choosing import choice_of, forced
from specbuild.cli.options import Options
from specbuild.cli.parts import Here, print_json, short_ids, task_document
from specbuild.cli.refusals import refuse_cut, refuse_no_files
from specbuild.reporting.text import clean


def dry_run(here: Here, options: Options) -> int:
    """Prints it; returns the exit code."""
    graph, judge = here.loaded.project.graph, here.judge
    refuse_no_files(here.loaded)
    choice = choice_of(here, options, here.loaded.project, judge)
    refuse_cut(here, choice)
    judge.all()
    wanted = forced(here, options)
    will = [p for p in sorted(choice.chosen) if judge.verdict(p).stale or graph.tasks[p].name in wanted]
    may = [p for p in sorted(choice.chosen) if p not in will and judge.verdict(p).may_run]
    if options.as_json:
        print_json(
            {
                "will_run": [task_document(here, p, judge.verdict(p)) for p in will],
                "may_run": [task_document(here, p, judge.verdict(p)) for p in may],
            }
        )
        return 0
    name = short_ids(here)
    for verb, positions in (("will run", will), ("may run", may)):
        for position in positions:
            task, verdict = graph.tasks[position], judge.verdict(position)
            reasons = [*(["forced"] if task.name in wanted else []), *map(str, verdict.reasons)]
            why = f": {'; '.join(reasons)}" if reasons else ""
            click.echo(clean(f"{verb}  {name(task.name)}  {task.text.title}{why}"))
    if not will:
        click.echo("nothing to run", err=True)
    return 0
