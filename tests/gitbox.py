"""A real repository in a temporary folder, with a person in it, cut off from the machine's configuration."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pygit2
from pygit2.enums import ConfigLevel

from specbuild.engine.task import Entry, Task, TaskName, TaskText
from specbuild.git.repository import Repository

PLAIN = 0o100644
ENVIRONMENT = {
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "LC_ALL": "C.UTF-8",
}


def hermetic(home: Path) -> dict[str, str]:
    """Variables that keep git from everything outside the test."""
    home.mkdir(parents=True, exist_ok=True)
    return {**ENVIRONMENT, "HOME": str(home)}


@contextmanager
def environment(home: Path) -> Iterator[None]:
    """The same for this process, whose libgit2 reads it too."""
    gone = {name: value for name, value in os.environ.items() if name.startswith("GIT_")}
    changed = {name: os.environ.get(name) for name in hermetic(home)}
    for name in gone:
        del os.environ[name]
    os.environ.update(hermetic(home))
    levels = [ConfigLevel.GLOBAL, ConfigLevel.XDG, ConfigLevel.SYSTEM]
    searched = {level: pygit2.settings.search_path[level] for level in levels}
    for level in levels:
        pygit2.settings.search_path[level] = str(home)
    try:
        yield
    finally:
        for level, path in searched.items():
            pygit2.settings.search_path[level] = path
        for name, value in changed.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        os.environ.update(gone)


class Box:
    """A person's repository: they type, stage and look; `repo` is what specbuild sees."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")

    @property
    def repo(self) -> Repository:
        return Repository.open(str(self.folder))

    def git(self, *args: str, ok: bool = True, typed: bytes | None = None) -> str:
        done = subprocess.run(["git", *args], cwd=self.folder, capture_output=True, check=False, input=typed)
        if ok and done.returncode != 0:
            raise AssertionError(f"git {args}: {os.fsdecode(done.stderr)}")
        return os.fsdecode(done.stdout).rstrip("\n")

    def type(self, path: str, text: str | bytes) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)

    def text(self, path: str) -> str | None:
        target = self.folder / path
        return target.read_bytes().decode() if target.is_file() else None

    def commit(self, message: str = "person", **files: str) -> str:
        for path, text in files.items():
            self.type(path, text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def blob(self, text: str | bytes) -> Entry:
        data = text.encode() if isinstance(text, str) else text
        return Entry(PLAIN, self.git("hash-object", "-w", "--stdin", typed=data))

    def status(self) -> str:
        return self.git("status", "--porcelain=v2", "--untracked-files=all")

    def sights(self) -> dict[str, str]:
        """All that a person sees of their own changes."""
        return {
            "status": self.status(),
            "diff": self.git("diff"),
            "cached": self.git("diff", "--cached"),
            "stash": self.git("ls-files", "-s", "-v"),
        }

    def clean_by_stat(self) -> bool:
        """Whether stat data alone says that every tracked file is as in the index."""
        return self.git("diff-files", "--name-only") == ""

    def show(self, revision: str) -> str:
        return self.git("show", revision)

    def kept(self) -> list[str]:
        return self.git("for-each-ref", "--format=%(refname)", "refs/specbuild").split()

    def fsck(self) -> None:
        self.git("fsck", "--strict", "--no-dangling", "--full")


def task(
    id_: str = "T001", *targets: str, writes: str = "declared", on_edit: str = "rebuild", **more: object
) -> Task:
    text = TaskText(name=TaskName("tasks.md", id_), line=1, title=id_, definition="d" * 20, body="", box=0)
    known = {"text": text, "targets": targets, "absent": frozenset(), "targets_declared": True}
    known |= {"targets_written": targets, "reads": (), "inputs": (), "writes": writes, "on_edit": on_edit}
    return Task(**{**known, **more})  # type: ignore[arg-type]  # keyword arguments of a test
