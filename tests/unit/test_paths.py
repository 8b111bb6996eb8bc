"""Paths as people write them, and what they may name."""

import pytest

from specbuild.engine.paths import as_folder, normal, outside, parents


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("web", "web/"),
        ("web/", "web/"),
        ("/web//", "web/"),
        ("./web", "web/"),
        ("web./", "web./"),
        ("Xweb/X", "Xweb/X/"),
        (".", ""),
        ("./", ""),
        ("", ""),
        (" web ", " web /"),
    ],
)
def test_a_folder_has_its_slash_and_the_top_is_empty(path: str, folder: str) -> None:
    assert as_folder(path) == folder


@pytest.mark.parametrize(
    ("path", "root", "found"),
    [
        ("a.py", "web", "web/a.py"),
        ("../a.py", "web", "a.py"),
        ("./src//a.py", "", "src/a.py"),
        ("src/./", "", "src/"),
        ("src/.", "", "src/"),
        (".", "", "."),
        ("./", "", "."),
        ("..", "web/", "."),
        ("../", "web/", "."),
        ("/etc/../a", "web", "/etc/../a"),
        ("~/../a", "web", "~/../a"),
        ("@needs", "web", "@needs"),
        ("C:\\a", "web", "C:\\a"),
        (" ", "web", " "),
    ],
)
def test_a_path_is_as_git_names_it(path: str, root: str, found: str) -> None:
    assert normal(path, root=root) == found


@pytest.mark.parametrize(
    ("path", "above"),
    [
        ("a", []),
        ("a/", []),
        ("a/b", ["a"]),
        ("a/b/", ["a"]),
        ("ab/c/d.txt", ["ab", "ab/c"]),
        ("a/b/c/d", ["a", "a/b", "a/b/c"]),
        ("/a/b", []),
        ("aX/X/b", ["aX", "aX/X"]),
    ],
)
def test_folders_above_a_path_the_outermost_first(path: str, above: list[str]) -> None:
    assert [*parents(path)] == above


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("src/a.py", None),
        ("src/", None),
        ("a b/../c", None),
        ("  ", "it names no file"),
        (".", "it names no file"),
        ("./", "it names no file"),
        ("a\tb", "it has control characters"),
        ("/etc/passwd", "it is not relative to the repository"),
        ("~/notes", "it is not relative to the repository"),
        ("C:/notes", "it is not relative to the repository"),
        ("../a", "it leads out of the repository"),
        ("a/../..", "it leads out of the repository"),
        ("a/../../", "it leads out of the repository"),
        ("..a/b c", None),
        (".git/config", "it is inside .git"),
        ("a/.GIT/x", "it is inside .git"),
        ("a/.git/", "it is inside .git"),
        ("a/.git /x", None),
    ],
)
def test_why_a_path_is_not_allowed(path: str, why: str | None) -> None:
    assert outside(path) == why
