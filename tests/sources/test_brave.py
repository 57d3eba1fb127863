"""Brave: its key, its one page, and its modelled answer."""

import json
from pathlib import Path

import pytest

from fieldguide.errors import BadQuery, KeyNeeded, LayoutChanged
from fieldguide.records.candidates import Candidate, Query
from fieldguide.sources.brave import BraveSource
from sourcescript import SAMPLES, one_answer, search

QUERY = Query("brave", "kettle", "kettle")
ENVIRON = {"BRAVE_API_KEY": "k3y"}


def test_a_result_becomes_a_candidate_without_a_licence() -> None:
    script = one_answer((SAMPLES / "brave_1.json").read_bytes())
    picture, thumbnail = search(BraveSource(ENVIRON), QUERY, script).candidates
    assert picture == Candidate(
        url="https://big.example.org/1.jpg",
        page_url="https://site.example.org/1",
        thumb_url="https://small.example.org/1",
        title="Kettle 1",
        width=1200,
        height=900,
    )
    assert (thumbnail.url, thumbnail.is_thumb, thumbnail.width) == ("https://small.example.org/2", True, 500)
    assert script.requests[0].headers == {"X-Subscription-Token": "k3y"}
    assert "k3y" not in repr(script.requests[0].params)


@pytest.mark.parametrize("status", [401, 403, 422])
def test_a_wrong_key_is_told_in_several_ways(status: int) -> None:
    body = b'{"type": "ErrorResponse", "error": {"detail": "The provided subscription token is invalid: k3y"}}'
    with pytest.raises(KeyNeeded, match="token is invalid") as caught:
        search(BraveSource(ENVIRON), QUERY, one_answer(body, status))
    assert "BRAVE_API_KEY" in caught.value.hint
    assert "k3y" not in caught.value.message


def test_there_is_no_second_page() -> None:
    with pytest.raises(BadQuery, match="only one page"):
        search(BraveSource(ENVIRON), QUERY, one_answer(b"{}"), "1")


@pytest.mark.parametrize("answer", [{}, {"type": "images"}, {"type": "web", "query": {"original": "kettle"}}])
def test_no_results_without_its_sign_of_nothing_found(answer: dict[str, object]) -> None:
    with pytest.raises(LayoutChanged, match="no results"):
        search(BraveSource(ENVIRON), QUERY, one_answer(json.dumps({**answer, "results": []}).encode()))


@pytest.mark.shared
def test_a_modelled_page(shared: Path) -> None:
    body = (shared / "fixtures" / "brave" / "modelled_images_search.json").read_bytes()
    page = search(BraveSource(ENVIRON), QUERY, one_answer(body))
    assert (len(page.candidates), page.skipped, page.cursor) == (50, {}, "")
    assert page.candidates[0].url == "https://media0.example.test/photos/00000/orig-0.jpg"
    assert page.candidates[-1].page_url == "https://site0.example.test/article/49?utm_source=x&id=49"
    assert {(candidate.width, candidate.height) for candidate in page.candidates} >= {(1200, 900)}
