"""The builder: judges late, runs what is stale, records it, and tells what happens (SPEC sections 4 to 8)."""

import queue
import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from specbuild.engine.checkpoint import ABSENT, Recorded
from specbuild.engine.events import (
    Headline,
    Outcome,
    RunFinished,
    TaskFinished,
    TaskOutput,
    TaskRetried,
    TaskStarted,
    Warned,
)
from specbuild.engine.judge import Judge
from specbuild.engine.plan import Choice, Plan
from specbuild.engine.ports import Clock, Executors, Failure, Moved, Ran, Reporter, Unusable
from specbuild.engine.project import Project, Settings
from specbuild.engine.record import Results
from specbuild.engine.spending import Purse, added
from specbuild.engine.start import Start, start_of
from specbuild.engine.task import Entry, Oid, RepoPath, Task, TaskName
from specbuild.engine.transaction import Done, Group, Member, Overtaken, Transactions, Work, World, reusable
from specbuild.engine.verdict import Reason, Verdict
from specbuild.errors import RepositoryError, SpecbuildError

PATIENCE = 5
"""So many times a task begins again because the branch or its inputs moved under it."""

BACKOFF = 0.5
"""Seconds before the second attempt; doubled for each further one, with jitter, up to a minute."""


class Review(NamedTuple):
    """What a person says of a task's difference."""

    decision: Literal["accept", "retry", "reject"]
    note: str = ""


Reviewer = Callable[[Task, Mapping[RepoPath, tuple[Entry | None, Entry | None]]], Review]
"""Is shown what a task changed, path by path: before, after (None: absent)."""


@dataclass(frozen=True, slots=True)
class Request:
    """What this run was asked for, by task name so that it outlives a changed plan."""

    choice: Callable[[Project, Judge], Choice]
    forced: frozenset[TaskName] = frozenset()
    first: frozenset[TaskName] = frozenset()  # what failed last time (--continue)
    leave: Callable[[Sequence[TaskName]], bool] = lambda _names: False  # to repeat `keep` tasks
    gates: Callable[[str, str | None], bool] | None = None  # at ("phase", "end"), phase -> passed
    review: Reviewer | None = None  # None: nobody is there to ask


class _Event(NamedTuple):
    """What a worker sends back."""

    work: Work
    stage: str  # "setup", "run" or "verify"
    outcome: Failure | Ran


class _Committed(NamedTuple):
    """What the committer's thread sends back."""

    group: Group
    answer: Sequence[Oid] | BaseException


@dataclass(slots=True)
class _Tally:
    """What became of the chosen tasks."""

    outcomes: dict[TaskName, Outcome] = field(default_factory=dict)
    up_to_date: set[TaskName] = field(default_factory=set)
    claimed: dict[TaskName, None] = field(default_factory=dict)
    left: dict[TaskName, None] = field(default_factory=dict)
    overtaken: dict[TaskName, None] = field(default_factory=dict)  # earlier tasks whose inputs changed
    ran: int = 0

    def count(self, outcome: Outcome) -> int:
        return sum(1 for found in self.outcomes.values() if found == outcome)


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
        self._load = load
        self._world = world
        self._executors = executors
        self._clock = clock
        self._request = request
        self._settings = settings
        self._environment = environment
        self._emit = emit
        self._finished: queue.SimpleQueue[_Event | _Committed | None] = queue.SimpleQueue()
        self._held: deque[_Event] = deque()  # events that came while one of another kind was waited for
        self._running: dict[int, Work] = {}
        self._waiting: list[Member] = []  # completed; their commit waits for the one under way
        self._committing: Group | None = None
        self._committer = threading.Thread()
        self._cancelled = threading.Event()
        self._workers_away: dict[int, threading.Thread] = {}
        self._sheltered = False
        self._interrupted = False
        self._tally = _Tally()
        self._stopping = False
        self._may_repeat: bool | None = None
        self._gate_failed = False
        self._made_again = False  # a task ran because its bytes were lost
        self._reopened: set[TaskName] = set()  # settled before, and to be judged once more
        self._purse = Purse(settings.budget_usd, settings.budget_tokens)
        self._changed_elsewhere = False  # a task changed more than its own targets
        self._plan_is_old = False
        self._ended_by: SpecbuildError | None = None  # why it cannot go on at all
        self._adopt_plan()

    # -- the loop ---------------------------------------------------------------------------------

    def run(self) -> RunFinished:
        """Builds; returns (and tells) how it ended. Interrupted, it undoes what was under way first."""
        began = self._clock.now()
        interrupted = False
        self._sheltered = True
        try:
            self._block_outside()
            self._loop()
            self._find_overtaken()
            self._tick_finished()
            if self._complete() and self._request.gates is not None:
                self._gate_failed = not self._passes("end", None)
            self._heed()
        except KeyboardInterrupt:
            interrupted = True
            self._interrupt()
        except BaseException:
            self._interrupt()
            raise
        finally:
            self._sheltered = False
        end = self._summary(self._clock.now() - began, interrupted=interrupted)
        self._emit(end)
        return end

    def _loop(self) -> None:
        while True:
            self._heed()
            self._launch()
            self._commit_waiting()
            if self._running or self._committing is not None:
                event = self._held.popleft() if self._held else self._finished.get()
                if event is not None:
                    self._take(event)
            elif self._plan_is_old:
                self._read_again()
            else:
                return

    def interrupt(self) -> None:
        """What a signal means; a second one changes nothing.

        Only where nothing but a person or a gate is waited for KeyboardInterrupt comes at once. Anywhere else
        it could leave a commit half told, or a lock that a worker waits for in a frame that is unwound.
        """
        if self._interrupted:
            return
        self._interrupted = True
        if not self._sheltered:
            raise KeyboardInterrupt
        self._finished.put(None)  # wakes the loop

    @contextmanager
    def _exposed(self) -> Iterator[None]:
        """Where a person is asked or a gate runs, which a signal ends."""
        self._heed()
        self._sheltered = False
        try:
            yield
        finally:
            self._sheltered = True

    def _heed(self) -> None:
        if self._interrupted:
            raise KeyboardInterrupt

    def _passes(self, at: str, phase: str | None) -> bool:
        if self._request.gates is None:
            return True
        with self._exposed():
            return self._request.gates(at, phase)

    def _take(self, event: "_Event | _Committed") -> None:
        if isinstance(event, _Committed):
            self._committed(event)
        else:
            self._settle(event)

    def _adopt_plan(self) -> None:
        self._must_run: dict[int, Reason] = {}  # its positions were the old plan's
        self._project, self._judge = self._load()
        self._transactions = Transactions(self._project, self._judge, self._world, self._settings)
        self._choice = self._request.choice(self._project, self._judge)
        graph = self._judge.graph
        names = {name: position for name, position in graph.index.items() if position in self._choice.chosen}
        self._rank = self._ranks()
        self._plan = Plan(graph, self._choice.chosen, lambda position: self._rank.get(position, position))
        self._phases = Counter(self._phase(position) for position in self._choice.chosen)
        for name in [*self._tally.outcomes, *self._tally.up_to_date, *self._tally.claimed, *self._tally.left]:
            if name not in names or name in self._reopened:
                continue
            if self._tally.outcomes.get(name) == "failed":
                self._hold_back(names[name])
            else:
                self._plan.settle(names[name])
            self._phases[self._phase(names[name])] -= 1

    def _phase(self, position: int) -> tuple[RepoPath, int]:
        text = self._judge.graph.tasks[position].text
        return text.name.file, text.phase_index

    def _ranks(self) -> dict[int, float]:
        """Order among ready tasks: what failed last time, then as the files have it or longest path first."""
        graph = self._judge.graph
        ranks: dict[int, float] = {}
        if self._settings.overlap == "all" and self._settings.jobs > 1:
            length: dict[int, float] = {}
            for position in reversed(graph.order):
                found = self._judge.checkpoints(position)
                own = found[0].checkpoint.seconds if found else 1.0
                length[position] = own + length.get(position, 0.0)
                for edge in graph.edges[position]:
                    source = graph.index[edge.source]
                    length[source] = max(length.get(source, 0.0), length[position])
            ranks = {position: -seconds for position, seconds in length.items()}
        lowest = min(ranks.values(), default=0.0) - 1.0
        for name in self._request.first:
            if name in graph.index:
                ranks[graph.index[name]] = lowest
        return ranks

    # -- starting ---------------------------------------------------------------------------------

    def _launch(self) -> None:
        """Starts as many tasks as may run now; settles those that need no running."""
        while not self._stopping and not self._plan_is_old and len(self._running) < self._workers():
            if self._due_gate():
                return
            position = next((p for p in self._plan.candidates() if self._may_overlap(p)), None)
            if position is None:
                return
            if self._limit_reached():
                self._stopping = True
                return
            if not self._world.committer.attached():
                self._leave_off()
                return
            self._heed()
            self._plan.start(position)
            self._begin(position)

    def _leave_off(self) -> None:
        """A person switched branches: what is in the working tree now is not what this run is about."""
        self._stopping = True
        self._ended_by = RepositoryError(
            "HEAD no longer names the branch that this run began on, so no further task is started",
            hint="switch back, and run specbuild again",
        )
        self._emit(Warned(str(self._ended_by)))

    def _workers(self) -> int:
        return self._settings.jobs if self._settings.overlap != "none" else 1

    def _may_overlap(self, position: int) -> bool:
        if not self._running:
            return True
        tasks = [self._judge.graph.tasks[p] for p in (*self._running, position)]
        if any(task.alone for task in tasks):
            return False
        return self._settings.overlap == "all" or all(task.text.parallel for task in tasks)

    def _limit_reached(self) -> bool:
        limit = self._settings.limit
        return limit is not None and self._tally.ran + self._under_way() >= limit

    def _under_way(self) -> int:
        committing = 0 if self._committing is None else len(self._committing.members)
        return len(self._running) + len(self._waiting) + committing

    def _begin(self, position: int) -> None:
        self._judge.forget(position)
        verdict = self._verdict(position)
        task = self._judge.graph.tasks[position]
        if not verdict.stale:
            self._already(position, task, verdict)
            return
        if self._repeats(task, verdict) and not self._has_leave():
            self._tally.left[task.name] = None
            self._pass(position)
            return
        if self._reuse(position, verdict):
            return
        start = start_of(self._judge, position, self._world.tree)
        if start.lost is not None:
            self._make_again(position, start.lost)
            return
        refusal = self._purse.refusal(task.executor)
        if refusal is not None:
            self._finish(position, "blocked", error=refusal)
            self._hold_back(position)
            return
        self._start(position, verdict, start)

    def _verdict(self, position: int) -> Verdict:
        verdict = self._judge.verdict(position)
        name = self._judge.graph.tasks[position].name
        forced = name in self._request.forced and name not in self._tally.outcomes
        reason = Reason("forced") if forced else self._must_run.get(position)
        if reason is None:
            return verdict
        return replace(verdict, state="stale", reasons=(reason, *verdict.reasons))

    def _already(self, position: int, task: Task, verdict: Verdict) -> None:
        self._note(task, verdict)
        self._pass(position)

    def _note(self, task: Task, verdict: Verdict) -> None:
        if verdict.state == "claimed":
            self._tally.claimed[task.name] = None
        elif task.name not in self._tally.outcomes:
            self._tally.up_to_date.add(task.name)

    def _pass(self, position: int) -> None:
        self._reopened.discard(self._judge.graph.tasks[position].name)
        self._plan.settle(position)
        self._phases[self._phase(position)] -= 1

    def _repeats(self, task: Task, verdict: Verdict) -> bool:
        """Whether this would repeat a completed `keep` task; one that was rolled back is not completed."""
        forced = task.name in self._request.forced
        return not task.rebuild and verdict.checkpoint is not None and not forced

    def _has_leave(self) -> bool:
        if self._may_repeat is None:
            names = [
                task.name
                for position, task in enumerate(self._judge.graph.tasks)
                if position in self._choice.chosen
                and task.name not in self._tally.outcomes
                and self._judge.verdict(position).stale
                and self._repeats(task, self._judge.verdict(position))
            ]
            with self._exposed():
                self._may_repeat = self._request.leave(names)
        return self._may_repeat

    def _make_again(self, position: int, source: int) -> None:
        """A task needs bytes of an earlier writer that are in no tree any more: that writer runs again."""
        graph = self._judge.graph
        task, writer = graph.tasks[position], graph.tasks[source]
        if source in self._must_run and not self._plan.settled(source):
            self._plan.postpone(position, until=source)
            return
        if not writer.rebuild or source not in self._choice.chosen or source in self._must_run:
            error = (
                f"it starts from what {writer.name.id} made, and no commit has those bytes any more; "
                f"specbuild adopt {writer.name.id} records the present ones"
            )
            self._finish(position, "blocked", error=error, blocked_by=writer.name)
            self._hold_back(position)
            return
        self._emit(Warned(f"{writer.name.id} runs again: no commit has its bytes any more", task.name))
        self._must_run[source] = Reason("target-missing", task=task.name)
        self._made_again = True
        self._tally.outcomes.pop(writer.name, None)
        self._tally.up_to_date.discard(writer.name)
        self._phases[self._phase(source)] += 1
        self._plan.postpone(position, until=source)
        self._plan.again(source)

    def _reconsider(self, position: int) -> None:
        """A task was made again, whose followers were settled before: they are judged once more, in order.

        Its commit has its own result at each target, so that of the last writer is to be restored.
        """
        graph, name = self._judge.graph, self._judge.graph.tasks[position].name
        found = {
            after
            for target in graph.tasks[position].targets
            for _, writers in graph.writers.overlapping(target)
            for after in writers
        }
        for after, edges in enumerate(graph.edges):
            if any(edge.content and edge.source == name for edge in edges):
                found.add(after)
        settled = self._tally.up_to_date | {
            other for other, outcome in self._tally.outcomes.items() if outcome in {"completed", "reused"}
        }
        waits: tuple[int, ...] = ()
        for after in sorted(found):
            follower = graph.tasks[after].name
            if after > position and follower in settled - self._reopened:
                self._tally.up_to_date.discard(follower)
                self._reopened.add(follower)
                self._phases[self._phase(after)] += 1
                self._plan.again(after, behind=waits)
                waits = (after,)

    def _start(self, position: int, verdict: Verdict, start: Start) -> None:
        worker = min(set(range(1, self._workers() + 1)) - {w.worker for w in self._running.values()})
        plain = self._transactions.is_plain(position, start)
        if not plain:
            self._flush()
        try:
            work = self._transactions.open(
                position, verdict, start, worker=worker, place=self._place(), now=self._clock.now()
            )
        except Unusable as error:
            self._give_up(position, str(error))
            return
        work.plain = plain and self._workers() > 1
        self._running[position] = work
        self._dispatch(work, _first_stage(work), delay=0.0)

    def _place(self) -> int:
        settled = len(self._choice.chosen) - self._plan.unsettled
        return settled + self._under_way() + 1

    def _dispatch(self, work: Work, stage: str, *, delay: float) -> None:
        attempt = self._transactions.attempt(work, self._environment)
        if stage == _first_stage(work):
            self._emit(self._started(work))
        executors = self._executors
        call = {"setup": executors.setup, "run": executors.run, "verify": executors.verify}[stage]

        def log(text: str) -> None:
            work.output.append(text[-20_000:])
            if len(work.output) > 200:  # a recipe may print without end
                work.output[:] = ["".join(work.output)[-20_000:]]
            self._emit(TaskOutput(work.task.name, text))

        def body() -> None:
            try:
                if delay:
                    self._clock.sleep(delay, self._cancelled.is_set)
                outcome = call(attempt, log, self._cancelled.is_set)
            except BaseException as error:  # noqa: BLE001  (a worker must always answer)
                outcome = Failure(work.attempt, f"{type(error).__name__}: {error}", "")
            self._finished.put(_Event(work, stage, outcome))

        thread = threading.Thread(target=body, name=f"worker-{work.worker}", daemon=True)
        self._workers_away[work.worker] = thread
        thread.start()

    def _started(self, work: Work) -> TaskStarted:
        text = work.task.text
        return TaskStarted(
            task=text.name,
            title=text.title,
            position=work.place,
            total=len(self._choice.chosen),
            worker=work.worker,
            attempt=work.attempt,
            phase=text.phase,
            story=text.story,
            reasons=tuple(map(str, work.verdict.reasons)),
        )

    # -- reuse ------------------------------------------------------------------------------------

    def _reuse(self, position: int, verdict: Verdict) -> bool:
        """Takes a result of the same key from another checkpoint, if there is one."""
        task = self._judge.graph.tasks[position]
        codes = {reason.code for reason in verdict.reasons}
        if not (self._settings.reuse and task.writes == "declared" and (task.rebuild or task.reuse)):
            return False
        if codes & {"forced", "rolled-back"} or position in self._must_run or not task.targets:
            return False
        for recorded in self._supply(verdict):
            entries = reusable(self._judge, recorded, self._world.tree)
            if entries is None or set(recorded.checkpoint.targets) - set(task.targets):
                continue
            self._flush()
            work = self._transactions.open(
                position, verdict, Start(dict(entries)), worker=1, place=self._place(), now=self._clock.now()
            )
            work.notes.append(f"Reused from {recorded.commit}")
            work.seconds = recorded.checkpoint.seconds
            done = self._record(work, self._transactions.results(work))
            if done is not None:
                self._completed(work, done, "reused", source=recorded)
            return True
        return False

    def _supply(self, verdict: Verdict) -> Iterable[Recorded]:
        history = self._world.history
        here = history.with_key(verdict.key)
        yield from (recorded for recorded in here if _supplies(recorded, verdict) and not recorded.undone)
        if not any(recorded.undone for recorded in here):
            there = history.elsewhere(self._settings.reuse_from, verdict.key)
            yield from (recorded for recorded in there if _supplies(recorded, verdict))

    # -- settling ---------------------------------------------------------------------------------

    def _settle(self, event: _Event) -> None:
        work = event.work
        work.seconds = self._clock.now() - work.began
        self._pay(work, event)
        if isinstance(event.outcome, Failure):
            self._failed_attempt(work, event.outcome)
            return
        if event.stage == "setup":
            work.sandbox.prepared(work.task.setup or "")
            self._dispatch(work, "run", delay=0.0)
            return
        if event.stage == "run":
            work.doubt = event.outcome.doubt
        try:
            results = self._transactions.results(work)
        except Unusable as error:
            self._failed_attempt(work, Failure(work.attempt, str(error), ""))
            return
        objection = self._transactions.objection(work, results)
        if objection is not None:
            self._failed_attempt(work, objection)
        elif event.stage == "run" and work.task.verify is not None:
            self._dispatch(work, "verify", delay=0.0)
        elif not work.task.review or self._reviewed(work, results):
            self._conclude(work, results)

    def _pay(self, work: Work, event: _Event) -> None:
        work.cost = added(work.cost if event.stage == "verify" else {}, event.outcome.usage)
        work.usage = added(work.usage, event.outcome.usage)
        self._purse.pay(work.task.executor, event.outcome.usage)

    def _reviewed(self, work: Work, results: Results) -> bool:
        """Whether a person accepts what the task changed; otherwise the attempt has failed."""
        if self._request.review is None:
            message = (
                "a person is to look at what it changed (review), and there is no terminal to ask on; "
                "run specbuild on one, or take `review` out of its rule"
            )
            self._failed_attempt(work, Failure(work.attempt, message, "", permanent=True))
            return False
        difference = self._transactions.difference(work, results)
        with self._exposed():
            review = self._request.review(work.task, difference)
        if review.decision == "accept":
            return True
        note = f": {review.note}" if review.note else ""
        again = review.decision == "retry"
        work.asked += again
        message = f"a person looked at it and {'asks for another attempt' if again else 'rejects it'}{note}"
        self._failed_attempt(work, Failure(work.attempt, message, "", permanent=not again))
        return False

    def _conclude(self, work: Work, results: Results) -> None:
        changed = self._transactions.disturbed(work)
        if changed and (work.task.rebuild or not work.sandbox.in_place):
            work.disturbed += 1
            own = work.sandbox.in_place
            if work.disturbed > (1 if own else PATIENCE):
                message = (
                    f"{'it changed its own input' if own else 'inputs keep changing:'} {', '.join(changed)}"
                )
                self._failed_attempt(work, Failure(work.attempt, message, "", permanent=True))
                return
            self._emit(Warned(f"{', '.join(changed)} changed meanwhile: once more", work.task.name))
            self._begin_again(work)
            return
        if work.plain and not changed and not results.missing:
            self._running.pop(work.position, None)
            self._waiting.append(self._transactions.complete(work, results))
            return
        self._flush()
        done = self._record(work, results, changed)
        if done is not None:
            self._completed(work, done, "completed")

    # -- committing several at once ---------------------------------------------------------------

    def _commit_waiting(self) -> None:
        """Commits what waits, all of it at once, if no commit is under way; a lone task does not wait."""
        if self._committing is not None or not self._waiting:
            return
        late = self._transactions.catch_up([(member.work, member.results) for member in self._waiting])
        if late:
            positions = {work.position for work in late}
            self._waiting = [member for member in self._waiting if member.work.position not in positions]
            for work in late:
                self._overtaken(work, "what it reads or writes")
            return
        group = self._transactions.group(self._waiting, subject=self._settings.subject)

        def body() -> None:
            try:
                answer: Sequence[Oid] | BaseException = self._transactions.commit(group)
            except BaseException as error:  # noqa: BLE001  (as for a worker)
                answer = error
            self._finished.put(_Committed(group, answer))

        self._committer = threading.Thread(target=body, name="committer", daemon=True)
        self._committer.start()
        self._waiting, self._committing = [], group

    def _committed(self, event: "_Committed") -> None:
        self._committing = None
        members = event.group.members
        if isinstance(event.answer, BaseException):
            self._waiting[:0] = members
            if not isinstance(event.answer, Moved):
                raise event.answer
            return
        made = self._transactions.recorded(event.group, event.answer)
        for member, done in zip(members, made, strict=True):
            self._completed(member.work, done, "completed")

    def _flush(self) -> None:
        """Waits until all that is completed is recorded: what follows looks at HEAD, or moves it."""
        while self._waiting or self._committing is not None:
            self._commit_waiting()
            if self._committing is not None:
                event = self._finished.get()
                if isinstance(event, _Committed):
                    self._committed(event)
                elif event is not None:
                    self._held.append(event)

    def _record(self, work: Work, results: Results, changed: Sequence[RepoPath] = ()) -> Done | None:
        """Commits; None where the branch moved under it, so that it is judged again."""
        try:
            return self._transactions.record(work, results, subject=self._settings.subject, changed=changed)
        except Overtaken as error:
            self._overtaken(work, ", ".join(map(str, error.args)) or "what it reads or writes")
            return None
        except BaseException:
            self._running.pop(work.position, None)
            self._transactions.abandon(work, keep=True, why="it could not be recorded")
            raise

    def _overtaken(self, work: Work, what: str) -> None:
        work.overtaken += 1
        if work.overtaken > PATIENCE:
            message = f"the branch kept moving, and changed {what}"
            self._failed_attempt(work, Failure(work.attempt, message, "", permanent=True))
            return
        self._emit(Warned(f"the branch moved and changed {what}: once more", work.task.name))
        self._begin_again(work)

    def _begin_again(self, work: Work) -> None:
        self._transactions.abandon(work, keep=False, why="")
        self._running.pop(work.position, None)
        moved = self._committing is None and self._transactions.head != self._world.committer.head()
        self._flush()
        name = work.task.name
        if moved or self._transactions.head != self._world.committer.head():
            self._transactions.head = self._world.committer.head()
            self._world.tree.refresh(None)
            self._replan()
            if not self._running and not self._read_again():
                return
        position = self._judge.graph.index.get(name)
        if position is None:
            return
        self._judge.forget(position)
        verdict = self._verdict(position)
        if not verdict.stale:
            self._already(position, work.task, verdict)
            return
        start = start_of(self._judge, position, self._world.tree)
        try:
            again = self._transactions.open(
                position, verdict, start, worker=work.worker, place=work.place, now=self._clock.now()
            )
        except Unusable as error:
            self._give_up(position, str(error))
            return
        again.disturbed, again.failures, again.attempt = work.disturbed, work.failures, work.attempt
        again.overtaken, again.usage, again.asked = work.overtaken, work.usage, work.asked
        self._plan.start(position)
        self._running[position] = again
        self._dispatch(again, _first_stage(again), delay=0.0)

    def _completed(self, work: Work, done: Done, outcome: Outcome, source: Recorded | None = None) -> None:
        self._running.pop(work.position, None)
        position, name = work.position, work.task.name
        self._must_run.pop(position, None)
        if done.recorded is not None:
            self._judge.recorded(position, done.recorded)
        self._tally.ran += 1
        for message in (*done.warnings, *dict.fromkeys(work.told)):
            self._emit(Warned(message, name))
        self._finish(
            position,
            outcome,
            work=work,
            commit=done.commit,
            files=done.files,
            reused_from=source.commit if source else None,
            saved_seconds=source.checkpoint.seconds if source else None,
        )
        self._pass(position)
        if self._made_again:
            self._reconsider(position)
        self._changed_elsewhere |= done.elsewhere
        if done.replan:
            self._replan()

    def _replan(self) -> None:
        """The tasks themselves may have changed: read them again when no worker is on one of the old plan."""
        self._plan_is_old = True

    def _read_again(self) -> bool:
        """Makes the plan anew and keeps what was done; what cannot be read ends the run."""
        self._plan_is_old = False
        try:
            self._adopt_plan()
        except SpecbuildError as error:
            self._ended_by, self._stopping = error, True
            self._emit(Warned(f"the plan cannot be made anew: {error}"))
        return self._ended_by is None

    def _find_overtaken(self) -> None:
        """Completed tasks whose inputs a later one changed: listed, not run again in this run."""
        if not self._changed_elsewhere or self._ended_by is not None:
            return
        graph = self._judge.graph
        done = {name for name, outcome in self._tally.outcomes.items() if outcome in {"completed", "reused"}}
        positions = sorted(graph.index[n] for n in done | self._tally.up_to_date if n in graph.index)
        for position in range(len(graph.tasks)):
            self._judge.forget(position)
        for position in positions:
            verdict = self._judge.verdict(position)
            name = graph.tasks[position].name
            if verdict.stale:
                self._tally.overtaken[name] = None
                self._tally.up_to_date.discard(name)
                why = "; ".join(map(str, verdict.reasons))
                self._emit(
                    Warned(f"it is stale again, since a later task changed what it depends on: {why}", name)
                )

    def _failed_attempt(self, work: Work, failure: Failure) -> None:
        failure = replace(failure, attempt=work.attempt, usage=work.cost)
        work.failures.append(failure)
        attempts = work.task.retries + 1 + work.asked
        if failure.permanent or work.attempt >= attempts or self._cancelled.is_set():
            self._failed(work, failure)
            return
        refusal = self._purse.refusal(work.task.executor)
        if refusal is not None:
            self._failed(work, replace(failure, message=f"{failure.message}; {refusal}"))
            return
        delay = min(60.0, BACKOFF * 2 ** (work.attempt - 1)) * random.uniform(0.75, 1.25)  # noqa: S311
        self._emit(TaskRetried(work.task.name, work.attempt, attempts, failure.message, delay))
        work.attempt += 1
        work.output.clear()
        work.doubt = ""
        try:
            work.sandbox.reset()
        except Unusable as error:
            self._failed(work, replace(failure, message=f"{failure.message}; {error}"))
            return
        self._world.tree.refresh(work.task.targets)
        self._dispatch(work, _first_stage(work), delay=delay)

    def _failed(self, work: Work, failure: Failure) -> None:
        ref = self._transactions.abandon(work, keep=True, why=failure.message)
        self._running.pop(work.position, None)
        for message in dict.fromkeys(work.told):
            self._emit(Warned(message, work.task.name))
        self._finish(
            work.position,
            "failed",
            work=work,
            error=failure.message,
            exit_code=failure.exit_code,
            timed_out=failure.timed_out,
            partial=ref,
        )
        self._after_failure(work.position)

    def _give_up(self, position: int, error: str) -> None:
        """Its start state could not be laid out."""
        self._finish(position, "failed", error=error)
        self._after_failure(position)

    def _after_failure(self, position: int) -> None:
        self._hold_back(position)
        self._phases[self._phase(position)] += 1_000_000  # its gate never comes due
        keep_going = self._settings.keep_going
        if keep_going is None:
            keep_going = self._workers() > 1
        self._stopping = self._stopping or not keep_going

    def _hold_back(self, position: int) -> None:
        graph = self._judge.graph
        for held in self._plan.fail(position):
            task = graph.tasks[held]
            if task.name in self._tally.outcomes:
                continue
            verdict = self._verdict(held)
            if verdict.stale or verdict.may_run:
                self._finish(held, "blocked", blocked_by=graph.tasks[position].name)
            else:  # it needs no run, so nothing holds it back
                self._note(task, verdict)

    def _block_outside(self) -> None:
        graph = self._judge.graph
        for position, source in sorted(self._choice.outside.items()):
            name = graph.tasks[source].name
            error = f"it needs {name.id}, which is unfinished and not chosen; --with-needs chooses it"
            self._finish(position, "blocked", error=error, blocked_by=name)
            self._hold_back(position)
        for position, source in self._choice.passed_over:
            message = (
                f"it does not wait for {graph.tasks[source].name.id}, which is unfinished and not chosen"
            )
            self._emit(Warned(message, graph.tasks[position].name))

    def _finish(
        self,
        position: int,
        outcome: Outcome,
        *,
        work: Work | None = None,
        error: str | None = None,
        commit: Oid | None = None,
        blocked_by: TaskName | None = None,
        **more: object,
    ) -> None:
        text = self._judge.graph.tasks[position].text
        self._tally.outcomes[text.name] = outcome
        event = TaskFinished(
            task=text.name,
            title=text.title,
            outcome=outcome,
            seconds=work.seconds if work else 0.0,
            attempts=work.attempt if work and outcome != "reused" else 0,
            commit=commit,
            error=error,
            position=work.place if work else 0,
            total=len(self._choice.chosen),
            worker=work.worker if work else 0,
            phase=text.phase,
            story=text.story,
            priority=text.priority,
            parallel=text.parallel,
            blocked_by=blocked_by,
            output="".join(work.output)[-20_000:] if work else "",
            usage=work.usage if work else {},
        )
        self._emit(replace(event, **more))  # type: ignore[arg-type]

    # -- phases, ticks, the end -------------------------------------------------------------------

    def _due_gate(self) -> bool:
        """Runs the gate of a phase whose chosen tasks are all done; says whether to wait or stop."""
        if self._request.gates is None:
            return False
        due = sorted(found for found, open_ in self._phases.items() if open_ == 0)
        if not due or self._running:
            return bool(due)
        self._flush()
        for phase in due:
            del self._phases[phase]
        # A gate looks at the whole tree: where several phases ended at once, it looks at it once.
        texts = (task.text for task in self._judge.graph.tasks)
        last = next(text for text in texts if (text.name.file, text.phase_index) == due[-1])
        passed = self._passes("phase", last.phase or "")
        self._gate_failed = self._stopping = not passed
        return not passed

    def _tick_finished(self) -> None:
        """A box is a view: a completed task that was unticked is ticked again."""
        if not self._settings.tick:
            return
        graph = self._judge.graph
        tasks = [
            graph.task(name)
            for name in sorted(self._tally.up_to_date)
            if name in graph.index and not graph.task(name).text.ticked
        ]
        if not tasks:
            return
        self._transactions.tick(tasks)
        for task in tasks:
            again = f"specbuild --force {task.name.id} runs it again"
            self._emit(Warned(f"it is complete, so its box is ticked again; {again}", task.name))

    def _complete(self) -> bool:
        bad = {"failed", "blocked"}
        return (
            not self._plan.unsettled
            and not bad & set(self._tally.outcomes.values())
            and not self._gate_failed
            and self._ended_by is None
        )

    def _interrupt(self) -> None:
        """Stops the workers, waits for them, and undoes what they did."""
        self._cancelled.set()
        for thread in (*self._workers_away.values(), self._committer):
            if thread.ident is not None:
                thread.join()
        with suppress(queue.Empty):
            while True:
                event = self._finished.get_nowait()
                if isinstance(event, _Committed):
                    with suppress(Exception):  # what it was is being told already, or the run ends anyway
                        self._committed(event)
        while self._running:
            _, work = self._running.popitem()
            self._transactions.abandon(work, keep=True, why="interrupted")
        while self._waiting:
            self._transactions.abandon(self._waiting.pop().work, keep=True, why="interrupted")

    def _summary(self, seconds: float, *, interrupted: bool) -> RunFinished:
        tally = self._tally
        failed, blocked = tally.count("failed"), tally.count("blocked")
        whole = self._complete() and not interrupted
        nothing = (failed or self._gate_failed or interrupted) and not tally.ran
        limited = self._settings.limit is not None and not failed and not self._gate_failed
        if interrupted:
            code = 130
        elif self._ended_by is not None:
            code = self._ended_by.exit_code
        elif failed or blocked or self._gate_failed:
            code = 1
        else:
            code = 3 if tally.left or tally.overtaken else 0
        if whole and not tally.left and not tally.overtaken:
            headline: Headline = "complete"
        else:
            headline = "failed" if nothing and not limited else "partially complete"
        return RunFinished(
            headline=headline,
            exit_code=code,
            seconds=seconds,
            completed=tally.count("completed"),
            up_to_date=len(tally.up_to_date),
            reused=tally.count("reused"),
            failed=failed,
            blocked=blocked,
            chosen=len(self._choice.chosen),
            claimed=tuple(tally.claimed),
            left=(*tally.left, *tally.overtaken),
            interrupted=interrupted,
        )


def _first_stage(work: Work) -> str:
    setup = work.task.setup
    return "setup" if setup is not None and work.sandbox.unprepared(setup) else "run"


def _supplies(recorded: Recorded, verdict: Verdict) -> bool:
    checkpoint = recorded.checkpoint
    return (
        checkpoint.key == verdict.key
        and checkpoint.local == verdict.local
        and not checkpoint.adopted
        and checkpoint.key not in checkpoint.targets.values()
        and any(result != ABSENT for result in checkpoint.targets.values())
    )
