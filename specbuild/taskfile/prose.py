"""Paths in a task's description, and what the sentence says is done to them."""

import re
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from specbuild.taskfile.endings import ENDINGS, FILES, PRODUCTS, ROOTS, WITH_FOLDER

_DOTTED: Final = frozenset(("json", "jsonc", "yaml", "yml", "toml", "md", "ini", "cfg", "conf"))
_CALLS: Final = re.compile(
    r"(?:(?:res|resp|response|request|req|r|c|ctx|self|this|Response|JSON)\.(?:json|html|text)|\w*[a-z]\w*\(\)\.\w+)\Z"
)

_LATIN: Final = "A-Za-z0-9_À-ɏ"
_TICKED: Final = r"(?<!`)(?P<fence>`++)(?P<ticked>[^`]{1,500})(?P=fence)(?!`)"
_LINK: Final = r"!?\[(?P<label>[^\[\]`]{0,200})\]\((?P<link>[^()\s]{1,300})\)"
_RUN: Final = (
    rf"(?P<run>(?:[{_LATIN}.@+\-~$/\\%#=&!*?<>|^:]++|\{{[^{{}}`]{{0,200}}\}}|\[[^\[\]`\s]{{0,60}}\]"
    r"|(?<=/)\([^()`\s]{1,60}\)(?=/))+)"
)
_CANDIDATES: Final = re.compile(f"{_TICKED}|{_LINK}|{_RUN}")
_HOT: Final = re.compile(r"(?<!\S)[^\s./]*+[./]\S*")
_PLAIN: Final = re.compile(r"\w[\w-]*+/[\w./-]++\Z", re.ASCII)

_SEGMENT: Final = re.compile(r"(?:[\w.@+\- ]|\[[^\[\]]*\]|\([^()]*\)|\{[^{}]*\})+\Z")
_PATHLIKE: Final = re.compile(r"[^\s`\"'|<>*?$%^&=!\\:;]+\Z")
_DOMAIN: Final = re.compile(
    r"(?:[\w-]+\.)+(?:com|org|net|io|dev|ai|app|co|edu|gov|cloud|sh|rs|me|us|uk|de|fr|jp|cn|kr|br)(?::\d+)?/",
    re.IGNORECASE,
)
_VERSION: Final = re.compile(r"[vV^~]?\d+(?:\.\d+)*(?:[.-]?(?:x|rc\d*|alpha|beta)[.\d]*)?\Z")
BRACES: Final = re.compile(r"\{([^{}]*,[^{}]*)\}")
MOST_BRACES: Final = 256

Shape = Literal["certain", "likely", "outside", ""]


class Found(NamedTuple):
    """What stands in a description and may be a path."""

    written: str
    certain: bool
    start: int
    end: int


def expand(text: str) -> list[str]:
    """`a/{b,c}.ts` as `a/b.ts` and `a/c.ts`; at most 256 of them."""
    done: list[str] = []
    todo = [text]
    while todo and len(done) + len(todo) <= MOST_BRACES:
        part = todo.pop(0)
        found = BRACES.search(part)
        if found is None:
            done.append(part)
        else:
            todo[:0] = [
                part[: found.start()] + choice.strip() + part[found.end() :] for choice in found[1].split(",")
            ]
    return done + todo


def ending(name: str) -> str:
    """The ending of a file name in lower case, `""` for none; `.env` has none."""
    stem, dot, last = name.rpartition(".")
    return last.lower() if dot and stem.strip(".") else ""


def shape(text: str) -> Shape:
    """Whether a word is a path: `certain` by its form, `likely` where such a thing exists."""
    if _is_plain(text):
        return "certain"
    if text.startswith(("~/", "../")) or text in ("~", ".."):
        return "outside" if len(text) > 3 else ""
    if text.startswith("/"):
        return "outside" if _absolute(text) else ""
    if not _PATHLIKE.match(text) or "//" in text or "@" in text[1:]:
        return ""
    if "{" in text or "}" in text:  # a placeholder: brace lists are expanded before
        return ""
    _, slash, last = text.rpartition("/")
    segments = text.strip("/").split("/")
    if any(not _SEGMENT.match(part) or part in ("...", "..") for part in segments):
        return "outside" if ".." in segments else ""
    if not any(char.isalpha() for char in text):
        return ""
    if not slash:
        return "certain" if _bare_file(text) else ""
    if _DOMAIN.match(text) or text in ("w/", "w/o", "n/a", "N/A", "and/or", "I/O", "CI/CD"):
        return ""
    if text.startswith("@") and not text.startswith("@/"):
        return "likely"  # `@scope/package`
    if not last:
        return "certain"
    if last in FILES or ending(last) in ENDINGS or ending(last) in WITH_FOLDER:
        return "certain"
    return "likely"


def _bare_file(name: str) -> bool:
    if name in FILES:
        return True
    last = ending(name)
    if name.startswith(".") and not (last in _DOTTED or "rc." in name):
        return False  # `.test.tsx` is an ending
    if last not in ENDINGS or last in WITH_FOLDER or name in PRODUCTS or _VERSION.match(name):
        return False
    return not _CALLS.match(name)


def _absolute(text: str) -> bool:
    """`/etc/hosts`, `/srv/x.conf`; not a route such as `/api/users`."""
    first = text[1:].partition("/")[0]
    last = text.rstrip("/").rpartition("/")[2]
    return first in ROOTS or (ending(last) in ENDINGS and text.count("/") > 1)


def trim(word: str) -> str:
    """A word without the punctuation around it, cut to the path: `main.py:12`, `tests/a.py::test_b`."""
    word = word.rstrip(".,:;!?…")
    if word.startswith("[") and word.endswith("]") and word.count("[") == 1:
        word = word[1:-1]
    if "=" in word or "://" in word:
        return ""
    if word.endswith("/.."):
        return ""
    colon = word.find(":")
    if colon > 0:
        before, after = word[:colon], word[colon + 1 :].lstrip(":")
        word = before if shape(before) or not shape(after) else after
    hash_ = word.find("#")
    if hash_ > 0:
        word = word[:hash_]
    word = word.removeprefix("./")
    return word.strip("*") if word.startswith("**") else word


def find(text: str) -> tuple[list[Found], list[str]]:
    """Paths of a description in order, and words that name something outside the repository."""
    found: list[Found] = []
    outside: list[str] = []
    if "." not in text and "/" not in text and "file" not in text:
        return found, outside
    if "`" in text or "[" in text or "{" in text or "file" in text:
        for match in _CANDIDATES.finditer(text):
            _add(match, text, found, outside)
        return found, outside
    for hot in _HOT.finditer(text):  # most descriptions: only words with a dot or a slash can be paths
        word = hot[0].rstrip(".,;:")
        if _is_plain(word):
            found.append(Found(word, True, hot.start(), hot.start() + len(word)))
        else:
            for match in _CANDIDATES.finditer(text, *hot.span()):
                _add(match, text, found, outside)
    return found, outside


def _add(match: re.Match[str], text: str, found: list[Found], outside: list[str]) -> None:
    for word in _words(match, text):
        core = trim(word)
        for part in expand(core) if "{" in core else (core,):
            kind = shape(part) if part else ""
            if kind == "outside":
                outside.append(part)
            elif kind:
                certain = kind == "certain" and part[0] != "@"
                found.append(Found(part.removeprefix("@/"), certain, *match.span()))


def _is_plain(word: str) -> bool:
    """Whether a word is a path such as `src/models/user.js`: by far the commonest form."""
    return (
        word.rpartition(".")[2] in ENDINGS
        and _PLAIN.match(word) is not None
        and "//" not in word
        and ".." not in word
    )


def _words(match: re.Match[str], text: str) -> Sequence[str]:
    """What may be paths in one match of the candidates."""
    run = match["run"]
    if run is None:
        return (
            _ticked(match["ticked"])
            if match["ticked"] is not None
            else _linked(match["label"], match["link"])
        )
    if "/" in run:
        return (run,)
    if "." not in run and run not in FILES:
        return ()
    if text[match.end() : match.end() + 1] == "(" and "_" not in run and run[:1].islower():
        return ()  # `res.json(…)` is a call
    return (run,)


def _ticked(content: str) -> list[str]:
    """The words of a code span that is no command: one path, or paths between commas."""
    content = content.strip()
    if not any(char.isspace() for char in content):
        return [content] if "." in content or "/" in content or content in FILES else []
    parts = [part.strip() for part in re.split(r",(?![^{]*\})", content)]
    if all(
        not re.search(r"\s", re.sub(r"\{[^{}]*\}", "", part)) and (shape(part) or "{" in part)
        for part in parts
    ):
        return parts
    return []


def _linked(label: str, link: str) -> list[str]:
    """A Markdown link: its text where that is a path, else where it leads."""
    core = trim(label.strip())
    if core and " " not in core and shape(core):
        return [core]
    return [] if "://" in link or link.startswith(("#", "mailto:")) else [link]
