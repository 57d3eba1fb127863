"""From a run to a guide, by each learner: the numbers agree, the report shows what was learnt, the guide answers."""

import csv
import json
import re
import shutil
import signal
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from command import TIMEOUT_S, start
from conftest import Clock, Pictures
from fieldguide.guide import open_guide
from fieldguide.metrics import wilson_interval
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.records import EvaluateReport, PublishReport, TrainReport
from fieldguide.stages.evaluate import evaluate
from fieldguide.stages.predict import predict
from fieldguide.stages.publish import publish
from fieldguide.stages.train import train

pytest.importorskip("torch", reason="training needs the extra [train]")

LOOP = {"train.loop.epochs": 2, "train.loop.threads": 1, "train.loop.batch_size": 8, "train.size": 64}
WAYS: dict[str, dict[str, Any]] = {
    "colour": {"train.learner": "colour", "train.colour.grid": "usual", "train.colour.families": ["svm", "logistic"]},
    "cnn": {"train.learner": "cnn", "train.loop.imbalance": "weights", "train.cross_validate": "never", **LOOP},
    "cnn, crossed": {
        "train.learner": "cnn", "train.loop.imbalance": "oversample", "train.cross_validate": "always",
        "train.folds": 2, "evaluate.cross_validate": "always", "evaluate.folds": 2, **LOOP,
    },
    "full": {"train.learner": "transfer", "train.mode": "full", "train.cross_validate": "never", **LOOP},
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """Hold what came of the walk from `train` to `publish`."""

    way: str
    project: Project
    trained: TrainReport
    evaluated: EvaluateReport
    published: PublishReport

    @property
    def folder(self) -> Path:
        return self.project.runs_folder / self.trained.run

    @property
    def numbers(self) -> dict[str, Any]:
        metrics: dict[str, Any] = json.loads((self.folder / "metrics.json").read_text(encoding="utf-8"))
        return metrics

    @property
    def page(self) -> str:
        return (self.folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=list(WAYS))
def outcome(request: pytest.FixtureRequest, built_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    root = tmp_path_factory.mktemp("learner") / "shapes"
    shutil.copytree(built_once, root)
    project = Project(root, Clock())
    project.write_settings(WAYS[request.param])
    settings, silent = project.settings(), SilentProgress()
    trained = train(project, settings, progress=silent)
    evaluated = evaluate(project, settings, progress=silent)
    return Outcome(request.param, project, trained, evaluated, publish(project, settings, progress=silent))


def test_the_numbers_agree_with_each_other(outcome: Outcome) -> None:
    trained, evaluated, numbers = outcome.trained, outcome.evaluated, outcome.numbers
    assert evaluated.run == trained.run == numbers["run"] and trained.learner in ("colour", "cnn", "transfer")
    confusion = np.array(numbers["confusion"])
    correct, total = int(confusion.trace()), int(confusion.sum())
    assert (correct / total, *wilson_interval(correct, total)) == pytest.approx(evaluated.accuracy)
    assert total == evaluated.test_images and list(evaluated.accuracy) == pytest.approx(numbers["accuracy"])
    with (outcome.folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    share = sum(row["answer"] == row["class_name"] for row in rows) / len(rows)
    assert share == pytest.approx(trained.accuracy[0]) and len(rows) == trained.measured
    if trained.measured_by == "validation split":
        assert {row["split"] for row in rows} == {"val"}
    else:
        assert len(rows) == trained.images
    crossed = outcome.way in ("colour", "cnn, crossed")
    assert (evaluated.grouped is not None) == (evaluated.careless is not None) == crossed
    assert (numbers["cv_confusion"] is not None) == crossed


def test_of_what_a_network_learnt_nothing_is_said_about_the_unknown(outcome: Outcome) -> None:
    card = (outcome.project.guide_folder / "README.md").read_text(encoding="utf-8")
    assert (outcome.published.false_accept is None) == (outcome.trained.learner != "colour")
    assert ("that would take one training run without each class" in card) == (outcome.trained.learner != "colour")
    assert 0 <= outcome.published.true_accept <= 1


def test_a_network_s_run_can_be_looked_at_in_tensorboard(outcome: Outcome) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = outcome.folder / "board"
    assert board.is_dir() == (outcome.trained.learner != "colour")
    if board.is_dir():
        events = EventAccumulator(str(board))
        events.Reload()
        tags: dict[str, Any] = events.Tags()
        assert {"loss/train", "loss/val", "accuracy/train", "accuracy/val", "lr"} <= set(tags["scalars"])
        assert [one.step for one in events.Scalars("loss/train")] == [1, 2]
        assert {"confusion", "samples"} <= {tag.partition("/")[0] for tag in tags["images"]} and tags["graph"]


def test_the_guide_says_and_answers_the_same(outcome: Outcome) -> None:
    guide = open_guide(outcome.project.guide_folder)
    about = json.loads((outcome.project.guide_folder / "guide.json").read_text(encoding="utf-8"))
    card = (outcome.project.guide_folder / "README.md").read_text(encoding="utf-8")
    assert about["run"] == outcome.trained.run and about["learner"] == outcome.trained.learner
    assert about["backbone"] == outcome.trained.backbone == ("efficientnet_lite0" if outcome.way == "full" else "")
    assert about["scores"]["accuracy"] == pytest.approx(list(outcome.evaluated.accuracy))
    assert about["preprocessing"]["size"] == outcome.trained.size
    accuracy = f"{outcome.evaluated.accuracy[0] * 100:.1f} %"
    assert accuracy in card and "None" not in card and "{{" not in card
    assert ("grouped cross-validation" in card) == ("careless split" in card) == (outcome.evaluated.grouped is not None)
    assert f": {outcome.trained.learner}{' on efficientnet_lite0' if outcome.way == 'full' else ''}." in card
    assert outcome.published.agreement == 1.0 and outcome.published.max_difference < 1e-4
    confusion, names = np.array(outcome.numbers["confusion"]), list(outcome.numbers["class_names"])
    counts = np.zeros_like(confusion)
    with outcome.project.catalog() as catalog:
        test_images = [image for image in catalog.states() if image.state == "kept" and image.split == "test"]
    for image in test_images:
        probs = guide.classify(outcome.project.read_image(image.sha256, image.format)).probs
        counts[names.index(image.class_name), names.index(max(probs, key=lambda name: probs[name]))] += 1
    assert np.array_equal(counts, confusion)


def test_the_report_shows_what_was_learnt(outcome: Outcome) -> None:
    page = outcome.page
    assert not re.search(r"https?://", page)
    layers = outcome.numbers["architecture"]["layers"]
    assert outcome.numbers["architecture"]["parameters"] == outcome.trained.parameters
    assert layers[-1]["shape"] == [3] and all(size > 0 for layer in layers for size in layer["shape"])
    assert page.count('<rect class="layer-') == len(layers) + 1, "a box for each, and one for the picture"
    if outcome.way == "colour":
        for word in ("Classifiers tried", "svm (C 100, gamma 0.01)", "logistic (C 15)", "Feature importance"):
            assert word in page
        assert page.count('class="worth') == 18 and 'aria-label="How far a few features go' in page
        assert 'aria-label="Loss' not in page
        assert (outcome.folder / "importance.png").read_bytes()[:4] == b"\x89PNG"
        return
    assert 'aria-label="Loss' in page and 'aria-label="Accuracy: ' in page and "<h2>Training</h2>" in page
    assert "validation: epoch 1, loss " in page, "points say their values"
    assert sum(layer["parameters"] for layer in layers) == outcome.trained.parameters
    assert "Class balance" in page and "Feature importance" not in page
    with (outcome.folder / "balance.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        cells = "".join(f'<td class="num">{row[name]}</td>' for name in ("pictures", "shown", "weight"))
        assert f'<th scope="row">{row["class_name"]}</th>{cells}' in page
    assert ("Not run: a network" in page) == (outcome.evaluated.grouped is None)


def test_predict_and_serve_answer(outcome: Outcome, pictures: Pictures, tmp_path: Path) -> None:
    source = pictures(tmp_path / "new", per_class=1, first=700)
    paths = sorted(source.rglob("*.jpg"))
    predictions = predict(outcome.project.guide_folder, paths, progress=SilentProgress())
    assert len(predictions) == 3
    if outcome.way not in ("colour", "cnn"):
        return
    log = tmp_path / "log"
    with log.open("w") as file:
        server = start("serve", "--port", "0", "--guide", outcome.project.guide_folder, stderr=file)
    try:
        deadline = time.monotonic() + 60
        while "http" not in log.read_text() and server.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        address = re.findall(r"http://\S+", log.read_text())[0].rstrip("/")
        request = urllib.request.Request(
            f"{address}/v1/classify", paths[0].read_bytes(), {"Content-Type": "image/jpeg"}
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:
            answer = json.load(reply)
        most = max(predictions[0].probs, key=lambda name: predictions[0].probs[name])
        assert answer["probs"][0]["class_name"] == most
        assert answer["probs"][0]["prob"] == pytest.approx(predictions[0].probs[most], abs=1e-5)
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=TIMEOUT_S)
