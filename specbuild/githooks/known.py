"""Is a pushed commit known to be up to date? Answers the common "yes" before anything heavy is imported.

A judgement that had nothing to tell leaves a note with the commit and every path that it looked at
(cli/pushed_note.py). The answer stands for that commit, and for a later one where no commit in between says
anything of checkpoints and no such path changed. Anything unusual: no answer, and the full path decides.
"""

import os
import sys
from collections.abc import Iterable

VERSION = b"specbuild pushed 1"
NAME = "pushed"
"""The note's file, in the `.git/specbuild/` that all worktrees share."""

MOST = 500
"""So many commits and changed paths are looked at; beyond that judging costs no more."""

EXACT, FOLDER, OPEN = b"=", b"/", b"*"
"""What a path in the note is: itself; all below; below it only what comes, goes or changes its kind."""

Places = tuple[str, str, str]
"""A working tree's top, its git folder and the common one."""


def is_up_to_date(given: bytes, places: Places | None) -> bool:
    """Whether all that pre-push was given is known to need no word. False: find out."""
    if places is None or any(os.environ.get(name) for name in _ASKED_OTHERWISE):
        return False
    told = os.environ.get("GIT_DIR")
    if told is not None and os.path.realpath(told) != os.path.realpath(places[1]):
        return False
    lines = [line.split(b" ") for line in given.splitlines()]
    lines = [words for words in lines if len(words) == 4 and words[1].strip(b"0")]
    if not lines:
        return bool(given)
    try:
        note = _read(places[2])
        return note is not None and all(_covers(note, words, places[0]) for words in lines)
    except (OSError, ValueError):
        return False


_ASKED_OTHERWISE = ("SPECBUILD", "SPECBUILD_SKIP", "SPECBUILD_LANE", "SPECBUILD_PROFILE")


def circumstances(common: str) -> bytes:
    """What else a judgement rests on: our version, what is installed, where history is cut or replaced."""
    from specbuild import __version__  # noqa: PLC0415  (it is there already)

    started = ("", os.getcwd(), os.path.dirname(sys.argv[0]))  # differ by how we are called
    looked = [path for path in sys.path if path not in started]
    looked += [os.path.join(common, name) for name in ("shallow", "info/grafts", "refs/replace")]
    told = " ".join([__version__, *(f"{path}:{_touched(path)}" for path in looked)])
    return told.encode("utf-8", "surrogateescape").hex().encode()


def _touched(path: str) -> str:
    try:
        return str(os.stat(path).st_mtime_ns)
    except OSError:
        return "-"


class Note:
    """What was judged, and what it looked at."""

    def __init__(self, commit: bytes, branch: bytes, items: list[bytes]) -> None:
        self.commit = commit
        self.branch = branch  # "*": any
        self.exact = {item for item in items if item[:1] == EXACT}
        self.folders = tuple(item[1:] for item in items if item[:1] == FOLDER)
        self.open = tuple(item[1:] for item in items if item[:1] == OPEN)

    def concerns(self, status: bytes, path: bytes) -> bool:
        """Whether a change matters; `status` as git's --name-status has it, `M` where the kind stays."""
        if EXACT + path in self.exact or path.startswith(self.folders):
            return True
        if path.rpartition(b"/")[2] in {b".gitignore", b".gitattributes", b".gitmodules"}:
            return True
        if status == b"M":
            return False
        below = EXACT + path + b"/"  # a folder on the way to a path may have become a symlink
        return path.startswith(self.open) or any(item.startswith(below) for item in self.exact)


def items(exact: Iterable[str], folders: Iterable[str], opened: Iterable[str]) -> list[bytes]:
    """As a note lists them."""
    kinds = ((EXACT, exact), (FOLDER, folders), (OPEN, opened))
    marked = [kind.decode() + path for kind, paths in kinds for path in paths]
    return os.fsencode("\0".join(marked)).split(b"\0") if marked else []


def compose(commit: str, branch: str | None, items: list[bytes], common: str) -> bytes:
    """The note's text; `branch` None: which one is pushed does not matter."""
    head = [VERSION, circumstances(common), commit.encode(), b"*" if branch is None else os.fsencode(branch)]
    return b"\n".join([*head, b"\0".join([*items, b"end"])])


def _read(common: str) -> Note | None:
    with open(os.path.join(common, "specbuild", NAME), "rb") as file:
        head = file.read().split(b"\n", 4)
    if len(head) != 5 or head[0] != VERSION or head[1] != circumstances(common):
        return None
    items = head[4].split(b"\0")
    return Note(head[2], head[3], items) if items[-1] == b"end" else None


def _covers(note: Note, words: list[bytes], top: str) -> bool:
    source, oid, ref, _ = words
    if ref.startswith((b"refs/notes/", b"refs/specbuild/", b"refs/replace/")):
        return True
    branch = next((name[11:] for name in (source, ref) if name.startswith(b"refs/heads/")), None)
    if branch is None or note.branch not in {b"*", branch}:
        return False
    return oid == note.commit or _follows(note, oid, top)


def _follows(note: Note, oid: bytes, top: str) -> bool:
    between = os.fsdecode(note.commit + b"..." + oid)
    log = _start(top, "rev-list", "--left-right", f"--max-count={MOST + 1}", "--format=%B", between, "--")
    diff = _start(
        top,
        "diff-tree",
        "-r",
        "-z",
        "--no-renames",
        "--name-status",
        os.fsdecode(note.commit),
        os.fsdecode(oid),
        "--",
    )
    said, listed = _finish(log), _finish(diff)
    if b"Specbuild-Checkpoint:" in said or b"This reverts commit" in said:
        return False
    if b"commit <" in said or said.count(b"commit >") > MOST:
        return False
    words = listed.split(b"\0")
    changes = list(zip(words[0:-1:2], words[1::2], strict=True))
    return len(changes) <= MOST and not any(note.concerns(status, path) for status, path in changes)


def _start(top: str, *arguments: str) -> tuple[int, int]:
    """Process and pipe of a git command, in a fifth of the time that an import of subprocess takes."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment["GIT_NO_LAZY_FETCH"] = "1"
    reader, writer = os.pipe()
    try:
        pid = os.posix_spawnp(
            "git",
            ("git", "-C", top, *arguments),
            environment,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, writer, 1),
                (os.POSIX_SPAWN_CLOSE, reader),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
        )
    finally:
        os.close(writer)
    return pid, reader


def _finish(started: tuple[int, int]) -> bytes:
    pid, reader = started
    pieces = []
    while piece := os.read(reader, 1 << 16):
        pieces.append(piece)
    os.close(reader)
    if os.waitpid(pid, 0)[1] != 0:
        raise OSError("git failed")
    return b"".join(pieces)
