"""The committer against real git: index, working tree, filters, signatures, other people's locks."""

import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gitbox import Box, environment

from specbuild.engine.ports import Moved, Record
from specbuild.engine.task import Entry
from specbuild.errors import RepositoryError
from specbuild.git.committer import GitCommitter
from specbuild.git.transaction import IndexLock, drop_own_locks

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with environment(tmp_path / "home"):
        yield Box(tmp_path / "repo")


def committer(box: Box, patience: float = 5.0) -> GitCommitter:
    repo = box.repo
    return GitCommitter(repo, repo.head_ref, patience=patience)


def record(
    box: Box, message: str = "T001 one\n", *, in_place: bool = True, **files: str | Entry | None
) -> GitCommitter:
    """One commit of these files (`_` stands for `/`, `__` for `.`)."""
    changes = {
        name.replace("__", ".").replace("_", "/"): box.blob(text) if isinstance(text, str) else text
        for name, text in files.items()
    }
    made = committer(box)
    made.commit([Record(message, changes, in_place=in_place)], onto=made.head())
    return made


def settle(box: Box) -> None:
    """Lets the clock tick on, so that no entry is as new as the index."""
    for path in box.folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and ".git" not in path.parts:
            os.utime(path, (1_000_000_000, 1_000_000_000))
    box.git("update-index", "-q", "--refresh", ok=False)


# The index


def test_a_commit_leaves_no_phantom_change_and_needs_no_second_look(box: Box) -> None:
    box.commit(**{"a": "1", "d/b": "1"})
    box.type("a", "2")
    box.type("d/new", "3")
    record(box, a="2", d_new="3")
    assert box.clean_by_stat()
    assert box.status() == ""
    box.fsck()


def test_staged_unstaged_and_untracked_changes_of_a_person_stay_as_they_were(box: Box) -> None:
    box.commit(staged="1\n", both="1\n", dirty="1\n", gone="1\n", out="1\n")
    box.type("staged", "2\n")
    box.type("both", "2\n")
    box.git("add", "staged", "both")
    box.type("both", "3\n")
    box.type("dirty", "2\n")
    box.git("rm", "-q", "--cached", "gone")
    box.type("added", "1\n")
    box.git("add", "added")
    box.type("untracked", "1\n")
    before = box.sights()
    box.type("out", "2\n")
    record(box, out="2\n")
    after = box.sights()
    assert after["status"] == before["status"]
    assert after["diff"] == before["diff"]
    assert after["cached"] == before["cached"]


def test_flags_of_other_entries_stay(box: Box) -> None:
    box.commit(assumed="1", skipped="1", a="1")
    box.type("intent", "x")
    box.git("add", "-N", "intent")
    box.git("update-index", "--assume-unchanged", "assumed")
    box.git("update-index", "--skip-worktree", "skipped")
    before, flags = box.git("ls-files", "-v"), box.git("status", "--porcelain=v2")
    box.type("a", "2")
    record(box, a="2")
    assert box.git("ls-files", "-v") == before
    assert box.git("status", "--porcelain=v2") == flags
    assert box.git("diff", "--cached", "--name-only") == ""
    assert box.git("ls-tree", "--name-only", "HEAD").split() == ["a", "assumed", "skipped"]


def test_an_intent_to_add_that_the_commit_takes_becomes_a_plain_entry(box: Box) -> None:
    box.commit(a="1")
    box.type("new", "x")
    box.git("add", "-N", "new")
    record(box, new="x")
    assert box.status() == ""
    assert box.clean_by_stat()


def test_cached_trees_stay_right_for_a_persons_next_commit(box: Box) -> None:
    box.commit(**{"a/b/c": "1", "a/d": "1", "e/f": "1"})
    box.git("status")
    box.type("a/b/c", "2")
    record(box, a_b_c="2")
    box.type("e/f", "2")
    box.git("commit", "-q", "-am", "person")
    assert box.show("HEAD:a/b/c") == "2"
    assert box.git("diff", "--stat", "HEAD~1", "--name-only") == "e/f"
    box.fsck()


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_every_version_of_the_index_is_kept(box: Box, version: str) -> None:
    box.commit(**{f"folder/{n:03}/file/{n}": str(n) for n in range(150)})
    box.git("update-index", "--index-version", version)
    box.type("folder/007/file/7", "changed")
    box.type("folder/007/file/8", "new")
    (box.folder / "folder/100/file/100").unlink()
    record(
        box,
        folder_100_file_100=None,
        folder_007_file_7="changed",
        folder_007_file_8="new",
    )
    kept = (box.folder / ".git/index").read_bytes()[4:8]
    assert int.from_bytes(kept, "big") == (2 if version == "3" else int(version))
    assert box.status() == ""
    assert len(box.git("ls-files").splitlines()) == 150
    box.fsck()


def test_an_edit_in_the_second_of_staging_is_not_hidden_by_a_newer_index(box: Box) -> None:
    """Git's own racy problem: same size, same time stamp, other bytes."""
    box.commit(a="1", b="1")
    index = box.folder / ".git/index"
    now = time.time_ns()
    os.utime(box.folder / "a", ns=(now, now))
    box.git("update-index", "--refresh", ok=False)
    os.utime(index, ns=(now, now))
    (box.folder / "a").write_text("2")
    os.utime(box.folder / "a", ns=(now, now))
    assert box.git("diff", "--name-only") == "a"
    time.sleep(1.1)
    box.type("b", "2")
    record(box, b="2")
    assert box.git("diff", "--name-only") == "a"


def test_the_untracked_cache_does_not_go_on_showing_what_is_tracked_now(box: Box) -> None:
    box.commit(a="1")
    box.git("config", "core.untrackedCache", "true")
    box.git("update-index", "--force-untracked-cache")
    box.type("new/file", "1")
    time.sleep(1.5)  # git does not trust what it cached in the second of a change
    for _ in range(2):
        assert box.git("status", "--porcelain") == "?? new/"
    record(box, new_file="1")
    assert box.git("status", "--porcelain=v2") == ""
    assert b"UNTR" in (box.folder / ".git/index").read_bytes()


def test_an_index_without_checksum_stays_without(box: Box) -> None:
    box.commit(a="1")
    index = box.folder / ".git/index"
    data = index.read_bytes()
    index.write_bytes(data[:-20] + bytes(20))
    box.type("a", "2")
    record(box, a="2")
    assert index.read_bytes()[-20:] == bytes(20)


def test_a_split_index_is_an_error_and_nothing_happened(box: Box) -> None:
    first = box.commit(a="1")
    box.git("update-index", "--split-index")
    with pytest.raises(RepositoryError, match="link"):
        record(box, a="2")
    assert box.git("rev-parse", "HEAD") == first
    assert not (box.folder / ".git/index.lock").exists()


def test_a_staged_version_that_would_be_lost_is_kept_under_a_ref(box: Box) -> None:
    box.commit(a="1\n")
    box.type("a", "staged\n")
    box.git("add", "a")
    box.type("a", "file\n")
    made = record(box, a="file\n")
    assert made.kept == [("a", box.kept()[0])]
    assert box.show(f"{box.kept()[0]}:a") == "staged"
    assert box.status() == ""


def test_a_staged_version_that_was_kept_already_is_not_kept_twice(box: Box) -> None:
    box.commit(a="1\n")
    box.type("a", "staged\n")
    box.git("add", "a")
    box.type("a", "file\n")
    made = committer(box)
    made.keep("saved", {"a": box.blob("staged\n")}, "kept by the builder")
    made.commit([Record("T001", {"a": box.blob("file\n")})], onto=made.head())
    assert len(box.kept()) == 1


# Branches


def test_the_reflogs_name_the_task(box: Box) -> None:
    box.commit(a="1")
    record(box, "T001 Make a\n\nbody\n", b="1")
    assert box.git("log", "-g", "-1", "--format=%gs", "HEAD") == "specbuild: T001 Make a"
    assert box.git("log", "-g", "-1", "--format=%gs", "main") == "specbuild: T001 Make a"


def test_a_detached_head_moves_and_stays_detached(box: Box) -> None:
    first = box.commit(a="1")
    box.git("checkout", "-q", "--detach")
    box.type("b", "1")
    record(box, b="1")
    assert box.git("rev-parse", "HEAD~1") == first
    assert box.git("rev-parse", "main") == first
    assert box.git("symbolic-ref", "-q", "HEAD", ok=False) == ""
    assert box.status() == ""


def test_a_branch_that_lives_in_packed_refs_moves(box: Box) -> None:
    first = box.commit(a="1")
    box.git("pack-refs", "--all")
    record(box, b="1", in_place=False)
    assert box.git("rev-parse", "main~1") == first


def test_after_a_switch_only_the_runs_branch_moves(box: Box) -> None:
    first = box.commit(a="1")
    made = committer(box)
    box.git("switch", "-q", "-c", "other")
    box.type("mine", "1")
    before = box.sights()
    made.commit([Record("T001", {"a": box.blob("2")}, in_place=False)], onto=first)
    assert not made.attached()
    assert box.git("rev-parse", "main~1") == first
    assert box.sights() == before
    assert box.text("a") == "1"


def test_a_branch_that_was_deleted_meanwhile_is_not_begun_anew(box: Box) -> None:
    box.commit(a="1")
    made = committer(box)
    tip = box.commit(a="2")
    assert made.head() == tip
    box.git("update-ref", "-d", "refs/heads/main")
    for act in (made.head, lambda: made.commit([Record("T001", {"a": box.blob("3")})], onto=tip)):
        with pytest.raises(RepositoryError, match=f"git update-ref refs/heads/main {tip} brings it back"):
            act()
    assert box.git("rev-parse", "-q", "--verify", "main", ok=False) == ""
    assert box.git("rev-parse", f"{made.keep('failed', {'a': box.blob('3')}, 'partial')}~1") == tip


def test_a_detached_run_whose_head_went_to_a_branch_stops(box: Box) -> None:
    first = box.commit(a="1")
    box.git("checkout", "-q", "--detach")
    made = committer(box)
    box.git("switch", "-q", "main")
    with pytest.raises(RepositoryError, match="detached"):
        made.commit([Record("T001", {"a": box.blob("2")})], onto=first)
    assert box.git("rev-parse", "main") == first


def test_a_person_who_commits_meanwhile_is_not_overrun(box: Box) -> None:
    first = box.commit(a="1")
    made = committer(box)
    box.commit(b="1")
    with pytest.raises(Moved):
        made.commit([Record("T001", {"a": box.blob("2")}, in_place=False)], onto=first)
    assert box.text("a") == "1"
    assert box.status() == ""


def test_a_commit_of_a_person_between_look_and_move_takes_everything_back(box: Box) -> None:
    first = box.commit(a="1", gone="1")
    made = committer(box)
    hidden = made._move
    other = box.git("commit-tree", "-p", first, "-m", "person", f"{first}^{{tree}}")

    def overtaken(batch: object) -> None:
        box.git("update-ref", "refs/heads/main", other)
        hidden(batch)  # type: ignore[arg-type]  # handed on

    made._move = overtaken  # type: ignore[method-assign]  # the very moment cannot be met otherwise
    changes = {"a": box.blob("2"), "gone": None, "new/b": box.blob("3")}
    with pytest.raises(Moved):
        made.commit([Record("T001", changes, in_place=False)], onto=first)
    assert (box.text("a"), box.text("gone"), box.text("new/b")) == ("1", "1", None)
    assert not (box.folder / "new").exists()
    assert box.status() == ""
    assert not (box.folder / ".git/index.lock").exists()


def test_a_linked_worktree_is_committed_to_without_touching_the_first(box: Box, tmp_path: Path) -> None:
    box.commit(a="1")
    box.git("worktree", "add", "-q", str(tmp_path / "linked"))
    linked = Box.__new__(Box)
    linked.folder = tmp_path / "linked"
    linked.type("b", "1")
    record(linked, b="1")
    assert linked.status() == ""
    assert linked.git("log", "-1", "--format=%s") == "T001 one"
    assert box.status() == ""


# The working tree


def test_a_file_becomes_a_folder_and_back(box: Box) -> None:
    box.commit(x="1", keep="1")
    record(box, in_place=False, x=None, x_y="2")
    assert box.text("x/y") == "2"
    assert box.status() == ""
    record(box, in_place=False, x_y=None, x="3")
    assert box.text("x") == "3"
    assert box.status() == ""
    box.fsck()


def test_empty_parents_go_and_those_with_a_persons_file_stay(box: Box) -> None:
    box.commit(**{"a/b/c": "1", "d/e": "1"})
    box.type("d/mine", "1")
    record(box, in_place=False, a_b_c=None, d_e=None)
    assert not (box.folder / "a").exists()
    assert box.text("d/mine") == "1"


def test_modes_and_links_follow(box: Box) -> None:
    box.commit(run="1")
    link = Entry(0o120000, box.blob("run").oid)
    record(box, in_place=False, run=Entry(0o100755, box.blob("1").oid), l=link)
    assert (box.folder / "run").stat().st_mode & stat.S_IXUSR
    assert os.readlink(box.folder / "l") == "run"
    assert box.status() == ""
    assert box.clean_by_stat()


def test_edits_and_deletions_of_a_person_are_left_and_told(box: Box) -> None:
    box.commit(edited="1", deleted="1", clean="1")
    box.type("edited", "mine")
    (box.folder / "deleted").unlink()
    box.type("new", "mine")
    made = record(box, in_place=False, edited="2", deleted="2", clean="2", new="2")
    assert sorted(made.left) == ["deleted", "edited", "new"]
    assert (box.text("edited"), box.text("new"), box.text("clean")) == ("mine", "mine", "2")
    assert box.git("diff", "--name-only").split() == ["deleted", "edited", "new"]


def test_nothing_is_written_behind_a_symlink(box: Box, tmp_path: Path) -> None:
    box.commit(a="1")
    (tmp_path / "outside").mkdir()
    os.symlink(tmp_path / "outside", box.folder / "link")
    made = record(box, in_place=False, link_f="2")
    assert list((tmp_path / "outside").iterdir()) == []
    assert made.left == ["link/f"]


def test_names_that_are_not_utf8_are_committed(box: Box) -> None:
    box.commit(a="1")
    name = os.fsdecode(b'd/caf\xe9\n"x')
    (box.folder / "d").mkdir()
    Path(box.folder / name).write_text("1")
    made = committer(box)
    found = made.add([name])
    made.commit([Record("T001 é \udce9\n", found)], onto=made.head())
    assert box.status() == ""
    box.fsck()


def test_line_endings_are_converted_as_git_would(box: Box) -> None:
    box.git("config", "core.autocrlf", "true")
    box.commit(a="1\r\n")
    record(box, in_place=False, a="2\n", new="3\n")
    assert box.text("a") == "2\r\n"
    assert box.text("new") == "3\r\n"
    assert box.status() == ""
    assert box.clean_by_stat()
    assert committer(box).add(["new"])["new"] == box.blob("3\n")


def test_external_filters_are_applied_both_ways(box: Box) -> None:
    box.git("config", "filter.swap.clean", "tr ab AB")
    box.git("config", "filter.swap.smudge", "tr AB ab")
    box.git("config", "filter.swap.required", "true")
    box.commit(**{".gitattributes": "*.big filter=swap\n", "x.big": "abc"})
    assert box.show("HEAD:x.big") == "ABc"
    made = committer(box)
    box.type("y.big", "bbb")
    assert made.add(["y.big"])["y.big"] == box.blob("BBB")
    record(box, in_place=False, x__big="BBc", z__big="AAA")
    assert (box.text("x.big"), box.text("z.big")) == ("bbc", "aaa")
    assert box.git("diff", "--name-only") == ""
    assert "x.big" not in box.status()
    assert box.clean_by_stat()


def test_a_filter_that_fails_is_told_and_nothing_happens(box: Box) -> None:
    first = box.commit(**{".gitattributes": "*.big filter=broken\n"})
    box.git("config", "filter.broken.clean", "false")
    box.git("config", "filter.broken.smudge", "false")
    box.git("config", "filter.broken.required", "true")
    with pytest.raises(RepositoryError):
        record(box, in_place=False, x__big="1")
    assert box.git("rev-parse", "HEAD") == first
    assert box.status() == ""


def test_sparse_checkouts_stay_sparse(box: Box) -> None:
    box.commit(**{"in/a": "1", "out/b": "1", "out/c": "1"})
    box.git("sparse-checkout", "set", "in")
    box.git("config", "index.sparse", "false")
    assert box.text("out/b") is None
    made = record(box, in_place=False, out_b="2", in_a="2", out_c=None)
    assert made.left == []
    assert box.text("out/b") is None
    assert box.text("in/a") == "2"
    assert box.status() == ""
    assert box.git("ls-files", "-t", "out") == "S out/b"


def test_an_executable_bit_that_the_disk_cannot_hold_stays_in_the_index(box: Box) -> None:
    box.git("config", "core.filemode", "false")
    box.commit(run="1")
    box.git("update-index", "--chmod=+x", "run")
    box.git("commit", "-q", "-m", "x")
    box.type("run", "2")
    assert committer(box).add(["run"])["run"] == Entry(0o100755, box.blob("2").oid)


# Identity and signatures


def test_author_and_committer_come_from_the_environment_as_for_git(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.commit(a="1")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Zoë")
    monkeypatch.setenv("GIT_AUTHOR_DATE", "1234567890 +0530")
    record(box, b="1", in_place=False)
    shown = box.git("log", "-1", "--format=%an|%ae|%ad|%cn", "--date=raw")
    assert shown == "Zoë|ada@example.com|1234567890 +0530|Ada"


def test_without_an_identity_nothing_is_committed(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    first = box.commit(a="1")
    for variable in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.delenv(variable)
    box.git("config", "user.useConfigOnly", "true")
    with pytest.raises(RepositoryError, match="who commits"):
        record(box, b="1")
    assert box.git("rev-parse", "HEAD") == first


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")
def test_commits_are_signed_where_git_would_sign_them(box: Box, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    allowed = tmp_path / "allowed"
    allowed.write_text(f"ada@example.com {key.with_suffix('.pub').read_text()}")
    for name, value in {
        "gpg.format": "ssh",
        "user.signingkey": f"{key}.pub",
        "commit.gpgsign": "true",
        "gpg.ssh.allowedSignersFile": str(allowed),
    }.items():
        box.git("config", name, value)
    first = box.commit(a="1")
    made = committer(box)
    records = [Record(f"T00{n} über\n", {"b": box.blob(str(n))}, in_place=False) for n in (1, 2)]
    made.commit(records, onto=first)
    for revision in ("HEAD", "HEAD~1"):
        box.git("verify-commit", revision)
    assert box.git("log", "-1", "--format=%s %G?") == "T002 über G"


def test_no_hook_of_the_users_runs(box: Box, tmp_path: Path) -> None:
    for name in ("pre-commit", "commit-msg", "post-commit", "reference-transaction", "post-checkout"):
        hook = box.folder / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\necho {name} >> {tmp_path}/ran\nexit 1\n")
        hook.chmod(0o755)
    record(box, a="1", in_place=False)
    record(box, a="2", in_place=False)
    assert box.git("log", "--format=%s").split("\n") == ["T001 one", "T001 one"]
    assert not (tmp_path / "ran").exists()


# Others


def test_an_index_lock_of_somebody_else_is_waited_for(box: Box) -> None:
    box.commit(a="1")
    lock = box.folder / ".git/index.lock"
    lock.touch()
    timer = threading.Timer(0.3, lock.unlink)
    timer.start()
    record(box, b="1", in_place=False)
    timer.join()
    assert box.status() == ""


def test_a_lock_that_stays_is_an_error_and_nothing_happened(box: Box) -> None:
    first = box.commit(a="1")
    lock = box.folder / ".git/index.lock"
    lock.write_text("somebody's")
    made = committer(box, patience=0.1)
    with pytest.raises(RepositoryError, match="locked") as caught:
        made.commit([Record("T001", {"b": box.blob("1")}, in_place=False)], onto=first)
    assert caught.value.exit_code == 4
    assert lock.read_text() == "somebody's"
    assert box.git("rev-parse", "HEAD") == first
    assert box.text("b") is None


def test_a_lock_on_the_branch_is_waited_for_and_then_an_error(box: Box) -> None:
    first = box.commit(a="1")
    lock = box.folder / ".git/refs/heads/main.lock"
    lock.touch()
    made = committer(box, patience=0.2)
    with pytest.raises(RepositoryError, match="locked"):
        made.commit([Record("T001", {"a": box.blob("2")}, in_place=False)], onto=first)
    assert box.text("a") == "1"
    assert box.status() == ""
    lock.unlink()
    made.commit([Record("T001", {"a": box.blob("2")}, in_place=False)], onto=first)
    assert box.text("a") == "2"


RACER = """
import sys
import tempfile
from specbuild.engine.ports import Moved, Record
from specbuild.engine.task import Entry
from specbuild.git.committer import GitCommitter
from specbuild.git.transaction import IndexLock, drop_own_locks
from specbuild.git.repository import Repository

repo = Repository.open(sys.argv[1])
committer = GitCommitter(repo, repo.head_ref, patience=60)
for number in range(int(sys.argv[3])):
    entry = Entry(0o100644, committer.store(f"{number}".encode()))
    path = f"{sys.argv[2]}/{number}"
    while True:
        try:
            committer.commit([Record(f"{path}\\n", {path: entry}, in_place=False)], onto=committer.head())
            break
        except Moved:
            continue
"""


def test_four_racing_processes_lose_no_commit(box: Box) -> None:
    box.commit(a="1")
    box.git("config", "core.fsync", "none")
    command = [sys.executable, "-c", RACER, str(box.folder)]
    running = [subprocess.Popen([*command, f"p{n}", "100"], cwd=ROOT) for n in range(4)]
    assert [process.wait(100) for process in running] == [0, 0, 0, 0]
    assert box.git("rev-list", "--count", "HEAD") == "401"
    assert len(box.git("ls-files").splitlines()) == 401
    assert box.status() == ""
    box.fsck()
    assert list((box.folder / ".git").glob("*.lock")) == []


def as_somebody_else(box: Box, act: Callable[[], None]) -> str:
    """What `act` raises in a process that is not root, to whom nothing is read-only."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            act()
        except BaseException as error:  # noqa: BLE001  (the parent reads what it was)
            os.write(writing, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading, encoding="utf-8") as file:
        return file.read()


def test_a_read_only_repository_is_an_error_and_nothing_is_lost(box: Box) -> None:
    box.commit(a="1")
    record(box, in_place=False, b="1")
    first = box.git("rev-parse", "HEAD")
    box.type("a", "mine")
    git = box.folder / ".git"
    entry, blob = box.blob("1"), b"never stored before"
    for path in [box.folder, *box.folder.rglob("*")]:
        if os.geteuid() == 0:
            os.chown(path, 65534, 65534)
        if path == git or git in path.parents:
            path.chmod(path.stat().st_mode & ~0o222)
    for parent in box.folder.parents:
        if "pytest" in parent.name or parent.parent.name.startswith("pytest"):
            parent.chmod(0o755)

    def commit() -> None:
        repo = box.repo
        GitCommitter(repo, repo.head_ref, patience=1).commit([Record("T001", {"a": entry})], onto=first)

    def store() -> None:
        repo = box.repo
        committer = GitCommitter(repo, repo.head_ref, patience=1)
        made = Entry(0o100644, committer.store(blob))
        committer.commit([Record("T002", {"new": made})], onto=first)

    try:
        told = [as_somebody_else(box, commit), as_somebody_else(box, store)]
    finally:
        for path in [box.folder, *box.folder.rglob("*")]:
            path.chmod(path.stat().st_mode | 0o200)
            if os.geteuid() == 0:
                os.chown(path, 0, 0)
    for said in told:
        assert said.startswith("RepositoryError: "), told
        assert "denied" in said or "refuses" in said, told
    assert box.git("rev-parse", "HEAD") == first
    assert box.text("a") == "mine"


def test_a_commit_costs_what_changes_not_what_is_there(box: Box) -> None:
    box.commit(**{f"d{n // 100}/f{n}": "" for n in range(20_000)})
    settle(box)
    made = committer(box)
    made.commit([Record("warm", {"d0/f0": box.blob("0")}, in_place=False)], onto=made.head())
    spent = []
    for number in range(5):
        entry = box.blob(str(number))
        began = time.perf_counter()
        made.commit([Record("T001", {f"d7/new{number}": entry}, in_place=False)], onto=made.head())
        spent.append(time.perf_counter() - began)
    assert sorted(spent)[2] < 0.25, spent  # 0.014 on the machine where this was written; a status takes 0.1
    assert box.status() == ""


def test_a_working_tree_on_another_disk_than_git_is_written_to_all_the_same(box: Box, tmp_path: Path) -> None:
    disk = Path("/dev/shm")
    if not disk.is_dir() or disk.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second disk")
    folder = Path(tempfile.mkdtemp(dir=disk))
    try:
        far = Box.__new__(Box)
        far.folder = folder
        far.git("init", "-q", "-b", "main", f"--separate-git-dir={tmp_path / 'far.git'}")
        far.git("config", "core.worktree", str(folder))
        far.commit(a="1")
        record(far, in_place=False, a="2", d_new="1")
        assert sorted(path.name for path in folder.rglob("*")) == [".git", "a", "d", "new"]
        assert far.status() == ""
    finally:
        shutil.rmtree(folder)


def test_a_disk_without_hard_links_has_a_lock_of_ours_too(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refused)
    box.commit(a="1")
    record(box, in_place=False, a="2")
    assert box.status() == ""
    git, state = str(box.folder / ".git"), str(box.folder / ".git/specbuild")
    lock = IndexLock(git, state, patience=0.1)
    lock.__enter__()
    with pytest.raises(RepositoryError, match="locked"):
        record_with(committer(box, patience=0.1), box)
    assert drop_own_locks(git, state)
    assert not (box.folder / ".git/index.lock").exists()


def record_with(made: GitCommitter, box: Box) -> None:
    made.commit([Record("T001", {"b": box.blob("1")}, in_place=False)], onto=made.head())


def test_a_submodule_is_a_link_to_its_commit_and_is_not_touched(box: Box, tmp_path: Path) -> None:
    inner = Box(tmp_path / "inner")
    one, two = inner.commit(x="1"), inner.commit(x="2")
    box.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.folder), "sub")
    box.commit()
    assert committer(box).add(["sub"])["sub"] == Entry(0o160000, two)
    made = record(box, in_place=False, sub=Entry(0o160000, one), a="1")
    assert made.left == []
    assert box.git("-C", "sub", "rev-parse", "HEAD") == two
    assert box.git("diff", "--name-only") == "sub"


def test_a_user_may_give_up_syncing(box: Box) -> None:
    box.commit(a="1")
    box.git("config", "core.fsync", "none")
    record(box, in_place=False, a="2")
    assert box.status() == ""
