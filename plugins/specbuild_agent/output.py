"""What an agent prints: shown as it comes, and read for usage, cost, its answer and errors it admits."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

LONGEST_LINE = 4_000_000
"""Characters of one line that are still taken for JSON; a longer one is handed on unread."""

_MOST = 1e15
"""A figure from here on is a mistake."""

_NUMBER = r"[0-9][0-9,]{0,15}(?:\.[0-9]{1,15})?"
_AIDER = re.compile(
    rf"Tokens: ({_NUMBER}[kM]?) sent(?:, {_NUMBER}[kM]? cache \w+)*, ({_NUMBER}[kM]?) received"
    rf"(?:\. Cost: \${_NUMBER} message, \$({_NUMBER}) session)?"
)
_AIDER_ERROR = re.compile(r"litellm\.(?!RateLimit)\w*(?:Error|Exception)\b.*")  # it tries again after the one


class Reading:
    """Takes output piece by piece. `usage`: figures so far; `message`: the answer; `error`: its own."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._line: list[str] = []  # of the line that has not ended yet
        self._length = 0
        self._skipping = False  # in a line that is too long
        self._document: list[str] = []  # lines of a JSON document that has not ended yet
        self._sums: dict[str, float] = {}
        self._turns: dict[str, dict[str, float]] = {}  # by message, of which parts are told repeatedly
        self._total: dict[str, float] | None = None
        self.message = ""
        self.error = ""

    @property
    def usage(self) -> dict[str, Any]:
        """`input_tokens`, `output_tokens`, `tokens`, `cost_usd`, `turns`, as far as they were told."""
        found = dict(self._sums)
        for figures in self._turns.values():
            _add(found, figures)
        if self._total is not None:
            found.update(self._total)
        if {"input_tokens", "output_tokens"} & found.keys():
            found["tokens"] = found.get("input_tokens", 0) + found.get("output_tokens", 0)
        return {name: _plain(value) for name, value in found.items()}

    def feed(self, text: str) -> None:
        for line in text.splitlines(keepends=True) if "\n" in text else [text]:
            self._piece(line)

    def close(self) -> None:
        """The end of the output."""
        if self._line:
            self._whole("".join(self._line))
        if self._document:
            self._log("".join(self._document))
        self._line, self._document = [], []

    def _piece(self, text: str) -> None:
        ended = text.endswith("\n")
        if self._skipping:
            self._log(text)
            self._skipping = not ended
            return
        self._line.append(text)
        self._length += len(text)
        if ended or self._length > LONGEST_LINE or not self._line[0].lstrip().startswith(("{", "[")):
            # A line that is no JSON is shown at once, even where it has not ended.
            line = "".join(self._line)
            self._line, self._length = [], 0
            self._skipping = not ended and len(line) > LONGEST_LINE
            self._whole(line)

    def _whole(self, line: str) -> None:
        if self._document:
            self._document.append(line)
            if line.rstrip() == "}" or sum(map(len, self._document)) > LONGEST_LINE:
                text, self._document = "".join(self._document), []
                self._events(text)
        elif line.strip() == "{":
            self._document = [line]
        elif line.lstrip().startswith(("{", "[")):
            self._events(line)
        else:
            self._aider(line)
            self._log(line)

    def _events(self, text: str) -> None:
        """An event, a document, or a list of events; what is none of these is shown as it is."""
        found = _json(text) if len(text) <= LONGEST_LINE else None
        events = [each for each in (found if isinstance(found, list) else [found]) if isinstance(each, dict)]
        if not events:
            self._log(text)
        for event in events:
            self._show(self._take(event))

    def _show(self, text: str) -> None:
        if text:
            self._log(text if text.endswith("\n") else f"{text}\n")

    # JSON

    def _take(self, event: Mapping[str, Any]) -> str:
        """Reads one event or document; returns what of it a person wants to see."""
        self._figures(event)
        kind = _kind(event)
        error = event.get("error")
        if event.get("is_error") is True or kind in {"error", "turn.failed"} or error:
            told = error or event.get("message") or event.get("result") or event.get("subtype") or "an error"
            self.error = f"the agent reports: {_error_words(told)}"
        elif kind in {"turn.completed", "result"}:
            self.error = ""  # what went wrong on the way was overcome
        if kind == "result" or (kind is None and ("response" in event or "result" in event)):
            answer = event.get("result", event.get("response"))
            self.message = answer if isinstance(answer, str) else self.message
            return self.message if kind is None else ""
        return _words(event)

    def _figures(self, event: Mapping[str, Any]) -> None:
        kind = _kind(event)
        message = event.get("message")
        part = event.get("part")
        if isinstance(message, dict) and isinstance(message.get("usage"), dict):  # claude, as it goes
            self._turns[str(message.get("id", len(self._turns)))] = _tokens(message["usage"])
            return
        if isinstance(part, dict):  # opencode: each step tells its own
            figures = _tokens(part.get("tokens")) | _cost(part)
            _add(self._sums, figures)
            return
        figures = _tokens(event.get("usage")) | _cost(event) | _gemini(event.get("stats"))
        for turns in _numbers(event, "num_turns"):
            figures["turns"] = turns
        if not figures:
            return
        if kind == "turn.completed":  # codex: each turn tells its own
            _add(self._sums, figures)
        else:  # a result, or a whole document: all that was used
            self._total = {**(self._total or {}), **figures}

    def _aider(self, line: str) -> None:
        failed = _AIDER_ERROR.match(line)
        if failed is not None:
            self.error = f"the agent reports: {_error_words(failed[0])}"
        match = _AIDER.search(line) if "Tokens:" in line else None
        if match is None:
            return
        _add(self._sums, {"input_tokens": _thousands(match[1]), "output_tokens": _thousands(match[2])})
        if match[3]:
            self._total = {"cost_usd": float(match[3].replace(",", ""))}


def _add(sums: dict[str, float], figures: Mapping[str, float]) -> None:
    for name, value in figures.items():
        sums[name] = sums.get(name, 0) + value


def _plain(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _kind(event: Mapping[str, Any], name: str = "type") -> str | None:
    """Of which type an event or a part of one is: words, where it is one that we know."""
    kind = event.get(name)
    return kind if kind is None or isinstance(kind, str) else ""


def _numbers(found: Any, *names: str) -> list[float]:
    if not isinstance(found, dict):
        return []
    values = [found.get(name) for name in names]
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    return [value for value in numbers if 0 <= value < _MOST]  # NaN is not, either


def _tokens(usage: Any) -> dict[str, float]:
    """Input (with what a cache held) and output, by whatever names."""
    figures: dict[str, float] = {}
    cache = usage.get("cache") if isinstance(usage, dict) else None
    given = _numbers(usage, "input_tokens", "prompt_tokens", "inputTokens", "input")[:1]
    given += _numbers(usage, "cache_creation_input_tokens", "cacheWriteTokens")[:1]
    given += _numbers(usage, "cache_read_input_tokens", "cacheReadTokens")[:1]
    given += _numbers(cache, "read", "write")
    if given:
        figures["input_tokens"] = sum(given)
    made = _numbers(usage, "output_tokens", "completion_tokens", "outputTokens", "output")[:1]
    made += _numbers(usage, "reasoning")
    if made:
        figures["output_tokens"] = sum(made)
    total = _numbers(usage, "total_tokens", "totalTokens")[:1]
    if total and not figures:
        figures["tokens"] = total[0]
    return figures


def _cost(event: Mapping[str, Any]) -> dict[str, float]:
    found = _numbers(event, "total_cost_usd", "cost_usd", "cost", "costUsd")
    return {"cost_usd": found[0]} if found else {}


def _gemini(stats: Any) -> dict[str, float]:
    """`stats.models.NAME.tokens` of gemini, all models together."""
    models = stats.get("models") if isinstance(stats, dict) else None
    figures: dict[str, float] = {}
    for model in models.values() if isinstance(models, dict) else ():
        tokens = model.get("tokens") if isinstance(model, dict) else None
        made = sum(_numbers(tokens, "candidates", "thoughts"))
        given = sum(_numbers(tokens, "prompt", "input")[:1])
        _add(figures, {"input_tokens": given, "output_tokens": made})
    return figures


def _thousands(text: str) -> float:
    factor = {"k": 1_000, "M": 1_000_000}.get(text[-1], 1)
    return float(text.rstrip("kM").replace(",", "")) * factor


# What a person wants to see


def _words(event: Mapping[str, Any]) -> str:
    """An event in words: what the agent says, and `→ ` with what it does; the rest is not shown."""
    message, item, part = event.get("message"), event.get("item"), event.get("part")
    kind = _kind(event)
    lines: list[str] = []
    if kind in {"assistant", "message"} and isinstance(message, dict):
        lines += _content(message.get("content"))
    elif isinstance(item, dict) and kind == "item.completed":  # codex
        lines += _item(item)
    elif isinstance(part, dict):  # opencode
        lines += _part(part)
    elif kind in {"error", "turn.failed"}:
        lines.append(f"error: {_error_words(event.get('message') or event.get('error'))}")
    elif isinstance(message, str) and kind not in {"user", "system"}:
        lines.append(message)
    return "\n".join(line for line in lines if line)


def _content(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    lines = []
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict) and isinstance(block.get("text"), str):
            lines.append(block["text"])
        elif isinstance(block, dict) and block.get("type") == "tool_use":
            lines.append(_step(block.get("name"), block.get("input")))
    return lines


def _item(item: Mapping[str, Any]) -> list[str]:
    kind = _kind(item, "type" if "type" in item else "item_type")
    if kind in {"agent_message", "assistant_message"} and isinstance(item.get("text"), str):
        return [item["text"]]
    if kind == "command_execution":
        return [_step("run", {"command": item.get("command")})]
    if kind == "file_change":
        changes = item.get("changes")
        paths = [c.get("path") for c in changes if isinstance(c, dict)] if isinstance(changes, list) else []
        return [_step("edit", {"path": path}) for path in paths]
    return []


def _part(part: Mapping[str, Any]) -> list[str]:
    if part.get("type") == "text" and isinstance(part.get("text"), str):
        return [part["text"]]
    if part.get("type") == "tool":
        state = part.get("state")
        return [_step(part.get("tool"), state.get("input") if isinstance(state, dict) else None)]
    return []


def _step(tool: Any, given: Any) -> str:
    about = ""
    for name in ("file_path", "filePath", "path", "command", "pattern", "url", "description"):
        value = given.get(name) if isinstance(given, dict) else None
        if isinstance(value, str) and value:
            about = " ".join(value.split())[:200]
            break
    return f"→ {tool} {about}".rstrip()


def _error_words(found: Any) -> str:
    while isinstance(found, dict):
        found = found.get("message") or found.get("data") or json.dumps(found)
    return " ".join(str(found).split())[:500]
