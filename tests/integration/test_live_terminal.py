"""The live display in a real terminal: tmux runs it, is resized, and its screen is read."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("live_script.py")
TOP = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


class Screen:
    """A tmux pane with a shell in it."""

    def __init__(self, socket: Path, columns: int, rows: int = 24) -> None:
        self._socket = str(socket)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(socket.parent),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "PYTHONPATH": str(TOP),
            "PYTHON": sys.executable,
            "SCRIPT": str(SCRIPT),
        }
        size = ["-x", str(columns), "-y", str(rows)]
        command = [
            "tmux",
            "-S",
            self._socket,
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            *size,
            "PS1='ready> ' exec sh",
        ]
        subprocess.run(command, check=True, env=environment)

    def tmux(self, *words: str) -> str:
        return subprocess.run(
            ["tmux", "-S", self._socket, *words], check=True, capture_output=True, text=True
        ).stdout

    def type(self, text: str) -> None:
        self.tmux("send-keys", "-l", text)
        self.tmux("send-keys", "Enter")

    @property
    def text(self) -> str:
        return self.tmux("capture-pane", "-p").rstrip("\n")

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.text.split("\n")]

    @property
    def cursor_shown(self) -> bool:
        return self.tmux("display", "-p", "#{cursor_flag}").strip() == "1"

    def resize(self, columns: int) -> None:
        self.tmux("resize-window", "-x", str(columns), "-y", "24")

    def wait(self, holds: Callable[[str], bool]) -> str:
        deadline = time.monotonic() + 20
        while not holds(text := self.text):
            assert time.monotonic() < deadline, text
            time.sleep(0.05)
        return text


@pytest.fixture(params=[80, 20])
def screen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Screen]:
    yield from opened(tmp_path, request.param)


@pytest.fixture
def wide(tmp_path: Path) -> Iterator[Screen]:
    yield from opened(tmp_path, 80)


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Screen]:
    yield from opened(tmp_path, 20)


def opened(folder: Path, columns: int) -> Iterator[Screen]:
    found = Screen(folder / "tmux", columns)
    try:
        found.wait(lambda text: "ready>" in text)
        yield found
    finally:
        found.tmux("kill-server")


def start(screen: Screen) -> None:
    screen.type('clear; "$PYTHON" "$SCRIPT"')
    screen.wait(lambda text: "1/4 00:01" in text and "T003" in text)


def test_at_80_columns_each_worker_and_the_whole_have_their_line(wide: Screen) -> None:
    start(wide)
    wide.wait(lambda text: "T003" in text and "T002" in text and "1s" in text)
    shown = [line for line in wide.lines if line]
    assert shown[-3].startswith("T003 [US1] Create the routes in src/routes.js → step of 3  ")
    assert shown[-2].startswith("T002 [US1] Create the service in src/service.js → step of 2  ")
    assert shown[-1].startswith("██████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░ 1/4 00:0")
    assert shown[-1].endswith("s left")
    done = shown.index("[1/4] T001 [US1] Create the model in src/model.js")
    assert shown[done + 1 : done + 5] == [
        "  → step of 1",
        "  ✓ Completed in 0.3s, worker 1 at 00:00",
        "[Running tests: Phase 1]",
        "  ✓ Passed in 0.3s",
    ]
    assert len(shown) == done + 8


def test_at_20_columns_no_row_is_folded(narrow: Screen) -> None:
    start(narrow)
    narrow.wait(lambda text: "T003" in text)
    shown = [line for line in narrow.lines if line]
    assert shown[-3].startswith("T003 [US1] Cr… ")
    assert shown[-2].startswith("T002 [US1] Cr… ")
    assert shown[-1].startswith("█░░░░░░ 1/4 00:0")
    assert shown[-4] == "  ✓ Passed in 0.3s"


def test_a_resize_leaves_no_traces(wide: Screen) -> None:
    # On a full screen: what a terminal itself moves into its history nobody can take back.
    wide.type("seq 60")
    wide.type('"$PYTHON" "$SCRIPT" still')
    wide.wait(lambda text: "1/4 00:00" in text and "T003" in text)
    for columns in (20, 60, 33, 80, 25):
        wide.resize(columns)
        time.sleep(0.5)
    wide.resize(80)
    time.sleep(0.5)
    every = wide.tmux("capture-pane", "-p", "-S", "-").rstrip("\n").split("\n")
    shown = [line.rstrip() for line in every[every.index("specbuild: 4 tasks in tasks.md, on branch main") :]]
    assert shown[4:9] == [
        "[1/4] T001 [US1] Create the model in src/model.js",
        "  → step of 1",
        "  ✓ Completed in 0.3s, worker 1 at 00:00",
        "[Running tests: Phase 1]",
        "  ✓ Passed in 0.3s",
    ]
    assert [line[:4] for line in shown[9:]] == ["T003", "T002", "████"]


def test_an_interrupt_leaves_a_clean_screen_and_a_cursor(screen: Screen) -> None:
    start(screen)
    assert screen.cursor_shown
    screen.tmux("send-keys", "C-c")
    screen.wait(lambda text: text.rstrip().endswith("ready>"))
    shown = [line for line in screen.lines if line]
    assert shown[-3:] == ["  ✓ Passed in 0.3s", "interrupted", "ready>"]
    assert screen.cursor_shown


def test_an_exception_leaves_a_clean_screen_and_a_cursor(wide: Screen) -> None:
    wide.type('clear; "$PYTHON" "$SCRIPT" raise')
    wide.wait(lambda text: "ValueError" in text)
    shown = [line for line in wide.lines if line]
    assert shown[shown.index("  ✓ Passed in 0.3s") + 1] == "Traceback (most recent call last):"
    assert wide.cursor_shown


def test_even_a_kill_leaves_a_cursor(wide: Screen) -> None:
    start(wide)
    shell = wide.tmux("display", "-p", "#{pane_pid}").strip()
    child = Path(f"/proc/{shell}/task/{shell}/children")
    if not child.exists():
        pytest.skip("this system does not tell a process's children")
    os.kill(int(child.read_text().split()[0]), signal.SIGKILL)
    wide.wait(lambda text: "Killed" in text)
    assert wide.cursor_shown
