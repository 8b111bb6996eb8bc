"""What is here to be built with: other tools' task folders, test runners, coding agents on PATH."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

AGENTS = ("claude", "codex", "gemini", "opencode", "aider", "copilot", "cursor-agent")
"""Agents that the executor `agent` has a preset for; preset and command have the same name."""

_WORKFLOWS = (
    ("Spec Kit", (".specify", "specs"), r"specs/[^/]+/tasks\.md"),
    ("Kiro", (".kiro/specs",), r"\.kiro/specs/[^/]+/tasks\.md"),
    ("OpenSpec", ("openspec",), r"openspec/changes/[^/]+/tasks\.md"),
    ("spec-workflow", (".spec-workflow",), r"\.spec-workflow/specs/[^/]+/tasks\.md"),
    ("features", ("features",), r"features/[^/]+/tasks\.md"),
    ("a task file", ("tasks.md",), r"tasks\.md"),
)


class Workflow(NamedTuple):
    """A tool's folder with task files."""

    tool: str
    folder: str
    files: tuple[str, ...]


class Runner(NamedTuple):
    """A way to run the project's tests."""

    name: str
    run: str  # as a gate's command
    because: str  # the file that says so
    there: bool  # whether its command is on PATH


Which = Callable[[str], str | None]


def workflows(top: str, task_files: Sequence[str]) -> Iterator[Workflow]:
    """`task_files`: those that specbuild finds by itself, as paths of the repository."""
    for tool, places, pattern in _WORKFLOWS:
        files = tuple(path for path in task_files if re.fullmatch(pattern, path))
        folder = next((place for place in places if os.path.exists(os.path.join(top, place))), None)
        if files or (folder is not None and tool not in {"features", "a task file"} and places[0] == folder):
            yield Workflow(tool, folder or places[0], files)


def agents(which: Which = shutil.which) -> list[str]:
    """Known coding agents on PATH."""
    return [name for name in AGENTS if which(name)]


def runners(top: str, which: Which = shutil.which) -> list[Runner]:
    """What runs the project's tests; `make test` only where nothing more particular does."""
    found = [*_pytest(top, which), *_npm(top, which), *_go(top, which), *_cargo(top, which)]
    return found or list(_make(top, which))


def _pytest(top: str, which: Which) -> Iterator[Runner]:
    because = next(
        (
            name
            for name, sign in (
                ("pytest.ini", ""),
                ("pyproject.toml", "pytest"),
                ("setup.cfg", "pytest"),
                ("tox.ini", "pytest"),
                ("requirements-dev.txt", "pytest"),
                ("requirements.txt", "pytest"),
                ("conftest.py", ""),
                ("tests/conftest.py", ""),
            )
            if (text := _read(top, name)) is not None and sign in text
        ),
        None,
    )
    if because is None:
        return
    arguments = "-q --junitxml={junit}"
    if _read(top, "uv.lock") is not None and which("uv"):
        yield Runner("pytest", f"uv run pytest {arguments}", because, there=True)
    elif os.path.exists(os.path.join(top, ".venv/bin/pytest")):
        yield Runner("pytest", f".venv/bin/pytest {arguments}", because, there=True)
    else:
        yield Runner("pytest", f"pytest {arguments}", because, there=which("pytest") is not None)


def _npm(top: str, which: Which) -> Iterator[Runner]:
    try:
        script = json.loads(_read(top, "package.json") or "{}")["scripts"]["test"]
    except (ValueError, KeyError, TypeError):
        return
    if isinstance(script, str) and "no test specified" not in script:
        yield Runner("npm test", "npm test --silent", "package.json", there=which("npm") is not None)


def _go(top: str, which: Which) -> Iterator[Runner]:
    if _read(top, "go.mod") is not None:
        yield Runner("go test", "go test ./...", "go.mod", there=which("go") is not None)


def _cargo(top: str, which: Which) -> Iterator[Runner]:
    if _read(top, "Cargo.toml") is not None:
        yield Runner("cargo test", "cargo test --quiet", "Cargo.toml", there=which("cargo") is not None)


def _make(top: str, which: Which) -> Iterator[Runner]:
    for name in ("GNUmakefile", "makefile", "Makefile"):
        text = _read(top, name)
        if text is not None and re.search(r"(?m)^test\s*:(?!=)", text):
            yield Runner("make test", "make test", name, there=which("make") is not None)
            return


def _read(top: str, name: str) -> str | None:
    try:
        with open(os.path.join(top, name), encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def with_agent(text: str, agent: str) -> str | None:
    """specbuild.toml with a coding agent as the default executor; None: it cannot simply be put in."""
    from specbuild.config import parse
    from specbuild.errors import SpecbuildError

    try:
        before = parse(text)
        if before.build.executor is not None or before.executors.get("agent"):
            return None
        line = 'executor = "agent"\n'
        if re.search(r"(?m)^\[build\]", text):
            changed = re.sub(r"(?m)^(\[build\][^\n]*)(?:\n|\Z)", lambda m: f"{m[1]}\n{line}", text, count=1)
        else:
            changed = f"{text.rstrip()}\n\n[build]\n{line}".lstrip("\n")
        changed = f'{changed.rstrip()}\n\n[executor.agent]\npreset = "{agent}"\n'
        after = parse(changed)
    except SpecbuildError:
        return None
    return changed if after.build.executor == "agent" and "agent" in after.executors else None
