"""`specbuild init`, the agent that `run` offers, and shell completion: the command, in real repositories."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from repositories import ROOT, Workshop, workshops

from specbuild.config import parse

Make = Callable[..., Workshop]

AGENT = """#!/bin/sh
cat > /dev/null
mkdir -p src
echo "made by $(basename "$0")" > src/user.py
echo '{"type": "result", "is_error": false, "result": "done"}'
"""
TASK = "# Tasks\n\n- [ ] T001 Create the user model in src/user.py\n"


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with workshops(tmp_path) as made:
        yield made


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of git and the usual tools, and of a folder that tests put commands in."""
    folder, tools = tmp_path / "bin", tmp_path / "tools"
    folder.mkdir()
    tools.mkdir()
    for name in ("sh", "git", "cat", "mkdir", "echo", "basename", "env", "bash", "uname", "sed"):
        place = next(p for p in os.environ["PATH"].split(os.pathsep) if os.access(f"{p}/{name}", os.X_OK))
        (tools / name).symlink_to(f"{place}/{name}")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{tools}")
    monkeypatch.delenv("CI", raising=False)
    return folder


def agent(folder: Path, name: str) -> None:
    (folder / name).write_text(AGENT)
    (folder / name).chmod(0o755)


def on_a_terminal(work: Workshop, typed: str, *arguments: str) -> tuple[int, str]:
    """The command with a terminal for stdin, stdout and stderr, at which somebody types when asked."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "specbuild", *arguments],
        cwd=work.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb", "RAN": str(work.log)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown, answers, end = b"", typed.encode().splitlines(keepends=True), time.monotonic() + 60
    try:
        while time.monotonic() < end:
            if not select.select([ours], [], [], 0.2)[0]:
                if answers and shown.rstrip().endswith(b":"):
                    os.write(ours, answers.pop(0))
                    shown += b" "
                continue
            try:
                data = os.read(ours, 4096)
            except OSError:  # Linux' way to say that the other side is closed
                break
            if not data:
                break
            shown += data
        return process.wait(timeout=10), shown.decode()
    finally:
        process.kill()
        os.close(ours)


def test_what_is_found_becomes_a_configuration_that_works_at_once(make: Make, path: Path) -> None:
    agent(path, "claude")
    work = make()
    work.commit(
        "start",
        **{
            "specs/001-user/tasks.md": TASK,
            "pyproject.toml": "[tool.pytest.ini_options]\n",
            ".gitignore": "/node_modules/\n",
        },
    )
    work.type("node_modules/x.js", "")
    done = work.process("init")
    assert done.code == 0, done.err
    assert "found Spec Kit: specs/001-user/tasks.md\n" in done.out
    assert "found on PATH: claude" in done.out
    assert "specbuild --dry-run" in done.out
    text = work.text("specbuild.toml") or ""
    config = parse(text)
    assert config.build.executor == "agent"
    assert config.executors["agent"]["preset"] == "claude"
    assert config.build.share == ("node_modules",)
    assert config.gates == ()
    assert '# run = "pytest -q --junitxml={junit}"' in text
    assert work.call("check").code == 3
    ran = work.process()
    assert ran.code == 0, ran.err
    assert work.text("src/user.py") == "made by claude\n"
    assert work.call("check").code == 0


def test_where_nothing_is_found_a_person_does_the_tasks(make: Make, path: Path) -> None:
    work = make()
    done = work.process("init")
    assert done.code == 0, done.err
    assert "write tasks.md" in done.out
    config = parse(work.text("specbuild.toml") or "")
    assert (config.build.executor, config.gates) == ("manual", ())
    assert work.process("doctor").code == 0


@pytest.mark.parametrize("there", ["file", "link"])
def test_nothing_is_ever_overwritten(make: Make, path: Path, there: str) -> None:
    work = make()
    if there == "file":
        work.type("specbuild.toml", "# mine\n")
    else:
        (work.folder / "specbuild.toml").symlink_to("nowhere")
    done = work.process("init", "--yes")
    assert done.code == 2
    assert "specbuild.toml: it is there already" in done.err
    assert work.text("specbuild.toml") == ("# mine\n" if there == "file" else None)
    assert not (work.folder / ".git/hooks/pre-push").exists()


def test_outside_a_repository_nothing_is_written(make: Make, path: Path, tmp_path: Path) -> None:
    work = make()
    work.folder = tmp_path / "elsewhere"
    work.folder.mkdir()
    assert work.process("init", "--yes").code == 4
    assert list(work.folder.iterdir()) == []


def test_yes_takes_the_first_agent_and_the_hook_and_asks_nothing(make: Make, path: Path) -> None:
    agent(path, "gemini")
    agent(path, "codex")
    work = make()
    done = work.process("init", "--yes")
    assert done.code == 0, done.err
    assert parse(work.text("specbuild.toml") or "").executors["agent"]["preset"] == "codex"
    assert "gemini would do, too" in (work.text("specbuild.toml") or "")
    assert (work.folder / ".git/hooks/pre-push").exists()


def test_without_a_terminal_no_hook_is_installed_unless_it_is_asked_for(make: Make, path: Path) -> None:
    one, other = make(name="one"), make(name="other")
    assert one.process("init").code == 0
    assert not (one.folder / ".git/hooks/pre-push").exists()
    assert other.process("init", "--hook").code == 0
    assert (other.folder / ".git/hooks/pre-push").exists()


def test_on_a_terminal_agent_and_hook_are_asked_for(make: Make, path: Path) -> None:
    agent(path, "codex")
    agent(path, "gemini")
    work = make()
    code, shown = on_a_terminal(work, "gemini\nn\n", "init")
    assert code == 0, shown
    assert parse(work.text("specbuild.toml") or "").executors["agent"]["preset"] == "gemini"
    assert not (work.folder / ".git/hooks/pre-push").exists()


def test_a_run_offers_the_one_agent_on_path(make: Make, path: Path) -> None:
    agent(path, "claude")
    work = make()
    work.commit("start", **{"tasks.md": TASK, "specbuild.toml": "[build]\nretries = 0\n"})
    code, shown = on_a_terminal(work, "y\n")
    assert "Let claude do them" in shown
    assert code == 0, shown
    assert work.text("src/user.py") == "made by claude\n"
    assert 'preset = "claude"' in work.git("show", "HEAD:specbuild.toml")
    work.assert_tidy()


@pytest.mark.parametrize(("names", "typed"), [(("claude",), "n\n"), (("claude", "codex"), ""), ((), "")])
def test_without_leave_or_without_just_one_agent_a_run_is_refused(
    make: Make, path: Path, names: tuple[str, ...], typed: str
) -> None:
    for name in names:
        agent(path, name)
    work = make()
    work.commit("start", **{"tasks.md": TASK})
    code, shown = on_a_terminal(work, typed)
    assert code == 2
    assert "no recipe and no executor" in shown
    assert "T001" in shown
    assert work.text("specbuild.toml") is None


def test_without_a_terminal_nothing_is_offered(make: Make, path: Path) -> None:
    agent(path, "claude")
    work = make()
    work.commit("start", **{"tasks.md": TASK})
    done = work.process()
    assert done.code == 2
    assert "Let claude" not in done.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(make: Make, shell: str) -> None:
    done = make().process("completion", shell)
    assert done.code == 0, done.err
    assert "_SPECBUILD_COMPLETE" in done.out
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=done.out, text=True, check=True)


def test_a_shell_is_told_commands_and_options_even_where_nothing_is_to_do(make: Make) -> None:
    work = make()
    work.commit("start", **{"tasks.md": "- [ ] T001 Make a.txt\n  ```sh\n  echo 1 > a.txt\n  ```\n"})
    assert work.process().code == 0
    assert work.process().code == 0
    asked = {"_SPECBUILD_COMPLETE": "bash_complete"}
    assert work.process(COMP_WORDS="specbuild ad", COMP_CWORD="1", **asked).out == "plain,adopt\n"
    options = work.process(COMP_WORDS="specbuild adopt --d", COMP_CWORD="2", **asked).out
    assert options == "plain,--dry-run\n"
