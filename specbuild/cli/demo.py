"""`specbuild demo`: a small real project, built by the commands that one would type."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable

import click

from specbuild.environment import clean_environment
from specbuild.errors import RepositoryError, UsageError

TASK_FILE = "specs/001-auth/tasks.md"
_PROJECT = os.path.join(os.path.dirname(__file__), "demo_project")


def run(directory: str) -> int:
    """Makes the project in `directory`, builds it, changes it and takes a change back; 0: all went well.

    Raises UsageError where `directory` is no folder, or not empty.
    """
    _lay_out(directory)
    show = _Session(directory)
    try:
        _prepare(show)
        _play(show)
    except subprocess.CalledProcessError as error:
        show.say(f"`{error.cmd}` ended with {error.returncode}; the demo stops here. It is in {directory}.")
        return error.returncode if error.returncode > 0 else 1
    _tell_what_next(directory, show.say)
    return 0


def _lay_out(directory: str) -> None:
    if os.path.exists(directory) and not os.path.isdir(directory):
        raise UsageError(f"{directory} is no folder", hint="name another: specbuild demo DIR")
    if os.path.isdir(directory) and os.listdir(directory):
        raise UsageError(f"{directory} is not empty", hint="remove it, or name another: specbuild demo DIR")
    try:
        shutil.copytree(
            _PROJECT, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
        )
    except OSError as error:
        raise UsageError(f"{directory} cannot be made: {error.strerror or error}") from error


def _prepare(show: "_Session") -> None:
    """A repository of its own, whatever git's configuration of this machine asks of others."""
    show.quietly("git", "init", "-q", "--template=", "-b", "main")
    for key, value in (("user.name", "specbuild demo"), ("user.email", "demo@specbuild.invalid")):
        variable = f"GIT_AUTHOR_{key.removeprefix('user.').upper()}"
        if variable not in os.environ and not show.asks("git", "config", key):
            show.quietly("git", "config", key, value)
    show.quietly("git", "config", "commit.gpgsign", "false")  # a passphrase would be asked for eight times
    show.quietly("git", "add", "--all", "--force")
    show.quietly("git", "commit", "-q", "--no-verify", "-m", "The plan: eight tasks, and how they are done")


def _play(show: "_Session") -> None:
    show.say(f"A project with eight tasks and no code yet. {TASK_FILE} says:\n")
    show.runs("cat", TASK_FILE)
    show.say("\nEach task is run, checked, and recorded as a commit of its own:\n")
    show.specbuild()
    show.say("\nA second run has nothing to do:\n")
    show.specbuild()
    show.say("\nNow one word of a task changes, uncommitted. Only what depends on it is made again:\n")
    show.edits(TASK_FILE, "login endpoint", "signin endpoint")
    show.runs("git", "diff", "-U0", "--no-color", "--no-ext-diff")
    show.specbuild()
    show.runs("git", "log", "--format=%h %s", "-4")
    show.say("\ngit history is the only state: with its commit reverted, a task is stale again:\n")
    show.runs("git", "revert", "--no-edit", "HEAD")
    show.specbuild("status")


def _tell_what_next(directory: str, say: Callable[[str], None]) -> None:
    say("\nTo go on from here:\n")
    if shutil.which("specbuild") is None:
        say(f'    export PATH="{os.path.dirname(os.path.abspath(sys.executable))}:$PATH"')
    for command, remark in (
        (f"cd {shlex.quote(directory)}", ""),
        ("specbuild", "  # brings the reverted task back"),
        ("specbuild why T008", "  # what it was made from"),
        ("git log", "  # each checkpoint is a line of a commit message"),
        ("$EDITOR design/user.json", "  # add a field, then: specbuild"),
    ):
        say(f"    {command:<24}{remark}".rstrip())


class _Session:
    """Commands in one folder, shown as they would be typed, with what they really print."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        # Not git's own variables: in a hook they would lead to the repository that is being pushed.
        self.environment = {**clean_environment(os.environ), "GIT_PAGER": "cat", "GIT_EDITOR": "true"}

    def say(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def runs(self, *command: str) -> None:
        self.say(f"$ {shlex.join(command)}")
        self._call(command, shown=shlex.join(command))

    def specbuild(self, *arguments: str) -> None:
        shown = " ".join(("specbuild", *arguments))
        self.say(f"$ {shown}")
        self._call((sys.executable, "-P", "-m", "specbuild", *arguments), shown=shown)

    def quietly(self, *command: str) -> None:
        self._call(command, shown=shlex.join(command))

    def asks(self, *command: str) -> bool:
        """Whether a command that only looks says yes."""
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        return done.returncode == 0

    def edits(self, path: str, old: str, new: str) -> None:
        self.say(f"$ $EDITOR {path}  # {old} → {new}")
        whole = os.path.join(self.directory, path)
        with open(whole, encoding="utf-8", newline="") as file:
            text = file.read()
        with open(whole, "w", encoding="utf-8", newline="") as file:
            file.write(text.replace(old, new))

    def _call(self, command: tuple[str, ...], *, shown: str) -> None:
        try:
            done = subprocess.run(
                command, cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL, check=False
            )
        except FileNotFoundError as error:
            raise RepositoryError(f"{command[0]} is not installed", hint=f"install {command[0]}") from error
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, shown)


@click.command("demo")
@click.argument("directory", metavar="[DIR]", default="specbuild-demo")
def command(directory: str) -> int:
    """Make a small real project in DIR and build it, offline."""
    return run(directory)
