"""SearXNG: one's own instance, engines that stay silent, and its modelled answer."""

from dataclasses import replace
from pathlib import Path

import pytest

from fieldguide.errors import BadQuery, Blocked
from fieldguide.records.candidates import Candidate, Query
from fieldguide.sources.searxng import SearxngSource
from sourcescript import SAMPLES, Script, one_answer, search

QUERY = Query("searxng", "kettle", "kettle", {"base_url": "http://127.0.0.1:8888"})


def sample(name: str) -> Script:
    return one_answer((SAMPLES / f"{name}.json").read_bytes())


def test_a_result_becomes_a_candidate_without_a_licence() -> None:
    script = sample("searxng_1")
    page = search(SearxngSource(), QUERY, script)
    picture, resized, thumbnail = page.candidates
    assert picture == Candidate(
        url="https://big.example.org/1.jpg",
        page_url="https://site.example.org/1",
        thumb_url="https://small.example.org/1.jpg",
        title="Kettle 1",
        author="Ada",
        width=1200,
        height=900,
        extra={"engine": "examples"},
    )
    assert (resized.url, resized.width, resized.height) == ("https://big.example.org/2.jpg", 800, 600)
    assert (thumbnail.url, thumbnail.is_thumb, thumbnail.width) == ("https://small.example.org/3.jpg", True, 0)
    assert script.requests[0].url == "http://127.0.0.1:8888/search"
    assert page.skipped == {"unresponsive: slow images": 1}


@pytest.mark.parametrize(
    "base_url",
    ["", "search.example.org", "ftp://search.example.org", "https://a:b@example.org", "https://example.org/?q=1"],
)
def test_the_address_of_an_instance_is_needed(base_url: str) -> None:
    script = sample("searxng_1")
    with pytest.raises(BadQuery) as caught:
        search(SearxngSource(), replace(QUERY, options={"base_url": base_url} if base_url else {}), script)
    assert "base_url =" in caught.value.hint
    assert not script.requests


def test_nothing_from_silent_engines_is_not_nothing_found() -> None:
    with pytest.raises(Blocked, match="slow images, shy images"):
        search(SearxngSource(), QUERY, sample("searxng_silent"))
    page = search(SearxngSource(), QUERY, sample("searxng_silent"), "2")
    assert (page.candidates, page.cursor) == ((), "")
    assert page.skipped == {"unresponsive: slow images": 1, "unresponsive: shy images": 1}


def test_an_instance_without_json_says_what_to_do() -> None:
    with pytest.raises(Blocked) as caught:
        search(SearxngSource(), QUERY, one_answer(b"<html>Forbidden</html>", 403))
    assert "search.formats" in caught.value.hint


def test_a_search_ends_after_twenty_pages() -> None:
    assert search(SearxngSource(), QUERY, sample("searxng_1"), "19").cursor == "20"
    assert search(SearxngSource(), QUERY, sample("searxng_1"), "20").cursor == ""


@pytest.mark.shared
def test_a_modelled_page(shared: Path) -> None:
    body = (shared / "fixtures" / "searxng" / "modelled_search_images.json").read_bytes()
    page = search(SearxngSource(), QUERY, one_answer(body))
    assert (len(page.candidates), page.cursor) == (20, "2")
    assert page.skipped == {"unresponsive: google images": 1, "unresponsive: duckduckgo images": 1}
    assert page.candidates[0].url == "https://media0.example.test/photos/00000/orig-0.jpg"
    assert (page.candidates[-1].title, page.candidates[-1].width) == ("red panda 19", 1200)
