"""Reads commits as `git rev-list` prints them, so that grafts and replaced commits are as git has them."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
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


_FORM = ["--encoding=UTF-8", "--format=%P%x00%ct%x00%B%x00"]
_UNFLUSHED = {"GIT_FLUSH": "0"}  # otherwise git writes each commit by itself
_FEW = 1_500  # commits


def walk(repository: Repository, arguments: Sequence[str]) -> Walked:
    """What `git rev-list` lists for the arguments; raises GitFailed where a revision is none."""
    walked = Walked([], [])
    output = repository.git(["rev-list", "--topo-order", *_FORM, *arguments, "--"], env=_UNFLUSHED)
    for mark, commit in _parse([output]):
        side = walked.removed if mark == b">" else walked.added
        side.append(commit)
    return walked


def between(
    repository: Repository, newer: Oid, older: Oid, reached: Callable[[Oid], bool | None]
) -> list[Commit] | None:
    """The commits that `newer` reaches and `older`, an ancestor of it, does not; children before parents.

    Where clocks went backwards, `git rev-list older..newer` reads all of history, lest a commit with a wrong
    time be missed. This reads on from `newer` until nothing is open. `reached` says of a commit whether
    `older` reaches it; None: that is not known. Returns None where it is not as simple as that, or `older`
    is no ancestor, or a far one.
    """
    command = ["rev-list", *_FORM, f"--max-count={_FEW}", newer, "--"]
    with repository.spawn(command, env=_UNFLUSHED) as process:
        if process.stdout is None:
            return None
        chunks = iter(partial(os.read, process.stdout.fileno(), 1 << 16), b"")
        found = _until(older, {newer}, _parse(chunks), reached)
        process.kill()
    return found


def _until(
    older: Oid,
    open_: set[Oid],
    listed: Iterable[tuple[bytes, Commit]],
    reached: Callable[[Oid], bool | None],
) -> list[Commit] | None:
    found: list[Commit] = []
    seen: set[Oid] = set()
    met = False
    for _, commit in listed:
        if commit.oid != older:
            seen.add(commit.oid)
        met = met or older in (commit.oid, *commit.parents)
        if commit.oid in open_:
            open_.remove(commit.oid)
            found.append(commit)
            if not seen.isdisjoint(commit.parents):
                return None  # a parent came before its child
            open_.update(parent for parent in commit.parents if parent != older)
        if met:
            open_ = {oid for oid in open_ if not reached(oid)}
            if not open_:
                return _outside(found, reached)
    return None


def _outside(found: list[Commit], reached: Callable[[Oid], bool | None]) -> list[Commit] | None:
    """Without those that a merge brought in though the older commit reaches them by another way."""
    if all(len(commit.parents) == 1 for commit in found):
        return found
    inside = [reached(commit.oid) for commit in found]
    if None in inside:
        return None
    return [commit for commit, is_inside in zip(found, inside, strict=True) if not is_inside]


def _parse(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, Commit]]:
    """The commits in pieces of output, each with its mark."""
    fields = [b""]
    for chunk in chunks:
        fields[-1:] = (fields[-1] + chunk).split(b"\0")
        whole = (len(fields) - 1) // 3 * 3
        for position in range(0, whole, 3):
            header, _, parents = fields[position].rpartition(b"\n")
            yield (
                header[-41:-40],
                Commit(
                    header[-40:].decode("ascii"),
                    tuple(parents.decode("ascii").split()),
                    int(fields[position + 1]),
                    fields[position + 2],
                ),
            )
        del fields[:whole]
