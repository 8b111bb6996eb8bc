"""What the pre-push hook adds to a push, beside a shell hook that does nothing, in alternating runs.

    .venv/bin/python benchmarks/hooks.py [--tasks 1000] [--runs 21]

Prints medians of wall milliseconds, whole processes, and the difference from the empty hook.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tree

SPECBUILD = os.path.join(sysconfig.get_path("scripts"), "specbuild")
ZEROS = "0" * 40
OTHER = "other"


def prepare(folder: str, tasks: int) -> None:
    """The synthetic tree, with everything made and recorded in one commit."""
    tree.write(folder, tasks)
    os.makedirs(f"{folder}/out", exist_ok=True)
    for number in range(tasks):
        parts = []
        for path in tree.inputs(number):
            with open(f"{folder}/{path}", encoding="utf-8") as file:
                parts.append(file.read())
        with open(f"{folder}/out/{number}.txt", "w", encoding="utf-8") as file:
            file.write("".join(parts))
    call(folder, "git", "add", ".")
    call(folder, "git", "commit", "-qm", "outputs")
    call(folder, SPECBUILD, "adopt", "stale")
    call(folder, SPECBUILD, "hook", "install", "--force")
    elsewhere(folder, tasks)
    with open(f"{folder}/.git/empty-hook", "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nexit 0\n")
    os.chmod(f"{folder}/.git/empty-hook", 0o755)


def elsewhere(folder: str, tasks: int) -> None:
    """A branch that is not checked out: an input edited, and the task that reads it built."""
    call(folder, "git", "switch", "-qc", OTHER)
    with open(f"{folder}/{tree.inputs(tasks - 1)[0]}", "a", encoding="utf-8") as file:
        file.write("edited\n")
    call(folder, "git", "commit", "-qam", "edit")
    call(folder, SPECBUILD, "--quiet")
    call(folder, "git", "switch", "-q", "main")
    call(folder, SPECBUILD, "status")


def call(folder: str, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def hook(folder: str, path: str, branch: str = "main") -> float:
    """Milliseconds of one call as git makes it, for the push of a branch."""
    commit = call(folder, "git", "rev-parse", branch)
    line = f"refs/heads/{branch} {commit} refs/heads/{branch} {ZEROS}\n"
    start = time.perf_counter()
    done = subprocess.run(
        [path, "origin", "url"], cwd=folder, input=line, text=True, capture_output=True, check=False
    )
    taken = (time.perf_counter() - start) * 1000
    if done.returncode or done.stdout or done.stderr:
        raise SystemExit(f"{path} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return taken


def another_commit(folder: str) -> None:
    with open(f"{folder}/notes.txt", "a", encoding="utf-8") as file:
        file.write("x\n")
    call(folder, "git", "add", "notes.txt")
    call(folder, "git", "commit", "-qm", "notes")


def no_note(folder: str) -> None:
    """Of which pushed commits are known to be up to date; tasks and verdicts stay remembered."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{folder}/.git/specbuild/pushed")


def nothing_known(folder: str) -> None:
    no_note(folder)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{folder}/.git/specbuild/memo")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=21)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="specbuild-hooks-") as place:
        folder = f"{place}/repository"
        prepare(folder, options.tasks)
        ours, empty = f"{folder}/.git/hooks/pre-push", f"{folder}/.git/empty-hook"
        hook(folder, ours)
        rows: dict[str, tuple[str, str, Callable[[str], None]]] = {
            "an empty shell hook": (empty, "main", lambda _: None),
            "specbuild, the commit is known": (ours, "main", lambda _: None),
            "specbuild, a new commit beside the tasks": (ours, "main", another_commit),
            "specbuild, a branch that is not checked out": (ours, OTHER, no_note),
            "specbuild, nothing remembered": (ours, "main", nothing_known),
        }
        taken: dict[str, list[float]] = {what: [] for what in rows}
        for _ in range(options.runs):
            for what, (path, branch, before) in rows.items():
                before(folder)
                taken[what].append(hook(folder, path, branch))
                if before is nothing_known:
                    call(folder, SPECBUILD, "status")
                    hook(folder, ours)
    base = statistics.median(taken["an empty shell hook"])
    print(f"{options.tasks} tasks, nothing stale, medians of {options.runs} alternating runs\n")
    print(f"{'pre-push':<44}{'ms':>8}{'added':>8}")
    for what, found in taken.items():
        middle = statistics.median(found)
        print(f"{what:<44}{middle:>8.1f}{middle - base:>8.1f}")


if __name__ == "__main__":
    main()
