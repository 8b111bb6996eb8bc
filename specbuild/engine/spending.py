"""What a run's agents have cost, and whether more may be spent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def added(sums: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
    """Usage of two attempts together: numbers are added up, of anything else the newer counts."""
    found = dict(sums)
    for name, value in figures.items():
        old = found.get(name)
        found[name] = old + value if _is_number(value) and _is_number(old) else value
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(slots=True)
class Purse:
    """The budget of a run; None: no limit."""

    usd: float | None = None
    tokens: int | None = None
    spent: dict[str, Any] = field(default_factory=dict)
    _costly: set[str | None] = field(default_factory=set)  # executors that told of cost

    def pay(self, executor: str | None, usage: Mapping[str, Any]) -> None:
        figures = {name: usage[name] for name in ("cost_usd", "tokens") if _is_number(usage.get(name))}
        if figures:
            self.spent = added(self.spent, figures)
            self._costly.add(executor)

    @property
    def limited(self) -> bool:
        return self.usd is not None or self.tokens is not None

    @property
    def left_usd(self) -> float | None:
        """None: no limit."""
        return None if self.usd is None else max(0.0, self.usd - self.spent.get("cost_usd", 0))

    @property
    def left_tokens(self) -> int | None:
        return None if self.tokens is None else max(0, self.tokens - self.spent.get("tokens", 0))

    def refusal(self, executor: str | None) -> str | None:
        """Why no further attempt by this executor may begin; None: it may."""
        if executor not in self._costly:
            return None
        usd, tokens = self.spent.get("cost_usd", 0), self.spent.get("tokens", 0)
        if self.usd is not None and usd >= self.usd:
            return f"the run's budget is used up: ${usd:.2f} of ${self.usd:.2f} (budget_usd of [build])"
        if self.tokens is not None and tokens >= self.tokens:
            spent = f"{tokens:,} of {self.tokens:,} tokens"
            return f"the run's budget is used up: {spent} (budget_tokens of [build])"
        return None
