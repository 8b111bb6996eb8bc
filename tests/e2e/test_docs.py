"""README and manual are true: their files and sessions are run as they stand, each document in a repository."""

import os
import re
import subprocess
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

import pytest
from examples import Command, File, examples, mismatch

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TOLD = [path for path in DOCUMENTS if any(True for _ in examples(path.read_text("utf-8")))]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A reader's: the installed command first on PATH, an identity, nobody's configuration."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Reader\n\temail = reader@example.org\n[init]\n\tdefaultBranch = main\n"
    )
    return {
        "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }


def run(command: str, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        timeout=100,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("document", TOLD, ids=[str(path.relative_to(ROOT)) for path in TOLD])
def test_what_a_document_shows_is_what_happens(
    document: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    assert run("git init -q", folder, environment) == (0, "")
    for example in examples(document.read_text("utf-8")):
        where = f"{document.relative_to(ROOT)}:{example.line}"
        match example:
            case File(path, text, _):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(text, "utf-8")
            case Command(command, expected, _):
                exit_code, printed = run(command, folder, environment)
                assert exit_code == 0, f"{where}: `{command}` ended with {exit_code}:\n{printed}"
                problem = None if expected is None else mismatch(expected, printed)
                assert problem is None, f"{where}: of `{command}` {problem}"


def test_readme_and_the_first_pages_of_the_manual_have_sessions() -> None:
    names = {str(path.relative_to(ROOT)) for path in TOLD}
    assert names >= {"README.md", "docs/getting-started.md", "docs/staleness.md", "docs/configuration.md"}


def section(title: str) -> list[str]:
    """The command lines in the fence under a heading of the README."""
    text = (ROOT / "README.md").read_text("utf-8")
    body = text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
    return [line for line in body.split("```")[1].splitlines()[1:] if line.strip()]


@pytest.mark.parametrize("title", ["Try it", "Test it"])
def test_the_readme_has_one_command_line_to_try_and_one_to_test(title: str) -> None:
    (line,) = section(title)
    assert line.startswith("python3 -m venv ")


def test_links_of_the_documents_lead_somewhere() -> None:

    pages = [
        *DOCUMENTS,
        ROOT / "CONTRIBUTING.md",
        ROOT / "CHANGELOG.md",
        *(ROOT / "docs" / "adr").glob("*.md"),
    ]
    for page in pages:
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / "CONTRIBUTING.md"], ids=lambda path: path.name)
def test_every_toml_block_of_a_document_is_a_configuration(document: Path) -> None:
    from specbuild.config import parse

    blocks = document.read_text("utf-8").split("```toml\n")[1:]
    for block in blocks:
        text = block.split("```", 1)[0]
        tomllib.loads(text)
        parse(text)


def test_the_executor_of_contributing_does_what_it_says(tmp_path: Path) -> None:
    from specbuild import Failed, Job, Succeeded
    from specbuild.hookspecs import Task

    block = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("```python\n")[1].split("```")[0]
    plugin: dict[str, Any] = {}
    exec(compile(block, "CONTRIBUTING.md", "exec"), plugin)
    (executor,) = plugin["specbuild_executors"]()
    (tmp_path / "names.txt").write_text("ada\n")
    task = Task("T001", targets=("shout.txt",))
    assert isinstance(executor.run(Job(task, str(tmp_path))), Failed)
    assert executor.run(Job(task, str(tmp_path), options={"source": "names.txt"})) == Succeeded()
    assert (tmp_path / "shout.txt").read_text() == "ADA\n"
