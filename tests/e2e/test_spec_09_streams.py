"""SPEC section 9: what commands do where their output cannot be written."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from repositories import ROOT, Workshop, box, workshops

Make = Callable[..., Workshop]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with workshops(tmp_path) as made:
        yield made


def shell(work: Workshop, line: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "RAN": str(work.log), "PYTHONPATH": str(ROOT)}
    command = line.replace("specbuild", f"{sys.executable} -m specbuild", 1)
    return subprocess.run(
        ["sh", "-c", command],
        cwd=work.folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("line", ["specbuild run 2>&-", "specbuild run >&- 2>&- <&-", "specbuild status >&-"])
def test_a_closed_stream_changes_no_exit_code(make: Make, line: str) -> None:
    work = make(box("T001", "a.txt"))
    for _ in range(2):  # the second time there is nothing to do
        assert shell(work, line).returncode == 0
    assert work.git("status", "--porcelain") == ""


STDOUT = (
    "status",
    "check",
    "graph",
    "log",
    "why T001",
    "lint",
    "status --json",
    "run --json",
    "--force T001 --json",
)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device here")
@pytest.mark.parametrize("line", [f"specbuild {each} >/dev/full" for each in STDOUT])
def test_a_full_disk_behind_the_output_is_told_in_a_line(make: Make, line: str) -> None:
    work = make(box("T001", "a.txt"))
    work.build()
    done = shell(work, line)
    assert done.returncode == 4
    assert "specbuild: output: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_who_stops_early_causes_no_traceback(make: Make) -> None:
    work = make(*(box(f"T{number:03}", f"{number}.txt", title="x" * 2000) for number in range(1, 99)))
    assert "Traceback" not in shell(work, "specbuild status --json | head -c 10").stderr


def test_a_reader_of_events_who_stops_early_makes_the_run_end_badly_though_it_was_complete(
    make: Make,
) -> None:
    work = make(box("T001", "a.txt"))
    done = shell(work, "{ specbuild run --json; echo code $? >&2; } | head -c 1")
    assert "code 1" in done.stderr
    assert "Traceback" not in done.stderr
    assert work.ran() == ["T001"]
    assert work.process("check").code == 0


TALKATIVE = """
import os, subprocess, sys
from specbuild import Succeeded, hookimpl
print("at import")
class Talkative:
    name = "talkative"
    on_edit = "rebuild"
    def run(self, job):
        print("in run", flush=True)
        os.write(1, b"through the descriptor\\n")
        subprocess.run(["echo", "from a child"])
        open(os.path.join(job.folder, "a.txt"), "w").write("made")
        return Succeeded()
def told(event):
    print("an event")
@hookimpl
def specbuild_executors():
    return [Talkative()]
@hookimpl
def specbuild_reporters():
    return [told]
"""


def test_what_plugins_print_is_no_part_of_the_document(make: Make) -> None:
    config = '[plugins]\nload = ["talk.py"]\n[executor.talkative]\n[[rule]]\nmatch = "T001"\n'
    config += 'executor = "talkative"\non_edit = "rebuild"\nwrites = "declared"\n'
    work = make("- [ ] T001 Write a.txt\n", config=config, **{"talk.py": TALKATIVE})
    done = shell(work, "specbuild run --json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert (events[0], events[-1]) == ("run-started", "run-finished")
    for words in ("at import", "in run", "through the descriptor", "from a child", "an event"):
        assert words in done.stderr


def test_what_an_installed_plugin_prints_at_import_is_none_either(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    (site / "talk-1.dist-info").mkdir(parents=True)
    (site / "talk-1.dist-info" / "entry_points.txt").write_text("[specbuild]\ntalk = talk_plugin\n")
    (site / "talk_plugin.py").write_text(TALKATIVE)
    monkeypatch.setitem(globals(), "ROOT", f"{site}{os.pathsep}{ROOT}")
    work = make("- [ ] T001 Write a.txt\n", config='[build]\nexecutor = "talkative"\n')
    done = shell(work, "specbuild run --json")
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert events[0] == "run-started", done.stderr
    assert "at import" in done.stderr


def test_workers_are_counted_from_one(make: Make) -> None:
    work = make(box("T001", "a.txt"))
    assert work.call("run", "--parallel=0").code == 2
    assert work.call("run", "-j", "0").code == 2
    assert work.call("run", "--parallel=2", "--dry-run").code == 0
    assert work.call("run", "--parallel", "--dry-run").code == 0


@pytest.mark.parametrize("command", ["run", "status", "next", "check", "graph"])
def test_an_empty_filter_chooses_nothing_and_says_so(make: Make, command: str) -> None:
    work = make(box("T001", "a.txt"))
    done = work.call(command, "--filter", "")
    assert done.code == 2
    assert "the filter is empty" in done.err


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("statsu", "did you mean specbuild status?"),
        ("T001", "one task is run by specbuild --filter T001"),
        ("merge-boxe", "specbuild --help lists them"),
        ("rm\x1b[2J", "specbuild --help lists them"),
    ],
)
def test_a_word_that_is_no_command_is_told_with_what_may_be_meant(make: Make, word: str, hint: str) -> None:
    done = make(box("T001", "a.txt")).call(word)
    assert done.code == 2
    assert done.err.startswith("specbuild: there is no command")
    assert hint in done.err
    assert "\x1b" not in done.err


LEAVING = """
import atexit, sys, threading, time
from specbuild.__main__ import main

def late():
    time.sleep(0.3)
    open("thread", "w").close()

{start}
atexit.register(lambda: open("atexit", "w").close())
sys.argv = ["specbuild", "--version"]
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("start", "left"),
    [("threading.Thread(target=late).start()", {"atexit", "thread"}), ("", {"atexit"})],
)
def test_a_process_ends_after_what_was_to_be_done_at_its_end(
    tmp_path: Path, start: str, left: set[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEAVING.format(start=start)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("specbuild ")
    assert {path.name for path in tmp_path.iterdir()} == left
