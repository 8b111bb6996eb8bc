"""Is there anything to do? Answers the common "no" before anything heavy is imported.

A successful run leaves a note with everything that its judgement looked at (see cli/remember.py). Where
all of it is as it was, the answer stands. Anything unusual: no answer, and the full path decides.
"""

import os
import sys

from specbuild.githooks.known import circumstances

VERSION = b"specbuild noop 2"
NAME = "noop"
"""The note's file, in the worktree's own `.git/specbuild/`."""

_ASKED_OTHERWISE = ("SPECBUILD_PROFILE", "_SPECBUILD_COMPLETE")
"""Variables by which the command line is measured, or asked by a shell what it could become."""

COMMAND = ("git", "diff-files", "--name-only", "--no-renames", "--ignore-submodules=none", "-z")
"""Names tracked files whose stat data differ from the index; the note holds what it said."""


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
        top, git_dir, common = place
        fields = _read(os.path.join(git_dir, "specbuild", NAME))
        if fields is None or (form.startswith("run") and _in_the_way(git_dir)):
            return None
        if not _stands(fields, top, git_dir, common):
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


def git_folders(start: str) -> tuple[str, str, str] | None:
    """The work tree's top, its git folder and the common one; None: not found, or not of a usual form."""
    top = start
    while not os.path.lexists(os.path.join(top, ".git")):
        parent = os.path.dirname(top)
        if parent == top:
            return None
        top = parent
    git_dir = os.path.join(top, ".git")
    if os.path.isdir(git_dir):
        return top, git_dir, git_dir
    with open(git_dir, "rb") as file:
        words = file.read(4096)
    if not words.startswith(b"gitdir: "):
        return None
    git_dir = os.path.join(top, os.fsdecode(words[8:].rstrip(b"\n")))
    common_file = os.path.join(git_dir, "commondir")
    if not os.path.exists(common_file):  # a submodule
        return top, git_dir, git_dir
    with open(common_file, "rb") as file:
        return top, git_dir, os.path.join(git_dir, os.fsdecode(file.read(4096).rstrip(b"\n")))


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


def _stands(fields: dict[bytes, list[bytes]], top: str, git_dir: str, common: str) -> bool:
    if fields[b"head"][0] != head(git_dir, common) or fields[b"index"][0] != index_identity(git_dir):
        return False
    if fields[b"circumstances"][0] != circumstances(common):
        return False
    for value in fields.get(b"env", ()):
        name, _, wanted = value.partition(b" ")
        if environment_value(bytes.fromhex(name.decode()).decode()) != wanted:
            return False
    for value in fields.get(b"stat", ()):
        path, _, wanted = value.partition(b" ")
        if stat_identity(os.path.join(os.fsencode(top), bytes.fromhex(path.decode()))) != wanted:
            return False
    return differing(top).hex().encode() == fields[b"differing"][0]


def head(git_dir: str, common: str) -> bytes:
    """What HEAD says, and the commit that it resolves to."""
    with open(os.path.join(git_dir, "HEAD"), "rb") as file:
        said = file.read(4096).strip()
    if not said.startswith(b"ref: "):
        return said
    name = said[5:]
    try:
        with open(os.path.join(os.fsencode(common), name), "rb") as file:
            commit = file.read(4096).strip()
    except FileNotFoundError:
        commit = _packed(common, name)
    if commit.startswith(b"ref: "):
        raise ValueError("a symbolic ref to a symbolic ref")
    return said + b" " + commit


def _packed(common: str, name: bytes) -> bytes:
    with open(os.path.join(common, "packed-refs"), "rb") as file:
        data = b"\n" + file.read()
    place = data.index(b" " + name + b"\n")
    return data[data.rindex(b"\n", 0, place) + 1 : place]


def index_identity(git_dir: str) -> bytes:
    """The checksum that ends the index file, with its size.

    Raises ValueError where git was told to write none (index.skipHash).
    """
    file = os.open(os.path.join(git_dir, "index"), os.O_RDONLY)
    try:
        size = os.fstat(file).st_size
        checksum = os.pread(file, 20, size - 20)
    finally:
        os.close(file)
    if not any(checksum):
        raise ValueError("the index has no checksum")
    return b"%d:%s" % (size, checksum.hex().encode())


def stat_identity(path: bytes | str) -> bytes:
    """What tells whether a file or folder was touched; `absent` where nothing stands."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return b"absent"
    return b"%o:%d:%d:%d:%d" % (
        found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino,
    )  # fmt: skip


def environment_value(name: str) -> bytes:
    """A variable's value in hexadecimal; `unset`."""
    value = os.environ.get(name)
    return b"unset" if value is None else b"=" + os.fsencode(value).hex().encode()


def differing(top: str) -> bytes:
    """What COMMAND prints in the work tree; raises OSError where git fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment["GIT_OPTIONAL_LOCKS"] = "0"
    reader, writer = os.pipe()
    command = (COMMAND[0], "-C", top, *COMMAND[1:])
    try:
        pid = os.posix_spawnp(
            "git", command, environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, writer, 1), (os.POSIX_SPAWN_CLOSE, reader)],
        )  # fmt: skip
    finally:
        os.close(writer)
    pieces = []
    while piece := os.read(reader, 1 << 16):
        pieces.append(piece)
    os.close(reader)
    _, status = os.waitpid(pid, 0)
    if status != 0:
        raise OSError("git diff-files failed")
    return b"".join(pieces)


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
