"""The runs of a project side by side: who is among them, how they are judged, and taking one of them up."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from command import set_key
from conftest import Clock, Pictures, make_project
from fieldguide.errors import NotReady
from fieldguide.learners.weights import load_backbone
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.records import TrainReport
from fieldguide.records.comparison import BASELINE, CompareReport, CompareRow
from fieldguide.settings import change_settings
from fieldguide.stages.add import Terms, add
from fieldguide.stages.build import build
from fieldguide.stages.clean import clean
from fieldguide.stages.compare import compare
from fieldguide.stages.evaluate import evaluate
from fieldguide.stages.split import split
from fieldguide.stages.status import status
from fieldguide.stages.train import train
from fieldguide.stages.train.preview import preview
from fieldguide.stages.tune import tune

pytest.importorskip("torch", reason="training needs the extra [train]")

COLOUR = {"train.learner": "colour", "train.colour.families": ["logistic"], "train.colour.grid": "usual"}
CNN = {"train.learner": "cnn", "train.size": 32, "train.loop.epochs": 1, "train.loop.threads": 1,
       "train.cross_validate": "never"}  # fmt: skip


class Told(SilentProgress):
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        """Nothing; the line is remembered."""
        self.lines.append(line)


def trained(project: Project, changed: dict[str, Any]) -> TrainReport:
    return train(project, change_settings(project.settings(), changed), progress=SilentProgress())


def compared(project: Project, **more: Any) -> CompareReport:
    return compare(project, project.settings(), progress=SilentProgress(), **more)


def learners(report: CompareReport) -> set[str]:
    return {row.learner for row in report.rows}


@pytest.fixture
def shapes(built_once: Path, tmp_path: Path) -> Project:
    """A copy of the built project that has published nothing and whose colours are quickly learnt."""
    shutil.copytree(built_once, tmp_path / "shapes")
    project = Project(tmp_path / "shapes", Clock())
    set_key(project.settings_file, "train.colour", 'families = ["logistic"]')
    return project


def test_colour_and_the_baseline_are_always_among_the_rows(shapes: Project) -> None:
    first = compared(shapes)
    assert learners(first) == {"transfer", "colour", BASELINE} and len(first.rows) == 3
    runs = sorted(path.name for path in shapes.runs_folder.iterdir())
    again = compared(shapes)
    assert sorted(path.name for path in shapes.runs_folder.iterdir()) == runs, "it is made once"
    assert again == first
    transfer = next(row for row in first.rows if row.learner == "transfer")
    with shapes.catalog() as catalog:
        finished = catalog.finished("train")
    assert finished and finished.report["run"] == transfer.name, "comparing does not change the current run"
    shutil.rmtree(shapes.runs_folder)
    assert learners(compared(shapes)) == {"colour", BASELINE}


def test_networks_by_validation_stand_beside_cross_validated_runs(tmp_path: Path, pictures: Pictures) -> None:
    shapes = make_project(tmp_path / "shapes")
    set_key(shapes.settings_file, "split", "val = 0.45")
    settings, silent = shapes.settings(), SilentProgress()
    source = pictures(tmp_path / "source", per_class=18, side=64)
    add(shapes, settings, source, terms=Terms(licence="own"), progress=silent)
    clean(shapes, settings, progress=silent)
    split(shapes, settings, progress=silent)
    network, colour = trained(shapes, CNN), trained(shapes, COLOUR)
    report = compared(shapes)
    rows = {row.name: row for row in report.rows}
    by_val, crossed = rows[network.run], rows[colour.run]
    with shapes.catalog() as catalog:
        val = sum(one == "val" for one in catalog.splits().values())
    assert (by_val.held_out, crossed.held_out) == ("validation split", "grouped cross-validation")
    assert by_val.own_pictures == network.measured == val and crossed.own_pictures == colour.images
    assert by_val.own_accuracy == pytest.approx(network.accuracy)
    assert crossed.own_accuracy == pytest.approx(colour.accuracy)
    for row in report.rows:
        assert row.verdict != "too few shared pictures" and row.pictures == val
    assert any(f"scored on the {val} that they have in common" in " ".join(note.split()) for note in report.notes)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file of weights of a backbone that has none embedded."""
    torch = pytest.importorskip("torch")
    path = tmp_path / "weights.pt"
    torch.save(load_backbone("resnet18", "none", 32).module.state_dict(), path)
    return path


def test_other_weights_in_the_same_file_are_learnt_from_anew(shapes: Project, weights: Path) -> None:
    torch = pytest.importorskip("torch")
    asked = {"train.backbone": "resnet18", "train.weights": str(weights), "train.size": 32, "train.fit": "squash"}
    settings, silent = change_settings(shapes.settings(), asked), SilentProgress()
    first = train(shapes, settings, progress=silent)
    assert train(shapes, settings, progress=silent).run == first.run
    state = torch.load(weights, weights_only=True)
    torch.save({name: value * 0.9 for name, value in state.items()}, weights)
    second = train(shapes, settings, progress=silent)
    assert second.run != first.run
    assert evaluate(shapes, settings, progress=silent).run == second.run
    weights.unlink()
    told = Told()
    report = compare(shapes, shapes.settings(), progress=told)
    assert {first.run, second.run}.isdisjoint(row.name for row in report.rows) and len(report.rows) > 2
    assert any(line.startswith(f"{second.run} is left out: there is no file of weights") for line in told.lines)


def test_what_a_search_writes_is_what_won(shapes: Project) -> None:
    set_key(shapes.settings_file, "train.loop", 'imbalance = "weights"')
    only_cnn = {"choices": ["none", "weights"], "only_if": {"learner": "cnn"}}
    changed = {"train.fit": "squash", "train.folds": 2, "train.size": 64, "train.loop.epochs": 1}
    searched = changed | {"tune.trials": 3, "tune.space": {"learner": ["transfer", "cnn"], "loop.imbalance": only_cnn}}
    report = tune(shapes, change_settings(shapes.settings(), searched), progress=SilentProgress())
    assert report.params == {"learner": "transfer"} and report.trials["complete"] == 3
    page = (shapes.root / report.report).read_text(encoding="utf-8")
    assert "grouped cross-validation" in page, "what the value is, for so few pictures"
    assert shapes.settings().train.loop.imbalance == "none", "as the best had it"
    now = change_settings(shapes.settings(), changed)
    assert report.value == pytest.approx(train(shapes, now, progress=SilentProgress()).accuracy[0])


def test_the_sheet_follows_from_the_seed_of_learning(shapes: Project) -> None:
    drawn = []
    for seed in (1, 1, 2):
        settings = change_settings(shapes.settings(), {"train.seed": seed, "train.loop.augment": "strong"})
        drawn.append(Path(preview(shapes, settings, progress=SilentProgress()).path).read_bytes())
    assert drawn[0] == drawn[1] != drawn[2]


def test_seeds_give_a_mean_and_a_spread(shapes: Project) -> None:
    runs = [trained(shapes, {**CNN, "train.seed": seed}) for seed in (1, 2, 3)]
    (group,) = compared(shapes).seeds
    shares = [run.accuracy[0] for run in runs]
    assert set(group.names) == {run.run for run in runs} and group.learner == "cnn"
    assert group.mean == pytest.approx(np.mean(shares)) and group.spread == pytest.approx(np.std(shares, ddof=1))


@pytest.mark.parametrize("changed", [{**COLOUR, "train.seed": 5}, {**CNN, "train.loop.lr": 0.002}])
def test_a_run_that_is_taken_up_is_evaluated_and_published(shapes: Project, changed: dict[str, Any]) -> None:
    wanted = trained(shapes, changed)
    trained(shapes, {})
    remark = "# why folds is three: they are few\n"
    text = shapes.settings_file.read_text(encoding="utf-8")
    shapes.settings_file.write_text(text.replace("folds = 3", f"folds = 3\n{remark}", 1), encoding="utf-8")
    comments = [line for line in shapes.settings_file.read_text().splitlines() if line.startswith("# ")]
    compared(shapes, use=wanted.run)
    settings, runs = shapes.settings(), sorted(path.name for path in shapes.runs_folder.iterdir())
    for name, value in changed.items():
        said: Any = settings.model_dump(mode="json")
        for part in name.split("."):
            said = said[part]
        assert said == value, name
    text = shapes.settings_file.read_text(encoding="utf-8")
    assert remark in text and all(line in text for line in comments if " = " not in line)
    stages = {stage.stage: stage.state for stage in status(shapes, settings).stages}
    assert stages["train"] == "done" and stages["evaluate"] == stages["publish"] == "out of date"
    reports = build(shapes, settings, progress=SilentProgress(), done=lambda name, report: None)
    assert reports["train"].run == wanted.run and reports["evaluate"].run == wanted.run
    assert json.loads((shapes.guide_folder / "guide.json").read_text())["run"] == wanted.run
    assert sorted(path.name for path in shapes.runs_folder.iterdir()) == runs, "nothing is trained again"
    assert {stage.state for stage in status(shapes, shapes.settings()).stages} == {"done"}


def test_runs_made_from_other_pictures_stand_apart(shapes: Project) -> None:
    old = trained(shapes, {})
    with shapes.catalog() as catalog:
        one = next(one for one in catalog.states() if one.split == "train")
    with closing(sqlite3.connect(shapes.root / "catalog.db")) as database, database:
        database.execute("UPDATE split SET split = 'val' WHERE sha256 = ?", (one.sha256,))
    report = compared(shapes)
    assert old.run in {row.name for row in report.outdated} and len(report.outdated) == 2
    assert learners(report) == {"colour", BASELINE}, "the colours are learnt anew from what is there now"
    with pytest.raises(NotReady, match="other pictures"):
        compared(shapes, use=old.run)


@pytest.mark.parametrize("command", ["tune", "compare", "preview"])
def test_no_test_picture_is_ever_read(shapes: Project, command: str) -> None:
    with shapes.catalog() as catalog:
        test = [one for one in catalog.states() if one.state == "kept" and one.split == "test"]
        looks = catalog.count_looks()
    assert test
    for one in test:
        shapes.image_path(one.sha256, one.format).unlink()
    shutil.rmtree(shapes.features_folder)
    changed = {"tune.trials": 3, "tune.space": {"learner": ["transfer", "colour", "cnn"]}, "train.folds": 2, **CNN,
               "train.learner": "transfer", "train.fit": "squash", "train.colour.grid": "usual"}  # fmt: skip
    settings, silent = change_settings(shapes.settings(), changed), SilentProgress()
    if command == "tune":
        found = tune(shapes, settings, progress=silent)
        assert found.trials["complete"] == 3 and found.trials["failed"] == 0
    elif command == "preview":
        assert preview(shapes, settings, progress=silent)
    else:
        assert isinstance(compare(shapes, settings, progress=silent).rows[0], CompareRow)
    with shapes.catalog() as catalog:
        assert catalog.count_looks() == looks
