"""Reads a snapshot into a project: task files, rules and recorded paths become tasks in a graph."""

import os
import posixpath
from collections.abc import Iterable, Sequence

from specbuild.config import Config, Decider, Decision, TaskSource, check_executors
from specbuild.engine.graph import build as build_graph
from specbuild.engine.needs import resolve_needs
from specbuild.engine.ownership import owned
from specbuild.engine.paths import normal, outside
from specbuild.engine.ports import History, Snapshot
from specbuild.engine.task import RepoPath, Task, TaskFile, Warning_
from specbuild.errors import ConfigError, TaskFileError
from specbuild.making import Known, Maker, decided
from specbuild.project import Loaded, Pieces, assembled, find_files, no_file, read_config
from specbuild.recalling import Recall
from specbuild.refusals import refuse
from specbuild.taskfile import parse as parse_tasks


def load(
    snapshot: Snapshot,
    history: History,
    known: Known,
    *,
    extra: Iterable[RepoPath] = (),
    config: Config | None = None,
) -> Loaded:
    """All tasks of a snapshot, with the paths that history's checkpoints record for unchanged definitions.

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
    recall = Recall([text.definition for text in texts], history.with_definition)
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
    groups = tuple([text for text in texts if text.group])
    pieces = Pieces(graph, config, decisions, parsed, sources, (*warnings, *graph.warnings), groups)
    loaded = assembled(pieces, snapshot, known.dialects)
    refuse(loaded.project, snapshot)
    return loaded


def _parse(snapshot: Snapshot, source: TaskSource, config: Config, known: Known) -> TaskFile:
    if (kind := no_file(snapshot, source.file)) is not None:
        raise TaskFileError(
            f"it is a {kind}, and that is no task file",
            where=source.file,
            hint=_instead(kind, snapshot, source),
        )
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


def _instead(kind: str, snapshot: Snapshot, source: TaskSource) -> str:
    """What to do where something else stands in a task file's place."""
    target = os.fsdecode(snapshot.read(source.file) or b"") if kind == "symlink" else ""
    leads = normal(posixpath.join(posixpath.dirname(source.file), target))
    if not target or outside(leads):
        return "put the file itself there, or name another with `tasks = […]` in specbuild.toml"
    return f"name the file that it leads to, {leads}, with `tasks = […]` in specbuild.toml"


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
