"""The Met: one question for each work, all views of it, its guard, and its recorded answers."""

from dataclasses import replace
from pathlib import Path

import pytest

from fieldguide.errors import BadQuery, Blocked, LayoutChanged
from fieldguide.records.candidates import Candidate, Query
from fieldguide.sources.met import MetSource
from sourcescript import Script, Step, one_answer, search

ADDRESS = "https://collectionapi.metmuseum.org/public/collection/v1"
QUERY = Query("met", "kettle", "kettle")


def of(sample: str | bytes, status: int = 200) -> Script:
    steps = [Step(f"{ADDRESS}/search", sample=b'{"total": 1, "objectIDs": [2]}')]
    return Script([*steps, Step(f"{ADDRESS}/objects/2", sample=sample, status=status)])


def test_a_work_becomes_a_candidate() -> None:
    assert search(MetSource(), QUERY, of("met_object")).candidates == (
        Candidate(
            url="https://images.metmuseum.org/web-large/1.jpg",
            item_id="1",
            page_url="https://www.metmuseum.org/art/collection/search/1",
            thumb_url="https://images.metmuseum.org/web-large/1.jpg",
            title="Kettle 1",
            author="Ada",
            author_url="https://www.wikidata.org/wiki/Q7259",
            licence="CC0",
            licence_url="https://creativecommons.org/publicdomain/zero/1.0/",
            attribution="Gift of Bo",
            extra={"group": "met:1"},
        ),
    )


def test_all_views_of_a_work_are_one_group() -> None:
    candidates = search(MetSource(), QUERY, of("met_object_views")).candidates
    assert [candidate.item_id for candidate in candidates] == ["2", "2-1", "2-2"]
    assert {candidate.extra["group"] for candidate in candidates} == {"met:2"}


def test_originals_are_an_option() -> None:
    query = replace(QUERY, options={"picture": "original", "department_id": "6"})
    script = of("met_object")
    assert search(MetSource(), query, script).candidates[0].url == "https://images.metmuseum.org/original/1.jpg"
    assert ("departmentId", "6") in script.requests[0].params
    with pytest.raises(BadQuery):
        search(MetSource(), replace(QUERY, options={"picture": "huge"}), script)


def test_the_list_is_asked_for_again_with_each_page() -> None:
    works = [Step(f"{ADDRESS}/objects/{number}", sample="met_object") for number in (21, 22)]
    script = Script([Step(f"{ADDRESS}/search", sample="met_search"), *works])
    page = search(MetSource(), QUERY, script, "20")
    assert [request.url.rpartition("/")[2] for request in script.requests] == ["search", "21", "22"]
    assert page.cursor == ""


def test_a_closed_work_and_one_that_is_gone_are_counted() -> None:
    assert search(MetSource(), QUERY, of("met_object_closed")).skipped == {"no_image": 1}
    assert search(MetSource(), QUERY, of(b"{}", 404)).skipped == {"gone": 1}


@pytest.mark.shared
class TestRecorded:
    def read(self, shared: Path, name: str) -> bytes:
        return (shared / "fixtures" / "met" / f"{name}.json").read_bytes()

    def test_a_search_of_three(self, shared: Path) -> None:
        steps = [Step(f"{ADDRESS}/search", sample=self.read(shared, "modelled_search"))]
        steps.append(Step(f"{ADDRESS}/objects/1027", sample=b"{}", status=404))
        steps.append(Step(f"{ADDRESS}/objects/45734", sample=self.read(shared, "sample_response")))
        last = self.read(shared, "sample_response_without_additional")
        steps.append(Step(f"{ADDRESS}/objects/436535", sample=last))
        page = search(MetSource(), QUERY, Script(steps))
        assert [candidate.url.rpartition("/")[2] for candidate in page.candidates] == [
            "DP251139.jpg",
            "DP251138.jpg",
            "DP251120.jpg",
            "79_2_414b_S1_sf.jpg",
        ]
        assert page.candidates[0].url == "https://images.metmuseum.org/CRDImages/as/web-large/DP251139.jpg"
        assert (page.candidates[0].title, page.candidates[0].author) == ("Quail and Millet", "Kiyohara Yukinobu")
        assert page.candidates[-1].page_url == "https://www.metmuseum.org/art/collection/search/47533"
        assert (page.skipped, page.cursor) == ({"gone": 1}, "")

    def test_nothing_found_is_null(self, shared: Path) -> None:
        body = self.read(shared, "modelled_search_empty_null")
        assert search(MetSource(), QUERY, one_answer(body)).candidates == ()
        with pytest.raises(LayoutChanged):
            search(MetSource(), QUERY, one_answer(body.replace(b"0", b"3")))

    @pytest.mark.parametrize("status", [200, 403])
    def test_its_guard(self, shared: Path, status: int) -> None:
        body = (shared / "fixtures" / "antibot" / "recorded_incapsula_met_issue18.html").read_bytes()
        with pytest.raises(Blocked, match="challenge"):
            search(MetSource(), QUERY, of(body, status))
