"""Values that specbuild.toml and task bodies write in the same way: durations, lists, names."""

import re

from specbuild.patterns import Pattern

_PART = re.compile(r"(\d+(?:\.\d+)?)[ \t]*(ms|sec|s|min|m|h|d)[ \t]*")
_UNITS = {"ms": 0.001, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_NUMBER = re.compile(r"\d+(?:\.\d+)?\Z")
DURATION = '"90s", "30m", "1h30m" or a number of seconds'


def duration(text: str) -> float | None:
    """Seconds; None: this is no duration. Zero is none either: nothing could ever run."""
    text = text.strip().lower()
    if _NUMBER.match(text):
        seconds = float(text)
    else:
        parts = _PART.findall(text)
        if not parts or _PART.sub("", text):
            return None
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return seconds if seconds > 0 else None


def plain(value: str) -> str:
    """A body's value without the backticks or quotes around the whole of it."""
    value = value.strip()
    match = re.match(r"(`{1,3})(.+)\1\Z", value, re.DOTALL) or re.match(r"([\"'])(.+)\1\Z", value, re.DOTALL)
    if match and match[1] not in match[2]:
        return match[2].strip()
    return value


_END = r"(?=[\s,;，；、]|\Z)"
_ITEM = Pattern(
    rf"""(?P<note>(?:(?<=[\s`"'])|\A)\([^()]*\){_END}|（[^（）]*）{_END})"""
    r"""|`(?P<ticked>[^`]*)`|"(?P<double>[^"]*)"|'(?P<single>[^']*)'"""
    rf"""|(?P<bare>(?:\{{[^{{}}]*\}}|(?!（[^（）]*）{_END})[^\s,;，；、`"'{{}}])+)"""
    r"""|(?P<division>[,;，；、\n])|(?P<space>[^\S\n]+)|(?P<other>.)"""
)
_NOTHING = frozenset(("", "-", "–", "—", "none", "n/a", "无", "無", "なし", "없음"))
_NO_NAME = frozenset(("and", "or", "&", "+", "-", "–", "—"))
_NOTE_BEHIND = Pattern(r".*\.\w+\([^()]*\)\Z")
_CLOSERS = {"(": ")", "（": "）"}


class Unclear(ValueError):  # noqa: N818  (says what a value is)
    """A list that can be read in two ways; the message is the doubtful part."""


def items(value: str) -> list[str]:
    """A body's list: `a, b`, with or without backticks; by white space where there is no comma.

    A name with spaces stands in backticks or between commas; commas in braces divide nothing. What stands in
    brackets behind an item (`a.py (new)`) is a note to people. Raises Unclear.
    """
    value = re.sub(r"(?m)^[ \t]*[-*+][ \t]+", "", value.strip())
    if value.startswith("[") and value.endswith("]"):
        value = value[1:-1]
    divided = any(match["division"] is not None for match in _ITEM.finditer(value))
    groups: list[list[str]] = [[]]
    noted = False  # whether the group has had its note
    for match in _ITEM.finditer(value):
        kind, word = str(match.lastgroup), match[0]
        if kind == "division":
            groups.append([])
            noted = False
        elif kind == "note":
            noted = True
        elif kind != "space" and (word := match[kind]):
            bare = kind == "bare"
            if bare and len(groups) == 1 and not groups[0] and _is_nothing(value[match.start() :]):
                return []
            if kind == "other" or (noted and divided) or (bare and _is_doubtful(word)):
                raise Unclear(word)
            groups[-1].append(word)
    if not divided:
        return groups[0]
    return [" ".join(group) for group in groups if group]


def _is_nothing(value: str) -> bool:
    """`none`, `n/a (why)`."""
    return re.sub(r"[\s.]*([(（][^()（）]*[)）])?[\s.]*\Z", "", value).casefold() in _NOTHING


def _is_doubtful(word: str) -> bool:
    """A word of prose rather than of a path, or half of a note."""
    if word in _NO_NAME or word.endswith(":") or _NOTE_BEHIND.match(word):
        return True
    return any(word.count(opens) != word.count(closes) for opens, closes in _CLOSERS.items())


def braces(path: str) -> list[str]:
    """`src/{a,b}.py` as its two paths."""
    match = re.search(r"\{([^{}]*,[^{}]*)\}", path)
    if match is None:
        return [path]
    start, end = path[: match.start()], path[match.end() :]
    return [each for middle in match[1].split(",") for each in braces(start + middle.strip() + end)]
