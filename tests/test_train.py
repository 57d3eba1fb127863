"""Training: what it chooses and writes, that it sees no test picture, and that the same seed gives the same bytes."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from command import set_key
from conftest import Clock, make_project
from fieldguide import features
from fieldguide.errors import NotReady
from fieldguide.evaluate import evaluate
from fieldguide.learners import load_model
from fieldguide.learners.backbones import BackboneChoice, backbone_widths
from fieldguide.learners.frozen import FrozenModel
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.publish import publish
from fieldguide.records import Depth, TrainReport
from fieldguide.runs import Run, load_run
from fieldguide.train import train


def trained(project: Project) -> TrainReport:
    return train(project, project.settings(), progress=SilentProgress())


def model_of(run: Run) -> FrozenModel:
    _, model = load_model(run)
    assert isinstance(model, FrozenModel)
    return model


def test_it_learns_what_can_be_learnt(built: Project) -> None:
    report = trained(built)
    assert report.accuracy[0] > 0.8
    assert report.classes == 3
    with built.catalog() as catalog:
        splits = catalog.splits()
    assert report.images == sum(split != "test" for split in splits.values())


def test_predictions_are_held_out_and_cover_train_and_val(built: Project) -> None:
    report = trained(built)
    text = (built.runs_folder / report.run / "predictions.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    with built.catalog() as catalog:
        wanted = {name: split for name, split in catalog.splits().items() if split != "test"}
    assert {row["sha256"]: row["split"] for row in rows} == wanted
    right = sum(row["class_name"] == row["answer"] for row in rows)
    assert right / len(rows) == pytest.approx(report.accuracy[0])


def test_no_test_picture_is_ever_read(built: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[str] = set()
    read = features.load_square

    def watch(path: Path, *rest: Any, **more: Any) -> object:
        seen.add(path.stem)
        return read(path, *rest, **more)

    monkeypatch.setattr(features, "load_square", watch)
    set_key(built.settings_file, "train", "folds = 4")
    trained(built)
    with built.catalog() as catalog:
        test = {name for name, split in catalog.splits().items() if split == "test"}
    assert seen
    assert not seen & test


def test_the_same_seed_gives_the_same_head(built: Project) -> None:
    first = load_run(built.runs_folder / trained(built).run)
    set_key(built.settings_file, "train", "folds = 4")
    trained(built)
    set_key(built.settings_file, "train", "folds = 3")
    again = load_run(built.runs_folder / trained(built).run)
    assert again.name != first.name
    one, other = model_of(first).head, model_of(again).head
    assert np.array_equal(one.layers[0].weights, other.layers[0].weights)
    assert (one.temperature, one.strength) == (other.temperature, other.strength)


def test_two_runs_in_one_second_have_two_names(built: Project) -> None:
    moment = Clock().at
    frozen = Project(built.root, clock=lambda: moment)
    set_key(frozen.settings_file, "train", "folds = 4")
    first = trained(frozen).run
    set_key(frozen.settings_file, "train", "folds = 5")
    assert trained(frozen).run != first


def test_the_way_of_fitting_can_be_set(built: Project) -> None:
    set_key(built.settings_file, "train", 'fit = "pad"')
    report = trained(built)
    assert report.fit == "pad" and list(report.tried) == ["pad, top", "pad, deep"]
    said = json.loads((built.runs_folder / report.run / "run.json").read_text(encoding="utf-8"))
    assert said["preprocessing"]["fit"] == "pad"


@pytest.mark.parametrize("depth", ["top", "deep"])
def test_what_a_depth_reads_reaches_the_guide(built: Project, depth: Depth) -> None:
    set_key(built.settings_file, "train", f'fit = "squash"\ndepth = "{depth}"')
    report = trained(built)
    assert (report.chosen["layers read"], report.tried) == (depth, {})
    run = load_run(built.runs_folder / report.run)
    assert model_of(run).head.width == backbone_widths(BackboneChoice(), 256)[depth]
    evaluate(built, built.settings(), progress=SilentProgress())
    done = publish(built, built.settings(), progress=SilentProgress())
    assert done.agreement == 1.0 and done.max_difference < 1e-4
    model = onnx.load(built.guide_folder / "model.onnx")
    shapes = {one.name: one.type.tensor_type.shape.dim[-1].dim_value for one in model.graph.output}
    assert shapes["features"] == backbone_widths(BackboneChoice(), 256)["top"]


def test_nothing_to_learn_from_is_explained(tmp_path: Path) -> None:
    project = make_project(tmp_path / "empty")
    with pytest.raises(NotReady, match="not split"):
        trained(project)
