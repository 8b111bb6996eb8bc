"""Whether git stores a file's very bytes: for most repositories that is one look at a few small files."""

import os
import re
import stat

from specbuild.engine.task import RepoPath
from specbuild.git.repository import Repository

_CONVERTS = re.compile(rb"text|crlf|eol|ident|filter|encoding|binary|\[attr\]")
_Stamp = tuple[int, int, int] | None


class Plain:
    """Answers False where it is not certain; then somebody who knows git's attributes is to be asked."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._converts = any(
            repository.config_get(name) not in {None, "false", ""}
            for name in ("core.autocrlf", "core.eol", "core.safecrlf")
        )
        self._seen: dict[str, tuple[_Stamp, bool]] = {}
        self._hidden: tuple[object, bool] = (None, False)
        home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
        named = repository.config_get("core.attributesfile") or os.path.join(home, "git", "attributes")
        self._common = [
            os.path.join(repository.common_dir, "info", "attributes"),
            os.path.expanduser(named),
            "/etc/gitattributes",
            os.path.join(repository.top, ".gitattributes"),
        ]

    def __call__(self, path: RepoPath) -> bool:
        if self._converts or self._is_hidden():
            return False
        if not all(map(self._is_harmless, self._common)):
            return False
        place = path.find("/")
        while place >= 0:
            if not self._is_harmless(f"{self._repository.top}/{path[:place]}/.gitattributes"):
                return False
            place = path.find("/", place + 1)
        return True

    def _is_hidden(self) -> bool:
        """Whether the index may hold attributes whose file is missing (git reads those then)."""
        index = self._repository.index_file()
        if self._hidden[0] is not index:
            known = index.attribute_files
            found = index.get(b".gitattributes") is not None
            there = os.path.exists(os.path.join(self._repository.top, ".gitattributes"))
            self._hidden = (index, known > 0 and not (known == 1 and found and there))
        return self._hidden[1]

    def _is_harmless(self, path: str) -> bool:
        try:
            found = os.stat(path)
        except OSError:
            return True
        if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for
            return False
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        seen = self._seen.get(path)
        if seen is None or seen[0] != stamp:
            try:
                with open(path, "rb") as file:
                    harmless = _CONVERTS.search(file.read()) is None
            except OSError:
                harmless = False
            seen = self._seen[path] = (stamp, harmless)
        return seen[1]
