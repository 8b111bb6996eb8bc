"""What a run is about, read from one snapshot: tasks in a graph, and how their files are ticked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from specbuild.engine.graph import Graph
from specbuild.engine.inputs import Emptied
from specbuild.engine.ports import Snapshot
from specbuild.engine.task import RepoPath, Task, TaskText, Warning_


@dataclass(frozen=True, slots=True)
class Project:
    """All task files of a repository as one graph."""

    graph: Graph
    files: tuple[RepoPath, ...]  # all task files, in order
    sources: frozenset[RepoPath]  # task files, specbuild.toml, templates, plugin files: edits are committed
    task_files: Mapping[RepoPath, Emptied]
    tick: Callable[[Task, Snapshot], Mapping[RepoPath, bytes]]  # task files with the task's box ticked
    restore_boxes: Callable[[RepoPath, bytes, bytes], bytes]  # path, before, after: after with before's boxes
    groups: tuple[TaskText, ...] = ()
    warnings: tuple[Warning_, ...] = ()
    reports: frozenset[RepoPath] = frozenset()  # documents about the work, which are no inputs


@dataclass(frozen=True, slots=True)
class Settings:
    """What specbuild.toml and the command line say of the run as a whole."""

    tick: bool = True
    save_inputs: bool = True  # False: edited inputs stop the run
    subject: str = "{id} {title}"
    run_hooks: bool = False  # git's hooks see each commit, and may refuse it
    reuse: bool = True
    reuse_from: tuple[str, ...] = ("refs/heads/*",)
    jobs: int = 1
    overlap: str = "none"  # "none", "marked" ([P] tasks), "all"
    keep_going: bool | None = None  # None: as the number of jobs says
    limit: int | None = None
    budget_usd: float | None = None  # what the run's agents may cost
    budget_tokens: int | None = None
    values: Mapping[str, str] = field(default_factory=dict)  # further placeholders: filter

    @property
    def workers(self) -> int:
        """How many tasks may run at once."""
        return self.jobs if self.overlap != "none" else 1
