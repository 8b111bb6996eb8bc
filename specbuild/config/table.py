"""A TOML table read strictly: each wrong value and unknown key becomes an error with its line."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from specbuild.config.lines import KeyPath
from specbuild.config.values import DURATION, duration
from specbuild.errors import ConfigError

_MOST = 1e15
_KINDS = ((bool, "true or false"), (int, "a whole number"), (float, "a number"), (str, "a string"))


def kind(value: Any) -> str:
    """What a person would call a TOML value, shown short."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    name = next((name for type_, name in _KINDS if isinstance(value, type_)), type(value).__name__)
    shown = str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')
    return f"{shown if len(shown) <= 60 else shown[:57] + '...'} ({name})"


def nearest(word: str, allowed: Iterable[str]) -> str:
    """`did you mean "x"?`, or nothing."""
    import difflib  # noqa: PLC0415

    near = difflib.get_close_matches(word, list(allowed), n=1)
    return f'did you mean "{near[0]}"? ' if near else ""


class Source:
    """The file being read: where its keys stand, and what was found wrong."""

    def __init__(self, file: str, lines: Mapping[KeyPath, int]) -> None:
        self.file = file
        self.lines = lines
        self.errors: list[ConfigError] = []

    def line(self, path: KeyPath) -> int:
        """Of the key, else of the nearest table around it."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return 1

    def wrong(self, path: KeyPath, what: str, hint: str = "") -> None:
        self.errors.append(ConfigError(what, where=f"{self.file}:{self.line(path)}", hint=hint))


class Table:
    """One table. Each getter also makes its key known; `finish` reports all others."""

    def __init__(self, source: Source, path: KeyPath, label: str, values: Any) -> None:
        self.source = source
        self.path = path
        self.label = label  # as a message names it: "[build]", "rule 2"
        self.known: list[str] = []
        self.values: Mapping[str, Any] = {}
        if isinstance(values, dict):
            self.values = values
        else:
            source.wrong(path, f"{label} is {kind(values)}", "it must be a table")

    @property
    def line(self) -> int:
        return self.source.line(self.path)

    def line_of(self, key: str) -> int:
        return self.source.line((*self.path, key))

    def lines_of(self) -> dict[str, int]:
        return {key: self.line_of(key) for key in self.values}

    def raw(self, key: str) -> Any:
        self.known.append(key)
        return self.values.get(key)

    def wrong(self, key: str, what: str, hint: str = "") -> None:
        self.source.wrong((*self.path, key), what, hint)

    def _mistyped(self, key: str, value: Any, wanted: str) -> None:
        self.wrong(key, f"{self._name(key)} is {kind(value)}", f"it takes {wanted}")

    def _name(self, key: str) -> str:
        return f"{key} of {self.label}" if self.label else key

    def string(self, key: str) -> str | None:
        value = self.raw(key)
        if value is None or (isinstance(value, str) and value.strip()):
            return value
        self._mistyped(key, value, "a string that is not empty")
        return None

    def required(self, key: str) -> str:
        value = self.string(key)
        if value is None and key not in self.values:
            self.source.wrong(self.path, f"{self.label} has no {key}", f'write {key} = "…"')
        return value or ""

    def strings(self, key: str, *, one: bool = False) -> tuple[str, ...] | None:
        """A list of strings; with `one` a lone string is a list of it."""
        value = self.raw(key)
        if value is None:
            return None
        if one and isinstance(value, str):
            value = [value]
        if isinstance(value, list) and all(isinstance(each, str) and each for each in value):
            return tuple(value)
        if isinstance(value, list):
            odd = next(each for each in value if not isinstance(each, str) or not each)
            self.wrong(key, f"{self._name(key)} holds {kind(odd)}", "it takes a list of strings")
        else:
            self._mistyped(key, value, 'a list of strings, e.g. ["a", "b"]')
        return None

    def flag(self, key: str) -> bool | None:
        value = self.raw(key)
        if value is None or isinstance(value, bool):
            return value
        self._mistyped(key, value, "true or false")
        return None

    def whole(self, key: str, *, low: int = 0) -> int | None:
        value = self.raw(key)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= low):
            return value
        self._mistyped(key, value, f"a whole number from {low}")
        return None

    def number(self, key: str) -> float | None:
        """One above 0, not infinite."""
        value = self.raw(key)
        if value is None:
            return None
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= _MOST:
            return float(value)
        self._mistyped(key, value, "a number above 0")
        return None

    def seconds(self, key: str) -> float | None:
        value = self.raw(key)
        if value is None:
            return None
        numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
        found = duration(str(value)) if numeric or isinstance(value, str) else None
        if found is None:
            self._mistyped(key, value, DURATION)
        return found

    def choice(self, key: str, allowed: Collection[str]) -> str | None:
        value = self.raw(key)
        if value is None or (isinstance(value, str) and value in allowed):
            return value
        words = ", ".join(f'"{each}"' for each in allowed)
        near = nearest(value, allowed) if isinstance(value, str) else ""
        shown = f'"{value}"' if isinstance(value, str) else kind(value)
        self.wrong(key, f"{self._name(key)} is {shown}", f"{near}it takes {words}")
        return None

    def table(self, key: str, label: str) -> "Table":
        value = self.raw(key)
        return Table(self.source, (*self.path, key), label, {} if value is None else value)

    def tables(self, key: str, word: str) -> list["Table"]:
        """An array of tables, each labelled with `word` and its number."""
        value = self.raw(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self._mistyped(key, value, f"tables, each under a line [[{key}]]")
            return []
        return [
            Table(self.source, (*self.path, key, index), f"{word} {index + 1}", each)
            for index, each in enumerate(value)
        ]

    def finish(self) -> None:
        for key in self.values:
            if key not in self.known:
                place = f"in {self.label}" if self.label else "at the top"
                hint = f"{nearest(key, self.known)}known keys: {', '.join(self.known)}"
                self.wrong(key, f'unknown key "{key}" {place}', hint)
