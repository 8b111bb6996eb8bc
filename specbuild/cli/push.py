"""`specbuild push`: builds, then pushes."""

import os

import click

from specbuild.environment import clean_environment


@click.command(
    "push",
    context_settings={
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": ["--help"],
    },
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[GIT-PUSH-ARGS]")
def command(arguments: tuple[str, ...]) -> int:
    """Build what is stale, then run git push with these arguments."""
    from specbuild.cli.options import Options
    from specbuild.cli.parts import Here, Selection
    from specbuild.cli.session import Session

    code = Session(Here(Selection()), Options()).run()
    if code != 0:
        click.echo("specbuild: not pushed, since not all was built; git push goes without", err=True)
        return code
    import subprocess

    done = subprocess.run(["git", "push", *arguments], env=clean_environment(os.environ), check=False)
    return 1 if done.returncode else 0
