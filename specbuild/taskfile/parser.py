"""From lines to tasks: bodies, names, groups, phases, and everything else that a task's text says."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from specbuild.engine import key
from specbuild.engine.task import Need, RepoPath, TaskFile, TaskName, TaskText, Warning_
from specbuild.heap import growing
from specbuild.taskfile import grammar, needs, wording
from specbuild.taskfile.bodies import read_body, requirement_codes
from specbuild.taskfile.drafts import Choice, Draft
from specbuild.taskfile.lines import Line, scan
from specbuild.taskfile.phases import Phase, phases

_RULE: Final = re.compile(r"\s*(?:-{3,}|\*{3,}|_{3,})\s*\Z")


@growing()
def parse(data: bytes, path: RepoPath) -> TaskFile:
    """The tasks of one file; TaskFileError where its bytes are not UTF-8."""
    lines, warnings = scan(data, path)
    choice = Choice(lines, path)
    drafts = choice.drafts()
    _give_bodies(lines, drafts)
    warnings += choice.warnings
    warnings += _give_names(drafts, path)
    for draft in drafts:
        item = draft.index if draft.box is not None else -1
        draft.read = read_body(draft.body, item=item, path=path, warnings=warnings)
    texts = _Texts(path, lines, choice, drafts).all()
    warnings += _outside(path, drafts)
    warnings.sort(key=lambda warning: warning.line)
    return TaskFile(path, tuple(texts), tuple(choice.boxes), tuple(warnings))


def _give_bodies(lines: Sequence[Line], drafts: Sequence[Draft]) -> None:
    """Gives every line to the innermost task that it stands below."""
    by_line = {draft.index: draft for draft in drafts}
    owners: list[Draft | None] = [None] * len(lines)
    heading: Draft | None = None
    for index, line in enumerate(lines):
        if line.kind == "heading":
            own = by_line.get(index)
            if own is None and heading is not None and line.level > heading.line.level:
                heading.body.append(line)
            else:
                heading = own
            continue
        owner = heading
        if line.parent >= 0:
            owner = by_line.get(line.parent) or owners[line.parent] or heading
        owners[index] = owner
        draft = by_line.get(index)
        if draft is not None:
            draft.owner = owner
        elif owner is not None and line.kind != "hidden":
            owner.body.append(line)
    for draft in drafts:
        while draft.body and _RULE.match(draft.body[-1].text):
            draft.body.pop()


def _give_names(drafts: Sequence[Draft], path: RepoPath) -> list[Warning_]:
    """Ids, generated where the file has none, made unique; and titles."""
    anonymous = all(draft.id is None for draft in drafts)
    warnings: list[Warning_] = []
    times: dict[str, int] = {}
    first: dict[str, int] = {}
    for draft in drafts:
        draft.title, draft.clauses = needs.cut_clauses(draft.head.description)
        id_ = draft.id or f"#{key.digest('id', draft.head.description)[:6]}"
        times[id_] = times.get(id_, 0) + 1
        draft.id, draft.name = id_, id_ if times[id_] == 1 else f"{id_}@{times[id_]}"
        if times[id_] == 1:
            first[id_] = draft.line.number
            continue
        what = "says the same" if anonymous else f"has the id {id_} too"
        message = f"line {first[id_]} {what}, so this task is called {draft.name}; give it an id of its own"
        warnings.append(Warning_(path, draft.line.number, "repeated-id", message))
    return warnings


def _outside(path: RepoPath, drafts: Sequence[Draft]) -> list[Warning_]:
    """Words of descriptions that lead out of the repository."""
    found: list[Warning_] = []
    for draft in drafts:
        for word in draft.outside:
            message = f"`{word[:80]}` leads out of the repository and is text; name a path inside it instead"
            found.append(Warning_(path, draft.line.number, "outside-path", message))
    return found


def _groups(drafts: Sequence[Draft]) -> dict[str, str]:
    """Children by name, with the group that each belongs to."""
    first: dict[str, Draft] = {}
    found: dict[str, str] = {}
    for draft in drafts:
        parent = draft.owner
        if parent is None and draft.id and draft.id[0].isdigit() and "." in draft.id:
            parent = first.get(draft.id.rpartition(".")[0])
        first[draft.id or ""] = draft
        if parent is not None and parent.read.only_requirements:
            found[draft.name] = parent.name
    return found


class _Texts:
    """Turns drafts into tasks."""

    def __init__(
        self, path: RepoPath, lines: Sequence[Line], choice: Choice, drafts: Sequence[Draft]
    ) -> None:
        self.path = path
        self.lines = lines
        self.boxes = choice.boxes
        self.drafts = drafts
        self.known = needs.Known(draft.name for draft in drafts)
        self.spelled = frozenset(self.known.exact)
        self.parents: Mapping[str, str] = _groups(drafts)
        self.groups = frozenset(self.parents.values())

    def all(self) -> list[TaskText]:
        stories = [draft.head.story or draft.section.story for draft in self.drafts]
        placed = phases([draft.section for draft in self.drafts], stories)
        return [
            self._text(draft, story, phase)
            for draft, story, phase in zip(self.drafts, stories, placed, strict=True)
        ]

    def _text(self, draft: Draft, story: str | None, phase: Phase) -> TaskText:
        head, read, box = draft.head, draft.read, draft.line.box
        mentions, draft.outside = grammar.mentions(draft.title)
        optional = box is not None and box.optional
        labels = [*head.labels, "optional"] if optional else head.labels
        return TaskText(
            name=TaskName(self.path, draft.name),
            line=draft.line.number,
            title=draft.title,
            definition=self._definition(draft),
            body=self._body(draft) if draft.body else "",
            box=draft.box,
            checklist=tuple(draft.boxes),
            ticked=self._ticked(draft),
            phase=phase.name,
            phase_index=phase.number,
            story=story,
            phase_story=phase.story,
            priority=head.priority or read.priority or draft.section.priority,
            parallel=head.parallel,
            after_all=head.after_all,
            optional=optional,
            labels=tuple(dict.fromkeys(labels)) if labels else (),
            requirements=self._requirements(draft),
            needs=self._needs(draft),
            mentions=mentions,
            keys=read.keys,
            recipe=read.recipe,
            parent=self.parents.get(draft.name),
            group=draft.name in self.groups,
        )

    def _ticked(self, draft: Draft) -> bool:
        if draft.line.box is not None:
            return draft.line.box.ticked
        return bool(draft.boxes) and all(self.boxes[index].ticked for index in draft.boxes)

    def _definition(self, draft: Draft) -> str:
        body = draft.body
        if draft.read.drop:
            body = [line for place, line in enumerate(body) if place not in draft.read.drop]
        return key.definition(wording.normal(draft.title, body, self.spelled))

    def _body(self, draft: Draft) -> str:
        """The body's lines; blank ones between them are kept."""
        parts: list[str] = []
        before = draft.line
        for line in draft.body:
            if parts and line.number == before.number + line.blanks + 1:
                parts += [""] * line.blanks
            parts.append(line.text)
            before = line
        return "\n".join(parts)

    def _requirements(self, draft: Draft) -> tuple[str, ...]:
        codes = requirement_codes(draft.title)
        if not (codes or draft.body or draft.read.requirements):
            return ()
        for line in draft.body:
            codes += requirement_codes(line.text)
        return tuple(dict.fromkeys([*codes, *draft.read.requirements]))

    def _needs(self, draft: Draft) -> tuple[Need, ...]:
        own, number, known = draft.name, draft.line.number, self.known
        named = needs.names_ids(draft.title)
        if not (named or draft.clauses or draft.head.deps or draft.read.needs):
            return ()
        found: list[Need] = []
        if draft.clauses:
            found += needs.resolve(draft.clauses, known, own=own, line=number)
        if draft.head.deps:
            found += needs.resolve(needs.declared(draft.head.deps, strict=True), known, own=own, line=number)
        for value, strict, line in draft.read.needs:
            found += needs.resolve(needs.declared(value, strict=strict), known, own=own, line=line)
        if named:
            found += needs.mentions(draft.title, known, own=own, line=number)
        if len(found) == 1:
            return (found[0],)
        firsts: dict[str, Need] = {}
        for need in found:  # explicit ones come before mere mentions
            firsts.setdefault(need.id, need)
        return tuple(firsts.values())
