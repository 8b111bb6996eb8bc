"""What the judge answers: a verdict and its reasons, as data that prints as one line."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from specbuild.engine.checkpoint import Recorded
from specbuild.engine.task import Oid, RepoPath, TaskName

State = Literal["up-to-date", "stale", "claimed"]
Code = Literal[
    "never-run",
    "definition-changed",
    "input-changed",
    "dependency-changed",
    "executor-changed",
    "local-changed",
    "target-missing",
    "target-edited",
    "rolled-back",
    "forced",
]

_TEXT: Mapping[str, str] = {
    "never-run": "no commit records that it ran",
    "definition-changed": "its text changed",
    "input-changed": "an input changed",
    "dependency-changed": "what it depends on changed",
    "executor-changed": "its recipe, executor or options changed",
    "local-changed": "the environment or an ignored input changed",
    "target-missing": "a target is missing",
    "target-edited": "a target was edited",
    "rolled-back": "its checkpoint was reverted",
    "forced": "it was asked for by --force",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One way of being stale. `old` and `new` are what stood and stands there; None: not known."""

    code: Code
    path: RepoPath | None = None
    old: str | None = None
    new: str | None = None
    commit: Oid | None = None
    task: TaskName | None = None

    def __str__(self) -> str:
        subject = " ".join(part for part in (self.task and self.task.id, self.path) if part)
        words = [f"{self.code}:", subject or _TEXT[self.code]]
        if self.old is not None and self.new is not None:
            words.append(f"({short(self.old)} -> {short(self.new)})")
        if self.code == "rolled-back" and self.commit is not None:
            return f"{self.code}: its checkpoint {self.commit[:7]} was reverted"
        if self.commit is not None:
            words.append(f"in {self.commit[:7]}")
        return " ".join(words)

    def __reduce__(self) -> tuple[Any, ...]:  # as for Verdict
        return Reason, (self.code, self.path, self.old, self.new, self.commit, self.task)

    def to_json(self) -> dict[str, Any]:
        """`code` and, where they apply, `path old new commit task` (SPEC section 5)."""
        fields = {
            "code": self.code,
            "path": self.path,
            "old": self.old,
            "new": self.new,
            "commit": self.commit,
            "task": None if self.task is None else str(self.task),
        }
        return {name: value for name, value in fields.items() if value is not None}


def short(value: str) -> str:
    """Modes dropped and ids cut, for a reader."""
    words = value.split(" ", 2)
    if len(words) == 3 and words[0] == "120000":
        return f"link {words[1][:7]} to {short(words[2])}"
    if len(words) >= 2 and words[0] in {"100644", "100755", "120000", "160000", "tasks"}:
        return words[1][:7] + (" executable" if words[0] == "100755" else "")
    return {"-": "absent"}.get(value, value[:7] if len(value) in {20, 40} else value)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judge's answer for one task.

    `may_run`: what it depends on is stale, so that it may turn out stale, too.
    `checkpoint`: the one that counts; None: no commit records it, or all are undone.
    """

    state: State
    key: str
    local: str  # "-": nothing local matters
    reasons: tuple[Reason, ...] = ()
    may_run: bool = False
    checkpoint: Recorded | None = None

    def __reduce__(self) -> tuple[Any, ...]:  # ten thousand are read at once: dataclasses' own way is slow
        return Verdict, (self.state, self.key, self.local, self.reasons, self.may_run, self.checkpoint)

    @property
    def stale(self) -> bool:
        return self.state == "stale"
