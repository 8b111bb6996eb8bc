"""What is refused before anything runs: targets and inputs that no run could treat rightly."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence

from specbuild.config.settings import FILE as CONFIG
from specbuild.engine.glob import is_glob
from specbuild.engine.modes import SUBMODULE
from specbuild.engine.paths import outside, parents
from specbuild.engine.ports import Snapshot
from specbuild.engine.project import Project
from specbuild.engine.task import RepoPath, Task
from specbuild.errors import SpecbuildError, TaskFileError, raise_all
from specbuild.taskfile.links import Leaves, Links


def refuse(project: Project, snapshot: Snapshot) -> None:
    """Raises all that a person must mend first: one error, or Problems with several."""
    errors: list[SpecbuildError] = []
    links = Links(snapshot.entry, snapshot.read)
    for task in project.graph.tasks:
        errors += _path_errors(task, project, snapshot, links)
        if task.rebuild:
            errors += _rebuild_errors(task, project, snapshot)
    errors += _twins(project.graph.tasks)
    raise_all(errors)


def _path_errors(task: Task, project: Project, snapshot: Snapshot, links: Links) -> Iterable[SpecbuildError]:
    declared = [("target", path) for path in task.targets if task.targets_declared]
    declared += [("input", path) for path in task.inputs if not path.startswith("@")]
    for role, path in declared:
        why = outside(path)
        try:
            links.real(path)
            if role == "input" and not is_glob(path) and not project.graph.writers.written(path):
                links.end(path)
        except Leaves as link:
            why = why or f"the symlink {link} leads out of the repository"
        if role == "target":
            why = why or _in_submodule(path, snapshot)
        if why is not None:
            yield TaskFileError(f'{role} "{path}" of {task.name.id}: {why}', where=_where(task))


def _in_submodule(path: RepoPath, snapshot: Snapshot) -> str | None:
    for folder in (*parents(path), path.rstrip("/")):
        entry = snapshot.entry(folder)
        if entry is not None and entry.mode == SUBMODULE:
            return f"it lies in the submodule {folder}, whose files another repository records"
    return None


def _rebuild_errors(task: Task, project: Project, snapshot: Snapshot) -> Iterable[SpecbuildError]:
    for path in task.targets:
        if path in project.task_files or path == CONFIG:
            yield TaskFileError(
                f"{path} is a target of {task.name.id}, which would make it anew",
                where=_where(task),
                hint='set on_edit = "keep" for it',
            )
        if not path.endswith("/"):
            continue
        if not task.targets_declared:
            yield TaskFileError(
                f"{task.name.id} makes the folder {path}, which would be emptied before each run",
                where=_where(task),
                hint='declare it as a target, or set on_edit = "keep"',
            )
        for inside, entry in snapshot.below(path).items():
            if entry.mode == SUBMODULE:
                yield TaskFileError(
                    f"{task.name.id} makes the folder {path}, and the submodule {inside} is in it",
                    where=_where(task),
                    hint="a generated folder is emptied before each run: make a folder without it",
                )
        for other, positions in project.graph.writers.overlapping(path):
            names = [
                project.graph.tasks[p].name for p in positions if project.graph.tasks[p].name != task.name
            ]
            if names:
                yield TaskFileError(
                    f"the folder {path} of {task.name.id} overlaps {other}, which {names[0].id} makes",
                    where=_where(task),
                    hint="a generated folder belongs to one task",
                )


def _twins(tasks: Sequence[Task]) -> Iterable[SpecbuildError]:
    """Paths that some file systems take for one."""
    spelled: dict[str, dict[RepoPath, Task]] = defaultdict(dict)
    for task in tasks:
        for path in task.targets:
            spelled[unicodedata.normalize("NFC", path).casefold()].setdefault(path, task)
    for twins in spelled.values():
        if len(twins) > 1 and any(task.targets_declared or task.rebuild for task in twins.values()):
            (one, first), (other, second) = list(twins.items())[:2]
            yield TaskFileError(
                f'"{other}" of {second.name.id} and "{one}" of {first.name.id} '
                "differ only in case or Unicode form",
                where=_where(second),
                hint="some file systems take them for one file: write them alike",
            )


def _where(task: Task) -> str:
    return f"{task.name.file}:{task.text.line}"
