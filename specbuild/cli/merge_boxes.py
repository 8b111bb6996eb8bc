"""`specbuild merge-boxes`: the merge driver for task files, called by git with three files."""

import subprocess
from typing import Any

import click


@click.command("merge-boxes", hidden=True)
@click.argument("base")
@click.argument("ours")
@click.argument("theirs")
@click.argument("path")
def command(**given: Any) -> int:
    """Unites ticks; writes the result over OURS. Exit 1 on a conflict, with markers in the file."""
    from specbuild.taskfile.merging import merge

    contents = []
    for name in ("base", "ours", "theirs"):
        with open(given[name], "rb") as file:
            contents.append(file.read())
    merged = merge(contents[0], contents[1], contents[2], given["path"])
    if merged is None:
        # git's own merge leaves its markers for the person.
        arguments = ["git", "merge-file", "-L", "ours", "-L", "base", "-L", "theirs"]
        done = subprocess.run([*arguments, given["ours"], given["base"], given["theirs"]], check=False)
        return 0 if done.returncode == 0 else 1
    with open(given["ours"], "wb") as file:
        file.write(merged)
    return 0
