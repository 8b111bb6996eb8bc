"""One task as a transaction: what it starts from, what it left, and the commits that record it."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from specbuild.engine.checkpoint import Checkpoint, Recorded, disarm
from specbuild.engine.events import FileChange
from specbuild.engine.glob import is_glob, matcher
from specbuild.engine.inputs import Inputs
from specbuild.engine.judge import Judge
from specbuild.engine.merge import Conflict, Sides, merged
from specbuild.engine.overlay import Overlay
from specbuild.engine.ports import (
    Attempt,
    Committer,
    Failure,
    History,
    Moved,
    Record,
    Sandbox,
    Snapshot,
    Tree,
    Unusable,
    Workspaces,
)
from specbuild.engine.project import Project, Settings
from specbuild.engine.recipe import fill
from specbuild.engine.record import Results, changes_of, edited, message, results_line
from specbuild.engine.result import PLAIN, result_of
from specbuild.engine.start import Start, entries_at
from specbuild.engine.task import Entry, Oid, RepoPath, Task
from specbuild.engine.values import values
from specbuild.engine.verdict import Verdict
from specbuild.errors import RepositoryError, UsageError

TICK_SUBJECT = "specbuild: tick completed tasks"
GITLINK = 0o160000
SAVED_SUBJECT = "specbuild: save edited inputs"


class World(NamedTuple):
    """The repository's side of a run."""

    tree: Tree
    history: History
    workspaces: Workspaces
    committer: Committer


@dataclass(slots=True)
class Work:
    """A task on its way from its start state to its commit."""

    position: int
    task: Task
    verdict: Verdict
    inputs: Inputs
    before: Mapping[RepoPath, Entry]  # what stood at its targets
    saved: Mapping[RepoPath, Entry | None]  # edits by people that its checkpoint has to hold
    stack: ExitStack
    sandbox: Sandbox
    base: Oid | None  # HEAD's commit in its start tree
    laid: Mapping[RepoPath, Entry | None]  # what was laid over that
    worker: int
    began: float
    place: int  # n of n/m
    attempt: int = 1
    failures: list[Failure] = field(default_factory=list)
    disturbed: int = 0  # how often an input changed meanwhile
    overtaken: int = 0  # how often the branch moved under it
    usage: Mapping[str, Any] = field(default_factory=dict)  # of all attempts
    cost: Mapping[str, Any] = field(default_factory=dict)  # of this attempt
    doubt: str = ""  # what this attempt says against itself
    asked: int = 0  # further attempts that a person asked for
    output: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # paragraphs of the commit message
    told: list[str] = field(default_factory=list)  # warnings for the person
    ticked: dict[RepoPath, Entry | None] = field(default_factory=dict)
    """Task files as an attempt left them in the working tree; the commit's take their place."""
    plain: bool = False  # see `Transactions.is_plain`
    seconds: float = 0.0


class Done(NamedTuple):
    """A recorded completion; `commit` is None where nothing had to be recorded."""

    recorded: Recorded | None
    commit: Oid | None
    files: tuple[FileChange, ...]
    warnings: tuple[str, ...]
    replan: bool  # what it left changes the tasks themselves
    elsewhere: bool = False  # it changed more than its own targets


class Member(NamedTuple):
    """A completed task that is recorded together with others."""

    work: Work
    results: Results
    checkpoint: Checkpoint
    record: Record | None = None  # None: nothing has to be recorded


class Group(NamedTuple):
    """Completed tasks whose commits become one chain, with one move of the branch."""

    members: tuple[Member, ...]
    onto: Oid | None

    @property
    def records(self) -> list[Record]:
        return [member.record for member in self.members if member.record is not None]


class Transactions:
    """Opens, checks, records and undoes the work of single tasks."""

    def __init__(self, project: Project, judge: Judge, world: World, settings: Settings) -> None:
        self.project = project
        self.judge = judge
        self.world = world
        self.settings = settings
        self.head = world.committer.head()
        self._gone: Sequence[RepoPath] | None = None  # what a person removed; None: to be looked for

    def open(
        self, position: int, verdict: Verdict, start: Start, *, worker: int, place: int, now: float
    ) -> Work:
        """Saves what would be overwritten and lays out the start state."""
        task = self.judge.graph.tasks[position]
        tree = self.world.tree
        before = {p: e for target in task.targets for p, e in entries_at(tree, target).items()}
        told: list[str] = []
        if task.rebuild:
            told += self._keep_unrecorded(task, before)
        edits = self.edits(position)
        self.refuse(edits)
        saved = self.world.committer.add(edits) if edits else {}
        isolation = "worktree" if start.elsewhere and task.isolation == "none" else task.isolation
        if isolation == "none":
            changes = {p: e for p, e in start.changes.items() if tree.entry(p) != e}
        else:
            changes = {**saved, **self._ignored(position), **self._stored(start.changes)}
        inputs = self.judge.inputs(position)
        # In place it is not looked at; asking would wait for the commit that is under way.
        base = self.head if isolation == "none" else self.world.committer.head()
        stack = ExitStack()
        sandbox = stack.enter_context(
            self.world.workspaces.open(
                task,
                start=changes,
                owned=task.targets,
                isolation=isolation,
                visible=self._visible(task, inputs) if isolation == "strict" else None,
            )
        )
        return Work(
            position=position,
            task=task,
            verdict=verdict,
            inputs=inputs,
            before=before,
            saved=saved,
            stack=stack,
            sandbox=sandbox,
            base=base,
            laid=changes,
            worker=worker,
            began=now,
            place=place,
            told=told,
        )

    def _visible(self, task: Task, inputs: Inputs) -> list[RepoPath]:
        """What a strict tree holds: declared inputs, targets, and the template of the prompt."""
        return [*inputs.paths, *task.targets, *([task.template] if task.template else [])]

    def attempt(self, work: Work, environment: Mapping[str, str]) -> Attempt:
        """What the executor is given."""
        known = {**values(work.task, work.inputs.paths), **self.settings.values}
        recipe = work.task.recipe
        text = None if recipe is None else fill(recipe.text, known, language=recipe.language)
        task = work.task
        verify = None if task.verify is None else fill(task.verify, known, language="sh")
        setup = None if task.setup is None else fill(task.setup, known, language="sh")
        return Attempt(
            task=task,
            recipe=text,
            verify=verify,
            setup=setup,
            folder=work.sandbox.folder,
            attempt=work.attempt,
            failures=tuple(work.failures),
            environment=environment,
            values=known,
        )

    def results(self, work: Work) -> Results:
        """What the attempt left at its targets (and elsewhere, where it may write anything)."""
        task, tree = work.task, self.world.tree
        entries = dict(work.sandbox.result(task.targets))
        unresolved = [name for name in task.unresolved if not entries.get(name)]
        extra: dict[RepoPath, Entry | None] = {}
        if task.writes == "any" or unresolved:
            changed = work.sandbox.changed()
            for name in unresolved:
                found = [p for p, e in changed.items() if e is not None and p.endswith("/" + name)]
                if len(found) == 1:
                    entries[found[0]] = changed[found[0]] or Entry(0, "")
                    work.task = task = _renamed(task, name, found[0])
            if task.writes == "any":
                extra = self._admitted(work, changed)
        ignored = tuple(
            target
            for target in task.targets
            if not _there(target, entries) and tree.ignored(target) and work.sandbox.exists(target)
        )
        missing = tuple(
            target
            for target in task.targets
            if target not in task.absent
            and target not in ignored
            and not _there(target, entries)
            and not (target.endswith("/") and work.sandbox.exists(target))  # empty: git has no such thing
        )
        lingering = tuple(target for target in task.absent if _there(target, entries))
        removed = tuple(path for path in self._stood(work) if path not in entries)
        if not task.targets_declared and task.rebuild and missing:
            # An inferred target that the recipe did not make is put back.
            removed = tuple(path for path in removed if not any(_within(path, t) for t in missing))
        return Results(entries, removed, missing, lingering, ignored, extra)

    def _stood(self, work: Work) -> Iterable[RepoPath]:
        """What was at its targets when it began, or is there in HEAD though a person removed it."""
        found: dict[RepoPath, None] = dict.fromkeys(work.before)
        for target in work.task.targets:
            if not target.endswith("/"):
                found.update({target: None} if self.world.tree.tracked(target) else {})
            elif self.head is not None:
                found.update(dict.fromkeys(self.world.history.snapshot(self.head).below(target)))
        return found

    def objection(self, work: Work, results: Results) -> Failure | None:
        """Why the attempt failed although its executor was content."""
        task = work.task
        if task.targets_declared and results.missing:
            return _failure(work, f"it did not make {', '.join(results.missing)}")
        if results.lingering:
            return _failure(work, f"{', '.join(results.lingering)} should be gone, and is there")
        if work.doubt and not _changed(work, results):
            return _failure(work, work.doubt)
        first = not self.judge.checkpoints(work.position)
        if not task.rebuild and task.targets and first and task.verify is None:
            unchanged = all(work.before.get(path) == entry for path, entry in results.entries.items())
            unchanged = unchanged and not any(path in work.before for path in results.removed)
            if unchanged and not results.ignored and not any(results.extra):
                return _failure(work, "nothing was changed: its targets are as they were")
        return None

    def difference(self, work: Work, results: Results) -> dict[RepoPath, tuple[Entry | None, Entry | None]]:
        """What the attempt changed, by path: before, after (None: absent)."""
        tree = self.world.tree
        changes = {**dict.fromkeys(results.removed), **results.entries, **results.extra}
        before = {p: work.before[p] if p in work.before else tree.tracked(p) for p in changes}
        return {p: (before[p], now) for p, now in sorted(changes.items()) if before[p] != now}

    def disturbed(self, work: Work) -> Sequence[RepoPath]:
        """Inputs that are no longer what they were when the attempt began."""
        tree = self.world.tree
        tree.refresh(path for path, _ in (*work.inputs.committed, *work.inputs.ignored))
        now = self.judge.look(work.position, tree)
        old, new = dict(work.inputs.committed + work.inputs.ignored), dict(now.committed + now.ignored)
        changed = [path for path in sorted({*old, *new}) if old.get(path) != new.get(path)]
        if changed:
            self._gone = None
        return changed

    def is_plain(self, position: int, start: Start) -> bool:
        """Whether the task, until it is recorded, needs nothing of HEAD or the index but its own paths.

        Such a task may be opened while others are being recorded, and be recorded together with others.
        """
        task = self.judge.graph.tasks[position]
        return (
            task.rebuild
            and task.writes == "declared"
            and task.isolation == "none"
            and not start.elsewhere
            and not task.unresolved
            and not any(target.endswith("/") for target in task.targets)
            and not self.edits(position)
        )

    def complete(self, work: Work, results: Results) -> Member:
        """What a plain task is recorded with; its key is of the inputs as they were just looked at."""
        self.world.tree.refresh(work.task.targets)
        after = Overlay(self.world.tree, {**dict.fromkeys(results.removed), **results.entries})
        return Member(work, results, self._checkpoint(work, results, after))

    def group(self, completed: Sequence[Member], *, subject: str) -> Group:
        """The commits of plain tasks, each on top of the one before; nothing is visible yet."""
        tree, committer = self.world.tree, self.world.committer
        if not committer.attached():
            raise BranchSwitched
        laid: dict[RepoPath, Entry | None] = {}
        contents: dict[RepoPath, bytes] = {}
        members: list[Member] = []
        for member in completed:
            work, results, checkpoint, _ = member
            task = work.task
            self.keep_staged(results.entries, results.entries)
            changes = changes_of(results, Overlay(tree, laid))
            laid.update({**dict.fromkeys(results.removed), **results.entries})
            after = Overlay(tree, laid, contents)
            for path, data in (self.project.tick(task, after) if self.settings.tick else {}).items():
                entry = after.entry(path) or Entry(PLAIN, "")
                changes[path] = Entry(entry.mode, committer.store(data, like=entry.oid or None))
                laid[path], contents[path] = changes[path], data
            counting = work.verdict.checkpoint
            record = None
            if changes or counting is None or not _same(counting.checkpoint, checkpoint):
                text = message(task, checkpoint, subject=subject, notes=work.notes)
                record = Record(text, changes, in_place=False)
            members.append(member._replace(record=record))
        return Group(tuple(members), self.head)

    def commit(self, group: Group) -> Sequence[Oid]:
        """Makes a group visible and durable; may be called by another thread. Raises Moved."""
        records = group.records
        return self.world.committer.commit(records, onto=group.onto) if records else ()

    def recorded(self, group: Group, commits: Sequence[Oid]) -> Sequence[Done]:
        """What became of the members of a group that is visible now."""
        history, tree = self.world.history, self.world.tree
        changes = {path: entry for record in group.records for path, entry in record.changes.items()}
        if commits:
            self.head = commits[-1]
            tree.moved(self.head, changes)
        waiting = iter(commits)
        made = [None if member.record is None else next(waiting) for member in group.members]
        for (work, _, checkpoint, _), commit in zip(group.members, made, strict=True):
            if commit is not None:
                history.added(commit, [checkpoint], int(work.began + work.seconds))
        return [self._done(member, commit) for member, commit in zip(group.members, made, strict=True)]

    def _done(self, member: Member, commit: Oid | None) -> Done:
        work, results, checkpoint, _ = member
        work.sandbox.accept()
        work.stack.close()
        warnings = tuple(f"{work.task.name.id}: {path} was not made" for path in results.missing)
        if commit is None:
            return Done(None, None, (), warnings, replan=False)
        concerning = self.world.history.concerning(checkpoint.name, checkpoint.definition)
        recorded = next(found for found in concerning if found.commit == commit)
        files = tuple(self._file_changes(results, work.before))
        return Done(recorded, commit, files, warnings, replan=False)

    def catch_up(self, works: Sequence[tuple[Work, Results]]) -> Sequence[Work]:
        """Those whose reads or targets were changed by somebody who moved the branch meanwhile."""
        head = self.world.committer.head()
        if head == self.head:
            return ()
        if head is None or self.head is None:
            return [work for work, _ in works]
        late = [work for work, results in works if self._is_overtaken(work, results, head)]
        if not late:
            self.head = head
            self.world.tree.refresh(None)
        return late

    def record(self, work: Work, results: Results, *, subject: str, changed: Sequence[RepoPath] = ()) -> Done:
        """Commits edited inputs, results, tick and checkpoint in one ref update.

        `changed`: inputs that a `keep` task changed itself; its commit takes them.
        """
        while True:
            try:
                return self._record(work, results, subject, changed)
            except Moved:
                continue  # between our look at the branch and the commit

    def _record(self, work: Work, results: Results, subject: str, changed: Sequence[RepoPath]) -> Done:
        task, tree, committer = work.task, self.world.tree, self.world.committer
        warnings = [f"{task.name.id}: {path} was not made" for path in results.missing]
        if not committer.attached() and work.sandbox.in_place:
            raise BranchSwitched
        self._catch_up(work, results)
        tip = self._tip()
        if not work.sandbox.in_place:
            results = self._merged(work, results, tip)
        tree.refresh(task.targets)
        saved = {path: entry for path, entry in work.saved.items() if tip.tracked(path) != entry}
        self.keep_staged([*saved, *results.entries], results.entries)
        instead = _edited_targets(work, results)
        own = committer.add(changed) if changed and work.sandbox.in_place else {}
        changes = {**own, **changes_of(results, tip)}
        records = [Record(SAVED_SUBJECT + "\n", saved, edited=True)] if saved else []
        laid = {**saved, **own, **dict.fromkeys(results.removed), **results.entries, **results.extra}
        after = Overlay(tip, laid, self._task_files(results.extra))
        ticked = self.project.tick(task, after) if self.settings.tick else {}
        for path, data in ticked.items():
            entry = after.entry(path)
            like = entry.oid if entry else None
            changes[path] = Entry(entry.mode if entry else PLAIN, committer.store(data, like=like))
        checkpoint = self._checkpoint(work, results, after)
        counting = work.verdict.checkpoint
        if counting is not None and not changes and not saved and _same(counting.checkpoint, checkpoint):
            work.sandbox.accept()
            work.stack.close()
            self._lay_out(instead, results)
            return Done(None, None, (), tuple(warnings), replan=False)
        text = message(task, checkpoint, subject=subject, notes=work.notes)
        own_boxes = {path: entry for path, entry in work.ticked.items() if path in changes}
        records.append(Record(text, changes, in_place=False, instead={**instead, **own_boxes}))
        before = {**{p: e for p in results.extra if (e := tip.tracked(p)) is not None}, **work.before}
        commits = committer.commit(records, onto=self.head)
        work.sandbox.accept()
        work.stack.close()
        self._lay_out(instead, results)
        head = commits[-1]
        self.head = head
        self.world.tree.moved(head, {**saved, **changes})
        self.world.tree.refresh([*task.targets, *changes])
        self.world.history.added(head, [checkpoint], int(work.began + work.seconds))
        recorded = self.world.history.checkpoints()[0]
        replan = set(checkpoint.targets) != set(work.task.targets) or any(
            path in self.project.sources for path in results.extra
        )
        files = tuple(self._file_changes(results, before))
        elsewhere = bool(own) or any(path not in results.entries for path in results.extra)
        return Done(recorded, head, files, tuple(warnings), replan, elsewhere)

    def _lay_out(self, instead: Mapping[RepoPath, Entry | None], results: Results) -> None:
        """What a private worktree made, where a person's edit still stands that was kept before."""
        for path, entry in instead.items():
            if results.entries.get(path) != entry:
                self.world.committer.place(path, results.entries.get(path), instead=entry)
        self.world.tree.refresh(instead)

    def tick(self, tasks: Sequence[Task]) -> None:
        """Ticks boxes of complete tasks: in the working tree, and in a commit where HEAD lacks them."""
        tree, committer = self.world.tree, self.world.committer
        changes: dict[RepoPath, Entry | None] = {}
        contents: dict[RepoPath, bytes] = {}
        for task in tasks:
            for path, data in self.project.tick(task, Overlay(tree, changes, contents)).items():
                entry = tree.entry(path)
                contents[path] = data
                changes[path] = Entry(entry.mode if entry else PLAIN, committer.store(data))
        commit = {p: e for p, e in changes.items() if tree.entry(p) == tree.tracked(p)}
        if commit:
            self.head = committer.commit(
                [Record(TICK_SUBJECT + "\n", commit, in_place=False)], onto=self.head
            )[-1]
            self.world.history.added(self.head, [], 0)
            tree.moved(self.head, commit)
        for path, data in contents.items():
            if path not in commit:
                committer.write(path, data, instead=tree.entry(path))
        tree.refresh(contents)

    def abandon(self, work: Work, *, keep: bool, why: str) -> str | None:
        """Undoes; the partial work stays under a ref, which is returned."""
        ref = None
        try:
            if keep and (partial := self._partial(work)):
                ref = self.world.committer.keep("failed", partial, f"{work.task.name}: {disarm(why)}\n")
        finally:
            work.sandbox.undo()
            work.stack.close()
            self.world.tree.refresh(work.task.targets)
        return ref

    def _partial(self, work: Work) -> dict[RepoPath, Entry | None]:
        try:
            entries = work.sandbox.result(work.task.targets)
            changed = work.sandbox.changed() if work.task.writes == "any" else {}
        except Unusable:
            return {}  # nothing that git could hold is there
        partial: dict[RepoPath, Entry | None] = {p: e for p, e in entries.items() if work.before.get(p) != e}
        partial.update({p: None for p in work.before if p not in entries and not work.task.rebuild})
        partial.update(changed)
        return partial

    def _tip(self) -> Snapshot:
        """What a commit is made on: HEAD and the working tree; the branch's own tree, where HEAD left it."""
        if self.head is None or self.world.committer.attached():
            return self.world.tree
        return self.world.history.snapshot(self.head)

    def _catch_up(self, work: Work, results: Results) -> None:
        """The branch moved meanwhile: fine unless it changed what this task read, or where it wrote."""
        if self.catch_up([(work, results)]):
            raise Overtaken

    def _is_overtaken(self, work: Work, results: Results, head: Oid) -> bool:
        if self.head is None:
            return True
        then, now = self.world.history.snapshot(self.head), self.world.history.snapshot(head)
        expected: dict[RepoPath, Entry | None] = {path: then.entry(path) for path, _ in work.inputs.committed}
        expected.update(work.saved)
        if work.sandbox.in_place:  # what it committed by itself is folded into its checkpoint
            expected.update({**results.entries, **dict.fromkeys(results.removed)})
        return any(now.entry(path) not in (then.entry(path), entry) for path, entry in expected.items())

    def _merged(self, work: Work, results: Results, tip: Snapshot) -> Results:
        """The results on the tip as it is now; raises Overtaken where both changed the same lines."""
        base = tip if work.base is None else self.world.history.snapshot(work.base)
        theirs = tip if self.head is None else self.world.history.snapshot(self.head)
        sides = Sides(base, work.laid, theirs, work.saved)

        def blobs(path: RepoPath, old: Oid, ours: Oid, now: Oid) -> Oid | None:
            committer, boxes = self.world.committer, self.project.restore_boxes
            if path in self.project.task_files:  # boxes are the tip's on all sides
                data = committer.read(now)
                old = committer.store(boxes(path, data, committer.read(old)))
                ours = committer.store(boxes(path, data, committer.read(ours)))
            return committer.merge(old, ours, now)

        try:
            found = merged(results, sides, blobs, own=not work.task.rebuild)
        except Conflict as error:
            raise Overtaken(error.path) from None
        extra = dict(found.extra)
        for path, entry in found.extra.items():
            if path in self.project.task_files and entry is not None:
                before = sides.theirs(path)
                held = b"" if before is None else self.world.committer.read(before.oid)
                extra[path] = self._without_box_changes(path, entry, held)
        return replace(found, extra={path: e for path, e in extra.items() if e != sides.theirs(path)})

    def _task_files(self, changes: Mapping[RepoPath, Entry | None]) -> dict[RepoPath, bytes]:
        read = self.world.committer.read
        return {p: read(e.oid) for p, e in changes.items() if e is not None and p in self.project.task_files}

    def _checkpoint(self, work: Work, results: Results, after: Overlay) -> Checkpoint:
        task = work.task
        key = self.judge.parts(work.position, after).key()
        return Checkpoint(
            name=task.name,
            key=key,
            local=self.judge.local(work.position),
            definition=task.text.definition,
            seconds=work.seconds,
            executor=task.executor or "",
            targets=results_line(task, results, key),
            reads=task.reads,
        )

    def edits(self, position: int) -> dict[RepoPath, Entry | None]:
        """Uncommitted edits that a checkpoint of this task has to hold."""
        judge, task = self.judge, self.judge.graph.tasks[position]
        paths: dict[RepoPath, None] = dict.fromkeys(self.project.sources)
        paths.update((path, None) for path, _ in judge.inputs(position).committed)
        paths.update(dict.fromkeys(self._vanished(task)))
        for edge in judge.graph.content(position):
            source = judge.graph.index[edge.source]
            if task.rebuild and not judge.graph.tasks[source].rebuild:
                carried = (path for path, _ in judge.carried(edge, task) if path)
                paths.update((p, None) for path in carried for p in entries_at(self.world.tree, path))
        own: set[RepoPath] = set()
        for target in task.targets:
            own.update(entries_at(self.world.tree, target))
            own.add(target)
        if not task.rebuild:
            paths.update(dict.fromkeys(p for p in own if not p.endswith("/")))
        else:
            paths = {path: None for path in paths if path not in own}
        return edited(list(paths), self.world.tree)

    def _vanished(self, task: Task) -> Iterable[RepoPath]:
        """Inputs that a pattern or a folder no longer finds, since a person removed them; HEAD has them."""
        patterns = [p for p in (*task.reads, *task.inputs) if not p.startswith("@")]
        patterns = [p for p in patterns if is_glob(p) or self.world.tree.entry(p) is None]
        if not patterns:
            return
        if self._gone is None:
            tree = self.world.tree
            self._gone = [p for p in tree.dirty() if tree.entry(p) is None and tree.tracked(p) is not None]
        if not self._gone:
            return
        matchers = [matcher(p) if is_glob(p) else matcher(f"{p.rstrip('/')}/**") for p in patterns]
        for path in self._gone:
            written = self.judge.graph.writers.written(path)
            if not written and any(matches(path) for matches in matchers):
                yield path

    def _ignored(self, position: int) -> Mapping[RepoPath, Entry | None]:
        paths = [path for path, _ in self.judge.inputs(position).ignored]
        return self.world.committer.add(paths) if paths else {}

    def _stored(self, changes: Mapping[RepoPath, Entry | None]) -> dict[RepoPath, Entry | None]:
        """Differences from HEAD, whose blobs are written where only the working tree has them."""
        tree = self.world.tree
        differ = {path: entry for path, entry in changes.items() if tree.tracked(path) != entry}
        here = [path for path, entry in differ.items() if entry is not None and tree.entry(path) == entry]
        return {**differ, **(self.world.committer.add(here) if here else {})}

    def refuse(self, edits: Mapping[RepoPath, Entry | None]) -> None:
        if edits and not self.settings.save_inputs:
            raise UsageError(
                f"{', '.join(sorted(edits))} {'is' if len(edits) == 1 else 'are'} edited and not committed",
                hint='commit the edits, or set save_inputs = "commit" in specbuild.toml',
            )

    def _keep_unrecorded(self, task: Task, before: Mapping[RepoPath, Entry]) -> list[str]:
        """Keeps bytes at a `rebuild` task's targets that no commit holds, before they are overwritten."""
        tree, committer = self.world.tree, self.world.committer
        paths = [path for path, entry in before.items() if tree.tracked(path) != entry]
        if not paths:
            return []
        kept = committer.add(paths)
        ref = committer.keep("saved", kept, f"{task.name}: targets before they were made again\n")
        return [f"{', '.join(sorted(paths))} had been edited; what stood there is kept at {ref}"]

    def keep_staged(self, paths: Iterable[RepoPath], results: Mapping[RepoPath, Entry]) -> None:
        """Keeps staged versions that neither HEAD nor the file has, before the index entry is replaced."""
        tree = self.world.tree
        staged: dict[RepoPath, Entry | None] = {}
        for path in paths:
            entry = tree.staged(path)
            if entry is not None and entry not in {tree.tracked(path), tree.entry(path), results.get(path)}:
                staged[path] = entry
        if staged:
            self.world.committer.keep("saved", staged, "staged versions of edited inputs\n")

    def _admitted(self, work: Work, changed: Mapping[RepoPath, Entry | None]) -> dict[RepoPath, Entry | None]:
        """Of all that a task changed, what its commit takes: not boxes, not others' generated files."""
        graph = self.judge.graph
        taken: dict[RepoPath, Entry | None] = {}
        work.ticked = {}
        for path, entry in changed.items():
            owners = [t for _, positions in graph.writers.overlapping(path) for t in positions]
            foreign = [t for t in owners if t != work.position and graph.tasks[t].rebuild]
            if foreign and work.position not in owners:
                name = graph.tasks[foreign[0]].name.id
                work.told.append(f"its change of {path} was dropped: {name} makes that file")
                continue
            taken[path] = entry
        for path, entry in list(taken.items()):
            if path not in self.project.task_files:
                continue
            if work.sandbox.in_place:
                work.ticked[path] = entry
            if entry is None:
                del taken[path]
                work.told.append(f"its deletion of {path} was dropped: that is a task file")
            elif work.sandbox.in_place:
                before = self.world.tree.tracked(path)
                held = b"" if before is None else self.world.committer.read(before.oid)
                taken[path] = self._without_box_changes(path, entry, held)
        return taken

    def _without_box_changes(self, path: RepoPath, entry: Entry, before: bytes) -> Entry:
        committer = self.world.committer
        after = committer.read(entry.oid)
        return Entry(entry.mode, committer.store(self.project.restore_boxes(path, before, after)))

    def _file_changes(self, results: Results, before: Mapping[RepoPath, Entry]) -> Iterable[FileChange]:
        changed: dict[RepoPath, Entry | None] = {
            **results.entries,
            **dict.fromkeys(results.removed),
            **results.extra,
        }
        for path, entry in sorted(changed.items()):
            old = before.get(path)
            if entry == old:
                continue
            lines = None if entry is None else self._lines(entry)
            yield FileChange(path, "deleted" if entry is None else "modified" if old else "created", lines)

    def _lines(self, entry: Entry) -> int | None:
        if entry.mode == GITLINK:
            return None
        data = self.world.committer.read(entry.oid)
        if b"\0" in data[:8000]:
            return None
        return data.count(b"\n") + (not data.endswith(b"\n") and data != b"")


def _edited_targets(work: Work, results: Results) -> dict[RepoPath, Entry | None]:
    """What stood at a `rebuild` task's targets in the working tree while it ran elsewhere."""
    if work.sandbox.in_place or not work.task.rebuild:
        return {}
    return {path: work.before.get(path) for path in (*results.entries, *results.removed)}


def _there(target: RepoPath, entries: Mapping[RepoPath, Entry]) -> bool:
    return any(_within(path, target) for path in entries)


def _within(path: RepoPath, target: RepoPath) -> bool:
    return path == target or (target.endswith("/") and path.startswith(target))


def _changed(work: Work, results: Results) -> bool:
    """Whether an attempt left anything; a `rebuild` task started without its targets."""
    if results.extra or results.ignored or any(path in work.before for path in results.removed):
        return True
    return any(work.task.rebuild or work.before.get(path) != e for path, e in results.entries.items())


def _renamed(task: Task, name: str, path: RepoPath) -> Task:
    """The task with a bare name, which matched nothing at the start, as the path that it turned out to be."""
    targets = tuple(path if target == name else target for target in task.targets)
    return replace(task, targets=targets, unresolved=tuple(n for n in task.unresolved if n != name))


def _failure(work: Work, message_: str) -> Failure:
    return Failure(attempt=work.attempt, message=message_, output="".join(work.output)[-20_000:])


def _same(old: Checkpoint, new: Checkpoint) -> bool:
    return (old.key, old.local, old.targets) == (new.key, new.local, new.targets)


class Overtaken(Exception):  # noqa: N818  (a state of the world, not a mistake)
    """The branch moved and changed what the task read or wrote: it is to be judged again.

    Its argument, if any, is the path that both changed.
    """


class BranchSwitched(RepositoryError):  # noqa: N818
    """A person switched branches while a task ran in the working tree."""

    def __init__(self) -> None:
        super().__init__(
            "HEAD no longer names the branch that this run began on",
            hint="the task's work is kept under refs/specbuild/failed; switch back and run specbuild again",
        )


def reusable(judge: Judge, recorded: Recorded, tree: Tree) -> Mapping[RepoPath, Entry] | None:
    """The files that a checkpoint's results are, where some tree still has them."""
    entries: dict[RepoPath, Entry] = {}
    source = judge.history.snapshot(recorded.commit)
    for path, result in recorded.checkpoint.targets.items():
        found = entries_at(source, path)
        if result_of(path, found) != result:
            found = entries_at(tree, path)
            if result_of(path, found) != result:
                return None
        entries.update(found)
    return entries
