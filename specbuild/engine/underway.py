"""Tasks under way: from their start, over attempts that may fail, to the commit that records them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count

from specbuild.engine import attempt, retrying
from specbuild.engine.checkpoint import Recorded
from specbuild.engine.committing import GroupCommit
from specbuild.engine.events import Outcome
from specbuild.engine.inbox import Answer, Committed, Inbox
from specbuild.engine.interruption import Interruption
from specbuild.engine.line import Line
from specbuild.engine.moved import Overtaken
from specbuild.engine.ports import Attempt, Clock, Failure, Refused, Unusable
from specbuild.engine.progress import Progress
from specbuild.engine.record import Results
from specbuild.engine.request import Review
from specbuild.engine.reuse import Supply
from specbuild.engine.spending import added
from specbuild.engine.start import Start, start_of
from specbuild.engine.task import RepoPath
from specbuild.engine.transaction import BranchSwitched
from specbuild.engine.verdict import Verdict
from specbuild.engine.work import Done, Work
from specbuild.engine.workers import Stage, Workers

PATIENCE = 5
"""So many times a task begins again because the branch or its inputs moved under it."""


class UnderWay:
    """Started tasks that are neither recorded nor failed yet."""

    def __init__(
        self,
        progress: Progress,
        *,
        workers: Workers,
        inbox: Inbox,
        clock: Clock,
        interruption: Interruption,
        environment: Mapping[str, str],
    ) -> None:
        self.running: dict[int, Work] = {}
        self._progress = progress
        self._workers = workers
        self._inbox = inbox
        self._clock = clock
        self._interruption = interruption
        self._environment = environment
        self._commits = GroupCommit(inbox)
        self._line = Line(workers, progress.settings, progress.purse)

    @property
    def count(self) -> int:
        return len(self.unrecorded)

    @property
    def opened(self) -> Sequence[int]:
        """Tasks that run, or are next in line for a worker."""
        return [*self.running, *self._line.positions]

    @property
    def unrecorded(self) -> Sequence[int]:
        """Tasks that were opened and are not recorded."""
        return [*self.opened, *self._commits.positions]

    @property
    def full(self) -> bool:
        """Whether every worker has a task."""
        return len(self.running) >= self._progress.settings.workers

    @property
    def takes_more(self) -> bool:
        """Whether a task may be opened: one for each worker, and some that wait for one."""
        return not self.full or self._line.takes_more

    # -- starting ---------------------------------------------------------------------------------

    def start(self, position: int, verdict: Verdict, start: Start, *, plain: bool) -> None:
        """Opens a task; it begins at once, or if every worker has one (then only a plain one may be given)
        as soon as the first is free.
        """
        if not plain:
            self.flush()
        line_up = self.full
        work = self._open(
            position, verdict, start, 0 if line_up else self._idle_worker(), self._place(position)
        )
        if work is None:
            return
        work.plain = plain and self._progress.settings.workers > 1
        if line_up:
            self._line.add(work, self._given(work))
        else:
            self._begin(work)

    def _idle_worker(self) -> int:
        busy = {work.worker for work in self.running.values()}
        return next(number for number in count(1) if number not in busy)

    def begin_waiting(self) -> None:
        """Who waits in line begins if a worker is free; all are given back where nothing more is to start."""
        nothing_more = self._progress.stopping or self._progress.plan_is_old
        while (nothing_more or not self.full) and (work := self._line.take_back()) is not None:
            if nothing_more:
                self._progress.transactions.abandon(work, keep=False, why="nothing more is started")
            else:
                work.begin(self._idle_worker(), self._clock.now())
                self._begin(work)

    def _hear(self, answer: Answer) -> None:
        work = self._line.hear(answer)
        if work is not None:
            self.running[work.position] = work

    def reuse(self, position: int, verdict: Verdict, supply: Supply) -> None:
        """Records what another checkpoint supplies, without an attempt."""
        self.flush()
        recorded, transactions = supply.recorded, self._progress.transactions
        work = transactions.open(
            position,
            verdict,
            Start(dict(supply.entries)),
            worker=1,
            place=self._place(position),
            now=self._clock.now(),
        )
        work.notes.append(f"Reused from {recorded.commit}")
        work.seconds = recorded.checkpoint.seconds
        done = self._record(work, transactions.results(work), again=False)
        if done is not None:
            self._completed(work, done, "reused", source=recorded)

    def _place(self, position: int) -> int:
        """Where what was completed earlier counts: its number among the chosen ones."""
        progress = self._progress
        ahead = progress.judge.graph.tasks[position].name in progress.request.first
        complete = progress.unreached() if ahead else ()
        return progress.schedule.settled + self.count + len(complete) + 1

    def _open(self, position: int, verdict: Verdict, start: Start, worker: int, place: int) -> Work | None:
        """None: its start state could not be laid out, so it failed."""
        try:
            return self._progress.transactions.open(
                position, verdict, start, worker=worker, place=place, now=self._clock.now()
            )
        except Unusable as error:
            self._progress.fail(position, error=str(error))
            return None

    def _begin(self, work: Work, *, delay: float = 0.0) -> None:
        """An attempt begins, with what a fresh worktree needs."""
        self.running[work.position] = work
        setup = work.task.setup
        fresh = setup is not None and work.sandbox.unprepared(setup)
        self._progress.started(work)
        self._send(work, "setup" if fresh else "run", delay=delay)

    def _send(self, work: Work, stage: Stage, *, delay: float = 0.0) -> None:
        self._workers.send(work, stage, self._given(work), delay=delay)

    def _given(self, work: Work) -> Attempt:
        purse = self._progress.purse
        given = attempt.given(work, self._progress.settings, self._environment)
        return replace(given, left_usd=purse.left_usd, left_tokens=purse.left_tokens)

    # -- settling ---------------------------------------------------------------------------------

    def take(self, event: Answer | Committed) -> None:
        if isinstance(event, Committed):
            self._committed(event)
        else:
            self._hear(event)
            self._settle(event)

    def _settle(self, answer: Answer) -> None:
        work, transactions = answer.work, self._progress.transactions
        work.seconds = self._clock.now() - work.began
        self._line.note(work.seconds)
        self._pay(answer)
        if isinstance(answer.outcome, Failure):
            self._attempt_failed(work, answer.outcome)
            return
        if answer.stage == "setup":
            work.sandbox.prepared(work.task.setup or "")
            self._send(work, "run")
            return
        if answer.stage == "run":
            work.doubt = answer.outcome.doubt
        try:
            results = transactions.results(work)
        except Unusable as error:
            self._attempt_failed(work, work.failure(str(error)))
            return
        first = not self._progress.judge.checkpoints(work.position)
        objection = attempt.objection(work, results, first=first)
        if objection is not None:
            self._attempt_failed(work, objection)
        elif answer.stage == "run" and work.task.verify is not None:
            self._send(work, "verify")
        elif not work.task.review or self._accepted(work, results):
            self._conclude(work, results)

    def _pay(self, answer: Answer) -> None:
        work, usage = answer.work, answer.outcome.usage
        work.cost = added(work.cost if answer.stage == "verify" else {}, usage)
        work.usage = added(work.usage, usage)
        self._progress.purse.pay(work.task.executor, usage)

    def _accepted(self, work: Work, results: Results) -> bool:
        """Whether a person accepts what the task changed; otherwise the attempt has failed."""
        reviewer = self._progress.request.review
        assert reviewer is not None  # noqa: S101  (without one it was not started)
        difference = attempt.difference(work, results, self._progress.world.tree)
        with self._interruption.exposed():
            review = reviewer(work.task, difference)
        if review.decision == "accept":
            return True
        work.asked += review.decision == "retry"
        self._attempt_failed(work, _disliked(work, review))
        return False

    def _conclude(self, work: Work, results: Results) -> None:
        changed = self._progress.transactions.disturbed(work)
        if changed and (work.task.rebuild or not work.sandbox.in_place):
            self._disturbed(work, ", ".join(changed))
            return
        if work.plain and not changed and not results.missing:
            del self.running[work.position]
            self._commits.add(self._progress.transactions.complete(work, results))
            return
        self.flush()
        done = self._record(work, results, changed)
        if done is not None:
            self._completed(work, done, "completed")

    def _disturbed(self, work: Work, what: str) -> None:
        work.disturbed += 1
        own = work.sandbox.in_place
        if work.disturbed > (1 if own else PATIENCE):
            message = f"{'it changed its own input' if own else 'inputs keep changing:'} {what}"
            self._attempt_failed(work, work.failure(message, permanent=True))
            return
        self._progress.warn(f"{what} changed meanwhile: once more", work.task.name)
        self._begin_again(work)

    # -- recording --------------------------------------------------------------------------------

    @property
    def patience(self) -> float | None:
        """Seconds that the loop may wait for news, where something completed waits to be committed."""
        return self._commits.patience

    def commit_waiting(self, *, at_once: bool) -> None:
        for work in self._commits.begin(self._progress.transactions, at_once=at_once):
            self._overtaken(work, "what it reads or writes")

    def flush(self) -> None:
        """Waits until all that is completed is recorded: what follows looks at HEAD, or moves it."""
        while self._commits.count:
            self.commit_waiting(at_once=True)
            if self._commits.under_way:
                self._committed(self._inbox.take_committed())

    @property
    def committing(self) -> bool:
        """Whether a commit is being made in a thread of its own."""
        return self._commits.under_way

    def _committed(self, event: Committed) -> None:
        for member, done in self._commits.end(event, self._progress.transactions):
            self._completed(member.work, done, "completed")

    def _record(
        self, work: Work, results: Results, changed: Sequence[RepoPath] = (), *, again: bool = True
    ) -> Done | None:
        """Commits; None where the branch moved under it, so that it is judged again, or a git hook refused.

        `again`: what was refused may be followed by a further attempt.
        """
        try:
            return self._progress.transactions.record(work, results, changed=changed)
        except Overtaken as error:
            self._overtaken(work, str(error) or "what it reads or writes")
            return None
        except Refused as error:
            self._progress.printed(work, error.output)
            permanent = error.final or not again
            self._attempt_failed(work, Failure(work.attempt, error.what, error.output, permanent=permanent))
            return None
        except BaseException:
            self.running.pop(work.position, None)
            self._break_off(work, "it could not be recorded")
            raise

    def _completed(self, work: Work, done: Done, outcome: Outcome, source: Recorded | None = None) -> None:
        progress, position, name = self._progress, work.position, work.task.name
        self.running.pop(position, None)
        progress.schedule.must_run.pop(position, None)
        if done.recorded is not None:
            progress.judge.recorded(position, done.recorded)
        progress.tally.ran += 1
        progress.saved(work.saved)
        progress.warn_all((*done.warnings, *dict.fromkeys(work.told)), name)
        progress.finish(
            position,
            outcome,
            work=work,
            commit=done.commit,
            files=done.files,
            reused_from=source.commit if source else None,
            saved_seconds=source.checkpoint.seconds if source else None,
        )
        progress.settle(position)
        progress.reconsider(position)
        progress.changed_elsewhere |= done.elsewhere
        progress.plan_is_old |= done.replan

    # -- once more --------------------------------------------------------------------------------

    def _overtaken(self, work: Work, what: str) -> None:
        work.overtaken += 1
        if work.overtaken > PATIENCE:
            message = f"the branch kept moving, and changed {what}"
            self._attempt_failed(work, work.failure(message, permanent=True))
            return
        self._progress.warn(f"the branch moved and changed {what}: once more", work.task.name)
        self._begin_again(work)

    def _begin_again(self, work: Work) -> None:
        """Judges it anew, and starts it anew if it is still stale."""
        progress, name = self._progress, work.task.name
        self.running.pop(work.position, None)
        if not progress.world.committer.attached():
            self._break_off(work, "a person switched branches")
            raise BranchSwitched  # what is in the working tree now cannot be judged for this run
        progress.transactions.abandon(work, keep=False, why="it begins again")
        if not self._catch_up():
            return
        position = progress.judge.graph.index.get(name)
        if position is None:
            return
        progress.judge.forget(position)
        verdict = progress.verdict(position)
        if not verdict.stale:
            progress.needs_no_run(position, verdict)
            return
        start = start_of(progress.judge, position, progress.world.tree)
        again = self._open(position, verdict, start, work.worker, work.place)
        if again is not None:
            again.takes_over(work)
            progress.schedule.start(position)
            self._begin(again)

    def _catch_up(self) -> bool:
        """Where the branch moved the plan is old; it is made anew at once if no worker is on it."""
        progress, world = self._progress, self._progress.world
        moved = not self._commits.under_way and progress.transactions.head != world.committer.head()
        self.flush()
        head = world.committer.head()
        if not moved and progress.transactions.head == head:
            return True
        progress.transactions.head = head
        world.tree.refresh(None)
        progress.plan_is_old = True
        self.begin_waiting()
        return bool(self.running) or progress.read_again()

    # -- failing ----------------------------------------------------------------------------------

    def _attempt_failed(self, work: Work, failure: Failure) -> None:
        failure = replace(failure, usage=work.cost)
        work.failures.append(failure)
        after = retrying.after(work, failure, self._progress.purse, cancelled=self._workers.cancelled)
        if isinstance(after, Failure):
            self._failed(work, after)
            return
        self._progress.retried(work, after, failure)
        work.attempt += 1
        work.output.clear()
        try:
            work.sandbox.reset()
        except Unusable as error:
            self._failed(work, replace(failure, message=f"{failure.message}; {error}"))
            return
        self._progress.world.tree.refresh(work.task.targets)
        self._begin(work, delay=after.delay)

    def _failed(self, work: Work, failure: Failure) -> None:
        progress = self._progress
        ref = progress.transactions.abandon(work, keep=True, why=failure.message)
        self.running.pop(work.position, None)
        progress.warn_all(dict.fromkeys(work.told), work.task.name)
        progress.fail(
            work.position,
            work=work,
            error=failure.message,
            exit_code=failure.exit_code,
            timed_out=failure.timed_out,
            partial=ref,
        )

    def interrupt(self, why: str = "interrupted") -> None:
        """Stops the workers, waits for them, and undoes what they did."""
        self._workers.cancel()
        self._commits.join()
        for event in self._inbox.leftovers():
            if isinstance(event, Committed):
                with suppress(Exception):  # what it was is being told already, or the run ends anyway
                    self._committed(event)
        running = list(self.running.values())
        self.running.clear()
        for work in (*running, *self._line.given_up()):  # also what a worker began untold
            work.seconds = self._clock.now() - work.began
            self._break_off(work, why)
        for work in self._commits.given_up():
            self._break_off(work, why)

    def _break_off(self, work: Work, why: str) -> None:
        """Undoes it; of what had begun is told where its work is kept."""
        ref = self._progress.transactions.abandon(work, keep=True, why=why)
        self._progress.warn_all(dict.fromkeys(work.told), work.task.name)
        if work.worker:
            self._progress.finish(work.position, "skipped", work=work, error=why, partial=ref)

    def close(self) -> None:
        """Ends the threads; nothing is under way any more."""
        self._workers.close()
        self._commits.join()


def _disliked(work: Work, review: Review) -> Failure:
    again = review.decision == "retry"
    note = f": {review.note}" if review.note else ""
    message = f"a person looked at it and {'asks for another attempt' if again else 'rejects it'}{note}"
    return Failure(work.attempt, message, "", permanent=not again)
