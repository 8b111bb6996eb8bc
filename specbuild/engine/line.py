"""Short tasks that are open and wait for a worker: it begins the next one by itself when it is done."""

from collections.abc import Iterator, Sequence

from specbuild.engine.inbox import Answer
from specbuild.engine.ports import Attempt
from specbuild.engine.project import Settings
from specbuild.engine.spending import Purse
from specbuild.engine.work import Work
from specbuild.engine.workers import Workers

SHORT = 1.0
"""Seconds that attempts take less than, on average, where tasks are opened before a worker is free."""


class Line:
    """As the loop knows it; a worker may have begun the first ones meanwhile, and says so with its answer."""

    def __init__(self, workers: Workers, settings: Settings, purse: Purse) -> None:
        self._workers = workers
        self._size = settings.workers if settings.workers > 1 else 0
        self._may_stop = settings.keep_going is False or purse.limited
        self._waiting: dict[int, Work] = {}
        self._answered, self._seconds = 0, 0.0

    @property
    def positions(self) -> Sequence[int]:
        return list(self._waiting)

    @property
    def takes_more(self) -> bool:
        """Whether it pays, and nothing may come that ends the run before those in line begin."""
        short = self._answered > 0 and self._seconds < SHORT * self._answered
        return short and not self._may_stop and len(self._waiting) < self._size

    def add(self, work: Work, attempt: Attempt) -> None:
        self._waiting[work.position] = work
        self._workers.line_up(work, attempt)

    def take_back(self) -> Work | None:
        """The first, if it has not begun meanwhile."""
        found = self._workers.take_back()
        return None if found is None else self._waiting.pop(found[0].position)

    def hear(self, answer: Answer) -> Work | None:
        """What a worker began when it gave this answer."""
        return None if answer.follows is None else self._waiting.pop(answer.follows.position)

    def note(self, seconds: float) -> None:
        """How long an attempt took."""
        self._answered, self._seconds = self._answered + 1, self._seconds + seconds

    def given_up(self) -> Iterator[Work]:
        """What waits, and shall wait no longer."""
        while self._waiting:
            yield self._waiting.popitem()[1]
