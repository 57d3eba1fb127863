"""Flickr: what its licence numbers mean, sizes that are missing, errors with status 200, and its recorded answers."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from fieldguide.errors import BadQuery, FieldguideError, KeyNeeded, LayoutChanged, NetworkDown
from fieldguide.records.candidates import Candidate, Query
from fieldguide.sources.flickr import FlickrSource
from sourcescript import Script, Step, one_answer, search

ADDRESS = "https://api.flickr.com/services/rest/"
QUERY = Query("flickr", "kettle", "kettle")
LICENCES = Step(ADDRESS, ("method=flickr.photos.licenses.getInfo",), sample="flickr_licences")
FIRST = Step(ADDRESS, ("method=flickr.photos.search",), sample="flickr_1")
ENVIRON = {"FLICKR_API_KEY": "k3y"}


def page_of(*photos: object) -> Script:
    answer = {"photos": {"page": 1, "pages": 1, "total": len(photos), "photo": photos}, "stat": "ok"}
    return Script([LICENCES, replace(FIRST, sample=json.dumps(answer).encode())])


def test_a_photograph_becomes_a_candidate_with_the_licence_behind_its_number() -> None:
    page = search(FlickrSource(ENVIRON), QUERY, Script([LICENCES, FIRST]))
    assert page.candidates[0] == Candidate(
        url="https://live.staticflickr.com/1_o.jpg",
        item_id="1",
        page_url="https://www.flickr.com/photos/ada/1",
        thumb_url="https://live.staticflickr.com/1_m.jpg",
        title="Kettle 1",
        author="Ada",
        author_url="https://www.flickr.com/people/1%40N00",
        licence="CC BY 2.0",
        licence_url="https://creativecommons.org/licenses/by/2.0/",
        width=6000,
        height=4000,
        extra={"licence_number": "4"},
    )
    resized = page.candidates[1]
    assert (resized.licence, resized.extra["licence_number"], resized.width) == ("CC BY-SA 4.0", "40", 1024)
    assert (page.skipped, page.cursor) == ({"too_small": 1}, "2")


@pytest.mark.parametrize(
    ("licences", "numbers"), [("open", "4,9,40"), ("commercial", "4,9,40"), ("modify", "2,4,9,40"), ("any", None)]
)
def test_the_policy_is_asked_for_in_its_own_numbers(licences: str, numbers: str | None) -> None:
    script = Script([LICENCES, FIRST])
    search(FlickrSource(ENVIRON), replace(QUERY, licences=licences), script)  # type: ignore[arg-type]
    assert dict(script.requests[1].params).get("license") == numbers


def test_the_key_is_a_secret_parameter_of_every_question() -> None:
    script = Script([LICENCES, FIRST])
    search(FlickrSource(ENVIRON), QUERY, script)
    for request in script.requests:
        assert ("api_key", "k3y") in request.params
        assert request.secret_params == {"api_key"}


def test_a_misspelt_licence_is_not_silently_ignored() -> None:
    with pytest.raises(BadQuery):
        search(FlickrSource(ENVIRON), replace(QUERY, options={"licence": "4"}), Script([LICENCES, FIRST]))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (100, KeyNeeded),
        (96, KeyNeeded),
        (105, NetworkDown),
        (10, NetworkDown),
        (112, LayoutChanged),
        (3, BadQuery),
        (18, BadQuery),
        (None, LayoutChanged),
    ],
)
def test_errors_come_with_status_200(code: int | None, kind: type[FieldguideError]) -> None:
    answer = {"stat": "fail", "code": code, "message": "Invalid API Key (k3y)"}
    with pytest.raises(kind, match="Invalid API Key") as caught:
        search(FlickrSource(ENVIRON), QUERY, one_answer(json.dumps(answer).encode()))
    assert "k3y" not in caught.value.message


def test_a_search_ends_at_its_depth() -> None:
    answer = {
        "photos": {"pages": 999, "total": "99999", "photo": [{"id": "1", "owner": "a", "url_l": "https://a.b/c"}]}
    }
    script = Script([LICENCES, replace(FIRST, sample=json.dumps({**answer, "stat": "ok"}).encode())])
    assert search(FlickrSource(ENVIRON), QUERY, script, "15").cursor == "16"
    assert search(FlickrSource(ENVIRON), QUERY, script, "16").cursor == ""


def test_a_licence_that_flickr_does_not_explain_stays_a_number() -> None:
    script = page_of({"id": "1", "owner": "a", "license": "77", "url_s": "https://a.example.org/s.jpg"})
    (only,) = search(FlickrSource(ENVIRON), QUERY, script).candidates
    assert (only.licence, only.licence_url, only.is_thumb) == ("77", "", True)


@pytest.mark.shared
class TestRecorded:
    def test_a_whole_page(self, shared: Path) -> None:
        body = (shared / "fixtures" / "flickr" / "flickr_example_pretty.json").read_bytes()
        page = search(FlickrSource(ENVIRON), QUERY, Script([LICENCES, replace(FIRST, sample=body)]))
        assert (len(page.candidates), page.skipped, page.cursor) == (30, {}, "")
        assert {candidate.extra["licence_number"] for candidate in page.candidates} == {"1"}
        assert page.candidates[0].url == "https://live.staticflickr.com/65535/49514337848_bbdbb5f761_b.jpg"
        assert (page.candidates[0].width, page.candidates[0].height) == (660, 1024)
        assert page.candidates[-1].item_id == "49514799266"
        sizes = Counter(candidate.url.rpartition("_")[2] == "b.jpg" for candidate in page.candidates)
        assert sizes == {True: 28, False: 2}  # no original, and two without the large one

    @pytest.mark.parametrize(
        ("name", "end", "width"),
        [
            ("complete_example", "_b.jpg", 1024),
            ("with_large_url_available", "_b.jpg", 1024),
            ("with_med_url_available", "/456.jpg", 500),
            ("with_small_url_available", "_m.jpg", 240),
        ],
    )
    def test_the_largest_that_there_is(self, shared: Path, name: str, end: str, width: int) -> None:
        photo = json.loads((shared / "fixtures" / "flickr" / f"image_data_{name}.json").read_text())
        (only,) = search(FlickrSource(ENVIRON), QUERY, page_of(photo)).candidates
        assert only.url.endswith(end)
        assert (only.width, only.is_thumb) == (width, width == 240)

    def test_only_a_stamp(self, shared: Path) -> None:
        photo = json.loads((shared / "fixtures" / "flickr" / "image_data_no_image_url.json").read_text())
        assert search(FlickrSource(ENVIRON), QUERY, page_of(photo)).skipped == {"too_small": 1}
