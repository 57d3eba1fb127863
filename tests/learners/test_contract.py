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
    "full": {"train.mode": "full", "train.cross_validate": "never", **LOOP},
}  # fmt: skip


@dataclass(frozen=True)
class Made:
    """What came of the walk from `train` to `publish`."""

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
        found: dict[str, Any] = json.loads((self.folder / "metrics.json").read_text(encoding="utf-8"))
        return found

    @property
    def page(self) -> str:
        return (self.folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=list(WAYS))
def made(request: pytest.FixtureRequest, built_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("learner") / "shapes"
    shutil.copytree(built_once, root)
    project = Project(root, Clock())
    project.write_settings(WAYS[request.param])
    settings, silent = project.settings(), SilentProgress()
    trained = train(project, settings, progress=silent)
    evaluated = evaluate(project, settings, progress=silent)
    return Made(request.param, project, trained, evaluated, publish(project, settings, progress=silent))


def test_the_numbers_agree_with_each_other(made: Made) -> None:
    trained, evaluated, numbers = made.trained, made.evaluated, made.numbers
    assert evaluated.run == trained.run == numbers["run"] and trained.learner in ("colour", "cnn", "transfer")
    confusion = np.array(numbers["confusion"])
    right, total = int(confusion.trace()), int(confusion.sum())
    assert (right / total, *wilson_interval(right, total)) == pytest.approx(evaluated.accuracy)
    assert total == evaluated.test_images and list(evaluated.accuracy) == pytest.approx(numbers["accuracy"])
    with (made.folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    share = sum(row["answer"] == row["class_name"] for row in rows) / len(rows)
    assert share == pytest.approx(trained.accuracy[0]) and len(rows) == trained.measured
    if trained.measured_by == "validation split":
        assert {row["split"] for row in rows} == {"val"}
    else:
        assert len(rows) == trained.images
    crossed = made.way in ("colour", "cnn, crossed")
    assert (evaluated.grouped is not None) == (evaluated.careless is not None) == crossed
    assert (numbers["cv_confusion"] is not None) == crossed


def test_of_what_a_network_learnt_nothing_is_said_about_the_unknown(made: Made) -> None:
    card = (made.project.guide_folder / "README.md").read_text(encoding="utf-8")
    assert (made.published.false_accept is None) == (made.trained.learner != "colour")
    assert ("that would take one training run without each class" in card) == (made.trained.learner != "colour")
    assert 0 <= made.published.true_accept <= 1


def test_a_network_s_run_can_be_looked_at_in_tensorboard(made: Made) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = made.folder / "board"
    assert board.is_dir() == (made.trained.learner != "colour")
    if board.is_dir():
        events = EventAccumulator(str(board))
        events.Reload()
        tags: dict[str, Any] = events.Tags()
        assert {"loss/train", "loss/val", "accuracy/train", "accuracy/val", "lr"} <= set(tags["scalars"])
        assert [one.step for one in events.Scalars("loss/train")] == [1, 2]
        assert {"confusion", "samples"} <= {tag.partition("/")[0] for tag in tags["images"]} and tags["graph"]


def test_the_guide_says_and_answers_the_same(made: Made) -> None:
    guide = open_guide(made.project.guide_folder)
    about = json.loads((made.project.guide_folder / "guide.json").read_text(encoding="utf-8"))
    card = (made.project.guide_folder / "README.md").read_text(encoding="utf-8")
    assert about["run"] == made.trained.run and about["learner"] == made.trained.learner
    assert about["backbone"] == made.trained.backbone == ("efficientnet_lite0" if made.way == "full" else "")
    assert about["scores"]["accuracy"] == pytest.approx(list(made.evaluated.accuracy))
    assert about["preprocessing"]["size"] == made.trained.size
    shown = f"{made.evaluated.accuracy[0] * 100:.1f} %"
    assert shown in card and "None" not in card and "{{" not in card
    assert ("grouped cross-validation" in card) == ("careless split" in card) == (made.evaluated.grouped is not None)
    assert f": {made.trained.learner}{' on efficientnet_lite0' if made.way == 'full' else ''}." in card
    assert made.published.agreement == 1.0 and made.published.max_difference < 1e-4
    confusion, names = np.array(made.numbers["confusion"]), list(made.numbers["class_names"])
    found = np.zeros_like(confusion)
    with made.project.catalog() as catalog:
        test = [one for one in catalog.states() if one.state == "kept" and one.split == "test"]
    for one in test:
        probs = guide.classify(made.project.read_image(one.sha256, one.format)).probs
        found[names.index(one.class_name), names.index(max(probs, key=lambda name: probs[name]))] += 1
    assert np.array_equal(found, confusion)


def test_the_report_shows_what_was_learnt(made: Made) -> None:
    page = made.page
    assert not re.search(r"https?://", page) and "<script" not in page
    if made.way == "colour":
        for word in ("Classifiers tried", "svm (C 100, gamma 0.01)", "logistic (C 15)",
                     "Feature importance", 'alt="importance"', 'alt="elimination"'):  # fmt: skip
            assert word in page
        assert page.count("<tr><td>") >= 3 + 2 + 18 and "<h2>Training</h2>" not in page
        assert (made.folder / "importance.png").read_bytes()[:4] == b"\x89PNG"
        return
    assert 'alt="loss"' in page and 'alt="accuracy"' in page and "<h2>Training</h2>" in page
    assert "Class balance" in page and "Feature importance" not in page
    with (made.folder / "balance.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        cells = "".join(f'<td class="num">{row[name]}</td>' for name in ("pictures", "shown", "weight"))
        assert f"<td>{row['class_name']}</td>{cells}" in page
    assert ("Not run: a network" in page) == (made.evaluated.grouped is None)


def test_predict_and_serve_answer(made: Made, pictures: Pictures, tmp_path: Path) -> None:
    source = pictures(tmp_path / "new", per_class=1, first=700)
    paths = sorted(source.rglob("*.jpg"))
    answers = predict(made.project.guide_folder, paths, progress=SilentProgress())
    assert len(answers) == 3
    if made.way not in ("colour", "cnn"):
        return
    log = tmp_path / "log"
    with log.open("w") as file:
        server = start("serve", "--port", "0", "--guide", made.project.guide_folder, stderr=file)
    try:
        deadline = time.monotonic() + 60
        while "http" not in log.read_text() and server.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        address = re.findall(r"http://\S+", log.read_text())[0].rstrip("/")
        asked = urllib.request.Request(f"{address}/v1/classify", paths[0].read_bytes(), {"Content-Type": "image/jpeg"})
        with urllib.request.urlopen(asked, timeout=TIMEOUT_S) as reply:
            said = json.load(reply)
        most = max(answers[0].probs, key=lambda name: answers[0].probs[name])
        assert said["probs"][0]["class_name"] == most
        assert said["probs"][0]["prob"] == pytest.approx(answers[0].probs[most], abs=1e-5)
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=TIMEOUT_S)
