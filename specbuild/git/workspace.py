"""Where tasks run: in the working tree, or in a private worktree of the pool (SPEC section 4)."""

import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from specbuild.engine.ports import Sandbox, Unusable
from specbuild.engine.task import Entry, Isolation, Oid, RepoPath, Task
from specbuild.git import faults, journal
from specbuild.git.files import Files, Raw, aside_folder
from specbuild.git.folders import remove_tree
from specbuild.git.journal import Journal, Undo
from specbuild.git.repository import Repository
from specbuild.git.trees import entry_at, tree_of

if TYPE_CHECKING:
    from specbuild.git.pool import PooledSandbox

_numbers = itertools.count(1)

Changes = Mapping[RepoPath, Entry | None]


class GitWorkspaces:
    """Makes sandboxes; `head` gives the commit of the run's branch, `share` ignored folders to link in.

    Sandboxes of different tasks may be open, and used by different threads, at the same time.
    """

    def __init__(
        self, repo: Repository, *, head: Callable[[], Oid | None] | None = None, share: Sequence[str] = ()
    ) -> None:
        self._repo = repo
        self._head = head or (lambda: repo.head)
        self._share = tuple(share)
        self._own = threading.local()  # libgit2's objects are for one thread

    @contextlib.contextmanager
    def open(
        self,
        task: Task,
        *,
        start: Changes,
        owned: Sequence[RepoPath],
        isolation: Isolation,
        visible: Sequence[RepoPath] | None,
    ) -> Iterator[Sandbox]:
        if isolation == "none":
            sandbox: InPlace | PooledSandbox = InPlace(self._files(), task, start, owned)
        else:
            sandbox = self._pooled(task, start, owned, visible if isolation == "strict" else None)
        try:
            sandbox.reset()
            yield sandbox
        finally:
            sandbox.close()

    def _files(self) -> Files:
        """The working tree's files, for this thread."""
        files: Files | None = getattr(self._own, "files", None)
        if files is None:
            own = self._repo.another(self._repo.top)
            files = self._own.files = Files(own, aside_folder(own), waiting=True)
        return files

    def _pooled(
        self, task: Task, start: Changes, owned: Sequence[RepoPath], visible: Sequence[RepoPath] | None
    ) -> "PooledSandbox":
        from specbuild.git.pool import PooledSandbox  # noqa: PLC0415  (most runs need none)

        option = task.options.get("share", ())
        asked = [option] if isinstance(option, str) else list(option)
        share = list(dict.fromkeys([*self._share, *task.share, *asked]))
        return PooledSandbox(
            self._repo, self._head(), start, owned=owned, visible=visible, share=share, setup=task.setup
        )


class InPlace:
    """The working tree itself; what stood at the task's paths is in a journal until the task is over."""

    in_place = True

    def __init__(self, files: Files, task: Task, start: Changes, owned: Sequence[RepoPath]) -> None:
        self._repo = files.repo
        self._files = files
        self._state_dir = self._repo.state_dir
        self._task = task
        self._start = start
        self.folder = self._repo.top
        self._owned = [self._as_folder(path) for path in owned]
        self._watches = task.writes == "any" or bool(task.unresolved)
        self._journal: Journal | None = None
        self._path = ""
        self._since: dict[RepoPath, Entry | None] = {}  # dirty paths as they were when the task began
        self._tree: Oid | None = None  # HEAD's, then

    def _as_folder(self, path: RepoPath) -> RepoPath:
        """A target without a final `/` may be a folder all the same."""
        target = self._files.at(path)
        if os.path.isdir(target) and not os.path.islink(target) and not path.endswith("/"):
            return f"{path}/"
        return path

    # Before

    def reset(self) -> None:
        first = self._journal is None
        if self._journal is None:
            self._record()
        else:
            self._undo().run(self._journal)
        self._lay_out()
        if self._watches and first:  # what an attempt that failed left elsewhere is the task's doing, too
            self._tree = tree_of(self._repo, self._repo.head)
            self._since = self._dirty()

    def _record(self) -> None:
        """Nothing is touched before this is on disk."""
        for path in [*self._owned, *self._start]:
            if (link := self._files.through_link(path)) is not None:
                raise Unusable(f"{path} lies behind the symlink {link}")
        before: dict[RepoPath, Raw | None] = {}
        folders = [path for path in self._owned if path.endswith("/")]
        for path in folders:
            before.update({below: self._files.raw(below) for below in self._files.below(path)})
        for path in [*self._owned, *self._start]:
            if not path.endswith("/") and path not in before:
                before[path] = self._files.raw(path)
        found = Journal(
            head=self._repo.head,
            task=str(self._task.name),
            before=before,
            folders=tuple(folders),
            moved=self._to_move(folders),
            made=tuple(self._to_make()),
        )
        self._journal, self._path = journal.open_(self._repo, found)
        faults.point("place.journaled")

    def _to_move(self, folders: Sequence[RepoPath]) -> dict[RepoPath, str]:
        """Ignored folders that a `rebuild` task makes anew: moved away and back, since no blob keeps them."""
        if not self._task.rebuild:
            return {}
        return {
            path: f"{os.getpid()}-{next(_numbers)}"
            for path in folders
            if os.path.isdir(self._files.at(path)) and self._files.is_ignored(path)
        }

    def _to_make(self) -> Iterator[RepoPath]:
        """Folders that the targets need and that are not there, outermost first."""
        seen = set()
        for path in self._owned:
            parts = path.split("/")[:-1]
            if path.rstrip("/") in self._task.absent or path in self._task.absent:
                continue
            for end in range(1, len(parts) + 1):
                folder = "/".join(parts[:end])
                if folder not in seen and not os.path.lexists(self._files.at(folder)):
                    seen.add(folder)
                    yield folder

    def _lay_out(self) -> None:
        found = self._journal
        if found is None:
            return
        for path, name in (found.moved or {}).items():
            self._move_aside(path, name)
        now = self._files.entries(self._start)
        for path, entry in self._start.items():
            if entry is None and now[path] is not None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._files.at(path))
                self._remove_empty_owned(path)
                faults.point("place.laid-one")
        self._files.write(
            {path: entry for path, entry in self._start.items() if entry is not None and entry != now[path]}
        )
        for folder in found.made:
            os.makedirs(self._files.at(folder), exist_ok=True)
        faults.point("place.folders-made")
        for path in found.folders:
            if path.rstrip("/") not in self._task.absent and path not in self._task.absent:
                os.makedirs(self._files.at(path), exist_ok=True)
        faults.point("place.laid")

    def _move_aside(self, path: RepoPath, name: str) -> None:
        target = self._files.at(path.rstrip("/"))
        if os.path.isdir(target) and not os.path.islink(target):
            root = journal.aside_root(self._state_dir)
            os.makedirs(root, exist_ok=True)
            saved = os.path.join(root, name)
            if os.path.lexists(saved):
                remove_tree(target)
            else:
                os.rename(target, saved)
            faults.point("place.aside")

    def _remove_empty_owned(self, path: RepoPath) -> None:
        """An owned folder starts empty: also of the folders in it."""
        for owned in self._owned:
            if owned.endswith("/") and path.startswith(owned):
                folder = os.path.dirname(path)
                while folder.startswith(owned):
                    try:
                        os.rmdir(self._files.at(folder))
                    except OSError:
                        return
                    folder = os.path.dirname(folder)

    # After

    def result(self, paths: Iterable[RepoPath]) -> Mapping[RepoPath, Entry]:
        found = self._files.entries(expanded(self._files, paths))
        return {path: entry for path, entry in found.items() if entry is not None}

    def changed(self) -> Mapping[RepoPath, Entry | None]:
        if not self._watches:
            raise ValueError(
                "only a task that may write anywhere, or names what is not there yet, is watched"
            )
        now = self._dirty()
        now.update(self._files.entries(path for path in self._since if path not in now))
        return {path: entry for path, entry in now.items() if self._before(path) != entry}

    def _before(self, path: RepoPath) -> Entry | None:
        """What stood at a path when the task began: if it was clean, what HEAD had."""
        return self._since[path] if path in self._since else entry_at(self._repo, self._tree, path)

    def _dirty(self) -> dict[RepoPath, Entry | None]:
        """Paths that differ from HEAD, or are untracked, with what stands there."""
        return self._files.entries(self._files.dirty())

    def exists(self, path: RepoPath) -> bool:
        return os.path.lexists(self._files.at(path.rstrip("/")))

    def unprepared(self, setup: str) -> bool:  # noqa: ARG002
        """Never: the working tree is the person's to set up."""
        return False

    def prepared(self, setup: str) -> None:
        """As above."""

    def undo(self) -> None:
        found = self._journal
        if found is None:
            return
        self._undo().run(found)
        faults.point("place.undone")
        self._finish(found)

    def _undo(self) -> Undo:
        return Undo(self._files, self._state_dir, "place.undone-one")

    def accept(self, *, untouched: bool = False) -> None:  # noqa: ARG002  (the tree is looked at anyway)
        found = self._journal
        if found is None:
            return
        self._finish(found)
        for name in (found.moved or {}).values():
            remove_tree(os.path.join(journal.aside_root(self._state_dir), name))
        journal.remove_made(self._files, found.made)

    def _finish(self, found: Journal) -> None:
        faults.point("place.closing")
        journal.close(self._state_dir, self._path)
        self._journal = None
        faults.point("place.closed")
        journal.release(self._repo, found)

    def close(self) -> None:
        """Without `accept`: undone."""
        self.undo()


def expanded(files: Files, paths: Iterable[RepoPath], index: str | None = None) -> list[RepoPath]:
    """Folders as the files in them that git does not ignore; nothing that git would not look at."""
    found: dict[RepoPath, None] = {}
    for path in paths:
        if (link := files.through_link(path)) is not None:
            raise Unusable(f"{path} lies behind the symlink {link}")
        target = files.at(path.rstrip("/"))
        if os.path.isdir(target) and not os.path.islink(target) and not os.path.lexists(f"{target}/.git"):
            found.update(dict.fromkeys(files.below(f"{path.rstrip('/')}/", index)))
        elif not path.endswith("/"):
            found[path] = None
    return list(found)
