"""Git's hooks around the commits of a command, where the configuration asks for them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from specbuild.config import Build
from specbuild.engine.saving import staged_words
from specbuild.engine.task import RepoPath
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


def kept_words(committer: GitCommitter) -> list[str]:
    """Of staged versions that commits replaced, by the ref that keeps them."""
    paths: dict[str, list[RepoPath]] = {}
    for path, ref in committer.kept:
        paths.setdefault(ref, []).append(path)
    return [staged_words(each, ref) for ref, each in paths.items()]


def tell(committer: GitCommitter) -> None:
    """What was kept of what a person had staged, and what became of hooks that come too late to refuse."""
    from specbuild.reporting.text import clean

    for line in (*kept_words(committer), *(committer.hooks.told if committer.hooks is not None else ())):
        click.echo(f"specbuild: {clean(line)}", err=True)
