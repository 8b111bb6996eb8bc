"""Tracked files that are not as the index says, by git's own comparison of stat data."""

import os
from collections.abc import Collection
from typing import Literal

from specbuild.engine.task import RepoPath
from specbuild.git.repository import GitFailed, Repository


class Modified:
    """`git diff-files`, under way as soon as this is made.

    `modules`: what of a submodule counts for nothing ("dirty": what is not committed in it); `index`: the
    file that git is to take; `only`: paths that it is to look at, all where there are none.
    """

    def __init__(
        self,
        repo: Repository,
        *,
        modules: Literal["none", "dirty"],
        index: str | None = None,
        only: Collection[RepoPath] = (),
    ) -> None:
        self._repo = repo
        self._only = ["--", *only] if only else []
        self._env = {} if index is None else {"GIT_INDEX_FILE": index}
        self._command = ["-c", "core.fsmonitor=false", "diff-files", "--name-only", "--no-renames", "-z"]
        self._command += [f"--ignore-submodules={modules}", *self._only]
        self._process = repo.spawn(self._command, complains=True, env=self._env)

    def paths(self) -> frozenset[RepoPath]:
        """Waits for the answer; raises GitFailed."""
        with self._process as process:
            output, complaint = process.communicate()
        if process.returncode:
            raise GitFailed(self._command, process.returncode, complaint)
        if complaint:  # it passes over what it cannot look at, such as a file behind a link to itself
            output += self._repo.git(["ls-files", "--deleted", "-z", *self._only], env=self._env)
        return frozenset(os.fsdecode(path) for path in output.split(b"\0") if path)
