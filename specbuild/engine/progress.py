"""How far a run is: the project as it was read last, what became of its tasks, and whether it goes on."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

from specbuild.engine.events import (
    Outcome,
    RunFinished,
    TaskFinished,
    TaskOutput,
    TaskRetried,
    TaskStarted,
    Warned,
)
from specbuild.engine.judge import Judge
from specbuild.engine.ports import Failure, Reporter, World
from specbuild.engine.project import Project, Settings
from specbuild.engine.request import Request
from specbuild.engine.retrying import Retry
from specbuild.engine.schedule import Schedule, ranks
from specbuild.engine.spending import Purse
from specbuild.engine.tally import Ending, Tally
from specbuild.engine.task import RepoPath, Task, TaskName
from specbuild.engine.transaction import Transactions
from specbuild.engine.verdict import Reason, Verdict
from specbuild.engine.work import Work
from specbuild.errors import SpecbuildError


class Progress:
    """`load` reads the project anew when a task changed the plan itself."""

    def __init__(
        self,
        load: Callable[[], tuple[Project, Judge]],
        world: World,
        request: Request,
        settings: Settings,
        emit: Reporter,
    ) -> None:
        self.world = world
        self.request = request
        self.settings = settings
        self.tally = Tally()
        self.purse = Purse(settings.budget_usd, settings.budget_tokens)
        self.stopping = False
        self.gate_failed = False
        self.plan_is_old = False
        self.changed_elsewhere = False  # what completed tasks depend on may have been changed
        self.ended_by: SpecbuildError | None = None  # why it cannot go on at all
        self._made_again = False  # a task ran because its bytes were lost
        self._saved: set[RepoPath] = set()  # edits that commits of this run hold
        self._load = load
        self._emit = emit
        self._read()

    # -- the plan ---------------------------------------------------------------------------------

    def _read(self) -> None:
        project, judge = self._load()
        choice = self.request.choice(project, judge)
        longest_first = self.settings.overlap == "all" and self.settings.jobs > 1
        self.project, self.judge = project, judge
        self.transactions = Transactions(project, judge, self.world, self.settings, self.completed)
        order = ranks(judge, self.request.first, longest_first=longest_first)
        self.schedule = Schedule(judge.graph, choice, order)
        for name in list(self.tally.names()):
            position = judge.graph.index.get(name)
            if position is None or position not in choice.chosen:
                continue
            if self.tally.outcomes.get(name) in {"failed", "blocked"}:
                self.hold_back(position)  # and its phase stays open: its gate never comes due
            else:
                self.schedule.settle(position)

    def completed(self) -> Sequence[Task]:
        """The tasks that this run completed so far."""
        graph, made = self.judge.graph, self.tally.made()
        return [graph.task(name) for name in made if name in graph.index]

    def plan_stands(self) -> bool:
        """Whether what says which tasks there are says what it said when the plan was made."""
        if not self.transactions.sources.stand():
            self.plan_is_old = self.changed_elsewhere = True
        return not self.plan_is_old

    def saved(self, edits: Iterable[RepoPath]) -> None:
        """A commit took edits; those that were made while tasks ran may concern completed ones."""
        edits = set(edits)
        dirty = self.request.dirty
        self.changed_elsewhere |= bool(edits & self._saved) or (dirty is not None and not edits <= dirty)
        self._saved |= edits

    def read_again(self) -> bool:
        """Makes the plan anew and keeps what was done; what cannot be read ends the run."""
        self.plan_is_old = False
        self.changed_elsewhere |= self.transactions.moved
        try:
            self._read()
        except SpecbuildError as error:
            self.end(error, f"the plan cannot be made anew: {error}")
        return self.ended_by is None

    def end(self, error: SpecbuildError, message: str) -> None:
        """Nothing more is started, and the run has failed."""
        self.ended_by, self.stopping = error, True
        self.warn(message)

    # -- one task ---------------------------------------------------------------------------------

    def verdict(self, position: int) -> Verdict:
        """The judge's, unless the task runs whatever that is."""
        verdict = self.judge.verdict(position)
        name = self.judge.graph.tasks[position].name
        forced = name in self.request.forced and name not in self.tally.outcomes
        reason = Reason("forced") if forced else self.schedule.must_run.get(position)
        if reason is None:
            return verdict
        return replace(verdict, state="stale", reasons=(reason, *verdict.reasons))

    def settle(self, position: int) -> None:
        """What waited only for this task may start."""
        self.tally.reopened.discard(self.judge.graph.tasks[position].name)
        self.schedule.settle(position)

    def needs_no_run(self, position: int, verdict: Verdict) -> None:
        self.tally.needs_no_run(self.judge.graph.tasks[position].name, verdict)
        self.settle(position)

    def leave(self, position: int) -> None:
        """It would repeat a completed `keep` task, and nobody gave leave."""
        self.tally.left[self.judge.graph.tasks[position].name] = None
        self.settle(position)

    def block(self, position: int, error: str, by: TaskName | None = None) -> None:
        self.finish(position, "blocked", error=error, blocked_by=by)
        self.hold_back(position)

    def fail(self, position: int, *, work: Work | None = None, **details: object) -> None:
        self.finish(position, "failed", work=work, **details)
        self.hold_back(position)
        self.schedule.close(position)
        keep_going = self.settings.keep_going
        if keep_going is None:
            keep_going = self.settings.workers > 1
        self.stopping = self.stopping or not keep_going

    def hold_back(self, position: int) -> None:
        """What cannot do without a task that failed or is blocked, all the way down."""
        tasks = self.judge.graph.tasks
        for held in self.schedule.fail(position):
            name = tasks[held].name
            if name in self.tally.outcomes:
                continue
            verdict = self.verdict(held)
            if verdict.stale or verdict.may_run:
                self.finish(held, "blocked", blocked_by=tasks[position].name)
            else:  # it needs no run, so nothing holds it back
                self.tally.needs_no_run(name, verdict)

    # -- once more --------------------------------------------------------------------------------

    def make_again(self, position: int, source: int) -> None:
        """A task needs bytes of an earlier writer that are in no tree any more: that writer runs again."""
        tasks, schedule = self.judge.graph.tasks, self.schedule
        name, writer = tasks[position].name, tasks[source].name
        if schedule.is_made_again(source):
            schedule.wait(position, source)
            return
        if not schedule.can_make_again(source):
            error = (
                f"it starts from what {writer.id} made, and no commit has those bytes any more; "
                f"specbuild adopt {writer.id} records the present ones"
            )
            self.block(position, error, by=writer)
            return
        self.warn(f"{writer.id} runs again: no commit has its bytes any more", name)
        self._made_again = True
        self.tally.runs_again(writer)
        schedule.make_again(position, source)

    def reconsider(self, position: int) -> None:
        """Where tasks were made again, those that follow one were settled before: they are judged once more.

        Its commit has its own result at each target, so that of the last writer is to be restored.
        """
        if not self._made_again:
            return
        names = [task.name for task in self.judge.graph.tasks]
        settled = self.tally.done() - self.tally.reopened
        again = [after for after in self.schedule.followers(position) if names[after] in settled]
        for after in again:
            self.tally.reopen(names[after])
        self.schedule.reopen(again)

    def find_overtaken(self) -> None:
        """Completed tasks whose inputs were changed since: listed, not run again in this run."""
        changed = self.changed_elsewhere or self.transactions.moved
        if not changed or self.ended_by is not None:
            return
        graph, judge = self.judge.graph, self.judge
        for position in range(len(graph.tasks)):
            judge.forget(position)
        done = self.tally.done()
        for position in sorted(graph.index[name] for name in done if name in graph.index):
            verdict, name = judge.verdict(position), graph.tasks[position].name
            if verdict.stale:
                self.tally.overtake(name)
                why = "; ".join(map(str, verdict.reasons))
                self.warn(f"it is stale again, since what it depends on was changed meanwhile: {why}", name)

    # -- telling ----------------------------------------------------------------------------------

    def warn(self, message: str, task: TaskName | None = None) -> None:
        self._emit(Warned(message, task))

    def warn_all(self, messages: Iterable[str], task: TaskName) -> None:
        for message in messages:
            self.warn(message, task)

    def started(self, work: Work) -> None:
        text = work.task.text
        event = TaskStarted(
            task=text.name,
            title=text.title,
            position=work.place,
            total=len(self.schedule.choice.chosen),
            worker=work.worker,
            attempt=work.attempt,
            phase=text.phase,
            story=text.story,
            reasons=tuple(map(str, work.verdict.reasons)),
        )
        self._emit(event)

    def printed(self, work: Work, text: str) -> None:
        """What others than the executor said of an attempt."""
        if text:
            work.log(text)
            self._emit(TaskOutput(work.task.name, text))

    def retried(self, work: Work, retry: Retry, failure: Failure) -> None:
        name = work.task.name
        self._emit(TaskRetried(name, work.attempt, retry.attempts, failure.message, retry.delay))

    def finish(self, position: int, outcome: Outcome, *, work: Work | None = None, **details: object) -> None:
        """Counts and tells an outcome; `details` are further fields of the event."""
        text = self.judge.graph.tasks[position].text
        self.tally.outcomes[text.name] = outcome
        event = TaskFinished(
            task=text.name,
            title=text.title,
            outcome=outcome,
            seconds=work.seconds if work else 0.0,
            attempts=work.attempt if work and outcome != "reused" else 0,
            commit=None,
            position=work.place if work else 0,
            total=len(self.schedule.choice.chosen),
            worker=work.worker if work else 0,
            phase=text.phase,
            story=text.story,
            priority=text.priority,
            parallel=text.parallel,
            output=work.printed if work else "",
            usage=work.usage if work else {},
        )
        self._emit(replace(event, **details))  # type: ignore[arg-type]

    def summary(self, seconds: float, *, interrupted: bool) -> RunFinished:
        self._count_unreached()
        end = self.tally.summary(self._ending(seconds, interrupted=interrupted))
        self._emit(end)
        return end

    def unreached(self) -> Sequence[tuple[TaskName, Verdict]]:
        """Chosen tasks that the run did not come to yet, and that need no run."""
        known, tasks = set(self.tally.names()), self.judge.graph.tasks
        waiting = [p for p in self.schedule.choice.chosen if tasks[p].name not in known]
        found = [(tasks[position].name, self.verdict(position)) for position in waiting]
        return [(name, verdict) for name, verdict in found if not (verdict.stale or verdict.may_run)]

    def _count_unreached(self) -> None:
        """Where a run stopped early."""
        with suppress(SpecbuildError):  # the tree cannot be looked at any more: why is told already
            for name, verdict in self.unreached():
                self.tally.needs_no_run(name, verdict)

    def all_well(self) -> bool:
        return self.tally.all_well(self._ending())

    def _ending(self, seconds: float = 0.0, *, interrupted: bool = False) -> Ending:
        # Those that a task took off the list, itself perhaps, are counted as well.
        chosen = {self.judge.graph.tasks[position].name for position in self.schedule.choice.chosen}
        return Ending(
            seconds=seconds,
            chosen=len(chosen.union(self.tally.names())),
            unsettled=self.schedule.unsettled,
            interrupted=interrupted,
            gate_failed=self.gate_failed,
            limited=self.settings.limit is not None,
            ended_by=None if self.ended_by is None else self.ended_by.exit_code,
        )
