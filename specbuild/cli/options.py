"""What the command line of `run` says, and what follows from it for the builder."""

import os
import sys
from dataclasses import dataclass

from specbuild.config import Build
from specbuild.engine.project import Settings
from specbuild.engine.task import TaskName
from specbuild.reporting.narrator import Verbosity


@dataclass(frozen=True, slots=True)
class Options:
    """The command line's words; the defaults are those of a bare `specbuild`."""

    with_needs: bool = False
    parallel: int | None = None  # workers for [P] tasks; None: not asked for
    jobs: int | None = None
    resume: bool = False
    force: tuple[str, ...] = ()
    yes: bool = False
    limit: int | None = None
    keep_going: bool | None = None
    skip_tests: bool = False
    reuse: bool = True
    as_json: bool = False
    verbosity: Verbosity = "normal"
    interactive: bool = True  # hooks never ask
    keep: bool = True  # whether `keep` tasks may run at all
    only: frozenset[TaskName] | None = None  # None: whatever files and filter choose

    @property
    def asks(self) -> bool:
        """Whether somebody is there to answer."""
        return self.interactive and sys.stdin.isatty() and sys.stderr.isatty()

    @property
    def narrows(self) -> bool:
        """Whether the run is about less, or about more, than one without options."""
        return bool(self.only is not None or self.skip_tests or self.force)

    @property
    def words(self) -> tuple[str, ...]:
        """How tasks may overlap, as words of a command that is to do the same again."""
        if self.jobs is not None:
            return ("-j", str(self.jobs))
        if self.parallel is not None:
            return (f"--parallel={self.parallel}",) if self.parallel else ("--parallel",)
        return ()


def settings_of(options: Options, build: Build, filter_: str | None) -> Settings:
    """What the builder is told, by the command line and by `[build]`."""
    jobs, overlap = 1, "none"
    if options.jobs is not None:
        jobs, overlap = options.jobs, "all"
    elif options.parallel is not None:
        jobs, overlap = options.parallel or build.jobs or os.cpu_count() or 1, "marked"
    return Settings(
        tick=build.tick,
        save_inputs=build.save_inputs == "commit",
        subject=build.subject,
        run_hooks=build.run_hooks,
        reuse=options.reuse,
        reuse_from=build.reuse_from,
        jobs=jobs,
        overlap=overlap if jobs > 1 else "none",
        keep_going=options.keep_going,
        limit=options.limit,
        budget_usd=build.budget_usd,
        budget_tokens=build.budget_tokens,
        values={"filter": filter_ or ""},
    )
