"""Which folder git takes its hooks from, and which of its files are ours to write."""

import os
from dataclasses import dataclass

from specbuild.errors import RepositoryError

ELSEWHERE = frozenset({"global", "system", "command"})
"""Scopes of settings that are not this repository's own."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where hooks stand."""

    runs: str  # the folder that git looks in
    folder: str  # the folder of the files that we write; husky's generated ones in `runs` call those
    default: str  # where git would look without core.hooksPath
    setting: str | None  # core.hooksPath as it is set; None: it is not
    scope: str | None  # of that setting
    committed: bool  # whether `folder` is part of the working tree, so that its files travel
    husky: bool

    @property
    def foreign(self) -> bool:
        """Whether the folder also serves other repositories, by a setting that is not this one's."""
        return self.scope in ELSEWHERE

    def hook(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def kept(self, name: str) -> str:
        """Where the hook that stood there before is kept."""
        return os.path.join(self.folder, f"{name}.before-specbuild")


def locate(*, top: str | None, common_dir: str, hooks_path: tuple[str, str] | None) -> Place:
    """The place for a working tree (`top` None: a bare repository); `hooks_path`: value and scope.

    githooks(5): a relative core.hooksPath starts where hooks run, the top of the working tree.
    """
    default = os.path.join(common_dir, "hooks")
    if hooks_path is None:
        return Place(default, default, default, None, None, committed=False, husky=False)
    value, scope = hooks_path
    runs = os.path.normpath(os.path.join(top or common_dir, value))
    husky = os.path.basename(runs) == "_" and (
        os.path.basename(os.path.dirname(runs)) == ".husky" or os.path.exists(os.path.join(runs, "husky.sh"))
    )
    folder = os.path.dirname(runs) if husky else runs
    committed = top is not None and _inside(folder, top) and not _inside(folder, common_dir)
    return Place(runs, folder, default, value, scope, committed=committed, husky=husky)


def _inside(path: str, folder: str) -> bool:
    return f"{os.path.realpath(path)}{os.sep}".startswith(f"{os.path.realpath(folder)}{os.sep}")


def refuse_foreign(place: Place, *, config_hooks_run: bool) -> None:
    """Raises where a hook written here would run in other repositories, too; says what one can do instead."""
    if not place.foreign:
        return
    choices = [
        'let git look here: git config core.hooksPath "$(git rev-parse --git-common-dir)/hooks"',
        "or call it from your own hook: specbuild hook install --print shows how",
    ]
    if config_hooks_run:
        choices.insert(0, "let git run it beside its hook files: specbuild hook install --config")
    raise RepositoryError(
        f"core.hooksPath is a {place.scope} setting: a hook there would run in every repository",
        where=place.runs,
        hint="choose:\n  " + "\n  ".join(choices),
    )
