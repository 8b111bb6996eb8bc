"""The last guard before a tree that git would call broken."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gitbox import Box, environment

from specbuild.engine.ports import Record
from specbuild.errors import RepositoryError
from specbuild.git.committer import GitCommitter


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with environment(tmp_path / "home"):
        yield Box(tmp_path / "repo")


@pytest.mark.parametrize("path", ["a/../b", "./a", "a//b", "a/.git/config", ".GIT/x"])
def test_a_path_that_git_knows_no_name_for_is_never_recorded(box: Box, path: str) -> None:
    box.type("f", "1")
    box.commit("one")
    repo = box.repo
    made = GitCommitter(repo, repo.head_ref)
    with pytest.raises(RepositoryError, match="cannot be recorded"):
        made.commit([Record("T001\n", {path: box.blob("x")}, in_place=False)], onto=made.head())
    assert box.git("log", "--format=%s") == "one"
