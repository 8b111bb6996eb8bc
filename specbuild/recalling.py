"""What checkpoints say of the paths of tasks whose text is as it was."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from specbuild.engine.checkpoint import ABSENT, Checkpoint, Recorded
from specbuild.engine.paths import outside
from specbuild.engine.task import RepoPath, TaskText


class Paths(NamedTuple):
    """What a task makes and looks at, apart from its declared inputs."""

    targets: tuple[RepoPath, ...]
    written: tuple[str, ...]
    reads: tuple[RepoPath, ...] = ()
    absent: frozenset[RepoPath] = frozenset()
    unresolved: tuple[str, ...] = ()

    def declared(self, targets: tuple[RepoPath, ...], written: tuple[str, ...]) -> "Paths":
        """With declared targets in place of those that were inferred."""
        reads = tuple(path for path in self.reads if path not in targets)
        return Paths(targets, written, reads, self.absent & frozenset(targets))


class Recall:
    """The newest checkpoint of a text whose definition it records."""

    def __init__(self, everywhere: Sequence[str], recorded: Callable[[str], Iterable[Recorded]]) -> None:
        """`everywhere`: the definitions of all texts, groups included; `recorded`: newest first."""
        self._count = Counter(everywhere)
        self._recorded = recorded

    def of(self, text: TaskText) -> Checkpoint | None:
        for recorded in self._recorded(text.definition):
            is_its = self._count[text.definition] == 1 or recorded.checkpoint.name == text.name
            if is_its and not recorded.undone:
                return recorded.checkpoint
        return None


def as_recorded(text: TaskText, checkpoint: Checkpoint) -> Paths:
    """The paths of a checkpoint; its line is text that anybody may have written."""
    return Paths(
        targets=tuple(path for path in checkpoint.targets if outside(path) is None),
        written=targets_in_prose(text),
        reads=checkpoint.reads,
        absent=frozenset(path for path, result in checkpoint.targets.items() if result == ABSENT),
    )


def targets_in_prose(text: TaskText) -> tuple[str, ...]:
    return tuple([mention.written for mention in text.mentions if mention.role == "target"])
