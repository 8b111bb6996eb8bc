"""A build inside a hook: where it may take place, within what time, and how it ended."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple

from specbuild.cli.options import Options
from specbuild.cli.parts import Here, Selection
from specbuild.cli.pushes import Judgement, Pushed, edited
from specbuild.cli.session import Session
from specbuild.engine.events import TaskFinished
from specbuild.errors import ConfigError, SpecbuildError


class Built(NamedTuple):
    """How a build ended."""

    code: int  # as `specbuild run` ends
    tasks: int = 0  # completed or reused
    over: str = ""  # that its time was over
    error: SpecbuildError | None = None  # why it did not begin


def place_for(judgement: Judgement) -> Here | str:
    """The working tree, where it is what is pushed; else why nothing can be built."""
    pushed = judgement.here
    repository = pushed.repository
    if repository.is_bare:
        return "this is a bare repository"
    if repository.head != pushed.commit:
        return "the pushed commit is not checked out here"
    tree = _working_tree(pushed)
    paths = edited(tree, judgement)
    if paths:
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        return f"{paths[0]}{more} differs from what is pushed, since it is not committed"
    return tree


def _working_tree(pushed: Pushed) -> Here:
    """With the task files that were judged."""
    tree = Here(Selection())
    try:
        if tree.reported == pushed.reported:
            return tree
    except ConfigError:
        pass
    top = pushed.repository.top
    return Here(
        Selection(tuple(os.path.relpath(os.path.join(top, path)) for path in sorted(pushed.reported)))
    )


def build(tree: Here, judgement: Judgement) -> Built:
    """Builds what the judgement refuses, and nothing else."""
    hooks = judgement.here.loaded.config.hooks
    options = Options(interactive=False, keep=hooks.keep, yes=hooks.keep, only=judgement.buildable)
    session = Session(tree, options)
    clock = _Alarm()
    try:
        with clock.after(hooks.pre_push_budget):
            code = session.run()
    except SpecbuildError as error:
        return Built(error.exit_code, error=error)
    except KeyboardInterrupt:
        code = 130
    done = sum(
        1
        for event in session.events
        if isinstance(event, TaskFinished) and event.outcome in {"completed", "reused"}
    )
    if clock.rang and code == 130:
        return Built(
            code, 0, f"stopped after {_minutes(hooks.pre_push_budget)}, the budget of [hooks.pre-push]"
        )
    return Built(code, done)


class _Alarm:
    """Ends a build as Ctrl-C does, so that what is under way is undone and what is done stays."""

    def __init__(self) -> None:
        self.rang = False

    @contextmanager
    def after(self, seconds: float) -> Iterator[None]:

        def ring(_number: int, _frame: FrameType | None) -> None:
            self.rang = True
            raise KeyboardInterrupt

        previous = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, previous)


def _minutes(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:g} seconds"
    return f"{seconds / 60:g} minute{'' if seconds == 60 else 's'}"
