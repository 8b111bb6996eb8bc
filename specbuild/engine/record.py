"""What a completed task's commits hold: edited inputs, results, the ticked box, the checkpoint line."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from specbuild.engine.checkpoint import ABSENT, Checkpoint, disarm, format_line
from specbuild.engine.ports import Snapshot
from specbuild.engine.recipe import fill
from specbuild.engine.result import result_of
from specbuild.engine.task import Entry, RepoPath, Task
from specbuild.engine.values import values

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Results:
    """What stands at a task's targets after a run."""

    entries: Mapping[RepoPath, Entry]  # files at or below the targets
    removed: tuple[RepoPath, ...] = ()  # files that were there before and are gone
    missing: tuple[RepoPath, ...] = ()  # targets that are not there, though they should
    lingering: tuple[RepoPath, ...] = ()  # targets that should be absent and are there
    ignored: tuple[RepoPath, ...] = ()  # targets that git ignores
    extra: Mapping[RepoPath, Entry | None] = field(default_factory=dict)  # other changes that are taken


def results_line(task: Task, results: Results, key: str) -> dict[RepoPath, str]:
    """The `t:` words: targets with their results; inferred ones that were not made are left out."""
    line: dict[RepoPath, str] = {}
    for path in task.targets:
        if path in results.ignored:
            line[path] = key
            continue
        result = result_of(path, results.entries)
        if result != ABSENT or path in task.absent:
            line[path] = result
    return line


def message(task: Task, checkpoint: Checkpoint, *, subject: str, notes: Iterable[str] = ()) -> str:
    """A checkpoint's commit message; whatever the task's text holds, it forges no line."""
    filled = fill(subject, values(task, ()), language="text")
    title = disarm(" ".join(_CONTROL.sub(" ", filled).split())) or task.name.id
    paragraphs = [title, *(disarm(note) for note in notes), format_line(checkpoint)]
    return "\n\n".join(paragraphs) + "\n"


def changes_of(results: Results, before: Snapshot) -> dict[RepoPath, Entry | None]:
    """What a commit changes: results that differ from what is tracked, and what is gone."""
    changes: dict[RepoPath, Entry | None] = {
        path: entry for path, entry in results.entries.items() if before.tracked(path) != entry
    }
    for path in results.removed:
        if before.tracked(path) is not None:
            changes[path] = None
    changes.update(results.extra)
    return changes


def edited(paths: Sequence[RepoPath], tree: Snapshot) -> dict[RepoPath, Entry | None]:
    """Of these paths, those whose bytes in the working tree no commit holds yet; ignored ones stay out."""
    found: dict[RepoPath, Entry | None] = {}
    for path in paths:
        now, tracked = tree.entry(path), tree.tracked(path)
        if now != tracked and not (tracked is None and tree.ignored(path)):
            found[path] = now
    return found
