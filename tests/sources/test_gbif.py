"""GBIF: names that match, whose licence counts, where a search ends, and its recorded answers."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from fieldguide.errors import BadQuery, LayoutChanged
from fieldguide.records.candidates import Candidate, Query
from fieldguide.sources.gbif import GbifSource
from sourcescript import Script, Step, candidates_of, one_answer, run, search, walk

ADDRESS = "https://api.gbif.org/v1"
QUERY = Query("gbif", "sparrow", "Passer domesticus")
MATCH = Step(f"{ADDRESS}/species/match", sample="gbif_match")
FIRST = Step(f"{ADDRESS}/occurrence/search", ("offset=0",), sample="gbif_1")
SECOND = Step(f"{ADDRESS}/occurrence/search", ("offset=300",), sample="gbif_2")


def test_a_pictures_licence_overrides_the_records() -> None:
    page = search(GbifSource(), QUERY, Script([MATCH, FIRST]))
    assert [candidate.licence for candidate in page.candidates] == [
        "All rights reserved",
        "http://creativecommons.org/licenses/by/4.0/legalcode",
    ]
    assert [bool(candidate.licence_url) for candidate in page.candidates] == [False, True]
    (last,) = search(GbifSource(), QUERY, Script([SECOND]), page.cursor).candidates
    assert last == Candidate(
        url="https://birds.example.org/4.jpg",
        item_id="4:https://birds.example.org/4.jpg",
        page_url="https://www.gbif.org/occurrence/4",
        title="A sparrow",
        author="Bo",
        licence="http://creativecommons.org/publicdomain/zero/1.0/",
        licence_url="http://creativecommons.org/publicdomain/zero/1.0/",
        extra={"group": "gbif:4", "taxon": "Passer domesticus L.", "taxon_key": 9},
    )


@pytest.mark.parametrize(("pictures", "counts"), [("CC BY-NC 4.0", "CC BY-NC 4.0"), ("unknown", "CC0"), ("", "CC0")])
def test_the_most_specific_licence_that_says_anything_counts(pictures: str, counts: str) -> None:
    medium = {"type": "StillImage", "identifier": "https://a.example/1.jpg", "license": pictures}
    record = {"key": 1, "license": "CC0", "media": [medium]}
    body = json.dumps({"results": [record], "endOfRecords": True, "count": 1, "limit": 300}).encode()
    page = search(GbifSource(), QUERY, one_answer(body), json.dumps({"taxon": 9, "offset": 0}))
    assert [candidate.licence for candidate in page.candidates] == [counts]


def test_a_synonym_is_searched_under_its_accepted_name() -> None:
    script = Script([MATCH, FIRST])
    search(GbifSource(), QUERY, script)
    assert ("taxonKey", "9") in script.requests[1].params


def test_a_name_matched_only_to_its_genus_is_refused() -> None:
    script = Script([replace(MATCH, sample="gbif_higher")])
    with pytest.raises(BadQuery, match="only 'Passer Brisson, 1760'"):
        search(GbifSource(), QUERY, script)


def test_a_taxon_by_its_number_is_not_looked_up() -> None:
    script = Script([FIRST])
    search(GbifSource(), replace(QUERY, options={"taxon_key": "77", "country": "DK"}), script)
    assert {("taxonKey", "77"), ("country", "DK")} <= set(script.requests[0].params)
    with pytest.raises(BadQuery):
        search(GbifSource(), replace(QUERY, options={"taxon_key": "x"}), script)


@pytest.mark.parametrize(
    ("licences", "values"),
    [("commercial", ["CC0_1_0", "CC_BY_4_0"]), ("modify", ["CC0_1_0", "CC_BY_4_0", "CC_BY_NC_4_0"]), ("any", [])],
)
def test_the_policy_is_asked_for(licences: str, values: list[str]) -> None:
    script = Script([MATCH, FIRST])
    search(GbifSource(), replace(QUERY, licences=licences), script)  # type: ignore[arg-type]
    assert [value for name, value in script.requests[1].params if name == "license"] == values


def test_a_search_ends_at_its_depth() -> None:
    body = json.dumps({"limit": 300, "endOfRecords": False, "count": 10**6, "results": [{"key": 1, "media": []}]})
    for offset, more in ((99_300, True), (99_600, False)):
        page = search(GbifSource(), QUERY, one_answer(body.encode()), json.dumps({"taxon": 9, "offset": offset}))
        assert bool(page.cursor) is more


def test_the_same_taxon_is_similar() -> None:
    source = GbifSource()
    candidate = search(source, QUERY, Script([MATCH, FIRST])).candidates[0]
    script = Script([FIRST, SECOND])
    page = run(source.similar(QUERY, candidate, "", script))
    assert len(page.candidates) == 2
    assert len(run(source.similar(QUERY, candidate, page.cursor, script)).candidates) == 1
    with pytest.raises(BadQuery):
        run(source.similar(QUERY, replace(candidate, extra={}), "", script))


@pytest.mark.shared
class TestRecorded:
    def test_two_pages_to_the_end(self, shared: Path) -> None:
        folder = shared / "fixtures" / "gbif"
        bodies = [(folder / f"occurrence_search_taxonKey3329049_p{number}.json").read_bytes() for number in (0, 1)]
        match = replace(MATCH, sample=(folder / "species_match.json").read_bytes())
        asks = Step(f"{ADDRESS}/occurrence/search", ("taxonKey=9206251",))
        steps = [
            match,
            replace(asks, has=("offset=0",), sample=bodies[0]),
            replace(asks, has=("offset=20",), sample=bodies[1]),
        ]
        pages = walk(GbifSource(), QUERY, Script(steps))
        candidates = candidates_of(pages)
        kinds = Counter(candidate.licence for candidate in candidates)
        assert kinds == {"http://creativecommons.org/licenses/by/4.0/": 46, "All rights reserved": 3}
        assert [dict(page.skipped) for page in pages] == [{}, {"no_image": 4}]
        assert candidates[0].url == "https://arter.dk/media/747389ab-7915-4a92-8ae8-b1b2010dcb62.jpg"
        assert (candidates[0].author, candidates[0].title) == ("Karina Nielsen", "Amanita muscaria (L.) Hook.")
        assert candidates[0].extra["group"] == candidates[1].extra["group"] == "gbif:4909740830"
        assert candidates[-1].url == "https://arter.dk/media/90a656da-0670-48c7-90dc-b06601135a73.jpg"
        assert candidates[-1].page_url == "https://www.gbif.org/occurrence/4399295910"

    def test_suggestions_are_no_match(self, shared: Path) -> None:
        body = (shared / "fixtures" / "gbif" / "species_suggest.json").read_bytes()
        with pytest.raises(LayoutChanged):
            search(GbifSource(), QUERY, Script([replace(MATCH, sample=body)]))
