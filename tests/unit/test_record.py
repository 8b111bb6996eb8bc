"""What a completed task's commits hold."""

from dataclasses import replace

from fakes import PLAIN, FakeTree, Project, Repo, rule

from specbuild.engine.checkpoint import Checkpoint, format_line, parse_lines
from specbuild.engine.record import Results, changes_of, edited, message, results_line
from specbuild.engine.result import of_folder
from specbuild.engine.task import Entry, RepoPath, Task, TaskName

KEY = "a1" * 10
CHECKPOINT = Checkpoint(TaskName("tasks.md", "T1"), KEY, "-", "b2" * 10, 1.0, "shell")
ONE, TWO = Entry(PLAIN, "1" * 40), Entry(PLAIN, "2" * 40)


def titled(title: str) -> Task:
    task = rule("T1 a: x", 0)
    return replace(task, text=replace(task.text, title=title, story="US2"))


def test_each_target_has_its_result() -> None:
    entries = {"a": ONE, "d/x": TWO}
    line = results_line(rule("a d/: x", 0), Results(entries), KEY)
    assert line == {"a": "1" * 20, "d/": of_folder("d/", {"d/x": TWO})}


def test_the_key_stands_for_a_target_that_git_ignores_and_the_others_follow() -> None:
    line = results_line(rule("out/ a: x", 0), Results({"a": ONE}, ignored=("out/",)), KEY)
    assert line == {"out/": KEY, "a": "1" * 20}


def test_an_inferred_target_that_was_not_made_is_left_out_and_one_that_is_to_be_absent_is_not() -> None:
    task = replace(rule("a b c: x", 0), absent=frozenset({"b"}))
    assert results_line(task, Results({"c": ONE}), KEY) == {"b": "-", "c": "1" * 20}


def test_a_message_is_subject_notes_and_line_in_paragraphs() -> None:
    text = message(
        titled("Write it"), CHECKPOINT, subject="{id} {title} ({story})", notes=("one", "two\nlines")
    )
    assert text == f"T1 Write it (US2)\n\none\n\ntwo\nlines\n\n{format_line(CHECKPOINT)}\n"


def test_a_placeholder_may_come_twice_and_an_unknown_one_stays_text() -> None:
    text = message(titled("{id}"), CHECKPOINT, subject="{id}{id} {targets} {nope} {title}")
    assert text.startswith("T1T1 a {nope} {id}\n\n")


def test_a_subject_is_one_line_without_control_characters() -> None:
    text = message(titled("a\x1b[31m\tb\u2028c\x9bd\u202e  e\n\nf"), CHECKPOINT, subject=" {title} ")
    assert text.splitlines()[0] == "a [31m b c d e f"


def test_an_empty_subject_is_the_id() -> None:
    assert message(titled("\x07"), CHECKPOINT, subject="{title}").startswith("T1\n\n")


def test_neither_subject_nor_notes_forge_a_line() -> None:
    forged = format_line(replace(CHECKPOINT, key="c3" * 10))
    text = message(titled(forged), CHECKPOINT, subject="{title}", notes=(forged, f"  {forged}"))
    assert list(parse_lines(text.encode())) == [CHECKPOINT]


class Staged(FakeTree):
    """A tree in which git ignores some paths."""

    def __init__(self, repo: Repo, ignored: tuple[RepoPath, ...] = ()) -> None:
        super().__init__(repo)
        self._ignored = ignored

    def ignored(self, path: RepoPath) -> bool:
        return path in self._ignored


def test_a_commit_changes_what_differs_from_what_is_tracked() -> None:
    project = Project("a: x", files={"same": "1", "other": "1", "gone": "1"})
    tree = FakeTree(project.repo)
    same, other = project.repo.disk["same"], project.repo.disk["other"]
    results = Results(
        {"same": same, "other": TWO, "new": ONE},
        removed=("gone", "never-tracked"),
        extra={"extra": ONE, "dropped": None},
    )
    assert other != TWO
    assert changes_of(results, tree) == {
        "other": TWO,
        "new": ONE,
        "gone": None,
        "extra": ONE,
        "dropped": None,
    }


def test_edited_are_paths_whose_bytes_no_commit_holds_unless_git_ignores_them() -> None:
    project = Project("a: x", files={"same": "1", "changed": "1", "gone": "1", "forced": "1"})
    repo = project.repo
    for path, text in {"changed": "2", "gone": None, "new": "n", "ignored": "i", "forced": "2"}.items():
        repo.type(path, text)
    tree = Staged(repo, ("ignored", "forced"))
    paths = ["ignored", "same", "changed", "gone", "new", "forced", "nowhere"]
    assert edited(paths, tree) == {
        "changed": repo.disk["changed"],
        "gone": None,
        "new": repo.disk["new"],
        "forced": repo.disk["forced"],
    }
