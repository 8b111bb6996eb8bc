"""The merge driver for boxes registers itself for exactly the task files, and leaves all else alone."""

import os
import sys
from pathlib import Path

import pytest
from fakes_git import RealGit, hermetic

from specbuild.errors import RepositoryError
from specbuild.git.merge_driver import NAME, install
from specbuild.git.repository import Repository


@pytest.fixture(autouse=True)
def _hermetic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in hermetic(tmp_path / "home").items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def git(tmp_path: Path) -> RealGit:
    git = RealGit(tmp_path / "repo")
    git.commit("first", a_txt="a\n")
    return git


def opened(git: RealGit) -> Repository:
    return Repository.open(str(git.folder))


def driver_of(git: RealGit, path: str) -> str:
    return git.git("check-attr", "-z", "merge", "--", path).split("\0")[2]


def attributes(git: RealGit) -> Path:
    return git.folder / ".git/info/attributes"


def test_task_files_get_the_driver_and_others_do_not(git: RealGit) -> None:
    assert install(opened(git), ["tasks.md", "specs/001-auth/tasks.md"])
    assert driver_of(git, "tasks.md") == NAME
    assert driver_of(git, "specs/001-auth/tasks.md") == NAME
    assert driver_of(git, "docs/tasks.md") == "unspecified"
    assert driver_of(git, "a.txt") == "unspecified"
    command = git.git("config", f"merge.{NAME}.driver")
    assert command.startswith(sys.executable)
    assert command.endswith("-m specbuild merge-boxes %O %A %B %P")
    assert git.git("status", "--porcelain") == ""


@pytest.mark.parametrize(
    "path",
    [
        "my tasks.md",
        "tasks [draft].md",
        "a*b?.md",
        "#tasks.md",
        "!tasks.md",
        'say "tasks".md',
        "tab\ttasks.md",
        "new\nline.md",
        "back\\slash.md",
        "größe.md",
        "odd\udcff.md",
    ],
)
def test_odd_names_of_task_files_are_meant_literally(git: RealGit, path: str) -> None:
    install(opened(git), [path])
    assert driver_of(git, path) == NAME
    assert driver_of(git, "axb1.md") == "unspecified"
    assert driver_of(git, "tasks d.md") == "unspecified"


def test_a_second_time_changes_nothing(git: RealGit) -> None:
    repository = opened(git)
    assert install(repository, ["tasks.md"])
    before = (git.folder / ".git/config").read_bytes(), attributes(git).read_bytes()
    assert not install(repository, ["tasks.md"])
    assert not install(opened(git), ["tasks.md"])
    assert ((git.folder / ".git/config").read_bytes(), attributes(git).read_bytes()) == before


def test_what_others_wrote_is_kept_and_our_part_follows_the_files(git: RealGit) -> None:
    attributes(git).parent.mkdir(exist_ok=True)
    attributes(git).write_bytes(b"*.png binary\r\n*.txt merge=union")
    attributes(git).chmod(0o640)
    assert install(opened(git), ["b.md", "a.md"])
    attributes(git).write_bytes(attributes(git).read_bytes() + b"*.jpg binary\n")
    assert install(opened(git), ["c.md"])
    content = attributes(git).read_bytes()
    assert content.startswith(b"*.png binary\r\n*.txt merge=union\n*.jpg binary\n# specbuild")
    assert content.count(b"# specbuild: end") == 1
    assert attributes(git).stat().st_mode & 0o777 == 0o640
    assert driver_of(git, "x.txt") == "union"
    assert driver_of(git, "c.md") == NAME
    assert driver_of(git, "a.md") == "unspecified"


def test_a_block_whose_end_was_lost_is_written_anew(git: RealGit) -> None:
    install(opened(git), ["tasks.md"])
    content = attributes(git).read_bytes()
    cut = content.partition(b"# specbuild: end")[0]
    attributes(git).write_bytes(b"*.png binary\n" + cut + b"*.jpg binary\n")
    assert install(opened(git), ["tasks.md"])
    assert attributes(git).read_bytes() == b"*.png binary\n*.jpg binary\n" + content


def test_no_task_files_leave_no_block(git: RealGit) -> None:
    install(opened(git), ["tasks.md"])
    assert install(opened(git), [])
    assert attributes(git).read_bytes() == b""


def test_an_interpreter_that_moved_is_named_anew(git: RealGit) -> None:
    install(opened(git), ["tasks.md"])
    git.git("config", f"merge.{NAME}.driver", "/old/python -m specbuild merge-boxes %O %A %B %P")
    assert install(opened(git), ["tasks.md"])
    assert git.git("config", f"merge.{NAME}.driver").startswith(sys.executable)


def test_all_worktrees_have_the_driver(git: RealGit, tmp_path: Path) -> None:
    git.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    assert install(Repository.open(str(tmp_path / "side")), ["tasks.md"])
    assert driver_of(git, "tasks.md") == NAME
    assert driver_of(RealGit(tmp_path / "side"), "tasks.md") == NAME
    assert not install(opened(git), ["tasks.md"])


def test_a_place_that_cannot_be_written_is_an_error_that_names_it(git: RealGit) -> None:
    folder = attributes(git).parent
    if folder.exists():
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    folder.write_text("a file, where the folder would be")
    with pytest.raises(RepositoryError, match="attributes"):
        install(opened(git), ["tasks.md"])
    assert os.path.isfile(folder)
