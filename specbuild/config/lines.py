"""On which line of a TOML file a key stands: tomllib does not tell."""

import re
from typing import TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]
"""`("rule", 1, "match")`: the key `match` of the second `[[rule]]`."""

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_KEY = re.compile(rf"[ \t]*({_PART}(?:[ \t]*\.[ \t]*{_PART})*)[ \t]*=")
_TABLE = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_PART}(?:[ \t]*\.[ \t]*{_PART})*)[ \t]*\]")
_STRINGS = (
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}',
    r"'''(?:[^']|'(?!''))*'{3,5}",
    r'"(?:[^"\\\n]|\\.)*"',
    r"'[^'\n]*'",
)
_STRING = re.compile("|".join(_STRINGS), re.DOTALL)
_COMMENT = re.compile(r"#[^\n]*")


def locate(text: str) -> dict[KeyPath, int]:
    """Lines (from 1) of all tables and keys of valid TOML; keys of inline tables are not listed."""
    found: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    at = 0
    line = 1
    while at < len(text):
        start = at
        header = _TABLE.match(text, at)
        key = _KEY.match(text, at)
        if header:
            table = _resolve(_parts(header[2]), counts, new=header[1] == "[[")
            found.setdefault(table, line)
            at = _end_of_value(text, header.end())
        elif key:
            path = (*table, *_parts(key[1]))
            for length in range(len(table) + 1, len(path) + 1):
                found.setdefault(path[:length], line)
            at = _end_of_value(text, key.end())
        else:
            at = _end_of_value(text, at)
        line += text.count("\n", start, at)
    return found


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in re.findall(_PART, dotted))


def _resolve(parts: tuple[str, ...], counts: dict[KeyPath, int], *, new: bool) -> KeyPath:
    """A header's path with the number of each array's element that it lies in."""
    path: KeyPath = ()
    for position, part in enumerate(parts):
        path = (*path, part)
        if new and position == len(parts) - 1:
            counts[path] = counts.get(path, 0) + 1
        if path in counts:
            path = (*path, counts[path] - 1)
    return path


def _end_of_value(text: str, at: int) -> int:
    """Behind the newline that ends what begins here: one in a string or in brackets does not."""
    depth = 0
    while at < len(text):
        char = text[at]
        match = _STRING.match(text, at) if char in "\"'" else _COMMENT.match(text, at)
        if match:
            at = match.end()
            continue
        at += 1
        if char in "[{":
            depth += 1
        elif char in "]}":
            depth -= 1
        elif char == "\n" and depth <= 0:
            break
    return at
