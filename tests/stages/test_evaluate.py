"""Evaluating: the numbers are those of the test split, each look is written down, the report needs no network."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from command import set_key
from conftest import Pictures, draw_picture, encode, make_project
from fieldguide.errors import NotReady
from fieldguide.guide import open_guide
from fieldguide.metrics import wilson_interval
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.project.dataset import load_dataset
from fieldguide.records import EvaluateReport
from fieldguide.settings import change_settings
from fieldguide.stages.add import Terms, add
from fieldguide.stages.build import build
from fieldguide.stages.evaluate import evaluate
from fieldguide.stages.train import train


def evaluated(project: Project) -> EvaluateReport:
    return evaluate(project, project.settings(), progress=SilentProgress())


def test_the_score_is_that_of_the_published_guide_on_the_test_split(built: Project) -> None:
    report = evaluated(built)
    with built.catalog() as catalog:
        data = load_dataset(catalog).where("test")
    guide = open_guide(built.guide_folder)
    answers = [guide.classify(built.read_image(*item)).probs for item in data.images.items()]
    right = sum(
        max(probs, key=lambda name: probs[name]) == data.class_names[label]
        for probs, label in zip(answers, data.labels, strict=True)
    )
    assert report.test_images == len(data.labels)
    assert report.accuracy[0] == pytest.approx(right / len(data.labels))
    assert tuple(report.accuracy[1:]) == pytest.approx(wilson_interval(right, len(data.labels)))


def test_the_numbers_agree_with_each_other(built: Project) -> None:
    report = evaluated(built)
    numbers = json.loads((built.root / report.report).with_name("metrics.json").read_text(encoding="utf-8"))
    confusion = np.array(numbers["confusion"])
    assert confusion.sum() == report.test_images
    assert confusion.trace() / confusion.sum() == pytest.approx(report.accuracy[0])
    everything = np.array(numbers["cv_confusion"])
    assert everything.sum() == numbers["images"]
    assert report.grouped
    assert everything.trace() / everything.sum() == pytest.approx(report.grouped[0])
    assert report.macro_f1 == pytest.approx(np.mean([score["f1"] for score in report.per_class.values()]))


def test_every_look_at_the_test_split_is_written_down(built: Project) -> None:
    def looks() -> int:
        with built.catalog() as catalog:
            return catalog.count_looks()

    before = looks()
    evaluated(built)
    assert looks() == before  # nothing has changed: it is not opened again
    set_key(built.settings_file, "evaluate", "mistakes = 3")
    report = evaluated(built)
    assert looks() == before + 1
    page = (built.root / report.report).read_text(encoding="utf-8")
    assert f"used {before + 1} times" in " ".join(page.split())


def test_the_report_is_one_file_that_reaches_nothing(built: Project) -> None:
    page = (built.root / evaluated(built).report).read_text(encoding="utf-8")
    assert re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?!data:)[^"'\s>]+""", page) == []
    assert "<script" not in page
    assert "default-src 'none'" in page


def test_copies_count_only_in_what_a_careless_split_would_say(tmp_path: Path, pictures: Pictures) -> None:
    project = make_project(tmp_path / "project", ["circle", "square"])
    source = pictures(tmp_path / "source", ["circle", "square"], 8)
    for number in range(8):
        copy = draw_picture("circle", number).resize((96, 96))
        (source / "circle" / f"copy-{number}.png").write_bytes(encode(copy))
    set_key(project.settings_file, "features", 'runtime = "onnxruntime"')
    add(project, project.settings(), source, terms=Terms(licence="own"), progress=SilentProgress())
    reports = build(project, project.settings(), progress=SilentProgress(), done=lambda name, report: None)
    copies = reports["clean"].rejected["near_copy"]
    assert copies > 0
    numbers = json.loads(next(project.runs_folder.glob("*/metrics.json")).read_text(encoding="utf-8"))
    assert numbers["copies"] == copies
    assert numbers["images"] == 24 - copies
    low, high = reports["evaluate"].careless[1:]
    assert wilson_interval(round(reports["evaluate"].careless[0] * 24), 24) == pytest.approx((low, high))


class Stopping(SilentProgress):
    """A person who presses Ctrl-C once an epoch is over."""

    def say(self, line: str) -> None:
        """Do nothing until an epoch is over."""
        if line.startswith("epoch 1"):
            raise KeyboardInterrupt


def test_an_exam_that_was_interrupted_may_be_asked_for_otherwise(built: Project) -> None:
    pytest.importorskip("torch", reason="training needs the extra [train]")
    quick = {"train.learner": "cnn", "train.size": 32, "train.loop.epochs": 2, "train.cross_validate": "never",
             "train.loop.threads": 1, "evaluate.cross_validate": "always", "evaluate.folds": 2}  # fmt: skip
    settings = change_settings(built.settings(), quick)
    run = train(built, settings, progress=SilentProgress())
    with pytest.raises(KeyboardInterrupt):
        evaluate(built, settings, progress=Stopping())
    assert list(built.runs_folder.glob(f"unfinished-evaluate-{run.run}/*/grouped"))
    other_settings = change_settings(settings, {"evaluate.folds": 3})
    assert evaluate(built, other_settings, progress=SilentProgress()).run == run.run
    assert not list(built.runs_folder.glob("unfinished-*"))


def test_mistakes_are_shown_of_pictures_that_were_not_learnt_from(built: Project) -> None:
    poor = {"train.weights": "none", "train.size": 32, "train.fit": "squash", "train.depth": "top",
            "train.strengths": [1e-6], "evaluate.cross_validate": "never", "evaluate.mistakes": 40}  # fmt: skip
    settings = change_settings(built.settings(), poor)
    train(built, settings, progress=SilentProgress())
    report = evaluate(built, settings, progress=SilentProgress())
    page = (built.root / report.report).read_text(encoding="utf-8")
    with built.catalog() as catalog:
        test = load_dataset(catalog).where("test").images
        places = {origin.location for origin in catalog.origins() if origin.sha256 in test}
        others = {origin.location for origin in catalog.origins()} - places
    assert any(place in page for place in places), "random weights and a strong penalty say little"
    assert not any(place in page for place in others)


def test_nothing_trained_is_explained(project: Project) -> None:
    with pytest.raises(NotReady, match="trained"):
        evaluated(project)
