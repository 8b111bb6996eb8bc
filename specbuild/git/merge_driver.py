"""Lets boxes merge by themselves: registers a merge driver for task files in this clone's own settings."""

import os
import shlex
import sys
from collections.abc import Iterable, Sequence

from specbuild.engine.task import RepoPath
from specbuild.errors import RepositoryError
from specbuild.git.durable import write_aside
from specbuild.git.repository import Repository

NAME = "specbuild-boxes"
_TITLE = "unites the boxes of task files (specbuild)"
_BEGIN = b"# specbuild: task files, so that boxes merge by themselves"
_END = b"# specbuild: end"


def install(repository: Repository, files: Sequence[RepoPath]) -> bool:
    """Registers the driver for these task files, all worktrees alike; whether anything was changed.

    Nothing of it is committed, so the interpreter may be named by its absolute path. With -P a folder called
    `specbuild` at the top of the repository, where git starts drivers, is not taken for the program.
    """
    driver = f"{shlex.quote(sys.executable)} -P -m specbuild merge-boxes %O %A %B %P"
    changed = False
    for name, value in ((f"merge.{NAME}.name", _TITLE), (f"merge.{NAME}.driver", driver)):
        if repository.config_get(name) != value:
            repository.git(["config", "--local", name, value])
            changed = True
    if changed:
        repository.forget_config()
    return _write_attributes(repository, files) or changed


def _write_attributes(repository: Repository, files: Iterable[RepoPath]) -> bool:
    path = os.path.join(repository.common_dir, "info", "attributes")
    before = b""
    if os.path.exists(path):
        with open(path, "rb") as file:
            before = file.read()
    after = _with_block(before, files)
    if after == before:
        return False
    if not write_aside(path, after):
        raise RepositoryError(
            "the merge driver for task files cannot be registered",
            where=path,
            hint="make it writable, or merge ticked boxes by hand",
        )
    return True


def _with_block(content: bytes, files: Iterable[RepoPath]) -> bytes:
    """The file's own lines as they are, and one block of ours at the end."""
    ours = f" merge={NAME}".encode()
    foreign = b"".join(
        line
        for line in content.splitlines(keepends=True)
        if line.strip() not in {_BEGIN, _END} and not line.rstrip().endswith(ours)
    )
    if foreign and not foreign.endswith(b"\n"):
        foreign += b"\n"
    lines = [_pattern(path).encode("utf-8", "surrogateescape") + ours for path in sorted(files)]
    return foreign + b"\n".join([_BEGIN, *lines, _END]) + b"\n" if lines else foreign


def _pattern(path: RepoPath) -> str:
    """An attributes pattern for exactly this file: wildcards escaped, quoted where it holds white space."""
    escaped = "".join("\\" + char if char in "*?[\\" else char for char in path)
    if any(char.isspace() or char == '"' for char in path) or path.startswith(("#", "!")):
        quoted = escaped.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t").replace("\n", "\\n")
        return f'"/{quoted}"'
    return f"/{escaped}"
