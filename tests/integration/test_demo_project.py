"""The recipes of the demo's project make sources that work, whoever runs them."""

import os
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

import specbuild.cli
from specbuild.engine.recipe import fill

PROJECT = Path(specbuild.cli.__file__).parent / "demo_project"
TASKS = [
    ("Create user model in src/models/user.js", "src/models/user.js"),
    ("Add database schema in db/schema.sql", "db/schema.sql"),
    ("Create auth service in src/services/auth.js", "src/services/auth.js"),
    ("Add login endpoint in src/routes/auth.js", "src/routes/auth.js"),
    ("Create JWT helper in src/utils/jwt.js", "src/utils/jwt.js"),
    ("Add middleware in src/middleware/auth.js", "src/middleware/auth.js"),
    ("Write integration tests in tests/auth.test.js", "tests/auth.test.js"),
    ("Update API docs in docs/api.md", "docs/api.md"),
]


def settings() -> dict[str, Any]:
    return tomllib.loads((PROJECT / "specbuild.toml").read_text())


def run(command: list[str], folder: Path) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make(folder: Path, title: str, target: str) -> None:
    """What a run does for one task: its rule's recipe, in a tree whose folders are there."""
    rules = settings()["rule"]
    prefixes = ((each["match"].removeprefix("target:").removesuffix("**"), each) for each in rules)
    rule = next(each for prefix, each in prefixes if target.startswith(prefix))
    (folder / target).parent.mkdir(parents=True, exist_ok=True)
    for path in rule["inputs"]:
        assert (folder / path).exists(), f"{title} reads {path}, which nobody made before"
    python = rule["executor"] == "python"
    recipe = fill(rule["run"], {"title": title, "target": target}, language="python" if python else "sh")
    run(["python3", "-c", recipe] if python else ["sh", "-euc", recipe], folder)
    assert (folder / target).read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROJECT, tmp_path / "demo", ignore=shutil.ignore_patterns("__pycache__")))


def gates(folder: Path) -> str:
    return "".join(
        run(["sh", "-euc", fill(gate["run"], {"junit": "junit.xml"}, language="sh")], folder)
        for gate in settings()["gate"]
    )


def test_the_tasks_are_those_of_the_task_file() -> None:
    lines = (PROJECT / "specs/001-auth/tasks.md").read_text().splitlines()
    titles = [line.split("] ")[-1] for line in lines if line.startswith("- [ ] T00")]
    assert titles == [title for title, _ in TASKS]


def test_what_the_recipes_make_passes_the_gates(folder: Path) -> None:
    for title, target in TASKS:
        make(folder, title, target)
    said = gates(folder)
    assert "3 passed, 0 failed" in said
    assert "1 passed, 0 failed" in said
    if shutil.which("node"):
        assert "pass 4" in said


def test_the_first_gate_passes_after_each_task(folder: Path) -> None:
    gate = fill(settings()["gate"][0]["run"], {"junit": "junit.xml"}, language="sh")
    for title, target in TASKS:
        make(folder, title, target)
        run(["sh", "-euc", gate], folder)


def test_the_word_before_endpoint_names_the_route_and_reaches_the_docs(folder: Path) -> None:
    for title, target in TASKS:
        make(folder, title.replace("login", "signin"), target)
    assert "`POST /signin`" in (folder / "docs/api.md").read_text()
    assert "login" not in (folder / "docs/api.md").read_text()


def test_a_gate_fails_where_the_docs_lack_a_route(folder: Path) -> None:
    for title, target in TASKS:
        make(folder, title, target)
    (folder / "docs/api.md").write_text("# API\n")
    done = subprocess.run(
        ["python3", "tools/check.py", "docs", "junit.xml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "POST /login" in done.stdout
    assert 'failures="1"' in (folder / "junit.xml").read_text()
