"""Which paths git ignores, asked of git itself, a thousand questions to one process."""

import contextlib
import subprocess
import weakref
from typing import IO

from specbuild.engine.task import RepoPath
from specbuild.errors import RepositoryError
from specbuild.git.repository import Repository


class Ignores:
    """Answers from a `git check-ignore` that is kept running; paths need not exist."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._answers: dict[RepoPath, bool] = {}
        self._process: _Process | None = None

    def __call__(self, path: RepoPath) -> bool:
        answer = self._answers.get(path)
        if answer is None:
            answer = self._answers[path] = self._ask(path)
        return answer

    def forget(self) -> None:
        """Drops the answers: files that say what is ignored may have changed."""
        self._answers.clear()
        self._end()

    def _ask(self, path: RepoPath) -> bool:
        if not path or "\0" in path:
            return False
        if self._process is None:
            self._process = _started(self._repository)
        try:
            return self._process.ask(path.encode("utf-8", "surrogateescape"))
        except (EOFError, BrokenPipeError):
            # git ends at a path that is none of its own: behind a symlink, in a submodule, outside
            self._end()
            return False

    def _end(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None


class _Process:
    """A running `git check-ignore`, ended at the latest when nobody refers to it any more."""

    def __init__(self, repository: Repository) -> None:
        command = ["check-ignore", "--stdin", "-z", "--verbose", "--non-matching", "--no-index"]
        # it does not know literal path specs, so a leading `:` is kept from meaning something
        process = repository.spawn(command, talks=True, env={"GIT_LITERAL_PATHSPECS": "0"})
        self._process = process
        self.end = weakref.finalize(self, _end, process)

    def ask(self, path: bytes) -> bool:
        reader, writer = self._process.stdout, self._process.stdin
        if reader is None or writer is None:
            raise EOFError
        writer.write((b"./" if path.startswith(b":") else b"") + path + b"\0")
        writer.flush()
        source, _line, pattern, _path = (_field(reader) for _ in range(4))
        return bool(source) and not pattern.startswith(b"!")


def _started(repository: Repository) -> _Process:
    """Asks a first question, so that a git that cannot answer at all is not taken for "not ignored"."""
    process = _Process(repository)
    try:
        process.ask(b"a")
    except (EOFError, BrokenPipeError):
        process.end()
        raise RepositoryError(
            "`git check-ignore` does not answer", where=repository.top, hint="`git status` there may say why"
        ) from None
    return process


def _field(reader: IO[bytes]) -> bytes:
    """One NUL-terminated field; the stream is buffered, so a byte is no call of the system's."""
    out = bytearray()
    while (byte := reader.read(1)) != b"\0":
        if not byte:
            raise EOFError
        out += byte
    return bytes(out)


def _end(process: "subprocess.Popen[bytes]") -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()
    process.wait()
