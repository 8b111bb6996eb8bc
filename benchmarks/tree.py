"""The synthetic tree of the benchmarks: N tasks, once as a tasks.md and once as a build.ninja.

Task i reads in/i.txt (1 KiB) and, from 10 on, out/(i // 10).txt; it writes out/i.txt. All is committed.

    python benchmarks/tree.py FOLDER N
"""

import os
import subprocess
import sys

RULE = """\
[build]
executor = "shell"

[[rule]]
match = "target:out/**"
executor = "shell"
run = "PAUSEcat {inputs} > {target}"
"""


def inputs(number: int) -> list[str]:
    found = [f"in/{number}.txt"]
    return [*found, f"out/{number // 10}.txt"] if number >= 10 else found


def content(number: int) -> str:
    """1 KiB, of its own for each task."""
    line = f"input {number} ".ljust(63, ".") + "\n"
    return line * 16


def tasks_md(count: int) -> str:
    lines = [
        f"- [ ] T{number:06d} [P] Make out/{number}.txt from {' and '.join(inputs(number))}\n"
        for number in range(count)
    ]
    return "# Tasks\n\n" + "".join(lines)


def build_ninja(count: int, pause: str) -> str:
    edges = [f"build out/{number}.txt: cat {' '.join(inputs(number))}\n" for number in range(count)]
    return f"rule cat\n  command = {pause}cat $in > $out\n\n" + "".join(edges)


def write(folder: str, count: int, seconds: float = 0.0) -> None:
    """Lays out the tree in a new `folder`, with both build files, as a git repository with one commit.

    `seconds`: what each task takes beside its work.
    """
    pause = f"sleep {seconds:g}; " if seconds else ""
    os.makedirs(f"{folder}/in")
    files = {
        "tasks.md": tasks_md(count),
        "specbuild.toml": RULE.replace("PAUSE", pause),
        "build.ninja": build_ninja(count, pause),
        ".gitignore": ".ninja_*\n",
    }
    files |= {f"in/{number}.txt": content(number) for number in range(count)}
    for path, text in files.items():
        with open(f"{folder}/{path}", "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    for command in (
        ("init", "-q", "--template=", "-b", "main"),
        ("config", "user.name", "Benchmark"),
        ("config", "user.email", "benchmark@example.invalid"),
        ("config", "commit.gpgsign", "false"),
        ("add", "--all"),
        ("commit", "-q", "--no-verify", "-m", f"A tree of {count} tasks"),
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    write(sys.argv[1], int(sys.argv[2]))
