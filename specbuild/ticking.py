"""Ticks boxes of task files as completions need it, without parsing a file anew for each."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from specbuild.engine.ports import Snapshot
from specbuild.engine.task import Box, RepoPath, Task, TaskFile, TaskName, TaskText


class Sheets:
    """Task files as they were ticked last."""

    def __init__(
        self,
        dialects: Mapping[str, Callable[[bytes, RepoPath], TaskFile]],
        dialect_of: Mapping[RepoPath, str],
        parsed: Mapping[RepoPath, tuple[bytes, TaskFile]] | None = None,
    ) -> None:
        """`parsed`: files as they are now, read already."""
        self._parse = {path: dialects[name] for path, name in dialect_of.items() if name in dialects}
        self._sheets: dict[RepoPath, tuple[bytes, TaskFile]] = dict(parsed or {})
        self._named: dict[RepoPath, tuple[Sequence[TaskText], _Texts]] = {}

    def tick(self, task: Task, snapshot: Snapshot) -> Mapping[RepoPath, bytes]:
        """The task's file with its box ticked, and those of groups that this completes; {}: nothing to do."""
        from specbuild.taskfile.ticks import boxes_of, set_boxes  # noqa: PLC0415  (a look needs no parser)

        path = task.name.file
        data = snapshot.read(path)
        if data is None:
            return {}
        file = self._read(path, data)
        texts = self._texts(path, file)
        text = texts.find(task.text)
        if text is None:
            return {}
        wanted = [box for box in boxes_of(text) if not file.boxes[box].ticked]
        ticked = {*wanted}
        for group in texts.groups_above(text):
            boxes = boxes_of(group)
            below = [box for child in texts.children(group) for box in boxes_of(child)]
            if all(file.boxes[box].ticked or box in ticked for box in below):
                ticked.update(box for box in boxes if not file.boxes[box].ticked)
        if not ticked:
            return {}
        new = set_boxes(data, file, sorted(ticked), ticked=True)
        if len(new) == len(data):  # the same places: no need to parse it again
            boxes_ = list(file.boxes)
            for box in ticked:
                boxes_[box] = Box(boxes_[box].start, boxes_[box].end, ticked=True)
            self._sheets[path] = (new, replace(file, boxes=tuple(boxes_)))
        return {path: new}

    def _texts(self, path: RepoPath, file: TaskFile) -> "_Texts":
        held = self._named.get(path)
        if held is None or held[0] is not file.tasks:
            held = self._named[path] = (file.tasks, _Texts(file.tasks))
        return held[1]

    def restore(self, path: RepoPath, before: bytes, after: bytes) -> bytes:
        """`after` with the boxes that `before` has on the same lines; boxes on new lines are empty."""
        old, new = self._read(path, before), self._read(path, after)
        known: dict[bytes, list[bytes]] = defaultdict(list)
        for line, content in _boxed_lines(before, old, path):
            known[line].append(content)
        pieces: list[bytes] = []
        position = 0
        for box, (line, content) in zip(new.boxes, _boxed_lines(after, new, path), strict=True):
            held = known[line].pop(0) if known[line] else (b" " if box.ticked else content)
            pieces += [after[position : box.start], held]
            position = box.end
        return b"".join([*pieces, after[position:]])

    def _read(self, path: RepoPath, data: bytes) -> TaskFile:
        held = self._sheets.get(path)
        if held is not None and held[0] == data:
            return held[1]
        from specbuild.taskfile import parse  # noqa: PLC0415  (as above)

        file = self._parse.get(path, parse)(data, path)
        self._sheets[path] = (data, file)
        return file


def _boxed_lines(data: bytes, file: TaskFile, path: RepoPath) -> list[tuple[bytes, bytes]]:
    """For each box its line without boxes, and what the box holds."""
    from specbuild.taskfile.ticks import emptied  # noqa: PLC0415  (as above)

    found = []
    for box in file.boxes:
        start = data.rfind(b"\n", 0, box.start) + 1
        end = data.find(b"\n", box.end)
        line = data[start : len(data) if end == -1 else end].strip()
        found.append((emptied(line, path), data[box.start : box.end]))
    return found


class _Texts:
    """The tasks of a file by what is asked of them; ticks leave it as it is."""

    def __init__(self, tasks: Sequence[TaskText]) -> None:
        self._by_definition: dict[str, list[TaskText]] = defaultdict(list)
        self._by_name: dict[TaskName, TaskText] = {}
        self._groups: dict[str, TaskText] = {}
        self._children: dict[str | None, list[TaskText]] = defaultdict(list)
        for text in tasks:
            self._by_definition[text.definition].append(text)
            self._by_name.setdefault(text.name, text)
            self._children[text.parent].append(text)
            if text.group:
                self._groups[text.name.id] = text

    def find(self, wanted: TaskText) -> TaskText | None:
        same = self._by_definition.get(wanted.definition, ())
        return same[0] if len(same) == 1 else self._by_name.get(wanted.name)

    def groups_above(self, text: TaskText) -> list[TaskText]:
        found: list[TaskText] = []
        parent = text.parent
        while parent is not None and parent in self._groups:
            found.append(self._groups[parent])
            parent = self._groups[parent].parent
        return found

    def children(self, group: TaskText) -> Sequence[TaskText]:
        return self._children.get(group.name.id, ())
