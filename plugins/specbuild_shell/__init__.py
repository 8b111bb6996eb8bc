"""The executor `shell`: a recipe is a shell script."""

import signal
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from specbuild import Failed, Job, Succeeded, hookimpl


class Shell:
    """Runs recipes by `sh -eu`, those of a `bash` fence by `bash -eu`.

    `[executor.shell] command = ["zsh", "-e"]` names another shell, for all recipes; the script follows
    as `-c SCRIPT`, or as a file where it is very long.
    """

    name: ClassVar[str] = "shell"
    on_edit: ClassVar[Literal["rebuild"]] = "rebuild"
    writes: ClassVar[Literal["declared"]] = "declared"

    def run(self, job: Job) -> Succeeded | Failed:
        recipe = job.task.recipe
        if not recipe or not recipe.strip():
            return Failed("there is no recipe; give the task a `run:` or a fenced block", permanent=True)
        if job.task.language == "python":
            return Failed("the recipe is Python; use executor python", permanent=True)
        command = _command(job.options, job.task.language)
        if isinstance(command, Failed):
            return command
        code = job.shell(recipe, command)
        return Succeeded() if code == 0 else Failed(ending(code), exit_code=code)


def _command(options: Any, language: str | None) -> Sequence[str] | Failed:
    command = options.get("command")
    unknown = sorted(set(options) - {"command"})
    if unknown:
        return Failed(f"[executor.shell] knows no {unknown[0]}; known keys: command", permanent=True)
    if command is None:
        return ("bash", "-eu") if language == "bash" else ("sh", "-eu")
    if isinstance(command, list) and command and all(isinstance(word, str) for word in command):
        return command
    return Failed('command of [executor.shell] takes a list such as ["zsh", "-e"]', permanent=True)


def ending(code: int) -> str:
    """How a recipe ended badly, in words."""
    number = -code if code < 0 else code - 128
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"the recipe ended with exit code {code}"
    how = "was ended by" if code < 0 else f"ended with exit code {code}, after"
    return f"the recipe {how} {name}"


@hookimpl
def specbuild_executors() -> list[Shell]:
    return [Shell()]
