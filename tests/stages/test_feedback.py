"""What visitors say a picture really shows: kept only where that is on, within limits, and taken in by `add`."""

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import fieldguide as fg
from conftest import picture_bytes
from fieldguide.api import serve
from fieldguide.errors import SettingsError
from fieldguide.guide import open_guide
from fieldguide.settings import ServeSettings
from fieldguide.stages.serve import make_app

ADDRESS = "http://127.0.0.1:8000"
PICTURES = [picture_bytes("circle", number) for number in range(70, 74)]


def open_client(guide: Path, settings: ServeSettings) -> TestClient:
    return TestClient(make_app(open_guide(guide), settings, ("127.0.0.1",)), base_url=ADDRESS)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@pytest.fixture
def client(built_once: Path, kept: Path) -> Iterator[TestClient]:
    settings = ServeSettings(feedback=True, feedback_folder=str(kept), feedback_max_bytes=sum(map(len, PICTURES)) - 1)
    with open_client(built_once / "guide", settings) as client:
        yield client


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "feedback.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_nothing_is_kept_unless_it_is_on(built_once: Path, tmp_path: Path) -> None:
    guide = shutil.copytree(built_once / "guide", tmp_path / "guide")
    before = sorted(tmp_path.rglob("*"))
    with open_client(guide, ServeSettings(feedback_folder=str(tmp_path / "kept"))) as client:
        reply = client.post("/v1/feedback?class_name=square", content=PICTURES[0])
        assert (reply.status_code, reply.json()["code"]) == (403, "feedback_off")
        assert client.post("/v1/classify", content=PICTURES[0]).status_code == 200
    assert sorted(tmp_path.rglob("*")) == before


def test_a_picture_is_kept_with_its_name_and_add_takes_it_in(client: TestClient, kept: Path, tmp_path: Path) -> None:
    assert client.post("/v1/classify", content=PICTURES[3]).status_code == 200
    for name in ("triangle", "square"):  # the last word stands
        assert client.post(f"/v1/feedback?class_name={name}", content=PICTURES[0]).status_code == 200
    files = {"file": ("../../x.png", PICTURES[1])}
    assert client.post("/v1/feedback", files=files, params={"class_name": "circle"}).json() == {"kept": True}
    assert client.post("/v1/feedback", content=PICTURES[2]).status_code == 200, "none of these"
    assert {row["label"] for row in rows(kept)} == {"square", "circle", ""}
    assert all(row["model"] == "" and 0 < float(row["prob"]) <= 1 for row in rows(kept))
    assert sorted(path.read_bytes() for path in kept.glob("*.*") if path.suffix != ".csv") == sorted(PICTURES[:3])
    project = fg.new(tmp_path / "project", ["circle", "square", "triangle"])
    report = project.add(kept / "feedback.csv", progress=None)
    assert report.taken == {"circle": 1, "square": 1}
    stored = {path.read_bytes() for path in (project.folder / "images").rglob("*.*")}
    assert stored == {PICTURES[0], PICTURES[1]}


def test_what_is_wrong_or_too_much_is_not_kept(client: TestClient, kept: Path) -> None:
    for path, data, status in (
        ("/v1/feedback?class_name=hexagon", PICTURES[0], 422),
        ("/v1/feedback?class_name=../circle", PICTURES[0], 422),
        ("/v1/feedback?class_name=circle", b"<script>", 415),
        ("/v1/feedback?class_name=circle", PICTURES[0][:-60], 422),
    ):
        assert client.post(path, content=data).status_code == status
    several = [("file", ("a", PICTURES[0])), ("file", ("b", PICTURES[1]))]
    assert client.post("/v1/feedback?class_name=circle", files=several).status_code == 422
    assert not kept.exists()
    replies = [client.post("/v1/feedback?class_name=circle", content=data) for data in PICTURES]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 507]
    assert client.post("/v1/feedback?class_name=circle", content=PICTURES[3]).json()["code"] == "feedback_full"
    assert client.post("/v1/feedback?class_name=square", content=PICTURES[0]).status_code == 200, "it is there already"
    assert len(rows(kept)) == 3


def test_feedback_needs_a_folder(built_once: Path) -> None:
    with pytest.raises(SettingsError, match="no folder for them") as refused:
        serve(built_once / "guide", port=0, more={"feedback": True}, progress=None)
    assert "--feedback FOLDER" in refused.value.hint
