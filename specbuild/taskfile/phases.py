"""Which phase a task belongs to: headings that say so, or runs of one story."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Optional

from specbuild.taskfile.headings import Heading


class Phase(NamedTuple):
    """A phase as its tasks carry it."""

    name: str | None  # the heading's text, or the story of a run
    number: int  # 0: before any
    story: str | None


class Section:
    """A heading with what stands below it; the root has none."""

    __slots__ = ("heading", "index", "notes", "parent", "priority", "story", "task")

    def __init__(self, heading: Heading | None, parent: Optional["Section"], index: int) -> None:
        self.heading = heading
        self.parent = parent
        self.index = index  # of its line
        self.task = False  # it is a task itself
        named = heading is not None and heading.phase in ("word", "story")
        self.notes: bool = bool(heading and heading.notes) or (
            parent is not None and parent.notes and not named
        )
        self.story: str | None = (heading.story if heading else None) or (parent.story if parent else None)
        self.priority: int | None = heading.priority if heading else None
        if self.priority is None and parent is not None:
            self.priority = parent.priority

    @property
    def task_id(self) -> str | None:
        return self.heading.head.id if self.heading else None

    def chain(self) -> Iterator["Section"]:
        """The section and those around it, inwards first."""
        section: Section | None = self
        while section is not None and section.heading is not None:
            yield section
            section = section.parent


def phases(sections: Sequence[Section], stories: Sequence[str | None]) -> list[Phase]:
    """The phase of each task, given its section and its story, in order of the file."""
    owners = [_phase_section(section) for section in sections]
    if not any(owners):
        return _runs(stories)
    found: list[Phase] = []
    present: Section | None = None
    phase = Phase(None, 0, None)
    for owner in owners:
        if owner is not None and owner is not present:
            present = owner
            assert owner.heading is not None  # noqa: S101  (only headings are phases)
            phase = Phase(owner.heading.text, phase.number + 1, owner.story)
        found.append(phase)
    return found


def _phase_section(section: Section) -> Section | None:
    """The heading that is the phase of what stands directly in `section`."""
    outer: Section | None = None
    for around in reversed(list(section.chain())):
        heading = around.heading
        if heading is None or around.task or not heading.phase:
            continue
        if (
            outer is None
            or heading.phase == "word"
            or (heading.phase == "story" and heading.story != outer.story)
        ):
            outer = around
    return outer


def _runs(stories: Sequence[str | None]) -> list[Phase]:
    """Without phase headings, each contiguous run of one story is a phase."""
    if not any(stories):
        return [Phase(None, 0, None)] * len(stories)
    found: list[Phase] = []
    for place, story in enumerate(stories):
        if place == 0 or story != stories[place - 1]:
            number = found[-1].number + 1 if found else 1
            found.append(Phase(story, number, story))
        else:
            found.append(found[-1])
    return found
