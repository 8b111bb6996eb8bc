"""The user's hooks around a commit, as `git commit` runs them (githooks(5)), where config asks for it."""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property

from specbuild.engine.ports import Record, Refused
from specbuild.engine.task import Oid, RepoPath
from specbuild.environment import clean_environment
from specbuild.errors import SpecbuildError
from specbuild.git import messages
from specbuild.git.folders import remove_tree
from specbuild.git.hooksettings import CONFIG_HOOKS, version
from specbuild.git.repository import GitFailed, Ident, Repository

HOOK_RUN = (2, 36)
"""The first version of git that has `git hook run`."""

_BEFORE = ("pre-commit", "prepare-commit-msg", "commit-msg")


class CommitHooks:
    """Runs them one commit at a time; the build lock is held.

    `cancelled`: asked while a hook runs; True ends it, and KeyboardInterrupt is raised. `told`: what became
    of hooks that come too late to refuse anything.
    """

    def __init__(
        self,
        repo: Repository,
        *,
        cancelled: Callable[[], bool] = lambda: False,
        git_version: tuple[int, ...] | None = None,
    ) -> None:
        self._repo = repo
        self._cancelled = cancelled
        self._given_version = git_version
        self._room = os.path.join(repo.state_dir, "commit-hooks")
        self.told: list[str] = []

    def before(self, record: Record, tree: Oid, author: Ident) -> str:
        """Asks whether `tree`, whose objects are on disk, may be committed; returns the message to commit.

        Raises Refused.
        """
        folder = record.folder or self._repo.top
        hooks = self._folder()
        if not any(self._has(hooks, name) for name in _BEFORE):
            return record.message
        with self._emptied_room():
            call = _Call(self, record, folder, hooks, self._environment(folder, author))
            call.lay_out(tree)
            call.pre_commit(tree)
            return call.message()

    def after(self, author: Ident) -> None:
        """Tells the post-commit hook that the branch has moved; nothing can change anything about that."""
        try:
            code, output = self._post_commit(author)
        except (SpecbuildError, OSError) as error:
            self.told.append(f"the post-commit hook could not be run: {error}")
            return
        except KeyboardInterrupt:  # whoever is told of the signal otherwise ends the run
            if not self._cancelled():
                raise
            self.told.append("the post-commit hook was interrupted")
            return
        if code:
            told = " ".join(output.split())
            self.told.append(
                f"the post-commit hook failed (exit code {code})" + (f": {told}" if told else "")
            )

    def _post_commit(self, author: Ident) -> tuple[int, str]:
        hooks = self._folder()
        if not self._has(hooks, "post-commit"):
            return 0, ""
        env = self._environment(self._repo.top, author)
        env["GIT_INDEX_FILE"] = os.path.join(self._repo.git_dir, "index")
        return self.call("post-commit", (), folder=self._repo.top, hooks=hooks, env=env)

    def call(
        self, name: str, arguments: Sequence[str], *, folder: str, hooks: str, env: Mapping[str, str]
    ) -> tuple[int, str]:
        """Exit code and output of one hook; 0 where there is none."""
        from specbuild import process  # noqa: PLC0415  (only where hooks run)

        if not self._has(hooks, name):
            return 0, ""
        if self._version >= HOOK_RUN:
            # a relative core.hooksPath is meant from the top of the working tree, wherever we work
            moved = folder != self._repo.top and self._repo.config_get("core.hookspath")
            chosen = ["-c", f"core.hooksPath={hooks}"] if moved else []
            argv = ["git", *chosen, "hook", "run", "--ignore-missing", name, "--", *arguments]
        else:
            # as git does, sh also takes a script without a first line `#!`
            argv = ["sh", "-c", '"$0" "$@"', os.path.join(hooks, name), *arguments]
        done = process.run(argv, cwd=folder, env=env, cancelled=self._cancelled)
        if done.cancelled:
            raise KeyboardInterrupt
        return done.exit_code, done.tail

    def _folder(self) -> str:
        """Where hooks are looked for now: a task may have installed some."""
        told = self._repo.git(["rev-parse", "--git-path", "hooks"])
        return os.path.join(self._repo.top, os.fsdecode(told).removesuffix("\n"))

    def _has(self, hooks: str, name: str) -> bool:
        path = os.path.join(hooks, name)
        return self._in_settings or (os.path.isfile(path) and os.access(path, os.X_OK))

    @cached_property
    def _version(self) -> tuple[int, ...]:
        return self._given_version or version(self._repo)

    @cached_property
    def _in_settings(self) -> bool:
        named = any(name.startswith("hook.") and name.endswith(".command") for name in self._repo.settings)
        return named and self._version >= CONFIG_HOOKS

    def _environment(self, folder: str, author: Ident) -> dict[str, str]:
        """What `git commit` adds to the caller's environment; in a private tree, whose commit it is, too."""
        env = clean_environment(os.environ)
        env.setdefault("GIT_AUTHOR_DATE", f"@{int(time.time())} +0000")
        env |= {
            "GIT_AUTHOR_NAME": author.name,
            "GIT_AUTHOR_EMAIL": author.email,
            "GIT_EDITOR": ":",  # nobody is asked for the message
            "GIT_INDEX_FILE": os.path.join(self._room, "index"),
        }
        if folder != self._repo.top:
            env |= {"GIT_DIR": os.path.join(self._room, "git"), "GIT_WORK_TREE": folder}
        return env

    @contextmanager
    def _emptied_room(self) -> Iterator[None]:
        try:
            if os.path.isdir(self._room):  # of one that was killed
                remove_tree(self._room)
            os.makedirs(self._room)
            yield
        finally:
            if os.path.isdir(self._room):
                remove_tree(self._room)


class _Call:
    """The hooks of one commit that is not made yet."""

    def __init__(
        self, owner: CommitHooks, record: Record, folder: str, hooks: str, env: Mapping[str, str]
    ) -> None:
        self._owner = owner
        self._repo = owner._repo  # noqa: SLF001  (one class in two parts)
        self._record = record
        self._folder = folder
        self._hooks = hooks
        self._env = env

    def lay_out(self, tree: Oid) -> None:
        """The index of what is to be committed, as if it had been staged."""
        index = self._env["GIT_INDEX_FILE"]
        try:
            with open(os.path.join(self._repo.git_dir, "index"), "rb") as file:
                content = file.read()  # keeps what is known of files that stay
        except FileNotFoundError:
            content = b""
        if content:
            with open(index, "wb") as file:
                file.write(content)
        if "GIT_DIR" in self._env:
            self._lay_out_git_dir(self._env["GIT_DIR"])
        self._git("read-tree", "-i", "-m", tree)  # -i: whatever stands in the working tree
        self._git("update-index", "-q", "--refresh", ok=(0, 1))

    def _lay_out_git_dir(self, folder: str) -> None:
        """A git folder for the private tree that says it is on the branch, as our own does.

        Ours itself will not do: private trees lie below it, and there git takes itself to be inside it.
        """
        os.makedirs(folder)
        for name in ("HEAD", "config.worktree"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(os.path.join(self._repo.git_dir, name), folder)
        with open(os.path.join(folder, "commondir"), "wb") as file:
            file.write(os.fsencode(os.path.abspath(self._repo.common_dir)) + b"\n")

    def pre_commit(self, tree: Oid) -> None:
        paths = self._record.changes
        before = self._differing(paths)
        self._call("pre-commit")
        try:
            made = self._git("write-tree").decode().strip()
        except GitFailed as error:
            raise self._refused("pre-commit", f"left an index without a tree: {error.stderr}") from error
        if made != tree:
            names = self._git("diff-tree", "-r", "--name-only", "-z", tree, made).split(b"\0")
            raise self._refused("pre-commit", f"changed what is to be committed: {_list(names)}")
        changed = self._differing(paths) - before
        if changed:
            raise self._refused(
                "pre-commit", f"changed what the task made: {_list(map(os.fsencode, changed))}"
            )

    def message(self) -> str:
        """The message as the two hooks that may edit it leave it."""
        given = self._record.message.encode("utf-8", "surrogateescape")
        given += b"" if given.endswith(b"\n") else b"\n"
        path = os.path.join(os.path.dirname(self._env["GIT_INDEX_FILE"]), "COMMIT_EDITMSG")
        with open(path, "wb") as file:
            file.write(given)
        for name, arguments in (("prepare-commit-msg", (path, "message")), ("commit-msg", (path,))):
            self._call(name, arguments)
            try:
                with open(path, "rb") as file:
                    found = file.read()
            except OSError as error:
                raise self._refused(name, f"left no message: {error.strerror}", final=True) from error
            if _says(found) != _says(given):
                what = "changed the line Specbuild-Checkpoint, by which the task's completion is known"
                if not _says(given)[0]:
                    what = "changed what the message says of completed tasks"
                raise self._refused(name, what, final=True)
            if not found.strip():
                raise self._refused(name, "left an empty message", final=True)
        if found == given:
            return self._record.message
        return self._repo.git(["stripspace"], input=found).decode("utf-8", "surrogateescape")

    def _call(self, name: str, arguments: Sequence[str] = ()) -> None:
        code, output = self._owner.call(
            name, arguments, folder=self._folder, hooks=self._hooks, env=self._env
        )
        if code:
            raise self._refused(
                name, f"ended with exit code {code}", output=output, final=name != "pre-commit"
            )

    def _refused(self, hook: str, why: str, *, output: str = "", final: bool = False) -> Refused:
        subject = (self._record.message.strip().splitlines() or [""])[0]
        return Refused(hook, subject, why, output=output, final=final or self._record.edited)

    def _differing(self, paths: Collection[RepoPath]) -> set[RepoPath]:
        """Of these, the files that are not what the index holds."""
        listed = self._git("diff-files", "--name-only", "-z", "--ignore-submodules").split(b"\0")
        return {os.fsdecode(name) for name in listed} & set(paths)

    def _git(self, *arguments: str, ok: Sequence[int] = (0,)) -> bytes:
        names = ("GIT_INDEX_FILE", "GIT_DIR", "GIT_WORK_TREE")
        env = {name: self._env[name] for name in names if name in self._env}
        return self._repo.git(["-C", self._folder, *arguments], env=env, ok=ok)


def _says(message: bytes) -> tuple[list[bytes], list[str]]:
    """What a message states about tasks: checkpoint lines, and commits that it reverts."""
    sections = messages.sections(message)
    lines = [line for section in sections for line in section.lines]
    return lines, [revert.id for section in sections for revert in section.reverts]


def _list(names: Iterator[bytes] | Sequence[bytes]) -> str:
    found = sorted(os.fsdecode(name) for name in names if name)
    return ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
