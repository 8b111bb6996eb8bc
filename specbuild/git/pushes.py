"""What a pushed object is, and whether the other side has it already."""

import pygit2

from specbuild.engine.task import Oid
from specbuild.git.repository import GitFailed, Repository


def commit_of(repository: Repository, oid: str) -> Oid | None:
    """The commit that is pushed, perhaps by an annotated tag; None: a tree, a blob, or nothing we know."""
    try:
        return str(repository.raw[oid].peel(pygit2.Commit).id)
    except (KeyError, ValueError, pygit2.GitError):
        return None


def is_known(repository: Repository, commit: Oid, remote: str | None) -> bool:
    """Whether a commit was there before this push: on the remote, as far as its tracking refs say.

    `remote` None: this repository is the other side.
    """
    if remote is not None and repository.config_get(f"remote.{remote}.url") is None:
        return False  # a bare URL: nobody tracks what is there
    there = "--all" if remote is None else f"--remotes={remote}"
    try:
        return not repository.git(["rev-list", "--max-count=1", commit, "--not", there])
    except GitFailed:
        return False
