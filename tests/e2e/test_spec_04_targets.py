"""SPEC section 4: folders as targets, ignored ones too, and what stands there before a task made it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from repositories import Workshop, box, workshops

Make = Callable[..., Workshop]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with workshops(tmp_path) as made:
        yield made


def test_an_empty_folder_is_never_missing(make: Make, tmp_path: Path) -> None:
    work = make(box("T001", "d/", run="mkdir -p d"), box("T002", "a.txt", run="echo 1 >a.txt"))
    work.build()
    assert work.call("check", "--strict").code == 0
    assert work.build() == []
    work.git("clone", "-q", ".", str(tmp_path / "clone"))
    clone = Workshop(tmp_path / "clone")
    assert clone.call("check").code == 0


def test_a_folder_that_was_not_made_at_all_is_missing(make: Make) -> None:
    done = make(box("T001", "d/", run="rm -rf d")).call("run")
    assert done.code == 1
    assert "it did not make d/" in done.err


def test_a_file_put_into_an_empty_folder_is_not_lost(make: Make) -> None:
    work = make(box("T001", "d/", run="mkdir -p d"))
    work.build()
    work.type("d/mine", "precious")
    work.build()
    assert work.reachable("precious")


@pytest.mark.parametrize(("target", "file"), [("dist/", "dist/mine"), ("dist/mine", "dist/mine")])
def test_what_a_person_has_in_an_ignored_target_stops_the_run(make: Make, target: str, file: str) -> None:
    ignored = {".gitignore": "dist/\n"}
    work = make(box("T001", target, run="mkdir -p dist; echo 1 >dist/mine"), **ignored)
    work.type(file, "precious")
    done = work.call("run")
    assert done.code == 2
    assert f"{target} is there, and no task made it: T001 would overwrite it" in done.err
    assert (work.folder / file).read_text() == "precious"
    assert work.call("run", "--force", "T001").code == 0
    assert work.call("check").code == 0


def test_an_ignored_target_of_another_branch_is_made_anew(make: Make) -> None:
    ignored = {".gitignore": "dist/\n"}
    work = make(box("T001", "dist/", run="mkdir -p dist; echo 1 >>dist/a"), **ignored)
    start = work.head()
    work.build()
    work.git("switch", "-q", "-c", "other", start)
    assert work.stale() == ["T001"]
    work.build()
    assert (work.folder / "dist/a").read_text() == "1\n"


def test_an_empty_ignored_folder_is_in_nobodys_way(make: Make) -> None:
    ignored = {".gitignore": "dist/\n"}
    work = make(box("T001", "dist/", run="mkdir -p dist; echo 1 >dist/a"), **ignored)
    (work.folder / "dist").mkdir()
    work.build()


def test_a_name_in_prose_means_the_same_once_a_declared_target_bears_it_too(make: Make) -> None:
    copy = (
        "- [ ] T001 Make a copy from plain.txt\n  - targets: out/plain.txt\n  - run: cat {inputs} >{target}\n"
    )
    work = make(
        copy,
        config='[build]\nexecutor = "shell"\ninputs = ["common"]\n',
        **{"in/plain.txt": "1\n", "common": "0\n"},
    )
    work.build()
    [task] = work.document("status")["tasks"]
    assert task["reads"] == ["in/plain.txt"]
    assert work.stale() == []
    work.type("in/plain.txt", "2\n")
    assert work.stale() == ["T001"]
    work.build()
    assert work.stale() == []


ONE_OF_TWO = '[[rule]]\nrun = "for t in {targets}; do echo 1 >$t; break; done"\n'


def test_an_inferred_target_that_was_not_made_is_told_once_and_makes_nothing_stale(make: Make) -> None:
    work = make("- [ ] T001 Make out/a.txt and out/b.txt\n", config=ONE_OF_TWO)
    done = work.call("run")
    assert done.code == 0
    assert "out/b.txt was not made" in done.err
    assert work.stale() == []
    head = work.head()
    assert work.call("run").code == 0
    assert work.head() == head


def test_a_task_whose_only_inferred_target_was_not_made_stops_no_later_run(make: Make) -> None:
    work = make("- [ ] T001 Make out/a.txt\n", config='[[rule]]\nrun = "true {target}"\n')
    assert work.call("run").code == 0
    assert work.stale() == []
    assert work.call("run").code == 0
