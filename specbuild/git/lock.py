"""One specbuild per worktree: a lock that dies with its process."""

import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

from specbuild.errors import RepositoryError


class Holder(NamedTuple):
    """Who holds the lock, as far as its file can be read; pid 0: unknown."""

    pid: int = 0
    host: str = ""
    started: float = 0.0  # seconds since 1970

    def __str__(self) -> str:
        who = f"process {self.pid}" if self.pid else "another process"
        where = f" on {self.host}" if self.host and self.host != socket.gethostname() else ""
        since = time.strftime(", since %H:%M:%S", time.localtime(self.started)) if self.started else ""
        return f"{who}{where}{since}"


class BuildLock:
    """Held while this process builds in the worktree whose state folder is given.

    `wait`: waits for another specbuild and tells `waiting` once whom for; otherwise RepositoryError.
    The lock is the kernel's, so a killed process leaves none, whatever the file then holds.
    """

    def __init__(
        self,
        state_dir: str,
        *,
        wait: bool = False,
        waiting: Callable[[Holder], None] | None = None,
    ) -> None:
        self._path = os.path.join(state_dir, "lock")
        self._wait = wait
        self._waiting = waiting
        self._fd: int | None = None

    def __enter__(self) -> Self:
        self._fd = self._take()
        self._sign(self._fd)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = None

    def _take(self) -> int:
        fd = self._open()
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in {errno.EAGAIN, errno.EACCES}:
                os.close(fd)
                raise self._unusable(error) from error
            holder = _read(self._path)
            if not self._wait:
                os.close(fd)
                raise RepositoryError(
                    f"another specbuild works in this worktree: {holder}",
                    where=self._path,
                    hint="wait for it, stop it, or build in another worktree (`git worktree add`)",
                ) from error
            if self._waiting is not None:
                self._waiting(holder)
            fcntl.flock(fd, fcntl.LOCK_EX)
        return fd

    def _open(self) -> int:
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            if os.path.isdir(self._path):  # whatever made it: it is no lock of ours
                os.rename(self._path, f"{self._path}.{time.time_ns()}.bad")
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> RepositoryError:
        return RepositoryError(
            f"the build lock cannot be taken: {error.strerror}",
            where=self._path,
            hint="specbuild needs to write below .git; `specbuild status` and `check` do not",
        )

    def _sign(self, fd: int) -> None:
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "started": time.time()}
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps(holder).encode(), 0)


def _read(path: str) -> Holder:
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        return Holder(int(found["pid"]), str(found["host"]), float(found["started"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Holder()
