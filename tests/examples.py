"""The examples of a Markdown document: its files and console sessions, and how what it prints is compared.

In a document:

- `<!-- file: PATH -->` before a fenced block: the block is that file, written at this point.
- `<!-- run: COMMAND -->`: a command that readers need not see, such as their own `git commit`.
- a fence of `console`: lines that begin with `$ ` are commands (`> ` goes on with one), those below are
  what it prints, stdout and stderr together. `…` stands for any text of a line, a line `…` for any lines.
  The commands of a document share one folder; each has to end with 0.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

_COMMENT = re.compile(r"<!-- (file|run): (.*?) -->\s*\Z")
_FENCE = re.compile(r"( {0,3})(`{3,}|~{3,})\s*([\w-]*)\s*\Z")


class File(NamedTuple):
    """A file that the document shows."""

    path: str
    text: str
    line: int


class Command(NamedTuple):
    """A command, and what it prints; None: the document does not say."""

    command: str
    expected: tuple[str, ...] | None
    line: int


Example: TypeAlias = File | Command


def examples(text: str) -> Iterator[Example]:
    """What a document asks to be done, in order."""
    lines = text.splitlines()
    at, file = 0, None
    while at < len(lines):
        comment = _COMMENT.match(lines[at])
        fence = _FENCE.match(lines[at])
        if comment and comment[1] == "run":
            yield Command(comment[2], None, at + 1)
        elif comment:
            file = comment[2]
        elif fence:
            end = _end(lines, at, fence[2])
            inside = [line.removeprefix(fence[1]) for line in lines[at + 1 : end]]
            if file is not None:
                yield File(file, "".join(f"{line}\n" for line in inside), at + 1)
            elif fence[3] == "console":
                yield from _session(inside, at + 2)
            file, at = None, end
        elif lines[at].strip() and file is not None:
            raise ValueError(f"line {at + 1}: a fence should follow <!-- file: {file} -->")
        at += 1


def _end(lines: Sequence[str], start: int, fence: str) -> int:
    for at in range(start + 1, len(lines)):
        closing = lines[at].strip()
        if closing and set(closing) == {fence[0]} and len(closing) >= len(fence):
            return at
    raise ValueError(f"line {start + 1}: this fence is not closed")


def _session(inside: Sequence[str], first: int) -> Iterator[Command]:
    command, line, expected = "", 0, list[str]()
    for number, text in enumerate(inside, first):
        if text.startswith("$ "):
            if command:
                yield Command(command, tuple(expected), line)
            command, line, expected = text[2:], number, []
        elif not command:
            raise ValueError(f"line {number}: output without a command above it")
        elif text.startswith("> ") and not expected:
            command += f"\n{text[2:]}"
        else:
            expected.append(text)
    if command:
        yield Command(command, tuple(expected), line)


def mismatch(expected: Sequence[str], printed: str) -> str | None:
    """Why what was printed is not what the document says; None: it is. White space at line ends is equal."""
    lines = [line.rstrip() for line in printed.rstrip("\n").split("\n")] if printed.strip() else []
    wanted = [line.rstrip() for line in expected]
    while wanted and not wanted[-1]:
        wanted.pop()
    whole = "".join(r"(?:[^\n]*\n)*" if line == "…" else f"{_line(line)}\n" for line in wanted)
    if re.fullmatch(whole, "".join(f"{line}\n" for line in lines)):
        return None
    said = "\n".join(f"    {line}" for line in lines) or "    (nothing)"
    asked = "\n".join(f"    {line}" for line in wanted) or "    (nothing)"
    return f"the document says\n{asked}\nbut it prints\n{said}"


def _line(line: str) -> str:
    return r"[^\n]*".join(re.escape(piece) for piece in line.split("…"))
