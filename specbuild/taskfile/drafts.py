"""Which boxes and headings of a file are tasks, and which are notes."""

from itertools import pairwise
from typing import Final

from specbuild.engine.task import Box, RepoPath, Warning_
from specbuild.taskfile.bodies import EMPTY, Body
from specbuild.taskfile.headings import read_heading
from specbuild.taskfile.lines import Line
from specbuild.taskfile.marks import Head, read_head
from specbuild.taskfile.phases import Section


class Draft:
    """A task, or a box that may be one, while the file is read."""

    __slots__ = (
        "body",
        "box",
        "boxes",
        "clauses",
        "head",
        "id",
        "index",
        "line",
        "name",
        "outside",
        "owner",
        "read",
        "section",
        "title",
    )

    def __init__(self, index: int, line: Line, head: Head, section: Section, box: int | None) -> None:
        self.index = index  # of its line
        self.line = line
        self.head = head
        self.section = section
        self.box = box
        self.boxes: list[int] = []  # of a heading task
        self.id = head.id
        self.name = ""  # the id, made unique
        self.owner: Draft | None = None  # the task that it is nested in
        self.body: list[Line] = []
        self.title = ""
        self.clauses: tuple[str, ...] = ()  # ids that its dependency clauses name
        self.read: Body = EMPTY
        self.outside: list[str] = []  # words that lead out of the repository


class Choice:
    """Reads boxes and headings, and decides which of them are tasks."""

    def __init__(self, lines: list[Line], path: RepoPath) -> None:
        self.lines = lines
        self.path = path
        self.warnings: list[Warning_] = []
        self.boxes: list[Box] = []
        self.sections: list[Section] = []

    def drafts(self) -> list[Draft]:
        candidates = self._candidates()
        self._drop_numbers(candidates)
        tasks = [draft for draft in candidates if draft.id is not None]
        notes = [draft for draft in candidates if draft.id is None]
        below = _by_heading(notes)
        if below:
            tasks = self._not_repeating(tasks, below)
            tasks += self._headings(tasks, below)
        if not tasks:
            tasks = [draft for draft in notes if self._anonymous(draft)]
        if candidates and not tasks:
            first = candidates[0].line.number
            self._warn(first, "no-task", "this box and all others are notes: give the tasks ids such as T001")
        elif any(draft.id for draft in tasks):
            self._forgotten(notes)
        return sorted(tasks, key=lambda draft: draft.index)

    def _forgotten(self, notes: list[Draft]) -> None:
        """Says, once a file, that boxes without ids are no tasks here."""
        loose = [
            draft.line.number
            for draft in notes
            if draft.line.parent < 0
            and draft.head.description
            and not draft.section.notes
            and not any(section.task for section in draft.section.chain())
        ]
        if loose:
            many = f" (and {len(loose) - 1} more)" if len(loose) > 1 else ""
            message = f"this box{many} has no id, so in a file with ids it is a note; a task needs an id"
            self._warn(loose[0], "box-without-id", message)

    def _warn(self, line: int, code: str, message: str) -> None:
        self.warnings.append(Warning_(self.path, line, code, message))

    def _candidates(self) -> list[Draft]:
        """All boxes, with the section that each stands in."""
        root = section = Section(None, None, -1)
        found: list[Draft] = []
        for index, line in enumerate(self.lines):
            if line.kind == "heading":
                heading = read_heading(line.text, line.level)
                while section.heading is not None and section.heading.level >= heading.level:
                    section = section.parent or root
                section = Section(heading, section, index)
                self.sections.append(section)
            elif line.box is not None:
                found.append(Draft(index, line, read_head(line.box.rest), section, len(self.boxes)))
                self.boxes.append(Box(line.box.start, line.box.end, line.box.ticked))
        return found

    def _drop_numbers(self, candidates: list[Draft]) -> None:
        """Takes numbers for text that are no ids: in notes, and bare ones unless the tasks are counted so."""
        outside = [draft for draft in candidates if draft.id and not draft.section.notes]
        sure = [draft.id for draft in outside if draft.id and not draft.head.weak]
        if sure:
            counted = all(id_[0].isdigit() for id_ in sure)
        else:
            numbers = [int(draft.id[:_DIGITS]) for draft in outside if draft.id]
            counted = bool(numbers) and numbers[0] <= 1 and all(b == a + 1 for a, b in pairwise(numbers))
        for draft in candidates:
            if draft.id is None or not draft.id[0].isdigit():
                continue
            if (draft.head.weak and not counted) or (draft.section.notes and (outside or draft.head.weak)):
                draft.head = _as_text(draft)
                draft.id = None

    def _anonymous(self, draft: Draft) -> bool:
        """In a file without ids: whether a box is a task."""
        if not draft.head.description or draft.section.notes:
            return False
        parent = draft.line.parent
        while parent >= 0:
            if self.lines[parent].box is not None:
                return False
            parent = self.lines[parent].parent
        return True

    def _not_repeating(self, tasks: list[Draft], below: dict[int, list[Draft]]) -> list[Draft]:
        """Boxes that only repeat, in a list at the end, the headings that are the tasks become notes."""
        first = {section.task_id: section for section in reversed(self.sections) if section.index in below}
        kept: list[Draft] = []
        for draft in tasks:
            section = first.get(draft.id)
            if section is None or draft.index < section.index:
                kept.append(draft)
                continue
            number = self.lines[section.index].number
            message = f"{draft.id} is the heading of line {number}; this box only repeats it and is a note"
            self._warn(draft.line.number, "repeated-id", message)
        return kept

    def _headings(self, tasks: list[Draft], below: dict[int, list[Draft]]) -> list[Draft]:
        """Headings with a task's id over boxes that have none, and their like that lack boxes."""
        with_ids = {section.index for draft in tasks for section in draft.section.chain()}
        taken = {draft.id for draft in tasks}
        named = [
            section
            for section in self.sections
            if section.task_id is not None and section.index not in with_ids and section.task_id not in taken
        ]
        if not any(section.index in below for section in named):
            return []
        return [self._heading(section, below.get(section.index, [])) for section in named]

    def _heading(self, section: Section, below: list[Draft]) -> Draft:
        assert section.heading is not None  # noqa: S101  (only a heading has a task's id)
        draft = Draft(section.index, self.lines[section.index], section.heading.head, section, None)
        draft.boxes = [note.box for note in below if note.box is not None]
        section.task = True
        if not draft.boxes:
            message = f"{draft.id} has no box, so that nothing shows it done; add `- [ ] …` below it"
            self._warn(draft.line.number, "heading-without-box", message)
        return draft


_DIGITS: Final = 18  # of a number, which may be a megabyte long


def _by_heading(notes: list[Draft]) -> dict[int, list[Draft]]:
    """Boxes without ids by the innermost heading with a task's id, as the index of its line."""
    found: dict[int, list[Draft]] = {}
    for draft in notes:
        if draft.section.notes:
            continue
        for section in draft.section.chain():
            if section.task_id is not None:
                found.setdefault(section.index, []).append(draft)
                break
    return found


def _as_text(draft: Draft) -> Head:
    """The head of a box whose leading number is no id."""
    head = Head()
    head.description = " ".join(draft.line.box.rest.split()) if draft.line.box else ""
    return head
