"""`specbuild plugins`: executors and plugins, from where, which version."""

from typing import Any

import click

from specbuild.cli.parts import Here, Selection, json_option, print_json


@click.command("plugins")
@json_option
def command(**given: Any) -> int:
    """Executors and plugins, from where, which version."""
    found = Here(Selection(everything=True)).registry.describe()
    if given["as_json"]:
        print_json({"plugins": [each._asdict() for each in found]})
        return 0
    from specbuild.reporting.text import table

    rows = [
        (each.name, f"{each.source} {each.version}".strip(), each.on_edit, each.writes, each.error)
        for each in found
    ]
    for line in table(rows, header=("executor", "from", "on_edit", "writes", "")):
        click.echo(line)
    return 0
