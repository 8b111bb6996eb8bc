"""Errors that a user can act on: what is wrong, where, and what to do next."""

from collections.abc import Sequence


class SpecbuildError(Exception):
    """A problem told in one sentence; `exit_code` is what the command ends with (SPEC section 9).

    `what` is the problem, `where` a place such as `tasks.md:12`, `hint` what to do next.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f"; {self.hint}" if self.hint else ""
        return f"{place}{self.what}{advice}"


class UsageError(SpecbuildError):
    """The command line asks for something that is not there (exit 2)."""


class ConfigError(SpecbuildError):
    """specbuild.toml, or what it names, is wrong (exit 2)."""


class TaskFileError(SpecbuildError):
    """A task file cannot be understood (exit 2)."""


class StaleError(SpecbuildError):
    """Something stale is left, and leave to run it is missing (exit 3)."""

    exit_code = 3


class RepositoryError(SpecbuildError):
    """The repository is in no state to build or judge (exit 4)."""

    exit_code = 4


MOST = 50
"""So many of several errors are shown: who has more of them mends what they have in common."""


class Problems(SpecbuildError):  # noqa: N818  (several errors, not one)
    """Several errors found in one look, so that a person fixes them in one go."""

    def __init__(self, errors: Sequence[SpecbuildError]) -> None:
        more = [f"and {len(errors) - MOST:,} more"] if len(errors) > MOST else []
        super().__init__("\n".join([*map(str, errors[:MOST]), *more]))
        self.errors = list(errors)
        self.exit_code = max(error.exit_code for error in errors)


def raise_all(errors: Sequence[SpecbuildError]) -> None:
    """Raises the one error, or all of them as one."""
    if errors:
        raise errors[0] if len(errors) == 1 else Problems(errors)
