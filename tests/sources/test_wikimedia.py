"""Wikimedia Commons: its order, its ways to go on, its errors with status 200, and its recorded answers."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fieldguide.errors import BadQuery, Blocked, FieldguideError, LayoutChanged, NetworkDown, RateLimited
from fieldguide.records.candidates import Candidate, Query
from fieldguide.sources.wikimedia import WikimediaSource
from sourcescript import SAMPLES, Script, Step, candidates_of, one_answer, search, walk

ADDRESS = "https://commons.wikimedia.org/w/api.php"
QUERY = Query("wikimedia", "kettle", "kettle")


def first(name: str) -> Script:
    return one_answer((SAMPLES / f"{name}.json").read_bytes())


def with_info(info: dict[str, object], **page: object) -> Script:
    pages = [{"pageid": 1, "title": "File:A.jpg", "index": 1, "imageinfo": [info], **page}]
    return one_answer(json.dumps({"batchcomplete": True, "query": {"pages": pages}}).encode())


def test_pages_come_in_the_order_of_the_search() -> None:
    page = search(WikimediaSource(), QUERY, first("wikimedia_1"))
    assert [candidate.item_id for candidate in page.candidates] == ["101", "102", "103"]
    assert page.candidates[0] == Candidate(
        url="https://upload.wikimedia.org/thumb/a/1280px-Kettle_1.jpg",
        item_id="101",
        page_url="https://commons.wikimedia.org/wiki/File:Kettle_1.jpg",
        title="Kettle 1.jpg",
        author="Ada & Bo",
        author_url="https://commons.wikimedia.org/wiki/User:Ada",
        licence="cc-by-4.0",
        licence_url="https://creativecommons.org/licenses/by/4.0",
        width=1280,
        height=960,
        extra={
            "mime": "image/jpeg",
            "sha1": "ab" * 20,
            "original": "https://upload.wikimedia.org/a/Kettle_1.jpg",
        },
    )


def test_a_page_told_of_later_is_counted_and_not_lost() -> None:
    page = search(WikimediaSource(), QUERY, first("wikimedia_1"))
    assert page.skipped == {"told_on_another_page": 1}
    assert json.loads(page.cursor) == {"continue": "||imageinfo", "iicontinue": "Kettle_5.jpg|2020"}
    following = search(WikimediaSource(), QUERY, first("wikimedia_2"), page.cursor)
    assert [candidate.item_id for candidate in following.candidates] == ["105"]


def test_a_cursor_changes_no_other_parameter() -> None:
    script = first("wikimedia_3")
    search(WikimediaSource(), QUERY, script, json.dumps({"continue": "x||", "gsrsearch": "other", "gsroffset": "50"}))
    params = dict(script.requests[0].params)
    assert (params["gsrsearch"], params["gsroffset"]) == ("filetype:bitmap kettle", "50")


@pytest.mark.parametrize(
    "following",
    [{"continue": "gsroffset||"}, {}, [], 7, {"gsroffset": 50}, {"continue": "gsroffset||", "gsroffset": 10}],
)
def test_a_way_to_go_on_that_leads_nowhere_is_refused(following: object) -> None:
    answer = {**json.loads((SAMPLES / "wikimedia_2.json").read_text()), "continue": following}
    cursor = json.dumps({"continue": "gsroffset||", "gsroffset": "50"})
    with pytest.raises(LayoutChanged, match="'continue'"):
        search(WikimediaSource(), QUERY, one_answer(json.dumps(answer).encode()), cursor)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("internal_api_error_DBQueryError", NetworkDown),
        ("blocked", Blocked),
        ("globalblocking-blockedtext-ip", Blocked),
        ("readapidenied", Blocked),
        ("toolong", BadQuery),
        ("badvalue", BadQuery),
        ("", LayoutChanged),
    ],
)
def test_errors_come_with_status_200(code: str, kind: type[FieldguideError]) -> None:
    body = json.dumps({"error": {"code": code, "info": "in its own words"}}).encode()
    with pytest.raises(kind) as caught:
        search(WikimediaSource(), QUERY, one_answer(body))
    assert not code or "in its own words" in caught.value.message


def test_how_long_to_wait_is_in_the_header_or_five_seconds_after_maxlag() -> None:
    for name, retry_after, seconds in [
        ("wikimedia_maxlag", "8", 8.0),
        ("wikimedia_maxlag", "", 5.0),
        ("wikimedia_ratelimited", "60", 60.0),
        ("wikimedia_ratelimited", "", 0.0),
    ]:
        with pytest.raises(RateLimited) as caught:
            search(
                WikimediaSource(), QUERY, one_answer((SAMPLES / f"{name}.json").read_bytes(), retry_after=retry_after)
            )
        assert caught.value.retry_after_s == seconds


def test_options_become_words_of_the_search() -> None:
    script = first("wikimedia_nothing")
    options = {"depicts": "Q42", "category": "Tea kettles", "width": "960"}
    search(WikimediaSource(), replace(QUERY, options=options), script)
    params = dict(script.requests[0].params)
    assert params["gsrsearch"] == 'filetype:bitmap kettle haswbstatement:P180=Q42 incategory:"Tea kettles"'
    assert params["iiurlwidth"] == "960"
    for wrong in ({"depicts": "kettle"}, {"category": 'a" b'}, {"width": "1000"}):
        with pytest.raises(BadQuery):
            search(WikimediaSource(), replace(QUERY, options=wrong), script)


def test_a_small_original_is_not_called_larger_than_it_is() -> None:
    info = {"url": "https://u.example.org/a.jpg", "thumburl": "https://u.example.org/1280px-a.jpg"}
    sizes = {"width": 803, "height": 1000, "thumbwidth": 1280, "thumbheight": 1594}
    (candidate,) = search(WikimediaSource(), QUERY, with_info({**info, **sizes})).candidates
    assert (candidate.width, candidate.height) == (803, 1000)


def test_a_page_without_anything_is_counted_where_the_batch_is_complete() -> None:
    bare = {"pageid": 2, "title": "File:B.jpg", "index": 2}
    answer = json.loads((SAMPLES / "wikimedia_3.json").read_text())
    answer["query"]["pages"].append(bare)
    page = search(WikimediaSource(), QUERY, one_answer(json.dumps(answer).encode()))
    assert (len(page.candidates), page.skipped) == (2, {"malformed": 1})


@pytest.mark.shared
class TestRecorded:
    def test_two_pages_to_the_end(self, shared: Path) -> None:
        folder = shared / "fixtures" / "wikimedia_commons"
        bodies = [(folder / f"modelled_generator_search_p{number}.json").read_bytes() for number in (1, 2)]
        steps = [Step(ADDRESS, lacks=("gsroffset",), sample=bodies[0]), Step(ADDRESS, ("gsroffset=20",), (), bodies[1])]
        pages = walk(WikimediaSource(), QUERY, Script(steps))
        candidates = candidates_of(pages)
        assert [len(page.candidates) for page in pages] == [20, 8]
        assert all(not page.skipped for page in pages)
        assert (candidates[0].item_id, candidates[0].licence) == ("18263872", "pd")
        assert candidates[0].licence_url == ""  # there is none for PD
        assert candidates[0].author == "The original uploader was Elvezio at Italian Wikipedia."
        assert candidates[0].author_url == "https://en.wikipedia.org/wiki/it:User:Elvezio"
        assert candidates[0].url.endswith("/1280px-Minchinmavida_Volcano.jpg")
        assert candidates[1].licence == "No restrictions"
        assert candidates[5].licence == "cc-by-sa-3.0-de"
        assert candidates[-1].title == "Stigbygel - Livrustkammaren - 61961-negative.tif"
        assert (candidates[-1].author, candidates[-1].extra["mime"]) == ("Unknown", "image/tiff")

    @pytest.mark.parametrize(
        ("name", "text", "address"),
        [
            ("div", "Jona Lendering", ""),
            ("link", "link text", "https://test.com/linkspot"),
            ("partial_link", "Jeff & Brian from Eastbourne", "https://www.flickr.com/people/16707908@N07"),
            ("string", "Artist Name", ""),
        ],
    )
    def test_an_artist_is_html(self, shared: Path, name: str, text: str, address: str) -> None:
        info = json.loads((shared / "fixtures" / "wikimedia_commons" / f"image_info_artist_{name}.json").read_text())
        (candidate,) = search(
            WikimediaSource(), QUERY, with_info({**info, "url": "https://u.example.org/a"})
        ).candidates
        assert (candidate.author, candidate.author_url) == (text, address)

    def test_the_same_pages_again_with_more_about_them(self, shared: Path) -> None:
        folder = shared / "fixtures" / "wikimedia_commons"
        counts, cursor = [], ""
        for number, key in ((1, "gucontinue"), (2, "gucontinue"), (3, "gaicontinue")):
            script = one_answer((folder / f"wmc_pretty{number}.json").read_bytes())
            page = search(WikimediaSource(), QUERY, script, cursor)
            cursor = page.cursor
            counts.append((len(page.candidates), dict(page.skipped)))
            assert key in json.loads(cursor)
        elsewhere = {"told_on_another_page": 9}
        assert counts == [(9, {}), (0, elsewhere), (0, elsewhere)]

    def test_pages_by_number_and_without_small_versions(self, shared: Path) -> None:
        body = (shared / "fixtures" / "wikimedia_commons" / "wmc_raw.json").read_bytes()
        page = search(WikimediaSource(), QUERY, one_answer(body))
        assert len(page.candidates) == 28
        assert all(candidate.width and "original" not in candidate.extra for candidate in page.candidates)

    def test_its_errors(self, shared: Path) -> None:
        for name in ("maxlag", "ratelimited"):
            body = (shared / "fixtures" / "wikimedia_commons" / f"modelled_error_{name}.json").read_bytes()
            with pytest.raises(RateLimited, match=name):
                search(WikimediaSource(), QUERY, one_answer(body))

    @pytest.mark.parametrize("name", ["response_small_no_continue", "response_small_missing_continue"])
    def test_pages_without_pictures_are_no_end(self, shared: Path, name: str) -> None:
        body = (shared / "fixtures" / "wikimedia_commons" / f"{name}.json").read_bytes()
        with pytest.raises(LayoutChanged):
            search(WikimediaSource(), QUERY, one_answer(body))

    def test_a_file_without_an_address_is_none(self, shared: Path) -> None:
        page = json.loads((shared / "fixtures/wikimedia_commons/image_data_missing_image_url.json").read_text())
        with pytest.raises(LayoutChanged, match="none of 1 results"):
            search(WikimediaSource(), QUERY, with_info(page["imageinfo"][0]))
