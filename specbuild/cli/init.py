"""`specbuild init`: writes a specbuild.toml that works at once with what it finds, and explains it."""

import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

import click

from specbuild.cli.finding import Runner, Workflow, agents, runners, workflows
from specbuild.errors import UsageError
from specbuild.git.repository import Repository
from specbuild.git.snapshot import WorkingTree
from specbuild.project import CONFIG, find_files

SHARED = ("node_modules", ".venv", "venv")
"""Folders of dependencies that a private worktree of an agent needs to run anything."""


class Found(NamedTuple):
    """What the file is written from."""

    workflows: tuple[Workflow, ...]
    runners: tuple[Runner, ...]
    agents: tuple[str, ...]
    share: tuple[str, ...]
    agent: str | None  # the one that is chosen


@click.command("init")
@click.option("--yes", "-y", is_flag=True, help="Ask nothing: the first agent found, and the hook.")
@click.option("--hook/--no-hook", default=None, help="Install the pre-push hook, or do not offer it.")
def command(*, yes: bool, hook: bool | None) -> int:
    """Write specbuild.toml from what is here; one that is there is never overwritten."""
    repository = Repository.open(os.getcwd())
    top = repository.top
    path = os.path.join(top, CONFIG)
    if os.path.lexists(path):
        raise UsageError(
            "it is there already, and init overwrites nothing",
            where=CONFIG,
            hint="edit it; specbuild doctor checks it",
        )
    asking = not yes and sys.stdin.isatty() and sys.stderr.isatty()
    found = _look(repository, asking=asking)
    for line in _told(found):
        click.echo(line)
    _write(path, render(found))
    click.echo(f"wrote {CONFIG}")
    if _wants_hook(hook, yes=yes, asking=asking):
        from specbuild.cli.hook import install

        install.main(["pre-push"], standalone_mode=False)
    for line in _next(found):
        click.echo(line)
    return 0


def _look(repository: Repository, *, asking: bool) -> Found:
    from specbuild.config import Config

    tree = WorkingTree(repository)
    top = repository.top
    files = [source.file for source in find_files(tree, Config())]
    there = tuple(agents())
    agent = there[0] if there else None
    if asking and len(there) > 1:
        agent = click.prompt(
            "Which agent does what no recipe does?",
            type=click.Choice([*there, "none"]),
            default=agent,
            err=True,
        )
    shared = [name for name in SHARED if os.path.isdir(os.path.join(top, name)) and tree.ignored(f"{name}/")]
    return Found(
        tuple(workflows(top, files)),
        tuple(runners(top)),
        there,
        tuple(shared),
        None if agent == "none" else agent,
    )


def _told(found: Found) -> Sequence[str]:
    from specbuild.reporting.text import clean

    lines = []
    for each in found.workflows:
        more = f" and {len(each.files) - 3} more" if len(each.files) > 3 else ""
        listed = ", ".join(each.files[:3]) + more
        lines.append(clean(f"found {each.tool}: {listed or 'no tasks.md in it yet'}"))
    lines += [
        f"found {each.name} ({each.because}){'' if each.there else ', but its command is not on PATH'}"
        for each in found.runners
    ]
    if found.agents:
        lines.append(f"found on PATH: {', '.join(found.agents)}")
    return lines or ["found no task file, no test runner and no coding agent"]


def _wants_hook(hook: bool | None, *, yes: bool, asking: bool) -> bool:  # noqa: FBT001  (None: undecided)
    if hook is not None:
        return hook
    if asking:
        question = "Install the pre-push hook, which builds what is stale before a push?"
        return click.confirm(question, default=True, err=True)
    return yes


def _next(found: Found) -> Sequence[str]:
    lines = ["next:"]
    if not any(each.files for each in found.workflows):
        lines.append("  write tasks.md         tasks as `- [ ] T001 Create src/user.py`")
    return [
        *lines,
        "  specbuild lint         what is understood of the task files",
        "  specbuild --dry-run    what would run, and why",
        "  specbuild              runs it, a commit for each task",
    ]


def _write(path: str, text: str) -> None:
    """Never over a file that came there meanwhile."""
    with open(path, "x", encoding="utf-8") as file:
        file.write(text)


def render(found: Found) -> str:
    """The file; every value in it is one that specbuild takes."""
    from specbuild.config import parse

    text = "\n".join(
        [
            "# How specbuild builds this repository. All of it is optional; specbuild doctor checks it.",
            "",
            *_task_files(found),
            *_build(found),
            *_rules(),
            *_gates(found),
        ]
    )
    parse(text)
    return text


def _task_files(found: Found) -> list[str]:
    lines = []
    for each in found.workflows:
        listed = ", ".join(map(_comment, each.files[:3])) + (", …" if len(each.files) > 3 else "")
        lines.append(f"# {each.tool} ({_comment(each.folder)}): {listed or 'no tasks.md in it yet'}")
    files = [path for each in found.workflows for path in each.files]
    if len(files) > 1:
        lines += [
            "# There are several, so a run takes the one that the branch names, or --tasks FILE, or --all.",
            "# To always take the same:",
            f"# {_value('tasks', files[:1])}",
        ]
    elif files:
        lines.append("# It is found without being named here.")
    else:
        lines.append(
            "# No task file was found. tasks.md and specs/*/tasks.md need not be named here; others do:"
        )
        lines.append('# tasks = ["docs/todo.md"]')
    return [*lines, ""]


def _build(found: Found) -> list[str]:
    lines = [
        "[build]",
        "# Who does a task that has no recipe of its own and that no rule decides.",
    ]
    if found.agent is None:
        lines += [
            "# No coding agent was chosen, so a person does it and says when it is done."
            if found.agents
            else "# No coding agent was found on PATH, so a person does it and says when it is done.",
            'executor = "manual"',
            "",
            '# For an agent instead: executor = "agent", and',
            "# [executor.agent]",
            '# preset = "claude"      # or command = ["my-agent", "--prompt-file", "{prompt_file}"]',
            "",
        ]
        return lines
    lines += ['executor = "agent"']
    if found.share:
        lines += [
            "# An agent works in a private worktree; these ignored folders are linked into it.",
            _value("share", list(found.share)),
        ]
    others = [name for name in found.agents if name != found.agent]
    also = f"; {', '.join(others)} would do, too" if others else ""
    return [
        *lines,
        "",
        "[executor.agent]",
        f"# {found.agent} was found on PATH{also}.",
        _value("preset", found.agent),
        "",
    ]


def _rules() -> list[str]:
    return [
        "# Generated files are made by a recipe, in the task's body or by a rule:",
        "# [[rule]]",
        '# match = "target:src/models/**"',
        '# run = "python tools/model.py {id} > {target}"',
        '# inputs = ["tools/model.py"]',
        "",
    ]


def _gates(found: Found) -> list[str]:
    lines = []
    for each in found.runners:
        lines.append(f"# {each.because} says how the tests are run: after all tasks, on the whole tree.")
        gate = [
            "[[gate]]",
            _value("name", each.name),
            'at = "end"          # or "phase"',
            _value("run", each.run),
        ]
        if not each.there:
            lines.append("# Its command is not on PATH here; take the # away where it is.")
            gate = [f"# {line}" for line in gate]
        lines += [*gate, ""]
    if not found.runners:
        lines += [
            "# No test runner was found. A gate is a command over the whole tree:",
            "# [[gate]]",
            '# name = "tests"',
            '# run = "make test"',
            "",
        ]
    return lines


def _value(key: str, value: str | Sequence[str]) -> str:
    if isinstance(value, str):
        return f"{key} = {_toml(value)}"
    return f"{key} = [{', '.join(map(_toml, value))}]"


def _toml(text: str) -> str:
    import tomli_w

    return tomli_w.dumps({"x": text}).removeprefix("x = ").strip()


def _comment(text: str) -> str:
    """A path of the repository, made fit for a comment."""
    from specbuild.reporting.text import clean

    return clean(text)
