"""What stands below a task: its keys, its recipe, the requirements that it names."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from specbuild.engine.task import BodyKey, Recipe, RepoPath, Warning_
from specbuild.taskfile.endings import ENDINGS
from specbuild.taskfile.lines import Line
from specbuild.taskfile.prose import ending

KEYS: Final = (
    "targets",
    "inputs",
    "needs",
    "run",
    "verify",
    "executor",
    "on_edit",
    "timeout",
    "retries",
    "env",
)
_NEEDS: Final = frozenset(
    (
        *("needs", "depends on", "depends", "dependencies", "dependency", "deps", "blocked by"),
        *("依赖", "依賴", "依赖于", "前置任务", "依存", "依存関係", "의존", "의존성"),
    )
)
_FILES: Final = frozenset(
    (
        *("file", "files", "path", "文件", "檔案", "ファイル", "파일"),
        *("archivo", "archivos", "arquivo", "arquivos", "fichier", "fichiers", "datei", "dateien"),
    )
)
_REQUIREMENTS: Final = frozenset(
    (
        *("requirements", "requirement", "validates", "req", "reqs", "covers"),
        *("需求", "要求", "要件", "对应需求", "요구사항", "requisitos", "requisito", "requerimientos"),
        *("exigences", "anforderungen", "requisiti", "требования"),
    )
)
_KEY_LINE: Final = re.compile(
    r"(?P<bullet>[-*+]\s+)?(?P<mark>[_*]{0,3})(?P<key>[^\W\d_][\w \t-]{0,30}?)(?P<end>[_*]{0,3})"
    r"\s?[:：](?P<end2>[_*]{0,3})(?P<value>.*)"
)
_CODES: Final = re.compile(
    r"(?<![A-Za-z0-9-])(?:N?FR|SC|REQ|NF|UR|BR)-?\d+(?:[.-]\d+)*(?:[a-z](?![A-Za-z]))?(?![A-Za-z0-9])"
)
_IN_LIST: Final = re.compile(r"(?:[A-Z]{1,6}-)?\d+(?:\.\d+)*[a-z]?(?![\w])")
_WORDS: Final = re.compile(r"(?:\{[^{}]{0,300}\}|[^\s,;])+")
_PATH_WORD: Final = re.compile(r"[^\s*?`;]+\Z")
_LISTS: Final = ("targets", "inputs", "env")
_ELEMENT: Final = re.compile(r"[-*+]\s+(?!\[.?\](?:\s|\Z))(.+)")
_RULE: Final = re.compile(r"\s*(?:-{3,}|\*{3,}|_{3,})\s*\Z")
LANGUAGES: Final = ("sh", "bash", "python")


class Body(NamedTuple):
    """What was understood of a body. `drop`: indexes of its lines that are no part of the definition."""

    keys: Mapping[str, BodyKey]
    needs: Sequence[tuple[str, bool, int]]  # value, strict, line
    requirements: Sequence[str]
    recipe: Recipe | None
    drop: frozenset[int]
    only_requirements: bool
    priority: int | None


EMPTY: Final = Body({}, (), (), None, frozenset(), only_requirements=True, priority=None)


class _Reader:
    """Collects one body."""

    def __init__(self, path: RepoPath, item: int, warnings: list[Warning_]) -> None:
        self.path = path
        self.item = item
        self.warnings = warnings
        self.keys: dict[str, BodyKey] = {}
        self.files: list[str] = []
        self.files_line = 0
        self.needs: list[tuple[str, bool, int]] = []
        self.requirements: dict[str, None] = {}
        self.priority: int | None = None
        self._list: tuple[str, int] | None = None  # a key whose list stands below it, and its indent

    def line(self, line: Line) -> str:
        """Reads one line; what it is: "needs", "priority", "requirements" or ""."""
        text = line.text.strip()
        if self._is_element(line, text):
            return ""
        found = _KEY_LINE.match(text) if ":" in text or "：" in text else None
        if found is None:
            return ""
        name = (
            " ".join(found["key"].lower().replace("-", "_").split())
            if "-" in found["key"]
            else " ".join(found["key"].lower().split())
        )
        bold = found["mark"].startswith(("**", "__"))
        value = _value(found)
        if name in _REQUIREMENTS:
            self.requirements.update(dict.fromkeys(_IN_LIST.findall(value)))
            return "requirements"
        if name.replace("_", " ") in _NEEDS:
            self.needs.append((value, name == "needs", line.number))
            self.keys.setdefault("needs", BodyKey(value, line.number))
            return "needs"
        if name == "priority" and (level := re.match(r"P([1-9])(?!\w)", value)):
            self.priority = int(level[1])
            return "priority"
        if name in _FILES:
            self._file(value, line.number)
            self._list = None if value else ("files", line.indent)
        elif name in KEYS and not bold and (found["bullet"] or found["mark"]) and line.parent == self.item:
            self._key(name, value, line.number)
            self._list = None if value or name not in _LISTS else (name, line.indent)
        return ""

    def _is_element(self, line: Line, text: str) -> bool:
        """Takes a bullet below `targets:` or `Files:` where that line itself names nothing."""
        if self._list is None:
            return False
        name, indent = self._list
        element = _ELEMENT.match(text)
        if element is None or line.indent <= indent:
            self._list = None
        elif name == "files":
            self._file(element[1], line.number)
        else:
            self._key(name, element[1], line.number)
        return self._list is not None

    def _key(self, name: str, value: str, number: int) -> None:
        if name in ("targets", "inputs") and _is_prose(value):
            message = f'`{name}` takes paths, and none of these words looks like one: "{value}"'
            self.warnings.append(Warning_(self.path, number, "words-as-paths", message))
        if name in _LISTS and name in self.keys:
            values = [self.keys[name].value, value]
            self.keys[name] = BodyKey(", ".join(filter(None, values)), self.keys[name].line)
        elif name in self.keys:
            message = f"`{name}` is given twice; the one of line {self.keys[name].line} counts: remove one"
            self.warnings.append(Warning_(self.path, number, "repeated-key", message))
        else:
            self.keys[name] = BodyKey(
                _unticked(value) if name not in ("targets", "inputs") else value, number
            )

    def _file(self, value: str, number: int) -> None:
        """`File: src/a.ts (new), src/b.ts` declares targets, where it names files at all."""
        bare = re.sub(r"(?:\s[(（]|（)[^()（）]*[)）](?![\w.])", "", re.sub("[、，；]", ",", value))
        for word in _WORDS.findall(bare.replace("`", " ")):
            core = re.sub(r"(?::\d[\d,-]*|#L\d.*)\Z", "", word.strip("\"'").rstrip("."))
            if core and _PATH_WORD.match(core) and _is_file(core):
                self.files.append(core)
                self.files_line = self.files_line or number


def _is_prose(value: str) -> bool:
    """Three words and more, of which none could only be a path: a sentence, most likely."""
    return len(value.split()) > 2 and not re.search(r"[/.`*?@{,;，；、\"']", value)


def _is_file(word: str) -> bool:
    if word.startswith(("/", "~", "http:", "https:")) or ".." in word.split("/"):
        return False
    return ("/" in word and any(char.isalnum() for char in word)) or ending(word) in ENDINGS


def _value(found: re.Match[str]) -> str:
    """What stands behind the colon, without the mark that closes `_Key: value_`."""
    value = found["value"].strip()
    mark = found["mark"]
    if mark and not found["end"] and not found["end2"] and value.endswith(mark):
        value = value[: -len(mark)].rstrip()
    return value


def _unticked(value: str) -> str:
    """The code of a value that is one code span."""
    return (
        value[1:-1].strip()
        if len(value) > 2 and value[0] == value[-1] == "`" and value.count("`") == 2
        else value
    )


def read_body(lines: Sequence[Line], *, item: int, path: RepoPath, warnings: list[Warning_]) -> Body:
    """Reads the lines that belong to one task itself; `item`: index of the task's own line."""
    if not lines:
        return EMPTY
    reader = _Reader(path, item, warnings)
    drop: set[int] = set()
    other = False
    recipe: Recipe | None = None
    block: Recipe | None = None
    opener: Line | None = None
    code: list[str] = []
    last = 0
    for index, line in enumerate(lines):
        if line.kind == "fence":
            other = True
            if opener is None:
                opener, code, last = line, [], line.number
            elif line.info or (_closes(line, opener) and not line.info):
                block = _recipe(opener, code)
                opener = None
            else:
                code += [""] * (line.number - last - 1)
                code.append(_dedent(line.text, opener.indent))
                last = line.number
                continue
            if block is not None and opener is None:
                recipe = _keep(recipe, block, path, warnings)
                block = None
            continue
        what = reader.line(line)
        if what in ("needs", "priority"):
            drop.add(index)
        if what != "requirements" and not _RULE.match(line.text):
            other = True
    if opener is not None:
        recipe = _keep(recipe, _recipe(opener, code), path, warnings)
    if reader.files and "targets" not in reader.keys:
        reader.keys["targets"] = BodyKey(", ".join(dict.fromkeys(reader.files)), reader.files_line)
    return Body(
        reader.keys,
        reader.needs,
        list(reader.requirements),
        recipe,
        frozenset(drop),
        not other,
        reader.priority,
    )


def _closes(line: Line, opener: Line) -> bool:
    mark = opener.text.strip()
    body = line.text.strip()
    size = len(mark) - len(mark.lstrip(mark[0]))
    return len(body) >= size and not body.strip(mark[0])


def _dedent(text: str, columns: int) -> str:
    """A line of code without as many columns of indent as its fence has."""
    taken = 0
    for place, char in enumerate(text):
        if taken >= columns or char not in " \t":
            return text[place:]
        taken += 1 if char == " " else 4 - taken % 4
    return ""


def _recipe(opener: Line, code: list[str]) -> Recipe | None:
    language = opener.info.split(None, 1)[0].split("{", 1)[0].strip(",") if opener.info else ""
    if language not in LANGUAGES or not any(code):
        return None
    return Recipe(language, "\n".join(code) + "\n", opener.number)


def _keep(
    first: Recipe | None, block: Recipe | None, path: RepoPath, warnings: list[Warning_]
) -> Recipe | None:
    if first is None or block is None:
        return first or block
    message = f"a second recipe; the one of line {first.line} counts: join them, or name another language"
    warnings.append(Warning_(path, block.line, "second-recipe", message))
    return first


def requirement_codes(text: str) -> list[str]:
    """`FR-003` and the like in prose."""
    return _CODES.findall(text) if "-" in text else []
