"""A real repository with a task file, driven by the real command line in this process."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from forking import ROOT, Nursery
from gitbox import Box, environment

from specbuild.cli import main

CONFIG = '[build]\nexecutor = "shell"\n'


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def box(
    id_: str,
    targets: str,
    inputs: str = "",
    *,
    title: str = "",
    marks: str = "",
    more: str = "",
    keep: bool = False,
    ticked: bool = False,
    run: str | None = None,
) -> str:
    """A task in the words of a makefile, whose recipe is a function of start bytes, title and inputs.

    It also notes its id in the file that $RAN names, so that a test can say what ran.
    """
    title = title or f"do {id_.lower()}"
    lines = [f"- [{'x' if ticked else ' '}] {id_}{' ' if marks else ''}{marks} {title}"]
    if targets:
        lines.append(f"  - targets: {', '.join(targets.split())}")
    if inputs:
        lines.append(f"  - inputs: {', '.join(inputs.split())}")
    if keep:
        lines.append("  - on_edit: keep")
    if more:
        lines += [f"  - {line}" for line in more.split("; ")]
    lines.append(f"  - run: {recipe(id_, targets, inputs, title) if run is None else run}")
    return "\n".join(lines) + "\n"


def recipe(id_: str, targets: str, inputs: str, title: str) -> str:
    parts = [f'echo {id_} >>"$RAN"']
    for target in targets.split():
        reads = f"cat {inputs} 2>/dev/null || :" if inputs else ":"
        parts.append(
            f"x=$(cat {target} 2>/dev/null || :; echo '({title}'; {reads}; echo ')'); printf '%s\\n' \"$x\" >{target}"
        )
    return "; ".join(parts)


class Workshop(Box):
    """A person's repository with tasks: they type, commit, and call specbuild."""

    def __init__(self, folder: Path, *tasks: str, config: str = CONFIG, **files: str) -> None:
        super().__init__(folder)
        self.log = folder.parent / f"{folder.name}.ran"
        for path, text in files.items():
            self.type(path, text)
        if tasks:
            self.type("specbuild.toml", config)
            self.tasks(*tasks)
            self.commit("start")

    def tasks(self, *tasks: str, file: str = "tasks.md") -> None:
        self.type(file, "".join(tasks))

    def call(self, *arguments: str, **variables: str) -> Ran:
        """The command line, in this process."""
        out, err = io.StringIO(), io.StringIO()
        with (
            _folder(self.folder),
            _variables({"RAN": str(self.log), **variables}),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = main(arguments)
        return Ran(code, out.getvalue(), err.getvalue())

    def start(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        """The command line, in a process of its own that leads a process group."""
        return subprocess.Popen(
            [sys.executable, "-m", "specbuild", *arguments],
            cwd=self.folder,
            env=self._environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def process(self, *arguments: str, **variables: str) -> Ran:
        """As `start`, to its end."""
        process = self.start(*arguments, **variables)
        try:
            out, err = process.communicate(timeout=100)
        except subprocess.TimeoutExpired:
            process.terminate()  # it ends its recipes, too
            process.communicate()
            raise
        return Ran(process.returncode, out, err)

    def forked(self, *arguments: str, **variables: str) -> Ran:
        """As `process`, without the time that a start takes."""
        return Ran(*_nursery().run([*arguments], self.folder, self._environment(variables)))

    def _environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        return {**os.environ, "RAN": str(self.log), "PYTHONPATH": str(ROOT), **variables}

    def ran(self) -> list[str]:
        """The ids of recipes that ran since it was asked last."""
        found = self.log.read_text().split() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return found

    def build(self, *arguments: str, code: int = 0) -> list[str]:
        """A run that ends with `code`; returns the ids of the recipes that ran."""
        self.ran()
        done = self.call("run", *arguments)
        assert done.code == code, f"exit {done.code}\n{done.out}\n{done.err}"
        return self.ran()

    def document(self, *arguments: str) -> Any:
        done = self.call(*arguments, "--json")
        assert done.code in {0, 3}, done.err
        return json.loads(done.out)

    def verdicts(self, *arguments: str) -> dict[str, str]:
        return {task["id"]: task["verdict"] for task in self.document("status", *arguments)["tasks"]}

    def stale(self, *arguments: str) -> list[str]:
        return [id_ for id_, verdict in self.verdicts(*arguments).items() if verdict == "stale"]

    def reasons(self, id_: str, *arguments: str) -> list[str]:
        [found] = [task for task in self.document("status", *arguments)["tasks"] if task["id"] == id_]
        return [reason["code"] for reason in found["reasons"]]

    def subjects(self, revision: str = "HEAD") -> list[str]:
        return self.git("log", "--format=%s", revision).split("\n")

    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def found(self, id_: str, revision: str = "HEAD") -> str:
        """The newest commit that records a task."""
        lines = self.git("log", "--format=%H %s", revision).split("\n")
        return next(line.split()[0] for line in lines if line.split()[1:2] == [id_])

    def reachable(self, text: str) -> bool:
        """Whether a file, or a blob that a ref or the index holds, has these bytes: nothing is lost."""
        data = text.encode()
        if any(
            p.read_bytes() == data for p in self.folder.rglob("*") if p.is_file() and ".git" not in p.parts
        ):
            return True
        oid = self.git("hash-object", "--stdin", typed=data)
        listed = self.git(
            "rev-list", "--single-worktree", "--objects", "--all", "--indexed-objects", "HEAD", ok=False
        )
        return oid in {line.split(" ")[0] for line in listed.split("\n")}

    def assert_tidy(self) -> None:
        """No phantom change, no lock, a sound object database."""
        assert self.git("status", "--porcelain") == ""
        assert not [path for path in (self.folder / ".git").rglob("*.lock") if "pool" not in path.parts]
        self.fsck()


@cache
def _nursery() -> Nursery:
    return Nursery()


@contextmanager
def _folder(folder: Path) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _variables(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def workshops(folder: Path) -> Iterator[Callable[..., Workshop]]:
    """Makes workshops below a folder, cut off from the machine's configuration."""
    with environment(folder / "home"):
        yield lambda *tasks, name="repo", **more: Workshop(folder / name, *tasks, **more)


def wait_for(happened: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def alive(pids: Iterable[int]) -> list[int]:
    """Those of the processes that still run (a zombie does not)."""
    found = []
    for pid in pids:
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            continue
        if state != "Z":
            found.append(pid)
    return found


__all__ = ["CONFIG", "ROOT", "Ran", "Workshop", "alive", "box", "recipe", "signal", "wait_for", "workshops"]
