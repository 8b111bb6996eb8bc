"""The executor `shell`: a recipe is a shell script."""

import signal
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from specbuild import BadOption, Failed, Job, Succeeded, hookimpl


class Shell:
    """Runs recipes by `sh -eu`, those of a `bash` fence by `bash -eu`.

    `[executor.shell] command = ["zsh", "-e"]` names another shell, for all recipes; the script follows
    as `-c SCRIPT`, or as a file where it is very long.
    """

    name: ClassVar[str] = "shell"
    on_edit: ClassVar[Literal["rebuild"]] = "rebuild"
    writes: ClassVar[Literal["declared"]] = "declared"

    def check(self, options: Mapping[str, Any]) -> Iterable[BadOption]:
        for key in options:
            if key not in _KNOWN:
                yield BadOption(key, f"[executor.shell] knows no {key}", f"known keys: {', '.join(_KNOWN)}")
        command = options.get("command")
        if command is not None and not _is_command(command):
            what = f"command of [executor.shell] is {command!r:.80}"
            yield BadOption("command", what, 'it takes a list such as ["zsh", "-e"]')

    def run(self, job: Job) -> Succeeded | Failed:
        recipe = job.task.recipe
        if not recipe or not recipe.strip():
            return Failed("there is no recipe; give the task a `run:` or a fenced block", permanent=True)
        if job.task.language == "python":
            return Failed("the recipe is Python; use executor python", permanent=True)
        code = job.shell(recipe, _command(job.options, job.task.language))
        return Succeeded() if code == 0 else Failed(ending(code), exit_code=code)


_KNOWN = ("command", "share")


def _is_command(value: object) -> bool:
    words = value if isinstance(value, list) else []
    return bool(words) and all(isinstance(word, str) for word in words) and bool(words[0].strip())


def _command(options: Mapping[str, Any], language: str | None) -> Sequence[str]:
    command: Sequence[str] | None = options.get("command")
    if command is not None:
        return command
    return ("bash", "-eu") if language == "bash" else ("sh", "-eu")


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
