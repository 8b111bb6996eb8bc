"""Reads commits as `git rev-list` prints them, so that grafts and replaced commits are as git has them."""

from collections.abc import Sequence
from typing import NamedTuple

from specbuild.engine.task import Oid
from specbuild.git.repository import Repository


class Commit(NamedTuple):
    oid: Oid
    parents: tuple[Oid, ...]
    time: int  # the committer's, seconds since 1970
    message: bytes


class Walked(NamedTuple):
    """Commits, children before parents."""

    added: list[Commit]
    removed: list[Commit]  # on the right side of a symmetric difference


def walk(repository: Repository, arguments: Sequence[str]) -> Walked:
    """What `git rev-list` lists for the arguments; raises GitFailed where a revision is none."""
    form = ["--topo-order", "--encoding=UTF-8", "--format=%P%x00%ct%x00%B%x00"]
    fields = repository.git(["rev-list", *form, *arguments, "--"]).split(b"\0")
    walked = Walked([], [])
    for position in range(0, len(fields) - 1, 3):
        header, _, parents = fields[position].rpartition(b"\n")
        commit = Commit(
            header[-40:].decode("ascii"),
            tuple(parents.decode("ascii").split()),
            int(fields[position + 1]),
            fields[position + 2],
        )
        side = walked.removed if header[-41:-40] == b">" else walked.added
        side.append(commit)
    return walked
