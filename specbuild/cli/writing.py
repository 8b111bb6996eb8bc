"""What a command holds while it writes to a repository: one at a time, after what a dead run left."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from specbuild.git.lock import BuildLock
from specbuild.git.recovery import recover
from specbuild.git.repository import Repository
from specbuild.reporting.text import clean


@contextmanager
def writing(repository: Repository) -> Iterator[None]:
    """The build lock of this worktree, in a repository that can be committed to.

    Raises RepositoryError where a merge is in progress, nobody's identity is set or another specbuild works.
    """

    def waiting(holder: object) -> None:
        click.echo(f"specbuild: waiting for another specbuild in this worktree: {holder}", err=True)

    repository.guard_build()
    repository.identity()
    with BuildLock(repository.state_dir, wait=sys.stderr.isatty(), waiting=waiting):
        recovered = recover(repository)
        for message in recovered.messages if recovered is not None else ():
            click.echo(f"specbuild: {clean(message)}", err=True)
        yield
