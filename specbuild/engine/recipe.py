"""Placeholders of recipes, filled in so that no value is ever taken for code (SPEC sections 4 and 12)."""

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from specbuild.engine.script import Context, contexts

NAMES = (
    "id",
    "title",
    "target",
    "targets",
    "inputs",
    "story",
    "phase",
    "priority",
    "file",
    "prompt_file",
    "junit",
    "coverage",
    "filter",
)

FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*\Z")
"""A Python recipe that names a function of the repository: `tools.gen:main`."""

Values: TypeAlias = Mapping[str, str | Sequence[str]]

_ANY = "|".join(sorted(NAMES, key=len, reverse=True))
_BRACED = re.compile(rf"(?<!\$)\{{({_ANY})\}}")
_GLOBAL = re.compile(rf"(?<![\w.{{])({_ANY})(?!\w|\s*\(|\s*=[^=])")
_JOB = re.compile(r"(?<![\w.])job\b")
_OF_A_JOB = frozenset(NAMES[:9])
_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+\Z")
_ESCAPED = re.compile(rf"(?<!\\)(?:\\\\)*\\\{{(?:{_ANY})\}}")


def placeholders(text: str, *, language: str = "sh") -> frozenset[str]:
    """The known names that `text` uses; in Python also as the globals that the executor defines.

    A `module:function` is given the whole job and may use all of it, and so may text that says `job`.
    """
    names = _named(text, language)
    if language == "python" and (FUNCTION.match(text.strip()) or _JOB.search(text)):
        names |= _OF_A_JOB
    return frozenset(names)


def needs_target(text: str, *, language: str = "sh") -> bool:
    """Whether `text` says that it uses a target; what is given the whole job only may."""
    function = language == "python" and FUNCTION.match(text.strip())
    return not function and bool(_named(text, language) & {"target", "targets"})


def _named(text: str, language: str) -> set[str]:
    names = set(_BRACED.findall(text))
    return names | set(_GLOBAL.findall(text)) if language == "python" else names


def fill(text: str, values: Values, *, language: str) -> str:
    """`text` with its placeholders replaced by literals of `language`.

    `python`: Python; `text`: the bare values, for what nobody parses (a commit's subject, one word of an
    argument list); all else: a POSIX shell. A list is its elements with spaces between, each quoted.
    Names that `values` lacks, unknown names and `${id}` stay as they are.
    """
    if language == "text":
        return _BRACED.sub(lambda match: _bare(values[match[1]]) if match[1] in values else match[0], text)
    if language == "python":
        return _fill_python(text, values)
    return _fill_shell(text, values)


def _bare(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else " ".join(value)


def _words(value: str | Sequence[str]) -> list[str]:
    words = [value] if isinstance(value, str) else list(value)
    return [word.replace("\0", "") for word in words]  # no program can be given a NUL


# Shell. `"{title}"` and `'{title}'` are natural to write, and a quoted value between quotes is not quoted
# any more: so the value takes the form that its place asks for. Where a script nests (substitutions,
# here-documents), a mistake about the place could turn text into code; there values come in by variables,
# whose contents a shell never parses.


def _fill_shell(text: str, values: Values) -> str:
    found = [match for match in _BRACED.finditer(text) if match[1] in values]
    if not found:
        return text
    variables: dict[str, str] = {}
    pieces: list[str] = []
    done = 0
    for match, context in zip(found, contexts(text, tuple(match.start() for match in found)), strict=True):
        words = _words(values[match[1]])
        pieces += [text[done : match.start()], _shell_literal(match[0], match[1], words, context, variables)]
        done = match.end()
    pieces.append(text[done:])
    assignments = "".join(f"{name}={_quoted(word)}; " for name, word in variables.items())
    return assignments + "".join(pieces)


def _shell_literal(
    written: str, name: str, words: list[str], context: Context, variables: dict[str, str]
) -> str:
    place = context.place
    if place == "literal":
        raw = " ".join(words)
        safe = context.delimiter and "\n" not in raw and context.delimiter not in raw
        return raw if safe else written
    if words and place != "here" and all(_PLAIN.match(word) for word in words):
        return " ".join(words)  # means itself wherever it stands
    if place in ("comment", "arithmetic"):
        return written  # a newline would end the comment; arithmetic would evaluate the value
    if context.nested:
        names = [f"_specbuild_{name}_{number}" for number in range(len(words))]
        variables.update(zip(names, words, strict=True))
        if place == "code":
            return " ".join(f'"${{{each}}}"' for each in names)
        expanded = " ".join(f"${{{each}}}" for each in names)
        return f'\'"{expanded}"{context.opener}' if place == "single" else expanded
    if place == "single":
        return f"'{_quoted(' '.join(words))}{context.opener}"
    if place == "double":
        return re.sub(r'([\\"$`])', r"\\\1", " ".join(words))
    return " ".join(_quoted(word) for word in words)  # an empty list: no word at all


def _quoted(word: str) -> str:
    """As shlex.quote, whose import costs more than these two lines."""
    return word if _PLAIN.match(word) else "'" + word.replace("'", "'\"'\"'") + "'"


# Python. The language's own tokenizer says what is a string.


def _fill_python(text: str, values: Values) -> str:
    if not _BRACED.search(text):
        return text
    edits = _python_edits(text, values)
    lines = _lines(text)
    for (row, column), (end_row, end_column), new in reversed(edits):
        tail = lines[end_row - 1][end_column:]
        lines[row - 1 : end_row] = [lines[row - 1][:column] + new + tail]
    return "".join(lines)


def _lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _python_edits(text: str, values: Values) -> list[tuple[tuple[int, int], tuple[int, int], str]]:
    import tokenize  # noqa: PLC0415

    lines = iter(_lines(text))
    edits = []
    formatted = 0
    window: list[tokenize.TokenInfo] = []
    try:
        for token in tokenize.generate_tokens(lambda: next(lines, "")):
            kind = tokenize.tok_name[token.type]
            if kind.endswith("STRING_START"):  # f-strings from Python 3.12 on
                formatted += 1
            elif kind.endswith("STRING_END"):
                formatted -= 1
            elif formatted:
                continue
            elif kind == "STRING":
                new = _python_string(token.string, values)
                if new != token.string:
                    edits.append((token.start, token.end, new))
            window = [*window[-2:], token]
            joined = "".join(each.string for each in window)
            match = _BRACED.fullmatch(joined)
            if match and len(window) == 3 and window[0].line == token.line and match[1] in values:
                value = values[match[1]]
                literal = ascii(value if isinstance(value, str) else list(value))
                edits.append((window[0].start, token.end, literal))
    except (tokenize.TokenError, SyntaxError, UnicodeError):
        return []  # not Python: the interpreter will say so better, about the text as it was written
    return edits


def _python_string(literal: str, values: Values) -> str:
    """A string literal with the values in it, on as many lines as before."""
    import ast  # noqa: PLC0415

    if not any(name in values for name in _BRACED.findall(literal)):
        return literal
    prefix = re.split("""['"]""", literal, maxsplit=1)[0].lower()
    if "f" in prefix or "t" in prefix or ("r" not in prefix and _ESCAPED.search(literal)):
        return literal  # behind a backslash an escape of ours would no longer be one
    if "b" in prefix:
        content = ast.literal_eval(literal).decode("latin-1")
        encoded = {
            name: _bare(value).encode("utf-8", "surrogateescape").decode("latin-1")
            for name, value in values.items()
        }
        return repr(fill(content, encoded, language="text").encode("latin-1"))
    if "r" in prefix:
        return ascii(fill(ast.literal_eval(literal), values, language="text"))
    escaped = {name: _escaped(_bare(value)) for name, value in values.items()}
    return fill(literal, escaped, language="text")


def _escaped(text: str) -> str:
    escaped = text.encode("unicode_escape").decode("ascii")
    return escaped.replace("'", "\\'").replace('"', '\\"')
