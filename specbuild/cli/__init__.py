"""The command line: one module per command, loaded when it is called; errors become exit codes here."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from specbuild.errors import RepositoryError, SpecbuildError, UsageError

COMMANDS = {
    "run": "run",
    "status": "status",
    "check": "check",
    "why": "why",
    "next": "next_",
    "graph": "graph",
    "log": "log",
    "lint": "lint",
    "adopt": "adopt",
    "rollback": "rollback",
    "report": "report",
    "init": "init",
    "hook": "hook",
    "push": "push",
    "plugins": "plugins",
    "doctor": "doctor",
    "demo": "demo",
    "completion": "completion",
    "merge-boxes": "merge_boxes",
}
HIDDEN = {"merge-boxes"}


class _Late(click.Group):
    """Knows the commands by name and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return [name for name in COMMANDS if name not in HIDDEN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"specbuild.cli.{COMMANDS[cmd_name]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS:
            raise _no_command(args[0])
        return super().resolve_command(ctx, args)


def _no_command(word: str) -> UsageError:
    """Those who know make write a task's name where a command stands."""
    import re
    from difflib import get_close_matches

    hint = "specbuild --help lists them"
    if near := get_close_matches(word, [name for name in COMMANDS if name not in HIDDEN], n=1):
        hint = f"did you mean specbuild {near[0]}?"
    elif re.match(r"[\w#.-]*\d[\w.-]*\Z", word):
        hint = f"one task is run by specbuild --filter {word}"
    return UsageError(f'there is no command "{word}"', hint=hint)


def _version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001
    if value and not ctx.resilient_parsing:
        from specbuild import __version__

        click.echo(f"specbuild {__version__}")
        ctx.exit()


@click.group(cls=_Late, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print it."
)
def group() -> None:
    """Make for a tasks.md, with git history as its only state.

    Without a command specbuild runs what is stale, a commit for each task (`specbuild run --help`).
    """


def main(arguments: Sequence[str], *, given: bytes | None = None) -> int:
    """Runs one command; returns the exit code of SPEC section 9. `given`: stdin, if it was read."""
    words = list(arguments)
    if not words or (words[0].startswith("-") and words[0] not in {"-h", "--help", "--version"}):
        words.insert(0, "run")
    try:
        result = group.main(words, prog_name="specbuild", standalone_mode=False, obj=given)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except SpecbuildError as error:
        return fail(error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _write_no_more()  # whoever read the output has seen enough
        return 1
    except OSError as error:
        return _fail_of_system(error)
    return result if isinstance(result, int) else 0


def _write_no_more() -> None:
    """What is still buffered would make the interpreter complain at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail_of_system(error: OSError) -> int:
    """A full disk, a folder that may not be written to: told in a line."""
    if error.filename is None:  # a stream, not a file
        _write_no_more()
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "output"
    return fail(
        RepositoryError(
            error.strerror or str(error), where=where, hint="see to space and permissions, then run it again"
        )
    )


def fail(error: SpecbuildError) -> int:
    """Tells an error on stderr."""
    from specbuild.reporting.text import clean

    for line in clean(str(error), lines=True).splitlines():
        click.echo(f"specbuild: {line}", err=True)
    return error.exit_code
