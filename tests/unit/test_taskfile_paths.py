"""What paths mean is decided by what exists."""

import pytest

from specbuild.engine.paths import normal, outside
from specbuild.engine.task import Entry, RepoPath
from specbuild.taskfile import parse
from specbuild.taskfile.paths import Resolved, resolve


class Tree:
    """The tracked files of a commit."""

    def __init__(self, *paths: str) -> None:
        self.paths = paths

    def tracked(self, path: RepoPath) -> Entry | None:
        return Entry(0o100644, "0" * 40) if path in self.paths else None

    def tracked_below(self, folder: RepoPath) -> bool:
        return any(path.startswith(folder) for path in self.paths)

    def named(self, last: str) -> list[RepoPath]:
        return sorted(path for path in self.paths if path.rpartition("/")[2] == last)


def found(title: str, *files: str, root: str = "", file: str = "specs/001/tasks.md") -> Resolved:
    (task,) = parse(f"- [ ] T001 {title}\n".encode(), file).tasks
    return resolve(task, Tree(*files), root=root)


def test_a_path_that_is_not_there_yet_is_made() -> None:
    assert found("Create src/a.py") == Resolved(("src/a.py",), frozenset(), (), (), ())


def test_a_path_is_what_it_says_where_it_exists() -> None:
    assert found("Fix src/a.py", "src/a.py", "backend/src/a.py").targets == ("src/a.py",)


def test_a_path_may_lack_its_first_folders() -> None:
    assert found("Fix src/a.py", "backend/src/a.py").targets == ("backend/src/a.py",)


def test_an_ending_of_two_paths_is_told() -> None:
    resolved = found("Fix src/a.py", "backend/src/a.py", "frontend/src/a.py")
    assert resolved.targets == ("src/a.py",)
    assert [(warning.code, warning.line) for warning in resolved.warnings] == [("ambiguous-path", 1)]


def test_words_with_a_slash_count_only_where_they_exist() -> None:
    assert found("Fix login/logout in src/auth").targets == ()
    assert found("Fix login/logout in src/auth", "src/auth/a.py").targets == ("src/auth/",)
    assert found("Fix bin/tool", "bin/tool").targets == ("bin/tool",)


def test_a_folder_keeps_its_slash() -> None:
    assert found("Create src/auth/").targets == ("src/auth/",)


def test_a_name_is_the_path_of_the_same_line() -> None:
    assert found("Create src/a.py, export it in a.py", "other/a.py").targets == ("src/a.py",)


def test_a_name_is_the_one_file_that_has_it() -> None:
    assert found("Fix a.py", "src/a.py").targets == ("src/a.py",)
    assert found("Fix a.py", "a.py", "src/a.py").targets == ("a.py",)


def test_a_name_that_matches_nothing_is_looked_for_after_the_run() -> None:
    resolved = found("Create a.py")
    assert (resolved.targets, resolved.unresolved) == (("a.py",), ("a.py",))


def test_a_name_of_several_files_is_told() -> None:
    resolved = found("Fix index.ts", "a/index.ts", "b/index.ts")
    assert (resolved.targets, resolved.unresolved) == (("index.ts",), ("index.ts",))
    assert [warning.code for warning in resolved.warnings] == ["ambiguous-path"]


def test_a_name_that_is_only_read_and_not_there_is_nothing() -> None:
    assert found("Check a.py").reads == ()
    assert found("Check src/a.py").reads == ("src/a.py",)


def test_documents_of_the_specification_stand_beside_the_task_file() -> None:
    files = ("plan.md", "specs/001/plan.md", "specs/001/contracts/a.yaml")
    assert found("Follow plan.md", *files).reads == ("specs/001/plan.md",)
    assert found("Follow contracts/a.yaml", *files).reads == ("specs/001/contracts/a.yaml",)
    assert found("Follow contracts/", *files).reads == ("specs/001/contracts/",)
    assert found("Follow plan.md", "docs/plan.md").reads == ("docs/plan.md",)
    assert found("Write research.md", *files).targets == ("specs/001/research.md",)
    assert found("Follow plan.md", "plan.md", file="tasks.md").reads == ("plan.md",)


def test_a_deleted_path_is_a_target_that_will_be_absent() -> None:
    resolved = found("Delete src/old.py and update src/new.py", "lib/src/old.py")
    assert resolved.targets == ("lib/src/old.py", "src/new.py")
    assert resolved.absent == {"lib/src/old.py"}


def test_a_path_in_both_roles_is_a_target() -> None:
    resolved = found("Update src/a.py from a.py", "src/a.py")
    assert (resolved.targets, resolved.reads) == (("src/a.py",), ())


def test_paths_of_a_monorepo_start_at_its_root() -> None:
    files = ("apps/web/src/a.ts", "src/a.ts", "tools/b.ts")
    assert found("Fix src/a.ts", *files, root="apps/web").targets == ("apps/web/src/a.ts",)
    assert found("Fix tools/b.ts", *files, root="apps/web/").targets == ("tools/b.ts",)
    assert found("Create src/c.ts", *files, root="apps/web").targets == ("apps/web/src/c.ts",)
    assert found("Fix a.ts", *files, root="apps/web").targets == ("apps/web/src/a.ts",)


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("src/a.py", "src/a.py"),
        ("./c.py", "c.py"),
        ("src//a/../b/", "src/b/"),
        ("src/b/.", "src/b/"),
        ("src/(pages)/a.tsx", "src/(pages)/a.tsx"),
        ("src/**/*.py", "src/**/*.py"),
        ("@needs", "@needs"),
        ("../a", "../a"),
        ("/etc/b", "/etc/b"),
        ("~/c", "~/c"),
        ("C:/d", "C:/d"),
    ],
)
def test_declared_paths_are_called_as_git_calls_them(written: str, path: str) -> None:
    assert normal(written) == path


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("a.py", "apps/web/a.py"),
        ("./b/", "apps/web/b/"),
        ("../c", "apps/c"),
        ("../../../d", "../d"),
        ("@story", "@story"),
    ],
)
def test_declared_paths_start_at_the_root(written: str, path: str) -> None:
    assert normal(written, root="apps/web/") == normal(written, root="apps/web") == path


@pytest.mark.parametrize(
    "path", ["a.py", "src/a/", "a/../b", ".github/x.yml", "src/*.py", "a..b", ".gitignore", "ä b"]
)
def test_paths_inside_the_repository_are_allowed(path: str) -> None:
    assert outside(path) is None


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "names no file"),
        (".", "names no file"),
        ("/etc/x", "not relative"),
        ("~/x", "not relative"),
        ("C:\\x", "not relative"),
        ("../x", "leads out"),
        ("a/../../x", "leads out"),
        (".git/config", "inside .git"),
        ("sub/.GIT/x", "inside .git"),
        ("a\0b", "control"),
        ("a\nb", "control"),
    ],
)
def test_other_paths_are_refused_with_the_reason(path: str, why: str) -> None:
    assert why in (outside(path) or "")


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("a//b", "a/b"),
        ("./a/./b", "a/b"),
        ("a/../b", "b"),
        ("src/.", "src/"),
        ("src//", "src/"),
        ("a/../../x", "../x"),
        ("//x", "//x"),
        ("@story", "@story"),
        ("src/../**/*.c", "**/*.c"),
    ],
)
def test_a_path_is_called_as_git_calls_it(written: str, path: str) -> None:
    assert normal(written) == path


def test_paths_of_prose_are_called_as_git_calls_them() -> None:
    assert found("Create src/./a.py").targets == ("src/a.py",)
