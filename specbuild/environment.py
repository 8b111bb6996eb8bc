"""The caller's environment, without what ties a child to the repository or the git hook that we run in."""

from collections.abc import Mapping

# What `git rev-parse --local-env-vars` lists (git 2.47), but for GIT_CONFIG_COUNT: its KEY and VALUE
# pairs are how people and CI systems hand settings to every git (safe.directory, credentials).
# A child git with GIT_DIR set works on our repository instead of its own (BasedHardware/omi#13850).
LOCAL_VARIABLES = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_CONFIG",
        "GIT_CONFIG_PARAMETERS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_GRAFT_FILE",
        "GIT_INDEX_FILE",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_REPLACE_REF_BASE",
        "GIT_PREFIX",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_SHALLOW_FILE",
        "GIT_COMMON_DIR",
        "GIT_REF_FORMAT",
    }
)
# What git further sets for its hooks and the commands that it starts.
_GIT_HOOKS = frozenset({"GIT_EXEC_PATH", "GIT_NAMESPACE", "GIT_QUARANTINE_PATH", "GIT_REFLOG_ACTION"})
_GIT_HOOK_PREFIXES = ("GIT_PUSH_OPTION_", "GIT_PUSH_CERT", "GIT_INTERNAL_")


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without the variables that tie a child git to the repository or the hook we run in."""
    return {
        name: value
        for name, value in environ.items()
        if name not in LOCAL_VARIABLES
        and name not in _GIT_HOOKS
        and not name.startswith(_GIT_HOOK_PREFIXES)
        and not (name == "GIT_EDITOR" and value == ":")  # set for hooks; a person's own editor stays
    }
