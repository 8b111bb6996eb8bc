"""How a run closes: what it left behind, the summary, and the documents that config asks for."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import click

from specbuild.cli.options import Options
from specbuild.cli.parts import Here, Selection
from specbuild.cli.reporters import Reporters
from specbuild.engine.task import Entry, RepoPath
from specbuild.errors import SpecbuildError
from specbuild.reporting.terminal import on_github
from specbuild.reporting.text import Line, clean

if TYPE_CHECKING:
    from specbuild.reporting.summary import Summary


class Stood(NamedTuple):
    """What was at a path, and what HEAD had there."""

    content: Entry | bytes | None
    tracked: Entry | None


def standing(here: Here) -> dict[RepoPath, Stood]:
    """What stands at the paths that differ from HEAD's."""
    return {path: _stood(here, path) for path in here.tree.dirty()}


def _stood(here: Here, path: RepoPath) -> Stood:
    """A box that a run ticks is no change of its task file."""
    content: Entry | bytes | None = here.tree.entry(path)
    if (emptied := here.loaded.project.task_files.get(path)) is not None:
        with suppress(SpecbuildError):  # a person made it unreadable meanwhile
            content = emptied(path, here.tree.read(path) or b"")
    return Stood(content, here.tree.tracked(path))


def _changed(here: Here, before: Mapping[RepoPath, Stood]) -> Iterator[RepoPath]:
    """Paths at which something else stands now, and that no commit took."""
    dirty, writers = here.tree.dirty(), here.loaded.project.graph.writers
    yield from dirty - before.keys()
    for path, then in before.items():
        now = _stood(here, path)
        taken = path not in dirty and (now.tracked != then.tracked or writers.written(path))
        if now.content != then.content and not taken:
            yield path


def left_alone(here: Here, before: Mapping[RepoPath, Stood], edited: Sequence[str]) -> list[str]:
    """Warnings about what no commit took; `before`: what stood there, `edited`: by a person meanwhile."""
    here.tree.refresh(None)
    changed = sorted(_changed(here, before))
    warnings = [
        f"{path} was edited meanwhile, so the working tree keeps that; HEAD has the result" for path in edited
    ]
    others = [path for path in changed if path not in edited]
    if others:
        listed = ", ".join(others[:10]) + (f" and {len(others) - 10} more" if len(others) > 10 else "")
        warnings.append(f"changed during the run, but no task's target, so left alone: {listed}")
    return warnings


def summary(here: Here, options: Options, reporters: Reporters) -> tuple["Summary", list[Line]]:
    """Closes the reporters, writes documents, shows the summary."""
    from specbuild.reporting.next_steps import Invocation
    from specbuild.reporting.summary import summarise
    from specbuild.reporting.summary_text import render

    reporters.close()
    figures = summarise(reporters.events, earlier=reporters.earlier, diagnose=reporters.diagnose)
    documents = _write_documents(here)
    invocation = Invocation(_scope(here.selection), options.words)
    lines = render(figures, invocation=invocation, documents=documents)
    reporters.screen.show(lines[:1] if options.verbosity == "quiet" else [Line(""), *lines])
    page = os.environ.get("GITHUB_STEP_SUMMARY")
    if on_github(os.environ) and page:
        from specbuild.reporting.github import step_summary

        with contextlib.suppress(OSError):  # a page that cannot be written is no failed build
            step_summary(figures, page)
    return figures, lines


def _scope(selection: Selection) -> tuple[str, ...]:
    """The files of this run, as words of a command that is to take the same."""
    words = [word for file in selection.tasks for word in ("--tasks", file)]
    return (*words, "--all") if selection.everything else tuple(words)


def _write_documents(here: Here) -> Sequence[str]:
    """What `[[report]]` asks for; the run is over, so what goes wrong is only told."""
    if not here.loaded.config.reports:
        return ()
    from specbuild.cli.documents import write_reports

    written, problems = write_reports(here)
    for problem in problems:
        click.echo(f"specbuild: {clean(problem)}", err=True)
    return written
