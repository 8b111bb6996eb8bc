"""What people typed: what a checkpoint commits of it, and what is kept before it is overwritten (law 5)."""

from collections.abc import Iterable, Mapping, Sequence

from specbuild.engine.glob import is_glob, matcher
from specbuild.engine.judge import Judge
from specbuild.engine.ports import Committer, Tree
from specbuild.engine.project import Project
from specbuild.engine.record import edited
from specbuild.engine.start import entries_at
from specbuild.engine.task import Entry, RepoPath, Task
from specbuild.errors import UsageError

SAVED_SUBJECT = "specbuild: save edited inputs"


class Edits:
    """Uncommitted edits to what tasks depend on, in the working tree."""

    def __init__(self, project: Project, judge: Judge, tree: Tree) -> None:
        self._project = project
        self._judge = judge
        self._tree = tree
        self._gone: Sequence[RepoPath] | None = None  # what a person removed; None: to be looked for

    def of(self, position: int) -> dict[RepoPath, Entry | None]:
        """Those that a checkpoint of this task has to hold."""
        judge, task = self._judge, self._judge.graph.tasks[position]
        paths: dict[RepoPath, None] = dict.fromkeys(self._project.sources)
        paths.update((path, None) for path, _ in judge.inputs(position).committed)
        paths.update(dict.fromkeys(self._vanished(task)))
        for path in judge.carried_bytes(position):
            paths.update(dict.fromkeys(entries_at(self._tree, path)))
        own: set[RepoPath] = set()
        for target in task.targets:
            own.update(entries_at(self._tree, target))
            own.add(target)
        if not task.rebuild:
            paths.update(dict.fromkeys(p for p in own if not p.endswith("/")))
        else:
            paths = {path: None for path in paths if path not in own}
        return edited(list(paths), self._tree)

    def look_again(self) -> None:
        """Somebody works in the tree: more may be gone now."""
        self._gone = None

    def _vanished(self, task: Task) -> Iterable[RepoPath]:
        """Inputs that a pattern or a folder no longer finds, since a person removed them; HEAD has them."""
        patterns = [p for p in (*task.reads, *task.inputs) if not p.startswith("@")]
        patterns = [p for p in patterns if is_glob(p) or self._tree.entry(p) is None]
        if not patterns:
            return
        if self._gone is None:
            tree = self._tree
            self._gone = [p for p in tree.dirty() if tree.entry(p) is None and tree.tracked(p) is not None]
        if not self._gone:
            return
        matchers = [matcher(p) if is_glob(p) else matcher(f"{p.rstrip('/')}/**") for p in patterns]
        for path in self._gone:
            written = self._judge.graph.writers.written(path)
            if not written and any(matches(path) for matches in matchers):
                yield path


def refuse(edits: Iterable[RepoPath]) -> None:
    """What `save_inputs = "refuse"` means, where there are edits."""
    paths = sorted(edits)
    if paths:
        raise UsageError(
            f"{', '.join(paths)} {'is' if len(paths) == 1 else 'are'} edited and not committed",
            hint='commit the edits, or set save_inputs = "commit" in specbuild.toml',
        )


def keep_unrecorded(
    task: Task, before: Mapping[RepoPath, Entry], tree: Tree, committer: Committer
) -> list[str]:
    """Keeps bytes at a `rebuild` task's targets that no commit holds, before they are overwritten."""
    paths = [path for path, entry in before.items() if tree.tracked(path) != entry]
    if not paths:
        return []
    kept = committer.add(paths)
    ref = committer.keep("saved", kept, f"{task.name}: targets before they were made again\n")
    return [f"{', '.join(sorted(paths))} had been edited; what stood there is kept at {ref}"]


def keep_staged(
    paths: Iterable[RepoPath], results: Mapping[RepoPath, Entry], tree: Tree, committer: Committer
) -> list[str]:
    """Keeps staged versions that neither HEAD nor the file has, before the index entry is replaced."""
    staged: dict[RepoPath, Entry | None] = {}
    for path in paths:
        entry = tree.staged(path)
        if entry is not None and entry not in {tree.tracked(path), tree.entry(path), results.get(path)}:
            staged[path] = entry
    if not staged:
        return []
    return [staged_words(staged, committer.keep("saved", staged, "staged versions of edited inputs\n"))]


def staged_words(paths: Iterable[RepoPath], ref: str) -> str:
    """That a commit took the place of what a person had staged."""
    return f"{', '.join(sorted(paths))}: what was staged differed from the file, and is kept at {ref}"
