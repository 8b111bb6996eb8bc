"""Who is told of a run: its log, the screen, machines, and plugins' reporters."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TextIO

from specbuild.cli.extensions import PluginReporter, diagnosis_of
from specbuild.cli.options import Options
from specbuild.cli.parts import Here
from specbuild.cli.telling import Telling
from specbuild.config import Runs
from specbuild.engine.events import Event, TaskFinished, TaskOutput, TaskStarted, Warned
from specbuild.engine.task import TaskName
from specbuild.git.history import GitHistory
from specbuild.plugins.loading import Plugins
from specbuild.reporting.plain import PlainReporter
from specbuild.reporting.terminal import Screen, on_github, screen_for
from specbuild.runlog.folder import Limits
from specbuild.runlog.reading import Run, read_runs, sessions_since_success
from specbuild.runlog.writing import RunLog

if TYPE_CHECKING:
    from specbuild.reporting.jsonlines import JsonLines


class Reporters:
    """Every listener of one run; before it is open, events are only kept."""

    def __init__(self, here: Here, options: Options) -> None:
        self.events: list[Event] = []
        self.earlier: Sequence[Run] | None = None  # the runs that --continue adds up; None: no log of any
        self.screen: Screen = PlainReporter(sys.stderr)
        self._here = here
        self._options = options
        self._listeners: list[Callable[[Event], None]] = [self._keep]
        self._tell = Telling(self._listeners)
        self._plugins: Plugins | None = None
        self._of_plugins: list[PluginReporter] = []
        self._document: JsonLines | None = None  # of `--json`
        self._diagnoses: dict[TaskName, Any] = {}

    def emit(self, event: Event) -> None:
        # A worker that begins a task does not stand in a queue for that.
        self._tell(event, wait=not isinstance(event, TaskStarted))

    def warn(self, message: str) -> None:
        """May be called by a plugin's thread for which a listener waits."""
        self._tell(Warned(message), wait=False)

    def open(self, plugins: Plugins, stack: ExitStack, stdout: TextIO) -> None:
        """From now on all are told; `stack` closes them. `stdout`: where the document of `--json` goes."""
        here, options = self._here, self._options
        self._plugins = plugins
        runs = read_runs(here.runs_folder) if options.resume else []
        self.earlier = sessions_since_success(runs) if runs else None
        log = RunLog(here.runs_folder, _limits(here.loaded.config.runs))
        stack.callback(log.close)
        self._listeners.append(log)
        if options.as_json:
            from specbuild.reporting.jsonlines import JsonLines

            self._document = JsonLines(stdout)
            self._listeners.append(self._document)
        self.screen = self._screen()
        stack.callback(self.screen.close)
        self._listeners.append(self.screen)
        if on_github(os.environ):
            from specbuild.reporting.github import GitHubReporter

            lines = {task.name: task.text.line for task in here.tasks}
            self._listeners.append(GitHubReporter(sys.stderr, line=lines.get))
        for source, told in plugins.reporters(self.warn):
            reporter = PluginReporter(source, told, self.warn)
            stack.callback(reporter.close)
            self._of_plugins.append(reporter)
            self._listeners.append(reporter)

    def close(self) -> None:
        """All was said; what is still to be shown is shown below finished lines."""
        for reporter in self._of_plugins:
            reporter.close()
        self.screen.close()

    @property
    def lost(self) -> OSError | None:
        """Why the document on stdout is not whole; None: it is, or nobody asked for one."""
        return None if self._document is None else self._document.failure

    def diagnose(self, event: TaskFinished) -> Any:
        """Asked several times of one failure, by whoever shows it."""
        if event.task not in self._diagnoses:
            graph = self._here.loaded.project.graph
            task = graph.task(event.task) if event.task in graph.index else None
            self._diagnoses[event.task] = diagnosis_of(self._plugins, event, task, self.warn)
        return self._diagnoses[event.task]

    def _keep(self, event: Event) -> None:
        if not isinstance(event, TaskOutput):  # the log has it; gigabytes may come
            self.events.append(event)

    def _screen(self) -> Screen:
        here, options = self._here, self._options
        return screen_for(
            sys.stderr,
            verbosity=options.verbosity,
            seconds=_Durations(here.history),
            outcomes=None if self.earlier is None else here.outcomes,
            diagnose=self.diagnose,
        )


class _Durations(Mapping[TaskName, float]):
    """How many seconds each task took last, by the history; read for those that are asked for."""

    def __init__(self, history: GitHistory) -> None:
        self._history = history

    def __getitem__(self, name: TaskName) -> float:
        for recorded in self._history.concerning(name, ""):
            if recorded.checkpoint.name == name:
                return recorded.checkpoint.seconds
        raise KeyError(name)

    def __iter__(self) -> Iterator[TaskName]:
        return iter({recorded.checkpoint.name for recorded in self._history.checkpoints()})

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _limits(runs: Runs) -> Limits:
    limits = Limits()
    if runs.keep is not None:
        limits = limits._replace(keep=runs.keep)
    if runs.max_bytes is not None:
        limits = limits._replace(max_bytes=runs.max_bytes)
    return limits
