"""What became of the chosen tasks: outcomes, and the headline and exit code that follow from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from specbuild.engine.events import Headline, Outcome, RunFinished
from specbuild.engine.task import TaskName
from specbuild.engine.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended, apart from what became of its tasks."""

    seconds: float
    chosen: int
    unsettled: int  # chosen tasks of which nothing became anything
    interrupted: bool = False
    gate_failed: bool = False
    limited: bool = False  # --limit was given
    ended_by: int | None = None  # exit code of what ended it before its end


@dataclass(slots=True)
class Tally:
    """By task name, so that it outlives a changed plan."""

    outcomes: dict[TaskName, Outcome] = field(default_factory=dict)
    up_to_date: set[TaskName] = field(default_factory=set)
    claimed: dict[TaskName, None] = field(default_factory=dict)
    left: dict[TaskName, None] = field(default_factory=dict)  # stale, but run only with leave
    overtaken: dict[TaskName, None] = field(default_factory=dict)  # earlier tasks whose inputs changed
    reopened: set[TaskName] = field(default_factory=set)  # settled before, and to be judged once more
    ran: int = 0

    def count(self, outcome: Outcome) -> int:
        return sum(1 for found in self.outcomes.values() if found == outcome)

    def names(self) -> Iterator[TaskName]:
        """All of which something became that still holds."""
        for name in [*self.outcomes, *self.up_to_date, *self.claimed, *self.left]:
            if name not in self.reopened:
                yield name

    def done(self) -> set[TaskName]:
        """What this run found up to date, or made so."""
        return self.up_to_date.union(self.made())

    def made(self) -> Sequence[TaskName]:
        return [name for name, outcome in self.outcomes.items() if outcome in {"completed", "reused"}]

    def needs_no_run(self, name: TaskName, verdict: Verdict) -> None:
        if verdict.state == "claimed":
            self.claimed[name] = None
        elif name not in self.outcomes:
            self.up_to_date.add(name)

    def runs_again(self, name: TaskName) -> None:
        self.outcomes.pop(name, None)
        self.up_to_date.discard(name)

    def reopen(self, name: TaskName) -> None:
        self.up_to_date.discard(name)
        self.reopened.add(name)

    def overtake(self, name: TaskName) -> None:
        self.up_to_date.discard(name)
        self.overtaken[name] = None

    def all_well(self, ending: Ending) -> bool:
        """Whether everything chosen was settled, and nothing failed."""
        return (
            not ending.unsettled
            and not {"failed", "blocked"} & set(self.outcomes.values())
            and not ending.gate_failed
            and ending.ended_by is None
        )

    def exit_code(self, ending: Ending) -> int:
        if ending.interrupted:
            return 130
        if ending.ended_by is not None:
            return ending.ended_by
        if self.count("failed") or self.count("blocked") or ending.gate_failed:
            return 1
        return 3 if self.left or self.overtaken else 0

    def headline(self, ending: Ending) -> Headline:
        if self.all_well(ending) and not (ending.interrupted or self.left or self.overtaken):
            return "complete"
        failed = self.count("failed") > 0 or ending.gate_failed or ending.ended_by is not None
        limited = ending.limited and not failed
        nothing = (failed or ending.interrupted) and not self.ran
        return "failed" if nothing and not limited else "partially complete"

    def summary(self, ending: Ending) -> RunFinished:
        return RunFinished(
            headline=self.headline(ending),
            exit_code=self.exit_code(ending),
            seconds=ending.seconds,
            completed=self.count("completed"),
            up_to_date=len(self.up_to_date),
            reused=self.count("reused"),
            failed=self.count("failed"),
            blocked=self.count("blocked"),
            chosen=ending.chosen,
            claimed=tuple(self.claimed),
            left=(*self.left, *self.overtaken),
            interrupted=ending.interrupted,
        )
