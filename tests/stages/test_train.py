"""Training: what it chooses and writes, that it sees no test picture, and that the same seed gives the same bytes."""

import csv
import json
import shutil
from pathlib import Path

import onnx
import pytest

from command import set_key
from conftest import Clock, make_project
from fieldguide.errors import NotReady
from fieldguide.learners import load_model
from fieldguide.learners.backbones import BackboneChoice, backbone_widths
from fieldguide.learners.frozen import FrozenModel
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.project.runs import Run, load_run
from fieldguide.records import Depth, TrainReport
from fieldguide.settings import change_settings
from fieldguide.stages.evaluate import evaluate
from fieldguide.stages.publish import publish
from fieldguide.stages.train import inputs, train

QUICK = {"train.loop.epochs": 1, "train.size": 64, "train.colour.families": ["logistic"], "train.colour.grid": "usual"}


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
        expected = {name: split for name, split in catalog.splits().items() if split != "test"}
    assert {row["sha256"]: row["split"] for row in rows} == expected
    right = sum(row["class_name"] == row["answer"] for row in rows)
    assert right / len(rows) == pytest.approx(report.accuracy[0])


@pytest.mark.parametrize("learner", ["transfer", "colour", "cnn"])
def test_no_test_picture_is_ever_read(built: Project, learner: str) -> None:
    with built.catalog() as catalog:
        test = [state for state in catalog.states() if state.state == "kept" and state.split == "test"]
    assert test
    for state in test:
        built.image_path(state.sha256, state.format).unlink()
    shutil.rmtree(built.features_folder)
    settings = change_settings(built.settings(), {"train.learner": learner, "train.folds": 2, **QUICK})
    report = train(built, settings, progress=SilentProgress())
    assert report.learner == learner and report.images + len(test) == 36


def test_the_same_seed_gives_the_same_head(built: Project) -> None:
    first_run = load_run(built.runs_folder / trained(built).run)
    shutil.rmtree(built.runs_folder / first_run.name)
    second_run = load_run(built.runs_folder / trained(built).run)
    assert second_run.name != first_run.name
    assert second_run.model == first_run.model


def test_a_run_made_before_is_taken_up_again(built: Project) -> None:
    first = trained(built)
    other = train(built, change_settings(built.settings(), {"train.folds": 4}), progress=SilentProgress())
    assert other.run != first.run
    runs = sorted(path.name for path in built.runs_folder.iterdir())
    assert trained(built) == first
    assert sorted(path.name for path in built.runs_folder.iterdir()) == runs
    with built.catalog() as catalog:
        assert catalog.current("train", inputs(catalog, built.settings()), TrainReport) == first


def test_a_run_whose_backbone_is_another_now_is_made_anew(built: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    first = trained(built)
    monkeypatch.setattr("fieldguide.learners.frozen.hash_file", lambda path: "another")
    second = trained(built)
    assert second.run != first.run and trained(built).run == second.run


def test_what_is_unfinished_of_another_run_stays(built: Project) -> None:
    folder = built.runs_folder / "unfinished-0123456789abcdef"
    (folder / "whole").mkdir(parents=True)
    report = train(built, change_settings(built.settings(), {"seed": 3}), progress=SilentProgress())
    assert (built.runs_folder / report.run / "run.json").is_file()
    assert list(built.runs_folder.glob("unfinished-*")) == [folder]


def test_two_runs_in_one_second_have_two_names(built: Project) -> None:
    moment = Clock().at
    frozen = Project(built.root, clock=lambda: moment)
    set_key(frozen.settings_file, "train", "folds = 4")
    first = trained(frozen).run
    set_key(frozen.settings_file, "train", "folds = 5")
    assert trained(frozen).run != first


def test_the_way_of_fitting_can_be_set(built: Project) -> None:
    set_key(built.settings_file, "train", 'fit = "pad"\nviews = 1\nhead = "ridge"')
    report = trained(built)
    assert report.fit == "pad" and list(report.tried) == ["pad, deep", "pad, top"]
    record = json.loads((built.runs_folder / report.run / "run.json").read_text(encoding="utf-8"))
    assert record["preprocessing"]["fit"] == "pad"


@pytest.mark.parametrize("depth", ["top", "deep"])
def test_what_a_depth_reads_reaches_the_guide(built: Project, depth: Depth) -> None:
    set_key(built.settings_file, "train", f'fit = "squash"\ndepth = "{depth}"\nviews = 1\nhead = "ridge"')
    report = trained(built)
    assert (report.chosen["layers read"], report.tried) == (depth, {})
    run = load_run(built.runs_folder / report.run)
    assert model_of(run).head.width == backbone_widths(BackboneChoice(), 256)[depth]
    evaluate(built, built.settings(), progress=SilentProgress())
    published = publish(built, built.settings(), progress=SilentProgress())
    assert published.agreement == 1.0 and published.max_difference < 1e-4
    model = onnx.load(built.guide_folder / "model.onnx")
    shapes = {output.name: output.type.tensor_type.shape.dim[-1].dim_value for output in model.graph.output}
    assert shapes["features"] == backbone_widths(BackboneChoice(), 256)["top"]


def test_nothing_to_learn_from_is_explained(tmp_path: Path) -> None:
    project = make_project(tmp_path / "empty")
    with pytest.raises(NotReady, match="not split"):
        trained(project)
