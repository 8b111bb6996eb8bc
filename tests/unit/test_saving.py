"""What people typed: found, kept before it is overwritten, and never taken without leave (law 5)."""

from dataclasses import replace
from typing import Any

import pytest
from fakes import PLAIN, FakeCommitter, FakeHistory, FakeTree, Project

from specbuild.engine.judge import Judge
from specbuild.engine.saving import Edits, keep_staged, keep_unrecorded, refuse
from specbuild.engine.task import Entry, RepoPath
from specbuild.errors import UsageError


class Typed:
    """A project in which a person has edited files and committed none of them (None: removed)."""

    def __init__(self, *rules: str, files: dict[str, str], built: bool = False, **edits: str | None) -> None:
        self.project = Project(*rules, files=files)
        if built:
            self.project.build()
        for name, text in edits.items():
            self.project.repo.type(name.replace("__", ".").replace("_", "/"), text)
        self.tree = FakeTree(self.project.repo)
        self.committer = FakeCommitter(self.project.repo)

    def edits(self, position: int = 0, sources: frozenset[RepoPath] = frozenset()) -> list[RepoPath]:
        loaded, judge = self.project.load()
        found = Edits(replace(loaded, sources=sources), judge, self.tree).of(position)
        assert found == {path: self.tree.entry(path) for path in found}
        return sorted(found)


def test_edited_inputs_are_found_and_no_other_files() -> None:
    typed = Typed("b: a gone", files={"a": "1", "gone": "1", "x": "1"}, a="2", gone=None, x="2")
    assert typed.edits() == ["a", "gone"]
    assert Typed("b: a", files={"a": "1"}).edits() == []


def test_edited_sources_of_the_plan_are_found_for_every_task() -> None:
    typed = Typed("b: a", files={"a": "1", "plan": "1"}, plan="2")
    assert typed.edits(sources=frozenset({"plan", "other"})) == ["plan"]


def test_edited_targets_are_an_edit_where_people_write_them_and_none_where_they_are_generated() -> None:
    files = {"a": "1", "b": "1", "d/e": "1"}
    assert Typed("b d/: a [keep]", files=files, b="2", d_e="2", d_f="new").edits() == ["b", "d/e", "d/f"]
    assert Typed("b d/: a b d/e", files=files, a="2", b="2", d_e="2").edits() == ["a"]
    assert Typed("b: a [keep]", files=files, b=None).edits() == ["b"]


def test_what_a_source_task_carries_into_a_generated_one_is_an_edit_of_that_one() -> None:
    rules = ("p: a [keep]", "q: [needs T1]")
    typed = Typed(*rules, files={"a": "1"}, built=True, p="mine")
    assert typed.edits(1) == ["p"]
    generated = Typed("p: a", "q: [needs T1]", files={"a": "1"}, built=True, p="mine")
    assert generated.edits(1) == []
    people = Typed("p: a [keep]", "q: [keep] [needs T1]", files={"a": "1"}, built=True, p="mine")
    assert people.edits(1) == []


def test_inputs_that_a_pattern_no_longer_finds_are_edits() -> None:
    files = {"src/a.c": "1", "src/b.c": "1", "src/c.h": "1", "lib/d.c": "1"}
    gone: dict[str, Any] = {"src_a.c": None, "src_c.h": None, "lib_d.c": None}
    assert Typed("b: src/*.c", files=files, **gone).edits() == ["src/a.c"]
    assert Typed("b: src/**", files=files, **gone).edits() == ["src/a.c", "src/c.h"]
    assert Typed("b: lib/", files=files, **gone).edits() == ["lib/d.c"]
    assert Typed("b: lib", files=files, **gone).edits() == ["lib/d.c"]
    assert Typed("b: libX", files={"libX/d.c": "1"}, libX_d__c=None).edits() == ["libX/d.c"]
    literally: dict[str, Any] = {"@story_a__c": None}
    assert Typed("b: @story", files={"@story/a.c": "1"}, **literally).edits() == []


def test_what_is_gone_is_not_looked_for_where_all_that_was_named_is_there() -> None:
    class Unasked(FakeTree):
        def dirty(self) -> list[RepoPath]:
            raise AssertionError("a look at the whole tree")

    typed = Typed("b: a", files={"a": "1"}, a="2")
    loaded, judge = typed.project.load()
    assert list(Edits(loaded, judge, Unasked(typed.project.repo)).of(0)) == ["a"]


def test_what_is_no_input_whatever_pattern_finds_it_is_no_edit() -> None:
    typed = Typed("b: docs/*", files={"docs/a": "1", "docs/report": "1", "docs/c": "1"})
    for path in ("docs/a", "docs/report"):
        typed.project.repo.type(path, "2")
    loaded, _ = typed.project.load()
    judge = Judge(
        loaded.graph,
        typed.tree,
        FakeHistory(typed.project.repo),
        task_files={},
        environment={},
        never={"docs/report"},
    )
    assert list(Edits(loaded, judge, typed.tree).of(0)) == ["docs/a"]


def test_a_removed_file_that_a_task_makes_is_no_edit() -> None:
    typed = Typed("out/b: a", "c: out/*", files={"a": "1"}, built=True, out_b=None)
    assert typed.edits(1) == []


def test_an_untracked_file_is_not_gone() -> None:
    typed = Typed("b: src/*.c", files={"src/a.c": "1"}, src_new="1")
    assert typed.edits() == []


def test_what_is_gone_is_looked_for_once_until_somebody_says_so() -> None:
    class Counting(FakeTree):
        asked = 0

        def dirty(self) -> list[RepoPath]:
            self.asked += 1
            return list(super().dirty())

    typed = Typed("b: src/*.c", "c: src/*.c", files={"src/a.c": "1"})
    tree = Counting(typed.project.repo)
    loaded, judge = typed.project.load()
    edits = Edits(loaded, judge, tree)
    assert (edits.of(0), edits.of(1), tree.asked) == ({}, {}, 1)
    typed.project.repo.type("src/a.c", None)
    judge.forget(0)
    assert list(edits.of(0)) == []
    edits.look_again()
    assert list(edits.of(0)) == ["src/a.c"]
    assert tree.asked == 2


def test_edits_are_refused_by_name() -> None:
    refuse({})
    hint = 'commit the edits, or set save_inputs = "commit" in specbuild.toml'
    with pytest.raises(UsageError) as caught:
        refuse(["b", "a"])
    assert str(caught.value) == f"a, b are edited and not committed; {hint}"
    with pytest.raises(UsageError) as caught:
        refuse({"a": None})
    assert str(caught.value) == f"a is edited and not committed; {hint}"


def test_bytes_that_no_commit_holds_are_kept_before_they_are_overwritten() -> None:
    typed = Typed("b c d: a", files={"b": "1", "c": "1"}, b="mine", d="mine too")
    loaded, _ = typed.project.load()
    before = dict(typed.project.repo.disk)
    told = keep_unrecorded(loaded.graph.tasks[0], before, typed.tree, typed.committer)
    ((ref, kept),) = typed.project.repo.kept.items()
    assert told == [f"b, d had been edited; what stood there is kept at {ref}"]
    assert ref.startswith("refs/specbuild/saved/")
    assert kept == {"b": before["b"], "d": before["d"]}
    assert typed.project.repo.why_kept[ref] == "tasks.md#T1: targets before they were made again\n"


def test_nothing_is_kept_where_every_byte_is_committed() -> None:
    typed = Typed("b: a", files={"b": "1"})
    loaded, _ = typed.project.load()
    before = dict(typed.project.repo.disk)
    assert keep_unrecorded(loaded.graph.tasks[0], before, typed.tree, typed.committer) == []
    assert typed.project.repo.kept == {}


class Staging(FakeTree):
    """The index holds these."""

    index: dict[RepoPath, Entry]

    def staged(self, path: RepoPath) -> Entry | None:
        return self.index.get(path)


def kept_of(staged: str | None, *, result: str = "result") -> list[str]:
    """HEAD has `head`, the file `file`; what is kept when `result` takes their place."""
    typed = Typed("b: a", files={"b": "head"}, b="file")
    repo = typed.project.repo
    tree = Staging(repo)
    tree.index = {} if staged is None else {"b": Entry(PLAIN, repo.store(staged.encode()))}
    told = keep_staged(["b"], {"b": Entry(PLAIN, repo.store(result.encode()))}, tree, typed.committer)
    assert told == [f"b: what was staged differed from the file, and is kept at {ref}" for ref in repo.kept]
    assert all(ref.startswith("refs/specbuild/saved/") for ref in repo.kept)
    assert set(repo.why_kept.values()) <= {"staged versions of edited inputs\n"}
    return [repo.blobs[e.oid].decode() for files in repo.kept.values() for e in files.values()]


@pytest.mark.parametrize("staged", [None, "head", "file", "result"])
def test_a_staged_version_that_stands_somewhere_else_is_not_kept(staged: str | None) -> None:
    assert kept_of(staged) == []


def test_a_staged_version_that_stands_nowhere_else_is_kept() -> None:
    assert kept_of("staged") == ["staged"]
