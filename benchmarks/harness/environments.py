"""An environment for each tool: its PyPI packages in one of its own, kept for the next time."""

import os
import shutil
import subprocess
import sys
import sysconfig

from harness.measure import last_line
from harness.peers.base import Peer


class Unavailable(Exception):  # noqa: N818  (what is so)
    """A tool cannot be had here; the text says why."""


def install(peer: Peer, cache: str) -> str:
    """The folder of its commands, after installing them where they were not."""
    if peer.packages:
        return _from_pypi(peer, cache)
    if peer.debian is not None:
        return _from_debian(peer.debian)
    return sysconfig.get_path("scripts")  # specbuild: beside this interpreter


def _from_pypi(peer: Peer, cache: str) -> str:
    folder = os.path.join(cache, "env", peer.key)
    done, wanted = os.path.join(folder, "installed"), " ".join(peer.packages)
    if _text(done) != wanted:
        _call([sys.executable, "-m", "venv", folder], "python -m venv")
        pip = [os.path.join(folder, "bin", "python"), "-m", "pip", "install", "-q", *peer.packages]
        _call(pip, f"pip install {wanted}")
        with open(done, "w", encoding="utf-8") as file:
            file.write(wanted)
    return os.path.join(folder, "bin")


def _from_debian(package: str) -> str:
    found = shutil.which(package)
    if found is None and shutil.which("apt-get") is not None:
        _call(["apt-get", "install", "-y", "-q", package], f"apt-get install {package}")
        found = shutil.which(package)
    if found is None:
        raise Unavailable(f"{package} is not on PATH, and there is no apt-get that installs it")
    return os.path.dirname(found)


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _call(command: list[str], what: str) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=900
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{what} failed: {error}") from error
    if done.returncode:
        raise Unavailable(f"{what} failed: {last_line(done.stderr or done.stdout)}")
