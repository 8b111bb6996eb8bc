"""Runs a child so that none of it outlives its time: not after a timeout, Ctrl-C, or our own kill -9."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from specbuild.process.output import Output

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""


class Finished(NamedTuple):
    """How a child ended."""

    exit_code: int  # negative: the signal that killed it; 126, 127: it could not be started
    timed_out: bool
    cancelled: bool
    tail: str  # the end of its output

    @property
    def ok(self) -> bool:
        return self.exit_code == 0 and not self.timed_out and not self.cancelled


def run(
    argv: Sequence[str | bytes],
    *,
    cwd: str,
    env: Mapping[str, str],
    timeout: float | None = None,
    log: Callable[[str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    stdin: bytes | None = None,
    grace: float = GRACE,
) -> Finished:
    """Runs a command to its end, and with it all that it started.

    `log` gets the output, stdout and stderr as they come, in chunks of whole lines (longer lines in
    pieces); what is not UTF-8 in it is replaced. `stdin` None: it is empty. `timeout` and `grace` are
    seconds. Never raises for what the command does; it raises what `log` and `cancelled` raise.
    """
    import subprocess  # noqa: PLC0415

    from specbuild.process.child import Child  # noqa: PLC0415
    from specbuild.process.guardian import MARK, the_guardian  # noqa: PLC0415
    from specbuild.process.output import Output  # noqa: PLC0415

    guardian = the_guardian()
    output = Output(log or _ignore)
    with guardian.lane(env.get(MARK)) as lane:
        try:
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env={**env, MARK: lane},
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:  # ValueError: a NUL in an argument
            return _not_started(argv, cwd, error, output)
        with guardian.watching(process.pid):  # not `with process`: that waits however long it takes
            child = Child(process, guardian=guardian, lane=lane, output=output, stdin=stdin, grace=grace)
            try:
                return child.finish(timeout, cancelled or _never)
            finally:
                child.close()


def _ignore(_: str) -> None:
    pass


def _never() -> bool:
    return False


def _not_started(
    argv: Sequence[str | bytes], cwd: str, error: OSError | ValueError, output: "Output"
) -> Finished:
    program = os.fsdecode(argv[0]) if argv else ""
    if isinstance(error, FileNotFoundError) and not os.path.isdir(cwd):
        message = f"specbuild: the folder {cwd} is not there\n"
    elif isinstance(error, FileNotFoundError):
        message = f"specbuild: {program}: command not found\n"
    else:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        message = f"specbuild: {program}: {(reason or str(error)).lower()}\n"
    output.feed(message.encode("utf-8", "surrogateescape"))
    output.close()
    code = 127 if isinstance(error, FileNotFoundError) else 126
    return Finished(code, timed_out=False, cancelled=False, tail=output.tail)
