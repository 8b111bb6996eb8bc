"""While tasks run: the branch moves, a person switches or edits, a signal comes."""

from collections.abc import Callable

import pytest
from fakes import PLAIN, FakeSandbox, Project, Repo, make, meanwhile

from specbuild.engine.events import TaskFinished, TaskStarted, Warned
from specbuild.engine.project import Settings
from specbuild.engine.task import Entry, RepoPath, Task

TWO_AT_ONCE = Settings(jobs=2, overlap="all")
ONCE_MORE = "the branch moved and changed what it reads or writes: once more"


def commits(repo: Repo, path: RepoPath, text: str | None, *, on_disk: bool = False) -> None:
    """A person's commit, made elsewhere: the working tree has it only where `on_disk` says so."""
    files = dict(repo.commits[repo.tip].files) if repo.tip else {}
    files.pop(path, None)
    if text is not None:
        files[path] = Entry(PLAIN, repo.store(text.encode()))
    repo.commit(files, "a person's")
    if on_disk:
        repo.type(path, text)


def tip(project: Project) -> dict[RepoPath, str]:
    assert project.repo.tip is not None
    files = project.repo.commits[project.repo.tip].files
    return {path: project.repo.blobs[entry.oid].decode() for path, entry in files.items()}


def finished(project: Project, id_: str) -> TaskFinished:
    (found,) = (event for event in project.finished() if event.task.id == id_)
    return found


@pytest.mark.parametrize("settings", [Settings(), TWO_AT_ONCE])
@pytest.mark.parametrize("marks", ["", "[worktree]", "[keep]", "[keep] [any] [worktree]"])
def test_a_commit_that_touches_nothing_of_the_task_stays_below_its_own(
    marks: str, settings: Settings
) -> None:
    project = Project(f"b: a {marks}", "c: b", files={"a": "1"})
    meanwhile(project, "T1", lambda: commits(project.repo, "x", "theirs", on_disk=True))
    assert project.build(settings=settings) == ["T1", "T2"]
    assert tip(project)["x"] == "theirs"
    assert set(tip(project)) == {"a", "b", "c", "x"}
    assert project.warnings == []
    assert project.build() == []


@pytest.mark.parametrize("settings", [Settings(), TWO_AT_ONCE])
@pytest.mark.parametrize("marks", ["", "[worktree]"])
def test_a_commit_that_changes_an_input_makes_the_task_begin_again(marks: str, settings: Settings) -> None:
    project = Project(f"b: a {marks}", files={"a": "1"})
    project.repo.interlopers.append(lambda: commits(project.repo, "a", "2", on_disk=True))
    assert project.build(settings=settings) == ["T1", "T1"]
    assert project.warnings == [ONCE_MORE]
    assert tip(project)["b"] == "T1(a=2)"
    assert finished(project, "T1").attempts == 1
    assert project.build() == []


@pytest.mark.parametrize("settings", [Settings(), TWO_AT_ONCE])
def test_a_commit_that_changes_a_target_makes_a_task_in_place_begin_again(settings: Settings) -> None:
    project = Project("b: a", files={"a": "1"})
    project.repo.interlopers.append(lambda: commits(project.repo, "b", "theirs"))
    assert project.build(settings=settings) == ["T1", "T1"]
    assert project.warnings == [ONCE_MORE]
    assert tip(project)["b"] == "T1(a=1)"


def test_a_generated_target_made_in_a_worktree_takes_the_place_of_what_came_there() -> None:
    project = Project("b: a [worktree]", files={"a": "1"})
    project.repo.interlopers.append(lambda: commits(project.repo, "b", "theirs"))
    assert project.build() == ["T1"]
    assert tip(project)["b"] == "T1(a=1)"


@pytest.mark.parametrize("settings", [Settings(), TWO_AT_ONCE])
def test_a_branch_that_keeps_moving_fails_the_task_in_the_end(settings: Settings) -> None:
    project = Project("b: a", files={"a": "0"})
    for number in range(1, 9):
        project.repo.interlopers.append(
            lambda text=str(number): commits(project.repo, "a", text, on_disk=True)  # type: ignore[misc]
        )
    assert project.build(settings=settings) == ["T1"] * 6
    assert project.warnings == [ONCE_MORE] * 5
    assert finished(project, "T1").error == "the branch kept moving, and changed what it reads or writes"
    assert "b" not in tip(project)
    assert project.repo.text("b") is None


def test_a_conflict_is_told_by_its_path() -> None:
    project = Project("b: a [keep] [any] [worktree]", files={"a": "1", "b": "old\n"})

    def body(sandbox: FakeSandbox, _task: Task, repo: Repo) -> None:
        sandbox.files["b"] = Entry(PLAIN, repo.store(b"mine\n"))

    project.executors.bodies["T1"] = body
    project.repo.interlopers.append(lambda: commits(project.repo, "b", "theirs\n", on_disk=True))
    assert project.build() == ["T1", "T1"]
    assert project.warnings == ["the branch moved and changed b: once more"]
    assert tip(project)["b"] == "mine\n"


def test_lines_that_both_sides_changed_apart_are_merged() -> None:
    project = Project("b: a [keep] [any] [worktree]", files={"a": "1", "b": "1\n2\n3\n"})

    def body(sandbox: FakeSandbox, _task: Task, repo: Repo) -> None:
        sandbox.files["b"] = Entry(PLAIN, repo.store(b"mine\n2\n3\n"))

    project.executors.bodies["T1"] = body
    project.repo.interlopers.append(lambda: commits(project.repo, "b", "1\n2\ntheirs\n", on_disk=True))
    assert project.build() == ["T1"]
    assert tip(project)["b"] == "mine\n2\ntheirs\n"


def test_a_task_that_somebody_else_completed_meanwhile_is_up_to_date() -> None:
    project = Project("b: a [worktree]", files={"a": "1"})
    other = Project("b: a [worktree]", files={"a": "2"})
    other.build()
    assert other.repo.tip is not None
    theirs = other.repo.commits[other.repo.tip]

    def completes() -> None:
        project.repo.blobs.update(other.repo.blobs)
        project.repo.commit(theirs.files, theirs.message)
        project.repo.disk.update(theirs.files)

    project.repo.interlopers.append(completes)
    assert project.build() == ["T1"]
    assert project.warnings[:1] == [ONCE_MORE]
    assert tip(project) == {"a": "2", "b": "T1(a=2)"}
    assert project.end is not None
    assert (project.end.exit_code, project.end.up_to_date, project.end.completed) == (0, 1, 0)
    assert project.end.headline == "complete"


def test_an_edit_that_a_commit_of_others_does_not_touch_overtakes_nothing() -> None:
    project = Project("b: a", files={"a": "1"})
    project.repo.type("a", "2")
    project.repo.interlopers.append(lambda: commits(project.repo, "x", "theirs", on_disk=True))
    assert project.build() == ["T1"]
    assert project.warnings == []
    assert tip(project) == {"a": "2", "b": "T1(a=2)", "x": "theirs"}


def test_an_input_that_a_commit_removed_makes_the_task_begin_again() -> None:
    project = Project("b: a", files={"a": "1"})
    project.repo.interlopers.append(lambda: commits(project.repo, "a", None, on_disk=True))
    assert project.build() == ["T1", "T1"]
    assert project.warnings == [ONCE_MORE]


# -- edits by people


@pytest.mark.parametrize("marks", ["", "[worktree]", "[keep] [any] [worktree]"])
def test_an_input_that_is_edited_meanwhile_makes_the_task_begin_again(marks: str) -> None:
    project = Project(f"b: a {marks}", files={"a": "1"})
    meanwhile(project, "T1", lambda: project.repo.type("a", "2"))
    assert project.build() == ["T1", "T1"]
    assert project.warnings == ["a changed meanwhile: once more"]
    assert tip(project)["a"] == "2"
    assert project.build() == []


def test_a_generated_task_that_changes_its_own_input_twice_has_failed() -> None:
    project = Project("b: a", files={"a": "0"})
    texts = iter("12345678")
    meanwhile(project, "T1", *[lambda: project.repo.type("a", next(texts))] * 8)
    assert project.build() == ["T1", "T1"]
    assert finished(project, "T1").error == "it changed its own input a"


def test_inputs_that_keep_changing_fail_a_task_in_a_worktree_in_the_end() -> None:
    project = Project("b: a c [worktree]", files={"a": "0", "c": "0"})
    texts = iter("12345678")

    def edits() -> None:
        text = next(texts)
        project.repo.type("a", text)
        project.repo.type("c", text)

    meanwhile(project, "T1", *[edits] * 8)
    assert project.build() == ["T1"] * 6
    assert finished(project, "T1").error == "inputs keep changing: a, c"


def test_a_source_task_in_place_takes_the_inputs_that_it_changed() -> None:
    project = Project("b: a [keep]", "x: y", files={"a": "1", "y": "1"})
    meanwhile(project, "T1", lambda: project.repo.type("a", "2"))
    assert project.build() == ["T1", "T2"]
    assert tip(project)["a"] == "2"
    assert project.warnings == []
    assert project.build() == []


# -- what a source task made, which people edit, too


@pytest.mark.parametrize("settings", [Settings(), TWO_AT_ONCE])
@pytest.mark.parametrize("rules", [("p: a [keep]", "q: p"), ("d/p: a [keep]", "q: [needs T1] [worktree]")])
@pytest.mark.parametrize("committed", [True, False])
def test_a_hand_fix_of_what_a_source_task_made_makes_its_reader_begin_again(
    rules: tuple[str, str], settings: Settings, *, committed: bool
) -> None:
    project = Project(*rules, files={"a": "1"})
    project.build(only=["T1"])
    path = rules[0].partition(":")[0]
    if committed:
        project.repo.interlopers.append(lambda: commits(project.repo, path, "mine", on_disk=True))
    else:
        meanwhile(project, "T2", lambda: project.repo.type(path, "mine"))
    project.events.clear()
    assert project.build(settings=settings)[:2] == ["T2", "T2"]
    what = ONCE_MORE if committed else f"{path} changed meanwhile: once more"
    assert what in [event.message for event in project.events if isinstance(event, Warned)]
    assert tip(project)[path] == "mine"
    assert project.build() == []


@pytest.mark.parametrize("marks", ["", "[keep]"])
def test_a_file_that_somebody_puts_beside_what_a_source_task_made_counts_where_that_is_a_folder(
    marks: str,
) -> None:
    project = Project("d/: a [keep]", f"q: [needs T1] {marks}", files={"a": "1"})

    def fills(sandbox: FakeSandbox, _task: Task, repo: Repo) -> None:
        sandbox.files["d/one"] = Entry(PLAIN, repo.store(b"1"))

    project.executors.bodies["T1"] = fills
    project.build(only=["T1"])
    project.repo.interlopers.append(lambda: commits(project.repo, "d/two", "2", on_disk=True))
    assert project.build() == (["T2"] if marks else ["T2", "T2"])
    assert project.build() == []


@pytest.mark.parametrize("settings", [Settings(), TWO_AT_ONCE])
@pytest.mark.parametrize("marks", ["[P]", "[P] [worktree]", "[P] [keep] [any] [worktree]"])
def test_a_file_that_a_commit_adds_to_what_a_pattern_finds_makes_the_task_begin_again(
    marks: str, settings: Settings
) -> None:
    project = Project(f"q: src/* {marks}", files={"src/a": "1"})
    project.repo.interlopers.append(lambda: commits(project.repo, "src/b", "2", on_disk=True))
    assert project.build(settings=settings) == ["T1", "T1"]
    assert project.warnings == [ONCE_MORE]
    assert tip(project)["q"].endswith("T1(src/a=1,src/b=2)")
    assert project.build() == []


def test_a_file_that_a_person_adds_to_what_a_pattern_finds_counts_when_somebody_commits_another() -> None:
    project = Project("q: src/*", files={"src/a": "1"})

    def adds() -> None:
        commits(project.repo, "x", "theirs", on_disk=True)
        project.repo.type("src/b", "2")

    project.repo.interlopers.append(adds)
    assert project.build() == ["T1", "T1"]
    assert tip(project)["q"] == "T1(src/a=1,src/b=2)"
    assert project.build() == []


def test_what_a_generated_task_made_is_no_hand_fix() -> None:
    project = Project("p: a", "q: p", files={"a": "1"})
    project.build(only=["T1"])
    meanwhile(project, "T2", lambda: project.repo.type("p", "mine"))
    assert project.build() == ["T2"]
    assert project.reasons("T1") == ["target-edited"]


# -- once more, and enough


def keeps_moving(project: Project) -> None:
    def body(sandbox: FakeSandbox, task: Task, repo: Repo) -> None:
        count = len(project.executors.ran)
        repo.interlopers[:] = [lambda: commits(repo, "a", str(count), on_disk=True)]
        make(sandbox.files, task, repo, ["a"])

    project.executors.bodies["T1"] = body


def keeps_changing(project: Project) -> None:
    def body(sandbox: FakeSandbox, task: Task, repo: Repo) -> None:
        repo.type("a", str(len(project.executors.ran)))
        make(sandbox.files, task, repo, ["a"])

    project.executors.bodies["T1"] = body


@pytest.mark.parametrize(("does", "times"), [(keeps_moving, 6), (keeps_changing, 2)])
def test_retries_do_not_help_against_what_never_rests(does: Callable[[Project], None], times: int) -> None:
    project = Project("b: a [retries 3]", files={"a": "0"})
    does(project)
    assert project.build() == ["T1"] * times
    assert finished(project, "T1").outcome == "failed"
    assert finished(project, "T1").attempts == 1


@pytest.mark.parametrize(("does", "times"), [(keeps_moving, 6), (keeps_changing, 2)])
def test_who_begins_again_is_named_and_keeps_its_place_and_only_its_last_work(
    does: Callable[[Project], None], times: int
) -> None:
    project = Project("b: a [P]", "c: x [P]", files={"a": "0", "x": "1"})
    does(project)
    project.build(settings=Settings(keep_going=True))
    again = [event for event in project.events if isinstance(event, Warned)]
    assert [event.task and event.task.id for event in again] == ["T1"] * (times - 1)
    starts = [event for event in project.events if isinstance(event, TaskStarted)]
    assert [(e.task.id, e.position, e.worker) for e in starts] == [("T1", 1, 1)] * times + [("T2", 2, 1)]
    assert [ref for ref in project.repo.kept if "/failed/" in ref] == [finished(project, "T1").partial]


# -- another branch


@pytest.mark.parametrize("settings", [Settings(), TWO_AT_ONCE])
def test_a_task_in_place_is_kept_aside_where_a_person_switched_meanwhile(settings: Settings) -> None:
    project = Project("b: a", "c: a", files={"a": "1"})
    before = project.repo.tip
    meanwhile(project, "T1", lambda: setattr(project.repo, "attached", False))
    project.build(settings=settings)
    assert project.end is not None
    assert project.end.exit_code == 4
    assert "HEAD no longer names the branch that this run began on" in project.warnings[0]
    assert project.repo.tip == before
    assert project.repo.text("b") is None
    told = finished(project, "T1")
    assert told.outcome == "skipped"
    assert told.partial is not None
    assert "b" in project.repo.kept[told.partial]


def test_a_task_in_a_worktree_is_recorded_where_the_run_began_and_nothing_more_is_started() -> None:
    project = Project("b: a [worktree]", "c: a", files={"a": "1"})
    meanwhile(project, "T1", lambda: setattr(project.repo, "attached", False))
    assert project.build() == ["T1"]
    assert tip(project)["b"] == "T1(a=1)"
    assert project.end is not None
    assert (project.end.exit_code, project.end.headline) == (4, "partially complete")
    (warning,) = project.warnings
    assert "so no further task is started" in warning
    assert "switch back, and run specbuild again" in warning


def switches(project: Project) -> None:
    """To a branch that has another `a`."""
    project.repo.attached = False
    project.repo.type("a", "other")


def test_what_another_branch_has_is_no_edit_for_a_task_in_a_worktree() -> None:
    project = Project("b: a [worktree]", files={"a": "1"})
    meanwhile(project, "T1", lambda: switches(project))
    assert project.build() == ["T1"]
    assert tip(project) == {"a": "1", "b": "T1(a=1)"}
    assert project.repo.text("a") == "other"


@pytest.mark.parametrize("settings", [Settings(), TWO_AT_ONCE])
@pytest.mark.parametrize("marks", ["", "[worktree]"])
def test_nothing_begins_again_on_another_branch(marks: str, settings: Settings) -> None:
    project = Project(f"b: a {marks}", files={"a": "1"})

    def both() -> None:
        switches(project)
        commits(project.repo, "a", "2")

    meanwhile(project, "T1", both)
    assert project.build(settings=settings) == ["T1"]
    assert project.end is not None
    assert project.end.exit_code == 4
    assert tip(project) == {"a": "2"}
    ((ref, files),) = project.repo.kept.items()
    assert (ref, set(files)) == ("refs/specbuild/failed/0", {"b"})
    assert finished(project, "T1").partial == ref
    if marks:  # in place it is not even looked whether the branch moved
        assert project.repo.why_kept[ref] == "tasks.md#T1: a person switched branches\n"
    assert project.repo.text("b") is None


# -- signals


@pytest.mark.parametrize("settings", [Settings(), TWO_AT_ONCE])
@pytest.mark.parametrize("marks", ["", "[worktree]"])
def test_an_interrupted_run_leaves_the_targets_as_they_were(marks: str, settings: Settings) -> None:
    project = Project(f"b: a {marks}", "c: a", files={"a": "1"})

    def interrupts() -> None:
        assert project.builder is not None
        project.builder.interrupt()
        project.builder.interrupt()

    meanwhile(project, "T1", interrupts)
    project.build(settings=settings)
    assert project.end is not None
    assert (project.end.exit_code, project.end.interrupted) == (130, True)
    assert "b" not in tip(project)
    assert project.repo.text("b") is None
    project.build()
    assert set(tip(project)) == {"a", "b", "c"}


def test_a_signal_at_the_very_end_still_counts() -> None:
    project = Project("b: a", files={"a": "1"})

    def gates(_at: str, _phase: str | None) -> bool:
        return True

    def interrupts() -> None:
        assert project.builder is not None
        project.builder.interrupt()

    project.repo.interlopers.append(interrupts)
    project.build(gates=gates)
    assert project.end is not None
    assert (project.end.exit_code, project.end.completed) == (130, 1)


# -- several at once


def test_what_completes_while_a_commit_is_made_goes_together_and_everything_is_told() -> None:
    rules = [f"o{number}: a [P]" for number in range(30)]
    project = Project(*rules, files={"a": "1"})
    assert sorted(project.build(settings=Settings(jobs=4, overlap="all"))) == sorted(
        f"T{number + 1}" for number in range(30)
    )
    assert set(tip(project)) == {"a", *(f"o{number}" for number in range(30))}
    done = project.finished()
    assert [event.outcome for event in done] == ["completed"] * 30
    assert len({event.commit for event in done}) == 30
    assert project.build() == []


def test_a_group_whose_commit_the_branch_forestalled_is_committed_on_the_new_tip() -> None:
    project = Project("b: a [P]", "c: a [P]", files={"a": "1"})
    project.repo.interlopers.append(lambda: commits(project.repo, "x", "theirs", on_disk=True))
    project.build(settings=TWO_AT_ONCE)
    assert set(tip(project)) == {"a", "b", "c", "x"}
    assert project.warnings == []


def test_a_commit_that_cannot_be_made_ends_the_run_and_undoes_what_waited() -> None:
    project = Project("b: a [P]", "c: a [P]", files={"a": "1"})

    def full() -> None:
        raise OSError("no space left on device")

    project.repo.interlopers.append(full)
    with pytest.raises(OSError, match="no space left"):
        project.build(settings=TWO_AT_ONCE)
    assert set(tip(project)) == {"a"}
    assert set(project.repo.disk) == {"a"}


def test_a_single_commit_that_cannot_be_made_keeps_the_work() -> None:
    project = Project("b: a", files={"a": "1"})

    def full() -> None:
        raise OSError("no space left on device")

    project.repo.interlopers.append(full)
    with pytest.raises(OSError, match="no space left"):
        project.build()
    assert set(project.repo.disk) == {"a"}
    ((ref, files),) = project.repo.kept.items()
    assert ref.startswith("refs/specbuild/failed/")
    assert list(files) == ["b"]
