"""Makes foreign text safe to show, and lays text out by the columns that it takes on a screen."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

Tone = Literal["", "head", "good", "bad", "warn", "dim"]


class Line(NamedTuple):
    """A line to be shown, with the tone that a terminal may give it."""

    text: str
    tone: Tone = ""


_SEQUENCES = re.compile(  # OSC, DCS, SOS, PM, APC; CSI; charset switches and resets
    "(?:\x1b[PX^_\\]]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n\r]*(?:\x07|\x1b\\\\|\x9c)?"
    "|(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]?"
    "|\x1b[ -/]*[0-~]?"
)
_BREAKS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Zero-width joiners (U+200C, U+200D) stay: Persian and emoji need them.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean(text: str, *, lines: bool = False) -> str:
    r"""Text without anything that steers a terminal: control characters, escape sequences, bidi overrides.

    `lines` keeps line breaks and tabs; otherwise they become spaces. Bytes that are not UTF-8 show as `\xff`.
    """
    if text.isprintable():
        return text
    text = _BREAKS.sub("\n", _SEQUENCES.sub("", text))
    if not lines:
        text = text.replace("\n", " ").replace("\t", " ")
    return _SURROGATES.sub(_byte, _UNSEEN.sub("", text))


def _byte(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else "\ufffd"


def duration(seconds: float) -> str:
    """A length of time as a person says it: `0.3s`, `12.5s`, `1m 44s`, `2h 05m`."""
    seconds = max(0.0, seconds)
    if seconds < 59.95:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m {rest}s"
    return f"{minutes // 60}h {minutes % 60:02d}m"


def alike(*seconds: float) -> list[float]:
    """Lengths of time rounded as the longest of them is shown: a reader can subtract what is shown."""
    longest = max(seconds)
    if longest < 59.95:
        return [round(each, 1) for each in seconds]
    unit = 1.0 if longest < 3599.5 else 60.0
    return [round(each / unit) * unit for each in seconds]


def clock(seconds: float) -> str:
    """A place in a run: `00:18`, `1:02:03`."""
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    if minutes < 60:
        return f"{minutes:02d}:{rest:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def moment(seconds: float) -> str:
    """A point in time, in UTC: `2026-03-01 09:30:00 UTC`; a clock that was wild is said to be unknown."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, OSError, ValueError):
        return "unknown time"


def capital(text: str) -> str:
    """`text` as a sentence begins."""
    return text[:1].upper() + text[1:]


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 task`, `3 tasks`, `2 retries`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def percent(share: float) -> str:
    """A share of 1 as whole percent."""
    return f"{share * 100:.0f}%"


def width(text: str) -> int:
    """Columns that `text` takes on a terminal: East Asian wide characters two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def ellipsis(text: str, columns: int) -> str:
    """`text` cut to `columns`, the cut shown by `…`."""
    if len(text) * 2 <= columns or width(text) <= columns:
        return text
    if columns < 1:
        return ""
    taken, used = [], 0
    for character in text:
        used += _columns(character)
        if used > columns - 1:
            break
        taken.append(character)
    return "".join(taken).rstrip() + "…"


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """`text` filled up with spaces to `columns`; `right` puts them before it."""
    fill = " " * max(0, columns - width(text))
    return fill + text if right else text + fill


def table(
    rows: Iterable[Sequence[str]],
    *,
    header: Sequence[str] = (),
    columns: int | None = None,
    numbers: Iterable[int] = (),
    gap: str = "  ",
) -> list[str]:
    """Rows as aligned lines of at most `columns` (None: as wide as needed); the widest cells give way first.

    `numbers`: indexes of columns that align right. Cells are cleaned; no line ends in a space.
    """
    cells = [[clean(cell) for cell in row] for row in ([header, *rows] if header else rows)]
    if not cells:
        return []
    breadth = max(len(row) for row in cells)
    for row in cells:
        row.extend([""] * (breadth - len(row)))
    widths = [max(width(row[index]) for row in cells) for index in range(breadth)]
    if columns is not None:
        widths = _fit(widths, columns - width(gap) * (breadth - 1))
    right = frozenset(numbers)
    lines = []
    for row in cells:
        shown = [
            pad(ellipsis(cell, widths[index]), widths[index], right=index in right)
            for index, cell in enumerate(row)
        ]
        line = gap.join(shown).rstrip()
        lines.append(line if columns is None else ellipsis(line, columns))
    return lines


def _fit(widths: list[int], room: int) -> list[int]:
    """Takes columns away from the widest until all fit, leaving each at least four (or what it has)."""
    fitted = list(widths)
    excess = sum(fitted) - room
    while excess > 0:
        widest = max(range(len(fitted)), key=lambda index: fitted[index])
        second = max((value for index, value in enumerate(fitted) if index != widest), default=0)
        floor = max(4, min(second, fitted[widest] - 1))
        step = min(excess, fitted[widest] - floor)
        if step <= 0:
            break
        fitted[widest] -= step
        excess -= step
    return fitted


def shell_word(text: str) -> str:
    r"""`text` as one word of a shell command that can be pasted; control characters as `$'\033'`."""
    if re.fullmatch(r"[A-Za-z0-9_@%+=:,./-]+", text):
        return text
    if clean(text) == text:
        return "'" + text.replace("'", "'\"'\"'") + "'"
    encoded = text.encode("utf-8", "surrogateescape")
    return "$'" + "".join(_ansi_c(byte) for byte in encoded) + "'"


def _ansi_c(byte: int) -> str:
    plain = 0x20 <= byte < 0x7F and byte not in b"'\\"
    return chr(byte) if plain else f"\\{byte:03o}"


def ranges(ids: Iterable[str]) -> str:
    """Ids with neighbours drawn together in the filter language: `T001..T005, T007, T009..T010`."""
    runs: list[list[str]] = []
    for id_ in ids:
        if runs and _follows(runs[-1][-1], id_):
            runs[-1].append(id_)
        else:
            runs.append([id_])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]}..{run[-1]}" for run in runs)


def _follows(earlier: str, later: str) -> bool:
    first, second = (re.fullmatch(r"(.*?)([0-9]{1,9})", id_) for id_ in (earlier, later))
    return bool(first and second and first[1] == second[1] and int(second[2]) == int(first[2]) + 1)
