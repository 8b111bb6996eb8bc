"""`specbuild hook`: installs, takes away and shows git hooks, and is what they call."""

import os
from typing import TYPE_CHECKING

import click

from specbuild.errors import UsageError

if TYPE_CHECKING:
    from specbuild.git.hooksettings import HookSettings
    from specbuild.git.repository import Repository
    from specbuild.githooks.files import Save, State, Status
    from specbuild.githooks.places import Place

NAMES = ("pre-push", "post-merge", "post-checkout", "post-rewrite")
SERVER = "pre-receive"
_ENTRY = "specbuild-{}"
"""The name of our entry among git's config hooks."""

names_argument = click.argument("names", nargs=-1, metavar=f"[{' '.join(NAMES)}]")


@click.group("hook")
def command() -> None:
    """Git hooks that judge a push, and build what is stale."""


@command.command("install")
@names_argument
@click.option("--print", "printing", is_flag=True, help="Print the hook and install nothing.")
@click.option("--config", is_flag=True, help="As git's hook.<name>.command instead of a file (git 2.54).")
@click.option("--force", is_flag=True, help="Also where CI is set.")
def install(names: tuple[str, ...], *, printing: bool, config: bool, force: bool) -> int:
    """Install hooks (pre-push, unless others are named); one that is there is kept, and runs first."""
    from specbuild.githooks import files, places, shim

    wanted = names or (NAMES[0],)
    if printing:
        for name in _known(wanted, also=(SERVER,)):
            content = shim.server_hook() if name == SERVER else shim.render(name, shim.here())
            click.echo(content, nl=False)
        return 0
    _known(wanted)
    if os.environ.get("CI", "").lower() not in {"", "0", "false", "no"} and not force:
        click.echo("specbuild: CI is set, so no hook is installed (--force does it all the same)", err=True)
        return 0
    repository, settings, place = _look()
    if config:
        _install_in_settings(repository, settings, place, wanted)
        return 0
    places.refuse_foreign(place, config_hooks_run=settings.config_hooks_run)
    finds, save = shim.here(), _saving(repository)
    for name in wanted:
        done = files.install(place, name, finds, save)
        click.echo(f"{name} {done} ({_short(place.hook(name), repository)})")
        _drop_entry(repository, settings, name)
    if place.committed:
        _store_finds(repository)
        click.echo(
            f"{_short(place.folder, repository)} is part of the working tree: commit the hook if it is"
        )
    return 0


@command.command("uninstall")
@names_argument
def uninstall(names: tuple[str, ...]) -> int:
    """Take hooks away (all, unless some are named) and put back what was there before."""
    from specbuild.git.hooksettings import store
    from specbuild.githooks import files

    repository, settings, place = _look()
    found, save = False, _saving(repository)
    for name in _known(names or NAMES):
        dropped = _drop_entry(repository, settings, name)
        done = None if place.foreign else files.uninstall(place, name, save)
        if place.folder != place.default:  # also where it stood before core.hooksPath was set
            from dataclasses import replace

            own = replace(place, folder=place.default, husky=False)
            done = files.uninstall(own, name, save) or done
        if done or dropped or names:
            found = True
            click.echo(f"{name} {done or ('is gone from the settings' if dropped else 'was not installed')}")
    if not found:
        click.echo("no hook was installed")
    if not names:
        for key in ("specbuild.python", "specbuild.package"):
            store(repository, key, None)
    return 0


@command.command("status")
@names_argument
def status(names: tuple[str, ...]) -> int:
    """Say of each hook whether git would run it."""
    from specbuild.reporting.text import clean

    repository, settings, place = _look()
    for name in _known(names or NAMES):
        found = state_of(repository, settings, place, name)
        click.echo(clean(f"{found.name}: {found.state}{f' ({found.detail})' if found.detail else ''}"))
    return 0


@command.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("name")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def run(given: bytes | None, name: str, arguments: tuple[str, ...]) -> int:
    """What a hook calls: NAME and git's arguments; stdin is git's."""
    from specbuild.cli.hook_run import run as run_hook

    return run_hook(name, arguments, given)


def state_of(repository: "Repository", settings: "HookSettings", place: "Place", name: str) -> "Status":
    """What git would run for one hook; `doctor` asks, too."""
    from specbuild.githooks import files
    from specbuild.githooks.files import Status
    from specbuild.githooks.shim import Finds

    entry = _ENTRY.format(name)
    if entry in settings.config_hooks:
        return Status(name, *_state_of_entry(repository, settings, name, entry))
    python, package = (repository.config_get(f"specbuild.{key}") for key in ("python", "package"))
    return files.look(place, name, settings=Finds(python, package) if python and package else None)


def _state_of_entry(
    repository: "Repository", settings: "HookSettings", name: str, entry: str
) -> "tuple[State, str]":
    import shlex

    from specbuild.githooks import shim

    if not settings.config_hooks_run:
        return "shadowed", "it stands in git's settings, which only git 2.54 and newer runs"
    if not repository.config_bool(f"hook.{entry}.enabled", default=True):
        return "shadowed", f"git's setting hook.{entry}.enabled is false"
    command, again = settings.config_hooks[entry], "specbuild hook install --config brings it up to date"
    try:
        python = next(iter(shlex.split(command)), "")
    except ValueError:
        python = ""
    if not os.access(python, os.X_OK):
        return "stale", f"{python or 'its interpreter'} is not there any more; {again}"
    if command != shim.config_command(name, shim.Finds(python, "")):
        return "stale", f"another version wrote it; {again}"
    return "installed", "by git's settings"


def states(repository: "Repository") -> "list[Status]":
    """The state of every hook of a repository."""
    settings, place = _place_of(repository)
    return [state_of(repository, settings, place, name) for name in NAMES]


def _look() -> "tuple[Repository, HookSettings, Place]":
    from specbuild.git.repository import Repository

    repository = Repository.open(os.getcwd())
    settings, place = _place_of(repository)
    return repository, settings, place


def _place_of(repository: "Repository") -> "tuple[HookSettings, Place]":
    from specbuild.git.hooksettings import read
    from specbuild.githooks.places import locate

    settings = read(repository)
    place = locate(top=settings.top, common_dir=settings.common_dir, hooks_path=settings.hooks_path)
    return settings, place


def _known(names: tuple[str, ...], *, also: tuple[str, ...] = ()) -> tuple[str, ...]:
    for name in names:
        if name == SERVER and SERVER not in also:
            raise UsageError(
                "pre-receive belongs into a bare repository on a server",
                hint="specbuild hook install --print pre-receive > repository.git/hooks/pre-receive",
            )
        if name not in (*NAMES, *also):
            raise UsageError(f'there is no hook "{name}" to install', hint=f"there are {', '.join(NAMES)}")
    return names


def _install_in_settings(
    repository: "Repository", settings: "HookSettings", place: "Place", names: tuple[str, ...]
) -> None:
    from specbuild.git.hooksettings import store
    from specbuild.githooks import files, shim

    if not settings.config_hooks_run:
        raise UsageError(
            "this git does not run hooks of its settings: 2.54 is the first that does",
            hint="leave out --config, or bring git up to date",
        )
    for name in names:
        section = f"hook.{_ENTRY.format(name)}"
        store(repository, f"{section}.event", name)
        store(repository, f"{section}.command", shim.config_command(name, shim.here()))
        if not place.foreign:
            files.uninstall(place, name, _saving(repository))  # once is enough
        click.echo(f"{name} is installed ({section} in .git/config)")


def _drop_entry(repository: "Repository", settings: "HookSettings", name: str) -> bool:
    from specbuild.git.hooksettings import drop_section

    entry = _ENTRY.format(name)
    if entry not in settings.config_hooks:
        return False
    drop_section(repository, f"hook.{entry}")
    return True


def _store_finds(repository: "Repository") -> None:
    from specbuild.git.hooksettings import store
    from specbuild.githooks import shim

    finds = shim.here()
    store(repository, "specbuild.python", finds.python)
    store(repository, "specbuild.package", finds.package)


def _saving(repository: "Repository") -> "Save":
    """Keeps what a person wrote into a hook file of ours."""

    def save(name: str, content: bytes) -> None:
        from specbuild.engine.modes import EXECUTABLE
        from specbuild.engine.task import Entry
        from specbuild.git.commits import Commits
        from specbuild.git.journal import PATIENCE

        blob = (
            repository.git(["hash-object", "-w", "--no-filters", "--stdin"], input=content).decode().strip()
        )
        message = f"{name}: the hook as it was edited\n"
        ref = Commits(repository, patience=PATIENCE).keep(
            "saved", None, {name: Entry(EXECUTABLE, blob)}, message
        )
        click.echo(f"{name} had been edited: that text is kept as {ref}:{name}")

    return save


def _short(path: str, repository: "Repository") -> str:
    from specbuild.reporting.text import clean

    top = repository.git_dir if repository.is_bare else repository.top
    near = os.path.relpath(path, top)
    return clean(path if near.startswith("..") else near)
