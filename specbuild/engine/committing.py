"""Group commit: what completes within a moment goes together, since one commit costs as much as many."""

from collections.abc import Iterator, Sequence

from specbuild.engine.inbox import Committed, Inbox
from specbuild.engine.ports import Moved
from specbuild.engine.task import Oid
from specbuild.engine.transaction import Transactions
from specbuild.engine.work import Done, Member, Work
from specbuild.threads import SerialThread

MOMENT = 0.05
"""Seconds without news after which what waits is committed."""

MANY = 16
"""So many do not wait any longer."""


class GroupCommit:
    """Completed plain tasks on their way into commits, which a thread of its own makes."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._waiting: list[Member] = []  # completed; their commit waits for the one under way
        self._committing: Sequence[Member] = ()
        self._thread = SerialThread("committer")

    @property
    def positions(self) -> Sequence[int]:
        """Of tasks that are completed and not yet recorded."""
        return [member.work.position for member in (*self._waiting, *self._committing)]

    @property
    def count(self) -> int:
        """How many those are."""
        return len(self._waiting) + len(self._committing)

    @property
    def under_way(self) -> bool:
        return bool(self._committing)

    def add(self, member: Member) -> None:
        self._waiting.append(member)

    @property
    def patience(self) -> float | None:
        """How long to wait for news before `begin(at_once=True)`; None: for ever."""
        return MOMENT if self._waiting and not self._committing else None

    def begin(self, transactions: Transactions, *, at_once: bool) -> Sequence[Work]:
        """Commits what waits, all of it together, if no commit is under way.

        `at_once`: nothing is gained by waiting for more. Returns those that the branch overtook, which wait
        no longer; nothing is begun then.
        """
        if self._committing or not self._waiting or (not at_once and len(self._waiting) < MANY):
            return ()
        late = transactions.catch_up([(member.work, member.results) for member in self._waiting])
        if late:
            positions = {work.position for work in late}
            self._waiting = [m for m in self._waiting if m.work.position not in positions]
            return late
        group = transactions.group(self._waiting)

        def body() -> None:
            try:
                answer: Sequence[Oid] | BaseException = transactions.commit(group)
            except BaseException as error:  # noqa: BLE001  (the loop must always hear of it)
                answer = error
            self._inbox.put(Committed(group, answer))

        self._thread.do(body)
        self._waiting, self._committing = [], group.members
        return ()

    def end(self, event: Committed, transactions: Transactions) -> Sequence[tuple[Member, Done]]:
        """What was recorded; nothing where the branch moved meanwhile, so that all of it waits again."""
        self._committing = ()
        if isinstance(event.answer, BaseException):
            self._waiting[:0] = event.group.members
            if not isinstance(event.answer, Moved):
                raise event.answer
            return ()
        made = transactions.recorded(event.group, event.answer)
        return list(zip(event.group.members, made, strict=True))

    def join(self) -> None:
        """Waits for the commit that is being made."""
        self._thread.close()

    def given_up(self) -> Iterator[Work]:
        """What waits, and shall wait no longer."""
        while self._waiting:
            yield self._waiting.pop().work
