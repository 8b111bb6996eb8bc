"""The boxes of task files: ticked by a task's completion, and changed by nothing else that it does."""

from collections.abc import Iterable, Iterator, Mapping

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
        entry = onto.entry(path) or Entry(PLAIN, "")
        yield path, Entry(entry.mode, committer.store(data, like=entry.oid or None)), data


def tick_all(
    project: Project,
    tasks: Iterable[Task],
    onto: Snapshot,
    committer: Committer,
    laid: Mapping[RepoPath, Entry | None],
) -> tuple[Changes, dict[RepoPath, bytes]]:
    """Task files with all these boxes ticked, on `onto` with `laid` over it; and their contents."""
    changes: Changes = {}
    contents: dict[RepoPath, bytes] = {}
    for task in tasks:
        after = Overlay(onto, {**laid, **changes}, contents)
        for path, entry, data in tick(project, task, after, committer):
            changes[path], contents[path] = entry, data
    return changes, contents


def restored(
    project: Project, path: RepoPath, entry: Entry, before: Entry | None, committer: Committer
) -> Entry:
    """A task file as a task left it, but with the boxes that it had before."""
    held = b"" if before is None else committer.read(before.oid)
    after = committer.read(entry.oid)
    return Entry(entry.mode, committer.store(project.restore_boxes(path, held, after)))
