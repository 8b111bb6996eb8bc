"""A checkpoint: the line of a commit message that records one completed task (SPEC section 6)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from specbuild.engine.task import Oid, RepoPath, TaskName

TRAILER = "Specbuild-Checkpoint"
ABSENT = "-"
"""The result of a target that is not there."""

LINE = re.compile(rb"^[ ]*Specbuild-Checkpoint: (v1 [^\r\n]*)\r?$", re.MULTILINE)
"""Leading spaces are allowed, since `git merge --squash` indents by four."""

_HEX20 = re.compile(r"[0-9a-f]{20}\Z")
_SAFE = "/.-_~+,@()"
_PLAIN = re.compile(rf"[A-Za-z0-9{re.escape(_SAFE)}]*\Z")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What one line says."""

    name: TaskName
    key: str  # 20 hex digits
    local: str  # 20 hex digits, or "-": the task has no ignored inputs and declares no environment
    definition: str  # 20 hex digits
    seconds: float
    executor: str
    targets: Mapping[RepoPath, str] = field(default_factory=dict)  # path -> result, ABSENT if not there
    reads: tuple[RepoPath, ...] = ()  # inferred reads

    def __reduce__(self) -> tuple[Any, ...]:  # ten thousand are read at once: dataclasses' own way is slow
        said = (self.name, self.key, self.local, self.definition, self.seconds, self.executor)
        return Checkpoint, (*said, self.targets, self.reads)

    @property
    def adopted(self) -> bool:
        return self.executor == "adopt"


class Recorded(NamedTuple):
    """A checkpoint as history holds it."""

    checkpoint: Checkpoint
    commit: Oid
    order: int  # position in a topological walk from the judged commit; 0 is the tip, higher is older
    undone: bool  # a revert of its commit, itself not undone, is reachable
    time: int  # of the commit, seconds since 1970


def _quote(text: str) -> str:
    if _PLAIN.match(text):
        return text  # nearly always, and a run asks for tens of thousands
    from urllib.parse import quote_from_bytes  # noqa: PLC0415  (seldom needed, and slow to import)

    return quote_from_bytes(text.encode("utf-8", "surrogateescape"), safe=_SAFE)


def _unquote(text: str) -> str:
    if "%" not in text:
        return text  # nearly always, and a history may hold ten thousand lines
    from urllib.parse import unquote_to_bytes  # noqa: PLC0415

    return unquote_to_bytes(text).decode("utf-8", "surrogateescape")


def format_name(name: TaskName) -> str:
    """A task's full name as lines have it."""
    return f"{_quote(name.file)}#{_quote(name.id)}"


def format_line(checkpoint: Checkpoint) -> str:
    """The whole line, without a newline; plain ASCII whatever names and paths hold.

    Paths keep the order in which the text names them: `{target}` is the first.
    """
    words = [
        "v1",
        checkpoint.key,
        checkpoint.local,
        checkpoint.definition,
        f"{checkpoint.seconds:.2f}",
        _quote(checkpoint.executor),
        format_name(checkpoint.name),
    ]
    words += [f"t:{_quote(path)}={result}" for path, result in checkpoint.targets.items()]
    words += [f"r:{_quote(path)}" for path in checkpoint.reads]
    return f"{TRAILER}: {' '.join(words)}"


def parse_lines(message: bytes) -> Iterator[Checkpoint]:
    """All well-formed lines of a commit message; others (later versions, damaged ones) are passed over."""
    for match in LINE.finditer(message):
        checkpoint = _parse(match[1].decode("ascii", "replace"))
        if checkpoint is not None:
            yield checkpoint


written_targets = re.compile(rb" t:([^ ]*)=").findall
"""The paths of a line's targets as they stand there, without a look at the rest."""


def target_of(written: bytes) -> RepoPath:
    return _unquote(written.decode("ascii", "replace"))


def _parse(line: str) -> Checkpoint | None:
    words = line.split(" ")
    if len(words) < 7 or words[0] != "v1":
        return None
    key, local, definition, seconds, executor, name = words[1:7]
    file, hash_, id_ = name.partition("#")
    if not (_HEX20.match(key) and _HEX20.match(definition) and hash_ and file and id_):
        return None
    if not (local == "-" or _HEX20.match(local)):
        return None
    targets: dict[RepoPath, str] = {}
    reads: list[RepoPath] = []
    for word in words[7:]:
        path, equals, result = word[2:].rpartition("=")
        if word.startswith("t:") and equals and (result == ABSENT or _HEX20.match(result)):
            targets[_unquote(path)] = result
        elif word.startswith("r:"):
            reads.append(_unquote(word[2:]))
        else:
            return None
    try:
        duration = float(seconds)
    except ValueError:
        return None
    return Checkpoint(
        name=TaskName(_unquote(file), _unquote(id_)),
        key=key,
        local=local,
        definition=definition,
        seconds=duration,
        executor=_unquote(executor),
        targets=targets,
        reads=tuple(reads),
    )


def disarm(text: str) -> str:
    """Text from a task file, made unable to be taken for a checkpoint line of a commit message."""
    return re.sub(rf"(?im)^(\s*){TRAILER}:", rf"\1{TRAILER} :", text)
