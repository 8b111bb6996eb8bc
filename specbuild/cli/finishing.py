"""The command of `[build] on_finish`: told how a run ended, e.g. to notify somebody."""

from collections.abc import Mapping, Sequence

import click

from specbuild.reporting.summary import Summary
from specbuild.reporting.text import Line, clean

LONGEST = 60.0
"""Seconds that the command may take."""


def on_finish(
    command: str, summary: Summary, lines: Sequence[Line], *, top: str, environment: Mapping[str, str]
) -> None:
    """Runs it with the summary on stdin and its figures as variables; what goes wrong is only told."""
    from specbuild import process

    figures = {
        "SPECBUILD_HEADLINE": summary.headline,
        "SPECBUILD_EXIT_CODE": "" if summary.exit_code is None else str(summary.exit_code),
        "SPECBUILD_COMPLETED": str(len(summary.completed) + len(summary.reused)),
        "SPECBUILD_FAILED": str(len(summary.failed)),
        "SPECBUILD_BLOCKED": str(len(summary.blocked)),
        "SPECBUILD_COST_USD": str(summary.usage.get("cost_usd", "")),
        "SPECBUILD_TOKENS": str(summary.usage.get("tokens", "")),
    }
    done = process.run(
        ["sh", "-c", command],
        cwd=top,
        env={**environment, **figures},
        timeout=LONGEST,
        log=lambda text: click.echo(clean(text.rstrip("\n")), err=True),
        stdin="".join(f"{line.text}\n" for line in lines).encode("utf-8", "replace"),
    )
    if not done.ok:
        why = (
            f"took longer than {LONGEST:g} s" if done.timed_out else f"ended with exit code {done.exit_code}"
        )
        click.echo(f"specbuild: on_finish of [build] {why}: {clean(command)}", err=True)
