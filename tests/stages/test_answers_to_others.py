"""What the report says of other things, of changed pictures and of slices: counted on few pictures, and shown."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import draw_picture, encode
from fieldguide.errors import InputMissing
from fieldguide.guide import open_guide
from fieldguide.images.shifts import SHIFTS
from fieldguide.images.unrelated import KINDS
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.settings import Settings, change_settings
from fieldguide.stages.evaluate import evaluate, inputs
from fieldguide.stages.publish import publish


@pytest.fixture
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the sections be measured on the pictures of a small project."""
    for module in ("calibrating", "unknowns", "robustness"):
        monkeypatch.setattr(f"fieldguide.stages.evaluate.{module}.MIN_CALIBRATION", 4)
    monkeypatch.setattr("fieldguide.stages.evaluate.robustness.MIN_SLICE", 5)
    monkeypatch.setattr("fieldguide.stages.evaluate.unknowns._DRAWN", 3)


def evaluated(project: Project, settings: Settings) -> tuple[dict[str, Any], str]:
    report = evaluate(project, settings, progress=SilentProgress())
    folder = project.runs_folder / report.run
    numbers = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return numbers, (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("few_are_enough")
def test_the_report_tells_of_other_things_and_of_changes(built: Project, tmp_path: Path) -> None:
    others = tmp_path / "others"
    others.mkdir()
    for number in range(4):
        (others / f"{number}.png").write_bytes(encode(draw_picture("stripes", number)))
    (others / "broken.jpg").write_bytes(b"no picture")
    changed = {"evaluate.unknown": str(others), "publish.temper_for_shifts": True, "evaluate.robustness": 6}
    settings = change_settings(built.settings(), changed)
    numbers, page = evaluated(built, settings)

    unknown = numbers["none_of_these"]
    assert isinstance(unknown, dict)
    kinds = {row["kind"]: row for row in (*unknown["all"], *unknown["kinds"])}
    assert {*KINDS, "drawn here, all kinds", "the folder others", "left out: circle"} <= set(kinds)
    assert kinds["the folder others"]["pictures"] == 4 and unknown["unread"] == 1
    assert kinds["drawn here, all kinds"]["pictures"] == 3 * len(KINDS)
    assert kinds["drawn here, all kinds"]["auroc"][0] > 0.9
    for row in kinds.values():
        area, low, high = row["auroc"]
        assert 0 <= low <= area <= high <= 1

    robustness = numbers["robustness"]
    assert isinstance(robustness, dict)
    assert [row["change"] for row in robustness["rows"]] == ["as they are", *SHIFTS]
    assert robustness["pictures"] == 6 and robustness["rows"][0]["difference"][0] == 0
    assert len({row["stated"] for row in robustness["rows"]}) > 5, "each change is seen by the model"

    slices = numbers["slices"]
    assert isinstance(slices, dict)
    assert {row["slice"] for row in slices["rows"] if row["by"] == "file format"} == {"JPEG", "PNG"}
    assert sum(row["pictures"] for row in slices["rows"] if row["by"] == "file format") == numbers["images"]

    calibration = numbers["calibration"]
    assert isinstance(calibration, dict)
    assert calibration["method"] == "temperature" and calibration["temper"] >= 1
    assert sum(row["count"] for row in calibration["pools"]["test"]["reliability"]) == numbers["test_images"]
    for text in ("photographed from a screen", "AUROC", "Reliability", "file format", "the folder others"):
        assert text in page

    with built.catalog() as catalog:
        before = inputs(catalog, settings)
        (others / "0.png").unlink()
        assert inputs(catalog, settings) != before, "another folder is another measurement"
    report = publish(built, settings, progress=SilentProgress())
    assert report.max_difference < 1e-4
    run = json.loads(next(built.runs_folder.glob("*/calibration.json")).read_text(encoding="utf-8"))
    assert run.get("temper", 1.0) == calibration["temper"]
    guide = open_guide(built.guide_folder)
    assert guide.about["decline"]["score"] == unknown["score"] == "class mean + probability"
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    assert guide.classify(noise).declined


def test_of_few_pictures_nothing_is_claimed(built: Project) -> None:
    numbers, page = evaluated(built, change_settings(built.settings(), {"evaluate.mistakes": 1}))
    assert not {"none_of_these", "robustness"} & set(numbers)
    assert set(numbers["calibration"]["pools"]) == {"cross-validation"}, "the test pictures are too few for it"
    assert "<h2>Changed pictures" not in page and "Changed pictures." in page, "that it is lacking is said"


def test_a_folder_of_other_things_that_is_not_there_is_explained(built: Project) -> None:
    settings = change_settings(built.settings(), {"evaluate.unknown": "nowhere"})
    with pytest.raises(InputMissing, match="nowhere") as caught:
        evaluate(built, settings, progress=SilentProgress())
    assert "unknown" in caught.value.hint
