"""Commits and refs as objects: signed where git would sign, moved only from where they were."""

import os
import time
from collections.abc import Mapping

import pygit2

from specbuild.engine.ports import Moved
from specbuild.engine.task import Entry, Oid, RepoPath
from specbuild.errors import RepositoryError
from specbuild.git import durable, faults
from specbuild.git.repository import GitFailed, Ident, Identity, Repository
from specbuild.git.store import COMMIT
from specbuild.git.transaction import backing_off
from specbuild.git.trees import Writing, tree_of, write_tree

DETACHED = "HEAD"
_ZERO = "0" * 40


class Commits:
    """Writes commits of one repository and names them; no hook of the user's runs for any of it."""

    def __init__(self, repo: Repository, *, patience: float) -> None:
        self._repo = repo
        self._patience = patience  # seconds to wait for somebody else's lock
        self._identity: Identity | None = None

    def who(self) -> Identity:
        if self._identity is None:
            self._identity = self._repo.identity()
        return self._identity

    def tip(self, ref: str) -> Oid | None:
        try:
            return str(self._repo.raw.lookup_reference(ref).resolve().target)
        except KeyError:
            return None

    def write(self, tree: Oid, parent: Oid | None, message: str, *, sign: bool = True) -> Oid:
        """Makes a commit, which waits in the store; one that git signs is written."""
        text = message.encode("utf-8", "surrogateescape").replace(b"\0", b"")
        if not text.endswith(b"\n"):
            text += b"\n"
        if sign and self._repo.config_bool("commit.gpgsign", default=False):
            parents = [] if parent is None else ["-p", parent]
            self._repo.shared.store.write(self._repo.raw, [tree, *([] if parent is None else [parent])])
            command = ["-c", "i18n.commitEncoding=UTF-8", "commit-tree", "-S", *parents, "-F", "-", tree]
            return self._repo.git(command, input=text).decode().strip()
        identity = self.who()
        lines = [f"tree {tree}"]
        lines += [] if parent is None else [f"parent {parent}"]
        lines += [f"author {_now(identity.author, 'GIT_AUTHOR_DATE')}"]
        lines += [f"committer {_now(identity.committer, 'GIT_COMMITTER_DATE')}"]
        head = "".join(line + "\n" for line in lines).encode("utf-8", "surrogateescape")
        return self._repo.shared.store.add(COMMIT, head + b"\n" + text)

    def keep(
        self, kind: str, parent: Oid | None, changes: Mapping[RepoPath, Entry | None], message: str
    ) -> str:
        """Commits `parent`'s tree with the changes under a new ref `refs/specbuild/<kind>/<time>-<n>`.

        It is not signed: nobody publishes it.
        """
        repo, writing = self._repo, Writing()
        tree = write_tree(repo, tree_of(repo, parent), changes, writing)
        commit = self.write(tree, parent, message, sign=False)
        repo.shared.store.write(repo.raw, [*writing.oids, commit])
        if durable.wanted(repo):
            durable.make_durable(repo, [*writing.oids, commit])
        faults.point("keep.made")
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        number = 0
        while True:
            number += 1
            name = f"refs/specbuild/{kind}/{stamp}-{number}"
            try:
                repo.raw.references.create(name, commit, False)
            except (pygit2.AlreadyExistsError, ValueError):
                continue
            if durable.wanted(repo):
                durable.sync(os.path.join(repo.common_dir, name))
                durable.sync(os.path.dirname(os.path.join(repo.common_dir, name)))
            faults.point("keep.named")
            return name

    def move(self, ref: str, onto: Oid | None, tip: Oid, reason: str) -> None:
        """The branch from `onto` to `tip`, or Moved; on disk on return."""
        if onto is None:
            self._create(ref, tip, reason)
            return
        committer = self.who().committer
        self._repo.raw.set_ident(_plain(committer.name), _plain(committer.email))
        for _ in backing_off(self._patience):
            if self._swap(ref, onto, tip, reason):
                return
        raise RepositoryError(
            f"{ref} is locked by another git process, for more than {self._patience:g} seconds",
            where=f"{self._folder(ref)}/{ref}.lock",
            hint="let it end, or remove the file if no git process runs any more",
        )

    def _swap(self, ref: str, onto: Oid, tip: Oid, reason: str) -> bool:
        """False: somebody has it locked."""
        try:
            reference = self._repo.raw.lookup_reference(ref)
        except KeyError as error:
            raise Moved(f"{ref} is gone") from error
        if str(reference.target) != onto:
            raise Moved(f"{ref} is not at {onto}")
        pygit2.option(pygit2.enums.Option.ENABLE_FSYNC_GITDIR, durable.wanted(self._repo))
        try:
            reference.set_target(tip, _plain(reason))
        except pygit2.GitError as error:
            if "old reference value" in str(error):
                raise Moved(f"{ref} is not at {onto}") from error
            raise
        except OSError as error:
            if os.access(os.path.dirname(os.path.join(self._folder(ref), ref)), os.W_OK):
                return False
            raise RepositoryError(
                f"the branch cannot be moved: {error}",
                where=self._repo.git_dir,
                hint="nothing was recorded; see whether .git can be written to",
            ) from error
        finally:
            pygit2.option(pygit2.enums.Option.ENABLE_FSYNC_GITDIR, False)
        return True

    def _folder(self, ref: str) -> str:
        return self._repo.git_dir if ref == DETACHED else self._repo.common_dir

    def _create(self, ref: str, tip: Oid, reason: str) -> None:
        """The first commit of an unborn branch: libgit2 looks for the ref before it locks, git while."""
        command = ["-c", f"core.hooksPath={os.devnull}", "-c", "core.fsync=reference"]
        try:
            self._repo.git([*command, "update-ref", "-m", _plain(reason), ref, tip, _ZERO])
        except GitFailed as error:
            if self.tip(ref) is not None:
                raise Moved(f"{ref} was born meanwhile") from error
            raise


def _now(ident: Ident, variable: str) -> str:
    """A signature line; the time is the present one unless the caller's environment states it."""
    seconds, offset = ident.time, ident.offset
    if not os.environ.get(variable):
        seconds = int(time.time())
        offset = (time.localtime(seconds).tm_gmtoff or 0) // 60
    sign = "-" if offset < 0 else "+"
    return f"{ident.name} <{ident.email}> {seconds} {sign}{abs(offset) // 60:02}{abs(offset) % 60:02}"


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode() or "unknown"
