"""What a push brings: the lines that git gives to pre-push and pre-receive, and whether it is a rehearsal."""

import os
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_NEVER_JUDGED = ("refs/notes/", "refs/specbuild/", "refs/replace/")


class Update(NamedTuple):
    """A ref that a push sets; what it deletes is none."""

    source: str  # the ref (or revision) that is pushed; "": not told (pre-receive)
    oid: str
    ref: str  # on the other side

    @property
    def branch(self) -> str | None:
        """The branch that this is about, here or there."""
        for ref in (self.source, self.ref):
            if ref.startswith("refs/heads/"):
                return ref.removeprefix("refs/heads/")
        return None

    @property
    def tag(self) -> bool:
        return self.ref.startswith("refs/tags/")

    def __str__(self) -> str:
        return re.sub(r"\Arefs/(heads/|(?=tags/))", "", self.ref)


def of_pre_push(given: bytes) -> list[Update]:
    """Of `<local ref> <local oid> <remote ref> <remote oid>` lines (githooks(5), pre-push)."""
    return [
        update
        for words in _lines(given, 4)
        if (update := Update(words[0], words[1], words[2])) and _judged(update)
    ]


def of_pre_receive(given: bytes) -> list[Update]:
    """Of `<old oid> <new oid> <ref>` lines (githooks(5), pre-receive)."""
    return [
        update for words in _lines(given, 3) if (update := Update("", words[1], words[2])) and _judged(update)
    ]


def is_nothing(oid: str) -> bool:
    """Whether an object id stands for no object; SHA-256 repositories write 64 zeros."""
    return not oid.strip("0")


def _judged(update: Update) -> bool:
    return not is_nothing(update.oid) and not update.ref.startswith(_NEVER_JUDGED)


def _lines(given: bytes, count: int) -> Iterator[list[str]]:
    for line in given.split(b"\n"):
        words = os.fsdecode(line).split(" ")
        if len(words) == count:
            yield words


def is_rehearsal() -> bool:
    """Whether the `git push` that called us was told --dry-run: git runs hooks then, too, and tells them not.

    Where the processes above cannot be seen the push counts as meant.
    """
    pid = os.getppid()
    for _ in range(12):
        found = _process(pid)
        if found is None:
            return False
        pid, words = found
        if words and os.path.basename(words[0]) in {"git", "git-push"}:
            return asks_for_rehearsal(words)
    return False


def asks_for_rehearsal(words: Sequence[str]) -> bool:
    """Whether a command line of git's says -n or --dry-run after `push` or an alias of it."""
    at = next((at for at, word in enumerate(words) if os.path.basename(word) in {"push", "git-push"}), 0)
    for word in words[at + 1 :]:
        if word == "--":
            break
        if len(word) > 3 and "--dry-run".startswith(word):
            return True
        if re.fullmatch(r"-[46fquv]*n[46fnquv]*", word):
            return True
    return False


def _process(pid: int) -> tuple[int, list[str]] | None:
    """Parent and command line of a process; None: it cannot be seen."""
    if pid <= 1:
        return None
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            parent = int(file.read().rpartition(b")")[2].split()[1])
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return parent, [os.fsdecode(word) for word in file.read().split(b"\0")]
    except (OSError, ValueError, IndexError):
        return _process_by_ps(pid)


def _process_by_ps(pid: int) -> tuple[int, list[str]] | None:
    import subprocess  # noqa: PLC0415  (macOS has no /proc)

    try:
        command = ["ps", "-o", "ppid=", "-o", "args=", "-p", str(pid)]
        told = subprocess.run(command, capture_output=True, check=True, text=True, errors="replace").stdout
        parent, _, words = told.strip().partition(" ")
        return int(parent), words.split()
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None
