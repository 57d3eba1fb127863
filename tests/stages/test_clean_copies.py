"""Copies that only features find: they are set aside like others, and a setting turns that off."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command import set_key
from conftest import encode, make_project
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.records import CleanReport
from fieldguide.stages.add import add
from fieldguide.stages.clean import clean

pytest.importorskip("torch", reason="features need the extra [train]")


def scene(number: int) -> Image.Image:
    """Draw a picture with detail of every size, as photographs have it."""
    dice, picture = np.random.default_rng(number), np.zeros((240, 300, 3), np.float32)
    for cells in (4, 9, 20, 45):
        noise = Image.fromarray(dice.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        picture += np.asarray(noise.resize((300, 240), Image.Resampling.BICUBIC), np.float32) * (2 / cells**0.5)
    return Image.fromarray((picture * (250 / picture.max())).astype(np.uint8))


@pytest.fixture
def cropped_project(tmp_path: Path) -> Project:
    """Make a project of two classes with a crop within a class and one across them."""
    for class_name, first in (("rug", 0), ("wall", 100)):
        for number in range(11):
            (tmp_path / "source" / class_name).mkdir(parents=True, exist_ok=True)
            (tmp_path / "source" / class_name / f"{number}.png").write_bytes(encode(scene(first + number)))
    crop = scene(0).crop((30, 0, 300, 222))
    (tmp_path / "source" / "rug" / "crop.png").write_bytes(encode(crop))
    (tmp_path / "source" / "rug" / "other.png").write_bytes(encode(scene(105).crop((0, 15, 285, 240))))
    project = make_project(tmp_path / "project", ["rug", "wall"])
    add(project, project.settings(), tmp_path / "source", progress=SilentProgress())
    return project


def run(project: Project) -> CleanReport:
    return clean(project, project.settings(), progress=SilentProgress())


def test_crops_within_and_across_classes_are_set_aside(cropped_project: Project) -> None:
    report = run(cropped_project)
    assert report.rejected == {"near_copy": 1, "two_labels": 2}
    by_place = {item.location: item for item in report.rejections}
    assert by_place["rug/crop.png"].location_of_copy == "rug/0.png", "the larger one is kept"
    assert by_place["rug/other.png"].location_of_copy == "wall/5.png"
    set_key(cropped_project.settings_file, "clean", "copy_reframed = 1.0")
    assert not run(cropped_project).rejected


def test_of_hundreds_of_copies_a_few_get_features_and_a_crop_is_still_found(tmp_path: Path) -> None:
    folder = tmp_path / "source" / "rug"
    folder.mkdir(parents=True)
    small = scene(0).resize((120, 96))
    for number in range(300):
        small.resize((90 + number // 15, 76)).save(folder / f"copy{number}.jpg", quality=80 + number % 15)
    small.crop((10, 0, 120, 90)).save(folder / "crop.png")
    for number in range(1, 11):
        scene(number).save(folder / f"{number}.png")
    project = make_project(tmp_path / "project", ["rug"])
    add(project, project.settings(), folder.parent, progress=SilentProgress())
    report = run(project)
    assert report.kept == {"rug": 11} and report.rejected == {"near_copy": 300}
    kept_copies = {item.copy_of for item in report.rejections}
    assert len(kept_copies) == 1, "the crop is one of the family"
    shards = (project.root / "features").glob("*/*.npz")
    assert sum(len(np.load(path)["sha256"]) for path in shards) <= 16
