"""The executor `python`: a recipe is Python text, or `module:function` of the repository."""

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from specbuild import BadOption, Failed, Job, Succeeded, hookimpl
from specbuild_python.child import TaskJob

__all__ = ["Python", "TaskJob", "specbuild_executors"]

_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*\Z")


class Python:
    """Runs recipes in a process of their own, by the interpreter that runs specbuild.

    `[executor.python] command = [".venv/bin/python"]` names another interpreter. Text sees the
    placeholders' names (`id`, `title`, `target`, `targets`…) and `job` as globals; a function is given
    the job. Both see the top folder first on sys.path. A function fails by raising or by returning False.
    """

    name: ClassVar[str] = "python"
    on_edit: ClassVar[Literal["rebuild"]] = "rebuild"
    writes: ClassVar[Literal["declared"]] = "declared"

    def check(self, options: Mapping[str, Any]) -> Iterable[BadOption]:
        for key in options:
            if key not in _KNOWN:
                yield BadOption(key, f"[executor.python] knows no {key}", f"known keys: {', '.join(_KNOWN)}")
        command = options.get("command")
        if command is not None and not _is_command(command):
            what = f"command of [executor.python] is {command!r:.80}"
            yield BadOption("command", what, 'it takes a list such as ["python3"]')

    def run(self, job: Job) -> Succeeded | Failed:
        recipe = (job.task.recipe or "").strip("\n")
        if not recipe.strip():
            return Failed("there is no recipe; give the task a `run:` or a fenced block", permanent=True)
        if job.task.language not in (None, "python"):
            return Failed(f"the recipe is {job.task.language}; use executor shell", permanent=True)
        command = job.options.get("command", [sys.executable])
        child = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child.py")
        code = job.run([*command, child], input=_message(job, recipe.strip()))
        return Succeeded() if code == 0 else Failed(f"the recipe ended with exit code {code}", exit_code=code)


_KNOWN = ("command", "share")


def _is_command(value: object) -> bool:
    words = value if isinstance(value, list) else []
    return bool(words) and all(isinstance(word, str) for word in words) and bool(words[0].strip())


def _message(job: Job, recipe: str) -> bytes:
    task = job.task
    fields = {
        "id": task.id,
        "title": task.title,
        "file": task.file,
        "line": task.line,
        "body": task.body,
        "story": task.story or "",
        "phase": task.phase or "",
        "priority": f"P{task.priority}" if task.priority else "",
        "targets": list(task.targets),
        "inputs": list(task.inputs),
        "labels": list(task.labels),
        "attempt": job.attempt,
    }
    kind = "function" if _FUNCTION.match(recipe) else "text"
    text = recipe if kind == "function" else task.recipe
    return json.dumps({"kind": kind, "text": text, "fields": fields}).encode("ascii")


@hookimpl
def specbuild_executors() -> list[Python]:
    return [Python()]
