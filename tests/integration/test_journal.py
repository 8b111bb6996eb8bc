"""Journals and locks: what a next run finds, whatever state it is in."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gitbox import Box, environment, task

from specbuild.engine.checkpoint import Checkpoint, format_line
from specbuild.engine.ports import Record
from specbuild.engine.task import TaskName
from specbuild.errors import RepositoryError
from specbuild.git import journal
from specbuild.git.committer import GitCommitter
from specbuild.git.files import Files, aside_folder
from specbuild.git.lock import BuildLock
from specbuild.git.recovery import Recovered, recover
from specbuild.git.transaction import Intent, sound
from specbuild.git.workspace import GitWorkspaces, InPlace

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with environment(tmp_path / "home"):
        yield Box(tmp_path / "repo")


def abandoned(box: Box, name: str, *owned: str) -> InPlace:
    """A task in place whose process ends here, without a word."""
    sandbox = InPlace(Files(box.repo, aside_folder(box.repo)), task(name, *owned), {}, owned)
    sandbox.reset()
    return sandbox


def state(box: Box) -> Path:
    return box.folder / ".git/specbuild"


def test_nothing_is_told_where_no_run_was_broken_off(box: Box) -> None:
    assert recover(box.repo) is None
    box.commit(a="1")
    with GitWorkspaces(box.repo).open(
        task("T001", "a"), start={}, owned=["a"], isolation="none", visible=None
    ) as sandbox:
        sandbox.accept()
    assert recover(box.repo) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"version": 2}',
        b'{"version": 1, "head": null, "task": "T", "before": {"a": ["x", 1, 2, false]}}',
        b'{"version":1,"head":null,"task":"T","before":{"../out":null},"folders":[],"moved":{},"made":[],"ref":null}',
        b'{"version":1,"head":null,"task":"T","before":{".git/config":null},"folders":[],"moved":{},"made":[],"ref":null}',
        b'{"version":1,"head":null,"task":"T","before":{},"folders":["/etc/"],"moved":{},"made":[],"ref":null}',
        b'{"version":1,"head":null,"task":"T","before":{},"folders":[],"moved":{"a":"../.."},"made":[],"ref":null}',
        b'{"version":1,"head":null,"task":"T","before":{},"folders":[],"moved":{},"made":[],"ref":"refs/heads/main"}',
    ],
)
def test_a_corrupt_or_foreign_journal_is_set_aside_silently(box: Box, content: bytes) -> None:
    box.commit(a="1")
    before = box.sights()
    (state(box) / "journal").mkdir(parents=True)
    (state(box) / "journal/1-1.json").write_bytes(content)
    assert recover(box.repo) is None
    assert box.sights() == before
    left = os.listdir(state(box) / "journal")
    assert left == (["1-1.json.bad"] if content else [])  # an empty one was broken off before anything else


def test_a_journal_whose_objects_are_gone_is_set_aside(box: Box) -> None:
    box.commit(a="1")
    box.type("a", "mine")
    abandoned(box, "T001", "a")
    [path] = journal.names(str(state(box)))
    said = json.loads(Path(path).read_text())
    said["before"]["a"][0] = "1" * 40
    Path(path).write_text(json.dumps(said))
    box.type("a", "task's")
    assert recover(box.repo) is None
    assert box.text("a") == "task's"
    assert box.show(f"{box.kept()[0]}:a") == "mine"


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"version": 1, "steps": [["/etc/passwd", null, null, null, "write"]]}']
)
def test_a_corrupt_note_of_a_commit_is_forgotten(box: Box, content: bytes) -> None:
    box.commit(a="1")
    state(box).mkdir()
    (state(box) / "commit.1.json").write_bytes(content)
    assert recover(box.repo) is None
    assert not (state(box) / "commit.1.json").exists()
    assert Intent.load(content) is None


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../b", ".git/x", "a/.GIT/x", "a//b", "."])
def test_paths_that_leave_the_tree_are_never_acted_on(path: str) -> None:
    assert not sound(path)


def test_a_persons_uncommitted_bytes_are_under_a_ref_while_a_task_runs_and_no_longer(box: Box) -> None:
    box.commit(a="1", b="1")
    box.type("a", "mine")
    sandbox = abandoned(box, "T001", "a", "b")
    [ref] = box.kept()
    assert box.show(f"{ref}:a") == "mine"
    sandbox.undo()
    assert box.kept() == []


def test_deleting_the_state_folder_loses_no_byte_of_a_persons(box: Box) -> None:
    box.commit(a="1")
    box.type("a", "mine")
    abandoned(box, "T001", "a")
    box.type("a", "task's")
    shutil.rmtree(state(box))
    box.git("gc", "-q", "--prune=now")
    assert recover(box.repo) is None
    assert box.show(f"{box.kept()[0]}:a") == "mine"


def told(box: Box) -> Recovered:
    found = recover(box.repo)
    assert found is not None
    return found


def test_a_task_beside_which_others_were_committed_is_restored_all_the_same(box: Box) -> None:
    box.commit(a="1", b="1")
    abandoned(box, "T001", "a")
    abandoned(box, "T002", "b")
    box.type("a", "half")
    box.type("b", "2")
    repo = box.repo
    committer = GitCommitter(repo, repo.head_ref)
    line = format_line(Checkpoint(TaskName("tasks.md", "T002"), "0" * 20, "-", "1" * 20, 0.1, "shell"))
    committer.commit([Record(f"T002\n\n{line}\n", {"b": box.blob("2")})], onto=committer.head())
    found = told(box)
    assert found.restored == ("a",)
    assert (box.text("a"), box.text("b")) == ("1", "2")
    assert any("T002 was completed" in message for message in found.messages)
    assert box.status() == ""


def test_a_journal_survives_a_reset_to_where_it_began(box: Box) -> None:
    box.commit(a="1")
    abandoned(box, "T001", "a", "new")
    box.type("a", "half")
    box.type("new", "half")
    box.git("reset", "-q", "--hard")
    found = told(box)
    assert found.restored == ("new",)
    assert box.text("new") is None
    assert box.show(f"{found.kept[0]}:new") == "half"


def test_a_folder_in_place_of_a_target_is_kept_whole_before_it_goes(box: Box) -> None:
    box.commit(a="1")
    abandoned(box, "T001", "new")
    box.type("new/deep/file", "typed")
    found = told(box)
    assert not (box.folder / "new").exists()
    assert box.show(f"{found.kept[0]}:new/deep/file") == "typed"


def test_broken_worktrees_of_the_pool_are_removed(box: Box) -> None:
    box.commit(a="1")
    with GitWorkspaces(box.repo).open(
        task(), start={}, owned=[], isolation="worktree", visible=None
    ) as sandbox:
        folder = Path(sandbox.folder)
    shutil.rmtree(folder)
    assert recover(box.repo) is None
    assert len(box.git("worktree", "list").splitlines()) == 1
    box.fsck()


def test_somebody_elses_index_lock_is_left_alone(box: Box) -> None:
    box.commit(a="1")
    abandoned(box, "T001", "a")
    lock = box.folder / ".git/index.lock"
    lock.write_text("git's")
    told(box)
    assert lock.read_text() == "git's"


# The build lock

HOLDER = """
import sys, time
from specbuild.git.files import Files, aside_folder
from specbuild.git.lock import BuildLock
with BuildLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder(folder: Path, seconds: float) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", HOLDER, str(folder), str(seconds)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def finish(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def test_a_second_build_is_told_the_first_ones_process(tmp_path: Path) -> None:
    process = holder(tmp_path, 60)
    with (
        pytest.raises(RepositoryError, match=f"process {process.pid}") as caught,
        BuildLock(tmp_path.as_posix()),
    ):
        pass
    assert caught.value.exit_code == 4
    finish(process)
    with BuildLock(str(tmp_path)):
        pass


def test_a_second_build_that_waits_says_for_whom_and_then_builds(tmp_path: Path) -> None:
    process = holder(tmp_path, 0.5)
    waited: list[int] = []
    began = time.monotonic()
    with BuildLock(str(tmp_path), wait=True, waiting=lambda whom: waited.append(whom.pid)):
        assert waited == [process.pid]
        assert time.monotonic() - began < 30
    finish(process)


def test_the_lock_keeps_out_threads_of_the_same_process_too(tmp_path: Path) -> None:
    with BuildLock(str(tmp_path)):
        refused: list[str] = []

        def second() -> None:
            try:
                with BuildLock(str(tmp_path)):
                    pass
            except RepositoryError as error:
                refused.append(str(error))

        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert f"process {os.getpid()}" in refused[0]


@pytest.mark.parametrize("content", [b"", b"nonsense", b"{}", b'{"pid": "x"}', b"\xff"])
def test_a_corrupt_lock_file_is_no_hindrance(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "lock").write_bytes(content)
    with BuildLock(str(tmp_path)):
        assert b"pid" in (tmp_path / "lock").read_bytes()


def test_a_folder_in_place_of_the_lock_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "lock/x").mkdir(parents=True)
    with BuildLock(str(tmp_path)):
        assert (tmp_path / "lock").is_file()
