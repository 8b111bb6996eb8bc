"""Reads a snapshot into a project: task files, rules and recorded paths become tasks in a graph."""

import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from specbuild.config import Config, Decider, Decision, TaskSource, check_executors, parse
from specbuild.config.settings import FILE as CONFIG
from specbuild.engine.checkpoint import Checkpoint, Recorded
from specbuild.engine.glob import is_glob
from specbuild.engine.graph import Graph
from specbuild.engine.graph import build as build_graph
from specbuild.engine.needs import resolve_needs
from specbuild.engine.ownership import owned
from specbuild.engine.ports import History, Snapshot
from specbuild.engine.project import Project
from specbuild.engine.task import RepoPath, Task, TaskFile, TaskText, Warning_
from specbuild.errors import ConfigError, TaskFileError
from specbuild.making import Dialect, Known, Maker, Paths, as_recorded, decided
from specbuild.refusals import refuse
from specbuild.taskfile import parse as parse_tasks
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


@dataclass(frozen=True, slots=True)
class Loaded:
    """A project with what it was made from."""

    project: Project
    config: Config
    decisions: Mapping[int, Decision]  # by position
    parsed: Mapping[RepoPath, TaskFile]
    sources: tuple[TaskSource, ...]


class Pieces(NamedTuple):
    """What a project is made of, as values that can be kept."""

    graph: Graph
    config: Config
    decisions: Mapping[int, Decision]
    parsed: Mapping[RepoPath, TaskFile]
    sources: tuple[TaskSource, ...]
    warnings: tuple[Warning_, ...]

    @staticmethod
    def of(loaded: Loaded) -> "Pieces":
        graph, warnings = loaded.project.graph, loaded.project.warnings
        return Pieces(graph, loaded.config, loaded.decisions, loaded.parsed, loaded.sources, warnings)


def assembled(pieces: Pieces, snapshot: Snapshot, dialects: Mapping[str, Dialect] | None = None) -> Loaded:
    """The project of its pieces, which are of this snapshot."""
    graph, config, decisions, parsed, sources, warnings = pieces
    read = {path: (snapshot.read(path) or b"", file) for path, file in parsed.items()}
    sheets = Sheets(dialects or {}, {s.file: s.dialect for s in sources if s.dialect}, read)
    files = tuple(parsed)
    project = Project(
        graph=graph,
        files=files,
        sources=frozenset([*files, CONFIG, *_templates(config), *config.plugins.load]),
        task_files=dict.fromkeys(files, lambda path, data: emptied(data, path)),
        tick=sheets.tick,
        restore_boxes=sheets.restore,
        groups=tuple(text for file in parsed.values() for text in file.tasks if text.group),
        warnings=warnings,
        reports=frozenset(posixpath.normpath(report.path) for report in config.reports),
    )
    return Loaded(project, config, decisions, parsed, sources)


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
    check_executors(config, known.names, texts)
    recall = _Recall(texts, recorded)
    warnings = [warning for file in parsed.values() for warning in file.warnings]
    decide = Decider(config, known.defaults)
    pairs = [decided(text, decide) for text in texts]
    needs = resolve_needs([text for text, _ in pairs])
    maker = Maker(snapshot, known, needs)
    tasks: list[Task] = []
    decisions: dict[int, Decision] = {}
    roots = {source.file: source.root for source in sources}
    for text, decision in pairs:
        if decision is None:
            continue
        task, found = maker.task(text, decision, roots[text.name.file], recall.of(text))
        decisions[len(tasks)] = decision
        warnings += found
        tasks.append(task)
    shared = owned(tasks)
    warnings += _ownership_warnings(tasks, shared)
    graph = build_graph(shared)
    pieces = Pieces(graph, config, decisions, parsed, sources, (*warnings, *graph.warnings))
    loaded = assembled(pieces, snapshot, known.dialects)
    refuse(loaded.project, snapshot)
    return loaded


def recalled_alike(loaded: Loaded, history: History, new: Sequence[Recorded]) -> bool:
    """Whether checkpoints that came since leave all tasks' paths, and what was said of them, as they are."""
    definitions = {recorded.checkpoint.definition for recorded in new}
    if not definitions:
        return True
    texts = [text for file in loaded.parsed.values() for text in file.tasks]
    concerned = [text for text in texts if text.definition in definitions]
    recall = _Recall(texts, [r for text in concerned for r in history.concerning(text.name, text.definition)])
    warned = {(warning.file, warning.line) for warning in loaded.project.warnings}
    graph = loaded.project.graph
    for position in (graph.index[text.name] for text in concerned if not text.group):
        task, checkpoint = graph.tasks[position], recall.of(graph.tasks[position].text)
        if checkpoint is None or loaded.decisions[position].targets is not None:
            continue
        now = Paths(task.targets, task.targets_written, task.reads, task.absent, task.unresolved)
        if now != as_recorded(task.text, checkpoint) or (task.name.file, task.text.line) in warned:
            return False
    return True


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
