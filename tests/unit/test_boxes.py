"""Boxes of task files: ticked in the commit that completes the task, and otherwise as the branch has them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from fakes import PLAIN, FakeCommitter, FakeHistory, FakeSandbox, FakeTree, Project, Repo, meanwhile

from specbuild.engine.boxes import tick, tick_all
from specbuild.engine.judge import Judge
from specbuild.engine.ports import Snapshot
from specbuild.engine.project import Project as EngineProject
from specbuild.engine.project import Settings
from specbuild.engine.task import Entry, RepoPath, Task

FILE = "tasks.md"
SCRIPT = 0o100755
TWO_AT_ONCE = Settings(jobs=2, overlap="all")
_BOX = re.compile(rb"\[(.)\] (\w+)")


def ticked(task: Task, snapshot: Snapshot) -> Mapping[RepoPath, bytes]:
    old, id_ = snapshot.read(FILE) or b"", task.name.id.encode() + b"\n"
    new = old.replace(b"[ ] " + id_, b"[x] " + id_)
    return {} if new == old else {FILE: new}


def restore(_path: RepoPath, before: bytes, after: bytes) -> bytes:
    """`after`, each of whose boxes is as in `before` (empty, where that has none)."""
    boxes = {id_: box for box, id_ in _BOX.findall(before)}
    return _BOX.sub(lambda found: b"[%s] %s" % (boxes.get(found[2], b" "), found[2]), after)


class Boxed(Project):
    """A project whose tasks have boxes in a file."""

    def __init__(self, *rules: str, tasks: str = "", **files: str) -> None:
        boxes = "".join(f"[ ] T{number + 1}\n" for number in range(len(rules)))
        super().__init__(*rules, files={FILE: tasks or boxes, **files})

    def load(self) -> tuple[EngineProject, Judge]:
        project, _ = super().load()
        emptied = {FILE: lambda _path, data: restore(FILE, b"", data)}
        judge = self.judge(
            project.graph,
            FakeTree(self.repo),
            FakeHistory(self.repo),
            task_files=emptied,
            environment={},
        )
        sources = project.sources | {FILE}
        return (
            replace(project, sources=sources, task_files=emptied, tick=ticked, restore_boxes=restore),
            judge,
        )

    def recorded(self) -> list[str]:
        """The task file in each commit after the first, oldest first, on one line."""
        trees = [self.repo.commits[oid].files for oid in list(self.repo.log())[-2::-1]]
        return [" ".join(self.repo.blobs[files[FILE].oid].decode().split("\n")).strip() for files in trees]


def commits(project: Boxed, text: str) -> None:
    """A person's commit of the task file."""
    files = {**project.repo.disk, FILE: Entry(PLAIN, project.repo.store(text.encode()))}
    project.repo.disk = dict(files)
    project.repo.commit(files, "a person's")


class Noting(FakeCommitter):
    """Remembers what each blob was said to be made of."""

    def __init__(self, repo: Repo) -> None:
        super().__init__(repo)
        self.likes: list[str | None] = []

    def store(self, data: bytes, *, like: str | None = None) -> str:
        self.likes.append(like)
        return super().store(data, like=like)


@pytest.mark.parametrize("settings", [Settings(), TWO_AT_ONCE])
@pytest.mark.parametrize("marks", ["", "[keep]", "[worktree]", "[keep] [any] [worktree]"])
def test_each_commit_ticks_the_box_of_its_task_and_no_other(marks: str, settings: Settings) -> None:
    project = Boxed(f"b: a {marks}", f"c: b {marks}", a="1")
    project.build(settings=settings)
    assert project.recorded() == ["[x] T1 [ ] T2", "[x] T1 [x] T2"]
    assert project.repo.text(FILE) == "[x] T1\n[x] T2\n"


def test_tasks_that_are_recorded_together_tick_their_boxes_one_after_the_other() -> None:
    project = Boxed(*(f"o{number}: a [P]" for number in range(12)), a="1")
    project.build(settings=Settings(jobs=4, overlap="all"))
    assert [text.count("x") for text in project.recorded()] == list(range(1, 13))
    assert project.repo.text(FILE) == "".join(f"[x] T{number + 1}\n" for number in range(12))


@pytest.mark.parametrize("jobs", [1, 2])
def test_no_box_is_ticked_where_settings_say_so(jobs: int) -> None:
    project = Boxed("b: a", a="1")
    project.build(settings=replace(TWO_AT_ONCE, jobs=jobs, tick=False))
    assert project.recorded() == ["[ ] T1"]


def test_the_box_of_a_file_is_ticked_in_its_mode_and_said_to_be_like_the_old_one() -> None:
    project = Boxed("b: a")
    loaded, _ = project.load()
    old = Entry(SCRIPT, project.repo.disk[FILE].oid)
    project.repo.disk[FILE] = old
    committer = Noting(project.repo)
    ((path, entry, data),) = tick(loaded, loaded.graph.tasks[0], FakeTree(project.repo), committer)
    assert (path, data) == (FILE, b"[x] T1\n")
    assert entry == Entry(SCRIPT, project.repo.store(data))
    assert committer.likes == [old.oid]


def test_a_task_file_that_is_nowhere_yet_is_a_plain_one_like_nothing() -> None:
    project = Boxed("b: a")
    loaded, _ = project.load()
    loaded = replace(loaded, tick=lambda _task, _snapshot: {"new.md": b"[x]"})
    committer = Noting(project.repo)
    ((path, entry, _),) = tick(loaded, loaded.graph.tasks[0], FakeTree(project.repo), committer)
    assert (path, entry.mode) == ("new.md", PLAIN)
    assert committer.likes == [None]


def test_several_boxes_of_one_file_are_ticked_over_what_is_laid_there() -> None:
    project = Boxed("b: a", "c: a", "d: a")
    loaded, _ = project.load()
    laid = Entry(PLAIN, project.repo.store(b"title\n[ ] T1\n[ ] T2\n[ ] T3\n"))

    class Laid(FakeTree):
        def read(self, path: RepoPath) -> bytes | None:
            return project.repo.blobs[laid.oid]

    graph = loaded.graph
    chosen = [graph.tasks[0], graph.tasks[2]]
    tree = Laid(project.repo)
    committer = Noting(project.repo)
    changes, contents = tick_all(loaded, chosen, tree, committer, {FILE: laid})
    assert contents == {FILE: b"title\n[x] T1\n[ ] T2\n[x] T3\n"}
    assert changes == {FILE: Entry(PLAIN, project.repo.store(contents[FILE]))}
    assert committer.likes == [laid.oid]  # what is in between is stored for nobody


# -- ticked again


def test_a_box_that_was_unticked_and_committed_is_ticked_in_a_commit() -> None:
    project = Boxed("b: a", "c: a", a="1")
    project.build()
    files = dict(project.repo.disk)
    files[FILE] = Entry(PLAIN, project.repo.store(b"[ ] T1\n[ ] T2\n"))
    project.repo.disk = dict(files)
    project.repo.commit(files, "untick")
    assert project.build() == []
    assert project.recorded()[-2:] == ["[ ] T1 [ ] T2", "[x] T1 [x] T2"]
    assert project.repo.tip is not None
    assert project.repo.commits[project.repo.tip].message == "specbuild: tick completed tasks\n"


def test_a_box_that_was_unticked_and_not_committed_is_ticked_in_the_working_tree_only() -> None:
    project = Boxed("b: a", a="1")
    project.build()
    tip = project.repo.tip
    project.repo.type(FILE, "note\n[ ] T1\n")
    assert project.build() == []
    assert project.repo.text(FILE) == "note\n[x] T1\n"
    assert project.repo.tip == tip


# -- ticks, and edits that nobody saved yet


@pytest.mark.parametrize("settings", [Settings(), TWO_AT_ONCE])
@pytest.mark.parametrize("marks", ["", "[keep]", "[worktree]", "[keep] [any] [worktree]"])
def test_an_edit_to_the_task_file_while_the_last_task_runs_stays_uncommitted_and_gets_the_ticks(
    marks: str, settings: Settings
) -> None:
    project = Boxed(f"b: a {marks}", f"c: b {marks}", a="1")
    meanwhile(project, "T2", lambda: project.repo.type(FILE, "note\n[x] T1\n[ ] T2\n"))
    project.build(settings=settings)
    assert project.recorded() == ["[x] T1 [ ] T2", "[x] T1 [x] T2"]
    assert project.repo.text(FILE) == "note\n[x] T1\n[x] T2\n"


@pytest.mark.parametrize("settings", [Settings(), TWO_AT_ONCE])
@pytest.mark.parametrize("marks", ["", "[keep]", "[worktree]"])
def test_an_edit_that_a_later_task_saves_takes_no_tick_back(marks: str, settings: Settings) -> None:
    project = Boxed(f"b: a {marks}", f"c: b {marks}", f"d: c {marks}", a="1")
    meanwhile(project, "T2", lambda: project.repo.type(FILE, "note\n[x] T1\n[ ] T2\n[ ] T3\n"))
    project.build(settings=settings)
    assert project.recorded() == [
        "[x] T1 [ ] T2 [ ] T3",
        "[x] T1 [x] T2 [ ] T3",
        "note [x] T1 [ ] T2 [ ] T3",
        "note [x] T1 [x] T2 [x] T3",
    ]
    assert project.repo.text(FILE) == "note\n[x] T1\n[x] T2\n[x] T3\n"


@pytest.mark.parametrize("settings", [Settings(), TWO_AT_ONCE])
@pytest.mark.parametrize("marks", ["", "[keep]", "[worktree]"])
def test_a_commit_of_a_person_that_took_a_tick_back_is_put_right_at_the_end(
    marks: str, settings: Settings
) -> None:
    """They began their edit before T1 was ticked, and committed it while T2 ran."""
    project = Boxed(f"b: a {marks}", f"c: b {marks}", a="1")

    meanwhile(project, "T2", lambda: commits(project, "note\n[ ] T1\n[ ] T2\n"))
    project.build(settings=settings)
    assert project.repo.text(FILE) == "note\n[x] T1\n[x] T2\n"
    assert project.recorded()[-1] == "note [x] T1 [x] T2"
    tip = project.repo.tip
    assert project.build() == []
    assert project.repo.tip == tip


def test_a_file_that_nobody_edited_is_not_ticked_at_the_end() -> None:
    project = Boxed("b: a", "c: b", a="1")
    project.build(settings=replace(Settings(), tick=True))
    assert project.repo.tip is not None
    assert project.repo.commits[project.repo.tip].message != "specbuild: tick completed tasks\n"
    assert len(project.recorded()) == 2


# -- boxes and tasks that edit task files


def edits(project: Boxed, text: str, meanwhile: Callable[[], None] | None = None) -> None:
    def body(sandbox: FakeSandbox, _task: Task, repo: Repo) -> None:
        sandbox.files["b"] = Entry(PLAIN, repo.store(b"made"))
        sandbox.files[FILE] = Entry(PLAIN, repo.store(text.encode()))
        if meanwhile is not None:
            meanwhile()

    project.executors.bodies["T1"] = body


@pytest.mark.parametrize("marks", ["[keep] [any]", "[keep] [any] [worktree]"])
def test_text_that_a_task_changed_is_taken_and_the_boxes_that_it_changed_are_not(marks: str) -> None:
    project = Boxed(f"b: a {marks}", "c: a", a="1")
    edits(project, "better\n[ ] T1\n[x] T2\n")
    project.build(only=["T1"])
    assert project.recorded() == ["better [x] T1 [ ] T2"]
    assert project.repo.text(FILE) == "better\n[x] T1\n[ ] T2\n"


def test_a_task_that_changed_nothing_but_boxes_changed_nothing() -> None:
    project = Boxed("b: a [keep] [any] [worktree]", "c: a", a="1")
    edits(project, "[ ] T1\n[x] T2\n")
    project.build(only=["T1"])
    (finished,) = project.finished()
    assert [change.path for change in finished.files] == ["b"]
    assert project.recorded() == ["[x] T1 [ ] T2"]


def test_boxes_are_the_branches_where_it_and_the_task_changed_the_file() -> None:
    project = Boxed("b: a [keep] [any] [worktree]", "c: a", tasks="[ ] T1\none\n[ ] T2\ntwo\n", a="1")

    edits(project, "[x] T1\nONE\n[ ] T2\ntwo\n", lambda: commits(project, "[ ] T1\none\n[x] T2\nTWO\n"))
    project.executors.ran.clear()
    project.build(only=["T1"])
    assert project.repo.text(FILE) == "[x] T1\nONE\n[x] T2\nTWO\n"
    assert project.executors.ran == ["T1"]
