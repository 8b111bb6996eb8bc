"""What a worktree holds beside its index, from one look to the next."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gitbox import Box, environment

from specbuild.git.untracked import Untracked


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with environment(tmp_path / "home"):
        found = Box(tmp_path / "repo")
        found.commit(**{"a": "1", "d/e": "1", "d/g/h": "1"})
        yield found


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Folders into which we looked ourselves."""
    found: list[str] = []
    scandir = os.scandir

    def told(path: bytes) -> Iterator[os.DirEntry[bytes]]:
        found.append(os.fsdecode(path))
        return scandir(path)

    monkeypatch.setattr("specbuild.git.untracked.os.scandir", told)
    return found


def by_git(box: Box) -> frozenset[str]:
    return frozenset(box.git("ls-files", "-z", "--others", "--directory").strip("\0").split("\0")) - {""}


def asked(box: Box, known: Untracked) -> frozenset[str]:
    """What it says without git's help."""

    def no_git() -> frozenset[str]:
        raise AssertionError("git was asked")

    found = known.paths(box.repo.index_file(), no_git)
    assert found == by_git(box)
    return found


def settle() -> None:
    time.sleep(0.1)


def test_only_folders_that_were_touched_are_listed(box: Box, listed: list[str]) -> None:
    known = Untracked(str(box.folder))
    box.type("d/old", "x")
    settle()
    assert known.paths(box.repo.index_file(), lambda: by_git(box)) == {"d/old"}
    assert asked(box, known) == {"d/old"}
    assert listed == []
    box.type("d/g/new", "x")
    settle()
    assert asked(box, known) == {"d/old", "d/g/new"}
    assert asked(box, known) == {"d/old", "d/g/new"}
    assert listed == [f"{box.folder}/d/g/"]


def test_a_folder_that_was_touched_just_now_is_listed_again(box: Box, listed: list[str]) -> None:
    known = Untracked(str(box.folder))
    settle()
    known.paths(box.repo.index_file(), lambda: by_git(box))
    box.type("d/new", "x")
    asked(box, known)
    asked(box, known)
    assert listed == [f"{box.folder}/d/"] * 2


def test_where_times_are_whole_seconds_a_folder_is_listed_for_two_more(
    box: Box, listed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def coarse(path: bytes) -> os.stat_result:
        found = lstat(path)
        whole = [int(found.st_mtime), int(found.st_ctime)]
        shown = {"st_mtime_ns": whole[0] * 10**9, "st_ctime_ns": whole[1] * 10**9}
        return os.stat_result(found, shown)

    lstat = os.lstat
    monkeypatch.setattr("specbuild.git.untracked.os.lstat", coarse)
    known = Untracked(str(box.folder))
    known.paths(box.repo.index_file(), lambda: by_git(box))
    settle()
    box.type("d/new", "x")
    settle()
    assert asked(box, known) == {"d/new"}
    box.type("d/newer", "x")
    assert asked(box, known) == {"d/new", "d/newer"}


def test_very_many_touched_folders_are_left_to_git(box: Box, listed: list[str]) -> None:
    box.commit(**{f"many/{number}/file": "1" for number in range(100)})
    known = Untracked(str(box.folder))
    index = box.repo.index_file()
    known.paths(index, lambda: by_git(box))
    settle()
    for number in range(100):
        box.type(f"many/{number}/new", "x")
    assert known.paths(index, lambda: by_git(box)) == by_git(box)
    assert listed == []


@pytest.mark.parametrize("kind", ["a pipe", "a repository", "an empty folder", "a link", "git's own name"])
def test_all_that_may_lie_there_is_named_as_git_names_it(box: Box, kind: str) -> None:
    known = Untracked(str(box.folder))
    known.paths(box.repo.index_file(), lambda: by_git(box))
    place = box.folder / "d" / "new"
    if kind == "a pipe":
        os.mkfifo(place)
    elif kind == "a repository":
        box.git("init", "-q", str(place))
    elif kind == "an empty folder":
        place.mkdir()
    elif kind == "a link":
        place.symlink_to("nowhere")
    else:
        (box.folder / "d" / "g" / ".git").mkdir()
    settle()
    assert len(asked(box, known)) == (kind not in {"a pipe", "git's own name"})


def test_another_index_has_git_asked(box: Box) -> None:
    known = Untracked(str(box.folder))
    assert known.paths(box.repo.index_file(), lambda: by_git(box)) == frozenset()
    box.git("rm", "-q", "--cached", "d/e")
    assert known.paths(box.repo.index_file(), lambda: by_git(box)) == {"d/e"}
