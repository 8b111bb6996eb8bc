"""What plugins return, made plain where it enters: whoever shows or adds it up need not look again."""

from collections.abc import Callable, Mapping
from typing import Any

from specbuild.hookspecs import Diagnosis

_MOST = 1e300
"""A figure below it can still be added up as a float; one above is a mistake."""

_MOST_EXIT_CODE = 2**32


def shown(value: object) -> str:
    """What a plugin gave, for a message; its repr may raise, or be long."""
    try:
        return f"{value!r:.80}"
    except Exception:  # noqa: BLE001
        return f"an object of {type(value).__name__}"


def text(value: object) -> str:
    return "" if value is None else str(value)


def usage(given: object, note: Callable[[str], None]) -> Mapping[str, Any]:
    """Numbers and texts by their names; what is left out is noted."""
    if not isinstance(given, Mapping):
        note(f"usage is {shown(given)}, no mapping; it is left out")
        return {}
    found = {}
    for name, value in given.items():
        if isinstance(name, str) and (isinstance(value, str) or _is_figure(value)):
            found[name] = value
        else:
            note(f"{shown(name)} of usage is {shown(value)}, no figure; it is left out")
    return found


def _is_figure(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) < _MOST  # NaN is not, either


def exit_code(given: object, note: Callable[[str], None]) -> int | None:
    if given is None or (isinstance(given, int) and abs(given) < _MOST_EXIT_CODE):
        return given
    note(f"exit_code is {shown(given)}, no exit code; it is left out")
    return None


def diagnosis(given: object) -> Diagnosis | str:
    """The diagnosis, or why it is none."""
    if not isinstance(given, Diagnosis):
        return f"{shown(given)}, no Diagnosis"
    for name in ("kind", "summary"):
        value = getattr(given, name)
        if not isinstance(value, str):
            return f"a Diagnosis whose {name} is {shown(value)}, no text"
    for name in ("causes", "fixes"):
        value = getattr(given, name)
        if not isinstance(value, tuple | list) or not all(isinstance(each, str) for each in value):
            return f"a Diagnosis whose {name} are {shown(value)}, no tuple of texts"
    return given._replace(causes=tuple(given.causes), fixes=tuple(given.fixes))
