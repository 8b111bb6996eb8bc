"""An event and its line of JSON, both ways."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from specbuild.engine import events
from specbuild.engine.events import Event
from specbuild.engine.task import TaskName

VERSION = 1
_KINDS: Mapping[str, type[Event]] = {
    kind.event: kind
    for kind in (
        events.RunStarted,
        events.Planned,
        events.TaskStarted,
        events.TaskOutput,
        events.TaskRetried,
        events.TaskFinished,
        events.GateStarted,
        events.GateFinished,
        events.Warned,
        events.RunFinished,
    )
}
_NAME = re.compile(r"(.+?)#(#[0-9a-f]{6}(?:@\d+)?|[^#]+)", re.DOTALL)


def parse_name(text: str) -> TaskName:
    """The task that `FILE#ID` names; the file may hold a `#`, the id only as its first character."""
    match = _NAME.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return TaskName(match[1], match[2])


def to_dict(event: Event) -> dict[str, Any]:
    """An event as JSON has it: its name as `event`, tasks as `FILE#ID`."""
    return {"event": event.event} | _plain_fields(event)


def _plain_fields(value: Any) -> dict[str, Any]:
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case TaskName():
            return str(value)
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
    return _plain_fields(value) if is_dataclass(value) else str(value)


def to_line(event: Event, at: float) -> str:
    """One line of JSON in plain ASCII, with the time `at` in seconds since 1970; no newline."""
    document = {"version": VERSION, "event": event.event, "time": round(at, 3)} | to_dict(event)
    return json.dumps(document, separators=(",", ":"))


def from_dict(document: Mapping[str, Any]) -> Event | None:
    """The event that `to_dict` made it from; None where it is of another version, damaged or foreign."""
    kind = _KINDS.get(str(document.get("event")))
    if kind is None:
        return None
    try:
        event: Event = _decode_fields(kind, document)
    except (ValueError, TypeError):
        return None
    return event


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _decode_fields(kind: Any, document: Mapping[str, Any]) -> Any:
    values = {}
    for field in fields(kind):
        if field.name in document:
            values[field.name] = _decode(_hints(kind)[field.name], document[field.name])
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(field.name)
    return kind(**values)


def _decode(hint: Any, value: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in {Union, UnionType}:
        if value is None and NoneType in arguments:
            return None
        return _decode(next(kind for kind in arguments if kind is not NoneType), value)
    if origin is Literal and value in arguments:
        return value
    if origin is tuple and isinstance(value, list):
        return tuple(_decode(arguments[0], item) for item in value)
    if origin is Mapping and isinstance(value, dict):
        return {_decode(arguments[0], key): _decode(arguments[1], item) for key, item in value.items()}
    if hint is TaskName and isinstance(value, str):
        return parse_name(value)
    if is_dataclass(hint) and isinstance(value, dict):
        return _decode_fields(hint, value)
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if hint in {int, str, bool} and type(value) is hint:
        return value
    raise ValueError(value)
