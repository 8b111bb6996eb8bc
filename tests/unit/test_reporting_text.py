"""Foreign text is made safe, and laid out by display width."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specbuild.reporting.text import (
    alike,
    clean,
    clock,
    count,
    duration,
    ellipsis,
    moment,
    ranges,
    shell_word,
    table,
    width,
)


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        ("plain text", "plain text"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;new title\x07after", "after"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPdevice\x1b\\x", "x"),
        ("\x9b2Jcleared \x9d0;t\x9cok", "cleared ok"),
        ("\x1b]0;never ends", ""),
        ("\x1b(Bcharset \x1bcreset \x1b", "charset reset "),
        ("one\ntwo\tthree\r\n", "one two three "),
        ("bell\x07 back\x08 del\x7f", "bell back del"),
        ("abc\u202egnp.exe\u2069", "abcgnp.exe"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("byte\udcff.js", "byte\\xff.js"),
        ("lone\ud800", "lone\ufffd"),
        ("日本語 é 👩\u200d💻", "日本語 é 👩\u200d💻"),
    ],
)
def test_what_steers_a_terminal_is_stripped_whole(given_: str, shown: str) -> None:
    assert clean(given_) == shown


def test_line_breaks_and_tabs_stay_where_lines_are_wanted() -> None:
    assert clean("a\tb\r\nc\rd\u2028e\x1b[1m\n", lines=True) == "a\tb\nc\nd\ne\n"


def test_an_unfinished_sequence_does_not_swallow_the_following_line() -> None:
    assert clean("\x1b]0;title\nkept", lines=True) == "\nkept"


@given(st.text(st.characters(categories=None), max_size=60))
def test_cleaned_text_holds_no_control_character_and_is_clean_again(text: str) -> None:
    shown = clean(text)
    assert not any(
        ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u202a\u202b\u202d\u202e\u2066\u2067" for c in shown
    )
    assert clean(shown) == shown
    shown.encode("utf-8")


def test_a_line_of_a_megabyte_is_cleaned_in_linear_time() -> None:
    assert clean("\x1b]" * 500_000) == ""
    assert clean("x" * 1_000_000 + "\x1b[") == "x" * 1_000_000


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0s"), (0.04, "0s"), (0.34, "0.3s"), (5, "5s"), (9.94, "9.9s"), (9.97, "10s"), (12.4, "12.4s"),
        (59.4, "59.4s"), (59.96, "1m 0s"), (104, "1m 44s"), (3599.7, "1h 00m"), (7500, "2h 05m"), (-3, "0s"),
    ],
)  # fmt: skip
def test_durations_read_as_a_person_says_them(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("given_", "rounded"),
    [
        ((11.46, 6.52), [11.5, 6.5]),
        ((131.4, 59.4), [131, 59]),
        ((7500, 1810.0), [7500, 1800]),
        ((0, 0), [0, 0]),
    ],
)
def test_lengths_that_are_subtracted_are_rounded_alike(
    given_: tuple[float, ...], rounded: list[float]
) -> None:
    assert alike(*given_) == rounded


def test_a_clock_shows_minutes_and_seconds() -> None:
    assert [clock(18), clock(75.9), clock(3723)] == ["00:18", "01:15", "1:02:03"]


def test_a_wild_time_is_said_to_be_unknown() -> None:
    assert moment(0) == "1970-01-01 00:00:00 UTC"
    assert moment(1e300) == "unknown time"


def test_counts_have_their_plural() -> None:
    assert [count(1, "task"), count(2, "task"), count(2, "retry", "retries")] == [
        "1 task",
        "2 tasks",
        "2 retries",
    ]


def test_width_counts_columns_and_not_characters() -> None:
    assert [width("abc"), width("日本"), width("e\u0301"), width("ｱ")] == [3, 4, 1, 1]


def test_an_ellipsis_never_cuts_a_wide_character_in_half() -> None:
    assert ellipsis("日本語", 5) == "日本…"
    assert ellipsis("日本語", 4) == "日…"
    assert ellipsis("short", 5) == "short"
    assert ellipsis("anything", 0) == ""


@given(st.text(max_size=40), st.integers(0, 30))
def test_an_ellipsis_keeps_within_its_columns(text: str, columns: int) -> None:
    assert width(ellipsis(text, columns)) <= columns


def test_a_table_aligns_its_columns_and_gives_way_where_it_is_widest() -> None:
    rows = [("T001", "Create user model in src/models/user.js", "12"), ("T010", "日本語", "3")]
    assert table(rows, header=("id", "title", "s"), numbers=[2]) == [
        "id    title                                     s",
        "T001  Create user model in src/models/user.js  12",
        "T010  日本語                                    3",
    ]
    assert table(rows, columns=24, numbers=[2]) == ["T001  Create user m…  12", "T010  日本語           3"]


@given(
    st.lists(st.lists(st.text(max_size=30), min_size=1, max_size=4), max_size=5),
    st.integers(1, 50),
)
def test_no_line_of_a_table_is_wider_than_it_may_be(rows: list[list[str]], columns: int) -> None:
    assert all(width(line) <= columns for line in table(rows, columns=columns))


@pytest.mark.parametrize("word", ["T001", "a b", "it's", "$HOME;`x`", "\x1b]0;t\x07", "tab\t\\", "日本", "!"])
def test_a_shell_gives_a_quoted_word_back(word: str) -> None:
    quoted = shell_word(word)
    assert clean(quoted) == quoted
    shown = subprocess.run(["bash", "-c", f"printf %s {quoted}"], capture_output=True, check=True)
    assert shown.stdout.decode() == word


def test_ranges_draw_neighbours_together() -> None:
    assert ranges(["T001", "T002", "T003", "T005", "T009", "T010"]) == "T001..T003, T005, T009..T010"
    assert ranges(["a", "T1", "1.1", "1.2", "T2"]) == "a, T1, 1.1..1.2, T2"
