"""What a task is: the values that every other module passes around."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

RepoPath: TypeAlias = str
"""A path from the repository's top folder, `/` between its parts, no leading `./`.
A directory ends with `/`. Bytes that are not UTF-8 are surrogate-escaped (as `os.fsdecode` does)."""

Oid: TypeAlias = str
"""A git object id, 40 hex digits."""


class Entry(NamedTuple):
    """A file as git sees it; `mode` is one of modes.py."""

    mode: int
    oid: Oid


OnEdit = Literal["rebuild", "keep"]
Writes = Literal["declared", "any"]
Isolation = Literal["none", "worktree", "strict"]


class TaskName(NamedTuple):
    """A task's full name; prints as `FILE#ID`."""

    file: RepoPath
    id: str

    def __str__(self) -> str:
        return f"{self.file}#{self.id}"


class Recipe(NamedTuple):
    """What an executor runs: text in `language` (`sh`, `bash`, `python`), found at `line` of its file."""

    language: str
    text: str
    line: int


class Mention(NamedTuple):
    """A path in a task's description, before anybody looked whether it exists.

    `certain`: it has a known ending or a final `/`, so it counts also where nothing of the name exists yet.
    `absent`: the task deletes it.
    """

    written: str
    role: Literal["target", "read"]
    certain: bool
    absent: bool = False


class Need(NamedTuple):
    """An id that a task's text names. `explicit`: in a dependency clause or a body's `needs`, where an
    unknown id is an error; otherwise a mere mention, which counts where an earlier task has that id.
    """

    id: str
    explicit: bool
    line: int


class BodyKey(NamedTuple):
    """One `key: value` of a task's body; `value` is the raw text behind the colon."""

    value: str
    line: int


@dataclass(frozen=True, slots=True)
class Warning_:  # noqa: N801  (`Warning` is a builtin exception)
    """Something in a task file or the graph that a person should look at."""

    file: RepoPath
    line: int  # from 1; 0: the file as a whole
    code: str  # stable, kebab-case: "repeated-id", "unclosed-fence"
    message: str


@dataclass(slots=True)  # frozen ones take four times as long to make, and files have tens of thousands
class TaskText:
    """A task as its file states it, before rules, paths or history are looked at. Never changed."""

    name: TaskName
    line: int  # from 1, of the box (or of the heading)
    title: str  # the description without id, markers and dependency clauses; one line
    definition: str  # 20 hex digits, see key.definition
    body: str  # the lines below the item, as written, joined by "\n"
    box: int | None  # index in TaskFile.boxes of its own box; None: a heading task
    checklist: tuple[int, ...] = ()  # boxes of a heading task (ticked when all are)
    ticked: bool = False
    phase: str | None = None  # the heading's text; None: before any phase
    phase_index: int = 0  # 0: before any phase; otherwise from 1, in order of the file
    story: str | None = None  # "US1"
    phase_story: str | None = None  # the story that the phase's heading names
    priority: int | None = None  # 1 to 9
    parallel: bool = False
    after_all: bool = False  # [ALL]
    optional: bool = False  # `- [ ]*`
    labels: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()  # FR-003, 1.2
    needs: tuple[Need, ...] = ()
    mentions: tuple[Mention, ...] = ()
    keys: Mapping[str, BodyKey] = field(default_factory=dict)  # lower-case names of SPEC section 2
    recipe: Recipe | None = None  # the body's fenced block
    parent: str | None = None  # id of the group it belongs to
    group: bool = False  # done when its children are; never run


class Box(NamedTuple):
    """A tick box: where its content stands in the file, in bytes, and what it holds."""

    start: int
    end: int
    ticked: bool


@dataclass(frozen=True, slots=True)
class TaskFile:
    """What one task file says."""

    path: RepoPath
    tasks: Sequence[TaskText]  # in order of the file, groups included
    boxes: tuple[Box, ...]
    warnings: tuple[Warning_, ...]


@dataclass(slots=True)
class Task:
    """A task with all that rules and paths decide: what graph and judge work on. Never changed."""

    text: TaskText
    targets: tuple[RepoPath, ...]  # as resolved; what it makes or changes
    absent: frozenset[RepoPath]  # of the targets, those to be absent afterwards
    targets_declared: bool  # by a body or a rule, not inferred
    targets_written: tuple[str, ...]  # as in body, rule or prose; part of the key
    reads: tuple[RepoPath, ...]  # inferred from prose
    inputs: tuple[str, ...]  # declared: paths, globs, "@story", "@needs"
    links: tuple[RepoPath, ...] = ()  # symlinks that declared paths go through, as recipes may, too
    unresolved: tuple[str, ...] = ()  # of the targets, names that matched nothing yet
    executor: str | None = None  # None: no rule, body or default decides
    options: Mapping[str, Any] = field(default_factory=dict)  # the executor's table of specbuild.toml
    recipe: Recipe | None = None  # with its placeholders
    recipe_where: str = ""  # `specbuild.toml:14`, for messages
    on_edit: OnEdit = "keep"
    writes: Writes = "declared"
    isolation: Isolation = "none"
    verify: str | None = None
    timeout: float | None = None  # seconds
    retries: int = 0
    env: tuple[str, ...] = ()  # names whose values matter
    setup: str | None = None  # runs once in a fresh worktree
    review: bool = False  # a person looks at the difference before it is recorded
    share: tuple[str, ...] = ()  # ignored folders that a worktree links in
    reuse: bool = False  # may a `keep` task take over a result of the same key
    executor_blob: Oid | None = None  # of an executor in a repository file: that file
    template: RepoPath | None = None  # what prompts are made from; None: the template that ships
    template_blob: Oid | None = None  # None: there is no such file
    needs: tuple[TaskName, ...] = ()  # resolved, without repeats

    @property
    def name(self) -> TaskName:
        return self.text.name

    @property
    def rebuild(self) -> bool:
        return self.on_edit == "rebuild"

    @property
    def alone(self) -> bool:
        """Whether nothing may overlap it: all that changes in the working tree meanwhile is taken for its."""
        return self.writes == "any" and self.isolation == "none"
