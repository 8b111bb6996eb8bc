"""The other side of the executor `python`: runs one recipe; nothing but the standard library."""

import os
import sys
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class TaskJob:
    """What a recipe `module:function` is given. Paths are relative to the current folder."""

    id: str
    title: str = ""
    file: str = ""
    line: int = 0
    body: str = ""
    story: str = ""  # "US1"; "": none
    phase: str = ""
    priority: str = ""  # "P1"
    targets: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    attempt: int = 1  # from 1

    @property
    def target(self) -> str:
        """The first target; "": there is none."""
        return self.targets[0] if self.targets else ""


GLOBALS = ("id", "title", "target", "targets", "inputs", "story", "phase", "priority", "file")


def main() -> int:
    """Reads the job from stdin and runs it; the exit code of the recipe."""
    import json  # noqa: PLC0415

    message = json.loads(sys.stdin.buffer.read())
    with open(os.devnull, encoding="utf-8") as nothing:
        os.dup2(nothing.fileno(), 0)
    values: dict[str, Any] = message["fields"]
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    known = {field.name for field in fields(TaskJob)}
    job = TaskJob(**{key: value for key, value in values.items() if key in known})
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    sys.path[0] = os.getcwd()  # was this file's folder
    sys.dont_write_bytecode = True  # `__pycache__` is nobody's target
    try:
        if message["kind"] == "function":
            return call(message["text"], job)
        execute(message["text"], job)
    except Exception as error:  # noqa: BLE001  (the recipe's own)
        report(error)
        return 1
    return 0


def call(recipe: str, job: TaskJob) -> int:
    """Calls `module:function` with the job."""
    import importlib  # noqa: PLC0415

    module, _, attributes = recipe.partition(":")
    function: Any = importlib.import_module(module)
    for attribute in attributes.split("."):
        function = getattr(function, attribute)
    result = function(job)
    if result is False:
        print(f"{recipe} returned False", file=sys.stderr)  # noqa: T201
        return 1
    if type(result).__name__ == "Failed":  # what executors return; the interpreter may not have specbuild
        print(f"{recipe} failed: {getattr(result, 'message', '')}", file=sys.stderr)  # noqa: T201
        return 1
    if isinstance(result, str) and result:
        print(result)  # noqa: T201
    return 0


def execute(text: str, job: TaskJob) -> None:
    """Runs Python text as a program of its own."""
    import linecache  # noqa: PLC0415

    name = f"<recipe of {job.id}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)  # for tracebacks
    names: dict[str, Any] = {each: getattr(job, each) for each in GLOBALS}
    names |= {"targets": list(job.targets), "inputs": list(job.inputs)}
    exec(compile(text, name, "exec"), {**names, "__name__": "__main__", "job": job})  # noqa: S102


def report(error: BaseException) -> None:
    """The traceback without the frames of this file."""
    import traceback  # noqa: PLC0415

    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    traceback.print_exception(error.with_traceback(trace))


if __name__ == "__main__":
    sys.exit(main())
