"""The learner "auto": colours are fitted beside the backbone, both are told, and the better one is taken."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("sklearn", reason="training needs the extra [train]")

from conftest import make_project
from fieldguide.features import Pictures
from fieldguide.learners import load_model
from fieldguide.learners.auto import fit_auto
from fieldguide.learners.contract import TrainingData
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.project.dataset import load_dataset
from fieldguide.project.runs import load_run
from fieldguide.settings import change_settings
from fieldguide.settings.reading import parse_settings
from fieldguide.stages.add import Terms, add
from fieldguide.stages.clean import clean
from fieldguide.stages.split import split
from fieldguide.stages.train import train

TINTS = {"bluish": (0, 0, 1), "greenish": (0, 1, 0), "reddish": (1, 0, 0)}
SMALL = {"train.size": 32, "train.depth": "top", "train.views": 1, "features.runtime": "onnxruntime"}


class Listening(SilentProgress):
    """Remembers what stays on the screen."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        """Remember the line."""
        self.lines.append(line)


@pytest.fixture(scope="module")
def tinted(own_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Divide grey patterns whose classes differ by a tint that is hardly seen."""
    base, dice = tmp_path_factory.mktemp("tinted"), np.random.default_rng(0)
    for name, tint in TINTS.items():
        (base / "source" / name).mkdir(parents=True)
        for number in range(12):
            cells = np.repeat(dice.integers(20, 230, (12, 12, 1)), 3, axis=2) + np.array(tint)
            square = np.kron(cells, np.ones((8, 8, 1))).astype(np.uint8)
            Image.fromarray(square).save(base / "source" / name / f"{number}.png")
    project = make_project(base / "project", tuple(TINTS))
    settings = project.settings()
    add(project, settings, base / "source", terms=Terms(licence="own"), progress=SilentProgress())
    clean(project, settings, progress=SilentProgress())
    split(project, settings, progress=SilentProgress())
    return project


def test_colours_are_taken_where_they_are_better_and_it_is_said(tinted: Project) -> None:
    progress = Listening()
    report = train(tinted, change_settings(tinted.settings(), SMALL), progress=progress)
    assert report.learner == "colour"
    assert set(report.beside) == {"transfer", "colour"}
    assert report.beside["colour"][0] == pytest.approx(report.accuracy[0])
    assert report.beside["colour"][0] > report.beside["transfer"][0] + 0.1
    assert any("colours alone do better" in line for line in progress.lines)
    learner, model = load_model(load_run(tinted.runs_folder / report.run))
    assert learner.name == "colour"
    assert model.runtime == "numpy"


def test_named_learners_have_nothing_beside_them(tinted: Project) -> None:
    settings = change_settings(tinted.settings(), SMALL | {"train.learner": "transfer"})
    report = train(tinted, settings, progress=SilentProgress())
    assert report.learner == "transfer"
    assert not report.beside


def test_where_both_are_right_the_backbone_is_taken(built: Project) -> None:
    settings = built.settings()
    report = train(built, settings, progress=SilentProgress())
    assert settings.train.learner == "auto"
    assert report.learner == "transfer"
    assert report.beside["transfer"] == pytest.approx(report.accuracy)


def test_colours_that_win_on_some_pictures_are_fitted_on_all(tinted: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fieldguide.learners.auto.MAX_PICTURES", 24)
    settings = change_settings(tinted.settings(), SMALL)
    with tinted.catalog() as catalog:
        data = load_dataset(catalog).where("train", "val")
    pictures = Pictures(tinted, tuple(data.images.items()), settings, SilentProgress())
    training = TrainingData.of(data, pictures, settings)
    taken = fit_auto(replace(training, keep=None), settings.train, 0)
    assert taken.settings.learner == "colour"
    assert len(taken.result.held_out) == len(training.labels) > 24


def test_files_of_version_1_keep_the_learner_of_then() -> None:
    for version, learner in ((1, "transfer"), (2, "auto")):
        assert parse_settings({"schema_version": version}, Path("fieldguide.toml")).train.learner == learner
