"""Path patterns: `*`, `?` and `[…]` stop at `/`, `**` does not, `{a,b}` is either."""

import re
from collections.abc import Callable
from functools import lru_cache

_MAGIC = re.compile(r"[*?\[{]")


def is_glob(text: str) -> bool:
    """Whether `text` is a pattern rather than a path."""
    return _MAGIC.search(text) is not None


def fixed_folder(pattern: str) -> str:
    """The folder (with its final `/`, or `""`) below which all matches lie."""
    magic = _MAGIC.search(pattern)
    stem = pattern if magic is None else pattern[: magic.start()]
    return stem[: stem.rfind("/") + 1]


@lru_cache(maxsize=1024)
def matcher(pattern: str) -> Callable[[str], bool]:
    """A test for whole paths. A pattern that ends with `/` matches all that is below."""
    pattern = pattern.removeprefix("./")
    if pattern.endswith("/"):
        pattern += "**"
    expression = re.compile(_translate(pattern) + r"\Z", re.DOTALL)
    return lambda path: expression.match(path) is not None


def _translate(pattern: str) -> str:
    out: list[str] = []
    position, depth = 0, 0
    while position < len(pattern):
        char = pattern[position]
        if pattern.startswith("**/", position) and (position == 0 or pattern[position - 1] == "/"):
            out.append("(?:.*/)?")
            position += 3
            continue
        if pattern.startswith("**", position):
            out.append(".*")
            position += 2
            continue
        if char == "[" and (end := pattern.find("]", position + 2)) != -1:
            inner = pattern[position + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            negated = inner[:1] in "!^"
            body = inner[1:] if negated else inner
            out.append(f"(?!/)[{'^' if negated else ''}{body}]")
            position = end + 1
            continue
        if char == "{" and "}" in pattern[position:]:
            depth += 1
            out.append("(?:")
        elif char == "}" and depth:
            depth -= 1
            out.append(")")
        elif char == "," and depth:
            out.append("|")
        elif char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        else:
            out.append(re.escape(char))
        position += 1
    return "".join(out) + ")" * depth
