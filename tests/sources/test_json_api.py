"""Reading answers without trust: every value has a reading, whatever a server sends."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldguide.errors import BadQuery, FieldguideError, KeyNeeded, LayoutChanged, RateLimited
from fieldguide.records.candidates import Answer, Ask, Candidate, Query, ResultPage, SourceFacts
from fieldguide.sources.json_api import MALFORMED, NO_IMAGE, Json, JsonSource, Reply, TaxonSource, fit_size, wait_s
from nested import nested
from sourcescript import answered, one_answer, search


class X(JsonSource):
    """A source with a key."""

    name = "x"
    facts = SourceFacts("a source", "https://example.org/terms", licence_fields=True, key="X_KEY")

    async def read_page(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        reply = await self.fetch(ask, "https://example.org/")
        return reply.page([Candidate(f"https://example.org/{item.text()}") for item in reply.listed("items")])


JSON = nested(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.text(max_size=3))
HEADERS = st.dictionaries(st.sampled_from(["retry-after", "date", "content-type"]), st.text(max_size=40), max_size=3)


@given(value=JSON)
def test_every_value_has_a_reading(value: object) -> None:
    text = Json(value).text()
    assert text.encode("utf-8").decode() == text
    assert not set(text) & set("\n\r\t\0\x7f")
    assert 0 <= Json(value).whole() <= 2**53
    assert Json(value).number() is None or json.loads(json.dumps(Json(value).number())) == Json(value).number()
    assert Json(value).link() == "" or Json(value).link().startswith(("http://", "https://"))
    assert Json(value).at("a", 0, "b").value is None or isinstance(value, dict)


@given(body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()), status=st.integers(100, 599))
def test_every_answer_is_an_object_or_a_typed_error(body: bytes, status: int) -> None:
    try:
        assert isinstance(X({}).read(answered(body, status)).value, dict)
    except FieldguideError as error:
        assert error.message.startswith("x ")
        assert error.hint


@given(headers=HEADERS, body=st.binary(max_size=100))
def test_every_wait_is_between_none_and_a_week(headers: dict[str, str], body: bytes) -> None:
    assert 0 <= wait_s(answered(body, 429, **headers)) <= 7 * 24 * 3600


@given(value=st.text(max_size=200))
def test_every_html_is_a_text_and_a_link(value: str) -> None:
    text, address = Json(value).html()
    assert "\n" not in text
    assert address == "" or address.startswith("http")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" a\n\tb\0c ", "a b c"),
        ("\ud800x", "x"),
        (12, "12"),
        (10**30, ""),
        (True, ""),
        (1.5, ""),
        (None, ""),
        (["a"], ""),
        ("x" * 9000, "x" * 2000),
    ],
)
def test_a_text_is_one_line_that_can_be_kept(value: object, text: str) -> None:
    assert Json({"a": [value]}).text("a", 0) == text


@pytest.mark.parametrize(
    ("value", "number"),
    [("12", 12), (12, 12), (12.0, 12), (-1, 0), (1.5, 0), (True, 0), ("²", 0), ("1e3", 0), ("9" * 5000, 0), (2**60, 0)],
)
def test_a_whole_number_is_none_or_sensible(value: object, number: int) -> None:
    assert Json(value).whole() == number


@pytest.mark.parametrize(
    ("value", "link"),
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
def test_a_link_is_absolute_and_of_the_web(value: object, link: str) -> None:
    assert Json(value).link() == link


@pytest.mark.parametrize(
    ("value", "text_and_link"),
    [
        ("Ada", ("Ada", "")),
        ("Ada &amp; Bo", ("Ada & Bo", "")),
        ("by <b>Ada</b>, <i>Bo</i>.<br>London", ("by Ada, Bo. London", "")),
        ('<p>Ada</p><p><a href="//example.org/ada">site</a></p>', ("Ada site", "https://example.org/ada")),
        ('<a href="javascript:x">Ada</a>', ("Ada", "")),
        ("<<<", ("<<<", "")),
    ],
)
def test_html_is_read_as_a_person_reads_it(value: str, text_and_link: tuple[str, str]) -> None:
    assert Json(value).html() == text_and_link


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "120"}, 120.0),
        ({"retry_after": "999999999"}, 604800.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:30:00 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 120.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:30:00 GMT"}, 0.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.0),
        ({"retry_after": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
def test_how_long_to_wait_is_in_a_header(headers: dict[str, str], seconds: float) -> None:
    assert wait_s(answered(b"", 429, **headers)) == seconds


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
    assert X({}).server_message(answered(value, 400)) == "the words"
    assert X({"X_KEY": "words"}).server_message(answered(value, 400)) == "the (key)"


def test_a_web_page_has_no_words_of_its_own() -> None:
    assert X({}).server_message(answered(b"<html><body>Error</body></html>", 500)) == ""


def test_a_list_that_is_missing_is_named() -> None:
    assert reply({"a": {"b": [1]}}).listed("a", "b") == [Json(1)]
    with pytest.raises(LayoutChanged, match=r"there is no list 'a\.b'"):
        reply({"a": {"b": None}}).listed("a", "b")
    with pytest.raises(LayoutChanged, match=r"there is no number 'a\.c'"):
        reply({"a": {"c": "1"}}).count("a", "c")


def test_a_picture_fits_and_is_never_enlarged() -> None:
    assert fit_size(4000, 3000, 1024) == (1024, 768)
    assert fit_size(300, 200, 1024) == (300, 200)
    assert fit_size(9000, 1, 1024) == (1024, 1)
    assert fit_size(0, 5, 1024) == (0, 0)


@pytest.mark.parametrize(
    "cursor",
    [
        '{"taxon": 1}',
        '{"taxon": 1, "place": 0, "c": 2}',
        '{"taxon": -1, "place": 0}',
        '{"taxon": "1", "place": 0}',
        "7",
        "null",
    ],
)
def test_the_cursor_of_a_taxon_holds_two_numbers(cursor: str) -> None:
    class Taxa(TaxonSource):
        name, facts = "x", X.facts
        taxon_key, place_key = "taxon_id", "place"

        async def find_taxon(self, query: Query, ask: Ask) -> tuple[int, Reply]:
            raise AssertionError("a cursor names the taxon")

        async def read_taxon(self, query: Query, taxon: int, place: int, ask: Ask) -> ResultPage:
            return ResultPage((), self.taxon_cursor(taxon, place), answered({}))

    query, script = Query("x", "a", "a"), one_answer(b"{}")
    assert search(Taxa({}), query, script, '{"taxon": 1, "place": 0}').cursor == '{"taxon": 1, "place": 0}'
    with pytest.raises(BadQuery):
        search(Taxa({}), query, script, cursor)


def reply(value: object, answer: Answer | None = None) -> Reply:
    return Reply(value, answer or answered(value), "x")


def test_a_page_of_items_that_are_counted_has_an_end() -> None:
    items = [Json(1), Json(2)]
    assert [reply({}).next_offset(items, offset, 6) for offset in (0, 2, 4)] == ["2", "4", ""]
    assert reply({}).next_offset([], 6, 6) == ""
    with pytest.raises(LayoutChanged, match="counts 6 results and shows none"):
        reply({}).next_offset([], 4, 6)


def test_a_refused_key_is_named_and_never_shown() -> None:
    for environ, words in ({"X_KEY": "s3cret"}, "does not accept the key"), ({}, "asks for a key"):
        with pytest.raises(KeyNeeded, match=words) as caught:
            X(environ).read(answered({"detail": "bad key s3cret"}, 401))
        assert "X_KEY" in caught.value.hint
        assert ("s3cret" in caught.value.message) is not bool(environ)


def test_a_page_counts_what_held_no_picture_and_never_hides_that_nothing_could_be_read() -> None:
    picture, answer = Candidate("https://example.org/a.jpg"), answered({})
    page = reply({}, answer).page([picture, NO_IMAGE, MALFORMED, NO_IMAGE], "2")
    assert (page.candidates, page.cursor, page.skipped) == ((picture,), "2", {NO_IMAGE: 2, MALFORMED: 1})
    assert page.answer is answer
    assert reply({}).page([NO_IMAGE]).skipped == {NO_IMAGE: 1}
    assert reply({}).page([NO_IMAGE, MALFORMED, NO_IMAGE]).skipped == {NO_IMAGE: 2, MALFORMED: 1}
    with pytest.raises(LayoutChanged, match="none of 2 results"):
        reply({}).page([NO_IMAGE, MALFORMED])


def test_a_wait_is_said_to_a_person() -> None:
    with pytest.raises(RateLimited, match="x asks to wait 30 seconds"):
        X({}).read(answered({}, 429, retry_after="30"))
    with pytest.raises(RateLimited, match="x asks to wait a while"):
        X({}).read(answered({}, 429))
