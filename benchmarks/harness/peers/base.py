"""What the harness asks of each tool."""

import os
import subprocess
from collections.abc import Mapping, Sequence

from harness.measure import Unmeasured, last_line
from tree import Tree


class Peer:
    """A build tool: how it is installed, told of a tree, and called."""

    key: str
    """Its name in options and folders."""

    name: str
    """Its name in tables."""

    packages: tuple[str, ...] = ()
    """What is installed from PyPI, in an environment of its own."""

    debian: str | None = None
    """The package, and the command of the same name, where PyPI has none."""

    ignored: tuple[str, ...] = ()
    """Patterns for .gitignore: where it keeps its state."""

    note: str | None = None
    """What a reader of its figures should know."""

    lacks: Mapping[str, str] = {}
    """Rows and questions that make no sense for it, with the reason."""

    def files(self, tree: Tree) -> dict[str, str]:
        """Its build description: path -> text."""
        raise NotImplementedError

    def prepare(self, place: "Place") -> None:
        """What it needs to be told, once, in a new repository."""

    def build(self, bin_: str) -> tuple[str, ...]:
        """Brings everything up to date, two jobs at a time where it can."""
        raise NotImplementedError

    def nothing(self, bin_: str) -> tuple[str, ...]:
        """The same where nothing is expected to run, as one would call it again and again."""
        return self.build(bin_)

    def adopt(self, bin_: str) -> tuple[str, ...] | None:  # noqa: ARG002
        """Takes the outputs that stand there for its own; None: it cannot."""
        return None

    def version(self, bin_: str) -> tuple[str, ...]:
        return (os.path.join(bin_, self.key), "--version")

    def environment(self, home: str, bin_: str) -> dict[str, str]:
        """Nobody's configuration: `home` is an empty folder; its own commands come first."""
        kept = {name: os.environ[name] for name in ("TMPDIR", "LANG", "LC_ALL") if name in os.environ}
        return {
            **kept,
            "HOME": home,
            "XDG_CACHE_HOME": f"{home}/.cache",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PATH": os.pathsep.join([bin_, os.environ.get("PATH", os.defpath)]),
        }


class Place:
    """A repository that was laid out for a tool, for steps that are not measured."""

    def __init__(self, folder: str, bin_: str, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.bin = bin_
        self.environment = environment

    def call(self, *words: str) -> str:
        return called(words, self.folder, self.environment)


def called(words: Sequence[str], folder: str, environment: Mapping[str, str] | None = None) -> str:
    """What a command prints; its failure is reported in its own last words."""
    done = subprocess.run(
        words,
        cwd=folder,
        env=None if environment is None else dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = last_line(done.stderr + done.stdout)
        raise Unmeasured(
            f"{os.path.basename(words[0])} {' '.join(words[1:3])} ended with {done.returncode}: {said}"
        )
    return done.stdout.strip()
