"""Checkpoints through whatever git and people do to history, with the real command and real git."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from repositories import Workshop, box, workshops

Make = Callable[..., Workshop]

CHAIN = (box("T001", "p", "a"), box("T002", "q", "p"), box("T003", "p", "b"), box("T004", "r", "c"))
"""A file that is made, read, and then changed; and a task apart."""
FILES = {"a": "1\n", "b": "1\n", "c": "1\n"}


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with workshops(tmp_path) as made:
        yield made


@pytest.fixture
def built(make: Make) -> Workshop:
    """The chain, built: four tasks on four commits."""
    shop = make(*CHAIN, **FILES)
    assert shop.build() == ["T001", "T002", "T003", "T004"]
    assert shop.build() == []
    return shop


def settled(shop: Workshop) -> None:
    """Nothing is stale, nothing runs, nothing is dirty."""
    assert shop.stale() == []
    assert shop.build() == []
    shop.assert_tidy()


# -- moving HEAD ------------------------------------------------------------------------------------


def test_a_reset_takes_the_completions_back_that_it_takes_away(built: Workshop) -> None:
    built.git("reset", "-q", "--hard", "HEAD~2")
    assert built.stale() == ["T003", "T004"]
    assert built.reasons("T003") == ["never-run"]
    assert built.build() == ["T003", "T004"]
    settled(built)


def test_a_soft_reset_leaves_bytes_that_are_made_again(built: Workshop) -> None:
    built.git("reset", "-q", "--soft", "HEAD~1")
    assert built.stale() == ["T004"]
    assert built.build() == ["T004"]
    settled(built)


def test_a_mixed_reset_of_everything_starts_again_from_the_first_task(built: Workshop) -> None:
    made = built.text("p"), built.text("q"), built.text("r")
    built.git("reset", "-q", "HEAD~4")
    assert built.stale() == ["T001", "T002", "T003", "T004"]
    assert built.build() == ["T001", "T002", "T003", "T004"]
    assert (built.text("p"), built.text("q"), built.text("r")) == made
    settled(built)


def test_a_reset_and_back_again_costs_nothing(built: Workshop) -> None:
    tip = built.head()
    built.git("reset", "-q", "--hard", "HEAD~3")
    assert built.stale() == ["T002", "T003", "T004"]
    built.git("reset", "-q", "--hard", tip)
    settled(built)


def test_a_revert_makes_stale_and_a_run_does_it_again(built: Workshop) -> None:
    built.git("revert", "--no-edit", "HEAD")
    assert built.reasons("T004") == ["rolled-back"]
    assert built.stale() == ["T004"]
    assert built.text("r") is None
    assert built.build() == ["T004"]
    settled(built)


def test_a_revert_of_a_revert_brings_the_completion_back(built: Workshop) -> None:
    built.git("revert", "--no-edit", "HEAD")
    built.git("revert", "--no-edit", "HEAD")
    settled(built)


def test_three_reverts_take_back_again(built: Workshop) -> None:
    for _ in range(3):
        built.git("revert", "--no-edit", "HEAD")
    assert built.stale() == ["T004"]
    assert built.build() == ["T004"]
    settled(built)


def test_a_revert_in_the_middle_of_a_chain_makes_only_that_link_stale(make: Make) -> None:
    shop = make(box("T001", "p", "a"), box("T002", "q", "p"), box("T003", "r", "c"), **FILES)
    shop.build()
    shop.git("revert", "--no-edit", shop.found("T001"))
    assert shop.reasons("T001") == ["rolled-back"]
    found = shop.document("status")["tasks"][1]
    assert found["verdict"] == "stale" or found["may_run"]
    ran = shop.build()
    assert ran[0] == "T001"
    assert "T003" not in ran
    settled(shop)


def test_a_revert_by_reference_of_a_range_and_of_a_commit_that_a_rebase_renamed(built: Workshop) -> None:
    built.git("revert", "--no-edit", "HEAD~2..HEAD")
    assert built.stale() == ["T003", "T004"]
    built.git("reset", "-q", "--hard", "HEAD~2")
    built.git("revert", "--no-commit", "HEAD")
    gone = built.head()
    built.git("commit", "-q", "-m", f'Revert "T004 do t004"\n\nThis reverts commit {gone[:9]}.')
    built.git(
        "commit", "-q", "--amend", "-m", 'Revert "T004 do t004"\n\nThis reverts commit ' + "9" * 40 + "."
    )
    assert built.stale() == ["T004"]


def test_switching_branches_switches_the_build_state(built: Workshop) -> None:
    built.git("switch", "-q", "-c", "other", "HEAD~4")
    assert built.stale() == ["T001", "T002", "T003", "T004"]
    built.git("switch", "-q", "main")
    settled(built)


def test_work_of_another_local_branch_is_reused_and_the_saving_is_told(built: Workshop) -> None:
    built.git("switch", "-q", "-c", "other", "HEAD~4")
    done = built.call("run")
    assert done.code == 0, done.err
    assert built.ran() == []
    assert "reused" in done.err.casefold()
    assert [line for line in built.git("log", "--format=%b").split("\n") if line.startswith("Reused from ")]
    settled(built)


def test_reuse_can_be_turned_off(built: Workshop) -> None:
    built.git("switch", "-q", "-c", "other", "HEAD~4")
    assert built.build("--no-reuse") == ["T001", "T002", "T003", "T004"]
    settled(built)


def test_what_was_undone_on_another_branch_is_not_reused(built: Workshop) -> None:
    built.git("revert", "--no-edit", "HEAD")
    built.git("switch", "-q", "-c", "other", "HEAD~5")
    assert built.build() == ["T004"]
    settled(built)


def test_what_was_undone_here_is_not_taken_from_elsewhere(built: Workshop) -> None:
    built.git("branch", "keep")
    built.git("revert", "--no-edit", "HEAD")
    assert built.build() == ["T004"]


def test_bisecting_finds_each_commits_own_state(built: Workshop) -> None:
    built.git("bisect", "start", "HEAD", "HEAD~4")
    assert 0 < len(built.stale()) < 4
    built.git("bisect", "reset")
    settled(built)


def test_a_stash_of_an_edited_input_takes_its_staleness_along(built: Workshop) -> None:
    built.type("c", "2\n")
    assert built.stale() == ["T004"]
    built.git("stash", "-q")
    settled(built)
    built.git("stash", "pop", "-q")
    assert built.stale() == ["T004"]
    assert built.build() == ["T004"]
    settled(built)


# -- commits that travel ----------------------------------------------------------------------------


def branched(shop: Workshop) -> None:
    """`side` has T004 made of an edited c; main has the rest and a commit of a person's."""
    shop.git("switch", "-q", "-c", "side")
    shop.type("c", "2\n")
    assert shop.build() == ["T004"]
    shop.git("switch", "-q", "main")
    shop.commit("person", notes="x\n")


def test_a_cherry_picked_completion_counts_where_its_inputs_came_along(built: Workshop) -> None:
    branched(built)
    built.git("cherry-pick", "side~1", "side")
    settled(built)
    assert built.text("r") == "(do t004\n2\n)\n"


def test_a_cherry_pick_without_its_inputs_is_stale(built: Workshop) -> None:
    branched(built)
    built.git("cherry-pick", "side")
    assert built.stale() == ["T004"]
    built.build()
    assert built.text("r") == "(do t004\n1\n)\n"
    settled(built)


def test_a_rebase_keeps_all_completions(built: Workshop) -> None:
    branched(built)
    built.git("rebase", "-q", "main", "side")
    settled(built)


def test_a_rebase_onto_a_changed_input_makes_stale_what_reads_it(built: Workshop) -> None:
    branched(built)
    built.commit("person", b="2\n")
    built.git("rebase", "-q", "main", "side")
    assert built.stale() == ["T003"]
    assert built.build() == ["T003"]
    settled(built)


def interactively(shop: Workshop, edit: str, base: str) -> None:
    """`git rebase -i` with a person who edits the list as a sed script says."""
    shop.git("-c", f"sequence.editor=sed -i {edit}", "-c", "core.editor=true", "rebase", "-q", "-i", base)


def test_an_interactive_rebase_that_reorders_keeps_completions(make: Make) -> None:
    shop = make(
        box("T001", "p", "a"),
        "\nsome words\n\n",
        box("T002", "q", "b"),
        "\n\nmore\n\n",
        box("T003", "r", "c"),
        **FILES,
    )
    shop.build()
    interactively(shop, "'1{h;d};2G'", "HEAD~3")
    assert [s.split()[0] for s in shop.subjects()[:3]] == ["T003", "T001", "T002"]
    settled(shop)


@pytest.mark.parametrize("word", ["squash", "fixup -C", "fixup"])
def test_an_interactive_squash_keeps_what_the_message_keeps(built: Workshop, word: str) -> None:
    interactively(built, f"'2s/^pick/{word}/'", "HEAD~2")
    lost = {"squash": [], "fixup -C": ["T003"], "fixup": ["T004"]}[word]
    assert built.stale() == lost
    assert built.build() == lost
    settled(built)


def test_all_squashed_into_one_commit_is_still_complete(built: Workshop) -> None:
    interactively(built, "'2,4s/^pick/squash/'", "HEAD~4")
    assert len(built.subjects()) == 2
    settled(built)
    built.type("b", "2\n")
    assert built.stale() == ["T003"]
    # What T001 left of p is in no tree any more, so it is made again first.
    assert built.build() == ["T001", "T003"]
    assert built.text("p") == "(do t001\n1\n)\n(do t003\n2\n)\n"
    settled(built)


def test_amending_a_checkpoint_keeps_it_unless_the_message_goes(built: Workshop) -> None:
    built.type("notes", "x\n")
    built.git("add", "notes")
    built.git("commit", "-q", "--amend", "--no-edit")
    settled(built)
    built.git("commit", "-q", "--amend", "-m", "gone")
    assert built.stale() == ["T004"]
    assert built.build() == ["T004"]
    settled(built)


def test_amending_a_target_by_hand_makes_it_edited(built: Workshop) -> None:
    built.type("r", "mine\n")
    built.git("commit", "-q", "-a", "--amend", "--no-edit")
    assert built.reasons("T004") == ["target-edited"]
    assert built.build() == ["T004"]
    assert built.reachable("mine\n")
    settled(built)


# -- merges -----------------------------------------------------------------------------------------


def test_a_merge_has_the_completions_of_both_sides(make: Make) -> None:
    shop = make(box("T001", "p", "a"), box("T002", "q", "b"), box("T003", "r", "c"), **FILES)
    shop.git("branch", "side")
    shop.build("--filter", "T001")
    shop.git("switch", "-q", "side")
    shop.build("--filter", "T002")
    shop.git("merge", "-q", "--no-edit", "main")
    assert shop.stale() == ["T003"]
    assert shop.build() == ["T003"]
    settled(shop)


def test_an_octopus_has_the_completions_of_all(make: Make) -> None:
    shop = make(
        box("T001", "p", "a"),
        box("T002", "q", "b"),
        box("T003", "r", "c"),
        config='[build]\ntick = false\nexecutor = "shell"\n',
        **FILES,
    )
    for number, id_ in enumerate(("T001", "T002", "T003")):
        shop.git("switch", "-q", "-c", f"b{number}", "main")
        assert shop.build("--filter", id_) == [id_]
    shop.git("switch", "-q", "main")
    shop.git("merge", "-q", "--no-edit", "b0", "b1", "b2")
    settled(shop)


def test_after_a_merge_the_side_that_fits_counts(built: Workshop) -> None:
    built.git("switch", "-q", "-c", "side")
    built.type("c", "2\n")
    assert built.build() == ["T004"]
    built.git("switch", "-q", "main")
    built.type("c", "3\n")
    assert built.build() == ["T004"]
    built.git("merge", "-q", "--no-edit", "-X", "theirs", "side")
    assert built.text("c") == "2\n"
    settled(built)


def test_the_revert_of_a_merge_takes_back_its_second_side(make: Make) -> None:
    shop = make(box("T001", "p", "a"), box("T002", "q", "b"), **FILES)
    shop.build("--filter", "T001")
    shop.git("switch", "-q", "-c", "side")
    shop.build("--filter", "T002")
    shop.git("switch", "-q", "main")
    shop.git("merge", "-q", "--no-ff", "--no-edit", "side")
    shop.git("revert", "--no-edit", "-m", "1", "HEAD")
    assert shop.stale() == ["T002"]
    assert shop.reasons("T002") == ["rolled-back"]
    assert shop.build() == ["T002"]
    settled(shop)


def test_git_merge_squash_keeps_completions(built: Workshop) -> None:
    built.git("switch", "-q", "-c", "side", "HEAD~4")
    built.git("switch", "-q", "-C", "trunk", "HEAD")
    built.git("merge", "-q", "--squash", "main")
    built.git("commit", "-q", "--no-edit")
    assert len(built.subjects()) == 2
    settled(built)


def test_a_hosting_sites_squash_keeps_completions(built: Workshop) -> None:
    messages = built.git("log", "--reverse", "--format=* %B", "HEAD~4..HEAD")
    tree = built.git("rev-parse", "HEAD^{tree}")
    made = built.git("commit-tree", "-p", "HEAD~4", "-m", f"Feature (#7)\n\n{messages}", tree)
    built.git("reset", "-q", "--hard", made)
    settled(built)
    built.git("revert", "--no-edit", "HEAD")
    assert built.stale() == ["T001", "T002", "T003", "T004"]


def test_a_squash_that_held_a_reverted_completion_leaves_it_undone(built: Workshop) -> None:
    built.git("revert", "--no-edit", "HEAD")
    built.git("switch", "-q", "-c", "trunk", "HEAD~5")
    built.git("merge", "-q", "--squash", "main")
    built.git("commit", "-q", "--no-edit")
    assert built.stale() == ["T004"]
    assert built.build() == ["T004"]
    settled(built)


# -- kinds of checkouts -----------------------------------------------------------------------------


def test_a_linked_worktree_has_its_own_state_and_reuses(built: Workshop) -> None:
    built.git("worktree", "add", "-q", "../linked", "-b", "linked", "HEAD~2")
    linked = Workshop(built.folder.parent / "linked")
    assert linked.stale() == ["T003", "T004"]
    assert linked.build() == []
    assert len(linked.subjects()) == 5
    assert linked.git("log", "-2", "--format=%b").count("Reused from ") == 2
    settled(linked)
    settled(built)


def test_a_shallow_clone_says_to_deepen_instead_of_guessing(built: Workshop) -> None:
    url = f"file://{built.folder}"
    built.git("clone", "-q", "--depth=1", url, str(built.folder.parent / "shallow"))
    shallow = Workshop(built.folder.parent / "shallow")
    for command in (["status"], ["check"], ["run"]):
        done = shallow.call(*command)
        assert done.code == 4, (command, done)
        assert "deepen" in done.err
    assert shallow.ran() == []
    shallow.git("fetch", "-q", "--unshallow")
    settled(shallow)


def test_a_shallow_clone_that_holds_all_it_needs_builds(built: Workshop) -> None:
    url = f"file://{built.folder}"
    built.git("clone", "-q", "--depth=5", url, str(built.folder.parent / "shallow"))
    shallow = Workshop(built.folder.parent / "shallow")
    settled(shallow)


def test_grafted_history_is_as_git_shows_it(built: Workshop) -> None:
    built.git("replace", "--graft", "HEAD", "HEAD~2")  # without T003
    assert built.stale() == ["T003"]
    built.git("replace", "-d", built.head())
    settled(built)


def test_any_commit_can_be_judged_without_a_checkout_also_bare(built: Workshop) -> None:
    assert built.stale("--at", "HEAD~1") == ["T004"]
    assert built.stale("--at", "HEAD~4") == ["T001", "T002", "T003", "T004"]
    built.git("tag", "v1", "HEAD~2")
    built.git("clone", "-q", "--bare", ".", str(built.folder.parent / "bare"))
    bare = Workshop.__new__(Workshop)
    bare.folder, bare.log = built.folder.parent / "bare", built.log
    assert bare.call("check", "main").code == 0
    done = bare.call("check", "v1")
    assert done.code == 3
    assert "T003" in done.out
    assert bare.stale("--at", "v1") == ["T003", "T004"]
    assert bare.call("check").code == 4


# -- task files that change -------------------------------------------------------------------------


def test_renumbered_tasks_keep_their_completions(make: Make) -> None:
    texts = [("p", "a"), ("q", "p"), ("p", "b")]
    runs = [f'echo {target} >>"$RAN"; cat {source} >>{target}' for target, source in texts]
    shop = make(
        *(
            box(f"T00{n}", *t, title=f"make {n}", run=r)
            for n, (t, r) in enumerate(zip(texts, runs, strict=True), 1)
        ),
        **FILES,
    )
    assert shop.build() == ["p", "q", "p"]
    new = [box("T001", "z", "c", title="new")]
    new += [
        box(f"T0{n}0", *t, title=f"make {n}", run=r)
        for n, (t, r) in enumerate(zip(texts, runs, strict=True), 1)
    ]
    shop.tasks(*new)
    assert shop.stale() == ["T001"]
    assert shop.build() == ["T001"]
    settled(shop)


def test_a_reworded_task_is_stale_and_its_neighbours_are_not(built: Workshop) -> None:
    text = built.text("tasks.md") or ""
    built.type("tasks.md", text.replace("T004 do t004", "T004 do it better"))
    assert built.stale() == ["T004"]
    assert "definition-changed" in built.reasons("T004")


def test_a_regenerated_task_file_with_empty_boxes_runs_nothing_and_is_ticked(built: Workshop) -> None:
    built.tasks(*CHAIN)
    assert built.build() == []
    assert (built.text("tasks.md") or "").count("[x]") == 4
    settled(built)


def test_a_renamed_and_a_moved_task_file_keep_completions(built: Workshop) -> None:
    (built.folder / "specs/001-x").mkdir(parents=True)
    built.git("mv", "tasks.md", "specs/001-x/tasks.md")
    assert built.stale() == []
    built.git("commit", "-q", "-m", "move")
    settled(built)


def test_a_deleted_cache_changes_no_verdict(built: Workshop) -> None:
    import shutil

    built.git("revert", "--no-edit", "HEAD")
    built.type("b", "2\n")
    before = built.document("status")
    shutil.rmtree(built.folder / ".git/specbuild")
    after = built.document("status")
    for document in (before, after):
        for task in document["tasks"]:
            task.pop("outcome")
    assert after == before


# -- edits of generated files -----------------------------------------------------------------------

WORKTREE = """[build]
executor = "shell"

[[rule]]
match = "label:iso"
isolation = "worktree"
"""


@pytest.mark.parametrize("marks", ["", "[iso]"])
@pytest.mark.parametrize("recorded", [True, False])
def test_a_hand_edited_generated_file_is_kept_and_made_again_wherever_its_task_runs(
    make: Make, marks: str, recorded: bool
) -> None:
    shop = make(box("T001", "p", "a", marks=marks), config=WORKTREE, **FILES)
    if recorded:
        shop.build()
    shop.type("p", "mine\n")
    if not recorded:
        assert "no task made it" in shop.call("run").err
    assert shop.build(*([] if recorded else ["--force", "T001"])) == ([] if recorded else ["T001"])
    assert shop.text("p") == "(do t001\n1\n)\n"
    assert any(shop.show(f"{ref}:p") == "mine" for ref in shop.kept())
    settled(shop)


@pytest.mark.parametrize("marks", ["", "[iso]"])
def test_a_target_that_a_person_removed_is_not_in_the_start_tree(make: Make, marks: str) -> None:
    shop = make(box("T001", "p", "a", marks=marks), config=WORKTREE, **FILES)
    shop.build()
    made = shop.text("p")
    shop.type("a", "2\n")
    (shop.folder / "p").unlink()
    assert shop.build("--no-reuse") == ["T001"]
    assert shop.text("p") == (made or "").replace("\n1", "\n2")
    settled(shop)


@pytest.mark.parametrize("marks", ["", "[iso]"])
@pytest.mark.parametrize("pattern", ["src/", "src", "src/*", "src/**"])
def test_an_input_that_a_person_removed_is_gone_from_the_checkpoints_tree_too(
    make: Make, marks: str, pattern: str
) -> None:
    files = {"src/x": "x\n", "src/y": "y\n"}
    shop = make(box("T001", "p", pattern, marks=marks, run="ls src >p"), config=WORKTREE, **files)
    shop.build()
    assert shop.text("p") == "x\ny\n"
    (shop.folder / "src/x").unlink()
    assert shop.stale() == ["T001"]
    shop.build()
    assert shop.text("p") == "y\n"
    assert shop.git("ls-tree", "--name-only", "HEAD", "src/") == "src/y"
    assert shop.call("check", "HEAD").code == 0
    settled(shop)


@pytest.mark.parametrize("marks", ["", "[iso]"])
def test_a_file_of_a_generated_folder_that_a_person_removed_and_no_run_makes_is_gone(
    make: Make, marks: str
) -> None:
    shop = make(
        box(
            "T001", "gen/", "a", marks=marks, run="mkdir -p gen; for n in $(cat a); do echo $n >gen/$n; done"
        ),
        config=WORKTREE,
        a="1 2\n",
    )
    shop.build()
    (shop.folder / "gen/1").unlink()
    shop.type("a", "2 3\n")
    shop.build()
    assert shop.git("ls-tree", "--name-only", "HEAD", "gen/") == "gen/2\ngen/3"
    assert shop.call("check", "HEAD").code == 0
    settled(shop)
