"""Recipes and gates that misbehave, through the whole command: the laws hold after each of them."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from repositories import CONFIG, ROOT, Workshop, alive, box, wait_for, workshops

Make = Callable[..., Workshop]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with workshops(tmp_path) as made:
        yield made


def rough(
    make: Make, recipe: str, *, targets: str = "out.txt", more: str = "", config: str = CONFIG
) -> Workshop:
    """A harmless task, the rough one, and one that needs what it makes."""
    return make(
        box("T001", "first.txt"),
        box("T002", targets, "first.txt", run=f'echo T002 >>"$RAN"; {recipe}', more=more),
        box("T003", "last.txt", targets, more="needs: T002"),
        config=config,
    )


def pid_of(path: Path) -> int:
    wait_for(lambda: path.exists() and path.read_text().endswith("\n"))
    return int(path.read_text())


def assert_complete(work: Workshop) -> None:
    """All three are recorded, nothing is left over, and a second run runs nothing."""
    assert set(work.verdicts().values()) == {"up-to-date"}
    assert [subject.split()[0] for subject in work.subjects()[:3]] == ["T003", "T002", "T001"]
    work.assert_tidy()
    assert work.build() == []


def assert_undone(work: Workshop, head: str, *, targets: tuple[str, ...] = ("out.txt",)) -> None:
    """The rough task left branch, index and targets as they were; what was done before it stays."""
    assert [
        subject.split()[0] for subject in work.git("log", "--format=%s", f"{head}..HEAD").split("\n")
    ] == ["T001"]
    assert not any((work.folder / target).exists() for target in targets)
    assert work.verdicts() == {"T001": "up-to-date", "T002": "stale", "T003": "stale"}
    work.assert_tidy()


@pytest.mark.parametrize(
    "background",
    [
        "sleep 300 & echo $! >{pid}",  # a child in the background
        "(trap '' TERM HUP; echo $$ >&2; while :; do sleep 1; done) & echo $! >{pid}",  # that will not go
        "setsid sh -c 'echo $$ >{pid}; exec sleep 300' & while [ ! -s {pid} ]; do sleep 0.01; done",  # a daemon
    ],
    ids=["child", "stubborn", "daemon"],
)
def test_what_a_recipe_leaves_in_the_background_ends_with_it(
    make: Make, tmp_path: Path, background: str
) -> None:
    pid = tmp_path / "pid"
    work = rough(make, background.format(pid=pid) + "; echo made >out.txt")
    began = time.monotonic()
    done = work.process()
    assert done.code == 0, done.err
    assert time.monotonic() - began < 60  # it does not wait for five minutes of sleep
    wait_for(lambda: not alive([pid_of(pid)]))
    assert_complete(work)


def test_a_recipe_that_ignores_sigterm_is_killed_with_its_children_when_its_time_is_over(
    make: Make, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    recipe = f"trap '' TERM; echo half >out.txt; (trap '' TERM; sleep 300) & echo $! >{pid}; sleep 300; echo late >out.txt"
    work = rough(make, recipe, more="timeout: 1s")
    head = work.head()
    done = work.process("--json")
    assert done.code == 1
    [failed] = [
        e
        for e in map(json.loads, done.out.splitlines())
        if e["event"] == "task-finished" and e["outcome"] == "failed"
    ]
    assert failed["timed_out"]
    assert failed["error"] == "timed out after 1 s"
    assert work.git("show", f"{failed['partial']}:out.txt") == "half"
    assert "Possible causes:" in done.err
    assert not alive([pid_of(pid)])
    assert_undone(work, head)


def test_hundreds_of_megabytes_of_output_stay_bounded_in_memory_and_on_disk(
    make: Make, tmp_path: Path
) -> None:
    work = rough(
        make, "echo the start; yes 0123456789abcdef | head -c 300000000; echo the end; echo made >out.txt"
    )
    # A small process between: a child's figure begins with the memory of whoever forked it.
    measured = (
        "import resource, subprocess, sys; code = subprocess.call([sys.executable, '-m', 'specbuild']); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", measured],
        cwd=work.folder,
        env={**os.environ, "RAN": str(work.log), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    assert int(done.stdout.split()[-1]) < 200_000 * (1024 if sys.platform == "darwin" else 1)
    runs = work.folder / ".git/specbuild/runs"
    assert sum(path.stat().st_size for path in runs.iterdir()) < 2_000_000
    log = work.process("log", "T002").out
    assert "| the start" in log
    assert log.rstrip().endswith("the end")
    assert "characters left out" in log
    assert_complete(work)


def test_output_that_is_no_text_is_shown_and_logged_as_text(make: Make) -> None:
    recipe = "printf '\\033[31m\\000\\377\\376\\033]0;title\\007→ a step\\n'; head -c 200000 /dev/urandom; echo; echo made >out.txt"
    work = rough(make, recipe)
    done = work.process("--json", "--verbose")
    assert done.code == 0, done.err
    assert all(json.loads(line)["version"] == 1 for line in done.out.splitlines())
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f]", done.err)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f]", work.process("log", "T002").out)
    assert_complete(work)


@pytest.mark.parametrize(
    ("recipe", "made"),
    [
        ("exec >&- 2>&-; sleep 0.2; echo made >out.txt", "made\n"),
        ("exec <&- >/dev/null 2>&1; echo made >out.txt", "made\n"),
        ("cat >out.txt; read line || echo nothing to read >>out.txt", "nothing to read\n"),
        ("mkdir -p deep/er; cd deep/er; echo made >../../out.txt; cd /", "made\n"),
        ("umask 077; echo made >out.txt; chmod 0 .git/HEAD; chmod 644 .git/HEAD", "made\n"),
        ("ulimit -n 16; echo made >out.txt", "made\n"),
    ],
    ids=["closes-stdout", "closes-stdin", "reads-stdin", "changes-folder", "umask", "ulimit"],
)
def test_a_recipe_is_free_to_do_with_its_own_process_what_it_likes(
    make: Make, recipe: str, made: str
) -> None:
    work = rough(make, recipe)
    done = work.process()
    assert done.code == 0, done.err
    assert (work.folder / "out.txt").read_text() == made
    shutil.rmtree(work.folder / "deep", ignore_errors=True)
    assert_complete(work)


def test_a_recipe_that_removes_the_folder_it_should_fill_has_failed(make: Make) -> None:
    work = rough(make, "echo half >gen/a.txt; rm -rf gen", targets="gen/")
    head = work.head()
    done = work.process()
    assert done.code == 1
    assert "gen/" in done.err
    assert_undone(work, head, targets=("gen/a.txt",))


def test_a_recipe_that_removes_its_working_folder_harms_nobody(make: Make) -> None:
    """Where it has a folder of its own; in the working tree that folder would be the person's repository."""
    work = rough(make, 'rm -rf "$PWD"', more="isolation: worktree; retries: 1", config=CONFIG + RULE)
    head = work.head()
    done = work.process()
    assert done.code == 1, done.err
    assert_undone(work, head)
    work.tasks(
        box("T001", "first.txt"),
        box("T002", "out.txt", "first.txt"),
        box("T003", "last.txt", "out.txt", more="needs: T002"),
    )
    work.commit("mended")
    assert work.build() == ["T002", "T003"]
    work.assert_tidy()


RULE = '\n[[rule]]\nmatch = "T002"\nisolation = "worktree"\n'


def test_a_recipe_that_commits_by_itself_is_recorded_all_the_same(make: Make) -> None:
    work = rough(make, "echo made >out.txt; git add out.txt; git commit -q -m 'my own commit'")
    done = work.process()
    assert done.code == 0, done.err
    assert "my own commit" in work.subjects()
    assert work.git("show", "HEAD:out.txt") == "made"
    assert set(work.verdicts().values()) == {"up-to-date"}
    work.assert_tidy()
    assert work.build() == []


def test_a_recipe_that_commits_and_then_fails_leaves_a_branch_that_can_go_on(make: Make) -> None:
    work = rough(make, "echo made >out.txt; git add out.txt; git commit -q -m 'my own commit'; exit 3")
    done = work.process()
    assert done.code == 1
    work.fsck()
    assert work.verdicts()["T001"] == "up-to-date"
    assert work.verdicts()["T002"] == "stale"
    work.tasks(
        box("T001", "first.txt"),
        box("T002", "out.txt", "first.txt"),
        box("T003", "last.txt", "out.txt", more="needs: T002"),
    )
    work.git("commit", "-q", "-m", "mended", "tasks.md")
    again = work.process("--force", "T002")
    assert again.code == 0, again.err
    assert set(work.verdicts().values()) == {"up-to-date"}


def test_a_recipe_that_calls_specbuild_is_told_who_holds_the_lock(make: Make) -> None:
    work = rough(make, f"{sys.executable} -m specbuild 2>said || echo $? >out.txt; cat said; rm said")
    done = work.process("--verbose")
    assert done.code == 0, done.err
    assert (work.folder / "out.txt").read_text() == "4\n"
    assert re.search(r"process \d+", done.err), done.err
    assert_complete(work)


GATES = (
    CONFIG
    + """
[[gate]]
name = "tests"
at = "end"
run = '''{command}'''
"""
)


@pytest.mark.parametrize(
    "xml",
    [
        "<testsuite><testcase",
        "",
        "no xml at all",
        "<html/>",
        '<!DOCTYPE x [<!ENTITY a "b">]><testsuite>&a;</testsuite>',
    ],
)
def test_a_gate_that_writes_broken_reports_passes_by_its_exit_code(make: Make, xml: str) -> None:
    work = rough(
        make,
        "echo made >out.txt",
        config=GATES.format(command="cat broken.xml >{junit}; cat broken.xml >{coverage}"),
    )
    work.type("broken.xml", xml)
    work.commit("what the gate will write")
    done = work.process("--json")
    assert done.code == 0, done.err
    events = [json.loads(line) for line in done.out.splitlines()]
    [gate] = [event for event in events if event["event"] == "gate-finished"]
    assert gate["passed"]
    assert gate["tests"] == {}
    assert gate["coverage"] is None
    assert "- Tests: number unknown, no gate wrote JUnit XML" in done.err
    warnings = [event["message"] for event in events if event["event"] == "warning"]
    assert len([w for w in warnings if "tests: unknown" in w or "coverage: unknown" in w]) == (
        2 if xml else 0
    )
    assert_complete(work)


@pytest.mark.campaign  # it waits for the time that a gate is given to end
def test_a_gate_that_fails_or_hangs_stops_before_the_next_phase_and_keeps_what_is_done(make: Make) -> None:
    config = (
        CONFIG
        + '\n[[gate]]\nname = "slow"\nat = "phase"\ntimeout = "1s"\nrun = "trap \'\' TERM; sleep 300"\n'
    )
    work = make(config=config)
    work.type("specbuild.toml", config)
    work.tasks("## Phase 1: one\n", box("T001", "a.txt"), "## Phase 2: two\n", box("T002", "b.txt"))
    work.commit("start")
    done = work.process()
    assert done.code == 1
    assert "took longer than its timeout of 1 s" in done.err
    assert work.verdicts() == {"T001": "up-to-date", "T002": "stale"}
    assert work.ran() == ["T001"]
    work.assert_tidy()
    skipped = work.process("--skip-tests")
    assert skipped.code == 0
    assert "- Tests: not run (--skip-tests)" in skipped.err
    assert work.ran() == ["T002"]


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
@pytest.mark.parametrize("columns", [20, pytest.param(80, marks=pytest.mark.campaign)])
def test_a_narrow_terminal_shows_the_run_and_gets_its_cursor_back(
    make: Make, tmp_path: Path, columns: int
) -> None:
    work = make(
        box("T001", "first.txt", title="a title that is far wider than the terminal that it is shown on"),
        box("T002", "out.txt", run="sleep 1.5; echo made >out.txt"),
        box("T003", "last.txt", run="echo gone wrong; exit 3"),
    )
    socket = str(tmp_path / "tmux")
    environment = {
        **os.environ,
        "TERM": "xterm-256color",
        "RAN": str(work.log),
        "PYTHONPATH": str(ROOT),
        "PS1": "ready> ",
    }
    environment.pop("NO_COLOR", None)

    def tmux(*words: str) -> str:
        return subprocess.run(
            ["tmux", "-S", socket, *words], check=True, capture_output=True, text=True, env=environment
        ).stdout

    tmux(
        "-f",
        "/dev/null",
        "new-session",
        "-d",
        "-x",
        str(columns),
        "-y",
        "40",
        "-c",
        str(work.folder),
        "PS1='ready> ' exec sh",
    )
    try:
        tmux("send-keys", "-l", f"{sys.executable} -m specbuild -j 2; echo ended $?")
        tmux("send-keys", "Enter")
        wait_for(lambda: "T002" in tmux("capture-pane", "-p"))
        wait_for(lambda: re.search(r"^ended 1$", tmux("capture-pane", "-p"), re.MULTILINE) is not None)
        wait_for(lambda: tmux("display", "-p", "#{cursor_flag}").strip() == "1")
        whole = tmux("capture-pane", "-p", "-S", "-500", "-J").replace("\n", " ")
    finally:
        tmux("kill-server")
    assert "Build partially complete" in " ".join(whole.split())
    work.assert_tidy()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["out.txt", ".gitattributes"])
def test_a_pipe_where_a_file_was_is_not_waited_for(make: Make, name: str) -> None:
    recipe = f'echo T001 >>"$RAN"; rm -f {name}; mkfifo -m 644 {name}; exit 1'
    config = CONFIG + '[[rule]]\nmatch = "T001"\non_edit = "keep"\n'
    work = make(box("T001", name, run=recipe), config=config, **{name: "*.x -text\n"})
    (work.folder / name).chmod(0o644)
    assert work.build("--force", "T001", code=1) == ["T001"]
    assert work.text(name) == "*.x -text\n"
    work.assert_tidy()
