"""What `init` finds in a folder and on PATH, and how an agent is put into specbuild.toml."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from specbuild.cli.finding import AGENTS, Which, agents, runners, with_agent, workflows
from specbuild.config import parse
from specbuild_agent.presets import PRESETS


def on_path(*names: str) -> Which:
    return lambda name: f"/bin/{name}" if name in names else None


def found(folder: Path, *commands: str) -> list[tuple[str, str, bool]]:
    return [(each.name, each.run, each.there) for each in runners(str(folder), on_path(*commands))]


def test_the_agents_are_those_that_have_a_preset_and_its_command_has_its_name() -> None:
    assert tuple(PRESETS) == AGENTS
    assert [preset.command[0] for preset in PRESETS.values()] == list(AGENTS)


def test_agents_on_path_are_found_in_order_of_the_presets() -> None:
    assert agents(on_path("aider", "claude", "vim")) == ["claude", "aider"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pytest.ini", ""),
        ("pyproject.toml", "[tool.pytest.ini_options]\n"),
        ("requirements-dev.txt", "pytest>=8\n"),
        ("tests/conftest.py", ""),
    ],
)
def test_pytest_is_found_by_its_files(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    assert found(tmp_path, "pytest") == [("pytest", "pytest -q --junitxml={junit}", True)]
    assert found(tmp_path) == [("pytest", "pytest -q --junitxml={junit}", False)]


def test_pytest_of_a_virtual_environment_or_of_uv_comes_first(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("")
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/pytest").write_text("")
    assert found(tmp_path, "pytest")[0][1].startswith(".venv/bin/pytest ")
    (tmp_path / "uv.lock").write_text("")
    assert found(tmp_path, "pytest", "uv")[0][1].startswith("uv run pytest ")


def test_npm_go_and_cargo_are_found_by_their_files(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"scripts": {"test": "node --test"}}')
    (tmp_path / "go.mod").write_text("module x\n")
    (tmp_path / "Cargo.toml").write_text("[package]\n")
    assert found(tmp_path, "npm", "cargo") == [
        ("npm test", "npm test --silent", True),
        ("go test", "go test ./...", False),
        ("cargo test", "cargo test --quiet", True),
    ]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}']
)
def test_a_package_without_tests_has_no_runner(tmp_path: Path, text: str) -> None:
    (tmp_path / "package.json").write_text(text)
    assert found(tmp_path, "npm") == []


def test_make_test_counts_where_nothing_more_particular_is_found(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("all:\n\ntest: all\n\ttrue\n")
    assert found(tmp_path, "make") == [("make test", "make test", True)]
    (tmp_path / "go.mod").write_text("module x\n")
    assert [name for name, _, _ in found(tmp_path, "make", "go")] == ["go test"]
    (tmp_path / "go.mod").unlink()
    (tmp_path / "Makefile").write_text("test := 1\n")
    assert found(tmp_path, "make") == []


def test_folders_of_other_tools_are_found_with_their_task_files(tmp_path: Path) -> None:
    (tmp_path / ".specify").mkdir()
    (tmp_path / ".kiro/specs").mkdir(parents=True)
    files = ["specs/001-auth/tasks.md", "tasks.md"]
    told = {each.tool: each.files for each in workflows(str(tmp_path), files)}
    assert told == {"Spec Kit": ("specs/001-auth/tasks.md",), "Kiro": (), "a task file": ("tasks.md",)}


def test_folders_that_only_have_a_common_name_are_not_taken_for_a_tools(tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    (tmp_path / "specs").mkdir()
    assert list(workflows(str(tmp_path), [])) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[build]\njobs = 4\n",
        "[build]  # mine\njobs = 4",
        '[[rule]]\nmatch = "T001"\nrun = "true"\n',
        "[build]",
        'tasks = [\n  "a.md",\n]\n',
    ],
)
def test_an_agent_is_put_in_and_everything_else_stays(text: str) -> None:
    changed = with_agent(text, "codex")
    assert changed is not None
    after, before = parse(changed), parse(text)
    assert after.build.executor == "agent"
    assert after.executors == {"agent": {"preset": "codex"}}
    assert after.build.jobs == before.build.jobs
    assert [rule.run for rule in after.rules] == [rule.run for rule in before.rules]
    assert _is_subsequence(text.split("\n"), changed.split("\n"))


def _is_subsequence(lines: Iterable[str], of: Iterable[str]) -> bool:
    rest = iter(of)
    return all(line in rest for line in lines if line)


@pytest.mark.parametrize(
    "text",
    [
        '[build]\nexecutor = "shell"\n',
        '[executor.agent]\npreset = "claude"\n',
        "build.jobs = 4\n",
        "no toml",
        "[bild]\n",
    ],
)
def test_an_agent_is_not_put_in_where_something_else_is_said(text: str) -> None:
    assert with_agent(text, "codex") is None
