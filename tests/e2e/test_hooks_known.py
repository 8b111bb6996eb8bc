"""What pre-push knows from the push before: it is quick where nothing changed, and never wrong."""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gitbox import environment
from hooked import REPLACED, Clone, box

ZEROS = "0" * 40
CHECK = '[build]\nexecutor = "shell"\n[hooks.pre-push]\nmode = "check"\n'
Make = Callable[..., Clone]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    def clone(*tasks: str, config: str = CHECK, **files: str) -> Clone:
        made = Clone(tmp_path / "clone", *tasks, config=config, **files)
        if tasks:
            made.build()
        return made

    with environment(tmp_path / "home"):
        yield clone


@pytest.fixture
def clone(make: Make) -> Clone:
    """Pushed once, so that it is known to be up to date."""
    made = make(
        box("T001", "a.txt", "in.txt parts/*.txt docs", run="cat in.txt parts/*.txt docs/* >a.txt"),
        box("T002", "b.txt", "a.txt"),
        **{"in.txt": "1\n", "parts/one.txt": "1\n", "docs/x": "1\n"},
    )
    assert judged(made) == (0, False)
    assert judged(made) == (0, True)
    return made


def judged(
    clone: Clone, revision: str = "HEAD", *, branch: str = "main", **variables: str
) -> tuple[int, bool]:
    """The exit code of the hook for a pushed commit, and whether it was known without looking."""
    oid = clone.git("rev-parse", revision)
    env = {name: value for name, value in os.environ.items() if name not in REPLACED}
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            "importtime",
            "-P",
            "-m",
            "specbuild",
            "hook",
            "run",
            "pre-push",
            "origin",
            "url",
        ],
        cwd=clone.folder,
        env={**env, "RAN": str(clone.log), **variables},
        input=f"refs/heads/{branch} {oid} refs/heads/{branch} {ZEROS}\n",
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, "| pygit2" not in done.stderr.replace("  ", "")


def test_a_commit_that_changes_nothing_that_was_looked_at_is_known(clone: Clone) -> None:
    clone.commit("notes", **{"notes.txt": "x\n", "parts/readme.md": "no input\n", "deep/er/file": "x\n"})
    clone.commit("more", **{"notes.txt": "y\n"})
    clone.git("rm", "-q", "notes.txt")
    clone.commit("less")
    assert judged(clone)[0] == 0
    clone.commit("a last word", **{"words.txt": "x\n"})
    assert judged(clone) == (0, True)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("in.txt", "2\n"),
        ("parts/two.txt", "2\n"),
        ("docs/deep/y", "2\n"),
        ("a.txt", "by hand\n"),
        ("b.txt", "by hand\n"),
        ("tasks.md", box("T001", "a.txt", "in.txt", title="other", ticked=True)),
    ],
)
def test_a_commit_that_changes_what_was_looked_at_is_judged(clone: Clone, path: str, text: str) -> None:
    clone.commit("edit", **{path: text})
    assert judged(clone) == (1, False)


def test_new_task_files_and_rules_are_seen(clone: Clone) -> None:
    clone.commit("features", **{"specs/001-x/tasks.md": box("T009", "z.txt", ticked=True)})
    assert judged(clone)[1] is False
    clone.commit("rules", **{"specbuild.toml": f"{CHECK}# another word\n"})
    assert judged(clone)[1] is False
    clone.commit("ignore", **{".gitignore": "*.o\n"})
    assert judged(clone)[1] is False


def test_what_a_revert_takes_back_is_seen(clone: Clone) -> None:
    clone.git("revert", "--no-edit", clone.found("T002"))
    assert judged(clone) == (0, False)
    assert judged(clone) == (0, False)  # there is something to tell each time


def test_what_a_run_left_up_to_date_is_known_to_the_push_that_follows(clone: Clone) -> None:
    clone.hook("install")
    clone.type("in.txt", "2\n")
    clone.commit("edit")
    assert clone.do("specbuild", "run", "--quiet").code == 0
    assert judged(clone) == (0, True)
    clone.type("in.txt", "3\n")
    assert clone.do("specbuild", "run", "--quiet", "--limit", "1").code == 0
    assert judged(clone)[1] is False


@pytest.mark.parametrize("path", ["parts/two.txt", "docs/two"])
def test_a_run_without_a_committed_input_vouches_not_for_the_commit(clone: Clone, path: str) -> None:
    clone.hook("install")
    clone.commit("a further input", **{path: "2\n"})
    (clone.folder / path).unlink()
    assert clone.do("specbuild", "run", "--quiet").code == 0
    assert clone.ran() == []
    assert judged(clone) == (1, False)


def test_a_run_beside_edits_of_no_concern_vouches_for_the_commit(clone: Clone) -> None:
    clone.hook("install")
    clone.type("in.txt", "2\n")
    clone.commit("edit", **{"notes.txt": "x\n"})
    clone.type("notes.txt", "y\n")
    clone.type("more/notes.txt", "z\n")
    assert clone.do("specbuild", "run", "--quiet").code == 0
    assert judged(clone) == (0, True)


def test_a_run_about_one_file_vouches_for_no_other(make: Make) -> None:
    clone = make()
    clone.commit("a", **{"specbuild.toml": CHECK, "specs/001-a/tasks.md": box("T001", "a.txt")})
    clone.commit("b", **{"specs/002-b/tasks.md": box("T001", "b.txt", "in.txt"), "in.txt": "1\n"})
    clone.hook("install")
    assert clone.do("specbuild", "run", "--quiet", "--all").code == 0
    clone.type("in.txt", "2\n")
    clone.commit("edit")
    clone.git("switch", "-qc", "001-a")
    clone.type("specs/001-a/tasks.md", box("T001", "a.txt", title="again", ticked=True))
    assert clone.do("specbuild", "run", "--quiet").code == 0
    assert judged(clone, branch="001-a") == (0, False)
    assert judged(clone, branch="002-b") == (1, False)


def test_an_older_commit_and_another_line_of_history_are_judged(clone: Clone) -> None:
    clone.commit("notes", **{"notes.txt": "x\n"})
    assert judged(clone) == (0, True)
    assert judged(clone, "HEAD~2")[1] is False
    clone.git("switch", "-q", "--orphan", "other")
    clone.commit("nothing", **{"readme.txt": "x\n"})
    assert judged(clone, branch="other")[1] is False


def test_what_is_known_of_what_is_checked_out_stays_known_after_the_push_of_another_branch(
    clone: Clone,
) -> None:
    clone.git("switch", "-q", "-c", "beside")
    clone.commit("another input", **{"in.txt": "2\n"})
    clone.build()
    clone.git("switch", "-q", "main")
    assert judged(clone)[0] == 0
    assert judged(clone) == (0, True)
    assert judged(clone, "beside", branch="beside") == (0, False)
    assert judged(clone) == (0, True)


def test_variables_that_ask_for_more_are_heard(clone: Clone) -> None:
    assert judged(clone, SPECBUILD_SKIP="T001")[1] is False
    assert judged(clone, SPECBUILD="0")[0] == 0


def test_another_set_of_installed_packages_is_judged_anew(clone: Clone, tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    assert judged(clone, PYTHONPATH=str(plugins)) == (0, False)
    assert judged(clone, PYTHONPATH=str(plugins)) == (0, True)
    (plugins / "new").write_text("")
    assert judged(clone, PYTHONPATH=str(plugins)) == (0, False)


def test_names_that_may_come_to_mean_another_file_are_resolved_again(make: Make) -> None:
    undone = "- [ ]* T002 Write model.py from schema.json\n"
    clone = make(box("T001", "a.txt", "in.txt"), undone, **{"schema.json": "{}\n", "in.txt": "1\n"})
    assert judged(clone)[0] == 0
    clone.commit("edit", **{"other.txt": "x\n"})
    assert judged(clone)[1] is False
    clone.commit("edit", **{"other.txt": "y\n"})
    assert judged(clone)[1] is True


def test_a_note_that_is_broken_or_gone_costs_nothing_but_time(clone: Clone) -> None:
    note = clone.folder / ".git/specbuild/pushed"
    whole = note.read_bytes()
    for content in (b"", b"specbuild pushed 1\n", whole[: len(whole) // 2], whole[:-3], os.urandom(200)):
        note.write_bytes(content)
        assert judged(clone) == (0, False)
    note.unlink()
    assert judged(clone) == (0, False)
    assert judged(clone) == (0, True)


@pytest.mark.parametrize("steps", [8, pytest.param(60, marks=pytest.mark.campaign)])
def test_what_is_known_is_what_is_found(make: Make, steps: int) -> None:
    """Random histories: the answer with the note is the one without it."""
    clone = make(
        box("T001", "a.txt", "in.txt parts/*.txt docs", run="cat in.txt parts/*.txt docs/* >a.txt"),
        box("T002", "b.txt", "a.txt"),
        "- [ ] T003 Write c.txt from b.txt\n  - run: cp b.txt c.txt\n",
        **{"in.txt": "1\n", "parts/one.txt": "1\n", "docs/x": "1\n"},
    )
    dice = random.Random(20)
    paths = [
        "in.txt",
        "parts/one.txt",
        "parts/two.txt",
        "docs/y",
        "b.txt",
        "notes.txt",
        "x/c.txt",
        "sub/b.txt",
    ]
    note = clone.folder / ".git/specbuild/pushed"
    quick = 0
    for number in range(steps):
        match dice.randrange(9):
            case 0 | 1:
                clone.commit(f"edit {number}", **{dice.choice(paths): f"{dice.randrange(3)}\n"})
            case 2 | 5 | 6:
                clone.commit(f"note {number}", **{dice.choice(["notes.txt", "x/y.txt"]): f"{number}\n"})
            case 3:
                clone.git("revert", "--no-edit", "HEAD", ok=False)
                clone.git("revert", "--abort", ok=False)
            case 4 | 7:
                clone.call("run", "--quiet")
            case _:
                clone.git("reset", "-q", "--hard", f"HEAD~{dice.randrange(3)}")
        code, known = judged(clone)
        quick += known
        kept = note.read_bytes() if note.exists() else None
        note.unlink(missing_ok=True)
        assert judged(clone)[0] == code, f"step {number}: {clone.git('log', '--oneline', '-3')}"
        if kept is not None:
            note.write_bytes(kept)
    assert quick > 0
