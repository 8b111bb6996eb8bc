"""The entry point."""

import os
import sys


def main() -> int:
    """Runs the command line; returns the exit code."""
    if os.name == "nt":
        sys.stderr.write("specbuild: native Windows is not supported; use WSL\n")
        return 4
    from specbuild import noop  # noqa: PLC0415

    code = noop.answer(sys.argv[1:])
    if code is not None:
        return code
    given = None
    if sys.argv[1:4] == ["hook", "run", "pre-push"] and not sys.stdin.isatty():
        from specbuild.githooks import known  # noqa: PLC0415

        given = sys.stdin.buffer.read()
        if known.is_up_to_date(given, noop.git_folders(os.getcwd())):
            return 0
    from specbuild.cli import main as command_line  # noqa: PLC0415  (nothing heavy before it is needed)

    return command_line(sys.argv[1:], given=given)


if __name__ == "__main__":
    sys.exit(main())
