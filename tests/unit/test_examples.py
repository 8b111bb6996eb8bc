"""The runner of the documents' examples notices what it should."""

import pytest
from examples import Command, Example, File, examples, mismatch

DOCUMENT = """\
# Title

<!-- file: a/tasks.md -->
````markdown
- [ ] T001 x
  ```sh
  true
  ```
````

<!-- run: git init -->
```console
$ echo one \\
> two
one two
$ true
```

```sh
$ not run
```
"""


def test_files_hidden_commands_and_sessions_come_in_order() -> None:
    assert list(examples(DOCUMENT)) == [
        File("a/tasks.md", "- [ ] T001 x\n  ```sh\n  true\n  ```\n", 4),
        Command("git init", None, 11),
        Command("echo one \\\ntwo", ("one two",), 13),
        Command("true", (), 16),
    ]


@pytest.mark.parametrize(
    "document", ["```console\n$ x\n", "```console\noutput\n```\n", "<!-- file: x -->\nprose\n```\n```\n"]
)
def test_a_document_that_is_malformed_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match="line"):
        list[Example](examples(document))


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ((), ""),
        ((), "\n"),
        (("a",), "a\n"),
        (("a", ""), "a  \n"),
        (("…",), ""),
        (("…",), "a\nb\n"),
        (("a", "…", "d"), "a\nb\nc\nd\n"),
        (("a", "…", "b"), "a\nb\n"),
        (("T001…stale…",), "T001  Create (x)  stale\n"),
        (("refs/x/…",), "refs/x/1.2+3\n"),
    ],
)
def test_what_is_printed_fits(expected: tuple[str, ...], printed: str) -> None:
    assert mismatch(expected, printed) is None


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ((), "a\n"),
        (("a",), ""),
        (("a",), "b\n"),
        (("a",), "a\nb\n"),
        (("a.c",), "abc\n"),
        (("a…c",), "a\nc\n"),
        (("a", "…"), "b\na\n"),
    ],
)
def test_what_is_printed_does_not_fit(expected: tuple[str, ...], printed: str) -> None:
    assert "the document says" in (mismatch(expected, printed) or "")
