"""The run log: events of each run as JSON lines, bounded in number and bytes, and read back tolerantly."""

import json
import math
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from specbuild.engine import events
from specbuild.engine.events import (
    Event,
    Outcome,
    RunFinished,
    RunStarted,
    TaskFinished,
    TaskOutput,
    TaskRetried,
    TaskStarted,
)
from specbuild.engine.task import Oid, TaskName

VERSION = 1
_KINDS: Mapping[str, type[Event]] = {
    kind.event: kind
    for kind in (
        events.RunStarted,
        events.Planned,
        events.TaskStarted,
        events.TaskOutput,
        events.TaskRetried,
        events.TaskFinished,
        events.GateStarted,
        events.GateFinished,
        events.Warned,
        events.RunFinished,
    )
}
_FILE = re.compile(r"\d{8}T\d{6}\.\d{3}Z-\d+(-\d+)?\.jsonl")
_NAME = re.compile(r"(.+?)#(#[0-9a-f]{6}(?:@\d+)?|[^#]+)", re.DOTALL)
_OUTPUT_LINE = f'{{"version":{VERSION},"event":"{TaskOutput.event}"'.encode()


def parse_name(text: str) -> TaskName:
    """The task that `FILE#ID` names; the file may hold a `#`, the id only as its first character."""
    match = _NAME.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return TaskName(match[1], match[2])


def to_dict(event: Event) -> dict[str, Any]:
    """An event as JSON has it: its name as `event`, tasks as `FILE#ID`."""
    return {"event": event.event} | _plain_fields(event)


def _plain_fields(value: Any) -> dict[str, Any]:
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case TaskName():
            return str(value)
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
    return _plain_fields(value) if is_dataclass(value) else str(value)


def to_line(event: Event, at: float) -> str:
    """One line of JSON in plain ASCII, with the time `at` in seconds since 1970; no newline."""
    document = {"version": VERSION, "event": event.event, "time": round(at, 3)} | to_dict(event)
    return json.dumps(document, separators=(",", ":"))


def from_dict(document: Mapping[str, Any]) -> Event | None:
    """The event that `to_dict` made it from; None where it is of another version, damaged or foreign."""
    kind = _KINDS.get(str(document.get("event")))
    if kind is None:
        return None
    try:
        event: Event = _decode_fields(kind, document)
    except (ValueError, TypeError):
        return None
    return event


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _decode_fields(kind: Any, document: Mapping[str, Any]) -> Any:
    values = {}
    for field in fields(kind):
        if field.name in document:
            values[field.name] = _decode(_hints(kind)[field.name], document[field.name])
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(field.name)
    return kind(**values)


def _decode(hint: Any, value: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in {Union, UnionType}:
        if value is None and NoneType in arguments:
            return None
        return _decode(next(kind for kind in arguments if kind is not NoneType), value)
    if origin is Literal and value in arguments:
        return value
    if origin is tuple and isinstance(value, list):
        return tuple(_decode(arguments[0], item) for item in value)
    if origin is Mapping and isinstance(value, dict):
        return {_decode(arguments[0], key): _decode(arguments[1], item) for key, item in value.items()}
    if hint is TaskName and isinstance(value, str):
        return parse_name(value)
    if is_dataclass(hint) and isinstance(value, dict):
        return _decode_fields(hint, value)
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if hint in {int, str, bool} and type(value) is hint:
        return value
    raise ValueError(value)


class Limits(NamedTuple):
    """How much is kept (specbuild.toml may say otherwise)."""

    keep: int = 50  # runs
    max_bytes: int = 64 * 1024 * 1024  # of all runs together
    attempt_bytes: int = 256 * 1024  # of one attempt's output: a quarter from its start, the rest its end


class RunLog:
    """A reporter that appends each event to a file of its run; it never raises, a log is not worth a run."""

    def __init__(
        self, folder: str, limits: Limits | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.folder = folder
        self.limits = limits or Limits()
        self.path: str | None = None  # None: nothing was written yet
        self.problem: str | None = None  # why nothing more is written
        self._clock = clock
        self._file: int | None = None
        self._written = 0
        self._outputs: dict[TaskName, _Output] = {}
        self._over = False

    def __call__(self, event: Event) -> None:
        if self.problem is not None:
            return
        try:
            self._log(event)
        except OSError as error:
            self.problem = f"{self.folder}: {error.strerror or error}"
            self.close()

    def _log(self, event: Event) -> None:
        self._over = self._over and not isinstance(event, RunStarted)
        if self._over:
            return  # a late warning is no run of its own
        if isinstance(event, TaskOutput):
            output = self._outputs.setdefault(event.task, _Output(self.limits.attempt_bytes))
            if text := output.take(event.text):
                self._write(TaskOutput(event.task, text))
            return
        if isinstance(event, (TaskStarted, TaskRetried, TaskFinished)):
            self._end_output(event.task)
        self._write(event)
        if isinstance(event, RunFinished):
            self._over = True
            self.close()

    def _end_output(self, task: TaskName) -> None:
        output = self._outputs.pop(task, None)
        if output is not None and (text := output.rest()):
            self._write(TaskOutput(task, text))

    def _write(self, event: Event) -> None:
        now = self._clock()
        if self._file is None:
            os.makedirs(self.folder, exist_ok=True)
            prune(self.folder, self.limits._replace(keep=self.limits.keep - 1))
            self._file = self._create(now)
        line = to_line(event, now).encode("ascii") + b"\n"
        if isinstance(event, TaskOutput) and self._written + len(line) > self.limits.max_bytes:
            return  # one run alone may not break the bound; what happened is kept, what was printed is not
        self._written += len(line)
        while line:
            line = line[os.write(self._file, line) :]

    def _create(self, now: float) -> int:
        whole = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now))
        stamp = f"{whole}.{int(now % 1 * 1000):03d}Z"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        number = 1
        while True:
            suffix = f"-{number}" if number > 1 else ""
            self.path = os.path.join(self.folder, f"{stamp}-{os.getpid()}{suffix}.jsonl")
            try:
                return os.open(self.path, flags, 0o600)
            except FileExistsError:
                number += 1

    def close(self) -> None:
        """Ends the log; the next run begins another."""
        if self._file is None:
            return
        file, self._file = self._file, None
        self._written = 0
        self._outputs.clear()
        try:
            os.close(file)
            prune(self.folder, self.limits, spare=self.path)
        except OSError as error:
            self.problem = self.problem or f"{self.folder}: {error.strerror or error}"


class _Output:
    """One attempt's output within a bound: its start as it comes, its end when it is over."""

    def __init__(self, bound: int) -> None:
        self._head = bound // 4
        self._bound = bound - self._head
        self._tail: deque[str] = deque()
        self._size = 0
        self._dropped = 0

    def take(self, text: str) -> str:
        """What of `text` belongs to the start."""
        head, rest = text[: self._head], text[self._head :]
        self._head -= len(head)
        if rest:
            self._tail.append(rest[-self._bound :])
            self._dropped += max(0, len(rest) - self._bound)
            self._size += len(self._tail[-1])
        while self._size > self._bound:
            oldest = self._tail.popleft()
            kept = oldest[self._size - self._bound :]
            if kept:
                self._tail.appendleft(kept)
            self._dropped += len(oldest) - len(kept)
            self._size -= len(oldest) - len(kept)
        return head

    def rest(self) -> str:
        """The end, with a word about what was left out."""
        gap = f"\n… {self._dropped} characters left out …\n" if self._dropped else ""
        return gap + "".join(self._tail)


def prune(folder: str, limits: Limits, *, spare: str | None = None) -> None:
    """Removes the oldest logs until the rest keeps within the limits; `spare` stays whatever it takes."""
    total = 0
    for position, path in enumerate(_files(folder)):
        try:
            total += os.stat(path).st_size
            if (position >= limits.keep or total > limits.max_bytes) and path != spare:
                os.unlink(path)
        except OSError:
            continue


def _files(folder: str) -> list[str]:
    """The logs, newest first."""
    try:
        names = [name for name in os.listdir(folder) if _FILE.fullmatch(name)]
    except OSError:
        return []
    return [os.path.join(folder, name) for name in sorted(names, key=_order, reverse=True)]


def _order(name: str) -> tuple[str, tuple[int, ...]]:
    stamp, *numbers = name.removesuffix(".jsonl").split("-")
    return stamp, tuple(int(number) for number in numbers)


class Stamped(NamedTuple):
    """An event and when it was logged, in seconds since 1970."""

    time: float
    event: Event


@dataclass(frozen=True, slots=True)
class Run:
    """What a log tells of one run."""

    path: str
    events: tuple[Stamped, ...]  # at least one

    @property
    def started(self) -> float:
        return self.events[0].time

    @property
    def opening(self) -> RunStarted | None:
        return next((e for _, e in self.events if isinstance(e, RunStarted)), None)

    @property
    def end(self) -> RunFinished | None:
        """None: the run was killed, still goes on, or its log was cut."""
        return next((e for _, e in reversed(self.events) if isinstance(e, RunFinished)), None)

    @property
    def succeeded(self) -> bool:
        end = self.end
        return end is not None and end.headline == "complete"

    @property
    def seconds(self) -> float:
        """How long it took; without its end, how long it is known to have gone on."""
        end = self.end
        return end.seconds if end is not None else max(0.0, self.events[-1].time - self.started)

    @property
    def finished(self) -> list[TaskFinished]:
        return [e for _, e in self.events if isinstance(e, TaskFinished)]


def read_runs(folder: str, *, newest: int | None = None, output: bool = False) -> list[Run]:
    """The runs whose logs are still there, oldest first; `output`: with what the recipes printed.

    Damaged lines, later versions and foreign files are passed over.
    """
    runs = []
    for path in _files(folder)[:newest]:
        try:
            with open(path, "rb") as file:
                found = tuple(_read(file, output=output))
        except OSError:
            continue
        if found:
            runs.append(Run(path, found))
    return runs[::-1]


def _read(lines: Iterable[bytes], *, output: bool) -> Iterable[Stamped]:
    for line in lines:
        if not output and line.startswith(_OUTPUT_LINE):
            continue
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(document, dict) or document.get("version") != VERSION:
            continue
        event, at = from_dict(document), document.get("time")
        if event is not None and isinstance(at, (int, float)) and math.isfinite(at):
            yield Stamped(float(at), event)


def last_outcomes(runs: Sequence[Run]) -> Mapping[TaskName, Outcome]:
    """How each task ended in the last run that tried it; one that was merely passed over did not end."""
    return {event.task: event.outcome for run in runs for event in run.finished if event.outcome != "skipped"}


def sessions_since_success(runs: Sequence[Run]) -> Sequence[Run]:
    """The runs after the last that succeeded, oldest first: what `--continue` adds up."""
    last = max((index for index, run in enumerate(runs) if run.succeeded), default=-1)
    return runs[last + 1 :]


class AttemptLog(NamedTuple):
    """What a log tells of one attempt."""

    task: TaskName
    attempt: int
    started: float  # seconds since 1970
    seconds: float | None  # None: unknown, its end is not in the log
    outcome: Outcome | None  # None: its end is not in the log
    error: str | None
    output: str
    commit: Oid | None


def attempts(runs: Sequence[Run], task: TaskName) -> list[AttemptLog]:
    """All attempts of one task, oldest first; `output` is there if the runs were read with it."""
    return [attempt for run in runs for attempt in _attempts(run, task)]


def _attempts(run: Run, task: TaskName) -> Iterable[AttemptLog]:
    current: AttemptLog | None = None
    for at, event in run.events:
        match event:
            case TaskStarted(task=name) if name == task:
                if current is not None and current.attempt == event.attempt and not current.output:
                    continue  # announced by the retry, which knows of the delay before it
                if current is not None:
                    yield current
                current = AttemptLog(task, event.attempt, at, None, None, None, "", None)
            case TaskOutput(task=name, text=text) if name == task and current is not None:
                current = current._replace(output=current.output + text)
            case TaskRetried(task=name) if name == task and current is not None:
                seconds = max(0.0, at - current.started)
                yield current._replace(seconds=seconds, outcome="failed", error=event.error)
                current = AttemptLog(task, event.attempt + 1, at + event.delay, None, None, None, "", None)
            case TaskFinished(task=name) if name == task and current is not None:
                yield current._replace(
                    seconds=max(0.0, at - current.started),
                    outcome=event.outcome,
                    error=event.error,
                    commit=event.commit,
                )
                current = None
    if current is not None:
        yield current
