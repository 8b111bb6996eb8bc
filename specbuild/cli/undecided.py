"""Tasks that nothing runs: refused with what to write, or given to the one agent that is here."""

import os
from collections.abc import Sequence

import click

from specbuild.cli.finding import agents, with_agent
from specbuild.cli.parts import Here
from specbuild.engine.task import Task
from specbuild.errors import ConfigError, RepositoryError
from specbuild.git.durable import write_aside
from specbuild.project import CONFIG
from specbuild.reporting.text import clean, count

_LISTED = 20


def refuse(tasks: Sequence[Task]) -> None:
    """Raises where there are any."""
    if not tasks:
        return
    listed = "\n".join(
        f"  {task.name.file}:{task.text.line}: {task.name.id} {task.text.title}" for task in tasks[:_LISTED]
    )
    more = f"\n  and {len(tasks) - _LISTED} more" if len(tasks) > _LISTED else ""
    raise ConfigError(
        f"{_counted(tasks)} no recipe and no executor:\n{listed}{more}\n"
        "write in specbuild.toml, for example:\n"
        '  [build]\n  executor = "agent"     # a coding agent does them; or "manual": a person\n'
        '  [executor.agent]\n  preset = "claude"\n'
        'or a recipe for some: [[rule]] match = "target:src/**", run = "…"',
        where=CONFIG,
    )


def take_agent(here: Here, tasks: Sequence[Task]) -> bool:
    """Asks whether the only known agent on PATH may do them; whether specbuild.toml says so now."""
    found = agents()
    if len(found) != 1 or any(task.executor is not None for task in tasks):
        return False
    text = (here.tree.read(CONFIG) or b"").decode("utf-8-sig")
    changed = with_agent(text, found[0])
    if changed is None:
        return False
    for task in tasks[:_LISTED]:
        click.echo(clean(f"  {task.name.id}  {task.text.title}"), err=True)
    click.echo(f"{_counted(tasks)} no recipe and no executor.", err=True)
    if not click.confirm(f"Let {found[0]} do them, and say so in {CONFIG}?", default=False, err=True):
        return False
    path = os.path.join(here.repository.top, CONFIG)
    if not write_aside(path, changed.encode("utf-8")):
        raise RepositoryError("it cannot be written", where=path, hint="see to space and permissions")
    here.tree.refresh([CONFIG])
    here.forget()
    return True


def _counted(tasks: Sequence[Task]) -> str:
    return f"{count(len(tasks), 'task')} {'has' if len(tasks) == 1 else 'have'}"
