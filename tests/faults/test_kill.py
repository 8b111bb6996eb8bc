"""kill -9 at every step: the laws hold at once where they can, and after the next run in any case."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from campaigns import in_part
from gitbox import Box, environment

from specbuild.git import faults
from specbuild.git.recovery import recover

ROOT = Path(__file__).resolve().parents[2]
TARGETS = (
    "out/made",
    "changed",
    "gone",
    "gen/a",
    "gen/mine",
    "gen/new/b",
    "dist/old",
    "dist/built",
    "tasks.md",
)
BEFORE = {"changed": "edited\n", "gone": "1\n", "gen/a": "1\n", "gen/mine": "mine\n", "dist/old": "1\n"}
BEFORE |= {"tasks.md": "- [ ] T001 Make it\n"}
AFTER = {"out/made": "task's\n", "changed": "task's\n", "gen/new/b": "task's\n", "dist/built": "task's\n"}
AFTER |= {"tasks.md": "- [x] T001 Make it\n"}
ELSEWHERE = {**AFTER, "changed": "edited\n", "gen/mine": "mine\n", "dist/old": "1\n"}
ELSEWHERE.pop("dist/built")
"""After a run in a private worktree: a person's edits stay, and so does what git ignores."""


class Scene:
    """A repository with a person's work in every state that git knows, beside what the task does."""

    def __init__(self, folder: Path) -> None:
        box = self.box = Box(folder)
        files = dict.fromkeys(("changed", "gone", "gen/a", "dirty", "staged", "both", "input", "rm"), "1\n")
        box.commit(**files, **{"tasks.md": BEFORE["tasks.md"], ".gitignore": "dist/\n", "skip": "1\n"})
        box.type("dist/old", "1\n")
        box.type("changed", "edited\n")
        box.type("gen/mine", "mine\n")
        box.type("input", "edited\n")
        for name in ("staged", "both"):
            box.type(name, "2\n")
            box.git("add", name)
        box.type("both", "3\n")
        box.type("dirty", "2\n")
        box.type("untracked", "1\n")
        box.type("new", "1\n")
        box.git("add", "-N", "new")
        box.git("rm", "-q", "rm")
        box.git("update-index", "--assume-unchanged", "skip")
        self.head = box.git("rev-parse", "HEAD")
        self.others = self.look()

    def look(self) -> list[str]:
        """A person's other changes, as git shows them."""
        theirs = ["dirty", "staged", "both", "untracked", "new", "rm", "skip", ".gitignore"]
        git = self.box.git
        return [
            git("status", "--porcelain=v2", "--untracked-files=all", "--", *theirs),
            git("diff", "--", *theirs),
            git("diff", "--cached", "--", *theirs),
            git("ls-files", "-v", "--", *theirs),
        ]

    def targets(self) -> dict[str, str]:
        return {path: text for path in TARGETS if (text := self.box.text(path)) is not None}

    def run(self, how: str, fault: str = "") -> "subprocess.CompletedProcess[str]":
        env = {**os.environ, "SPECBUILD_FAULT": fault, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
        command = [sys.executable, str(ROOT / "tests/faults/driver.py"), str(self.box.folder), how]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)

    def assert_nothing_of_a_persons_is_lost(self) -> None:
        """Law 5: these bytes are in a file, or in a commit that a ref names."""
        told = {"edited\n", "mine\n", "2\n", "3\n"}
        for path in ("changed", "gen/mine", "dirty", "both", "staged"):
            told.discard(self.box.text(path) or "")
        refs = self.box.git("for-each-ref", "--format=%(refname)").split()
        for ref in refs:
            for path in self.box.git("ls-tree", "-r", "--name-only", ref).split("\n"):
                told.discard(self.box.git("cat-file", "blob", f"{ref}:{path}") + "\n")
        told.discard("2\n")  # in the index
        assert told == set()

    def assert_as_before(self) -> None:
        assert self.box.git("rev-parse", "HEAD") == self.head
        assert self.targets() == BEFORE
        assert not (self.box.folder / "out").exists()

    def assert_complete(self, after: dict[str, str]) -> None:
        assert self.box.git("log", "--format=%s").split("\n")[:2] == [
            "T001 Make it",
            "specbuild: save edited inputs",
        ]
        assert self.box.git("rev-parse", "HEAD~2") == self.head
        assert self.targets() == after
        assert self.box.git("diff", "--cached", "--name-only").split() == ["both", "rm", "staged"]

    def assert_tidy(self) -> None:
        git = self.box.folder / ".git"
        assert not list(git.glob("*.lock"))
        state = git / "specbuild"
        left = [p for p in state.rglob("*") if p.is_file() and "pool" not in p.parts and p.name != "lock"]
        assert left == []
        self.box.fsck()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with environment(tmp_path / "home"):
        yield Scene(tmp_path / "repo")


IN_PLACE = [
    *(name for name in faults.POINTS if name.startswith("commit.") and "staged" not in name),
    *("store.blob", "store.blob:2", "commit.staged-kept", "commit.trees:2"),
    *("place.stored", "place.journaled", "place.aside", "place.folders-made", "place.laid"),
    *("place.laid-one", "place.laid-one:2", "place.closing", "place.closed"),
]
POOLED = [
    *("pool.added", "pool.index-away", "pool.index-away:2", "pool.laid"),
    *("commit.made", "commit.locked", "commit.intent", "commit.follow-removed"),
    *("commit.follow-removed:2", "commit.follow-written", "commit.follow-written:2", "commit.followed"),
    *("commit.index-written", "commit.tip-noted", "commit.ref-moved", "commit.index-renamed"),
]
FAILING = ["place.undone-one", "place.undone-one:3", "place.undone", "place.closing", "place.closed"]
RECOVERING = [
    *("recover.intent", "recover.rolled-back", "recover.kept", "keep.made", "keep.named"),
    *("recover.restored-one", "recover.restored-one:2", "recover.restored", "recover.done"),
]
ONLY_IN_POOL = {"commit.follow-removed"}


@pytest.mark.parametrize("point", in_part(name for name in IN_PLACE if name not in ONLY_IN_POOL))
def test_a_task_in_place_that_is_killed_is_undone_or_whole(scene: Scene, point: str) -> None:
    died = scene.run("none", point)
    assert died.returncode == -signal.SIGKILL, died.stderr
    scene.box.fsck()
    scene.assert_nothing_of_a_persons_is_lost()
    assert scene.look() == scene.others
    moved = scene.box.git("rev-parse", "HEAD") != scene.head
    recovered = scene.run("recover")
    assert recovered.returncode == 0, recovered.stderr
    scene.assert_tidy()
    assert scene.look() == scene.others
    scene.assert_nothing_of_a_persons_is_lost()
    if moved:
        scene.assert_complete(AFTER)
    else:
        scene.assert_as_before()
        ran = scene.run("none")
        assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr
        scene.assert_complete(AFTER)
        scene.assert_tidy()
    assert scene.look() == scene.others


@pytest.mark.parametrize("point", in_part(POOLED))
def test_a_task_in_a_private_worktree_that_is_killed_is_undone_or_whole(scene: Scene, point: str) -> None:
    died = scene.run("worktree", point)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert scene.look() == scene.others
    moved = scene.box.git("rev-parse", "HEAD") != scene.head
    assert scene.run("recover").returncode == 0
    scene.assert_tidy()
    if not moved:
        scene.assert_as_before()
        again = scene.run("worktree")
        assert again.returncode == 0, again.stderr
    scene.assert_complete(ELSEWHERE)
    scene.assert_tidy()
    assert scene.look() == scene.others
    scene.assert_nothing_of_a_persons_is_lost()


@pytest.mark.parametrize("point", in_part(FAILING))
def test_a_failed_task_that_is_killed_while_it_is_undone_is_undone(scene: Scene, point: str) -> None:
    assert scene.run("fail", point).returncode == -signal.SIGKILL
    assert scene.run("recover").returncode == 0
    scene.assert_as_before()
    scene.assert_tidy()
    assert scene.look() == scene.others
    scene.assert_nothing_of_a_persons_is_lost()


@pytest.mark.parametrize("point", in_part(RECOVERING))
def test_a_recovery_may_be_killed_too(scene: Scene, point: str) -> None:
    assert scene.run("none", "commit.index-written").returncode == -signal.SIGKILL
    assert scene.run("recover", point).returncode == -signal.SIGKILL
    scene.assert_nothing_of_a_persons_is_lost()
    assert scene.run("recover").returncode == 0
    scene.assert_as_before()
    scene.assert_tidy()
    assert scene.look() == scene.others


def test_a_recovery_that_finishes_the_index_may_be_killed_too(scene: Scene) -> None:
    assert scene.run("none", "commit.ref-moved").returncode == -signal.SIGKILL
    assert scene.run("recover", "recover.index").returncode == -signal.SIGKILL
    assert scene.run("recover").returncode == 0
    scene.assert_complete(AFTER)
    scene.assert_tidy()
    assert scene.look() == scene.others


def test_what_the_dead_run_left_is_kept_and_told(scene: Scene) -> None:
    scene.run("none", "commit.trees")
    told = recover(scene.box.repo)
    assert told is not None
    assert told.tasks == ("tasks.md#T001",)
    assert set(told.restored) >= {"changed", "gone", "out/made", "gen/a", "gen/mine", "gen/new/b"}
    [ref] = told.kept
    assert ref.startswith("refs/specbuild/saved/")
    assert scene.box.show(f"{ref}:changed") == "task's"
    assert ref in told.messages[-1]
    assert recover(scene.box.repo) is None


def test_bytes_that_a_person_typed_after_the_crash_are_kept_before_the_old_ones_come_back(
    scene: Scene,
) -> None:
    scene.run("none", "commit.trees")
    scene.box.type("changed", "typed after the crash\n")
    told = recover(scene.box.repo)
    assert told is not None
    assert scene.box.show(f"{told.kept[0]}:changed") == "typed after the crash"
    scene.assert_as_before()


def test_where_a_person_went_on_after_the_crash_nothing_is_restored(scene: Scene) -> None:
    scene.run("none", "commit.trees")
    scene.box.type("changed", "typed after the crash\n")
    scene.box.git("commit", "-q", "-m", "person", "changed")
    told = recover(scene.box.repo)
    assert told is not None
    assert scene.box.text("changed") == "typed after the crash\n"
    assert scene.box.text("out/made") == "task's\n"
    assert told.restored == ()
    assert "HEAD has moved" in told.messages[-1]
    assert recover(scene.box.repo) is None


def test_every_fault_point_that_the_code_names_is_killed_at_and_no_other_is_listed() -> None:
    named = set()
    for path in (ROOT / "specbuild/git").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        named |= set(re.findall(r'faults\.point\("([a-z.-]+)"\)', text))
        named |= set(re.findall(r'Undo\(self\._files, [a-z_.]+, "([a-z.-]+)"\)', text))
        named |= set(re.findall(r'Undo\(self\._files, self\._repo\.state_dir, "([a-z.-]+)"\)', text))
    assert named == set(faults.POINTS)
    killed = {name.partition(":")[0] for name in [*IN_PLACE, *POOLED, *FAILING, *RECOVERING, "recover.index"]}
    assert killed == set(faults.POINTS)
