"""A child's output: bytes come in, chunks of whole lines go out."""

import codecs
from collections import deque
from collections.abc import Callable

TAIL = 64 * 1024
"""Characters of output that are remembered, and the longest piece of a line that is handed on at once."""


class Output:
    """Memory stays bounded whatever comes."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._decoder: codecs.IncrementalDecoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._log = log
        self._line = ""  # not yet ended
        self._tail: deque[str] = deque()
        self._length = 0

    def feed(self, data: bytes) -> None:
        self._take(self._decoder.decode(data))

    def close(self) -> None:
        self._take(self._decoder.decode(b"", final=True))
        if self._line:
            line, self._line = self._line, ""
            self._log(line)

    @property
    def tail(self) -> str:
        return "".join(self._tail)[-TAIL:]

    def _take(self, text: str) -> None:
        if not text:
            return
        self._tail.append(text)
        self._length += len(text)
        while self._length - len(self._tail[0]) >= TAIL:
            self._length -= len(self._tail.popleft())
        text = self._line + text
        cut = text.rfind("\n") + 1
        if len(text) - cut > TAIL:
            cut = len(text)
        self._line = text[cut:]
        if cut:
            self._log(text[:cut])
