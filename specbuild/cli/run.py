"""`specbuild run`: builds what is stale."""

from typing import Any

import click

from specbuild.cli.parts import Here, Selection, all_option, filter_option, tasks_option
from specbuild.errors import UsageError


class _Workers(click.IntRange):
    """As many as are named; bare `--parallel` is given as the number 0, which nobody may write."""

    def __init__(self) -> None:
        super().__init__(1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return 0 if value == 0 and isinstance(value, int) else super().convert(value, param, ctx)


@click.command("run")
@tasks_option
@all_option
@filter_option
@click.option("--with-needs", is_flag=True, help="Also run unfinished tasks that the chosen ones need.")
@click.option(
    "--parallel", is_flag=False, flag_value=0, type=_Workers(), default=None, metavar="[=N]",
    help="Overlap tasks marked [P], N at once.",
)  # fmt: skip
@click.option(
    "-j", "--jobs", type=click.IntRange(1), default=None, metavar="N", help="Overlap what no edge forbids."
)
@click.option("--continue", "resume", is_flag=True, help="Retry what failed last time first, then go on.")
@click.option(
    "--force", multiple=True, metavar="ID", help="Run this task whatever its verdict; may be repeated."
)
@click.option("--yes", "-y", is_flag=True, help="Repeat completed `keep` tasks without asking.")
@click.option("--limit", type=click.IntRange(1), default=None, metavar="N", help="Stop after N tasks.")
@click.option("--dry-run", "-n", is_flag=True, help="Say what would run, and why.")
@click.option(
    "--keep-going/--fail-fast",
    "-k/",
    default=None,
    help="After a failure go on with what is independent, or stop.",
)
@click.option("--skip-tests", is_flag=True, help="Run no gates.")
@click.option("--no-reuse", is_flag=True, help="Run tasks even where an earlier result could be taken.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per event on stdout.")
@click.option("--quiet", "-q", is_flag=True, help="Only failures and the headline.")
@click.option("--verbose", "-v", is_flag=True, help="Recipes' output, reasons and commits, too.")
def command(**given: Any) -> int:
    """Run what is stale, a commit for each task."""
    if given["quiet"] and given["verbose"]:
        raise UsageError("--quiet and --verbose exclude each other")
    if given["parallel"] is not None and given["jobs"] is not None:
        raise UsageError("--parallel and -j exclude each other", hint="-j overlaps [P] tasks, too")
    from specbuild.cli.options import Options

    selection = Selection(given["tasks"], given["everything"], given["filter_"])
    here = Here(selection)
    options = Options(
        with_needs=given["with_needs"],
        parallel=given["parallel"],
        jobs=given["jobs"],
        resume=given["resume"],
        force=given["force"],
        yes=given["yes"],
        limit=given["limit"],
        keep_going=given["keep_going"],
        skip_tests=given["skip_tests"],
        reuse=not given["no_reuse"],
        as_json=given["as_json"],
        verbosity="quiet" if given["quiet"] else "verbose" if given["verbose"] else "normal",
    )
    if given["dry_run"]:
        from specbuild.cli.dry_run import dry_run

        return dry_run(here, options)
    from specbuild.cli.session import Session

    return Session(here, options).run()
