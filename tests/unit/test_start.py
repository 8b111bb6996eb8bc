"""The bytes that a run starts from."""

from fakes import FakeTree, Project

from specbuild.engine.result import of_folder
from specbuild.engine.start import Start, bytes_of, entries_at, start_of
from specbuild.engine.task import Entry, RepoPath


def start(project: Project, id_: str) -> Start:
    loaded, judge = project.load()
    position = next(p for p, task in enumerate(loaded.graph.tasks) if task.name.id == id_)
    return start_of(judge, position, FakeTree(project.repo))


def texts(project: Project, found: Start) -> dict[RepoPath, str | None]:
    def text(entry: Entry | None) -> str | None:
        return None if entry is None else project.repo.blobs[entry.oid].decode()

    return {path: text(entry) for path, entry in found.changes.items()}


def built(*rules: str, **files: str) -> Project:
    project = Project(*rules, files=files)
    project.build()
    return project


def test_a_keep_task_starts_from_what_is_there() -> None:
    project = built("a: x", "b: a [keep]", x="1")
    project.repo.type("a", "other")
    project.repo.type("b", "mine")
    assert start(project, "T2") == Start() == Start({}, elsewhere=False, lost=None)


def test_a_target_that_no_earlier_task_made_is_absent_at_the_start() -> None:
    project = built("a: x", x="1")
    assert start(project, "T1") == Start({"a": None})
    project.repo.type("a", None)  # HEAD still has it
    assert start(project, "T1") == Start({"a": None})
    assert start(Project("a: x", files={"x": "1"}), "T1") == Start({})


def test_a_folder_target_is_emptied() -> None:
    project = Project("d/: x", files={"x": "1", "d/1": "1", "d/2": "2", "e": "3"})
    assert start(project, "T1") == Start({"d/1": None, "d/2": None})


def test_a_target_starts_as_the_nearest_earlier_writer_left_it() -> None:
    project = built("a: x [title one]", "a: [title two]", "a: [title three]", x="1")
    assert project.repo.text("a") == "one(x=1)two()three()"
    assert texts(project, start(project, "T1")) == {"a": None}
    assert texts(project, start(project, "T2")) == {"a": "one(x=1)"}
    assert texts(project, start(project, "T3")) == {"a": "one(x=1)two()"}
    assert not start(project, "T3").elsewhere


def test_bytes_that_stand_there_already_are_named_too() -> None:
    project = built("a: x", "a: [title two]", x="1")
    project.build(forced=["T1"], only=["T1"])
    project.repo.type("a", "T1(x=1)")
    assert start(project, "T2") == Start({"a": project.repo.disk["a"]})


def test_a_read_that_a_later_task_overwrote_is_laid_out_elsewhere() -> None:
    project = built("a: x [title one]", "b: a", "a: [title two]", x="1")
    found = start(project, "T2")
    assert found.elsewhere
    assert texts(project, found) == {"a": "one(x=1)", "b": None}


def test_a_read_that_the_tree_has_is_read_in_place() -> None:
    project = built("a: x", "b: a", x="1")
    found = start(project, "T2")
    assert not found.elsewhere
    assert texts(project, found) == {"a": "T1(x=1)", "b": None}


def test_a_need_of_a_path_that_a_later_task_wrote_before_this_one_brings_no_old_bytes() -> None:
    project = built("a: x [title one]", "a: [title two]", "b: a [needs T1]", x="1")
    assert project.repo.text("b") == "T3(a=one(x=1)two())"
    found = start(project, "T3")
    assert texts(project, found) == {"a": "one(x=1)two()", "b": None}
    assert not found.elsewhere


def test_a_need_brings_the_needed_tasks_bytes() -> None:
    project = built("a: x [title one]", "b: y [needs T1]", "a: [title two]", x="1")
    found = start(project, "T2")
    assert found.elsewhere
    assert texts(project, found) == {"a": "one(x=1)", "b": None}


def test_bytes_that_no_tree_has_are_lost_and_their_writer_is_named() -> None:
    project = built("z: x", "a: x [title one]", "a: [title two]", x="1")
    for commit in project.repo.commits.values():
        commit.files = {**commit.files, "a": project.repo.disk["x"]} if "a" in commit.files else commit.files
    assert start(project, "T3") == Start(lost=1)


def test_a_claimed_task_has_no_bytes_to_lay_out() -> None:
    project = Project("a: x [keep] [ticked]", "b: a", files={"x": "1", "a": "2"})
    assert start(project, "T2") == Start({})


def test_beside_a_task_that_never_ran_the_others_are_laid_out_all_the_same() -> None:
    project = built("T1 a: x [title one]", "T2 b: a", "T3 a: [title two]", x="1")
    project.rules[1:2] = ["T9 d: x", "T2 b: d a"]
    found = start(project, "T2")
    assert texts(project, found) == {"a": "one(x=1)", "b": None}


def test_bytes_come_from_the_tree_first_and_else_from_the_newest_checkpoint_that_still_has_them() -> None:
    project = built("a: x", x="1")
    old = project.repo.disk["a"]
    project.repo.type("x", "2")
    project.build()
    _, judge = project.load()
    tree = FakeTree(project.repo)
    new = project.repo.disk["a"]
    assert bytes_of(judge, 0, "a", new.oid[:20], tree) == {"a": new}
    assert bytes_of(judge, 0, "a", old.oid[:20], tree) == {"a": old}
    assert bytes_of(judge, 0, "a", "0" * 20, tree) is None
    assert bytes_of(judge, 0, "b", old.oid[:20], tree) is None


def test_a_checkpoint_whose_tree_was_changed_supplies_nothing() -> None:
    project = built("a: x", x="1")
    made = project.repo.disk["a"]
    assert project.repo.tip is not None
    project.repo.commits[project.repo.tip].files = {}
    project.repo.type("a", "edited")
    _, judge = project.load()
    assert bytes_of(judge, 0, "a", made.oid[:20], FakeTree(project.repo)) is None


def test_entries_are_a_file_or_what_is_below_a_folder() -> None:
    project = Project("a: x", files={"a": "1", "d/1": "1"})
    tree, disk = FakeTree(project.repo), project.repo.disk
    assert entries_at(tree, "a") == {"a": disk["a"]}
    assert entries_at(tree, "b") == {}
    assert entries_at(tree, "d/") == {"d/1": disk["d/1"]}
    assert entries_at(tree, "d") == {}
    assert of_folder("d/", entries_at(tree, "d/")) != "-"


def test_what_stands_already_keeps_nothing_else_from_being_laid_out() -> None:
    project = built("a: x", "b: x [title one]", "c: a b", "b: [title two]", x="1")
    found = start(project, "T3")
    assert texts(project, found) == {"a": "T1(x=1)", "b": "one(x=1)", "c": None}
    assert found.elsewhere


def test_what_a_person_removed_is_absent_at_the_start_though_head_has_it() -> None:
    project = built("a: x", "d/: a", x="1")
    project.repo.type("d/old", "1")
    project.repo.commit(dict(project.repo.disk), "more")
    project.repo.type("d/old", None)
    project.repo.type("d/new", "2")
    assert start(project, "T2").changes.items() >= {"d/old": None, "d/new": None}.items()
