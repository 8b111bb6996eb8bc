"""What a run is asked for, and whom it may ask back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from specbuild.engine.judge import Judge
from specbuild.engine.plan import Choice
from specbuild.engine.project import Project
from specbuild.engine.task import Entry, RepoPath, Task, TaskName


class Review(NamedTuple):
    """What a person says of a task's difference."""

    decision: Literal["accept", "retry", "reject"]
    note: str = ""


Reviewer = Callable[[Task, Mapping[RepoPath, tuple[Entry | None, Entry | None]]], Review]
"""Is shown what a task changed, path by path: before, after (None: absent)."""


@dataclass(frozen=True, slots=True)
class Request:
    """What this run was asked for, by task name so that it outlives a changed plan."""

    choice: Callable[[Project, Judge], Choice]
    forced: frozenset[TaskName] = frozenset()
    first: frozenset[TaskName] = frozenset()  # what failed last time (--continue)
    leave: Callable[[Sequence[TaskName]], bool] = lambda _names: False  # to repeat `keep` tasks
    gates: Callable[[str, str | None], bool] | None = None  # at ("phase", "end"), phase -> passed
    review: Reviewer | None = None  # None: nobody is there to ask
    dirty: frozenset[RepoPath] | None = None  # what was edited before the run; None: unknown
