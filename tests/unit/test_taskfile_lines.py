"""Which lines hold boxes, and what hides them."""

import pytest

from specbuild.errors import TaskFileError
from specbuild.taskfile.lines import scan


def rests(text: str) -> list[str]:
    """What follows each box that was found."""
    return [line.box.rest for line in scan(text.encode(), "t.md").lines if line.box]


def codes(text: str) -> list[tuple[int, str]]:
    return [(warning.line, warning.code) for warning in scan(text.encode(), "t.md").warnings]


@pytest.mark.parametrize("bullet", ["-", "*", "+", "1.", "12)"])
def test_any_list_item_may_have_a_box(bullet: str) -> None:
    assert rests(f"{bullet} [ ] T001 a\n") == ["T001 a"]


@pytest.mark.parametrize("state", ["x", "X", " x", "x "])
def test_only_an_x_is_a_tick(state: str) -> None:
    (line,) = scan(f"- [{state}] T001 a".encode(), "t.md").lines
    assert line.box is not None
    assert line.box.ticked


@pytest.mark.parametrize("state", ["", " ", "  ", "-", "~", "✅", "⚠️", "/", "?", "d"])
def test_everything_else_is_no_tick(state: str) -> None:
    (line,) = scan(f"- [{state}] T001 a".encode(), "t.md").lines
    assert line.box is not None
    assert not line.box.ticked


@pytest.mark.parametrize(
    "line",
    [
        "- [P] tasks = different files",
        "- [P] T011-T014 can run in parallel",
        "- [Story] T001",
        "- [x](https://example.org)",
        "- [link](a.md)",
        "- [React] + [TypeScript] x",
        "[ ] T001 a",
        "text - [ ] T001 a",
        "> - [ ] T001 a",
        "| - [ ] T001 | a |",
        "-[ ] T001 a",
    ],
)
def test_what_only_looks_like_a_box_is_none(line: str) -> None:
    assert rests(f"{line}\n") == []


def test_an_optional_box_has_a_star() -> None:
    lines = scan(b"- [ ]* 1.1 a\n- [x]\\* 1.2 b\n- [ ] 1.3 c\n", "t.md").lines
    assert [line.box.optional for line in lines if line.box] == [True, True, False]


def test_a_fence_hides_boxes() -> None:
    assert rests("```\n- [ ] T001 a\n```\n- [ ] T002 b\n~~~ md\n- [ ] T003 c\n~~~\n") == ["T002 b"]


def test_a_longer_fence_holds_a_shorter_one() -> None:
    assert rests("````md\n```\n- [ ] T001 a\n```\n````\n- [ ] T002 b\n") == ["T002 b"]


def test_a_comment_hides_boxes() -> None:
    text = "<!--\n- [ ] T001 a\n-->\n- [ ] T002 b <!-- note\n- [ ] T003 c -->\n- [ ] T004 d\n<!-- x -->\n- [ ] T005 e\n"
    assert rests(text) == ["T002 b <!-- note", "T004 d", "T005 e"]


def test_a_comment_in_code_is_none() -> None:
    assert rests("- [ ] T001 a `<!--`\n- [ ] T002 b\n") == ["T001 a `<!--`", "T002 b"]


def test_front_matter_hides_boxes() -> None:
    assert rests("---\ntasks:\n- [ ] T001 a\n---\n- [ ] T002 b\n") == ["T002 b"]


def test_a_rule_at_the_top_is_no_front_matter() -> None:
    assert rests("---\n# Tasks\n- [ ] T001 a\n---\n- [ ] T002 b\n") == ["T001 a", "T002 b"]


def test_a_fence_that_nothing_closes_hides_nothing() -> None:
    text = "- [ ] T001 a\n```bash\necho\n\n## Next\n- [ ] T002 b\n"
    assert rests(text) == ["T001 a", "T002 b"]
    assert codes(text) == [(2, "unclosed-fence")]


def test_an_unclosed_fence_before_others_hides_nothing() -> None:
    text = "```bash\necho\n## Next\n- [ ] T001 a\n```python\nprint()\n```\n- [ ] T002 b\n"
    assert rests(text) == ["T001 a", "T002 b"]
    assert codes(text) == [(1, "unclosed-fence")]


def test_bare_fences_are_paired_again_where_one_is_missing() -> None:
    text = "```\necho\n\n## A\n- [ ] T001 a\n```\ncode\n```\n- [ ] T002 b\n"
    assert rests(text) == ["T001 a", "T002 b"]
    assert codes(text) == [(1, "unclosed-fence")]


def test_an_item_ends_the_fence_in_it() -> None:
    text = "- [ ] T001 a\n  ```sh\n  echo\n- [ ] T002 b\n"
    assert rests(text) == ["T001 a", "T002 b"]
    assert codes(text) == [(2, "unclosed-fence")]


def test_a_comment_that_nothing_closes_hides_nothing() -> None:
    text = "- [ ] T001 a\n<!-- note\n- [ ] T002 b\n"
    assert rests(text) == ["T001 a", "T002 b"]
    assert codes(text) == [(2, "unclosed-comment")]


def test_code_by_indent_is_said_to_look_like_a_task() -> None:
    text = "# Tasks\n\n    - [ ] T001 a\n"
    assert rests(text) == []
    assert codes(text) == [(3, "indented-code")]


def test_a_line_knows_the_item_above_it() -> None:
    lines = scan(b"- a\n  - b\n\n    c\n  d\ne\n- f\n", "t.md").lines
    assert [line.parent for line in lines] == [-1, 0, 1, 0, -1, -1]


def test_tabs_indent_by_four() -> None:
    lines = scan(b"- a\n\t- b\n\t\t- c\n", "t.md").lines
    assert [(line.indent, line.parent) for line in lines] == [(0, -1), (4, 0), (8, 1)]


def test_an_underlined_line_is_a_heading() -> None:
    lines = scan(b"Phase 1: Setup\n---\n\nTitle\n=====\n- a\n---\n", "t.md").lines
    assert [(line.kind, line.level) for line in lines if line.kind == "heading"] == [
        ("heading", 2),
        ("heading", 1),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_whatever_ends_them(end: str) -> None:
    text = f"# A{end}{end}{end}- [ ] T001 a{end}   {end}- [ ] T002 b"
    assert [(line.number, line.blanks) for line in scan(text.encode(), "t.md").lines] == [
        (1, 0),
        (4, 2),
        (6, 1),
    ]


def test_a_byte_order_mark_is_no_text() -> None:
    (line,) = scan(b"\xef\xbb\xbf- [ ] T001 a", "t.md").lines
    assert line.box is not None
    assert line.box.start == 6


def test_a_byte_that_is_no_text_is_named() -> None:
    with pytest.raises(TaskFileError, match="byte 13 .0xff. is not UTF-8") as caught:
        scan(b"# Tasks\n- [ ]\xff", "specs/a/tasks.md")
    assert caught.value.where == "specs/a/tasks.md:2"


def test_the_offset_counts_a_byte_order_mark() -> None:
    with pytest.raises(TaskFileError, match="byte 4 "):
        scan(b"\xef\xbb\xbfa\xff", "t.md")
