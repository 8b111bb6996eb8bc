"""Under pre-commit, lefthook and husky themselves, as their users install them."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gitbox import environment
from hooked import SCRIPTS, Clone, box

ROOT = Path(__file__).parents[2]
Make = Callable[..., Clone]
CHECK = '[build]\nexecutor = "shell"\n[hooks.pre-push]\nmode = "check"\n'


def installed(*command: str, cwd: Path) -> None:
    """A package manager's work, with the machine's own settings."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def pre_commit(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("pre-commit")
    installed(sys.executable, "-m", "venv", str(folder / "venv"), cwd=folder)
    installed(str(folder / "venv/bin/pip"), "install", "-q", "pre-commit", cwd=folder)
    return str(folder / "venv/bin/pre-commit")


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of npm packages."""
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text('{"private": true}\n')
    installed("npm", "install", "--no-audit", "--no-fund", "lefthook@2", "husky@9", cwd=folder)
    return folder / "node_modules/.bin"


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    home = os.environ["HOME"]

    def clone(config: str = CHECK) -> Clone:
        made = Clone(
            tmp_path / "clone",
            box("T001", "a.txt", "in.txt"),
            box("T002", "b.txt", keep=True),
            config=config,
            **{"in.txt": "1\n"},
        )
        made.build("--filter", "T001")
        return made

    with environment(tmp_path / "home"):
        for name in (".npmrc", ".config/pip", ".pip"):  # where packages come from is the machine's matter
            if os.path.exists(os.path.join(home, name)):
                target = tmp_path / "home" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(os.path.join(home, name))
        yield clone


def stale(clone: Clone) -> str:
    clone.type("in.txt", "2\n")
    return clone.commit("edit")


@pytest.mark.external
@pytest.mark.timeout(600)
def test_pre_commit_installs_this_project_and_refuses_what_is_stale(make: Make, pre_commit: str) -> None:
    clone = make()
    rev = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    config = (
        f"repos:\n- repo: file://{ROOT}\n  rev: {rev.stdout.strip()}\n  hooks: [{{id: specbuild-check}}]\n"
    )
    clone.commit("config", **{".pre-commit-config.yaml": config})
    path = f"{Path(pre_commit).parent}{os.pathsep}{os.environ['PATH']}"
    done = clone.do(pre_commit, "install", "--hook-type", "pre-push", "--install-hooks", PATH=path)
    assert done.code == 0, done.said
    pushed = clone.push(PATH=path)  # of a root: pre-commit names no commit then
    assert pushed.code == 0, pushed.said
    assert re.search(r"specbuild .*Passed", pushed.said)
    stale(clone)
    pushed = clone.push(PATH=path)
    assert pushed.code == 1
    assert "T001 do t001: input-changed: in.txt" in pushed.said
    assert clone.there() != clone.head()
    manual = clone.do(pre_commit, "run", "specbuild-check", "--hook-stage", "manual", PATH=path)
    assert manual.code == 1
    clone.build("--filter", "T001")
    assert clone.push(PATH=path).code == 0


@pytest.mark.external
@pytest.mark.timeout(600)
def test_pre_commit_and_our_own_hook_take_turns_in_either_order(make: Make, pre_commit: str) -> None:
    clone = make()
    local = "repos:\n- repo: local\n  hooks:\n  - {id: x, name: theirs, entry: 'true', language: system, stages: [pre-push], always_run: true}\n"
    clone.commit("config", **{".pre-commit-config.yaml": local})
    clone.hook("install")
    clone.do(pre_commit, "install", "--hook-type", "pre-push")
    assert "called by another program, as pre-push.legacy" in clone.hook("status", "pre-push")
    stale(clone)
    pushed = clone.push()
    assert pushed.code == 1
    assert pushed.said.count("is refused") == 1
    clone.do(pre_commit, "uninstall", "--hook-type", "pre-push")
    assert "pre-push: installed" in clone.hook("status", "pre-push")
    clone.hook("uninstall")
    clone.do(pre_commit, "install", "--hook-type", "pre-push")
    clone.hook("install")
    pushed = clone.push()
    assert pushed.code == 1
    assert "theirs" in pushed.said
    assert pushed.said.count("is refused") == 1


@pytest.mark.external
@pytest.mark.timeout(600)
def test_lefthook_runs_the_line_of_the_manual(make: Make, node: Path) -> None:
    clone = make()
    manual = (ROOT / "docs/hooks.md").read_text("utf-8")
    section = manual.split("\n## lefthook\n", 1)[1]
    clone.commit("config", **{"lefthook.yml": section.split("```yaml\n", 1)[1].split("```", 1)[0]})
    done = clone.do(str(node / "lefthook"), "install")
    assert done.code == 0, done.said
    path = f"{node}{os.pathsep}{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    pushed = clone.push(PATH=path)
    assert pushed.code == 0, pushed.said
    stale(clone)
    pushed = clone.push(PATH=path)
    assert pushed.code == 1
    assert "T001 do t001: input-changed: in.txt" in pushed.said


@pytest.mark.external
@pytest.mark.timeout(600)
def test_lefthook_puts_our_hook_aside_and_that_is_told(make: Make, node: Path) -> None:
    clone = make()
    clone.hook("install")
    clone.commit("config", **{"lefthook.yml": "pre-push:\n  jobs:\n    - run: 'true'\n"})
    done = clone.do(str(node / "lefthook"), "install")
    assert done.code == 0, done.said
    assert clone.hook("status", "pre-push").startswith("pre-push: shadowed (another program replaced it")
    assert "is installed" in clone.hook("install")
    stale(clone)
    pushed = clone.push(PATH=f"{node}{os.pathsep}{SCRIPTS}{os.pathsep}{os.environ['PATH']}")
    assert pushed.code == 1
    assert pushed.said.count("is refused") == 1


@pytest.mark.external
@pytest.mark.timeout(600)
def test_husky_calls_the_hook_that_was_installed_beside_its_own(make: Make, node: Path) -> None:
    clone = make()
    done = clone.do(str(node / "husky"))
    assert done.code == 0, done.said
    assert clone.git("config", "core.hooksPath") == ".husky/_"
    assert ".husky/pre-push" in clone.hook("install")
    assert "pre-push: installed" in clone.hook("status", "pre-push")
    assert clone.push().code == 0
    stale(clone)
    pushed = clone.push()
    assert pushed.code == 1
    assert "T001 do t001: input-changed: in.txt" in pushed.said
    clone.do(str(node / "husky"))  # it makes its own files anew, as after each npm install
    assert clone.push().code == 1


def test_the_pre_commit_hook_judges_head_where_no_commit_is_named(make: Make) -> None:
    clone = make()
    assert clone.hook("run", "pre-commit") == ""
    stale(clone)
    assert "T001 do t001: input-changed" in clone.hook("run", "pre-commit", code=1)
    assert clone.hook("run", "pre-commit", PRE_COMMIT_TO_REF=clone.git("rev-parse", "HEAD^")) == ""
    assert "refused" in clone.hook("run", "pre-commit", code=1, PRE_COMMIT_LOCAL_BRANCH="refs/heads/main")


def test_the_extension_for_spec_kit_is_whole() -> None:
    folder = ROOT / "extensions/spec-kit"
    manifest = (folder / "extension.yml").read_text("utf-8")
    commands = re.findall(r'- name: "(speckit\.[^"]+)"\n\s+file: "([^"]+)"', manifest)
    assert [name for name, _ in commands] == ["speckit.specbuild.lint", "speckit.specbuild.implement"]
    for name, file in commands:
        assert re.fullmatch(r"speckit\.[a-z0-9-]+\.[a-z0-9-]+", name)
        assert (folder / file).read_text("utf-8").startswith("---\ndescription: ")
    assert re.search(r'after_tasks:\n\s+command: "speckit\.specbuild\.lint"', manifest)
    description = re.search(r'\n  description: "(.*)"', manifest)
    assert description is not None
    assert len(description[1]) < 200
