"""iNaturalist: the right taxon, whose licence counts, sizes, groups, and its recorded answers."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fieldguide.errors import BadQuery, LayoutChanged
from fieldguide.records.candidates import Candidate, Query
from fieldguide.sources.inaturalist import InaturalistSource
from sourcescript import SAMPLES, Script, Step, one_answer, run, search

ADDRESS = "https://api.inaturalist.org/v1"
QUERY = Query("inaturalist", "sparrow", "haussperling")
TAXA = Step(f"{ADDRESS}/taxa/autocomplete", sample="inaturalist_taxa")
FIRST = Step(f"{ADDRESS}/observations", lacks=("id_above",), sample="inaturalist_1")


def test_a_photograph_becomes_a_candidate_with_its_own_licence() -> None:
    page = search(InaturalistSource(), QUERY, Script([TAXA, FIRST]))
    assert page.candidates[0] == Candidate(
        url="https://inaturalist-open-data.s3.amazonaws.com/photos/1/large.jpg?1",
        item_id="1",
        page_url="https://www.inaturalist.org/observations/21",
        thumb_url="https://inaturalist-open-data.s3.amazonaws.com/photos/1/square.jpg?1",
        title="Passer domesticus",
        author="Ada",
        author_url="https://www.inaturalist.org/people/ada",
        licence="cc-by",
        attribution="(c) Ada, some rights reserved (CC BY)",
        width=1024,
        height=768,
        extra={"group": "inaturalist:21", "taxon": "Passer domesticus", "taxon_id": 8},
    )
    assert [candidate.extra["group"] for candidate in page.candidates] == ["inaturalist:21"] * 2
    assert json.loads(page.cursor) == {"taxon": 8, "above": 22}


@pytest.mark.parametrize("name", ["Haussperling", "passer domesticus", " House Sparrow "])
def test_a_name_in_any_form_finds_its_taxon(name: str) -> None:
    script = Script([TAXA, FIRST])
    search(InaturalistSource(), replace(QUERY, text=name), script)
    assert ("taxon_id", "8") in script.requests[1].params


def test_part_of_a_name_is_no_name() -> None:
    script = Script([TAXA, FIRST])
    with pytest.raises(BadQuery, match="knows no taxon called 'passer'") as caught:
        search(InaturalistSource(), replace(QUERY, text="passer"), script)
    assert "'Haussperling'" in caught.value.hint
    assert len(script.requests) == 1


def test_a_taxon_by_its_number_is_not_looked_up() -> None:
    script = Script([FIRST])
    search(InaturalistSource(), replace(QUERY, options={"taxon_id": "8", "place_id": "97391"}), script)
    assert {("taxon_id", "8"), ("place_id", "97391")} <= set(script.requests[0].params)
    with pytest.raises(BadQuery):
        search(InaturalistSource(), replace(QUERY, options={"taxon_id": "sparrow"}), script)


def test_the_locale_is_told_where_names_are_looked_up() -> None:
    script = Script([TAXA, FIRST])
    search(InaturalistSource(), replace(QUERY, options={"locale": "de"}), script)
    assert ("locale", "de") in script.requests[0].params


@pytest.mark.parametrize(
    ("licences", "value"),
    [
        ("commercial", "cc0,cc-by,cc-by-sa,cc-by-nd"),
        ("modify", "cc0,cc-by,cc-by-sa,cc-by-nc,cc-by-nc-sa"),
        ("any", None),
    ],
)
def test_the_policy_is_asked_for(licences: str, value: str | None) -> None:
    script = Script([TAXA, FIRST])
    page = search(InaturalistSource(), replace(QUERY, licences=licences), script)  # type: ignore[arg-type]
    assert dict(script.requests[1].params).get("photo_license") == value
    assert len(page.candidates) == (3 if licences == "any" else 2)


def test_observations_that_do_not_rise_are_refused() -> None:
    script = one_answer((SAMPLES / "inaturalist_1.json").read_bytes())
    with pytest.raises(LayoutChanged, match="no rising 'id'"):
        search(InaturalistSource(), QUERY, script, json.dumps({"taxon": 8, "above": 22}))


def test_the_same_taxon_is_similar() -> None:
    source = InaturalistSource()
    candidate = search(source, QUERY, Script([TAXA, FIRST])).candidates[0]
    following = Step(f"{ADDRESS}/observations", ("taxon_id=8", "id_above=22"), sample="inaturalist_2")
    script = Script([FIRST, following])
    page = run(source.similar(QUERY, candidate, "", script))
    assert len(page.candidates) == 2
    assert [similar.item_id for similar in run(source.similar(QUERY, candidate, page.cursor, script)).candidates] == [
        "4"
    ]
    with pytest.raises(BadQuery):
        run(source.similar(QUERY, replace(candidate, extra={}), "", script))


@pytest.mark.shared
class TestRecorded:
    def body(self, shared: Path, name: str) -> bytes:
        return (shared / "fixtures" / "inaturalist" / f"{name}.json").read_bytes()

    def observations(self, shared: Path, name: str, query: Query) -> Script:
        return Script([TAXA, Step(f"{ADDRESS}/observations", sample=self.body(shared, name))])

    def test_a_host_that_is_not_openly_licensed(self, shared: Path) -> None:
        page = search(InaturalistSource(), QUERY, self.observations(shared, "v1_get_observations_page1", QUERY))
        assert (page.candidates, page.skipped) == ((), {"not_openly_licensed": 1})
        assert json.loads(page.cursor)["above"] == 57754375

    def test_everything_where_any_licence_will_do(self, shared: Path) -> None:
        query = replace(QUERY, licences="any")
        page = search(InaturalistSource(), query, self.observations(shared, "v1_get_observations_page2", query))
        (only,) = page.candidates
        assert only.url == "https://static.inaturalist.org/photos/92075215/large.jpg?1598503820"
        assert only.thumb_url.endswith("/square.jpg?1598503820")
        assert (only.licence, only.author, only.width, only.height) == ("all rights reserved", "ingridt3", 1024, 729)

    def test_the_photographs_licence_and_not_the_observations(self, shared: Path) -> None:
        answer = json.loads(self.body(shared, "v1_get_observation_2"))
        observation = answer["results"][0] if "results" in answer else answer
        assert observation["license_code"] == "cc0"
        body = json.dumps({"total_results": 1, "results": [observation]}).encode()
        page = search(InaturalistSource(), QUERY, Script([TAXA, Step(f"{ADDRESS}/observations", sample=body)]))
        (only,) = page.candidates
        assert (only.licence, only.author, only.item_id) == ("cc-by", "Ken-ichi Ueda", "136458117")
        assert (only.width, only.height) == (682, 1024)
        assert only.extra["group"] == "inaturalist:83103252"

    @pytest.mark.parametrize(
        ("text", "taxon"), [("Vespidae", 52747), ("nicrophorus vespillo", 131878), ("Vespicula Waspfish", 621585)]
    )
    def test_names_among_many(self, shared: Path, text: str, taxon: int) -> None:
        script = Script([replace(TAXA, sample=self.body(shared, "v1_get_taxa_autocomplete")), FIRST])
        search(InaturalistSource(), replace(QUERY, text=text), script)
        assert ("taxon_id", str(taxon)) in script.requests[1].params

    def test_a_beginning_of_many_names(self, shared: Path) -> None:
        script = Script([replace(TAXA, sample=self.body(shared, "v1_get_taxa_autocomplete"))])
        with pytest.raises(BadQuery) as caught:
            search(InaturalistSource(), replace(QUERY, text="vespi"), script)
        assert "'Vespidae', 'Vespinae', 'Nicrophorus vespillo'" in caught.value.hint

    @pytest.mark.parametrize("name", ["v2_get_observations_minimal", "v0_get_observations", "v1_get_taxa"])
    def test_other_forms_of_its_interface(self, shared: Path, name: str) -> None:
        with pytest.raises(LayoutChanged):
            search(InaturalistSource(), QUERY, self.observations(shared, name, QUERY))

    def test_nothing_found(self, shared: Path) -> None:
        page = search(InaturalistSource(), QUERY, self.observations(shared, "v1_get_nonexistent_observation", QUERY))
        assert (page.candidates, page.cursor) == ((), "")
