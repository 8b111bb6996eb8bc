"""The synthetic tree of the benchmarks: N tasks, as a tasks.md, a build.ninja, or what another tool reads.

Task i reads in/i.txt (1 KiB) and, from 10 on, out/(i // 10).txt; it writes out/i.txt. All is committed.

    python benchmarks/tree.py FOLDER N
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import NamedTuple

PLAIN = "cat INPUTS > OUTPUT"


class Job(NamedTuple):
    """One task, for tools whose description names every task by itself."""

    number: int
    inputs: list[str]
    output: str
    command: str


class Tree(NamedTuple):
    """So many tasks, and the shell line that each of them runs on its INPUTS and its OUTPUT."""

    size: int
    work: str = PLAIN

    def line(self, inputs: str, output: str) -> str:
        return self.work.replace("INPUTS", inputs).replace("OUTPUT", output)

    def jobs(self) -> Iterator[Job]:
        for number in range(self.size):
            read, output = inputs(number), f"out/{number}.txt"
            yield Job(number, read, output, self.line(" ".join(read), output))


def waiting(seconds: float) -> str:
    """The work of a task that takes so long beside it."""
    return f"sleep {seconds:g}; {PLAIN}" if seconds else PLAIN


def inputs(number: int) -> list[str]:
    found = [f"in/{number}.txt"]
    return [*found, f"out/{number // 10}.txt"] if number >= 10 else found


def content(number: int) -> str:
    """1 KiB, of its own for each task."""
    line = f"input {number} ".ljust(63, ".") + "\n"
    return line * 16


def result(number: int) -> str:
    """What the plain work makes of inputs that nobody edited."""
    return content(number) + (result(number // 10) if number >= 10 else "")


def tasks_md(count: int) -> str:
    lines = [
        f"- [ ] T{number:06d} [P] Make out/{number}.txt from {' and '.join(inputs(number))}\n"
        for number in range(count)
    ]
    return "# Tasks\n\n" + "".join(lines)


def specbuild_toml(tree: Tree, declared: str = "") -> str:
    """`declared`: further lines of the rule."""
    run = tree.line("{inputs}", "{target}").replace("\\", "\\\\").replace('"', '\\"')
    return (
        f'[build]\nexecutor = "shell"\n\n[[rule]]\nmatch = "target:out/**"\nexecutor = "shell"\n'
        f'run = "{run}"\n{declared}'
    )


def build_ninja(tree: Tree) -> str:
    edges = [f"build {job.output}: work {' '.join(job.inputs)}\n" for job in tree.jobs()]
    return f"rule work\n  command = {tree.line('$in', '$out')}\n\n" + "".join(edges)


def lay(folder: str, tree: Tree, files: Mapping[str, str]) -> None:
    """A new git repository in `folder` with the inputs and `files`, in one commit."""
    os.makedirs(f"{folder}/in")
    written = {**files, **{f"in/{number}.txt": content(number) for number in range(tree.size)}}
    for path, text in written.items():
        os.makedirs(os.path.dirname(f"{folder}/{path}"), exist_ok=True)
        with open(f"{folder}/{path}", "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    for command in (
        ("init", "-q", "--template=", "-b", "main"),
        ("config", "user.name", "Benchmark"),
        ("config", "user.email", "benchmark@example.invalid"),
        ("config", "commit.gpgsign", "false"),
        ("add", "--all"),
        ("commit", "-q", "--no-verify", "-m", f"A tree of {tree.size} tasks"),
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)


def write(folder: str, count: int, seconds: float = 0.0) -> None:
    """Lays out the tree for specbuild and ninja in a new `folder`.

    `seconds`: what each task takes beside its work.
    """
    tree = Tree(count, waiting(seconds))
    files = {
        "tasks.md": tasks_md(count),
        "specbuild.toml": specbuild_toml(tree),
        "build.ninja": build_ninja(tree),
        ".gitignore": ".ninja_*\n",
    }
    lay(folder, tree, files)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    write(sys.argv[1], int(sys.argv[2]))
