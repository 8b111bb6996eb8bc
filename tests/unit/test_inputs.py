"""Which files a task's key looks at, and what stands there."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from fakes import FakeTree, Project, Repo, rule

from specbuild.engine.graph import build
from specbuild.engine.inputs import Emptied, Inputs, Looker, looked_through
from specbuild.engine.key import digest_bytes
from specbuild.engine.result import of_folder
from specbuild.engine.task import Entry, RepoPath

LINK = 0o120000


class Tree(FakeTree):
    """Of what is on disk, `untracked` is not in git, and of that `hidden` is ignored; counts looks."""

    def __init__(self, repo: Repo, untracked: Collection[RepoPath], hidden: Collection[RepoPath]) -> None:
        super().__init__(repo)
        self._untracked, self._hidden = {*untracked, *hidden}, hidden
        self.reads = 0

    def tracked(self, path: RepoPath) -> Entry | None:
        return None if path in self._untracked else self.entry(path)

    def ignored(self, path: RepoPath) -> bool:
        return path in self._hidden

    def read(self, path: RepoPath) -> bytes | None:
        self.reads += 1
        return super().read(path)


def tree(*, untracked: Collection[RepoPath] = (), hidden: Collection[RepoPath] = (), **files: str) -> Tree:
    return tree_of(files, untracked=untracked, hidden=hidden)


def tree_of(
    files: Mapping[str, str],
    links: Mapping[str, str] | None = None,
    *,
    untracked: Collection[RepoPath] = (),
    hidden: Collection[RepoPath] = (),
) -> Tree:
    repo = Repo()
    for path, text in files.items():
        repo.type(path, text)
    for path, text in (links or {}).items():
        repo.disk[path] = Entry(LINK, repo.store(text.encode()))
    return Tree(repo, untracked, hidden)


def look(
    found: Tree,
    *rules: str,
    reads: tuple[RepoPath, ...] = (),
    task_files: Mapping[RepoPath, Emptied] | None = None,
    never: Collection[RepoPath] = (),
) -> Inputs:
    """What the last of the rules looks at."""
    tasks = [rule(line, position) for position, line in enumerate(rules)]
    tasks[-1] = replace(tasks[-1], reads=reads)
    return Looker(found, task_files or {}, never).look(build(tasks), len(tasks) - 1)


def plain(found: Tree, *paths: RepoPath) -> tuple[tuple[RepoPath, str], ...]:
    return tuple((path, f"100644 {found.repo.disk[path].oid}") for path in paths)


def test_inputs_are_paths_in_order_with_what_stands_there() -> None:
    found = tree(a="1", b="2", c="3")
    assert look(found, "x: b a") == Inputs(("a", "b"), plain(found, "a", "b"), ())


def test_inferred_reads_are_inputs() -> None:
    found = tree(a="1", b="2")
    assert look(found, "x: b", reads=("a",)).committed == plain(found, "a", "b")


def test_a_missing_input_says_so() -> None:
    assert look(tree(), "x: a") == Inputs(("a",), (("a", "missing"),), ())


def test_a_pattern_sees_files_and_none_where_none_match() -> None:
    found = tree_of({"s/1.c": "1", "s/2.c": "2", "s/3.h": "3"})
    assert look(found, "x: s/*.c").committed == plain(found, "s/1.c", "s/2.c")
    assert look(found, "x: s/*.d").committed == ()


def test_a_path_that_looks_like_a_pattern_and_exists_is_that_path() -> None:
    found = tree_of({"s/[id].c": "1", "s/i.c": "2"})
    tasks = [replace(rule("x:", 0), inputs=("s/[id].c",))]
    assert Looker(found, {}).look(build(tasks), 0).paths == ("s/[id].c",)


def test_a_folder_is_the_files_below_it_with_or_without_its_slash() -> None:
    found = tree_of({"s/1.c": "1", "s/t/2.c": "2", "so": "3"})
    expected = plain(found, "s/1.c", "s/t/2.c")
    assert look(found, "x: s/").committed == expected
    assert look(found, "x: s").committed == expected


def test_an_empty_folder_is_missing_or_as_nothing() -> None:
    assert look(tree(), "x: s/").committed == (("s/", of_folder("s/", {})),)
    assert look(tree(), "x: s").committed == (("s", "missing"),)


def test_a_file_is_no_folder() -> None:
    found = tree(s="1")
    assert look(found, "x: s").paths == ("s",)


def test_words_for_other_tasks_targets_are_no_paths() -> None:
    found = tree(a="1")
    assert look(found, "x: a", "y: @story").paths == ("x",)
    assert look(found, "x: a", "y: @story").committed == ()


def test_a_path_that_a_task_targets_is_read_but_no_input_of_the_key() -> None:
    found = tree(a="1", x="2")
    assert look(found, "x: a", "y: x a") == Inputs(("a", "x"), plain(found, "a"), ())


def test_a_path_that_only_this_or_a_later_task_targets_is_no_input_at_all() -> None:
    tasks = [rule("x: x z a", 0), rule("z: a", 1)]
    found = tree(a="1", x="2", z="3")
    assert Looker(found, {}).look(build(tasks), 0) == Inputs(("a",), plain(found, "a"), ())


def test_an_own_target_that_an_earlier_task_made_is_not_read() -> None:
    assert look(tree(a="1", x="2"), "x: a", "x: x").paths == ()


def test_documents_about_the_work_are_no_inputs() -> None:
    found = tree(a="1", report="2")
    assert look(found, "x: a report", never=("report",)).paths == ("a",)


def test_an_ignored_file_counts_in_the_working_tree_and_is_missing_for_commits() -> None:
    found = tree(a="1", b="2", c="3", hidden=("b",), untracked=("c",))
    inputs = look(found, "x: a b c")
    assert inputs.committed == (plain(found, "a")[0], ("b", "missing"), plain(found, "c")[0])
    assert inputs.ignored == plain(found, "b")
    assert inputs.paths == ("a", "b", "c")


def test_an_ignored_file_that_is_not_there_is_just_missing() -> None:
    assert look(tree(hidden=("b",)), "x: b") == Inputs(("b",), (("b", "missing"),), ())


def test_in_a_commit_nothing_is_ignored() -> None:
    found = tree(b="2", hidden=("b",))
    found.working = False
    assert look(found, "x: b").ignored == ()


def test_modes_count() -> None:
    found = tree(a="1")
    found.repo.disk["a"] = Entry(0o100755, "9" * 40)
    assert look(found, "x: a").committed == (("a", f"100755 {'9' * 40}"),)


def test_a_task_file_counts_with_its_boxes_emptied() -> None:
    found = tree_of({"s/tasks.md": "- [x] T1", "a": "1"})
    seen: list[RepoPath] = []

    def emptied(path: RepoPath, data: bytes) -> bytes:
        seen.append(path)
        return data.replace(b"x", b" ")

    inputs = look(found, "x: s/tasks.md a", task_files={"s/tasks.md": emptied})
    assert inputs.committed == (plain(found, "a")[0], ("s/tasks.md", f"tasks {digest_bytes(b'- [ ] T1')}"))
    assert seen == ["s/tasks.md"]


def led(found: Tree, path: RepoPath) -> str:
    """What a link's value says of where it leads."""
    start = f"120000 {found.repo.disk[path].oid} "
    value = Looker(found, {}).value(path)
    assert value.startswith(start)
    return value.removeprefix(start)


def test_a_link_counts_with_the_file_that_it_leads_to() -> None:
    found = tree_of({"a/b.txt": "1", "top": "2"}, {"l": "a/b.txt", "a/m": "../top", "a/n": "./b.txt"})
    assert led(found, "l") == led(found, "a/n") == plain(found, "a/b.txt")[0][1]
    assert led(found, "a/m") == plain(found, "top")[0][1]


def test_a_link_to_a_link_is_followed_and_a_circle_ends() -> None:
    found = tree_of({"a": "1"}, {"l": "m", "m": "a", "x": "y", "y": "x"})
    assert led(found, "l") == f"120000 {found.repo.disk['m'].oid} {plain(found, 'a')[0][1]}"
    assert led(found, "x").endswith(" outside")
    assert led(found, "x").count("120000") == 9


def test_a_link_to_a_folder_counts_with_what_is_below_it() -> None:
    found = tree_of({"d/1": "1", "d/2": "2", "dd": "3"}, {"l": "d", "none": "nowhere"})
    assert led(found, "l") == "folder"
    assert led(found, "none") == "missing"
    assert [path for path, _ in look(found, "x: l").committed] == ["d/1", "d/2", "l"]


def test_what_a_link_leads_to_is_an_input_by_its_own_name() -> None:
    found = tree_of({"d/1": "1", "a": "1"}, {"l": "m", "m": "a"})
    assert [path for path, _ in look(found, "x: l").committed] == ["a", "l", "m"]
    assert [path for path, _ in look(found, "a: l").committed] == ["l", "m"]  # its own target is none


def test_a_link_that_leaves_the_repository_is_not_followed() -> None:
    found = tree_of({"a": "1"}, {"l": "/etc/passwd", "m": "../x", "s/n": "../../x", "s/o": "../a"})
    assert led(found, "l") == led(found, "m") == led(found, "s/n") == "outside"
    assert led(found, "s/o") == plain(found, "a")[0][1]


def test_a_link_whose_bytes_are_no_text_leads_nowhere() -> None:
    found = tree()
    found.repo.disk["l"] = Entry(LINK, found.repo.store(b"\xff"))
    assert led(found, "l") == "missing"


def test_each_path_is_looked_at_once_until_it_changes() -> None:
    found = tree_of({"tasks.md": "- [x] T1"})
    looker = Looker(found, {"tasks.md": lambda _path, data: data})
    assert looker.value("tasks.md") == looker.value("tasks.md")
    assert found.reads == 1
    found.repo.type("tasks.md", "- [ ] T2")
    assert looker.value("tasks.md") == f"tasks {digest_bytes(b'- [ ] T2')}"


def test_a_link_is_looked_at_anew_since_what_it_leads_to_may_change() -> None:
    found = tree_of({"a": "1"}, {"l": "a"})
    looker = Looker(found, {})
    before = looker.value("l")
    found.repo.type("a", "2")
    assert looker.value("l") != before


def test_a_folders_value_is_its_result() -> None:
    found = tree_of({"d/1": "1", "e": "2"})
    assert Looker(found, {}).value("d/") == of_folder("d/", {"d/1": found.repo.disk["d/1"]})


def test_what_lies_in_a_submodule_counts_as_its_recorded_commit() -> None:
    found = tree_of({"a": "1"})
    found.repo.disk["libs/x"] = Entry(0o160000, "5" * 40)
    for written in ("libs/x", "libs/x/", "libs/x/src/y.c", "libs/x/*.c", "libs/x/src/**"):
        assert look(found, f"t: {written}").committed == (("libs/x", f"160000 {'5' * 40}"),)
    assert look(found, "t: libs/xy/z").paths == ("libs/xy/z",)
    assert look(found, "t: a/b").committed == (("a/b", "missing"),)


def test_a_submodule_in_a_deep_or_short_folder_is_found() -> None:
    found = tree()
    found.repo.disk["m"] = found.repo.disk["a/b/c/d"] = Entry(0o160000, "5" * 40)
    assert look(found, "t: m/y a/b/c/d/y a/b/c/e").paths == ("a/b/c/d", "a/b/c/e", "m")


def test_a_folder_of_ignored_files_is_ignored_file_by_file() -> None:
    found = tree_of({"d/1": "1", "d/2": "2"}, hidden=("d/2",))
    inputs = look(found, "t: d/")
    assert inputs.committed == (plain(found, "d/1")[0], ("d/2", "missing"))
    assert inputs.ignored == plain(found, "d/2")


def test_what_a_task_looks_through_are_patterns_and_folders_also_without_a_slash() -> None:
    project = Project("b: a s/*.txt lib/ docs missing @needs", files={"a": "1", "docs/x": "1", "lib/x": "1"})
    [task] = project.load()[1].graph.tasks
    tree = FakeTree(project.repo)
    assert [*looked_through(task, tree)] == ["s/", "lib/", "docs/", "missing/"]
    in_prose = replace(task, inputs=(), reads=("a", "lib/"))
    assert [*looked_through(in_prose, tree)] == ["lib/"]
