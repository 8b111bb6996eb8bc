"""A completion as a transaction: laid out, recorded in one move of the branch, or undone (law 3)."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from specbuild.engine import attempt, boxes, moved
from specbuild.engine.checkpoint import Checkpoint, disarm
from specbuild.engine.inputs import Inputs
from specbuild.engine.judge import Judge, recipe_parts
from specbuild.engine.merge import Sides
from specbuild.engine.moved import Overtaken
from specbuild.engine.overlay import Overlay
from specbuild.engine.ports import Moved, Record, Snapshot, World
from specbuild.engine.project import Project, Settings
from specbuild.engine.record import Results, changes_of, message, results_line
from specbuild.engine.saving import SAVED_SUBJECT, Edits, keep_staged, keep_unrecorded, refuse
from specbuild.engine.sources import Sources
from specbuild.engine.start import Start, entries_at
from specbuild.engine.task import Entry, Oid, RepoPath, Task
from specbuild.engine.verdict import Verdict
from specbuild.engine.work import Done, Group, Member, Work
from specbuild.errors import RepositoryError

__all__ = ["BranchSwitched", "Transactions", "World"]

TICK_SUBJECT = "specbuild: tick completed tasks"


class Transactions:
    """Opens, records and undoes the work of single tasks."""

    def __init__(
        self,
        project: Project,
        judge: Judge,
        world: World,
        settings: Settings,
        completed: Callable[[], Sequence[Task]] = tuple,
    ) -> None:
        """`completed`: tells which tasks this run completed so far."""
        self._completed = completed
        self.project = project
        self.judge = judge
        self.world = world
        self.settings = settings
        self.edits = Edits(project, judge, world.tree)
        self.sources = Sources(project, world.tree, world.committer.read)
        self.moved = False  # somebody else moved the branch
        self.head = world.committer.head()

    # -- from a start state -----------------------------------------------------------------------

    def is_plain(self, position: int, start: Start) -> bool:
        """Whether the task, until it is recorded, needs nothing of HEAD or the index but its own paths.

        Such a task may be opened while others are being recorded, and be recorded together with others.
        """
        task = self.judge.graph.tasks[position]
        return (
            task.rebuild
            and not self.settings.run_hooks  # they are to see one task's commit on top of HEAD
            and task.writes == "declared"
            and task.isolation == "none"
            and not start.elsewhere
            and not task.unresolved
            and not any(target.endswith("/") for target in task.targets)
            and not self.edits.of(position)
        )

    def open(
        self, position: int, verdict: Verdict, start: Start, *, worker: int, place: int, now: float
    ) -> Work:
        """Saves what would be overwritten and lays out the start state. Raises Unusable."""
        task = self.judge.graph.tasks[position]
        tree, committer = self.world.tree, self.world.committer
        before = {p: e for target in task.targets for p, e in entries_at(tree, target).items()}
        told = keep_unrecorded(task, before, tree, committer) if task.rebuild else []
        edits = self.edits.of(position)
        if not self.settings.save_inputs:
            refuse(edits)
        saved = committer.add(edits) if edits else {}
        isolation = "worktree" if start.elsewhere and task.isolation == "none" else task.isolation
        if isolation == "none":
            changes = {p: e for p, e in start.changes.items() if tree.entry(p) != e}
        else:
            changes = {**saved, **self._ignored(position), **self._stored(start.changes)}
        inputs = self.judge.inputs(position)
        # In place it is not looked at; asking would wait for the commit that is under way.
        base = self.head if isolation == "none" else committer.head()
        stack = ExitStack()
        sandbox = stack.enter_context(
            self.world.workspaces.open(
                task,
                start=changes,
                owned=task.targets,
                isolation=isolation,
                visible=_visible(task, inputs) if isolation == "strict" else None,
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
            carried=self.judge.carried_bytes(position),
            told=told,
        )

    def _ignored(self, position: int) -> Mapping[RepoPath, Entry | None]:
        paths = [path for path, _ in self.judge.inputs(position).ignored]
        return self.world.committer.add(paths) if paths else {}

    def _stored(self, changes: Mapping[RepoPath, Entry | None]) -> dict[RepoPath, Entry | None]:
        """Differences from HEAD, whose blobs are written where only the working tree has them."""
        tree = self.world.tree
        differ = {path: entry for path, entry in changes.items() if tree.tracked(path) != entry}
        here = [path for path, entry in differ.items() if entry is not None and tree.entry(path) == entry]
        return {**differ, **(self.world.committer.add(here) if here else {})}

    # -- what an attempt left ---------------------------------------------------------------------

    def results(self, work: Work) -> Results:
        """What the attempt left. Raises Unusable."""
        world = self.world
        folders = any(target.endswith("/") for target in work.task.targets)
        head = world.history.snapshot(self.head) if folders and self.head is not None else None
        return attempt.results_of(work, self.project, world.tree, world.committer, head)

    def disturbed(self, work: Work) -> Sequence[RepoPath]:
        """Inputs that are no longer what they were when the attempt began.

        None where a person switched branches: what the working tree has now is not what the run is about.
        """
        if not self.world.committer.attached():
            return ()
        tree = self.world.tree
        before = dict(work.inputs.committed + work.inputs.ignored)
        tree.refresh([*before, *work.carried])
        now = self.judge.look(work.position, tree)
        old = {**before, **work.carried}
        new = {**dict(now.committed + now.ignored), **self.judge.carried_bytes(work.position)}
        changed = [path for path in sorted({*old, *new}) if old.get(path) != new.get(path)]
        if changed:
            self.edits.look_again()
        return changed

    # -- to a commit ------------------------------------------------------------------------------

    def record(self, work: Work, results: Results, *, changed: Sequence[RepoPath] = ()) -> Done:
        """Commits edited inputs, results, tick and checkpoint in one ref update. Raises Overtaken.

        `changed`: inputs that a `keep` task changed itself; its commit takes them.
        """
        while True:
            if work.sandbox.in_place and not self.world.committer.attached():
                raise BranchSwitched
            if self.catch_up([(work, results)]):
                raise Overtaken
            group = Group((self._alone(work, results, changed),), self.head)
            try:
                commits = self.commit(group)
            except Moved:
                continue  # between our look at the branch and the commit
            (done,) = self.recorded(group, commits)
            if group.records:
                self.world.tree.refresh([*work.task.targets, *group.records[-1].changes])
            return done

    def catch_up(self, works: Sequence[tuple[Work, Results]]) -> Sequence[Work]:
        """Those whose reads or targets were changed by somebody who moved the branch meanwhile."""
        head, snapshot = self.world.committer.head(), self.world.history.snapshot
        if head == self.head:
            return ()
        if head is None or self.head is None:
            return [work for work, _ in works]
        late = moved.overtaken(works, self.judge, snapshot(self.head), snapshot(head))
        self.moved = True
        if not late:
            self.sources.moved(snapshot(self.head), snapshot(head))
            self.head = head
            self.world.tree.refresh(None)
        return late

    def _alone(self, work: Work, results: Results, changed: Sequence[RepoPath]) -> Member:
        """The commits of one task, whatever it is, on the tip as it is now."""
        tree, committer, tip = self.world.tree, self.world.committer, self._tip()
        saved = self._to_save(work, tip)
        if not work.sandbox.in_place:
            sides = self._sides(work, tip, saved)
            results = moved.on_tip(work, results, sides, self.project, committer)
        tree.refresh(work.task.targets)
        work.told += keep_staged([*saved, *results.entries], results.entries, tree, committer)
        own = committer.add(changed) if changed else {}
        changes = {**own, **changes_of(results, tip)}
        laid = {**saved, **own, **dict.fromkeys(results.removed), **results.entries, **results.extra}
        contents = self._task_files({**saved, **results.extra})
        after = Overlay(tip, laid, contents)
        # What a person saved may be older than boxes that were ticked meanwhile.
        again = self._completed() if any(path in self.project.task_files for path in saved) else ()
        changes.update(self._ticks([*again, work.task], tip, laid, contents))
        instead = work.edited_targets(results)
        boxes_ = {path: entry for path, entry in work.ticked.items() if path in changes}
        extra = {path: entry for path in results.extra if (entry := tip.tracked(path)) is not None}
        checkpoint = self._checkpoint(work, results, after)
        if (
            tip.working
            and work.task.rebuild
            and not results.extra
            and self.judge.parts(work.position, after).key() != work.verdict.key
        ):
            raise Overtaken  # it was made of something else, such as fewer files that a pattern finds
        records = [Record(SAVED_SUBJECT + "\n", saved, edited=True)] if saved else []
        if saved or changes or work.says_more(checkpoint):
            text = self._message(work, checkpoint)
            instead_ = {**instead, **boxes_}
            records.append(Record(text, changes, in_place=False, folder=work.seen_by_hooks, instead=instead_))
        return Member(
            work,
            results,
            checkpoint,
            {**extra, **work.before},
            tuple(records),
            instead,
            elsewhere=bool(own) or any(path not in results.entries for path in results.extra),
        )

    def complete(self, work: Work, results: Results) -> Member:
        """What a plain task is recorded with; its key is of the inputs as they were just looked at."""
        self.world.tree.refresh(work.task.targets)
        after = Overlay(self.world.tree, {**dict.fromkeys(results.removed), **results.entries})
        return Member(work, results, self._checkpoint(work, results, after), work.before)

    def group(self, completed: Sequence[Member]) -> Group:
        """The commits of plain tasks, each on top of the one before; nothing is visible yet."""
        tree, committer = self.world.tree, self.world.committer
        if not committer.attached():
            raise BranchSwitched
        laid, contents = boxes.committed([member.work.task for member in completed], tree, {}, committer)
        members: list[Member] = []
        for member in completed:
            work, results = member.work, member.results
            work.told += keep_staged(results.entries, results.entries, tree, committer)
            changes = changes_of(results, Overlay(tree, laid))
            laid.update({**dict.fromkeys(results.removed), **results.entries})
            if self.settings.tick:
                after = Overlay(tree, laid, contents)
                for path, entry, data in boxes.tick(self.project, work.task, after, committer):
                    changes[path] = laid[path] = entry
                    contents[path] = data
            records: tuple[Record, ...] = ()
            if changes or work.says_more(member.checkpoint):
                records = (Record(self._message(work, member.checkpoint), changes, in_place=False),)
            members.append(member._replace(records=records))
        return Group(tuple(members), self.head)

    def commit(self, group: Group) -> Sequence[Oid]:
        """Makes a group visible and durable; may be called by another thread. Raises Moved."""
        records = group.records
        return self.world.committer.commit(records, onto=group.onto) if records else ()

    def recorded(self, group: Group, commits: Sequence[Oid]) -> Sequence[Done]:
        """What became of the members of a group that is visible now."""
        history, tree = self.world.history, self.world.tree
        for member in group.members:
            member.work.sandbox.accept(untouched=not self.settings.run_hooks)
            member.work.stack.close()
            self._lay_out(member.instead, member.results)
        if commits:
            self.head = commits[-1]
            tree.moved(self.head, {p: e for record in group.records for p, e in record.changes.items()})
        for member in group.members:
            for record in member.records:
                self.sources.ticked({p: e for p, e in record.changes.items() if p not in member.work.saved})
        waiting = iter(commits)
        done: list[Done] = []
        for member in group.members:
            own = [next(waiting) for _ in member.records]
            if own:
                ended = int(member.work.began + member.work.seconds)
                history.added(own[-1], [member.checkpoint], ended)
            done.append(self._done(member, own[-1] if own else None))
        return done

    def _done(self, member: Member, commit: Oid | None) -> Done:
        task, results, checkpoint = member.work.task, member.results, member.checkpoint
        warnings = tuple(f"{path} was not made" for path in results.missing)
        if commit is None:
            return Done(None, None, (), warnings, replan=False)
        concerning = self.world.history.concerning(checkpoint.name, checkpoint.definition)
        recorded = next(found for found in concerning if found.commit == commit)
        files = tuple(attempt.file_changes(results, member.before, self.world.committer))
        replan = set(checkpoint.targets) != set(task.targets) or any(
            path in self.project.sources for path in results.extra
        )
        return Done(recorded, commit, files, warnings, replan, member.elsewhere)

    def _lay_out(self, instead: Mapping[RepoPath, Entry | None], results: Results) -> None:
        """What a private worktree made, where a person's edit still stands that was kept before."""
        if not instead or not self.world.committer.attached():
            return
        for path, entry in instead.items():
            if results.entries.get(path) != entry:
                self.world.committer.place(path, results.entries.get(path), instead=entry)
        self.world.tree.refresh(instead)

    def tick(self, tasks: Sequence[Task]) -> None:
        """Ticks boxes of complete tasks: in the working tree, and in a commit where HEAD lacks them."""
        if not tasks:
            return
        tree, committer = self.world.tree, self.world.committer
        files = {task.name.file: None for task in tasks}
        laid = {path: tree.entry(path) for path in files}
        read = {path: data for path in files if (data := tree.read(path)) is not None}
        changes, contents = boxes.tick_all(self.project, tasks, tree, committer, laid, written=read)
        commit = {p: e for p, e in changes.items() if tree.entry(p) == tree.tracked(p)}
        if commit:
            record = Record(TICK_SUBJECT + "\n", commit, in_place=False)
            self.head = committer.commit([record], onto=self.head)[-1]
            self.world.history.added(self.head, [], 0)
            tree.moved(self.head, commit)
        for path, data in contents.items():
            if path not in commit:
                committer.write(path, data, instead=tree.entry(path))
        tree.refresh(contents)

    # -- or to nothing ----------------------------------------------------------------------------

    def abandon(self, work: Work, *, keep: bool, why: str) -> str | None:
        """Undoes; the partial work stays under a ref, which is returned."""
        ref = None
        try:
            if keep and (partial := attempt.partial(work)):
                ref = self.world.committer.keep("failed", partial, f"{work.task.name}: {disarm(why)}\n")
        finally:
            work.sandbox.undo()
            work.stack.close()
            self.world.tree.refresh(work.task.targets)
        return ref

    # -- the parts of a commit --------------------------------------------------------------------

    def _tip(self) -> Snapshot:
        """What a commit is made on: HEAD and the working tree; the branch's own tree, where HEAD left it."""
        if self.head is None or self.world.committer.attached():
            return self.world.tree
        return self.world.history.snapshot(self.head)

    def _to_save(self, work: Work, tip: Snapshot) -> dict[RepoPath, Entry | None]:
        """Edits that no commit holds yet."""
        differ = {path: entry for path, entry in work.saved.items() if tip.tracked(path) != entry}
        base = None if work.base is None else self.world.history.snapshot(work.base)
        ticked = [path for path in differ if path in self.project.task_files]
        for path in ticked:
            if tip.tracked(path) != (base and base.entry(path)) and self._same_text(path, differ[path], tip):
                del differ[path]  # it was saved for another task, whose box was ticked then
        return differ

    def _same_text(self, path: RepoPath, entry: Entry | None, tip: Snapshot) -> bool:
        """Whether a task file is as the tip has it, but for boxes."""
        now, read, emptied = tip.tracked(path), self.world.committer.read, self.project.task_files[path]
        if entry is None or now is None:
            return False
        return emptied(path, read(entry.oid)) == emptied(path, read(now.oid))

    def _sides(self, work: Work, tip: Snapshot, saved: Mapping[RepoPath, Entry | None]) -> Sides:
        snapshot = self.world.history.snapshot
        base = tip if work.base is None else snapshot(work.base)
        theirs = tip if self.head is None else snapshot(self.head)
        return Sides(base, work.laid, theirs, saved)

    def _task_files(self, changes: Mapping[RepoPath, Entry | None]) -> dict[RepoPath, bytes]:
        read = self.world.committer.read
        return {p: read(e.oid) for p, e in changes.items() if e is not None and p in self.project.task_files}

    def _ticks(
        self,
        tasks: Sequence[Task],
        tip: Snapshot,
        laid: Mapping[RepoPath, Entry | None],
        contents: Mapping[RepoPath, bytes],
    ) -> boxes.Changes:
        if not self.settings.tick:
            return {}
        return boxes.tick_on_commit(
            self.project, tasks, tip, self.world.committer, laid=laid, written=contents
        )

    def _checkpoint(self, work: Work, results: Results, after: Snapshot) -> Checkpoint:
        task = work.task
        key = self._key(work, results, after)
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

    def _key(self, work: Work, results: Results, after: Snapshot) -> str:
        """With the targets that the checkpoint names: an inferred one that was not made is none."""
        parts = self.judge.parts(work.position, after)
        made = tuple(results_line(work.task, results, ""))
        if work.task.rebuild and made != self.judge.graph.tasks[work.position].targets:
            inputs = self.judge.look(work.position, after)
            parts = parts._replace(recipe=recipe_parts(replace(work.task, targets=made), inputs))
        return parts.key()

    def _message(self, work: Work, checkpoint: Checkpoint) -> str:
        return message(work.task, checkpoint, subject=self.settings.subject, notes=work.notes)


def _visible(task: Task, inputs: Inputs) -> list[RepoPath]:
    """What a strict tree holds: declared inputs and targets, links on the way, the template of the prompt."""
    return [*inputs.paths, *task.targets, *task.links, *([task.template] if task.template else [])]


class BranchSwitched(RepositoryError):  # noqa: N818
    """A person switched branches while a task ran in the working tree."""

    def __init__(self) -> None:
        super().__init__(
            "HEAD no longer names the branch that this run began on",
            hint="switch back, and run specbuild again",
        )
