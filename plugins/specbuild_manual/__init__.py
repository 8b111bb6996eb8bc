"""The executor `manual`: a person does the task, and says so on the terminal."""

import os
import select
import sys
import threading
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from specbuild import BadOption, Failed, Job, Succeeded, hookimpl

_LOOK = 0.2  # seconds between looks at whether the run was cancelled


class Manual:
    """Asks on the terminal whether the task is done; without a terminal it fails and says what to do."""

    name: ClassVar[str] = "manual"
    on_edit: ClassVar[Literal["keep"]] = "keep"
    writes: ClassVar[Literal["declared"]] = "declared"
    isolation: ClassVar[Literal["none"]] = "none"

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()

    def check(self, options: Mapping[str, Any]) -> Iterable[BadOption]:
        for key in options:
            if key != "share":
                yield BadOption(key, f"[executor.manual] knows no {key}", "it takes no options")

    def run(self, job: Job) -> Succeeded | Failed:
        terminal = _terminal()
        if terminal is None:
            return Failed(_advice(job), permanent=True)
        try:
            with self._one_at_a_time, job.paused():
                return _ask(job, terminal)
        finally:
            os.close(terminal)


def _terminal() -> int | None:
    """The terminal that a person sits at; None: nobody reads what we would ask."""
    if not (sys.stdin.isatty() or sys.stderr.isatty()):
        return None
    try:
        return os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return None


def _advice(job: Job) -> str:
    return (
        f"a person has to do {job.task.id}, and there is no terminal to ask on; do it, "
        f"then run `specbuild adopt {_plain(job.task.id)}`"
    )


def _ask(job: Job, terminal: int) -> Succeeded | Failed:
    task = job.task
    _say(terminal, f"\n{task.id} is for a person: {task.title}\n")
    if task.targets:
        _say(terminal, f"  files: {', '.join(task.targets)}\n")
    while True:
        _say(terminal, "done? [y/N/why] ")
        answer = _answer(job, terminal)
        if answer is None:
            return Failed("nobody answered", permanent=True)
        if answer in ("y", "yes"):
            return Succeeded("a person says that it is done")
        if answer in ("w", "why", "?"):
            _say(terminal, f"{_why(job)}\n")
            continue
        return Failed("a person says that it is not done yet; run specbuild again when it is", permanent=True)


def _why(job: Job) -> str:
    task = job.task
    parts = [f"{task.file}:{task.line}", task.body.rstrip() or task.title]
    parts += [f"reads: {', '.join((*task.inputs, *task.reads))}"] if task.inputs or task.reads else []
    parts += [f"checked afterwards by: {task.verify}"] if task.verify else []
    parts += [f"failed before: {failure.message}" for failure in job.failures]
    return "\n".join(parts)


def _answer(job: Job, terminal: int) -> str | None:
    """A line from the terminal; None: its end, or the run was cancelled meanwhile."""
    while not job.cancelled():
        if select.select([terminal], [], [], _LOOK)[0]:
            line = os.read(terminal, 1024)
            return line.decode("utf-8", "replace").strip().lower() if line else None
    return None


def _say(terminal: int, text: str) -> None:
    os.write(terminal, _plain(text).encode("utf-8", "replace"))


def _plain(text: str) -> str:
    """Text from a task file without control characters: they could rewrite what the terminal shows."""
    return "".join(char for char in text if char in "\n\t" or (char.isprintable()))


@hookimpl
def specbuild_executors() -> list[Manual]:
    return [Manual()]
