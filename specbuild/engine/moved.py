"""A branch that moved while a task ran: whether that touched the task, and its results on the new tip."""

from collections.abc import Sequence
from dataclasses import replace

from specbuild.engine import boxes
from specbuild.engine.judge import Judge
from specbuild.engine.merge import Conflict, Sides, merged
from specbuild.engine.ports import Committer, Snapshot
from specbuild.engine.project import Project
from specbuild.engine.record import Results
from specbuild.engine.start import entries_at
from specbuild.engine.task import Entry, Oid, RepoPath
from specbuild.engine.work import Work


class Overtaken(Exception):  # noqa: N818  (a state of the world, not a mistake)
    """The branch moved and changed what the task read or wrote: it is to be judged again.

    Its argument, if any, is the path that both changed.
    """


def overtaken(
    works: Sequence[tuple[Work, Results]], judge: Judge, then: Snapshot, now: Snapshot
) -> Sequence[Work]:
    """Those whose reads or targets differ on the new tip from both the old one and what they expect."""
    return [work for work, results in works if _is_overtaken(work, results, judge, then, now)]


def _is_overtaken(work: Work, results: Results, judge: Judge, then: Snapshot, now: Snapshot) -> bool:
    found = judge.look(work.position, now).committed  # patterns may find more than they did
    carried = [p for path in work.carried for p in (*entries_at(then, path), *entries_at(now, path))]
    reads = [*(path for path, _ in (*work.inputs.committed, *found)), *carried]
    expected: dict[RepoPath, Entry | None] = {path: then.entry(path) for path in reads}
    expected.update(work.saved)
    if work.sandbox.in_place:  # what it committed by itself is folded into its checkpoint
        expected.update({**results.entries, **dict.fromkeys(results.removed)})
    return any(now.entry(path) not in (then.entry(path), entry) for path, entry in expected.items())


def on_tip(work: Work, results: Results, sides: Sides, project: Project, committer: Committer) -> Results:
    """A private worktree's results on the tip as it is now; raises Overtaken on a conflict."""

    def blobs(path: RepoPath, old: Oid, ours: Oid, now: Oid) -> Oid | None:
        if path in project.task_files:  # boxes are the tip's on all sides
            data = committer.read(now)
            old = committer.store(project.restore_boxes(path, data, committer.read(old)))
            ours = committer.store(project.restore_boxes(path, data, committer.read(ours)))
        return committer.merge(old, ours, now)

    try:
        found = merged(results, sides, blobs, own=not work.task.rebuild)
    except Conflict as error:
        raise Overtaken(error.path) from None
    extra = dict(found.extra)
    for path, entry in found.extra.items():
        if path in project.task_files and entry is not None:
            extra[path] = boxes.restored(project, path, entry, sides.theirs(path), committer)
    return replace(found, extra={path: e for path, e in extra.items() if e != sides.theirs(path)})
