"""What every committer does, the real one and the one in memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import FakeCommitter, Repo
from gitbox import PLAIN, Box, environment

from specbuild.engine.ports import Committer, Moved, Record
from specbuild.engine.task import Entry
from specbuild.git.committer import GitCommitter


class Side:
    """A committer with a way to look at what it did."""

    committer: Committer

    def type(self, path: str, text: str | None) -> None:
        raise NotImplementedError

    def text(self, path: str) -> str | None:
        raise NotImplementedError

    def tree(self) -> dict[str, str]:
        raise NotImplementedError

    def log(self) -> list[str]:
        raise NotImplementedError

    def store(self, text: str) -> Entry:
        return Entry(PLAIN, self.committer.store(text.encode()))


class InMemory(Side):
    def __init__(self) -> None:
        self.repo = Repo()
        self.committer = FakeCommitter(self.repo)

    def type(self, path: str, text: str | None) -> None:
        self.repo.type(path, text)

    def text(self, path: str) -> str | None:
        return self.repo.text(path)

    def tree(self) -> dict[str, str]:
        assert self.repo.tip is not None
        files = self.repo.commits[self.repo.tip].files
        return {path: self.repo.blobs[entry.oid].decode() for path, entry in files.items()}

    def log(self) -> list[str]:
        return [self.repo.commits[oid].message.strip() for oid in self.repo.log()]


class Real(Side):
    def __init__(self, folder: Path) -> None:
        self.box = Box(folder)
        repo = self.box.repo
        self.committer = GitCommitter(repo, repo.head_ref)

    def type(self, path: str, text: str | None) -> None:
        if text is None:
            (self.box.folder / path).unlink()
        else:
            self.box.type(path, text)

    def text(self, path: str) -> str | None:
        return self.box.text(path)

    def tree(self) -> dict[str, str]:
        paths = self.box.git("ls-tree", "-r", "--name-only", "HEAD").split()
        return {path: self.box.git("cat-file", "blob", f"HEAD:{path}") for path in paths}

    def log(self) -> list[str]:
        return self.box.git("log", "--format=%s").splitlines()


@pytest.fixture(params=["memory", "git"])
def side(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Side]:
    if request.param == "memory":
        yield InMemory()
    else:
        with environment(tmp_path / "home"):
            yield Real(tmp_path / "repo")


def test_a_repository_without_commits_has_no_head_and_takes_a_first_one(side: Side) -> None:
    assert side.committer.head() is None
    [made] = side.committer.commit([Record("first", {"a": side.store("1")}, in_place=False)], onto=None)
    assert side.committer.head() == made
    assert side.tree() == {"a": "1"}


def test_a_chain_of_records_becomes_a_chain_of_commits(side: Side) -> None:
    one, two = side.store("1"), side.store("2")
    made = side.committer.commit(
        [Record("one", {"a": one, "b": one}), Record("two", {"a": two, "b": None})], onto=None
    )
    assert len(made) == 2
    assert side.log() == ["two", "one"]
    assert side.tree() == {"a": "2"}


def test_a_record_without_changes_is_a_commit_all_the_same(side: Side) -> None:
    [first] = side.committer.commit([Record("one", {"a": side.store("1")})], onto=None)
    [second] = side.committer.commit([Record("two", {})], onto=first)
    assert second != first
    assert side.tree() == {"a": "1"}


def test_nothing_happens_where_the_branch_is_elsewhere(side: Side) -> None:
    [first] = side.committer.commit([Record("one", {"a": side.store("1")}, in_place=False)], onto=None)
    [second] = side.committer.commit([Record("two", {"a": side.store("2")}, in_place=False)], onto=first)
    with pytest.raises(Moved):
        side.committer.commit([Record("late", {"a": side.store("3")}, in_place=False)], onto=first)
    assert side.committer.head() == second
    assert side.text("a") == "2"


def test_the_working_tree_follows_where_it_was_clean(side: Side) -> None:
    [first] = side.committer.commit([Record("one", {"a": side.store("1")}, in_place=False)], onto=None)
    assert side.text("a") == "1"
    side.committer.commit([Record("two", {"a": side.store("2")}, in_place=False)], onto=first)
    assert side.text("a") == "2"


def test_a_removed_path_is_removed_from_the_working_tree(side: Side) -> None:
    [first] = side.committer.commit([Record("one", {"d/a": side.store("1")}, in_place=False)], onto=None)
    side.committer.commit([Record("two", {"d/a": None}, in_place=False)], onto=first)
    assert side.text("d/a") is None


def test_a_persons_edit_is_never_overwritten(side: Side) -> None:
    [first] = side.committer.commit([Record("one", {"a": side.store("1")}, in_place=False)], onto=None)
    side.type("a", "mine")
    side.committer.commit([Record("two", {"a": side.store("2")}, in_place=False)], onto=first)
    assert side.text("a") == "mine"
    assert side.tree() == {"a": "2"}


def test_a_persons_new_file_is_never_overwritten(side: Side) -> None:
    side.type("a", "mine")
    side.committer.commit([Record("one", {"a": side.store("1")}, in_place=False)], onto=None)
    assert side.text("a") == "mine"


def test_what_stands_in_the_working_tree_is_added_and_read_back(side: Side) -> None:
    side.type("a", "1")
    found = side.committer.add(["a", "b"])
    assert found["b"] is None
    entry = found["a"]
    assert entry is not None
    assert side.committer.read(entry.oid) == b"1"


def test_a_file_is_written_only_instead_of_what_was_seen(side: Side) -> None:
    assert side.committer.write("a", b"1", instead=None)
    seen = side.committer.add(["a"])["a"]
    side.type("a", "mine")
    assert not side.committer.write("a", b"2", instead=seen)
    assert side.text("a") == "mine"


def test_kept_bytes_get_a_ref_of_their_kind(side: Side) -> None:
    first = side.committer.keep("saved", {"a": side.store("1")}, "why")
    second = side.committer.keep("saved", {"a": side.store("1")}, "why")
    assert first.startswith("refs/specbuild/saved/")
    assert first != second
    assert side.committer.keep("failed", {"a": side.store("1")}, "why").startswith("refs/specbuild/failed/")


def test_what_follows_a_persons_recorded_edit_is_laid_over_it(side: Side) -> None:
    base = side.committer.commit([Record("first", {"a": side.store("old")})], onto=None)[-1]
    side.type("a", "mine")
    edited, ticked = side.store("mine"), side.store("mine, ticked")
    side.committer.commit(
        [Record("edits", {"a": edited}, edited=True), Record("task", {"a": ticked}, in_place=False)],
        onto=base,
    )
    assert side.tree() == {"a": "mine, ticked"}
    assert side.text("a") == "mine, ticked"
