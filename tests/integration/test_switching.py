"""A worktree of the pool goes from tree to tree: what a task left is gone, what the next one needs is there."""

import os
import random
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pytest
from gitbox import Box, environment, task

from specbuild.engine.ports import Sandbox, Unusable
from specbuild.git.indexfile import IndexFile
from specbuild.git.repository import Repository
from specbuild.git.slots import Slot
from specbuild.git.switching import Base, Found, look
from specbuild.git.untracked import Untracked
from specbuild.git.workspace import GitWorkspaces

NAMES = ("a", "b.txt", "d/e", "d/f", "d/g/h", "i/j", "i/k/l", "k", "ignored.log", "d/ignored.log")


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with environment(tmp_path / "home"):
        found = Box(tmp_path / "repo")
        found.commit(**{".gitignore": "ignored.log\nnode_modules/\n", "a": "1", "d/e": "1", "d/g/h": "1"})
        yield found


@pytest.fixture(autouse=True)
def remembered(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Each time that untracked files were asked for: whether git was spared. It would have said the same."""
    spared: list[bool] = []
    find = Untracked.paths

    def compared(known: Untracked, index: IndexFile, ask: Callable[[], frozenset[str]]) -> frozenset[str]:
        asked: list[object] = []

        def told() -> frozenset[str]:
            asked.append(ask)
            return ask()

        found = find(known, index, told)
        assert found == ask()
        spared.append(not asked)
        return found

    monkeypatch.setattr(Untracked, "paths", compared)
    return spared


@pytest.fixture
def by_git(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every time that git had to look at all files."""
    asked: list[str] = []
    switches = Slot._switch_by_git

    def told(slot: Slot, *words: object) -> None:
        asked.append(slot.folder)
        switches(slot, *words)  # type: ignore[arg-type]

    monkeypatch.setattr(Slot, "_switch_by_git", told)
    return asked


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every time that somebody looked at all files: the worktree's folder."""
    asked: list[str] = []

    def told(slot: Repository, base: Base) -> Found:
        asked.append(slot.top)
        return look(slot, base)

    monkeypatch.setattr("specbuild.git.pool.look", told)
    monkeypatch.setattr("specbuild.git.switching.look", told)
    return asked


def opened(box: Box, repo: Repository | None = None) -> AbstractContextManager[Sandbox]:
    """In a run of its own, or in that of `repo`."""
    found = task("T001", "out", writes="any")
    return GitWorkspaces(repo or box.repo).open(found, start={}, owned=(), isolation="worktree", visible=None)


def sights(folder: Path | str) -> dict[str, str]:
    """Every path below, empty folders too, with what it is."""
    found: dict[str, str] = {}
    for above, folders, names in os.walk(folder):
        inner = os.path.relpath(above, folder)
        if not folders and not names and inner != ".":
            found[f"{inner}/"] = "empty"
        for name in [*names, *(each for each in folders if os.path.islink(os.path.join(above, each)))]:
            path = os.path.join(above, name)
            shown = os.path.normpath(os.path.join(inner, name))
            mode = os.lstat(path).st_mode
            said = os.readlink(path) if stat.S_ISLNK(mode) else Path(path).read_bytes().decode("latin-1")
            found[shown] = f"{stat.S_IFMT(mode):o} {mode & 0o100:o} {said}"
        folders[:] = [each for each in folders if not os.path.islink(os.path.join(above, each))]
    return {path: said for path, said in found.items() if path.split("/")[0] != ".git"}


def checked_out(box: Box, commit: str, folder: Path) -> dict[str, str]:
    """What git itself lays out for a commit."""
    box.git("worktree", "add", "-q", "--detach", str(folder), commit)
    found = sights(folder)
    box.git("worktree", "remove", "--force", str(folder))
    return found


def clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        subprocess.run(["rm", "-rf", str(path)], check=True)
    else:
        path.unlink(missing_ok=True)


def put(folder: Path, name: str, dice: random.Random) -> None:
    """Something new at a place, whatever stood there or above."""
    for above in reversed(list(Path(name).parents)[:-1]):
        if (folder / above).is_symlink() or (folder / above).is_file():
            (folder / above).unlink()
    target = folder / name
    clear(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    kind = dice.choice(("file", "file", "run", "link", "folder", "gone"))
    if kind in {"file", "run"}:
        target.write_text(str(dice.randrange(3)))
        target.chmod(0o755 if kind == "run" else 0o644)
    elif kind == "link":
        target.symlink_to(dice.choice(("a", "..", "nowhere", "d")))
    elif kind == "folder":
        (target / "inner").mkdir(parents=True)
        (target / "inner" / "file").write_text("1")


def mess(folder: Path, dice: random.Random) -> None:
    """What tasks do to their worktrees."""
    for _ in range(dice.randrange(5)):
        put(folder, dice.choice(NAMES), dice)
    act = dice.randrange(8)
    files = [
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and ".git" not in path.parts
    ]
    if act == 0:
        (folder / "empty" / "folders").mkdir(parents=True, exist_ok=True)
    elif act == 1:
        subprocess.run(["git", "init", "-q", str(folder / "nested")], check=True)
    elif act == 2 and files:
        found = dice.choice(files).stat()
        for path in files:  # as many bytes, and the time of one
            path.write_text("9" * len(path.read_text()))
            os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    elif act == 3:
        subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    elif act == 4:
        subprocess.run(["git", "rm", "-rqf", "--ignore-unmatch", "."], cwd=folder, check=True)
    elif act == 5 and (folder / "d").is_dir() and not (folder / "d").is_symlink():
        (folder / "d").chmod(0o500)
    elif act == 6:
        clear(folder / dice.choice((".git", "k", "d")))


def differences(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """Paths that git would call changed, or new and not ignored."""
    found = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    ignored = {path for path in found - before.keys() if "ignored.log" in path.split("/")}
    if ".gitignore" not in after:
        ignored = set()
    return {path for path in found - ignored if not path.endswith("/") and path.split("/")[0] != "nested"}


@pytest.mark.parametrize("seed", range(10))
def test_whatever_a_task_left_the_next_one_finds_what_git_would_lay_out(
    box: Box, by_git: list[str], remembered: list[bool], seed: int, tmp_path: Path
) -> None:
    dice = random.Random(seed)
    rounds, repo = 12, box.repo
    for number in range(rounds):
        for _ in range(dice.randrange(3)):
            put(box.folder, dice.choice(NAMES), dice)
        commit = box.commit(f"round {number}")
        with opened(box, repo) as sandbox:
            laid = sights(sandbox.folder)
            assert laid == checked_out(box, commit, tmp_path / "plain")
            assert sandbox.changed() == {}
            shown = subprocess.check_output(["git", "status", "--porcelain"], cwd=sandbox.folder, text=True)
            assert shown == ""
            mess(Path(sandbox.folder), dice)
            if dice.randrange(3):  # otherwise the task failed
                with suppress(Unusable):
                    changed, left = sandbox.changed().keys(), sights(sandbox.folder)
                    assert changed == differences(laid, left)
                    sandbox.accept(untouched=True)
        repo = repo if dice.randrange(4) else box.repo
    assert len(by_git) < rounds / 2  # mostly it was not for git to do
    assert remembered.count(True) > remembered.count(False)
    box.fsck()


def steps(box: Box, *acts: Callable[[Sandbox], object]) -> None:
    for number, act in enumerate(acts):
        box.commit(f"step {number}", a=str(number))
        with opened(box) as sandbox:
            assert sights(sandbox.folder) == sights(box.folder)
            act(sandbox)


def write(path: str, text: str) -> Callable[[Sandbox], object]:
    def act(sandbox: Sandbox) -> None:
        target = Path(sandbox.folder) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    return act


def nothing(_sandbox: Sandbox) -> None:
    pass


def test_only_the_first_tree_is_laid_out_by_git(box: Box, by_git: list[str]) -> None:
    steps(box, write("d/e", "x"), write("new/file", "x"), write("ignored.log", "x"), nothing)
    assert len(by_git) == 1


def test_folders_that_a_task_emptied_go_with_the_files_that_the_next_tree_lacks(box: Box) -> None:
    box.commit(**{"i/j/file": "1"})
    with opened(box) as sandbox:
        clear(Path(sandbox.folder) / "i/j")
    box.git("rm", "-qr", "i")
    box.commit("gone")
    with opened(box) as sandbox:
        assert sights(sandbox.folder) == sights(box.folder)


def test_what_lies_behind_a_link_that_leads_nowhere_is_gone(box: Box) -> None:
    for _ in range(2):
        with opened(box) as sandbox:
            assert sights(sandbox.folder) == sights(box.folder)
            clear(Path(sandbox.folder) / "d")
            (Path(sandbox.folder) / "d").symlink_to("d")
            found = sandbox.changed()
            assert [path for path, entry in found.items() if entry is None] == ["d/e", "d/g/h"]
            assert found.keys() == {"d", "d/e", "d/g/h"}


def test_a_setting_that_lets_git_believe_files_unchanged_hides_nothing(box: Box) -> None:
    box.git("config", "core.ignoreStat", "true")
    for _ in range(3):
        with opened(box) as sandbox:
            assert sights(sandbox.folder) == sights(box.folder)
            write("d/e", "x")(sandbox)
            assert list(sandbox.changed()) == ["d/e"]


def test_a_file_that_was_touched_or_written_anew_with_its_bytes_is_not_changed(box: Box) -> None:
    with opened(box) as sandbox:
        (Path(sandbox.folder) / "a").touch()
        clear(Path(sandbox.folder) / "d/e")
        write("d/e", "1")(sandbox)
        write("d/g/h", "2")(sandbox)
        assert list(sandbox.changed()) == ["d/g/h"]


def accepted(box: Box, repo: Repository, path: str) -> str:
    """A task that wrote a file was recorded; the folder where it did."""
    with opened(box, repo) as sandbox:
        write(path, "x")(sandbox)
        assert list(sandbox.changed()) == ([] if path == "ignored.log" else [path])
        sandbox.accept(untouched=True)
        return sandbox.folder


@pytest.mark.parametrize("path", ["d/e", "d/new", "new/folder/file", "ignored.log"])
def test_what_a_recorded_task_left_is_not_looked_for_twice(box: Box, looks: list[str], path: str) -> None:
    repo = box.repo
    folder = accepted(box, repo, path)
    assert looks == [folder]
    with opened(box, repo) as sandbox:
        assert looks == [folder]
        assert sights(sandbox.folder) == sights(box.folder)


def test_folders_that_come_and_go_with_trees_are_looked_into_and_no_longer(
    box: Box, remembered: list[bool]
) -> None:
    repo = box.repo
    for commit in ({"new/folder/file": "1"}, {}):
        if not commit:
            box.git("rm", "-rq", "new")
        box.commit(**commit)
        with opened(box, repo) as sandbox:
            write("new/folder/left", "x")(sandbox)
            assert list(sandbox.changed()) == ["new/folder/left"]
    assert remembered == [False, True, True]


def test_nothing_is_found_behind_a_link_for_a_folder(box: Box, remembered: list[bool]) -> None:
    box.commit(**{"other/g/h": "1"})
    with opened(box) as sandbox:
        write("other/g/new", "x")(sandbox)
        clear(Path(sandbox.folder) / "d")
        (Path(sandbox.folder) / "d").symlink_to("other")
        assert sandbox.changed().keys() == {"d", "d/e", "d/g/h", "other/g/new"}
        assert sandbox.changed().keys() == {"d", "d/e", "d/g/h", "other/g/new"}
    assert remembered == [False, True]


def test_what_a_failed_attempt_left_is_looked_for_again(box: Box, looks: list[str]) -> None:
    with opened(box) as sandbox:
        for number in (1, 2):
            assert list(sandbox.changed()) == []
            write("left", "by verify, since the last look")(sandbox)
            sandbox.reset()
            assert sights(sandbox.folder) == sights(box.folder)
            assert len(looks) == 2 * number


def test_what_was_found_counts_only_for_who_takes_the_worktree_next(box: Box, looks: list[str]) -> None:
    repo = box.repo
    folder = accepted(box, repo, "left")
    with opened(box, box.repo) as sandbox:  # another process would have no other memory
        assert sandbox.folder == folder
        write("also", "x")(sandbox)
    with opened(box, repo) as sandbox:
        assert looks == [folder] * 3
        assert sights(sandbox.folder) == sights(box.folder)


def test_what_was_found_before_verify_or_a_hook_counts_no_longer(box: Box, looks: list[str]) -> None:
    repo = box.repo
    for number, untouched in ((1, True), (2, False)):
        with opened(box, repo) as sandbox:
            assert sights(sandbox.folder) == sights(box.folder)
            sandbox.changed()
            write("left", "by verify, or a hook")(sandbox)
            if untouched:
                sandbox.result([])
            sandbox.accept(untouched=untouched)
        assert len(looks) == 2 * number - 1


def test_what_was_found_long_ago_counts_no_longer(
    box: Box, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = box.repo
    folder = accepted(box, repo, "left")
    (Path(folder) / "later").write_text("by something that the task left running")
    monkeypatch.setattr("specbuild.git.switching.FRESH", 0.0)
    with opened(box, repo) as sandbox:
        assert looks == [folder] * 2
        assert sights(sandbox.folder) == sights(box.folder)


@pytest.mark.parametrize("left", ["none of it", "an empty file", "half of it"])
@pytest.mark.parametrize("name", ["1.index", "1.index.tree", "1/.git", "the index"])
def test_what_a_kill_left_of_a_worktrees_own_files_is_mended(box: Box, name: str, left: str) -> None:
    steps(box, write("d/e", "x"), write("new", "x"))
    folder = box.folder / ".git/specbuild/pool"
    path = box.folder / ".git/worktrees/1/index" if name == "the index" else folder / name
    data = path.read_bytes()
    path.unlink()
    if left != "none of it":
        path.write_bytes(data[: len(data) // 2] if left == "half of it" else b"")
    steps(box, write("d/e", "y"), nothing)


@pytest.mark.parametrize("what", ["the note", "the index", "a submodule"])
def test_where_it_is_not_certain_what_is_there_git_looks(box: Box, by_git: list[str], what: str) -> None:
    steps(box, nothing)
    index = Path(f"{by_git[0]}.index")
    if what == "the note":
        Path(f"{index}.tree").unlink()
    elif what == "the index":
        os.utime(index)
    else:
        box.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
        box.git("commit", "-q", "-m", "a submodule")
    with opened(box) as sandbox:
        assert sandbox.changed() == {}
    assert len(by_git) == 2


def test_what_a_setup_left_stays_where_it_is_spared_and_goes_with_its_folder_otherwise(box: Box) -> None:
    box.commit(**{"packages/package.json": "{}"})
    slot = Slot.take(box.repo, "npm ci")
    tree = box.git("rev-parse", "HEAD^{tree}")
    commit = box.git("rev-parse", "HEAD")
    slot.lay_out(commit, tree, "key")
    folder = Path(slot.folder)
    for path in ("node_modules/x", "packages/node_modules/y"):
        (folder / path).parent.mkdir()
        (folder / path).write_text("installed")
    slot.remember("npm ci", "key")
    (folder / "node_modules/left").write_text("by a task")
    (folder / "packages/loose").write_text("by a task")
    slot.lay_out(commit, tree, "key")
    assert (folder / "node_modules/x").exists()
    assert (folder / "packages/node_modules/y").exists()
    assert not (folder / "packages/loose").exists()
    slot.lay_out(commit, tree, "another key")
    assert not (folder / "node_modules").exists()
    assert os.listdir(folder / "packages") == ["package.json"]
    slot.release()
