"""`specbuild rollback`: reverts a task's checkpoint and those of all that depended on it by content."""

from collections.abc import Mapping, Sequence
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
from specbuild.engine.ports import Moved
from specbuild.engine.rollback import Taken, rollback
from specbuild.engine.task import Entry, Oid, RepoPath
from specbuild.errors import RepositoryError, SpecbuildError, UsageError
from specbuild.git.reverting import Conflicting, Reverting
from specbuild.taskfile.merging import merge as merge_boxes


class Refused(SpecbuildError):  # noqa: N818  (what happened, as `Moved` says)
    """Something is in the way, so everything is as it was (exit 1)."""

    exit_code = 1


@click.command("rollback")
@click.argument("task_id", metavar="ID")
@tasks_option
@all_option
@click.option("--dry-run", "-n", is_flag=True, help="Say which commits would be reverted.")
@json_option
def command(**given: Any) -> int:
    """Revert the checkpoint of a task and, newest first, of all that depended on it by content."""
    here = Here(Selection(given["tasks"], given["everything"]))
    dry = given["dry_run"]
    with nullcontext() if dry else writing(here.repository), saved_cache(here):
        taken = _find(here, given["task_id"])
        reverts: Sequence[Oid] = ()
        if dry:
            _tell(here, taken, (), as_json=given["as_json"])
        reverting = _take_back(here, taken)
        edits = _around_edits(here, reverting)
        if not dry:
            reverts = _commit(here, reverting, edits)
    if not dry:
        _tell(here, taken, reverts, as_json=given["as_json"])
    return 0


def _find(here: Here, reference: str) -> Sequence[Taken]:
    position = here.find(reference)
    verdict = here.judge.verdict(position)
    here.refuse_cut([verdict])
    taken = rollback(here.judge, position)
    if taken:
        return taken
    task = here.tasks[position]
    if verdict.state == "claimed":
        hint = "only its box says that it is done: untick it"
    elif here.judge.checkpoints(position):
        hint = "its checkpoint was reverted already"
    else:
        hint = "it was never run"
    raise UsageError(f"no commit records {task.name.id}, so there is nothing to take back", hint=hint)


def _take_back(here: Here, taken: Sequence[Taken]) -> Reverting:
    assert here.commit is not None  # noqa: S101  (a checkpoint was found in it)
    reverting = Reverting(here.repository, here.commit, here.loaded.project.task_files)
    for each in taken:
        try:
            reverting.take_back(each.commit)
        except Conflicting as conflict:
            name = short_ids(here)
            tasks = ", ".join(name(here.tasks[place].name) for place in (*each.tasks, *each.along))
            why = conflict.why or f"{', '.join(conflict.paths)} changed since in the same places"
            raise Refused(
                f"{tasks} (commit {conflict.commit[:7]}) cannot be taken back: {why}",
                hint="nothing was changed"
                if conflict.why
                else f"nothing was changed; `git revert {conflict.commit[:7]}` lets you resolve it",
            ) from conflict
    return reverting


def _around_edits(here: Here, reverting: Reverting) -> Mapping[RepoPath, bytes]:
    """Edited task files with the reverted boxes, to be written afterwards.

    Raises Refused where other uncommitted work stands at a path that would change.
    """
    tree = here.tree
    edits: dict[RepoPath, bytes] = {}
    standing: list[RepoPath] = []
    for path, (before, after) in reverting.changes.items():
        found, staged = tree.entry(path), tree.staged(path)
        if found == after and staged in {before, after}:
            continue
        if found != before or staged != before or _blocked(here, path, after):
            merged = None
            if path in here.loaded.project.task_files and found is not None and staged == before:
                versions = reverting.read(before), tree.read(path) or b"", reverting.read(after)
                merged = merge_boxes(*versions, path)
            if merged is None:
                standing.append(path)
            else:
                edits[path] = merged
    if standing:
        raise Refused(
            f"{', '.join(sorted(standing))} would change, and {'holds' if len(standing) == 1 else 'hold'} "
            "uncommitted work",
            hint="nothing was changed; commit it, or put it aside with `git stash`",
        )
    return edits


def _blocked(here: Here, path: RepoPath, after: Entry | None) -> bool:
    """Whether untracked files stand where a file comes back."""
    if after is None:
        return False
    parts = path.split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts))]
    untracked = [other for other in above if here.tree.entry(other) and not here.tree.tracked(other)]
    return bool(untracked or any(not here.tree.tracked(p) for p in here.tree.below(f"{path}/")))


def _commit(here: Here, reverting: Reverting, edits: Mapping[RepoPath, bytes]) -> Sequence[Oid]:
    committer = committer_of(here.repository, here.loaded.config.build)
    standing = {path: here.tree.entry(path) for path in edits}
    for record in reverting.records:
        for entry in record.changes.values():
            if entry is not None and entry.oid in reverting.contents:
                committer.store(reverting.contents[entry.oid])
    try:
        reverts = committer.commit(reverting.records, onto=here.commit)
    except Moved as error:
        raise RepositoryError(
            "the branch moved meanwhile", hint="nothing was changed; run specbuild rollback again"
        ) from error
    for path, data in edits.items():
        committer.write(path, data, instead=standing[path])
    tell(committer)
    return reverts


def _tell(here: Here, taken: Sequence[Taken], reverts: Sequence[Oid], *, as_json: bool) -> None:
    tasks, name = here.tasks, short_ids(here)
    made: list[Oid | None] = [*reverts] or [None] * len(taken)
    if as_json:
        document = [
            {
                "commit": each.commit,
                "tasks": [str(tasks[place].name) for place in each.tasks],
                "along": [str(tasks[place].name) for place in each.along],
                "revert": oid,
            }
            for each, oid in zip(taken, made, strict=True)
        ]
        print_json({"reverted": document})
        return
    from specbuild.reporting.text import clean, count

    verb = "reverted" if reverts else "would revert"
    for each in taken:
        for place in each.tasks:
            text = tasks[place].text
            click.echo(clean(f"{verb}  {each.commit[:7]}  {name(text.name)}  {text.title}"))
        for place in each.along:
            text = tasks[place].text
            why = "the same commit records it" if each.tasks else "it depends on what goes along"
            click.echo(clean(f"{verb}  {each.commit[:7]}  {name(text.name)}  {text.title}  ({why})"))
    if reverts:
        click.echo(f"{count(len(taken), 'commit')} reverted; specbuild runs these tasks again")
