"""Paths as people write them, and what of a repository they may name."""

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from specbuild.engine.task import RepoPath

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_][\w.-]*(?:/[A-Za-z0-9_][\w.-]*)*\Z", re.ASCII)
"""By far the commonest form; neither `.git` nor `..` can be in it."""


def as_folder(path: str) -> RepoPath:
    """With its `/`; `""`: the top."""
    core = path.strip("/").removeprefix("./")
    return f"{core}/" if core and core != "." else ""


def normal(path: str, *, root: RepoPath = "") -> str:
    """`path` from the repository's top, as git would name it: no `//`, `./` or `../` within.

    What leads out of the repository keeps its look, for `outside` to refuse.
    """
    if not root and _PLAIN.match(path):
        return path
    if not path.strip() or path.startswith(("/", "~", "@")) or _DRIVE.match(path):
        return path
    joined = posixpath.normpath(as_folder(root) + path)
    return f"{joined}/" if path.endswith(("/", "/.")) and joined != "." else joined


def parents(path: RepoPath) -> Iterator[RepoPath]:
    """The folders above a path, without their `/`, the outermost first."""
    at = path.find("/")
    while 0 < at < len(path) - 1:
        yield path[:at]
        at = path.find("/", at + 1)


def outside(path: str) -> str | None:
    """Why a declared path is not allowed; None: it is."""
    if _PLAIN.match(path):
        return None
    if not path.strip() or path in (".", "./"):
        return "it names no file"
    if _CONTROL.search(path):
        return "it has control characters"
    if path.startswith(("/", "~")) or _DRIVE.match(path):
        return "it is not relative to the repository"
    parts = path.rstrip("/").split("/")
    if ".." in parts and posixpath.normpath(path).startswith(".."):
        return "it leads out of the repository"
    if any(part.lower() == ".git" for part in parts):
        return "it is inside .git"
    return None
