"""Ids of other tasks in a task's text: dependency clauses, ranges and mere mentions."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from specbuild.engine.task import Need
from specbuild.patterns import Pattern
from specbuild.taskfile.marks import ID

_B: Final = r"(?<![A-Za-z0-9_#])"
_GENERATED: Final = r"#[0-9a-f]{6}(?:@\d+)?(?![0-9A-Za-z])"
_STRONG: Final = rf"(?:{_B}{ID}(?:@\d+)?|{_GENERATED})"
_DOTTED: Final = r"(?<![\w.])\d+(?:\.\d+)+[a-z]?(?![\w%]|\.\d)"
_WHOLE: Final = r"(?<![\w.])\d+(?=\s*(?:[,;)\]、，；）]|$|\.$|\.\s|\s(?:and|&|or)\s\d|\s?[-–—]\s?\d))"
_TOKEN: Final = rf"(?:{_STRONG}|{_DOTTED}|{_WHOLE})"
_DASH: Final = r"\s?(?:-|–|—|\.\.\.?|…|~|〜|～|to|through|thru|至|到|から|부터)\s?"
_SEP: Final = r"\s?(?:,|;|、|，|；|/|&|\+|and|or|和|及|与|と|및|와|과|und|et|y|e)\s?"
_ITEM: Final = r"(?:all\s)?(?:of\s)?(?:tasks?\s|任务\s?|タスク\s?|작업\s?)?[`*]{0,2}"
_END: Final = r"[`*]{0,2}"
_ONE: Final = rf"{_ITEM}(?:{_TOKEN}|\[{_TOKEN}\]){_END}"
_LIST: Final = rf"{_ONE}(?:(?:{_DASH}|{_SEP}(?:and\s|or\s)?){_ONE}){{0,400}}"
_KEY: Final = (
    r"(?:(?:which\s|that\s)?\bdepend(?:s|ing|ent)?\s(?:up)?on|\bdepend(?:s|encies|ency)?\s?[:：]|\bdeps\s?[:：]"
    r"|\bblocked\s(?:by|on|until)|\bafter|(?:依赖|依賴)(?:于|於)?\s?[:：]?|前置(?:任务|条件)?\s?[:：]|依存(?:関係|先)?\s?[:：]|의존(?:성)?\s?[:：]?"
    r"|depende\sde|dépend\sde|hängt\sab\svon|abhängig\svon|nach(?=\sT)|después\sde|depois\sde|après)"
)
CLAUSE: Final = Pattern(
    rf"(?P<open>[(（\[]\s?)?(?P<key>{_KEY})\s?(?:[:：]\s?)?(?:completing\s|completion\sof\s)?(?P<ids>{_LIST})(?P<close>\s?[)）\]])?",
    re.IGNORECASE,
)
_NOTHING: Final = Pattern(
    r"[(\[]\s?(?:depends\son|dependencies|depends|deps|blocked\sby)\s?[:：]?\s?(?:none|nothing|n/?a|-|–|—)?\s?[)\]]",
    re.IGNORECASE,
)
_USUAL: Final = re.compile(r"\(depends on (T\d+(?:, ?T\d+){0,40})\)\Z")
_USUAL_SPLIT: Final = re.compile(r", ?")
_HINT: Final = Pattern(
    r"\b(?:which\s|that\s)?(?:depend|deps|dépend|abhängig|hängt|block|after|nach|después|depois|après)|依赖|依賴|依存|前置|의존",
    re.IGNORECASE,
)
_AHEAD: Final = len("which ") + 1
_STEMS: Final = ("depend", "deps", "block", "after", "depois", "nach ")
_ALL_STEMS: Final = (*_STEMS, "dépend", "hängt", "abhäng", "despu", "après", "依", "前置", "의존")
_TOKENS: Final = Pattern(rf"(?P<first>{_TOKEN}){_END}(?:{_DASH}{_ITEM}(?P<last>{_TOKEN}))?", re.IGNORECASE)
_MENTIONS: Final = Pattern(rf"(?P<first>{_STRONG}){_END}(?:{_DASH}{_ITEM}(?P<last>{_STRONG}))?")
_AGAINST: Final = Pattern(
    r"(?:\b(?:un)?block(?:s|ing)?|\bbefore|\bprerequisites?\s(?:for|of|to)|\brequired\s(?:by|for)|\bneeded\s(?:by|for)"
    r"|\bused\s(?:by|in)|\benables?|\bprecedes?|阻塞|阻止|之前|ブロック)\s?[:：]?\s?"
    rf"{_LIST}",
    re.IGNORECASE,
)
_SURE: Final = Pattern(rf"{_STRONG}|\btasks?\b", re.IGNORECASE)
_ONLY_IDS: Final = Pattern(rf"{_LIST}\s?(?:[(（].*)?\Z", re.IGNORECASE | re.DOTALL)
_DIGITS: Final = re.compile(r"\d+")
_PARTS: Final = re.compile(r"([A-Za-z_-]*)(\d+(?:\.\d+)*)([A-Za-z]?)(?:@(\d+))?\Z")
NOTHING: Final = frozenset(
    (
        "",
        "none",
        "nothing",
        "n/a",
        "na",
        "-",
        "–",
        "—",
        "[]",
        "无",
        "無",
        "なし",
        "없음",
        "ninguna",
        "nenhuma",
        "aucune",
        "keine",
    )
)


class Clauses(NamedTuple):
    """A description cut apart: the text without dependency clauses, and the ids that these name."""

    text: str
    ids: tuple[str, ...]  # as written, ranges as `T001..T003`


class Known:
    """The ids of a file, for ranges and for telling a mention from a word."""

    def __init__(self, ids: Iterable[str]) -> None:
        self.ids = list(ids)
        self.exact = set(self.ids)
        self.folded = {id_.upper(): id_ for id_ in reversed(self.ids)}
        self._sorted: dict[str, list[tuple[_Key, str]]] | None = None

    def find(self, written: str) -> str | None:
        """The file's own spelling of an id."""
        return written if written in self.exact else self.folded.get(written.upper())

    def between(self, first: str, last: str) -> list[str]:
        """All ids of the file from `first` to `last`, by number; both ends as written if they are unknown."""
        low, high = _key(first), _key(last if _PARTS.match(last) else first)
        found: list[str] = []
        if low and high and low[0] == high[0]:
            for key, id_ in self._by_prefix().get(low[0], ()):
                if low[1:] <= key[1:] and (key[1:] <= high[1:] or key[1] == high[1]):
                    found.append(id_)
        for id_ in (self.find(first) or first, self.find(last) or last):
            if id_ not in found:
                found.append(id_)
        return found

    def _by_prefix(self) -> "dict[str, list[tuple[_Key, str]]]":
        if self._sorted is None:
            self._sorted = {}
            for id_ in self.ids:
                key = _key(id_)
                if key:
                    self._sorted.setdefault(key[0], []).append((key, id_))
            for entries in self._sorted.values():
                entries.sort()
        return self._sorted


_Key = tuple[str, tuple[int, ...], str, int]


def _key(id_: str) -> _Key | None:
    parts = _PARTS.match(id_)
    if parts is None:
        return None
    numbers = tuple(int(digits[:18]) for digits in _DIGITS.findall(parts[2]))
    return parts[1].upper(), numbers, parts[3].upper(), int(parts[4] or 1)


def cut_clauses(description: str) -> Clauses:
    """Takes `(depends on T001, T002)` and the like out of a description."""
    folded = description.lower()
    first = len(folded)
    for stem in _STEMS if folded.isascii() else _ALL_STEMS:
        place = folded.find(stem, 0, first)
        first = place if place >= 0 else first
    if first == len(folded):
        return Clauses(description, ())
    # nearly always one clause at the end, of a form that needs none of the care below
    if (usual := _USUAL.match(description, first - 1)) and first > 1 and folded.isascii():
        return Clauses(description[: first - 1].strip().strip(" ,;"), tuple(_USUAL_SPLIT.split(usual[1])))
    ids: list[str] = []
    parts: list[str] = []  # of what is left, in order
    done = 0
    for hint in _HINT.finditer(description, max(0, first - _AHEAD) if folded.isascii() else 0):
        start = hint.start()
        match = _clause(description, start, done) if start >= done else None
        if match is None:
            continue
        _append(parts, description[done : match.start()])
        done = match.end()
        if "ids" in match.re.groupindex:
            ids.extend(tokens(match["ids"]))
            done = _cut(parts, description, match)
    if not done:
        return Clauses(description, ())
    _append(parts, description[done:])
    return Clauses("".join(parts).strip(" ,;–—"), tuple(ids))


def _clause(text: str, start: int, floor: int) -> re.Match[str] | None:
    """The dependency clause whose keyword stands at `start`, with the bracket before it."""
    place = start - 1
    if place >= floor and text[place] == " ":
        place -= 1
    bracket = place if place >= floor and text[place] in "(（[" else start
    match = CLAUSE.match(text, bracket) or (CLAUSE.match(text, start) if bracket != start else None)
    if match is None:
        return _NOTHING.match(text, bracket)
    if match["key"].lower() == "after" and not _SURE.search(match[0]):
        return None  # `after 1.2` may be a version or a time
    return match


def _cut(parts: list[str], text: str, match: re.Match[str]) -> int:
    """Leaves what a clause shared a bracket with; where the text goes on behind the clause."""
    opened, closed, done = match["open"], match["close"], match.end()
    if opened and not closed:  # `(depends on T001; see T002)` keeps its bracket
        while done < len(text) and text[done] in " ,;":
            done += 1
        _append(parts, opened)
    elif closed and not opened:
        if parts:
            parts[-1] = parts[-1].rstrip(" ,;")
        _append(parts, closed)
    return done


def _append(parts: list[str], piece: str) -> None:
    """Adds a piece of a text that something was cut out of, with a space where one belongs."""
    piece = piece.strip()
    if not piece:
        return
    if parts and parts[-1][-1:] not in ("(", "（", "[", "") and piece[0] not in ",.;:)）]，。；":
        parts.append(" ")
    parts.append(piece)


def tokens(text: str) -> Iterator[str]:
    """Ids in a clause or in a body's `needs`; a range as `T001..T003`."""
    for match in _TOKENS.finditer(text):
        yield f"{match['first']}..{match['last']}" if match["last"] else match["first"]


def _strong_tokens(text: str) -> Iterator[str]:
    for match in _MENTIONS.finditer(text):
        yield f"{match['first']}..{match['last']}" if match["last"] else match["first"]


def resolve(written: Iterable[str], known: Known, *, own: str, line: int) -> Iterator[Need]:
    """Explicit needs: ranges expanded, the file's own spelling where it has one."""
    for token in written:
        first, dots, last = token.partition("..")
        for id_ in known.between(first, _same_form(first, last)) if dots else (known.find(first) or first,):
            if id_ != own:
                yield Need(id_, explicit=True, line=line)


def _same_form(first: str, last: str) -> str:
    """`T001–003` means `T001–T003`."""
    prefix = re.match(r"[A-Za-z_-]*", first)
    return prefix[0] + last if prefix and last[:1].isdigit() else last


def names_ids(text: str) -> bool:
    """Whether a text may name ids at all."""
    return "T" in text or "#" in text


def mentions(text: str, known: Known, *, own: str, line: int) -> Iterator[Need]:
    """Other ids of the file that a description names, except those that it says to come later."""
    found = list(_MENTIONS.finditer(text)) if names_ids(text) else []
    if not found:
        return
    against = [match.span() for match in _AGAINST.finditer(text)]
    starts = [start for start, _ in against]
    for match in found:
        before = bisect_right(starts, match.start()) - 1
        if before >= 0 and match.start() < against[before][1]:
            continue
        first, last = match["first"], match["last"]
        for id_ in known.between(first, last) if last else (first,):
            spelled = known.find(id_)
            if spelled is not None and spelled != own:
                yield Need(spelled, explicit=False, line=line)


def declared(value: str, *, strict: bool) -> list[str]:
    """Ids in a body's `needs`. `strict`: every word counts, so that a typing error is found."""
    core = value.strip().strip("[]`").strip()
    if core.lower().rstrip(".") in NOTHING:
        return []
    if not strict:  # `Node 18.2 and Phase 2` names no task, `1.2, 1.3` does
        return list(tokens(core)) if _ONLY_IDS.match(core) else [*_strong_tokens(core)]
    found: list[str] = []
    for word in re.split(r"[,;、，\s]+", re.sub(r"\s*(?:–|—|\.\.|(?<=\d)-(?=T?\d)|\bto\b)\s*", "..", core)):
        bare = word.strip("`*[]().")
        if bare and bare.lower() not in ("and", "&", "task", "tasks"):
            found.append(bare)
    return found
