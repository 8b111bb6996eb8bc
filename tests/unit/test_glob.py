"""Path patterns, one rule of the language each."""

import pytest

from specbuild.engine.glob import fixed_folder, is_glob, matcher


@pytest.fixture(autouse=True)
def _forgetful() -> None:
    """A pattern that another test used is translated again, so that a mutant of the translation is seen."""
    matcher.cache_clear()


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("a.py", "a.py"),
        ("./a.py", "a.py"),
        ("*", "a.py"),
        ("*.py", ".py"),
        ("src/*.py", "src/a.py"),
        ("a?c", "abc"),
        ("a?c", "a\nc"),
        ("**", "a/b/c"),
        ("**", "a\nb/c"),
        ("**/a.py", "a.py"),
        ("**/a.py", "x/y/a.py"),
        ("src/**/a.py", "src/a.py"),
        ("src/**/a.py", "src/x/y/a.py"),
        ("src/**", "src/x/y"),
        ("src/**.py", "src/x/y.py"),
        ("x**/a", "xy/a"),
        ("src/", "src/a.py"),
        ("src/", "src/x/a.py"),
        ("a[bc]d", "abd"),
        ("a[bc]d", "acd"),
        ("a[b-d]e", "ace"),
        ("a[!b]c", "axc"),
        ("a[^b]c", "axc"),
        ("a[]]c", "a]c"),
        ("a[[]c", "a[c"),
        ("a[\\]c", "a\\c"),
        ("[ab][cd]e", "ade"),
        ("a[Xb]c", "aXc"),
        ("a[!b]c", "a!c"),
        ("a[b", "a[b"),
        ("a[]", "a[]"),
        ("[a]*b", "axxb"),
        ("{a,b}.py", "a.py"),
        ("{a,b}.py", "b.py"),
        ("{a,{b,c}d}e", "cde"),
        ("{a,b}{c,d}", "bd"),
        ("{*.py,x/**}", "x/y/z"),
        ("{**/b,c}", "a/b"),
        ("a{b", "a{b"),
        ("a}b", "a}b"),
        ("}{a,b}", "}b"),
        ("a,b", "a,b"),
        ("{a}b,c", "ab,c"),
        ("{a,b}?", "bx"),
        ("**/*.py", "x/a.py"),
        ("a.b+c(d)$", "a.b+c(d)$"),
        ("{{a,b}", "a"),
    ],
)
def test_a_pattern_matches(pattern: str, path: str) -> None:
    assert matcher(pattern)(path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("a.py", "axpy"),
        ("a.py", "x/a.py"),
        ("a.py", "a.py\n"),
        ("a.py", "a.pyc"),
        ("*", "a/b"),
        ("src/*.py", "src/x/a.py"),
        ("a?c", "a/c"),
        ("a?c", "ac"),
        ("**/a.py", "xa.py"),
        ("src/**/a.py", "src/xa.py"),
        ("src/**/a.py", "srca.py"),
        ("x**/a", "xa"),
        ("x**/a", "y/xy/a"),
        ("src/", "src"),
        ("src/", "srcs/a"),
        ("a[bc]d", "abcd"),
        ("a[bc]d", "aed"),
        ("a[!b]c", "abc"),
        ("a[!b]c", "a/c"),
        ("a[!b]c", "a!"),
        ("a[^b]c", "abc"),
        ("a[+-9]c", "a/c"),
        ("a[b!]c", "axc"),
        ("{a,b}.py", "c.py"),
        ("{a,b}.py", "a,b.py"),
        ("{a,b}", "ab"),
        ("{a}b,c", "ab"),
        ("{a,{b,c}d}e", "ade"),
        ("a{b", "ab"),
        ("[ab]c", "ac.d"),
        ("a[\\]c", "aXc"),
        ("a[[]c", "aXc"),
    ],
)
def test_a_pattern_does_not_match(pattern: str, path: str) -> None:
    assert not matcher(pattern)(path)


@pytest.mark.parametrize("text", ["a*", "a?", "a[b]", "a{b,c}", "**"])
def test_a_word_with_a_wildcard_is_a_pattern(text: str) -> None:
    assert is_glob(text)


@pytest.mark.parametrize("text", ["a", "a/b.py", "a]b}", "a!b"])
def test_a_word_without_a_wildcard_is_a_path(text: str) -> None:
    assert not is_glob(text)


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [
        ("src/x/*.py", "src/x/"),
        ("src/x*/a", "src/"),
        ("*.py", ""),
        ("a?", ""),
        ("a/b/c", "a/b/"),
        ("a/b/", "a/b/"),
        ("abc", ""),
        ("a/{b,c}/d", "a/"),
    ],
)
def test_all_matches_lie_below_the_fixed_folder(pattern: str, folder: str) -> None:
    assert fixed_folder(pattern) == folder
