"""Runs one command and tells what it took: a process so small that its own memory hides no one else's.

    python -I -S launcher.py LIMIT STDIN OUTPUT COMMAND…

prints wall seconds, bytes resident at most, and the exit code; `late` for the last where LIMIT (seconds)
passed, and then the command's whole session is gone.
"""

import os
import signal
import sys
import time


def end(_number: int, _frame: object) -> None:
    raise TimeoutError


def main() -> None:
    limit, given, output, *command = sys.argv[1:]
    signal.signal(signal.SIGALRM, end)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, given, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    start = time.perf_counter()
    child = os.posix_spawnp(
        command[0],
        command,
        os.environ,
        file_actions=actions,
        setsid=True,
        setsigdef=[signal.SIGALRM, signal.SIGINT, signal.SIGTERM],
    )
    signal.setitimer(signal.ITIMER_REAL, float(limit))
    try:
        _, status, usage = os.wait4(child, 0)
        seconds = time.perf_counter() - start
        signal.setitimer(signal.ITIMER_REAL, 0)
        code = str(os.waitstatus_to_exitcode(status))
    except TimeoutError:
        os.killpg(child, signal.SIGKILL)
        _, _, usage = os.wait4(child, 0)
        seconds, code = time.perf_counter() - start, "late"
    unit = 1 if sys.platform == "darwin" else 1024
    print(seconds, usage.ru_maxrss * unit, code)


main()
