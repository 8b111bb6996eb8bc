"""What git hooks call: judges what is pushed, builds what is stale, says what became stale."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from specbuild.errors import RepositoryError, SpecbuildError, UsageError
from specbuild.githooks.pushed import Update, is_nothing, is_rehearsal, of_pre_push, of_pre_receive

if TYPE_CHECKING:
    from specbuild.cli.building import Built
    from specbuild.cli.pushes import Judgement, Pushed

REFUSED = 1
_LISTED = 20
_BUILD = "build it with specbuild, and push again"


def run(name: str, arguments: Sequence[str], given: bytes | None = None) -> int:
    """One hook. `given`: its stdin, where that was read already."""
    hook = _HOOKS.get(name)
    if hook is None:
        raise UsageError(f'there is no hook "{name}" to run', hint=f"there are {', '.join(_HOOKS)}")
    if os.environ.get("SPECBUILD") == "0":
        _say(f"the {name} hook is skipped (SPECBUILD=0)")
        return 0
    if "SPECBUILD_LANE" in os.environ:
        return 0  # a task of a running build commits or pushes
    return hook(arguments, given)


# -- hooks that may refuse ------------------------------------------------------------------------


def _pre_push(arguments: Sequence[str], given: bytes | None) -> int:
    remote = arguments[0] if arguments else None
    return _judge_all(of_pre_push(_stdin() if given is None else given), remote, server=False)


def _pre_receive(_arguments: Sequence[str], given: bytes | None) -> int:
    return _judge_all(of_pre_receive(_stdin() if given is None else given), None, server=True)


def _pre_commit(_arguments: Sequence[str], _given: bytes | None) -> int:
    """For the program pre-commit: it reads git's stdin itself, and names the commit (not for a root push)."""
    source = os.environ.get("PRE_COMMIT_LOCAL_BRANCH", "HEAD")
    revision = os.environ.get("PRE_COMMIT_TO_REF") or source
    from specbuild.git.repository import Repository

    commit = Repository.open(os.getcwd()).resolve(revision)
    ref = os.environ.get("PRE_COMMIT_REMOTE_BRANCH", source)
    return _judge_all([Update(source, commit, ref)], None, server=True)


def _judge_all(updates: Sequence[Update], remote: str | None, *, server: bool) -> int:
    """Judges each pushed commit once; `server`: nothing is ever built."""
    if not updates:
        return 0
    _refuse_other_git_dir()
    from specbuild.cli.pushed_note import remember
    from specbuild.cli.pushes import Pushed, judge
    from specbuild.git.pushes import commit_of, is_known
    from specbuild.git.repository import Repository

    repository = Repository.open(os.getcwd())
    refused: list[tuple[Update, Judgement]] = []
    judged: list[Pushed] = []
    seen: set[tuple[str, str | None]] = set()
    for update in updates:
        commit = commit_of(repository, update.oid)
        if commit is None or (commit, update.branch) in seen:
            continue
        seen.add((commit, update.branch))
        if update.tag and is_known(repository, commit, remote):
            continue  # what a tag names was pushed, and judged, before
        here = Pushed(commit, update.branch)
        check = server or here.loaded.config.hooks.pre_push_mode == "check"
        judgement = judge(here, check=check, skip=_skipped())
        judged.append(here)
        for line in judgement.told():
            _say(f"{update}: {line}")
        if judgement.refused:
            refused.append((update, judgement))
        elif not (server or update.tag or _skipped()):
            remember(judgement)
    _tell_unknown(judged)
    return _refuse(refused, server=server) if refused else 0


def _refuse(refused: "Sequence[tuple[Update, Judgement]]", *, server: bool) -> int:
    from specbuild.cli.building import build, place_for

    code = REFUSED
    for update, judgement in refused:
        if server or judgement.here.loaded.config.hooks.pre_push_mode == "check":
            _list(update, judgement, "", "" if server else _BUILD)
            continue
        if is_rehearsal():
            _list(update, judgement, "this is a dry run: a push may build it", "")
            continue
        place = place_for(judgement)
        if isinstance(place, str):
            _list(update, judgement, f"not built: {place}", _BUILD)
            continue
        built = build(place, judgement)
        if built.code == _INTERRUPTED and not built.over:
            code = _INTERRUPTED
        _tell_end(update, judgement, built)
    return code


def _tell_end(update: Update, judgement: "Judgement", built: "Built") -> None:
    if built.over:
        _say(f"{built.over}; what was done is kept: go on with specbuild --continue, then push again")
    elif built.code == _INTERRUPTED:
        _say("interrupted: nothing is pushed, and what was done is kept")
    elif built.error is not None or (built.code in {0, 3} and not built.tasks):
        _list(update, judgement, f"not built: {built.error or 'nothing could be done'}", _BUILD)
    elif built.code in {0, 3}:
        _say(f"built {_count(built.tasks)}{_elsewhere(update, judgement)}, push again")
    else:
        done = f"{_count(built.tasks)} built, but not all" if built.tasks else "nothing was built"
        _say(f"{update} is refused: {done}; go on with specbuild --continue, and push again")


def _elsewhere(update: Update, judgement: "Judgement") -> str:
    """What to do first where the build moved HEAD, but not what is pushed: a tag, or a branch beside it."""
    from specbuild.git.repository import Repository

    commit, repository = judgement.here.commit or "", Repository.open(os.getcwd())
    try:
        if repository.resolve(update.source) != commit:
            return ""
    except RepositoryError:
        return ""
    where = repository.branch or "the detached HEAD"
    return f" on {where}, where {update} ({commit[:7]}) is not: move it there"


def _list(update: Update, judgement: "Judgement", why: str, hint: str) -> None:
    lines = list(judgement.lines())
    commit = judgement.here.commit or ""
    verb = "is" if len(lines) == 1 else "are"
    _say(f"{update} ({commit[:7]}) is refused: {_count(len(lines))} {verb} stale")
    for line in lines[:_LISTED]:
        _say(f"  {line}")
    if len(lines) > _LISTED:
        _say(f"  and {len(lines) - _LISTED} more (specbuild status --at {commit[:7]} lists them)")
    if why:
        _say(why)
    if hint:
        _say(f"{hint}; SPECBUILD=0 git push goes without")


# -- hooks that only tell -------------------------------------------------------------------------


def _telling(hook: Callable[[Sequence[str], bytes | None], tuple[str, str] | None]) -> "Hook":
    """A hook that says how many tasks became stale between two commits, and never stops git."""

    def run_it(arguments: Sequence[str], given: bytes | None) -> int:
        try:
            moved = hook(arguments, given)
            if moved is not None and moved[0] != moved[1]:
                _refuse_other_git_dir()
                _tell(*moved)
        except SpecbuildError as error:
            _say(str(error))
        return 0

    return run_it


def _post_checkout(arguments: Sequence[str], _given: bytes | None) -> tuple[str, str] | None:
    if len(arguments) < 3 or arguments[2] != "1" or any(map(is_nothing, arguments[:2])):
        return None  # single files, or a fresh clone, worktree or orphan branch
    if arguments[0] == arguments[1] or _under_way():
        return None
    return arguments[0], arguments[1]


def _post_merge(arguments: Sequence[str], _given: bytes | None) -> tuple[str, str] | None:
    squashed = arguments[:1] == ("1",)  # HEAD stays
    return None if squashed or _under_way() else ("ORIG_HEAD", "HEAD")


def _post_rewrite(arguments: Sequence[str], given: bytes | None) -> tuple[str, str] | None:
    """Git lists each rewritten commit; the last one is the old tip."""
    lines = (_stdin() if given is None else given).split(b"\n")
    pairs = [words for line in lines if len(words := line.decode("ascii", "replace").split(" ")) >= 2]
    if not pairs or (arguments[:1] == ("amend",) and _under_way()):
        return None
    return pairs[-1][0], "HEAD"


def _under_way() -> bool:
    """A step of a rebase or bisection: the end is told, not each step."""
    from specbuild.git.repository import Repository

    git_dir = Repository.open(os.getcwd()).git_dir
    marks = ("rebase-merge", "rebase-apply", "BISECT_LOG")
    return any(os.path.exists(os.path.join(git_dir, mark)) for mark in marks)


def _tell(before: str, after: str) -> None:
    from specbuild.cli.check import find_stale
    from specbuild.cli.pushes import Pushed

    now = Pushed(after, None)
    now.branch = now.repository.branch
    then = Pushed(before, now.branch)
    if now.commit == then.commit or now.history.cut:
        return
    stale = {now.tasks[position].name for position in find_stale(now)}
    try:
        stale -= {then.tasks[position].name for position in find_stale(then)}
    except SpecbuildError:
        return  # what was left behind need not be understood
    if stale:
        _say(f"{_count(len(stale))} became stale; specbuild status says why")


# -- both -----------------------------------------------------------------------------------------

Hook = Callable[[Sequence[str], bytes | None], int]
_INTERRUPTED = 130
_HOOKS: Mapping[str, Hook] = {
    "pre-push": _pre_push,
    "pre-receive": _pre_receive,
    "pre-commit": _pre_commit,
    "post-merge": _telling(_post_merge),
    "post-checkout": _telling(_post_checkout),
    "post-rewrite": _telling(_post_rewrite),
}


def _refuse_other_git_dir() -> None:
    """Hooks of a repository whose working tree lies elsewhere start in a folder that may be another one's."""
    told = os.environ.get("GIT_DIR")
    if told is None:
        return
    from specbuild.git.repository import Repository

    found = Repository.open(os.getcwd()).git_dir
    if os.path.realpath(told) != os.path.realpath(found):
        raise RepositoryError(
            "the hook's repository is not the one of this folder (GIT_DIR, --git-dir or core.worktree)",
            where=told,
            hint="SPECBUILD=0 git push goes without",
        )


def _skipped() -> Mapping[str, str]:
    """The names of SPECBUILD_SKIP, as they are compared, and as they are written."""
    words = [word.strip() for word in os.environ.get("SPECBUILD_SKIP", "").split(",")]
    return {word.casefold(): word for word in words if word}


def _tell_unknown(judged: "Sequence[Pushed]") -> None:
    """A slip of the pen in SPECBUILD_SKIP would leave nothing out, silently."""
    skipped = _skipped()
    if not judged or not skipped:
        return
    from difflib import get_close_matches

    names = [task.name for here in judged for task in here.tasks]
    known = {form.casefold(): form for name in names for form in (name.id, str(name))}
    for folded, word in skipped.items():
        if folded not in known:
            near = get_close_matches(folded, known, n=1)
            hint = f"; did you mean {known[near[0]]}?" if near else ""
            _say(f"SPECBUILD_SKIP names {word}, but no pushed task is called that{hint}")


def _stdin() -> bytes:
    return b"" if sys.stdin.isatty() else sys.stdin.buffer.read()


def _count(number: int) -> str:
    return "1 task" if number == 1 else f"{number} tasks"


def _say(message: str) -> None:
    from specbuild.reporting.text import clean

    for line in message.splitlines():
        click.echo(f"specbuild: {clean(line)}", err=True)
