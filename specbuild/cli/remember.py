"""Leaves the note that noop.py reads: all that a run's judgement looked at, and what to say next time."""

import contextlib
import io
import json
import os
import time
from collections.abc import Iterable
from dataclasses import replace

from specbuild import noop
from specbuild.cli.parts import Here
from specbuild.engine.events import Planned, RunFinished, RunStarted
from specbuild.engine.glob import fixed_folder, is_glob
from specbuild.engine.inputs import looked_through
from specbuild.engine.task import RepoPath
from specbuild.errors import SpecbuildError
from specbuild.git.durable import write_aside
from specbuild.git.repository import GitFailed
from specbuild.githooks.known import circumstances
from specbuild.gitstate import differing, git_folders, head, index_identity, stat_identity
from specbuild.touched import staged

RACY = 2_000_000_000
"""Nanoseconds: what was touched later than this before the note may be touched again unseen."""

TICK = 20_000_000
"""Nanoseconds by which file systems' clocks may be late."""

MOST = 20_000
"""So many single paths are looked at; a project with more is judged in full."""


def remember(here: Here, texts: dict[str, str], began: int) -> None:
    """Writes the note after a run that found nothing to do; `texts`: what each form of the command will say.

    `began`: when it began to look, in nanoseconds. Where something cannot be vouched for, the note is removed
    instead: what was judged may have been changed while it was.
    """
    lines = None
    with contextlib.suppress(OSError, ValueError, GitFailed):
        lines = _lines(here, texts, began)
    if lines is None:
        forget(here)
    else:
        path = os.path.join(here.repository.state_dir, noop.NAME)
        write_aside(path, b"\n".join([noop.VERSION, *lines, b"end"]))


def forget(here: Here) -> None:
    """Removes the note, if the disk lets it."""
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(here.repository.state_dir, noop.NAME))


def _lines(here: Here, texts: dict[str, str], began: int) -> list[bytes] | None:
    repository = here.repository
    place = git_folders(repository.top)
    if place is None or os.path.realpath(place[1]) != os.path.realpath(repository.git_dir):
        return None
    top, git_dir, common = place
    config = here.loaded.config
    if config.build.on_finish is not None or config.reports:
        return None  # a run does more than look, also where it finds nothing to do
    index = repository.index()
    if not _is_chosen_again(here) or repository.index_file().turned_back(time.time() - 2):
        return None
    if index.assume_unchanged or index.skip_worktree:
        return None  # diff-files does not see edits of such files
    paths = _watched(here)
    if paths is None or _touched_since(os.fsencode(os.path.join(git_dir, "index")), began - TICK):
        return None
    differs = differing(top)
    if differs:
        # Touched files that are as they were: git itself notes that, so that the next look is quick.
        repository.git(["update-index", "-q", "--refresh"], ok=(0, 1))
        differs = differing(top)
    paths.update(part.decode("utf-8", "surrogateescape") for part in differs.split(b"\0") if part)
    identity = index_identity(os.path.join(git_dir, "index"))
    lines = [
        b"head " + head(git_dir, common),
        b"circumstances " + circumstances(common),
        b"index " + identity,
        b"differing " + differs.hex().encode(),
        b"staged " + staged(top),
    ]
    if index_identity(os.path.join(git_dir, "index")) != identity:
        return None  # somebody stages files just now
    judged = here.tree.head.commit
    if judged is None or not lines[0].endswith(judged.encode()):
        return None
    recent = min(time.time_ns() - RACY, began - TICK)
    for found in sorted(paths):
        name = os.fsencode(found)
        full = os.path.join(os.fsencode(top), name)
        if _touched_since(full, recent):
            return None
        lines.append(b"stat %s %s" % (name.hex().encode(), stat_identity(full)))
    names = sorted({*_WHERE, *(name for task in here.tasks for name in task.env)})
    lines += [b"env %s %s" % (name.encode().hex().encode(), noop.environment_value(name)) for name in names]
    lines += [b"%s %s" % (form.encode(), text.encode().hex().encode()) for form, text in texts.items()]
    return lines


def _is_chosen_again(here: Here) -> bool:
    """Whether the next command is about the same files: open boxes may have decided, and be ticked now."""
    loaded = here.loaded
    if loaded.config.tasks is not None or len(loaded.sources) < 2:
        return True
    from specbuild.project import reported_files

    try:
        branch = here.repository.branch
        again = reported_files(here.load(here.tree), tasks=(), everything=False, branch=branch)
    except SpecbuildError:
        return False
    return frozenset(again) == here.reported


def _touched_since(path: bytes, moment: int) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return max(found.st_mtime_ns, found.st_ctime_ns) > moment


def _watched(here: Here) -> set[str] | None:
    """Paths whose stat data the note holds: what git does not compare with the index for us."""
    index, judge, graph = here.repository.index(), here.judge, here.loaded.project.graph
    single: set[RepoPath] = {*here.loaded.project.sources, *(here.standing.looked() if here.standing else ())}
    folders: set[RepoPath] = set()
    for position, task in enumerate(graph.tasks):
        if judge.stands(position):  # it looked at single files
            continue
        inputs = judge.inputs(position)
        for path in (*(path for path, _ in (*inputs.committed, *inputs.ignored)), *task.targets):
            (folders if path.endswith("/") else single).add(path)
        folders.update(looked_through(task, here.snapshot))
    folders.update(_homes_of_task_files(here))
    paths = {path for path in single if path not in index or path in index.intent_to_add}
    for folder in folders:
        if (below := _below(os.path.join(here.repository.top, folder), folder)) is None:
            return None
        paths.update(below)
        if len(paths) > MOST:
            return None
    git = here.repository
    for name in ("info/exclude", "info/attributes", "info/grafts", "shallow", "refs/replace", "config"):
        paths.add(os.path.join(git.common_dir, name))
    configured = _configuration(here)
    return None if configured is None else paths | configured


_WHERE = ("HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_COUNT", "PATH")
"""Variables that decide what git's configuration is."""


def _configuration(here: Here) -> set[str] | None:
    """Files that decide how git sees files, and who commits; None: not all are known."""
    git = here.repository
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    named = [
        os.path.join(git.git_dir, "config.worktree"),
        os.environ.get("GIT_CONFIG_SYSTEM", "/etc/gitconfig"),
        os.environ.get("GIT_CONFIG_GLOBAL", "~/.gitconfig"),
        f"{home}/git/config",
        git.config_get("core.excludesfile") or f"{home}/git/ignore",
        git.config_get("core.attributesfile") or f"{home}/git/attributes",
    ]
    for name, value in git.settings.items():
        if name == "include.path" or (name.startswith("includeif.") and name.endswith(".path")):
            named.append(value or "")
    found = {os.path.expanduser(name) for name in named}
    return found if all(map(os.path.isabs, found)) and "GIT_CONFIG_COUNT" not in os.environ else None


def _homes_of_task_files(here: Here) -> Iterable[RepoPath]:
    """Folders in which a new task file could turn up."""
    from specbuild.project import DEFAULT_FILES

    if here.loaded.config.tasks is None:
        yield from (fixed_folder(pattern) for pattern in DEFAULT_FILES if is_glob(pattern))
    else:
        yield from (fixed_folder(source.file) for source in here.loaded.config.tasks if is_glob(source.file))


def _below(full: str, folder: RepoPath) -> set[str] | None:
    """The folder and all folders below it, git's own left out; None: too many."""
    found = {folder.rstrip("/") or "."}
    work = [(full, folder)]
    while work:
        place, name = work.pop()
        try:
            entries = list(os.scandir(place))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and entry.name != ".git":
                found.add(name + entry.name)
                work.append((entry.path, f"{name}{entry.name}/"))
        if len(found) > MOST:
            return None
    return found


def next_words(opening: RunStarted, plan: Planned, end: RunFinished) -> dict[str, str]:
    """What each form of the command would say if it ran now and found nothing to do."""
    from specbuild.reporting.jsonlines import JsonLines
    from specbuild.reporting.plain import PlainReporter
    from specbuild.reporting.summary import summarise
    from specbuild.reporting.summary_text import render

    names = tuple(
        name for name in (*plan.will_run, *plan.may_run, *plan.up_to_date) if name not in end.claimed
    )
    events = (
        replace(opening, resumed=False),
        replace(plan, will_run=(), may_run=(), up_to_date=names, claimed=end.claimed, reasons={}),
        replace(end, seconds=0.0, completed=0, reused=0, up_to_date=len(names)),
    )
    lines = render(summarise(events))
    words: dict[str, str] = {}
    for form, shown in (("run", lines), ("run-quiet", lines[:1])):
        stream = io.StringIO()
        screen = PlainReporter(stream, colour=False, verbosity="quiet" if form == "run-quiet" else "normal")
        for event in events:
            screen(event)
        screen.show(shown)
        words[form] = stream.getvalue()
    stream = io.StringIO()
    document = JsonLines(stream, clock=lambda: 0.0)
    for event in events:
        document(event)
    told = [{**json.loads(line), "time": "@NOW@"} for line in stream.getvalue().splitlines()]
    words["run-json"] = "".join(json.dumps(each) + "\n" for each in told)
    words |= {"check": "nothing is stale\n", "check-quiet": ""}
    words["check-json"] = json.dumps({"version": 1, "stale": []}, indent=2) + "\n"
    return words
