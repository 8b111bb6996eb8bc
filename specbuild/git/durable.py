"""What has to survive a power cut, and files that are either old or new, never half."""

import contextlib
import os
from collections.abc import Iterable

from specbuild.engine.task import Oid
from specbuild.git.repository import Repository


def wanted(repo: Repository) -> bool:
    """Whether anything is to be synced at all: a user may have given that up with `core.fsync = none`."""
    return repo.config_get("core.fsync") != "none"


def index_wanted(repo: Repository) -> bool:
    """Whether git would sync its index, too."""
    asked = (repo.config_get("core.fsync") or "").replace(" ", "").split(",")
    return bool({"index", "all", "added"} & set(asked))


def make_durable(repo: Repository, oids: Iterable[Oid]) -> None:
    """Returns when the loose objects among `oids` would survive a power cut (packed ones already do).

    As git does under `core.fsync = loose-object`: the files, whose names a journalling disk keeps with them.
    """
    objects = os.path.join(repo.common_dir, "objects")
    for oid in oids:
        sync(os.path.join(objects, oid[:2], oid[2:]))


def sync(path: str) -> bool:
    """Waits until a file or folder is on disk; False: it is not there."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    return True


def put(path: str, data: bytes, *, durable: bool) -> None:
    """Writes a file aside and moves it into place."""
    aside = f"{path}.new"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(aside, "wb") as file:
        file.write(data)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    os.replace(aside, path)
    if durable:
        sync(os.path.dirname(path))


def put_anew(path: str, data: bytes) -> None:
    """Writes a file that nobody misses: after a kill it may be gone or broken.

    What stood there is removed first. Moving another file over it costs the more the larger that is: file
    systems begin to write it out then.
    """
    drop(path)
    put_new(path, data)


def put_new(path: str, data: bytes) -> None:
    """Writes a file where there is none, at once; where that was broken off it is empty."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    try:
        fd = os.open(path, flags, 0o666)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        fd = os.open(path, flags, 0o666)
    with open(fd, "wb") as file:  # raises where not all of it could be written
        file.write(data)


def write_aside(path: str, content: bytes) -> bool:
    """Replaces a file in one step; False: the disk does not let it, and the file is as it was."""
    import tempfile  # noqa: PLC0415  (most commands write nothing)

    path = os.path.realpath(path)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=os.path.basename(path) + ".")
    except OSError:
        return False
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchmod(handle, _mode_of(path))
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        return False
    return True


def _mode_of(path: str) -> int:
    try:
        return os.stat(path).st_mode & 0o777
    except OSError:
        return 0o644


def drop(path: str) -> None:
    """Removes a file, if it is there."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(path)
