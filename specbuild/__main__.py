"""The entry point."""

import atexit
import gc
import os
import sys


def main() -> int:
    """Runs the command line, and ends the process without taking apart all that it made.

    Returns the exit code only where the interpreter has to end it.
    """
    code = _interruptible()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return code  # Python itself says what is wrong with the stream
    if _waits_for_threads():
        return code
    atexit._run_exitfuncs()  # noqa: SLF001  (there is no other name for it)
    os._exit(code)


def _interruptible() -> int:
    try:
        return _run()
    except KeyboardInterrupt:  # before a command could take it
        return 130


def _waits_for_threads() -> bool:
    """Whether some thread is to be waited for, as a plugin may have made one."""
    threading = sys.modules.get("threading")
    if threading is None:
        return False
    main_thread = threading.main_thread()
    return any(thread is not main_thread and not thread.daemon for thread in threading.enumerate())


def _run() -> int:
    if os.name == "nt":
        sys.stderr.write("specbuild: native Windows is not supported; use WSL\n")
        return 4
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        _open_standard_streams()
    from specbuild import noop  # noqa: PLC0415

    code = noop.answer(sys.argv[1:])
    if code is not None:
        return code
    given = None
    if sys.argv[1:4] == ["hook", "run", "pre-push"] and not sys.stdin.isatty():
        from specbuild.githooks import known  # noqa: PLC0415
        from specbuild.gitstate import git_folders  # noqa: PLC0415

        given = sys.stdin.buffer.read()
        if known.is_up_to_date(given, git_folders(os.getcwd())):
            return 0
    # A large task file is a million objects that all stay: looking through them again and again for
    # garbage, as the default of 700 new ones makes Python do, costs a third of the time of reading it.
    gc.set_threshold(1_000_000, 50, 100)
    from specbuild.cli import main as command_line  # noqa: PLC0415  (nothing heavy before it is needed)

    return command_line(sys.argv[1:], given=given)


def _open_standard_streams() -> None:
    """Where the caller closed one: otherwise the next file opened would stand in its place."""
    for number, mode in enumerate("rww"):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            name = ("stdin", "stdout", "stderr")[number]
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


if __name__ == "__main__":
    sys.exit(main())
