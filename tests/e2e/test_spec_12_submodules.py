"""SPEC sections 5 and 12: a submodule is its recorded commit, and its files are another repository's."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gitbox import Box
from repositories import Workshop, box, workshops

Make = Callable[..., Workshop]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with workshops(tmp_path) as made:
        yield made


def with_submodule(make: Make, tmp_path: Path, *tasks: str, **more: str) -> tuple[Workshop, Box]:
    library = Box(tmp_path / "library")
    library.type("x", "1")
    library.commit("x")
    work = make(*tasks, **more)
    work.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.folder), "lib")
    work.commit("a submodule")
    return work, Box(work.folder / "lib")


@pytest.mark.parametrize("written", ["lib", "lib/", "lib/x", "lib/*", "lib/deep/**"])
def test_an_input_in_a_submodule_counts_as_its_commit(make: Make, tmp_path: Path, written: str) -> None:
    work, library = with_submodule(make, tmp_path, box("T001", "a.txt", written, run="cat lib/x >a.txt"))
    work.build()
    assert work.stale() == []
    library.type("x", "2")
    library.commit("y")
    assert work.reasons("T001") == ["input-changed"]
    work.build()
    assert work.stale() == []
    assert work.git("ls-tree", "HEAD", "lib").split()[:3] == [
        "160000",
        "commit",
        library.git("rev-parse", "HEAD"),
    ]


@pytest.mark.parametrize("written", ["lib/a.txt", "lib", "lib/", "lib/out/"])
def test_a_declared_target_in_a_submodule_is_refused(make: Make, tmp_path: Path, written: str) -> None:
    work, _ = with_submodule(make, tmp_path, box("T001", written, run="echo 1 >lib/a.txt"))
    done = work.call("run")
    assert done.code == 2
    assert f'tasks.md:1: target "{written}" of T001' in done.err
    assert "submodule" in done.err
    assert work.subjects() == ["a submodule", "start"]


def test_a_generated_folder_with_a_submodule_in_it_is_refused(make: Make, tmp_path: Path) -> None:
    work, _ = with_submodule(make, tmp_path, box("T001", "gen/", run="mkdir -p gen; echo 1 >gen/a.txt"))
    work.git("mv", "lib", "gen")
    work.commit("moved")
    done = work.call("run", "--force", "T001")
    assert done.code == 2
    assert 'target "gen/" of T001: it lies in the submodule gen' in done.err
    assert (work.folder / "gen/x").read_text() == "1"


def test_a_generated_folder_around_a_submodule_is_refused(make: Make, tmp_path: Path) -> None:
    work, _ = with_submodule(make, tmp_path, box("T001", "gen/", run="mkdir -p gen; echo 1 >gen/a.txt"))
    (work.folder / "gen").mkdir()
    work.git("mv", "lib", "gen/lib")
    work.commit("moved")
    done = work.call("run", "--force", "T001")
    assert done.code == 2
    assert "the submodule gen/lib is in it" in done.err
    assert (work.folder / "gen/lib/x").read_text() == "1"


def test_a_path_of_prose_in_a_submodule_is_text(make: Make, tmp_path: Path) -> None:
    work, library = with_submodule(
        make, tmp_path, "- [ ] T001 Create lib/a.txt\n", config='[[rule]]\nrun = "echo 1 >lib/a.txt"\n'
    )
    assert "lib/a.txt` is in the submodule lib" in work.call("lint").err
    work.build()
    assert work.git("ls-tree", "HEAD", "lib").split()[1] == "commit"
    assert library.git("status", "--porcelain") == "?? a.txt"
