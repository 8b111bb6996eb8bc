"""The environment of git commands: the caller's, without what points at some other repository."""

import os
from collections.abc import Mapping

LOCAL_VARIABLES = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_CONFIG_PARAMETERS",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_QUARANTINE_PATH",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)
"""What `git rev-parse --local-env-vars` lists, without GIT_CONFIG_COUNT, which states the caller's wishes."""


def clean(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a git command that works on the repository it is started in.

    In hooks GIT_DIR is set for linked worktrees and GIT_INDEX_FILE may be a lock: a child that saw them would
    change the wrong repository.
    """
    environment = {name: value for name, value in os.environ.items() if name not in LOCAL_VARIABLES}
    environment["GIT_LITERAL_PATHSPECS"] = "1"  # a file may be called `:(top)` or `*`
    environment["GIT_OPTIONAL_LOCKS"] = "0"  # a look at the repository must not hold up a person's commit
    environment.update(extra or {})
    return environment
