"""The builder: judges late, runs what is stale, records it, and tells what happens (SPEC sections 4 to 8)."""

from collections.abc import Callable, Mapping

from specbuild.engine.events import RunFinished
from specbuild.engine.inbox import Inbox
from specbuild.engine.interruption import Interruption
from specbuild.engine.judge import Judge
from specbuild.engine.ports import Clock, Executors, Refused, Reporter, World
from specbuild.engine.progress import Progress
from specbuild.engine.project import Project, Settings
from specbuild.engine.request import Request, Review, Reviewer
from specbuild.engine.reuse import supply
from specbuild.engine.start import Start, start_of
from specbuild.engine.task import Task, TaskName
from specbuild.engine.underway import UnderWay
from specbuild.engine.verdict import Verdict
from specbuild.engine.workers import Workers
from specbuild.errors import RepositoryError, TaskFileError

__all__ = ["Builder", "Request", "Review", "Reviewer"]

NOBODY_TO_ASK = (
    "a person is to look at what it changed (review), and there is no terminal to ask on; "
    "run specbuild on one, or take `review` out of its rule"
)


class Builder:
    """One run over one project. `load` reads the project anew when a task changed the plan itself."""

    def __init__(
        self,
        load: Callable[[], tuple[Project, Judge]],
        world: World,
        executors: Executors,
        clock: Clock,
        *,
        request: Request,
        settings: Settings,
        environment: Mapping[str, str],
        emit: Reporter,
    ) -> None:
        self._world = world
        self._clock = clock
        self._request = request
        self._settings = settings
        self._inbox = Inbox()
        self._interruption = Interruption(self._inbox.wake)
        self._progress = Progress(load, world, request, settings, emit)
        workers = Workers(executors, clock, self._inbox, emit, began=self._progress.started)
        self._under_way = UnderWay(
            self._progress,
            workers=workers,
            inbox=self._inbox,
            clock=clock,
            interruption=self._interruption,
            environment=environment,
        )
        self._may_repeat: bool | None = None  # None: nobody was asked yet
        self._passed_over: set[tuple[TaskName, str]] = set()  # what was warned of; a plan may be made anew

    # -- the loop ---------------------------------------------------------------------------------

    def run(self) -> RunFinished:
        """Builds; returns (and tells) how it ended. Interrupted, it undoes what was under way first."""
        began = self._clock.now()
        interrupted = False
        with self._interruption.sheltered():
            try:
                self._block_outside()
                self._loop()
                self._progress.find_overtaken()
                self._tick_finished()
                if self._progress.all_well():
                    self._progress.gate_failed = not self._passes("end", None)
                self._interruption.heed()
            except KeyboardInterrupt:
                interrupted = True
                self._under_way.interrupt()
            except RepositoryError as error:  # a lock that stays, a full disk: what was done is told
                self._under_way.interrupt("broken off with the run")
                self._progress.end(error, str(error))
            except BaseException:
                self._under_way.interrupt()
                raise
            finally:
                self._under_way.close()
        return self._progress.summary(self._clock.now() - began, interrupted=interrupted)

    def interrupt(self) -> None:
        """What a signal means."""
        self._interruption()

    def _loop(self) -> None:
        progress, under_way = self._progress, self._under_way
        quiet = False
        while True:
            self._interruption.heed()
            self._launch()
            # A commit may let a further task start: where a worker has nothing to do it must not wait.
            idle = len(under_way.running) < self._settings.workers
            under_way.commit_waiting(at_once=idle or quiet)
            if under_way.running or under_way.committing:
                event = self._inbox.take(under_way.patience)
                quiet = event is None
                if event is not None:
                    under_way.take(event)
            elif progress.plan_is_old:
                if progress.read_again():
                    self._block_outside()
            else:
                return

    # -- starting ---------------------------------------------------------------------------------

    def _launch(self) -> None:
        """Starts as many tasks as may run now; settles those that need no running."""
        progress, under_way = self._progress, self._under_way
        under_way.begin_waiting()
        while under_way.takes_more and not (progress.stopping or progress.plan_is_old):
            if self._due_gate() or not progress.plan_stands():
                return
            position = progress.schedule.next(self._may_overlap)
            if position is None:
                return
            if self._limit_reached():
                # While tasks run, the gate of a phase that they complete is still to come.
                progress.stopping = not self._under_way.count
                return
            self._interruption.heed()
            if not under_way.full:
                progress.schedule.start(position)
                self._begin(position)
            elif not self._line_up(position):
                return

    def _line_up(self, position: int) -> bool:
        """Opens a task before a worker is free for it, if that concerns nothing but its own paths."""
        progress, judge = self._progress, self._progress.judge
        judge.renew(position, self._world.tree.touched)
        verdict, task = progress.verdict(position), judge.graph.tasks[position]
        start = None
        if verdict.stale:
            if position in progress.schedule.must_run or self._repeats(task, verdict):
                return False
            start = start_of(judge, position, self._world.tree)
            if start.lost is not None or not progress.transactions.is_plain(position, start):
                return False
        progress.schedule.start(position)
        self._begin(position, start)
        return True

    def _leave_off(self) -> None:
        """A person switched branches: what is in the working tree now is not what this run is about."""
        error = RepositoryError(
            "HEAD no longer names the branch that this run began on, so no further task is started",
            hint="switch back, and run specbuild again",
        )
        self._progress.end(error, str(error))

    def _may_overlap(self, position: int) -> bool:
        opened = self._under_way.opened
        if not self._progress.schedule.apart(position, self._under_way.unrecorded):
            return False
        if not opened:
            return True
        tasks = self._progress.judge.graph.tasks
        together = [tasks[p] for p in (*opened, position)]
        if any(task.alone for task in together):
            return False
        return self._settings.overlap == "all" or all(task.text.parallel for task in together)

    def _limit_reached(self) -> bool:
        limit = self._settings.limit
        return limit is not None and self._progress.tally.ran + self._under_way.count >= limit

    def _begin(self, position: int, start: Start | None = None) -> None:
        """Judges a task whose turn has come, and does what its verdict asks for.

        `start`: that of a plain task that was judged just now.
        """
        progress, judge = self._progress, self._progress.judge
        if start is None:
            judge.renew(position, self._world.tree.touched)
        verdict = progress.verdict(position)
        task = judge.graph.tasks[position]
        if not verdict.stale:
            progress.needs_no_run(position, verdict)
            return
        if not self._world.committer.attached():
            self._leave_off()
            return
        if self._repeats(task, verdict) and not self._has_leave():
            progress.leave(position)
            return
        if position not in progress.schedule.must_run:
            found = supply(task, verdict, self._world.history, self._world.tree, self._settings)
            if found is not None:
                self._under_way.reuse(position, verdict, found)
                return
        plain = start is not None
        if start is None:
            start = start_of(judge, position, self._world.tree)
            plain = progress.transactions.is_plain(position, start)
        refusal = progress.purse.refusal(task.executor)
        unseen = task.review and self._request.review is None
        if start.lost is not None:
            progress.make_again(position, start.lost)
        elif unseen:  # before it costs anything
            progress.fail(position, error=NOBODY_TO_ASK)
        elif refusal is not None:
            progress.block(position, refusal)
        else:
            self._under_way.start(position, verdict, start, plain=plain)

    def _repeats(self, task: Task, verdict: Verdict) -> bool:
        """Whether this would repeat a completed `keep` task; one that was rolled back is not completed."""
        forced = task.name in self._request.forced
        return not task.rebuild and verdict.checkpoint is not None and not forced

    def _has_leave(self) -> bool:
        """Asks once, for all tasks that would be repeated."""
        if self._may_repeat is None:
            judge, progress = self._progress.judge, self._progress
            names = [
                task.name
                for position, task in enumerate(judge.graph.tasks)
                if position in progress.schedule.choice.chosen
                and task.name not in progress.tally.outcomes
                and judge.verdict(position).stale
                and self._repeats(task, judge.verdict(position))
            ]
            with self._interruption.exposed():
                self._may_repeat = self._request.leave(names)
        return self._may_repeat

    def _block_outside(self) -> None:
        """Chosen tasks that cannot do without one that is not chosen.

        All of them before what they hold back in turn: one that another holds back has its own reason.
        """
        progress, tasks = self._progress, self._progress.judge.graph.tasks
        choice, known = progress.schedule.choice, set(progress.tally.names())
        outside = {p: source for p, source in choice.outside.items() if tasks[p].name not in known}
        for position, source in sorted(outside.items()):
            name = tasks[source].name
            error = f"it needs {name.id}, which is unfinished and not chosen; --with-needs chooses it"
            progress.finish(position, "blocked", error=error, blocked_by=name)
        for position in sorted(outside):
            progress.hold_back(position)
        known = set(progress.tally.names())  # those that are blocked do not start at all
        for position, source in choice.passed_over:
            name, id_ = tasks[position].name, tasks[source].name.id
            if name not in known and (name, id_) not in self._passed_over:
                self._passed_over.add((name, id_))
                progress.warn(f"it does not wait for {id_}, which is unfinished and not chosen", name)

    # -- phases and ticks -------------------------------------------------------------------------

    def _due_gate(self) -> bool:
        """Runs the gate of a phase whose chosen tasks are all done; says whether to wait or stop."""
        if self._request.gates is None:
            return False
        progress = self._progress
        due = progress.schedule.due()
        if not due or self._under_way.running:
            return bool(due)
        self._under_way.flush()
        passed = self._passes("phase", progress.schedule.take(due))
        progress.gate_failed = progress.stopping = not passed
        return not passed

    def _passes(self, at: str, phase: str | None) -> bool:
        if self._request.gates is None:
            return True
        with self._interruption.exposed():
            return self._request.gates(at, phase)

    def _tick_finished(self) -> None:
        """A box is a view: a completed task that was unticked is ticked again."""
        if not self._settings.tick or not self._world.committer.attached():
            return  # not those of the branch that a person switched to
        graph = self._progress.judge.graph
        names = sorted(name for name in self._progress.tally.up_to_date if name in graph.index)
        tasks = [graph.task(name) for name in names if not graph.task(name).text.ticked]
        # Those of this run, too: an edited file got no ticks, a person's commit may have taken some back.
        completed = self._progress.completed()
        self._world.tree.refresh({task.name.file for task in completed})
        try:
            self._progress.transactions.tick([*tasks, *completed])
        except (Refused, TaskFileError) as error:  # by a git hook; a person made the file unreadable
            where = "" if isinstance(error, Refused) else f"{error.where}: "
            self._progress.warn(f"boxes of complete tasks stay unticked: {where}{error.what}")
            return
        for task in tasks:
            again = f"specbuild --force {task.name.id} runs it again"
            self._progress.warn(f"it is complete, so its box is ticked again; {again}", task.name)
