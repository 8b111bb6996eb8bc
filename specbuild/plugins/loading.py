"""Imports plugins and calls their hooks; whatever they do wrong becomes an error that names them."""

import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple, get_args

import pluggy

from specbuild import __version__
from specbuild.config import ExecutorDefaults
from specbuild.engine.task import Isolation, OnEdit, RepoPath, TaskFile, Writes
from specbuild.errors import ConfigError
from specbuild.hookspecs import Diagnosis, Executor, Failure, Hooks, Reporter
from specbuild.plugins import answers
from specbuild.plugins.answers import shown
from specbuild.plugins.installed import Installed
from specbuild.plugins.registry import REPOSITORY, Described
from specbuild.plugins.repository import RepositoryPlugin

Dialects = Mapping[str, Callable[[bytes, RepoPath], TaskFile]]


class Source(NamedTuple):
    """Where a plugin comes from."""

    name: str  # a distribution, a module or a file
    version: str = ""
    repository: bool = False

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()


class Offered(NamedTuple):
    executor: Executor
    source: Source
    defaults: ExecutorDefaults


class Plugins:
    """Loaded plugins. `problems` are those of installed ones that could not be loaded."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager("specbuild")
        self.manager.add_hookspecs(Hooks)
        self.sources: dict[str, Source] = {}  # by pluggy's name for the plugin
        self.executors: dict[str, Offered] = {}
        self.problems: list[tuple[Source, ConfigError]] = []
        self.asked: Source | None = None  # whose diagnosis is waited for

    def get(self, name: str) -> Offered | None:
        return self.executors.get(name)

    def names(self) -> frozenset[str]:
        return frozenset(self.executors)

    def defaults(self, name: str) -> ExecutorDefaults | None:
        offered = self.executors.get(name)
        return None if offered is None else offered.defaults

    def require_sound(self) -> None:
        """Raises the first problem: a plugin that is installed but broken must not be missing silently."""
        for _, error in self.problems:
            raise error

    def described(self) -> Iterator[Described]:
        for name, offered in self.executors.items():
            if not offered.source.repository:
                yield Described(name, offered.source.name, offered.source.version, *offered.defaults)
        for source, error in self.problems:
            yield Described("", source.name, source.version, *REPOSITORY, error=str(error))

    # Registering.

    def add(self, plugin: object, source: Source) -> None:
        """Registers a plugin and takes its executors. Raises ConfigError."""
        key = f"{source}#{len(self.sources)}"
        try:
            with blamed(source):
                self.manager.register(plugin, name=key)
                self.manager.check_pending()
        except ConfigError:
            with suppress(AssertionError):  # it was refused before it was registered
                self.manager.unregister(name=key)
            raise
        self.sources[key] = source
        for _, executor in self._each("specbuild_executors", only=key):
            name, offered = _checked(executor, source)
            other = self.executors.get(name)
            if other is not None:
                raise ConfigError(
                    f'two plugins offer executor "{name}": {other.source} and {source}',
                    hint="remove one of them",
                )
            self.executors[name] = offered

    def has(self, hook: str) -> bool:
        """Whether any plugin implements a hook."""
        return bool(getattr(self.manager.hook, hook).get_hookimpls())

    # Calling hooks, one plugin at a time, so that an error can name its plugin.

    def _calls(self, hook: str, **arguments: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
        for implementation in reversed(getattr(self.manager.hook, hook).get_hookimpls()):
            values = [arguments[name] for name in implementation.argnames]
            yield implementation.plugin_name, partial(implementation.function, *values)

    def _each(
        self, hook: str, *, only: str | None = None, installed: bool = False
    ) -> Iterator[tuple[Source, Any]]:
        """All that the implementations of a hook list."""
        for key, call in self._calls(hook):
            source = self.sources[key]
            if (only is not None and key != only) or (installed and source.repository):
                continue
            with blamed(source, f"its {hook}"):
                found = call()
                if found is None:
                    raise TypeError("it returned None, no list")
                listed = list(found)
            yield from ((source, each) for each in listed)

    def dialects(self) -> Dialects:
        """Those of installed plugins. A parser that raises becomes a ConfigError that names its dialect."""
        found: dict[str, Callable[[bytes, RepoPath], TaskFile]] = {}
        for source, each in self._each("specbuild_dialects", installed=True):
            with blamed(source, "its specbuild_dialects"):
                found[each.name] = _guarded(each.name, each.parse)
        return found

    def reporters(self, warn: Callable[[str], None]) -> list[tuple[Source, Reporter]]:
        """Functions to call with each event. None of them raises: one that does is dropped with a warning."""
        found: list[tuple[Source, Reporter]] = []
        for key, call in self._calls("specbuild_reporters"):
            source = self.sources[key]
            try:
                with blamed(source, "its specbuild_reporters"):
                    found += [(source, _quiet(reporter, source, warn)) for reporter in call() or ()]
            except ConfigError as error:
                warn(str(error))
        return found

    def diagnose(self, failure: Failure, warn: Callable[[str], None]) -> Diagnosis | None:
        """The first diagnosis that a plugin has."""
        for key, call in self._calls("specbuild_diagnose", failure=failure):
            self.asked = source = self.sources[key]
            try:
                with blamed(source, "its specbuild_diagnose"):
                    answer = call()
            except ConfigError as error:
                warn(str(error))
                continue
            found = None if answer is None else answers.diagnosis(answer)
            if isinstance(found, Diagnosis):
                return found
            if found is not None:
                warn(f"plugin {source}: specbuild_diagnose returned {found}")
        return None


def _guarded(
    name: str, parse: Callable[[bytes, RepoPath], TaskFile]
) -> Callable[[bytes, RepoPath], TaskFile]:
    def guarded(data: bytes, path: RepoPath) -> TaskFile:
        from specbuild.errors import SpecbuildError, TaskFileError  # noqa: PLC0415

        try:
            found = parse(data, path)
        except (SpecbuildError, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise TaskFileError(f'dialect "{name}" raised {_told(error)}', where=path) from error
        if not isinstance(found, TaskFile):
            raise TaskFileError(f'dialect "{name}" returned {shown(found)}, no TaskFile', where=path)
        return found

    return guarded


def _quiet(reporter: Reporter, source: Source, warn: Callable[[str], None]) -> Reporter:
    sound = True

    def quiet(event: Mapping[str, Any]) -> None:
        nonlocal sound
        if not sound:
            return
        try:
            reporter(event)
        except BaseException as error:  # noqa: BLE001  (also sys.exit, which would end its thread unheard)
            sound = False
            warn(f"a reporter of plugin {source} raised {_told(error)} and is not called again")

    return quiet


def _told(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001  (a plugin's exception may be wrong itself)
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextmanager
def blamed(source: Source, doing: str = "loading it") -> Iterator[None]:
    """Whatever a plugin raises here, sys.exit included, is a ConfigError that names it; Ctrl-C is not its."""
    try:
        yield
    except BaseException as error:
        in_main = threading.current_thread() is threading.main_thread()
        if isinstance(error, KeyboardInterrupt) and in_main:
            raise
        raise broken(source, error, doing) from error


def broken(source: Source, error: BaseException, doing: str) -> ConfigError:
    advice = "correct it" if source.repository else "update or uninstall it"
    where = _line_of(error, source) if source.repository else ""
    return ConfigError(f"plugin {source} is broken: {doing} raised {_told(error)}", where=where, hint=advice)


def _line_of(error: BaseException, source: Source) -> str:
    """`FILE:LINE` of the deepest line of the plugin's file that the error went through."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith(source.name):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"{source.name}:{line}" if line else source.name


_ATTRIBUTES: Mapping[str, tuple[Any, Any]] = {
    "on_edit": (OnEdit, "keep"),
    "writes": (Writes, "any"),
    "isolation": (Isolation, None),
}
"""What an executor may state of itself: what each takes, and what it is without."""


def _checked(executor: Any, source: Source) -> tuple[str, Offered]:
    """An executor's name and attributes, or ConfigError for what is none."""

    def wrong(what: str) -> ConfigError:
        return ConfigError(
            f"plugin {source} is broken: {what}", hint="see the manual, How to write an executor"
        )

    with blamed(source, "an attribute of its executor"):
        name, run = getattr(executor, "name", None), getattr(executor, "run", None)
        given = {key: getattr(executor, key, default) for key, (_, default) in _ATTRIBUTES.items()}
    if isinstance(executor, type):
        raise wrong(f"specbuild_executors lists the class {executor.__name__}, not an object of it")
    if not isinstance(name, str) or not name.strip():
        raise wrong(f"specbuild_executors lists {shown(executor)}, which has no name")
    if not callable(run):
        raise wrong(f'its executor "{name}" has no run(job)')
    if source.repository:
        return name, Offered(executor, source, REPOSITORY)
    for attribute, (kind, default) in _ATTRIBUTES.items():
        value = given[attribute]
        if value is not default and not (isinstance(value, str) and value in get_args(kind)):
            allowed = " or ".join(map(repr, get_args(kind)))
            raise wrong(f'{attribute} of its executor "{name}" is {shown(value)}; it takes {allowed}')
    return name, Offered(executor, source, ExecutorDefaults(**given))


# Importing.


def load_installed(
    built_in: Mapping[str, tuple[str, ExecutorDefaults]],
    entries: Iterable[Installed],
    modules: Sequence[str],
    where: str,
) -> Plugins:
    """The executors that ship, those of installed packages, and modules that config names."""
    plugins = Plugins()
    sources = {module: Source("specbuild", __version__) for module, _ in built_in.values()}
    for entry in entries:
        sources[entry.target] = Source(entry.distribution, entry.version)
    for target, source in sources.items():
        try:
            plugins.add(_import(target, source), source)
        except ConfigError as error:
            plugins.problems.append((source, error))
    for module in modules:
        source = Source(module)
        try:
            plugins.add(_import(module, source), source)
        except ConfigError as error:
            error.where = error.where or where
            plugins.problems.append((source, error))
    return plugins


def _import(target: str, source: Source) -> object:
    name, _, attributes = target.partition(":")
    with blamed(source):
        found: Any = importlib.import_module(name)
        for attribute in filter(None, attributes.split(".")):
            found = getattr(found, attribute)
    return found


def load_repository(plugins: Plugins, files: Sequence[RepositoryPlugin], root: str, where: str) -> Plugins:
    """Adds the plugins that are files of the repository at `root`: this runs their code."""
    if files and root not in sys.path:
        sys.path.append(root)  # last: a file of the repository must not hide an installed module
    for plugin in files:
        source = Source(plugin.file, repository=True)
        before = plugins.names()
        with _no_bytecode():
            plugins.add(_execute(plugin, root, source), source)
        for name in sorted(plugins.names() - before):
            if name not in plugin.executors:
                raise ConfigError(
                    f'plugin {source} offers executor "{name}", but name = "{name}" does not stand in it',
                    where=where,
                    hint="write the name so: commands that only judge must find it without running the file",
                )
    return plugins


def _execute(plugin: RepositoryPlugin, root: str, source: Source) -> ModuleType:
    from importlib import util  # noqa: PLC0415

    path = os.path.join(root, plugin.file)
    name = plugin.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    with blamed(source):
        if plugin.entry == name:  # a dotted module, which others may import by this name
            return importlib.import_module(name)
        name = f"specbuild_repository_{name.replace('.', '_').replace('-', '_')}"
        spec = util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{plugin.file} is no Python file")
        module = util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return module


@contextmanager
def _no_bytecode() -> Iterator[None]:
    """No `__pycache__` beside the repository's files: a run must leave nothing that nobody asked for."""
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
