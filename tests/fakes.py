"""An engine without a disk: trees, history, workspaces and executors in memory; graphs in makefile words."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from specbuild.engine.build import Builder, Request, Reviewer
from specbuild.engine.checkpoint import Checkpoint, Recorded, parse_lines
from specbuild.engine.events import Event, RunFinished, TaskFinished, TaskStarted, Warned
from specbuild.engine.glob import matcher
from specbuild.engine.graph import build as build_graph
from specbuild.engine.judge import Judge
from specbuild.engine.key import definition
from specbuild.engine.needs import resolve_needs
from specbuild.engine.ownership import owned
from specbuild.engine.plan import Choice, choose
from specbuild.engine.ports import Attempt, Failure, Moved, Ran, Record
from specbuild.engine.project import Project as EngineProject
from specbuild.engine.project import Settings
from specbuild.engine.task import Entry, Isolation, Need, Oid, Recipe, RepoPath, Task, TaskName, TaskText
from specbuild.engine.transaction import World
from specbuild.engine.verdict import Verdict

PLAIN = 0o100644
Files = dict[RepoPath, Entry]


@dataclass
class Commit:
    files: Files
    message: str
    parent: Oid | None


@dataclass
class Repo:
    """Commits, blobs, one branch, one working tree."""

    disk: Files = field(default_factory=dict)
    blobs: dict[Oid, bytes] = field(default_factory=dict)
    commits: dict[Oid, Commit] = field(default_factory=dict)
    tip: Oid | None = None
    kept: dict[str, Files] = field(default_factory=dict)
    why_kept: dict[str, str] = field(default_factory=dict)  # messages of what is kept
    undone: set[Oid] = field(default_factory=set)
    setups: list[str] = field(default_factory=list)
    attached: bool = True  # whether HEAD names the run's branch
    interlopers: list[Callable[[], object]] = field(default_factory=list)
    """What others do, each right before one commit of the run is made."""

    def store(self, data: bytes) -> Oid:
        oid = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        self.blobs[oid] = data
        return oid

    def type(self, path: RepoPath, text: str | None) -> None:
        """A person writes a file, or removes it."""
        if text is None:
            self.disk.pop(path, None)
        else:
            self.disk[path] = Entry(PLAIN, self.store(text.encode()))

    def text(self, path: RepoPath) -> str | None:
        entry = self.disk.get(path)
        return None if entry is None else self.blobs[entry.oid].decode()

    def commit(self, files: Files, message: str) -> Oid:
        oid = hashlib.sha1(
            repr((sorted(files.items()), message, self.tip, len(self.commits))).encode()
        ).hexdigest()
        self.commits[oid] = Commit(dict(files), message, self.tip)
        self.tip = oid
        return oid

    def log(self) -> Iterator[Oid]:
        oid = self.tip
        while oid is not None:
            yield oid
            oid = self.commits[oid].parent

    def reset(self, steps: int) -> None:
        """`git reset --hard HEAD~steps`."""
        for _ in range(steps):
            assert self.tip is not None
            self.tip = self.commits[self.tip].parent
        self.disk = dict(self.commits[self.tip].files) if self.tip else {}

    def squash(self, steps: int) -> None:
        """`git reset --soft HEAD~steps`, and a commit with all the messages."""
        messages = [self.commits[oid].message for oid in list(self.log())[:steps]]
        files = dict(self.commits[self.tip].files) if self.tip else {}
        for _ in messages:
            assert self.tip is not None
            self.tip = self.commits[self.tip].parent
        self.commit(files, "\n".join(reversed(messages)))

    def revert(self) -> None:
        """`git revert HEAD`."""
        assert self.tip is not None
        undone, commit = self.tip, self.commits[self.tip]
        before = self.commits[commit.parent].files if commit.parent else {}
        self.undone.add(undone)
        self.commit(dict(before), f"This reverts commit {undone}.")
        self.disk = dict(before)


class _Anything(frozenset[str]):
    def isdisjoint(self, _: object) -> bool:
        return False


class FakeTree:
    """A snapshot: of a commit, or of the disk standing on the tip."""

    def __init__(self, repo: Repo, files: Files | None = None) -> None:
        self.repo = repo
        self._files = files
        self.working = files is None

    @property
    def _here(self) -> Files:
        return self.repo.disk if self._files is None else self._files

    @property
    def _base(self) -> Files:
        if self._files is not None:
            return self._files
        return self.repo.commits[self.repo.tip].files if self.repo.tip else {}

    def entry(self, path: RepoPath) -> Entry | None:
        return self._here.get(path)

    def below(self, folder: RepoPath) -> Mapping[RepoPath, Entry]:
        return {path: entry for path, entry in sorted(self._here.items()) if path.startswith(folder)}

    def glob(self, pattern: str) -> Sequence[RepoPath]:
        return sorted(filter(matcher(pattern), self._here))

    def named(self, last: str) -> Sequence[RepoPath]:
        return sorted(path for path in self._base if path.rsplit("/", 1)[-1] == last)

    def tracked(self, path: RepoPath) -> Entry | None:
        return self._base.get(path)

    def tracked_below(self, folder: RepoPath) -> bool:
        return any(path.startswith(folder) for path in self._base)

    def read(self, path: RepoPath) -> bytes | None:
        entry = self._here.get(path)
        return None if entry is None else self.repo.blobs[entry.oid]

    def exists(self, path: RepoPath) -> bool:
        return path in self._here

    def ignored(self, path: RepoPath) -> bool:
        return False

    @property
    def touched(self) -> AbstractSet[RepoPath]:
        return _Anything([""])  # it remembers nothing, so anything may have changed since it was asked

    def refresh(self, paths: Iterable[RepoPath] | None = None) -> None:
        list(paths or ())

    def moved(self, commit: Oid, changes: Mapping[RepoPath, Entry | None]) -> None:
        for path, entry in changes.items():
            assert self.tracked(path) == entry

    def dirty(self) -> Collection[RepoPath]:
        return [p for p in {*self._here, *self._base} if self._here.get(p) != self._base.get(p)]

    def staged(self, path: RepoPath) -> Entry | None:
        return self._base.get(path)


class FakeHistory:
    def __init__(self, repo: Repo) -> None:
        self.repo = repo

    @property
    def tip(self) -> Oid | None:
        return self.repo.tip

    def checkpoints(self) -> Sequence[Recorded]:
        return [
            Recorded(checkpoint, oid, order, oid in self.repo.undone, 0)
            for order, oid in enumerate(self.repo.log())
            for checkpoint in parse_lines(self.repo.commits[oid].message.encode())
        ]

    def supersedes(self, newer: Recorded, older: Recorded) -> bool:
        return newer.order < older.order

    def snapshot(self, commit: Oid) -> FakeTree:
        return FakeTree(self.repo, self.repo.commits[commit].files)

    def added(self, commit: Oid, checkpoints: Sequence[Checkpoint], time: int) -> None:
        assert commit in self.repo.log()

    def concerning(self, name: TaskName, definition: str) -> Sequence[Recorded]:
        found = self.checkpoints()
        return [r for r in found if r.checkpoint.definition == definition or r.checkpoint.name == name]

    def with_definition(self, definition: str) -> Iterator[Recorded]:
        return (r for r in self.checkpoints() if r.checkpoint.definition == definition)

    def with_key(self, key: str) -> Sequence[Recorded]:
        return [r for r in self.checkpoints() if r.checkpoint.key == key]

    def elsewhere(self, refs: Sequence[str], key: str | None = None) -> Sequence[Recorded]:
        return []

    def anywhere(self, path: RepoPath, result: str | None) -> bool:
        found = [r.checkpoint.targets[path] for r in self.checkpoints() if path in r.checkpoint.targets]
        return bool(found) if result is None else result in found


class FakeSandbox:
    """In place, or on a copy of the tip's files."""

    def __init__(
        self, repo: Repo, owned_: Sequence[RepoPath], start: Mapping[RepoPath, Entry | None], place: bool
    ) -> None:
        self.repo, self._owned, self._start = repo, owned_, start
        self.in_place = place
        self.folder = "."
        self._original = dict(repo.disk)
        base = repo.commits[repo.tip].files if repo.tip else {}
        self.files = repo.disk if place else dict(base)
        self._accepted = False
        self._lay()
        self._begin = dict(self.files)

    def _lay(self) -> None:
        for path, entry in self._start.items():
            self.files.pop(path, None)
            if entry is not None:
                self.files[path] = entry

    def reset(self) -> None:
        self.files.clear()
        self.files.update(self._begin)

    def result(self, paths: Iterable[RepoPath]) -> Mapping[RepoPath, Entry]:
        return {
            found: entry
            for path in paths
            for found, entry in self.files.items()
            if found == path or (path.endswith("/") and found.startswith(path))
        }

    def changed(self) -> Mapping[RepoPath, Entry | None]:
        paths = {*self.files, *self._begin}
        return {p: self.files.get(p) for p in sorted(paths) if self.files.get(p) != self._begin.get(p)}

    def exists(self, path: RepoPath) -> bool:
        return path in self.files

    def unprepared(self, setup: str) -> bool:
        return not self.in_place and setup not in self.repo.setups

    def prepared(self, setup: str) -> None:
        self.repo.setups.append(setup)

    def undo(self) -> None:
        if self.in_place:
            for path in [*self.repo.disk]:
                if any(path == o or (o.endswith("/") and path.startswith(o)) for o in self._owned):
                    del self.repo.disk[path]
            for path, entry in self._original.items():
                if any(path == o or (o.endswith("/") and path.startswith(o)) for o in self._owned):
                    self.repo.disk[path] = entry

    def accept(self, *, untouched: bool = False) -> None:
        self._accepted = True


class FakeWorkspaces:
    sandbox = FakeSandbox

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self.of: dict[str, FakeSandbox] = {}  # by id of the task, the one that was opened last for it
        self.opened: list[str] = []  # ids of tasks

    @contextmanager
    def open(
        self,
        task: Task,
        *,
        start: Mapping[RepoPath, Entry | None],
        owned: Sequence[RepoPath],
        isolation: Isolation,
        visible: Sequence[RepoPath] | None,
    ) -> Iterator[FakeSandbox]:
        self.opened.append(task.name.id)
        found = self.of[task.name.id] = self.sandbox(self.repo, owned, start, isolation == "none")
        yield found


class FakeCommitter:
    def __init__(self, repo: Repo) -> None:
        self.repo = repo

    def head(self) -> Oid | None:
        return self.repo.tip

    def attached(self) -> bool:
        return self.repo.attached

    def store(self, data: bytes, *, like: Oid | None = None) -> Oid:
        return self.repo.store(data)

    def read(self, oid: Oid) -> bytes:
        return self.repo.blobs[oid]

    def write(self, path: RepoPath, data: bytes, *, instead: Entry | None) -> bool:
        if self.repo.disk.get(path) != instead:
            return False
        self.repo.disk[path] = Entry(PLAIN, self.repo.store(data))
        return True

    def place(self, path: RepoPath, entry: Entry | None, *, instead: Entry | None) -> bool:
        if self.repo.disk.get(path) != instead:
            return False
        self.repo.disk.pop(path, None)
        if entry is not None:
            self.repo.disk[path] = entry
        return True

    def add(self, paths: Iterable[RepoPath]) -> Mapping[RepoPath, Entry | None]:
        return {path: self.repo.disk.get(path) for path in paths}

    def commit(self, records: Sequence[Record], *, onto: Oid | None) -> Sequence[Oid]:
        if self.repo.interlopers:
            self.repo.interlopers.pop(0)()
        if onto != self.repo.tip:
            raise Moved
        made = []
        for record in records:
            before = dict(self.repo.commits[self.repo.tip].files) if self.repo.tip else {}
            files = dict(before)
            for path, entry in record.changes.items():
                old = record.instead.get(path, before.get(path))
                files.pop(path, None)
                if entry is not None:
                    files[path] = entry
                if self.repo.attached and self.repo.disk.get(path) == old:
                    self.repo.disk.pop(path, None)
                    if entry is not None:
                        self.repo.disk[path] = entry
            made.append(self.repo.commit(files, record.message))
        return made

    def merge(self, base: Oid, ours: Oid, theirs: Oid) -> Oid | None:
        """Lines of files that are as long as before, place by place."""
        old, one, two = (self.repo.blobs[oid].splitlines() for oid in (base, ours, theirs))
        if not len(old) == len(one) == len(two):
            return None
        lines = []
        for was, mine, yours in zip(old, one, two, strict=True):
            if was not in (mine, yours) and mine != yours:
                return None
            lines.append(yours if mine == was else mine)
        return self.repo.store(b"\n".join(lines) + b"\n")

    def keep(self, kind: str, changes: Mapping[RepoPath, Entry | None], message: str) -> str:
        ref = f"refs/specbuild/{kind}/{len(self.repo.kept)}"
        self.repo.kept[ref] = {path: entry for path, entry in changes.items() if entry is not None}
        self.repo.why_kept[ref] = message
        return ref


Body = Callable[["FakeSandbox", Task, Repo], None]


class FakeExecutors:
    """Runs a task by making each target from its id, its inputs and what stood there."""

    def __init__(self, repo: Repo, workspaces: FakeWorkspaces) -> None:
        self.repo, self._workspaces = repo, workspaces
        self.ran: list[str] = []
        self.failing: dict[str, int] = {}  # id -> attempts that fail
        self.bodies: dict[str, Body] = {}
        self.doubts: dict[str, str] = {}  # id -> what the executor says against its success
        self.usage: dict[str, float] = {}  # what each attempt costs

    def run(
        self, attempt: Attempt, log: Callable[[str], None], cancelled: Callable[[], bool]
    ) -> Failure | Ran:
        task = attempt.task
        sandbox = self._workspaces.of[task.name.id]
        self.ran.append(task.name.id)
        if self.failing.get(task.name.id, 0) > 0:
            self.failing[task.name.id] -= 1
            for target in task.targets:
                sandbox.files[target] = Entry(PLAIN, self.repo.store(b"half"))
            return Failure(attempt.attempt, "it failed", "", usage=self.usage)
        if task.name.id in self.bodies:
            self.bodies[task.name.id](sandbox, task, self.repo)
        else:
            make(sandbox.files, task, self.repo, attempt.values["inputs"])
        return Ran(usage=self.usage, doubt=self.doubts.get(task.name.id, ""))

    def verify(
        self, attempt: Attempt, log: Callable[[str], None], cancelled: Callable[[], bool]
    ) -> Failure | Ran:
        return Ran()

    def setup(
        self, attempt: Attempt, log: Callable[[str], None], cancelled: Callable[[], bool]
    ) -> Failure | Ran:
        self.ran.append(f"setup of {attempt.task.name.id}")
        return Ran()


def make(files: Files, task: Task, repo: Repo, inputs: Sequence[RepoPath]) -> None:
    """What a fake recipe does: a pure function of title, inputs and start bytes."""
    seen = [f"{p}={repo.blobs[files[p].oid].decode() if p in files else '-'}" for p in inputs]
    for target in task.targets:
        start = repo.blobs[files[target].oid].decode() if target in files else ""
        text = f"{start}{task.text.title}({','.join(seen)})"
        files[target] = Entry(PLAIN, repo.store(text.encode()))


class FakeClock:
    """Each look at it takes so many seconds."""

    def __init__(self, tick: float = 1.0) -> None:
        self.time = 0.0
        self.tick = tick

    def now(self) -> float:
        self.time += self.tick
        return self.time

    def sleep(self, seconds: float, cancelled: Callable[[], bool]) -> None:
        self.time += seconds


def rule(line: str, position: int) -> Task:
    """`T1 a.o b.o: a.c b.c [keep] [P] [needs T2] [US1] [phase 2]` as a task; `T1` may be left out."""
    head, _, tail = line.partition(":")
    words = head.split()
    id_ = (
        words.pop(0) if words and words[0].startswith("T") and words[0][1:].isdigit() else f"T{position + 1}"
    )
    inputs, _, marks = tail.partition("[")
    marked = [mark.rstrip("] ") for mark in f"[{marks}".split("[") if mark.strip()]
    named = {mark.split()[0]: mark.split()[1:] for mark in marked}
    title = named.get("title", [id_])[0]
    phase = int(named.get("phase", ["0"])[0])
    text = TaskText(
        name=TaskName("tasks.md", id_),
        line=position + 1,
        title=title,
        definition=definition(title + " " + " ".join(named.get("def", []))),
        body="",
        box=position,
        ticked="ticked" in named,
        phase=f"Phase {phase}" if phase else None,
        phase_index=phase,
        story=next((mark for mark in named if mark.startswith("US")), None),
        priority=int(named["priority"][0]) if "priority" in named else None,
        optional="optional" in named,
        parallel="P" in named,
        after_all="ALL" in named,
        needs=tuple(Need(need, True, position + 1) for need in named.get("needs", [])),
    )
    return Task(
        text=text,
        targets=tuple(words),
        absent=frozenset(named.get("absent", [])),
        targets_declared="inferred" not in named,
        targets_written=tuple(words),
        reads=tuple(named.get("reads", [])),
        inputs=tuple(inputs.split()),
        executor="fake",
        recipe=Recipe("sh", f"make {title} {' '.join(named.get('recipe', []))}", 1),
        on_edit="keep" if "keep" in named else "rebuild",
        writes="any" if "any" in named else "declared",
        isolation="worktree" if "worktree" in named else "none",
        retries=int(named.get("retries", ["0"])[0]),
        setup=" ".join(named["setup"]) if "setup" in named else None,
        verify=" ".join(named["verify"]) if "verify" in named else None,
        review="review" in named,
    )


class Project:
    """A whole build in memory: `Project("b: a", "c: b", files={"a": "1"}).build() == ["T1", "T2"]`."""

    def __init__(self, *rules: str, files: Mapping[str, str] | None = None) -> None:
        self.repo = Repo()
        for path, text in (files or {}).items():
            self.repo.type(path, text)
        self.repo.commit(dict(self.repo.disk), "start")
        self.rules = list(rules)
        self.environment: dict[str, str] = {}
        self.workspaces = FakeWorkspaces(self.repo)
        self.executors = FakeExecutors(self.repo, self.workspaces)
        self.events: list[Event] = []
        self.end: RunFinished | None = None
        self.builder: Builder | None = None  # of the last run
        self.judge = Judge
        self.tick = 1.0  # seconds that each look at the clock takes; with few, tasks wait in line for workers

    def load(self) -> tuple[EngineProject, Judge]:
        tasks = [rule(line, position) for position, line in enumerate(self.rules)]
        needs = resolve_needs([task.text for task in tasks])
        tasks = owned([replace(task, needs=needs[task.name]) for task in tasks])
        project = EngineProject(
            graph=build_graph(tasks),
            files=("tasks.md",),
            sources=frozenset(),
            task_files={},
            tick=lambda _task, _snapshot: {},
            restore_boxes=lambda _path, _before, after: after,
        )
        judge = self.judge(
            project.graph,
            FakeTree(self.repo),
            FakeHistory(self.repo),
            task_files={},
            environment=self.environment,
        )
        return project, judge

    def build(
        self,
        *,
        settings: Settings | None = None,
        leave: bool | Callable[[Sequence[TaskName]], bool] = True,
        forced: Iterable[str] = (),
        only: Collection[str] | None = None,
        with_needs: bool = False,
        review: Reviewer | None = None,
        first: Iterable[str] = (),
        gates: Callable[[str, str | None], bool] | None = None,
    ) -> list[str]:
        """Runs; returns the ids of tasks whose recipes ran, in order."""
        before = len(self.executors.ran)
        tree = FakeTree(self.repo)

        def chosen(project: EngineProject, judge: Judge) -> Choice:
            wanted = [p for p, t in enumerate(project.graph.tasks) if only is None or t.name.id in only]
            return choose(
                project.graph,
                wanted,
                unfinished=lambda p: judge.verdict(p).stale,
                supports=lambda _p: False,
                with_needs=with_needs,
            )

        builder = Builder(
            self.load,
            World(tree, FakeHistory(self.repo), self.workspaces, FakeCommitter(self.repo)),
            self.executors,
            FakeClock(self.tick),
            request=Request(
                choice=chosen,
                forced=frozenset(TaskName("tasks.md", id_) for id_ in forced),
                leave=leave if callable(leave) else lambda _names: leave,
                review=review,
                first=frozenset(TaskName("tasks.md", id_) for id_ in first),
                gates=gates,
            ),
            settings=settings or Settings(),
            environment=self.environment,
            emit=self.events.append,
        )
        self.builder = builder
        self.end = builder.run()
        return self.executors.ran[before:]

    def finished(self) -> list[TaskFinished]:
        """Of the last run."""
        last = max(i for i, event in enumerate(self.events) if isinstance(event, RunFinished))
        ends = [i for i, event in enumerate(self.events[:last]) if isinstance(event, RunFinished)]
        return [e for e in self.events[max(ends, default=-1) + 1 :] if isinstance(e, TaskFinished)]

    def verdicts(self) -> dict[str, Verdict]:
        project, judge = self.load()
        return {task.name.id: verdict for task, verdict in zip(project.graph.tasks, judge.all(), strict=True)}

    def reasons(self, id_: str) -> list[str]:
        return [reason.code for reason in self.verdicts()[id_].reasons]

    def clean(self) -> dict[RepoPath, str | None]:
        """Targets as a build from nothing makes them, apart from this project."""
        tasks = [rule(line, position) for position, line in enumerate(self.rules)]
        made = {target for task in tasks for target in task.targets}
        other = Project(*self.rules)
        for path, entry in self.repo.disk.items():
            if path not in made:
                other.repo.type(path, self.repo.blobs[entry.oid].decode())
        other.repo.commit(dict(other.repo.disk), "clean")
        other.build()
        return {path: other.repo.text(path) for path in sorted(made)}

    def targets(self) -> dict[RepoPath, str | None]:
        tasks = [rule(line, position) for position, line in enumerate(self.rules)]
        return {path: self.repo.text(path) for path in sorted({t for task in tasks for t in task.targets})}

    @property
    def warnings(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Warned)]

    @property
    def started(self) -> list[str]:
        return [event.task.id for event in self.events if isinstance(event, TaskStarted)]


def meanwhile(project: Project, id_: str, *acts: Callable[[], object]) -> None:
    """During the first attempts of a task somebody does these things, one in each; then it does its own."""
    waiting = list(acts)

    def body(sandbox: FakeSandbox, task: Task, repo: Repo) -> None:
        if waiting:
            waiting.pop(0)()
        make(sandbox.files, task, repo, [path for path in task.inputs if path in sandbox.files])

    project.executors.bodies[id_] = body
