"""What says which tasks there are, as it was when the plan was made; people type in it while tasks run."""

from collections.abc import Callable, Mapping

from specbuild.engine.ports import Snapshot, Tree
from specbuild.engine.project import Project
from specbuild.engine.task import Entry, Oid, RepoPath
from specbuild.errors import SpecbuildError


class Sources:
    """Task files, which count without what is in their boxes, and specbuild.toml.

    `read` gives the bytes of a blob.
    """

    def __init__(self, project: Project, tree: Tree, read: Callable[[Oid], bytes]) -> None:
        self._emptied = project.task_files
        self._tree = tree
        self._read = read
        self._held = {path: tree.entry(path) for path in project.sources}
        self._typed = {  # no blob has these yet
            path: tree.read(path) for path, entry in self._held.items() if entry != tree.tracked(path)
        }
        self._stand = True

    def stand(self) -> bool:
        """Whether they say what they said, in the working tree and on the branch."""
        for path, held in self._held.items():
            now = self._tree.entry(path)
            if self._stand and now != held:
                self._compare(path, None if now is None else self._tree.read(path))
                self._held[path] = now
        return self._stand

    def ticked(self, changes: Mapping[RepoPath, Entry | None]) -> None:
        """A commit of ours changed boxes; it took nothing of what people typed meanwhile."""
        for path in changes.keys() & self._held.keys():
            self._held[path] = changes[path]

    def moved(self, before: Snapshot, after: Snapshot) -> None:
        """Somebody else moved the branch."""
        for path in self._held:
            entry = after.entry(path)
            if self._stand and entry != before.entry(path):
                self._compare(path, None if entry is None else self._read(entry.oid))

    def _compare(self, path: RepoPath, now: bytes | None) -> None:
        held = self._held[path]
        text = self._typed.get(path) if path in self._typed else held and self._read(held.oid)
        same = text is not None and now is not None and self._words(path, text) == self._words(path, now)
        self._stand = same
        if same:
            self._typed[path] = now

    def _words(self, path: RepoPath, data: bytes) -> bytes:
        try:
            return self._emptied.get(path, _as_it_is)(path, data)
        except SpecbuildError:  # half of it is typed; whoever makes the plan anew says what is wrong
            return data


def _as_it_is(_path: RepoPath, data: bytes) -> bytes:
    return data
