"""Which executors are named, and by whom; one that nobody offers is an error."""

from collections.abc import Collection, Iterable

from specbuild.config.settings import Config
from specbuild.config.values import plain
from specbuild.engine.task import TaskText
from specbuild.errors import ConfigError, raise_all


def check_executors(config: Config, known: Collection[str], tasks: Iterable[TaskText] = ()) -> None:
    """Raises ConfigError (or Problems) where an executor is named that is not among `known`."""
    raise_all(
        [
            _unknown(name, where, subject, known)
            for name, where, subject in _uses(config, tasks)
            if name not in known
        ]
    )


def _uses(config: Config, tasks: Iterable[TaskText]) -> Iterable[tuple[str, str, str]]:
    """Name, place and namer of each use of an executor."""
    if config.build.executor is not None:
        yield config.build.executor, f"{config.file}:{config.lines.get('build.executor', 0)}", "[build]"
    for rule in config.rules:
        if rule.executor is not None:
            place = f"{config.file}:{rule.lines.get('executor', rule.line)}"
            yield rule.executor, place, f"rule {rule.number}"
    for name in config.executors:
        yield name, f"{config.file}:{config.lines.get(f'executor.{name}', 0)}", f"table [executor.{name}]"
    for text in tasks:
        key = text.keys.get("executor")
        if key is not None:
            yield plain(key.value), f"{text.name.file}:{key.line}", f"task {text.name.id}"


def _unknown(name: str, where: str, subject: str, known: Collection[str]) -> ConfigError:
    builtin = ["shell", "python", "agent", "manual"]
    ordered = [each for each in builtin if each in known] + sorted(set(known) - set(builtin))
    what = f'{subject} names executor "{name}"'
    return ConfigError(what, where=where, hint=f"there are {', '.join(ordered)}")
