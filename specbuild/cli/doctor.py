"""`specbuild doctor`: looks at git, repository, disk, configuration, plugins and hooks; says what to do."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from specbuild.cli.finding import AGENTS
from specbuild.cli.parts import Here, Selection, json_option, print_json
from specbuild.errors import Problems, SpecbuildError
from specbuild.git.health import Finding, from_error, git_version, library, look
from specbuild.git.repository import Repository

_WORDS = {"ok": "ok   ", "warn": "warn ", "error": "error"}


@click.command("doctor")
@json_option
def command(**given: Any) -> int:
    """Check git, identity, repository, configuration, plugins, hooks and disk; say what to do."""
    findings = list(examine())
    if given["as_json"]:
        fields = ("name", "state", "message", "hint")
        print_json({"checks": [{name: getattr(each, name) for name in fields} for each in findings]})
    else:
        _print(findings)
    return _code(findings)


def _code(findings: Sequence[Finding]) -> int:
    """4 where the repository is in no state to build, 2 where what stands in it is wrong."""
    return max((each.code for each in findings if each.state == "error"), default=0)


def _print(findings: Sequence[Finding]) -> None:
    from specbuild.reporting.text import clean, count

    for each in findings:
        click.echo(clean(f"{_WORDS[each.state]}  {each.name}: {each.message}"))
        if each.hint and each.state != "ok":
            click.echo(clean(f"       {each.hint}"))
    errors = sum(each.state == "error" for each in findings)
    warnings = sum(each.state == "warn" for each in findings)
    told = ", ".join(
        count(number, noun) for number, noun in ((errors, "error"), (warnings, "warning")) if number
    )
    click.echo(told or "all is well")


def examine() -> Iterator[Finding]:
    """All there is to say, in order; what builds on something broken is left out."""
    git = git_version()
    yield git
    yield library()
    if git.state == "error":
        return
    try:
        repository = Repository.open(os.getcwd())
    except SpecbuildError as error:
        yield from_error("repository", error)
        return
    yield from look(repository)
    if not repository.is_bare:
        yield from _guarded("hooks", lambda: _hooks(repository))
        yield from _project()


def _guarded(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except Problems as problems:
        yield from (from_error(name, each) for each in problems.errors)
    except SpecbuildError as error:
        yield from_error(name, error)


def _hooks(repository: Repository) -> Iterator[Finding]:
    from specbuild.cli.hook import states

    for each in states(repository):
        if each.state == "installed":
            yield Finding(
                "hooks", "ok", f"{each.name} is installed{f', {each.detail}' if each.detail else ''}"
            )
        elif each.state in {"shadowed", "stale"}:
            yield Finding("hooks", "warn", f"{each.name} is {each.state}", each.detail)
        elif each.name == "pre-push":
            yield Finding("hooks", "ok", f"{each.name} is {each.state}; specbuild hook install")


def _project() -> Iterator[Finding]:
    """specbuild.toml first: nothing else can be understood without it."""
    here = Here(Selection(everything=True))
    found = list(_guarded("specbuild.toml", lambda: _config(here)))
    yield from found
    if all(each.state != "error" for each in found):
        yield from _guarded("plugins", lambda: _plugins(here))
        yield from _guarded("tasks", lambda: _tasks(here))


def _config(here: Here) -> Iterator[Finding]:
    from specbuild.project import CONFIG, read_config

    read_config(here.snapshot)
    if here.snapshot.entry(CONFIG) is None:
        yield Finding("specbuild.toml", "ok", "there is none; specbuild init writes one")
    else:
        yield Finding("specbuild.toml", "ok", "it is understood")


def _plugins(here: Here) -> Iterator[Finding]:
    found = here.registry.describe()
    for each in found:
        if each.error:
            message = f"{each.name or each.source} cannot be used: {each.error}"
            yield Finding("plugins", "error", message, "mend it, or take it away", code=2)
    sound = [each.name for each in found if not each.error]
    yield Finding("plugins", "ok", f"executors: {', '.join(sound)}")


def _tasks(here: Here) -> Iterator[Finding]:
    from specbuild.cli.documents import refuse_reports
    from specbuild.reporting.text import count

    loaded = here.loaded
    refuse_reports(loaded)
    tasks, files = loaded.project.graph.tasks, loaded.project.files
    if not tasks:
        hint = "write tasks.md, or name your files in specbuild.toml: tasks = […]"
        yield Finding("tasks", "warn", f"there is no task in {count(len(files), 'task file')}", hint)
        return
    yield Finding("tasks", "ok", f"{count(len(tasks), 'task')} in {count(len(files), 'file')}")
    warnings = len(loaded.project.warnings)
    if warnings:
        message = f"{count(warnings, 'warning')} about task files"
        yield Finding("tasks", "warn", message, "specbuild lint lists them")
    nobody = [task for task in tasks if task.executor is None]
    if nobody:
        message = f"nothing runs {nobody[0].name.id}"
        message += f" and {count(len(nobody) - 1, 'other task')}" if len(nobody) > 1 else ""
        hint = '[build] executor = "agent" or "manual", or a recipe for them'
        yield Finding("tasks", "warn", message, hint)
    yield from _agent(here)


def _agent(here: Here) -> Iterator[Finding]:
    """Whether the command is there that coding-agent tasks are given to."""
    if not any(task.executor == "agent" for task in here.tasks):
        return
    options = here.loaded.config.executors.get("agent", {})
    command_ = options.get("command")
    name = options.get("preset") or (command_[0] if isinstance(command_, list) and command_ else None)
    if not isinstance(name, str):
        hint = f'[executor.agent] preset = "…" ({", ".join(AGENTS)}) or command = […]'
        yield Finding("agent", "error", "no preset and no command says which agent", hint, code=2)
    elif shutil.which(name) is None and "/" not in name:
        yield Finding("agent", "warn", f"{name} is not on PATH", "install it, or name another one")
    else:
        yield Finding("agent", "ok", f"{name} does what no recipe does")
