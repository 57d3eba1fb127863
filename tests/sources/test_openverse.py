"""Openverse: limits with and without a token, where a search ends, related pictures, and its recorded answers."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fieldguide.errors import BadQuery, Blocked, KeyNeeded, LayoutChanged, RateLimited
from fieldguide.records.candidates import Candidate, Query
from fieldguide.sources.openverse import OpenverseSource
from sourcescript import Script, Step, candidates_of, one_answer, run, search, walk

ADDRESS = "https://api.openverse.org/v1/images/"
QUERY = Query("openverse", "kettle", "kettle")


def test_a_candidate_holds_what_openverse_says() -> None:
    page = search(OpenverseSource({}), QUERY, Script([Step(ADDRESS, sample="openverse_1")]))
    assert page.candidates[0] == Candidate(
        url="https://media.example.org/0.jpg",
        item_id="pic-0",
        page_url="https://photos.example.org/0",
        thumb_url="https://api.openverse.org/v1/images/pic-0/thumb/",
        title="Kettle 0",
        author="Ada",
        licence="by-sa 4.0",
        licence_url="https://creativecommons.org/licenses/by-sa/4.0/",
        attribution="Kettle 0 by Ada",
        width=640,
        height=480,
        similar_url="https://api.openverse.org/v1/images/pic-0/related/",
        extra={"source": "examples"},
    )


@pytest.mark.parametrize(
    ("licences", "expected"),
    [
        ("open", {"license": "by,by-sa,cc0,pdm"}),
        ("commercial", {"license_type": "commercial"}),
        ("modify", {"license_type": "modification"}),
        ("any", {}),
    ],
)
def test_the_policy_is_asked_for(licences: str, expected: dict[str, str]) -> None:
    script = Script([Step(ADDRESS, sample="openverse_nothing")])
    search(OpenverseSource({}), replace(QUERY, licences=licences), script)  # type: ignore[arg-type]
    assert {name: value for name, value in script.requests[0].params if "license" in name} == expected


def test_options_go_through_and_a_licence_among_them_outweighs_the_policy() -> None:
    script = Script([Step(ADDRESS, sample="openverse_nothing")])
    search(OpenverseSource({}), replace(QUERY, options={"license": "cc0", "source": "met"}), script)
    assert {("license", "cc0"), ("source", "met")} <= set(script.requests[0].params)
    assert "license_type" not in dict(script.requests[0].params)


def test_a_token_is_a_header_and_raises_the_page_size() -> None:
    script = Script([Step(ADDRESS, ("page_size=100",), sample="openverse_nothing")])
    source = OpenverseSource({"FIELDGUIDE_OPENVERSE_TOKEN": "t0ken"})
    page = search(source, QUERY, script)
    assert script.requests[0].headers == {"Authorization": "Bearer t0ken"}
    assert (source.facts.page_size, source.facts.per_query) == (100, 2000)
    assert OpenverseSource.facts.page_size == 20
    assert "t0ken" not in repr((page, source, source.facts))


def test_a_wrong_token_names_its_variable() -> None:
    source = OpenverseSource({"FIELDGUIDE_OPENVERSE_TOKEN": "t0ken"})
    with pytest.raises(KeyNeeded) as caught:
        search(source, QUERY, one_answer(b'{"detail": "Invalid token t0ken."}', 401))
    assert "FIELDGUIDE_OPENVERSE_TOKEN" in caught.value.hint
    assert "t0ken" not in caught.value.message
    with pytest.raises(Blocked):
        search(OpenverseSource({}), QUERY, one_answer(b'{"detail": "no"}', 403))
    with pytest.raises(KeyNeeded, match="asks for a key: too many a page"):
        search(OpenverseSource({}), QUERY, one_answer(b'{"detail": "too many a page"}', 401))


def endless(results: int, total: int) -> bytes:
    items = [{"id": f"{n}", "url": f"https://media.example.org/{n}.jpg"} for n in range(results)]
    return json.dumps({"result_count": total, "page_count": 20, "page_size": 20, "results": items}).encode()


def test_without_a_token_a_search_ends_at_240_whatever_is_counted() -> None:
    source, script = OpenverseSource({}), one_answer(endless(20, 9000))
    assert search(source, QUERY, script, "11").cursor == "12"
    assert search(source, QUERY, script, "12").cursor == ""


def test_a_search_goes_on_past_its_count_until_a_page_is_not_full() -> None:
    source = OpenverseSource({})
    assert search(source, QUERY, one_answer(endless(20, 5)), "1").cursor == "2"
    assert search(source, QUERY, one_answer(endless(7, 9000)), "1").cursor == "2"  # dead links are left out
    assert search(source, QUERY, one_answer(endless(7, 7)), "1").cursor == ""
    assert search(source, QUERY, one_answer(endless(0, 240)), "3").cursor == ""


def test_an_empty_first_page_that_counts_some_is_no_end() -> None:
    with pytest.raises(LayoutChanged, match="counts 240 results and shows none"):
        search(OpenverseSource({}), QUERY, one_answer(endless(0, 240)))


def test_a_page_past_the_last_is_the_end() -> None:
    script = one_answer(b'{"detail": "Invalid page."}', 404)
    page = search(OpenverseSource({}), QUERY, script, "4")
    assert (page.candidates, page.cursor) == ((), "")
    with pytest.raises(LayoutChanged):
        search(OpenverseSource({}), QUERY, script)


def test_related_pictures_come_from_its_own_address_only() -> None:
    source = OpenverseSource({})
    candidate = search(source, QUERY, Script([Step(ADDRESS, sample="openverse_1")])).candidates[0]
    script = Script([Step(candidate.similar_url, sample="openverse_related")])
    page = run(source.similar(QUERY, candidate, "", script))
    assert [candidate.item_id for candidate in page.candidates] == ["pic-30", "pic-31"]
    assert page.cursor == ""
    for url in ("", "https://evil.example.org/related/", candidate.similar_url.replace("https", "http")):
        with pytest.raises(BadQuery):
            run(source.similar(QUERY, replace(candidate, similar_url=url), "", script))
    with pytest.raises(LayoutChanged):
        run(source.similar(QUERY, candidate, "", one_answer(b'{"results": [], "result_count": 4}')))
    assert len(script.requests) == 1


@pytest.mark.shared
class TestRecorded:
    def read(self, shared: Path, name: str, cursor: str = "") -> "list[Candidate]":
        body = (shared / "fixtures" / "openverse" / name).read_bytes()
        return list(search(OpenverseSource({}), QUERY, one_answer(body), cursor).candidates)

    def test_three_pages_to_the_end(self, shared: Path) -> None:
        folder = shared / "fixtures" / "openverse"
        pages = [(folder / f"modelled_page{number}.json").read_bytes() for number in (1, 2, 3)]
        script = Script([Step(ADDRESS, (f"page={number}",), sample=body) for number, body in enumerate(pages, 1)])
        candidates = candidates_of(walk(OpenverseSource({}), QUERY, script))
        assert len(candidates) == 45
        assert candidates[0].url == "https://media0.example.test/o/0.jpg"
        assert (candidates[0].licence, candidates[0].width) == ("by 4.0", 0)
        assert (candidates[-1].title, candidates[-1].licence) == ("red panda 44", "cc0 1.0")
        assert (candidates[-1].width, candidates[-1].height) == (1024, 768)
        assert candidates[-1].licence_url == "https://creativecommons.org/publicdomain/zero/1.0/"

    def test_a_count_that_arithmetic_would_overrun(self, shared: Path) -> None:
        body = (shared / "fixtures" / "openverse" / "recorded_2022-09-07_q=cat_page2_first6.json").read_bytes()
        page = search(OpenverseSource({}), QUERY, one_answer(body), "2")
        assert (len(page.candidates), page.cursor) == (6, "3")
        assert page.candidates[0].author == "cheesechoker"
        assert page.candidates[0].url == "https://live.staticflickr.com/51/169329862_b3b297c7a9_b.jpg"
        assert page.candidates[0].similar_url == ""  # of another host
        assert page.candidates[-1].licence == "by-nc-sa 2.0"
        empty = {**json.loads(body), "results": [], "page": 13}
        assert search(OpenverseSource({}), QUERY, one_answer(json.dumps(empty).encode()), "3").cursor == ""

    def test_an_old_licence_address_stays_as_it_is(self, shared: Path) -> None:
        last = self.read(shared, "recorded_2022-03-28_q=galah_first4.json")[-1]
        assert last.licence == "by-nc-nd 2.0"
        assert last.licence_url == "https://creativecommons.org/licenses/by-nd-nc/2.0/jp/"

    def test_one_result_and_none(self, shared: Path) -> None:
        (only,) = self.read(shared, "documented_200_single.json")
        assert (only.title, only.author, only.width, only.height) == ("Tree Bark Photo", "Tim Sullivan", 6016, 4016)
        assert only.attribution.startswith('"Tree Bark Photo" by Tim Sullivan')
        assert self.read(shared, "recorded_2024-01-02_noresults.json") == []

    def test_the_wait_is_only_in_the_text(self, shared: Path) -> None:
        recording = json.loads((shared / "fixtures" / "openverse" / "recorded_2023-07-10_429.json").read_text())
        script = Script(
            [Step(ADDRESS, sample=json.dumps(recording["body"]).encode(), status=429, headers=recording["headers"])]
        )
        with pytest.raises(RateLimited) as caught:
            search(OpenverseSource({}), QUERY, script)
        assert caught.value.retry_after_s == 3600.0

    def test_its_own_words_for_a_bad_query(self, shared: Path) -> None:
        body = (shared / "fixtures" / "openverse" / "documented_400.json").read_bytes()
        with pytest.raises(BadQuery, match="License 'PDMNBCG' does not exist"):
            search(OpenverseSource({}), QUERY, one_answer(body, 400))

    def test_a_recorded_challenge(self, shared: Path) -> None:
        folder = shared / "fixtures" / "antibot"
        headers = json.loads((folder / "modelled_cloudflare_challenge.headers.json").read_text())
        body = (folder / "modelled_cloudflare_challenge.html").read_bytes()
        for page in (body, b""):
            step = Step(ADDRESS, sample=page, status=headers.pop("status", 403), headers=headers)
            with pytest.raises(Blocked):
                search(OpenverseSource({}), QUERY, Script([step]))
