"""Git's hooks around the commits of a command, where the configuration asks for them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from specbuild.config import Build
from specbuild.git.committer import GitCommitter
from specbuild.git.repository import Repository

if TYPE_CHECKING:
    from specbuild.git.commithooks import CommitHooks


def commit_hooks(
    repository: Repository, build: Build, *, cancelled: Callable[[], bool] = lambda: False
) -> "CommitHooks | None":
    """None: `run_hooks` is off, as it mostly is."""
    if not build.run_hooks:
        return None
    from specbuild.git.commithooks import CommitHooks

    return CommitHooks(repository, cancelled=cancelled)


def committer_of(repository: Repository, build: Build) -> GitCommitter:
    """For a command that makes one chain of commits, and then ends."""
    return GitCommitter(repository, repository.head_ref, hooks=commit_hooks(repository, build))


def tell_hooks(committer: GitCommitter) -> None:
    """What became of hooks that come too late to refuse anything."""
    from specbuild.reporting.text import clean

    for line in committer.hooks.told if committer.hooks is not None else ():
        click.echo(f"specbuild: {clean(line)}", err=True)
