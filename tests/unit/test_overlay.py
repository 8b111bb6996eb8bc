"""A snapshot with changes laid over it answers as the tree that will be."""

import pytest
from fakes import PLAIN, FakeTree, Project

from specbuild.engine.overlay import Overlay
from specbuild.engine.task import Entry

NEW = Entry(PLAIN, "e" * 40)


class Base(FakeTree):
    def ignored(self, path: str) -> bool:
        return path.startswith("tmp/")


@pytest.fixture
def base() -> Base:
    project = Project("x: y", files={"a/one.py": "1", "a/two.py": "2", "b/three.py": "3", "top.py": "4"})
    project.repo.type("untracked.py", "5")
    return Base(project.repo)


@pytest.fixture
def over(base: Base) -> Overlay:
    return Overlay(base, {"a/two.py": NEW, "a/new.py": NEW, "b/three.py": None}, {"a/new.py": b"bytes"})


def test_what_is_not_changed_is_as_in_the_base(base: Base, over: Overlay) -> None:
    assert over.entry("a/one.py") == base.entry("a/one.py") is not None
    assert over.tracked("top.py") == base.tracked("top.py") is not None
    assert over.entry("untracked.py") is not None
    assert over.tracked("untracked.py") is None
    assert over.read("top.py") == b"4"
    assert over.exists("top.py")
    assert not over.exists("nowhere")
    assert over.named("two.py") == ["a/two.py"]
    assert over.tracked_below("b/")
    assert not over.tracked_below("c/")
    assert over.ignored("tmp/x")
    assert not over.ignored("x")


def test_it_is_a_working_tree_where_its_base_is_one(base: Base) -> None:
    assert Overlay(base, {}).working
    assert not Overlay(FakeTree(base.repo, {}), {}).working


def test_changes_stand_and_removed_files_are_gone(over: Overlay) -> None:
    assert over.entry("a/two.py") == over.tracked("a/two.py") == NEW
    assert over.entry("a/new.py") == over.tracked("a/new.py") == NEW
    assert over.entry("b/three.py") is over.tracked("b/three.py") is None
    assert over.exists("a/new.py")
    assert not over.exists("b/three.py")


def test_a_folder_holds_what_is_below_it_after_the_changes(base: Base, over: Overlay) -> None:
    one = base.entry("a/one.py")
    assert dict(over.below("a/")) == {"a/one.py": one, "a/two.py": NEW, "a/new.py": NEW}
    assert dict(over.below("b/")) == {}
    assert sorted(base.below("a/")) == ["a/one.py", "a/two.py"]


def test_removing_what_is_not_there_removes_nothing(base: Base) -> None:
    assert sorted(Overlay(base, {"a/no.py": None}).below("a/")) == ["a/one.py", "a/two.py"]
    assert Overlay(base, {"a/no.py": None}).glob("a/*") == ["a/one.py", "a/two.py"]


def test_a_pattern_matches_after_the_changes(over: Overlay) -> None:
    assert over.glob("*/*.py") == ["a/new.py", "a/one.py", "a/two.py"]
    assert over.glob("b/*") == []
    assert over.glob("top*") == ["top.py"]


def test_new_bytes_are_read_where_they_are_given(base: Base, over: Overlay) -> None:
    assert over.read("a/new.py") == b"bytes"
    assert over.read("a/two.py") == b"2"
    assert Overlay(base, {}).read("top.py") == b"4"
