"""From lines to tasks: which boxes and headings are tasks, in which phase, with which body."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from specbuild.engine import key
from specbuild.engine.task import Box, Need, RepoPath, TaskFile, TaskName, TaskText, Warning_
from specbuild.taskfile import grammar, needs, wording
from specbuild.taskfile.bodies import Body, read_body, requirement_codes
from specbuild.taskfile.headings import Heading, read_heading
from specbuild.taskfile.lines import Line, scan
from specbuild.taskfile.marks import Head, read_head
from specbuild.taskfile.phases import Phase, Section, phases

_RULE: Final = re.compile(r"\s*(?:-{3,}|\*{3,}|_{3,})\s*\Z")
_HEADING_ID: Final = re.compile(r"T-?\d|TASK|T-[A-Z]")


class Draft:
    """A task, or a box that may be one, while the file is read."""

    __slots__ = (
        "body",
        "box",
        "boxes",
        "head",
        "id",
        "index",
        "line",
        "name",
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
        self.read: Body | None = None


class _Parser:
    def __init__(self, data: bytes, path: RepoPath) -> None:
        self.path = path
        self.lines, self.warnings = scan(data, path)
        self.boxes: list[Box] = []
        self.root = Section(None, None, 0)
        self.sections: list[Section] = []
        self.box_of: dict[int, int] = {}
        self.drafts: list[Draft] = []

    def parse(self) -> TaskFile:
        candidates = self._candidates()
        self._choose(candidates)
        self._bodies()
        self._names()
        groups = self._groups()
        texts = self._texts(groups)
        self.warnings.sort(key=lambda warning: warning.line)
        return TaskFile(self.path, tuple(texts), tuple(self.boxes), tuple(self.warnings))

    def _warn(self, line: int, code: str, message: str) -> None:
        self.warnings.append(Warning_(self.path, line, code, message))

    def _candidates(self) -> list[Draft]:
        """All boxes, with the section that each stands in."""
        section = self.root
        found: list[Draft] = []
        for index, line in enumerate(self.lines):
            if line.kind == "heading":
                heading = read_heading(line.text, line.level)
                while section.heading is not None and section.heading.level >= heading.level:
                    section = section.parent or self.root
                section = Section(heading, section, index)
                self.sections.append(section)
            elif line.box is not None:
                self.box_of[index] = len(self.boxes)
                self.boxes.append(Box(line.box.start, line.box.end, line.box.ticked))
                found.append(Draft(index, line, read_head(line.box.rest), section, self.box_of[index]))
        return found

    def _choose(self, candidates: list[Draft]) -> None:
        """Which boxes and headings are tasks."""
        self._weak_ids(candidates)
        tasks = [draft for draft in candidates if draft.id is not None]
        taken = set(map(id, tasks))
        headed = self._heading_tasks([draft for draft in candidates if id(draft) not in taken], tasks)
        if not tasks and not headed:
            tasks = [draft for draft in candidates if self._anonymous(draft)]
        self.drafts = sorted([*tasks, *headed], key=lambda draft: draft.index)

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

    def _weak_ids(self, candidates: list[Draft]) -> None:
        """A bare `3` is an id only where the file numbers its tasks like that."""
        weak = [draft for draft in candidates if draft.head.weak]
        if not weak:
            return
        sure = [
            draft.id for draft in candidates if draft.id and not draft.head.weak and not draft.section.notes
        ]
        numbers = [int((draft.id or "0")[:18]) for draft in weak if not draft.section.notes]
        counting = (
            bool(numbers)
            and numbers[0] <= 1
            and all(b == a + 1 for a, b in zip(numbers, numbers[1:], strict=False))
        )
        numbered = bool(sure) and all(id_[0].isdigit() for id_ in sure)
        for draft in weak:
            if draft.section.notes or not (numbered or (counting and not sure)):
                draft.head = _as_text(draft)
                draft.id = None

    def _heading_tasks(self, notes: list[Draft], tasks: list[Draft]) -> list[Draft]:
        """Headings with a task's id over boxes that have none."""
        by_section: dict[int, list[Draft]] = {}
        for draft in notes:
            section: Section | None = draft.section
            if draft.section.notes:
                continue
            while section is not None and not section.names_task:
                section = section.parent
            if section is not None:
                by_section.setdefault(section.index, []).append(draft)
        over_ids = {section.index for draft in tasks for section in draft.section.chain()}
        taken = {draft.id for draft in tasks}
        named = [
            section
            for section in self.sections
            if section.names_task and section.index not in over_ids and section.task_id not in taken
        ]
        if not any(section.index in by_section for section in named):
            return []
        found = []
        for section in named:
            assert section.heading is not None  # noqa: S101  (names_task says so)
            draft = Draft(section.index, self.lines[section.index], section.heading.head, section, None)
            draft.boxes = [below.box for below in by_section.get(section.index, ()) if below.box is not None]
            section.task = True
            if not draft.boxes:
                message = f"{draft.id} has no box, so that nothing shows it done; add `- [ ] …` below it"
                self._warn(draft.line.number, "heading-without-box", message)
            found.append(draft)
        return found

    def _bodies(self) -> None:
        """Gives every line to the innermost task that it stands below."""
        lines = self.lines
        by_line = {draft.index: draft for draft in self.drafts}
        owners: list[Draft | None] = [None] * len(lines)
        heading: Draft | None = None
        for index, line in enumerate(lines):
            if line.kind == "heading":
                heading = self._heading_owner(index, heading, by_line)
                if heading is not None and heading.index != index:
                    heading.body.append(line)
                continue
            above = line.parent
            owner = heading
            if above >= 0:
                owner = by_line.get(above) or owners[above] or heading
            owners[index] = owner
            draft = by_line.get(index)
            if draft is not None:
                draft.owner = owner
            elif owner is not None and line.kind != "hidden":
                owner.body.append(line)
        for draft in self.drafts:
            while draft.body and _RULE.match(draft.body[-1].text):
                draft.body.pop()

    def _heading_owner(self, index: int, present: Draft | None, by_line: dict[int, Draft]) -> Draft | None:
        own = by_line.get(index)
        if own is not None:
            return own
        if present is not None and self.lines[index].level > self.lines[present.index].level:
            return present
        return None

    def _names(self) -> None:
        """Ids, generated where the file has none, made unique."""
        anonymous = all(draft.id is None for draft in self.drafts)
        seen: dict[str, int] = {}
        lines: dict[str, int] = {}
        for draft in self.drafts:
            draft.title = needs.cut_clauses(draft.head.description).text
            if anonymous:
                draft.id = f"#{key.digest('id', ' '.join(draft.head.description.split()))[:6]}"
            assert draft.id is not None  # noqa: S101  (chosen for having one)
            times = seen[draft.id] = seen.get(draft.id, 0) + 1
            draft.name = draft.id if times == 1 else f"{draft.id}@{times}"
            if times == 1:
                lines[draft.id] = draft.line.number
            else:
                what = "the same text" if anonymous else f"the id {draft.id}"
                message = f"line {lines[draft.id]} has {what} too; this task is called {draft.name}: give it an id of its own"
                self._warn(draft.line.number, "repeated-id", message)

    def _groups(self) -> dict[str, list[Draft]]:
        """Numbered parents and their children; reads the bodies on the way."""
        first: dict[str, Draft] = {}
        children: dict[str, list[Draft]] = {}
        for draft in self.drafts:
            draft.read = read_body(
                draft.body,
                item=draft.index if draft.box is not None else -1,
                path=self.path,
                warnings=self.warnings,
            )
            parent = draft.owner
            if parent is None and draft.id and draft.id[0].isdigit() and "." in draft.id:
                parent = first.get(draft.id.rpartition(".")[0])
            first[draft.id or ""] = draft
            if parent is not None:
                children.setdefault(parent.name, []).append(draft)
        bare = {
            draft.name for draft in self.drafts if draft.read is not None and draft.read.only_requirements
        }
        return {name: below for name, below in children.items() if name in bare}

    def _texts(self, groups: dict[str, list[Draft]]) -> Iterator[TaskText]:
        parents = {child.name: name for name, below in groups.items() for child in below}
        known = needs.Known(draft.name for draft in self.drafts)
        spelled = frozenset(known.exact)
        stories = [draft.head.story or draft.section.story for draft in self.drafts]
        for draft, story, phase in zip(
            self.drafts, stories, phases([d.section for d in self.drafts], stories), strict=True
        ):
            yield self._text(
                draft, story, phase, known, spelled, parents.get(draft.name), draft.name in groups
            )

    def _text(
        self,
        draft: Draft,
        story: str | None,
        phase: Phase,
        known: needs.Known,
        spelled: frozenset[str],
        parent: str | None,
        group: bool,  # noqa: FBT001
    ) -> TaskText:
        head, line, read = draft.head, draft.line, draft.read
        assert read is not None  # noqa: S101  (_groups read it)
        found, outside = grammar.mentions(draft.title)
        for word in outside:
            message = f"`{word[:80]}` leads out of the repository and is read as text; name a path of the repository"
            self._warn(line.number, "outside-path", message)
        kept = [below for place, below in enumerate(draft.body) if place not in read.drop]
        codes = requirement_codes(draft.title)
        for below in draft.body:
            codes += requirement_codes(below.text)
        box = line.box
        return TaskText(
            name=TaskName(self.path, draft.name),
            line=line.number,
            title=draft.title,
            definition=key.definition(wording.normal(draft.title, kept, spelled)),
            body=_as_written(draft.body, draft.index, self.lines),
            box=draft.box,
            checklist=tuple(draft.boxes),
            ticked=box.ticked
            if box
            else bool(draft.boxes) and all(self.boxes[index].ticked for index in draft.boxes),
            phase=phase.name,
            phase_index=phase.index,
            story=story,
            phase_story=phase.story,
            priority=head.priority or read.priority or draft.section.priority,
            parallel=head.parallel,
            after_all=head.after_all,
            optional=bool(box and box.optional),
            labels=tuple(dict.fromkeys([*head.labels, *(["optional"] if box and box.optional else [])])),
            requirements=tuple(dict.fromkeys([*codes, *read.requirements])),
            needs=self._needs(draft, read, known),
            mentions=found,
            keys=read.keys,
            recipe=read.recipe,
            parent=parent,
            group=group,
        )

    def _needs(self, draft: Draft, read: Body, known: needs.Known) -> tuple[Need, ...]:
        own, line = draft.name, draft.line.number
        found: dict[str, Need] = {}
        clauses = needs.cut_clauses(draft.head.description).ids
        written = [*clauses, *(needs.declared(draft.head.deps, strict=True) if draft.head.deps else ())]
        for need in needs.resolve(written, known, own=own, line=line):
            found.setdefault(need.id, need)
        for value, strict, number in read.needs:
            for need in needs.resolve(needs.declared(value, strict=strict), known, own=own, line=number):
                found.setdefault(need.id, need)
        for need in needs.mentions(draft.title, known, own=own, line=line):
            found.setdefault(need.id, need)
        return tuple(found.values())


def _as_text(draft: Draft) -> Head:
    """The head of a box whose leading number is no id."""
    rest = draft.line.box.rest if draft.line.box else ""
    head = read_head(f"\0{rest}")
    head.description = head.description.lstrip("\0")
    return head


def _as_written(body: Sequence[Line], index: int, lines: Sequence[Line]) -> str:
    """The body's lines; blank ones between them are kept."""
    parts: list[str] = []
    before = lines[index]
    for line in body:
        if parts and line.number == before.number + line.blanks + 1:
            parts += [""] * line.blanks
        parts.append(line.text)
        before = line
    return "\n".join(parts)


def parse(data: bytes, path: RepoPath) -> TaskFile:
    """The tasks of one file; TaskFileError where its bytes are not UTF-8."""
    return _Parser(data, path).parse()


__all__ = ["Heading", "parse"]
