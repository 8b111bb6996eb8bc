"""The folder of the run logs, a file for each run: listed newest first, pruned oldest first."""

import os
import re
from typing import NamedTuple

_FILE = re.compile(r"\d{8}T\d{6}\.\d{3}Z-\d+(-\d+)?\.jsonl")


class Limits(NamedTuple):
    """How much is kept (specbuild.toml may say otherwise)."""

    keep: int = 50  # runs
    max_bytes: int = 64 * 1024 * 1024  # of all runs together
    attempt_bytes: int = 256 * 1024  # of one attempt's output: a quarter from its start, the rest its end


def prune(folder: str, limits: Limits, *, spare: str | None = None) -> None:
    """Removes the oldest logs until the rest keeps within the limits; `spare` stays whatever it takes."""
    total = 0
    for position, path in enumerate(logs(folder)):
        try:
            total += os.stat(path).st_size
            if (position >= limits.keep or total > limits.max_bytes) and path != spare:
                os.unlink(path)
        except OSError:
            continue


def logs(folder: str) -> list[str]:
    """The logs, newest first."""
    try:
        names = [name for name in os.listdir(folder) if _FILE.fullmatch(name)]
    except OSError:
        return []
    return [os.path.join(folder, name) for name in sorted(names, key=_order, reverse=True)]


def _order(name: str) -> tuple[str, tuple[int, ...]]:
    stamp, *numbers = name.removesuffix(".jsonl").split("-")
    return stamp, tuple(int(number) for number in numbers)
