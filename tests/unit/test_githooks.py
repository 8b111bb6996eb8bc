"""What a push brings, and where hooks stand, as values."""

import os
from dataclasses import replace

import pytest

from specbuild.errors import RepositoryError
from specbuild.githooks import pushed, shim
from specbuild.githooks.places import locate, refuse_foreign
from specbuild.githooks.shim import Finds

ONE, TWO, NONE = "1" * 40, "2" * 40, "0" * 40


def test_the_lines_of_pre_push_are_the_refs_that_are_set() -> None:
    given = (
        f"refs/heads/main {ONE} refs/heads/trunk {NONE}\n"
        f"(delete) {NONE} refs/heads/old {TWO}\n"
        f"HEAD~1 {TWO} refs/heads/x {ONE}\n"
        f"refs/tags/v1 {TWO} refs/tags/v1 {NONE}\n"
        f"refs/notes/commits {TWO} refs/notes/commits {NONE}\n"
        "nonsense\n"
    )
    found = pushed.of_pre_push(given.encode())
    assert [(str(update), update.oid, update.branch, update.tag) for update in found] == [
        ("trunk", ONE, "main", False),
        ("x", TWO, "x", False),
        ("tags/v1", TWO, None, True),
    ]


def test_the_lines_of_pre_receive_name_no_source() -> None:
    given = f"{NONE} {ONE} refs/heads/new\n{ONE} {NONE} refs/heads/gone\n"
    assert [(u.ref, u.oid, u.branch) for u in pushed.of_pre_receive(given.encode())] == [
        ("refs/heads/new", ONE, "new")
    ]


def test_no_line_is_no_ref() -> None:
    assert pushed.of_pre_push(b"") == []
    assert pushed.is_nothing("0" * 64)


def test_a_ref_that_is_not_utf_8_is_read_all_the_same() -> None:
    (update,) = pushed.of_pre_push(b"refs/heads/\xff " + ONE.encode() + b" refs/heads/\xff " + NONE.encode())
    assert os.fsencode(update.branch or "") == b"\xff"


@pytest.mark.parametrize(
    ("line", "asks"),
    [
        ("git push --dry-run origin main", True),
        ("git -c a=b push origin -n", True),
        ("/usr/lib/git-core/git-push -fn origin", True),
        ("git push --dry origin", True),
        ("git p -n", True),
        ("git push origin main", False),
        ("git push -o ci.skip -- -n", False),
        ("git push --no-verify origin", False),
        ("git push --delete origin n", False),
    ],
)
def test_a_rehearsal_is_read_from_the_command_line(line: str, *, asks: bool) -> None:
    assert pushed.asks_for_rehearsal(line.split()) is asks


def test_ps_says_of_a_process_what_proc_says() -> None:
    found = pushed._process_by_ps(os.getpid())
    assert found is not None
    assert found[0] == os.getppid()
    assert pushed._process(os.getpid()) is not None
    assert pushed._process_by_ps(2**22 + 1) is None


def test_without_a_setting_hooks_stand_beside_the_objects() -> None:
    place = locate(top="/w", common_dir="/w/.git", hooks_path=None)
    assert (place.hook("pre-push"), place.committed, place.husky) == ("/w/.git/hooks/pre-push", False, False)


def test_a_relative_setting_starts_at_the_top() -> None:
    place = locate(top="/w", common_dir="/w/.git", hooks_path=("tools/hooks", "local"))
    assert (place.folder, place.committed) == ("/w/tools/hooks", True)
    assert locate(top="/w", common_dir="/w/.git", hooks_path=(".git/hooks", "local")).committed is False
    assert locate(top=None, common_dir="/b.git", hooks_path=("x", "local")).folder == "/b.git/x"


def test_huskys_own_folder_is_not_ours_to_write() -> None:
    place = locate(top="/w", common_dir="/w/.git", hooks_path=(".husky/_", "local"))
    assert (place.runs, place.folder, place.husky) == ("/w/.husky/_", "/w/.husky", True)
    assert locate(top="/w", common_dir="/w/.git", hooks_path=("_", "local")).husky is False


@pytest.mark.parametrize("scope", ["global", "system", "command"])
def test_a_folder_that_serves_other_repositories_is_refused(scope: str) -> None:
    place = locate(top="/w", common_dir="/w/.git", hooks_path=("/h", scope))
    with pytest.raises(RepositoryError, match=f"a {scope} setting") as error:
        refuse_foreign(place, config_hooks_run=True)
    assert "--config" in str(error.value)
    refuse_foreign(replace(place, scope="local"), config_hooks_run=False)


def test_paths_of_any_kind_are_quoted_and_read_back() -> None:
    finds = Finds("/a b/it's $HOME/python", '/x"y/`z`')
    text = shim.render("pre-push", finds)
    assert shim.is_ours(text)
    assert shim.found_by(text) == finds
    assert not shim.is_ours(b"#!/bin/sh\necho specbuild hook\n")
    assert shim.found_by(shim.render("pre-push", finds, committed=True)) is None
