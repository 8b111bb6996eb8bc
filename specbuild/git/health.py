"""What a repository, its git and its disk are like, as far as it matters here: each with what to do."""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import pygit2

from specbuild.errors import SpecbuildError
from specbuild.git import environment, journal
from specbuild.git.repository import OLDEST_GIT, GitFailed, Repository

LITTLE = 500_000_000
"""Bytes: with less free space a build is likely to fill the disk."""
NOTHING = 20_000_000

State = Literal["ok", "warn", "error"]


class Finding(NamedTuple):
    """One thing that was looked at."""

    name: str
    state: State
    message: str
    hint: str = ""  # what to do
    code: int = 4  # of an error: what a command would end with


def from_error(name: str, error: SpecbuildError) -> Finding:
    what = f"{error.where}: {error.what}" if error.where else error.what or str(error)
    return Finding(name, "error", what, error.hint, error.exit_code)


def git_version() -> Finding:
    """Of the git on PATH; no repository is needed."""
    import subprocess  # noqa: PLC0415  (as in repository.py)

    wanted = ".".join(map(str, OLDEST_GIT))
    hint = f"install git {wanted} or later"
    try:
        done = subprocess.run(["git", "version"], capture_output=True, env=environment.clean(), check=False)
    except OSError:
        return Finding("git", "error", "the command `git` was not found on PATH", hint)
    text = done.stdout.decode("utf-8", "replace").strip()
    found = re.search(r"(\d+)\.(\d+)", text)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_GIT:
        return Finding("git", "error", text or "`git version` said nothing", hint)
    return Finding("git", "ok", text)


def library() -> Finding:
    import importlib.metadata  # noqa: PLC0415  (40 ms that only this command spends)

    version = importlib.metadata.version("pygit2")
    return Finding("libgit2", "ok", f"libgit2 {pygit2.LIBGIT2_VERSION}, pygit2 {version}")


def look(repository: Repository) -> Iterator[Finding]:
    """Everything about an open repository but what its own files say."""
    checks: tuple[tuple[str, Callable[[Repository], Iterator[Finding]]], ...] = (
        ("repository", _head),
        ("repository", _in_progress),
        ("identity", _identity),
        ("signing", _signing),
        ("features", _features),
        ("filters", _filters),
        ("boxes", _merge_driver),
        ("disk", _disk),
        ("state", _state),
    )
    for name, check in checks:
        try:
            yield from check(repository)
        except SpecbuildError as error:
            yield from_error(name, error)
        except OSError as error:
            what = f"{error.filename or repository.git_dir}: {error.strerror or error}"
            yield Finding(name, "error", what, "see to its permissions")


def _head(repository: Repository) -> Iterator[Finding]:
    if repository.is_bare:
        hint = "judge commits here (specbuild check main), build in a clone"
        yield Finding("repository", "warn", f"{repository.git_dir} is bare", hint)
        return
    where = repository.top
    if repository.head is None:
        yield Finding("repository", "ok", f"{where}, no commit yet")
    elif repository.branch is None:
        hint = "completions are recorded on no branch: `git switch BRANCH` before a run"
        yield Finding("repository", "warn", f"{where}, HEAD is detached", hint)
    else:
        yield Finding("repository", "ok", f"{where}, on {repository.branch}")


def _in_progress(repository: Repository) -> Iterator[Finding]:
    if not repository.is_bare:
        repository.guard_build()
        lock = os.path.join(repository.git_dir, "index.lock")
        if os.path.exists(lock):
            hint = "let the other git process end; if there is none, remove the file"
            yield Finding("repository", "warn", f"{lock} is there", hint)


def _identity(repository: Repository) -> Iterator[Finding]:
    who = repository.identity().committer
    yield Finding("identity", "ok", f"commits are made by {who.name} <{who.email}>")


def _signing(repository: Repository) -> Iterator[Finding]:
    if not repository.config_bool("commit.gpgsign", default=False):
        return
    form = repository.config_get("gpg.format") or "openpgp"
    default = {"ssh": "ssh-keygen", "x509": "gpgsm"}.get(form, "gpg")
    old = repository.config_get("gpg.program") if form == "openpgp" else None
    program = repository.config_get(f"gpg.{form}.program") or old or default
    if shutil.which(os.path.expanduser(program)) is None:
        hint = "install it, or set gpg.program"
        yield Finding("signing", "error", f"commit.gpgsign is on, and {program} is not there", hint)
    elif form == "ssh" and not repository.config_get("user.signingkey"):
        hint = "set user.signingkey"
        yield Finding("signing", "error", "commit.gpgsign is on with ssh, and no key is named", hint)
    else:
        yield Finding("signing", "ok", f"commits are signed with {program}")


def _features(repository: Repository) -> Iterator[Finding]:
    """Forms that libgit2 cannot read are errors of opening it or its index; these are fine, or need care."""
    if repository.is_shallow:
        hint = "`git fetch --unshallow`, where a task's checkpoint is said to be out of reach"
        yield Finding("history", "warn", "this clone is shallow: older checkpoints are cut off", hint)
    settings = repository.settings
    if any(name.startswith("remote.") and name.endswith(".promisor") for name in settings):
        yield Finding("features", "ok", "a partial clone: git fetches what is missing")
    if repository.is_bare:
        return
    if repository.config_bool("core.sparsecheckout", default=False):
        yield Finding("features", "ok", "a sparse checkout: files outside it count as committed")
    if os.path.exists(os.path.join(repository.top, ".gitmodules")):
        yield Finding("features", "ok", "submodules count as their recorded commits")
    index = repository.index()
    hidden = sorted(index.assume_unchanged | (index.skip_worktree if not _is_sparse(repository) else set()))
    if hidden:
        more = f" and {len(hidden) - 1} more" if len(hidden) > 1 else ""
        hint = "`git update-index --no-assume-unchanged --no-skip-worktree FILE` shows it to git again"
        message = f"git is told to overlook {hidden[0]}{more}; specbuild looks all the same"
        yield Finding("features", "ok", message, hint)


def _is_sparse(repository: Repository) -> bool:
    return repository.config_bool("core.sparsecheckout", default=False)


def _filters(repository: Repository) -> Iterator[Finding]:
    if repository.is_bare:
        return
    named: set[str] = set()
    for path in _attribute_files(repository):
        with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
            named.update(re.findall(r"(?m)^[^#\n]*\sfilter=([\w.-]+)", file.read()))
    for name in sorted(named):
        command = next(
            filter(None, (repository.config_get(f"filter.{name}.{kind}") for kind in ("process", "clean"))),
            None,
        )
        if command is None:
            hint = "`git lfs install`" if name == "lfs" else f"set filter.{name}.clean and .smudge"
            message = f"gitattributes send files through the filter {name}, which is not set up here"
            yield Finding("filters", "warn", message, hint)
        elif shutil.which(command.split()[0]) is None and "/" not in command.split()[0]:
            hint = f"install {command.split()[0]}"
            yield Finding("filters", "error", f"the filter {name} is not on PATH: {command}", hint)
        else:
            yield Finding("filters", "ok", f"files go through the filter {name}")


def _attribute_files(repository: Repository) -> Iterator[str]:
    """gitattributes(5): those of the folders, the repository's own, the person's."""
    command = ["ls-files", "-z", "-co", "--exclude-standard", "--", ":(top,glob)**/.gitattributes"]
    for path in repository.git(command, env={"GIT_LITERAL_PATHSPECS": "0"}).split(b"\0"):
        if path:
            yield repository.absolute(os.fsdecode(path))
    yield os.path.join(repository.common_dir, "info", "attributes")
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    set_ = repository.config_get("core.attributesfile")
    yield os.path.expanduser(set_) if set_ else os.path.join(home, "git", "attributes")


def _merge_driver(repository: Repository) -> Iterator[Finding]:
    driver = repository.config_get("merge.specbuild-boxes.driver")
    if driver is None:
        yield Finding("boxes", "ok", "the merge driver for ticked boxes is registered by the first run")
        return
    program = driver.split(" ")[0].strip("'")
    if os.access(program, os.X_OK):
        yield Finding("boxes", "ok", "ticked boxes merge by themselves")
    else:
        hint = "the next run of specbuild registers it anew"
        yield Finding("boxes", "warn", f"the merge driver for boxes is gone: {program}", hint)


def _disk(repository: Repository) -> Iterator[Finding]:
    try:
        os.makedirs(repository.state_dir, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=repository.state_dir, prefix="Doctor") as probe:
            folder, name = os.path.split(probe.name)
            folded = os.path.exists(os.path.join(folder, name.swapcase()))
    except OSError as error:
        hint = "status and check work all the same; a run needs to write below .git"
        yield Finding("disk", "error", f"{repository.state_dir}: {error.strerror}", hint)
    else:
        told = "does not tell Readme from README" if folded else "tells upper case from lower case"
        yield Finding("disk", "ok", f"it can be written to, and {told}")
    if not repository.is_bare and not os.access(repository.top, os.W_OK):
        yield Finding("disk", "error", f"{repository.top} cannot be written to", "see to its permissions")
    free = shutil.disk_usage(repository.git_dir).free
    told = f"{free / 1e9:.1f} GB are free"
    if free < LITTLE:
        yield Finding("disk", "error" if free < NOTHING else "warn", told, "make room before a run")
    else:
        yield Finding("disk", "ok", told)


def _state(repository: Repository) -> Iterator[Finding]:
    try:
        left = journal.names(repository.state_dir)
    except OSError:  # told already, by what cannot be written there
        left = []
    if left:
        hint = "specbuild restores what it had touched, and says so, at its next run"
        yield Finding("state", "warn", "a run was cut off, or is under way", hint)
    try:
        kept = repository.git(["for-each-ref", "--format=%(refname)", "refs/specbuild/"]).decode().split()
    except GitFailed:
        return
    if kept:
        hint = "`git for-each-ref refs/specbuild` lists it; delete what you do not need"
        yield Finding("state", "ok", f"{len(kept)} refs keep work that was replaced or failed", hint)
