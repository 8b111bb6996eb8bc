"""What a private worktree adds to a task in a repository of 20,000 files, and what merging 100 results takes.

    .venv/bin/python benchmarks/worktrees.py [FILES [TASKS]]

prints milliseconds of wall time for each task by where it runs, how many of them its command (`echo`) takes
alone, and as a measure of the machine what `git status` takes there at the same time; then the seconds that
100 results of 20 files take, one file of each changed on both sides: merged, and committed.
"""

import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time

from specbuild.engine.merge import Sides, merged
from specbuild.engine.ports import Record
from specbuild.engine.record import Results
from specbuild.engine.task import Entry
from specbuild.git.committer import GitCommitter
from specbuild.git.repository import Repository
from specbuild.git.snapshot import CommitSnapshot

PLACES = (("none", "declared"), ("worktree", "declared"), ("worktree", "any"), ("strict", "declared"))
WARM = 2  # tasks before those that are measured
RULE = """[[rule]]
executor = "shell"
on_edit = "keep"
isolation = "{isolation}"
writes = "{writes}"
run = "echo {{id}} >{{target}}"
"""


def git(*words: str) -> str:
    done = subprocess.run(["git", *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def make(files: int, tasks: int) -> None:
    """A repository of so many files in folders of a hundred, in the current folder."""
    git("init", "-q", "-b", "main")
    git("config", "user.name", "Bench")
    git("config", "user.email", "bench@example.org")
    for number in range(files):
        folder = f"src/{number // 100}"
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/{number}.txt", "w", encoding="utf-8") as file:
            file.writelines(f"{number} {line}\n" for line in range(20))
    with open("tasks.md", "w", encoding="utf-8") as file:
        file.writelines(f"- [ ] T{number:03} Write out{number}.txt\n" for number in range(1, tasks + 1))
    git("add", "-A")
    git("commit", "-q", "-m", "start")


def build(limit: int) -> float:
    command = [os.path.join(sysconfig.get_path("scripts"), "specbuild"), "--quiet", "--limit", str(limit)]
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return time.perf_counter() - begin


def alone(*command: str) -> float:
    """Milliseconds of a command, the median of nine."""
    taken = []
    for _ in range(9):
        begin = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken) * 1000


def per_task(isolation: str, writes: str, tasks: int) -> float:
    """Milliseconds of one task: runs of few taken from runs of many, the median of three."""
    git("reset", "-q", "--hard", "start")
    with open("specbuild.toml", "w", encoding="utf-8") as file:
        file.write(RULE.format(isolation=isolation, writes=writes))
    build(WARM)
    rounds, count = 3, (tasks - WARM) // 3
    found = []
    for _ in range(rounds):
        few = build(1)
        found.append((build(count - 1) - few) / (count - 2) * 1000)
    return statistics.median(found)


def merging(results: int = 100, files: int = 20) -> tuple[float, float]:
    """Seconds to merge, and to commit, results that began at one commit; a file of each was changed twice."""
    git("reset", "-q", "--hard", "start")
    repository = Repository.open(".")
    committer = GitCommitter(repository, repository.head_ref)
    base = committer.head()
    if base is None:
        raise RuntimeError("nothing is committed")
    start = CommitSnapshot(repository, base)
    names = sorted(start.below("src/"))

    def edited(path: str, line: int) -> Entry:
        lines = (start.read(path) or b"").splitlines(keepends=True)
        lines[line] = b"changed\n"
        return Entry(0o100644, committer.store(b"".join(lines)))

    work = [{p: edited(p, 2) for p in names[n * files : (n + 1) * files]} for n in range(results)]
    theirs = {names[n * files]: edited(names[n * files], 18) for n in range(results)}
    committer.commit([Record("theirs\n", theirs, in_place=False)], onto=base)
    merge = commit = 0.0
    for number, changes in enumerate(work):
        tip = committer.head()
        if tip is None:
            raise RuntimeError("the branch is gone")
        begin = time.perf_counter()
        sides = Sides(start, {}, CommitSnapshot(repository, tip), {})
        found = merged(
            Results({}, extra=changes), sides, lambda _path, *blobs: committer.merge(*blobs), own=True
        )
        middle = time.perf_counter()
        committer.commit([Record(f"result {number}\n", found.extra, in_place=False)], onto=tip)
        merge, commit = merge + middle - begin, commit + time.perf_counter() - middle
    return merge, commit


def main() -> None:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    tasks = int(sys.argv[2]) if len(sys.argv) > 2 else 62
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        make(files, tasks)
        git("tag", "start")
        for isolation, writes in PLACES:
            each = per_task(isolation, writes, tasks)
            own, status = alone("sh", "-eu", "-c", "echo 1 >.git/alone"), alone("git", "status", "--short")
            told = f"isolation {isolation:8} writes {writes:8} {each:7.1f} ms for each task"
            print(f"{told}, {each - own:.1f} over its command; git status {status:.1f}", flush=True)
        merge, commit = merging()
        print(f"100 results merged in {merge:.2f} s, committed in {commit:.2f} s")
        os.chdir("/")


if __name__ == "__main__":
    main()
