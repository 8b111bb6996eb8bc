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


_ITEM = Pattern(r"""`([^`]*)`|"([^"]*)"|'([^']*)'|((?:\{[^{}]*\}|[^\s,;`"'{}])+)|([,;\n])|[ \t]+|(.)""")


def items(value: str) -> list[str]:
    """A body's list: `a, b`, with or without backticks; by white space where there is no comma.

    A name with spaces stands in backticks or between commas; commas in braces divide nothing.
    """
    value = re.sub(r"(?m)^[ \t]*[-*+][ \t]+", "", value.strip())
    if value.startswith("[") and value.endswith("]"):
        value = value[1:-1]
    if value.casefold() in ("", "-", "none"):
        return []
    divided = any(match[5] for match in _ITEM.finditer(value))
    groups: list[list[str]] = [[]]
    for match in _ITEM.finditer(value):
        if match[5]:
            groups.append([])
        else:
            word = next((part for part in match.groups()[:4] if part is not None), match[6])
            if word:
                groups[-1].append(word)
    if not divided:
        return groups[0]
    return [" ".join(group) for group in groups if group]


def braces(path: str) -> list[str]:
    """`src/{a,b}.py` as its two paths."""
    match = re.search(r"\{([^{}]*,[^{}]*)\}", path)
    if match is None:
        return [path]
    start, end = path[: match.start()], path[match.end() :]
    return [each for middle in match[1].split(",") for each in braces(start + middle.strip() + end)]
