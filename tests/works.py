"""A task under way in memory, as unit tests of what happens to one need it."""

from collections.abc import Mapping
from contextlib import ExitStack

from fakes import FakeSandbox, Repo, rule

from specbuild.engine.inputs import Inputs
from specbuild.engine.task import Entry, RepoPath
from specbuild.engine.verdict import Verdict
from specbuild.engine.work import Work


def work(
    position: int = 0,
    line: str = "b: a",
    *,
    repo: Repo | None = None,
    before: Mapping[RepoPath, Entry] | None = None,
    in_place: bool = True,
) -> Work:
    """Opened on what the repository holds now, unless `before` says what stood at its targets."""
    repo = repo or Repo()
    task = rule(line, position)
    stood = {path: entry for path, entry in repo.disk.items() if path in task.targets}
    return Work(
        position=position,
        task=task,
        verdict=Verdict("stale", "0" * 20, "-"),
        inputs=Inputs((), (), ()),
        before=stood if before is None else before,
        saved={},
        stack=ExitStack(),
        sandbox=FakeSandbox(repo, task.targets, {}, in_place),
        base=repo.tip,
        laid={},
        worker=1,
        began=0.0,
        place=1,
    )
