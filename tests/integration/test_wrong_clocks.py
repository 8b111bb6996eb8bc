"""Histories whose commits bear wrong times: followed as surely as others, and without reading all of them."""

import random
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from fakes_git import RealGit, hermetic, line

from specbuild.engine.checkpoint import Recorded
from specbuild.engine.task import Oid
from specbuild.git import history
from specbuild.git.history import GitHistory
from specbuild.git.repository import Repository
from specbuild.git.walk import outside

_BASE = 1_700_000_000
_CLOCKS: Mapping[str, Callable[[int, random.Random], int]] = {
    "backwards": lambda number, _chance: _BASE - number,
    "standing still": lambda _number, _chance: _BASE,
    "at random": lambda _number, chance: _BASE + chance.randrange(40),
}


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RealGit:
    for name, value in hermetic(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    return RealGit(tmp_path / "repo")


def grow(git: RealGit, times: Sequence[int], parents: Sequence[Sequence[int]]) -> list[Oid]:
    """Commits of these times on these earlier ones; every third holds a checkpoint, some a revert."""
    marks = git.folder / "marks"
    stream: list[str] = []
    for number, (time, below) in enumerate(zip(times, parents, strict=True)):
        message = f"commit {number}\n"
        if number % 3 == 0:
            message += f"\n{line(f'T{number % 7}', str(number + 1))}\n"
        stream.append(f"commit refs/heads/b{number}\nmark :{number + 1}\n")
        stream.append(f"committer Ada <ada@example.com> {time} +0000\ndata {len(message)}\n{message}")
        for place, parent in enumerate(below):
            stream.append(f"{'merge' if place else 'from'} :{parent + 1}\n")
        stream.append(f"M 100644 inline {number}.txt\ndata 2\n{number % 10}\n\n")
    command = ["git", "fast-import", "--quiet", f"--export-marks={marks}"]
    subprocess.run(command, cwd=git.folder, input="".join(stream).encode(), check=True)
    found = dict(row.split() for row in marks.read_text().splitlines())
    return [found[f":{number + 1}"] for number in range(len(times))]


def facts(records: Sequence[Recorded]) -> list[tuple[object, ...]]:
    return [(record.checkpoint.name.id, record.checkpoint.key, record.commit) for record in records]


@pytest.mark.parametrize("clock", _CLOCKS)
@pytest.mark.parametrize("seed", range(3))
def test_a_thicket_is_followed_as_it_is_read(git: RealGit, clock: str, seed: int) -> None:
    chance = random.Random(seed)
    times = [_CLOCKS[clock](number, chance) for number in range(40)]
    parents: list[list[int]] = [[]]
    for number in range(1, 40):
        nearby = range(max(0, number - 6), number)
        parents.append(chance.sample(nearby, min(len(nearby), chance.choice([1, 1, 1, 2, 3]))))
    commits = grow(git, times, parents)
    repository = Repository.open(str(git.folder))
    above: list[set[int]] = []
    for below in parents:
        above.append({*below}.union(*(above[parent] for parent in below)))
    cold = {tip: facts(GitHistory(repository, tip).checkpoints()) for tip in commits}
    for tip in chance.sample(commits, 20):
        followed = GitHistory(repository, tip)
        assert facts(followed.checkpoints()) == cold[tip]
        followed.save()
    told = 0
    for top in range(40):
        for limit in chance.sample(range(40), 5):
            within = {limit} | above[limit]
            found = outside(repository, commits[top], {commits[number] for number in within}.__contains__)
            if found is not None:
                told += 1
                order = [commit.oid for commit in found.commits]
                assert {*order} == {commits[number] for number in ({top} | above[top]) - within}
                assert all(p not in order[: order.index(c.oid)] for c in found.commits for p in c.parents)
                assert found.ends <= {commits[number] for number in within & ({top} | above[top])}
    assert told > 40


@pytest.mark.parametrize("clock", ["backwards", "standing still"])
def test_a_move_along_a_line_reads_no_more_than_the_move(
    git: RealGit, clock: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = [_CLOCKS[clock](number, random.Random(0)) for number in range(300)]
    commits = grow(git, times, [[], *([number] for number in range(299))])
    repository = Repository.open(str(git.folder))
    expected = {tip: facts(GitHistory(repository, commits[tip]).checkpoints()) for tip in (200, 290)}
    GitHistory(repository, commits[200]).save()
    monkeypatch.setattr(history, "walk", None)
    for tip in (290, 200, 290):
        found = GitHistory(repository, commits[tip])
        assert facts(found.checkpoints()) == expected[tip]
        found.save()


def test_many_commits_are_left_to_git(git: RealGit) -> None:
    commits = grow(git, [_BASE - number for number in range(1_600)], [[], *([n] for n in range(1_599))])
    repository = Repository.open(str(git.folder))
    assert outside(repository, commits[-1], commits[10].__eq__) is None
    found = outside(repository, commits[-1], commits[200].__eq__)
    assert found is not None
    assert [commit.oid for commit in found.commits] == commits[:200:-1]
    assert found.ends == {commits[200]}
    GitHistory(repository, commits[10]).save()
    assert len(GitHistory(repository, commits[-1]).checkpoints()) == 534


def test_what_is_not_known_and_what_does_not_exist_is_left_to_git(git: RealGit) -> None:
    commits = grow(git, [_BASE, _BASE + 1], [[], [0]])
    repository = Repository.open(str(git.folder))
    known = {commits[0]: None, commits[1]: False}
    assert outside(repository, commits[1], known.__getitem__) is None
    assert outside(repository, commits[0], known.__getitem__) is None
    assert outside(repository, "1" * 40, lambda _oid: False) is None
