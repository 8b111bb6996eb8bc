"""Whatever an agent prints is read: no line of it may fail the agent."""

import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from specbuild_agent.output import Reading

NAMES = st.sampled_from([
    "type", "message", "usage", "part", "item", "error", "result", "response", "is_error", "stats",
    "models", "tokens", "cache", "cost", "cost_usd", "total_cost_usd", "num_turns", "input_tokens",
    "output_tokens", "inputTokens", "input", "output", "total_tokens", "reasoning", "read",
    "content", "text", "name", "id", "state", "tool", "path", "changes", "item_type", "subtype",
    "data", "command", "m",
])  # fmt: skip
WORDS = st.sampled_from([
    "assistant", "message", "result", "error", "turn.failed", "turn.completed", "item.completed",
    "agent_message", "file_change", "command_execution", "text", "tool", "tool_use", "user",
])  # fmt: skip
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -(10**400), 1e308, -1])
PLAIN = st.none() | st.booleans() | NUMBERS | WORDS | st.text(max_size=5)
JSON = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=25,
)
EVENTS = st.dictionaries(NAMES, JSON, max_size=6)
COUNTS = st.text("0123456789.,kM", max_size=6) | st.just("9" * 400)
AIDER = st.builds("Tokens: {} sent, {} received. Cost: ${} message, ${} session.".format, *[COUNTS] * 4)
LINES = (
    EVENTS.map(json.dumps)
    | EVENTS.map(lambda event: json.dumps(event, indent=2))
    | st.lists(JSON).map(json.dumps)
    | AIDER
    | st.text()
)


def read(text: str, size: int = 1 << 30) -> Reading:
    """What was read of a text that came in pieces."""
    reading = Reading(lambda _: None)
    for start in range(0, len(text), size):
        reading.feed(text[start : start + size])
    reading.close()
    return reading


@given(st.lists(LINES, max_size=4).map("\n".join), st.sampled_from([1, 7, 1 << 30]))
@example('{"type": ["string", "null"]}', 1 << 30)
@example('{"type": "item.completed", "item": {"type": {}}}', 1 << 30)
@example('{"usage": {"input_tokens": ' + "9" * 400 + "}}", 1 << 30)
@example("Tokens: 1.2.3k sent, 5 received", 1 << 30)
def test_anything_that_an_agent_prints_is_read_and_its_figures_are_finite(text: str, size: int) -> None:
    reading = read(text, size)
    assert all(math.isfinite(value) for value in reading.usage.values())
    assert isinstance(reading.message, str)


@pytest.mark.parametrize("depth", [900, 980, 2000])
def test_what_is_nested_deeply_is_read(depth: int) -> None:
    read('{"error": ' + '{"message": ' * depth + "1" + "}" * depth + "}")
    read('{"error": ' + "[" * depth + "]" * depth + "}")


def test_a_figure_that_is_none_leaves_the_others() -> None:
    told = {"type": "result", "usage": {"input_tokens": 3, "output_tokens": 10**400}, "cost_usd": -1}
    assert read(json.dumps(told)).usage == {"input_tokens": 3, "tokens": 3}
