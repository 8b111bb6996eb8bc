"""A run as the command line makes it: real parts, a request, and what is told before and after."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import click

from specbuild.cli import refusals
from specbuild.cli.choosing import choice_of, forced
from specbuild.cli.closing import left_alone, standing, summary
from specbuild.cli.committing import commit_hooks, kept_words
from specbuild.cli.opening import opening, plan
from specbuild.cli.options import Options, settings_of
from specbuild.cli.parts import Here, Selection
from specbuild.cli.reporters import Reporters
from specbuild.cli.stopwatch import Stopwatch, asked_for
from specbuild.cli.streams import document_stream
from specbuild.cli.writing import writing
from specbuild.engine.build import Builder, Request, Reviewer
from specbuild.engine.events import Event, Planned, RunFinished, RunStarted
from specbuild.engine.judge import Judge
from specbuild.engine.plan import Choice
from specbuild.engine.project import Project
from specbuild.engine.task import Entry, RepoPath, TaskName
from specbuild.engine.transaction import World
from specbuild.environment import clean_environment
from specbuild.errors import StaleError
from specbuild.git.committer import GitCommitter
from specbuild.git.merge_driver import install as install_merge_driver
from specbuild.git.workspace import GitWorkspaces
from specbuild.plugins.loading import Plugins
from specbuild.plugins.running import PluginExecutors
from specbuild.project import Loaded
from specbuild.reporting.text import Line

if TYPE_CHECKING:
    from specbuild.reporting.summary import Summary


class SystemClock:
    """Time as it is."""

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float, cancelled: Callable[[], bool]) -> None:
        end = time.monotonic() + seconds
        while not cancelled() and (left := end - time.monotonic()) > 0:
            time.sleep(min(0.1, left))


class Session:
    """One run: prepares, builds, reports."""

    def __init__(self, here: Here, options: Options) -> None:
        self.here = here
        self.options = options
        self.repository = here.repository
        self._reporters = Reporters(here, options)
        self._watch = Stopwatch()
        self._builder: Builder | None = None
        self._interrupted = False
        self._chosen: tuple[Judge, Choice] | None = None
        self._plugin_files: Mapping[str, Entry | None] = {}
        self._began = time.time_ns()

    @property
    def events(self) -> Sequence[Event]:
        """What has happened, output aside."""
        return self._reporters.events

    def run(self) -> int:
        """Builds; returns the exit code."""
        started = time.process_time()
        with ExitStack() as stack:
            stack.enter_context(_signals(self._interrupt))
            stack.enter_context(writing(self.repository))
            self._watch.lap("lock and recovery")
            stdout = stack.enter_context(document_stream()) if self.options.as_json else sys.stdout
            # Nothing of the working tree was looked at before: a recovery has just changed it.
            loaded = self._read()  # which imports installed plugins, where a task names an executor of theirs
            plugins = self._load_plugins()
            self._reporters.open(plugins, stack, stdout)
            self._refuse_late(loaded)
            end, figures, lines = self._build(loaded, plugins, stack)
        if asked_for():
            sys.stderr.write("".join(f"{line}\n" for line in self._watch.report(started)))
        command = loaded.config.build.on_finish
        if command is not None:  # not under the lock: it may call specbuild
            from specbuild.cli.finishing import on_finish

            environment = clean_environment(os.environ)
            on_finish(command, figures, lines, top=self.repository.top, environment=environment)
        if end.exit_code == 0 and self._reporters.lost is not None:
            raise self._reporters.lost
        return end.exit_code

    # -- before the run ---------------------------------------------------------------------------

    def _interrupt(self) -> None:
        if self._builder is None:
            raise KeyboardInterrupt
        self._interrupted = True
        self._builder.interrupt()

    def _read(self) -> Loaded:
        """The project, judged; raises where nobody could run what is chosen."""
        here = self.here
        refusals.refuse_no_files(here.loaded)
        here.take_out()
        self._watch.lap("reading the tasks")
        here.judge.all()
        here.memorise()
        self._watch.lap("judging them")
        refusals.refuse_cut(here, self._choice())
        undecided = refusals.undecided(here, self._choice())
        if undecided:
            from specbuild.cli.undecided import refuse, take_agent

            if not self.options.asks or not take_agent(here, undecided):
                refuse(undecided)
            refuse(refusals.undecided(here, self._choice()))
        refusals.refuse_aimless(here, self._choice())
        return here.loaded

    def _load_plugins(self) -> Plugins:
        here = self.here
        plugins = here.registry.load(self.repository.top)
        refusals.refuse_bad_options(here, self._choice(), forced(here, self.options), plugins)
        self._plugin_files = _plugin_files(here)
        return plugins

    def _refuse_late(self, loaded: Loaded) -> None:
        """What is refused when the run already has a log."""
        refusals.refuse_foreign_targets(self.here, self._choice(), forced(self.here, self.options))
        if loaded.config.reports:
            from specbuild.cli.documents import refuse_reports

            refuse_reports(loaded)

    def _choice(self) -> Choice:
        return self._choose(self.here.loaded.project, self.here.judge)

    def _choose(self, project: Project, judge: Judge) -> Choice:
        """Before anything has run it is asked for often, and always the same."""
        if self._chosen is None or self._builder is not None or self._chosen[0] is not judge:
            self._chosen = judge, choice_of(self.here, self.options, project, judge)
        return self._chosen[1]

    # -- the run ----------------------------------------------------------------------------------

    def _build(
        self, loaded: Loaded, plugins: Plugins, stack: ExitStack
    ) -> tuple[RunFinished, "Summary", list[Line]]:
        here, watch = self.here, self._watch
        if install_merge_driver(self.repository, loaded.project.files):
            click.echo("specbuild: registered a merge driver for task files in .git/config", err=True)
        before = standing(here)
        # a repository of its own: it works in another thread while the next tasks are judged
        opened = self.repository.another(self.repository.top)
        hooks = commit_hooks(opened, loaded.config.build, cancelled=lambda: self._interrupted)
        committer = GitCommitter(opened, self.repository.head_ref, hooks=hooks)
        stack.callback(committer.close)
        builder = self._put_together(loaded, plugins, committer, frozenset(before))
        self._open(loaded)
        self._builder = builder
        watch.lap("preparing")
        end = builder.run()
        told = hooks.told if hooks is not None else ()
        end = self._end(end, [*kept_words(committer), *left_alone(here, before, committer.left), *told])
        watch.lap("building")
        here.tree.save()
        here.history.save()
        figures, lines = summary(here, self.options, self._reporters)
        watch.lap("caches and summary")
        if end.exit_code == 0 and here.selection == Selection() and not self.options.narrows:
            self._remember(end)
            watch.lap("the note for next time")
        return end, figures, lines

    def _put_together(
        self, loaded: Loaded, plugins: Plugins, committer: GitCommitter, dirty: frozenset[RepoPath]
    ) -> Builder:
        here, options, watch = self.here, self.options, self._watch
        workspaces = GitWorkspaces(self.repository, head=committer.head, share=loaded.config.build.share)
        watched = watch.timed(committer, commit="commits (own thread)") if asked_for() else committer
        return Builder(
            self._load,
            World(here.tree, here.history, workspaces, watched),
            _timed(PluginExecutors(plugins, paused=self._reporters.screen.paused), watch),
            SystemClock(),
            request=Request(
                choice=self._choose,
                forced=forced(here, options),
                first=_failed_last(here) if options.resume else frozenset(),
                leave=self._leave,
                gates=self._gates(loaded),
                review=self._review(committer) if options.asks else None,
                dirty=dirty,
            ),
            settings=settings_of(options, loaded.config.build, here.selection.filter),
            environment=clean_environment(os.environ),
            emit=self._while_running,
        )

    def _load(self) -> tuple[Project, Judge]:
        """The project as it is now; called again when a task changed the plan itself."""
        here = self.here
        if self._builder is None:  # nothing has run yet
            return here.loaded.project, here.judge
        here.__dict__.pop("registry", None)  # specbuild.toml may name others now
        if _plugin_files(here) != self._plugin_files:
            raise StaleError("plugins that this run uses were changed", hint="run specbuild again")
        loaded = here.load(here.tree)
        here.__dict__["loaded"] = loaded
        judge = here.judge_of(loaded)
        here.__dict__["judge"] = judge
        return loaded.project, judge

    def _leave(self, names: Sequence[TaskName]) -> bool:
        """Whether completed `keep` tasks may be repeated: --yes, or a person says so."""
        if not self.options.keep:
            return False
        if self.options.yes:
            return True
        if not names or not self.options.asks:
            return False
        with self._reporters.screen.paused():
            click.echo("These tasks were completed, and would be done again on what is there now:", err=True)
            for name in names:
                click.echo(f"  {name.id}  {self.here.loaded.project.graph.task(name).text.title}", err=True)
            return click.confirm("Run them again?", default=False, err=True)

    def _gates(self, loaded: Loaded) -> Callable[[str, str | None], bool] | None:
        if not loaded.config.gates or self.options.skip_tests:
            return None
        from specbuild.gates import Gates

        gates = Gates(
            loaded.config.gates,
            top=self.repository.top,
            cache_dir=self.repository.state_dir,
            tree_key=self.here.tree_key,
            emit=self._reporters.emit,
            environment=clean_environment(os.environ),
        )
        filter_ = self.here.selection.filter
        return lambda at, phase: gates.run("phase" if at == "phase" else "end", phase, filter_)

    def _review(self, committer: GitCommitter) -> Reviewer:
        from specbuild.cli.reviewing import Terminal

        return Terminal(committer.read, self._reporters.screen.paused)

    # -- what is told -----------------------------------------------------------------------------

    def _open(self, loaded: Loaded) -> None:
        here, emit = self.here, self._reporters.emit
        settings = settings_of(self.options, loaded.config.build, here.selection.filter)
        emit(opening(here, self.options, settings, self._choice()))
        emit(plan(here, self._choice(), forced(here, self.options)))
        for warning in loaded.project.graph.warnings:
            self._reporters.warn(f"{warning.file}:{warning.line}: {warning.message}")

    def _while_running(self, event: Event) -> None:
        if not isinstance(event, RunFinished):  # what is found afterwards is still to be told before it
            self._reporters.emit(event)

    def _end(self, end: RunFinished, warnings: Sequence[str]) -> RunFinished:
        """Tells what the run left, and then its end: the last event of all."""
        for warning in warnings:
            self._reporters.warn(warning)
        end = replace(
            end,
            deferred=next(event.deferred for event in self.events if isinstance(event, RunStarted)),
            filter=self.here.selection.filter,
            skipped_gates=self.options.skip_tests and bool(self.here.loaded.config.gates),
        )
        self._reporters.emit(end)
        return end

    def _remember(self, end: RunFinished) -> None:
        """What was found stands until something changes: the next run need not look again."""
        from specbuild.cli.pushed_note import remember_run
        from specbuild.cli.remember import next_words, remember

        if end.headline != "complete" or end.left:
            return
        remember_run(self.here)
        started = next(event for event in self.events if isinstance(event, RunStarted))
        planned = next(event for event in self.events if isinstance(event, Planned))
        words = next_words(started, planned, end)
        if self.here.loaded.config.gates:  # they are about files that nobody looks at then
            words = {form: text for form, text in words.items() if not form.startswith("run")}
        remember(self.here, words, self._began)


def _plugin_files(here: Here) -> Mapping[str, Entry | None]:
    """The repository's files whose code runs, as they are now."""
    return {plugin.file: here.tree.entry(plugin.file) for plugin in here.registry.repository}


def _failed_last(here: Here) -> frozenset[TaskName]:
    return frozenset(name for name, outcome in here.outcomes.items() if outcome == "failed")


def _timed(executors: PluginExecutors, watch: Stopwatch) -> PluginExecutors:
    names = {"setup": "setting up (workers)", "run": "recipes (workers)", "verify": "verifying (workers)"}
    return cast("PluginExecutors", watch.timed(executors, **names)) if asked_for() else executors


@contextmanager
def _signals(interrupt: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGHUP end a run as Ctrl-C does."""
    previous: dict[signal.Signals, Any] = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with contextlib.suppress(ValueError):  # not the main thread
            previous[number] = signal.signal(number, lambda _number, _frame: interrupt())
    try:
        yield
    finally:
        for signal_, handler in previous.items():
            signal.signal(signal_, handler)
