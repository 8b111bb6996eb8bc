"""Writes, takes away and inspects hook files; whatever stood there before is kept and comes back."""

import contextlib
import os
from collections.abc import Callable
from typing import Literal, NamedTuple

from specbuild.errors import RepositoryError
from specbuild.githooks import shim
from specbuild.githooks.places import Place
from specbuild.githooks.shim import Finds

State = Literal["installed", "shadowed", "foreign", "stale", "not installed"]
_CALLED = "legacy"
"""The ending under which pre-commit keeps the hook that it found, and calls it."""
_DROPPED = "old"
"""The ending under which lefthook keeps it, and does not call it."""


Save = Callable[[str, bytes], None]
"""Keeps the text of a hook of that name, which is about to be replaced or removed."""


class Status(NamedTuple):
    """What git would run for one hook."""

    name: str
    state: State
    detail: str = ""  # what that means here, and what to do


def install(place: Place, name: str, finds: Finds, save: Save) -> str:
    """Puts our hook in place; returns what was done. A foreign one is kept beside it, and run first."""
    text = shim.render(name, finds, committed=place.committed, husky=place.husky)
    path = place.hook(name)
    found = _read(path)
    called = _put_aside(place, name, _CALLED)
    if called is not None and found is not None and not shim.is_ours(found):
        _save(place, name, called, save)
        _write(called, text)
        return f"is installed already: another program calls it as {os.path.basename(called)}"
    if found is not None and shim.is_ours(found):
        if found == text and _runs(place, path):
            return "is installed already"
        _save(place, name, path, save)
        _write(path, text)
        return "is brought up to date"
    try:
        os.makedirs(place.folder, exist_ok=True)
    except OSError as error:
        raise _unusable(place, error) from error
    if found is None:
        _write(path, text)
        return "is installed"
    _keep(path, place.kept(name), found)
    _write(path, text)
    return f"is installed; the one that was there is now {os.path.basename(place.kept(name))}, and runs first"


def uninstall(place: Place, name: str, save: Save) -> str | None:
    """Takes our hook away and puts back what was there; returns what was done, None: there was nothing."""
    path, kept = place.hook(name), place.kept(name)
    found = _read(path)
    if found is None or not shim.is_ours(found):
        aside = _put_aside(place, name, _CALLED) or _put_aside(place, name, _DROPPED)
        if aside is None:
            return None
        path = aside
    where = "" if path == place.hook(name) else f" from {os.path.basename(path)}"
    _save(place, name, path, save)
    if os.path.lexists(kept):
        os.replace(kept, path)
        return f"is gone{where}, and what was there before is back"
    os.unlink(path)
    return f"is gone{where}"


def look(place: Place, name: str, *, settings: Finds | None) -> Status:
    """What git would run. `settings`: what git's settings say of specbuild, for committed hooks."""
    path = place.hook(name)
    content = _read(path)
    ours = content is not None and shim.is_ours(content)
    if not ours:
        return _not_ours(place, name, content)
    assert content is not None  # noqa: S101  (`ours` says so)
    if place.husky and not os.path.exists(os.path.join(place.runs, name)):
        return Status(
            name,
            "shadowed",
            f"husky's {place.setting}/{name} is not there, so nothing calls it; run npx husky",
        )
    if not _runs(place, path):
        return Status(name, "stale", f"{path} is not executable; specbuild hook install makes it so")
    finds = shim.found_by(content) or settings
    again = "specbuild hook install brings it up to date"
    if finds is None:
        return Status(name, "stale", f"it relies on a specbuild on PATH here; {again}")
    if not os.access(finds.python, os.X_OK) or not os.path.isdir(finds.package):
        return Status(
            name, "stale", f"{finds.python or 'its interpreter'} has no specbuild any more; {again}"
        )
    if content != shim.render(name, finds, committed=place.committed, husky=place.husky):
        return Status(name, "stale", f"another version wrote it; {again}")
    kept = os.path.basename(place.kept(name))
    return Status(name, "installed", f"after {kept}" if os.path.lexists(place.kept(name)) else "")


def _not_ours(place: Place, name: str, content: bytes | None) -> Status:
    aside = _put_aside(place, name, _CALLED)
    if aside is not None and content is not None:
        return Status(name, "installed", f"called by another program, as {os.path.basename(aside)}")
    aside = _put_aside(place, name, _DROPPED)
    if aside is not None and content is not None:
        detail = f"another program replaced it by its own, and does not call {os.path.basename(aside)}"
        return Status(name, "shadowed", f"{detail}; specbuild hook install puts both in a row")
    elsewhere = os.path.join(place.default, name)
    shadowed = _read(elsewhere) if place.folder != place.default else None
    if shadowed is not None and shim.is_ours(shadowed):
        detail = f"{elsewhere} is never run: core.hooksPath ({place.scope}) is {place.setting}"
        return Status(name, "shadowed", detail)
    if content is None:
        return Status(name, "not installed")
    return Status(
        name,
        "foreign",
        f"{place.hook(name)} is not specbuild's; specbuild hook install keeps it and runs both",
    )


def _save(place: Place, name: str, path: str, save: Save) -> None:
    """A hook of ours is a file, too, into which a person may have written something."""
    found = _read(path)
    if found is not None and found != _as_written(place, name, found):
        save(name, found)


def _as_written(place: Place, name: str, content: bytes) -> bytes:
    """What this version writes where `content` is a hook that finds the same."""
    finds = shim.found_by(content)
    return shim.render(name, finds or Finds("", ""), committed=finds is None, husky=place.husky)


def _put_aside(place: Place, name: str, ending: str) -> str | None:
    """Our hook, where a program that was installed later put it."""
    path = f"{place.hook(name)}.{ending}"
    content = _read(path)
    return path if content is not None and shim.is_ours(content) else None


def _runs(place: Place, path: str) -> bool:
    """Whether git (or husky, which starts them by sh) runs the file."""
    return place.husky or os.access(path, os.X_OK)


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        # A symlink to nothing is somebody's, too.
        return b"" if os.path.islink(path) else None
    except OSError as error:
        raise RepositoryError(f"the hook cannot be read: {error.strerror}", where=path) from error


def _keep(path: str, kept: str, content: bytes) -> None:
    """A second name for the foreign hook, so that at no moment there is none."""
    if os.path.lexists(kept):
        if _read(kept) == content:
            return
        raise RepositoryError(
            "there are two hooks from before: this one, and the one that specbuild kept as "
            f"{os.path.basename(kept)}",
            where=path,
            hint="make one of them, or remove the one that is out of date",
        )
    try:
        os.link(path, kept, follow_symlinks=False)
    except (OSError, NotImplementedError):  # a file system without links
        import shutil  # noqa: PLC0415

        shutil.copy2(path, kept, follow_symlinks=False)


def _write(path: str, content: bytes) -> None:
    """All of it or nothing, executable as the umask allows."""
    aside = f"{path}.{os.getpid()}.new"
    try:
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o777)
        with open(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(fd)
        os.replace(aside, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise RepositoryError(f"the hook cannot be written: {error.strerror}", where=path) from error


def _unusable(place: Place, error: OSError) -> RepositoryError:
    told = f"core.hooksPath is {place.setting}" if place.setting else "its hooks folder cannot be made"
    return RepositoryError(
        f"hooks cannot be written: {told} ({error.strerror})",
        where=place.folder,
        hint="git config --unset core.hooksPath makes git look in .git/hooks again" if place.setting else "",
    )
