"""Repositories of every kind: found, or refused with the feature's name and the way out."""

import os
import subprocess
from pathlib import Path

import pytest
from fakes_git import RealGit, hermetic

from specbuild.errors import RepositoryError
from specbuild.git.opening import _cannot_open, _refuse_platform
from specbuild.git.repository import Repository


@pytest.fixture(autouse=True)
def _hermetic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in hermetic(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))


@pytest.fixture
def git(tmp_path: Path) -> RealGit:
    git = RealGit(tmp_path / "repo")
    git.commit("first", a_txt="a\n")
    return git


def refused(folder: Path, *words: str, build: bool = False) -> None:
    def look() -> None:
        repository = Repository.open(str(folder))
        repository.index()
        if build:
            repository.guard_build()

    with pytest.raises(RepositoryError) as caught:
        look()
    assert caught.value.exit_code == 4
    assert caught.value.hint
    for word in words:
        assert word in str(caught.value)


def test_a_repository_is_found_from_a_sub_folder(git: RealGit) -> None:
    git.write("deep/down/x", "x")
    repository = Repository.open(str(git.folder / "deep/down"))
    assert repository.top == str(git.folder)
    assert repository.git_dir == repository.common_dir == str(git.folder / ".git")
    assert repository.state_dir == repository.common_state_dir == str(git.folder / ".git/specbuild")
    assert repository.branch == "main"
    assert repository.head_ref == "refs/heads/main"
    assert repository.head == git.git("rev-parse", "HEAD")
    assert not repository.is_bare
    assert not repository.is_shallow
    assert not os.path.exists(repository.state_dir)


def test_no_repository_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "no git repository", str(tmp_path), "git init")


def test_git_dir_of_the_environment_is_ignored(
    git: RealGit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = RealGit(tmp_path / "other")
    other.commit("else", b_txt="b\n")
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.folder))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.folder / ".git/index.lock"))
    repository = Repository.open(str(git.folder))
    assert repository.top == str(git.folder)
    assert repository.git(["ls-files"]) == b"a.txt\n"
    assert repository.git(["rev-parse", "--show-toplevel"]).decode().strip() == str(git.folder)


def test_an_index_file_is_honoured_where_it_is_asked_for(git: RealGit, tmp_path: Path) -> None:
    repository = Repository.open(str(git.folder))
    index = str(tmp_path / "index")
    repository.git(["read-tree", "--empty"], env={"GIT_INDEX_FILE": index})
    assert repository.git(["ls-files"], env={"GIT_INDEX_FILE": index}) == b""
    assert repository.git(["ls-files"]) == b"a.txt\n"


def test_an_unborn_branch_has_a_name_and_no_commit(tmp_path: Path) -> None:
    repository = Repository.open(str(RealGit(tmp_path / "new").folder))
    assert (repository.branch, repository.head) == ("main", None)
    assert list(repository.index()) == []
    repository.guard_build()


def test_a_detached_head_has_a_commit_and_no_branch(git: RealGit) -> None:
    git.git("checkout", "-q", "--detach")
    repository = Repository.open(str(git.folder))
    assert (repository.branch, repository.head_ref) == (None, None)
    assert repository.head == git.git("rev-parse", "main")


def test_a_moved_head_is_seen_by_an_open_repository(git: RealGit) -> None:
    repository = Repository.open(str(git.folder))
    new = git.commit("second", b_txt="b\n")
    assert repository.head == new
    git.git("switch", "-q", "-c", "feature/x")
    assert repository.branch == "feature/x"
    assert "b.txt" in repository.index()


def test_a_bare_repository_can_be_read_but_not_built_in(git: RealGit, tmp_path: Path) -> None:
    git.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    repository = Repository.open(str(tmp_path / "bare.git"))
    assert repository.is_bare
    assert repository.head == git.git("rev-parse", "HEAD")
    assert repository.resolve("main") == repository.head
    with pytest.raises(RepositoryError, match="bare") as caught:
        repository.guard_build()
    assert "--at" in caught.value.hint


def test_a_linked_worktree_has_state_of_its_own_and_a_common_one(git: RealGit, tmp_path: Path) -> None:
    git.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    repository = Repository.open(str(tmp_path / "side"))
    assert repository.top == str(tmp_path / "side")
    assert repository.branch == "side"
    assert repository.git_dir == str(git.folder / ".git/worktrees/side")
    assert repository.common_dir == str(git.folder / ".git")
    assert repository.state_dir != repository.common_state_dir
    repository.guard_build()


def test_a_submodule_is_a_repository(git: RealGit, tmp_path: Path) -> None:
    inner = RealGit(tmp_path / "inner")
    commit = inner.commit("inner", x_txt="x\n")
    git.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.folder), "sub")
    repository = Repository.open(str(git.folder / "sub"))
    assert repository.top == str(git.folder / "sub")
    assert repository.head == commit
    assert repository.git(["rev-parse", "HEAD"]).decode().strip() == commit


def test_a_shallow_clone_says_so(git: RealGit, tmp_path: Path) -> None:
    git.commit("second", b_txt="b\n")
    git.git("clone", "-q", "--depth=1", f"file://{git.folder}", str(tmp_path / "shallow"))
    assert Repository.open(str(tmp_path / "shallow")).is_shallow


def test_names_of_commits_are_resolved_as_git_does(git: RealGit) -> None:
    first = git.git("rev-parse", "HEAD")
    git.git("tag", "-a", "v1", "-m", "one")
    second = git.commit("second", b_txt="b\n")
    repository = Repository.open(str(git.folder))
    assert repository.resolve("v1") == first
    assert repository.resolve("HEAD~1") == first
    assert repository.resolve(":/second") == second
    assert repository.resolve(second[:8]) == second


@pytest.mark.parametrize("name", ["mian", "--all", "", "HEAD:a.txt", "no\nsuch", "^HEAD"])
def test_a_name_of_no_commit_is_refused_with_the_nearest(git: RealGit, name: str) -> None:
    with pytest.raises(RepositoryError, match="no commit") as caught:
        Repository.open(str(git.folder)).resolve(name)
    assert caught.value.hint
    assert name != "mian" or "'main'" in caught.value.hint


def test_a_sha256_repository_is_refused(tmp_path: Path) -> None:
    RealGit(tmp_path / "new", "--object-format=sha256")
    refused(tmp_path / "new", "SHA-256", "extensions.objectFormat", "--object-format=sha1")


def test_a_reftable_repository_is_refused(git: RealGit) -> None:
    git.git("config", "core.repositoryFormatVersion", "1")
    git.git("config", "extensions.refStorage", "reftable")
    refused(git.folder, "reftable", "git refs migrate")


def test_a_split_index_is_refused(git: RealGit) -> None:
    git.git("update-index", "--split-index")
    refused(git.folder, "split index", "git update-index --no-split-index")


def test_the_way_out_of_a_split_index_works(git: RealGit) -> None:
    git.git("update-index", "--split-index")
    git.git("update-index", "--no-split-index")
    assert "a.txt" in Repository.open(str(git.folder)).index()


def test_a_sparse_index_is_refused_and_its_way_out_works(git: RealGit) -> None:
    for folder in ("in", "out"):
        git.write(f"{folder}/x", "x")
    git.commit("folders")
    git.git("sparse-checkout", "init", "--cone", "--sparse-index")
    git.git("sparse-checkout", "set", "in")
    refused(git.folder, "sparse index", "git sparse-checkout init --no-sparse-index")
    git.git("sparse-checkout", "init", "--no-sparse-index")
    assert "out/x" in Repository.open(str(git.folder)).index().skip_worktree


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_every_version_of_the_index_is_read(git: RealGit, version: str) -> None:
    for name in ("b/c", "b/cc", "b/ünï", "z" * 5000 if version == "2" else "z", "b/c.d/e"):
        if len(name) < 200:
            git.write(name, name)
    git.git("add", "-A")
    git.git("update-index", "--index-version", version)
    git.write("later", "later")
    git.git("add", "--intent-to-add", "later")
    git.git("update-index", "--assume-unchanged", "b/c")
    git.git("update-index", "--skip-worktree", "b/cc")
    index = Repository.open(str(git.folder)).index()
    staged = git.git("ls-files", "-s", "-z").split("\0")[:-1]
    assert list(index) == [item.partition("\t")[2] for item in staged]
    for item in staged:
        mode, oid, rest = item.split(" ", 2)
        path = rest.partition("\t")[2]
        entry = index.get(path)
        if path == "later":
            assert entry is None
        else:
            assert entry is not None
            assert (f"{entry.mode:o}", entry.oid) == (mode, oid)
    assert index.assume_unchanged == {"b/c"}
    assert index.skip_worktree == {"b/cc"}
    assert index.intent_to_add == {"later"}


@pytest.mark.parametrize("content", [b"", b"DIRC", b"junk" * 100, b"DIRC\0\0\0\x02\0\0\xff\xff" + b"\0" * 40])
def test_a_damaged_index_is_refused(git: RealGit, content: bytes) -> None:
    (git.folder / ".git/index").write_bytes(content)
    refused(git.folder, "damaged", "git reset")


def test_a_partial_clone_fetches_what_it_lacks(git: RealGit, tmp_path: Path) -> None:
    blob = git.git("rev-parse", "HEAD:a.txt")
    git.commit("second", a_txt="other\n")
    git.git("config", "uploadpack.allowFilter", "true")
    git.git("config", "uploadpack.allowAnySHA1InWant", "true")
    clone = tmp_path / "partial"
    git.git("clone", "-q", "--filter=blob:none", f"file://{git.folder}", str(clone))
    repository = Repository.open(str(clone))
    assert blob not in repository.raw
    assert repository.read(blob) == b"a\n"


def test_a_missing_object_is_an_error_that_names_it(git: RealGit) -> None:
    blob = git.git("rev-parse", "HEAD:a.txt")
    os.unlink(git.folder / ".git/objects" / blob[:2] / blob[2:])
    with pytest.raises(RepositoryError, match=blob):
        Repository.open(str(git.folder)).read(blob)


def conflicting(git: RealGit) -> None:
    git.git("switch", "-q", "-c", "side")
    git.commit("side", a_txt="side\n")
    git.git("switch", "-q", "main")
    git.commit("main", a_txt="main\n")


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (["merge", "side"], "a merge"),
        (["rebase", "side"], "a rebase"),
        (["rebase", "--apply", "side"], "a rebase"),
        (["cherry-pick", "side"], "a cherry-pick"),
        (["revert", "HEAD~1"], "a revert"),
        (["stash", "apply"], "unresolved conflicts"),
    ],
)
def test_nothing_is_built_while_git_waits_for_a_person(git: RealGit, command: list[str], what: str) -> None:
    git.commit("base", a_txt="base\n")
    conflicting(git)
    if "stash" in command:
        git.write("a.txt", "stashed\n")
        git.git("stash")
        git.commit("again", a_txt="again\n")
    if "revert" in command:
        git.commit("top", a_txt="top\n")
    git.git(*command, check=False)
    refused(git.folder, what, "git", build=True)


def test_a_series_of_picks_that_stopped_is_in_progress(git: RealGit) -> None:
    conflicting(git)
    git.git("switch", "-q", "side")
    git.commit("more", b_txt="b\n")
    git.git("switch", "-q", "main")
    git.git("cherry-pick", "main..side", check=False)
    git.git("checkout", "-q", "--ours", "a.txt")
    git.git("add", "a.txt")
    git.git("commit", "-q", "-m", "resolved by hand", "--allow-empty")
    refused(git.folder, "cherry-pick", build=True)


def test_bisecting_holds_nothing_up(git: RealGit) -> None:
    first = git.git("rev-parse", "HEAD")
    for number in range(4):
        git.commit(f"n{number}", a_txt=f"{number}\n")
    git.git("bisect", "start", "HEAD", first)
    Repository.open(str(git.folder)).guard_build()


def test_who_commits_is_what_git_says(git: RealGit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Grace <odd> O'Neill")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "grace@example.com")
    monkeypatch.setenv("GIT_AUTHOR_DATE", "1700000000 -0330")
    author, committer = Repository.open(str(git.folder)).identity()
    assert (author.name, author.email) == ("Grace odd O'Neill", "grace@example.com")
    assert (author.time, author.offset) == (1700000000, -210)
    assert (committer.name, committer.email) == ("Ada", "ada@example.com")


def test_no_identity_is_refused(git: RealGit) -> None:
    git.git("config", "--unset", "user.name")
    git.git("config", "--unset", "user.email")
    git.git("config", "user.useConfigOnly", "true")
    with pytest.raises(RepositoryError, match="who commits") as caught:
        Repository.open(str(git.folder)).identity()
    assert "user.email" in caught.value.hint


def test_settings_are_read_as_git_does(git: RealGit, monkeypatch: pytest.MonkeyPatch) -> None:
    git.write("extra.cfg", "[spec]\n\tempty\n\tno = no\n\tnumber = 2\n\tzero = 0\n\ttext = a\n\tlines = 1\n")
    git.git("config", "include.path", str(git.folder / "extra.cfg"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "spec.text")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "b\nc")
    repository = Repository.open(str(git.folder))
    assert repository.config_get("spec.text") == "b\nc"
    assert repository.config_get("spec.nope") is None
    names = ("empty", "no", "number", "zero")
    assert [repository.config_bool(f"spec.{name}", default=False) for name in names] == [
        True,
        False,
        True,
        False,
    ]
    assert repository.config_bool("spec.nope", default=True)


def test_a_failing_git_command_says_what_failed(git: RealGit) -> None:
    with pytest.raises(RepositoryError, match=r"rev-parse --verify.*128"):
        Repository.open(str(git.folder)).git(["rev-parse", "--verify", "nope"])


def test_a_machine_without_git_is_told_so(git: RealGit, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository.open(str(git.folder))
    monkeypatch.setenv("PATH", str(git.folder))
    for call in (lambda: repository.git(["status"]), lambda: repository.spawn(["status"])):
        with pytest.raises(RepositoryError, match="PATH"):
            call()


def test_somebody_elses_repository_is_refused_with_the_setting_that_allows_it() -> None:
    reason = "repository path '/srv/x/' is not owned by current user"
    error = _cannot_open("/srv/x/.git/", reason)
    assert error.exit_code == 4
    assert "git config --global --add safe.directory /srv/x" in error.hint


def test_native_windows_is_refused() -> None:
    _refuse_platform("posix")
    with pytest.raises(RepositoryError, match="Windows") as caught:
        _refuse_platform("nt")
    assert "WSL" in caught.value.hint


def test_pushed_objects_are_seen_before_the_push_is_accepted(git: RealGit, tmp_path: Path) -> None:
    """In pre-receive they stand in a quarantine folder that only git's variables name."""
    bare = tmp_path / "bare.git"
    git.git("clone", "-q", "--bare", ".", str(bare))
    probe = tmp_path / "probe.py"
    probe.write_text(
        "import sys\n"
        "from specbuild.git.repository import Repository\n"
        "from specbuild.git.snapshot import CommitSnapshot\n"
        "repository = Repository.open('.')\n"
        "for line in sys.stdin:\n"
        "    commit = line.split()[1]\n"
        "    print('SEEN', repository.resolve(commit) == commit, CommitSnapshot(repository, commit).read('b.txt'))\n"
    )
    hook = bare / "hooks/pre-receive"
    hook.write_text(f"#!/bin/sh\nexec '{_python()}' '{probe}'\n")
    hook.chmod(0o755)
    git.commit("pushed", b_txt="b\n")
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        ["git", "push", str(bare), "main"],
        cwd=git.folder,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "SEEN True b'b\\n'" in done.stderr, done.stderr


def _python() -> str:
    import sys

    return sys.executable


def test_a_git_folder_that_stands_elsewhere_does_not_move_the_working_tree(tmp_path: Path) -> None:
    work = tmp_path / "work"
    subprocess.run(
        ["git", "init", "-q", "--separate-git-dir", str(tmp_path / "aside.git"), str(work)], check=True
    )
    (work / "sub").mkdir()
    repository = Repository.open(str(work / "sub"))
    assert repository.top == str(work)
    assert repository.git_dir == str(tmp_path / "aside.git")
