"""A person's clone with a real remote, git calling real hooks."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from gitbox import environment
from repositories import CONFIG, Workshop, box

SCRIPTS = os.path.dirname(sys.executable)
REPLACED = ("CI", "SPECBUILD", "SPECBUILD_SKIP", "SPECBUILD_LANE", "SPECBUILD_CHAIN", "PYTHONPATH")


class Pushed(NamedTuple):
    """How a git command ended."""

    code: int
    said: str  # stdout and stderr


class Clone(Workshop):
    """A workshop with the remote `origin`, a bare repository that is reached over file://."""

    def __init__(self, folder: Path, *tasks: str, config: str = CONFIG, **files: str) -> None:
        super().__init__(folder, *tasks, config=config, **files)
        self.remote = folder.parent / "remote.git"
        self.git("init", "-q", "--bare", "-b", "main", str(self.remote))
        self.git("remote", "add", "origin", f"file://{self.remote}")

    def do(self, *command: str, cwd: Path | None = None, **variables: str) -> Pushed:
        """A command of the person's, with its hooks; stdin is empty."""
        env = {name: value for name, value in os.environ.items() if name not in REPLACED}
        env |= {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}", "RAN": str(self.log), **variables}
        done = subprocess.run(
            command,
            cwd=cwd or self.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=100,
            check=False,
        )
        return Pushed(done.returncode, done.stdout)

    def hook(self, *arguments: str, code: int = 0, cwd: Path | None = None, **variables: str) -> str:
        done = self.do("specbuild", "hook", *arguments, cwd=cwd, **variables)
        assert done.code == code, done.said
        return done.said

    def push(self, *arguments: str, cwd: Path | None = None, **variables: str) -> Pushed:
        return self.do("git", "push", *(arguments or ("origin", "main")), cwd=cwd, **variables)

    def there(self, ref: str = "refs/heads/main") -> str | None:
        """What the remote has; None: nothing."""
        found = subprocess.run(
            ["git", "rev-parse", "--verify", "-q", ref], cwd=self.remote, capture_output=True, check=False
        )
        return found.stdout.decode().strip() or None

    def own(self, path: Path, text: str) -> Path:
        """A hook that the person wrote."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path


@contextmanager
def clones(folder: Path) -> Iterator[type["Clone"]]:
    """Cut off from the machine's configuration."""
    with environment(folder / "home"):
        yield Clone


__all__ = ["CONFIG", "Clone", "Pushed", "box", "clones"]
