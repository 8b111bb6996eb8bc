"""`specbuild completion`: the script that lets a shell complete commands and options."""

import click

NAME = "specbuild"
VARIABLE = "_SPECBUILD_COMPLETE"
_WHERE = {
    "bash": 'eval "$(specbuild completion bash)"    # in ~/.bashrc',
    "zsh": 'eval "$(specbuild completion zsh)"     # in ~/.zshrc, after compinit',
    "fish": "specbuild completion fish > ~/.config/fish/completions/specbuild.fish",
}


@click.command("completion")
@click.argument("shell", type=click.Choice(tuple(_WHERE)))
def command(shell: str) -> int:
    """Print a shell's completion script; how to load it stands in its first line."""
    from click.shell_completion import get_completion_class

    from specbuild.cli import group

    completer = get_completion_class(shell)
    assert completer is not None  # noqa: S101  (click has these three)
    script = completer(group, {}, NAME, VARIABLE).source().strip()
    first, newline, rest = script.partition("\n")
    hint = f"# {_WHERE[shell]}"
    # zsh's own `#compdef` has to stay the first line.
    lines = [first, hint, rest] if first.startswith("#compdef") else [hint, first + newline + rest]
    click.echo("\n".join(lines))
    return 0
