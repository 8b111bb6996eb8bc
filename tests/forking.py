"""Processes that start at once: forks of one that has imported everything, and that does nothing else."""

import atexit
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[1]
"""The checkout that is tested."""


class Nursery:
    """The process that is forked. It is alone with its one thread, as one that forks has to be."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        atexit.register(self.close)

    def run(self, arguments: list[str], folder: Path, variables: dict[str, str]) -> tuple[int, str, str]:
        """The command line to its end: exit code (below 0: the signal), stdout, stderr."""
        request = {"arguments": arguments, "folder": str(folder), "variables": variables}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        code, out, err = json.loads(self._process.stdout.readline())
        return code, out, err

    def close(self) -> None:
        self._process.communicate()


def serve() -> None:
    """Answers requests until there are no more."""
    importlib.import_module("specbuild.cli.session")
    importlib.import_module("specbuild.cli.run")
    for line in sys.stdin:
        request = json.loads(line)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            pid = os.fork()
            if pid == 0:
                _become(request, out, err)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            sys.stdout.write(json.dumps([code, _text(out), _text(err)]) + "\n")
            sys.stdout.flush()


def _become(request: dict[str, Any], out: IO[bytes], err: IO[bytes]) -> None:
    """The child: as `python -m specbuild` in a session of its own."""
    code = 70
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, file in enumerate((nothing, out.fileno(), err.fileno())):
            os.dup2(file, number)
        sys.stdin, sys.stdout, sys.stderr = (
            open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115  (until it ends)
            for number, mode in enumerate("rww")
        )
        os.environ.clear()
        os.environ.update(request["variables"])
        os.chdir(request["folder"])
        sys.argv = ["specbuild", *request["arguments"]]
        _look_home()
        from specbuild.__main__ import main
        from specbuild.git import faults

        importlib.reload(faults)
        code = main()
        sys.stdout.flush()
        sys.stderr.flush()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001  (nothing may reach the parent's own loop)
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    finally:
        os._exit(code)


def _look_home() -> None:
    """libgit2 remembers where the configuration was when it was loaded."""
    import pygit2
    from pygit2.enums import ConfigLevel

    for level in (ConfigLevel.GLOBAL, ConfigLevel.XDG, ConfigLevel.SYSTEM):
        pygit2.settings.search_path[level] = os.environ["HOME"]


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "backslashreplace")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who asked ends it
    serve()
