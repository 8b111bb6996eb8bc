"""What a commit message says about checkpoints: the lines that it carries and the commits that it reverts.

A squashed commit carries the messages of several, as `git merge --squash`, an interactive rebase or a hosting
site strings them together. Each becomes a section, so that a revert among them takes back its own part only.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from specbuild.engine.checkpoint import LINE, parse_lines
from specbuild.engine.task import Oid


class Revert(NamedTuple):
    """What `This reverts commit …` names: the id, perhaps abbreviated, and what else tells which it is."""

    id: str
    mainline: str | None  # of a merge: the parent that stays
    subject: bytes | None  # as the message quotes it


@dataclass(slots=True)
class Section:
    """One original message within a commit's message."""

    commit: Oid | None = None  # where `git merge --squash` states it
    starts: list[bytes] = field(default_factory=list)  # the first lines of its paragraphs, bullets taken off
    lines: list[bytes] = field(default_factory=list)  # well-formed checkpoint lines
    reverts: list[Revert] = field(default_factory=list)


_INTERESTING = (b"Specbuild-Checkpoint: v1 ", b"This reverts commit ")
_REVERT = re.compile(
    rb"^[ \t]*This reverts commit ([0-9a-f]{4,40})\b"
    rb"(?: \((?P<subject>.*), \d{4}-\d\d-\d\d\))?"
    rb"(?:,\s+reversing\s+changes\s+made\s+to\s+(?P<mainline>[0-9a-f]{4,40})\b)?",
    re.MULTILINE,
)
_SQUASHED = re.compile(rb"commit ([0-9a-f]{40})\b")
_QUOTING = re.compile(rb'(Revert|Reapply) "(.*)"$')


def is_interesting(message: bytes) -> bool:
    return any(words in message for words in _INTERESTING)


def has_revert(message: bytes) -> bool:
    return _REVERT.search(message) is not None


def subject(message: bytes) -> bytes:
    """The first paragraph on one line, as git takes it."""
    first = message.lstrip(b"\n").partition(b"\n\n")[0]
    return b" ".join(line.strip() for line in first.splitlines())


def sections(message: bytes) -> list[Section]:
    """The sections that carry lines or reverts, in order of the message."""
    return [section for section in _split(message) if section.lines or section.reverts]


def _split(message: bytes) -> Iterator[Section]:
    """A section ends behind the paragraph with its lines or its revert, or where the next one's id stands."""
    section = Section()
    for paragraph in re.split(rb"\n[ \t\r]*\n", message):
        squashed = _SQUASHED.match(paragraph.lstrip(b"\n"))
        if squashed or section.lines or section.reverts:
            yield section
            section = Section(squashed[1].decode() if squashed else None)
        if squashed:
            continue
        section.starts.append(_start(paragraph))
        for match in LINE.finditer(paragraph):
            if next(parse_lines(match[0]), None) is not None:
                section.lines.append(match[0].strip())
        for match in _REVERT.finditer(paragraph):
            section.reverts.append(_revert(match, section.starts))
    yield section


def _start(paragraph: bytes) -> bytes:
    first = paragraph.strip().partition(b"\n")[0].strip()
    return first[2:].strip() if first.startswith((b"* ", b"- ")) else first


def _revert(match: re.Match[bytes], starts: list[bytes]) -> Revert:
    quoted: bytes | None = match["subject"]
    for start in reversed(starts if quoted is None else []):
        quoting = _QUOTING.match(start)
        if quoting:
            # to apply it again is to revert its revert, whose subject that was
            quoted = quoting[2] if quoting[1] == b"Revert" else b'Revert "%s"' % quoting[2]
            break
    mainline = match["mainline"]
    return Revert(match[1].decode(), mainline.decode() if mainline else None, quoted)
