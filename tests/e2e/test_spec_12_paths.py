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


@pytest.mark.parametrize("named", ['tasks = ["tasks.md"]\n', ""])
@pytest.mark.parametrize("committed", [True, False])
def test_a_task_file_that_is_a_symlink_is_not_read_as_an_empty_one(
    make: Make, named: str, *, committed: bool
) -> None:
    work = make(box("T001", "a.txt"), config=named + CONFIG)
    work.type("docs/plan.md", box("T001", "a.txt"))
    (work.folder / "tasks.md").unlink()
    (work.folder / "tasks.md").symlink_to("docs/plan.md")
    if committed:
        work.commit("a link")
    for words in ("run", "check --strict", "status --at HEAD" if committed else "status"):
        done = work.call(*words.split())
        assert done.code == 2
        assert "tasks.md: it is a symlink, and that is no task file" in done.err
        assert "name the file that it leads to, docs/plan.md" in done.err


def test_a_link_out_of_the_repository_is_not_to_be_named_instead(make: Make) -> None:
    work = make(box("T001", "a.txt"))
    (work.folder / "tasks.md").unlink()
    (work.folder / "tasks.md").symlink_to("../elsewhere.md")
    assert "put the file itself there" in work.call("status").err


def test_a_named_task_file_that_is_a_folder_is_called_so(make: Make) -> None:
    work = make(box("T001", "a.txt"), config='tasks = ["plans"]\n', **{"plans/a.md": box("T001", "a.txt")})
    done = work.call("check")
    assert done.code == 2
    assert "plans: it is a folder, and that is no task file" in done.err


@pytest.mark.parametrize("kind", ["symlink", "folder"])
def test_what_is_no_config_file_is_not_passed_over(make: Make, kind: str) -> None:
    work = make(box("T001", "a.txt"))
    config = work.folder / "specbuild.toml"
    config.unlink()
    config.symlink_to("tasks.md") if kind == "symlink" else config.mkdir()
    done = work.call("status")
    assert done.code == 2
    assert f"specbuild.toml: it is a {kind}, not a file" in done.err


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


def linked(make: Make, targets: str, inputs: str = "", run: str | None = None) -> Workshop:
    """`in` leads to src/, `out` and `abs` lead out of the repository."""
    work = make(box("T001", targets, inputs, run=run))
    elsewhere = work.folder.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x").write_text("1")
    work.type("src/i.txt", "1")
    for name, leads in {
        "in": "src",
        "out": str(elsewhere),
        "up": "../elsewhere",
        "abs": "/etc/passwd",
    }.items():
        (work.folder / name).symlink_to(leads)
    work.commit("links")
    return work


@pytest.mark.parametrize(
    ("targets", "inputs", "link"),
    [
        ("out/a.txt", "", "out"),
        ("up/a.txt", "", "up"),
        ("a.txt", "out/x", "out"),
        ("a.txt", "out/*", "out"),
        ("a.txt", "up/", "up"),
        ("a.txt", "abs", "abs"),
    ],
)
def test_a_path_through_a_symlink_that_leaves_is_refused(
    make: Make, targets: str, inputs: str, link: str
) -> None:
    work = linked(make, targets, inputs)
    done = work.call("run")
    assert done.code == 2
    assert "tasks.md:1: " in done.err
    assert f"of T001: the symlink {link} leads out of the repository" in done.err
    assert work.ran() == []


@pytest.mark.parametrize("written", ["in/i.txt", "in/", "in/*.txt", "in"])
def test_an_input_through_a_symlink_counts_as_what_it_leads_to(make: Make, written: str) -> None:
    work = linked(make, "a.txt", written, run="cat in/i.txt >a.txt")
    work.build()
    assert work.stale() == []
    work.type("src/i.txt", "2")
    assert work.reasons("T001") == ["input-changed"]
    work.build()
    assert (work.folder / "a.txt").read_text() == "2"
    work.assert_tidy()


def test_a_target_through_a_symlink_is_the_file_it_leads_to(make: Make) -> None:
    work = linked(make, "in/a.txt", run="echo 1 >in/a.txt")
    work.build()
    assert work.document("status")["tasks"][0]["targets"] == ["src/a.txt"]
    assert work.git("ls-files", "src") == "src/a.txt\nsrc/i.txt"
    work.assert_tidy()


def test_symlinks_in_a_circle_are_refused(make: Make) -> None:
    work = make(box("T001", "a.txt", "one/x"))
    (work.folder / "one").symlink_to("two")
    (work.folder / "two").symlink_to("one")
    done = work.call("run")
    assert done.code == 2
    assert "of T001: the symlink" in done.err


def test_an_earlier_tasks_target_behind_a_symlink_carries_staleness(make: Make) -> None:
    first = box("T001", "src/made.txt", "seed", run="mkdir -p src; cat seed >src/made.txt")
    work = make(first, box("T002", "a.txt", "ln", run="cat ln >a.txt"), seed="1")
    (work.folder / "ln").symlink_to("src/made.txt")
    work.commit("link")
    work.build()
    work.type("seed", "2")
    work.build()
    assert (work.folder / "a.txt").read_text() == "2"
    assert work.stale() == []
