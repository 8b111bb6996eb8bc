"""The one place where real parts are put together: a repository, its tasks, and what judges them."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from specbuild.cli.memo import Asked, Look, Memo
from specbuild.cli.memo import read as read_memo
from specbuild.cli.memo import write as write_memo
from specbuild.cli.standing import Standing
from specbuild.engine.filter import Facts, Filter, file_order
from specbuild.engine.filter import parse as parse_filter
from specbuild.engine.judge import Judge
from specbuild.engine.ports import Snapshot
from specbuild.engine.task import Oid, RepoPath, Task, TaskName, TaskText
from specbuild.engine.verdict import Verdict
from specbuild.errors import RepositoryError, UsageError
from specbuild.git.history import GitHistory
from specbuild.git.repository import Repository
from specbuild.git.snapshot import WorkingTree
from specbuild.git.tree import CommitSnapshot
from specbuild.project import Loaded, read_config, reported_files

if TYPE_CHECKING:
    from specbuild.engine.events import Outcome
    from specbuild.plugins import Registry

tasks_option = click.option(
    "--tasks", "tasks", multiple=True, metavar="FILE", help="Only the tasks of this file; may be repeated."
)
all_option = click.option("--all", "everything", is_flag=True, help="The tasks of all task files.")
filter_option = click.option("--filter", "-f", "filter_", metavar="EXPRESSION", help="Only tasks that match.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
at_option = click.option("--at", "at", metavar="REV", help="Judge this commit instead of the working tree.")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which files and tasks a command is about."""

    tasks: tuple[RepoPath, ...] = ()
    everything: bool = False
    filter: str | None = None


class Here:
    """A repository as a command sees it: the working tree, or one commit."""

    def __init__(self, selection: Selection, *, at: str | None = None) -> None:
        self.repository = Repository.open(os.getcwd())
        self.selection = selection
        if at is None and self.repository.is_bare:
            raise RepositoryError(
                "a bare repository has no working tree", hint="name a commit, e.g. specbuild check HEAD"
            )
        self.commit: Oid | None = self.repository.head if at is None else self._commit_of(at)
        self.at = at

    def _commit_of(self, revision: str) -> Oid:
        try:
            return self.repository.resolve(revision)
        except RepositoryError as error:  # a slip of the pen, not a state of the repository
            raise UsageError(error.what, hint=error.hint) from error

    @cached_property
    def snapshot(self) -> WorkingTree | CommitSnapshot:
        if self.at is None:
            return WorkingTree(self.repository)
        assert self.commit is not None  # noqa: S101  (resolve raises otherwise)
        return CommitSnapshot(self.repository, self.commit)

    @property
    def tree(self) -> WorkingTree:
        assert isinstance(self.snapshot, WorkingTree)  # noqa: S101  (only commands without --at ask)
        return self.snapshot

    @cached_property
    def history(self) -> GitHistory:
        return GitHistory(self.repository, self.commit)

    @cached_property
    def registry(self) -> "Registry":
        from specbuild.plugins import Registry

        return Registry(read_config(self.snapshot), self.snapshot.read)

    @property
    def _look(self) -> Look:
        return Look(self.repository, self.snapshot, self.history, self.commit)

    @cached_property
    def _memo(self) -> Memo | None:
        """What still holds of what was found last time."""
        return None if self.named_files else read_memo(self._look)

    @cached_property
    def _asked(self) -> Asked:
        return Asked(self.snapshot)

    @cached_property
    def loaded(self) -> Loaded:
        return self._memo.loaded if self._memo is not None else self.load(self._asked)

    def take_out(self) -> None:
        """Reads all of a memo at once: what follows looks at each task again and again."""
        loaded = self.loaded
        graph = loaded.project.graph
        graph = replace(graph, tasks=tuple(graph.tasks), edges=tuple(graph.edges))
        self.loaded = replace(loaded, project=replace(loaded.project, graph=graph))

    def forget(self) -> None:
        """specbuild.toml was changed: what was made of it as it was is made anew."""
        for name in ("registry", "loaded", "judge", "reported", "_memo", "_asked"):
            self.__dict__.pop(name, None)

    def memorise(self) -> None:
        """Keeps what was read and judged for the next process; not in a server's repository."""
        if not self.named_files and not self.repository.is_bare:
            files = self.registry.files.values() if self._memo is None else ()
            write_memo(self._look, self.loaded, self.judge, self._memo or self._asked, files)

    def load(self, snapshot: Snapshot) -> Loaded:
        """The project of a snapshot; knows executors without loading code of the repository."""
        from specbuild.loading import load
        from specbuild.making import Known

        config = read_config(snapshot)
        known = Known(
            self.registry.defaults,
            self.registry.names,
            files=self.registry.files,
            dialects=self.registry.dialects(),
        )
        return load(snapshot, self.history, known, extra=self.named_files, config=config)

    @cached_property
    def named_files(self) -> tuple[RepoPath, ...]:
        """The files of `--tasks`, relative to where the command was called, as paths of the repository."""
        if self.repository.is_bare:
            return self.selection.tasks
        top = os.path.realpath(self.repository.top)
        found = []
        for name in self.selection.tasks:
            path = os.path.relpath(os.path.realpath(name), top).replace(os.sep, "/")
            if path.startswith("../"):
                raise UsageError(f"--tasks {name} is outside the repository", hint=f"its top folder is {top}")
            found.append(path)
        return tuple(found)

    @cached_property
    def judge(self) -> Judge:
        return self.judge_of(self.loaded, self.standing)

    @property
    def standing(self) -> Standing | None:
        """The verdicts of last time that still stand."""
        return None if self._memo is None else self._memo.verdicts

    def judge_of(self, loaded: Loaded, known: Standing | None = None) -> Judge:
        return Judge(
            loaded.project.graph,
            self.snapshot,
            self.history,
            task_files=loaded.project.task_files,
            environment=os.environ,
            never=loaded.project.reports,
            known=known,
            well=frozenset() if known is None else known.well,
        )

    @cached_property
    def reported(self) -> frozenset[RepoPath]:
        branch = self.repository.branch
        return frozenset(
            reported_files(
                self.loaded, tasks=self.named_files, everything=self.selection.everything, branch=branch
            )
        )

    @cached_property
    def filter(self) -> Filter | None:
        return None if self.selection.filter is None else parse_filter(self.selection.filter)

    def reported_positions(self) -> list[int]:
        """The tasks of the reported files, optional ones included, in order."""
        return _of_files(self.loaded, self.reported)

    def refuse_cut(self, verdicts: Sequence[Verdict]) -> None:
        """Raises where a verdict says that no checkpoint was found, and history is cut."""
        codes = {"never-run", "dependency-changed"}
        if self.history.cut:
            for verdict in verdicts:
                if verdict.checkpoint is None and (
                    verdict.state == "claimed" or codes & {reason.code for reason in verdict.reasons}
                ):
                    self.history.refuse_cut("a task's checkpoint")

    def tree_key(self) -> str | None:
        """Names the tree as it stands, task files aside; None: it is not clean."""
        from specbuild.engine.result import of_folder

        project = self.loaded.project
        aside = {*project.files, *project.reports}
        if self.tree.dirty() - aside or self.repository.head is None:
            return None
        files = CommitSnapshot(self.repository, self.repository.head).below("")
        return of_folder("", {p: e for p, e in files.items() if p not in aside})

    @property
    def tasks(self) -> Sequence[Task]:
        return self.loaded.project.graph.tasks

    @property
    def executors(self) -> Mapping[str, str]:
        """The executors of all tasks, and where each is named first."""
        return {task.executor: task.recipe_where for task in reversed(self.tasks) if task.executor}

    def chosen(self) -> list[int]:
        """Positions of the tasks that the files and the filter choose, in order.

        Raises UsageError where a filter chooses none.
        """
        return choose(self.loaded, self.judge, self.reported, self.filter, lambda: self.outcomes)

    @cached_property
    def outcomes(self) -> "Mapping[TaskName, Outcome]":
        """What became of tasks in the last run, where its log still is."""
        from specbuild.runlog.reading import last_outcomes, read_runs

        return last_outcomes(read_runs(self.runs_folder))

    @property
    def runs_folder(self) -> str:
        return os.path.join(self.repository.state_dir, "runs")

    def find(self, reference: str) -> int:
        """The position of the task that a command names by id or full name."""
        graph = self.loaded.project.graph
        wanted = reference.casefold()
        found = [
            position
            for position, task in enumerate(graph.tasks)
            if wanted in {task.name.id.casefold(), str(task.name).casefold()}
        ]
        if len(found) > 1:
            ours = [position for position in found if graph.tasks[position].name.file in self.named_files]
            found = ours or found
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(str(graph.tasks[position].name) for position in found)
            raise UsageError(f"several tasks are called {reference}", hint=f"write one of {names}")
        raise UsageError(f"no task is called {reference}", hint=_nearest(reference, graph.tasks))


def _nearest(reference: str, tasks: Sequence[Task]) -> str:
    from difflib import get_close_matches

    ids = [task.name.id for task in tasks]
    near = get_close_matches(reference, ids, n=1, cutoff=0.3) or ids[:1]
    return f"the nearest one is {near[0]}" if near else "the task files have no tasks"


def choose(
    loaded: Loaded,
    judge: Judge,
    reported: frozenset[RepoPath],
    filter_: Filter | None,
    outcomes: "Callable[[], Mapping[TaskName, Outcome]]",
) -> list[int]:
    """Positions of the tasks that files and filter choose; raises UsageError where a filter chooses none.

    `outcomes` of the last run are asked for where the filter wants them: its log may be long.
    """
    graph = loaded.project.graph
    wanted = _of_files(loaded, reported)
    if filter_ is None:
        return [position for position in wanted if position not in graph.optional]
    order = file_order(task.text for task in graph.tasks)
    last = outcomes() if "failed" in filter_.words else {}
    found = []
    for position in wanted:
        task = graph.tasks[position]
        facts = Facts(
            targets=(*task.targets, *task.targets_written),
            executor=task.executor,
            stale=judge.verdict(position).stale if "stale" in filter_.words else None,
            failed=last.get(task.name) == "failed",
            order=order,
        )
        named = not task.text.optional or filter_.names(task.text, facts)
        if named and filter_.matches(task.text, facts):
            found.append(position)
    if not found:
        raise UsageError("the filter chooses no task", hint="specbuild lint lists what there is")
    return found


def _of_files(loaded: Loaded, files: frozenset[RepoPath]) -> list[int]:
    """Positions of the tasks of these files, in order."""
    return [position for name, position in loaded.project.graph.index.items() if name.file in files]


@contextmanager
def saved_cache(here: Here) -> Iterator[None]:
    """Keeps what was hashed and read for the next process; that nothing can be written is no failure."""
    try:
        yield
    finally:
        if isinstance(here.snapshot, WorkingTree):
            here.snapshot.save()
            here.history.save()


def short_ids(here: Here) -> Callable[[TaskName], str]:
    """The id where it is unique, else the full name."""
    ids: dict[str, int] = {}
    for name in here.loaded.project.graph.index:
        ids[name.id] = ids.get(name.id, 0) + 1
    return lambda name: name.id if ids.get(name.id, 0) < 2 else str(name)


def task_document(here: Here, position: int, verdict: Verdict) -> dict[str, Any]:
    """A task as `status --json` has it (SPEC section 9)."""
    graph = here.loaded.project.graph
    task = graph.tasks[position]
    text: TaskText = task.text
    recorded = verdict.checkpoint
    return {
        "name": str(text.name),
        "id": text.name.id,
        "file": text.name.file,
        "line": text.line,
        "title": text.title,
        "phase": text.phase,
        "story": text.story,
        "priority": f"P{text.priority}" if text.priority else None,
        "parallel": text.parallel,
        "labels": list(text.labels),
        "body": text.body,
        "targets": list(task.targets),
        "reads": list(task.reads),
        "inputs": list(judge_inputs(here, position)),
        "needs": [str(name) for name in task.needs],
        "edges": [
            {"from": str(edge.source), "kind": edge.kind, "content": edge.content, "path": edge.path}
            for edge in graph.all_edges(position)
        ],
        "executor": task.executor,
        "on_edit": task.on_edit,
        "ticked": text.ticked,
        "verdict": verdict.state,
        "may_run": verdict.may_run,
        "reasons": [reason.to_json() for reason in verdict.reasons],
        "outcome": here.outcomes.get(task.name) if here.at is None else None,
        "checkpoint": None
        if recorded is None
        else {
            "commit": recorded.commit,
            "key": recorded.checkpoint.key,
            "seconds": recorded.checkpoint.seconds,
            "executor": recorded.checkpoint.executor,
            "time": recorded.time,
        },
    }


def judge_inputs(here: Here, position: int) -> Sequence[RepoPath]:
    """Declared inputs as files, with what they read of others."""
    return here.judge.inputs(position).paths


def print_json(document: Mapping[str, Any]) -> None:
    """One document on stdout; text that is not UTF-8 is escaped."""
    import json

    click.echo(json.dumps({"version": 1, **document}, indent=2, ensure_ascii=True, default=str))
