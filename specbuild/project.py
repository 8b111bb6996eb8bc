"""A project with what it is made of: its files, its config, and the pieces that can be kept."""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from specbuild.config import Config, Decision, TaskSource, parse
from specbuild.config.settings import FILE as CONFIG
from specbuild.engine.checkpoint import Recorded
from specbuild.engine.glob import is_glob
from specbuild.engine.graph import Graph
from specbuild.engine.modes import SUBMODULE, SYMLINK
from specbuild.engine.ports import History, Snapshot
from specbuild.engine.project import Project
from specbuild.engine.task import RepoPath, TaskFile, TaskText, Warning_
from specbuild.errors import ConfigError
from specbuild.recalling import Paths, Recall, as_recorded
from specbuild.ticking import Sheets

if TYPE_CHECKING:
    from specbuild.making import Dialect

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
    groups: tuple[TaskText, ...]

    @staticmethod
    def of(loaded: Loaded) -> "Pieces":
        project = loaded.project
        return Pieces(
            project.graph,
            loaded.config,
            loaded.decisions,
            loaded.parsed,
            loaded.sources,
            project.warnings,
            project.groups,
        )


def assembled(pieces: Pieces, snapshot: Snapshot, dialects: "Mapping[str, Dialect] | None" = None) -> Loaded:
    """The project of its pieces, which are of this snapshot."""
    graph, config, decisions, parsed, sources, warnings, groups = pieces
    read = {path: (snapshot.read(path) or b"", file) for path, file in parsed.items()}
    sheets = Sheets(dialects or {}, {s.file: s.dialect for s in sources if s.dialect}, read)
    files = tuple(parsed)
    project = Project(
        graph=graph,
        files=files,
        sources=frozenset([*files, CONFIG, *_templates(config), *config.plugins.load]),
        task_files=dict.fromkeys(files, _emptied),
        tick=sheets.tick,
        restore_boxes=sheets.restore,
        groups=groups,
        warnings=warnings,
        reports=frozenset(posixpath.normpath(report.path) for report in config.reports),
    )
    return Loaded(project, config, decisions, parsed, sources)


def _emptied(path: RepoPath, data: bytes) -> bytes:
    from specbuild.taskfile.ticks import emptied  # noqa: PLC0415  (a look at what is known needs no parser)

    return emptied(data, path)


def read_config(snapshot: Snapshot) -> Config:
    """specbuild.toml of a snapshot; a missing one is the default."""
    if (kind := no_file(snapshot, CONFIG)) is not None:
        raise ConfigError(f"it is a {kind}, not a file", where=CONFIG, hint="put the file itself there")
    data = snapshot.read(CONFIG)
    if data is None:
        return Config()
    try:
        return parse(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"it is not UTF-8 (byte {error.start})", where=CONFIG) from error


def no_file(snapshot: Snapshot, path: RepoPath) -> str | None:
    """What stands in the place of a file that is to be read; None: a file, or nothing."""
    entry = snapshot.entry(path)
    if entry is None:
        return "folder" if snapshot.exists(f"{path}/") else None
    return {SYMLINK: "symlink", SUBMODULE: "submodule"}.get(entry.mode)


def find_files(snapshot: Snapshot, config: Config) -> tuple[TaskSource, ...]:
    """The task files, in order: as config lists them, else the default places by path."""
    if config.tasks is None:
        found = {path for pattern in DEFAULT_FILES for path in snapshot.glob(pattern)}
        return tuple(TaskSource(path) for path in sorted(found))
    sources: dict[RepoPath, TaskSource] = {}
    for source in config.tasks:
        paths = snapshot.glob(source.file) if is_glob(source.file) else [source.file]
        there = snapshot.entry(source.file) is not None or no_file(snapshot, source.file) is not None
        if not there and not is_glob(source.file):
            raise ConfigError(
                f'tasks names "{source.file}", which is not there', where=f"{config.file}:{source.line or 1}"
            )
        for path in paths:
            sources.setdefault(path, source._replace(file=path))
    return tuple(sources.values())


def recalled_alike(loaded: Loaded, history: History, new: Sequence[Recorded]) -> bool:
    """Whether checkpoints that came since leave all tasks' paths, and what was said of them, as they are."""
    definitions = {recorded.checkpoint.definition for recorded in new}
    if not definitions:
        return True
    graph = loaded.project.graph
    everywhere = [*graph.definitions, *(group.definition for group in loaded.project.groups)]
    concerned = [position for position, each in enumerate(graph.definitions) if each in definitions]

    def recorded(definition: str) -> Iterator[Recorded]:
        yield from (found for found in reversed(new) if found.checkpoint.definition == definition)
        yield from history.with_definition(definition)

    recall = Recall(everywhere, recorded)
    warned = {(warning.file, warning.line) for warning in loaded.project.warnings}
    for position in concerned:
        task, checkpoint = graph.tasks[position], recall.of(graph.tasks[position].text)
        if checkpoint is None:
            continue
        then = Paths(task.targets, task.targets_written, task.reads, task.absent, task.unresolved)
        now = as_recorded(task.text, checkpoint)
        if task.targets_declared:
            now = now.declared(task.targets, task.targets_written)
        if then != now or (task.name.file, task.text.line) in warned:
            return False
    return True


def _templates(config: Config) -> list[RepoPath]:
    found = (options.get("template") for options in config.executors.values())
    return [path for path in found if isinstance(path, str)]


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


__all__ = [
    "CONFIG",
    "DEFAULT_FILES",
    "Loaded",
    "Pieces",
    "assembled",
    "find_files",
    "read_config",
    "recalled_alike",
    "reported_files",
]
