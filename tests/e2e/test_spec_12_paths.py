"""SPEC section 12: paths that lead astray never reach git."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from repositories import CONFIG, Workshop, box, workshops

Make = Callable[..., Workshop]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with workshops(tmp_path) as made:
        yield made


@pytest.mark.parametrize("written", ["out//a.txt", "./out/./a.txt", "x/../out/a.txt", "out/x/../a.txt"])
def test_a_roundabout_path_is_recorded_as_git_calls_it(make: Make, written: str) -> None:
    work = make(box("T001", written, run="mkdir -p out; echo 1 >out/a.txt"))
    work.build()
    assert work.git("ls-tree", "-r", "--name-only", "HEAD").split() == [
        "out/a.txt",
        "specbuild.toml",
        "tasks.md",
    ]
    assert work.call("check").code == 0
    work.assert_tidy()


def test_an_input_that_leads_out_by_a_detour_is_refused(make: Make) -> None:
    work = make(box("T001", "a.txt", "x/../../y"))
    done = work.call("run")
    assert done.code == 2
    assert 'tasks.md:1: input "../y" of T001: it leads out of the repository' in done.err


def test_paths_of_a_body_start_from_the_root_of_its_file(make: Make) -> None:
    config = 'tasks = [{ file = "pkg/tasks.md", root = "pkg" }]\n' + CONFIG
    work = make(config=config)
    work.type("specbuild.toml", config)
    work.type("pkg/in.txt", "1")
    work.tasks(box("T001", "out.txt", "in.txt", run="cat pkg/in.txt >pkg/out.txt"), file="pkg/tasks.md")
    work.commit("start")
    work.build()
    assert (work.folder / "pkg/out.txt").read_text() == "1"
    work.type("pkg/in.txt", "2")
    assert work.reasons("T001") == ["input-changed"]


def test_a_forged_checkpoint_line_makes_no_path_outside_a_target(make: Make) -> None:
    work = make("- [ ] T001 Create a.txt\n", config='[[rule]]\nrun = "echo 1 >a.txt"\n')
    work.build()
    line = next(
        line for line in work.git("log", "-1", "--format=%B").split("\n") if line.startswith("Specbuild-")
    )
    outside = work.folder.parent / "precious"
    outside.write_text("mine")
    work.git("commit", "-q", "--allow-empty", "-m", "x\n\n" + line + " t:../precious=0123456789abcdef0123")
    targets = work.document("status")["tasks"][0]["targets"]
    assert "../precious" not in targets
    work.call("run", "--force", "T001")
    assert outside.read_text() == "mine"
