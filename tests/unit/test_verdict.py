"""Reasons as text and data, what placeholders stand for, keys, and what a run may cost."""

from dataclasses import replace

import pytest
from fakes import rule

from specbuild.engine.key import KeyParts, definition, digest, digest_bytes
from specbuild.engine.spending import Purse, added
from specbuild.engine.task import TaskName
from specbuild.engine.values import values
from specbuild.engine.verdict import Reason, Verdict, short

OID = "0123456789" * 4
NAME = TaskName("tasks.md", "T1")


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        (Reason("never-run"), "never-run: no commit records that it ran"),
        (Reason("definition-changed"), "definition-changed: its text changed"),
        (Reason("input-changed"), "input-changed: an input changed"),
        (Reason("dependency-changed"), "dependency-changed: what it depends on changed"),
        (Reason("executor-changed"), "executor-changed: its recipe, executor or options changed"),
        (Reason("local-changed"), "local-changed: the environment or an ignored input changed"),
        (Reason("target-missing"), "target-missing: a target is missing"),
        (Reason("target-edited"), "target-edited: a target was edited"),
        (Reason("rolled-back", commit=OID), "rolled-back: its checkpoint 0123456 was reverted"),
        (Reason("rolled-back"), "rolled-back: its checkpoint was reverted"),
        (Reason("forced"), "forced: it was asked for by --force"),
        (
            Reason("input-changed", "a.py", f"100644 {OID}", "missing"),
            "input-changed: a.py (0123456 -> missing)",
        ),
        (
            Reason("dependency-changed", "a", OID[:20], "-", task=NAME),
            "dependency-changed: T1 a (0123456 -> absent)",
        ),
        (Reason("input-changed", "a.py", old="x"), "input-changed: a.py"),
        (Reason("input-changed", "a.py", new="x"), "input-changed: a.py"),
        (Reason("definition-changed", old="a", new="b"), "definition-changed: its text changed (a -> b)"),
    ],
)
def test_a_reason_is_one_line(reason: Reason, line: str) -> None:
    assert str(reason) == line


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("-", "absent"),
        ("missing", "missing"),
        (OID, "0123456"),
        (OID[:20], "0123456"),
        (OID[:21], OID[:21]),
        (f"100644 {OID}", "0123456"),
        (f"100755 {OID}", "0123456 executable"),
        (f"120000 {OID} 100644 {OID}", "link 0123456 to 0123456"),
        (f"160000 {OID}", "0123456"),
        (f"tasks {OID[:20]}", "0123456"),
        ("claimed by me", "claimed by me"),
        ("tasks", "tasks"),
        (f"120000 {'a' * 40} 100755 {'b' * 40}", "link aaaaaaa to bbbbbbb executable"),
        (f"120000 {'a' * 40} missing", "link aaaaaaa to missing"),
    ],
)
def test_a_value_is_shortened_for_a_reader(value: str, text: str) -> None:
    assert short(value) == text


def test_a_reason_as_data_has_what_applies() -> None:
    full = Reason("input-changed", "a", "1", "2", OID, NAME)
    assert full.to_json() == {
        "code": "input-changed",
        "path": "a",
        "old": "1",
        "new": "2",
        "commit": OID,
        "task": "tasks.md#T1",
    }
    assert Reason("forced").to_json() == {"code": "forced"}


def test_a_claimed_task_is_not_stale() -> None:
    assert Verdict("stale", "", "-").stale
    assert not Verdict("claimed", "", "-").stale


def test_placeholders_stand_for_what_the_task_says() -> None:
    task = rule("T7 a b: x [US2] [title Do] [phase 3]", 0)
    task = replace(task, text=replace(task.text, priority=1))
    assert values(task, ("x", "y")) == {
        "id": "T7",
        "title": "Do",
        "target": "a",
        "targets": ["a", "b"],
        "inputs": ["x", "y"],
        "story": "US2",
        "phase": "Phase 3",
        "priority": "P1",
        "file": "tasks.md",
    }


def test_placeholders_for_what_a_task_has_not_are_empty() -> None:
    found = values(rule("T1: x", 0), ())
    assert [found[name] for name in ("target", "story", "phase", "priority")] == [""] * 4
    assert found["targets"] == found["inputs"] == []


def test_digests_are_what_they_were_when_the_first_checkpoint_was_written() -> None:
    assert digest() == "e3b0c44298fc1c149afb"
    assert digest("a", "bc") == "5310a58788781ab25d5a"
    assert digest_bytes(b"abc") == "ba7816bf8f01cfea4141"
    assert definition("text") == digest("definition 1", "text")
    assert len(digest("\udcff")) == 20


PARTS = KeyParts("d", ("a", "b"), ("sh", "cp"), (("i", "1"),), (("c", "2"), ("e", "3")))


def test_a_key_holds_each_of_its_parts() -> None:
    others = [
        PARTS._replace(definition="D"),
        PARTS._replace(written=("a",)),
        PARTS._replace(recipe=("sh", "mv")),
        PARTS._replace(inputs=(("i", "2"),)),
        PARTS._replace(inputs=(("j", "1"),)),
        PARTS._replace(carried=(("c", "9"), ("e", "3"))),
        PARTS._replace(carried=(("e", "3"),)),
    ]
    assert len({parts.key() for parts in [PARTS, *others]}) == 8


def test_the_order_and_repetition_of_what_edges_carry_does_not_matter() -> None:
    assert PARTS._replace(carried=(("e", "3"), ("c", "2"), ("e", "3"))).key() == PARTS.key()


def test_a_key_is_what_it_was_when_the_first_checkpoint_was_written() -> None:
    assert PARTS.key() == digest(
        "key 1", "d", digest("a", "b"), digest("sh", "cp"), digest("i", "1"), digest("c", "2", "e", "3")
    )


def test_figures_are_added_up_and_of_words_the_newer_counts() -> None:
    sums = {"tokens": 5, "model": "a", "fast": True, "cost": 1.5}
    figures = {"tokens": 2, "model": "b", "fast": True, "cost": "unknown", "turns": 3}
    assert added(sums, figures) == {"tokens": 7, "model": "b", "fast": True, "cost": "unknown", "turns": 3}
    assert sums["tokens"] == 5
    assert added({"cost": "unknown"}, {"cost": 2}) == {"cost": 2}


def test_a_purse_without_limit_refuses_nothing() -> None:
    purse = Purse()
    purse.pay("agent", {"cost_usd": 1e9, "tokens": 10**9})
    assert purse.refusal("agent") is None


def test_an_executor_is_refused_once_its_run_has_spent_the_budget() -> None:
    purse = Purse(usd=2)
    purse.pay("agent", {"cost_usd": 1.25, "tokens": 10, "model": "m"})
    assert purse.refusal("agent") is None
    purse.pay("other", {"cost_usd": 0.75})
    expected = "the run's budget is used up: $2.00 of $2.00 (budget_usd of [build])"
    assert purse.refusal("agent") == purse.refusal("other") == expected
    assert purse.refusal("shell") is None
    assert purse.spent == {"cost_usd": 2.0, "tokens": 10}


def test_a_purse_says_what_is_left_and_never_less_than_nothing() -> None:
    purse = Purse(1.0, 100)
    assert (purse.left_usd, purse.left_tokens) == (1.0, 100)
    purse.pay("agent", {"cost_usd": 0.25, "tokens": 300})
    assert (purse.left_usd, purse.left_tokens) == (0.75, 0)
    assert (Purse().left_usd, Purse().left_tokens) == (None, None)


def test_tokens_have_a_budget_of_their_own() -> None:
    purse = Purse(usd=5, tokens=2000)
    purse.pay("agent", {"tokens": 1999})
    assert purse.refusal("agent") is None
    purse.pay("agent", {"tokens": 1})
    assert purse.refusal("agent") == (
        "the run's budget is used up: 2,000 of 2,000 tokens (budget_tokens of [build])"
    )


def test_what_tells_of_no_cost_is_never_refused() -> None:
    purse = Purse(usd=0, tokens=0)
    purse.pay("shell", {"cost_usd": "none", "tokens": None})
    purse.pay("shell", {})
    assert purse.refusal("shell") is None
    purse.pay(None, {"tokens": 1})
    assert purse.spent == {"tokens": 1}


def test_a_budget_of_one_kind_is_not_used_up_by_the_other() -> None:
    in_money, in_tokens = Purse(usd=0.5), Purse(tokens=1)
    in_money.pay("agent", {"tokens": 9})
    in_tokens.pay("agent", {"cost_usd": 9.0})
    assert in_money.refusal("agent") is in_tokens.refusal("agent") is None


def test_an_executor_without_a_name_is_refused_as_any() -> None:
    purse = Purse(tokens=1)
    assert purse.refusal(None) is None
    purse.pay(None, {"tokens": 1})
    assert purse.refusal(None) is not None
