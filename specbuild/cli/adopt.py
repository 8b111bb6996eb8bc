"""`specbuild adopt`: records the present state of stale or claimed tasks as done."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import click

from specbuild.cli.committing import committer_of, tell
from specbuild.cli.parts import (
    Here,
    Selection,
    all_option,
    json_option,
    print_json,
    saved_cache,
    short_ids,
    tasks_option,
)
from specbuild.cli.writing import writing
from specbuild.engine.adopt import Adoption, adopt, commit
from specbuild.engine.project import Settings
from specbuild.engine.task import Oid
from specbuild.engine.transaction import Transactions, World
from specbuild.errors import SpecbuildError, UsageError, raise_all
from specbuild.git.workspace import GitWorkspaces


@click.command("adopt")
@click.argument("wanted", nargs=-1, metavar="[ID…|FILTER]")
@tasks_option
@all_option
@click.option("--dry-run", "-n", is_flag=True, help="Say what would be recorded.")
@json_option
def command(**given: Any) -> int:
    """Record the present state of stale or claimed tasks as done, by default of all claimed ones."""
    here = Here(Selection(given["tasks"], given["everything"]))
    dry = given["dry_run"]
    with nullcontext() if dry else writing(here.repository), saved_cache(here):
        positions = _wanted(here, given["wanted"])
        adoption = adopt(here.judge, positions, here.tree)
        _refuse(here, adoption)
        oid = _commit(here, adoption) if adoption.lines and not dry else None
    if given["as_json"]:
        tasks = here.tasks
        print_json(
            {
                "adopted": [str(tasks[position].name) for position in adoption.lines],
                "renewed": [str(tasks[position].name) for position in adoption.renewed],
                "warnings": list(adoption.warnings),
                "commit": oid,
            }
        )
    else:
        _print(here, adoption, named=bool(given["wanted"]), oid=oid)
    return 0


def _wanted(here: Here, words: Sequence[str]) -> list[int]:
    """The tasks that ids or a filter name; without any, all claimed ones."""
    if not words:
        return [p for p in here.reported_positions() if here.judge.verdict(p).state == "claimed"]
    try:
        return [here.find(word) for word in words]
    except UsageError as unknown:
        here.selection = Selection(here.selection.tasks, here.selection.everything, filter=" ".join(words))
        if len(words) == 1 and _is_id(words[0]):
            raise
        try:
            return here.chosen()
        except UsageError as error:
            raise (unknown if len(words) > 1 and all(map(_is_id, words)) else error) from None


def _is_id(word: str) -> bool:
    from specbuild.engine.filter import parse

    return parse(word).words == {"id"} and not set("*?, ()") & set(word)


def _refuse(here: Here, adoption: Adoption) -> None:
    name = short_ids(here)
    errors: list[SpecbuildError] = [
        UsageError(
            f"{name(refusal.task)} cannot be adopted: {refusal.why}",
            where=f"{refusal.task.file}:{here.loaded.project.graph.task(refusal.task).text.line}",
        )
        for refusal in adoption.refusals
    ]
    raise_all(errors)


def _commit(here: Here, adoption: Adoption) -> Oid:
    from specbuild.reporting.text import clean

    build = here.loaded.config.build
    committer = committer_of(here.repository, build)
    workspaces = GitWorkspaces(here.repository, share=build.share)
    world = World(here.tree, here.history, workspaces, committer)
    settings = Settings(tick=build.tick, save_inputs=build.save_inputs == "commit")
    # The judge that planned has assumed the lines already, and what a task carries is asked of it.
    transactions = Transactions(here.loaded.project, here.judge_of(here.loaded), world, settings)
    oid = commit(adoption, transactions, lambda message: click.echo(f"specbuild: {clean(message)}", err=True))
    tell(committer)
    return oid


def _print(here: Here, adoption: Adoption, *, named: bool, oid: Oid | None) -> None:
    from specbuild.reporting.text import clean, count

    name, tasks = short_ids(here), here.tasks
    if not adoption.lines:
        what = "none of these tasks is stale or claimed" if named else "no task is claimed"
        click.echo(f"nothing to adopt: {what}", err=True)
        return
    verb = "would adopt" if oid is None else "adopted"
    for position in adoption.lines:
        click.echo(clean(f"{verb}  {name(tasks[position].name)}  {tasks[position].text.title}"))
    for position in adoption.renewed:
        why = "a new line only: its key follows"
        click.echo(clean(f"{verb}  {name(tasks[position].name)}  {tasks[position].text.title}  ({why})"))
    for warning in adoption.warnings:
        click.echo(f"specbuild: {clean(warning)}", err=True)
    if oid is not None:
        click.echo(f"{count(len(adoption.lines), 'task')} recorded as done by commit {oid[:7]}")
