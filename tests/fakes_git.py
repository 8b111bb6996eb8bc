"""Real git in a folder of a test's own, and a snapshot in memory that keeps the same contract."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from specbuild.engine import glob
from specbuild.engine.checkpoint import Checkpoint, format_line
from specbuild.engine.task import Entry, Oid, RepoPath, TaskName
from specbuild.git.hashing import blob_id

PLAIN, EXECUTABLE, SYMLINK = 0o100644, 0o100755, 0o120000


def hermetic(home: Path) -> dict[str, str]:
    """Variables that keep the machine's own git settings out."""
    home.mkdir(parents=True, exist_ok=True)
    (home / ".gitconfig").touch()
    return {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_EDITOR": "true",
        "GIT_TERMINAL_PROMPT": "0",
    }


class RealGit:
    """A repository that a person works in with the git command; commits are an hour apart."""

    def __init__(self, folder: Path, *init: str) -> None:
        self.folder = folder
        self.now = 1_700_000_000
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / ".git").exists():
            self.git("init", "-q", "-b", "main", *init)
        self.git("config", "user.name", "Ada")
        self.git("config", "user.email", "ada@example.com")

    def git(
        self, *args: str, check: bool = True, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> str:
        self.now += 3600
        dates = {"GIT_AUTHOR_DATE": f"{self.now} +0000", "GIT_COMMITTER_DATE": f"{self.now} +0000"}
        done = subprocess.run(
            ["git", *args],
            cwd=self.folder,
            env={**os.environ, **dates, **(env or {})},
            input=stdin,
            capture_output=True,
            check=False,
            text=True,
            errors="surrogateescape",
        )
        assert done.returncode == 0 or not check, f"git {args}: {done.stderr}{done.stdout}"
        return done.stdout.strip()

    def write(self, path: str, text: str | bytes, mode: int = 0o644) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        file.chmod(mode)
        return file

    def commit(self, message: str = "work", **files: str) -> Oid:
        """Commits everything; keyword arguments are files to write first (`a_txt` is `a.txt`)."""
        for name, text in files.items():
            self.write(name.replace("_", "."), text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "--cleanup=verbatim", "-m", message)
        return self.git("rev-parse", "HEAD")

    def task(self, id_: str, key: str = "1", *, file: str = "tasks.md") -> Oid:
        """A commit as the builder makes it: the task's target, and its checkpoint line."""
        self.write(f"{id_}.out", f"{id_} {key}\n")
        return self.commit(f"{id_} Make {id_}\n\n{line(id_, key, file=file)}\n")


def checkpoint(id_: str, key: str = "1", *, file: str = "tasks.md", executor: str = "shell") -> Checkpoint:
    return Checkpoint(
        TaskName(file, id_),
        key.rjust(20, "0"),
        "-",
        blob_id(id_.encode())[:20],
        0.5,
        executor,
        {f"{id_}.out": blob_id(f"{id_} {key}\n".encode())[:20]},
        ("plan.md",),
    )


def line(id_: str, key: str = "1", *, file: str = "tasks.md") -> str:
    return format_line(checkpoint(id_, key, file=file))


@dataclass
class DictSnapshot:
    """The Snapshot port over dictionaries."""

    files: dict[RepoPath, tuple[int, bytes]] = field(default_factory=dict)  # tracked, or untracked and seen
    hidden: dict[RepoPath, tuple[int, bytes]] = field(default_factory=dict)  # ignored
    base: dict[RepoPath, tuple[int, bytes]] = field(default_factory=dict)  # HEAD's
    working: bool = True

    def entry(self, path: RepoPath) -> Entry | None:
        return _entry({**self.hidden, **self.files}.get(path))

    def exists(self, path: RepoPath) -> bool:
        everything = {**self.hidden, **self.files}
        folder = path if path.endswith("/") else path + "/"
        return path in everything or any(known.startswith(folder) for known in everything)

    def below(self, folder: RepoPath) -> Mapping[RepoPath, Entry]:
        return {path: self._certain(path) for path in self.files if path.startswith(folder)}

    def _certain(self, path: RepoPath) -> Entry:
        mode, data = self.files[path]
        return Entry(mode, blob_id(data))

    def glob(self, pattern: str) -> Sequence[RepoPath]:
        return sorted(path for path in self.files if glob.matcher(pattern)(path))

    def named(self, last: str) -> Sequence[RepoPath]:
        return sorted(path for path in self.base if path.rpartition("/")[2] == last)

    def tracked(self, path: RepoPath) -> Entry | None:
        return _entry(self.base.get(path))

    def tracked_below(self, folder: RepoPath) -> bool:
        return any(path.startswith(folder) for path in self.base)

    def read(self, path: RepoPath) -> bytes | None:
        found = {**self.hidden, **self.files}.get(path)
        return None if found is None else found[1]

    def ignored(self, path: RepoPath) -> bool:
        return path in self.hidden


def _entry(file: tuple[int, bytes] | None) -> Entry | None:
    return None if file is None else Entry(file[0], blob_id(file[1]))
