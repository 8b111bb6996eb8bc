"""Which result of another checkpoint a stale task may take instead of being run."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from fakes import PLAIN, FakeHistory, FakeTree, Repo, rule

from specbuild.engine.checkpoint import ABSENT, Checkpoint, Recorded
from specbuild.engine.project import Settings
from specbuild.engine.result import result_of
from specbuild.engine.reuse import Supply, supply
from specbuild.engine.task import Entry, Oid, RepoPath, Task, TaskName
from specbuild.engine.verdict import Code, Reason, Verdict

KEY = "1" * 20
STALE = Verdict("stale", KEY, "-", reasons=(Reason("input-changed"),))


class Known(FakeHistory):
    """Checkpoints of this history, and of other branches."""

    def __init__(self, repo: Repo, here: Sequence[Recorded] = (), there: Sequence[Recorded] = ()) -> None:
        super().__init__(repo)
        self.here, self.there = here, there
        self.asked: list[tuple[Sequence[str], str | None]] = []

    def with_key(self, key: str) -> Sequence[Recorded]:
        return [recorded for recorded in self.here if recorded.checkpoint.key == key]

    def elsewhere(self, refs: Sequence[str], key: str | None = None) -> Sequence[Recorded]:
        self.asked.append((refs, key))
        return self.there


class Shop:
    """A commit that has `b` as a task once made it."""

    def __init__(self) -> None:
        self.repo = Repo()
        self.entry = Entry(PLAIN, self.repo.store(b"made"))
        self.oid: Oid = self.repo.commit({"b": self.entry}, "made")
        self.repo.commit({}, "and lost")

    def recorded(self, *, undone: bool = False, **differently: object) -> Recorded:
        result = result_of("b", {"b": self.entry})
        found = Checkpoint(TaskName("tasks.md", "T1"), KEY, "-", "d" * 20, 1.0, "shell", {"b": result})
        return Recorded(replace(found, **differently), self.oid, 0, undone, 0)  # type: ignore[arg-type]

    def take(
        self,
        *here: Recorded,
        there: Sequence[Recorded] = (),
        task: Task | None = None,
        verdict: Verdict = STALE,
        settings: Settings | None = None,
    ) -> Supply | None:
        history = Known(self.repo, here, there)
        found = supply(task or rule("b: a", 0), verdict, history, FakeTree(self.repo), settings or Settings())
        self.asked = history.asked
        return found


def test_a_checkpoint_with_the_same_key_supplies_its_files() -> None:
    shop = Shop()
    recorded = shop.recorded()
    assert shop.take(recorded) == Supply(recorded, {"b": shop.entry})
    assert shop.take() is None


@pytest.mark.parametrize(
    "differently",
    [
        {"local": "2" * 20},
        {"executor": "adopt"},
        {"targets": {"b": KEY}},
        {"targets": {"b": ABSENT}},
        {"targets": {}},
        {"targets": {"b": "9" * 20}},
        {"undone": True},
    ],
)
def test_a_checkpoint_that_does_not_fit_supplies_nothing(differently: dict[str, object]) -> None:
    shop = Shop()
    assert shop.take(shop.recorded(**differently)) is None  # type: ignore[arg-type]
    fits = shop.recorded()
    found = shop.take(shop.recorded(**differently), fits)  # type: ignore[arg-type]
    assert found == Supply(fits, {"b": shop.entry})


def test_a_checkpoint_of_targets_that_the_task_has_no_more_supplies_nothing() -> None:
    shop = Shop()
    assert shop.take(shop.recorded(), task=rule("c: a", 0)) is None
    assert shop.take(shop.recorded(), task=rule("b c: a", 0)) is not None


@pytest.mark.parametrize(
    ("line", "settings", "takes"),
    [
        ("b: a", Settings(), True),
        ("b: a", Settings(reuse=False), False),
        ("b: a [any]", Settings(), False),
        ("b: a [keep]", Settings(), False),
        (": a", Settings(), False),
    ],
)
def test_who_may_reuse(line: str, settings: Settings, *, takes: bool) -> None:
    shop = Shop()
    found = shop.take(shop.recorded(), task=rule(line, 0), settings=settings)
    assert (found is not None) is takes


def test_a_source_task_reuses_where_its_rule_says_so() -> None:
    shop = Shop()
    assert shop.take(shop.recorded(), task=replace(rule("b: a [keep]", 0), reuse=True)) is not None


@pytest.mark.parametrize("code", ["forced", "rolled-back"])
def test_what_is_forced_or_was_taken_back_is_not_reused(code: Code) -> None:
    shop = Shop()
    verdict = replace(STALE, reasons=(Reason("input-changed"), Reason(code)))
    assert shop.take(shop.recorded(), verdict=verdict) is None


def test_other_branches_are_asked_after_this_history_and_not_where_it_took_the_result_back() -> None:
    shop = Shop()
    here, there = shop.recorded(), shop.recorded()
    settings = Settings(reuse_from=("refs/heads/x",))
    found = shop.take(there=[there], settings=settings)
    assert found is not None
    assert found.recorded is there
    assert shop.asked == [(("refs/heads/x",), KEY)]
    found = shop.take(here, there=[there])
    assert found is not None
    assert found.recorded is here
    assert shop.asked == []
    assert shop.take(shop.recorded(undone=True), there=[there]) is None
    assert shop.asked == []
    assert shop.take(there=[shop.recorded(executor="adopt")]) is None


def test_bytes_come_from_the_commit_or_from_the_working_tree_if_it_has_them() -> None:
    shop = Shop()
    path: RepoPath = "b"
    elsewhere = shop.recorded()._replace(commit=shop.repo.tip or "")
    assert shop.take(elsewhere) is None
    shop.repo.disk[path] = shop.entry
    assert shop.take(elsewhere) == Supply(elsewhere, {path: shop.entry})
    shop.repo.disk[path] = Entry(PLAIN, shop.repo.store(b"other"))
    assert shop.take(shop.recorded()) is not None
