"""Commands in turn, so that all of them see the same noise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from harness.measure import Command, Sample, TooSlow, Unmeasured, measure
from harness.results import Cell
from harness.session import YARDSTICK, Session


@dataclass(slots=True)
class Entry:
    """One column's command in a row, and what is done before each of its turns."""

    name: str
    command: Command
    prepare: Callable[[int], None] = lambda _turn: None
    then: Command | None = None  # measured right after it, for the row that follows
    codes: Sequence[int] = (0,)
    samples: list[tuple[int, Sample]] = field(default_factory=list)  # with the turn's number
    after: list[tuple[int, Sample]] = field(default_factory=list)
    missing: str | None = None

    def turn(self, number: int, limit: float) -> None:
        try:
            self.prepare(number)
            self.samples.append((number, measure(self.command, limit, codes=self.codes)))
            if self.then is not None:
                self.after.append((number, measure(self.then, limit)))
        except TooSlow as error:
            self.missing = str(error)
        except Unmeasured as error:
            self.missing = str(error)
            self.samples.clear()
            self.after.clear()

    @property
    def spent(self) -> float:
        return sum(sample.seconds for _, sample in (*self.samples, *self.after))


def alternate(entries: Sequence[Entry], rounds: int, limit: float, budget: float) -> None:
    """Gives each its turns; who has used its `budget` of seconds takes no further one."""
    for number in range(rounds):
        for entry in entries[:: 1 if number % 2 == 0 else -1]:
            if entry.missing is None and (number == 0 or entry.spent < budget):
                entry.turn(number, limit)


def keep(session: Session, row: str, size: int, entries: Sequence[Entry], *, after: bool = False) -> None:
    """Hands the samples on as cells, each with the yardstick's from the same turns.

    `after`: those of the commands that followed.
    """
    beside = {
        number: sample
        for entry in entries
        if entry.name == YARDSTICK
        for number, sample in (entry.after if after else entry.samples)
    }
    shown = [entry for entry in entries if not after or entry.then is not None]
    for entry in shown:
        taken = entry.after if after else entry.samples
        session.add(
            Cell(
                row,
                size,
                entry.name,
                session.name,
                samples=[sample for _, sample in taken],
                beside=[beside[number] for number, _ in taken if number in beside],
                missing=None if taken else entry.missing or "it had no turn",
            )
        )
    told = ", ".join(_told(session.results.cell(row, size, entry.name)) for entry in shown)
    session.say(f"{size:,} {row}: {told}")
    session.keep()


def _told(cell: Cell | None) -> str:
    if cell is None:
        return "?"
    return f"{cell.name} {cell.seconds:.3f}" if cell.seconds is not None else f"{cell.name}: {cell.missing}"
