"""Reading answers without trust: every value has a reading, whatever a server sends."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldguide.errors import BadQuery, FieldguideError, LayoutChanged, RateLimited
from fieldguide.records.candidates import Candidate, Query
from fieldguide.sources.answers import (
    MALFORMED,
    NO_IMAGE,
    Asked,
    check_options,
    cursor_fields,
    cursor_number,
    dig,
    entries,
    fit,
    html_text,
    link,
    make_page,
    number,
    read_object,
    server_words,
    shorten,
    text,
    wait_s,
    whole,
)
from nested import nested
from sourcescript import answered

JSON = nested(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.text(max_size=3))
HEADERS = st.dictionaries(st.sampled_from(["retry-after", "date", "content-type"]), st.text(max_size=40), max_size=3)


@given(value=JSON)
def test_every_value_has_a_reading(value: object) -> None:
    read = text(value)
    assert read.encode("utf-8").decode() == read
    assert not set(read) & set("\n\r\t\0\x7f")
    assert 0 <= whole(value) <= 2**53
    assert number(value) is None or json.loads(json.dumps(number(value))) == number(value)
    assert link(value) == "" or link(value).startswith(("http://", "https://"))
    assert dig(value, "a", 0, "b") is None or isinstance(value, dict)


@given(body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()), status=st.integers(100, 599))
def test_every_answer_is_an_object_or_a_typed_error(body: bytes, status: int) -> None:
    try:
        assert isinstance(read_object(Asked("x"), answered(body, status)), dict)
    except FieldguideError as error:
        assert error.message.startswith("x ")
        assert error.hint


@given(headers=HEADERS, body=st.binary(max_size=100))
def test_every_wait_is_between_none_and_a_week(headers: dict[str, str], body: bytes) -> None:
    assert 0 <= wait_s(answered(body, 429, **headers)) <= 7 * 24 * 3600


@given(value=st.text(max_size=200))
def test_every_html_is_a_text_and_a_link(value: str) -> None:
    read, address = html_text(value)
    assert "\n" not in read
    assert address == "" or address.startswith("http")


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (" a\n\tb\0c ", "a b c"),
        ("\ud800x", "?x"),
        (12, "12"),
        (10**30, ""),
        (True, ""),
        (1.5, ""),
        (None, ""),
        (["a"], ""),
        ("x" * 9000, "x" * 2000),
    ],
)
def test_a_text_is_one_line_that_can_be_kept(value: object, read: str) -> None:
    assert text({"a": [value]}, "a", 0) == read


@pytest.mark.parametrize(
    ("value", "read"),
    [("12", 12), (12, 12), (12.0, 12), (-1, 0), (1.5, 0), (True, 0), ("²", 0), ("1e3", 0), ("9" * 5000, 0), (2**60, 0)],
)
def test_a_whole_number_is_none_or_sensible(value: object, read: int) -> None:
    assert whole(value) == read


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("//example.org/a.jpg", "https://example.org/a.jpg"),
        (" https://example.org/a b.jpg ", "https://example.org/a b.jpg"),
        ("http://example.org/ä?x=1#y", "http://example.org/ä?x=1#y"),
        ("data:image/png;base64,AAAA", ""),
        ("javascript:alert(1)", ""),
        ("file:///etc/passwd", ""),
        ("/a.jpg", ""),
        ("https://", ""),
        ("https://[::1", ""),
        ("https://example.org:port/", ""),
        ("https://example.org/\r\nHost: other", ""),
        ("https://example.org/" + "a" * 5000, ""),
        (None, ""),
    ],
)
def test_a_link_is_absolute_and_of_the_web(value: object, read: str) -> None:
    assert link(value) == read


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("Ada", ("Ada", "")),
        ("Ada &amp; Bo", ("Ada & Bo", "")),
        ("by <b>Ada</b>, <i>Bo</i>.<br>London", ("by Ada, Bo. London", "")),
        ('<p>Ada</p><p><a href="//example.org/ada">site</a></p>', ("Ada site", "https://example.org/ada")),
        ('<a href="javascript:x">Ada</a>', ("Ada", "")),
        ("<<<", ("<<<", "")),
    ],
)
def test_html_is_read_as_a_person_reads_it(value: str, read: tuple[str, str]) -> None:
    assert html_text(value) == read


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({"retry_after": "120"}, 120.0),
        ({"retry_after": "99999999999"}, 604800.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:30:00 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 120.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:30:00 GMT"}, 0.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.0),
        ({"retry_after": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
def test_how_long_to_wait_is_in_a_header(said: dict[str, str], seconds: float) -> None:
    assert wait_s(answered(b"", 429, **said)) == seconds


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Request was throttled. Expected available in 1 second.", 1.0),
        ("try again in 2 minutes", 120.0),
        ("Wait 1 hour", 3600.0),
        ("at most 100 requests per day", 0.0),
    ],
)
def test_how_long_to_wait_is_in_its_words(words: str, seconds: float) -> None:
    assert wait_s(answered({"detail": words}, 429)) == seconds
    assert wait_s(answered(words.encode(), 429)) == seconds


@pytest.mark.parametrize(
    "value",
    [
        {"detail": "the words"},
        {"message": "the words"},
        {"error": "the words"},
        {"error": {"info": "the words"}},
        {"errors": ["the words"]},
        b"the words",
    ],
)
def test_a_servers_own_words_without_a_secret(value: object) -> None:
    assert server_words(answered(value, 400)) == "the words"
    assert server_words(answered(value, 400), "words") == "the (key)"


def test_a_web_page_has_no_words_of_its_own() -> None:
    assert server_words(answered(b"<html><body>Error</body></html>", 500)) == ""


def test_a_list_that_is_missing_is_named() -> None:
    assert entries("x", {"a": {"b": [1]}}, "a", "b") == [1]
    with pytest.raises(LayoutChanged, match=r"there is no list 'a\.b'"):
        entries("x", {"a": {"b": None}}, "a", "b")


def test_a_picture_fits_and_is_never_enlarged() -> None:
    assert fit(4000, 3000, 1024) == (1024, 768)
    assert fit(300, 200, 1024) == (300, 200)
    assert fit(9000, 1, 1024) == (1024, 1)
    assert fit(0, 5, 1024) == (0, 0)


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
    assert cursor_fields("x", '{"a": 1, "b": 0}', ("a", "b")) == {"a": 1, "b": 0}
    for wrong in ('{"a": 1}', '{"a": 1, "b": 0, "c": 2}', '{"a": -1, "b": 0}', '{"a": "1", "b": 0}', "7", "null"):
        with pytest.raises(BadQuery):
            cursor_fields("x", wrong, ("a", "b"))


def test_a_page_counts_what_held_no_picture_and_never_hides_that_nothing_could_be_read() -> None:
    one, answer = Candidate("https://example.org/a.jpg"), answered({})
    page = make_page("x", [one, NO_IMAGE, MALFORMED, NO_IMAGE], "2", answer)
    assert (page.candidates, page.cursor, page.skipped) == ((one,), "2", {NO_IMAGE: 2, MALFORMED: 1})
    assert make_page("x", [NO_IMAGE], "", answer).skipped == {NO_IMAGE: 1}
    assert make_page("x", [NO_IMAGE, MALFORMED, NO_IMAGE], "", answer).skipped == {NO_IMAGE: 2, MALFORMED: 1}
    with pytest.raises(LayoutChanged, match="none of 2 results"):
        make_page("x", [NO_IMAGE, MALFORMED], "", answer)


def test_a_wait_is_said_to_a_person() -> None:
    with pytest.raises(RateLimited, match="x asks to wait 30 seconds"):
        read_object(Asked("x"), answered({}, 429, retry_after="30"))
    with pytest.raises(RateLimited, match="x asks to wait a while"):
        read_object(Asked("x"), answered({}, 429))


def test_a_long_text_is_cut_for_a_message() -> None:
    assert shorten("a" * 60) == "a" * 60
    assert shorten("a" * 61) == "a" * 59 + "…"
