"""kill -9 at every step of a whole run by the command line: nothing is lost, and the next run completes it."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from campaigns import campaign, in_part
from repositories import Ran, Workshop, box, workshops

from specbuild.git import faults

CONFIG = """[build]
executor = "shell"

[[rule]]
match = "label:iso"
isolation = "worktree"
"""
FOLDER = "rm -rf gen; mkdir -p gen/deep dist; cat a >gen/x; cat b >gen/deep/y; cat a >dist/z"
TASKS = (
    box("T001", "gen/ dist/", "a b", run=f'echo T001 >>"$RAN"; {FOLDER}'),
    box("T002", "p", "a", run='echo T002 >>"$RAN"; { cat p 2>/dev/null || :; cat a; } >p.new; mv p.new p'),
    box("T003", "q", "p", run='echo T003 >>"$RAN"; cat p p >q'),
    box("T004", "p", "b", run='echo T004 >>"$RAN"; cat b >>p'),
    box("T005", "new/deep/r", "q", run='echo T005 >>"$RAN"; cat q >new/deep/r', marks="[iso]"),
    box("T006", "k", "b", run='echo T006 >>"$RAN"; cat b >>k', keep=True),
)
MADE = {
    "gen/x": "2\n",
    "gen/deep/y": "9\n",
    "dist/z": "2\n",
    "q": "2\n2\n",
    "p": "2\n9\n",
    "new/deep/r": "2\n2\n",
}
TYPED = ("2\n", "mine\n", "staged\n", "both\n", "further\n", "1\nby hand\n", "more\n")
POINTS = tuple(point for point in faults.POINTS if not point.startswith(("recover.", "place.undone")))
UNREACHED = {"commit.follow-removed"}
"""Not in this run, whose private worktree removes nothing."""


class Scene:
    """A project that was built once, with edits of a person's everywhere since."""

    def __init__(self, shop: Workshop) -> None:
        self.shop = shop
        self.others = self.look()

    def look(self) -> list[str]:
        git, theirs = self.shop.git, ["staged", "both", "notes", "gone"]
        return [
            git("status", "--porcelain=v2", "--untracked-files=all", "--", *theirs),
            git("diff", "--", *theirs),
            git("diff", "--cached", "--", *theirs),
        ]

    def run(self, fault: str = "") -> Ran:
        options = ["run", "--yes", "--no-reuse"]
        return self.shop.forked(*options, SPECBUILD_FAULT=fault) if fault else self.shop.call(*options)

    def assert_nothing_is_lost(self) -> None:
        for text in TYPED:
            assert self.shop.reachable(text), text
        assert self.look() == self.others
        self.shop.fsck()

    def assert_complete(self) -> None:
        assert {path: self.shop.text(path) for path in MADE} == MADE
        assert self.shop.text("k") == "1\nby hand\n9\n"
        assert self.shop.stale() == []
        self.shop.ran()
        assert self.run().code == 0
        assert self.shop.ran() == []
        assert self.look() == self.others
        dirty = {line[3:] for line in self.shop.git("status", "--porcelain").split("\n")}
        assert dirty == {"staged", "both", "notes", "gone"}
        git = self.shop.folder / ".git"
        assert not [path for path in git.rglob("*.lock") if "pool" not in path.parts]


def edited(shop: Workshop) -> Scene:
    shop.build()
    for path in ("staged", "both"):
        shop.type(path, f"{path}\n")
        shop.git("add", path)
    shop.type("both", "further\n")
    shop.type("notes", "more\n")
    (shop.folder / "gone").unlink()
    shop.type("tasks.md", (shop.text("tasks.md") or "").replace("- [x] T003", "- [ ] T003"))
    shop.type("a", "2\n")
    shop.type("b", "9\n")
    shop.type("p", "mine\n")
    shop.type("k", "1\nby hand\n")
    return Scene(shop)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    with workshops(folder) as make:
        files = dict.fromkeys(("a", "b", "staged", "both", "gone"), "1\n")
        shop = make(*TASKS, config=CONFIG, **files, **{".gitignore": "dist/\n"})
        edited(shop)
    return folder


@pytest.fixture
def scene(original: Path, tmp_path: Path) -> Iterator[Scene]:
    with workshops(tmp_path) as _:
        yield copied(original, tmp_path)


def copied(original: Path, folder: Path) -> Scene:
    shutil.copytree(original / "repo", folder / "repo", symlinks=True)
    shutil.rmtree(folder / "repo/.git/specbuild")
    shop = Workshop.__new__(Workshop)
    shop.folder, shop.log = folder / "repo", folder / "repo.ran"
    shop.git("worktree", "prune")
    shop.git("status")  # the copy's stat data
    return Scene(shop)


def killed(scene: Scene, point: str, *, must: bool = True) -> bool:
    died = scene.run(point)
    if must or died.code != 0:
        assert died.code == -signal.SIGKILL, died
    scene.assert_nothing_is_lost()
    return died.code != 0


@pytest.mark.parametrize("point", in_part(point for point in POINTS if point not in UNREACHED))
def test_a_run_that_is_killed_is_completed_by_the_next(scene: Scene, point: str) -> None:
    killed(scene, point)
    done = scene.run()
    assert done.code == 0, done.err
    if point in {"place.laid", "commit.followed", "commit.ref-moved"}:
        assert "was broken off" in done.err
    scene.assert_nothing_is_lost()
    scene.assert_complete()


def test_every_point_of_a_run_is_among_those() -> None:
    assert {point for point in faults.POINTS if point not in POINTS} == {
        *(point for point in faults.POINTS if point.startswith(("recover.", "place.undone")))
    }
    assert set(POINTS) >= UNREACHED


def test_where_a_person_goes_on_after_a_crash_nothing_of_theirs_is_taken(scene: Scene) -> None:
    killed(scene, "commit.followed:3")
    scene.shop.type("p", "typed after the crash\n")
    (scene.shop.folder / ".git/index.lock").unlink(missing_ok=True)
    assert scene.run().code == 0
    assert scene.shop.reachable("typed after the crash\n")
    scene.assert_nothing_is_lost()
    scene.assert_complete()


@pytest.mark.campaign
@pytest.mark.timeout(0)
def test_runs_that_are_killed_again_and_again(
    original: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each example kills up to four runs in a row, recoveries included, at any pass of any point."""

    def batch(number: int, examples: int) -> int:
        random, kills = Random(number), 0
        for example in range(examples):
            folder = tmp_path / f"{number}-{example}"
            scene = copied(original, folder)
            for _ in range(random.randint(1, 4)):
                kills += killed(scene, f"{random.choice(faults.POINTS)}:{random.randint(1, 6)}", must=False)
            done = scene.run()
            assert done.code == 0, done.err
            scene.assert_nothing_is_lost()
            scene.assert_complete()
            shutil.rmtree(folder)
        return kills

    with workshops(tmp_path):
        campaign(capfd, batch, size=25)
