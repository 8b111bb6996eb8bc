"""pre-push in each situation that docs/hooks.md lists, with real git and a real remote over file://."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gitbox import environment
from hooked import REPLACED, SCRIPTS, Clone, box
from repositories import wait_for

Make = Callable[..., Clone]
CHECK = '[build]\nexecutor = "shell"\n[hooks.pre-push]\nmode = "check"\n'
ROOT = Path(__file__).parents[2]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    def clone(*tasks: str, build: bool = True, **more: str) -> Clone:
        made = Clone(tmp_path / "clone", *tasks, **more)
        if build:
            made.build()
        made.hook("install")
        return made

    with environment(tmp_path / "home"):
        yield clone


def two(make: Make, **more: str) -> Clone:
    """A built clone of two tasks in a row, pushed."""
    clone = make(box("T001", "a.txt", "in.txt"), box("T002", "b.txt", "a.txt"), **{"in.txt": "1\n"}, **more)
    assert clone.push().code == 0
    return clone


def test_nothing_stale_is_pushed_silently(make: Make) -> None:
    clone = make(box("T001", "a.txt"))
    pushed = clone.push("-q", "origin", "main")
    assert pushed == (0, "")
    assert clone.there() == clone.head()


def test_a_repository_without_tasks_is_pushed_silently(make: Make) -> None:
    clone = make(build=False)
    clone.commit("first", **{"readme.txt": "hello\n"})
    assert clone.push("-q", "origin", "main") == (0, "")


def test_stale_tasks_of_the_checked_out_commit_are_built_and_a_second_push_brings_them(make: Make) -> None:
    clone = two(make)
    clone.type("in.txt", "2\n")
    before = clone.commit("edit")
    clone.ran()
    pushed = clone.push()
    assert pushed.code == 1
    assert "specbuild: built 2 tasks, push again\n" in pushed.said
    assert clone.ran() == ["T001", "T002"]
    assert clone.git("rev-parse", "HEAD~2") == before
    assert clone.there() != before
    assert clone.push().code == 0
    assert clone.there() == clone.head()
    clone.assert_tidy()


def test_a_new_branch_is_judged(make: Make) -> None:
    clone = two(make)
    clone.git("switch", "-qc", "topic")
    clone.type("in.txt", "2\n")
    clone.commit("edit")
    assert "built 2 tasks" in clone.push("origin", "topic").said
    assert clone.push("-u", "origin", "topic").code == 0
    assert clone.there("refs/heads/topic") == clone.head()


def test_deleting_a_branch_is_not_judged(make: Make) -> None:
    clone = two(make)
    assert clone.push("origin", "main:old").code == 0
    clone.type("in.txt", "2\n")
    clone.commit("edit")
    assert clone.push("-q", "origin", ":old") == (0, "")
    assert clone.there("refs/heads/old") is None


def test_a_tag_of_a_stale_commit_is_refused_unless_the_commit_was_pushed_before(make: Make) -> None:
    clone = two(make)
    clone.type("in.txt", "2\n")
    clone.commit("edit")
    clone.git("tag", "-a", "-m", "one", "v1")
    clone.git("tag", "tree-of-v1", "HEAD^{tree}")
    clone.git("tag", "blob-of-v1", "HEAD:in.txt")
    clone.git("switch", "-q", "--detach", "HEAD^")
    pushed = clone.push("origin", "v1")
    assert pushed.code == 1
    assert "tags/v1" in pushed.said
    assert "T001 do t001: input-changed: in.txt" in pushed.said
    assert clone.push("origin", "tree-of-v1", "blob-of-v1").code == 0
    assert clone.push("origin", "main", SPECBUILD="0").code == 0
    assert clone.push("-q", "origin", "v1") == (0, "")


def test_of_several_refs_each_is_judged_and_one_refuses_all(make: Make) -> None:
    clone = two(make)
    clone.git("branch", "good")
    clone.git("switch", "-qc", "bad")
    clone.type("in.txt", "2\n")
    clone.commit("edit")
    clone.git("switch", "-q", "main")
    pushed = clone.push("origin", "good", "bad")
    assert pushed.code == 1
    assert re.search(r"specbuild: bad \([0-9a-f]{7}\) is refused: 1 task is stale", pushed.said)
    assert "good (" not in pushed.said
    assert clone.there("refs/heads/good") is None


def test_the_same_commit_for_two_refs_is_built_once(make: Make) -> None:
    clone = two(make)
    clone.type("in.txt", "2\n")
    clone.commit("edit")
    pushed = clone.push("origin", "main:x", "main:y")
    assert pushed.said.count("built 2 tasks") == 1


def test_a_commit_that_is_not_checked_out_is_listed_and_nothing_is_built(make: Make) -> None:
    clone = two(make)
    clone.git("switch", "-qc", "other")
    clone.type("in.txt", "2\n")
    clone.commit("edit")
    clone.git("switch", "-q", "main")
    clone.ran()
    pushed = clone.push("origin", "other")
    assert pushed.code == 1
    assert "T001 do t001: input-changed: in.txt" in pushed.said
    assert "not built: the pushed commit is not checked out here" in pushed.said
    assert clone.ran() == []


def test_the_pushed_commit_counts_not_the_working_tree(make: Make) -> None:
    clone = two(make)
    clone.commit("more", **{"readme.txt": "x\n"})
    clone.type("in.txt", "2\n")
    assert clone.stale() == ["T001"]
    assert clone.push("-q", "origin", "main") == (0, "")


def test_a_dirty_input_keeps_it_from_building(make: Make) -> None:
    clone = two(make)
    clone.type("in.txt", "2\n")
    clone.commit("edit")
    clone.type("in.txt", "3\n")
    clone.ran()
    pushed = clone.push()
    assert pushed.code == 1
    assert "not built: in.txt differs from what is pushed, since it is not committed" in pushed.said
    assert clone.ran() == []
    assert clone.text("in.txt") == "3\n"


@pytest.mark.parametrize("inputs", ["parts", "parts/", "parts/*.txt", "parts/*"])
def test_an_input_that_came_or_went_and_is_not_committed_keeps_it_from_building(
    make: Make, inputs: str
) -> None:
    files = {"parts/1.txt": "1\n", "parts/2.txt": "2\n"}
    clone = make(box("T001", "a.txt", inputs, run="cat parts/*.txt >a.txt"), **files)
    clone.type("parts/1.txt", "one\n")
    tip = clone.commit("edit")
    clone.type("parts/3.txt", "3\n")
    assert "not built: parts/3.txt differs" in clone.push().said
    (clone.folder / "parts/3.txt").unlink()
    (clone.folder / "parts/2.txt").unlink()
    assert "not built: parts/2.txt differs" in clone.push().said
    assert clone.git("rev-parse", "HEAD") == tip


def test_a_dirty_file_that_is_no_input_does_not(make: Make) -> None:
    clone = two(make)
    clone.type("in.txt", "2\n")
    clone.commit("edit")
    clone.type("notes.txt", "mine\n")
    assert "built 2 tasks, push again" in clone.push().said
    assert clone.git("status", "--porcelain") == "?? notes.txt"


def test_a_generated_file_edited_meanwhile_is_not_written_over(make: Make) -> None:
    clone = two(make)
    clone.type("in.txt", "2\n")
    clone.commit("edit")
    clone.type("b.txt", "by hand\n")
    assert "not built: b.txt differs" in clone.push().said
    assert clone.text("b.txt") == "by hand\n"


def test_a_detached_head_is_built(make: Make) -> None:
    clone = two(make)
    clone.git("switch", "-q", "--detach")
    clone.type("in.txt", "2\n")
    clone.commit("edit")
    assert "built 2 tasks, push again" in clone.push("origin", "HEAD:main").said
    assert clone.push("origin", "HEAD:main").code == 0
    assert clone.there() == clone.head()


@pytest.mark.parametrize("pushed", ["v1", "beside"])
def test_where_another_push_would_not_bring_what_was_built_that_is_said(make: Make, pushed: str) -> None:
    clone = two(make)
    clone.type("in.txt", "2\n")
    tip = clone.commit("edit")
    clone.git("tag", "v1")
    clone.git("branch", "beside")
    name = "tags/v1" if pushed == "v1" else pushed
    said = f"built 2 tasks on main, where {name} ({tip[:7]}) is not: move it there, push again"
    assert said in clone.push("origin", pushed).said
    clone.git(*(["tag", "-f", "v1"] if pushed == "v1" else ["branch", "-f", "beside"]), "main")
    assert clone.push("origin", pushed).code == 0


def test_in_a_linked_worktree_that_ones_files_are_built(make: Make) -> None:
    clone = two(make)
    other = clone.folder.parent / "other"
    clone.git("worktree", "add", "-q", "-b", "other", str(other))
    (other / "in.txt").write_text("2\n")
    clone.do("git", "commit", "-qam", "edit", cwd=other)
    before = clone.head()
    assert "built 2 tasks, push again" in clone.push("origin", "other", cwd=other).said
    assert (other / "a.txt").read_text() != clone.text("a.txt")
    assert clone.head() == before
    assert clone.push("origin", "other", cwd=other).code == 0
    clone.assert_tidy()


def test_from_a_folder_below_it_is_the_same(make: Make) -> None:
    clone = two(make)
    clone.type("sub/file.txt", "x\n")
    clone.type("in.txt", "2\n")
    clone.commit("edit")
    assert "built 2 tasks, push again" in clone.push(cwd=clone.folder / "sub").said


@pytest.mark.parametrize("flag", ["--dry-run", "-n", "-fn"])
def test_a_dry_run_says_what_is_stale_and_builds_nothing(make: Make, flag: str) -> None:
    clone = two(make)
    clone.type("in.txt", "2\n")
    clone.commit("edit")
    clone.ran()
    pushed = clone.push(flag, "origin", "main")
    assert pushed.code == 1
    assert "T001 do t001: input-changed" in pushed.said
    assert "this is a dry run" in pushed.said
    assert clone.ran() == []


def test_where_there_is_nothing_to_push_nothing_is_judged(make: Make) -> None:
    clone = two(make)
    clone.type("tasks.md", "- [ ] T001 nonsense (depends on T999)\n")
    assert clone.push("-q", "origin", "main") == (0, "")


def test_a_forced_push_of_an_older_commit_is_judged(make: Make) -> None:
    clone = two(make)
    clone.type("in.txt", "2\n")
    stale = clone.commit("edit")
    clone.build()
    assert clone.push().code == 0
    pushed = clone.push("-f", "origin", f"{stale}:main")
    assert pushed.code == 1
    assert "the pushed commit is not checked out here" in pushed.said
    assert clone.there() == clone.head()


def test_a_failing_task_refuses_the_push_and_what_was_done_stays(make: Make) -> None:
    clone = make(
        box("T001", "a.txt"),
        box("T002", "b.txt", "a.txt", run='echo "no such luck" >&2; exit 3'),
        build=False,
    )
    pushed = clone.push()
    assert pushed.code == 1
    assert "no such luck" in pushed.said
    assert "main is refused: 1 task built, but not all; go on with specbuild --continue" in pushed.said
    assert clone.subjects()[0] == "T001 do t001"
    assert clone.there() is None


def test_keep_tasks_are_listed_and_refuse_nothing(make: Make) -> None:
    clone = make(
        box("T001", "a.txt", keep=True), box("T002", "b.txt"), box("T003", "c.txt", "a.txt"), build=False
    )
    pushed = clone.push()
    assert "built 1 task, push again" in pushed.said
    assert clone.ran() == ["T002"]
    pushed = clone.push()
    assert pushed.code == 0
    assert "specbuild: main: keep tasks are left to you: T001\n" in pushed.said
    assert "specbuild: main: waiting for those: T003\n" in pushed.said
    assert clone.ran() == []


def test_keep_tasks_that_became_stale_below_a_build_are_not_repeated(make: Make) -> None:
    clone = make(
        box("T001", "a.txt", "in.txt"), box("T002", "b.txt", "a.txt", keep=True), **{"in.txt": "1\n"}
    )
    clone.type("in.txt", "2\n")
    clone.commit("edit")
    clone.ran()
    assert "built 1 task, push again" in clone.push().said
    assert clone.ran() == ["T001"]
    pushed = clone.push()
    assert pushed.code == 0
    assert "keep tasks are left to you: T002" in pushed.said


def test_with_hooks_keep_those_count_too(make: Make) -> None:
    clone = make(
        box("T001", "a.txt", "in.txt", keep=True),
        config='[build]\nexecutor = "shell"\n[hooks]\nkeep = true\n',
        **{"in.txt": "1\n"},
    )
    clone.type("in.txt", "2\n")
    clone.commit("edit")
    clone.ran()
    assert "built 1 task, push again" in clone.push().said
    assert clone.ran() == ["T001"]
    assert clone.push("-q", "origin", "main") == (0, "")


def test_what_a_person_rolled_back_is_mentioned_and_neither_built_nor_refused(make: Make) -> None:
    clone = two(make)
    clone.git("revert", "--no-edit", clone.found("T002"))
    clone.ran()
    pushed = clone.push()
    assert pushed.code == 0
    assert "main: rolled back, so left alone: T002" in pushed.said
    assert clone.ran() == []
    clone.git("revert", "--no-edit", clone.found("T001"))
    clone.type("notes.txt", "x\n")
    pushed = clone.push()
    assert pushed.code == 0
    assert "rolled back, so left alone: T001, T002" in pushed.said


def test_what_hangs_on_a_task_that_was_rolled_back_alone_refuses_nothing_either(make: Make) -> None:
    clone = two(make)
    clone.git("revert", "--no-edit", clone.found("T001"))
    clone.ran()
    pushed = clone.push()
    assert pushed.code == 0, pushed.said
    assert "main: rolled back, so left alone: T001, T002" in pushed.said
    assert clone.ran() == []


def test_tasks_that_nothing_decides_are_unfinished_work(make: Make) -> None:
    clone = make(build=False)
    clone.commit("start", **{"tasks.md": "- [ ] T001 Write the model in src/model.py\n- [ ] T002 Check it\n"})
    pushed = clone.push()
    assert pushed.code == 0, pushed.said
    assert "T001, T002" in pushed.said


def test_of_several_open_kinds_only_what_can_be_built_is(make: Make) -> None:
    """A phase that waits for a person's task holds back its own tasks, and no push."""
    clone = make(build=False)
    clone.type("specbuild.toml", '[build]\nexecutor = "shell"\n')
    first = box("T001", "a.txt", keep=True) + box("T002", "b.txt", marks="[P]")
    clone.type("tasks.md", f"## Phase 1: One\n\n{first}\n## Phase 2: Two\n\n{box('T003', 'c.txt')}")
    clone.commit("start")
    assert "built 1 task, push again" in clone.push().said
    assert clone.ran() == ["T002"]
    pushed = clone.push()
    assert pushed.code == 0
    assert "keep tasks are left to you: T001" in pushed.said
    assert "waiting for those: T003" in pushed.said


def test_ctrl_c_ends_build_and_push_and_leaves_all_as_it_was(make: Make) -> None:
    clone = make(box("T001", "a.txt", run='echo T001 >>"$RAN"; echo half >a.txt; sleep 60'), build=False)
    before = clone.head()
    process = start_push(clone)
    wait_for(lambda: clone.text("a.txt") is not None)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=30)[0].decode()
    assert process.returncode != 0
    assert "interrupted: nothing is pushed" in said
    assert clone.head() == before
    assert clone.text("a.txt") is None
    assert clone.there() is None


def start_push(clone: Clone) -> "subprocess.Popen[bytes]":
    env = {name: value for name, value in os.environ.items() if name not in REPLACED}
    return subprocess.Popen(
        ["git", "push", "origin", "main"],
        cwd=clone.folder,
        env={**env, "PATH": f"{SCRIPTS}:{env['PATH']}", "RAN": str(clone.log)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def test_when_its_time_is_over_it_stops_cleanly_and_says_how_to_go_on(make: Make) -> None:
    slow = box("T002", "b.txt", run="echo half >b.txt; sleep 60")
    config = '[build]\nexecutor = "shell"\n[hooks.pre-push]\nbudget = "3s"\n'
    clone = make(box("T001", "a.txt"), slow, build=False, config=config)
    began = time.monotonic()
    pushed = clone.push()
    assert time.monotonic() - began < 30
    assert pushed.code == 1
    assert "stopped after 3 seconds, the budget of [hooks.pre-push]" in pushed.said
    assert "go on with specbuild --continue, then push again" in pushed.said
    assert clone.subjects()[0] == "T001 do t001"
    assert clone.text("b.txt") is None


def test_in_check_mode_only_what_was_completed_refuses_and_nothing_is_built(make: Make) -> None:
    clone = two(make, config=CHECK)
    clone.tasks(
        box("T001", "a.txt", "in.txt", ticked=True),
        box("T002", "b.txt", "a.txt", ticked=True),
        box("T003", "c.txt"),
    )
    clone.commit("a new task")
    assert clone.push("-q", "origin", "main") == (0, "")
    clone.type("in.txt", "2\n")
    clone.commit("edit")
    clone.ran()
    pushed = clone.push()
    assert pushed.code == 1
    assert "is refused: 1 task is stale" in pushed.said
    assert "T001 do t001: input-changed: in.txt" in pushed.said
    assert clone.ran() == []


def test_specbuild_0_skips_and_says_so(make: Make) -> None:
    clone = make(box("T001", "a.txt"), build=False)
    pushed = clone.push("-q", "origin", "main", SPECBUILD="0")
    assert pushed == (0, "specbuild: the pre-push hook is skipped (SPECBUILD=0)\n")
    assert clone.hook("run", "pre-push", SPECBUILD="0") == pushed.said


def test_specbuild_skip_leaves_out_the_tasks_that_it_names_and_says_so(make: Make) -> None:
    clone = make(box("T001", "a.txt"), box("T002", "b.txt"), box("T003", "c.txt"), build=False)
    pushed = clone.push(SPECBUILD_SKIP="t001,tasks.md#T003")
    assert "built 1 task, push again" in pushed.said
    assert clone.ran() == ["T002"]
    pushed = clone.push(SPECBUILD_SKIP="T001,T003")
    assert pushed.code == 0
    assert "main: skipped by SPECBUILD_SKIP: T001, T003" in pushed.said


def test_a_name_in_specbuild_skip_that_no_task_has_is_told(make: Make) -> None:
    clone = make(box("T001", "a.txt"), box("T002", "b.txt"))
    pushed = clone.push("-q", "origin", "main", SPECBUILD_SKIP="T001,T00x, T002")
    unknown = "specbuild: SPECBUILD_SKIP names T00x, but no pushed task is called that; did you mean T002?\n"
    assert pushed == (0, unknown)


def test_no_variable_of_git_reaches_a_recipe(make: Make) -> None:
    spill = "env | grep '^GIT_' | cut -d= -f1 | sort >a.txt; git init -q inner; git -C inner rev-parse --git-dir >b.txt"
    clone = make(box("T001", "a.txt b.txt", run=spill), build=False)
    other = clone.folder.parent / "other"
    clone.git("worktree", "add", "-q", "-b", "other", str(other))
    pushed = clone.push("origin", "other", cwd=other)
    assert "built 1 task" in pushed.said, pushed.said
    seen = set((other / "a.txt").read_text().split())
    told = subprocess.run(
        ["git", "rev-parse", "--local-env-vars"], capture_output=True, check=True, text=True
    )
    assert not seen & set(told.stdout.split())
    assert seen <= set(os.environ)  # only what the person's own environment has
    assert (other / "b.txt").read_text() == ".git\n"


def test_a_recipe_that_commits_and_pushes_does_not_recurse(make: Make, tmp_path: Path) -> None:
    run = 'echo T001 >>"$RAN"; echo made >a.txt; git commit -q --allow-empty -m side; git push -q origin HEAD:side'
    clone = make(box("T001", "a.txt", run=run), build=False)
    clone.hook("install", "post-rewrite", "post-checkout", "post-merge", "pre-push")
    pushed = clone.push()
    assert pushed.said.count("push again") == 1, pushed.said
    assert clone.ran() == ["T001"]
    assert clone.there("refs/heads/side") is not None


@pytest.mark.parametrize(
    ("file", "text"),
    [("tasks.md", "- [ ] T001 nonsense (depends on T999)\n"), ("specbuild.toml", "nonsense = 1\n")],
)
def test_a_broken_task_file_refuses_the_push_with_its_line(make: Make, file: str, text: str) -> None:
    clone = two(make)
    clone.type(file, text)
    clone.commit("broken")
    pushed = clone.push()
    assert pushed.code == 1
    assert f"{file}:1" in pushed.said


def test_a_history_that_is_cut_is_an_error_and_no_guess(make: Make, tmp_path: Path) -> None:
    clone = two(make)
    for number in range(3):
        clone.commit(f"more {number}")
    assert clone.push().code == 0
    shallow = tmp_path / "shallow"
    clone.git("clone", "-q", "--depth", "1", f"file://{clone.remote}", str(shallow))
    clone.hook("install", cwd=shallow)
    pushed = clone.push("origin", "main:copy", cwd=shallow)
    assert pushed.code == 1
    assert "git fetch --unshallow" in pushed.said


def test_notes_and_specbuilds_own_refs_are_not_judged(make: Make) -> None:
    clone = make(box("T001", "a.txt"), build=False)
    clone.git("notes", "add", "-m", "hello", "HEAD")
    clone.git("update-ref", "refs/specbuild/saved/x", "HEAD")
    assert clone.push("-q", "origin", "refs/notes/commits", "refs/specbuild/saved/x") == (0, "")


def test_among_several_task_files_the_one_of_the_pushed_branch_is_meant(make: Make) -> None:
    clone = make(build=False)
    clone.type("specbuild.toml", '[build]\nexecutor = "shell"\n')
    clone.type("specs/001-auth/tasks.md", box("T001", "a.txt"))
    clone.type("specs/002-pay/tasks.md", box("T001", "b.txt"))
    clone.commit("start")
    clone.git("switch", "-qc", "001-auth")
    assert "built 1 task, push again" in clone.push("origin", "001-auth").said
    assert clone.text("a.txt") is not None
    assert clone.push("-q", "origin", "001-auth") == (0, "")
    clone.git("switch", "-q", "main")
    assert "built 2 tasks, push again" in clone.push("origin", "main").said


def test_a_running_build_refuses_a_push_that_would_build(make: Make) -> None:
    clone = make(box("T001", "a.txt", run="echo half >a.txt; sleep 60"), build=False)
    process = clone.start("run")
    try:
        wait_for(lambda: clone.text("a.txt") is not None)
        pushed = clone.push()
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert pushed.code == 1
    assert "not built" in pushed.said


def test_specbuild_push_builds_and_pushes_what_it_built_with_all_arguments(make: Make) -> None:
    clone = two(make)
    clone.type("in.txt", "2\n")
    clone.commit("edit")
    done = clone.do("specbuild", "push", "-u", "--follow-tags", "origin", "main:there")
    assert done.code == 0, done.said
    assert clone.there("refs/heads/there") == clone.head()
    assert clone.subjects()[0] == "T002 do t002"
    assert clone.git("config", "branch.main.merge") == "refs/heads/there"


def test_specbuild_push_does_not_push_what_it_could_not_build(make: Make) -> None:
    clone = make(box("T001", "a.txt", run="exit 3"), build=False)
    done = clone.do("specbuild", "push", "origin", "main")
    assert done.code == 1
    assert "not pushed" in done.said
    assert clone.there() is None


def test_specbuild_push_fails_as_git_push_does(make: Make) -> None:
    clone = make(box("T001", "a.txt"))
    done = clone.do("specbuild", "push", "nowhere", "main")
    assert done.code == 1
    assert "nowhere" in done.said


def test_each_situation_of_the_manual_is_a_test() -> None:
    manual = (ROOT / "docs/hooks.md").read_text("utf-8")
    rows = re.findall(r"^\|.*\| (`test_\w+`(?:, `test_\w+`)*) \|$", manual, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"\w+", row)}
    tests = {
        path.stem: set(re.findall(r"^def (test_\w+)", path.read_text("utf-8"), re.MULTILINE))
        for path in (ROOT / "tests/e2e").glob("test_hooks_*.py")
    }
    assert named <= set().union(*tests.values())
    assert tests["test_hooks_push"] - named == {"test_each_situation_of_the_manual_is_a_test"}
