"""Law 4 over random graphs, edits and failures: incremental equals clean, and a second run runs nothing."""

from collections import Counter
from collections.abc import Iterator

import pytest
from campaigns import campaign
from fakes import Project
from hypothesis import HealthCheck, Phase, given, reject, seed, settings
from hypothesis import strategies as st

from specbuild.engine.events import TaskFinished, TaskStarted
from specbuild.engine.graph import Edge
from specbuild.engine.judge import Judge
from specbuild.engine.ports import Snapshot
from specbuild.engine.project import Settings
from specbuild.engine.task import RepoPath, Task, TaskName
from specbuild.errors import TaskFileError

SOURCES = ["s1", "s2", "s3"]
TARGETS = ["p", "q", "r", "t"]


@st.composite
def rules(draw: st.DrawFn) -> list[str]:
    """Tasks over few files, so that chains, readers between writers and shared files are common."""
    lines = []
    for number in range(draw(st.integers(1, 6))):
        targets = draw(st.lists(st.sampled_from(TARGETS), min_size=1, max_size=2, unique=True))
        inputs = draw(st.lists(st.sampled_from(SOURCES + TARGETS), max_size=3, unique=True))
        marks = draw(st.sampled_from(["", "", " [P]", " [US1]", " [US2]", " [phase 2]"]))
        needs = f" [needs T{draw(st.integers(1, number))}]" if number and draw(st.integers(0, 4)) == 0 else ""
        lines.append(f"{' '.join(targets)}: {' '.join(i for i in inputs if i not in targets)}{marks}{needs}")
    return sorted(lines, key=lambda line: "phase" in line)


steps = st.one_of(
    st.tuples(st.just("type"), st.sampled_from(SOURCES), st.sampled_from(["1", "2", "3"])),
    st.tuples(st.just("damage"), st.sampled_from(TARGETS), st.sampled_from([None, "mine"])),
    st.tuples(st.just("fail"), st.integers(1, 6), st.just("")),
    st.tuples(st.just("reset"), st.integers(1, 3), st.just("")),
    st.tuples(st.just("revert"), st.just(0), st.just("")),
    st.tuples(st.just("squash"), st.integers(2, 8), st.just("")),
    st.tuples(st.just("reword"), st.integers(0, 5), st.sampled_from(["x", "y"])),
    st.tuples(st.just("limit"), st.integers(1, 3), st.just("")),
    st.tuples(st.just("build"), st.just(0), st.just("")),
)


def take(project: Project, step: tuple[str, object, object]) -> None:
    kind, what, how = step
    if kind in {"type", "damage"}:
        project.repo.type(str(what), None if how is None else str(how))
    elif kind == "fail":
        project.executors.failing[f"T{what}"] = 1
        project.build()
        project.executors.failing.clear()
    elif kind == "reset":
        steps_back = min(int(str(what)), len(list(project.repo.log())) - 1)
        project.repo.reset(steps_back)
    elif kind == "squash":
        project.repo.squash(min(int(str(what)), len(list(project.repo.log())) - 1))
    elif kind == "revert" and len(list(project.repo.log())) > 1:
        project.repo.revert()
    elif kind == "reword":
        place = int(str(what)) % len(project.rules)
        project.rules[place] = project.rules[place].split(" [def")[0] + f" [def {how}]"
    elif kind == "limit":
        project.build(settings=Settings(limit=int(str(what))))
    elif kind == "build":
        project.build()


def check(
    lines: list[str], path: list[tuple[str, object, object]], parallel: bool, judge: type[Judge] = Judge
) -> None:
    project = Project(*lines, files=dict.fromkeys(SOURCES, "0"))
    project.judge = judge
    project.tick = 0.01  # the next tasks are opened before a worker is free
    try:
        project.load()
    except TaskFileError as error:
        assert "a cycle" in str(error)
        reject()
    for step in path:
        take(project, step)
        how = Settings(jobs=3, overlap="all") if parallel else Settings()
        project.events.clear()
        ran = project.build(settings=how)
        assert project.end is not None
        assert_apart(project)
        assert project.end.exit_code == 0, (project.end, project.warnings)
        assert max(Counter(ran).values(), default=0) <= 1
        assert project.targets() == project.clean()
        assert project.build() == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rules(), st.lists(steps, min_size=1, max_size=6))
def test_incremental_equals_clean(lines: list[str], path: list[tuple[str, object, object]]) -> None:
    check(lines, path, parallel=False)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rules(), st.lists(steps, min_size=1, max_size=6))
def test_incremental_equals_clean_with_overlapping_tasks(
    lines: list[str], path: list[tuple[str, object, object]]
) -> None:
    check(lines, path, parallel=True)


def test_a_task_that_runs_again_overlaps_none_that_follows_it() -> None:
    lines = ["t p: ", "t p: q [US1]", "q r: s2 [US1]", "t r:  [needs T1]", "p: r s3 s1 [US2]"]
    check(lines, [("revert", 0, ""), ("squash", 7, ""), ("fail", 3, ""), ("reword", 4, "x")], parallel=True)


def assert_apart(project: Project) -> None:
    """Tasks that share a target never overlap, from the start of one to its end."""
    loaded, _ = project.load()
    targets = {task.name: set(task.targets) for task in loaded.graph.tasks}
    begun: set[TaskName] = set()
    for event in project.events:
        if isinstance(event, TaskStarted | TaskFinished):
            others = begun - {event.task}
            assert not any(targets[event.task] & targets[other] for other in others), (event, others)
        if isinstance(event, TaskStarted):
            begun.add(event.task)
        elif isinstance(event, TaskFinished):
            begun.discard(event.task)


class WrongJudge(Judge):
    """Lets every content edge carry the bytes as they are now, instead of the recorded result."""

    def carried(
        self, edge: Edge, reader: Task, tree: Snapshot | None = None
    ) -> Iterator[tuple[RepoPath, str]]:
        for path, _ in super().carried(edge, reader, tree):
            yield path, self.result_now(path)


def test_a_wrong_judge_fails_the_same_property() -> None:
    @seed(1)
    @settings(
        max_examples=300,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(rules(), st.lists(steps, min_size=1, max_size=6))
    def holds(lines: list[str], path: list[tuple[str, object, object]]) -> None:
        check(lines, path, parallel=False, judge=WrongJudge)

    with pytest.raises(AssertionError):
        holds()


@pytest.mark.campaign
@pytest.mark.timeout(0)
def test_incremental_equals_clean_for_long(capfd: pytest.CaptureFixture[str]) -> None:
    def batch(number: int, examples: int) -> None:
        @seed(number)
        @settings(
            max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(rules(), st.lists(steps, min_size=1, max_size=10))
        def holds(lines: list[str], path: list[tuple[str, object, object]]) -> None:
            check(lines, path, parallel=False)

        holds()

    campaign(capfd, batch, size=500)
