"""What executors say of their options in specbuild.toml, before anything runs."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from specbuild.config import Config
from specbuild.errors import ConfigError
from specbuild.hookspecs import BadOption
from specbuild.plugins.answers import shown
from specbuild.plugins.loading import Offered, Plugins, blamed


def bad_options(plugins: Plugins, config: Config, used: Mapping[str, str]) -> Sequence[ConfigError]:
    """An error for each option that its executor refuses.

    `used`: the executors of tasks, and where each is named.
    Raises ConfigError where the executor's own check is broken.
    """
    errors: list[ConfigError] = []
    for name in dict.fromkeys([*config.executors, *used]):
        offered = plugins.get(name)
        if offered is None:
            continue
        options = config.executors.get(name, {})
        errors += [
            ConfigError(bad.what, where=_place(config, name, bad.key, used), hint=bad.hint)
            for bad in _asked(name, offered, options)
            if name in used or bad.key in options
        ]
    return errors


def _asked(name: str, offered: Offered, options: Mapping[str, Any]) -> Collection[BadOption]:
    with blamed(offered.source, f'its check of executor "{name}"'):
        check = getattr(offered.executor, "check", None)
        if check is None:
            return ()
        found = list(check(options) or ())
        for each in found:
            if not isinstance(each, BadOption) or not all(isinstance(part, str) for part in each):
                raise TypeError(f"{shown(each)} is no BadOption of texts")
    return found


def _place(config: Config, name: str, key: str, used: Mapping[str, str]) -> str:
    """The line of the key, else of the table, else of what names the executor."""
    for place in (f"executor.{name}.{key}", f"executor.{name}"):
        if place in config.lines:
            return f"{config.file}:{config.lines[place]}"
    return used.get(name) or config.file
