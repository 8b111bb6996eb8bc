"""Where git looks for hooks: core.hooksPath with its scope, hooks named in its settings, its version."""

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from specbuild.git.repository import GitFailed, Repository

CONFIG_HOOKS = (2, 54)
"""The first version of git that runs `hook.<name>.command`."""


class HooksPath(NamedTuple):
    """core.hooksPath as git expands it; `scope` as `git config --show-scope` names it."""

    value: str
    scope: str  # "local", "worktree", "global", "system", "command"


class HookSettings(NamedTuple):
    """All that decides which hooks git runs here."""

    top: str | None  # None: a bare repository
    common_dir: str
    hooks_path: HooksPath | None  # None: the default, hooks/ beside the objects
    config_hooks: Mapping[str, str]  # name -> command
    config_hooks_run: bool  # whether this git runs them


def read(repository: Repository) -> HookSettings:
    """What git would do now, in this worktree."""
    settings = repository.settings
    prefix, suffix = "hook.", ".command"
    return HookSettings(
        top=None if repository.is_bare else repository.top,
        common_dir=repository.common_dir,
        hooks_path=_hooks_path(repository),
        config_hooks={
            name[len(prefix) : -len(suffix)]: value or ""
            for name, value in settings.items()
            if name.startswith(prefix) and name.endswith(suffix)
        },
        config_hooks_run=version(repository) >= CONFIG_HOOKS,
    )


def _hooks_path(repository: Repository) -> HooksPath | None:
    if repository.config_get("core.hookspath") in {None, ""}:
        return None
    told = repository.git(["config", "--show-scope", "--type=path", "-z", "--get", "core.hooksPath"])
    scope, _, value = os.fsdecode(told).rstrip("\0").partition("\0")
    return HooksPath(value, scope)


def version(repository: Repository) -> tuple[int, ...]:
    """Of the git on PATH."""
    found = re.search(rb"(\d+)\.(\d+)", repository.git(["version"]))
    return tuple(map(int, found.groups())) if found else (0, 0)


def store(repository: Repository, name: str, value: str | None) -> None:
    """Sets (None: removes) a setting of this repository, for all its worktrees."""
    if value is None:
        try:
            repository.git(["config", "--local", "--unset-all", name])
        except GitFailed as error:
            if error.code != 5:  # 5: it was not set
                raise
    else:
        repository.git(["config", "--local", "--replace-all", name, value])
    repository.forget_config()


def drop_section(repository: Repository, section: str) -> None:
    """Removes a section of this repository's own settings, if it is there."""
    try:
        repository.git(["config", "--local", "--remove-section", section])
    except GitFailed as error:
        if error.code != 128:  # 128: there is none
            raise
    repository.forget_config()
