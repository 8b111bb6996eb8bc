"""`specbuild rollback`: the command, in real repositories."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from repositories import Workshop, box, workshops

Make = Callable[..., Workshop]

CHAIN = (
    box("T001", "a.txt", "seed.txt"),
    box("T002", "b.txt", "a.txt"),
    box("T003", "c.txt", "b.txt"),
    box("T004", "other.txt", "seed.txt"),
)

CONFIG_ANY = '[[rule]]\nexecutor = "shell"\nwrites = "any"\non_edit = "keep"\n'


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with workshops(tmp_path) as made:
        yield made


@pytest.fixture
def chain(make: Make) -> Workshop:
    """Four tasks, of which the second and third hang below the first."""
    work = make(*CHAIN, **{"seed.txt": "1\n"})
    assert work.build() == ["T001", "T002", "T003", "T004"]
    return work


def test_a_task_and_all_that_depended_on_it_are_reverted_newest_first(chain: Workshop) -> None:
    commits = [chain.found(id_) for id_ in ("T003", "T002")]
    before = chain.head()
    done = chain.process("rollback", "T002")
    assert done.code == 0, done.err
    assert chain.git("rev-parse", "HEAD~2") == before
    messages = [chain.git("log", "-1", "--format=%B", revision) for revision in ("HEAD~1", "HEAD")]
    for commit, message in zip(commits, messages, strict=True):
        assert f"\nThis reverts commit {commit}." in message
    assert chain.subjects()[0].startswith('Revert "T002 ')
    assert chain.stale() == ["T002", "T003"]
    assert chain.reasons("T002")[0] == "rolled-back"
    assert chain.reasons("T003")[0] == "rolled-back"
    assert (chain.text("b.txt"), chain.text("c.txt")) == (None, None)
    text = chain.text("tasks.md") or ""
    assert ["[x] " + id_ in text for id_ in ("T001", "T002", "T003", "T004")] == [True, False, False, True]
    chain.assert_tidy()
    assert chain.build() == ["T002", "T003"]


def test_what_git_itself_would_revert_is_what_stands_there_afterwards(chain: Workshop) -> None:
    commits = [chain.found(id_) for id_ in ("T003", "T002", "T001")]
    chain.git("branch", "by-hand")
    assert chain.process("rollback", "T001").code == 0
    chain.git("switch", "-q", "by-hand")
    for commit in commits:
        chain.git("revert", "--no-edit", commit)
    assert chain.git("rev-parse", "HEAD^{tree}") == chain.git("rev-parse", "main^{tree}")
    assert chain.subjects() == chain.subjects("main")


def test_a_dry_run_lists_the_commits_and_changes_nothing(chain: Workshop) -> None:
    before = chain.head()
    done = chain.process("rollback", "T002", "--dry-run")
    assert done.code == 0, done.err
    assert [line.split()[:4] for line in done.out.splitlines()] == [
        ["would", "revert", chain.found("T003")[:7], "T003"],
        ["would", "revert", chain.found("T002")[:7], "T002"],
    ]
    found = json.loads(chain.process("rollback", "T002", "--dry-run", "--json").out)
    assert [each["tasks"] for each in found["reverted"]] == [["tasks.md#T003"], ["tasks.md#T002"]]
    assert [each["revert"] for each in found["reverted"]] == [None, None]
    assert chain.head() == before


def test_a_persons_unrelated_changes_stay(chain: Workshop) -> None:
    chain.type("notes.txt", "staged\n")
    chain.git("add", "notes.txt")
    chain.type("seed.txt", "2\n")
    sights = chain.sights()
    assert chain.process("rollback", "T002").code == 0
    after = chain.sights()
    assert after["diff"] == sights["diff"]
    assert after["cached"] == sights["cached"]


def test_an_edited_task_file_keeps_its_words_and_loses_the_ticks(chain: Workshop) -> None:
    text = (chain.text("tasks.md") or "") + "- [ ] T005 not yet committed\n"
    chain.type("tasks.md", text)
    done = chain.process("rollback", "T003")
    assert done.code == 0, done.err
    assert chain.text("tasks.md") == text.replace("[x] T003", "[ ] T003")
    assert "T005" not in chain.git("show", "HEAD:tasks.md")
    assert "[ ] T003" in chain.git("show", "HEAD:tasks.md")


@pytest.mark.parametrize("staged", [False, True])
def test_uncommitted_work_in_the_way_leaves_everything_as_it_was(chain: Workshop, staged: bool) -> None:
    chain.type("c.txt", "by hand\n")
    if staged:
        chain.git("add", "c.txt")
    before, sights = chain.head(), chain.sights()
    done = chain.process("rollback", "T002")
    assert done.code == 1
    assert "c.txt" in done.err
    assert (chain.head(), chain.sights()) == (before, sights)


def test_a_conflict_leaves_everything_as_it_was_and_names_task_and_file(make: Make) -> None:
    work = make(box("T001", "a.txt", keep=True))
    work.build()
    made = work.text("a.txt") or ""
    work.commit("by hand", **{"a.txt": made.replace("do", "did") + "more\n"})
    before, sights = work.head(), work.sights()
    done = work.process("rollback", "T001")
    assert done.code == 1
    assert "T001" in done.err
    assert "a.txt" in done.err
    assert (work.head(), work.sights()) == (before, sights)


def test_a_persons_later_edit_elsewhere_in_the_file_stays(make: Make) -> None:
    lines = "".join(f"{n}\n" for n in range(20))
    work = make(box("T001", "a.txt", keep=True, run="sed -i s/^2$/two/ a.txt"), **{"a.txt": lines})
    work.build()
    work.commit("by hand", **{"a.txt": (work.text("a.txt") or "") + "end\n"})
    done = work.process("rollback", "T001")
    assert done.code == 0, done.err
    assert work.text("a.txt") == lines + "end\n"


def test_other_tasks_of_a_squashed_commit_go_along_by_name_with_what_depends_on_them(make: Make) -> None:
    work = make(
        box("T001", "a.txt", "seed.txt"),
        box("T002", "b.txt", "seed.txt"),
        box("T003", "c.txt", "b.txt"),
        **{"seed.txt": "1\n"},
    )
    start = work.head()
    work.build("--filter", "T001, T002")
    work.git("switch", "-q", "-c", "squashed", start)
    work.git("merge", "-q", "--squash", "main")
    work.git("commit", "-q", "--no-edit")
    assert work.build() == ["T003"]
    dry = work.process("rollback", "T001", "--dry-run")
    assert [line.split()[3] for line in dry.out.splitlines()] == ["T003", "T001", "T002"]
    assert "T002  do t002  (the same commit records it)" in dry.out
    assert work.process("rollback", "T001").code == 0
    assert work.stale() == ["T001", "T002", "T003"]
    assert work.reasons("T002")[0] == "rolled-back"
    assert work.build() == ["T001", "T002", "T003"]


def test_an_adopted_task_is_taken_back_and_its_bytes_stay(make: Make) -> None:
    work = make(box("T001", "a.txt", keep=True, ticked=True), **{"a.txt": "mine\n"})
    work.build("--filter", "T001")
    assert work.process("adopt").code == 0
    assert work.process("rollback", "T001").code == 0
    assert work.reasons("T001") == ["rolled-back"]
    assert work.text("a.txt") == "mine\n"


def test_what_no_commit_records_cannot_be_taken_back(chain: Workshop) -> None:
    assert chain.process("rollback", "T003").code == 0
    again = chain.process("rollback", "T003")
    assert again.code == 2
    assert "reverted already" in again.err
    assert chain.process("rollback", "T009").code == 2


def test_a_merge_in_progress_is_left_alone(chain: Workshop) -> None:
    chain.git("branch", "other")
    chain.commit("ours", **{"seed.txt": "2\n"})
    chain.git("switch", "-q", "other")
    chain.commit("theirs", **{"seed.txt": "3\n"})
    chain.git("merge", "main", ok=False)
    before, sights = chain.head(), chain.sights()
    done = chain.process("rollback", "T002")
    assert done.code == 4
    assert "merge" in done.err
    assert (chain.head(), chain.sights()) == (before, sights)


def test_on_a_detached_head_in_a_linked_worktree_only_that_moves(chain: Workshop, tmp_path: Path) -> None:
    main = chain.head()
    chain.git("worktree", "add", "-q", "--detach", str(tmp_path / "side"))
    chain.folder = tmp_path / "side"
    done = chain.process("rollback", "T003")
    assert done.code == 0, done.err
    assert chain.git("rev-parse", "main") == main
    assert chain.git("rev-parse", "HEAD^") == main
    assert chain.text("c.txt") is None


def test_untracked_files_in_a_folder_that_goes_stay(make: Make) -> None:
    work = make(box("T001", "out/a.txt"))
    work.build()
    work.type("out/mine.txt", "mine\n")
    assert work.process("rollback", "T001").code == 0
    assert (work.text("out/a.txt"), work.text("out/mine.txt")) == (None, "mine\n")


def test_an_untracked_file_where_one_comes_back_is_in_the_way(make: Make) -> None:
    work = make(
        box("T001", "", more="targets: old.txt", run="rm -f old.txt; echo 1 > new.txt"), config=CONFIG_ANY
    )
    work.type("old.txt", "old\n")
    work.commit("old")
    text = (work.text("tasks.md") or "").replace("targets: old.txt", "targets: new.txt")
    work.commit("words", **{"tasks.md": text})
    work.build()
    assert work.text("old.txt") is None
    work.type("old.txt", "typed again\n")
    before = work.head()
    done = work.process("rollback", "T001")
    assert done.code == 1
    assert "old.txt" in done.err
    assert (work.head(), work.text("old.txt")) == (before, "typed again\n")
    (work.folder / "old.txt").unlink()
    assert work.process("rollback", "T001").code == 0
    assert work.text("old.txt") == "old\n"


def test_a_checkpoint_in_a_merge_is_left_to_git(chain: Workshop) -> None:
    line = chain.git("log", "-1", "--format=%B", chain.found("T004"))
    chain.git("reset", "-q", "--hard", "HEAD~4")
    chain.git("switch", "-q", "-c", "side")
    chain.commit("side", **{"other.txt": "(do t004\n1\n)\n"})
    chain.git("switch", "-q", "main")
    chain.git("merge", "-q", "--no-ff", "-m", line, "side")
    before = chain.head()
    done = chain.process("rollback", "T004")
    assert done.code == 1
    assert "merge" in done.err
    assert chain.head() == before
