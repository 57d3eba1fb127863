"""Evaluating: the numbers are those of the test split, each look is written down, the report needs no network."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from command import set_key
from conftest import Pictures, draw_picture, encode, make_project
from fieldguide.cli.show import show
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
    assert f"opened {before + 1} times" in " ".join(page.split()) and report.looks == before + 1


def test_a_calibration_error_of_few_pictures_is_not_told(built: Project) -> None:
    report = evaluated(built)
    assert 0 < report.test_images < 30 and report.ece_interval is None
    page, card = (
        " ".join(path.read_text(encoding="utf-8").split())
        for path in (built.root / report.report, built.guide_folder / "README.md")
    )
    assert "The calibration error is not shown: 6 pictures are too few" in page
    assert "alibration error" not in card
    assert "has been opened once" in page and "which no training saw" in card


def test_every_score_has_its_interval(built: Project) -> None:
    report = evaluated(built)
    assert report.macro_f1_interval and report.macro_f1_interval[0] < report.macro_f1 <= report.macro_f1_interval[1]
    for score in report.per_class.values():
        for kind in ("precision", "recall", "f1"):
            assert score[f"{kind}_low"] <= score[kind] <= score[f"{kind}_high"]
    low, high = wilson_interval(int(score["support"]), int(score["support"]))
    card = (built.guide_folder / "README.md").read_text(encoding="utf-8")
    assert f"({low:.2f} to {high:.2f})" in card


@pytest.mark.parametrize(
    ("difference", "claim"),
    [
        ((0.02, -0.01, 0.05), "no difference seen"),
        ((-0.02, -0.05, 0.01), "no difference seen"),
        ((0.0, -0.05, 0.05), "no difference seen"),
        ((0.102, 0.02, 0.18), "10.2 points too high"),
        ((-0.102, -0.18, -0.02), "10.2 points too low"),
    ],
)
def test_a_careless_split_claims_what_its_interval_carries(
    built: Project, difference: tuple[float, float, float], claim: str
) -> None:
    assert replace(evaluated(built), difference=difference).careless_claim == claim


def test_the_careless_split_is_told_without_alarm(built: Project, capsys: pytest.CaptureFixture[str]) -> None:
    report = evaluated(built)
    assert report.difference and report.difference[1] <= 0 <= report.difference[2], "twelve easy pictures of each class"
    show("evaluate", report, as_json=False)
    page = (built.root / report.report).read_text(encoding="utf-8")
    card = (built.guide_folder / "README.md").read_text(encoding="utf-8")
    for text in (capsys.readouterr().out, page, card):
        assert "no difference seen" in text
    assert not re.search(r"careless[^{}]*\{[^}]*--red", page)


def test_the_classifier_that_was_taken_stands_first(built: Project) -> None:
    pytest.importorskip("torch", reason="training needs the extra [train]")
    changed = {"train.learner": "colour", "train.colour.grid": "usual", "train.colour.families": ["logistic", "svm"]}
    settings = change_settings(built.settings(), changed)
    run = train(built, settings, progress=SilentProgress())
    table = built.runs_folder / run.run / "families.csv"
    family = str(run.chosen["family"]).partition(" ")[0]
    poor = "".join(f"{name},a poor one,0.25,0.1,306720823048444.0,0.1,0.4\n" for name in (family, "forest"))
    table.write_text(table.read_text(encoding="utf-8") + poor, encoding="utf-8")
    page = (built.root / evaluate(built, settings, progress=SilentProgress()).report).read_text(encoding="utf-8")
    rows = re.findall(r"<tr[^>]*>.*?</tr>", page.partition("Classifiers tried")[2].partition("</table>")[0], re.DOTALL)
    assert str(run.chosen["family"]) in rows[1] and "chosen" in rows[1]
    assert [row for row in rows if "chosen" in row] == [rows[1]]
    assert "306720823048444" not in page and "over 36" in rows[-1]


def test_the_report_is_one_file_that_reaches_nothing(built: Project) -> None:
    page = (built.root / evaluated(built).report).read_text(encoding="utf-8")
    assert re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?!data:|#)[^"'\s>]+""", page) == []
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'\"" in page
    assert page.count("<script") == 1 and "onclick" not in page


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
    poor = {
        "train.learner": "transfer", "train.head": "logistic", "train.strengths": [1e-6], "train.weights": "none",
        "train.size": 32, "train.fit": "squash", "train.depth": "top", "train.views": 1,
        "evaluate.cross_validate": "never", "evaluate.mistakes": 40,
    }  # fmt: skip
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
