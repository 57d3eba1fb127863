"""Scoring a published guide on new labelled pictures, through the program and the API."""

import csv
import json
import math
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from command import ran, run
from conftest import CLASS_NAMES, Pictures, draw_picture, encode, picture_bytes
from fieldguide.api import Project as ApiProject
from fieldguide.api import evaluate
from fieldguide.errors import InputMissing, InputUnusable, NotReady
from fieldguide.metrics import wilson_interval
from fieldguide.project import Project


@pytest.fixture
def new_pictures(pictures: Pictures, tmp_path: Path) -> Path:
    """Fill a folder with 12 pictures of each class, none of which the built guide has seen, and 8 of another class."""
    folder = pictures(tmp_path / "photos", per_class=12, first=500)
    return pictures(folder, ["stripes"], per_class=8, first=500)


def rows_of(report: dict[str, Any]) -> list[dict[str, str]]:
    with Path(report["predictions"]).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_scores_are_those_of_the_rows(built: Project, new_pictures: Path) -> None:
    report = json.loads(ran("evaluate", new_pictures, "-C", built.root, "--json"))
    rows = rows_of(report)
    assert len(rows) == report["pictures"] == 44
    scored = [row for row in rows if row["status"] == "scored"]
    right = [row["most_probable"] == row["class_name"] for row in scored]
    assert report["scored"] == len(scored) == 36 and sum(right) >= 27
    assert report["accuracy"] == pytest.approx([sum(right) / 36, *wilson_interval(sum(right), 36)])
    declined = [row["answer"] == "none of these" for row in scored]
    assert report["declined"][0] == pytest.approx(sum(declined) / 36) and report["answered"] == 36 - sum(declined)
    right_answers = sum(row["answer"] == row["class_name"] for row in scored)
    assert report["answered_accuracy"][0] == pytest.approx(right_answers / report["answered"])
    losses = [-math.log(max(float(row["prob_of_class"]), 1e-6)) for row in scored]
    assert report["log_loss"] == pytest.approx(sum(losses) / 36, abs=1e-3)
    for name in CLASS_NAMES:
        hits = sum(row["class_name"] == row["most_probable"] == name for row in scored)
        score = report["per_class"][name]
        assert score["support"] == 12 and score["recall"] == pytest.approx(hits / 12)
        assert score["recall_low"] < score["recall"] or score["recall"] == 0
    assert sum(map(sum, report["confusion"])) == 36
    assert report["ece_interval"][0] <= report["ece"] <= report["ece_interval"][1]
    strangers = [row for row in rows if row["status"] == "other_class"]
    share = sum(row["answer"] == "none of these" for row in strangers) / 8
    assert report["others"] == {"stripes": 8} and report["others_declined"][0] == pytest.approx(share)


def test_what_a_person_reads_and_where_it_lies(built: Project, new_pictures: Path) -> None:
    before = sorted(new_pictures.rglob("*"))
    printed = ran("evaluate", new_pictures, "-C", built.root)
    assert "on 36 new pictures" in printed and "of 8 pictures of other classes (8 stripes), declined" in printed
    assert "calibration error" in printed and "log loss" in printed
    assert sorted(new_pictures.rglob("*")) == before
    page = (built.root / "evaluation-photos" / "report.html").read_text("utf-8")
    assert "36 pictures" in page and "Confusion matrix" in page and "stripes" in page
    ran("evaluate", new_pictures, "-C", built.root)
    assert (built.root / "evaluation-photos-2" / "predictions.csv").is_file(), "an earlier evaluation was overwritten"


def test_pictures_of_the_project_are_counted_apart(built: Project, new_pictures: Path, pictures: Pictures) -> None:
    pictures(new_pictures, per_class=4)  # the first pictures that the project was built from
    for option, folder in (("-C", built.root), ("--guide", built.guide_folder)):
        report = json.loads(ran("evaluate", new_pictures, option, folder, "--json"))
        assert report["counts"]["in_project"] == 12 and report["scored"] == 36
    assert "12 in_project" in ran("evaluate", new_pictures, "-C", built.root)


def test_pictures_of_the_project_that_were_saved_again_are_counted_apart(built: Project, tmp_path: Path) -> None:
    (tmp_path / "new" / "circle").mkdir(parents=True)
    (tmp_path / "new" / "circle" / "fresh.jpg").write_bytes(picture_bytes("circle", 900))
    draw_picture("circle", 2).save(tmp_path / "new" / "circle" / "again.jpg", quality=70)  # number 2 is in the project
    report = json.loads(ran("evaluate", tmp_path / "new", "-C", built.root, "--json"))
    assert report["counts"] == {"scored": 1, "in_project": 1}
    details = {row["path"]: row["detail"] for row in rows_of(report)}
    assert details["circle/again.jpg"].startswith("a near-copy")


def test_bad_files_copies_and_two_labels_are_rows_with_reasons(built: Project, new_pictures: Path) -> None:
    (new_pictures / "circle" / "broken.jpg").write_bytes(picture_bytes("circle", 700)[:-60])
    (new_pictures / "circle" / "page.jpg").write_bytes(b"<html>")
    shutil.copy(new_pictures / "circle" / "500.jpg", new_pictures / "circle" / "copy.jpg")
    contested = encode(draw_picture("ring", 1))
    (new_pictures / "square" / "a.png").write_bytes(contested)
    (new_pictures / "circle" / "b.png").write_bytes(contested)
    report = json.loads(ran("evaluate", new_pictures, "-C", built.root, "--json"))
    expected = {"scored": 36, "other_class": 8, "truncated": 1, "not_an_image": 1, "copy": 1, "two_labels": 2}
    assert report["counts"] == expected
    details = {row["path"]: row["detail"] for row in rows_of(report)}
    assert "square" in details["circle/b.png"] and details["circle/page.jpg"]


def test_tables_and_archives(built: Project, new_pictures: Path, tmp_path: Path) -> None:
    paths = [path for name in CLASS_NAMES for path in sorted((new_pictures / name).iterdir())]
    lines = [f"{path.relative_to(tmp_path)},{path.parent.name.title()}" for path in paths]
    (tmp_path / "labels.csv").write_text("path,label\n" + "\n".join(lines) + "\ngone.jpg,circle\n")
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for path in paths:
            archive.write(path, path.relative_to(new_pictures))
    project = ApiProject(built.root)
    table = project.evaluate(tmp_path / "labels.csv", progress=None)
    packed = project.evaluate(tmp_path / "packed.zip", out=tmp_path / "scores", progress=None)
    assert table.scored == packed.scored == 36 and table.accuracy == packed.accuracy
    assert table.counts["unreadable"] == 1, "the row of a missing file"
    assert table.confusion == packed.confusion and (tmp_path / "scores" / "report.html").is_file()


def test_a_closed_folder_is_a_row_with_its_reason(
    built: Project, new_pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def scandir(path: Path) -> Any:
        if Path(path).name == "stripes":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr("os.scandir", scandir)
    report = evaluate(new_pictures, guide=built.guide_folder, progress=None)
    assert report.counts == {"scored": 36, "unreadable": 1}
    row = next(row for row in rows_of({"predictions": report.predictions}) if row["status"] == "unreadable")
    assert (row["path"], row["detail"]) == ("stripes/", "Permission denied")


def test_layouts_are_read_as_add_reads_them(built: Project, new_pictures: Path, tmp_path: Path) -> None:
    for name in CLASS_NAMES:
        shutil.copytree(new_pictures / name, tmp_path / "new" / "fl_test" / name)
        shutil.copytree(new_pictures / name, tmp_path / "new" / "bonus" / name)
    refused = run("evaluate", tmp_path / "new", "-C", built.root)
    assert refused.returncode == 65 and "--split-from" in refused.stderr
    scored = ran("evaluate", tmp_path / "new", "-C", built.root, "--json", "--split-from", "fl_test=test",
                 "--split-from", "bonus=test")  # fmt: skip
    assert json.loads(scored)["scored"] == 36 and json.loads(scored)["counts"]["copy"] == 36
    one = run("evaluate", tmp_path / "new" / "bonus", "-C", built.root, "--layout", "classes")
    assert one.returncode == 65 and "no layout 'classes'" in one.stderr


def test_a_guide_alone(built: Project, new_pictures: Path, tmp_path: Path) -> None:
    shutil.copytree(built.guide_folder, tmp_path / "alone" / "guide")
    report = evaluate(new_pictures / "stripes", class_name="stripes", guide=tmp_path / "alone" / "guide", progress=None)
    assert report.accuracy is None and sum(report.others.values()) == 8 and report.others_declined
    assert Path(report.report) == tmp_path / "alone" / "evaluation-stripes" / "report.html"


def test_mistakes_of_a_user_are_two_lines(
    built: Project, project: Project, new_pictures: Path, pictures: Pictures, tmp_path: Path
) -> None:
    pictures(tmp_path / "seen", per_class=2)
    flat = tmp_path / "flat"
    flat.mkdir()
    (flat / "1.jpg").write_bytes(picture_bytes("circle", 900))
    guide = ["--guide", built.guide_folder]
    cases: list[tuple[list[Any], int, str]] = [
        ([new_pictures, "-C", project.root], NotReady.exit_code, "fieldguide build"),
        ([tmp_path / "nothing", *guide], InputMissing.exit_code, "check the path"),
        ([flat, *guide], InputUnusable.exit_code, "one folder per class"),
        ([tmp_path / "seen", *guide], InputUnusable.exit_code, "never added"),
        ([new_pictures, *guide, "--out", new_pictures / "out"], InputUnusable.exit_code, "--out"),
        (guide, InputUnusable.exit_code, "fieldguide evaluate PATH"),
    ]
    for arguments, exit_code, hint in cases:
        process = run("evaluate", *arguments)
        lines = process.stderr.strip().splitlines()[-2:]
        assert process.returncode == exit_code and lines[0].startswith("fieldguide: ") and hint in lines[1], (
            process.stderr
        )
    assert not (new_pictures / "out").exists()
