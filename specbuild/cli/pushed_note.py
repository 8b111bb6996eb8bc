"""Leaves the note that githooks/known.py reads: a commit about which there is nothing to tell, and why."""

import os
from collections.abc import Iterator

from specbuild.cli.pushes import Judgement, Pushed
from specbuild.engine.glob import fixed_folder, is_glob
from specbuild.engine.task import RepoPath
from specbuild.git.statcache import write_aside
from specbuild.githooks import known
from specbuild.project import DEFAULT_FILES

SYMLINK = 0o120000


def remember(judgement: Judgement) -> None:
    """Writes the note, if nothing was told; that a disk cannot be written to costs time, no more."""
    here = judgement.here
    if not judgement.silent or here.commit is None or here.repository.is_bare:
        return
    exact, folders, open_folders = _looked_at(here)
    if any((entry := here.snapshot.entry(path)) and entry.mode == SYMLINK for path in exact):
        return  # where it leads to counts, too
    items = [known.EXACT + os.fsencode(path) for path in sorted(exact)]
    items += [known.FOLDER + os.fsencode(path) for path in sorted(folders)]
    items += [known.OPEN + os.fsencode(path) for path in sorted(open_folders)]
    several = here.loaded.config.tasks is None and len(here.loaded.project.files) > 1
    common = here.repository.common_dir
    note = known.compose(here.commit, here.branch if several else None, items, common)
    write_aside(os.path.join(common, "specbuild", known.NAME), note)


def _looked_at(here: Pushed) -> tuple[set[RepoPath], set[RepoPath], set[RepoPath]]:
    """Single paths, folders of which all counts, and those in which what comes or goes counts."""
    graph = here.loaded.project.graph
    exact: set[RepoPath] = set(here.loaded.project.sources)
    folders: set[RepoPath] = set()
    open_folders: set[RepoPath] = set(_homes_of_task_files(here))
    for position, task in enumerate(graph.tasks):
        for path in (*here.judge.inputs(position).paths, *task.targets, *task.reads):
            (folders if path.endswith("/") else exact).add(path)
        for pattern in task.inputs:
            if is_glob(pattern):
                open_folders.add(fixed_folder(pattern))
            elif pattern.endswith("/"):
                folders.add(pattern)
            else:
                exact.add(pattern)
        if _depends_on_names(here, position):
            open_folders.add("")
    return exact, folders, open_folders


def _depends_on_names(here: Pushed, position: int) -> bool:
    """Whether paths in a task's prose mean what happens to be there, not what a checkpoint recorded."""
    task = here.tasks[position]
    if not task.text.mentions:
        return False
    if here.loaded.decisions[position].targets is not None:
        return True
    definition = task.text.definition
    return not any(
        recorded.checkpoint.definition == definition and not recorded.undone
        for recorded in here.judge.checkpoints(position)
    )


def _homes_of_task_files(here: Pushed) -> Iterator[RepoPath]:
    sources = here.loaded.config.tasks
    patterns = DEFAULT_FILES if sources is None else [source.file for source in sources]
    for pattern in patterns:
        yield fixed_folder(pattern) if is_glob(pattern) else pattern
