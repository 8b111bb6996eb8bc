"""The fast answer after files, or git's index, got new times and say what they said."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from changes import built, full, quietly, settle
from gitbox import Box

from specbuild import gitstate, noop, touched
from specbuild.cli import remember
from specbuild.git.lock import BuildLock


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    """Built, with a note; notes are left at once instead of two seconds after the last change."""
    monkeypatch.setattr(remember, "RACY", 0)
    with built() as box:
        settle()
        full(["-q"])
        settle()
        assert answer() == 0
        yield box


def answer(*form: str) -> int | None:
    return quietly(lambda: noop.answer([*form] or ["-q"]))[0]


def index(box: Box) -> bytes:
    return gitstate.index_identity(str(box.folder / ".git/index"))


def touch(box: Box, *paths: str) -> None:
    """As a checkout back and forth leaves them; in another second, since git compares those."""
    second = int(time.time())
    while int(time.time()) == second:
        settle()
    settle()  # file systems' clocks are late
    for path in paths or box.git("ls-files").split():
        os.utime(box.folder / path)
    settle()


def left(box: Box) -> set[str]:
    return {path.name for path in (box.folder / ".git/specbuild").iterdir() if "." in path.name} | {
        path.name for path in (box.folder / ".git").iterdir() if path.name.endswith(".lock")
    }


def test_files_that_git_cannot_look_at_are_not_passed_over(box: Box) -> None:
    settle()
    shutil.rmtree(box.folder / "gen")
    (box.folder / "gen").symlink_to("gen")
    with pytest.raises(OSError, match="diff-files"):
        gitstate.differing(str(box.folder))
    assert answer() is None


@pytest.mark.timeout(30)
def test_a_git_that_complains_at_length_is_heard_out(box: Box) -> None:
    code, said = gitstate.git(
        str(box.folder), ["-c", "alias.talk=!yes complaint | head -n 20000 >&2", "talk"]
    )
    assert (code, said) == (1, b"")


def test_touched_files_that_say_what_they_said_are_no_matter(box: Box) -> None:
    before, here = index(box), left(box)
    touch(box)
    assert gitstate.differing(str(box.folder))
    assert answer() == 0
    assert not gitstate.differing(str(box.folder))  # the new times are taken down
    assert index(box) != before
    assert left(box) == here


@pytest.mark.parametrize("refreshed", [False, True])
def test_check_answers_and_writes_nothing(box: Box, *, refreshed: bool) -> None:
    touch(box)
    if refreshed:
        box.git("status")
    before = {path: path.stat().st_mtime_ns for path in (box.folder / ".git").rglob("*")}
    assert answer("check", "-q") == full(["check", "-q"])[0] == 0
    assert answer("check") == 0
    assert {path: path.stat().st_mtime_ns for path in (box.folder / ".git").rglob("*")} == before


def test_the_look_after_that_asks_git_no_more(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(box)
    assert answer() == 0
    monkeypatch.setattr(touched, "stands", None)
    assert answer() == 0


def test_an_index_that_git_status_refreshed_is_no_matter(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(box)
    before = index(box)
    box.git("status")
    assert index(box) != before
    assert answer() == 0
    monkeypatch.setattr(touched, "stands", None)
    assert answer() == 0


@pytest.mark.parametrize("also", [0, touched.SAMPLE + 5])
@pytest.mark.parametrize("refreshed", [False, True])
def test_an_edit_among_touched_files_is_seen(box: Box, also: int, *, refreshed: bool) -> None:
    for number in range(also):
        box.type(f"aside/{number:02}.txt", "aside\n")
    box.git("add", "-A")
    box.git("commit", "-q", "--allow-empty", "-m", "files that come first")
    settle()
    full(["-q"])
    settle()
    assert answer() == 0
    touch(box)
    box.type("in/a.txt", "b\n")
    settle()
    if refreshed:
        box.git("status")
    assert answer() is None
    assert full(["check", "-q"])[0] == 3


def test_a_touched_file_that_is_gone_is_seen(box: Box) -> None:
    touch(box)
    (box.folder / "in/a.txt").unlink()
    assert answer() is None


def test_a_touched_file_that_is_executable_now_is_seen(box: Box) -> None:
    touch(box)
    (box.folder / "in/a.txt").chmod(0o755)
    assert answer() is None


def test_what_was_staged_is_seen_and_what_was_taken_back_no_matter(box: Box) -> None:
    box.type("other/z.txt", "staged\n")
    box.git("add", "other/z.txt")
    settle()
    assert answer() is None
    box.git("reset", "-q", "--hard")
    settle()
    assert answer() == 0
    box.type("in/a.txt", "b\n")
    box.git("add", "in/a.txt")
    settle()
    assert answer() is None


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_a_file_that_git_no_longer_looks_at_is_looked_at(box: Box, flag: str) -> None:
    box.git("update-index", flag, "in/a.txt")
    box.type("in/a.txt", "b\n")
    settle()
    assert answer() is None


def test_where_somebody_holds_the_index_it_stays_as_it_is(box: Box) -> None:
    touch(box)
    before = index(box)
    (box.folder / ".git/index.lock").write_text("")
    assert answer() == 0
    assert index(box) == before
    assert (box.folder / ".git/index.lock").read_text() == ""
    (box.folder / ".git/index.lock").unlink()
    assert answer() == 0
    assert index(box) != before


def test_where_locks_are_not_wanted_the_index_stays_as_it_is(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(box)
    before = index(box)
    monkeypatch.setenv("GIT_OPTIONAL_LOCKS", "0")
    assert answer() == 0
    assert index(box) == before


def test_while_another_specbuild_builds_the_index_stays_as_it_is(box: Box) -> None:
    touch(box)
    before = index(box)
    with BuildLock(str(box.folder / ".git/specbuild")):
        assert answer() == 0
        assert index(box) == before
    assert answer() == 0
    assert index(box) != before


def test_a_lock_that_a_kill_left_behind_is_taken_away_by_the_next_run(box: Box) -> None:
    touch(box)
    child = os.fork()
    if child == 0:
        with pytest.MonkeyPatch.context() as later:
            later.setattr(os, "rename", lambda *_: os._exit(9))
            answer()
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert (box.folder / ".git/index.lock").exists()
    box.type("in/a.txt", "b\n")
    assert full(["-q"])[0] == 0
    assert not (box.folder / ".git/index.lock").exists()
    assert not [name for name in os.listdir(box.folder / ".git/specbuild") if "token" in name]


def test_an_interrupt_leaves_no_lock(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    touch(box)
    here = left(box)
    monkeypatch.setattr(os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        answer()
    assert left(box) == here


@pytest.mark.parametrize("refreshed", [False, True])
@pytest.mark.parametrize("form", [["check", "-q"], ["-q"]])
def test_what_is_staged_while_git_looks_is_seen(
    box: Box, monkeypatch: pytest.MonkeyPatch, form: list[str], *, refreshed: bool
) -> None:
    if refreshed:
        touch(box)
        box.git("status")
    box.type("in/a.txt", "b\n")
    look = gitstate.differing

    def meanwhile(top: str, *, index: str | None = None) -> bytes:
        box.git("add", "in/a.txt")
        return look(top, index=index)

    monkeypatch.setattr(noop, "differing", meanwhile)
    monkeypatch.setattr(touched, "differing", meanwhile)
    assert answer(*form) is None


def test_no_note_is_left_of_an_index_that_changes_while_it_is_written(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = touched.staged

    def meanwhile(top: str) -> bytes:
        box.type("other/z.txt", "staged meanwhile\n")
        box.git("add", "other/z.txt")
        return look(top)

    monkeypatch.setattr(remember, "staged", meanwhile)
    box.type("in/a.txt", "b\n")
    assert full(["-q"])[0] == 0
    assert not (box.folder / ".git/specbuild/noop").exists()


def test_a_split_index_is_for_the_full_path(box: Box) -> None:
    box.git("update-index", "--split-index")
    assert answer() is None


def test_an_index_that_is_a_link_stays_one(box: Box) -> None:
    index_file, elsewhere = box.folder / ".git/index", box.folder / ".git/elsewhere"
    index_file.rename(elsewhere)
    index_file.symlink_to(elsewhere)
    touch(box)
    answer()
    assert index_file.is_symlink()


def test_an_index_that_changes_meanwhile_is_not_written_over(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(box)

    def meanwhile(source: str, target: str) -> None:
        box.type("other/z.txt", "staged meanwhile\n")
        box.git("add", "other/z.txt")
        os.symlink(source, target)  # the lock, in its way

    monkeypatch.setattr(os, "link", meanwhile)
    answer()
    assert box.git("diff", "--cached", "--name-only") == "other/z.txt"
    assert not os.path.lexists(box.folder / ".git/index.lock")


def test_an_index_with_a_file_of_an_older_time_is_for_the_full_path(box: Box) -> None:
    """Git, which compares whole seconds, would not see it change again in the second in which it did."""
    old = time.time_ns() - 3_600_000_000_000
    os.utime(box.folder / "in/a.txt", ns=(old, old))
    box.git("status")
    assert answer() is None


def test_another_form_of_index_is_for_the_full_path(box: Box) -> None:
    box.git("update-index", "--index-version", "4")
    assert answer() is None
    assert full(["check", "-q"])[0] == 0


def test_a_git_folder_that_cannot_be_written_is_for_the_full_path(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    touch(box)
    monkeypatch.setattr(touched, "_copied", refuse)
    assert answer() is None
    assert full(["check", "-q"])[0] == 0


def test_paths_are_taken_literally(box: Box) -> None:
    name = "in/:(glob)* [x].txt"
    box.type(name, "odd\n")
    box.git("--literal-pathspecs", "add", name)
    box.git("commit", "-q", "-m", "odd")
    settle()
    full(["-q"])
    settle()
    touch(box, name)
    assert answer() == 0
    Path(box.folder / name).write_text("new\n")
    settle()
    assert answer() is None
