"""The filter language: which tasks a person, or a rule, means (SPEC section 3)."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn, TypeAlias

from specbuild.engine.glob import matcher
from specbuild.engine.task import RepoPath, TaskName, TaskText
from specbuild.errors import UsageError

Order: TypeAlias = Callable[[RepoPath, str], int | None]
"""Where in a file the task with this id (in any case) stands; None: no such id there."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a filter may ask about a task beside its text. None: not known, which counts as no."""

    targets: tuple[str, ...] = ()
    executor: str | None = None
    stale: bool | None = None
    failed: bool | None = None
    order: Order | None = None  # None: ranges compare the ids themselves


@dataclass(frozen=True, slots=True)
class Word:
    """One condition: `kind` is what it looks at (`priority`, `id`, `target`…), `value` what it asks for."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Not:
    inner: "Node"


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Any_:  # noqa: N801  (`Any` is taken)
    parts: tuple["Node", ...]


Node: TypeAlias = Word | Not | All | Any_

KEYS = ("id", "phase", "story", "priority", "target", "title", "label", "executor", "req")
KNOWN = (
    "P1 to P9, US3, T003, T003..T009, phase:2, story:US3, priority:1, target:src/**, title:*model*, "
    "label:optional, executor:shell, req:FR-003, id:T003, stale, failed, and, or, not"
)


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed filter expression."""

    expression: str
    root: Node

    @property
    def words(self) -> frozenset[str]:
        """The kinds of its words: `stale failed range`, and those of KEYS."""
        return frozenset(word.kind for word in _words(self.root))

    def matches(self, task: TaskText, facts: Facts) -> bool:
        """Whether the task is chosen."""
        return _holds(self.root, task, facts)

    def names(self, task: TaskText, facts: Facts) -> bool:
        """Whether a word outside `not` means this task itself: by an id, a range or a label.

        Tasks labelled `optional` are chosen, and counted by `check`, only where a filter names them.
        """
        named = (word for word in _words(self.root, positive=True) if word.kind in ("id", "range", "label"))
        return any(_holds(word, task, facts) for word in named)


def file_order(tasks: Iterable[TaskText]) -> Order:
    """The order that ranges such as `T003..T009` follow: that of the tasks in their files."""
    positions: dict[tuple[RepoPath, str], int] = {}
    for position, task in enumerate(tasks):
        positions.setdefault((task.name.file, task.name.id.casefold()), position)
    return lambda file, id_: positions.get((file, id_.casefold()))


def _words(node: Node, *, positive: bool = False) -> Iterable[Word]:
    match node:
        case Word():
            yield node
        case Not(inner):
            if not positive:
                yield from _words(inner)
        case All(parts) | Any_(parts):
            for part in parts:
                yield from _words(part, positive=positive)


# Reading an expression.

_TOKEN = re.compile(r"""\s*(?:([(),!])|((?:"[^"]*"|'[^']*'|[^\s(),"'])+))""")
_STORY = re.compile(r"us-?\d+[a-z]?\Z")
_ID = re.compile(r"(?:[a-z]*[-_.]?\d[\w.-]*|#[0-9a-f]{6})(?:@\d+)?\Z")
_KEY = re.compile(r"([A-Za-z]+):(.*)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str  # without quotes
    column: int
    bare: bool  # nothing of it was quoted


@lru_cache(maxsize=256)
def parse(expression: str) -> Filter:
    """The filter that `expression` says; UsageError names the position of what is not understood."""
    reader = _Reader(expression)
    if not reader.tokens:
        raise UsageError("the filter is empty", hint=f"known words: {KNOWN}")
    root = reader.either()
    if reader.tokens:
        token = reader.tokens[0]
        if token.bare and token.text == ")":
            reader.fail(token.column, 'this ")" closes nothing')
        reader.fail(token.column, f'"and", "or" or a comma is missing before "{token.text}"')
    return Filter(expression, root)


class _Reader:
    """A recursive descent: either > both > negated > one."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.tokens: list[_Token] = []
        at = 0
        while expression[at:].strip():
            match = _TOKEN.match(expression, at)
            if match is None:
                self.fail(len(expression) - len(expression[at:].lstrip()) + 1, "a quote is not closed")
            text = match[1] or match[2]
            plain = re.sub(r"\"([^\"]*)\"|'([^']*)'", lambda part: part[1] or part[2] or "", text)
            start = match.start(1) if match[1] else match.start(2)
            self.tokens.append(_Token(plain, start + 1, bare=plain == text))
            at = match.end()

    def fail(self, column: int, what: str, hint: str = "") -> NoReturn:
        raise UsageError(f'filter "{self.expression}", column {column}: {what}', hint=hint)

    def take(self, *words: str) -> bool:
        if self.tokens and self.tokens[0].bare and self.tokens[0].text.casefold() in words:
            self.tokens.pop(0)
            return True
        return False

    def either(self) -> Node:
        parts = [self.both()]
        while self.take("or", ","):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else Any_(tuple(parts))

    def both(self) -> Node:
        parts = [self.negated()]
        while self.take("and"):
            parts.append(self.negated())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def negated(self) -> Node:
        return Not(self.negated()) if self.take("not", "!") else self.one()

    def one(self) -> Node:
        if not self.tokens:
            self.fail(len(self.expression) + 1, "something is missing at the end")
        token = self.tokens.pop(0)
        if token.bare and token.text == "(":
            inner = self.either()
            if not self.take(")"):
                self.fail(token.column, 'this "(" is not closed')
            return inner
        if token.bare and token.text.casefold() in (")", ",", "and", "or"):
            self.fail(token.column, f'a word is missing before "{token.text}"')
        return self.word(token)

    def word(self, token: _Token) -> Word:
        text = token.text
        folded = text.casefold()
        keyed = _KEY.match(text)
        if keyed and keyed[1].casefold() in KEYS:
            return self.keyed(token, keyed[1].casefold(), keyed[2])
        if folded in ("stale", "failed"):
            return Word(folded, "")
        if re.match(r"p[1-9]\Z", folded):
            return Word("priority", folded[1:])
        if _STORY.match(folded):
            return Word("story", folded)
        first, dots, last = folded.partition("..")
        if dots and _ID.match(first.rpartition("#")[2]) and _ID.match(last):
            return Word("range", folded)
        if _ID.match(folded.rpartition("#")[2]) or _ID.match(folded):
            return Word("id", folded)
        return self.unknown(token)

    def keyed(self, token: _Token, key: str, value: str) -> Word:
        if not value:
            self.fail(
                token.column, f'"{key}:" has no value', f"write it without a space, e.g. {_EXAMPLES[key]}"
            )
        folded = value.casefold()
        if key == "priority":
            if not re.match(r"p?[1-9]\Z", folded):
                self.fail(token.column, f'"{value}" is no priority', "there are P1 to P9")
            folded = folded.removeprefix("p")
        if key == "story" and folded.isdigit():
            folded = f"us{folded}"
        if key == "id" and ".." in folded:
            key = "range"
        return Word(key, folded)

    def unknown(self, token: _Token) -> NoReturn:
        import difflib  # noqa: PLC0415

        key, colon, value = token.text.partition(":")
        near = difflib.get_close_matches(key.casefold(), [*KEYS, "stale", "failed", "and", "or", "not"], n=1)
        hint = f'did you mean "{near[0]}{colon}{value}"? ' if near else ""
        self.fail(token.column, f'unknown word "{token.text}"', f"{hint}known words: {KNOWN}")


_EXAMPLES = {
    "id": "id:T003",
    "phase": "phase:2",
    "story": "story:US3",
    "priority": "priority:1",
    "target": "target:src/**",
    "title": "title:*model*",
    "label": "label:optional",
    "executor": "executor:shell",
    "req": "req:FR-003",
}


# Asking a task.


def _holds(node: Node, task: TaskText, facts: Facts) -> bool:
    match node:
        case Not(inner):
            return not _holds(inner, task, facts)
        case All(parts):
            return all(_holds(part, task, facts) for part in parts)
        case Any_(parts):
            return any(_holds(part, task, facts) for part in parts)
        case Word(kind, value):
            return _asks(kind, value, task, facts)


def _asks(kind: str, value: str, task: TaskText, facts: Facts) -> bool:
    match kind:
        case "stale":
            return facts.stale is True
        case "failed":
            return facts.failed is True
        case "priority":
            return task.priority == int(value)
        case "story":
            return task.story is not None and _like(task.story, value, whole=True)
        case "id":
            return _is(task.name, value)
        case "range":
            return _between(task.name, value, facts.order)
        case "phase":
            return _in_phase(task, value)
        case "target":
            return any(_path_like(target, value) for target in facts.targets)
        case "title":
            return _like(task.title, value, whole=False)
        case "label":
            labels = (*task.labels, "optional") if task.optional else task.labels
            return any(_like(label, value, whole=True) for label in labels)
        case "req":
            return any(_like(requirement, value, whole=True) for requirement in task.requirements)
        case _:
            return facts.executor is not None and _like(facts.executor, value, whole=True)


def _is(name: TaskName, value: str) -> bool:
    id_, full = name.id.casefold(), str(name).casefold()
    return _like(id_, value, whole=True) or full == value


def _like(text: str, pattern: str, *, whole: bool) -> bool:
    """Whether `text` matches a pattern of `*` and `?`; without these it is the text, or a part of it."""
    if "*" in pattern or "?" in pattern:
        return _wildcard(pattern).match(text.casefold()) is not None
    return text.casefold() == pattern if whole else pattern in text.casefold()


@lru_cache(maxsize=256)
def _wildcard(pattern: str) -> re.Pattern[str]:
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(expression + r"\Z", re.DOTALL)


def _path_like(path: str, pattern: str) -> bool:
    """A pattern without `/` means a file's name in any folder; a folder means all below it."""
    folded = path.casefold()
    if "/" not in pattern.rstrip("/"):
        pattern = "**/" + pattern
    whole = pattern.endswith(("/", "**"))  # then a folder that is owned whole is below itself
    return matcher(pattern)(folded if whole else folded.rstrip("/"))


_PHASE_NUMBER = re.compile(r"\W*(?:[^\W\d]+[ \t]*)?(\d+(?:\.\d+)*)\b")


def _in_phase(task: TaskText, value: str) -> bool:
    """By the number that the heading gives its phase, else by its place in the file; or by its words."""
    if not re.match(r"\d+(?:\.\d+)*\Z", value):
        return task.phase is not None and _like(task.phase, value, whole=False)
    number = _PHASE_NUMBER.match(task.phase or "")
    if number:
        return number[1] == value
    return task.phase_index > 0 and str(task.phase_index) == value


def _between(name: TaskName, value: str, order: Order | None) -> bool:
    first, _, last = value.partition("..")
    file, hash_, bare = first.rpartition("#")
    if hash_ and file:
        if name.file.casefold() != file:
            return False
        first = bare
    if order is not None:
        ends = order(name.file, first), order(name.file, last)
        position = order(name.file, name.id)
        if ends[0] is not None and ends[1] is not None and position is not None:
            return ends[0] <= position <= ends[1]
    low, high, own = _natural(first), _natural(last), _natural(name.id.casefold())
    return low[0] == own[0] == high[0] and low <= own <= high


def _natural(id_: str) -> tuple[str, list[tuple[int, str]]]:
    """An id as its letters and the numbers behind them, each with what follows it: T9 comes before T10."""
    parts = re.findall(r"([0-9]+)([^0-9]*)", id_)
    return re.split("[0-9]", id_, maxsplit=1)[0], [(int(number), text) for number, text in parts]
