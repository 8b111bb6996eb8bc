"""Plugin files of the repository: where they are, and which executors they hold, without running them."""

import ast
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from specbuild.engine.task import RepoPath

Read = Callable[[RepoPath], bytes | None]
"""The content of a file of the repository; None: there is none. A snapshot's `read`."""


class RepositoryPlugin(NamedTuple):
    """A file that `[plugins] load` names; `executors` are the names that stand in it."""

    entry: str  # as config writes it
    file: RepoPath
    executors: frozenset[str]
    error: str = ""  # why it cannot be read as Python


def find(load: Sequence[str], read: Read) -> tuple[list[RepositoryPlugin], list[str]]:
    """The plugins that are files of the repository, and the entries that are not (installed modules)."""
    plugins: list[RepositoryPlugin] = []
    others: list[str] = []
    for entry in load:
        for file in _candidates(entry):
            source = read(file)
            if source is not None:
                plugins.append(_plugin(entry, file, source))
                break
        else:
            others.append(entry)
    return plugins, others


def is_file_name(entry: str) -> bool:
    """Whether an entry can only mean a file, not a module."""
    return "/" in entry or entry.endswith(".py")


def _candidates(entry: str) -> list[RepoPath]:
    if is_file_name(entry):
        path = entry.removeprefix("./").rstrip("/")
        return [path] if path.endswith(".py") else [f"{path}/__init__.py"]
    path = entry.replace(".", "/")
    return [f"{path}.py", f"{path}/__init__.py"]


def _plugin(entry: str, file: RepoPath, source: bytes) -> RepositoryPlugin:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        return RepositoryPlugin(entry, file, frozenset(), f"{reason}{line}")
    return RepositoryPlugin(entry, file, frozenset(_names(tree)))


def _names(tree: ast.AST) -> Iterable[str]:
    """Strings that are given to something called `name`: an attribute, a field, an argument."""
    for node in ast.walk(tree):
        value: ast.expr | None = None
        if (
            (isinstance(node, ast.Assign) and any(map(_is_name, node.targets)))
            or (isinstance(node, ast.AnnAssign) and _is_name(node.target))
            or (isinstance(node, ast.keyword) and node.arg == "name")
        ):
            value = node.value
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value:
            yield value.value


def _is_name(target: ast.expr) -> bool:
    return (isinstance(target, ast.Name) and target.id == "name") or (
        isinstance(target, ast.Attribute) and target.attr == "name"
    )
