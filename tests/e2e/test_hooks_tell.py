"""post-checkout, post-merge and post-rewrite say how many tasks became stale, and stop nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gitbox import environment
from hooked import Clone, box

Make = Callable[..., Clone]
ONE = "specbuild: 1 task became stale; specbuild status says why\n"


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Clone]:
    """Two tasks, built; a branch `other` on which an input of the first differs; all hooks."""
    with environment(tmp_path / "home"):
        made = Clone(
            tmp_path / "clone",
            box("T001", "a.txt", "in.txt"),
            box("T002", "b.txt"),
            **{"in.txt": "1\n"},
        )
        made.build()
        made.git("switch", "-qc", "other")
        made.type("in.txt", "2\n")
        made.commit("edit")
        made.git("switch", "-q", "main")
        made.hook("install", "pre-push", "post-checkout", "post-merge", "post-rewrite")
        yield made


def test_a_switch_says_how_many_tasks_became_stale(clone: Clone) -> None:
    assert clone.do("git", "switch", "-q", "other") == (0, ONE)
    assert clone.do("git", "switch", "-q", "main") == (0, "")
    assert clone.do("git", "switch", "-q", "--detach") == (0, "")


def test_a_checkout_of_files_says_nothing(clone: Clone) -> None:
    assert clone.do("git", "checkout", "-q", "other", "--", "in.txt") == (0, "")


def test_a_new_worktree_says_nothing(clone: Clone) -> None:
    done = clone.do("git", "worktree", "add", "-q", str(clone.folder.parent / "new"), "other")
    assert done == (0, "")


def test_a_merge_says_how_many_tasks_became_stale(clone: Clone) -> None:
    done = clone.do("git", "merge", "-q", "--no-edit", "other")
    assert done.code == 0
    assert done.said.endswith(ONE)


def test_a_rebase_says_it_once_at_its_end(clone: Clone) -> None:
    clone.commit("mine", **{"mine.txt": "1\n"})
    clone.commit("mine too", **{"mine.txt": "2\n"})
    done = clone.do("git", "rebase", "-q", "other")
    assert done == (0, ONE)


def test_an_amended_commit_says_how_many_tasks_became_stale(clone: Clone) -> None:
    clone.commit("mine", **{"mine.txt": "1\n"})
    clone.type("in.txt", "3\n")
    done = clone.do("git", "commit", "-q", "-a", "--amend", "--no-edit")
    assert done == (0, ONE)
    assert clone.do("git", "commit", "-q", "--amend", "-m", "reworded") == (0, "")


def test_a_bisection_is_silent(clone: Clone) -> None:
    for number in range(4):
        clone.commit(f"more {number}")
    clone.git("bisect", "start", "-q", "HEAD", "HEAD~4")
    assert "specbuild" not in clone.do("git", "bisect", "good").said


def test_a_task_file_that_cannot_be_read_does_not_stop_git(clone: Clone) -> None:
    clone.git("switch", "-qc", "broken")
    clone.type("tasks.md", "- [ ] T001 nonsense (depends on T999)\n")
    clone.commit("broken")
    clone.git("switch", "-q", "main", ok=False)
    done = clone.do("git", "switch", "-q", "broken")
    assert done.code == 0
    assert "tasks.md:1" in done.said


def test_leaving_a_broken_commit_or_an_unborn_branch_says_nothing(clone: Clone) -> None:
    clone.git("switch", "-qc", "broken")
    clone.commit("broken", **{"tasks.md": "- [ ] T001 nonsense (depends on T999)\n"})
    assert clone.do("git", "switch", "-q", "main") == (0, "")
    assert clone.do("git", "switch", "-q", "--orphan", "new") == (0, "")
    assert clone.do("git", "switch", "-q", "main") == (0, "")


def test_specbuild_0_silences_them_but_says_so(clone: Clone) -> None:
    done = clone.do("git", "switch", "-q", "other", SPECBUILD="0")
    assert done == (0, "specbuild: the post-checkout hook is skipped (SPECBUILD=0)\n")


def test_a_foreign_post_rewrite_hook_reads_the_same_lines(clone: Clone, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    hook = clone.folder / ".git/hooks/post-rewrite"
    clone.hook("uninstall", "post-rewrite")
    clone.own(hook, f'#!/bin/sh\necho "$1" >>{notes}\ncat >>{notes}\n')
    clone.hook("install", "post-rewrite")
    before = clone.head()
    clone.type("in.txt", "3\n")
    done = clone.do("git", "commit", "-q", "-a", "--amend", "--no-edit")
    assert done == (0, ONE)
    assert notes.read_text() == f"amend\n{before} {clone.head()}\n"


def test_a_squash_that_is_not_committed_says_nothing(clone: Clone) -> None:
    clone.commit("mine", **{"mine.txt": "1\n"})
    assert "became stale" not in clone.do("git", "merge", "-q", "--squash", "other").said


def test_a_repository_whose_folders_stand_apart_is_not_stopped(clone: Clone, tmp_path: Path) -> None:
    """Started by `git --git-dir`, a hook's folder may belong to some other repository."""
    away = tmp_path / "away"
    away.mkdir()
    git = ("git", f"--git-dir={clone.folder / '.git'}", f"--work-tree={away}")
    done = clone.do(*git, "checkout", "-q", "-f", "other", cwd=away)
    assert done.code == 0
    assert (away / "in.txt").read_text() == "2\n"
