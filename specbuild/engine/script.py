"""Where a position in a shell script stands: in code, between quotes, in a comment or a here-document."""

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from specbuild.patterns import Pattern

Place = Literal["code", "single", "double", "here", "comment", "arithmetic", "literal"]
"""`here`: an expanded here-document; `literal`: behind a backslash, or in a quoted here-document."""


class Context(NamedTuple):
    """The surroundings of one position.

    `nested`: a construct came before it that this reader may have got wrong (substitutions,
    here-documents, `$'…'`), so nothing that depends on `place` may be relied on for safety.
    """

    place: Place
    nested: bool
    opener: str = "'"  # of a single-quoted string: `'` or `$'`
    delimiter: str = ""  # of a quoted here-document


class _Here(NamedTuple):
    delimiter: str
    quoted: bool
    tabs: bool


_HERE = Pattern(r"""<<(-?)[ \t]*((?:\\.|'[^'\n]*'|"[^"\n]*"|[^\s;&|()<>'"\\])+)""")
_ARITHMETIC = re.compile(r"\(\([^;\n]*\)\)")
_WORD_START = frozenset(" \t\n;&|()")
_CLOSERS = {"$(": ")", "${": "}", "`": "`", "$((": "))", "((": "))", "(": ")"}


@lru_cache(maxsize=256)  # one rule's recipe serves many tasks
def contexts(script: str, positions: tuple[int, ...]) -> tuple[Context, ...]:
    """The context of each position; `positions` ascend."""
    reader = _Reader(script)
    return tuple(reader.advance(position) for position in positions)


class _Reader:
    """A cursor over a script with a stack of what is open: quotes, substitutions, parentheses."""

    def __init__(self, script: str) -> None:
        self.script = script
        self.at = 0
        self.stack: list[str] = []
        self.nested = False
        self.pending: list[_Here] = []  # announced on this line, their bodies begin on the next
        self.here: _Here | None = None

    def advance(self, position: int) -> Context:
        while self.at < position:
            self._step()
        if self.at > position:  # the last step jumped over it: a backslash stands before it
            return Context("literal", self.nested)
        return self._context()

    def _context(self) -> Context:
        if self.here is not None:
            if self.here.quoted:
                return Context("literal", nested=True, delimiter=self.here.delimiter)
            return Context("here", nested=True)
        top = self.stack[-1] if self.stack else ""
        if top in ("'", "$'"):
            return Context("single", self.nested, opener=top)
        if top == "#":
            return Context("comment", self.nested)
        if "$((" in self.stack or "((" in self.stack:
            return Context("arithmetic", nested=True)
        if top == '"' or (top == "${" and '"' in self.stack):
            return Context("double", self.nested)
        return Context("code", self.nested)

    def _step(self) -> None:
        if self.here is not None:
            self._step_in(self.here)
            return
        top = self.stack[-1] if self.stack else ""
        char = self.script[self.at]
        if char == "\n" and self.pending and top not in ("'", "$'", '"'):
            if top == "#":
                self.stack.pop()
            self.here = self.pending.pop(0)
            self.at += 1
        elif top == "#":
            if char == "\n":
                self.stack.pop()
            self.at += 1
        elif top == "'":
            if char == "'":
                self.stack.pop()
            self.at += 1
        elif char == "\\":
            self.at += 2
        elif top == "$'":
            if char == "'":
                self.stack.pop()
            self.at += 1
        else:
            self._open_or_close(top)

    def _open_or_close(self, top: str) -> None:
        script, at = self.script, self.at
        in_double = top == '"'
        opener = next((each for each in ("$((", "$(", "${", "`") if script.startswith(each, at)), "")
        if not in_double and script.startswith("$'", at):
            opener = "$'"
        closer = _CLOSERS.get(top, "")
        if closer and script.startswith(closer, at):
            self.stack.pop()
            self.at += len(closer)
        elif opener:
            self.nested = True
            self.stack.append(opener)
            self.at += len(opener)
        elif script[at] == '"':
            if in_double:
                self.stack.pop()
            else:
                self.stack.append('"')
            self.at += 1
        elif in_double:
            self.at += 1
        else:
            self._code(top)

    def _code(self, top: str) -> None:
        script, at = self.script, self.at
        char = script[at]
        if char == "'" and not (top == "${" and '"' in self.stack):
            self.stack.append("'")
        elif char == "(":
            arithmetic = _ARITHMETIC.match(script, at) is not None
            self.nested = self.nested or arithmetic
            self.stack.append("((" if arithmetic else "(")
            self.at += arithmetic
        elif char == "#" and top != "${" and (at == 0 or script[at - 1] in _WORD_START):
            self.stack.append("#")
        elif char == "<" and top not in ("${", "$((", "(("):
            if script.startswith("<<<", at):
                self.at += 3
                return
            match = _HERE.match(script, at)
            if match:
                self._announce(match)
                return
        self.at += 1

    def _announce(self, match: re.Match[str]) -> None:
        word = match[2]
        delimiter = re.sub(r"""\\(.)|'([^'\n]*)'|"([^"\n]*)\"""", r"\1\2\3", word)
        self.pending.append(_Here(delimiter, quoted=delimiter != word, tabs=bool(match[1])))
        self.nested = True
        self.at = match.end()

    def _step_in(self, here: _Here) -> None:
        """In a here-document: leaves it where a line is its delimiter."""
        script, at = self.script, self.at
        if script[at - 1] == "\n":
            end = script.find("\n", at)
            line = script[at:end] if end >= 0 else script[at:]
            if (line.lstrip("\t") if here.tabs else line) == here.delimiter:
                self.here = self.pending.pop(0) if self.pending else None
                self.at += len(line) + (end >= 0)
                return
        self.at += 2 if script[at] == "\\" and not here.quoted else 1
