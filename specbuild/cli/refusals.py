"""What a run refuses before anything runs, of tasks that other commands take as they are."""

import os
from collections.abc import Collection

from specbuild.cli.parts import Here
from specbuild.engine.checkpoint import ABSENT
from specbuild.engine.plan import Choice
from specbuild.engine.recipe import needs_target
from specbuild.engine.task import RepoPath, Task, TaskName
from specbuild.errors import ConfigError, SpecbuildError, TaskFileError, UsageError, raise_all
from specbuild.plugins.loading import Plugins
from specbuild.project import DEFAULT_FILES, Loaded


def refuse_no_files(loaded: Loaded) -> None:
    """Raises where there is nothing that a run could be about."""
    if not loaded.project.files:
        raise ConfigError(
            f"there is no task file; looked for {', '.join(DEFAULT_FILES)}",
            hint="write a tasks.md, or name one with `tasks = […]` in specbuild.toml",
        )


def refuse_cut(here: Here, choice: Choice) -> None:
    """Where a shallow clone may hide a task's checkpoint, running it would be a guess."""
    here.refuse_cut([here.judge.verdict(position) for position in sorted(choice.chosen)])


def undecided(here: Here, choice: Choice) -> list[Task]:
    """Chosen stale tasks that nothing can run."""
    return [task for task in _stale(here, choice) if not _decided(task)]


def refuse_aimless(here: Here, choice: Choice) -> None:
    """A recipe that names its target cannot run where no target was found."""
    raise_all(
        [
            TaskFileError(
                f"{task.name.id} names no target, and its recipe ({task.recipe_where}) needs one",
                where=_where(task),
                hint="declare it below the task: `- targets: path`",
            )
            for task in _stale(here, choice)
            if not task.targets
            and task.recipe is not None
            and needs_target(task.recipe.text, language=task.recipe.language)
        ]
    )


def refuse_foreign_targets(here: Here, choice: Choice, forced: Collection[TaskName]) -> None:
    """A generated task without a record must not overwrite what a person wrote (SPEC section 4)."""
    errors: list[SpecbuildError] = []
    for position in sorted(choice.chosen):
        task = here.tasks[position]
        if not task.rebuild or here.judge.verdict(position).checkpoint is not None or task.name in forced:
            continue
        errors += [
            UsageError(
                f"{path} is there, and no task made it: {task.name.id} would overwrite it",
                where=_where(task),
                hint=f'set on_edit = "keep" for it, or specbuild adopt {task.name.id}, '
                f"or specbuild --force {task.name.id}",
            )
            for path in task.targets
            if _is_foreign(here, path)
        ]
    raise_all(errors)


def refuse_bad_options(here: Here, choice: Choice, forced: Collection[TaskName], plugins: Plugins) -> None:
    """What executors say of `[executor.*]`; what it lacks counts only where a task may run that needs it."""
    used: dict[str, str] = {}
    for position in sorted(choice.chosen):
        task, verdict = here.tasks[position], here.judge.verdict(position)
        if task.executor and (verdict.stale or verdict.may_run or task.name in forced):
            used.setdefault(task.executor, task.recipe_where)
    raise_all([*here.registry.bad_options(used, plugins), *_missing_template(here, used)])


def _missing_template(here: Here, used: Collection[str]) -> list[SpecbuildError]:
    """The agent's, which no task makes either."""
    config, name = here.loaded.config, "agent"
    template = config.executors.get(name, {}).get("template")
    if name not in used or not isinstance(template, str) or here.snapshot.entry(template) is not None:
        return []
    if here.loaded.project.graph.writers.written(template):
        return []
    line = config.lines.get(f"executor.{name}.template", 1)
    what = f'template of [executor.{name}] names "{template}", which is not there'
    return [ConfigError(what, where=f"{config.file}:{line}", hint="it takes a file of the repository")]


def _is_foreign(here: Here, path: RepoPath) -> bool:
    """Whether something stands at a target that no checkpoint anywhere says a task made."""
    result = here.judge.result_now(path)
    place = here.repository.absolute(path)
    if result == ABSENT and not (path.endswith("/") and os.path.isdir(place) and os.listdir(place)):
        return False
    if here.tree.ignored(path):  # no checkpoint says with which bytes
        return not here.history.anywhere(path, None)
    return result != ABSENT and not here.history.anywhere(path, result)


def _stale(here: Here, choice: Choice) -> list[Task]:
    return [here.tasks[p] for p in sorted(choice.chosen) if here.judge.verdict(p).stale]


def _decided(task: Task) -> bool:
    """Whether something runs it: an executor, and for shell and python a recipe."""
    if task.executor is None:
        return False
    return task.recipe is not None or task.executor not in {"shell", "python"}


def _where(task: Task) -> str:
    return f"{task.name.file}:{task.text.line}"
