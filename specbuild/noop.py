"""Is there anything to do? Answers the common "no" before anything heavy is imported.

A run that finds nothing to do leaves a note with all that it looked at (see cli/remember.py). Where
all of it is as it was, the answer stands. Anything unusual: no answer, and the full path decides.
"""

import os
import sys

from specbuild.githooks.known import circumstances
from specbuild.gitstate import differing, git_folders, head, index_identity, stat_identity

VERSION = b"specbuild noop 3"
NAME = "noop"
"""The note's file, in the worktree's own `.git/specbuild/`."""

_ASKED_OTHERWISE = ("SPECBUILD_PROFILE", "_SPECBUILD_COMPLETE", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY")
"""Variables by which the command is measured, asked by a shell what it could become, or to tell elsewhere."""


_WORKERS = {str(number) for number in range(1, 65)}

_IN_PROGRESS = ("MERGE_HEAD", "rebase-merge", "rebase-apply", "CHERRY_PICK_HEAD", "REVERT_HEAD", "sequencer")


def answer(arguments: list[str]) -> int | None:
    """The exit code, after printing what the full path would print; None: find out."""
    form = _form(arguments)
    if form is None or any(map(os.environ.get, _ASKED_OTHERWISE)):
        return None
    try:
        place = git_folders(os.getcwd())
        if place is None:
            return None
        git_dir = place[1]
        fields = _read(os.path.join(git_dir, "specbuild", NAME))
        if fields is None or form.encode() not in fields or (form.startswith("run") and _in_the_way(git_dir)):
            return None
        if not _stands(fields, place, may_write=form.startswith("run")):
            return None
    except (OSError, ValueError):
        return None
    return _tell(form, fields)


def _form(arguments: list[str]) -> str | None:
    if len(arguments) > 2 and arguments[0] == "-j" and arguments[1] in _WORKERS:
        quiet = _form(arguments[2:])  # how many would work is said in the opening, which is not shown then
        return quiet if quiet == "run-quiet" else None
    if arguments in ([], ["run"]):
        return "run" if not sys.stderr.isatty() else None
    if arguments in (["-q"], ["--quiet"], ["run", "-q"], ["run", "--quiet"]):
        return "run-quiet"
    if arguments in (["--json"], ["run", "--json"]):
        return "run-json" if not sys.stderr.isatty() else None
    if arguments == ["check"]:
        return "check"
    if arguments in (["check", "-q"], ["check", "--quiet"]):
        return "check-quiet"
    if arguments == ["check", "--json"]:
        return "check-json"
    return None


def _in_the_way(git_dir: str) -> bool:
    """Whether a run would refuse, or has to see to what a dead one left."""
    if any(os.path.exists(os.path.join(git_dir, name)) for name in _IN_PROGRESS):
        return True
    try:
        return bool(os.listdir(os.path.join(git_dir, "specbuild", "journal")))
    except FileNotFoundError:
        return False


def _read(path: str) -> dict[bytes, list[bytes]] | None:
    """The note: lines of `name value`, percent-free, values hexadecimal where they may hold anything."""
    with open(path, "rb") as file:
        lines = file.read().split(b"\n")
    if lines[0] != VERSION or lines[-1] != b"end":
        return None
    fields: dict[bytes, list[bytes]] = {}
    for line in lines[1:-1]:
        name, _, value = line.partition(b" ")
        fields.setdefault(name, []).append(value)
    return fields


def _stands(fields: dict[bytes, list[bytes]], place: tuple[str, str, str], *, may_write: bool) -> bool:
    top, git_dir, common = place
    if fields[b"head"][0] != head(git_dir, common) or fields[b"circumstances"][0] != circumstances(common):
        return False
    for value in fields.get(b"env", ()):
        name, _, wanted = value.partition(b" ")
        if environment_value(bytes.fromhex(name.decode()).decode()) != wanted:
            return False
    for value in fields.get(b"stat", ()):
        path, _, wanted = value.partition(b" ")
        if stat_identity(os.path.join(os.fsencode(top), bytes.fromhex(path.decode()))) != wanted:
            return False
    said = None
    if index_identity(os.path.join(git_dir, "index")) == fields[b"index"][0]:
        said = differing(top)
        if said.hex().encode() == fields[b"differing"][0]:  # and nothing was staged before git looked
            return index_identity(os.path.join(git_dir, "index")) == fields[b"index"][0]
    from specbuild import touched  # noqa: PLC0415  (seldom needed)

    note = os.path.join(git_dir, "specbuild", NAME)
    return touched.stands(note, fields, top, git_dir, said, may_write=may_write)


def environment_value(name: str) -> bytes:
    """A variable's value in hexadecimal; `unset`."""
    value = os.environ.get(name)
    return b"unset" if value is None else b"=" + os.fsencode(value).hex().encode()


def _tell(form: str, fields: dict[bytes, list[bytes]]) -> int:
    text = bytes.fromhex(fields[form.encode()][0].decode()).decode("utf-8", "replace")
    if form == "run-json":
        import time  # noqa: PLC0415

        text = text.replace('"@NOW@"', repr(round(time.time(), 3)))
    stream = sys.stderr if form in {"run", "run-quiet"} else sys.stdout
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:  # a full disk; a reader who has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"specbuild: output: {error.strerror}; see to space, then run it again\n")
        return 1 if isinstance(error, BrokenPipeError) else 4
    return 0
