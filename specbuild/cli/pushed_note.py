"""Leaves the note that githooks/known.py reads: a commit about which there is nothing to tell, and why."""

import os
from collections.abc import Collection, Iterator
from typing import NamedTuple

from specbuild.cli.parts import Here
from specbuild.cli.pushes import Judgement
from specbuild.cli.standing import depends_on_names
from specbuild.engine.glob import fixed_folder, is_glob
from specbuild.engine.inputs import looked_through
from specbuild.engine.modes import EXECUTABLE, PLAIN, SYMLINK
from specbuild.engine.task import Oid, RepoPath
from specbuild.git.durable import write_aside
from specbuild.git.repository import Repository
from specbuild.git.snapshot import WorkingTree
from specbuild.githooks import known
from specbuild.project import DEFAULT_FILES


def remember(judgement: Judgement) -> None:
    """Writes the note, if nothing was told of a pushed commit.

    There is one note: that of what is checked out, which is pushed again and again, stays.
    """
    here = judgement.here
    if here.repository.is_bare or here.commit is None or here.commit != here.repository.head:
        return
    if judgement.silent:
        _write(here, here.commit, here.branch)


def remember_run(here: Here) -> None:
    """Writes the note after a run that left nothing stale, for the push that may follow."""
    repository = here.repository
    judged = here.tree.head.commit
    if judged is None or judged != repository.head or not _is_hooked(repository):
        return
    tasks = here.tasks
    if any(here.judge.verdict(p).stale for p, task in enumerate(tasks) if not task.text.optional):
        return  # in a task file that the run was not about
    _write(here, judged, repository.branch, dirty=here.tree.dirty())


def _is_hooked(repository: Repository) -> bool:
    default = os.path.join(repository.common_dir, "hooks", "pre-push")
    return (
        os.path.exists(default)
        or repository.config_get("core.hookspath") is not None
        or repository.config_get("hook.specbuild-pre-push.command") is not None
    )


def _write(here: Here, commit: Oid, branch: str | None, dirty: Collection[RepoPath] = ()) -> None:
    """That a disk cannot be written to costs time, no more.

    `dirty`: where the files that were judged may differ from the commit's.
    """
    looked = _looked_at(here)
    if looked.has_links:
        return  # where they lead to counts, too
    items = known.items(looked.exact, looked.folders, looked.open_folders)
    if dirty:
        note = known.Note(commit.encode(), b"*", items)
        if any(note.concerns(_status(here.tree, path), os.fsencode(path)) for path in dirty):
            return  # what was judged is not what the commit has
    several = here.loaded.config.tasks is None and len(here.loaded.project.files) > 1
    common = here.repository.common_dir
    text = known.compose(commit, branch if several else None, items, common)
    write_aside(os.path.join(common, "specbuild", known.NAME), text)


def _status(tree: WorkingTree, path: RepoPath) -> bytes:
    """What became of a path since HEAD, as git's --name-status has it."""
    before, now = tree.head.entry(path), tree.entry(path)
    if before is None or now is None or tree.staged(path) is None:
        return b"A" if before is None else b"D"
    return b"M" if {before.mode, now.mode} <= {PLAIN, EXECUTABLE} else b"T"


class _Looked(NamedTuple):
    """All that a judgement looked at."""

    exact: set[RepoPath]  # single paths
    folders: set[RepoPath]  # all below them counts
    open_folders: set[RepoPath]  # what comes or goes below them counts
    has_links: bool


def _looked_at(here: Here) -> _Looked:
    graph, standing = here.loaded.project.graph, here.standing
    exact: set[RepoPath] = {*here.loaded.project.sources}
    folders: set[RepoPath] = set()
    open_folders: set[RepoPath] = set(_homes_of_task_files(here))
    for position in range(len(graph.tasks)):
        if here.judge.stands(position):  # it looked at single files, which follow
            continue
        task = graph.tasks[position]
        for path in (*here.judge.inputs(position).paths, *task.targets, *task.reads):
            (folders if path.endswith("/") else exact).add(path)
        exact.update(path for path in task.inputs if not path.endswith("/") and not is_glob(path))
        open_folders.update(looked_through(task, here.snapshot))
        if depends_on_names(here.judge, position):
            open_folders.add("")
    has_links = any((entry := here.snapshot.entry(path)) and entry.mode == SYMLINK for path in exact)
    if standing is not None:
        exact |= standing.looked()
        has_links |= standing.has_links
        if standing.depend_on_names:
            open_folders.add("")
    return _Looked(exact, folders, open_folders, has_links)


def _homes_of_task_files(here: Here) -> Iterator[RepoPath]:
    sources = here.loaded.config.tasks
    patterns = DEFAULT_FILES if sources is None else [source.file for source in sources]
    for pattern in patterns:
        yield fixed_folder(pattern) if is_glob(pattern) else pattern
