"""SPEC section 6: git hooks of the user's around checkpoints' commits, where `run_hooks = true` asks for them."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from repositories import ROOT, Workshop, alive, box, wait_for, workshops

from specbuild.cli.committing import commit_hooks
from specbuild.config import Build
from specbuild.git.commithooks import CommitHooks
from specbuild.git.repository import Ident

CONFIG = '[build]\nexecutor = "shell"\nrun_hooks = true\n'
A = box("T001", "a.txt", marks="[P]", run="echo a >a.txt")
B = box("T002", "b.txt", marks="[P]", run="echo b >b.txt")


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workshop]:
    with workshops(tmp_path) as make:
        yield make(A, B, config=CONFIG)


def hook(work: Workshop, name: str, script: str, *, folder: str = ".git/hooks") -> None:
    """A hook of the person's; what it notes is beside the repository, as $NOTES."""
    path = work.folder / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\nNOTES='{notes(work)}'\n{script}\n")
    path.chmod(0o755)


def notes(work: Workshop) -> Path:
    return work.folder.parent / "notes"


def noted(work: Workshop) -> list[str]:
    return notes(work).read_text().splitlines() if notes(work).exists() else []


def failed_refs(work: Workshop) -> list[str]:
    return work.git("for-each-ref", "--format=%(refname)", "refs/specbuild/failed").split()


# Which run, and what they see


def test_without_run_hooks_none_of_them_runs(tmp_path: Path) -> None:
    with workshops(tmp_path) as make:
        work = make(A)
        for name in ("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit"):
            hook(work, name, f"echo {name} >>$NOTES; exit 1")
        work.build()
        assert noted(work) == []
        assert commit_hooks(work.repo, Build()) is None


def test_the_hooks_of_a_commit_run_in_gits_order_with_gits_arguments(work: Workshop) -> None:
    for name in ("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit"):
        hook(work, name, f'echo {name} "$#" "$(basename "${{1:-none}}")" "$2" >>$NOTES')
    work.build("--filter", "T001")
    assert noted(work) == [
        "pre-commit 0 none ",
        "prepare-commit-msg 2 COMMIT_EDITMSG message",
        "commit-msg 1 COMMIT_EDITMSG ",
        "post-commit 0 none ",
    ]


@pytest.mark.parametrize("options", [(), ("-j", "4")], ids=["serial", "parallel"])
def test_each_commits_hooks_see_its_own_index_on_top_of_head(
    work: Workshop, options: tuple[str, ...]
) -> None:
    hook(work, "pre-commit", "git diff --cached --name-only HEAD | tr '\\n' ' ' >>$NOTES; echo >>$NOTES")
    hook(work, "post-commit", "git log -1 --format=%s >>$NOTES")
    work.build(*options)
    assert sorted(noted(work)) == ["T001 do t001", "T002 do t002", "a.txt tasks.md ", "b.txt tasks.md "]
    assert work.git("status", "--porcelain") == ""


def test_what_a_person_has_staged_is_not_in_the_index_that_hooks_see(work: Workshop) -> None:
    work.type("mine.txt", "mine\n")
    work.git("add", "mine.txt")
    hook(work, "pre-commit", "git diff --cached --name-only HEAD >>$NOTES")
    work.build("--filter", "T001")
    assert noted(work) == ["a.txt", "tasks.md"]
    assert work.git("status", "--porcelain") == "A  mine.txt"


def test_edited_inputs_pass_the_hooks_too(tmp_path: Path) -> None:
    with workshops(tmp_path) as make:
        work = make(box("T001", "a.txt", "in.txt", run="cp in.txt a.txt"), config=CONFIG)
        work.type("in.txt", "1\n")
        hook(work, "commit-msg", 'head -1 "$1" >>$NOTES')
        work.build()
        assert noted(work) == ["specbuild: save edited inputs", "T001 do t001"]


def test_a_task_of_a_private_worktree_is_shown_with_its_files_and_on_its_branch(tmp_path: Path) -> None:
    with workshops(tmp_path) as make:
        rule = '[[rule]]\nmatch = "T001"\nisolation = "worktree"\n'
        work = make(A, config=CONFIG + rule)
        hook(
            work,
            "pre-commit",
            "cat a.txt >>$NOTES; git symbolic-ref HEAD >>$NOTES; git diff --name-only >>$NOTES\n"
            "git rev-parse --is-inside-git-dir --show-toplevel HEAD >>$NOTES; pwd -P >>$NOTES",
        )
        head = work.head()
        work.build()
        inside, top, commit, folder = noted(work)[3:]
        # the tick is made for the commit only, so that file differs from the index
        assert noted(work)[:3] == ["a", "refs/heads/main", "tasks.md"]
        # the program pre-commit looks at this
        assert (inside, top, commit) == ("false", folder, head)
        assert folder != str(work.folder.resolve())


def test_a_strict_tasks_commit_is_shown_in_the_working_tree(tmp_path: Path) -> None:
    with workshops(tmp_path) as make:
        rule = '[[rule]]\nmatch = "T001"\nisolation = "strict"\n'
        work = make(A, config=CONFIG + rule)
        hook(work, "pre-commit", "pwd -P >>$NOTES; git show :a.txt >>$NOTES")
        work.build()
        assert noted(work) == [str(work.folder.resolve()), "a"]


def test_a_relative_hooks_path_is_meant_from_the_top_wherever_a_task_works(tmp_path: Path) -> None:
    with workshops(tmp_path) as make:
        rule = '[[rule]]\nmatch = "T001"\nisolation = "worktree"\n'
        work = make(A, config=CONFIG + rule)
        work.git("config", "core.hooksPath", ".mine")
        work.type(".git/info/exclude", ".mine\n")
        hook(work, "pre-commit", "echo here >>$NOTES", folder=".mine")
        work.build()
        assert noted(work) == ["here"]


def test_hooks_get_the_authors_name_and_no_editor_and_pathspecs_work(work: Workshop) -> None:
    hook(
        work,
        "pre-commit",
        'echo "$GIT_AUTHOR_NAME $GIT_EDITOR" >>$NOTES; git diff --cached --name-only -- "*.txt" >>$NOTES',
    )
    work.build("--filter", "T001")
    assert noted(work) == [f"{work.git('log', '-1', '--format=%an')} :", "a.txt"]


def test_a_hook_file_that_is_not_executable_is_none(work: Workshop) -> None:
    hook(work, "pre-commit", "exit 1")
    (work.folder / ".git/hooks/pre-commit").chmod(0o644)
    work.build()


def test_specbuild_in_a_hook_does_not_recurse(work: Workshop) -> None:
    """Pre-commit's configuration may name ours; without the guard it would find T001 stale, and refuse."""
    called = f"PYTHONPATH='{ROOT}' '{sys.executable}' -m specbuild hook run pre-commit"
    hook(work, "pre-commit", f"{called} >>$NOTES 2>&1; echo $? >>$NOTES")
    work.build("--filter", "T001")
    assert noted(work) == ["0"]


def test_they_run_on_an_unborn_branch_and_in_a_linked_worktree_and_on_a_detached_head(tmp_path: Path) -> None:
    with workshops(tmp_path) as make:
        work = make(config=CONFIG)
        work.type("specbuild.toml", CONFIG)
        work.tasks(A)
        hook(work, "pre-commit", "git ls-files >>$NOTES")
        work.build()
        # what the key looks at is saved first, then comes the result
        assert noted(work) == ["specbuild.toml", "tasks.md", "a.txt", "specbuild.toml", "tasks.md"]
        notes(work).unlink()
        work.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
        linked = make(name="linked")
        linked.tasks(A, B)
        linked.build()
        assert noted(work)[-4:] == ["a.txt", "b.txt", "specbuild.toml", "tasks.md"]
        assert linked.git("status", "--porcelain") == ""


# Refusals


def test_a_refused_commit_fails_its_task_and_undoes_its_work(work: Workshop) -> None:
    head = work.head()
    hook(work, "pre-commit", 'echo "a.txt has a fault" >&2; exit 3')
    done = work.call("run")
    assert done.code == 1
    assert 'the pre-commit hook refuses the commit "T001 do t001": it ended with exit code 3' in done.err
    assert "a.txt has a fault" in done.err
    assert work.head() == head
    assert work.git("status", "--porcelain") == ""
    [ref] = failed_refs(work)
    assert work.git("show", f"{ref}:a.txt") == "a"
    assert work.verdicts()["T001"] == "stale"


def test_in_a_parallel_run_others_go_on(work: Workshop) -> None:
    hook(work, "commit-msg", '! grep -q T001 "$1"')
    done = work.call("run", "-j", "2")
    assert done.code == 1
    assert work.verdicts() == {"T001": "stale", "T002": "up-to-date"}


def test_after_a_refusal_by_pre_commit_a_further_attempt_is_made(tmp_path: Path) -> None:
    with workshops(tmp_path) as make:
        retried = box("T001", "a.txt", more="retries: 1", run='echo x >>"$RAN"; wc -l <"$RAN" >a.txt')
        work = make(retried, config=CONFIG)
        hook(work, "pre-commit", "test $(git show :a.txt) -gt 1")
        assert work.build() == ["x", "x"]
        assert failed_refs(work) == []


def test_a_refused_message_is_refused_at_once(tmp_path: Path) -> None:
    with workshops(tmp_path) as make:
        work = make(
            box("T001", "a.txt", more="retries: 2", run='echo x >>"$RAN"; echo a >a.txt'), config=CONFIG
        )
        hook(work, "commit-msg", "exit 1")
        assert work.build(code=1) == ["x"]


def test_a_result_that_would_be_reused_is_refused_like_any_other(tmp_path: Path) -> None:
    with workshops(tmp_path) as make:
        work = make(box("T001", "a.txt", "in.txt", run='echo x >>"$RAN"; cp in.txt a.txt'), config=CONFIG)
        for text in ("1\n", "2\n"):
            work.type("in.txt", text)
            work.build()
        work.type("in.txt", "1\n")
        hook(work, "pre-commit", "exit 1")
        assert work.build(code=1) == []
        assert (work.folder / "a.txt").read_text() == "2\n"


def test_a_pre_commit_hook_that_stages_something_else_is_refused(work: Workshop) -> None:
    hook(work, "pre-commit", "echo formatted >a.txt; git add a.txt")
    done = work.call("run")
    assert done.code == 1
    assert "it changed what is to be committed: a.txt" in done.err
    assert not (work.folder / "a.txt").exists()


def test_a_pre_commit_hook_that_changes_a_result_is_refused(work: Workshop) -> None:
    hook(work, "pre-commit", "echo formatted >a.txt")
    done = work.call("run")
    assert done.code == 1
    assert "it changed what the task made: a.txt" in done.err
    assert work.git("status", "--porcelain") == ""


def test_a_refused_adoption_and_a_refused_rollback_leave_everything(work: Workshop) -> None:
    work.build()
    head = work.head()
    hook(work, "commit-msg", "echo no such thing; exit 1")
    done = work.call("rollback", "T002")
    assert done.code == 1
    assert "no such thing" in done.err
    work.type("a.txt", "by hand\n")
    done = work.call("adopt", "T001")
    assert done.code == 1
    assert "the commit-msg hook refuses" in done.err
    assert work.head() == head
    assert (work.folder / "a.txt").read_text() == "by hand\n"


def test_a_box_that_may_not_be_ticked_again_is_told(work: Workshop) -> None:
    work.build()
    work.type("tasks.md", (work.folder / "tasks.md").read_text().replace("[x] T001", "[ ] T001"))
    work.commit("untick")
    hook(work, "pre-commit", "exit 1")
    done = work.call("run")
    assert done.code == 0
    assert "boxes of complete tasks stay unticked" in done.err


# Messages


def test_a_hook_may_edit_the_message(work: Workshop) -> None:
    hook(work, "prepare-commit-msg", 'sed -i.bak "1s/^/[ABC-1] /" "$1"')
    hook(work, "commit-msg", 'printf "\\n\\nChange-Id: I1  \\n\\n\\n" >>"$1"')
    work.build()
    message = work.git("log", "-1", "--format=%B")
    assert message.startswith("[ABC-1] T002 do t002\n\nSpecbuild-Checkpoint: v1 ")
    assert message.endswith("\n\nChange-Id: I1")
    assert work.stale() == []


@pytest.mark.parametrize(
    "script",
    [
        'sed -i.bak /Specbuild/d "$1"',
        'fold -w 60 "$1" >"$1.new"; mv "$1.new" "$1"',
        'sed -i.bak "s/=[0-9a-f]*/=00000000000000000000/" "$1"',
        'grep Specbuild "$1" | sed "s/T001/T009/" >"$1.more"; cat "$1.more" >>"$1"',
    ],
    ids=["removed", "wrapped", "altered", "added"],
)
def test_a_message_without_the_very_checkpoint_line_is_refused(work: Workshop, script: str) -> None:
    head = work.head()
    hook(work, "commit-msg", script)
    done = work.call("run")
    assert done.code == 1
    assert "the commit-msg hook refuses" in done.err
    assert "changed the line Specbuild-Checkpoint" in done.err
    assert work.head() == head


def test_a_message_that_is_gone_is_refused(work: Workshop) -> None:
    hook(work, "commit-msg", 'rm "$1"')
    done = work.call("run")
    assert done.code == 1
    assert "left no message" in done.err


# Afterwards, and meanwhile


def test_a_failing_post_commit_hook_is_only_told(work: Workshop) -> None:
    hook(work, "post-commit", "echo cannot notify; exit 7")
    done = work.call("run", "--filter", "T001")
    assert done.code == 0
    assert "the post-commit hook failed (exit code 7): cannot notify" in done.err


def test_a_signal_ends_a_hook_and_undoes_its_task(work: Workshop) -> None:
    hook(work, "pre-commit", "echo $$ >>$NOTES; exec sleep 60")
    process = work.start("run")
    wait_for(lambda: bool(noted(work)))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert work.git("status", "--porcelain") == ""
    with pytest.raises(ProcessLookupError):
        os.kill(int(noted(work)[0]), 0)
    assert not (work.folder / ".git/specbuild/commit-hooks").exists()


def test_a_signal_while_post_commit_runs_leaves_the_commit_whole(work: Workshop) -> None:
    hook(work, "post-commit", "echo $$ >>$NOTES; exec sleep 60")
    process = work.start("run")
    wait_for(lambda: bool(noted(work)))
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the post-commit hook was interrupted" in err
    assert work.subjects()[0] == "T001 do t001"
    assert (work.folder / "a.txt").read_text() == "a\n"
    work.assert_tidy()
    assert failed_refs(work) == []


def test_after_kill_9_while_a_hook_runs_the_next_run_undoes_and_does_it_again(work: Workshop) -> None:
    work.type("a.txt", "mine\n")
    work.commit("a file of a person's")
    work.type("specbuild.toml", CONFIG + '[[rule]]\nmatch = "T001"\non_edit = "keep"\n')
    work.commit("keep")
    head = work.head()
    hook(work, "pre-commit", "echo $$ >>$NOTES; exec sleep 60")
    process = work.start("run")
    wait_for(lambda: bool(noted(work)))
    process.kill()
    process.communicate(timeout=60)
    wait_for(lambda: not alive([int(noted(work)[0])]))
    assert work.head() == head
    (work.folder / ".git/hooks/pre-commit").unlink()
    done = work.call("run", "--filter", "T002")
    assert done.code == 0
    assert (work.folder / "a.txt").read_text() == "mine\n"
    work.build()
    assert (work.folder / "a.txt").read_text() == "a\n"
    work.assert_tidy()


def test_what_a_killed_run_left_of_its_hooks_is_in_nobodys_way(work: Workshop) -> None:
    work.type(".git/specbuild/commit-hooks/index.lock", "")
    hook(work, "pre-commit", "git diff --cached --name-only >>$NOTES")
    work.build("--filter", "T001")
    assert noted(work) == ["a.txt", "tasks.md"]


def test_a_git_without_hook_run_runs_them_all_the_same(work: Workshop) -> None:
    """Git 2.35 and earlier; also a script without a first line that says who reads it."""
    hooks = CommitHooks(work.repo, git_version=(2, 35))
    hook(work, "post-commit", "echo ran $# >>$NOTES; exit 2")
    path = work.folder / ".git/hooks/post-commit"
    path.write_text(path.read_text().removeprefix("#!/bin/sh\n"))
    hooks.after(Ident("A", "a@example.com", 0, 0))
    assert noted(work) == ["ran 0"]
    assert hooks.told == ["the post-commit hook failed (exit code 2)"]
