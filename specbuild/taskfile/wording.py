"""The text that a task's definition is the digest of: its words, whatever their place, ids and boxes."""

import re
from collections.abc import Iterable
from typing import Final

from specbuild.taskfile.lines import Line
from specbuild.taskfile.marks import NUMBER

_LONG: Final = re.compile(
    r"(?<![A-Za-z0-9_-])(?:T-?\d{2,}(?:\.\d+)*[A-Za-z]?|T\d+\.\d+[a-z]?|TASK[-_]?\d+(?:\.\d+)*|T-[A-Z]+(?:-[A-Z0-9]+)+)(?![A-Za-z0-9_])"
)
_ANY: Final = re.compile(r"T(?:-?[\dA-Z]|ASK)")
_SHORT: Final = re.compile(r"(?<![A-Za-z0-9_-])T\d(?:[a-z])?(?![A-Za-z0-9_.])")
_NAMED: Final = re.compile(
    rf"(?i:\b(tasks?)|(任务|タスク|작업))\s?#?{NUMBER}(?![\w%])(?:\s?(?:,|-|–|and|&)\s?{NUMBER}(?![\w%]))*"
)
_BOX: Final = re.compile(r"((?:[-*+]|\d+[.)])\s)\[[^\[\]]{0,12}\](?:\\?\*)?\s?")
_CONSTANT: Final = "T#"


def constant_ids(text: str, known: frozenset[str]) -> str:
    """Prose in which every id of a task reads alike, so that renumbering changes nothing."""
    if _ANY.search(text):
        text = _LONG.sub(_CONSTANT, text)
        text = _SHORT.sub(lambda match: _CONSTANT if match[0] in known else match[0], text)
    if "ask " in text or "asks " in text or not text.isascii():
        text = _NAMED.sub(lambda match: f"{match[1] or match[2]} {_CONSTANT}", text)
    if "#" in text:
        text = re.sub(
            r"#[0-9a-f]{6}(?![0-9A-Za-z])", lambda match: _CONSTANT if match[0] in known else match[0], text
        )
    return text


def normal(title: str, body: Iterable[Line], known: frozenset[str]) -> str:
    """Title and body with white space folded, boxes emptied and ids alike."""
    parts = [constant_ids(title, known)]
    for line in body:
        words = " ".join(line.text.split())
        if line.box is not None:
            words = _BOX.sub(r"\1[ ] ", words, count=1)
        parts.append(constant_ids(words, known))
    return "\n".join(parts)
