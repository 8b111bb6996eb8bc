"""`specbuild demo` as a reader meets it: an empty home, no identity, no configuration."""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

TARGETS = [
    "db/schema.sql",
    "docs/api.md",
    "src/middleware/auth.js",
    "src/models/user.js",
    "src/routes/auth.js",
    "src/services/auth.js",
    "src/utils/jwt.js",
    "tests/auth.test.js",
]


def environment(home: Path) -> dict[str, str]:
    home.mkdir(exist_ok=True)
    return {
        "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "GIT_CONFIG_SYSTEM": os.devnull,
        "LC_ALL": "C.UTF-8",
    }


def call(command: list[str], folder: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command,
        cwd=folder,
        env={**environment(folder / "home"), **more},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )


def git(project: Path, *arguments: str) -> str:
    done = call(["git", "-C", str(project), *arguments], project.parent)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_demo_builds_its_project_and_tells_what_it_does(tmp_path: Path) -> None:
    done = call(["specbuild", "demo"], tmp_path)
    assert done.returncode == 0, done.stdout
    project = tmp_path / "specbuild-demo"
    for target in TARGETS:
        assert (project / target).stat().st_size, target
    titles = git(project, "log", "--format=%s").splitlines()
    made = [title.split()[0] for title in titles if title.startswith("T00")]
    assert sorted(made) == ["T001", "T002", "T003", "T004", "T004", "T005", "T006", "T007", "T008", "T008"]
    assert titles[0].startswith("Revert ")
    assert git(project, "status", "--porcelain") == ""
    for shown in ("$ specbuild\n", "$ git revert", "signin", "rolled-back", "cd specbuild-demo"):
        assert shown in done.stdout, done.stdout


def test_after_the_demo_one_run_brings_all_up_to_date(tmp_path: Path) -> None:
    assert call(["specbuild", "demo", "here"], tmp_path).returncode == 0
    project = tmp_path / "here"
    home = {"HOME": str(tmp_path / "home")}
    assert call(["specbuild", "check"], project, **home).returncode == 3
    done = call(["specbuild"], project, **home)
    assert done.returncode == 0, done.stdout
    assert call(["specbuild", "check"], project, **home).returncode == 0
    assert "`POST /signin`" in (project / "docs/api.md").read_text()


@pytest.mark.parametrize("full", ["folder", "file"])
def test_what_is_there_is_left_alone(tmp_path: Path, full: str) -> None:
    place = tmp_path / "mine"
    if full == "folder":
        place.mkdir()
        (place / "notes").write_text("typed by hand")
    else:
        place.write_text("typed by hand")
    done = call(["specbuild", "demo", "mine"], tmp_path)
    assert done.returncode == 2
    assert "mine" in done.stdout
    assert (place / "notes" if full == "folder" else place).read_text() == "typed by hand"
    assert not (place / ".git").exists()


def test_an_empty_folder_and_odd_names_are_fine(tmp_path: Path) -> None:
    place = tmp_path / "it's a $(demo)"
    place.mkdir()
    done = call(["specbuild", "demo", place.name], tmp_path)
    assert done.returncode == 0, done.stdout
    assert (place / "docs/api.md").exists()


def test_inside_another_repository_and_a_hook_of_it_only_the_demo_is_committed_to(tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q")
    done = call(["specbuild", "demo", str(outer / "demo")], tmp_path, GIT_DIR=str(outer / ".git"))
    assert done.returncode == 0, done.stdout
    assert git(outer, "for-each-ref") == ""
    assert git(outer / "demo", "log", "--format=%s").count("T00") >= 10
