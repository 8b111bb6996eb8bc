"""Reads a snapshot into a project: task files, rules and recorded paths become tasks in a graph."""

import posixpath
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from specbuild.config import Config, Decision, ExecutorDefaults, TaskSource, parse
from specbuild.config.settings import FILE as CONFIG
from specbuild.engine.checkpoint import ABSENT, Checkpoint, Recorded
from specbuild.engine.glob import is_glob
from specbuild.engine.graph import build as build_graph
from specbuild.engine.needs import resolve_needs
from specbuild.engine.ownership import owned
from specbuild.engine.ports import Snapshot
from specbuild.engine.project import Project
from specbuild.engine.task import Need, RepoPath, Task, TaskFile, TaskText, Warning_
from specbuild.errors import ConfigError, TaskFileError
from specbuild.refusals import refuse
from specbuild.taskfile import parse as parse_tasks
from specbuild.taskfile.foreseen import Foreseen
from specbuild.taskfile.links import Leaves, Links
from specbuild.taskfile.paths import normal, outside, resolve
from specbuild.taskfile.ticks import emptied
from specbuild.ticking import Sheets

DEFAULT_FILES = (
    "tasks.md",
    "specs/*/tasks.md",
    "features/*/tasks.md",
    ".kiro/specs/*/tasks.md",
    "openspec/changes/*/tasks.md",
    ".spec-workflow/specs/*/tasks.md",
)

Dialect = Callable[[bytes, RepoPath], TaskFile]


class Known(NamedTuple):
    """What is known of executors and dialects without running any code of the repository."""

    defaults: Callable[[str], ExecutorDefaults | None]
    names: Collection[str]
    files: Mapping[str, RepoPath] = {}  # executor -> the repository's file that holds it
    dialects: Mapping[str, Dialect] = {}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A project with what it was made from."""

    project: Project
    config: Config
    decisions: Mapping[int, Decision]  # by position
    parsed: Mapping[RepoPath, TaskFile]
    sources: tuple[TaskSource, ...]


def read_config(snapshot: Snapshot) -> Config:
    """specbuild.toml of a snapshot; a missing one is the default."""
    data = snapshot.read(CONFIG)
    if data is None:
        return Config()
    try:
        return parse(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"it is not UTF-8 (byte {error.start})", where=CONFIG) from error


def find_files(snapshot: Snapshot, config: Config) -> tuple[TaskSource, ...]:
    """The task files, in order: as config lists them, else the default places by path."""
    if config.tasks is None:
        found = {path for pattern in DEFAULT_FILES for path in snapshot.glob(pattern)}
        return tuple(TaskSource(path) for path in sorted(found))
    sources: dict[RepoPath, TaskSource] = {}
    for source in config.tasks:
        paths = snapshot.glob(source.file) if is_glob(source.file) else [source.file]
        if not is_glob(source.file) and snapshot.entry(source.file) is None:
            raise ConfigError(
                f'tasks names "{source.file}", which is not there', where=f"{config.file}:{source.line or 1}"
            )
        for path in paths:
            sources.setdefault(path, source._replace(file=path))
    return tuple(sources.values())


def load(
    snapshot: Snapshot,
    recorded: Sequence[Recorded],
    known: Known,
    *,
    extra: Iterable[RepoPath] = (),
    config: Config | None = None,
) -> Loaded:
    """All tasks of a snapshot, with the paths that checkpoints recorded for unchanged definitions.

    `extra`: task files named on the command line that config and the default places do not name.
    Raises TaskFileError, ConfigError or Problems with places for what cannot be understood.
    """
    config = config or read_config(snapshot)
    sources = find_files(snapshot, config)
    listed = {source.file for source in sources}
    sources += tuple(TaskSource(path) for path in extra if path not in listed)
    parsed = {source.file: _parse(snapshot, source, config, known) for source in sources}
    texts = [text for file in parsed.values() for text in file.tasks]
    config.check(known.names, texts)
    recall = _Recall(texts, recorded)
    tasks: list[Task] = []
    decisions: dict[int, Decision] = {}
    warnings = [warning for file in parsed.values() for warning in file.warnings]
    needed: list[TaskText] = []
    foreseen = Foreseen(snapshot)
    links = Links(snapshot.entry, snapshot.read)
    for source in sources:
        for text in parsed[source.file].tasks:
            if text.group:
                needed.append(text)
                continue
            decision = config.decide(text, known.defaults)
            task, found = _task(text, decision, source, foreseen, recall.of(text), links=links)
            task = replace(
                task,
                executor_blob=_executor_blob(decision, snapshot, known),
                template=decision.template,
                template_blob=_blob(decision.template, snapshot),
            )
            foreseen.add(task.targets)
            decisions[len(tasks)] = decision
            warnings += found
            tasks.append(task)
            needed.append(task.text)
    needs = resolve_needs(needed)
    tasks = [replace(task, needs=needs[task.name]) for task in tasks]
    shared = owned(tasks)
    warnings += _ownership_warnings(tasks, shared)
    graph = build_graph(shared)
    sheets = Sheets(known.dialects, {s.file: s.dialect for s in sources if s.dialect})
    files = tuple(parsed)
    project = Project(
        graph=graph,
        files=files,
        sources=frozenset([*files, CONFIG, *_templates(config), *config.plugins.load]),
        task_files=dict.fromkeys(files, lambda path, data: emptied(data, path)),
        tick=sheets.tick,
        restore_boxes=sheets.restore,
        groups=tuple(text for text in texts if text.group),
        warnings=(*warnings, *graph.warnings),
        reports=frozenset(posixpath.normpath(report.path) for report in config.reports),
    )
    loaded = Loaded(project, config, decisions, parsed, sources)
    refuse(project, snapshot)
    return loaded


def _parse(snapshot: Snapshot, source: TaskSource, config: Config, known: Known) -> TaskFile:
    data = snapshot.read(source.file)
    if data is None:
        raise TaskFileError(
            "there is no such task file", where=source.file, hint="see specbuild status --all"
        )
    if source.dialect is None:
        return parse_tasks(data, source.file)
    dialect = known.dialects.get(source.dialect)
    if dialect is None:
        raise ConfigError(
            f'tasks names dialect "{source.dialect}", which no installed plugin brings',
            where=f"{config.file}:{source.line or 1}",
            hint="there are " + (", ".join(sorted(known.dialects)) or "none"),
        )
    return dialect(data, source.file)


class _Recall:
    """The newest checkpoint of a text whose definition it records."""

    def __init__(self, texts: Sequence[TaskText], recorded: Sequence[Recorded]) -> None:
        definitions = Counter(text.definition for text in texts)
        self._unique = {definition for definition, count in definitions.items() if count == 1}
        self._found: dict[tuple[str, str], Checkpoint] = {}
        for found in recorded:
            checkpoint = found.checkpoint
            if not found.undone and checkpoint.definition in definitions:
                self._found.setdefault((checkpoint.definition, ""), checkpoint)
                self._found.setdefault((checkpoint.definition, str(checkpoint.name)), checkpoint)

    def of(self, text: TaskText) -> Checkpoint | None:
        name = "" if text.definition in self._unique else str(text.name)
        return self._found.get((text.definition, name))


def _task(
    text: TaskText,
    decision: Decision,
    source: TaskSource,
    places: Foreseen,
    checkpoint: Checkpoint | None,
    *,
    links: Links,
) -> tuple[Task, Sequence[Warning_]]:
    root = source.root
    warnings: Sequence[Warning_] = ()
    absent: frozenset[RepoPath] = frozenset()
    unresolved: tuple[str, ...] = ()
    reads: tuple[RepoPath, ...] = ()
    if decision.targets is None and checkpoint is not None:
        # the line is text that anybody may have written
        targets = tuple(path for path in checkpoint.targets if outside(path) is None)
        absent = frozenset(path for path, result in checkpoint.targets.items() if result == ABSENT)
        reads = checkpoint.reads
        written = tuple(m.written for m in text.mentions if m.role == "target")
    else:
        found = resolve(text, places, root=root)
        warnings, reads, absent = found.warnings, found.reads, found.absent
        if decision.targets is None:
            targets, unresolved = found.targets, found.unresolved
            written = tuple(m.written for m in text.mentions if m.role == "target")
        else:
            targets = written = decision.targets
            below = root if "targets" in text.keys else ""
            targets = tuple(dict.fromkeys(_real(links, normal(path, root=below)) for path in targets))
            absent = absent & frozenset(targets)
            reads = tuple(path for path in reads if path not in targets)
    shared = len(decision.inputs) - len(decision.own_inputs)
    below = root if "inputs" in text.keys else ""
    inputs = (
        *(normal(path) for path in decision.inputs[:shared]),
        *(normal(path, root=below) for path in decision.own_inputs),
    )
    inputs = tuple(dict.fromkeys(each for path in inputs for each in _followed(links, _real(links, path))))
    if decision.needs and "needs" not in text.keys and "depends on" not in text.keys:
        text = replace(
            text, needs=(*text.needs, *(Need(need, explicit=True, line=text.line) for need in decision.needs))
        )
    task = Task(
        text=text,
        targets=targets,
        absent=absent,
        targets_declared=decision.targets is not None,
        targets_written=written,
        reads=reads,
        inputs=inputs,
        unresolved=unresolved,
        executor=decision.executor,
        options=decision.options,
        recipe=decision.recipe,
        recipe_where=decision.where,
        on_edit=decision.on_edit,
        writes=decision.writes,
        isolation=decision.isolation,
        verify=decision.verify,
        timeout=decision.timeout,
        retries=decision.retries,
        env=decision.env,
        setup=decision.setup,
        review=decision.review,
        share=decision.share,
        reuse=decision.reuse,
    )
    return task, warnings


def _real(links: Links, path: RepoPath) -> RepoPath:
    """Where a path leads; one that leads out stays as it is, to be refused by that name."""
    if path.startswith("@") or outside(path):
        return path
    try:
        return links.real(path)
    except Leaves:
        return path


def _followed(links: Links, path: RepoPath) -> tuple[RepoPath, ...]:
    """An input, and what it leads to where it is a symlink: an earlier task may make that."""
    if path.startswith("@") or is_glob(path):
        return (path,)
    try:
        leads = links.end(path)
    except Leaves:
        return (path,)
    return (path,) if leads == path else (path, leads)


def _executor_blob(decision: Decision, snapshot: Snapshot, known: Known) -> str | None:
    """The blob id of the repository's file that holds a task's executor, if one does."""
    return _blob(known.files.get(decision.executor or ""), snapshot)


def _blob(path: RepoPath | None, snapshot: Snapshot) -> str | None:
    entry = snapshot.entry(path) if path else None
    return entry.oid if entry else None


def _templates(config: Config) -> list[RepoPath]:
    found = (options.get("template") for options in config.executors.values())
    return [path for path in found if isinstance(path, str)]


def _ownership_warnings(before: Sequence[Task], after: Sequence[Task]) -> list[Warning_]:
    return [
        Warning_(
            old.name.file,
            old.text.line,
            "counts-as-keep",
            f"{old.name.id} shares a target with a task whose files people edit, so it counts as keep, too",
        )
        for old, new in zip(before, after, strict=True)
        if old.on_edit != new.on_edit
    ]


# -- which files are run and reported (SPEC section 2, "Which files") --------------------------------


def reported_files(
    loaded: Loaded, *, tasks: Sequence[RepoPath], everything: bool, branch: str | None
) -> tuple[RepoPath, ...]:
    """The files whose tasks a command is about.

    Raises ConfigError with the list where several could be meant.
    """
    files = loaded.project.files
    if tasks:
        return tuple(tasks)
    if everything or loaded.config.tasks is not None or len(files) <= 1:
        return files
    if branch is not None:
        named = [path for path in files if _folder(path) and _folder(path) == branch.rsplit("/", 1)[-1]]
        if len(named) == 1:
            return tuple(named)
    unfinished = [path for path in files if any(not text.ticked for text in loaded.parsed[path].tasks)]
    if len(unfinished) == 1:
        return tuple(unfinished)
    raise ConfigError(
        "there are several task files: " + ", ".join(files), hint="choose with --tasks FILE, or take --all"
    )


def _folder(path: RepoPath) -> str:
    parts = path.split("/")
    return parts[-2] if len(parts) > 1 else ""


__all__ = ["CONFIG", "Known", "Loaded", "find_files", "load", "read_config", "reported_files"]
