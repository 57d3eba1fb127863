"""The Cleveland Museum of Art: its candidates, its sizes, and its recorded answers."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fieldguide.errors import BadQuery, LayoutChanged
from fieldguide.records.candidates import Candidate, Query
from fieldguide.sources.cleveland import ClevelandSource
from sourcescript import SAMPLES, one_answer, search

QUERY = Query("cleveland", "kettle", "kettle")


def test_a_work_becomes_a_candidate() -> None:
    page = search(ClevelandSource(), QUERY, one_answer((SAMPLES / "cleveland_1.json").read_bytes()))
    assert page.candidates == (
        Candidate(
            url="https://openaccess-cdn.clevelandart.org/1_web.jpg",
            item_id="1",
            page_url="https://clevelandart.org/art/1",
            thumb_url="https://openaccess-cdn.clevelandart.org/1_web.jpg",
            title="Kettle 1",
            author="Ada (British, 1815-1852)",
            licence="CC0",
            attribution="Kettle 1. Ada.",
            width=900,
            height=600,
        ),
    )
    assert page.cursor == "2"


def test_the_larger_picture_is_an_option() -> None:
    script = one_answer((SAMPLES / "cleveland_1.json").read_bytes())
    query = replace(QUERY, options={"picture": "print", "type": "Painting"})
    assert search(ClevelandSource(), query, script).candidates[0].width == 3400
    assert ("type", "Painting") in script.requests[0].params
    assert "picture" not in dict(script.requests[0].params)
    with pytest.raises(BadQuery, match="'full'"):
        search(ClevelandSource(), replace(QUERY, options={"picture": "full"}), script)


@pytest.mark.shared
class TestRecorded:
    def test_one_work_of_many(self, shared: Path) -> None:
        body = (shared / "fixtures" / "clevelandmuseum" / "response_success.json").read_bytes()
        page = search(ClevelandSource(), QUERY, one_answer(body), "30000")
        (only,) = page.candidates
        assert only.url == "https://openaccess-cdn.clevelandart.org/1916.586.a/1916.586.a_web.jpg"
        assert (only.title, only.licence, only.author) == ("Scent Bottle", "CC0", "")
        assert (only.width, only.height, page.cursor) == (641, 900, "30001")

    def test_the_end_and_a_false_end(self, shared: Path) -> None:
        script = one_answer((shared / "fixtures" / "clevelandmuseum" / "response_no_data.json").read_bytes())
        page = search(ClevelandSource(), QUERY, script, "33000")
        assert (page.candidates, page.cursor) == ((), "")
        with pytest.raises(LayoutChanged, match="counts 32483 results and shows none"):
            search(ClevelandSource(), QUERY, script, "100")

    def test_a_whole_record(self, shared: Path) -> None:
        work = json.loads((shared / "fixtures" / "clevelandmuseum" / "complete_data.json").read_text())
        body = json.dumps({"info": {"total": 1}, "data": [work]}).encode()
        (only,) = search(ClevelandSource(), QUERY, one_answer(body)).candidates
        assert only.author == "Thomas Cole (American, 1801-1848)"
        assert only.page_url == "https://clevelandart.org/art/1335.1917"
        assert (only.width, only.height) == (1263, 775)
