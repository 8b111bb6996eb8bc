"""Files, or git's index, that were touched and say what they said: noop.py's note stands for them, too.

A checkout back and forth, a copied or unpacked tree: all times are new, no byte is. `git status` takes the
new times down in the index. git finds both out many times faster than all tasks are judged.
"""

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Mapping

from specbuild.gitstate import differing, git, index_identity

SAMPLE = 20
"""So many of the touched files are compared first: where one was edited, the rest is no matter."""

SECONDS = 2
"""By so much the times of files and of the note may be apart."""


def stands(
    note: str,
    fields: Mapping[bytes, list[bytes]],
    top: str,
    git_dir: str,
    said: bytes | None,
    *,
    may_write: bool,
) -> bool:
    """Whether the note stands though the index is another, or git names files that it did not name then.

    `said`: what `differing` says; None: the index is another. All else that the note tells is as it was.
    `may_write`: a refreshed index replaces git's, as `git status` does it, and the note is told of it.
    Raises OSError where git or the disk fails.
    """
    index = os.path.join(git_dir, "index")
    identity, was = index_identity(index), fields[b"index"][0]
    if said is None:
        if staged(top) != fields[b"staged"][0]:
            return False
        said = differing(top)
    elif identity != was:
        return False
    if index_identity(index) != identity:  # something was staged before git looked
        return False
    wanted = bytes.fromhex(fields[b"differing"][0].decode())
    if said != wanted:
        before = set(wanted.split(b"\0"))
        named = [path for path in said.split(b"\0") if path not in before]
        if not named or _edited(top, named[:SAMPLE]):
            return False
        refreshed = _refreshed(index, identity, top, wanted, os.path.dirname(note) if may_write else None)
        if refreshed is None:
            return False
        identity = refreshed
    if identity != was:
        if _turned_back(index, os.stat(note).st_mtime_ns // 10**9 - SECONDS):
            return False
        if may_write:
            _tell(note, was, identity)
    return True


def _turned_back(index: str, since: int) -> bool:
    """Whether the index tells of a file that was changed after `since` and bears an older time.

    Git, which compares whole seconds, would not see that file change again in the same second. True also
    of an index in a form that is not read here (extended entries, compressed names, split, sparse).
    """
    with open(index, "rb") as file:
        data = file.read()
    if data[:8] != b"DIRC\0\0\0\2":
        return True
    place = 12
    for _ in range(int.from_bytes(data[8:12], "big")):
        changed = data[place : place + 4]
        if changed != data[place + 8 : place + 12] and int.from_bytes(changed, "big") >= since:
            return True
        end = data.index(b"\0", place + 62)
        place += (end - place + 8) & ~7
    while place < len(data) - 20:  # extensions: name, size, content
        if data[place : place + 4] in {b"link", b"sdir"}:  # entries elsewhere, or of whole folders
            return True
        place += 8 + int.from_bytes(data[place + 4 : place + 8], "big")
    return False


def staged(top: str) -> bytes:
    """A digest of all that the index says but times."""
    code, listed = git(top, ["ls-files", "--stage", "-v", "-z"])
    if code != 0:
        raise OSError("git ls-files failed")
    return hashlib.sha256(listed).hexdigest().encode()


def _refreshed(index: str, identity: bytes, top: str, wanted: bytes, state_dir: str | None) -> bytes | None:
    """The identity of the index, with the new times if installed; None: some file is not as it says."""
    with contextlib.ExitStack() as stack:
        # As a token the copy also says to recovery whose a lock is that a kill left behind.
        name = f"index.{os.getpid()}.{time.monotonic_ns()}.token"
        place = state_dir or stack.enter_context(_elsewhere())
        copy = os.path.join(place, name)
        stack.callback(_drop, copy)
        if _copied(index, copy) != identity:
            return None
        git(top, ["update-index", "-q", "--refresh"], index=copy)
        if differing(top, index=copy) != wanted:
            return None
        return identity if state_dir is None else _installed(copy, index, identity)


def _elsewhere() -> contextlib.AbstractContextManager[str]:
    import tempfile  # noqa: PLC0415  (a run needs none)

    return tempfile.TemporaryDirectory(prefix="specbuild-")


def _drop(copy: str) -> None:
    for left in (copy, f"{copy}.lock"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(left)


def _edited(top: str, paths: list[bytes]) -> bool:
    """Whether one of the files has other bytes than the index. (`git diff` would look at all files.)"""
    _, listed = git(top, ["--literal-pathspecs", "ls-files", "--stage", "-z", "--", *paths])
    code, hashed = git(top, ["hash-object", "--", *paths])
    held: dict[bytes, bytes] = {}
    for row in listed.split(b"\0")[:-1]:
        entry, _, path = row.partition(b"\t")
        held[path] = entry.split(b" ")[1]
    return code != 0 or [held.get(path) for path in paths] != hashed.split()


def _copied(index: str, copy: str) -> bytes:
    """The identity of what was copied. The copy bears the index's time, by which git knows racy entries."""
    source = os.open(index, os.O_RDONLY)
    try:
        found = os.fstat(source)
        with open(source, "rb", closefd=False) as file:
            data = file.read()
    finally:
        os.close(source)
    with open(copy, "xb") as file:  # never through a name that is there: it may be one of the index itself
        file.write(data)
    os.utime(copy, ns=(found.st_atime_ns, found.st_mtime_ns))
    return index_identity(copy)


def _installed(copy: str, index: str, identity: bytes) -> bytes:
    """Under git's own lock, and only over what was copied; where that cannot be, next time is as slow.

    The identity of the index that stands there now.
    """
    if os.environ.get("GIT_OPTIONAL_LOCKS") == "0" or os.path.islink(index):
        return identity
    refreshed = index_identity(copy)
    os.chmod(copy, os.stat(index).st_mode & 0o777)
    lock = f"{index}.lock"
    ours = os.open(os.path.join(os.path.dirname(copy), "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    linked = done = False
    try:
        fcntl.flock(ours, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody recovers, as after a kill
        os.link(copy, lock)
        linked = True
        if index_identity(index) == identity:
            os.rename(lock, index)
            done = True
    except OSError:  # git, or another of us, is at it; or the file system knows no links
        done = False
    finally:
        if linked and not done:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(lock)
        os.close(ours)
    return refreshed if done else identity


def _tell(note: str, was: bytes, identity: bytes) -> None:
    with open(note, "rb") as file:
        text = file.read()
    new = f"{note}.{os.getpid()}"
    with open(new, "wb") as file:
        file.write(text.replace(b"\nindex %s\n" % was, b"\nindex %s\n" % identity, 1))
    os.rename(new, note)
