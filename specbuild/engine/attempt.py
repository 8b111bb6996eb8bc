"""One attempt at a task: what its executor is given, what it left, and whether that will do."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from specbuild.engine import boxes
from specbuild.engine.events import FileChange
from specbuild.engine.modes import SUBMODULE, SYMLINK
from specbuild.engine.paths import parents
from specbuild.engine.ports import Attempt, Committer, Failure, Snapshot, Tree, Unusable
from specbuild.engine.project import Project, Settings
from specbuild.engine.recipe import fill
from specbuild.engine.record import Results
from specbuild.engine.task import Entry, RepoPath, Task
from specbuild.engine.values import values
from specbuild.engine.work import Work
from specbuild.errors import TaskFileError

Changes = Mapping[RepoPath, Entry | None]

_NO_FILE = ", and that is a task file"


def given(work: Work, settings: Settings, environment: Mapping[str, str]) -> Attempt:
    """What the executor is given."""
    task = work.task
    known = {**values(task, work.inputs.paths), **settings.values}
    recipe = task.recipe
    return Attempt(
        task=task,
        recipe=None if recipe is None else fill(recipe.text, known, language=recipe.language),
        verify=None if task.verify is None else fill(task.verify, known, language="sh"),
        setup=None if task.setup is None else fill(task.setup, known, language="sh"),
        folder=work.sandbox.folder,
        attempt=work.attempt,
        failures=tuple(work.failures),
        environment=environment,
        values=known,
    )


def results_of(
    work: Work, project: Project, tree: Tree, committer: Committer, head: Snapshot | None
) -> Results:
    """What the attempt left at its targets (and elsewhere, where it may write anything).

    A bare name that matched nothing at the start becomes the one changed path that ends in it.
    """
    entries = dict(work.sandbox.result(work.task.targets))
    _refuse(entries)
    unresolved = [name for name in work.task.unresolved if not entries.get(name)]
    extra: dict[RepoPath, Entry | None] = {}
    if work.task.writes == "any" or unresolved:
        changed = work.sandbox.changed()
        _refuse(changed)
        for name in unresolved:
            found = {p: e for p, e in changed.items() if e is not None and p.endswith("/" + name)}
            if len(found) == 1:
                entries.update(found)
                work.task = _renamed(work.task, name, *found)
        if work.task.writes == "any":
            extra = _admitted(work, changed, project, tree, committer)
    return _results(work, entries, extra, tree, head)


def _refuse(paths: Iterable[RepoPath]) -> None:
    """Raises Unusable for what no commit can hold."""
    for path in paths:
        if not _can_be_held(path):
            raise Unusable(f"git has no such path as {path}, so it cannot be recorded")


def _can_be_held(path: RepoPath) -> bool:
    return not any(part.lower() == ".git" for part in path.split("/"))


def _results(
    work: Work, entries: Mapping[RepoPath, Entry], extra: Changes, tree: Tree, head: Snapshot | None
) -> Results:
    task, sandbox = work.task, work.sandbox
    there = {target for target in task.targets if any(_within(path, target) for path in entries)}
    gone = [target for target in task.targets if target not in there]
    ignored = tuple(target for target in gone if tree.ignored(target) and sandbox.exists(target))
    missing = tuple(
        target
        for target in gone
        if target not in task.absent
        and target not in ignored
        and not (target.endswith("/") and sandbox.exists(target))  # empty: git has no such thing
    )
    lingering = tuple(target for target in task.absent if target in there)
    removed = tuple(path for path in _stood(work, tree, head) if path not in entries)
    if not task.targets_declared and task.rebuild and missing:
        # An inferred target that the recipe did not make is put back.
        removed = tuple(path for path in removed if not any(_within(path, t) for t in missing))
    return Results(entries, removed, missing, lingering, ignored, extra)


def _stood(work: Work, tree: Tree, head: Snapshot | None) -> Iterable[RepoPath]:
    """What was at its targets when it began, or is there in HEAD though a person removed it."""
    found: dict[RepoPath, None] = dict.fromkeys(work.before)
    for target in work.task.targets:
        if not target.endswith("/"):
            found.update({target: None} if tree.tracked(target) else {})
        elif head is not None:
            found.update(dict.fromkeys(head.below(target)))
    return found


def _admitted(
    work: Work, changed: Changes, project: Project, tree: Tree, committer: Committer
) -> dict[RepoPath, Entry | None]:
    """Of all that a task changed, what its commit takes: not boxes, not others' generated files."""
    graph = project.graph
    taken: dict[RepoPath, Entry | None] = {}
    work.ticked, work.boxed = {}, set()
    for path, entry in changed.items():
        owners = [t for _, positions in graph.writers.overlapping(path) for t in positions]
        foreign = [t for t in owners if t != work.position and graph.tasks[t].rebuild]
        if foreign and work.position not in owners:
            name = graph.tasks[foreign[0]].name.id
            work.told.append(f"its change of {path} was dropped: {name} makes that file")
            continue
        if entry is not None and (above := project.task_files.keys() & set(parents(path))):
            raise Unusable(f"it made {', '.join(above)} a folder{_NO_FILE}")
        taken[path] = entry
    for path, entry in list(taken.items()):
        if path not in project.task_files:
            continue
        if work.sandbox.in_place:
            work.ticked[path] = entry
        if entry is None:
            del taken[path]
            work.told.append(f"its deletion of {path} was dropped: that is a task file")
            continue
        before = work.saved.get(path, tree.tracked(path))
        restored = _restored(project, path, entry, before, committer)
        if restored == before:
            work.boxed.add(path)
        if work.sandbox.in_place:
            taken[path] = restored
    return taken


def _restored(
    project: Project, path: RepoPath, entry: Entry, before: Entry | None, committer: Committer
) -> Entry:
    """A task file as the attempt left it, with the boxes that it had. Raises Unusable."""
    if entry.mode in {SYMLINK, SUBMODULE}:
        raise Unusable(f"it made {path} a {'symlink' if entry.mode == SYMLINK else 'submodule'}{_NO_FILE}")
    try:
        return boxes.restored(project, path, entry, before, committer)
    except TaskFileError as error:
        raise Unusable(f"its change of {path} cannot be read: {error.what}") from error


def objection(work: Work, results: Results, *, first: bool) -> Failure | None:
    """Why the attempt failed although its executor was content; `first`: no checkpoint records the task."""
    task = work.task
    if task.targets_declared and results.missing:
        return work.failure(f"it did not make {', '.join(results.missing)}")
    if results.lingering:
        return work.failure(f"{', '.join(results.lingering)} should be gone, and is there")
    if work.doubt and not _changed(work, results):
        return work.failure(work.doubt)
    if not task.rebuild and task.targets and first and task.verify is None:
        unchanged = all(work.before.get(path) == entry for path, entry in results.entries.items())
        unchanged = unchanged and not any(path in work.before for path in results.removed)
        if unchanged and not results.ignored and not results.extra.keys() - work.boxed:
            advice = f"if they are right, specbuild adopt {task.name.id} records it"
            return work.failure(f"nothing was changed: its targets are as they were; {advice}")
    return None


def _changed(work: Work, results: Results) -> bool:
    """Whether an attempt left anything; a `rebuild` task started without its targets."""
    elsewhere = results.extra.keys() - work.boxed
    if elsewhere or results.ignored or any(path in work.before for path in results.removed):
        return True
    return any(work.task.rebuild or work.before.get(path) != e for path, e in results.entries.items())


def difference(work: Work, results: Results, tree: Tree) -> dict[RepoPath, tuple[Entry | None, Entry | None]]:
    """What the attempt changed, by path: before, after (None: absent)."""
    changes = {**dict.fromkeys(results.removed), **results.entries, **results.extra}
    before = {p: work.before[p] if p in work.before else tree.tracked(p) for p in changes}
    return {p: (before[p], now) for p, now in sorted(changes.items()) if before[p] != now}


def partial(work: Work) -> dict[RepoPath, Entry | None]:
    """What an attempt that is given up had done so far."""
    try:
        entries = work.sandbox.result(work.task.targets)
        changed = work.sandbox.changed() if work.task.writes == "any" else {}
    except Unusable:
        return {}  # nothing that git could hold is there
    found: dict[RepoPath, Entry | None] = {p: e for p, e in entries.items() if work.before.get(p) != e}
    found.update({p: None for p in work.before if p not in entries and not work.task.rebuild})
    found.update(changed)
    return {path: entry for path, entry in found.items() if _can_be_held(path)}


def file_changes(
    results: Results, before: Mapping[RepoPath, Entry], committer: Committer
) -> Iterable[FileChange]:
    """The same for people to read: files created, modified and deleted."""
    changed: dict[RepoPath, Entry | None] = {
        **results.entries,
        **dict.fromkeys(results.removed),
        **results.extra,
    }
    for path, entry in sorted(changed.items()):
        old = before.get(path)
        if entry == old:
            continue
        lines = None if entry is None else _lines(entry, committer)
        yield FileChange(path, "deleted" if entry is None else "modified" if old else "created", lines)


def _lines(entry: Entry, committer: Committer) -> int | None:
    if entry.mode == SUBMODULE:
        return None
    data = committer.read(entry.oid)
    if b"\0" in data[:8000]:
        return None
    return data.count(b"\n") + (not data.endswith(b"\n") and data != b"")


def _within(path: RepoPath, target: RepoPath) -> bool:
    return path == target or (target.endswith("/") and path.startswith(target))


def _renamed(task: Task, name: str, path: RepoPath) -> Task:
    """The task with a bare name, which matched nothing at the start, as the path that it turned out to be."""
    targets = tuple(path if target == name else target for target in task.targets)
    return replace(task, targets=targets, unresolved=tuple(n for n in task.unresolved if n != name))
