"""`specbuild report`: documents rendered from history and run logs."""

from typing import Any

import click

from specbuild.cli.documents import FORMATS, render
from specbuild.cli.parts import Here, Selection, all_option, saved_cache, tasks_option


@click.command("report")
@click.option("--format", "format_", type=click.Choice(FORMATS), default="session", show_default=True)
@tasks_option
@all_option
def command(**given: Any) -> int:
    """Print where the work stands, what was completed, how far it is, or the last run as JUnit XML."""
    here = Here(Selection(given["tasks"], given["everything"]))
    with saved_cache(here):
        document = render(here, given["format_"])
    click.echo(document, nl=False)
    return 0
