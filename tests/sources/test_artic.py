"""The Art Institute of Chicago: its colours, who asks, and its recorded answers."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fieldguide.errors import LayoutChanged
from fieldguide.records.candidates import Candidate, Query
from fieldguide.sources.artic import ArticSource
from sourcescript import SAMPLES, Script, Step, candidates_of, one_answer, search, walk

ADDRESS = "https://api.artic.edu/api/v1/artworks/search"
QUERY = Query("artic", "kettle", "kettle")


def sample(name: str) -> Script:
    return one_answer((SAMPLES / f"{name}.json").read_bytes())


def test_a_work_becomes_a_candidate_with_its_colour() -> None:
    assert search(ArticSource(), QUERY, sample("artic_1")).candidates == (
        Candidate(
            url="https://www.artic.edu/iiif/2/aaaa-1/full/843,/0/default.jpg",
            item_id="1",
            page_url="https://www.artic.edu/artworks/1",
            title="Kettle 1",
            author="Ada",
            licence="CC0",
            licence_url="https://creativecommons.org/publicdomain/zero/1.0/",
            width=843,
            height=600,
            extra={
                "h": 30,
                "s": 40,
                "l": 50,
                "percentage": 0.1,
                "population": 9,
                "colorfulness": 12.5,
                "lqip": "data:image/gif;base64,R0lG",
            },
        ),
    )


def test_a_work_without_colour_that_is_not_free() -> None:
    (only,) = search(ArticSource(), replace(QUERY, licences="any"), sample("artic_2"), "2").candidates
    assert (only.licence, only.licence_url) == ("not in the public domain", "")
    assert set(only.extra) == {"colorfulness", "lqip"}


def test_it_says_who_asks_on_one_line() -> None:
    script = sample("artic_nothing")
    search(ArticSource(), replace(QUERY, contact="ada@example.org\r\nX-Other: 1 ☕"), script)
    search(ArticSource(), QUERY, script)
    agents = [request.headers["AIC-User-Agent"] for request in script.requests]
    assert agents == ["fieldguide (ada@example.orgX-Other: 1 )", "fieldguide"]


def test_its_warning_is_told_beforehand() -> None:
    assert "challenges programs" in ArticSource().facts.about


@pytest.mark.shared
class TestRecorded:
    def test_two_pages_to_the_end(self, shared: Path) -> None:
        folder = shared / "fixtures" / "artic"
        bodies = [(folder / f"modelled_search_page{number}.json").read_bytes() for number in (1, 2)]
        steps = [Step(ADDRESS, (f"page={number}",), sample=body) for number, body in enumerate(bodies, 1)]
        pages = walk(ArticSource(), QUERY, Script(steps))
        candidates = candidates_of(pages)
        assert [len(page.candidates) for page in pages] == [19, 11]
        assert [dict(page.skipped) for page in pages] == [{"no_image": 1}, {"no_image": 2}]
        assert sum(candidate.licence == "CC0" for candidate in candidates) == 22
        assert (
            candidates[0].url
            == "https://www.artic.edu/iiif/2/00000000-2509-5e8e-2c43-22f9981972eb/full/843,/0/default.jpg"
        )
        assert (candidates[0].title, candidates[0].author, candidates[0].width, candidates[0].height) == (
            "Work 0",
            json.loads(bodies[0])["data"][0]["artist_title"],
            843,
            810,
        )
        assert {name: candidates[1].extra[name] for name in ("h", "s", "l")} == {"h": 29, "s": 26, "l": 27}
        assert candidates[-1].item_id == "16599"

    @pytest.mark.parametrize("name", ["artworks_search_q_monet", "artworks_limit_2", "images_search"])
    def test_answers_without_the_fields_asked_for(self, shared: Path, name: str) -> None:
        body = (shared / "fixtures" / "artic" / f"documented_{name}.json").read_bytes()
        assert json.loads(body)["data"]
        with pytest.raises(LayoutChanged, match="could be read"):
            search(ArticSource(), QUERY, one_answer(body))
