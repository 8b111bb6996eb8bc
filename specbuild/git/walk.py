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
_FEW = 1_500  # commits


def walk(repository: Repository, arguments: Sequence[str]) -> Walked:
    """What `git rev-list` lists for the arguments; raises GitFailed where a revision is none."""
    walked = Walked([], [])
    # without the variable git would write each commit by itself
    output = repository.git(["rev-list", "--topo-order", *_FORM, *arguments, "--"], env={"GIT_FLUSH": "0"})
    for mark, commit in _parse([output]):
        side = walked.removed if mark == b">" else walked.added
        side.append(commit)
    return walked


class Outside(NamedTuple):
    commits: list[Commit]  # children before parents
    ends: set[Oid]  # the commits inside at which they end


def outside(repository: Repository, tip: Oid, inside: Callable[[Oid], bool | None]) -> Outside | None:
    """The commits from `tip` on down that are not inside, where there are few.

    git itself would read on behind them, lest a commit bear a wrong time: where clocks went backwards, all
    of history. `inside` says of a commit whether it and all below it are; None: that is not known. Returns
    None where it has to be known, or there are many.
    """
    known = inside(tip)
    if known is not False:
        return Outside([], {tip}) if known else None
    command = ["rev-list", *_FORM, f"--max-count={_FEW}", tip, "--"]
    with repository.spawn(command) as process:
        if process.stdout is None:
            return None
        chunks = iter(partial(os.read, process.stdout.fileno(), 1 << 16), b"")
        found = _until_closed({tip}, _parse(chunks), inside)
        process.kill()
    return found


def _until_closed(
    open_: set[Oid], listed: Iterable[tuple[bytes, Commit]], inside: Callable[[Oid], bool | None]
) -> Outside | None:
    found = Outside([], set())
    seen: set[Oid] = set()
    for _, commit in listed:
        if commit.oid not in open_:
            continue
        open_.remove(commit.oid)
        found.commits.append(commit)
        seen.add(commit.oid)
        for parent in commit.parents:
            known = inside(parent)
            if known is None or parent in seen:  # a child behind its parent
                return None
            (found.ends if known else open_).add(parent)
        if not open_:
            return found
    return None


def _parse(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, Commit]]:
    """The commits in pieces of output, each with its mark."""
    fields: list[bytes] = []
    begun: list[bytes] = []  # of a field, piece by piece: a message may have megabytes
    for chunk in chunks:
        begun.append(chunk)
        if b"\0" not in chunk:
            continue
        *ended, rest = b"".join(begun).split(b"\0")
        begun = [rest]
        fields += ended
        whole = len(fields) // 3 * 3
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
