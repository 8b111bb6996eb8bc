"""Results of a private worktree laid over a tip that moved, path by path; and what a run may spend."""

from collections.abc import Mapping

import pytest
from fakes import FakeCommitter, FakeTree, Project, Repo

from specbuild.engine.build import Review
from specbuild.engine.merge import Conflict, Sides, merged
from specbuild.engine.project import Settings
from specbuild.engine.record import Results
from specbuild.engine.spending import Purse, added
from specbuild.engine.task import Entry

PLAIN, EXECUTABLE, LINK = 0o100644, 0o100755, 0o120000


class Three:
    """A path's bytes in the start tree, as the task left them, and at the tip."""

    def __init__(self) -> None:
        self.repo = Repo()

    def entry(self, text: str | None, mode: int = PLAIN) -> Entry | None:
        return None if text is None else Entry(mode, self.repo.store(text.encode()))

    def merge(
        self,
        base: Entry | None,
        ours: Entry | None,
        theirs: Entry | None,
        *,
        own: bool = True,
        target: bool = False,
    ) -> Entry | None:
        files = [{} if e is None else {"p": e} for e in (base, theirs)]
        sides = Sides(FakeTree(self.repo, files[0]), {}, FakeTree(self.repo, files[1]), {})
        if target:
            removed = ("p",) if ours is None and base is not None else ()
            results = Results({} if ours is None else {"p": ours}, removed)
        else:
            results = Results({}, extra={"p": ours})
        committer = FakeCommitter(self.repo)
        found = merged(results, sides, lambda _path, *blobs: committer.merge(*blobs), own=own)
        return found.entries.get("p") if target else found.extra["p"]


@pytest.fixture
def three() -> Three:
    return Three()


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "now"),
    [
        ("a", "b", "a", "b"),
        ("a", "a", "c", "c"),
        ("a", "b", "b", "b"),
        (None, "b", None, "b"),
        (None, "b", "b", "b"),
        ("a", None, "a", None),
        ("a", None, None, None),
        ("a", "a", None, None),
        ("1\n2\n3\n", "one\n2\n3\n", "1\n2\nthree\n", "one\n2\nthree\n"),
    ],
)
@pytest.mark.parametrize("target", [True, False])
def test_where_one_side_changed_a_path_that_side_counts(
    three: Three, base: str | None, ours: str | None, theirs: str | None, now: str | None, *, target: bool
) -> None:
    assert three.merge(*map(three.entry, (base, ours, theirs)), target=target) == three.entry(now)


@pytest.mark.parametrize(
    ("base", "ours", "theirs"), [("a", "b", "c"), (None, "b", "c"), ("a", None, "c"), ("a", "b", None)]
)
def test_where_both_changed_the_same_it_is_a_conflict(
    three: Three, base: str | None, ours: str | None, theirs: str | None
) -> None:
    with pytest.raises(Conflict) as caught:
        three.merge(*map(three.entry, (base, ours, theirs)))
    assert caught.value.path == "p"


def test_modes_are_merged_apart_from_bytes(three: Three) -> None:
    plain, loud = three.entry("a"), three.entry("a", EXECUTABLE)
    assert three.merge(plain, loud, three.entry("b")) == three.entry("b", EXECUTABLE)
    assert three.merge(plain, three.entry("b"), loud) == three.entry("b", EXECUTABLE)
    with pytest.raises(Conflict):
        three.merge(plain, three.entry("t", LINK), three.entry("b"))


def test_a_generated_target_is_what_its_task_made_whatever_came_there(three: Three) -> None:
    assert three.merge(*map(three.entry, ("a", "b", "c")), own=False, target=True) == three.entry("b")
    with pytest.raises(Conflict):
        three.merge(*map(three.entry, ("a", "b", "c")), own=False)


# -- in a build ---------------------------------------------------------------------------------------


def agent(project: Project, id_: str, **files: str | None) -> None:
    """What a task writes in its worktree; a value that begins with `+` is appended."""

    def body(sandbox, task, repo):  # type: ignore[no-untyped-def]
        for path, text in files.items():
            name = path.replace("__", ".")
            if text is None:
                sandbox.files.pop(name, None)
                continue
            old = repo.blobs[sandbox.files[name].oid].decode() if name in sandbox.files else ""
            data = old + text[1:] if text.startswith("+") else text
            sandbox.files[name] = Entry(PLAIN, repo.store(data.encode()))

    project.executors.bodies[id_] = body


def test_an_earlier_task_whose_input_a_later_one_changed_is_listed_and_not_run_again() -> None:
    project = Project("g: a", "b: [keep] [any] [worktree]", files={"a": "1"})
    agent(project, "T2", b="2", a="2")
    assert project.build() == ["T1", "T2"]
    assert project.end is not None
    assert (project.end.exit_code, project.end.headline) == (3, "partially complete")
    assert [name.id for name in project.end.left] == ["T1"]
    assert project.build() == ["T1"]
    assert project.end.exit_code == 0


def test_an_up_to_date_task_whose_input_changed_is_listed_too() -> None:
    project = Project("g: a", "b: [keep] [any] [worktree]", files={"a": "1"})
    assert project.build(only=["T1"]) == ["T1"]
    agent(project, "T2", b="2", a="2")
    assert project.build() == ["T2"]
    assert project.end is not None
    assert [name.id for name in project.end.left] == ["T1"]
    assert project.end.up_to_date == 0


def test_a_change_of_anothers_generated_file_is_dropped_and_told() -> None:
    project = Project("g: a", "b: [keep] [any] [worktree]", files={"a": "1"})
    agent(project, "T2", b="2", g="mine")
    project.build()
    assert project.repo.text("g") == "T1(a=1)"
    assert "its change of g was dropped: T1 makes that file" in project.warnings


def test_setup_runs_before_the_first_task_in_a_worktree_only() -> None:
    project = Project(
        "a: [keep] [any] [worktree] [setup npm]", "b: [keep] [any] [worktree] [setup npm]", "c: [setup npm]"
    )
    assert project.build() == ["setup of T1", "T1", "T2", "T3"]


def test_a_review_accepts_asks_for_more_or_rejects() -> None:
    said = [Review("retry", "shorter"), Review("accept"), Review("reject", "no")]
    seen: list[Mapping[str, object]] = []

    def look(_task, changes):  # type: ignore[no-untyped-def]
        seen.append(changes)
        return said.pop(0)

    project = Project("a: [keep] [any] [worktree] [review]", "b: [keep] [any] [worktree] [review]")
    assert project.build(review=look) == ["T1", "T1", "T2"]
    assert project.end is not None
    assert (project.end.completed, project.end.failed) == (1, 1)
    assert [list(changes) for changes in seen] == [["a"], ["a"], ["b"]]
    errors = [event.error for event in project.finished() if event.error]
    assert errors == ["a person looked at it and rejects it: no"]


def test_a_review_without_anybody_fails_the_task() -> None:
    project = Project("a: [keep] [any] [worktree] [review]")
    assert project.build() == []
    [end] = project.finished()
    assert end.outcome == "failed"
    assert "there is no terminal to ask on" in (end.error or "")


def test_a_doubt_fails_an_attempt_that_changed_nothing_and_no_other() -> None:
    project = Project("a: [keep] [any] [worktree] [def 1]", "b: [keep] [any] [worktree] [def 1]")
    project.build()
    project.rules = [line.replace("def 1", "def 2") for line in project.rules]
    project.executors.doubts = {"T1": "exit code 1", "T2": "exit code 1"}
    agent(project, "T1", a="new")
    agent(project, "T2")
    assert project.build(settings=Settings(keep_going=True)) == ["T1", "T2"]
    ends = {event.task.id: (event.outcome, event.error) for event in project.finished()}
    assert ends["T1"] == ("completed", None)
    assert ends["T2"] == ("failed", "exit code 1")


def test_a_run_whose_budget_is_used_up_starts_no_more_of_what_costs() -> None:
    project = Project("a: [keep]", "b: [keep]", "c: [keep]")
    project.executors.usage = {"cost_usd": 0.4, "tokens": 100}
    assert project.build(settings=Settings(budget_usd=0.8)) == ["T1", "T2"]
    ends = {event.task.id: (event.outcome, event.error) for event in project.finished()}
    assert ends["T3"] == ("blocked", "the run's budget is used up: $0.80 of $0.80 (budget_usd of [build])")
    assert project.end is not None
    assert project.end.exit_code == 1


def test_attempts_that_fail_are_paid_for_too() -> None:
    project = Project("a: [keep] [retries 5]")
    project.executors.failing["T1"] = 5
    project.executors.usage = {"tokens": 100}
    assert project.build(settings=Settings(budget_tokens=250)) == ["T1", "T1", "T1"]
    [end] = project.finished()
    assert end.usage == {"tokens": 300}
    assert end.error == "it failed; the run's budget is used up: 300 of 250 tokens (budget_tokens of [build])"


def test_only_executors_that_told_of_cost_are_limited() -> None:
    purse = Purse(usd=1.0, tokens=None)
    purse.pay("agent", {"cost_usd": 2.0, "turns": 3})
    purse.pay("shell", {})
    assert purse.refusal("shell") is None
    assert purse.refusal("agent") == "the run's budget is used up: $2.00 of $1.00 (budget_usd of [build])"
    assert added({"a": 1, "b": "x"}, {"a": 2, "b": "y", "c": True}) == {"a": 3, "b": "y", "c": True}
