"""A run as the command line makes it: real parts, a request, reporters, and the run's log."""

import contextlib
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import click

from specbuild.cli.extensions import PluginReporter, diagnosis_of
from specbuild.cli.parts import Here, Selection, choose, print_json, short_ids, task_document
from specbuild.cli.stopwatch import Stopwatch, asked_for
from specbuild.engine.build import Builder, Request, Reviewer
from specbuild.engine.checkpoint import ABSENT
from specbuild.engine.events import (
    Event,
    Planned,
    RunFinished,
    RunStarted,
    TaskFinished,
    TaskOutput,
    Warned,
)
from specbuild.engine.graph import Graph
from specbuild.engine.judge import Judge
from specbuild.engine.plan import Choice, in_a_row
from specbuild.engine.plan import choose as complete_choice
from specbuild.engine.project import Project, Settings
from specbuild.engine.recipe import needs_target
from specbuild.engine.task import Entry, RepoPath, Task, TaskName
from specbuild.engine.transaction import World
from specbuild.engine.verdict import Reason
from specbuild.errors import ConfigError, Problems, SpecbuildError, StaleError, TaskFileError, UsageError
from specbuild.git.committer import GitCommitter
from specbuild.git.files import another
from specbuild.git.lock import BuildLock
from specbuild.git.merge_driver import install as install_merge_driver
from specbuild.git.recovery import recover
from specbuild.git.snapshot import WorkingTree
from specbuild.git.workspace import GitWorkspaces
from specbuild.plugins import Registry
from specbuild.plugins.loading import Plugins
from specbuild.plugins.running import PluginExecutors
from specbuild.process import clean_environment
from specbuild.project import DEFAULT_FILES, Loaded
from specbuild.reporting.github import GitHubReporter, on_github, step_summary
from specbuild.reporting.narrator import Verbosity
from specbuild.reporting.plain import PlainReporter
from specbuild.reporting.summary import Summary
from specbuild.reporting.terminal import Screen, screen_for
from specbuild.reporting.text import Line, clean
from specbuild.runlog import Limits, RunLog, read_runs, sessions_since_success


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line of `run` says."""

    with_needs: bool = False
    parallel: int | None = None  # workers for [P] tasks; None: not asked for
    jobs: int | None = None
    resume: bool = False
    force: tuple[str, ...] = ()
    yes: bool = False
    limit: int | None = None
    keep_going: bool | None = None
    skip_tests: bool = False
    reuse: bool = True
    as_json: bool = False
    verbosity: Verbosity = "normal"
    interactive: bool = True  # hooks never ask
    keep: bool = True  # whether `keep` tasks may run at all
    only: frozenset[TaskName] | None = None  # None: whatever files and filter choose


class SystemClock:
    """Time as it is."""

    def now(self) -> float:
        import time

        return time.time()

    def sleep(self, seconds: float, cancelled: Callable[[], bool]) -> None:
        import time

        end = time.monotonic() + seconds
        while not cancelled() and (left := end - time.monotonic()) > 0:
            time.sleep(min(0.1, left))


class Session:
    """One run: prepares, builds, reports."""

    def __init__(self, here: Here, options: Options) -> None:
        self.here = here
        self.options = options
        self.events: list[Event] = []
        self._listeners: list[Callable[[Event], None]] = [self._keep]
        self._builder: Builder | None = None
        self._chosen: tuple[Judge, Choice] | None = None
        self._reporter: Screen = PlainReporter(sys.stderr)
        self.repository = here.repository
        self._plugins: Plugins | None = None
        self._plugin_files: Mapping[str, Entry | None] | None = None
        self._plugin_reporters: list[PluginReporter] = []
        self._diagnoses: dict[TaskName, Any] = {}

    def run(self) -> int:
        """Builds; returns the exit code."""
        here, watch, started = self.here, Stopwatch(), time.process_time()
        self.repository.guard_build()
        self.repository.identity()
        with ExitStack() as stack:
            stack.enter_context(_signals(self._interrupt))
            stack.enter_context(self._lock())
            self._recover()
            watch.lap("lock and recovery")
            # Nothing of the working tree was looked at before: a recovery has just changed it.
            loaded = here.loaded
            refuse_no_files(loaded)
            watch.lap("reading the tasks")
            here.judge.all()
            watch.lap("judging them")
            self._refuse_cut(loaded)
            loaded = self._settle_undecided(loaded)
            self._refuse_aimless(loaded)
            self._plugins = here.registry.load(self.repository.top)
            self._plugin_files = _plugin_files(here.registry, here.tree)
            self._open_reporters(stack)
            # a repository of its own: it works in another thread while the next tasks are judged
            own = another(self.repository, self.repository.top)
            committer = GitCommitter(own, self.repository.head_ref)
            stack.callback(committer.close)
            workspaces = GitWorkspaces(self.repository, head=committer.head, share=loaded.config.build.share)
            watched = watch.timed(committer, commit="commits (own thread)") if asked_for() else committer
            world = World(here.tree, here.history, workspaces, watched)
            self._refuse_foreign_targets(loaded)
            self._refuse_reports(loaded)
            self._register_merge_driver(loaded)
            before = set(here.tree.dirty())
            builder = Builder(
                self._load,
                world,
                _timed(PluginExecutors(self._plugins), watch),
                SystemClock(),
                request=Request(
                    choice=self._choice,
                    forced=self._forced,
                    first=self._failed_last if self.options.resume else frozenset(),
                    leave=self._leave,
                    gates=self._gates(loaded),
                    review=self._review(committer) if self._asks else None,
                ),
                settings=self._settings(loaded),
                environment=clean_environment(os.environ),
                emit=self._while_running,
            )
            self._open(loaded)
            self._builder = builder
            watch.lap("preparing")
            end = self._end(builder.run(), before, world)
            watch.lap("building")
            here.tree.save()
            here.history.save()
            summary, lines = self._finish()
            watch.lap("caches and summary")
            if end.exit_code == 0 and self._is_whole:
                self._remember(end)
                watch.lap("the note for next time")
        if asked_for():
            sys.stderr.write("".join(f"{line}\n" for line in watch.report(started)))
        build = loaded.config.build
        if build.on_finish is not None:  # not under the lock: it may call specbuild
            from specbuild.cli.finishing import on_finish

            environment = clean_environment(os.environ)
            on_finish(build.on_finish, summary, lines, top=self.repository.top, environment=environment)
        return end.exit_code

    def dry_run(self) -> int:
        """Says what would run, and why; below those, what may run."""
        here = self.here
        graph, judge = here.loaded.project.graph, here.judge
        refuse_no_files(here.loaded)
        self._refuse_cut(here.loaded)
        judge.all()
        chosen = self._choice(here.loaded.project, judge).chosen
        forced = self._forced
        will = [p for p in sorted(chosen) if judge.verdict(p).stale or graph.tasks[p].name in forced]
        may = [p for p in sorted(chosen) if p not in will and judge.verdict(p).may_run]
        if self.options.as_json:
            print_json(
                {
                    "will_run": [task_document(here, p, judge.verdict(p)) for p in will],
                    "may_run": [task_document(here, p, judge.verdict(p)) for p in may],
                }
            )
            return 0
        name = short_ids(here)
        for verb, positions in (("will run", will), ("may run", may)):
            for position in positions:
                task, verdict = graph.tasks[position], judge.verdict(position)
                reasons = [*(["forced"] if task.name in forced else []), *map(str, verdict.reasons)]
                why = f": {'; '.join(reasons)}" if reasons else ""
                click.echo(clean(f"{verb}  {name(task.name)}  {task.text.title}{why}"))
        if not will:
            click.echo("nothing to run", err=True)
        return 0

    # -- before the run ---------------------------------------------------------------------------

    def _lock(self) -> BuildLock:
        def waiting(holder: object) -> None:
            click.echo(f"specbuild: waiting for another specbuild in this worktree: {holder}", err=True)

        return BuildLock(self.repository.state_dir, wait=sys.stderr.isatty(), waiting=waiting)

    def _interrupt(self) -> None:
        if self._builder is None:
            raise KeyboardInterrupt
        self._builder.interrupt()

    def _recover(self) -> None:
        recovered = recover(self.repository)
        for message in recovered.messages if recovered is not None else ():
            click.echo(f"specbuild: {clean(message)}", err=True)

    def _load(self) -> tuple[Project, Judge]:
        """The project as it is now; called again when a task changed the plan itself."""
        here = self.here
        if self._builder is None:  # nothing has run yet
            return here.loaded.project, here.judge
        here.__dict__.pop("registry", None)  # specbuild.toml may name others now
        if _plugin_files(here.registry, here.tree) != self._plugin_files:
            raise StaleError("a task changed the plugins that this run uses", hint="run specbuild again")
        loaded = here.load(here.tree)
        here.__dict__["loaded"] = loaded
        judge = here.judge_of(loaded)
        here.__dict__["judge"] = judge
        return loaded.project, judge

    def _refuse_cut(self, loaded: Loaded) -> None:
        """Where a shallow clone may hide a task's checkpoint, running it would be a guess."""
        judge = self.here.judge
        chosen = self._choice(loaded.project, judge).chosen
        self.here.refuse_cut([judge.verdict(position) for position in sorted(chosen)])

    def _settle_undecided(self, loaded: Loaded) -> Loaded:
        """Raises where tasks have nothing that runs them; on a terminal the one agent that is there may."""
        tasks = self._undecided(loaded)
        if not tasks:
            return loaded
        from specbuild.cli.undecided import refuse, take_agent

        if not self._asks or not take_agent(self.here, tasks):
            refuse(tasks)
        refuse(self._undecided(self.here.loaded))
        return self.here.loaded

    @property
    def _asks(self) -> bool:
        return self.options.interactive and sys.stdin.isatty() and sys.stderr.isatty()

    def _undecided(self, loaded: Loaded) -> list[Task]:
        """Chosen stale tasks that nothing can run."""
        graph = loaded.project.graph
        judge = self.here.judge
        return [
            graph.tasks[position]
            for position in sorted(self._choice(loaded.project, judge).chosen)
            if judge.verdict(position).stale and not _decided(graph.tasks[position])
        ]

    def _refuse_aimless(self, loaded: Loaded) -> None:
        """A recipe that names its target cannot run where no target was found."""
        here = self.here
        errors: list[SpecbuildError] = []
        for position in sorted(self._choice(loaded.project, here.judge).chosen):
            task = here.tasks[position]
            if task.targets or task.recipe is None or not here.judge.verdict(position).stale:
                continue
            if needs_target(task.recipe.text, language=task.recipe.language):
                errors.append(
                    TaskFileError(
                        f"{task.name.id} names no target, and its recipe ({task.recipe_where}) needs one",
                        where=f"{task.name.file}:{task.text.line}",
                        hint="declare it below the task: `- targets: path`",
                    )
                )
        if errors:
            raise errors[0] if len(errors) == 1 else Problems(errors)

    @property
    def _forced(self) -> frozenset[TaskName]:
        tasks = self.here.loaded.project.graph.tasks
        return frozenset(tasks[self.here.find(reference)].name for reference in self.options.force)

    @property
    def _failed_last(self) -> frozenset[TaskName]:
        return frozenset(name for name, outcome in self.here.outcomes.items() if outcome == "failed")

    def _choice(self, project: Project, judge: Judge) -> Choice:
        """Before anything has run it is asked for often, and always the same."""
        if self._chosen is None or self._builder is not None or self._chosen[0] is not judge:
            self._chosen = judge, self._choose(project, judge)
        return self._chosen[1]

    def _choose(self, project: Project, judge: Judge) -> Choice:
        here = self.here
        wanted = set(choose(here.loaded, judge, here.reported, here.filter, here.outcomes))
        if self.options.only is not None:
            wanted = {
                position for position in wanted if project.graph.tasks[position].name in self.options.only
            }
        wanted |= {here.find(reference) for reference in self.options.force} & set(
            range(len(project.graph.tasks))
        )
        words = here.filter.words if here.filter is not None else frozenset()

        def unfinished(position: int) -> bool:
            return judge.verdict(position).stale

        def supports(position: int) -> bool:
            text = project.graph.tasks[position].text
            return bool(
                not text.optional
                and (
                    ("story" in words and text.story is None)
                    or ("priority" in words and text.priority is None)
                )
                and (text.story is None or "story" not in words)
            )

        return complete_choice(
            project.graph,
            wanted,
            unfinished=unfinished,
            supports=supports,
            with_needs=self.options.with_needs,
        )

    def _refuse_foreign_targets(self, loaded: Loaded) -> None:
        """A generated task without a record must not overwrite what a person wrote (SPEC section 4)."""
        judge = self.here.judge
        errors: list[SpecbuildError] = []
        for position in sorted(self._choice(loaded.project, judge).chosen):
            task = loaded.project.graph.tasks[position]
            verdict = judge.verdict(position)
            if not task.rebuild or verdict.checkpoint is not None or task.name in self._forced:
                continue
            errors += [
                UsageError(
                    f"{path} is there, and no task made it: {task.name.id} would overwrite it",
                    where=f"{task.name.file}:{task.text.line}",
                    hint=f'set on_edit = "keep" for it, or specbuild adopt {task.name.id}, '
                    f"or specbuild --force {task.name.id}",
                )
                for path in task.targets
                if self._is_foreign(path)
            ]
        if errors:
            raise errors[0] if len(errors) == 1 else Problems(errors)

    def _is_foreign(self, path: RepoPath) -> bool:
        """Whether something stands at a target that no checkpoint anywhere says a task made."""
        here, result = self.here, self.here.judge.result_now(path)
        place = self.repository.absolute(path)
        if result == ABSENT and not (path.endswith("/") and os.path.isdir(place) and os.listdir(place)):
            return False
        if here.tree.ignored(path):  # no checkpoint says with which bytes
            return not here.history.anywhere(path, None)
        return result != ABSENT and not here.history.anywhere(path, result)

    def _register_merge_driver(self, loaded: Loaded) -> None:
        if install_merge_driver(self.repository, loaded.project.files):
            click.echo("specbuild: registered a merge driver for task files in .git/config", err=True)

    def _settings(self, loaded: Loaded) -> Settings:
        build, options = loaded.config.build, self.options
        jobs, overlap = 1, "none"
        if options.jobs is not None:
            jobs, overlap = options.jobs, "all"
        elif options.parallel is not None:
            jobs, overlap = options.parallel or build.jobs or os.cpu_count() or 1, "marked"
        return Settings(
            tick=build.tick,
            save_inputs=build.save_inputs == "commit",
            subject=build.subject,
            reuse=options.reuse,
            reuse_from=build.reuse_from,
            jobs=jobs,
            overlap=overlap if jobs > 1 else "none",
            keep_going=options.keep_going,
            limit=options.limit,
            budget_usd=build.budget_usd,
            budget_tokens=build.budget_tokens,
            values={"filter": self.here.selection.filter or ""},
        )

    def _leave(self, names: Sequence[TaskName]) -> bool:
        """Whether completed `keep` tasks may be repeated: --yes, or a person says so."""
        if not self.options.keep:
            return False
        if self.options.yes:
            return True
        if not names or not self._asks:
            return False
        with self._reporter.paused():
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
            emit=self._emit,
            environment=clean_environment(os.environ),
        )
        filter_ = self.here.selection.filter
        return lambda at, phase: gates.run("phase" if at == "phase" else "end", phase, filter_)

    # -- reporters --------------------------------------------------------------------------------

    def _keep(self, event: Event) -> None:
        if not isinstance(event, TaskOutput):  # the log has it; gigabytes may come
            self.events.append(event)

    def _emit(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)

    def _open_reporters(self, stack: ExitStack) -> None:
        here, options = self.here, self.options
        config = here.loaded.config
        limits = Limits()
        if config.runs.keep is not None:
            limits = limits._replace(keep=config.runs.keep)
        if config.runs.max_bytes is not None:
            limits = limits._replace(max_bytes=config.runs.max_bytes)
        self._earlier = sessions_since_success(read_runs(here.runs_folder)) if options.resume else ()
        log = RunLog(here.runs_folder, limits)
        stack.callback(log.close)
        self._listeners.append(log)
        if options.as_json:
            from specbuild.reporting.jsonlines import JsonLines

            self._listeners.append(JsonLines(sys.stdout))
        reporter = self._make_reporter()
        stack.callback(reporter.close)
        self._reporter = reporter
        self._listeners.append(reporter)
        if on_github(os.environ):
            lines = {task.name: task.text.line for task in here.tasks}
            self._listeners.append(GitHubReporter(sys.stderr, line=lines.get))

        for told in self._plugins.reporters(self._warn) if self._plugins else ():
            plugin_reporter = PluginReporter(told, self._warn)
            stack.callback(plugin_reporter.close)
            self._plugin_reporters.append(plugin_reporter)
            self._listeners.append(plugin_reporter)

    def _warn(self, message: str) -> None:
        self._emit(Warned(message))

    def _review(self, committer: GitCommitter) -> Reviewer:
        from specbuild.cli.reviewing import Terminal

        return Terminal(committer.read, self._reporter.paused)

    def _make_reporter(self) -> Screen:
        outcomes = self.here.outcomes if self.options.resume else {}
        seconds = {r.checkpoint.name: r.checkpoint.seconds for r in reversed(self.here.history.checkpoints())}
        return screen_for(
            sys.stderr,
            verbosity=self.options.verbosity,
            seconds=seconds,
            outcomes=outcomes,
            diagnose=self._diagnose,
        )

    def _diagnose(self, event: TaskFinished) -> Any:
        """Asked several times of one failure, by whoever shows it."""
        if event.task not in self._diagnoses:
            graph = self.here.loaded.project.graph
            task = graph.task(event.task) if event.task in graph.index else None
            self._diagnoses[event.task] = diagnosis_of(self._plugins, event, task, self._warn)
        return self._diagnoses[event.task]

    def _open(self, loaded: Loaded) -> None:
        here, judge = self.here, self.here.judge
        graph = loaded.project.graph
        choice = self._choice(loaded.project, judge)
        chosen = [graph.tasks[position] for position in sorted(choice.chosen)]
        deferred: dict[str, list[str]] = {}
        stories: dict[str, None] = {}
        if here.filter is not None:
            for position, task in enumerate(graph.tasks):
                if position in choice.chosen or task.name.file not in here.reported or task.text.optional:
                    continue
                if judge.verdict(position).stale:
                    priority = f"P{task.text.priority}" if task.text.priority else "none"
                    deferred.setdefault(priority, []).append(task.text.title)
                    if task.text.story:
                        stories[task.text.story] = None
        settings = self._settings(loaded)
        marked = sum(task.text.parallel for task in chosen)
        mode, why = _mode(settings, graph, choice.chosen, self.options)
        self._emit(
            RunStarted(
                files=tuple(path for path in loaded.project.files if path in here.reported),
                branch=self.repository.branch,
                tasks=sum(1 for task in graph.tasks if task.name.file in here.reported),
                chosen=len(chosen),
                filter=here.selection.filter,
                by_priority=_counts(f"P{t.text.priority}" if t.text.priority else "none" for t in chosen),
                by_story=_counts(t.text.story or "none" for t in chosen),
                deferred={priority: tuple(titles) for priority, titles in sorted(deferred.items())},
                deferred_stories=tuple(stories),
                foundation=len(choice.foundation),
                parallel_tasks=marked,
                mode=mode,
                why=why,
                executors=_counts(t.executor or "none" for t in chosen),
                resumed=self.options.resume,
            )
        )
        self._emit(self._plan(graph, judge, choice))
        for warning in graph.warnings:
            self._emit(Warned(f"{warning.file}:{warning.line}: {warning.message}"))

    def _plan(self, graph: Graph, judge: Judge, choice: Choice) -> Planned:
        forced = self._forced
        will: dict[TaskName, tuple[str, ...]] = {}
        other: dict[str, list[TaskName]] = {"may-run": [], "up-to-date": [], "claimed": []}
        for position in sorted(choice.chosen):
            name, verdict = graph.tasks[position].name, judge.verdict(position)
            if verdict.stale or name in forced:
                reasons = (*verdict.reasons, *([Reason("forced")] if name in forced else []))
                will[name] = tuple(map(str, reasons))
                continue
            if verdict.may_run:
                other["may-run"].append(name)
            if verdict.state == "claimed" or not verdict.may_run:
                other[verdict.state].append(name)
        return Planned(
            will_run=tuple(will),
            may_run=tuple(other["may-run"]),
            up_to_date=tuple(other["up-to-date"]),
            claimed=tuple(other["claimed"]),
            reasons=will,
        )

    # -- after the run ----------------------------------------------------------------------------

    def _while_running(self, event: Event) -> None:
        if not isinstance(event, RunFinished):  # what is found afterwards is still to be told before it
            self._emit(event)

    def _end(self, end: RunFinished, before: set[str], world: World) -> RunFinished:
        """Tells what the run left, and then its end: the last event of all."""
        self._tell_left_alone(before, world)
        end = replace(
            end,
            deferred=next(event.deferred for event in self.events if isinstance(event, RunStarted)),
            filter=self.here.selection.filter,
            skipped_gates=self.options.skip_tests and bool(self.here.loaded.config.gates),
        )
        self._emit(end)
        return end

    def _tell_left_alone(self, before: set[str], world: World) -> None:
        self.here.tree.refresh(None)
        changed = sorted(self.here.tree.dirty() - before)
        committer = world.committer
        left = getattr(committer, "left", [])
        for path in left:
            self._emit(
                Warned(f"{path} was edited meanwhile, so the working tree keeps that; HEAD has the result")
            )
        others = [path for path in changed if path not in left]
        if others:
            listed = ", ".join(others[:10]) + (f" and {len(others) - 10} more" if len(others) > 10 else "")
            self._emit(Warned(f"changed during the run, but no task's target, so left alone: {listed}"))

    def _finish(self) -> tuple[Summary, list[Line]]:
        from specbuild.reporting.summary import summarise
        from specbuild.reporting.summary_text import Invocation, render

        for plugin_reporter in self._plugin_reporters:
            plugin_reporter.close()
        self._reporter.close()
        summary = summarise(self.events, earlier=self._earlier, diagnose=self._diagnose)
        scope: list[str] = []
        for file in self.here.selection.tasks:
            scope += ["--tasks", file]
        if self.here.selection.everything:
            scope.append("--all")
        documents = self._write_reports()
        lines = render(summary, invocation=Invocation(tuple(scope), self._again()), documents=documents)
        self._reporter.show(lines[:1] if self.options.verbosity == "quiet" else [Line(""), *lines])
        page = os.environ.get("GITHUB_STEP_SUMMARY")
        if on_github(os.environ) and page:
            with contextlib.suppress(OSError):  # a page that cannot be written is no failed build
                step_summary(summary, page)
        return summary, lines

    def _refuse_reports(self, loaded: Loaded) -> None:
        if loaded.config.reports:
            from specbuild.cli.documents import refuse_reports

            refuse_reports(loaded)

    def _write_reports(self) -> Sequence[str]:
        """What `[[report]]` asks for; the run is over, so what goes wrong is only told."""
        if not self.here.loaded.config.reports:
            return ()
        from specbuild.cli.documents import write_reports

        written, problems = write_reports(self.here)
        for problem in problems:
            click.echo(f"specbuild: {clean(problem)}", err=True)
        return written

    @property
    def _is_whole(self) -> bool:
        """Whether this run was about all that a run without options is about."""
        narrowed = self.options.only is not None or self.options.skip_tests or self.options.force
        return self.here.selection == Selection() and not narrowed

    def _remember(self, end: RunFinished) -> None:
        """What was found stands until something changes: the next run need not look again."""
        from specbuild.cli.remember import next_words, remember

        opening = next(event for event in self.events if isinstance(event, RunStarted))
        plan = next(event for event in self.events if isinstance(event, Planned))
        if end.headline == "complete" and not end.left:
            remember(self.here, next_words(opening, plan, end))

    def _again(self) -> tuple[str, ...]:
        if self.options.jobs is not None:
            return ("-j", str(self.options.jobs))
        if self.options.parallel is not None:
            return (f"--parallel={self.options.parallel}",) if self.options.parallel else ("--parallel",)
        return ()


def _plugin_files(registry: Registry, tree: WorkingTree) -> Mapping[str, Entry | None]:
    """The repository's files whose code runs, as they are now."""
    return {plugin.file: tree.entry(plugin.file) for plugin in registry.repository}


def _timed(executors: PluginExecutors, watch: Stopwatch) -> PluginExecutors:
    names = {"setup": "setting up (workers)", "run": "recipes (workers)", "verify": "verifying (workers)"}
    return cast("PluginExecutors", watch.timed(executors, **names)) if asked_for() else executors


def _decided(task: Task) -> bool:
    """Whether something runs it: an executor, and for shell and python a recipe."""
    if task.executor is None:
        return False
    return task.recipe is not None or task.executor not in {"shell", "python"}


def _counts(words: Iterator[str] | Sequence[str] | Any) -> Mapping[str, int]:
    return dict(sorted(Counter(words).items(), key=lambda pair: (pair[0] == "none", pair[0])))


def _mode(settings: Settings, graph: Graph, chosen: Collection[int], options: Options) -> tuple[str, str]:
    """How tasks of this run may overlap, and why."""
    marked = [position for position in chosen if graph.tasks[position].text.parallel]
    if settings.overlap == "none":
        if options.parallel is None and options.jobs is None:
            return "serial", "the default; --parallel overlaps tasks marked [P]" if marked else "no [P] tasks"
        return "serial", "one worker"
    if settings.overlap == "marked" and len(marked) < 2:
        return "serial", "no two tasks are marked [P], so nothing may overlap"
    able = marked if settings.overlap == "marked" else chosen
    free = [position for position in able if not graph.tasks[position].alone]
    if len(free) < 2 <= len(able):
        return (
            "serial",
            'with writes = "any" in the working tree each runs alone, so nothing may overlap',
        )
    if in_a_row(graph, free):
        which = "the tasks marked [P]" if settings.overlap == "marked" else "the tasks"
        return "serial", f"{which} wait for one another, so nothing may overlap"
    what = "tasks marked [P] overlap" if settings.overlap == "marked" else "whatever no edge forbids overlaps"
    return f"parallel ({settings.jobs} workers)", what


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


def refuse_no_files(loaded: Loaded) -> None:
    """Raises where there is nothing that a run could be about."""
    if not loaded.project.files:
        raise ConfigError(
            f"there is no task file; looked for {', '.join(DEFAULT_FILES)}",
            hint="write a tasks.md, or name one with `tasks = […]` in specbuild.toml",
        )
