"""One attempt: what its executor is given, what it left, and whether that will do."""

from dataclasses import replace

import pytest
from fakes import PLAIN, FakeCommitter, FakeSandbox, FakeTree, Project, Repo
from works import work

from specbuild.engine import attempt
from specbuild.engine.events import FileChange
from specbuild.engine.ports import Failure, Unusable
from specbuild.engine.project import Settings
from specbuild.engine.record import Results
from specbuild.engine.task import Entry, Recipe, RepoPath
from specbuild.engine.work import Work


class Place:
    """A repository in which the first task of some rules has just ended an attempt."""

    def __init__(self, *rules: str, in_place: bool = True, **files: str) -> None:
        self.project = Project(*rules, files={name.replace("_", "/"): text for name, text in files.items()})
        self.repo: Repo = self.project.repo
        self.loaded, _ = self.project.load()
        self.tree = FakeTree(self.repo)
        self.committer = FakeCommitter(self.repo)
        self.work = work(0, rules[0], repo=self.repo, in_place=in_place)
        self.work.task = self.loaded.graph.tasks[0]

    def entry(self, text: str) -> Entry:
        return Entry(PLAIN, self.repo.store(text.encode()))

    def left(self, **files: str | None) -> Results:
        """The attempt left these files (None: removed)."""
        assert isinstance(self.work.sandbox, FakeSandbox)
        for name, text in files.items():
            path = name.replace("_", "/")
            self.work.sandbox.files.pop(path, None)
            if text is not None:
                self.work.sandbox.files[path] = self.entry(text)
        return self.results()

    def results(self) -> Results:
        tip = self.repo.tip
        head = FakeTree(self.repo, self.repo.commits[tip].files) if tip else None
        return attempt.results_of(self.work, self.loaded, self.tree, self.committer, head)


class Ignoring(FakeTree):
    """git ignores `out`."""

    def ignored(self, path: RepoPath) -> bool:
        return path.startswith("out")


# -- given


def test_an_executor_is_given_commands_with_their_placeholders_filled_in() -> None:
    found = work(line="b: a")
    found.task = replace(
        found.task, recipe=Recipe("sh", "make {target}", 1), verify="test {target}", setup="get {filter}"
    )
    found.attempt = 2
    found.failures.append(Failure(1, "no", ""))
    given = attempt.given(found, Settings(values={"filter": "P1"}), {"A": "1"})
    assert (given.recipe, given.verify, given.setup) == ("make b", "test b", "get P1")
    assert (given.attempt, given.failures, given.environment) == (2, (Failure(1, "no", ""),), {"A": "1"})
    assert (given.folder, given.task) == (".", found.task)
    assert given.values["filter"] == "P1"
    assert given.values["target"] == "b"


def test_values_are_quoted_for_the_language_that_they_come_into() -> None:
    found = work(line="b: a")
    text = "print({title})"
    found.task = replace(found.task, recipe=Recipe("python", text, 1), verify=text, setup=text)
    found.task.text.title = "it's"
    given = attempt.given(found, Settings(), {})
    assert given.recipe == 'print("it\'s")'
    assert given.verify == given.setup
    assert given.verify != given.recipe


def test_what_a_task_does_not_have_is_not_given() -> None:
    found = work()
    found.task = replace(found.task, recipe=None)
    given = attempt.given(found, Settings(), {})
    assert (given.recipe, given.verify, given.setup) == (None, None, None)


# -- left


def test_what_stands_at_the_targets_is_the_result() -> None:
    place = Place("b c: a", a="1")
    found = place.left(b="x", other="y")
    assert found == Results({"b": place.entry("x")}, missing=("c",))


def test_a_target_is_not_there_because_another_path_begins_as_it_does() -> None:
    place = Place("b b.c: a", a="1")
    assert place.left(**{"b.c": "x"}).missing == ("b",)


def test_a_target_that_is_gone_is_removed_only_if_it_stood_before() -> None:
    place = Place("b c: a [keep]", a="1", b="old")
    assert place.left(b=None, c="x").removed == ("b",)


def test_what_a_person_removed_and_head_has_counts_as_removed() -> None:
    place = Place("b d/: a", b="old", d_e="old")
    place.repo.type("b", None)
    place.repo.type("d/e", None)
    place.work.before = {}
    found = place.left(d_f="new")
    assert found.removed == ("b", "d/e")
    assert found.missing == ("b",)


def test_without_a_commit_nothing_stood_in_a_folder() -> None:
    place = Place("d/: a", d_e="old")
    place.repo.type("d/e", None)
    found = attempt.results_of(
        replace(place.work, before={}), place.loaded, place.tree, place.committer, None
    )
    assert found.removed == ()


@pytest.mark.parametrize(
    ("marks", "removed"), [("[inferred]", ()), ("", ("b",)), ("[inferred] [keep]", ("b",))]
)
def test_an_inferred_generated_target_that_was_not_made_is_put_back(marks: str, removed: object) -> None:
    place = Place(f"b c: a {marks}", b="old")
    found = place.left(b=None, c="x")
    assert (found.missing, found.removed) == (("b",), removed)


def test_only_what_was_not_made_is_put_back() -> None:
    place = Place("b d/: a [inferred]", b="old", d_e="old")
    assert place.left(b=None, d_e=None, d_f="new").removed == ("d/e",)


def test_a_target_that_is_to_be_absent_is_not_missing_and_lingers_while_it_is_there() -> None:
    place = Place("b c: a", b="old")
    place.work.task = replace(place.work.task, absent=frozenset({"b"}))
    found = place.left(c="x")
    assert (found.missing, found.lingering) == ((), ("b",))
    found = place.left(b=None)
    assert (found.missing, found.lingering, found.removed) == ((), (), ("b",))


def test_ignored_targets_are_there_though_git_has_no_entries_of_them() -> None:
    class Hidden(FakeSandbox):
        def exists(self, path: RepoPath) -> bool:
            return path == "out"

    place = Place("out out2 b: a")
    place.tree = Ignoring(place.repo)
    place.work.sandbox = Hidden(place.repo, ["out"], {}, True)
    found = place.left(b="x")
    assert (found.ignored, found.missing) == (("out",), ("out2",))
    assert place.left(out="seen after all").ignored == ()


def test_an_empty_folder_is_not_missing() -> None:
    class Folders(FakeSandbox):
        def exists(self, path: RepoPath) -> bool:
            return path in {"d/", "b"}

    place = Place("d/ e/ b: a")
    place.work.sandbox = Folders(place.repo, ["d/"], {}, True)
    assert place.results().missing == ("e/", "b")


# -- names that matched nothing at the start


def unresolved(marks: str = "") -> Place:
    place = Place(f"user.py b: a {marks}", a="1")
    place.work.task = replace(place.work.task, unresolved=("user.py",))
    return place


def test_a_bare_name_is_the_one_changed_path_that_ends_in_it() -> None:
    place = unresolved()
    found = place.left(b="x", **{"src_user.py": "new", "src_other.py": "new"})
    assert place.work.task.targets == ("src/user.py", "b")
    assert place.work.task.unresolved == ()
    assert found.entries == {"src/user.py": place.entry("new"), "b": place.entry("x")}
    assert (found.missing, found.extra) == ((), {})


@pytest.mark.parametrize(
    "files",
    [
        {"src_user.py": "new", "lib_user.py": "new"},
        {"src_xuser.py": "new"},
        {"a": None},
    ],
)
def test_a_bare_name_stays_one_where_no_or_several_paths_end_in_it(files: dict[str, str | None]) -> None:
    place = unresolved()
    found = place.left(b="x", **files)
    assert place.work.task.targets == ("user.py", "b")
    assert found.missing == ("user.py",)


def test_a_bare_name_that_was_made_where_it_says_stays_one() -> None:
    place = unresolved()
    found = place.left(**{"user.py": "here", "src_user.py": "there"})
    assert place.work.task.unresolved == ("user.py",)
    assert set(found.entries) == {"user.py"}


def test_a_removed_file_is_not_what_a_bare_name_means() -> None:
    place = Place("user: a", src_user="old")
    place.work.task = replace(place.work.task, unresolved=("user",))
    place.left(src_user=None)
    assert place.work.task.targets == ("user",)


# -- what a task that may write anything changed


def test_all_changes_are_taken_but_those_of_files_that_another_task_generates() -> None:
    place = Place("b: a [keep] [any]", "c: a", "d: a [keep]", "b: c [keep]", a="1")
    found = place.left(b="x", c="x", d="x", e="x", a=None)
    assert found.extra == {"a": None, **{path: place.entry("x") for path in "bde"}}
    assert place.work.told == ["its change of c was dropped: T2 makes that file"]


def test_a_file_that_it_generates_together_with_another_is_its_own() -> None:
    place = Place("b: a [any]", "b: c")
    assert set(place.left(b="x").extra) == {"b"}
    assert place.work.told == []


def boxed(*, in_place: bool = True) -> Place:
    place = Place("b: a [keep] [any]", in_place=in_place, **{"tasks.md": "[x]", "a": "1"})
    place.loaded = replace(
        place.loaded,
        task_files={"tasks.md": lambda _path, data: data},
        restore_boxes=lambda path, before, after: b"%s: %s with %s" % (path.encode(), after, before),
    )
    return place


def test_boxes_that_it_changed_in_place_are_as_they_were_before() -> None:
    place = boxed()
    found = place.left(b="x", **{"tasks.md": "[ ]"})
    assert found.extra["tasks.md"] == place.entry("tasks.md: [ ] with [x]")
    assert place.work.ticked == {"tasks.md": place.entry("[ ]")}
    assert place.work.told == []


@pytest.mark.parametrize("in_place", [True, False])
def test_a_task_file_is_unchanged_but_for_boxes_where_the_old_ones_make_it_what_it_was(
    *, in_place: bool
) -> None:
    place = boxed(in_place=in_place)
    place.left(**{"tasks.md": "[ ]"})
    assert place.work.boxed == set()
    place.loaded = replace(place.loaded, restore_boxes=lambda _path, before, _after: before)
    place.left(**{"tasks.md": "[ ]"})
    assert place.work.boxed == {"tasks.md"}


def test_boxes_of_a_new_task_file_were_nowhere_before() -> None:
    place = boxed()
    place.repo.commit({}, "none")
    place.repo.disk.pop("tasks.md")
    assert place.left(**{"tasks.md": "[ ]"}).extra["tasks.md"] == place.entry("tasks.md: [ ] with ")


def test_in_a_worktree_boxes_are_left_to_the_merge() -> None:
    place = boxed(in_place=False)
    found = place.left(**{"tasks.md": "[ ]"})
    assert found.extra["tasks.md"] == place.entry("[ ]")
    assert place.work.ticked == {}


@pytest.mark.parametrize(("in_place", "ticked"), [(True, {"tasks.md": None}), (False, {})])
def test_a_task_file_that_it_deleted_stays(*, in_place: bool, ticked: object) -> None:
    place = boxed(in_place=in_place)
    assert "tasks.md" not in place.left(b="x", **{"tasks.md": None}).extra
    assert place.work.told == ["its deletion of tasks.md was dropped: that is a task file"]
    assert place.work.ticked == ticked


@pytest.mark.parametrize("line", ["d/: a", "b: a [keep] [any]"])
def test_what_no_commit_can_hold_cannot_be_taken_nor_kept(line: str) -> None:
    place = Place(line)
    with pytest.raises(Unusable, match="git has no such path as d/.GIT/x"):
        place.left(**{"d_e": "x", "d_.GIT_x": "x"})
    assert set(attempt.partial(place.work)) == {"d/e"}


def test_an_attempt_forgets_what_the_last_one_ticked() -> None:
    place = boxed()
    place.work.ticked = {"old.md": None}
    place.left(b="x")
    assert place.work.ticked == {}


# -- whether that will do


def objection(found: Work, results: Results, *, first: bool = True) -> str | None:
    failure = attempt.objection(found, results, first=first)
    return None if failure is None else failure.message


def test_a_declared_target_has_to_be_made() -> None:
    found = work(line="b c d: a")
    assert objection(found, Results({}, missing=("b", "d"))) == "it did not make b, d"
    inferred = work(line="b c d: a [inferred]")
    assert objection(inferred, Results({}, missing=("b", "d"))) is None


def test_what_is_to_be_absent_has_to_be_gone() -> None:
    assert objection(work(), Results({}, lingering=("b", "c"))) == "b, c should be gone, and is there"


def test_an_objection_tells_attempt_and_output() -> None:
    found = work()
    found.attempt = 2
    found.log("said\n")
    failure = attempt.objection(found, Results({}, lingering=("b",)), first=True)
    assert failure == Failure(2, "b should be gone, and is there", "said\n")


ONE, TWO = Entry(PLAIN, "1" * 40), Entry(PLAIN, "2" * 40)


@pytest.mark.parametrize(
    ("marks", "results", "doubtful"),
    [
        ("[keep]", Results({"b": ONE}), True),
        ("[keep]", Results({"b": TWO}), False),
        ("[keep]", Results({}, removed=("b",)), False),
        ("[keep]", Results({}, removed=("x",)), True),
        ("[keep]", Results({"b": ONE}, extra={"x": None}), False),
        ("[keep]", Results({"b": ONE}, ignored=("out",)), False),
        ("", Results({"b": ONE}), False),
        ("", Results({}), True),
    ],
)
def test_a_doubt_counts_where_nothing_was_changed(marks: str, results: Results, *, doubtful: bool) -> None:
    found = work(line=f"b: a {marks}", before={"b": ONE})
    found.doubt = "exit code 1"
    assert objection(found, results, first=False) == ("exit code 1" if doubtful else None)


NOTHING = (
    "nothing was changed: its targets are as they were; if they are right, specbuild adopt T1 records it"
)


@pytest.mark.parametrize(
    ("marks", "change", "first", "message"),
    [
        ("[keep]", {}, True, NOTHING),
        ("[keep]", {}, False, None),
        ("", {}, True, None),
        ("[keep]", {"entries": {"b": TWO}}, True, None),
        ("[keep]", {"removed": ("b",)}, True, None),
        ("[keep]", {"removed": ("x",)}, True, NOTHING),
        ("[keep]", {"ignored": ("out",)}, True, None),
        ("[keep]", {"extra": {"x": None}}, True, None),
    ],
)
def test_a_source_task_has_to_change_something_the_first_time(
    marks: str, change: dict[str, object], message: str | None, *, first: bool
) -> None:
    found = work(line=f"b: a {marks}", before={"b": ONE})
    results = replace(Results({"b": ONE}), **change)  # type: ignore[arg-type]
    assert objection(found, results, first=first) == message


@pytest.mark.parametrize("doubt", ["", "exit code 1"])
def test_boxes_are_no_change_that_a_source_task_has_to_make(doubt: str) -> None:
    found = work(line="b: a [keep]", before={"b": ONE})
    found.boxed, found.doubt = {"tasks.md"}, doubt
    results = Results({"b": ONE}, extra={"tasks.md": TWO})
    assert objection(found, results) == (doubt or NOTHING)
    assert objection(found, replace(results, extra={"tasks.md": TWO, "x": TWO})) is None


@pytest.mark.parametrize("line", ["b: a [keep]", ": a [keep]"])
def test_a_task_with_a_check_of_its_own_or_without_targets_may_change_nothing(line: str) -> None:
    found = work(line=line, before={"b": ONE})
    if found.task.targets:
        found.task = replace(found.task, verify="true")
    assert objection(found, Results({"b": ONE} if found.task.targets else {})) is None


# -- differences


def test_the_difference_is_what_changed_by_path() -> None:
    place = Place("b c: a [keep]", a="1", b="old", c="same", e="old", gone="old")
    results = Results(
        {"b": place.entry("new"), "c": place.entry("same")},
        removed=("gone", "never"),
        extra={"e": None, "d": place.entry("new")},
    )
    assert attempt.difference(place.work, results, place.tree) == {
        "b": (place.entry("old"), place.entry("new")),
        "d": (None, place.entry("new")),
        "e": (place.entry("old"), None),
        "gone": (place.entry("old"), None),
    }
    place.work.before = {"b": place.entry("edited")}
    shown = attempt.difference(place.work, Results({"b": place.entry("old")}), place.tree)
    assert shown == {"b": (place.entry("edited"), place.entry("old"))}


def test_partial_work_is_what_differs_at_the_targets() -> None:
    place = Place("b c d: a [keep]", b="old", c="same", d="old", e="old")
    place.left(b="new", d=None, e="new")
    assert attempt.partial(place.work) == {"b": place.entry("new"), "d": None}


def test_partial_work_of_a_task_that_may_write_anything_is_all_of_it() -> None:
    place = Place("b: a [keep] [any]", b="old", e="old")
    place.left(e=None, f="new")
    assert attempt.partial(place.work) == {"e": None, "f": place.entry("new")}


def test_generated_targets_that_are_gone_are_no_partial_work() -> None:
    place = Place("b c: a", b="old")
    place.left(b=None, c="new")
    assert attempt.partial(place.work) == {"c": place.entry("new")}


def test_what_git_cannot_hold_is_no_partial_work() -> None:
    class Broken(FakeSandbox):
        def result(self, paths: object) -> dict[RepoPath, Entry]:
            raise Unusable("the folder is gone")

    found = work()
    found.sandbox = Broken(Repo(), [], {}, True)
    assert attempt.partial(found) == {}


def lines_of(data: bytes, mode: int = PLAIN) -> int | None:
    repo = Repo()
    entry = Entry(mode, repo.store(data))
    (found,) = attempt.file_changes(Results({"b": entry}), {}, FakeCommitter(repo))
    return found.lines


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", 0),
        (b"one", 1),
        (b"one\n", 1),
        (b"one\ntwo", 2),
        (b"a\0b\n", None),
        (b"x" * 7999 + b"\0", None),
        (b"x" * 8000 + b"\0", 1),
    ],
)
def test_lines_of_text_are_counted(data: bytes, lines: int | None) -> None:
    assert lines_of(data) == lines


def test_a_submodule_has_no_lines() -> None:
    assert lines_of(b"x", mode=0o160000) is None


def test_changed_files_are_told_in_order_with_what_happened_to_them() -> None:
    repo = Repo()
    old, new = (Entry(PLAIN, repo.store(text)) for text in (b"old\n", b"new\nnew\n"))
    results = Results(
        {"m": new, "same": old, "c": new}, removed=("gone", "never"), extra={"a": new, "x": None}
    )
    before = {"m": old, "same": old, "gone": old, "x": old}
    assert list(attempt.file_changes(results, before, FakeCommitter(repo))) == [
        FileChange("a", "created", 2),
        FileChange("c", "created", 2),
        FileChange("gone", "deleted", None),
        FileChange("m", "modified", 2),
        FileChange("x", "deleted", None),
    ]
