"""A result of the same key that another checkpoint supplies (SPEC section 6, "Reuse")."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from specbuild.engine.checkpoint import ABSENT, Recorded
from specbuild.engine.ports import History, Snapshot
from specbuild.engine.project import Settings
from specbuild.engine.result import result_of
from specbuild.engine.start import entries_at
from specbuild.engine.task import Entry, RepoPath, Task
from specbuild.engine.verdict import Verdict


class Supply(NamedTuple):
    """A checkpoint's results as files."""

    recorded: Recorded
    entries: Mapping[RepoPath, Entry]


def supply(
    task: Task, verdict: Verdict, history: History, tree: Snapshot, settings: Settings
) -> Supply | None:
    """What the stale task may take instead of being run, if there is anything."""
    if not _allowed(task, verdict, settings):
        return None
    for recorded in _candidates(history, verdict, settings):
        entries = _entries(history, recorded, tree)
        if entries is not None and not set(recorded.checkpoint.targets) - set(task.targets):
            return Supply(recorded, entries)
    return None


def _allowed(task: Task, verdict: Verdict, settings: Settings) -> bool:
    if not (settings.reuse and task.writes == "declared" and (task.rebuild or task.reuse) and task.targets):
        return False
    return not any(reason.code in {"forced", "rolled-back"} for reason in verdict.reasons)


def _candidates(history: History, verdict: Verdict, settings: Settings) -> Iterator[Recorded]:
    here = history.with_key(verdict.key)
    yield from (recorded for recorded in here if _supplies(recorded, verdict) and not recorded.undone)
    if not any(recorded.undone for recorded in here):
        there = history.elsewhere(settings.reuse_from, verdict.key)
        yield from (recorded for recorded in there if _supplies(recorded, verdict))


def _supplies(recorded: Recorded, verdict: Verdict) -> bool:
    checkpoint = recorded.checkpoint
    return (
        checkpoint.key == verdict.key
        and checkpoint.local == verdict.local
        and not checkpoint.adopted
        and checkpoint.key not in checkpoint.targets.values()
        and any(result != ABSENT for result in checkpoint.targets.values())
    )


def _entries(history: History, recorded: Recorded, tree: Snapshot) -> Mapping[RepoPath, Entry] | None:
    """The files that a checkpoint's results are, where some tree still has them."""
    entries: dict[RepoPath, Entry] = {}
    source = history.snapshot(recorded.commit)
    for path, result in recorded.checkpoint.targets.items():
        found = entries_at(source, path)
        if result_of(path, found) != result:
            found = entries_at(tree, path)
            if result_of(path, found) != result:
                return None
        entries.update(found)
    return entries
