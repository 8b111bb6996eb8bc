"""The text of hook files: a few lines of POSIX sh that find specbuild and hand over to it."""

import os
import re
import shlex
from typing import NamedTuple

_OURS = re.compile(rb"#![^\n]*\n# specbuild hook [a-z-]+ \((\d+)\)")
_SETTING = re.compile(r"^(python|package)=(.*)$", re.MULTILINE)
_FROM_SETTINGS = {
    "python": "$(git config --get specbuild.python)",
    "package": "$(git config --get specbuild.package)",
}
"""In a hook that is committed nothing may be true of one machine only."""


class Finds(NamedTuple):
    """Where a hook finds specbuild."""

    python: str  # the interpreter
    package: str  # the folder of the package, which that interpreter imports


def here() -> Finds:
    """What runs now."""
    import sys  # noqa: PLC0415

    return Finds(sys.executable, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def render(name: str, finds: Finds, *, committed: bool = False, husky: bool = False) -> bytes:
    """A hook file."""
    values = {
        "@NAME@": name,
        "@PYTHON@": _FROM_SETTINGS["python"] if committed else shlex.quote(finds.python),
        "@PACKAGE@": _FROM_SETTINGS["package"] if committed else shlex.quote(finds.package),
        "@HUSKY@": "yes" if husky else "",
    }
    text = re.sub("@[A-Z]+@", lambda found: values[found[0]], _read("shim"))
    return text.encode("utf-8", "surrogateescape")


def config_command(name: str, finds: Finds) -> str:
    """The same as git's `hook.<name>.command`; git appends the hook's arguments."""
    return f"{shlex.quote(finds.python)} -P -m specbuild hook run {name}"


def server_hook() -> bytes:
    """The pre-receive hook for bare repositories."""
    return _read("pre-receive").encode()


def is_ours(content: bytes) -> bool:
    return _OURS.match(content) is not None


def found_by(content: bytes) -> Finds | None:
    """What a hook file of ours names; None: it asks git's settings."""
    told = dict(_SETTING.findall(content.decode("utf-8", "surrogateescape")))
    if told.get("python", "").startswith("$("):
        return None
    try:
        python, package = (shlex.split(told[key])[0] for key in ("python", "package"))
    except (KeyError, ValueError, IndexError):
        return Finds("", "")
    return Finds(python, package)


def _read(name: str) -> str:
    # An installed package carries the folder; a checkout has it at its top.
    package = os.path.dirname(os.path.abspath(__file__))
    folders = (os.path.join(package, "shims"), os.path.join(package, "..", "..", "hooks"))
    folder = next((folder for folder in folders if os.path.isdir(folder)), folders[0])
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return file.read()
