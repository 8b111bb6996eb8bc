"""What is remembered from one look to the next changes nothing that is said."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from campaigns import campaign, in_part
from changes import CHANGES, apply, built, full, settle
from gitbox import Box
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from specbuild.cli import memo, shelf
from specbuild.cli.parts import Here, Selection

STATUS = ["status", "--json"]
ROUNDS = st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=4)
SHORT = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def path(box: Box) -> Path:
    return box.folder / ".git/specbuild" / memo.NAME


def held() -> memo.Memo | None:
    """What of the memo holds in the present folder."""
    return memo.read(look(Here(Selection())))


def look(here: Here) -> memo.Look:
    return memo.Look(here.repository, here.snapshot, here.history, here.commit)


def agree(box: Box) -> None:
    """What is said with the memo is what is said without it; and what it was left as holds at once."""
    remembered = full(STATUS)
    path(box).unlink(missing_ok=True)
    assert remembered == full(STATUS)


@pytest.mark.parametrize("name", in_part(sorted(CHANGES)[::-1], one_of=6))
def test_after_each_kind_of_change(name: str) -> None:
    with built() as box:
        full(STATUS)
        settle()
        CHANGES[name](box)
        agree(box)


@SHORT
@given(ROUNDS)
def test_after_several_changes(rounds: list[str]) -> None:
    after_each(rounds)


@pytest.mark.campaign
def test_after_several_changes_for_long(capfd: pytest.CaptureFixture[str]) -> None:
    def batch(number: int, examples: int) -> None:
        seed(number)(settings(SHORT, max_examples=examples, database=None)(given(ROUNDS)(after_each)))()

    campaign(capfd, batch, size=25)


def after_each(rounds: list[str]) -> None:
    with built() as box:
        for number, name in enumerate(rounds):
            settle()
            apply(box, [name])
            full(["-q", "--yes"] if number % 2 else STATUS)
        agree(box)


def test_where_nothing_changed_all_that_looked_at_single_files_holds() -> None:
    with built() as box:
        full(STATUS)
        found = held()
        assert found is not None
        # T003 reads a glob, a folder, what is ignored and the environment: it is judged each time
        assert sorted(found.verdicts) == [0, 1, 3, 6, 7]
        anew = Here(Selection())
        assert [*found.loaded.project.graph.tasks] == [*anew.load(anew.snapshot).project.graph.tasks]
        box.type("in/a.txt", "edited\n")
        found = held()
        assert found is not None
        assert sorted(found.verdicts) == [3, 6, 7]  # T001 reads it, T002 depends on T001


def test_a_commit_that_is_not_checked_out_is_judged_by_what_the_working_tree_told() -> None:
    with built() as box:
        full(STATUS)
        other = Here(Selection(), at=box.git("rev-parse", "HEAD"))
        found = memo.read(look(other))
        assert found is not None
        assert {0, 1, 3, 6, 7} == {*found.verdicts}


@pytest.mark.parametrize(
    "name", ["content", "a single input removed", "a target edited", "a file committed that no prose means"]
)
def test_a_commit_that_differs_is_judged_as_without_a_memo(name: str) -> None:
    with built() as box:
        full(STATUS)
        box.git("switch", "-qc", "other")
        CHANGES[name](box)
        box.commit("a change")
        box.git("switch", "-q", "main")
        remembered = full(["check", "other", "--json"])
        assert held() is not None
        path(box).unlink()
        assert remembered == full(["check", "other", "--json"])


def test_other_installed_packages_may_say_something_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with built():
        full(STATUS)
        monkeypatch.syspath_prepend(str(tmp_path))
        assert held() is None


def test_where_an_input_is_a_link_to_a_folder_what_comes_into_that_counts() -> None:
    with built() as box:
        (box.folder / "in/a.txt").unlink()
        (box.folder / "in/a.txt").symlink_to("../other")
        box.commit("a link")
        full(["-q"])
        full(STATUS)
        box.type("other/new.txt", "new\n")
        agree(box)


def test_where_tasks_go_through_links_nothing_is_remembered() -> None:
    with built() as box:
        (box.folder / "linked").symlink_to("in")
        linked = "- [ ] T009 Make out/linked.txt\n  - inputs: linked/a.txt\n"
        box.commit("a link", **{"tasks.md": (box.text("tasks.md") or "") + linked})
        path(box).unlink(missing_ok=True)
        full(STATUS)
        assert not path(box).exists()


def test_a_new_file_that_no_prose_means_costs_nothing() -> None:
    with built() as box:
        box.commit(
            "a task", **{"tasks.md": (box.text("tasks.md") or "") + "- [ ] T009 Make it from plan.txt\n"}
        )
        full(STATUS)
        box.commit("a file", **{"some/else.txt": "new\n"})
        assert held() is not None
        box.commit("one that T009 could mean", **{"some/plan.txt": "new\n"})
        assert held() is None
        agree(box)


def test_a_new_checkpoint_leaves_the_verdicts_of_other_tasks() -> None:
    with built() as box:
        full(STATUS)
        box.type("in/a.txt", "edited\n")
        box.commit("edit")
        assert full(["-q", "--filter", "T001", "--yes"])[0] == 0
        found = held()
        assert found is not None
        assert sorted(found.verdicts) == [3, 6, 7]
        agree(box)


def _cut(content: bytes) -> bytes:
    return content[:-9]


def _turned(content: bytes) -> bytes:
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def _foreign(content: bytes) -> bytes:
    return b"another program's file\n" + content


@pytest.mark.parametrize("damage", [_cut, _turned, _foreign, lambda _: b"", lambda _: os.urandom(500)])
def test_a_damaged_memo_costs_nothing_but_time(damage: Callable[[bytes], bytes]) -> None:
    with built() as box:
        before = full(STATUS)
        path(box).write_bytes(damage(path(box).read_bytes()))
        assert held() is None
        assert full(STATUS) == before
        assert held() is not None


def test_a_memo_of_other_code_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with built():
        full(STATUS)
        assert held() is not None
        monkeypatch.setattr("specbuild.engine.writers.Writers", None)
        assert held() is None


def test_a_memo_makes_nothing_but_values_of_this_package() -> None:
    import io
    import pickle

    for value in (os.system, print, Path("x")):
        with pytest.raises(pickle.UnpicklingError, match="has no place in a memo"):
            shelf.read(io.BytesIO(pickle.dumps(value)))
