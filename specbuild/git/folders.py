"""Removes folders, whatever stands in them; follows no link."""

import contextlib
import os


def remove_empty(folder: str) -> None:
    """Removes a folder that holds nothing but folders; otherwise OSError."""
    for below, _, _ in os.walk(folder, topdown=False):
        os.rmdir(below)


def remove_tree(folder: str) -> None:
    """Removes a folder with all in it, also what its owner made unreadable."""
    for below, folders, _ in os.walk(folder, onerror=None):
        for name in folders:
            inner = os.path.join(below, name)
            if not os.path.islink(inner):
                with contextlib.suppress(OSError):
                    os.chmod(inner, 0o700)
    with contextlib.suppress(OSError):
        os.chmod(folder, 0o700)
    for below, folders, names in os.walk(folder, topdown=False):
        for name in names:
            os.unlink(os.path.join(below, name))
        for name in folders:
            inner = os.path.join(below, name)
            if os.path.islink(inner):
                os.unlink(inner)
            else:
                os.rmdir(inner)
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(folder)
