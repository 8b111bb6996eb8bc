"""What is known of executors, dialects and plugins, at as little cost as the question allows."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from specbuild.config import Config, ExecutorDefaults
from specbuild.engine.task import Isolation, OnEdit, RepoPath, TaskFile, Writes
from specbuild.errors import ConfigError
from specbuild.plugins.installed import Installed, installed
from specbuild.plugins.repository import Read, RepositoryPlugin, find, is_file_name

if TYPE_CHECKING:
    from specbuild.plugins.loading import Plugins

BUILT_IN: Mapping[str, tuple[str, ExecutorDefaults]] = {
    "shell": ("specbuild_shell", ExecutorDefaults("rebuild", "declared")),
    "python": ("specbuild_python", ExecutorDefaults("rebuild", "declared")),
    "agent": ("specbuild_agent", ExecutorDefaults("keep", "any")),
    "manual": ("specbuild_manual", ExecutorDefaults("keep", "declared", "none")),
    "jinja": ("specbuild_jinja", ExecutorDefaults("rebuild", "declared")),
}
"""Executors that ship: module, and its attributes, so that judging need not import it."""

REPOSITORY = ExecutorDefaults("keep", "any")
"""An executor of a repository file: specbuild.toml states its attributes, its code does not."""


class Described(NamedTuple):
    """An executor for `specbuild plugins`."""

    name: str
    source: str  # a distribution, or a file of the repository
    version: str  # "": it has none
    on_edit: OnEdit
    writes: Writes
    isolation: Isolation | None  # None: it follows `writes`
    error: str = ""


class Registry:
    """The plugins of one snapshot of a repository. Nothing of the repository is run but by `load`."""

    def __init__(
        self,
        config: Config,
        read: Read,
        *,
        find_installed: Callable[[], list[Installed]] = installed,
    ) -> None:
        self._config = config
        self._read = read
        self._find_installed = find_installed

    # What can be said without importing any plugin.

    @cached_property
    def built_in(self) -> Mapping[str, tuple[str, ExecutorDefaults]]:
        """Those of BUILT_IN that are there."""
        from importlib.util import find_spec  # noqa: PLC0415

        found = {}
        for name, known in BUILT_IN.items():
            spec = find_spec(known[0])
            if spec is not None and spec.origin is not None:  # None: a folder that only has its name
                found[name] = known
        return found

    @cached_property
    def _found(self) -> tuple[list[RepositoryPlugin], list[str]]:
        return find(self._config.plugins.load, self._read) if self._config.plugins.load else ([], [])

    @property
    def repository(self) -> list[RepositoryPlugin]:
        """The plugin files of the repository. Raises ConfigError where one that is named is not there."""
        plugins, others = self._found
        for entry in others:
            if is_file_name(entry):
                raise ConfigError(
                    f'load of [plugins] names "{entry}", which is not there', where=self._where_load()
                )
        return plugins

    def _where_load(self) -> str:
        return f"{self._config.file}:{self._config.plugins.line or 1}"

    @cached_property
    def files(self) -> Mapping[str, RepoPath]:
        """Executors of repository files with the file that holds each (its blob id is part of keys)."""
        found: dict[str, RepoPath] = {}
        for plugin in self.repository:
            for name in plugin.executors:
                if name not in BUILT_IN:
                    found.setdefault(name, plugin.file)
        return found

    # What needs installed plugins, and imports them only where neither built-in nor repository names do.

    @cached_property
    def _installed(self) -> "Plugins":
        from specbuild.plugins.loading import load_installed  # noqa: PLC0415

        others = [entry for entry in self._found[1] if not is_file_name(entry)]
        return load_installed(self.built_in, self._find_installed(), others, self._where_load())

    @property
    def names(self) -> Collection[str]:
        """All executors' names. Asking whether a built-in one is among them costs nothing."""
        return _Names(self)

    def defaults(self, name: str) -> ExecutorDefaults | None:
        """An executor's attributes; None: nobody offers it."""
        if name in self.built_in:
            return self.built_in[name][1]
        if name in self.files:
            return REPOSITORY
        found = self._installed.defaults(name)
        if found is None:
            self._refuse_unreadable()
        return found

    def _refuse_unreadable(self) -> None:
        """An executor that nobody offers may stand in a file that cannot be read."""
        for plugin in self.repository:
            if plugin.error:
                raise ConfigError(
                    f"plugin {plugin.file} is broken: it is not Python: {plugin.error}",
                    where=self._where_load(),
                    hint="correct it",
                )

    def dialects(self) -> Mapping[str, Callable[[bytes, RepoPath], TaskFile]]:
        """Parsers of the dialects that config names. Raises ConfigError for one that is not installed."""
        sources = [source for source in self._config.tasks or () if source.dialect is not None]
        if not sources:
            return {}
        offered = self._installed.dialects()
        for source in sources:
            if source.dialect not in offered:
                known = ", ".join(sorted(offered)) or "none"
                raise ConfigError(
                    f'tasks names dialect "{source.dialect}"',
                    where=f"{self._config.file}:{source.line or 1}",
                    hint=f"installed dialects: {known}",
                )
        return offered

    # What runs code.

    def load(self, root: str) -> "Plugins":
        """All plugins, those of the repository at `root` included, ready to run.

        Raises ConfigError, naming the plugin, where one cannot be loaded or two offer one executor.
        """
        from specbuild.plugins.loading import load_repository  # noqa: PLC0415

        plugins = self._installed
        plugins.require_sound()
        return load_repository(plugins, self.repository, root, self._where_load())

    def bad_options(self, used: Mapping[str, str], plugins: "Plugins | None" = None) -> Sequence[ConfigError]:
        """What executors say of their options; `used`: those of tasks, and where each is named.

        Without `plugins` only installed executors are asked, and nothing of the repository is run.
        """
        from specbuild.plugins.options import bad_options  # noqa: PLC0415

        return bad_options(plugins or self._installed, self._config, used)

    def describe(self) -> Sequence[Described]:
        """Every executor, from where, which version; for plugins that fail, why. Runs no repository code."""
        listed = list(self._installed.described())
        for plugin in self.repository:
            names = [name for name, file in self.files.items() if file == plugin.file] or [""]
            listed += [
                Described(name, plugin.file, "", *REPOSITORY, error=plugin.error) for name in sorted(names)
            ]
        return listed


class _Names(Collection[str]):
    """Executors' names, found only as far as they are asked for."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._registry.defaults(name) is not None

    def __iter__(self) -> Iterator[str]:
        registry = self._registry
        names = [*registry.built_in, *sorted(registry.files), *sorted(registry._installed.names())]  # noqa: SLF001
        yield from dict.fromkeys(names)

    def __len__(self) -> int:
        return sum(1 for _ in self)
