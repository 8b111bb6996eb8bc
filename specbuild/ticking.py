"""Ticks boxes of task files as completions need it, without parsing a file anew for each."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace

from specbuild.engine.ports import Snapshot
from specbuild.engine.task import Box, RepoPath, Task, TaskFile, TaskText
from specbuild.taskfile import parse
from specbuild.taskfile.ticks import boxes_of, emptied, set_boxes


class Sheets:
    """Task files as they were ticked last."""

    def __init__(
        self,
        dialects: Mapping[str, Callable[[bytes, RepoPath], TaskFile]],
        dialect_of: Mapping[RepoPath, str],
    ) -> None:
        self._parse = {path: dialects[name] for path, name in dialect_of.items() if name in dialects}
        self._sheets: dict[RepoPath, tuple[bytes, TaskFile]] = {}

    def tick(self, task: Task, snapshot: Snapshot) -> Mapping[RepoPath, bytes]:
        """The task's file with its box ticked, and those of groups that this completes; {}: nothing to do."""
        path = task.name.file
        data = snapshot.read(path)
        if data is None:
            return {}
        file = self._read(path, data)
        text = _find(file, task.text)
        if text is None:
            return {}
        wanted = [box for box in boxes_of(text) if not file.boxes[box].ticked]
        ticked = {*wanted}
        for group in _groups_above(file, text):
            boxes = boxes_of(group)
            below = [box for child in _children(file, group) for box in boxes_of(child)]
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
        file = self._parse.get(path, parse)(data, path)
        self._sheets[path] = (data, file)
        return file


def _boxed_lines(data: bytes, file: TaskFile, path: RepoPath) -> list[tuple[bytes, bytes]]:
    """For each box its line without boxes, and what the box holds."""
    found = []
    for box in file.boxes:
        start = data.rfind(b"\n", 0, box.start) + 1
        end = data.find(b"\n", box.end)
        line = data[start : len(data) if end == -1 else end].strip()
        found.append((emptied(line, path), data[box.start : box.end]))
    return found


def _find(file: TaskFile, wanted: TaskText) -> TaskText | None:
    same = [text for text in file.tasks if text.definition == wanted.definition]
    if len(same) == 1:
        return same[0]
    return next((text for text in file.tasks if text.name == wanted.name), None)


def _groups_above(file: TaskFile, text: TaskText) -> list[TaskText]:
    groups = {group.name.id: group for group in file.tasks if group.group}
    found: list[TaskText] = []
    parent = text.parent
    while parent is not None and parent in groups:
        found.append(groups[parent])
        parent = groups[parent].parent
    return found


def _children(file: TaskFile, group: TaskText) -> list[TaskText]:
    return [text for text in file.tasks if text.parent == group.name.id]
