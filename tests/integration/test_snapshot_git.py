"""The working tree as git itself would add it: each entry is compared with what `git add` makes of the file."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from fakes_git import EXECUTABLE, PLAIN, SYMLINK, RealGit, hermetic

from specbuild.engine.task import Entry
from specbuild.errors import RepositoryError
from specbuild.git import files as files_module
from specbuild.git import follow
from specbuild.git.committer import GitCommitter
from specbuild.git.files import Files, aside_folder
from specbuild.git.hashing import blob_id
from specbuild.git.repository import Repository
from specbuild.git.snapshot import CommitSnapshot, WorkingTree

SUBMODULE = 0o160000
LONG_AGO = 1_600_000_000


@pytest.fixture(autouse=True)
def _hermetic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in hermetic(tmp_path / "home").items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def git(tmp_path: Path) -> RealGit:
    git = RealGit(tmp_path / "repo")
    git.write("a.txt", "a\n")
    git.write("src/b.txt", "b\n")
    git.commit("first")
    return git


def tree(git: RealGit) -> WorkingTree:
    return WorkingTree(Repository.open(str(git.folder)))


def as_git_adds(git: RealGit, path: str, tmp_path: Path) -> Entry:
    """What `git add` would stage, found out with an index of its own."""
    index = tmp_path / "scratch-index"
    shutil.copy(git.folder / ".git/index", index)
    git.git("add", "-f", "--sparse", path, env={"GIT_INDEX_FILE": str(index)})
    staged = git.git("ls-files", "-s", "-z", "--", path, env={"GIT_INDEX_FILE": str(index)})
    mode, oid, _ = staged.split(" ", 2)
    return Entry(int(mode, 8), oid)


def both_ways(git: RealGit, path: str, entry: Entry | None) -> None:
    """Looking at one file, and at one of many, must agree."""
    one, many = tree(git), tree(git)
    many.dirty()
    assert one.entry(path) == entry
    assert many.entry(path) == entry


def test_an_edit_is_seen_whatever_the_index_says(git: RealGit) -> None:
    git.write("a.txt", "A\n")  # of the same size, in the same second
    both_ways(git, "a.txt", Entry(PLAIN, blob_id(b"A\n")))
    git.git("add", "a.txt")
    git.write("a.txt", "C\n")
    both_ways(git, "a.txt", Entry(PLAIN, blob_id(b"C\n")))
    assert tree(git).staged("a.txt") == Entry(PLAIN, blob_id(b"A\n"))
    assert tree(git).tracked("a.txt") == Entry(PLAIN, blob_id(b"a\n"))
    assert tree(git).read("a.txt") == b"C\n"


def test_an_edit_that_keeps_size_and_time_of_change_is_seen(git: RealGit) -> None:
    file = git.folder / "a.txt"
    os.utime(file, (LONG_AGO, LONG_AGO))
    git.git("update-index", "--refresh")
    time.sleep(1.1)  # the index is now older than the edit's tick
    file.write_text("Z\n")
    os.utime(file, (LONG_AGO, LONG_AGO))
    both_ways(git, "a.txt", Entry(PLAIN, blob_id(b"Z\n")))


def test_a_deleted_file_is_not_there(git: RealGit) -> None:
    (git.folder / "a.txt").unlink()
    both_ways(git, "a.txt", None)
    assert "a.txt" not in tree(git).below("")
    assert tree(git).glob("*.txt") == []
    assert tree(git).read("a.txt") is None


def test_the_executable_bit_counts(git: RealGit) -> None:
    (git.folder / "a.txt").chmod(0o755)
    both_ways(git, "a.txt", Entry(EXECUTABLE, blob_id(b"a\n")))


def test_the_executable_bit_is_the_indexs_where_the_file_system_has_none(git: RealGit) -> None:
    git.git("config", "core.filemode", "false")
    git.git("update-index", "--chmod=+x", "a.txt")
    both_ways(git, "a.txt", Entry(EXECUTABLE, blob_id(b"a\n")))
    git.write("a.txt", "edited\n")
    both_ways(git, "a.txt", Entry(EXECUTABLE, blob_id(b"edited\n")))
    git.write("new.sh", "x\n", 0o755)
    both_ways(git, "new.sh", Entry(PLAIN, blob_id(b"x\n")))


def test_a_symlink_is_the_link_not_what_it_leads_to(git: RealGit) -> None:
    (git.folder / "link").symlink_to("a.txt")
    (git.folder / "broken").symlink_to("nowhere")
    both_ways(git, "link", Entry(SYMLINK, blob_id(b"a.txt")))
    both_ways(git, "broken", Entry(SYMLINK, blob_id(b"nowhere")))
    git.commit("links")
    both_ways(git, "link", Entry(SYMLINK, blob_id(b"a.txt")))
    (git.folder / "link").unlink()
    (git.folder / "link").symlink_to("src")
    both_ways(git, "link", Entry(SYMLINK, blob_id(b"src")))
    assert tree(git).read("link") == b"src"


def test_symlinks_checked_out_as_files_stay_symlinks(git: RealGit) -> None:
    (git.folder / "link").symlink_to("a.txt")
    git.commit("link")
    git.git("config", "core.symlinks", "false")
    (git.folder / "link").unlink()
    git.write("link", "src/b.txt")
    both_ways(git, "link", Entry(SYMLINK, blob_id(b"src/b.txt")))
    assert tree(git).read("link") == b"src/b.txt"


def test_nothing_is_seen_through_a_symlinked_folder(git: RealGit) -> None:
    shutil.move(git.folder / "src", git.folder / "real")
    (git.folder / "src").symlink_to("real")
    both_ways(git, "src/b.txt", None)
    both_ways(git, "real/b.txt", Entry(PLAIN, blob_id(b"b\n")))
    assert not tree(git).exists("src/b.txt")
    assert "src/b.txt" not in tree(git).below("")


def test_a_nested_repository_is_not_entered(git: RealGit) -> None:
    nested = RealGit(git.folder / "nested")
    nested.commit("inner", x_txt="x\n")
    both_ways(git, "nested/x.txt", None)
    both_ways(git, "nested", None)
    assert not any(path.startswith("nested") for path in tree(git).below(""))
    assert not any(path.startswith("nested") for path in tree(git).dirty())


@pytest.mark.parametrize(
    "path", [".git/config", ".GIT/config", "../outside", "a/../a.txt", "./a.txt", "src//b.txt"]
)
def test_names_that_git_would_not_track_are_no_entries(git: RealGit, path: str) -> None:
    git.write("../outside", "x")
    both_ways(git, path, None)
    assert not tree(git).exists(path)


def test_pipes_and_sockets_are_no_entries(git: RealGit) -> None:
    os.mkfifo(git.folder / "pipe")
    both_ways(git, "pipe", None)
    assert "pipe" not in tree(git).below("")


def test_a_submodule_counts_as_its_commit(git: RealGit, tmp_path: Path) -> None:
    inner = RealGit(tmp_path / "inner")
    first = inner.commit("one", x_txt="1\n")
    second = inner.commit("two", x_txt="2\n")
    git.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.folder), "sub")
    git.commit("with submodule")
    both_ways(git, "sub", Entry(SUBMODULE, second))
    assert CommitSnapshot(Repository.open(str(git.folder)), git.git("rev-parse", "HEAD")).entry(
        "sub"
    ) == Entry(SUBMODULE, second)
    git.write("sub/x.txt", "dirty\n")
    both_ways(git, "sub", Entry(SUBMODULE, second))
    git.git("-C", "sub", "checkout", "-q", "-f", first)
    both_ways(git, "sub", Entry(SUBMODULE, first))
    both_ways(git, "sub/x.txt", None)
    assert tree(git).read("sub") == f"Subproject commit {first}\n".encode()
    assert tree(git).dirty() == {"sub"}


def test_a_submodule_that_was_not_set_up_stands_as_recorded(git: RealGit, tmp_path: Path) -> None:
    inner = RealGit(tmp_path / "inner")
    commit = inner.commit("one", x_txt="1\n")
    git.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.folder), "sub")
    git.commit("with submodule")
    git.git("clone", "-q", ".", str(tmp_path / "clone"))
    both_ways(RealGit(tmp_path / "clone"), "sub", Entry(SUBMODULE, commit))


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_edits_that_git_was_told_to_overlook_are_seen(git: RealGit, flag: str) -> None:
    git.git("update-index", flag, "a.txt")
    git.write("a.txt", "hidden edit\n")
    both_ways(git, "a.txt", Entry(PLAIN, blob_id(b"hidden edit\n")))
    assert tree(git).dirty() == {"a.txt"}


def test_files_that_a_sparse_checkout_left_out_stand_as_staged(git: RealGit) -> None:
    git.write("out/deep/c.txt", "c\n")
    git.commit("more")
    git.git("sparse-checkout", "set", "--no-sparse-index", "--cone", "src")
    assert not (git.folder / "out").exists()
    both_ways(git, "out/deep/c.txt", Entry(PLAIN, blob_id(b"c\n")))
    assert tree(git).read("out/deep/c.txt") == b"c\n"
    assert tree(git).dirty() == set()
    assert "out/deep/c.txt" in tree(git).below("out/")


def test_a_file_that_is_only_intended_to_be_added_is_seen_as_it_is(git: RealGit) -> None:
    git.write("new.txt", "new\n")
    git.git("add", "--intent-to-add", "new.txt")
    both_ways(git, "new.txt", Entry(PLAIN, blob_id(b"new\n")))
    assert tree(git).staged("new.txt") is None
    assert "new.txt" in tree(git).dirty()


def test_an_unmerged_file_is_seen_as_it_is_on_disk(git: RealGit) -> None:
    git.git("switch", "-q", "-c", "side")
    git.commit("side", a_txt="side\n")
    git.git("switch", "-q", "main")
    git.commit("main", a_txt="main\n")
    git.git("merge", "side", check=False)
    content = (git.folder / "a.txt").read_bytes()
    both_ways(git, "a.txt", Entry(PLAIN, blob_id(content)))
    assert tree(git).staged("a.txt") is None


@pytest.mark.parametrize("setting", ["true", "input"])
def test_line_endings_are_stored_as_git_stores_them(git: RealGit, tmp_path: Path, setting: str) -> None:
    git.git("config", "core.autocrlf", "false")
    git.write("windows.txt", "in the index\r\nwith CRLF\r\n")
    git.commit("crlf")
    git.git("config", "core.autocrlf", setting)
    git.write("new.txt", "one\r\ntwo\r\n")
    git.write("windows.txt", "in the index\r\nwith CRLF\r\nmore\r\n")
    git.write("binary", b"\0\r\n")
    for path in ("new.txt", "windows.txt", "binary"):
        expected = as_git_adds(git, path, tmp_path)
        both_ways(git, path, expected)
        content = tree(git).read(path)
        assert content is not None
        assert blob_id(content) == expected.oid


def test_settings_outside_the_repository_decide_too(
    git: RealGit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "odd-name.cfg").write_text("[core]\n\tautocrlf = input\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "odd-name.cfg"))
    git.write("new.txt", "one\r\ntwo\r\n")
    both_ways(git, "new.txt", Entry(PLAIN, blob_id(b"one\ntwo\n")))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.autocrlf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "false")
    both_ways(git, "new.txt", Entry(PLAIN, blob_id(b"one\r\ntwo\r\n")))


def test_attributes_decide_how_files_are_stored(git: RealGit, tmp_path: Path) -> None:
    git.write(
        ".gitattributes",
        "*.id ident\n*.crlf text eol=crlf\n*.utf16 text working-tree-encoding=UTF-16LE eol=lf\n*.up filter=upper\n",
    )
    git.git("config", "filter.upper.clean", "tr a-z A-Z")
    git.git("config", "filter.upper.smudge", "cat")
    git.write("x.id", "$Id: 0123 $\n")
    git.write("x.crlf", "a\r\nb\r\n")
    git.write("x.utf16", "größe\n".encode("utf-16-le"))
    git.write("x.up", "shout\n")
    git.write("sub/odd name\udcff.up", "shout\n")
    content = {"x.id": b"$Id$\n", "x.crlf": b"a\nb\n", "x.utf16": "größe\n".encode(), "x.up": b"SHOUT\n"}
    for path in (*content, "sub/odd name\udcff.up"):
        both_ways(git, path, as_git_adds(git, path, tmp_path))
        assert tree(git).read(path) == content.get(path, b"SHOUT\n")
    git.commit("all")
    for path in content:
        both_ways(git, path, as_git_adds(git, path, tmp_path))
    assert tree(git).dirty() == set()


def test_looking_writes_no_object(git: RealGit) -> None:
    git.write(".gitattributes", "*.up filter=upper\n")
    git.git("config", "filter.upper.clean", "tr a-z A-Z")
    git.write("x.up", "shout\n")
    git.write("a.txt", "edited\n")
    before = git.git("count-objects")
    look = tree(git)
    look.dirty()
    assert (look.read("x.up"), look.read("a.txt")) == (b"SHOUT\n", b"edited\n")
    assert git.git("count-objects") == before
    assert not (git.folder / ".git/specbuild").exists()


def test_a_filter_that_fails_is_an_error_with_the_path(git: RealGit) -> None:
    git.write(".gitattributes", "*.lfs filter=lfs\n")
    git.git("config", "filter.lfs.clean", "no-such-program")
    git.git("config", "filter.lfs.required", "true")
    git.write("x.lfs", "big\n")
    with pytest.raises(RepositoryError, match=r"x\.lfs") as caught:
        tree(git).entry("x.lfs")
    assert caught.value.exit_code == 4


def test_names_that_are_no_utf8_and_names_that_look_like_options(git: RealGit) -> None:
    for name in ("odd\udcfe.txt", "-x", ":(top)y", "a*b", "new\nline", '"quoted"', "tab\t"):
        git.write(name, f"{name!a}\n")
        both_ways(git, name, Entry(PLAIN, blob_id(f"{name!a}\n".encode())))
    listed = set(tree(git).below(""))
    assert {"odd\udcfe.txt", "-x", ":(top)y", "a*b", "new\nline", '"quoted"', "tab\t"} <= listed
    git.commit("odd names")
    assert (
        set(CommitSnapshot(Repository.open(str(git.folder)), git.git("rev-parse", "HEAD")).below(""))
        == listed
    )
    assert tree(git).dirty() == set()


def test_ignoring_is_as_git_does_it(git: RealGit) -> None:
    git.write(".gitignore", "*.o\n!keep.o\n/dist/\nnode_modules/\n:(top)odd\n")
    git.write("src/.gitignore", "local\n!x.o\n")
    look = tree(git)
    ignored = ["y.o", "dist/x", "dist/", "deep/node_modules/y/z", "src/local", ":(top)odd", "src/deep/y.o"]
    assert [path for path in ignored if not look.ignored(path)] == []
    seen = ["keep.o", "a.txt", "src/x.o", "dist", "node", "src/", "../up", "new", "", "b:c"]
    assert [path for path in seen if look.ignored(path)] == []


def test_what_is_tracked_is_not_ignored(git: RealGit) -> None:
    git.write(".gitignore", "*.txt\nsrc/\n")
    look = tree(git)
    assert not look.ignored("a.txt")
    assert not look.ignored("src/")
    assert not look.ignored("src/b.txt")
    assert look.ignored("src/new.txt")
    assert set(look.below("")) == {".gitignore", "a.txt", "src/b.txt"}


def test_a_changed_gitignore_is_obeyed_after_a_refresh(git: RealGit) -> None:
    git.write("x.log", "x\n")
    look = tree(git)
    assert "x.log" in look.below("")
    assert not look.ignored("x.log")
    git.write(".gitignore", "*.log\n")
    look.refresh([".gitignore"])
    assert "x.log" not in look.below("")
    assert look.ignored("x.log")
    assert look.entry("x.log") == Entry(PLAIN, blob_id(b"x\n"))


def test_ignoring_is_asked_of_git_again_after_it_gave_up(git: RealGit) -> None:
    git.write(".gitignore", "*.o\n")
    (git.folder / "link").symlink_to("src")
    look = tree(git)
    assert look.ignored("x.o")
    assert not look.ignored("link/x.o")
    assert look.ignored("y.o")


def test_a_view_stays_as_it_is_until_it_is_refreshed(git: RealGit) -> None:
    look = tree(git)
    before = Entry(PLAIN, blob_id(b"a\n"))
    assert look.entry("a.txt") == before
    git.write("a.txt", "later\n")
    git.write("gen/one.py", "1\n")
    assert look.entry("a.txt") == before
    look.refresh(["a.txt", "gen/"])
    assert look.entry("a.txt") == Entry(PLAIN, blob_id(b"later\n"))
    assert set(look.below("gen/")) == {"gen/one.py"}
    (git.folder / "gen/one.py").unlink()
    git.write("gen/two.py", "2\n")
    look.refresh(["gen/"])
    assert set(look.below("gen/")) == {"gen/two.py"}
    assert look.entry("gen/one.py") is None


def test_a_refresh_holds_also_where_git_was_asked_about_everything_later(git: RealGit) -> None:
    """The index moves on under a view that has not read all of it yet."""
    look = tree(git)
    assert look.entry("a.txt") is not None
    git.write("a.txt", "edited\n")
    git.write("src/b.txt", "too\n")
    git.commit("by the builder")
    changes = {"a.txt": Entry(PLAIN, blob_id(b"edited\n")), "src/b.txt": Entry(PLAIN, blob_id(b"too\n"))}
    look.moved(git.git("rev-parse", "HEAD"), changes)
    assert look.dirty() == set()
    assert look.entry("src/b.txt") == Entry(PLAIN, blob_id(b"too\n"))
    assert look.tracked("a.txt") == look.entry("a.txt") == Entry(PLAIN, blob_id(b"edited\n"))


def test_a_folder_replaced_by_a_file_and_back(git: RealGit) -> None:
    look = tree(git)
    assert look.entry("src/b.txt") is not None
    shutil.rmtree(git.folder / "src")
    git.write("src", "now a file\n")
    look.refresh(["src", "src/"])
    assert look.entry("src") == Entry(PLAIN, blob_id(b"now a file\n"))
    assert look.entry("src/b.txt") is None
    (git.folder / "src").unlink()
    git.write("src/b.txt", "b\n")
    look.refresh(["src", "src/"])
    assert look.entry("src") is None
    assert look.entry("src/b.txt") == Entry(PLAIN, blob_id(b"b\n"))


def test_everything_can_be_looked_at_anew(git: RealGit) -> None:
    look = tree(git)
    look.dirty()
    git.git("switch", "-q", "-c", "side")
    commit = git.commit("side", a_txt="side\n", c_txt="c\n")
    git.write("d.txt", "d\n")
    look.refresh()
    assert look.head.commit == commit
    assert look.entry("a.txt") == look.tracked("a.txt") == Entry(PLAIN, blob_id(b"side\n"))
    assert look.dirty() == {"d.txt"}


def test_dirty_is_what_differs_from_head_on_disk_or_in_the_index(git: RealGit) -> None:
    git.write(".gitignore", "*.log\n")
    for name in ("both", "gone", "staged", "touched"):
        git.write(name, name)
    git.commit("base")
    git.write("staged", "new")
    git.git("add", "staged")
    git.write("staged", "staged")
    git.write("both", "edited")
    (git.folder / "gone").unlink()
    os.utime(git.folder / "touched", (LONG_AGO, LONG_AGO))
    git.write("untracked/x", "x")
    git.write("x.log", "log")
    look = tree(git)
    assert look.dirty() == {"both", "gone", "staged", "untracked/x"}
    assert look.is_dirty("both")
    assert not look.is_dirty("touched")
    look.refresh(["x.log", "untracked/x", "touched"])
    assert look.dirty() == {"both", "gone", "staged", "untracked/x"}


def test_a_working_tree_looks_alike_from_a_linked_worktree(git: RealGit, tmp_path: Path) -> None:
    git.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    side = RealGit(tmp_path / "side")
    side.write("a.txt", "side\n")
    both_ways(side, "a.txt", Entry(PLAIN, blob_id(b"side\n")))
    both_ways(git, "a.txt", Entry(PLAIN, blob_id(b"a\n")))


def old_edit(git: RealGit, path: str, text: str) -> None:
    """A file that differs from the index and came to rest long ago, as far as stat data tell."""
    file = git.write(path, text)
    os.utime(file, (LONG_AGO, LONG_AGO))


def cached(git: RealGit) -> dict[str, list[object]]:
    files: dict[str, list[object]] = json.loads((git.folder / ".git/specbuild/stat.json").read_text())[
        "files"
    ]
    return files


def test_what_was_hashed_is_remembered_but_not_what_is_still_warm(git: RealGit) -> None:
    old_edit(git, "a.txt", "edited\n")
    look = tree(git)
    look.entry("a.txt")
    look.save()
    ((_, hashed_at, oid),) = cached(git).values()
    assert oid == blob_id(b"edited\n")
    assert isinstance(hashed_at, int)
    poisoned = "0" * 40
    content = json.loads((git.folder / ".git/specbuild/stat.json").read_text())
    content["files"]["a.txt"][2] = poisoned
    (git.folder / ".git/specbuild/stat.json").write_text(json.dumps(content))
    assert tree(git).entry("a.txt") == Entry(
        PLAIN, blob_id(b"edited\n")
    )  # its ctime is too near: not believed
    content["files"]["a.txt"][1] = hashed_at + 10_000_000_000
    (git.folder / ".git/specbuild/stat.json").write_text(json.dumps(content))
    assert tree(git).entry("a.txt") == Entry(PLAIN, poisoned)  # at rest when it was hashed: believed
    old_edit(git, "a.txt", "EDITED\n")
    assert tree(git).entry("a.txt") == Entry(PLAIN, blob_id(b"EDITED\n"))  # the ctime tells


def test_changed_conversions_make_nothing_remembered_count(git: RealGit) -> None:
    old_edit(git, "a.txt", "one\r\n")
    look = tree(git)
    assert look.entry("a.txt") == Entry(PLAIN, blob_id(b"one\r\n"))
    look.save()
    content = json.loads((git.folder / ".git/specbuild/stat.json").read_text())
    content["files"]["a.txt"][1] += 10_000_000_000
    (git.folder / ".git/specbuild/stat.json").write_text(json.dumps(content))
    git.write(".gitattributes", "*.txt text\n")
    assert tree(git).entry("a.txt") == Entry(PLAIN, blob_id(b"one\n"))


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"conversions": 1}', "\0" * 100, "[" * 100_000, '{"files": {"a.txt": 7}}', "FOREIGN"],
)
def test_a_cache_that_is_damaged_or_foreign_is_made_anew(git: RealGit, content: str) -> None:
    old_edit(git, "a.txt", "edited\n")
    look = tree(git)
    look.entry("a.txt")
    look.save()
    cache = git.folder / ".git/specbuild/stat.json"
    if content == "FOREIGN":
        whole = json.loads(cache.read_text())
        whole["files"]["a.txt"] = [1, "two", None, {}]
        content = json.dumps(whole)
    cache.write_text(content)
    again = tree(git)
    assert again.entry("a.txt") == Entry(PLAIN, blob_id(b"edited\n"))
    again.save()
    assert list(cached(git)) == ["a.txt"]


def test_a_cache_that_cannot_be_written_is_done_without(git: RealGit) -> None:
    (git.folder / ".git/specbuild").write_text("a file, where the folder would be")
    git.write("a.txt", "edited\n")
    look = tree(git)
    assert look.entry("a.txt") == Entry(PLAIN, blob_id(b"edited\n"))
    look.save()
    assert (git.folder / ".git/specbuild").read_text().startswith("a file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_a_folder_that_may_not_be_looked_into_is_an_error(git: RealGit) -> None:
    git.write("locked/x", "x")
    (git.folder / "locked").chmod(0)
    try:
        with pytest.raises(RepositoryError, match="locked/x"):
            tree(git).entry("locked/x")
    finally:
        (git.folder / "locked").chmod(0o755)


def test_many_files_are_compared_by_one_process(git: RealGit) -> None:
    """More than are looked at one by one: answers must not depend on how they were found."""
    for number in range(1500):
        git.write(f"many/{number % 10}/{number}", str(number))
    git.commit("many")
    git.write("many/7/7", "edited")
    (git.folder / "many/8/8").unlink()
    shutil.rmtree(git.folder / "many/6")
    (git.folder / "many/6").symlink_to("6")
    look = tree(git)
    found = {path: look.entry(path) for path in (f"many/{number % 10}/{number}" for number in range(1500))}
    assert found["many/7/7"] == Entry(PLAIN, blob_id(b"edited"))
    assert found["many/8/8"] is None
    assert found["many/9/1499"] == Entry(PLAIN, blob_id(b"1499"))
    behind = {f"many/6/{number}" for number in range(6, 1500, 10)}
    assert {path for path, entry in found.items() if entry is None} == {"many/8/8", *behind}
    assert look.dirty() == {"many/7/7", "many/8/8", "many/6", *behind}


def test_a_commit_is_read_where_trees_are_missing(git: RealGit, tmp_path: Path) -> None:
    git.git("config", "uploadpack.allowFilter", "true")
    git.git("config", "uploadpack.allowAnySHA1InWant", "true")
    git.git("clone", "-q", "--bare", "--filter=tree:0", f"file://{git.folder}", str(tmp_path / "partial.git"))
    repository = Repository.open(str(tmp_path / "partial.git"))
    snapshot = CommitSnapshot(repository, repository.head)
    assert snapshot.read("src/b.txt") == b"b\n"
    assert snapshot.tree == git.git("rev-parse", "HEAD^{tree}")


@pytest.mark.parametrize("turned", [False, True])
def test_a_snapshot_that_advances_over_a_file_that_became_a_folder_is_as_a_new_one(
    git: RealGit, *, turned: bool
) -> None:
    git.write("a", "a\n")
    git.write("f/x", "x\n")
    first = git.commit("before")
    git.git("rm", "-rq", "a", "f")
    git.write("a/x", "x\n")
    git.write("f", "f\n")
    second = git.commit("after")
    repository = Repository.open(str(git.folder))
    moved, new = CommitSnapshot(repository, first), CommitSnapshot(repository, second)
    assert moved.entry("a") is not None
    paths = ["a", "a/x", "f", "f/x"]
    moved.advance(second, {path: new.entry(path) for path in (reversed(paths) if turned else paths)})
    assert {path: moved.entry(path) for path in paths} == {path: new.entry(path) for path in paths}
    assert moved.below("") == new.below("")
    assert [moved.exists(path) for path in ("a/", "f/", "a/x", "f/x")] == [True, False, True, False]


def test_a_file_is_looked_at_last_when_it_is_to_be_replaced(git: RealGit) -> None:
    git.commit("one", a_txt="one\n")
    repository = Repository.open(str(git.folder))
    files = Files(repository, aside_folder(repository))
    entry = Entry(PLAIN, blob_id(b"two\n"))

    def saves() -> bool:
        """As an editor might, while the new file is written aside."""
        (git.folder / "a.txt").write_text("typed\n")
        return False

    assert not files.place("a.txt", entry, b"two\n", still=saves)
    assert (git.folder / "a.txt").read_text() == "typed\n"
    assert os.listdir(aside_folder(repository)) == []
    assert files.place("a.txt", entry, b"two\n", still=lambda: True)
    assert (git.folder / "a.txt").read_text() == "two\n"


def test_a_save_while_a_file_is_written_aside_is_not_written_over(
    git: RealGit, monkeypatch: pytest.MonkeyPatch
) -> None:
    git.commit("one", a_txt="one\n")
    repository = Repository.open(str(git.folder))
    target, create = git.folder / "a.txt", files_module._create

    def meanwhile(aside: str, mode: int, data: bytes, raw: files_module.Raw | None) -> None:
        create(aside, mode, data, raw)
        target.write_text("typed\n")

    monkeypatch.setattr(files_module, "_create", meanwhile)
    committer = GitCommitter(repository, repository.head_ref)
    one, two = Entry(PLAIN, blob_id(b"one\n")), Entry(PLAIN, committer.store(b"two\n"))
    assert not committer.write("a.txt", b"two\n", instead=one)
    target.write_text("one\n")
    assert not committer.place("a.txt", two, instead=one)
    target.write_text("one\n")
    found = follow.look(Files(repository, aside_folder(repository)), ["a.txt"], repository.index_file())
    files = Files(repository, aside_folder(repository))
    assert not follow._write(files, "a.txt", two, b"two\n", found["a.txt"])
    assert target.read_text() == "typed\n"
