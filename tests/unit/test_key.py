"""The one canonical encoding of what keys are made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specbuild.engine.key import definition, digest


@given(st.text())
def test_a_definition_is_a_digest_like_any_other(text: str) -> None:
    assert definition(text) == digest("definition 1", text)


@pytest.mark.parametrize("parts", [("a", "b"), ("ab",), ("ab", ""), ("", "ab"), ("1:a", "b"), ()])
def test_no_two_sequences_encode_alike(parts: tuple[str, ...]) -> None:
    others = [("a", "b"), ("ab",), ("ab", ""), ("", "ab"), ("1:a", "b"), ()]
    assert [other for other in others if digest(*other) == digest(*parts)] == [parts]


def test_bytes_that_are_no_utf8_have_a_digest() -> None:
    assert len(definition("\udcff")) == 20
