"""Every Snapshot answers alike: in memory, of a commit, of a bare repository's commit, of the working tree."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from fakes_git import EXECUTABLE, PLAIN, SYMLINK, DictSnapshot, RealGit, hermetic

from specbuild.engine.ports import Snapshot
from specbuild.engine.task import Entry
from specbuild.git.hashing import blob_id
from specbuild.git.repository import Repository
from specbuild.git.snapshot import CommitSnapshot, WorkingTree

FILES: dict[str, tuple[int, bytes]] = {
    "README.md": (PLAIN, b"read me\n"),
    "run.sh": (EXECUTABLE, b"#!/bin/sh\n"),
    "link": (SYMLINK, b"src/a.py"),
    "src/a.py": (PLAIN, b"a = 1\n"),
    "src/deep/down/a.py": (PLAIN, b"a = 2\n"),
    "src/deep/b.txt": (PLAIN, b""),
    "src-more/a.py": (PLAIN, b"a = 3\n"),
    "odd \udcff\n\"name'": (PLAIN, b"odd\n"),
    "ünï/çödé.md": (PLAIN, "größe\n".encode()),
}
HIDDEN = {"dist/out.bin": (PLAIN, b"\0\1"), "x.log": (PLAIN, b"log\n")}
IGNORE = (PLAIN, b"/dist/\n*.log\n")


def lay_out(git: RealGit, files: dict[str, tuple[int, bytes]]) -> None:
    for path, (mode, data) in files.items():
        if mode == SYMLINK:
            (git.folder / path).symlink_to(data.decode())
        else:
            git.write(path, data, mode & 0o777)


def in_memory(_folder: Path) -> Snapshot:
    files = {**FILES, ".gitignore": IGNORE}
    return DictSnapshot(files=files, hidden=HIDDEN, base=files)


def committed(folder: Path) -> RealGit:
    git = RealGit(folder / "repo")
    lay_out(git, {**FILES, ".gitignore": IGNORE})
    git.commit("all")
    lay_out(git, HIDDEN)
    return git


def of_a_commit(folder: Path) -> Snapshot:
    repository = Repository.open(str(committed(folder).folder))
    return CommitSnapshot(repository, repository.head)


def of_a_bare_repository(folder: Path) -> Snapshot:
    git = committed(folder)
    git.git("clone", "-q", "--bare", ".", str(folder / "bare.git"))
    repository = Repository.open(str(folder / "bare.git"))
    return CommitSnapshot(repository, repository.head)


def of_a_clean_working_tree(folder: Path) -> Snapshot:
    return WorkingTree(Repository.open(str(committed(folder).folder)))


def of_a_working_tree_after_asking_about_everything(folder: Path) -> Snapshot:
    tree = WorkingTree(Repository.open(str(committed(folder).folder)))
    tree.dirty()
    return tree


def of_a_refreshed_working_tree(folder: Path) -> Snapshot:
    """All but one file come into being after the first look."""
    git = RealGit(folder / "repo")
    git.commit("first", README_md="read me\n")
    tree = WorkingTree(Repository.open(str(git.folder)))
    assert set(tree.below("")) == {"README.md"}
    assert tree.entry("src/a.py") is None
    lay_out(
        git, {**{path: file for path, file in FILES.items() if path != "README.md"}, ".gitignore": IGNORE}
    )
    git.commit("rest")
    lay_out(git, HIDDEN)
    repository = Repository.open(str(git.folder))
    tree.moved(git.git("rev-parse", "HEAD"), CommitSnapshot(repository, repository.head).below(""))
    tree.refresh([*HIDDEN, "src/"])
    return tree


def of_a_folder_that_was_never_committed(folder: Path) -> Snapshot:
    git = RealGit(folder / "repo")
    lay_out(git, {**FILES, **HIDDEN, ".gitignore": IGNORE})
    return WorkingTree(Repository.open(str(git.folder)))


COMMITS = [of_a_commit, of_a_bare_repository]
TREES = [
    in_memory,
    of_a_clean_working_tree,
    of_a_working_tree_after_asking_about_everything,
    of_a_refreshed_working_tree,
]
UNTRACKED = [of_a_folder_that_was_never_committed]


@pytest.fixture(autouse=True)
def _hermetic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in hermetic(tmp_path / "home").items():
        monkeypatch.setenv(name, value)


def every(makers: Sequence[Callable[[Path], Snapshot]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("make", makers, ids=[make.__name__ for make in makers])


@every([*COMMITS, *TREES, *UNTRACKED])
def test_a_file_is_known_by_mode_and_blob_id(make: Callable[[Path], Snapshot], tmp_path: Path) -> None:
    snapshot = make(tmp_path)
    for path, (mode, data) in FILES.items():
        assert snapshot.entry(path) == Entry(mode, blob_id(data)), path
        assert snapshot.read(path) == data, path


@every([*COMMITS, *TREES, *UNTRACKED])
def test_folders_and_what_is_not_there_are_no_entries(
    make: Callable[[Path], Snapshot], tmp_path: Path
) -> None:
    snapshot = make(tmp_path)
    for path in ("src", "src/", "nope", "src/a.py/x", "link/x", "", "src/deep/nope", "a\0b", "x" * 5000):
        assert snapshot.entry(path) is None, path
        assert snapshot.read(path) is None, path


@every([*COMMITS, *TREES, *UNTRACKED])
def test_files_and_folders_exist(make: Callable[[Path], Snapshot], tmp_path: Path) -> None:
    snapshot = make(tmp_path)
    assert all(snapshot.exists(path) for path in (*FILES, "src", "src/", "src/deep/"))
    assert not any(snapshot.exists(path) for path in ("nope", "nope/", "src/a.py/", "src/nope/x", "sr"))


@every([*COMMITS, *TREES, *UNTRACKED])
def test_below_lists_what_git_does_not_ignore(make: Callable[[Path], Snapshot], tmp_path: Path) -> None:
    snapshot = make(tmp_path)
    assert set(snapshot.below("src/")) == {"src/a.py", "src/deep/down/a.py", "src/deep/b.txt"}
    assert snapshot.below("src/")["src/a.py"] == Entry(PLAIN, blob_id(b"a = 1\n"))
    assert set(snapshot.below("")) == {*FILES, ".gitignore"}
    assert not snapshot.below("nope/")
    assert not snapshot.below("dist/")


@every([*COMMITS, *TREES, *UNTRACKED])
def test_globs_stop_at_slashes_and_leave_out_ignored_files(
    make: Callable[[Path], Snapshot], tmp_path: Path
) -> None:
    snapshot = make(tmp_path)
    assert list(snapshot.glob("src/*.py")) == ["src/a.py"]
    assert list(snapshot.glob("src/**/*.py")) == ["src/a.py", "src/deep/down/a.py"]
    assert list(snapshot.glob("**/a.py")) == ["src-more/a.py", "src/a.py", "src/deep/down/a.py"]
    assert list(snapshot.glob("*.{md,sh}")) == ["README.md", "run.sh"]
    assert list(snapshot.glob("src/deep/")) == ["src/deep/b.txt", "src/deep/down/a.py"]
    assert list(snapshot.glob("README.md")) == ["README.md"]
    assert list(snapshot.glob("**/*.log")) == []
    assert list(snapshot.glob("x.log")) == []
    assert list(snapshot.glob("nope/*")) == []


@every([*COMMITS, *TREES])
def test_tracked_questions_are_about_the_commit(make: Callable[[Path], Snapshot], tmp_path: Path) -> None:
    snapshot = make(tmp_path)
    assert snapshot.tracked("src/a.py") == Entry(PLAIN, blob_id(b"a = 1\n"))
    assert snapshot.tracked("x.log") is None
    assert snapshot.tracked_below("src/deep/")
    assert not snapshot.tracked_below("dist/")
    assert not snapshot.tracked_below("src/a.py/")
    assert list(snapshot.named("a.py")) == ["src-more/a.py", "src/a.py", "src/deep/down/a.py"]
    assert list(snapshot.named("nope")) == []


@every(UNTRACKED)
def test_nothing_is_tracked_before_the_first_commit(make: Callable[[Path], Snapshot], tmp_path: Path) -> None:
    snapshot = make(tmp_path)
    assert snapshot.tracked("src/a.py") is None
    assert not snapshot.tracked_below("src/")
    assert not snapshot.tracked_below("")
    assert list(snapshot.named("a.py")) == []


@every([*TREES, *UNTRACKED])
def test_an_ignored_file_is_seen_by_its_name(make: Callable[[Path], Snapshot], tmp_path: Path) -> None:
    snapshot = make(tmp_path)
    for path, (mode, data) in HIDDEN.items():
        assert snapshot.entry(path) == Entry(mode, blob_id(data))
        assert snapshot.read(path) == data
        assert snapshot.ignored(path)
    assert not snapshot.ignored("src/a.py")
    assert not snapshot.ignored("nope")
    assert snapshot.working


@every(COMMITS)
def test_a_commit_ignores_nothing(make: Callable[[Path], Snapshot], tmp_path: Path) -> None:
    snapshot = make(tmp_path)
    assert not snapshot.ignored("x.log")
    assert snapshot.entry("x.log") is None
    assert not snapshot.working
