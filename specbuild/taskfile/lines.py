"""Lines of a task file: which are headings, items with a box, fences, and which merely look like them."""

import re
from typing import Final, Literal, NamedTuple

from specbuild.engine.task import RepoPath, Warning_
from specbuild.errors import TaskFileError

Kind = Literal["text", "heading", "item", "box", "fence", "code", "quote", "hidden"]

NONBLANK: Final = re.compile(rb"[^\r\n]+")
INDENT: Final = re.compile(r"[ \t]*")
BULLET: Final = re.compile(r"([-*+]|\d{1,9}[.)])([ \t]+|$)")
BOX: Final = re.compile(r"\[([^\[\]]{0,12})\](\\?\*)?")
USUAL: Final = re.compile(r"- \[([ xX])\] ")
FENCE: Final = re.compile(r"(`{3,}|~{3,})[ \t]*([^`]*)$")
HEADING: Final = re.compile(r"(#{1,6})(?:[ \t]+|$)")
UNDERLINE: Final = re.compile(r" {0,3}(={2,}|-{2,})[ \t]*$")
LINE_END: Final = re.compile(r"\r\n|\n|\r")
BOM: Final = b"\xef\xbb\xbf"
TAB: Final = 4


class BoxPlace(NamedTuple):
    """A box on its line: bytes of its content in the file, whether it is ticked, `- [ ]*`, what follows."""

    start: int
    end: int
    ticked: bool
    optional: bool
    rest: str


class Line:
    """One line that is not blank."""

    __slots__ = (
        "blanks",
        "box",
        "content",
        "indent",
        "info",
        "kind",
        "level",
        "number",
        "parent",
        "start",
        "text",
    )

    def __init__(self, number: int, start: int, text: str, indent: int, blanks: int) -> None:
        self.number = number  # from 1
        self.start = start  # byte offset in the file
        self.text = text  # without its line end
        self.indent = indent  # columns
        self.blanks = blanks  # blank lines just before
        self.kind: Kind = "text"
        self.parent = -1  # index of the innermost item it is indented under
        self.level = 0  # of a heading
        self.content = 0  # of an item: the column of its text
        self.info = ""  # of a fence's first line: its info string, lower case
        self.box: BoxPlace | None = None


class Scan(NamedTuple):
    """What the scanner saw."""

    lines: list[Line]
    warnings: list[Warning_]


def decode(data: bytes, path: RepoPath) -> str:
    """The text, without a BOM; TaskFileError names the offset of a byte that is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        offset = error.start + (len(BOM) if data.startswith(BOM) else 0)
        line = len(LINE_END.findall(data[:offset].decode("utf-8", "replace"))) + 1
        raise TaskFileError(
            f"byte {offset} (0x{data[offset]:02x}) is not UTF-8",
            where=f"{path}:{line}",
            hint="save the file as UTF-8",
        ) from None


def split(data: bytes, path: RepoPath) -> list[Line]:
    """All lines that are not blank, with their indent, not yet classified."""
    decode(data, path)
    lines: list[Line] = []
    number, end, blanks = 1, 0, 0
    if data.startswith(BOM):
        end = len(BOM)
    begin = end
    for match in NONBLANK.finditer(data, begin):
        start = match.start()
        gap = data[end:start]
        breaks = 1 if gap in (b"\n", b"\r\n") else gap.count(b"\n") + gap.count(b"\r") - gap.count(b"\r\n")
        number += breaks
        blanks += breaks - (end > begin)
        end = match.end()
        text = match[0].decode()
        if text.isspace():
            blanks += 1
            continue
        lines.append(Line(number, start, text, column(text), max(blanks, 0)))
        blanks = 0
    return lines


def column(text: str) -> int:
    """The column at which the first character that is no space stands."""
    first = text[0]
    if first not in " \t":
        return 0
    width = 0
    for char in text:
        if char == " ":
            width += 1
        elif char == "\t":
            width += TAB - width % TAB
        else:
            break
    return width


def box_content(content: str, after: str) -> bool | None:
    """Whether `[content]` is a ticked box; None: it is no box."""
    core = content.strip()
    if not core:
        return False if len(content) <= TAB else None
    if core in ("x", "X"):
        return True
    if after[:1] not in ("", " ", "\t"):
        return None
    if len(core) == 1:
        if not core.isalnum():
            return False
        # a letter is a state only where a task's id follows: `- [P] tasks = …` is a legend
        return False if core not in "pP" and _ID_AHEAD.match(after) else None
    return False if all(char > "\x7f" and not char.isalnum() for char in core) else None


_ID_AHEAD: Final = re.compile(r"[ \t]+[*\[]*(?:T-?\d|TASK-?\d|\d+(?:\.\d+)+[ .:]|\d+[.:])")


def read_item(line: Line) -> bool:
    """Notes on `line` what it says as a list item; False if it is none."""
    text = line.text
    if usual := USUAL.match(text):  # nearly every box; the rest of this function would find the same
        line.kind, line.content = "box", 2
        line.box = BoxPlace(line.start + 3, line.start + 4, usual[1] != " ", False, text[6:].strip())
        return True
    lead = INDENT.match(text).end()  # type: ignore[union-attr]
    bullet = BULLET.match(text, lead)
    if bullet is None:
        return False
    line.kind = "item"
    gap = len(bullet[2].expandtabs(TAB))
    line.content = line.indent + len(bullet[1]) + (gap if 0 < gap <= TAB else 1)
    found = BOX.match(text, bullet.end())
    if found is None:
        return True
    content, after = found[1], text[found.end() :]
    ticked = box_content(content, after)
    # `[x](link)` and `[x]: link` are links; `[ ]T001` is a box that lacks its space
    if ticked is None or after[:1] in ("(", ":") or (not content and after[:1] not in ("", " ", "\t")):
        return True
    core = content.strip()
    offset = content.index(core) if core else 0
    start = line.start + len(text[: found.start(1) + offset].encode())
    width = len(core.encode()) if core else min(1, len(content))
    line.kind = "box"
    line.box = BoxPlace(start, start + width, ticked, found[2] is not None, after.strip())
    return True


class _Scanner:
    """Walks over the lines once; an opening that nothing closes is taken back and read as text."""

    RETRIES = 16

    def __init__(self, lines: list[Line], path: RepoPath) -> None:
        self.lines = lines
        self.path = path
        self.warnings: list[Warning_] = []
        self.stack: list[int] = []  # indexes of the items around the present line
        self.plain: set[int] = set()  # fence lines to be read as text
        self.blocks: list[tuple[int, list[int]]] = []  # bare fences over headings or boxes
        self.comments = True
        self.retries = self.RETRIES

    def run(self) -> None:
        index = self._front_matter()
        while index < len(self.lines):
            index = self._line(index)

    def _warn(self, line: Line, code: str, message: str) -> None:
        self.warnings.append(Warning_(self.path, line.number, code, message))

    def _front_matter(self) -> int:
        lines = self.lines
        if not lines or lines[0].number != 1 or lines[0].text.rstrip() != "---":
            return 0
        for index in range(1, len(lines)):
            if lines[index].indent == 0 and lines[index].text.rstrip() in ("---", "..."):
                for line in lines[: index + 1]:
                    line.kind = "hidden"
                return index + 1
            if HEADING.match(lines[index].text):
                return 0
        return 0

    def _line(self, index: int) -> int:
        """Classifies one line, or the block that it opens; the index of the next one."""
        line = self.lines[index]
        line.kind, line.box = "text", None
        body = line.text.lstrip(" \t") if line.indent else line.text
        first = body[0]
        if first in "`~" and index not in self.plain and (fence := FENCE.match(body)):
            if first == "~" or "`" not in fence[2]:
                self._enter(line)
                return self._fence(index, fence[1], fence[2])
        elif first == "<" and body.startswith("<!--") and self.comments:
            self._enter(line)
            return self._comment(index, body)
        elif first == "#" and self._heading(line, body):
            return index + 1
        elif first in "-*+0123456789" and self._item(index, line):
            return self._comment_within(index)
        self._enter(line, lazy_after=index - 1)
        if first == ">":
            line.kind = "quote"
        elif not self.stack and line.indent == 0:
            return self._underlined(index)
        return self._comment_within(index) if "<!--" in body else index + 1

    def _heading(self, line: Line, body: str) -> bool:
        found = HEADING.match(body)
        if found is None or (line.indent >= TAB and not self.stack):
            return False
        self._enter(line)
        if not self.stack:
            line.kind = "heading"
            line.level = len(found[1])
        return True

    def _underlined(self, index: int) -> int:
        """A text line with `===` or `---` right below it is a heading."""
        if index + 1 < len(self.lines):
            below = self.lines[index + 1]
            if below.blanks == 0 and below.number == self.lines[index].number + 1:
                found = UNDERLINE.match(below.text)
                if found and not UNDERLINE.match(self.lines[index].text) and self.lines[index].text[0] != "|":
                    self.lines[index].kind = "heading"
                    self.lines[index].level = 1 if found[1][0] == "=" else 2
                    below.kind = "hidden"
                    return index + 2
        if "<!--" in self.lines[index].text:
            return self._comment_within(index)
        return index + 1

    def _enter(self, line: Line, lazy_after: int = -1) -> None:
        """Leaves the items that `line` is not indented under, and notes the one that it is."""
        stack, lines = self.stack, self.lines
        lazy = (
            bool(stack)
            and lazy_after >= 0
            and line.blanks == 0
            and lines[lazy_after].kind in ("item", "box", "text")
        )
        if lazy and line.indent <= lines[stack[-1]].indent:
            # goes on with a paragraph, so the list goes on too, but it stands below outer items only
            above = [index for index in stack if lines[index].indent < line.indent]
            line.parent = above[-1] if above else -1
            return
        while stack and line.indent <= lines[stack[-1]].indent:
            stack.pop()
        line.parent = stack[-1] if stack else -1

    def _item(self, index: int, line: Line) -> bool:
        stack, lines = self.stack, self.lines
        if not stack and line.indent >= TAB:
            if read_item(line) and line.box is not None:
                line.kind, line.box = "code", None
                self._warn(line, "indented-code", _INDENTED)
                return True
            line.kind = "text"
            return False
        if not read_item(line):
            return False
        while stack and line.indent < lines[stack[-1]].indent + 2:
            stack.pop()
        line.parent = stack[-1] if stack else -1
        stack.append(index)
        return True

    def _comment_within(self, index: int) -> int:
        """A comment that opens inside a line and does not close there."""
        text = self.lines[index].text
        opening = text.rfind("<!--")
        if (
            opening < 0
            or not self.comments
            or text.find("-->", opening) >= 0
            or text.count("`", 0, opening) % 2
        ):
            return index + 1
        return self._hide_comment(index, index + 1)

    def _comment(self, index: int, body: str) -> int:
        if body.find("-->", 4) >= 0 or body.startswith(("<!-->", "<!--->")):
            self.lines[index].kind = "hidden"
            return index + 1
        return self._hide_comment(index, index)

    def _hide_comment(self, opening: int, first: int) -> int:
        lines = self.lines
        for index in range(opening + 1, len(lines)):
            if "-->" in lines[index].text:
                for line in lines[first : index + 1]:
                    line.kind = "hidden"
                    line.box = None
                return index + 1
        self.comments = False
        self._warn(
            lines[opening], "unclosed-comment", "this `<!--` is never closed; what follows is read as text"
        )
        return opening if first == opening else opening + 1

    def _fence(self, index: int, mark: str, info: str) -> int:
        lines = self.lines
        opener = lines[index]
        opener.kind, opener.info = "fence", info.strip().lower() or "-"
        parent = lines[opener.parent] if opener.parent >= 0 else None
        floor = min(parent.content, opener.indent) if parent is not None else 0
        tasklike = False
        place = index + 1
        while place < len(lines):
            line = lines[place]
            body = line.text.strip()
            if body.startswith(mark) and not body.strip(mark[0]):
                line.kind, line.parent, line.info = "fence", opener.parent, ""
                if tasklike and opener.info == "-":
                    self.blocks.append((index, list(self.stack)))
                return place + 1
            if line.indent < floor:
                self._warn(opener, "unclosed-fence", _UNCLOSED_ITEM)
                return place
            if tasklike and body.startswith(mark) and FENCE.match(body):
                return self._reopen(index, list(self.stack))
            tasklike = tasklike or _TASKLIKE.match(line.text) is not None
            line.kind, line.parent, line.box, line.info = "fence", opener.parent, None, ""
            place += 1
        if opener.info == "-" and self.blocks:
            culprit, stack = self.blocks[0]
            return self._reopen(culprit, stack)
        return self._reopen(index, list(self.stack))

    def _reopen(self, index: int, stack: list[int]) -> int:
        """Reads the fence line at `index` as text and goes on behind it."""
        self.stack = stack
        self.blocks = [block for block in self.blocks if block[0] < index]
        self.warnings = [warning for warning in self.warnings if warning.line < self.lines[index].number]
        self._warn(self.lines[index], "unclosed-fence", _UNCLOSED)
        self.plain.add(index)
        self.retries -= 1
        if self.retries <= 0:
            self.plain.update(range(index, len(self.lines)))
        return index


_TASKLIKE: Final = re.compile(r"#{1,6}[ \t]+\w|[ \t]*[-*+][ \t]+\[[ xX]\][ \t]")
_INDENTED: Final = (
    "looks like a task, but four spaces outside a list make it code to Markdown;"
    " remove the indent to make it a task"
)
_UNCLOSED: Final = "this code fence is never closed; it is read as text, so that it hides no tasks; close it"
_UNCLOSED_ITEM: Final = (
    "this code fence is not closed before its list item ends; close it with the same indent"
)


def scan(data: bytes, path: RepoPath) -> Scan:
    """Classifies every line of a task file in linear time."""
    lines = split(data, path)
    scanner = _Scanner(lines, path)
    scanner.run()
    return Scan(lines, scanner.warnings)
