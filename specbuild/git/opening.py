"""Finds a repository and opens it with libgit2, or says why that cannot be and what to do about it."""

import os

import pygit2

from specbuild.errors import RepositoryError


def find(start: str) -> pygit2.Repository:
    """The repository that `start` lies in; raises RepositoryError with the way out, where there is one."""
    _refuse_platform(os.name)
    found = _discover(os.path.abspath(start))
    _allow_partial_clones()
    try:
        return pygit2.Repository(_home_of(os.path.abspath(start), found))
    except (pygit2.GitError, KeyError, OSError) as error:
        raise _cannot_open(found, str(error)) from error


def _refuse_platform(name: str) -> None:
    if name == "nt":
        raise RepositoryError(
            "native Windows is not supported",
            hint="run specbuild inside WSL, in a clone on its own file system",
        )


def _discover(start: str) -> str:
    ceilings = os.environ.get("GIT_CEILING_DIRECTORIES", "")
    try:
        found = pygit2.discover_repository(start, False, ceilings)
    except (pygit2.GitError, KeyError, OSError) as error:
        raise _cannot_open(start, str(error)) from error
    if found is None:
        raise RepositoryError(
            "there is no git repository here or above",
            where=start,
            hint="change to a folder of one, or make one with `git init`",
        )
    return found


def _home_of(start: str, git_dir: str) -> str:
    """The folder whose `.git` leads to `git_dir`, else that itself.

    Opened by its git folder alone, a repository made with --separate-git-dir takes the wrong folder for
    its working tree.
    """
    folder = start
    while not os.path.lexists(os.path.join(folder, ".git")):
        above = os.path.dirname(folder)
        if above == folder:
            return git_dir
        folder = above
    try:
        same = pygit2.discover_repository(folder, False, os.path.dirname(folder))
    except (pygit2.GitError, KeyError, OSError):
        return git_dir
    return folder if same is not None and os.path.realpath(same) == os.path.realpath(git_dir) else git_dir


def common_dir(git_dir: str) -> str:
    try:
        with open(os.path.join(git_dir, "commondir"), encoding="utf-8", errors="surrogateescape") as file:
            return os.path.normpath(os.path.join(git_dir, file.read().rstrip("\n")))
    except FileNotFoundError:
        return git_dir


def _allow_partial_clones() -> None:
    """libgit2 refuses the extension by default; what is missing is fetched by git (`Repository.read`)."""
    pygit2.option(pygit2.enums.Option.SET_EXTENSIONS, ["partialclone"], 1)


def _cannot_open(path: str, reason: str) -> RepositoryError:
    """Why libgit2 could not open it, told as what a person can do about it."""
    if "not owned by" in reason:
        folder = os.path.dirname(path.rstrip("/")) if path.rstrip("/").endswith("/.git") else path.rstrip("/")
        return RepositoryError(
            "the repository belongs to another user, so git does not trust it",
            where=folder,
            hint=f"if you do, run `git config --global --add safe.directory {folder}`",
        )
    if "object format" in reason:
        return RepositoryError(
            "the repository has SHA-256 object ids (extensions.objectFormat), which specbuild cannot read",
            where=path,
            hint="use a clone with SHA-1 ids (`git init --object-format=sha1`)",
        )
    if "refstorage" in reason.lower() or os.path.isdir(os.path.join(path, "reftable")):
        return RepositoryError(
            "the repository keeps its refs as reftable (extensions.refStorage), which specbuild cannot read",
            where=path,
            hint="run `git refs migrate --ref-format=files`",
        )
    return RepositoryError(
        f"the repository cannot be opened: {reason}", where=path, hint="`git status` there may say more"
    )
