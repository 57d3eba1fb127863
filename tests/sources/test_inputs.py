"""What reaches a source from outside: options, cursors, texts and addresses, checked and cleaned."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldguide.errors import BadQuery
from fieldguide.records.candidates import Query
from fieldguide.sources.inputs import absolute_url, check_options, clean_text, cursor_number, shorten, url_fault


def test_an_option_without_a_near_one_lists_them_all() -> None:
    with pytest.raises(BadQuery) as caught:
        check_options(Query("x", "a", "a", {"zzz": "1"}), ("size", "colour"))
    assert caught.value.hint == "it knows colour, size"
    check_options(Query("x", "a", "a", {"size": "1"}), ("size",))


def test_cursors_hold_numbers_only() -> None:
    assert cursor_number("x", "", 1) == 1
    assert cursor_number("x", "7", 1) == 7
    with pytest.raises(BadQuery):
        cursor_number("x", "0", 1)


def test_a_long_text_is_cut_for_a_message() -> None:
    assert shorten("a" * 60) == "a" * 60
    assert shorten("a" * 61) == "a" * 59 + "…"


@given(value=st.none() | st.booleans() | st.integers() | st.floats() | st.text(), base=st.text(max_size=20))
def test_every_value_is_a_text_and_every_text_an_address_or_a_fault(value: object, base: str) -> None:
    text = clean_text(value, 20)
    assert len(text) <= 20
    assert text.encode("utf-8").decode() == text
    url = absolute_url(str(value), base)
    assert url_fault(url) or url.startswith(("http://", "https://"))
