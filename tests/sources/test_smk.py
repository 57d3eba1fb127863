"""SMK: its candidates, similar works, and its recorded answers."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fieldguide.errors import BadQuery, LayoutChanged
from fieldguide.records.candidates import Candidate, Query
from fieldguide.sources.smk import SmkSource
from sourcescript import SAMPLES, Script, Step, one_answer, run, search

QUERY = Query("smk", "kettle", "kettle")


def sample(name: str) -> Script:
    return one_answer((SAMPLES / f"{name}.json").read_bytes())


def test_a_work_becomes_a_candidate() -> None:
    page = search(SmkSource(), QUERY, sample("smk_1"))
    assert page.candidates == (
        Candidate(
            url="https://iip-thumb.smk.dk/iiif/jp2/1.jp2/full/!1024,/0/default.jpg",
            item_id="KAS1",
            page_url="https://open.smk.dk/artwork/image/KAS1",
            title="Kettle 1",
            author="Ada; Bo",
            licence="https://creativecommons.org/publicdomain/zero/1.0/",
            licence_url="https://creativecommons.org/publicdomain/zero/1.0/",
            width=1024,
            height=768,
            similar_url="https://similar.api.smk.dk/similar/?object_number=KAS1",
        ),
    )
    assert page.cursor == "2"


def test_without_a_ready_picture_one_is_asked_of_its_image_server() -> None:
    (only,) = search(SmkSource(), QUERY, sample("smk_2"), "2").candidates
    assert only.url == "https://iip.smk.dk/iiif/jp2/3.jp2/full/!1024,/0/default.jpg"


def test_a_similar_address_elsewhere_is_not_kept() -> None:
    answer = json.loads((SAMPLES / "smk_1.json").read_text())
    answer["items"][0]["similar_images_url"] = "https://elsewhere.example.org/?object_number=KAS1"
    page = search(SmkSource(), QUERY, one_answer(json.dumps(answer).encode()))
    assert page.candidates[0].similar_url == ""


def test_options_become_filters() -> None:
    script = sample("smk_nothing")
    search(SmkSource(), replace(QUERY, options={"creator": "Ada"}, licences="any"), script)
    assert dict(script.requests[0].params)["filters"] == "[has_image:true],[creator:Ada]"
    with pytest.raises(BadQuery, match="brackets"):
        search(SmkSource(), replace(QUERY, options={"creator": "Ada],[x:1"}), script)


def test_similar_works_come_from_its_own_address_only() -> None:
    source = SmkSource()
    work = search(source, QUERY, sample("smk_1")).candidates[0]
    script = Script([Step(work.similar_url, sample="smk_similar")])
    page = run(source.similar(QUERY, work, "", script))
    assert [candidate.item_id for candidate in page.candidates] == ["KAS7", "KAS8"]
    assert page.cursor == ""
    for url in ("", "https://similar.api.smk.dk.example.org/", "http://127.0.0.1/"):
        with pytest.raises(BadQuery):
            run(source.similar(QUERY, replace(work, similar_url=url), "", script))
    assert len(script.requests) == 1


@pytest.mark.shared
class TestRecorded:
    def test_a_recorded_work(self, shared: Path) -> None:
        work = json.loads((shared / "fixtures" / "smk" / "item.json").read_text())
        (only,) = search(SmkSource(), QUERY, one_answer(json.dumps({"found": 1, "items": [work]}).encode())).candidates
        assert only.title == "Jomfru Maria med barnet og Sankt Anne ved vuggen"
        assert (only.item_id, only.author) == ("KKS1615", "Altdorfer, Albrecht")
        assert only.licence == "https://creativecommons.org/share-your-work/public-domain/cc0/"
        assert only.url == "https://iip-thumb.smk.dk/iiif/jp2/kks1615.tif.jp2/full/!1024,/0/default.jpg"
        assert (only.width, only.height) == (613, 1024)
        assert only.similar_url == "https://similar.api.smk.dk/similar/?object_number=KKS1615"

    def test_a_work_without_its_number_is_none(self, shared: Path) -> None:
        work = json.loads((shared / "fixtures" / "smk" / "image_data_hq.json").read_text())
        with pytest.raises(LayoutChanged):
            search(SmkSource(), QUERY, one_answer(json.dumps({"found": 1, "items": [work]}).encode()))
