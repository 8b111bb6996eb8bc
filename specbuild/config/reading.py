"""The text of specbuild.toml as a Config; whatever it says wrong is an error with file, line and key."""

import posixpath
import re
from typing import Any, cast, get_args

from specbuild.config.lines import locate
from specbuild.config.settings import (
    FILE,
    Build,
    Config,
    Gate,
    Hooks,
    Plugins,
    Report,
    Rule,
    Runs,
    TaskSource,
)
from specbuild.config.table import Source, Table, kind
from specbuild.engine.filter import Filter
from specbuild.engine.filter import parse as parse_filter
from specbuild.engine.task import Isolation, OnEdit, Writes
from specbuild.errors import ConfigError, UsageError, raise_all

ON_EDIT: tuple[str, ...] = get_args(OnEdit)
WRITES: tuple[str, ...] = get_args(Writes)
ISOLATION: tuple[str, ...] = get_args(Isolation)
SETS = ("@story", "@needs")
"""Inputs that stand for what other tasks target."""
SAVE_INPUTS = ("commit", "refuse")
FORMATS = ("session", "changes", "progress", "junit", "json")
RULE_WORDS = frozenset({"id", "range", "phase", "story", "priority", "title", "label", "req", "target"})
SUBJECT_NAMES = ("id", "title", "target", "targets", "story", "phase", "priority", "file")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_REFS = ("refs/", "heads/", "remotes/", "tags/")


def parse(text: str, *, file: str = FILE) -> Config:
    """The settings that `text` states; ConfigError, or Problems where there are several errors."""
    if not text.strip():
        return Config(file=file)
    import tomllib  # noqa: PLC0415

    try:
        values = tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(str(error), text, file) from None
    source = Source(file, locate(text))
    config = _config(Table(source, (), "", values), file)
    raise_all(source.errors)
    return config


def _syntax_error(message: str, text: str, file: str) -> ConfigError:
    place = re.search(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)", message)
    line = int(place[1]) if place and place[1] else text.count("\n") + 1
    column = f", column {place[2]}" if place and place[2] else ""
    reason = message[: place.start()] if place else message
    return ConfigError(f"this is not TOML: {reason[:1].lower()}{reason[1:]}{column}", where=f"{file}:{line}")


def _config(top: Table, file: str) -> Config:
    executors = top.table("executor", "[executor]")
    config = Config(
        file=file,
        tasks=_tasks(top),
        build=_build(top.table("build", "[build]")),
        rules=tuple(_rule(number, table) for number, table in enumerate(top.tables("rule", "rule"), 1)),
        gates=_gates(top.tables("gate", "gate")),
        executors=_executors(executors),
        plugins=_plugins(top.table("plugins", "[plugins]")),
        hooks=_hooks(top.table("hooks", "[hooks]")),
        reports=_reports(top.tables("report", "report")),
        runs=_runs(top.table("runs", "[runs]")),
        lines={
            "build.executor": top.source.line(("build", "executor")),
            **_executor_lines(executors),
        },
    )
    top.finish()
    return config


def _tasks(top: Table) -> tuple[TaskSource, ...] | None:
    value = top.raw("tasks")
    if value is None:
        return None
    if not isinstance(value, list) or not value:
        top.wrong("tasks", f"tasks is {kind(value) if value != [] else 'empty'}", _TASKS_HINT)
        return None
    sources = []
    for index, each in enumerate(value):
        if isinstance(each, str) and each:
            sources.append(TaskSource(each.removeprefix("./"), line=top.line_of("tasks")))
        elif isinstance(each, dict):
            table = Table(top.source, ("tasks", index), f"tasks, entry {index + 1}", each)
            sources.append(
                TaskSource(
                    table.required("file").removeprefix("./"),
                    (table.string("root") or "").removeprefix("./").removesuffix("/"),
                    table.string("dialect"),
                    table.line,
                )
            )
            table.finish()
        else:
            top.wrong("tasks", f"tasks holds {kind(each)}", _TASKS_HINT)
    for path in [part for source in sources for part in (source.file, source.root)]:
        if _leaves(path):
            top.wrong("tasks", f'tasks names "{path}"', _INSIDE)
    return tuple(sources)


def _leaves(path: str) -> bool:
    """Whether a path is none of the repository's files."""
    parts = path.split("/")
    return path.startswith(("/", "~")) or ".." in parts or any(part.lower() == ".git" for part in parts)


_INSIDE = "it takes paths inside the repository, from its top"
_TASKS_HINT = 'it takes a list of paths, or of tables { file = "a/tasks.md", root = "a" }'


def _build(table: Table) -> Build:
    default = Build()
    executor = table.string("executor")
    jobs = table.whole("jobs", low=1)
    retries = table.whole("retries")
    timeout = table.seconds("timeout")
    inputs = table.strings("inputs")
    save_inputs = table.choice("save_inputs", SAVE_INPUTS)
    tick = table.flag("tick")
    reuse_from = table.strings("reuse_from", one=True)
    for pattern in reuse_from or ():
        if not pattern.startswith(_REFS):
            table.wrong(
                "reuse_from", f'reuse_from of [build] is "{pattern}"', 'it takes refs, e.g. "refs/heads/*"'
            )
    subject = _subject(table)
    build = Build(
        executor=executor,
        jobs=jobs,
        retries=default.retries if retries is None else retries,
        timeout=timeout,
        inputs=_inputs(table, inputs) or (),
        save_inputs=cast("Any", save_inputs or default.save_inputs),
        tick=default.tick if tick is None else tick,
        reuse_from=default.reuse_from if reuse_from is None else reuse_from,
        subject=subject or default.subject,
        run_hooks=table.flag("run_hooks") or False,
        on_finish=table.string("on_finish"),
        budget_usd=table.number("budget_usd"),
        budget_tokens=table.whole("budget_tokens", low=1),
        share=_share(table) or (),
    )
    table.finish()
    return build


def _subject(table: Table) -> str | None:
    subject = table.string("subject")
    if subject is None:
        return None
    if "\n" in subject:
        table.wrong("subject", "subject of [build] has more than one line", "it takes one, e.g. {id} {title}")
    for name in dict.fromkeys(_PLACEHOLDER.findall(subject)):
        if name not in SUBJECT_NAMES:
            known = " ".join(f"{{{each}}}" for each in SUBJECT_NAMES)
            table.wrong("subject", f"subject of [build] holds {{{name}}}", f"there are {known}")
    return subject


def _share(table: Table) -> tuple[str, ...] | None:
    """Folders that private worktrees link in."""
    found = table.strings("share", one=True)
    for path in found or ():
        if _leaves(path):
            table.wrong("share", f'share of {table.label} holds "{path}"', _INSIDE)
    return found


def _rule(number: int, table: Table) -> Rule:
    rule = Rule(
        number=number,
        line=table.line,
        match=_match(table),
        executor=table.string("executor"),
        run=table.string("run"),
        inputs=_inputs(table, table.strings("inputs")),
        targets=table.strings("targets"),
        verify=table.string("verify"),
        on_edit=cast("Any", table.choice("on_edit", ON_EDIT)),
        writes=cast("Any", table.choice("writes", WRITES)),
        isolation=cast("Any", table.choice("isolation", ISOLATION)),
        timeout=table.seconds("timeout"),
        retries=table.whole("retries"),
        env=_env(table),
        needs=table.strings("needs"),
        setup=table.string("setup"),
        review=_review(table),
        reuse=table.flag("reuse"),
        share=_share(table),
        lines=table.lines_of(),
    )
    table.finish()
    return rule


def _review(table: Table) -> bool | None:
    """`review = "ask"`, or as a flag."""
    value = table.raw("review")
    if value == "ask" or value is None or isinstance(value, bool):
        return None if value is None else bool(value)
    table.wrong("review", f"review of {table.label} is {kind(value)}", 'it takes "ask"')
    return None


def _inputs(table: Table, found: tuple[str, ...] | None) -> tuple[str, ...] | None:
    for each in found or ():
        if each.startswith("@") and each not in SETS:
            table.wrong(
                "inputs",
                f'inputs of {table.label} holds "{each}"',
                f"it takes paths, globs, {' and '.join(SETS)}",
            )
    return found


def _match(table: Table) -> Filter | None:
    expression = table.string("match")
    if expression is None:
        return None
    try:
        found = parse_filter(expression)
    except UsageError as error:
        table.wrong("match", f"match of {table.label}: {error.what}", error.hint)
        return None
    for word in sorted(found.words - RULE_WORDS):
        table.wrong(
            "match",
            f'match of {table.label} asks for "{word}", which nobody knows before rules have decided',
            f"a rule may ask for {', '.join(sorted(RULE_WORDS - {'range'}))}",
        )
    return found


def _env(table: Table) -> tuple[str, ...] | None:
    names = table.strings("env")
    for name in names or ():
        if not _ENV_NAME.match(name):
            table.wrong("env", f'env of {table.label} holds "{name}"', "it takes names of variables")
    return names


def _gates(tables: list[Table]) -> tuple[Gate, ...]:
    gates: list[Gate] = []
    for table in tables:
        gate = Gate(
            name=table.required("name"),
            run=table.required("run"),
            at=cast("Any", table.choice("at", ("phase", "end")) or "end"),
            timeout=table.seconds("timeout"),
            line=table.line,
        )
        table.finish()
        if gate.name and any(each.name == gate.name for each in gates):
            table.wrong("name", f'there are two gates "{gate.name}"', "give one of them another name")
        gates.append(gate)
    return tuple(gates)


def _executors(table: Table) -> dict[str, dict[str, Any]]:
    found = {}
    for name in table.values:
        options = table.table(name, f"[executor.{name}]")
        _share(options)  # taken for any executor; its other options are its own to check
        found[name] = dict(options.values)
    return found


def _executor_lines(table: Table) -> dict[str, int]:
    """Where each table and each of its options stands."""
    found = {}
    for name, options in table.values.items():
        found[f"executor.{name}"] = table.line_of(name)
        for key in options if isinstance(options, dict) else ():
            found[f"executor.{name}.{key}"] = table.source.line((*table.path, name, key))
    return found


def _plugins(table: Table) -> Plugins:
    plugins = Plugins(load=table.strings("load") or (), line=table.line_of("load"))
    for entry in plugins.load:
        if _leaves(entry):
            table.wrong(
                "load", f'load of [plugins] holds "{entry}"', "it takes files of the repository, or modules"
            )
    table.finish()
    return plugins


def _hooks(table: Table) -> Hooks:
    keep = table.flag("keep")
    push = table.table("pre-push", "[hooks.pre-push]")
    mode = push.choice("mode", ("run", "check"))
    budget = push.seconds("budget")
    push.finish()
    table.finish()
    return Hooks(
        keep=keep or False,
        pre_push_mode=cast("Any", mode or "run"),
        pre_push_budget=Hooks().pre_push_budget if budget is None else budget,
    )


def _reports(tables: list[Table]) -> tuple[Report, ...]:
    reports: list[Report] = []
    for table in tables:
        report = _report(table)
        if report.path and any(each.path == report.path for each in reports):
            table.wrong("path", f'two reports are written to "{report.path}"', "give one another path")
        reports.append(report)
    return tuple(reports)


def _report(table: Table) -> Report:
    if "format" not in table.values:
        table.required("format")
    format_, path = table.choice("format", FORMATS), table.required("path")
    if path and _leaves(path):
        table.wrong("path", f'path of {table.label} is "{path}"', _INSIDE)
    elif path.endswith("/"):
        table.wrong("path", f'path of {table.label} is "{path}", a folder', "it takes a file")
    table.finish()
    return Report(format=cast("Any", format_), path=path and posixpath.normpath(path), line=table.line)


def _runs(table: Table) -> Runs:
    runs = Runs(keep=table.whole("keep", low=1), max_bytes=table.whole("max_bytes", low=1))
    table.finish()
    return runs
