"""One task in place, or in a private worktree, from journal to commit: what the fault campaign kills."""

import os
import sys

from gitbox import task

from specbuild.engine.checkpoint import Checkpoint, format_line
from specbuild.engine.ports import Record
from specbuild.engine.task import Entry, Isolation, RepoPath, TaskName
from specbuild.git.committer import GitCommitter
from specbuild.git.lock import BuildLock
from specbuild.git.recovery import recover
from specbuild.git.repository import Repository
from specbuild.git.workspace import GitWorkspaces

OWNED = ("out/made", "changed", "gone", "gen/", "dist/")


def checkpoint() -> str:
    line = Checkpoint(TaskName("tasks.md", "T001"), "0" * 20, "-", "1" * 20, 0.1, "shell")
    return f"T001 Make it\n\n{format_line(line)}\n"


def main(folder: str, how: str) -> None:
    repo = Repository.open(folder)
    with BuildLock(repo.state_dir):
        told = recover(repo)
        if told is not None:
            sys.stdout.write("".join(f"{message}\n" for message in told.messages))
        if how != "recover":
            build(repo, "none" if how == "fail" else how, fail=how == "fail")  # type: ignore[arg-type]


def build(repo: Repository, isolation: Isolation, *, fail: bool) -> None:
    committer = GitCommitter(repo, repo.head_ref, patience=5)
    spaces = GitWorkspaces(repo, head=committer.head)
    earlier = Entry(0o100644, committer.store(b"earlier\n"))
    start: dict[RepoPath, Entry | None] = {"changed": earlier, "gen/a": None, "gen/mine": None}
    before = committer.add(["changed", "gen/mine"])
    made = task("T001", *OWNED)
    with spaces.open(made, start=start, owned=OWNED, isolation=isolation, visible=None) as sandbox:
        run(sandbox.folder)
        if fail:
            return
        changes: dict[RepoPath, Entry | None] = {"gone": None, "gen/a": None, **sandbox.result(OWNED)}
        changes["tasks.md"] = Entry(0o100644, committer.store(b"- [x] T001 Make it\n"))
        found = committer.add(["input"])["input"]
        saved = Record("specbuild: save edited inputs\n", {"input": found}, edited=True)
        edits = {p: e for p, e in before.items() if e is not None}
        committer.keep("saved", edits, "as the builder keeps hand-edited targets\n")
        committer.commit([saved, Record(checkpoint(), changes, in_place=False)], onto=committer.head())
        sandbox.accept()


def run(folder: str) -> None:
    """The recipe: changes, makes, removes, in plain files, an owned folder and an ignored one."""
    for path in ("out/made", "changed", "gen/new/b", "dist/built"):
        target = os.path.join(folder, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "w", encoding="utf-8") as file:
            file.write("task's\n")
    os.unlink(os.path.join(folder, "gone"))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
