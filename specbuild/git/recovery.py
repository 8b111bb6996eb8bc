"""What a run does first: finishes or takes back what one that was killed had begun (SPEC section 7)."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from specbuild.engine.checkpoint import parse_lines
from specbuild.engine.modes import EXECUTABLE, PLAIN, SYMLINK
from specbuild.engine.task import Entry, Oid, RepoPath
from specbuild.git import durable, faults, journal, slots
from specbuild.git.commits import DETACHED, Commits
from specbuild.git.files import Files, aside_folder
from specbuild.git.folders import remove_tree
from specbuild.git.journal import PATIENCE, Journal, Undo
from specbuild.git.repository import Repository
from specbuild.git.transaction import (
    IndexLock,
    Intent,
    drop_own_locks,
    finish_index,
    own_ref_lock,
    roll_back,
)
from specbuild.git.trees import entry_at, tree_of


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found and done.

    `tasks`: what the dead run was working on. `restored`: paths that are again as before. `kept`: refs
    under which the bytes stand that were found. `messages`: the same, to be shown.
    """

    tasks: tuple[str, ...]
    restored: tuple[RepoPath, ...]
    kept: tuple[str, ...]
    messages: tuple[str, ...]


def recover(repo: Repository) -> Recovered | None:
    """Call it with the build lock held, before anything is judged; None: no run was broken off.

    May be killed itself, anywhere, and called again.
    """
    state_dir = repo.state_dir
    if repo.is_bare or not os.path.isdir(state_dir):
        return None
    recovery = _Recovery(repo)
    recovery.intents()
    drop_own_locks(repo.git_dir, state_dir)
    for path in journal.names(state_dir):
        recovery.journal(path)
    durable.drop(journal.tips_path(state_dir))
    slots.heal(repo)
    for folder in (aside_folder(repo), journal.aside_root(state_dir)):
        if os.path.isdir(folder):
            with contextlib.suppress(OSError):
                remove_tree(folder)
    faults.point("recover.done")
    return recovery.told()


class _Recovery:
    def __init__(self, repo: Repository) -> None:
        self._repo = repo
        self._files = Files(repo, aside_folder(repo))
        self._tasks: list[str] = []
        self._restored: list[RepoPath] = []
        self._kept: list[str] = []
        self._messages: list[str] = []

    def told(self) -> Recovered | None:
        if not self._messages:
            return None
        return Recovered(tuple(self._tasks), tuple(self._restored), tuple(self._kept), tuple(self._messages))

    # Commits that were about to be made visible

    def intents(self) -> None:
        for path in _intents(self._repo.state_dir):
            with open(path, "rb") as file:
                intent = Intent.load(file.read())
            if intent is not None and all(map(self._has, _oids(intent))):
                self._settle(intent)
            durable.drop(path)
            faults.point("recover.intent")

    def _settle(self, intent: Intent) -> None:
        own_ref_lock(self._repo, intent)
        drop_own_locks(self._repo.git_dir, self._repo.state_dir)
        attached = self._repo.head_ref == (None if intent.ref == DETACHED else intent.ref)
        if not self._reached(intent):
            paths = roll_back(self._files, intent.steps)
            faults.point("recover.rolled-back")
            if paths:
                self._restored += paths
                self._messages.append(
                    f"a commit that was broken off was taken back: {_some(paths)} as before"
                )
        elif attached:
            with IndexLock(self._repo.git_dir, self._repo.state_dir, patience=PATIENCE) as lock:
                finish_index(self._files, lock, intent.steps)
            self._messages.append(
                f"commit {intent.tip[:10]} was broken off in its last step and is whole now"
            )

    def _reached(self, intent: Intent) -> bool:
        """Whether the branch has the commit, perhaps with others on top."""
        try:
            tip = str(self._repo.raw.lookup_reference(intent.ref).resolve().target)
        except KeyError:
            return False
        return tip == intent.tip or self._repo.raw.descendant_of(tip, intent.tip)

    # Tasks that worked in place

    def journal(self, path: str) -> None:
        with open(path, "rb") as file:
            data = file.read()
        if not data:  # broken off before anything was touched
            durable.drop(path)
            return
        found = Journal.load(data)
        if found is None or not all(raw is None or self._has(raw.oid) for raw in found.before.values()):
            os.replace(path, f"{path}.bad")
            return
        head = self._repo.head
        same = head == found.head or head in journal.tips(self._repo.state_dir)
        completed = self._completed(found, head)
        if completed:
            journal.remove_made(self._files, found.made)
            self._messages.append(f"{found.task} was completed by a run that ended right after")
        else:
            self._take_back(found, head, same=same)
        self._tasks.append(found.task)
        faults.point("recover.restored")
        durable.drop(path)
        if completed or same:
            journal.release(self._repo, found)

    def _take_back(self, found: Journal, head: Oid | None, *, same: bool) -> None:
        undo = Undo(self._files, self._repo.state_dir, "recover.restored-one")
        changed = undo.changed(found)
        ref = self._keep(found, changed, head)
        if ref is not None:
            self._kept.append(ref)
        faults.point("recover.kept")
        said = f"; what it left is kept as {ref}" if ref else ""
        if not same:
            undo.move_back_where_free(found)
            if found.ref is not None:
                self._kept.append(found.ref)
                said += f"; what stood there before is kept as {found.ref}"
            if changed:
                self._messages.append(
                    f"{found.task} was broken off and HEAD has moved since: nothing was restored{said}"
                )
            return
        undo.run(found)
        self._restored += changed
        what = f"{_some(changed)} as before" if changed else "it had changed nothing"
        self._messages.append(f"{found.task} was broken off: {what}{said}")

    def _completed(self, found: Journal, head: Oid | None) -> bool:
        """Whether a commit since the journal's records the task."""
        if head is None or head == found.head:
            return False
        walker = self._repo.raw.walk(head)
        if found.head is not None and self._has(found.head):
            walker.hide(found.head)
        return any(
            str(checkpoint.name) == found.task
            for commit in walker
            for checkpoint in parse_lines(self._repo.read(str(commit.id)))
        )

    def _keep(self, found: Journal, changed: list[RepoPath], head: Oid | None) -> str | None:
        """Bytes that no commit has, under a ref; None: there are none."""
        tree = tree_of(self._repo, head)
        lost: dict[RepoPath, Entry | None] = {}
        for path in self._with_contents(changed):
            raw = self._files.raw(path)
            if raw is None:
                continue
            here = self._files.entries([path])[path]
            if here is None or here != entry_at(self._repo, tree, path):
                lost[path] = raw.entry
        if not lost:
            return None
        text = f"specbuild: what {found.task} left when it was broken off\n"
        return Commits(self._repo, patience=PATIENCE).keep("saved", head, lost, text)

    def _with_contents(self, paths: list[RepoPath]) -> Iterator[RepoPath]:
        """A folder in place of a file stands for all in it."""
        for path in paths:
            target = self._files.at(path)
            if not os.path.isdir(target) or os.path.islink(target):
                yield path
                continue
            for below, _, names in os.walk(target):
                for name in names:
                    yield os.path.relpath(os.path.join(below, name), self._files.top)

    def _has(self, oid: Oid) -> bool:
        try:
            return oid in self._repo.raw
        except ValueError:
            return False


def _intents(state_dir: str) -> list[str]:
    found = [name for name in os.listdir(state_dir) if name.startswith("commit.") and name.endswith(".json")]
    return sorted(os.path.join(state_dir, name) for name in found)


def _oids(intent: Intent) -> Iterator[Oid]:
    yield intent.tip
    for step in intent.steps:
        for entry in (step.before, step.after):
            if entry is not None and entry.mode in {PLAIN, EXECUTABLE, SYMLINK}:
                yield entry.oid


def _some(paths: list[RepoPath]) -> str:
    shown = ", ".join(paths[:3])
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return f"{shown}{more} {'is' if len(paths) == 1 else 'are'}"
