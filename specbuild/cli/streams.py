"""Stdout for a document alone, whatever else prints in this process."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TextIO


@contextlib.contextmanager
def document_stream() -> Iterator[TextIO]:
    """Stdout, for one writer: what plugins, and what they start, print there meanwhile is on stderr."""
    stdout = sys.stdout
    with contextlib.ExitStack() as stack:
        stack.callback(setattr, sys, "stdout", stdout)
        document = stack.enter_context(_apart(stdout)) if _number(stdout) == 1 else stdout
        sys.stdout = sys.stderr
        yield document


@contextlib.contextmanager
def _apart(stdout: TextIO) -> Iterator[TextIO]:
    """Another way to where descriptor 1 leads; that itself leads to stderr until the end."""
    stdout.flush()
    own = os.dup(1)
    document = open(own, "w", encoding=stdout.encoding, errors=stdout.errors, closefd=False)  # noqa: SIM115
    os.dup2(2, 1)
    try:
        yield document
    finally:
        with contextlib.suppress(OSError):  # whoever wrote knows
            document.close()
        os.dup2(own, 1)
        os.close(own)


def _number(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):  # closed, or in memory
        return None
