"""Workspaces on a real repository: what is laid out, taken and undone, in place and in the pool."""

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from gitbox import Box, environment, task

from specbuild.engine.ports import Sandbox, Unusable
from specbuild.engine.task import Entry, Isolation
from specbuild.git.workspace import GitWorkspaces


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with environment(tmp_path / "home"):
        yield Box(tmp_path / "repo")


def opened(
    box: Box,
    *owned: str,
    isolation: Isolation = "none",
    start: Mapping[str, Entry | None] | None = None,
    visible: Sequence[str] | None = None,
    share: Sequence[str] = (),
    **more: str,
) -> AbstractContextManager[Sandbox]:
    return GitWorkspaces(box.repo, share=share).open(
        task("T001", *owned, **more), start=start or {}, owned=owned, isolation=isolation, visible=visible
    )


def write(sandbox: Sandbox, path: str, text: str) -> None:
    target = Path(sandbox.folder) / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def files(folder: Path | str) -> dict[str, str]:
    folder = Path(folder)
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


# In place


def test_undo_brings_back_bytes_modes_and_times(box: Box) -> None:
    box.commit(a="1", run="1")
    box.type("a", "mine")
    (box.folder / "run").chmod(0o741)
    os.utime(box.folder / "a", ns=(5, 1_234_567_890_123_456_789))
    before = box.sights()
    with opened(box, "a", "run", "new/b") as sandbox:
        assert (box.folder / "new").is_dir()
        for path in ("a", "run", "new/b"):
            write(sandbox, path, "task's")
        (box.folder / "run").chmod(0o600)
    assert box.text("a") == "mine"
    assert (box.folder / "a").stat().st_mtime_ns == 1_234_567_890_123_456_789
    assert (box.folder / "run").stat().st_mode & 0o777 == 0o741
    assert not (box.folder / "new").exists()
    assert box.sights() == before


def test_what_was_accepted_stays_and_leaves_no_journal(box: Box) -> None:
    box.commit(a="1")
    with opened(box, "a") as sandbox:
        write(sandbox, "a", "2")
        assert list((box.folder / ".git/specbuild/journal").glob("*.json"))
        sandbox.accept()
    assert box.text("a") == "2"
    assert not list((box.folder / ".git/specbuild/journal").iterdir())


def test_a_file_that_the_task_left_alone_is_not_written_anew(box: Box) -> None:
    box.commit(a="1")
    before = (box.folder / "a").stat()
    with opened(box, "a"):
        pass
    after = (box.folder / "a").stat()
    assert (after.st_ino, after.st_ctime_ns) == (before.st_ino, before.st_ctime_ns)


def test_the_start_is_laid_out_and_again_for_the_next_attempt(box: Box) -> None:
    box.commit(a="1", b="1")
    with opened(box, "a", "b", start={"a": None, "b": box.blob("earlier")}) as sandbox:
        assert (box.text("a"), box.text("b")) == (None, "earlier")
        write(sandbox, "a", "half")
        write(sandbox, "b", "half")
        sandbox.reset()
        assert (box.text("a"), box.text("b")) == (None, "earlier")
    assert (box.text("a"), box.text("b")) == ("1", "1")


def test_an_owned_folder_is_emptied_and_undone_whole_but_ignored_files_in_it_stay(box: Box) -> None:
    box.commit(**{".gitignore": "*.cache\n", "gen/a": "1", "gen/sub/b": "1"})
    box.type("gen/x.cache", "cached")
    box.type("gen/untracked", "mine")
    start = dict.fromkeys(["gen/a", "gen/sub/b", "gen/untracked"], None)
    with opened(box, "gen/", start=start) as sandbox:
        assert files(box.folder / "gen") == {"x.cache": "cached"}
        assert not (box.folder / "gen/sub").exists()
        write(sandbox, "gen/deep/new", "1")
        write(sandbox, "gen/a", "2")
        assert set(sandbox.result(["gen/"])) == {"gen/a", "gen/deep/new"}
    assert files(box.folder / "gen") == {"a": "1", "sub/b": "1", "untracked": "mine", "x.cache": "cached"}
    assert not (box.folder / "gen/deep").exists()


def test_an_ignored_folder_is_remade_by_its_task_and_comes_back_when_that_fails(box: Box) -> None:
    box.commit(**{".gitignore": "dist/\n"})
    box.type("dist/old/a", "1")
    with opened(box, "dist/") as sandbox:
        assert files(box.folder / "dist") == {}
        write(sandbox, "dist/new", "2")
        sandbox.reset()
        assert files(box.folder / "dist") == {}
    assert files(box.folder / "dist") == {"old/a": "1"}
    with opened(box, "dist/") as sandbox:
        write(sandbox, "dist/new", "2")
        sandbox.accept()
    assert files(box.folder / "dist") == {"new": "2"}
    assert not list((box.folder / ".git/specbuild/owned").iterdir())


def test_results_are_what_git_would_store(box: Box) -> None:
    box.git("config", "filter.up.clean", "tr a-z A-Z")
    box.commit(**{".gitattributes": "*.up filter=up\n*.txt text\n"})
    with opened(box, "x.up", "y.txt", "run", "link", "none") as sandbox:
        write(sandbox, "x.up", "abc")
        write(sandbox, "y.txt", "1\r\n")
        write(sandbox, "run", "1")
        (box.folder / "run").chmod(0o755)
        os.symlink("run", box.folder / "link")
        found = sandbox.result(["x.up", "y.txt", "run", "link", "none"])
    assert found["x.up"] == box.blob("ABC")
    assert found["y.txt"] == box.blob("1\n")
    assert found["run"].mode == 0o100755
    assert found["link"] == Entry(0o120000, box.blob("run").oid)
    assert "none" not in found
    assert box.git("cat-file", "blob", found["x.up"].oid) == "ABC"


def test_undo_brings_back_bytes_that_a_filter_would_not(box: Box) -> None:
    box.git("config", "filter.lossy.clean", "tr a-z x")
    box.commit(**{".gitattributes": "*.l filter=lossy\n", "f.l": "abc"})
    box.type("f.l", "def")
    with opened(box, "f.l") as sandbox:
        write(sandbox, "f.l", "task's")
    assert box.text("f.l") == "def"


def test_a_target_that_became_a_folder_or_lost_its_parent_comes_back(box: Box) -> None:
    box.commit(**{"a": "1", "d/b": "1"})
    with opened(box, "a", "d/b") as sandbox:
        (box.folder / "a").unlink()
        write(sandbox, "a/inner", "2")
        (box.folder / "d/b").unlink()
        (box.folder / "d").rmdir()
        write(sandbox, "d", "a file")
    assert (box.text("a"), box.text("d/b")) == ("1", "1")
    assert box.status() == ""


def test_a_target_behind_a_symlink_is_refused(box: Box, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    box.commit(a="1")
    os.symlink(tmp_path / "outside", box.folder / "link")
    with pytest.raises(Unusable, match="link"), opened(box, "link/f"):
        pass
    with opened(box, "new/f") as sandbox:
        (box.folder / "new").rmdir()
        os.symlink(tmp_path / "outside", box.folder / "new")
        write(sandbox, "new/f", "1")
        with pytest.raises(Unusable, match="new"):
            sandbox.result(["new/f"])


def test_changes_are_told_apart_from_what_was_dirty_before(box: Box) -> None:
    box.commit(**{".gitignore": "*.log\n", "a": "1", "b": "1", "c": "1", "d": "1", "e": "1"})
    box.type("b", "mine")
    box.type("mine", "1")
    box.type("c", "mine")
    box.type("e", "staged")
    box.git("add", "e")
    with opened(box, writes="any") as sandbox:
        assert sandbox.changed() == {}
        write(sandbox, "a", "2")
        write(sandbox, "b", "2")
        write(sandbox, "c", "1")
        (box.folder / "d").unlink()
        write(sandbox, "n/new", "1")
        write(sandbox, "x.log", "1")
        box.git("add", "a")
        expected = {"a": box.blob("2"), "b": box.blob("2"), "c": box.blob("1"), "d": None}
        assert sandbox.changed() == {**expected, "n/new": box.blob("1")}
        sandbox.accept()


def test_what_a_failed_attempt_left_is_a_change_of_the_next_one_too(box: Box) -> None:
    box.commit(a="1")
    box.type("mine", "1")
    with opened(box, "a", writes="any") as sandbox:
        write(sandbox, "b", "half")
        sandbox.reset()
        write(sandbox, "a", "2")
        assert sandbox.changed() == {"a": box.blob("2"), "b": box.blob("half")}
        sandbox.accept()


def test_a_task_in_place_may_run_in_another_thread(box: Box) -> None:
    box.commit(a="1")
    found: list[Mapping[str, Entry]] = []
    with opened(box, "a") as sandbox:
        write(sandbox, "a", "2")
        thread = threading.Thread(target=lambda: found.append(sandbox.result(["a"])))
        thread.start()
        thread.join()
    assert found == [{"a": box.blob("2")}]


def test_an_unborn_branch_has_a_place_to_work_in(box: Box) -> None:
    with opened(box, "a") as sandbox:
        write(sandbox, "a", "1")
        assert sandbox.result(["a"]) == {"a": box.blob("1")}
    with opened(box, "a", isolation="worktree") as sandbox:
        write(sandbox, "a", "1")
        assert sandbox.changed() == {"a": box.blob("1")}


# Worktrees


def test_a_private_worktree_holds_head_with_the_start_laid_over(box: Box) -> None:
    box.commit(**{"a": "1", "b": "1", "d/c": "1"})
    box.type("a", "dirty")
    before = box.sights()
    start = {"a": box.blob("start"), "b": None, "d/c": None, "d": box.blob("a file now")}
    with opened(box, "new/x", isolation="worktree", start=start) as sandbox:
        assert not sandbox.in_place
        assert files(sandbox.folder) == {"a": "start", "d": "a file now"}
        assert (Path(sandbox.folder) / "new").is_dir()
        assert sandbox.changed() == {}
        write(sandbox, "new/x", "1")
        write(sandbox, "a", "2")
        assert sandbox.changed() == {"new/x": box.blob("1"), "a": box.blob("2")}
        assert sandbox.result(["new/x"]) == {"new/x": box.blob("1")}
        assert sandbox.exists("new/x")
        assert box.sights() == before
        sandbox.accept()
    assert box.sights() == before
    assert "new" not in files(box.folder)
    box.fsck()


def test_a_worktree_is_used_again_without_what_the_last_task_left(box: Box) -> None:
    box.commit(**{".gitignore": "*.log\n", "a": "1"})
    with opened(box, isolation="worktree", writes="any") as sandbox:
        first = sandbox.folder
        write(sandbox, "a", "2")
        write(sandbox, "left", "1")
        write(sandbox, "x.log", "1")
        write(sandbox, "deep/down/here", "1")
        subprocess.run(["git", "init", "-q", "nested"], cwd=sandbox.folder, check=True)
    box.commit(b="1")
    with opened(box, isolation="worktree") as sandbox:
        assert sandbox.folder == first
        assert files(sandbox.folder) == {".gitignore": "*.log\n", "a": "1", "b": "1"}
        assert sandbox.changed() == {}


def test_two_sandboxes_at_once_have_two_worktrees(box: Box) -> None:
    box.commit(a="1")
    with opened(box, isolation="worktree") as one, opened(box, isolation="worktree") as two:
        assert one.folder != two.folder
        write(one, "a", "2")
        assert two.changed() == {}


def test_commits_and_staging_inside_are_folded_into_what_changed(box: Box) -> None:
    head = box.commit(a="1", b="1")
    with opened(box, isolation="worktree", writes="any") as sandbox:
        write(sandbox, "a", "2")
        write(sandbox, "c", "1")
        for args in (["add", "-A"], ["commit", "-qm", "agent"], ["switch", "-qc", "agents-branch"]):
            subprocess.run(["git", *args], cwd=sandbox.folder, check=True)
        write(sandbox, "b", "2")
        expected = {"a": box.blob("2"), "b": box.blob("2"), "c": box.blob("1")}
        assert sandbox.changed() == expected
        sandbox.reset()
        assert sandbox.changed() == {}
        shown = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=sandbox.folder, text=True)
        assert shown.strip() == head
    assert box.git("rev-parse", "main") == head
    assert box.git("log", "-1", "--format=%s", "agents-branch") == "agent"


def test_a_worktree_that_the_task_destroys_fails_the_attempt_and_heals(box: Box) -> None:
    box.commit(a="1")
    with opened(box, "a", isolation="worktree", writes="any") as sandbox:
        subprocess.run(["rm", "-rf", sandbox.folder], check=True)
        with pytest.raises(Unusable, match="destroyed"):
            sandbox.changed()
        with pytest.raises(Unusable, match="destroyed"):
            sandbox.result(["a"])
        sandbox.reset()
        assert files(sandbox.folder) == {"a": "1"}
        (Path(sandbox.folder) / ".git").write_text("gitdir: /nowhere\n")
        with pytest.raises(Unusable, match="destroyed"):
            sandbox.changed()
    with opened(box, isolation="worktree") as sandbox:
        assert files(sandbox.folder) == {"a": "1"}
        assert sandbox.changed() == {}
    assert len(box.git("worktree", "list").splitlines()) == 2
    box.fsck()


def test_a_damaged_index_or_folder_of_the_pool_is_mended(box: Box) -> None:
    box.commit(a="1")
    with opened(box, isolation="worktree") as sandbox:
        folder = Path(sandbox.folder)
    (folder.parent / f"{folder.name}.index").write_bytes(b"nonsense")
    (folder / "locked").mkdir()
    (folder / "locked/file").write_text("1")
    (folder / "locked").chmod(0o000)
    with opened(box, isolation="worktree") as sandbox:
        assert files(sandbox.folder) == {"a": "1"}


def test_ten_thousand_new_files_are_taken(box: Box) -> None:
    box.commit(a="1")
    with opened(box, isolation="worktree", writes="any") as sandbox:
        for number in range(10_000):
            write(sandbox, f"d{number % 50}/{number}", "same")
        assert len(sandbox.changed()) == 10_000


def test_a_new_link_out_of_the_tree_fails_the_attempt(box: Box) -> None:
    box.commit(a="1")
    with opened(box, isolation="worktree", writes="any") as sandbox:
        os.symlink("a", Path(sandbox.folder) / "inside")
        assert set(sandbox.changed()) == {"inside"}
        os.symlink("/etc/passwd", Path(sandbox.folder) / "outside")
        with pytest.raises(Unusable, match="outside"):
            sandbox.changed()


def test_shared_folders_are_linked_in_and_no_change(box: Box) -> None:
    box.commit(**{".gitignore": "node_modules/\n", "a": "1"})
    box.type("node_modules/lib", "1")
    with opened(box, isolation="worktree", writes="any", share=["node_modules/", "none"]) as sandbox:
        assert (Path(sandbox.folder) / "node_modules/lib").read_text() == "1"
        assert sandbox.changed() == {}
    with opened(box, isolation="worktree") as sandbox:
        assert files(sandbox.folder) == {".gitignore": "node_modules/\n", "a": "1"}
    assert box.text("node_modules/lib") == "1"


def test_strict_shows_only_what_may_be_seen(box: Box) -> None:
    box.commit(**{"in": "1", "dir/x": "1", "dir/y": "1", "secret": "1", "out": "old"})
    start = {"out": None, "laid": box.blob("over")}
    with opened(
        box, "out", isolation="strict", visible=["in", "dir/", "none", "out"], start=start
    ) as sandbox:
        assert files(sandbox.folder) == {"in": "1", "dir/x": "1", "dir/y": "1", "laid": "over"}
        write(sandbox, "out", "2")
        assert sandbox.result(["out"]) == {"out": box.blob("2")}
    with opened(box, isolation="worktree") as sandbox:
        assert "secret" in files(sandbox.folder)


def test_filters_are_applied_in_a_worktree_both_ways(box: Box) -> None:
    box.git("config", "filter.swap.clean", "tr ab AB")
    box.git("config", "filter.swap.smudge", "tr AB ab")
    box.commit(**{".gitattributes": "*.big filter=swap\n", "x.big": "abc"})
    with opened(box, isolation="worktree", start={"y.big": box.blob("BB")}, writes="any") as sandbox:
        assert files(sandbox.folder)["x.big"] == "abc"
        assert files(sandbox.folder)["y.big"] == "bb"
        write(sandbox, "x.big", "aaa")
        assert sandbox.changed() == {"x.big": box.blob("AAA")}


def test_a_sparse_checkout_has_full_worktrees(box: Box) -> None:
    box.commit(**{"in/a": "1", "out/b": "1"})
    box.git("sparse-checkout", "set", "in")
    box.git("config", "index.sparse", "false")
    with opened(box, isolation="worktree") as sandbox:
        assert files(sandbox.folder) == {"in/a": "1", "out/b": "1"}
        assert sandbox.changed() == {}


def test_the_pool_is_told_in_worktree_list_and_stops_neither_gc_nor_branch_deletion(box: Box) -> None:
    box.commit(a="1")
    box.git("branch", "other")
    with opened(box, isolation="worktree") as sandbox:
        box.git("branch", "-D", "other")
        box.git("gc", "-q", "--prune=now")
        assert files(sandbox.folder) == {"a": "1"}
    assert "locked a private worktree of specbuild's pool" in box.git("worktree", "list", "--porcelain")
    box.git("worktree", "prune")
    assert len(box.git("worktree", "list").splitlines()) == 2
    assert box.status() == ""


def test_no_hook_of_the_users_runs_in_the_pool(box: Box, tmp_path: Path) -> None:
    box.commit(a="1")
    hook = box.folder / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    with opened(box, isolation="worktree"):
        pass
    assert not (tmp_path / "ran").exists()
