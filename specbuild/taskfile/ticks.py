"""Boxes, byte for byte: ticking them, and telling a file's words from its ticks."""

from collections.abc import Iterable, Sequence

from specbuild.engine.task import Box, RepoPath, TaskFile, TaskText
from specbuild.errors import TaskFileError
from specbuild.taskfile.lines import scan


def boxes_of(task: TaskText) -> tuple[int, ...]:
    """Indexes of the boxes that show whether a task is done: its own, or a heading task's checklist."""
    return task.checklist if task.box is None else (task.box,)


def set_boxes(data: bytes, file: TaskFile, indexes: Iterable[int], *, ticked: bool) -> bytes:
    """`data`, which `file` was parsed from, with boxes ticked or emptied; what is so already stays."""
    changed = {file.boxes[index] for index in indexes if file.boxes[index].ticked is not ticked}
    return _filled(data, sorted(changed), b"x" if ticked else b" ")


def emptied(data: bytes, path: RepoPath) -> bytes:
    """A task file as it counts as an input: every box empty, so that a tick changes nothing."""
    try:
        return _filled(data, boxes(data, path), b" ")
    except TaskFileError:
        return data


def boxes(data: bytes, path: RepoPath) -> list[Box]:
    """All boxes of a file, in its order."""
    places = [line.box for line in scan(data, path).lines if line.box is not None]
    return [Box(place.start, place.end, place.ticked) for place in places]


def _filled(data: bytes, places: Sequence[Box], content: bytes) -> bytes:
    parts: list[bytes] = []
    done = 0
    for box in places:
        parts += [data[done : box.start], content]
        done = box.end
    parts.append(data[done:])
    return b"".join(parts)
