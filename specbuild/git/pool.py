"""Tasks in private worktrees of the pool: what they find there, and what is taken of what they leave."""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from specbuild.engine.modes import SYMLINK
from specbuild.engine.paths import parents
from specbuild.engine.ports import Unusable
from specbuild.engine.task import Entry, Oid, RepoPath
from specbuild.git.files import Files
from specbuild.git.repository import GitFailed, Repository
from specbuild.git.slots import Slot
from specbuild.git.store import COMMIT
from specbuild.git.switching import Found, changed, look
from specbuild.git.trees import (
    Reader,
    entries_below,
    entry_at,
    subtree,
    tree_of,
    write_object,
    write_tree,
)
from specbuild.git.workspace import expanded

_MANIFEST = re.compile(
    r"(package(-lock)?|npm-shrinkwrap|composer|deno)\.json|.*\.lock(b)?|pnpm-lock\.yaml|\.npmrc|\.nvmrc"
    r"|pyproject\.toml|setup\.(py|cfg)|Pipfile|.*requirements.*\.(txt|in)|\.python-version|Cargo\.toml"
    r"|go\.(mod|sum|work)|Gemfile|mix\.exs|build\.gradle(\.kts)?|pom\.xml|.*\.csproj|Makefile"
)
"""Files by which tools know what to install: where one changed, a worktree is set up again."""

_NOBODY = b"specbuild <specbuild@localhost> 0 +0000"


class PooledSandbox:
    """A task's private worktree: HEAD's tree, or what is visible of it, with the start laid over."""

    in_place = False

    def __init__(
        self,
        repo: Repository,
        head: Oid | None,
        start: Mapping[RepoPath, Entry | None],
        *,
        owned: Sequence[RepoPath],
        visible: Sequence[RepoPath] | None,
        share: Sequence[RepoPath],
        setup: str | None = None,
    ) -> None:
        self._repo = repo.another(repo.top)
        self._head = head or _empty_commit(self._repo)
        self._start = start
        self._owned = owned
        self._visible = visible
        self._share = [path.strip("/") for path in share]
        self._setup = setup
        self._slot = Slot.take(self._repo, setup)
        self._found: Found | None = None
        self.folder = self._slot.folder

    def reset(self) -> None:
        self._found = None
        self._laid = tree = self._tree()
        self._key = None if self._setup is None else self._setup_key(self._setup, tree)
        slot = self._slot.lay_out(self._head, tree, self._key)
        self._files = self._slot.files(slot)
        for path in self._share:
            self._link(path)
        for path in self._owned:
            folder = path if path.endswith("/") else os.path.dirname(path)
            if self._files.through_link(folder) is None:
                with contextlib.suppress(FileExistsError, NotADirectoryError):
                    os.makedirs(self._files.at(folder), exist_ok=True)

    def _tree(self) -> Oid:
        base = tree_of(self._repo, self._head)
        if self._visible is None:
            return write_tree(self._repo, base, self._start)
        seen: dict[RepoPath, Entry | None] = {}
        for path in self._visible:
            if path.endswith("/"):
                inner = subtree(self._repo, base, path)
                seen.update(entries_below(self._repo, inner, os.fsencode(path)) if inner else {})
            elif (entry := entry_at(self._repo, base, path)) is not None:
                seen[path] = entry
        seen.update(self._start)
        for path in {f"{above}.gitignore" for name in [*seen, *self._owned] for above in _folders(name)}:
            if path not in seen and (entry := entry_at(self._repo, base, path)) is not None:
                seen[path] = entry  # git has to know what it ignores there, too
        return write_tree(self._repo, None, seen)

    def _setup_key(self, setup: str, tree: Oid) -> str:
        """Of the command, and of the files that say what is to be installed."""
        digest = hashlib.sha256(setup.encode("utf-8", "surrogateescape"))
        for path, entry in sorted(entries_below(self._repo, tree, b"").items()):
            if _MANIFEST.fullmatch(path.rsplit("/", 1)[-1]):
                digest.update(b"\0" + os.fsencode(path) + b"\0" + entry.oid.encode())
        return digest.hexdigest()

    def unprepared(self, setup: str) -> bool:  # noqa: ARG002  (its key is known since `reset`)
        return self._slot.state().get("key") != self._key

    def prepared(self, setup: str) -> None:
        """What it left elsewhere than in ignored places is put back: that is no task's work."""
        self._whole()
        if self._key is not None:
            self._slot.remember(setup, self._key)
        self.reset()

    def _link(self, path: RepoPath) -> None:
        """An ignored folder of the working tree, as it is there."""
        source, target = os.path.join(self._repo.top, path), self._files.at(path)
        if os.path.lexists(source) and not os.path.lexists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.symlink(source, target)

    def result(self, paths: Iterable[RepoPath]) -> Mapping[RepoPath, Entry]:
        self._found = None  # a recipe or `verify` worked here since
        files = self._whole()
        found = files.entries(expanded(files, paths, self._slot.base.path))
        return {path: self._inside(path, entry) for path, entry in found.items() if entry is not None}

    def changed(self) -> Mapping[RepoPath, Entry | None]:
        files = self._whole()
        self._found = look(files.repo, self._slot.base)
        paths = [p for p in changed(files.repo, self._slot.base, self._found) if not self._shared(p)]
        for path in paths:
            if path.endswith("/"):
                self._refuse_repository(path)
        found = files.entries(path for path in paths if not path.endswith("/"))
        before = Reader(files.repo, self._laid)  # git also names what was written anew with the same bytes
        return {
            path: entry and self._inside(path, entry)
            for path, entry in found.items()
            if entry != before.entry(path)
        }

    def _refuse_repository(self, path: RepoPath) -> None:
        """One with commits would be a submodule in git's own `git add`; one without is nothing yet."""
        place = os.path.join(self.folder, path)
        with contextlib.suppress(GitFailed):
            self._repo.git(["-C", place, "rev-parse", "-q", "--verify", "HEAD"])
            what = f"{path} is a repository of its own, whose files no commit of this one can hold"
            raise Unusable(f"{what}: have it ignored, or without its .git")

    def _whole(self) -> Files:
        """The task may have done anything to its folder."""
        if self._slot.admin() is None or not os.path.isfile(self._slot.base.path):
            raise Unusable("the task destroyed the private worktree that it worked in")
        # Whatever it did with HEAD and index: nothing is taken from there.
        self._slot.restore(self._head, self._files.repo)
        return self._files

    def _shared(self, path: RepoPath) -> bool:
        return any(path == shared or path.startswith(f"{shared}/") for shared in self._share)

    def _inside(self, path: RepoPath, entry: Entry) -> Entry:
        """A new link that leaves the worktree leads to nothing, or to something else, in any other."""
        if entry.mode == SYMLINK:
            target = os.fsdecode(self._repo.read(entry.oid))
            leads = os.path.normpath(os.path.join(os.path.dirname(path), target))
            old = entry_at(self._repo, tree_of(self._repo, self._head), path)
            if entry != old and (target.startswith("/") or leads == ".." or leads.startswith("../")):
                raise Unusable(f"{path} is a symlink that leaves the repository: {target}")
        return entry

    def exists(self, path: RepoPath) -> bool:
        return os.path.lexists(os.path.join(self.folder, path.rstrip("/")))

    def undo(self) -> None:
        """Nothing of the user's was touched."""

    def accept(self, *, untouched: bool = False) -> None:
        """The commit took what it wanted."""
        if untouched and self._found is not None:
            self._slot.leave(self._found)

    def close(self) -> None:
        self._slot.release()


def _folders(path: RepoPath) -> Iterator[str]:
    """Those above a path as prefixes: the top, `a/`, `a/b/`."""
    yield ""
    yield from (f"{folder}/" for folder in parents(path))


def _empty_commit(repo: Repository) -> Oid:
    """What a private worktree stands on while the branch is unborn."""
    tree = write_tree(repo, None, {})
    lines = [
        b"tree " + tree.encode(),
        b"author " + _NOBODY,
        b"committer " + _NOBODY,
        b"",
        b"nothing yet",
        b"",
    ]
    return write_object(repo.raw, COMMIT, b"\n".join(lines))
