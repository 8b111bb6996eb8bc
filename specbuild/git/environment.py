"""The environment of git commands: the caller's, without what points at some other repository."""

import os
from collections.abc import Mapping

from specbuild.environment import LOCAL_VARIABLES

_DROPPED = LOCAL_VARIABLES | {"GIT_QUARANTINE_PATH"}  # git moves no ref where that is set


def clean(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a git command that works on the repository it is started in.

    In hooks GIT_DIR is set for linked worktrees and GIT_INDEX_FILE may be a lock: a child that saw them would
    change the wrong repository.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _DROPPED}
    environment["GIT_LITERAL_PATHSPECS"] = "1"  # a file may be called `:(top)` or `*`
    environment["GIT_OPTIONAL_LOCKS"] = "0"  # a look at the repository must not hold up a person's commit
    environment.update(extra or {})
    return environment
