"""Checkpoints through everything that people do to history, with real git and hand-made commits."""

import os
import shutil
from collections.abc import Sequence
from hashlib import sha1
from pathlib import Path

import pytest
from fakes_git import RealGit, checkpoint, hermetic, line

from specbuild.engine.checkpoint import Recorded
from specbuild.engine.task import Oid, TaskName
from specbuild.errors import RepositoryError
from specbuild.git.hashing import blob_id
from specbuild.git.history import GitHistory
from specbuild.git.repository import Repository


@pytest.fixture(autouse=True)
def _hermetic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in hermetic(tmp_path / "home").items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def git(tmp_path: Path) -> RealGit:
    git = RealGit(tmp_path / "repo")
    git.commit("start", plan_md="plan\n")
    return git


def names(records: Sequence[Recorded]) -> list[str]:
    """`T1`, or `-T1` where it is undone; a key other than 1 is added."""
    out = []
    for record in records:
        key = record.checkpoint.key.lstrip("0")
        text = record.checkpoint.name.id + ("" if key == "1" else f"/{key}")
        out.append(f"-{text}" if record.undone else text)
    return out


def history(git: RealGit, revision: str = "HEAD", *, folder: Path | None = None) -> GitHistory:
    """Read three times: from nothing, from a cache of this commit, and from one of where the test was last.

    All must say the same, so that each test is also one of the cache.
    """
    repository = Repository.open(str(folder or git.folder))
    tip = repository.resolve(revision)
    followed = GitHistory(repository, tip)
    followed.save()
    remembered = GitHistory(repository, tip)
    state = Path(repository.common_state_dir)
    kept = state.with_name("kept")
    shutil.move(state, kept)
    cold = GitHistory(repository, tip)
    shutil.move(kept, state)
    for other in (remembered, followed):
        assert facts(other) == facts(cold)
        assert other.cut == cold.cut
    return cold


def facts(found: GitHistory) -> list[tuple[object, ...]]:
    records = found.checkpoints()
    return [(r.checkpoint, r.commit, r.undone, r.time, r.order == records[0].order) for r in records]


def seen(git: RealGit, revision: str = "HEAD") -> list[str]:
    return names(history(git, revision).checkpoints())


def one(found: GitHistory, id_: str) -> Recorded:
    (record,) = [record for record in found.checkpoints() if record.checkpoint.name.id == id_]
    return record


# What is found


def test_a_history_without_checkpoints_has_none(git: RealGit) -> None:
    assert seen(git) == []


def test_an_unborn_branch_has_no_checkpoints(tmp_path: Path) -> None:
    found = GitHistory(Repository.open(str(RealGit(tmp_path / "new").folder)), None)
    assert list(found.checkpoints()) == []
    assert not found.cut
    assert not found.anywhere("x", "0" * 20)
    assert list(found.elsewhere(["refs/heads/*"])) == []
    found.save()


def test_the_newest_comes_first_with_all_that_its_line_says(git: RealGit) -> None:
    first, second = git.task("T1"), git.task("T2")
    records = history(git).checkpoints()
    assert [record.checkpoint for record in records] == [checkpoint("T2"), checkpoint("T1")]
    assert [record.commit for record in records] == [second, first]
    assert records[0].order < records[1].order
    assert records[0].time == int(git.git("show", "-s", "--format=%ct", second))
    assert len(records) == 2
    assert [record.commit for record in records[:1]] == [second]
    assert records[-1].commit == first


def test_lines_that_are_no_checkpoints_are_passed_over(git: RealGit) -> None:
    good = line("T1")
    bad = [
        good.replace("v1", "v2"),
        good.replace("v1 ", "v1  "),
        good[:60],
        "x " + good,
        good.replace("t:", "z:"),
        good.replace(" 0.50 ", " soon "),
        good.lower(),
    ]
    git.commit("T9 Sly title " + good.replace("\n", " "))
    git.commit("T9 Other\n\n" + "\n".join(bad) + "\n")
    assert seen(git) == []
    git.commit("T9 Both\r\n\r\n" + bad[0] + "\r\n" + good + "\r\n")
    assert seen(git) == ["T1"]


def test_a_commit_may_hold_several_lines(git: RealGit) -> None:
    commit = git.commit(f"specbuild: adopt\n\n{line('T1')}\n{line('T2')}\n")
    records = history(git).checkpoints()
    assert names(records) == ["T1", "T2"]
    assert {record.commit for record in records} == {commit}
    assert records[0].order == records[1].order


def test_checkpoints_are_found_by_definition_or_name(git: RealGit) -> None:
    git.task("T1")
    git.task("T2")
    git.task("T1", "2")
    definition = blob_id(b"T1")[:20]
    git.task("T9", definition)  # a key that equals it is no definition
    found = history(git)
    for _ in range(2):  # the first few are searched for, the others looked up in an index
        assert names(found.concerning(TaskName("tasks.md", "T1"), definition)) == ["T1/2", "T1"]
        assert names(found.concerning(TaskName("tasks.md", "T1"), "f" * 20)) == ["T1/2", "T1"]
        assert names(found.concerning(TaskName("other.md", "T7"), definition)) == ["T1/2", "T1"]
        assert names(found.concerning(TaskName("tasks.md", "T2"), definition)) == ["T1/2", "T2", "T1"]
        assert names(found.concerning(TaskName("tasks.md", "T7"), "f" * 20)) == []
    assert names([*found.with_definition(definition)]) == ["T1/2", "T1"]
    assert [*found.with_definition("f" * 20)] == []


def test_checkpoints_are_found_by_their_targets_each_of_which_is_asked_about_once(git: RealGit) -> None:
    for id_, key in (("T1", "1"), ("größe=1 %", "1"), ("T1", "2")):
        git.task(id_, key)
    asked: list[str] = []

    def wanted(path: str) -> bool:
        asked.append(path)
        return path == "T1.out"

    found = history(git)
    assert names([*found.with_targets(wanted)]) == ["T1/2", "T1"]
    assert asked == ["T1.out", "größe=1 %.out"]
    assert names([*found.with_targets(lambda path: "=" in path)]) == ["größe=1 %"]


def test_names_with_odd_characters_are_found(git: RealGit) -> None:
    odd = "größe #1 \udcff.md"
    git.commit(f"odd\n\n{line('T1', file=odd)}\n")
    assert names(history(git).concerning(TaskName(odd, "T1"), "f" * 20)) == ["T1"]


def test_the_tree_of_a_commit_is_at_hand(git: RealGit) -> None:
    first = git.task("T1")
    git.task("T1", "2")
    found = history(git)
    assert found.snapshot(first).read("T1.out") == b"T1 1\n"
    assert found.snapshot(first) is found.snapshot(first)


# What people do to history


def test_reset_takes_checkpoints_away(git: RealGit) -> None:
    for id_ in ("T1", "T2", "T3"):
        git.task(id_)
    assert seen(git) == ["T3", "T2", "T1"]
    git.git("reset", "-q", "--hard", "HEAD~2")
    assert seen(git) == ["T1"]
    git.task("T4")
    assert seen(git) == ["T4", "T1"]
    git.git("reset", "-q", "--hard", "ORIG_HEAD")
    assert seen(git) == ["T3", "T2", "T1"]


def test_a_revert_undoes_and_a_revert_of_it_does_again(git: RealGit) -> None:
    git.task("T1")
    git.task("T2")
    git.git("revert", "--no-edit", "HEAD~1")
    assert seen(git) == ["T2", "-T1"]
    git.git("revert", "--no-edit", "HEAD")
    assert seen(git) == ["T2", "T1"]
    git.git("revert", "--no-edit", "HEAD")
    assert seen(git) == ["T2", "-T1"]
    git.git("reset", "-q", "--hard", "HEAD~1")
    assert seen(git) == ["T2", "T1"]
    git.git("reset", "-q", "--hard", "HEAD~1")
    assert seen(git) == ["T2", "-T1"]


def test_a_task_that_was_run_again_after_its_revert_counts(git: RealGit) -> None:
    git.task("T1")
    git.git("revert", "--no-edit", "HEAD")
    git.task("T1")
    assert seen(git) == ["T1", "-T1"]


def test_what_is_undone_takes_older_ones_of_the_same_key_with_it(git: RealGit) -> None:
    git.task("T1", "1")
    git.task("T1", "2")
    git.commit(f"T7 Renumbered\n\n{line('T1', '1').replace('#T1', '#T7')}\n", x_txt="x")
    git.task("T3", "1")
    git.git("revert", "--no-edit", "HEAD~1")
    assert seen(git) == ["T3", "-T7", "T1/2", "-T1"]
    git.git("revert", "--no-edit", "HEAD")
    assert seen(git) == ["T3", "T7", "T1/2", "T1"]


def test_an_abbreviated_revert_is_understood(git: RealGit) -> None:
    commit = git.task("T1")
    git.task("T2")
    git.git("revert", "--no-edit", "--reference", commit)
    assert f"This reverts commit {commit[:7]}" in git.git("log", "-1", "--format=%B")
    assert seen(git) == ["T2", "-T1"]


@pytest.mark.parametrize(
    "message",
    [
        "Revert it\n\nThis reverts commit {0}.",
        "x\n\nThis reverts commit {1}.",
        "x\n\nlong text\nThis reverts commit {1}, since it broke.\nMore.",
        "x\r\n\r\nThis reverts commit {0}.\r\n",
    ],
)
def test_hand_written_reverts_are_understood(git: RealGit, message: str) -> None:
    commit = git.task("T1")
    git.commit(message.format(commit, commit[:8]))
    assert seen(git) == ["-T1"]


@pytest.mark.parametrize(
    "message",
    [
        "x\n\nThis reverts commit {tree}.",
        "x\n\nThis reverts commit 0123456789012345678901234567890123456789.",
        "x\n\nThis reverts commit abc.",
        "x\n\nThis reverts commit HEAD.",
        "x\n\nThis reverts nothing.",
        "This reverts commit",
        "This reverts commit {blob}.",
        'Revert ""\n\nThis reverts commit 01234567.',
        'Revert "no such subject"\n\nThis reverts commit 01234567.',
        "x\n\nWe say: This reverts commit {commit}.",
        "x\n\nThis reverts commit 01234567 (T9 other, 2020-01-01).",
    ],
)
def test_reverts_that_name_nothing_undo_nothing(git: RealGit, message: str) -> None:
    commit = git.task("T1")
    places = {
        "commit": commit,
        "tree": git.git("rev-parse", "HEAD^{tree}"),
        "blob": git.git("rev-parse", "HEAD:T1.out"),
    }
    git.commit(message.format(**places))
    assert seen(git) == ["T1"]
    git.commit("another on top")
    assert seen(git) == ["T1"]


def test_a_revert_that_names_itself_or_a_later_commit_undoes_nothing(git: RealGit) -> None:
    git.task("T1")
    later = git.task("T2")
    git.git("reset", "-q", "--hard", "HEAD~1")
    git.commit(f"x\n\nThis reverts commit {later}.")
    assert seen(git) == ["T1"]


def test_switching_branches_follows(git: RealGit) -> None:
    git.task("T1")
    git.git("switch", "-q", "-c", "side")
    git.task("T2")
    git.git("switch", "-q", "main")
    git.task("T3")
    for _ in range(3):
        git.git("switch", "-q", "side")
        assert seen(git) == ["T2", "T1"]
        git.git("switch", "-q", "main")
        assert seen(git) == ["T3", "T1"]
    git.git("switch", "-q", "--orphan", "empty")
    git.commit("nothing in common")
    assert seen(git) == []
    git.git("switch", "-q", "main")
    assert seen(git) == ["T3", "T1"]


def test_cherry_pick_brings_checkpoints_along(git: RealGit) -> None:
    git.git("switch", "-q", "-c", "side")
    commit = git.task("T1")
    git.git("switch", "-q", "main")
    git.task("T2")
    git.git("cherry-pick", commit)
    git.git("cherry-pick", "-x", "--allow-empty", "--keep-redundant-commits", commit)
    assert seen(git) == ["T1", "T1", "T2"]


def test_a_picked_revert_undoes_the_picked_commit(git: RealGit) -> None:
    """The id in its message is of the other branch; the quoted subject tells."""
    git.git("switch", "-q", "-c", "side")
    commit = git.task("T1")
    git.git("revert", "--no-edit", "HEAD")
    revert = git.git("rev-parse", "HEAD")
    git.git("switch", "-q", "main")
    git.task("T2")
    git.git("cherry-pick", commit)
    assert seen(git) == ["T1", "T2"]
    git.git("cherry-pick", revert)
    assert seen(git) == ["-T1", "T2"]


def test_rebase_keeps_checkpoints_and_reverts(git: RealGit) -> None:
    git.git("switch", "-q", "-c", "side")
    git.task("T1")
    git.task("T2")
    git.git("revert", "--no-edit", "HEAD~1")
    git.git("revert", "--no-edit", "HEAD")
    git.git("revert", "--no-edit", "HEAD")
    git.git("switch", "-q", "main")
    git.task("T3")
    git.git("switch", "-q", "side")
    assert seen(git) == ["T2", "-T1"]
    before = git.git("rev-parse", "HEAD")
    git.git("rebase", "-q", "main")
    assert git.git("rev-parse", "HEAD") != before
    assert seen(git) == ["T2", "-T1", "T3"]
    git.git("reflog", "expire", "--expire=now", "--all")
    git.git("gc", "-q", "--prune=now")
    assert seen(git) == ["T2", "-T1", "T3"]


def todo(git: RealGit, *lines: str, base: str) -> None:
    """An interactive rebase with this plan; commits are named by their subjects' first words."""
    script = git.folder.parent / "todo"
    commits = {
        row.split(" ")[1]: row.split(" ")[0]
        for row in git.git("log", "--format=%h %s", f"{base}..HEAD").splitlines()
    }
    plan = [f"{step.split(' ')[0]} {commits[step.split(' ')[1]]}" for step in lines]
    script.write_text("\n".join(plan) + "\n")
    git.git("rebase", "-q", "-i", base, env={"GIT_SEQUENCE_EDITOR": f"cp '{script}'"})


def test_an_interactive_rebase_reorders_squashes_and_fixes_up(git: RealGit) -> None:
    base = git.git("rev-parse", "HEAD")
    for id_ in ("T1", "T2", "T3", "T4"):
        git.task(id_)
    todo(git, "pick T3", "pick T1", "pick T2", "pick T4", base=base)
    assert seen(git) == ["T4", "T2", "T1", "T3"]
    todo(git, "pick T3", "squash T1", "pick T2", "fixup T4", base=base)
    records = history(git).checkpoints()
    assert sorted(names(records)) == ["T1", "T2", "T3"]  # a fixup's message is lost
    assert one(history(git), "T1").commit == one(history(git), "T3").commit


def test_a_squashed_revert_takes_back_only_its_own_part(git: RealGit) -> None:
    base = git.git("rev-parse", "HEAD")
    git.task("T1")
    git.task("T2")
    git.git("revert", "--no-edit", "HEAD~1")
    git.git(
        "commit",
        "-q",
        "--amend",
        "-m",
        'undo\n\nRevert "T1 Make T1"\n\nThis reverts commit ' + "1" * 40 + ".",
    )
    todo(git, "pick T1", "squash T2", "squash undo", base=base)
    assert seen(git) == ["-T1", "T2"]


def test_amending_keeps_what_the_message_keeps(git: RealGit) -> None:
    git.task("T1")
    git.write("more", "more")
    git.git("add", "-A")
    git.git("commit", "-q", "--amend", "--no-edit")
    assert seen(git) == ["T1"]
    git.git("commit", "-q", "--amend", "-m", "reworded")
    assert seen(git) == []


def test_a_merge_brings_both_sides(git: RealGit) -> None:
    git.git("switch", "-q", "-c", "side")
    git.task("T1")
    git.git("switch", "-q", "main")
    git.task("T2")
    git.git("merge", "-q", "--no-edit", "side")
    git.task("T3")
    found = history(git)
    assert names(found.checkpoints()) == ["T3", "T2", "T1"]  # by time, where no side is the older one
    side, main, top = one(found, "T1"), one(found, "T2"), one(found, "T3")
    assert found.supersedes(top, side)
    assert found.supersedes(top, main)
    assert not found.supersedes(main, side)
    assert not found.supersedes(side, main)
    assert not found.supersedes(side, top)
    assert not found.supersedes(top, top)


def test_an_octopus_brings_all_sides(git: RealGit) -> None:
    for number in (1, 2, 3):
        git.git("switch", "-q", "-c", f"side{number}", "main")
        git.task(f"T{number}")
    git.git("switch", "-q", "main")
    git.task("T4")
    git.git("merge", "-q", "--no-edit", "side1", "side2", "side3")
    assert len(git.git("log", "-1", "--format=%P").split()) == 4
    found = history(git)
    assert names(found.checkpoints()) == ["T4", "T3", "T2", "T1"]
    assert not any(
        found.supersedes(one(found, a), one(found, b)) for a in ("T1", "T2", "T3") for b in ("T1", "T2", "T3")
    )
    git.git("revert", "--no-edit", "-m", "1", "HEAD")
    assert seen(git) == ["T4", "-T3", "-T2", "-T1"]


def test_a_reverted_merge_undoes_its_second_side(git: RealGit) -> None:
    git.task("T0")
    git.git("switch", "-q", "-c", "side")
    git.task("T1")
    git.task("T2")
    git.git("switch", "-q", "main")
    git.task("T3")
    git.git("merge", "-q", "--no-edit", "side")
    git.git("revert", "--no-edit", "-m", "1", "HEAD")
    assert "reversing" in git.git("log", "-1", "--format=%B")
    assert seen(git) == ["T3", "-T2", "-T1", "T0"]
    git.git("revert", "--no-edit", "HEAD")
    assert seen(git) == ["T3", "T2", "T1", "T0"]
    git.git("reset", "-q", "--hard", "HEAD~2")
    git.git("revert", "--no-edit", "--reference", "-m", "2", "HEAD")
    assert seen(git) == ["-T3", "T2", "T1", "T0"]


def test_a_reverted_merge_takes_the_reverts_on_its_side_back(git: RealGit) -> None:
    git.task("T1")
    git.git("switch", "-q", "-c", "side")
    git.git("revert", "--no-edit", "HEAD")
    git.git("switch", "-q", "main")
    git.task("T3")
    git.git("merge", "-q", "--no-edit", "side")
    assert seen(git) == ["T3", "-T1"]
    git.git("revert", "--no-edit", "-m", "1", "HEAD")
    assert seen(git) == ["T3", "T1"]


def test_a_reverted_merge_is_found_by_its_subject_after_a_rebase(git: RealGit) -> None:
    git.git("switch", "-q", "-c", "topic")
    git.task("T0")
    git.git("switch", "-q", "-c", "side")
    git.task("T1")
    git.git("switch", "-q", "topic")
    git.task("T2")
    git.git("merge", "-q", "--no-edit", "side")
    git.git("revert", "--no-edit", "-m", "1", "HEAD")
    git.git("switch", "-q", "main")
    git.task("T3")
    git.git("switch", "-q", "topic")
    git.git("rebase", "-q", "--rebase-merges", "main")
    git.git("branch", "-D", "side")
    git.git("reflog", "expire", "--expire=now", "--all")
    git.git("gc", "-q", "--prune=now")
    found = sorted(seen(git))
    assert found == ["-T1", "T0", "T2", "T3"]


def test_merge_squash_keeps_all_lines(git: RealGit) -> None:
    git.git("switch", "-q", "-c", "side")
    git.task("T1")
    git.task("T2")
    git.task("T5")
    git.git("revert", "--no-edit", "HEAD~1")
    git.git("switch", "-q", "main")
    git.task("T3")
    git.git("merge", "-q", "--squash", "side")
    git.git("commit", "-q", "--no-edit")
    assert "    Specbuild-Checkpoint" in git.git("log", "-1", "--format=%B")
    assert sorted(seen(git)) == ["-T2", "T1", "T3", "T5"]
    assert seen(git)[-1] == "T3"


def squashed(git: RealGit, style: str) -> str:
    """The message that a hosting site writes for a squash merge, oldest first."""
    messages = [
        git.git("log", "-1", "--format=%B", commit)
        for commit in git.git("log", "--reverse", "--format=%H", "main..side").splitlines()
    ]
    if style == "bullets":
        return "Add models (#12)\n\n" + "\n\n".join(f"* {message}" for message in messages) + "\n"
    if style == "rule":
        return (
            "Merged PR 12: Add models\n\n"
            + "\n\n---------\n\n".join(messages)
            + "\n\nCo-authored-by: Bob <bob@example.com>\n"
        )
    return "Add models (!12)\n\n" + "\n\n".join(messages)


@pytest.mark.parametrize("style", ["bullets", "rule", "plain"])
def test_squash_merges_as_hosting_sites_write_them(git: RealGit, style: str) -> None:
    git.git("switch", "-q", "-c", "side")
    git.task("T1")
    git.task("T2")
    git.git("revert", "--no-edit", "HEAD~1")
    git.task("T4")
    message = squashed(git, style)
    git.git("switch", "-q", "main")
    git.git("merge", "-q", "--squash", "side")
    git.commit(message)
    git.git("branch", "-D", "side")
    assert seen(git) == ["-T1", "T2", "T4"]
    git.git("revert", "--no-edit", "HEAD")
    assert seen(git) == ["-T1", "-T2", "-T4"]
    git.git("revert", "--no-edit", "HEAD")
    assert seen(git) == ["-T1", "T2", "T4"]


def test_one_part_of_a_squash_is_reverted_by_its_subject(git: RealGit) -> None:
    git.git("switch", "-q", "-c", "side")
    git.task("T1")
    git.task("T2")
    message = squashed(git, "bullets")
    git.git("switch", "-q", "main")
    git.git("merge", "-q", "--squash", "side")
    git.commit(message)
    git.commit('Revert "T1 Make T1"\n\nThis reverts commit ' + "1" * 40 + ".\n")
    assert seen(git) == ["-T1", "T2"]


def test_a_subject_far_back_is_found_from_a_cached_history(git: RealGit) -> None:
    """What was walked long ago is not in memory when the revert comes."""
    git.task("T1")
    git.task("T2")
    for number in range(5):
        git.commit(f"work {number}", w_txt=str(number))
    assert seen(git) == ["T2", "T1"]
    git.commit('Revert "T1 Make T1"\n\nThis reverts commit ' + "1" * 40 + ".\n")
    assert seen(git) == ["T2", "-T1"]


def test_the_newest_commit_of_a_subject_is_meant(git: RealGit) -> None:
    git.task("T1", "1")
    git.task("T1", "2")
    git.commit('Revert "T1 Make T1"\n\nThis reverts commit ' + "1" * 40 + ".\n")
    assert seen(git) == ["-T1/2", "T1"]
    git.commit("T1 Make T1\n\nwritten by hand, no checkpoint")
    git.commit('Revert "T1 Make T1"\n\nThis reverts commit ' + "2" * 40 + ".\n")
    assert seen(git) == ["-T1/2", "T1"]


LOST = "\n\nThis reverts commit " + "1" * 40 + ".\n"


def test_a_squash_is_reverted_as_a_whole_by_its_subject_from_a_cached_history_too(git: RealGit) -> None:
    """Its subject is also that of the first message in it, as an interactive rebase leaves it."""
    git.commit("\n\n".join(f"{id_} Make {id_}\n\n{line(id_)}" for id_ in ("T1", "T2")))
    assert seen(git) == ["T1", "T2"]
    git.commit('Revert "T1 Make T1"' + LOST)
    assert seen(git) == ["-T1", "-T2"]


@pytest.mark.parametrize("sides", [["main", "side"], ["side", "main"]])
def test_of_two_branches_the_newer_commit_of_a_subject_is_meant_from_wherever_one_came(
    git: RealGit, sides: list[str]
) -> None:
    git.git("branch", "side")
    for number, side in enumerate(sides, 1):
        git.git("switch", "-q", side)
        git.task("T1", str(number))
    git.git("switch", "-q", "main")
    git.git("merge", "-q", "-s", "ours", "side", "-m", "merge")
    git.commit('Revert "T1 Make T1"' + LOST)
    git.commit("more")
    for tip in ("main~3", "main", "side", "main", "main~2", "main"):
        history(git, tip)
    assert seen(git) == ["-T1/2", "T1"]


def test_an_ambiguous_abbreviation_means_an_ancestor(git: RealGit) -> None:
    commits = {git.task(f"T{number}")[:4]: number for number in range(40)}
    other = RealGit(git.folder)
    prefix = next(iter(commits))
    number = 0
    while True:  # an unrelated blob that begins alike, so that git itself would call it ambiguous
        oid = blob_id(f"{number}".encode())
        if oid.startswith(prefix):
            break
        number += 1
    other.git("hash-object", "-w", "--stdin", stdin=f"{number}")
    git.commit(f"x\n\nThis reverts commit {prefix}.")
    undone = [name for name in seen(git) if name.startswith("-")]
    assert undone == [f"-T{commits[prefix]}"]


def test_an_ambiguous_abbreviation_means_the_newest_ancestor_whatever_its_message_says(git: RealGit) -> None:
    """From a cached history, too, which holds only the messages of commits that say something."""
    wanted = git.task("T1")
    who = "A <a> 1700100000 +0000"
    head = f"tree {git.git('rev-parse', 'HEAD^{tree}')}\nparent {wanted}\nauthor {who}\ncommitter {who}\n\n"
    for number in range(10_000_000):
        made = f"{head}{number}\n"
        if sha1(f"commit {len(made)}\0{made}".encode()).hexdigest().startswith(wanted[:4]):
            break
    git.git("reset", "-q", git.git("hash-object", "-tcommit", "-w", "--stdin", stdin=made))
    assert seen(git) == ["T1"]
    git.commit(f"x\n\nThis reverts commit {wanted[:4]}.")
    assert seen(git) == ["T1"]


def test_stashes_and_bisects_need_no_help(git: RealGit) -> None:
    first = git.task("T1")
    for number in range(2, 6):
        git.task(f"T{number}")
    git.write("plan.md", "edited\n")
    git.git("stash")
    assert len(seen(git)) == 5
    git.git("stash", "pop")
    git.git("stash")
    git.git("bisect", "start", "HEAD", first)
    assert len(seen(git)) in {2, 3}
    git.git("bisect", "reset")
    assert len(seen(git)) == 5


def test_linked_worktrees_share_the_cache_and_not_the_history(git: RealGit, tmp_path: Path) -> None:
    git.task("T1")
    git.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    side = RealGit(tmp_path / "side")
    side.now = git.now
    side.task("T2")
    git.task("T3")
    for _ in range(2):
        assert names(history(side).checkpoints()) == ["T2", "T1"]
        assert seen(git) == ["T3", "T1"]
    assert (git.folder / ".git/specbuild/history").exists()
    assert not (git.folder / ".git/worktrees/side/specbuild").exists()


# Cut and changed history


def test_a_shallow_clone_says_that_its_history_is_cut(git: RealGit, tmp_path: Path) -> None:
    git.task("T1")
    git.task("T2")
    git.commit("work")
    clone = tmp_path / "shallow"
    git.git("clone", "-q", "--depth=2", f"file://{git.folder}", str(clone))
    shallow = RealGit(clone)
    found = history(shallow)
    assert (names(found.checkpoints()), found.cut) == (["T2"], True)
    with pytest.raises(RepositoryError, match="T1") as caught:
        found.refuse_cut("T1")
    assert caught.value.exit_code == 4
    assert "git fetch --unshallow" in caught.value.hint
    shallow.git("fetch", "-q", "--unshallow")
    found = history(shallow)
    assert (names(found.checkpoints()), found.cut) == (["T2", "T1"], False)
    found.refuse_cut("T0")


def test_a_whole_history_is_not_cut(git: RealGit) -> None:
    git.task("T1")
    found = history(git)
    assert not found.cut
    found.refuse_cut("anything")


def test_grafts_and_replaced_commits_are_as_git_has_them(git: RealGit) -> None:
    git.task("T1")
    commit = git.task("T2")
    git.task("T3")
    assert seen(git) == ["T3", "T2", "T1"]
    git.git("replace", "--graft", commit)
    found = history(git)
    assert names(found.checkpoints()) == ["T3", "T2"]
    assert found.supersedes(one(found, "T3"), one(found, "T2"))
    assert not found.cut
    git.git("pack-refs", "--all")
    assert seen(git) == ["T3", "T2"]
    git.git("replace", "-d", commit)
    assert seen(git) == ["T3", "T2", "T1"]


def test_an_old_style_graft_counts(git: RealGit) -> None:
    git.task("T1")
    commit = git.task("T2")
    assert seen(git) == ["T2", "T1"]
    (git.folder / ".git/info").mkdir(exist_ok=True)
    (git.folder / ".git/info/grafts").write_text(commit + "\n")
    assert seen(git) == ["T2"]


def test_clocks_that_go_backwards_do_not_turn_history_round(git: RealGit) -> None:
    git.task("T1")
    git.now -= 1_000_000
    git.task("T2")
    git.now -= 1_000_000
    git.git("switch", "-q", "-c", "side")
    git.task("T3")
    git.git("switch", "-q", "main")
    git.task("T4")
    git.git("merge", "-q", "--no-edit", "side")
    found = history(git)
    assert names(found.checkpoints()) == ["T4", "T3", "T2", "T1"]
    assert found.supersedes(one(found, "T3"), one(found, "T1"))
    assert not found.supersedes(one(found, "T1"), one(found, "T3"))


def test_many_commits_of_one_second_keep_their_order(git: RealGit) -> None:
    for number in range(12):
        git.now = 1_700_100_000 - 3600 * 2
        git.task(f"T{number}")
        if number % 4 == 0:
            seen(git)
    assert seen(git) == [f"T{number}" for number in reversed(range(12))]


def test_who_descends_from_whom_agrees_with_git(git: RealGit) -> None:
    """A small thicket of branches, followed step by step, so that chains begin and end all over."""
    git.task("T0")
    for number in range(1, 13):
        if number % 3 == 0:
            git.git("switch", "-q", "-c", f"b{number}", f"HEAD~{1 if number > 3 else 0}")
        if number % 4 == 0:
            git.git("merge", "-q", "--no-edit", "main", check=False)
        git.task(f"T{number}")
        if number % 5 == 0:
            git.git("branch", "-f", "main", "HEAD")
        seen(git)
    git.git("merge", "-q", "--no-edit", *git.git("branch", "--format=%(refname:short)").split(), check=False)
    repository = Repository.open(str(git.folder))
    found = GitHistory(repository, repository.head)
    records = found.checkpoints()
    assert len(records) > 8
    for newer in records:
        for older in records:
            done = git.git("merge-base", older.commit, newer.commit)
            expected = done == older.commit and newer.commit != older.commit
            assert found.supersedes(newer, older) == expected
            assert not expected or newer.order < older.order


# Other branches


def test_checkpoints_elsewhere_are_those_that_only_other_refs_reach(git: RealGit) -> None:
    git.task("T1")
    git.git("switch", "-q", "-c", "side")
    git.task("T2")
    git.git("switch", "-q", "-c", "feature/deep")
    git.task("T3")
    git.git("tag", "v1")
    git.git("switch", "-q", "--detach", "main")
    git.task("T4")
    git.git("update-ref", "refs/remotes/origin/x", "HEAD")
    git.git("switch", "-q", "main")
    found = history(git)
    assert names(found.elsewhere(["refs/heads/*"])) == ["T3", "T2"]
    assert names(found.elsewhere(["refs/heads/side"])) == ["T2"]
    assert names(found.elsewhere(["refs/heads/*", "refs/remotes/*"])) == ["T4", "T3", "T2"]
    assert names(found.elsewhere(["refs/nothing/*"])) == []
    assert names(found.elsewhere([])) == []


def test_what_was_undone_there_or_here_is_not_elsewhere(git: RealGit) -> None:
    git.task("T0", "7")
    git.git("revert", "--no-edit", "HEAD")
    git.git("switch", "-q", "-c", "side")
    git.task("T1")
    git.task("T2")
    git.git("revert", "--no-edit", "HEAD~1")
    git.task("T0", "7")
    git.git("switch", "-q", "main")
    assert names(history(git).elsewhere(["refs/heads/*"])) == ["T2"]


def test_a_result_is_known_from_any_ref_or_reflog(git: RealGit) -> None:
    git.task("T1")
    git.task("T2")
    git.git("reset", "-q", "--hard", "HEAD~1")
    git.git("switch", "-q", "-c", "side")
    git.task("T3")
    git.git("revert", "--no-edit", "HEAD")
    git.git("switch", "-q", "main")
    found = history(git)
    for id_ in ("T1", "T2", "T3"):
        assert found.anywhere(f"{id_}.out", blob_id(f"{id_} 1\n".encode())[:20]), id_
        assert not found.anywhere(f"{id_}.out", blob_id(b"other")[:20])
        assert not found.anywhere("x.out", blob_id(f"{id_} 1\n".encode())[:20])


def test_a_broken_ref_elsewhere_holds_nothing_up(git: RealGit) -> None:
    git.task("T1")
    git.git("switch", "-q", "-c", "side")
    git.task("T2")
    git.git("switch", "-q", "main")
    (git.folder / ".git/refs/heads/broken").write_text("1" * 40 + "\n")
    found = history(git)
    assert names(found.checkpoints()) == ["T1"]
    assert names(found.elsewhere(["refs/heads/*"])) == ["T2"]
    assert not found.anywhere("x", "0" * 20)


# What the builder adds, and the cache


def test_added_checkpoints_are_the_newest(git: RealGit) -> None:
    git.task("T1")
    found = history(git)
    before = one(found, "T1")
    git.commit("specbuild: save edited inputs", plan_md="edited\n")
    commits: list[Oid] = []
    for id_ in ("T2", "T3"):
        commits.append(git.task(id_))
        found.added(commits[-1], [checkpoint(id_)], git.now)
    empty = git.commit("specbuild: nothing")
    found.added(empty, [], git.now)
    assert found.tip == empty
    assert names(found.checkpoints()) == ["T3", "T2", "T1"] == seen(git)
    second, third = one(found, "T2"), one(found, "T3")
    assert [third.commit, second.commit] == commits[::-1]
    assert third.order < second.order < before.order
    assert found.supersedes(third, second)
    assert found.supersedes(second, before)
    assert not found.supersedes(before, second)
    assert not found.supersedes(second, third)
    assert names(found.concerning(TaskName("tasks.md", "T3"), "f" * 20)) == ["T3"]
    found.save()
    assert names(found.checkpoints()) == ["T3", "T2", "T1"]
    assert facts(GitHistory(Repository.open(str(git.folder)), empty)) == facts(history(git))


def test_several_lines_added_at_once_keep_their_order(git: RealGit) -> None:
    found = history(git)
    commit = git.commit(f"specbuild: adopt\n\n{line('T1')}\n{line('T2')}\n")
    found.added(commit, [checkpoint("T1"), checkpoint("T2")], git.now)
    assert names(found.checkpoints()) == ["T1", "T2"]
    found.save()
    assert names(found.checkpoints()) == ["T1", "T2"]


def test_looking_writes_nothing(git: RealGit) -> None:
    git.task("T1")
    repository = Repository.open(str(git.folder))
    found = GitHistory(repository, repository.head)
    assert names(found.checkpoints()) == ["T1"]
    assert not (git.folder / ".git/specbuild").exists()


def damaged(content: bytes) -> list[bytes]:
    middle = len(content) // 2
    return [
        b"",
        b"something else\n" * 10,
        content[:10],
        content[:middle],
        content + b"x",
        content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        content[:70] + b"\xff" * 40 + content[110:],
        content.replace(b"history 1", b"history 9", 1),
        b"\0" * len(content),
    ]


@pytest.mark.parametrize("number", range(9))
def test_a_damaged_or_foreign_cache_is_made_anew(git: RealGit, number: int) -> None:
    git.task("T1")
    git.git("revert", "--no-edit", "HEAD")
    history(git)
    cache = git.folder / ".git/specbuild/history"
    cache.write_bytes(damaged(cache.read_bytes())[number])
    assert seen(git) == ["-T1"]


def test_a_cache_of_a_commit_that_is_gone_is_made_anew(git: RealGit) -> None:
    git.task("T1")
    git.task("T2")
    history(git)
    git.git("reset", "-q", "--hard", "HEAD~1")
    git.git("reflog", "expire", "--expire=now", "--all")
    git.git("gc", "-q", "--prune=now")
    git.task("T3")
    assert seen(git) == ["T3", "T1"]


def test_a_cache_that_cannot_be_written_is_done_without(git: RealGit) -> None:
    git.task("T1")
    (git.folder / ".git/specbuild").write_text("a file, where the folder would be")
    repository = Repository.open(str(git.folder))
    found = GitHistory(repository, repository.head)
    found.save()
    assert names(found.checkpoints()) == ["T1"]


def test_a_cache_that_followed_a_hundred_moves_is_as_a_new_one(git: RealGit) -> None:
    repository = Repository.open(str(git.folder))
    commits = [git.task(f"T{number}") for number in range(6)]
    git.git("revert", "--no-edit", commits[2])
    tips = [*commits, repository.head]
    for step in range(120):
        found = GitHistory(repository, tips[(step * step + 3 * step) % len(tips)])
        found.save()
    assert os.path.getsize(git.folder / ".git/specbuild/history") < 200_000
    for tip in tips:
        assert tip is not None
        history(git, tip)


def test_a_tip_that_does_not_exist_is_an_error(git: RealGit) -> None:
    with pytest.raises(RepositoryError, match="111111111111"):
        GitHistory(Repository.open(str(git.folder)), "1" * 40)


def test_a_bare_repository_has_a_history(git: RealGit, tmp_path: Path) -> None:
    git.task("T1")
    git.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    repository = Repository.open(str(tmp_path / "bare.git"))
    assert names(GitHistory(repository, repository.head).checkpoints()) == ["T1"]
