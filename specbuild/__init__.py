"""make for a `tasks.md`, with git history as its only state: what plugin authors import.

from specbuild import hookimpl, Job, Succeeded, Failed
"""

TYPE_CHECKING = False  # typing's own costs 5 ms of every start
if TYPE_CHECKING:
    from specbuild.hookspecs import (
        BadOption,
        CheckedExecutor,
        Diagnosis,
        Dialect,
        Executor,
        Failed,
        FailedAttempt,
        Failure,
        Job,
        Stopped,
        Succeeded,
        Task,
        hookimpl,
    )

__version__ = "0.1.0"
__all__ = [
    "BadOption",
    "CheckedExecutor",
    "Diagnosis",
    "Dialect",
    "Executor",
    "Failed",
    "FailedAttempt",
    "Failure",
    "Job",
    "Stopped",
    "Succeeded",
    "Task",
    "__version__",
    "hookimpl",
]


def __getattr__(name: str) -> object:  # imported late: the command starts through this module, too
    if name in __all__:
        from specbuild import hookspecs  # noqa: PLC0415

        return getattr(hookspecs, name)
    raise AttributeError(f"module 'specbuild' has no attribute {name!r}")
