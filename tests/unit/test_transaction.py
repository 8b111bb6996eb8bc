"""A completion as a transaction: what is laid out, what its commits hold, and what is seen of them afterwards."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from fakes import (
    PLAIN,
    FakeCommitter,
    FakeHistory,
    FakeSandbox,
    FakeTree,
    FakeWorkspaces,
    Files,
    Project,
    Repo,
)

from specbuild.engine.checkpoint import Checkpoint, parse_lines
from specbuild.engine.events import FileChange
from specbuild.engine.graph import build as build_graph
from specbuild.engine.judge import Judge
from specbuild.engine.moved import Overtaken
from specbuild.engine.ports import Record, Snapshot, World
from specbuild.engine.project import Settings
from specbuild.engine.start import Start, start_of
from specbuild.engine.task import Entry, Isolation, Oid, RepoPath, Task
from specbuild.engine.transaction import BranchSwitched, Transactions
from specbuild.engine.work import Done, Member, Work

SAVE = "specbuild: save edited inputs"


class Memory(FakeTree):
    """Knows of the disk what it saw there, until it is told that this may have changed, as the real one does."""

    def __init__(self, repo: Repo) -> None:
        super().__init__(repo)
        self.index: dict[RepoPath, Entry] = {}
        self.hidden: set[RepoPath] = set()
        self.looked_widely = 0
        self.other: Files | None = None  # of the branch that a person switched to
        self._seen: dict[RepoPath, Entry | None] = {}

    @property
    def _base(self) -> Files:
        return super()._base if self.other is None else self.other

    def entry(self, path: RepoPath) -> Entry | None:
        return self._seen.setdefault(path, super().entry(path))

    def refresh(self, paths: Iterable[RepoPath] | None = None) -> None:
        if paths is None:
            self.looked_widely += 1
            self._seen.clear()
        for path in paths or ():
            self._seen.pop(path, None)

    def moved(self, commit: Oid, changes: Mapping[RepoPath, Entry | None]) -> None:
        if self.other is None:
            super().moved(commit, changes)
        assert commit == self.repo.tip
        self.refresh(list(changes))

    def staged(self, path: RepoPath) -> Entry | None:
        return self.index.get(path, super().staged(path))

    def ignored(self, path: RepoPath) -> bool:
        return path in self.hidden


class Writer(FakeCommitter):
    """Remembers what it wrote: blobs of the working tree, and commits."""

    def __init__(self, repo: Repo) -> None:
        super().__init__(repo)
        self.added: set[RepoPath] = set()
        self.records: list[Record] = []

    def add(self, paths: Iterable[RepoPath]) -> Mapping[RepoPath, Entry | None]:
        found = super().add(list(paths))
        self.added.update(found)
        return found

    def commit(self, records: Sequence[Record], *, onto: Oid | None) -> Sequence[Oid]:
        made = super().commit(records, onto=onto)
        self.records.extend(records)
        return made


class Chronicle(FakeHistory):
    """Remembers what it was told of."""

    def __init__(self, repo: Repo) -> None:
        super().__init__(repo)
        self.told: list[tuple[Oid, Sequence[Checkpoint], int]] = []

    def added(self, commit: Oid, checkpoints: Sequence[Checkpoint], time: int) -> None:
        super().added(commit, checkpoints, time)
        self.told.append((commit, checkpoints, time))


class Room(NamedTuple):
    """What a sandbox was asked for with."""

    task: Task
    start: Mapping[RepoPath, Entry | None]
    isolation: Isolation
    visible: Sequence[RepoPath] | None


class Rooms(FakeWorkspaces):
    """Remembers what was asked for, and which sandboxes were left."""

    def __init__(self, repo: Repo) -> None:
        super().__init__(repo)
        self.asked: list[Room] = []
        self.left: list[FakeSandbox] = []

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
        self.asked.append(Room(task, start, isolation, visible))
        with super().open(task, start=start, owned=owned, isolation=isolation, visible=visible) as sandbox:
            yield sandbox
        self.left.append(sandbox)


def tick(task: Task, snapshot: Snapshot) -> Mapping[RepoPath, bytes]:
    """Boxes stand in lines such as `[ ] T1` of tasks.md."""
    data = snapshot.read("tasks.md") or b""
    ticked = data.replace(b"[ ] " + task.name.id.encode(), b"[x] " + task.name.id.encode())
    return {} if ticked == data else {"tasks.md": ticked}


def restore_boxes(_path: RepoPath, before: bytes, after: bytes) -> bytes:
    ticked = {line[4:] for line in before.splitlines() if line.startswith(b"[x]")}
    lines = []
    for line in after.splitlines():
        box = line.startswith((b"[x]", b"[ ]"))
        lines.append((b"[x] " if line[4:] in ticked else b"[ ] ") + line[4:] if box else line)
    return b"\n".join(lines)


class Case:
    """Rules over a repository in memory, and transactions on it, one step at a time."""

    def __init__(
        self,
        *rules: str,
        files: Mapping[str, str] | None = None,
        settings: Settings | None = None,
        unborn: bool = False,
        hidden: Iterable[RepoPath] = (),
        **first: Any,  # fields of the first task
    ) -> None:
        made = Project(*rules, files=files)
        self.repo = made.repo
        if unborn:
            self.repo.tip = None
        self.tree = Memory(self.repo)
        self.tree.hidden.update(hidden)
        self.history, self.committer, self.rooms = Chronicle(self.repo), Writer(self.repo), Rooms(self.repo)
        loaded, _ = made.load()
        tasks = [replace(task, **first) if n == 0 else task for n, task in enumerate(loaded.graph.tasks)]
        self.project = replace(
            loaded,
            graph=build_graph(tasks),
            sources=frozenset({"tasks.md", "specbuild.toml"}),
            task_files={"tasks.md": lambda _path, data: data.replace(b"[x]", b"[ ]")},
            tick=tick,
            restore_boxes=restore_boxes,
        )
        self.judge = Judge(self.project.graph, self.tree, self.history, task_files={}, environment={})
        world = World(self.tree, self.history, self.rooms, self.committer)
        self.transactions = Transactions(self.project, self.judge, world, settings or Settings())

    def entry(self, text: str) -> Entry:
        return Entry(PLAIN, self.repo.store(text.encode()))

    def type(self, **texts: str | None) -> None:
        """A person edits files; `__` stands for `.` and `_` for `/`. The tree is told."""
        for path, text in named(texts).items():
            self.repo.type(path, text)
            self.tree.refresh([path])

    def commits(self, **texts: str | None) -> None:
        """A person commits, from elsewhere: the working tree is as it was."""
        files = dict(self.repo.commits[self.repo.tip].files) if self.repo.tip else {}
        for path, text in named(texts).items():
            files.pop(path, None)
            if text is not None:
                files[path] = self.entry(text)
        self.repo.commit(files, "a person's")

    def open(self, position: int = 0, start: Start | None = None) -> Work:
        verdict = self.judge.verdict(position)
        start = start or start_of(self.judge, position, self.tree)
        return self.transactions.open(position, verdict, start, worker=1, place=1, now=10.0)

    def leave(self, work: Work, **texts: str | None) -> None:
        """What an attempt leaves in its sandbox."""
        assert isinstance(work.sandbox, FakeSandbox)
        for path, text in named(texts).items():
            work.sandbox.files.pop(path, None)
            if text is not None:
                work.sandbox.files[path] = self.entry(text)
        work.seconds = 2.5

    def record(self, work: Work, *, changed: Sequence[RepoPath] = ()) -> Done:
        done = self.transactions.record(work, self.transactions.results(work), changed=changed)
        if done.recorded is not None:
            self.judge.recorded(work.position, done.recorded)
        return done

    def run(self, position: int = 0, /, **texts: str | None) -> Done:
        """A task from start to commit."""
        work = self.open(position)
        self.leave(work, **texts)
        return self.record(work)

    def completed(self, position: int, **texts: str | None) -> Member:
        """A plain task up to where it waits for the others of its group."""
        work = self.open(position)
        self.leave(work, **texts)
        return self.transactions.complete(work, self.transactions.results(work))

    def group(self, *members: Member) -> Sequence[Done]:
        found = self.transactions.group(members)
        return self.transactions.recorded(found, self.transactions.commit(found))

    def tip(self, steps: int = 0) -> dict[RepoPath, str]:
        """What the branch has, or had so many commits before."""
        files = self.repo.commits[list(self.repo.log())[steps]].files
        return {path: self.repo.blobs[entry.oid].decode() for path, entry in files.items()}

    @property
    def subjects(self) -> list[str]:
        """Of commits, newest first, without the one that everything began with."""
        return [self.repo.commits[oid].message.splitlines()[0] for oid in self.repo.log()][:-1]


def named(texts: Mapping[str, str | None]) -> dict[RepoPath, str | None]:
    return {name.replace("__", ".").replace("_", "/"): text for name, text in texts.items()}


# -- who needs nothing but its own paths


@pytest.mark.parametrize(
    ("rule", "plain"),
    [
        ("b: a", True),
        ("b: a [keep]", False),
        ("b: a [any]", False),
        ("b: a [worktree]", False),
        ("b d/: a", False),
        ("b: x", False),
    ],
)
def test_who_is_plain(rule: str, *, plain: bool) -> None:
    case = Case(rule, files={"a": "1", "x": "1"})
    case.type(x="2")
    assert case.transactions.is_plain(0, Start()) is plain


def test_who_is_not_plain_for_other_reasons() -> None:
    files = {"a": "1"}
    assert not Case("b: a", files=files).transactions.is_plain(0, Start(elsewhere=True))
    assert not Case("b: a", files=files, unresolved=("b",)).transactions.is_plain(0, Start())
    assert not Case("b: a", files=files, settings=Settings(run_hooks=True)).transactions.is_plain(0, Start())


def test_what_is_plain_is_opened_and_completed_without_waiting_for_a_commit_that_is_under_way() -> None:
    class Busy(Writer):
        def add(self, paths: Iterable[RepoPath]) -> Mapping[RepoPath, Entry | None]:
            raise AssertionError(f"would wait to add {list(paths)}")

        def head(self) -> Oid | None:
            raise AssertionError("would wait to ask for HEAD")

    case = Case("b: a", files={"a": "1"})
    world = case.transactions.world
    case.transactions.world = world._replace(committer=Busy(case.repo))
    member = case.completed(0, b="made")
    assert case.tree.looked_widely == 0
    assert (member.results.entries, member.before, member.work.base) == (
        {"b": case.entry("made")},
        {},
        case.repo.tip,
    )


# -- the start state


def test_a_task_is_opened_as_it_asks_for() -> None:
    case = Case("b: a", files={"a": "1"})
    work = case.open()
    assert case.rooms.asked == [Room(work.task, {}, "none", None)]
    assert (work.worker, work.place, work.began, work.told, work.base) == (1, 1, 10.0, [], case.repo.tip)


def test_a_task_that_has_to_see_other_bytes_than_the_trees_is_opened_in_a_worktree() -> None:
    case = Case("b: a", files={"a": "1"})
    case.open(start=Start({}, elsewhere=True))
    strict = Case("b: a", files={"a": "1"}, isolation="strict")
    strict.open(start=Start({}, elsewhere=True))
    assert [room.isolation for room in (*case.rooms.asked, *strict.rooms.asked)] == ["worktree", "strict"]


def test_a_worktree_holds_all_and_a_strict_one_what_was_declared_and_what_that_needs() -> None:
    case = Case("b: a", files={"a": "1"}, isolation="worktree", links=("link",), template="t.md")
    case.open()
    assert case.rooms.asked[0].visible is None
    for template, shown in (("t.md", ["t.md"]), (None, [])):
        case = Case("b: a", files={"a": "1"}, isolation="strict", links=("link",), template=template)
        case.open()
        assert case.rooms.asked[0].visible == ["a", "b", "link", *shown]


def test_a_worktree_starts_from_the_branch_as_it_is_now() -> None:
    case = Case("b: a [worktree]", files={"a": "1"})
    case.commits(x="theirs")
    assert case.open().base == case.repo.tip


def test_a_worktree_gets_edited_and_ignored_inputs_and_its_own_start_as_blobs_that_git_has() -> None:
    case = Case(
        "b c: a env x [worktree]", files={"a": "1", "x": "1", "c": "old"}, hidden=["env"], writes="any"
    )
    case.type(a="2", env="secret", new="mine")
    there = {"new": case.entry("mine"), "c": None, "x": case.entry("1"), "lost": case.entry("3")}
    start = Start(there)
    work = case.open(start=start)
    laid = {
        "a": case.entry("2"),
        "env": case.entry("secret"),
        "new": case.entry("mine"),
        "c": None,
        "lost": case.entry("3"),
    }
    assert case.rooms.asked[0].start == work.laid == laid
    assert case.committer.added == {"a", "env", "new"}
    assert work.saved == {"a": case.entry("2")}


def test_in_place_only_what_differs_is_laid_out() -> None:
    case = Case("b c: a", files={"a": "1", "b": "same", "c": "old"})
    work = case.open(start=Start({"b": case.entry("same"), "c": None}))
    assert case.rooms.asked[0].start == work.laid == {"c": None}


def test_what_a_person_wrote_at_a_generated_target_is_kept_and_told() -> None:
    case = Case("b d/: a", files={"a": "1", "b": "1"})
    case.type(b="mine", d_e="mine too")
    work = case.open()
    assert work.told == ["b, d/e had been edited; what stood there is kept at refs/specbuild/saved/0"]
    assert case.repo.kept["refs/specbuild/saved/0"] == work.before
    assert list(case.repo.why_kept.values()) == ["tasks.md#T1: targets before they were made again\n"]
    assert work.before == {"b": case.entry("mine"), "d/e": case.entry("mine too")}


def test_what_people_write_at_a_source_tasks_target_is_its_start_and_nothing_to_keep() -> None:
    case = Case("b: a [keep]", files={"a": "1", "b": "1"})
    case.type(b="mine")
    work = case.open()
    assert (work.told, case.repo.kept) == ([], {})
    assert work.saved == {"b": case.entry("mine")}


# -- what an attempt left


@pytest.mark.parametrize("unborn", [True, False])
def test_of_a_folder_what_a_person_removed_is_removed_where_head_has_it(*, unborn: bool) -> None:
    case = Case("d/: a", files={"a": "1", "d/e": "1"}, unborn=unborn)
    case.type(d_e=None)
    work = case.open()
    case.leave(work, d_f="new")
    results = case.transactions.results(work)
    assert results.entries == {"d/f": case.entry("new")}
    assert results.removed == (() if unborn else ("d/e",))


def test_only_inputs_are_looked_at_again_after_an_attempt() -> None:
    case = Case("b: a env c/", files={"a": "1", "c/d": "1", "x": "1"}, hidden=["env"])
    case.type(env="1")
    work = case.open()
    assert case.transactions.disturbed(work) == []
    for path in ("a", "env", "c/d", "x"):
        case.repo.type(path, "2")
    assert case.transactions.disturbed(work) == ["a", "c/d", "env"]
    assert case.tree.looked_widely == 0


def test_after_an_edit_meanwhile_more_may_be_gone_than_was_known() -> None:
    case = Case("b: src/*.c [keep]", files={"src/a.c": "1"})
    work = case.open()
    assert case.transactions.edits.of(0) == {}
    case.type(src_a__c=None)
    assert case.transactions.disturbed(work) == ["src/a.c"]
    case.judge.forget(0)
    assert case.transactions.edits.of(0) == {"src/a.c": None}


# -- commits


def test_a_completion_is_one_commit_and_only_what_it_wrote_is_looked_at_again() -> None:
    case = Case("b: a", files={"a": "1"}, reads=("r",))
    before = case.repo.tip
    assert case.tree.entry("b") is None
    done = case.run(b="made")
    assert case.repo.tip is not None
    (line,) = parse_lines(case.repo.commits[case.repo.tip].message.encode())
    assert (case.subjects, case.repo.commits[case.repo.tip].parent) == (["T1 T1"], before)
    assert (line.reads, line.seconds, line.executor) == (("r",), 2.5, "fake")
    assert case.history.told == [(case.repo.tip, [line], 12)]
    assert done.recorded is not None
    assert (done.recorded.checkpoint, done.commit) == (line, case.repo.tip)
    assert done == Done(done.recorded, case.repo.tip, (FileChange("b", "created", 1),), (), replan=False)
    assert case.tree.entry("b") == case.entry("made")
    assert case.tree.looked_widely == 0
    assert [record.edited for record in case.committer.records] == [False]


def test_a_task_without_an_executor_is_recorded_without_one() -> None:
    case = Case("b: a", files={"a": "1"}, executor=None)
    done = case.run(b="made")
    assert done.recorded is not None
    assert done.recorded.checkpoint.executor == ""


def test_an_ignored_target_is_recorded_by_the_tasks_key() -> None:
    case = Case("b out: a", files={"a": "1"}, hidden=["out"])

    class Hiding(FakeSandbox):
        def result(self, paths: Iterable[RepoPath]) -> Mapping[RepoPath, Entry]:
            return super().result([path for path in paths if path != "out"])

    work = case.open()
    work.sandbox = Hiding(case.repo, work.task.targets, {}, place=True)
    case.leave(work, b="made", out="ignored")
    done = case.record(work)
    assert done.recorded is not None
    checkpoint = done.recorded.checkpoint
    assert checkpoint.targets == {"b": case.entry("made").oid[:20], "out": checkpoint.key}
    assert set(case.tip()) == {"a", "b"}


def test_edited_inputs_are_a_commit_of_their_own_that_says_they_are_the_persons() -> None:
    case = Case("b: a", files={"a": "1"})
    case.type(a="2")
    case.run(b="made")
    assert case.subjects == ["T1 T1", SAVE]
    saved, own = case.committer.records
    assert saved == Record(SAVE + "\n", {"a": case.entry("2")}, edited=True)
    assert (own.changes, own.in_place, own.edited) == ({"b": case.entry("made")}, False, False)
    assert (case.tip(1), case.tip()) == ({"a": "2"}, {"a": "2", "b": "made"})


def test_an_edit_that_its_author_committed_meanwhile_is_not_committed_again() -> None:
    case = Case("b: a", files={"a": "1"})
    case.type(a="2")
    work = case.open()
    case.commits(a="2")
    case.leave(work, b="made")
    case.record(work)
    assert case.subjects == ["T1 T1", "a person's"]


def test_a_source_tasks_own_edits_of_its_inputs_are_in_its_commit_and_concern_others() -> None:
    case = Case("b: a [keep]", files={"a": "1"})
    work = case.open()
    case.leave(work, b="made", a="2")
    assert case.transactions.disturbed(work) == ["a"]
    done = case.record(work, changed=["a"])
    assert (case.subjects, case.tip()) == (["T1 T1"], {"a": "2", "b": "made"})
    assert done.elsewhere
    assert case.judge.verdict(0).state == "up-to-date"


@pytest.mark.parametrize(
    ("left", "elsewhere", "replan"),
    [
        ({"b": "made"}, False, False),
        ({"b": "made", "x": "new"}, True, False),
        ({"b": "made", "specbuild__toml": "new"}, True, True),
    ],
)
@pytest.mark.parametrize("marks", ["", "[worktree]"])
def test_a_task_that_may_write_anything_is_told_what_that_concerns(
    left: dict[str, str | None], marks: str, *, elsewhere: bool, replan: bool
) -> None:
    case = Case(f"b: a [keep] [any] {marks}", files={"a": "1"})
    done = case.run(**left)
    assert (done.elsewhere, done.replan) == (elsewhere, replan)
    assert case.tip() == {"a": "1", **named(left)}


def test_a_target_that_was_not_made_is_told_and_changes_the_plan() -> None:
    case = Case("b c: a [inferred]", files={"a": "1"})
    done = case.run(b="made")
    assert (done.warnings, done.replan) == (("c was not made",), True)


def test_what_changes_nothing_and_says_nothing_new_is_no_commit() -> None:
    case = Case("b: a", files={"a": "1"})
    case.run(b="made")
    case.judge.forget(0)
    tip = case.repo.tip
    assert case.run(b="made") == Done(None, None, (), (), replan=False)
    assert (case.repo.tip, len(case.history.told)) == (tip, 1)
    (member,) = case.transactions.group([case.completed(0, b="made")]).members
    assert member.records == ()
    case.repo.interlopers.append(lambda: pytest.fail("a commit without anything to record"))
    assert case.group(member) == [Done(None, None, (), (), replan=False)]


def test_where_only_an_edit_has_to_be_saved_the_checkpoint_stands_on_it() -> None:
    case = Case("b: a", files={"a": "1", "specbuild.toml": "1"})
    case.run(b="made")
    case.type(specbuild__toml="2")
    done = case.run(b="made")
    assert case.subjects == ["T1 T1", SAVE, "T1 T1"]
    assert done.commit == case.repo.tip


def test_a_staged_version_that_stands_nowhere_else_is_kept_before_the_index_follows() -> None:
    for grouped in (True, False):
        case = Case("b: a", files={"a": "1", "b": "old"})
        case.tree.index["b"] = case.entry("staged")
        if grouped:
            case.group(case.completed(0, b="made"))
        else:
            case.run(b="made")
        kept = [files for ref, files in case.repo.kept.items() if ref.startswith("refs/specbuild/saved/")]
        assert kept == [{"b": case.entry("staged")}]
        assert list(case.repo.why_kept.values()) == ["staged versions of edited inputs\n"]


def test_a_private_tree_is_what_hooks_see_unless_it_lacks_what_they_need() -> None:
    for isolation, folder in (("none", None), ("worktree", "."), ("strict", None)):
        case = Case("b: a", files={"a": "1"}, isolation=isolation)
        case.run(b="made")
        (record,) = case.committer.records
        assert (record.folder, record.in_place) == (folder, False)


def test_a_worktrees_result_takes_the_place_of_an_edit_that_was_kept() -> None:
    case = Case("b c d: a", files={"a": "1", "b": "1", "d": "1"}, isolation="worktree")
    case.type(b="mine", d="made")
    work = case.open()
    assert work.before == {"b": case.entry("mine"), "d": case.entry("made")}
    case.leave(work, b="made", c="made", d="made")
    case.record(work)
    (record,) = case.committer.records
    assert record.instead == {"b": case.entry("mine"), "c": None, "d": case.entry("made")}
    assert {path: case.repo.text(path) for path in "bcd"} == dict.fromkeys("bcd", "made")


def test_so_it_does_where_the_commit_has_nothing_to_change() -> None:
    case = Case("b c d: a", files={"a": "1"}, isolation="worktree")
    case.run(b="made", c="made", d="made")
    case.type(b="mine", c=None)
    case.judge.forget(0)
    tip = case.repo.tip
    assert case.tree.entry("b") == case.entry("mine")
    widely = case.tree.looked_widely
    assert case.run(b="made", c="made", d="made").commit is None
    assert case.repo.tip == tip
    assert [case.repo.text(path) for path in "bcd"] == ["made"] * 3
    assert [case.tree.entry(path) for path in "bcd"] == [case.entry("made")] * 3
    assert case.tree.looked_widely == widely


def test_what_is_typed_at_a_target_after_its_task_began_elsewhere_stays() -> None:
    case = Case("b: a", files={"a": "1"}, isolation="worktree")
    case.run(b="made")
    case.type(b="mine")
    case.judge.forget(0)
    work = case.open()
    case.repo.type("b", "mine, again")
    case.leave(work, b="made")
    case.record(work)
    assert case.repo.text("b") == "mine, again"


def test_where_people_write_a_target_nothing_is_put_in_the_place_of_their_edit() -> None:
    case = Case("b: a [keep] [worktree]", files={"a": "1", "b": "1"})
    case.run(b="done")
    (record,) = case.committer.records
    assert record.instead == {}


# -- boxes

BOXES = "[ ] T1\n[ ] T2\n"


@pytest.mark.parametrize("grouped", [True, False])
def test_each_completion_ticks_its_own_box_and_leaves_those_before_it_ticked(*, grouped: bool) -> None:
    case = Case("b: a", "c: a", files={"a": "1", "tasks.md": BOXES})
    if grouped:
        dones = case.group(case.completed(0, b="1"), case.completed(1, c="2"))
    else:
        dones = [case.run(0, b="1"), case.run(1, c="2")]
    assert case.tip(1) == {"a": "1", "b": "1", "tasks.md": "[x] T1\n[ ] T2\n"}
    assert case.tip(0) == {"a": "1", "b": "1", "c": "2", "tasks.md": "[x] T1\n[x] T2\n"}
    assert case.repo.text("tasks.md") == "[x] T1\n[x] T2\n"
    assert [done.commit for done in dones] == list(case.repo.log())[1::-1]
    assert [[change.path for change in done.files] for done in dones] == [["b"], ["c"]]
    assert [record.in_place for record in case.committer.records] == [False, False]
    assert [told[0] for told in case.history.told] == [done.commit for done in dones]


@pytest.mark.parametrize("grouped", [True, False])
def test_no_box_is_ticked_where_settings_say_so(*, grouped: bool) -> None:
    case = Case("b: a", files={"a": "1", "tasks.md": BOXES}, settings=Settings(tick=False))
    if grouped:
        case.group(case.completed(0, b="1"))
    else:
        case.run(0, b="1")
    assert case.tip() == {"a": "1", "b": "1", "tasks.md": BOXES}


@pytest.mark.parametrize("grouped", [True, False])
def test_an_unticked_box_alone_is_a_reason_for_a_commit(*, grouped: bool) -> None:
    case = Case("b: a", files={"a": "1", "tasks.md": BOXES})
    case.run(b="made")
    case.commits(tasks__md=BOXES)
    case.type(tasks__md=BOXES)
    case.transactions.catch_up([])
    case.judge.forget(0)
    if grouped:
        case.group(case.completed(0, b="made"))
    else:
        case.run(b="made")
    assert case.subjects == ["T1 T1", "a person's", "T1 T1"]
    assert case.tip()["tasks.md"] == "[x] T1\n[ ] T2\n"


@pytest.mark.parametrize("marks", ["", "[worktree]"])
def test_a_task_that_edits_its_task_file_has_its_box_ticked_in_that_and_no_other(marks: str) -> None:
    case = Case(f"b: a [keep] [any] {marks}", "c: a", files={"a": "1", "tasks.md": BOXES})
    done = case.run(b="made", tasks__md="[ ] T1\n[x] T2\n[ ] T3\n")
    assert case.tip()["tasks.md"] == "[x] T1\n[ ] T2\n[ ] T3"
    assert case.repo.text("tasks.md") == "[x] T1\n[ ] T2\n[ ] T3"
    assert done.replan


def test_a_plan_that_a_person_edits_is_saved_and_ticked_as_it_stands() -> None:
    case = Case("b: a", files={"a": "1", "tasks.md": BOXES})
    case.type(tasks__md=BOXES + "note\n")
    case.run(b="made")
    assert case.tip(1)["tasks.md"] == BOXES + "note\n"
    assert case.tip()["tasks.md"] == "[x] T1\n[ ] T2\nnote\n"
    assert case.repo.text("tasks.md") == "[x] T1\n[ ] T2\nnote\n"


@pytest.mark.parametrize("marks", ["", "[worktree]", "[keep] [any] [worktree]"])
def test_a_plan_with_edits_is_saved_once_for_all_tasks_that_began_on_it(marks: str) -> None:
    case = Case(f"b: a {marks}", f"c: a {marks}", files={"a": "1", "tasks.md": BOXES})
    case.type(tasks__md=BOXES + "note\n")
    one, two = case.open(0), case.open(1)
    case.leave(one, b="1")
    case.leave(two, c="2")
    case.record(one)
    case.record(two)
    assert case.subjects == ["T2 T2", "T1 T1", SAVE]
    assert [case.tip(steps)["tasks.md"] for steps in range(3)] == [
        "[x] T1\n[x] T2\nnote\n",
        "[x] T1\n[ ] T2\nnote\n",
        "[ ] T1\n[ ] T2\nnote\n",
    ]
    assert case.repo.text("tasks.md") == "[x] T1\n[x] T2\nnote\n"


def test_a_plan_that_a_person_goes_on_editing_is_saved_again() -> None:
    files = {"a": "1", "tasks.md": BOXES}
    case = Case("b: a", "c: a", files=files, settings=Settings(tick=False))
    case.type(tasks__md=BOXES + "note\n")
    one = case.open(0)
    case.type(tasks__md=BOXES + "another\n")
    two = case.open(1)
    case.leave(one, b="1")
    case.leave(two, c="2")
    case.record(one)
    case.record(two)
    assert case.subjects == ["T2 T2", SAVE, "T1 T1", SAVE]
    assert case.tip()["tasks.md"] == BOXES + "another\n"


@pytest.mark.parametrize("text", ["[ ] T1\n[x] T2\n", None])
def test_boxes_that_a_person_ticks_and_a_plan_that_is_removed_are_saved_like_any_edit(
    text: str | None,
) -> None:
    case = Case("b: a", files={"a": "1", "tasks.md": BOXES})
    case.type(tasks__md=text)
    case.run(b="made")
    assert case.subjects == ["T1 T1", SAVE]
    assert case.tip(1).get("tasks.md") == text


def test_a_plan_that_was_saved_and_then_removed_by_a_person_is_removed() -> None:
    case = Case("b: a", "c: a", files={"a": "1", "tasks.md": BOXES})
    case.type(tasks__md=BOXES + "note\n")
    one = case.open(0)
    case.type(tasks__md=None)
    two = case.open(1)
    case.leave(one, b="1")
    case.leave(two, c="2")
    case.record(one)
    case.record(two)
    assert "tasks.md" not in case.tip()


def test_a_plan_with_edits_goes_with_the_runs_branch_where_a_person_switched() -> None:
    case = Case("b: a [worktree]", files={"a": "1", "tasks.md": BOXES})
    case.type(tasks__md=BOXES + "note\n")
    work = case.open()
    case.repo.attached = False
    case.leave(work, b="made")
    case.record(work)
    assert case.subjects == ["T1 T1", SAVE]
    assert case.tip()["tasks.md"] == "[x] T1\n[ ] T2\nnote\n"


def test_what_is_typed_into_the_plan_while_a_task_runs_is_no_part_of_its_commit() -> None:
    case = Case("b: a", files={"a": "1", "tasks.md": BOXES})
    case.type(tasks__md=BOXES + "note\n")
    work = case.open()
    case.type(tasks__md=BOXES + "another\n")
    case.leave(work, b="made")
    case.record(work)
    assert case.tip()["tasks.md"] == "[x] T1\n[ ] T2\nnote\n"
    assert case.repo.text("tasks.md") == BOXES + "another\n"


def ticked(case: Case, *positions: int) -> None:
    case.transactions.tick([case.project.graph.tasks[position] for position in positions])


def test_boxes_of_complete_tasks_are_ticked_in_one_commit_that_records_nothing() -> None:
    case = Case("b: a", "c: a", files={"a": "1", "tasks.md": BOXES})
    before = case.repo.tip
    ticked(case, 0, 1)
    assert case.subjects == ["specbuild: tick completed tasks"]
    assert case.tip() == {"a": "1", "tasks.md": "[x] T1\n[x] T2\n"}
    assert case.repo.text("tasks.md") == "[x] T1\n[x] T2\n"
    (record,) = case.committer.records
    assert record == Record(
        "specbuild: tick completed tasks\n", {"tasks.md": case.entry("[x] T1\n[x] T2\n")}, in_place=False
    )
    assert case.repo.tip is not None
    assert case.repo.commits[case.repo.tip].parent == before
    assert case.history.told == [(case.repo.tip, [], 0)]
    assert case.transactions.head == case.repo.tip
    assert case.tree.looked_widely == 0


def test_in_a_plan_with_edits_boxes_are_ticked_in_the_working_tree_only() -> None:
    case = Case("b: a", "c: a", files={"a": "1", "tasks.md": BOXES})
    before = case.repo.tip
    case.type(tasks__md=BOXES + "note\n")
    assert case.tree.entry("tasks.md") == case.entry(BOXES + "note\n")
    ticked(case, 0)
    assert case.repo.tip == before
    assert case.repo.text("tasks.md") == "[x] T1\n[ ] T2\nnote\n"
    assert case.tree.entry("tasks.md") == case.entry("[x] T1\n[ ] T2\nnote\n")
    assert case.tree.looked_widely == 0
    ticked(case, 0)
    assert case.history.told == []


def test_a_plan_that_is_edited_while_its_boxes_are_ticked_stays_as_it_was_typed() -> None:
    case = Case("b: a", files={"a": "1", "tasks.md": BOXES})
    case.type(tasks__md=BOXES + "note\n")
    assert case.tree.entry("tasks.md") == case.entry(BOXES + "note\n")
    case.repo.type("tasks.md", BOXES + "typed since\n")
    ticked(case, 0)
    assert case.repo.text("tasks.md") == BOXES + "typed since\n"


# -- a branch that moves, comes or goes


def test_without_a_commit_the_first_task_makes_one() -> None:
    for marks in ("", "[worktree]", "[keep] [any] [worktree]"):
        case = Case(f"b: a {marks}", files={"a": "1"}, unborn=True)
        done = case.run(b="made")
        assert done.commit == case.repo.tip
        assert case.tip() == {"a": "1", "b": "made"}
        assert case.subjects == ["T1 T1"]


@pytest.mark.parametrize("unborn", [True, False])
def test_a_branch_that_came_or_went_overtakes_all(*, unborn: bool) -> None:
    case = Case("b: a", "c: a", files={"a": "1"}, unborn=unborn)
    works = [(work, case.transactions.results(work)) for work in (case.open(0), case.open(1))]
    assert case.transactions.catch_up(works) == ()
    if unborn:
        case.commits(x="theirs")
    else:
        case.repo.tip = None
    assert case.transactions.catch_up(works) == [work for work, _ in works]
    with pytest.raises(Overtaken):
        case.transactions.record(*works[0])


def test_after_somebody_elses_commit_everything_is_looked_at_again() -> None:
    case = Case("b: a", files={"a": "1"})
    work = case.open()
    results = case.transactions.results(work)
    case.transactions.catch_up([(work, results)])
    assert case.tree.looked_widely == 0
    case.commits(x="theirs")
    assert case.transactions.catch_up([(work, results)]) == []
    assert (case.tree.looked_widely, case.transactions.head) == (1, case.repo.tip)
    case.commits(a="theirs")
    head = case.transactions.head
    assert case.transactions.catch_up([(work, results)]) == [work]
    assert case.transactions.head == head


def test_what_a_person_edits_and_does_not_commit_is_no_side_of_a_merge() -> None:
    case = Case("b: a [keep] [any] [worktree]", files={"a": "1", "x": "1\n"})
    work = case.open()
    case.leave(work, b="made", x="theirs\n")
    case.type(x="mine\n")
    case.record(work)
    assert case.tip()["x"] == "theirs\n"
    assert case.repo.text("x") == "mine\n"


def test_who_switched_finds_the_other_branch_as_it_was_and_the_runs_branch_goes_on() -> None:
    case = Case("b: a [worktree]", files={"a": "1", "tasks.md": BOXES})
    work = case.open()
    case.repo.attached = False
    case.type(tasks__md="[ ] T1 of another branch\n", a="other")
    case.leave(work, b="made")
    case.record(work)
    assert case.tip() == {"a": "1", "b": "made", "tasks.md": "[x] T1\n[ ] T2\n"}
    assert case.repo.text("tasks.md") == "[ ] T1 of another branch\n"
    assert case.repo.text("b") is None


def test_who_begins_again_after_a_person_switched_is_recorded_with_what_the_runs_branch_has() -> None:
    case = Case("b: a [worktree]", files={"a": "1"})
    case.repo.attached = False
    case.type(a="other")
    case.tree.other = {"a": case.entry("other")}
    done = case.run(b="made")
    assert case.tip() == {"a": "1", "b": "made"}
    assert done.recorded is not None
    fresh = Case("b: a", files={"a": "1"})
    assert done.recorded.checkpoint.key == fresh.judge.verdict(0).key


@pytest.mark.parametrize("marks", ["", "[worktree]"])
def test_in_a_tree_that_has_other_inputs_by_now_a_generated_task_is_overtaken(marks: str) -> None:
    case = Case(f"d/ b: src/* {marks}", files={"src/a": "1"})
    work = case.open()
    case.leave(work, b="made", d_e="made")
    results = case.transactions.results(work)
    case.type(src_new="typed")
    with pytest.raises(Overtaken):
        case.transactions.record(work, results)
    assert case.subjects == []


def test_in_place_nothing_is_recorded_where_a_person_switched() -> None:
    case = Case("b: a", files={"a": "1"})
    member = case.completed(0, b="made")
    case.repo.attached = False
    with pytest.raises(BranchSwitched):
        case.transactions.group([member])
    with pytest.raises(BranchSwitched) as caught:
        case.record(member.work)
    assert str(caught.value) == (
        "HEAD no longer names the branch that this run began on; switch back, and run specbuild again"
    )
    assert case.subjects == []


# -- or nothing


def test_work_that_is_given_up_is_kept_with_its_reason_and_undone() -> None:
    case = Case("b: a", "c: a", files={"a": "1", "b": "old"})
    work = case.open()
    case.leave(work, b="half")
    assert case.tree.entry("b") is not None
    why = "no\nSpecbuild-Checkpoint: v1 forged"
    ref = case.transactions.abandon(work, keep=True, why=why)
    assert ref == "refs/specbuild/failed/0"
    assert case.repo.kept[ref] == {"b": case.entry("half")}
    message = case.repo.why_kept[ref]
    assert message.startswith("tasks.md#T1: no\n")
    assert list(parse_lines(message.encode())) == []
    assert case.repo.text("b") == "old"
    assert case.tree.entry("b") == case.entry("old")
    assert case.tree.looked_widely == 0
    assert case.rooms.left == [work.sandbox]


@pytest.mark.parametrize(("left", "keep"), [({}, True), ({"b": "half"}, False)])
def test_nothing_is_kept_where_nothing_was_done_or_nobody_wants_it(
    left: dict[str, str], *, keep: bool
) -> None:
    case = Case("b: a", files={"a": "1"})
    work = case.open()
    case.leave(work, **left)
    assert case.transactions.abandon(work, keep=keep, why="no") is None
    assert (case.repo.kept, case.repo.text("b")) == ({}, None)


def test_work_is_undone_even_where_it_cannot_be_kept() -> None:
    case = Case("b: a", files={"a": "1"})

    class Full(Writer):
        def keep(self, kind: str, changes: Mapping[RepoPath, Entry | None], message: str) -> str:
            raise OSError("no space left on device")

    case.transactions.world = case.transactions.world._replace(committer=Full(case.repo))
    work = case.open()
    case.leave(work, b="half")
    with pytest.raises(OSError, match="no space"):
        case.transactions.abandon(work, keep=True, why="no")
    assert case.repo.text("b") is None
    assert case.rooms.left == [work.sandbox]
