"""The boxes of task files: ticked by a task's completion, and changed by nothing else that it does."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from specbuild.engine.modes import PLAIN
from specbuild.engine.overlay import Overlay
from specbuild.engine.ports import Committer, Snapshot
from specbuild.engine.project import Project
from specbuild.engine.task import Entry, RepoPath, Task

Changes = dict[RepoPath, Entry | None]


def tick(
    project: Project, task: Task, onto: Snapshot, committer: Committer
) -> Iterator[tuple[RepoPath, Entry, bytes]]:
    """Task files with the task's box ticked, and otherwise as `onto` has them."""
    for path, data in project.tick(task, onto).items():
        yield path, _stored(path, data, onto, committer), data


def _stored(path: RepoPath, data: bytes, onto: Snapshot, committer: Committer) -> Entry:
    entry = onto.entry(path) or Entry(PLAIN, "")
    return Entry(entry.mode, committer.store(data, like=entry.oid or None))


def committed(
    tasks: Iterable[Task], tip: Snapshot, laid: Mapping[RepoPath, Entry | None], committer: Committer
) -> tuple[Changes, dict[RepoPath, bytes]]:
    """The tasks' files as HEAD has them, where the working tree has edits that `laid` does not save.

    Boxes are ticked in that: an edit that nobody saved is no part of a checkpoint's commit.
    """
    paths = [path for path in {task.name.file: None for task in tasks} if path not in laid]
    held: Changes = {path: tip.tracked(path) for path in paths if tip.entry(path) != tip.tracked(path)}
    return held, {path: committer.read(entry.oid) for path, entry in held.items() if entry is not None}


def tick_all(
    project: Project,
    tasks: Iterable[Task],
    onto: Snapshot,
    committer: Committer,
    laid: Mapping[RepoPath, Entry | None],
    *,
    written: Mapping[RepoPath, bytes] | None = None,
) -> tuple[Changes, dict[RepoPath, bytes]]:
    """Task files with all these boxes ticked, on `onto` with `laid` over it; and their contents.

    `written`: contents of `laid`, where they are known.
    """
    contents: dict[RepoPath, bytes] = {}
    for task in tasks:
        contents.update(project.tick(task, Overlay(onto, laid, {**(written or {}), **contents})))
    after = Overlay(onto, laid)
    return {path: _stored(path, data, after, committer) for path, data in contents.items()}, contents


def tick_on_commit(
    project: Project,
    tasks: Sequence[Task],
    tip: Snapshot,
    committer: Committer,
    *,
    laid: Mapping[RepoPath, Entry | None],
    written: Mapping[RepoPath, bytes],
) -> Changes:
    """As `tick_all`, in what a commit on `tip` is to hold: `laid`, otherwise what is `committed`."""
    held, texts = committed(tasks, tip, laid, committer)
    return tick_all(project, tasks, tip, committer, {**laid, **held}, written={**texts, **written})[0]


def restored(
    project: Project, path: RepoPath, entry: Entry, before: Entry | None, committer: Committer
) -> Entry:
    """A task file as a task left it, but with the boxes that it had before."""
    held = b"" if before is None else committer.read(before.oid)
    after = committer.read(entry.oid)
    return Entry(entry.mode, committer.store(project.restore_boxes(path, held, after)))
