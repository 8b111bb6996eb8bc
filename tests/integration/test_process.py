"""Children that misbehave in every way: none hangs us, none survives, memory stays bounded."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from specbuild.environment import clean_environment
from specbuild.process import Finished, child, run

ENV = {"PATH": os.environ["PATH"], "LC_ALL": "C"}


def sh(
    script: str,
    folder: Path,
    *,
    timeout: float | None = 60,
    log: Callable[[str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    stdin: bytes | None = None,
    grace: float = 5.0,
) -> Finished:
    return run(
        ["sh", "-eu", "-c", script],
        cwd=str(folder),
        env=ENV,
        timeout=timeout,
        log=log,
        cancelled=cancelled,
        stdin=stdin,
        grace=grace,
    )


def alive(pid: int) -> bool:
    """A zombie that nobody reaped yet is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pid_in(path: Path, wait: float = 10) -> int:
    until = time.monotonic() + wait
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < until, f"{path} was not written"
        time.sleep(0.01)
    return int(path.read_text())


def gone(pid: int, wait: float = 5) -> bool:
    until = time.monotonic() + wait
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not alive(pid)


def test_output_and_errors_come_in_order_with_the_exit_code(tmp_path: Path) -> None:
    chunks: list[str] = []
    done = sh("echo one; echo two >&2; printf three; exit 7", tmp_path, log=chunks.append)
    assert done == Finished(7, timed_out=False, cancelled=False, tail="one\ntwo\nthree")
    assert "".join(chunks) == done.tail
    assert not done.ok


def test_a_signal_is_a_negative_exit_code(tmp_path: Path) -> None:
    assert sh("kill -9 $$", tmp_path).exit_code == -9


def test_stdin_is_empty_unless_given(tmp_path: Path) -> None:
    assert sh("cat; echo end", tmp_path).tail == "end\n"
    data = b"x" * 1_000_000
    assert sh("wc -c", tmp_path, stdin=data).tail.strip() == "1000000"


def test_a_command_that_does_not_read_its_stdin_is_no_problem(tmp_path: Path) -> None:
    assert sh("exec <&-; echo ok", tmp_path, stdin=b"x" * 1_000_000).tail == "ok\n"


def test_what_cannot_be_started_says_why(tmp_path: Path) -> None:
    missing = run(["no-such-command-1"], cwd=str(tmp_path), env=ENV)
    assert (missing.exit_code, missing.tail) == (127, "specbuild: no-such-command-1: command not found\n")
    (tmp_path / "f").write_text("")
    refused = run(["./f"], cwd=str(tmp_path), env=ENV)
    assert (refused.exit_code, refused.tail) == (126, "specbuild: ./f: permission denied\n")
    homeless = run(["true"], cwd=str(tmp_path / "no"), env=ENV)
    assert homeless.exit_code == 127
    assert "the folder" in homeless.tail
    assert run(["echo", "a\0b"], cwd=str(tmp_path), env=ENV).exit_code == 126
    assert run(["echo", "x" * 4_000_000], cwd=str(tmp_path), env=ENV).exit_code == 126


def test_a_timeout_ends_the_whole_group(tmp_path: Path) -> None:
    began = time.monotonic()
    done = sh("sleep 100 & echo $! > pid; echo begun; wait", tmp_path, timeout=0.5)
    assert (done.timed_out, done.cancelled, done.tail) == (True, False, "begun\n")
    assert time.monotonic() - began < 5
    assert gone(pid_in(tmp_path / "pid"))


def test_who_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    began = time.monotonic()
    done = sh("trap '' TERM; echo $$ > pid; while :; do sleep 1; done", tmp_path, timeout=0.3, grace=0.5)
    assert done.timed_out
    assert done.exit_code == -9
    assert 0.7 < time.monotonic() - began < 6
    assert gone(pid_in(tmp_path / "pid"))


def test_who_may_not_be_killed_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a command of another user's (`exec sudo …`), or one that hangs in the kernel."""
    monkeypatch.setattr(child, "_kill", lambda _pid, _kind: True)
    monkeypatch.setattr(child, "UNKILLABLE", 0.1)
    done = run(
        ["sh", "-c", "echo $$ > pid; exec sleep 60"], cwd=str(tmp_path), env=ENV, timeout=0.5, grace=0.1
    )
    pid = int((tmp_path / "pid").read_text())
    assert (done.timed_out, done.exit_code) == (True, -signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)  # it runs on
    os.waitpid(pid, 0)


def test_who_cleans_up_on_sigterm_has_the_time_to(tmp_path: Path) -> None:
    done = sh("trap 'echo cleaned; exit 3' TERM; sleep 100 & wait", tmp_path, timeout=0.3)
    assert (done.timed_out, done.exit_code, done.tail) == (True, 3, "cleaned\n")


def test_a_stopped_command_can_be_ended(tmp_path: Path) -> None:
    done = sh("kill -STOP $$", tmp_path, timeout=0.3)
    assert (done.timed_out, done.exit_code) == (True, -15)


def test_cancelling_ends_it(tmp_path: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    done = sh("sleep 100", tmp_path, timeout=None, cancelled=stop.is_set)
    assert (done.cancelled, done.timed_out, done.exit_code) == (True, False, -15)


def test_children_in_the_background_do_not_outlive_the_recipe(tmp_path: Path) -> None:
    began = time.monotonic()
    done = sh("sleep 100 & echo $! > pid; echo done", tmp_path)
    assert (done.exit_code, done.tail) == (0, "done\n")
    assert time.monotonic() - began < 3
    assert gone(pid_in(tmp_path / "pid"))


def test_a_child_in_the_background_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    sh("(trap '' TERM; while :; do sleep 1; done) & echo $! > pid", tmp_path)
    assert gone(pid_in(tmp_path / "pid"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets us adopt daemons")
def test_a_daemon_that_left_its_session_is_found(tmp_path: Path) -> None:
    script = (
        "setsid sh -c 'setsid sleep 100 & echo $! > inner; exec sleep 100' & echo $! > pid; "
        "while [ ! -s inner ]; do sleep 0.01; done"
    )
    # In a process of its own: whoever shares ours leaves zombies, too.
    program = f"""
import os, sys
from pathlib import Path
from specbuild.process import run

assert run(["sh", "-eu", "-c", sys.argv[1]], cwd={str(tmp_path)!r}, env={ENV!r}, timeout=60).ok
for pid in Path(f"/proc/self/task/{{os.getpid()}}/children").read_text().split():
    status = Path(f"/proc/{{pid}}/stat").read_text().rpartition(")")[2].split()
    print(pid, status[0])
"""
    shown = subprocess.run(
        [sys.executable, "-c", program, script], capture_output=True, text=True, check=True
    )
    assert gone(pid_in(tmp_path / "pid"))
    assert gone(pid_in(tmp_path / "inner"))
    assert [line for line in shown.stdout.splitlines() if line.endswith(" Z")] == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets us adopt daemons")
def test_a_daemon_of_one_recipe_is_not_ended_by_another(tmp_path: Path) -> None:
    done: list[Finished] = []
    script = "(setsid sleep 100 & echo $! > pid); sleep 1.5; kill -0 $(cat pid) && echo still there"
    thread = threading.Thread(target=lambda: done.append(sh(script, tmp_path)))
    thread.start()
    pid = pid_in(tmp_path / "pid")
    other = tmp_path / "other"
    other.mkdir()
    assert sh("true", other).ok
    thread.join()
    assert done[0].tail == "still there\n"
    assert gone(pid)


def test_recipes_that_begin_at_once_do_not_end_each_other(tmp_path: Path) -> None:
    """Those first in a process: whoever finds the others' children takes them for what was left behind."""
    program = f"""
import threading
from specbuild.process import run

codes, gate = [], threading.Barrier(8)

def begin(number):
    gate.wait()
    script = f"sleep 0.{{number}}"
    codes.append(run(["sh", "-c", script], cwd={str(tmp_path)!r}, env={ENV!r}).exit_code)

threads = [threading.Thread(target=begin, args=(number,)) for number in range(1, 9)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(*codes)
"""
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["0"] * 8


def test_a_recipe_that_closes_its_output_is_waited_for(tmp_path: Path) -> None:
    done = sh("exec >&- 2>&-; sleep 0.5; : > late", tmp_path)
    assert done.ok
    assert (tmp_path / "late").exists()


def test_a_recipe_that_deletes_its_own_folder_ends_well(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    assert sh('rm -rf "$PWD"; cd ..; echo ok', folder).tail == "ok\n"
    assert not folder.exists()


def test_binary_output_is_shown_as_text(tmp_path: Path) -> None:
    done = sh(r"printf '\377\000\303'; printf '\251 \360\237\230\200\n\303'", tmp_path)
    assert done.tail == "\ufffd\0é 😀\n\ufffd"


def test_a_lot_of_output_does_not_fill_the_memory(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sizes: list[int] = []
    script = "yes 'a line of output that is repeated' | head -c 200000000; echo; echo last"
    done = sh(script, tmp_path, log=lambda text: sizes.append(len(text)))
    assert sum(sizes) == 200_000_006
    assert done.tail.endswith("\nlast\n")
    assert len(done.tail) <= 64 * 1024
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # kilobytes


def test_one_endless_line_comes_in_pieces(tmp_path: Path) -> None:
    sizes: list[int] = []
    done = sh("head -c 100000000 /dev/zero | tr '\\0' a", tmp_path, log=lambda text: sizes.append(len(text)))
    assert done.ok
    assert sum(sizes) == 100_000_000
    assert max(sizes) <= 200_000


def test_chunks_end_with_whole_lines(tmp_path: Path) -> None:
    chunks: list[str] = []
    sh('for i in 1 2 3; do printf "a$i"; sleep 0.05; echo b; done', tmp_path, log=chunks.append)
    assert all(chunk.endswith("\n") for chunk in chunks)
    assert "".join(chunks) == "a1b\na2b\na3b\n"


def test_an_error_of_the_caller_leaves_nothing_running(tmp_path: Path) -> None:
    def fail(_: str) -> None:
        raise RuntimeError("log")

    with pytest.raises(RuntimeError, match="log"):
        sh("sleep 100 & echo $! > pid; echo x; wait", tmp_path, log=fail)
    assert gone(pid_in(tmp_path / "pid"))


def test_kill_9_of_specbuild_takes_the_recipe_with_it(tmp_path: Path) -> None:
    program = (
        "import os, sys; from specbuild.process import run; "
        "run(['sh', '-c', 'trap \"\" TERM HUP; sleep 100 & echo $! > child; echo $$ > leader; wait'], "
        f"cwd={str(tmp_path)!r}, env=dict(os.environ), timeout=None, log=None, cancelled=None)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    try:
        leader, child = pid_in(tmp_path / "leader"), pid_in(tmp_path / "child")
        time.sleep(0.3)  # the recipe may be that far before its parent has told the watchdog of it
        assert alive(leader)
        assert alive(child)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert gone(leader)
    assert gone(child)


def test_a_run_costs_little(tmp_path: Path) -> None:
    sh("true", tmp_path)
    began = time.monotonic()
    for _ in range(20):
        sh("true", tmp_path)
    assert time.monotonic() - began < 2


def test_serial_runs_give_every_recipe_the_same_environment(tmp_path: Path) -> None:
    assert sh("env | sort", tmp_path).tail == sh("env | sort", tmp_path).tail


def test_gits_own_variables_are_taken_away_and_peoples_kept() -> None:
    theirs = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "GIT_SSH_COMMAND": "ssh -i key",
        "GIT_ASKPASS": "a",
        "GIT_SSL_CAINFO": "c",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_EDITOR": "vi",
        "PATH": "/bin",
    }
    listed = subprocess.run(
        ["git", "rev-parse", "--local-env-vars"], capture_output=True, text=True, check=True
    )
    own = dict.fromkeys([*listed.stdout.split(), "GIT_QUARANTINE_PATH", "GIT_PUSH_OPTION_COUNT"], "x")
    assert clean_environment({**own, **theirs}) == theirs
    assert "GIT_EDITOR" not in clean_environment({"GIT_EDITOR": ":"})
