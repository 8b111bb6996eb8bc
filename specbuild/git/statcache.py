"""A memory of blob ids by stat data, so that a file that git's index does not vouch for is hashed once."""

import json
import os
import re
import time
from typing import Any

from specbuild.engine.key import digest
from specbuild.engine.task import Oid, RepoPath
from specbuild.git.durable import write_aside

_VERSION = 1
_RACY = 2_000_000_000  # ns; file systems' clocks are that coarse, and so are some that git meets
_OID = re.compile(r"[0-9a-f]{40}\Z")


class StatCache:
    """Blob ids of working-tree files. `conversions` names all that decides how bytes become a blob."""

    def __init__(self, path: str, conversions: str) -> None:
        self._path = path
        self._conversions = digest("stat cache", str(_VERSION), conversions)
        self._files: dict[RepoPath, Any] | None = None  # None: not read yet
        self._changed = False

    def get(self, path: RepoPath, found: os.stat_result) -> Oid | None:
        """The blob id, if the file is for certain the one that was hashed."""
        match self._load().get(path):
            case [list(identity), int(hashed_at), str(oid)] if (
                identity == _identity(found) and _settled(found, hashed_at) and _OID.match(oid)
            ):
                return oid
        return None

    def put(self, path: RepoPath, found: os.stat_result, oid: Oid) -> None:
        self._load()[path] = [_identity(found), time.time_ns(), oid]
        self._changed = True

    def save(self) -> None:
        """Writes what was learnt; a folder that cannot be written to only costs time."""
        if not self._changed:
            return
        text = json.dumps({"conversions": self._conversions, "files": self._load()}, separators=(",", ":"))
        write_aside(self._path, text.encode())
        self._changed = False

    def _load(self) -> dict[RepoPath, Any]:
        if self._files is None:
            self._files = {}
            try:
                with open(self._path, "rb") as file:
                    match json.load(file):
                        case {"conversions": self._conversions, "files": dict(files)}:
                            self._files = files
            except (OSError, ValueError, RecursionError):
                pass  # missing, damaged or another program's: it is learnt again
        return self._files


def _identity(found: os.stat_result) -> list[int]:
    return [found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_mode]


def _settled(found: os.stat_result, hashed_at: int) -> bool:
    """Whether it was at rest when it was hashed: what changes in the same tick has the same stat data."""
    return max(found.st_mtime_ns, found.st_ctime_ns) + _RACY <= hashed_at
