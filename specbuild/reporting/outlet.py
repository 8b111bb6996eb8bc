"""A stream that a run may write to whatever becomes of it: a closed pipe or a poor encoding ends no run."""

import os
from typing import TextIO

_ASCII = str.maketrans({"✓": "+", "✗": "x", "→": "->", "…": "...", "–": "-", "↻": "~", "█": "#", "░": "."})


class Outlet:
    """Writes and flushes; after the first failure it writes no more."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.closed = False
        self.failure: OSError | None = None  # why nothing more is written

    def write(self, text: str) -> None:
        if self.closed:
            return
        try:
            try:
                self.stream.write(text)
            except UnicodeEncodeError:
                encoding = self.stream.encoding or "ascii"
                poor = text.translate(_ASCII).encode(encoding, "backslashreplace")
                self.stream.write(poor.decode(encoding))
            self.stream.flush()
        except (OSError, ValueError) as error:  # ValueError: the stream was closed
            self.closed = True
            self.failure = error if isinstance(error, OSError) else None
            self._discard()

    def _discard(self) -> None:
        """Sends what the stream still buffers nowhere, or Python would complain about it at exit."""
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)
        except (OSError, ValueError):  # a stream without a descriptor has nothing to flush at exit
            return


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at it."""
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False
