"""The result of a target: what a checkpoint states about its bytes (SPEC section 6, `t:`)."""

from collections.abc import Mapping

from specbuild.engine.checkpoint import ABSENT
from specbuild.engine.key import digest
from specbuild.engine.modes import PLAIN
from specbuild.engine.task import Entry, RepoPath


def of_file(entry: Entry | None) -> str:
    """A plain file's result is its blob id's first digits, so that `git cat-file` finds it."""
    if entry is None:
        return ABSENT
    if entry.mode == PLAIN:
        return entry.oid[:20]
    return digest("file", oct(entry.mode), entry.oid)


def of_folder(folder: RepoPath, entries: Mapping[RepoPath, Entry]) -> str:
    """The result of all that stands below a folder; entries of other places are passed over."""
    parts = [
        f"{path[len(folder) :]}\0{entry.mode:o} {entry.oid}"
        for path, entry in sorted(entries.items())
        if path.startswith(folder)
    ]
    return digest("folder", *parts) if parts else ABSENT


def result_of(path: RepoPath, entries: Mapping[RepoPath, Entry]) -> str:
    """The result of a target among entries: a folder if it ends with `/`, else a file."""
    return of_folder(path, entries) if path.endswith("/") else of_file(entries.get(path))
