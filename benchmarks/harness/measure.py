"""Measures whole processes: wall time and the memory of the largest one."""

import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_ERROR = re.compile(r"[Ee]rror|Exception|fatal|\bfailed\b")

LAUNCHER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launcher.py")


class Sample(NamedTuple):
    """One run of one command."""

    seconds: float
    memory: int  # bytes resident at most, of the largest of its processes


class Command(NamedTuple):
    """What is run, and where."""

    words: tuple[str, ...]
    folder: str
    environment: Mapping[str, str]
    given: str = os.devnull  # the file that is its stdin


class Unmeasured(Exception):  # noqa: N818  (what a command did)
    """A command did not do what was asked: its time would mean nothing. The text says why, in a few words."""


class TooSlow(Unmeasured):
    """It was still running at its limit, and was ended."""


TROUBLE = (Unmeasured, OSError, subprocess.SubprocessError)
"""What one tool may do wrong without ending the measurements of the others."""


def measure(command: Command, limit: float, *, codes: Sequence[int] = (0,)) -> Sample:
    """Runs a command to its end, its output to a file, so that nothing waits for a reader.

    `codes`: the exit codes that are right.
    """
    with tempfile.NamedTemporaryFile() as output:
        launched = subprocess.run(
            [sys.executable, "-I", "-S", LAUNCHER, str(limit), command.given, output.name, *command.words],
            cwd=command.folder,
            env=dict(command.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if launched.returncode:
            raise Unmeasured(f"did not start: {last_line(launched.stderr)}")
        seconds, memory, code = launched.stdout.split()
        if code == "late":
            raise TooSlow(f"more than {limit:g} s")
        if int(code) not in codes:
            said = output.read()[-4000:].decode(errors="replace")
            raise Unmeasured(f"ended with {code}: {last_line(said)}")
    return Sample(float(seconds), int(memory))


def last_line(text: str) -> str:
    """The last line that names an error, else the last that says something; short enough for a note."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.search(line)]
    return (errors or lines or ["it said nothing"])[-1][:160]


def median(samples: Sequence[Sample]) -> float:
    return statistics.median(sample.seconds for sample in samples)
