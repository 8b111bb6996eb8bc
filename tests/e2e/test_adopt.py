"""`specbuild adopt`: the command, in real repositories."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from repositories import CONFIG, Workshop, box, workshops

Make = Callable[..., Workshop]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with workshops(tmp_path) as made:
        yield made


def test_without_arguments_all_claimed_tasks_are_recorded_in_one_commit(make: Make) -> None:
    work = make(
        box("T001", "a.txt", keep=True, ticked=True),
        box("T002", "b.txt", keep=True, ticked=True),
        box("T003", "c.txt", keep=True),
        **{"a.txt": "1\n", "b.txt": "2\n", "c.txt": "3\n"},
    )
    assert work.verdicts() == {"T001": "claimed", "T002": "claimed", "T003": "stale"}
    before = work.head()
    done = work.process("adopt")
    assert done.code == 0, done.err
    assert "adopted  T001" in done.out
    assert work.git("rev-parse", "HEAD^") == before
    message = work.git("log", "-1", "--format=%B")
    assert message.count("Specbuild-Checkpoint: v1 ") == 2
    assert message.count(" 0.00 adopt tasks.md#") == 2
    assert work.verdicts() == {"T001": "up-to-date", "T002": "up-to-date", "T003": "stale"}
    assert work.build() == ["T003"]
    work.assert_tidy()


def test_nothing_claimed_is_no_error_and_makes_no_commit(make: Make) -> None:
    work = make(box("T001", "a.txt", keep=True))
    before = work.head()
    done = work.process("adopt")
    assert (done.code, done.out) == (0, "")
    assert "no task is claimed" in done.err
    assert work.head() == before


def test_a_stale_task_is_recorded_ticked_and_its_edited_input_saved_below(make: Make) -> None:
    work = make(box("T001", "b.txt", "a.txt"), box("T002", "c.txt", "b.txt"), **{"a.txt": "1\n"})
    work.build()
    work.type("a.txt", "2\n")
    work.type("b.txt", "by hand\n")
    work.type("notes.txt", "mine\n")
    text = (work.text("tasks.md") or "").replace("[x] T001", "[ ] T001")
    work.type("tasks.md", text)
    done = work.process("adopt", "T001")
    assert done.code == 0, done.err
    assert work.subjects()[:2] == ["specbuild: adopt T001", "specbuild: save edited inputs"]
    assert work.git("show", "HEAD^:a.txt") == "2"
    assert work.git("show", "HEAD^:b.txt").startswith("(do t001")
    assert work.git("show", "HEAD:b.txt") == "by hand"
    assert "[x] T001" in (work.text("tasks.md") or "")
    assert work.git("status", "--porcelain") == "?? notes.txt"
    assert work.build() == ["T002"]
    assert work.text("b.txt") == "by hand\n"


def test_a_generated_task_with_a_file_that_was_there_before_is_adopted(make: Make) -> None:
    work = make(box("T001", "b.txt"), **{"b.txt": "by hand\n"})
    refused = work.process()
    assert refused.code == 2
    assert "specbuild adopt T001" in refused.err
    assert work.process("adopt", "T001").code == 0
    assert work.build() == []
    assert work.text("b.txt") == "by hand\n"


def test_a_task_below_a_stale_one_is_refused_by_name_and_nothing_is_recorded(make: Make) -> None:
    work = make(box("T001", "b.txt", "a.txt"), box("T002", "c.txt", "b.txt"), **{"a.txt": "1\n"})
    work.build()
    work.type("a.txt", "2\n")
    work.type("c.txt", "by hand\n")
    before = work.head()
    done = work.process("adopt", "T002")
    assert done.code == 2
    assert "T002 cannot be adopted: it depends on T001, which is stale" in done.err
    assert work.head() == before
    assert work.process("adopt", "T001", "T002").code == 0
    assert work.build() == []


def test_a_generated_task_that_another_one_overwrites_is_refused_by_name(make: Make) -> None:
    work = make(
        box("T001", "p.txt", "a.txt"), box("T002", "p.txt", "b.txt"), **{"a.txt": "1\n", "b.txt": "1\n"}
    )
    work.build()
    work.type("a.txt", "2\n")
    done = work.process("adopt", "T001")
    assert done.code == 2
    assert "T002 writes p.txt after it" in done.err


def test_a_filter_chooses_and_a_dry_run_records_nothing(make: Make) -> None:
    work = make(
        box("T001", "a.txt", keep=True, ticked=True, marks="[US1]"),
        box("T002", "b.txt", keep=True, ticked=True, marks="[US2]"),
        **{"a.txt": "1\n", "b.txt": "2\n"},
    )
    before = work.head()
    dry = work.process("adopt", "--dry-run", "US1")
    assert dry.code == 0
    assert "would adopt  T001" in dry.out
    assert "T002" not in dry.out
    assert work.head() == before
    done = json.loads(work.process("adopt", "US1", "--json").out)
    assert (done["version"], done["adopted"], done["renewed"]) == (1, ["tasks.md#T001"], [])
    assert done["commit"] == work.head()
    assert work.verdicts() == {"T001": "up-to-date", "T002": "claimed"}


def test_unknown_words_are_errors_with_the_nearest_id(make: Make) -> None:
    work = make(box("T001", "a.txt", keep=True))
    unknown = work.process("adopt", "T002")
    assert unknown.code == 2
    assert "T001" in unknown.err
    assert work.process("adopt", "nonsense").code == 2


def test_a_merge_in_progress_is_left_alone(make: Make) -> None:
    work = make(box("T001", "a.txt", keep=True, ticked=True), **{"a.txt": "1\n"})
    work.git("branch", "other")
    work.commit("ours", **{"a.txt": "2\n"})
    work.git("switch", "-q", "other")
    work.commit("theirs", **{"a.txt": "3\n"})
    work.git("merge", "main", ok=False)
    done = work.process("adopt")
    assert done.code == 4
    assert "merge" in done.err


def test_the_first_commit_of_a_repository_may_be_an_adoption(make: Make) -> None:
    work = make()
    work.type("tasks.md", box("T001", "a.txt", keep=True, ticked=True))
    work.type("a.txt", "mine\n")
    work.type("notes.txt", "not yet\n")
    done = work.process("adopt")
    assert done.code == 0, done.err
    assert work.git("ls-tree", "--name-only", "HEAD").split() == ["a.txt", "tasks.md"]
    assert work.git("status", "--porcelain") == "?? notes.txt"
    assert work.build() == []


def test_folders_and_ignored_targets_are_adopted_as_they_are(make: Make) -> None:
    work = make(
        box("T001", "out/", keep=True, ticked=True, run="true"),
        box("T002", "dist/", "out/a.txt", run="mkdir -p dist; cp out/a.txt dist/"),
        **{".gitignore": "/dist/\n", "out/a.txt": "1\n", "out/b.txt": "2\n"},
    )
    work.type("dist/a.txt", "1\n")
    work.type("out/new.txt", "3\n")
    (work.folder / "out/b.txt").unlink()
    done = work.process("adopt", "T001", "T002")
    assert done.code == 0, done.err
    assert work.git("ls-tree", "-r", "--name-only", "HEAD").split() == [
        ".gitignore",
        "out/a.txt",
        "out/new.txt",
        "specbuild.toml",
        "tasks.md",
    ]
    assert work.verdicts() == {"T001": "up-to-date", "T002": "up-to-date"}
    assert work.build() == []
    work.assert_tidy()


def test_a_commit_adopted_from_a_linked_worktree_lands_on_its_branch(make: Make, tmp_path: Path) -> None:
    work = make(box("T001", "a.txt", keep=True, ticked=True), **{"a.txt": "1\n"})
    main = work.head()
    work.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    work.folder = tmp_path / "side"
    assert work.process("adopt").code == 0
    assert work.git("rev-parse", "main") == main
    assert work.git("rev-parse", "side^") == main
    assert work.verdicts() == {"T001": "up-to-date"}


def test_ten_spec_kit_tasks_that_were_ticked_by_hand_are_adopted_at_once(make: Make) -> None:
    lines = [f"- [x] T{n:03} [P] Create part {n} in src/part{n}.py\n" for n in range(1, 11)]
    files = {f"src/part{n}.py": f"{n}\n" for n in range(1, 11)}
    work = make("# Tasks\n\n## Phase 1: Setup\n\n", *lines, config="", **files)
    done = work.process("adopt")
    assert done.code == 0, done.err
    assert "10 tasks recorded as done" in done.out
    assert set(work.verdicts().values()) == {"up-to-date"}
    assert work.process("check", "--strict").code == 0
    work.assert_tidy()


def test_a_staged_version_that_differs_from_the_file_is_kept_first(make: Make) -> None:
    work = make(box("T001", "a.txt", keep=True, ticked=True), **{"a.txt": "1\n"})
    work.type("a.txt", "staged\n")
    work.git("add", "a.txt")
    work.type("a.txt", "typed\n")
    done = work.process("adopt")
    assert done.code == 0
    assert work.git("show", "HEAD:a.txt") == "typed"
    [ref] = work.kept()
    assert work.git("show", f"{ref}:a.txt") == "staged"
    assert f"a.txt: what was staged differed from the file, and is kept at {ref}\n" in done.err


def test_edits_stop_an_adoption_where_they_are_to_be_committed_by_hand(make: Make) -> None:
    config = CONFIG + 'save_inputs = "refuse"\n'
    work = make(box("T001", "a.txt", keep=True, ticked=True), config=config, **{"a.txt": "1\n"})
    work.type("a.txt", "typed\n")
    before, sights = work.head(), work.sights()
    done = work.process("adopt")
    assert done.code == 2
    assert "a.txt is edited and not committed" in done.err
    assert (work.head(), work.sights()) == (before, sights)
