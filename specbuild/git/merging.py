"""Three-way merges of texts as git makes them, where libgit2 cannot."""

import os

from specbuild.git.repository import GitFailed, Repository


def merged(repository: Repository, base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    """What `git merge-file` makes of three versions; None: they conflict, or one is binary."""
    import tempfile  # noqa: PLC0415  (few runs merge, and fewer by git)

    with tempfile.TemporaryDirectory(prefix="specbuild-merge-") as folder:
        names = [os.path.join(folder, name) for name in ("ours", "base", "theirs")]
        for name, data in zip(names, (ours, base, theirs), strict=True):
            with open(name, "wb") as file:
                file.write(data)
        try:
            return repository.git(["merge-file", "-p", "-q", *names])
        except GitFailed:  # its code is the number of conflicts
            return None
