"""The core is pure: nothing in engine/ or taskfile/ opens a file, starts a process, reads the clock or rolls dice."""

import ast
import os
from collections.abc import Iterator
from typing import Final

import pytest

PACKAGE: Final = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "specbuild"
)
PURE: Final = frozenset(
    (
        *(
            "ast",
            "bisect",
            "collections",
            "collections.abc",
            "contextlib",
            "dataclasses",
            "difflib",
            "functools",
        ),
        *("hashlib", "heapq", "itertools", "json", "re", "typing", "urllib.parse"),
    )
)
"""Modules of which nothing reaches outside the process."""

OURS: Final = ("specbuild.engine", "specbuild.taskfile", "specbuild.errors", "specbuild.patterns")
"""Modules of our own that are held to the same, or have nothing but names and values."""

PARTLY: Final = {
    "posixpath": {"basename", "dirname", "join", "normpath"},
    "tokenize": {"TokenError", "TokenInfo", "generate_tokens", "tok_name"},
}
"""Modules with the functions of them that only look at their arguments."""

GRANTED: Final = {
    # The loop hands attempts to workers and waits for their answers; the answers themselves come over ports.
    ("engine/inbox.py", "queue"),
    ("engine/workers.py", "specbuild.threads.SerialThread"),
    ("engine/workers.py", "threading"),
    # One more makes commits, so that the loop does not wait for the disk.
    ("engine/committing.py", "specbuild.threads.SerialThread"),
    # The collector rests while a large file is read: that decides how long it takes, and nothing else.
    ("taskfile/parser.py", "specbuild.heap.growing"),
    # Jitter of the back-off before a further attempt: it decides when something runs, never what.
    ("engine/retrying.py", "random.uniform"),
}
"""What one module may use all the same, each with its reason."""

IMPURE_CALLS: Final = {"open", "input", "print", "exec", "eval", "__import__", "breakpoint", "compile"}


def modules() -> list[str]:
    return sorted(
        os.path.relpath(os.path.join(folder, name), PACKAGE)
        for top in ("engine", "taskfile")
        for folder, _, names in os.walk(os.path.join(PACKAGE, top))
        for name in names
        if name.endswith(".py")
    )


def uses(source: str) -> Iterator[str]:
    """Everything outside the process that a module reaches for: modules, functions of them, builtins."""
    tree = ast.parse(source)
    local: dict[str, str] = {}  # the name that a module has here
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                local[alias.asname or alias.name.partition(".")[0]] = alias.name
                if not (_pure(alias.name) or alias.name in PARTLY or alias.name == "random"):
                    yield alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where something comes from"
            module = node.module or ""
            if not _pure(module):
                yield from (f"{module}.{alias.name}" for alias in node.names if not _part(module, alias.name))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = local.get(node.value.id, "")
            if (module in PARTLY and not _part(module, node.attr)) or module == "random":
                yield f"{module}.{node.attr}"
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in IMPURE_CALLS:
            yield node.id


def _pure(module: str) -> bool:
    return module in PURE or module.startswith(OURS)


def _part(module: str, name: str) -> bool:
    return name in PARTLY.get(module, ())


def outside(path: str) -> set[tuple[str, str]]:
    with open(os.path.join(PACKAGE, path), encoding="utf-8") as file:
        return {(path, use) for use in uses(file.read())}


@pytest.mark.parametrize("path", modules())
def test_a_module_of_the_core_reaches_for_nothing_outside_but_what_it_is_granted(path: str) -> None:
    assert outside(path) - GRANTED == set()


def test_every_grant_is_made_use_of() -> None:
    assert set().union(*map(outside, modules())) >= GRANTED


def test_the_core_was_found() -> None:
    assert {"engine/judge.py", "engine/build.py", "taskfile/parser.py"} <= set(modules())


@pytest.mark.parametrize(
    ("source", "use"),
    [
        ("with open('a') as f: pass", "open"),
        ("read = open", "open"),
        ("import os", "os"),
        ("import os.path", "os.path"),
        ("from os import environ", "os.environ"),
        ("def f():\n    import subprocess as s\n    s.run([])", "subprocess"),
        ("from time import monotonic", "time.monotonic"),
        ("import datetime", "datetime"),
        ("from datetime import datetime", "datetime.datetime"),
        ("import random as dice\ndice.random()", "random.random"),
        ("from random import choice", "random.choice"),
        ("from pathlib import Path", "pathlib.Path"),
        ("import posixpath\nposixpath.exists('a')", "posixpath.exists"),
        ("from posixpath import realpath", "posixpath.realpath"),
        ("__import__('os')", "__import__"),
        ("eval('1')", "eval"),
    ],
)
def test_what_is_impure_is_found(source: str, use: str) -> None:
    assert set(uses(source)) == {use}


@pytest.mark.parametrize(
    "source",
    [
        "import json, posixpath\nposixpath.join('a', json.dumps(1))",
        "from specbuild.engine.task import Task",
        "class Workspaces:\n    def open(self): ...\nWorkspaces().open()",
    ],
)
def test_what_is_pure_is_let_through(source: str) -> None:
    assert set(uses(source)) == set()
