"""The repository: guarded against what would go wrong, and open to single steps of the git command."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import pygit2

from specbuild.engine.task import Oid
from specbuild.errors import RepositoryError
from specbuild.git import environment
from specbuild.git.opening import common_dir, find
from specbuild.git.store import Store

if TYPE_CHECKING:
    import subprocess

    from specbuild.git.index import Index
    from specbuild.git.indexfile import IndexFile
    from specbuild.git.switching import Found
    from specbuild.git.untracked import Untracked

STATE_FOLDER = "specbuild"
OLDEST_GIT = (2, 34)
"""Of 2.33 is `worktree add --lock --reason`, of 2.34 signing with ssh keys."""


class Ident(NamedTuple):
    """One of git's identities; `time` (seconds since 1970) and `offset` (minutes) are those of now."""

    name: str
    email: str
    time: int
    offset: int


class Identity(NamedTuple):
    author: Ident
    committer: Ident


@dataclass(slots=True)
class Shared:
    """What all that have one worktree's repository open in this process know together."""

    store: Store = field(default_factory=Store)
    index: "IndexFile | None" = None  # as it was read or written last
    bases: "dict[str, IndexFile]" = field(default_factory=dict)  # likewise, by path: see `switching`
    untracked: "dict[str, Untracked]" = field(default_factory=dict)  # by the path of the base
    copies: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)  # and what was copied where
    left: "dict[str, tuple[bytes, Found]]" = field(default_factory=dict)  # by folder: see `Slot.leave`


class GitFailed(RepositoryError):  # noqa: N818  (says what happened, as `Moved` does)
    """A git command ended with an error."""

    def __init__(self, args: Sequence[str], code: int, stderr: bytes) -> None:
        text = stderr.decode("utf-8", "replace").strip()
        super().__init__(f"`git {' '.join(args[:2])}` failed ({code}): {text or 'it said nothing'}")
        self.code = code
        self.stderr = text


class Repository:
    """A git repository as it is on disk now; holds no state that a command of git's could make wrong."""

    def __init__(self, raw: pygit2.Repository) -> None:
        self.raw = raw
        self.git_dir = raw.path.rstrip("/")
        self.common_dir = common_dir(self.git_dir)
        self.is_bare = raw.workdir is None
        self.shared = Shared()
        self._index: Index | None = None
        self._environment: dict[str, str] = {}

    @staticmethod
    def open(start: str) -> "Repository":
        """The repository that `start` lies in. GIT_DIR is ignored: in hooks it may name some other one."""
        repository = Repository(find(start))
        repository._enter_quarantine()
        return repository

    def another(self, folder: str) -> "Repository":
        """The same, or its worktree at `folder`, for another thread: libgit2's objects are for one."""
        opened = Repository.open(folder)
        opened.settings = self.settings  # asking git costs a process
        if opened.git_dir == self.git_dir:
            opened.shared = self.shared
        return opened

    # Places

    @cached_property
    def top(self) -> str:
        """The absolute path of the working tree, without a final `/`."""
        if self.raw.workdir is None:
            raise RepositoryError(
                "this repository is bare: it has no working tree",
                where=self.git_dir,
                hint="judge a commit instead (`specbuild status --at main`), or build in a clone",
            )
        return self.raw.workdir.rstrip("/") or "/"

    @property
    def state_dir(self) -> str:
        """Where caches, logs and the journal of this worktree are kept; made by whoever writes there."""
        return f"{self.git_dir}/{STATE_FOLDER}"

    @property
    def common_state_dir(self) -> str:
        """As `state_dir`, for what all worktrees share."""
        return os.path.join(self.common_dir, STATE_FOLDER)

    def absolute(self, path: str) -> str:
        """Where a repository path stands on disk."""
        return f"{self.top}/{path}"

    # Refs

    @property
    def head_ref(self) -> str | None:
        """The full name of the ref that HEAD names, born or not; None: HEAD is detached.

        Read as git writes it, in one step, so that any thread may ask while another is in libgit2.
        """
        with open(f"{self.git_dir}/HEAD", "rb") as file:
            said = file.read(4096).strip()
        return os.fsdecode(said[4:].strip()) if said.startswith(b"ref:") else None

    @property
    def branch(self) -> str | None:
        """The branch that HEAD names, without `refs/heads/`; None: HEAD is detached."""
        ref = self.head_ref
        return None if ref is None else ref.removeprefix("refs/heads/")

    @property
    def head(self) -> Oid | None:
        """HEAD's commit; None: the branch is unborn."""
        try:
            return str(self.raw.lookup_reference("HEAD").resolve().target)
        except KeyError:
            return None

    @property
    def is_shallow(self) -> bool:
        return self.raw.is_shallow

    def resolve(self, revision: str) -> Oid:
        """The commit that a person names."""
        command = ["rev-parse", "--verify", "--quiet", "--end-of-options"]
        try:
            named = self.git([*command, revision]).decode().strip()  # `:/text^{commit}` would be all text
            found = self.git([*command, f"{named}^{{commit}}"]).decode().strip()
        except GitFailed as error:
            raise self._no_commit(revision) from error
        if found.startswith("^"):  # git takes it for what is to be left out
            raise self._no_commit(revision)
        return found

    def _no_commit(self, revision: str) -> RepositoryError:
        return RepositoryError(f"there is no commit {revision!r}", hint=self._nearest(revision))

    def _nearest(self, revision: str) -> str:
        import difflib  # noqa: PLC0415  (only for this message)

        kinds = ["refs/heads", "refs/tags", "refs/remotes"]
        names = self.git(["for-each-ref", "--format=%(refname:short)", *kinds])
        near = difflib.get_close_matches(revision, names.decode("utf-8", "replace").splitlines(), 1, 0.5)
        return f"the nearest name is {near[0]!r}" if near else "`git log --all` lists the commits"

    # Configuration

    @cached_property
    def settings(self) -> Mapping[str, str | None]:
        """Every setting as the git command sees it, GIT_CONFIG_COUNT and includes too; the last one wins."""
        settings: dict[str, str | None] = {}
        for item in self.git(["config", "--list", "-z"]).split(b"\0"):
            name, newline, value = item.decode("utf-8", "surrogateescape").partition("\n")
            settings[name] = value if newline else None
        return settings

    def config_get(self, name: str) -> str | None:
        """The value of a setting (section and key in lower case); None: not set."""
        return self.settings.get(name)

    def config_bool(self, name: str, *, default: bool) -> bool:
        if name not in self.settings:
            return default
        value = self.settings[name]
        if value is None or value.lower() in {"true", "yes", "on"}:
            return True
        if value.lower() in {"false", "no", "off", ""}:
            return False
        return value.lstrip("+-").isdecimal() and int(value) != 0

    def forget_config(self) -> None:
        """The settings were changed: the next question reads them anew."""
        self.__dict__.pop("settings", None)

    def identity(self) -> Identity:
        """Who commits: configuration and GIT_AUTHOR_*, GIT_COMMITTER_*, as `git commit` reads them."""
        return Identity(self._ident("GIT_AUTHOR_IDENT"), self._ident("GIT_COMMITTER_IDENT"))

    def _ident(self, variable: str) -> Ident:
        try:
            text = self.git(["var", variable]).decode("utf-8", "surrogateescape").strip()
        except GitFailed as error:
            raise RepositoryError(
                "git does not know who commits",
                hint="run `git config user.name NAME` and `git config user.email you@example.com`",
            ) from error
        name, _, rest = text.partition(" <")
        email, _, when = rest.rpartition("> ")
        seconds, _, zone = when.partition(" ")
        sign = -1 if zone.startswith("-") else 1
        return Ident(name, email, int(seconds), sign * (int(zone[1:3]) * 60 + int(zone[3:5])))

    # Guards

    def index(self) -> "Index":
        """The index as it is now; a split or sparse one is an error."""
        from specbuild.git import index  # noqa: PLC0415  (a commit can be judged without)

        path = os.path.join(self.git_dir, "index")
        if self._index is None or self._index.identity != index.identity_of(path):
            self._index = index.read(path)
        return self._index

    def index_file(self) -> "IndexFile":
        """The same for single questions, and for writing it anew."""
        from specbuild.git.indexfile import IndexFile  # noqa: PLC0415  (as above)

        path = f"{self.git_dir}/index"
        self.shared.index = IndexFile.read(path, self.shared.index)
        return self.shared.index

    def guard_build(self) -> None:
        """Raises where a commit must not be made now. Bisecting is fine."""
        _ = self.top
        for name, (what, hint) in _IN_PROGRESS.items():
            if os.path.exists(os.path.join(self.git_dir, name)):
                raise RepositoryError(f"{what} is in progress", where=self.top, hint=hint)
        unmerged = self.index().unmerged
        if unmerged:
            raise RepositoryError(
                f"{len(unmerged)} files have unresolved conflicts, {min(unmerged)} among them",
                where=self.top,
                hint="resolve them and `git add` them, or `git restore --staged --worktree` them",
            )

    # Objects

    def read(self, oid: Oid) -> bytes:
        """The content of an object; in a partial clone git fetches what is missing."""
        held = self.shared.store.get(oid)
        if held is not None:
            return held
        try:
            return self.raw.read(oid)[1]
        except (KeyError, pygit2.GitError) as error:
            try:
                kind = self.git(["cat-file", "-t", oid]).decode().strip()
                return self.git(["cat-file", kind, oid])
            except GitFailed as failure:
                raise RepositoryError(
                    f"object {oid} cannot be read: {failure.stderr}",
                    where=self.git_dir,
                    hint="`git fsck` says what is missing; `git fetch --refetch` may bring it back",
                ) from error

    # The git command

    def git(
        self,
        args: Sequence[str],
        *,
        input: bytes | None = None,  # noqa: A002  (subprocess' word)
        env: Mapping[str, str] | None = None,
        ok: Sequence[int] = (0,),
    ) -> bytes:
        """What a git command prints. `env` is added to the cleaned environment, GIT_INDEX_FILE too if meant.

        Raises GitFailed where it ends with another code than `ok` lists.
        """
        import subprocess  # noqa: PLC0415  (12 ms that a clean judgement of a commit can do without)

        try:
            done = subprocess.run(
                ["git", *args],
                cwd=self._cwd,
                env=environment.clean({**self._environment, **(env or {})}),
                input=input,
                stdin=subprocess.DEVNULL if input is None else None,
                capture_output=True,
                check=False,
            )
        except FileNotFoundError as error:
            raise _no_git() from error
        if done.returncode not in ok:
            raise GitFailed(args, done.returncode, done.stderr)
        return done.stdout

    def spawn(
        self,
        args: Sequence[str],
        *,
        talks: bool = False,
        complains: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> "subprocess.Popen[bytes]":
        """A git command whose output is read while it runs.

        `talks`: it is written to as well; `complains`: what it says on stderr is of interest.
        """
        import subprocess  # noqa: PLC0415  (as above)

        try:
            return subprocess.Popen(
                ["git", *args],
                cwd=self._cwd,
                env=environment.clean({**self._environment, **(env or {})}),
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if complains else subprocess.DEVNULL,
            )
        except FileNotFoundError as error:
            raise _no_git() from error

    @property
    def _cwd(self) -> str:
        return self.git_dir if self.is_bare else self.top

    def _enter_quarantine(self) -> None:
        """In pre-receive the pushed objects stand in a folder of their own until the push is accepted."""
        folder = os.environ.get("GIT_QUARANTINE_PATH")
        objects = os.path.join(os.path.realpath(self.common_dir), "objects", "")
        if folder and os.path.realpath(folder).startswith(objects):
            self.raw.odb.add_disk_alternate(folder)
            names = ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH")
            self._environment = {name: os.environ[name] for name in names if name in os.environ}


_IN_PROGRESS = {
    "MERGE_HEAD": ("a merge", "finish it with `git merge --continue` or drop it with `git merge --abort`"),
    "rebase-merge": (
        "a rebase",
        "finish it with `git rebase --continue` or drop it with `git rebase --abort`",
    ),
    "rebase-apply": (
        "a rebase or `git am`",
        "finish it with `git rebase --continue` (`git am --continue`) or drop it with `--abort`",
    ),
    "CHERRY_PICK_HEAD": (
        "a cherry-pick",
        "finish it with `git cherry-pick --continue` or drop it with `git cherry-pick --abort`",
    ),
    "REVERT_HEAD": (
        "a revert",
        "finish it with `git revert --continue` or drop it with `git revert --abort`",
    ),
    "sequencer": (
        "a cherry-pick or revert of several commits",
        "finish it with `git cherry-pick --continue` (`git revert --continue`) or drop it with `--abort`",
    ),
}


def _no_git() -> RepositoryError:
    wanted = ".".join(map(str, OLDEST_GIT))
    return RepositoryError("the command `git` was not found on PATH", hint=f"install git {wanted} or later")
