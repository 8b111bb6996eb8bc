"""What stands before a task's description: its id and its markers."""

import re
from typing import Final

from specbuild.patterns import Pattern

ID: Final = (
    r"(?:T-?\d+(?:\.\d+)*[A-Za-z]?|TASK[-_]?\d+(?:\.\d+)*[A-Za-z]?|T-[A-Z]+(?:-[A-Z0-9]+)+)(?![A-Za-z0-9_])"
)
"""An id that no number in prose can be taken for."""

NUMBER: Final = r"\d+(?:\.\d+)*[a-wyz]?"  # `1.5x` is a factor
DECORATION: Final = re.compile(r"(?:[*_~`]{1,3}(?=[^\s*_~`])|[^\w\s\[\]()*_~`#/.\-\"'<>{}@$+\\|&%=]+\s*)+")
"""Emphasis and emoji in front of an id."""

_STRONG: Final = Pattern(rf"(\[)?({ID})(?(1)\])(?![/]|-\w|\s?[-–—]\s?T\d|\.\d)")
_TASK_WORD: Final = Pattern(
    r"(\[)?(?:[Tt]asks?|TASK|任务|任務|タスク|작업|태스크|[Tt]area|[Tt]arefa|[Tt]âche|[Aa]ufgabe)"
    rf"\s*[#-]?\s?({NUMBER})(?(1)\])(?=[.:：)、]?(?:\s|$|[*_\]\[(（:：—–-])|[、：])"
)
_NUMBERED: Final = re.compile(
    rf"(\[)?({NUMBER})(?(1)\])(?![A-Za-z0-9_/%])([.:：)、]?)(?=\s|$|[*_\[(（]|[^\x00-\x7f])"
)
_AFTER_ID: Final = re.compile(
    r"[*_~`]{0,3}\s?(?:[:：、)]|\.(?=\s|$|[^\x00-\x7f]))?[*_~`]{0,3}\s*(?:[-–—]\s+)?"
)
_SEPARATORS: Final = re.compile(r"\s*(?:[:：]\s*|[-–—]\s+)*")
_MARKER: Final = re.compile(r"[*_~]{0,2}(?:\[([^\[\]]{1,60})\](?![(:/.])|\((P[1-9]?)\)(?!\w))[*_~]{0,2}\s*")
_LABEL: Final = re.compile(r"[\w+#&?][\w .:+/&#?-]{0,23}\Z")
_STORY: Final = Pattern(r"(?:user\s*story|story|us)\s*[:：#-]?\s*(?:us[-\s]?)?(\d+[a-z]?)\Z", re.IGNORECASE)
_STORIES: Final = Pattern(r"US-?\d+(?:\s*[,+/&]\s*US-?\d+)+\Z", re.IGNORECASE)
_FIRST_STORY: Final = Pattern(r"\d+[A-Za-z]?")
_DEPS: Final = Pattern(
    r"(?:deps?|depends(?: on)?|dependencies|needs|after|blocked by)\s*[:：]?\s*(.*)\Z", re.IGNORECASE
)

_USUAL: Final = re.compile(r"(T\d{1,18}) (\[P\] )?(?:\[(US\d{1,18})\] )?(?=[A-Za-z])")


class Head:
    """Id, markers and description of a box or a heading."""

    __slots__ = ("after_all", "deps", "description", "id", "labels", "parallel", "priority", "story", "weak")

    def __init__(self) -> None:
        self.id: str | None = None
        self.weak = False  # a bare integer, which may be a number in prose
        self.description = ""
        self.parallel = False
        self.after_all = False
        self.story: str | None = None
        self.priority: int | None = None
        self.labels: list[str] = []
        self.deps: str | None = None  # what `[deps:…]` holds


def story(text: str) -> str | None:
    """`US1` for `US1`, `us-1`, `Story: US1`, `User Story 1`; None for anything else."""
    found = _STORY.match(text.strip())
    return f"US{found[1].upper()}" if found else None


def read_head(text: str, *, heading: bool = False) -> Head:
    """Takes id and markers off the front of a box's text; of a heading's, where only a task's id counts."""
    head = Head()
    usual = None if heading else _USUAL.match(text)
    if usual is not None:  # nearly every line: what the rest of this function would find, found at once
        head.id, parallel, head.story = usual.groups()
        head.parallel = parallel is not None
        head.description = " ".join(text[usual.end() :].split())
        return head
    place = _read_id(head, text, 0, heading=heading)
    while place < len(text) and text[place] in "[(*_~":
        found = _MARKER.match(text, place)
        if found is None or not _mark(head, found[1] or found[2]):
            break
        place = found.end()
        if head.id is None:
            place = _read_id(head, text, place, heading=heading)
    rest = text[place:]
    if place:
        rest = _SEPARATORS.sub("", rest, count=1)
    head.description = plain(rest, before=text[:place])
    return head


def _read_id(head: Head, text: str, place: int, *, heading: bool) -> int:
    """Where the text goes on behind an id, or `place` if there is none."""
    start = place
    if not text[place : place + 1].isalnum():
        decorated = DECORATION.match(text, place)
        start = decorated.end() if decorated else place
    found = _STRONG.match(text, start) or _TASK_WORD.match(text, start)
    if found is None and not heading:
        found = _NUMBERED.match(text, start)
        if found and not found[1] and not found[3] and found[2].isdigit():
            head.weak = True
    if found is None:
        return place
    head.id = found[2]
    end = found.end() - len(found[3]) if found.re is _NUMBERED else found.end()
    after = _AFTER_ID.match(text, end)
    return after.end() if after else end


def _mark(head: Head, content: str) -> bool:
    """Notes one marker; False if the bracket is none."""
    core = content.strip()
    upper = core.upper()
    if upper == "P":
        head.parallel = True
    elif len(upper) == 2 and upper[0] == "P" and upper[1] in "123456789":
        head.priority = int(upper[1])
    elif upper == "ALL":
        head.after_all = True
    elif named := story(core):
        head.story = head.story or named
    elif _STORIES.match(core):
        numbers = _FIRST_STORY.search(core, 2)
        head.story = head.story or (f"US{numbers[0].upper()}" if numbers else None)
        head.labels.append(core)
    elif found := _DEPS.match(core):
        head.deps = found[1].strip()
    elif _LABEL.match(core) and not _STRONG.match(core):
        head.labels.append(core)
    else:
        return False
    return True


def plain(text: str, *, before: str = "") -> str:
    """One line, white space folded, without emphasis around all of it or opened in `before`, now cut off."""
    text = " ".join(text.split())
    for mark in ("**", "~~"):
        if before.count(mark) % 2 and text.count(mark) % 2:
            text = text.replace(mark, "", 1)
        if text.startswith(mark) and text.endswith(mark) and text.count(mark) == 2 and len(text) > 4:
            text = text[2:-2]
    return text.strip()
