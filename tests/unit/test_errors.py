"""How errors are told that were found in one look."""

import pytest

from specbuild.errors import Problems, UsageError, raise_all


@pytest.mark.parametrize(
    ("count", "lines", "last"),
    [(2, 2, "file:1"), (50, 50, "file:49"), (51, 51, "and 1 more"), (2050, 51, "and 2,000 more")],
)
def test_of_very_many_the_first_are_shown_and_how_many_more_there_are(
    count: int, lines: int, last: str
) -> None:
    with pytest.raises(Problems) as caught:
        raise_all([UsageError("wrong", where=f"file:{number}") for number in range(count)])
    shown = str(caught.value).splitlines()
    assert len(shown) == lines
    assert shown[-1].startswith(last)
    assert len(caught.value.errors) == count


def test_one_is_told_as_itself_and_none_not_at_all() -> None:
    raise_all([])
    with pytest.raises(UsageError):
        raise_all([UsageError("wrong")])
