"""The build loop, without a disk: graphs in makefile words, asserting what ran and what is there."""

from fakes import FakeHistory, Project

from specbuild.engine.checkpoint import Recorded
from specbuild.engine.judge import Judge
from specbuild.engine.project import Settings


def test_a_build_runs_everything_once_and_then_nothing() -> None:
    project = Project("b: a", "c: b", files={"a": "1"})
    assert project.build() == ["T1", "T2"]
    assert project.build() == []
    assert project.end is not None
    assert project.end.headline == "complete"
    assert project.end.exit_code == 0


def test_an_edited_input_rebuilds_what_depends_on_it() -> None:
    project = Project("b: a", "c: b", "d: x", files={"a": "1", "x": "1"})
    project.build()
    project.repo.type("a", "2")
    assert project.reasons("T1") == ["input-changed"]
    assert project.verdicts()["T2"].may_run
    assert project.build() == ["T1", "T2"]
    assert project.targets() == project.clean()


def test_same_bytes_cut_off_what_is_below() -> None:
    project = Project("b: a", "c: b", files={"a": "1"})
    project.executors.bodies["T1"] = lambda sandbox, task, repo: sandbox.files.update(
        b=type(repo.disk["a"])(0o100644, repo.store(b"same"))
    )
    project.build()
    project.repo.type("a", "2")
    assert project.build() == ["T1"]


def test_a_chain_on_one_file_gives_a_clean_builds_bytes_after_a_change_to_any_link() -> None:
    project = Project("p: a", "q: p", "p: b", "p: c", files={"a": "1", "b": "1", "c": "1"})
    assert project.build() == ["T1", "T2", "T3", "T4"]
    assert project.build() == []
    for path, ran in (("a", ["T1", "T2", "T3", "T4"]), ("b", ["T3", "T4"]), ("c", ["T4"])):
        project.repo.type(path, "2")
        assert project.build() == ran
        assert project.targets() == project.clean()
        assert project.build() == []


def test_an_early_link_with_the_same_bytes_restores_the_later_ones_without_running_them() -> None:
    project = Project("p: a", "p: b", files={"a": "1", "b": "1"})
    same = lambda sandbox, task, repo: sandbox.files.update(  # noqa: E731
        p=type(repo.disk["a"])(0o100644, repo.store(b"P"))
    )
    project.executors.bodies["T1"] = same
    project.build()
    made = project.repo.text("p")
    project.repo.type("a", "2")
    assert project.build() == ["T1"]
    assert project.repo.text("p") == made
    assert project.build() == []


def test_a_reader_between_two_writers_sees_what_the_first_left() -> None:
    project = Project("p: a", "q: p r", "p: b", files={"a": "1", "b": "1", "r": "1"})
    project.build()
    project.repo.type("r", "2")
    assert project.build() == ["T2"]
    assert project.targets() == project.clean()


def test_a_hand_edited_generated_file_is_kept_and_made_again() -> None:
    project = Project("b: a", files={"a": "1"})
    project.build()
    made = project.repo.text("b")
    project.repo.type("b", "mine")
    assert project.reasons("T1") == ["target-edited"]
    project.build()
    assert project.repo.text("b") == made
    assert any(
        project.repo.blobs[entry.oid] == b"mine"
        for kept in project.repo.kept.values()
        for entry in kept.values()
    )


def test_a_missing_generated_file_is_made_again_from_its_checkpoint() -> None:
    project = Project("b: a", files={"a": "1"})
    project.build()
    project.repo.type("b", None)
    assert project.reasons("T1") == ["target-missing"]
    assert project.build() == []
    assert project.repo.text("b") is not None


def test_an_edited_source_file_is_accepted_and_rebuilds_what_is_made_of_it() -> None:
    project = Project("b: a [keep]", "c: b [keep]", "d: b", files={"a": "1"})
    project.build()
    project.repo.type("b", "mine")
    assert project.verdicts()["T1"].state == "up-to-date"
    assert project.verdicts()["T2"].state == "up-to-date"
    assert project.build() == ["T3"]
    assert project.repo.text("b") == "mine"
    assert project.build() == []


def test_completed_source_tasks_are_repeated_only_with_leave() -> None:
    project = Project("b: a [keep]", files={"a": "1"})
    project.build()
    project.repo.type("a", "2")
    assert project.build(leave=False) == []
    assert project.end is not None
    assert project.end.exit_code == 3
    assert project.build(leave=True) == ["T1"]


def test_a_failed_task_leaves_its_targets_and_holds_back_only_its_dependents() -> None:
    project = Project("b: a", "c: b", "d: x [US2]", files={"a": "1", "x": "1"})
    project.build()
    before = project.repo.text("b")
    project.repo.type("a", "2")
    project.repo.type("x", "2")
    project.executors.failing["T1"] = 1
    assert project.build(settings=Settings(keep_going=True)) == ["T1", "T3"]
    assert project.repo.text("b") == before
    assert project.end is not None
    assert (project.end.failed, project.end.blocked, project.end.exit_code) == (1, 1, 1)
    assert project.end.headline == "partially complete"
    assert project.build() == ["T1", "T2"]


def test_a_serial_run_stops_at_the_first_failure() -> None:
    project = Project("b: a", "d: x", files={"a": "1", "x": "1"})
    project.executors.failing["T1"] = 1
    assert project.build() == ["T1"]
    assert project.end is not None
    assert project.end.headline == "failed"


def test_each_attempt_starts_from_the_same_state() -> None:
    project = Project("p: a", "p: b [retries 2]", files={"a": "1", "b": "1"})
    project.executors.failing["T2"] = 2
    assert project.build() == ["T1", "T2", "T2", "T2"]
    assert project.targets() == project.clean()


def test_a_reset_takes_the_state_back_and_a_revert_makes_stale() -> None:
    project = Project("b: a", "c: b", files={"a": "1"})
    project.build()
    project.repo.reset(1)
    assert project.reasons("T2") == ["never-run"]
    assert project.build() == ["T2"]
    project.repo.revert()
    assert project.reasons("T2") == ["rolled-back"]
    assert project.build() == ["T2"]
    assert project.build() == []


def test_a_ticked_source_task_without_a_record_is_claimed_and_satisfies() -> None:
    project = Project("b: a [keep] [ticked]", "c: b", files={"a": "1", "b": "mine"})
    assert project.verdicts()["T1"].state == "claimed"
    assert project.build() == ["T2"]
    assert project.end is not None
    assert [name.id for name in project.end.claimed] == ["T1"]


def test_going_back_to_an_earlier_input_reuses_its_result() -> None:
    project = Project("b: a", "c: b", files={"a": "1"})
    project.build()
    first = project.targets()
    project.repo.type("a", "2")
    project.build()
    project.repo.type("a", "1")
    assert project.build() == []
    assert project.targets() == first
    assert project.build() == []


def test_a_forced_task_runs_although_it_is_up_to_date() -> None:
    project = Project("b: a", files={"a": "1"})
    project.build()
    assert project.build(forced=["T1"]) == ["T1"]


def test_a_task_outside_the_choice_blocks_by_content() -> None:
    project = Project("b: a", "c: b", files={"a": "1"})
    assert project.build(only=["T2"]) == []
    assert project.end is not None
    assert project.end.blocked == 1


def test_lost_bytes_make_the_earlier_writer_run_again() -> None:
    project = Project("p: a", "q: p r", "p: b", files={"a": "1", "b": "1", "r": "1"})
    project.build()
    assert project.repo.tip is not None
    lines = [project.repo.commits[oid].message for oid in reversed(list(project.repo.log()))]
    # All three squashed into one commit: what T1 left of p stands in no tree any more.
    files = dict(project.repo.disk)
    project.repo.reset(3)
    project.repo.commit(files, "\n".join(lines[1:]))
    project.repo.disk = dict(files)
    assert project.build() == []
    project.repo.type("r", "2")
    assert project.build() == ["T1", "T2"]
    assert project.targets() == project.clean()
    assert project.build() == []


def test_a_task_that_writes_its_own_input_fails_if_it_is_generated() -> None:
    project = Project("b: a", files={"a": "1"})

    def meddle(sandbox, task, repo):  # type: ignore[no-untyped-def]
        repo.type("a", repo.text("a") + "!")
        repo.type("b", "x")

    project.executors.bodies["T1"] = meddle
    assert project.build() == ["T1", "T1"]
    assert project.end is not None
    assert project.end.failed == 1


def squashed(*rules: str, files: dict[str, str]) -> Project:
    """Built, and all commits made one: what was overwritten stands in no tree any more."""
    project = Project(*rules, files=files)
    project.build()
    project.repo.squash(len(list(project.repo.log())) - 1)
    assert project.build() == []
    return project


def test_what_a_repeated_writer_overwrites_is_restored_though_its_last_writer_was_settled() -> None:
    project = squashed("p x: a", "x: b", "q: p r", "p: b", files={"a": "1", "b": "1", "r": "1"})
    project.repo.type("r", "2")
    assert project.build() == ["T1", "T3"]
    assert project.targets() == project.clean()
    assert project.build() == []


def test_several_tasks_that_wait_for_one_lost_writer_all_run() -> None:
    files = {"a": "1", "b": "1", "r": "1", "s": "1"}
    for settings in (Settings(), Settings(jobs=3, overlap="all")):
        project = squashed("p: a [P] [worktree]", "q: p r [P]", "t: p r [P]", "p: b [P]", files=files)
        project.repo.type("r", "2")
        assert sorted(project.build(settings=settings)) == ["T1", "T2", "T3"]
        assert project.targets() == project.clean()
        assert project.build() == []


def test_verdicts_ask_for_ancestry_only_where_the_newest_checkpoint_does_not_answer() -> None:
    project = Project("b: a", "c: a [keep]", files={"a": "0"})
    for number in range(20):
        project.repo.type("a", str(number))
        project.build()
    asked: list[Recorded] = []

    class Counting(FakeHistory):
        def supersedes(self, newer: Recorded, older: Recorded) -> bool:
            asked.append(older)
            return super().supersedes(newer, older)

    made, judge = project.load()
    judge = Judge(made.graph, judge.snapshot, Counting(project.repo), task_files={}, environment={})
    assert [verdict.state for verdict in judge.all()] == ["up-to-date", "up-to-date"]
    assert asked == []
