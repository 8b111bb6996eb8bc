"""People and other runs while a task is under way, interrupts, and a person's own changes beside a run."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from repositories import CONFIG, Ran, Workshop, alive, box, wait_for, workshops

Make = Callable[..., Workshop]
FILES = {"a": "1\n", "b": "1\n", "other": "1\n"}
WAITING = 'echo half >p; touch "$RAN.at"; while [ ! -e "$RAN.go" ]; do sleep 0.02; done; echo T001 >>"$RAN"; cat a >p'
ISO = '[build]\nexecutor = "shell"\n[[rule]]\nmatch = "label:iso"\nisolation = "worktree"\n'


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with workshops(tmp_path) as made:
        yield made


class Waiting:
    """A run whose task has begun and waits."""

    def __init__(self, shop: Workshop, *options: str) -> None:
        self.shop = shop
        self.process = shop.start("run", *options)
        self.at, self.go = Path(f"{shop.log}.at"), Path(f"{shop.log}.go")
        wait_for(lambda: self.at.exists() or self.process.poll() is not None)
        assert self.process.poll() is None, self.process.communicate()

    def end(self) -> Ran:
        self.go.touch()
        out, err = self.process.communicate(timeout=60)
        self.at.unlink(missing_ok=True)
        self.go.unlink()
        return Ran(self.process.returncode, out, err)


@pytest.fixture
def shop(make: Make) -> Workshop:
    return make(box("T001", "p", "a", run=WAITING), config=ISO, **FILES)


def settled(shop: Workshop) -> None:
    assert shop.stale() == []
    Path(f"{shop.log}.go").touch()
    assert shop.build() == []
    shop.assert_tidy()


# -- a person meanwhile -----------------------------------------------------------------------------


def test_a_commit_of_a_person_meanwhile_stays_below_the_result(shop: Workshop) -> None:
    run = Waiting(shop)
    shop.type("notes", "x\n")
    shop.git("add", "notes")
    shop.git("commit", "-q", "-m", "person", "notes")
    done = run.end()
    assert done.code == 0, done.err
    assert shop.subjects()[:2] == ["T001 do t001", "person"]
    assert shop.ran() == ["T001"]
    settled(shop)


def test_a_commit_that_changes_its_input_makes_the_task_run_again(shop: Workshop) -> None:
    run = Waiting(shop)
    shop.type("a", "2\n")
    shop.git("commit", "-q", "-m", "person", "a")
    done = run.end()
    assert done.code == 0, done.err
    assert shop.text("p") == "2\n"
    assert shop.ran() == ["T001", "T001"]
    settled(shop)


def test_an_edited_input_makes_the_attempt_be_repeated_and_is_saved_with_it(shop: Workshop) -> None:
    run = Waiting(shop)
    shop.type("a", "2\n")
    done = run.end()
    assert done.code == 0, done.err
    assert shop.text("p") == "2\n"
    assert shop.subjects()[:2] == ["T001 do t001", "specbuild: save edited inputs"]
    settled(shop)


def test_what_a_person_stages_meanwhile_stays_staged(shop: Workshop) -> None:
    run = Waiting(shop)
    shop.type("other", "2\n")
    shop.git("add", "other")
    shop.type("other", "3\n")
    before = shop.git("diff", "other"), shop.git("diff", "--cached", "other")
    done = run.end()
    assert done.code == 0, done.err
    assert (shop.git("diff", "other"), shop.git("diff", "--cached", "other")) == before
    assert shop.git("status", "--porcelain") == "MM other"


def test_a_person_who_switches_branches_gets_nothing_recorded_there(shop: Workshop) -> None:
    run = Waiting(shop)
    shop.git("switch", "-q", "-c", "side")
    main, side = shop.git("rev-parse", "main"), shop.head()
    done = run.end()
    assert done.code == 4, done
    assert (shop.git("rev-parse", "main"), shop.head()) == (main, side)
    assert shop.text("p") is None
    [ref] = [ref for ref in shop.kept() if ref.startswith("refs/specbuild/failed/")]
    assert "- Tasks interrupted: 1 (T001)\n" in done.err
    assert f"  Partial work is kept at {ref}\n" in done.err
    assert "  specbuild --continue" in done.err
    assert shop.show(f"{ref}:p") == "1"
    shop.assert_tidy()


def test_the_work_of_a_task_whose_branch_was_deleted_meanwhile_is_kept_and_named(shop: Workshop) -> None:
    run = Waiting(shop)
    head = shop.head()
    shop.git("update-ref", "-d", "refs/heads/main")
    done = run.end()
    assert done.code == 4, done
    [ref] = [ref for ref in shop.kept() if ref.startswith("refs/specbuild/failed/")]
    assert "  T001 do t001\n  It could not be recorded, after" in done.err
    assert f"  Partial work is kept at {ref}\n" in done.err
    assert f"git update-ref refs/heads/main {head}" in done.err


def test_a_person_who_switches_branches_takes_nothing_of_the_other_one_into_what_is_made_elsewhere(
    make: Make,
) -> None:
    shop = make(box("T001", "p", "a", run=WAITING, marks="[iso]"), config=ISO, **FILES)
    shop.git("switch", "-q", "-c", "other")
    shop.type("a", "other\n")
    shop.git("commit", "-qam", "another a")
    shop.git("switch", "-q", "main")
    run = Waiting(shop)
    shop.git("switch", "-q", "other")
    assert run.end().code == 0
    assert shop.git("log", "--format=%s", "main").splitlines() == ["T001 do t001", "start"]
    assert shop.git("show", "main:a", "main:p") == "1\n1"
    assert shop.git("status", "--porcelain") == ""
    shop.git("switch", "-q", "main")
    settled(shop)


def test_a_commit_amended_away_meanwhile_is_not_built_upon(shop: Workshop) -> None:
    shop.commit("later", other="2\n")
    run = Waiting(shop)
    shop.git("reset", "-q", "--soft", "HEAD~1")
    done = run.end()
    assert done.code == 0, done.err
    assert shop.subjects() == ["T001 do t001", "start"]
    assert shop.git("status", "--porcelain") == "M  other"
    assert shop.stale() == []


def test_a_generated_file_that_a_person_edits_while_it_is_made_elsewhere_is_left_to_them(make: Make) -> None:
    shop = make(box("T001", "p", "a", run=WAITING, marks="[iso]"), config=ISO, **FILES)
    run = Waiting(shop)
    shop.type("p", "mine\n")
    done = run.end()
    assert done.code == 0, done.err
    assert shop.text("p") == "mine\n"
    assert "p was edited meanwhile" in done.err
    assert shop.show("HEAD:p") == "1"
    assert shop.reasons("T001") == ["target-edited"]


# -- other runs -------------------------------------------------------------------------------------


def test_a_second_run_in_the_same_worktree_stops_with_the_others_process_id(shop: Workshop) -> None:
    run = Waiting(shop)
    second = shop.call("run")
    assert second.code == 4
    assert str(run.process.pid) in second.err
    assert run.end().code == 0
    settled(shop)


def test_two_worktrees_build_at_once(shop: Workshop) -> None:
    shop.git("worktree", "add", "-q", "../linked", "-b", "linked")
    linked = Workshop(shop.folder.parent / "linked")
    run = Waiting(shop)
    second = Waiting(linked)
    assert second.end().code == 0
    assert run.end().code == 0
    for one in (shop, linked):
        settled(one)


def test_two_worktrees_on_one_branch_lose_nothing(shop: Workshop) -> None:
    shop.git("worktree", "add", "-q", "--force", "../linked", "main")
    linked = Workshop(shop.folder.parent / "linked")
    run = Waiting(shop)
    linked.git("commit", "-q", "--allow-empty", "-m", "from the other worktree")
    assert run.end().code == 0
    assert shop.subjects()[:2] == ["T001 do t001", "from the other worktree"]
    settled(shop)


# -- interrupts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("marks", ["", "[iso]"])
def test_an_interrupted_run_leaves_everything_as_it_was(make: Make, number: int, marks: str) -> None:
    script = f"sh -c 'echo $$ >\"$RAN.pid\"; exec sleep 100' & {WAITING}"
    shop = make(box("T001", "p", "a", run=script, marks=marks), config=ISO, **FILES)
    shop.type("other", "2\n")
    shop.git("add", "other")
    shop.type("other", "3\n")
    shop.type("mine", "1\n")
    head, before = shop.head(), shop.sights()
    run = Waiting(shop)
    child = Path(f"{shop.log}.pid")
    wait_for(lambda: child.exists() and child.read_text().strip() != "")
    run.process.send_signal(number)
    out, err = run.process.communicate(timeout=30)
    assert run.process.returncode == 130, (out, err)
    assert alive([int(child.read_text())]) == []
    assert (shop.head(), shop.sights()) == (head, before)
    assert shop.text("p") is None
    [ref] = [ref for ref in shop.kept() if ref.startswith("refs/specbuild/failed/")]
    assert shop.show(f"{ref}:p") == "half"
    assert "- Tasks interrupted: 1 (T001)" in err
    assert f"  Partial work is kept at {ref}\n" in err
    assert shop.stale() == ["T001"]
    run.at.unlink()
    run.go.touch()
    assert shop.build() == ["T001"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGINT, "attempt 1: interrupted in "),
        (signal.SIGKILL, "attempt 1: its end is not in the log: the run was killed, or still goes on\n"),
    ],
)
def test_the_log_of_a_task_says_that_an_attempt_was_broken_off(
    shop: Workshop, number: int, words: str
) -> None:
    run = Waiting(shop)
    run.process.send_signal(number)
    run.process.communicate(timeout=30)
    run.go.touch()
    assert words in shop.call("log", "T001").out


def test_an_interrupt_gives_a_hand_edited_target_back(shop: Workshop) -> None:
    run = Waiting(shop)
    assert run.end().code == 0
    shop.type("p", "mine\n")
    again = Waiting(shop, "--no-reuse")
    again.process.send_signal(signal.SIGINT)
    _, err = again.process.communicate(timeout=30)
    assert again.process.returncode == 130
    assert "p had been edited; what stood there is kept at refs/specbuild/saved/" in err
    assert shop.text("p") == "mine\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_anything_is_built_ends_the_run_quietly(shop: Workshop, number: int) -> None:
    shop.git(
        "config", "core.fsmonitor", ".git/slow"
    )  # git itself takes its time, so the run is not yet building
    hook = shop.folder / ".git/slow"
    hook.write_text('#!/bin/sh\ntouch "$RAN.at"\nsleep 1\nexit 1\n')
    hook.chmod(0o755)
    process = shop.start("run")
    wait_for(Path(f"{shop.log}.at").exists)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode in {130, -signal.SIGTERM}, err
    assert "Traceback" not in err


@pytest.mark.parametrize("jobs", [3, pytest.param(1, marks=pytest.mark.campaign)])
def test_signals_by_the_dozen_at_any_moment_leave_a_whole_repository(make: Make, jobs: int) -> None:
    chain = [box(f"T{n:03}", f"p{n % (2 * jobs)}", "a", marks="[P]") for n in range(1, 9)]
    shop = make(*chain, **FILES)
    for delay in range(12):
        process = shop.start("run", "-j", str(jobs))
        try:
            process.wait(0.25 + delay * 0.05)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode in {0, 130, -signal.SIGINT, -signal.SIGTERM}
        assert shop.git("status", "--porcelain") == ""
        shop.fsck()
    shop.build()
    settled(shop)


# -- a person's own changes -------------------------------------------------------------------------


def test_a_persons_other_changes_are_the_same_before_and_after(make: Make) -> None:
    names = ("staged", "both", "dirty", "gone", "rm", "skip", "mode")
    files = {**FILES, **dict.fromkeys(names, "1\n"), ".gitignore": "ignored\n"}
    shop = make(box("T001", "p", "a"), box("T002", "q", "p"), **files)
    shop.type("staged", "2\n")
    shop.git("add", "staged")
    shop.type("both", "2\n")
    shop.git("add", "both")
    shop.type("both", "3\n")
    shop.type("dirty", "2\n")
    (shop.folder / "gone").unlink()
    shop.git("rm", "-q", "rm")
    shop.type("skip", "2\n")
    shop.git("update-index", "--assume-unchanged", "skip")
    (shop.folder / "mode").chmod(0o755)
    shop.type("untracked", "1\n")
    shop.type("ignored", "1\n")
    shop.type("intended", "1\n")
    shop.git("add", "-N", "intended")
    theirs = [*names, "untracked", "ignored", "intended"]

    def look() -> list[str]:
        status = [line for line in shop.status().split("\n") if line.rpartition(" ")[2] in theirs]
        return [*status, shop.git("diff"), shop.git("diff", "--cached"), shop.git("ls-files", "-v", *theirs)]

    before = look()
    assert shop.build() == ["T001", "T002"]
    assert look() == before
    shop.type("a", "2\n")
    assert shop.build() == ["T001", "T002"]
    assert look() == before
    assert shop.git("show", "--format=", "--name-only", "HEAD~2") == "a"


def test_a_staged_version_that_differs_from_the_file_is_kept_and_the_file_counts(make: Make) -> None:
    shop = make(box("T001", "p", "a"), **FILES)
    shop.build()
    shop.type("a", "staged\n")
    shop.git("add", "a")
    shop.type("a", "typed\n")
    done = shop.process()
    assert done.code == 0
    assert shop.text("p") == "(do t001\ntyped\n)\n"
    assert shop.show("HEAD:a") == "typed"
    [ref] = [ref for ref in shop.kept() if shop.show(f"{ref}:a") == "staged"]
    assert f"warning: T001: a: what was staged differed from the file, and is kept at {ref}\n" in done.err
    settled(shop)


def test_a_staged_version_that_only_a_tick_replaces_is_kept_and_named(make: Make) -> None:
    shop = make(box("T001", "p", "a"), **FILES)
    text = shop.text("tasks.md")
    assert text is not None
    shop.type("tasks.md", f"{text}- [ ] T002 Another\n")
    shop.git("add", "tasks.md")
    shop.type("tasks.md", text)
    done = shop.process()
    assert done.code == 0
    [ref] = shop.kept()
    assert f"warning: tasks.md: what was staged differed from the file, and is kept at {ref}\n" in done.err


def test_with_save_inputs_refused_an_edited_input_stops_the_run(make: Make) -> None:
    shop = make(box("T001", "p", "a"), config=CONFIG + 'save_inputs = "refuse"\n', **FILES)
    shop.build()
    shop.type("a", "2\n")
    head = shop.head()
    done = shop.call("run")
    assert done.code == 2, done
    assert "a is edited and not committed" in done.err
    assert (shop.head(), shop.git("status", "--porcelain")) == (head, " M a")


def test_a_source_tasks_own_edited_target_is_saved_below_its_result(make: Make) -> None:
    shop = make(box("T001", "p", "a", keep=True, run='echo T001 >>"$RAN"; cat a >>p'), **FILES)
    assert shop.build() == ["T001"]
    shop.type("p", "1\nmine\n")
    assert shop.stale() == []
    shop.type("a", "2\n")
    assert shop.build("--yes") == ["T001"]
    assert shop.text("p") == "1\nmine\n2\n"
    assert shop.subjects()[:2] == ["T001 do t001", "specbuild: save edited inputs"]
    assert shop.show("HEAD~1:p") == "1\nmine"
    assert shop.show("HEAD~1:a") == "2"
    settled(shop)


def test_a_failed_task_leaves_no_commit_of_saved_inputs(make: Make) -> None:
    shop = make(box("T001", "p", "a", run="echo half >p; exit 1"), **FILES)
    shop.type("a", "2\n")
    head = shop.head()
    assert shop.build(code=1) == []
    assert (shop.head(), shop.git("status", "--porcelain")) == (head, " M a")
    assert shop.text("p") is None


def test_completed_source_tasks_are_repeated_only_with_leave(make: Make) -> None:
    shop = make(box("T001", "p", "a", keep=True), **FILES)
    shop.build()
    shop.type("a", "2\n")
    assert shop.build(code=3) == []
    assert shop.call("check").code == 3
    assert shop.build("--yes") == ["T001"]


def test_a_claimed_task_satisfies_and_carries_its_bytes_into_what_is_generated(make: Make) -> None:
    shop = make(
        box("T001", "p", "a", keep=True, ticked=True),
        box("T002", "q", "p"),
        box("T003", "r", "p", keep=True),
        p="by hand\n",
        **FILES,
    )
    assert shop.verdicts()["T001"] == "claimed"
    assert shop.build() == ["T002", "T003"]
    shop.type("p", "otherwise\n")
    assert shop.build() == ["T002"]
    assert shop.text("q") == "(do t002\notherwise\n)\n"
    settled(shop)
    assert shop.call("check").code == 0
    assert shop.call("check", "--strict").code == 3


# -- branches of every kind -------------------------------------------------------------------------


def test_an_unborn_branch_gets_its_first_commits(make: Make) -> None:
    shop = make()
    shop.type("specbuild.toml", CONFIG)
    shop.type("a", "1\n")
    shop.tasks(box("T001", "p", "a"), box("T002", "q", "p"))
    assert shop.build() == ["T001", "T002"]
    assert shop.subjects() == ["T002 do t002", "T001 do t001", "specbuild: save edited inputs"]
    settled(shop)


def test_a_detached_head_moves_and_no_branch_does(make: Make) -> None:
    shop = make(box("T001", "p", "a"), **FILES)
    main = shop.head()
    shop.git("switch", "-q", "--detach")
    assert shop.build() == ["T001"]
    assert shop.git("rev-parse", "main") == main
    assert shop.git("rev-parse", "HEAD~1") == main
    settled(shop)


def test_a_run_from_a_folder_below_works_on_the_whole_repository(make: Make) -> None:
    shop = make(box("T001", "deep/p", "a"), **{**FILES, "deep/x": "1\n"})
    environment = {**os.environ, "RAN": str(shop.log)}
    command = [sys.executable, "-m", "specbuild"]
    done = subprocess.run(
        command, cwd=shop.folder / "deep", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert shop.text("deep/p") == "(do t001\n1\n)\n"
    settled(shop)


# -- a person edits what the run is about ---------------------------------------------------------------


@pytest.fixture
def three(make: Make) -> Workshop:
    """T001 waits; T002 follows it."""
    return make(box("T001", "p", "a", run=WAITING), box("T002", "q", "a"), config=ISO, **FILES)


def reword(shop: Workshop, old: str, new: str) -> None:
    text = shop.text("tasks.md") or ""
    assert old in text
    shop.type("tasks.md", text.replace(old, new))


@pytest.mark.parametrize("committed", [False, True])
def test_a_task_reworded_before_its_turn_runs_as_it_is_worded_now(
    three: Workshop, *, committed: bool
) -> None:
    run = Waiting(three)
    reword(three, "do t002", "do another thing")
    if committed:
        three.git("commit", "-q", "-m", "person", "tasks.md")
    done = run.end()
    assert done.code == 0, done.err
    assert three.subjects()[0] == "T002 do another thing"
    settled(three)


@pytest.mark.parametrize("committed", [False, True])
def test_a_task_reworded_while_it_runs_is_left_stale_and_told(three: Workshop, *, committed: bool) -> None:
    run = Waiting(three)
    reword(three, "do t001", "do another thing")
    if committed:
        three.git("commit", "-q", "-m", "person", "tasks.md")
    done = run.end()
    assert done.code == 3, done.err
    assert "T001: it is stale again" in done.err
    assert three.stale() == ["T001"]
    assert three.ran() == ["T001", "T002"]


@pytest.mark.parametrize("waits", ["T001", "T002"])
def test_a_task_file_that_a_person_makes_unreadable_ends_the_run_in_good_order(
    make: Make, waits: str
) -> None:
    tasks = [
        box(id_, "p", "a", run=WAITING) if id_ == waits else box(id_, id_, "a") for id_ in ("T001", "T002")
    ]
    shop = make(*tasks, config=ISO, **FILES)
    run = Waiting(shop)
    (shop.folder / "tasks.md").write_bytes(b"- [ ] T001 \xff\n")
    done = run.end()
    assert "Traceback" not in done.err
    assert "Summary:" in done.err
    if waits == "T001":
        assert (done.code, shop.ran()) == (2, ["T001"])
        assert "the plan cannot be made anew: tasks.md:1" in done.err
    assert shop.git("show", "HEAD:tasks.md").startswith(f"- [x] {waits}" if waits == "T001" else "- [x] T001")


def test_an_edit_that_a_later_task_saves_makes_earlier_ones_stale_again(make: Make) -> None:
    shop = make(
        box("T001", "o", "a"), box("T002", "p", run=WAITING), box("T003", "q", "a"), config=ISO, **FILES
    )
    run = Waiting(shop)
    shop.type("a", "2\n")
    done = run.end()
    assert done.code == 3, done.err
    assert "T001: it is stale again" in done.err
    assert shop.stale() == ["T001"]
    assert shop.build() == ["T001"]
    settled(shop)


def test_configuration_that_is_edited_while_a_task_runs_is_the_next_runs(three: Workshop) -> None:
    run = Waiting(three)
    three.type("specbuild.toml", ISO + '[[gate]]\nname = "g"\nat = "end"\nrun = "false"\n')
    done = run.end()
    assert done.code == 0, done.err
    assert "left alone: specbuild.toml" in done.err
    assert three.ran() == ["T001", "T002"]
    three.build(code=1)
    three.build(code=1)
