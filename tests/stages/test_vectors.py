"""Colour features without pictures: a table of them is added, split, learnt from, and makes a guide to pictures."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import fieldguide as fg
from fieldguide.errors import BadImage, InputUnusable, NotReady
from fieldguide.features import Extractor, Pictures
from fieldguide.images.colour_features import FEATURE_NAMES, colour_features
from fieldguide.images.swatches import make_swatch, read_swatch
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.records import Preprocessing

COUNT, TOTAL = 52, 156  # so that the test split is large enough for every section of the report
MIDDLES = {"red": (200, 40, 40), "green": (50, 160, 60), "blue": (40, 60, 190)}


def square(middle: tuple[int, int, int], seed: int) -> np.ndarray:
    dice = np.random.default_rng(seed)
    return np.clip(np.array(middle) + dice.normal(0, 25, 3) + dice.normal(0, 20, (64, 64, 3)), 0, 255).astype(np.uint8)


def features(name: str, seed: int) -> list[float]:
    return [float(value) for value in colour_features(square(MIDDLES[name], seed)[None])[0]]


def write_table(path: Path, rows: list[list[Any]], label: str = "color") -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([[label, *FEATURE_NAMES], *rows])
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [[name.upper(), *features(name, seed)] for name in MIDDLES for seed in range(COUNT)]
    return write_table(tmp_path / "vectors.csv", rows)


@pytest.fixture
def project(tmp_path: Path) -> fg.Project:
    fg.new(tmp_path / "colours", list(MIDDLES))
    path = tmp_path / "colours" / "fieldguide.toml"
    text = path.read_text(encoding="utf-8")
    text = text.replace("\n[train]\n", '\n[train]\nlearner = "colour"\nfit = "squash"\n')
    text = text.replace("\n[train.colour]\n", '\n[train.colour]\nfamilies = ["logistic"]\ngrid = "usual"\n')
    path.write_text(text, encoding="utf-8")
    made = fg.open_project(tmp_path / "colours")
    made.write_settings({"evaluate.cross_validate": "never", "evaluate.growth": False})
    return made


def test_a_table_alone_makes_a_guide_that_names_pictures(project: fg.Project, table: Path, tmp_path: Path) -> None:
    added = project.add(table)
    assert added.taken == dict.fromkeys(sorted(MIDDLES), COUNT) and added.vectors == TOTAL
    reports = project.build()
    assert reports["clean"].vectors == TOTAL and not reports["clean"].rejected
    assert sum(reports["split"].vectors.values()) == TOTAL
    assert set(reports["split"].vectors) == {"train", "val", "test"}
    assert project.status().vectors == TOTAL
    assert reports["evaluate"].test_images == reports["split"].vectors["test"]
    assert reports["publish"].agreement == 1 and reports["publish"].compared and not reports["publish"].examples
    page = (tmp_path / "colours" / reports["evaluate"].report).read_text(encoding="utf-8")
    assert f"{TOTAL} of them colour features without a picture" in page
    guide = fg.open_guide(tmp_path / "colours" / "guide")
    for name, middle in MIDDLES.items():
        path = tmp_path / f"{name}.png"
        Image.fromarray(square(middle, 99)).resize((300, 200)).save(path)
        assert guide.classify(path).class_name == name
    assert guide.about["data"]["vectors"] == TOTAL


def test_pictures_and_vectors_are_learnt_from_together(project: fg.Project, table: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for name, middle in MIDDLES.items():
        (photos / name).mkdir(parents=True)
        for seed in range(8):
            Image.fromarray(square(middle, 100 + seed)).resize((90, 90)).save(photos / name / f"{seed}.png")
    project.add(table)
    assert project.add(photos).vectors == 0
    project.clean(), project.split()
    report = project.train()
    assert report.images == sum(state.split in ("train", "val") for state in project.images())
    assert report.images > TOTAL * 0.7
    assert report.accuracy[0] > 0.9


def test_an_addition_of_vectors_can_be_taken_back(project: fg.Project, table: Path) -> None:
    project.add(table)
    assert project.add(undo=True).removed == dict.fromkeys(MIDDLES, COUNT)
    assert project.status().vectors == 0
    assert project.add(table).vectors == TOTAL


def test_other_learners_say_that_they_cannot_learn_from_vectors(project: fg.Project, table: Path) -> None:
    project.add(table)
    project.clean(), project.split()
    with pytest.raises(NotReady, match="only the learner colour"):
        project.train(learner="cnn")


def test_rows_that_are_no_features_are_refused_and_said(project: fg.Project, tmp_path: Path) -> None:
    good = features("red", 1)
    rows = [["red", *good], ["red", *good[:-1], "x"], ["red", 300, *good[1:]], ["red", "nan", *good[1:]]]
    rows.append(["grey", *good])
    report = project.add(write_table(tmp_path / "odd.csv", rows))
    assert report.taken == {"red": 1}
    assert report.refused == {"bad_vector": 2, "unreadable": 1, "other_class": 1}
    assert "b_bgr_mean is 300" in report.examples["bad_vector"][0] and "row 4" in report.examples["bad_vector"][0]


def test_a_table_without_a_column_of_names_is_refused_unless_one_is_given(project: fg.Project, tmp_path: Path) -> None:
    table = write_table(tmp_path / "plain.csv", [["?", *features("red", 1)]], label="remark")
    with pytest.raises(InputUnusable, match="no column that names the colours"):
        project.add(table)
    assert project.add(table, class_name="red").taken == {"red": 1}


def test_a_swatch_holds_its_numbers_and_is_a_picture_in_the_mean_colour() -> None:
    row = np.array(features("blue", 3), np.float32)
    data = make_swatch(row)
    assert np.array_equal(read_swatch(data), row)
    assert data == make_swatch(row)
    with pytest.raises(BadImage):
        read_swatch(b"\x89PNG\r\n\x1a\n")


def test_what_is_learnt_from_are_the_numbers_themselves(tmp_path: Path) -> None:
    numbers = [features(name, seed) for name in MIDDLES for seed in range(2)]
    made = fg.new(tmp_path / "few", list(MIDDLES))
    made.add(write_table(tmp_path / "few.csv", [["red", *row] for row in numbers]))
    images = tuple((state.sha256, state.format) for state in made.images())
    pictures = Pictures(Project(tmp_path / "few"), images, made.settings, SilentProgress())
    extractor = Extractor("colour-test", "numpy", lambda: colour_features, read_swatch)
    rows = pictures.compute(extractor, Preprocessing(size=32))
    assert sorted(map(tuple, rows.tolist())) == sorted(map(tuple, np.array(numbers, np.float32).tolist()))
