"""A person looks at what a task changed before it is recorded (`review`)."""

import difflib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager

import click

from specbuild.engine.build import Review
from specbuild.engine.modes import SUBMODULE
from specbuild.engine.task import Entry, Oid, RepoPath, Task
from specbuild.reporting.terminal import lively
from specbuild.reporting.text import clean

LONGEST = 2_000
"""Lines of one file's difference that are shown."""

_TONES = {"+": "green", "-": "red", "@": "cyan"}


class Terminal:
    """Asks on the terminal, one task at a time."""

    def __init__(
        self, read: Callable[[Oid], bytes], paused: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._read = read
        self._paused = paused

    def __call__(self, task: Task, changes: Mapping[RepoPath, tuple[Entry | None, Entry | None]]) -> Review:
        with self._paused():
            click.echo(f"\n{clean(f'{task.name.id} {task.text.title}')} changed:", err=True)
            tones = _TONES if lively(sys.stderr, os.environ) and "NO_COLOR" not in os.environ else {}
            for line in difference(changes, self._read):
                tone = tones.get(line[:1])
                click.echo(click.style(clean(line), fg=tone) if tone else clean(line), err=True)
            if not changes:
                click.echo("  nothing", err=True)
            return self._ask()

    def _ask(self) -> Review:
        while True:
            click.echo("accept, retry with a note, or reject? [a/r/j] ", nl=False, err=True)
            answer = sys.stdin.readline()
            word = answer.strip().casefold()
            if not answer:  # nobody is there any more
                return Review("reject", "nobody answered")
            if word in {"a", "accept", "y", "yes"}:
                return Review("accept")
            if word in {"j", "reject", "n", "no"}:
                return Review("reject")
            if word in {"r", "retry"}:
                click.echo("what should be done otherwise? ", nl=False, err=True)
                return Review("retry", sys.stdin.readline().strip())


def difference(
    changes: Mapping[RepoPath, tuple[Entry | None, Entry | None]], read: Callable[[Oid], bytes]
) -> Iterator[str]:
    """The changes as a unified difference."""
    for path, (before, after) in changes.items():
        old, new = _lines(before, read), _lines(after, read)
        if old is None or new is None:
            yield f"--- {path}: {_sizes(before, after, read)}"
            continue
        if before is not None and after is not None and before.mode != after.mode:
            yield f"@ {path}: mode {before.mode:o}, now {after.mode:o}"
        names = (f"a/{path}" if before else "/dev/null", f"b/{path}" if after else "/dev/null")
        yield from _bounded(difflib.unified_diff(old, new, *names, lineterm=""))


def _lines(entry: Entry | None, read: Callable[[Oid], bytes]) -> list[str] | None:
    """The lines of a text; None: it is none."""
    if entry is None:
        return []
    if entry.mode == SUBMODULE:
        return None
    data = read(entry.oid)
    return None if b"\0" in data[:8000] else data.decode("utf-8", "replace").splitlines()


def _sizes(before: Entry | None, after: Entry | None, read: Callable[[Oid], bytes]) -> str:
    def size(entry: Entry | None) -> str:
        if entry is None:
            return "absent"
        return entry.oid[:12] if entry.mode == SUBMODULE else f"{len(read(entry.oid))} bytes"

    return f"no text, was {size(before)}, now {size(after)}"


def _bounded(lines: Iterable[str]) -> Iterator[str]:
    shown = 0
    for line in lines:
        shown += 1
        if shown <= LONGEST:
            yield line
    if shown > LONGEST:
        yield f"@ {shown - LONGEST} more lines of this file's difference"
