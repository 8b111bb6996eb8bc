"""What the placeholders of a recipe stand for."""

from collections.abc import Mapping, Sequence

from specbuild.engine.task import RepoPath, Task


def values(task: Task, inputs: Sequence[RepoPath]) -> Mapping[str, str | list[str]]:
    """Placeholder names with one text, or a list of texts, each."""
    text = task.text
    return {
        "id": text.name.id,
        "title": text.title,
        "target": task.targets[0] if task.targets else "",
        "targets": list(task.targets),
        "inputs": list(inputs),
        "story": text.story or "",
        "phase": text.phase or "",
        "priority": f"P{text.priority}" if text.priority else "",
        "file": text.name.file,
    }
