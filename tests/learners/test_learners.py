"""Learners: one contract that each of them keeps, and how they are found by name."""

from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from fieldguide.calibration import Calibration, softmax
from fieldguide.errors import InputUnusable, NotReady, SettingsError
from fieldguide.exporters.answers import add_answers
from fieldguide.familiarity import fit_familiarity
from fieldguide.features import Pictures
from fieldguide.learners import known_learners, open_learner
from fieldguide.learners.contract import FitResult, Learner, TrainingData, group_folds
from fieldguide.learners.linear_head import root
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.project.dataset import load_dataset
from fieldguide.settings import Settings, TrainSettings, change_settings

SMALL = {"train.size": 64, "train.fit": "squash", "train.depth": "top", "train.folds": 2, "train.strengths": [0.01]}
WAYS: dict[str, dict[str, Any]] = {
    "transfer, frozen": {},
    "transfer, frozen, deep head": {"train.head": "mlp-halving"},
    "transfer, frozen, another backbone": {"train.backbone": "mobilenet_v3_small", "train.weights": "none"},
    "transfer, frozen, evened": {"train.loop.imbalance": "oversample"},
    "transfer, unfreeze": {"train.mode": "unfreeze", "train.loop.unfreeze": 1},
    "transfer, full": {"train.mode": "full"},
    "cnn, small": {"train.learner": "cnn"},
    "cnn, vgg-small": {"train.learner": "cnn", "train.network": "vgg-small"},
    "colour": {"train.learner": "colour", "train.colour.families": ["svm", "logistic"], "train.colour.grid": "usual"},
}
LOOP = {"train.loop.epochs": 2, "train.loop.batch_size": 16, "train.loop.threads": 1}


def training_data_of(project: Project, settings: Settings, keep: Path | None = None) -> TrainingData:
    with project.catalog() as catalog:
        data = load_dataset(catalog).where("train", "val")
    return TrainingData.of(
        data, Pictures(project, tuple(data.images.items()), settings, SilentProgress()), settings, keep
    )


@pytest.fixture(params=list(WAYS), scope="class")
def settings(request: pytest.FixtureRequest, built_once: Path) -> Settings:
    return change_settings(Project(built_once).settings(), {**SMALL, **LOOP, **WAYS[request.param]})


@pytest.fixture(scope="class")
def learner(settings: Settings) -> Learner:
    return open_learner(settings.train, settings.seed)


@pytest.fixture(scope="class")
def training(settings: Settings, built_once: Path) -> TrainingData:
    return training_data_of(Project(built_once), settings)


@pytest.fixture(scope="class")
def learnt(learner: Learner, training: TrainingData) -> FitResult:
    return learner.fit(training)


class TestContract:
    """Test what every learner keeps to, whatever it is."""

    def test_it_answers_for_each_class(self, learnt: FitResult, training: TrainingData) -> None:
        outputs = learnt.model.predict(training.pictures)
        assert outputs.logits.shape == (len(training.labels), len(training.class_names))
        assert outputs.logits.dtype == np.float64 and np.isfinite(outputs.logits).all()
        assert outputs.features.dtype == np.float32 and len(outputs.features) == len(training.labels)
        assert learnt.model.temperature > 0 and learnt.model.parameters > 0

    def test_pictures_are_answered_one_by_one_as_together(self, learnt: FitResult, training: TrainingData) -> None:
        some = training.pictures.take([4, 1])
        together = learnt.model.predict(training.pictures, exact=True).logits[[4, 1]]
        assert learnt.model.predict(some, exact=True).logits == pytest.approx(together, abs=1e-4)

    def test_held_out_answers_say_how_they_were_had(self, learnt: FitResult, training: TrainingData) -> None:
        is_held_out = ~np.isnan(learnt.held_out[:, 0])
        if learnt.measured_by == "grouped cross-validation":
            assert is_held_out.all()
        else:
            assert learnt.measured_by == "validation split"
            assert np.array_equal(is_held_out, training.splits == "val")

    def test_it_comes_back_from_its_file(
        self, learner: Learner, learnt: FitResult, training: TrainingData, settings: Settings
    ) -> None:
        model = learnt.model
        data = model.to_bytes()
        loaded = open_learner(settings.train, settings.seed).load(data, model.preprocessing, len(training.class_names))
        assert loaded.to_bytes() == data
        assert (loaded.temperature, loaded.file_name) == (model.temperature, model.file_name)
        assert np.array_equal(loaded.predict(training.pictures).logits, model.predict(training.pictures).logits)

    @pytest.mark.parametrize("cut", [0, 100, -1])
    def test_a_file_cut_short_is_no_model(
        self, learner: Learner, learnt: FitResult, training: TrainingData, cut: int
    ) -> None:
        with pytest.raises(NotReady) as caught:
            learner.load(learnt.model.to_bytes()[:cut], learnt.model.preprocessing, len(training.class_names))
        assert caught.value.hint

    def test_the_same_seed_gives_the_same_bytes(
        self, learnt: FitResult, training: TrainingData, settings: Settings
    ) -> None:
        repeated = open_learner(settings.train, settings.seed).fit(training)
        assert repeated.model.to_bytes() == learnt.model.to_bytes()
        assert np.array_equal(repeated.held_out, learnt.held_out, equal_nan=True)

    def test_folds_are_answered_by_what_never_saw_them(
        self, learner: Learner, learnt: FitResult, training: TrainingData
    ) -> None:
        folds = group_folds(training.labels, training.groups, 2, training.seed)
        logits = learner.predict_held_out(training, folds, learnt.model)
        assert logits.shape == (len(training.labels), len(training.class_names)) and np.isfinite(logits).all()
        wrong = np.where(
            np.isin(np.arange(len(training.labels)), folds[0][1]), (training.labels + 1) % 3, training.labels
        )
        swapped = learner.predict_held_out(replace(training, labels=wrong), folds[:1], learnt.model)
        rows = folds[0][1]
        assert swapped[rows] == pytest.approx(logits[rows], abs=1e-7), "labels held out change nothing"

    def test_the_guide_answers_as_the_model(self, learnt: FitResult, training: TrainingData) -> None:
        model = learnt.model
        outputs = model.predict(training.pictures, exact=True)
        rows = root(outputs.features)
        familiarity = replace(fit_familiarity(rows, training.labels), weight=0.3)
        published = add_answers(model.export(), Calibration(), familiarity)
        session = onnxruntime.InferenceSession(published, providers=["CPUExecutionProvider"])
        squares = training.pictures.squares(model.preprocessing)
        assert isinstance(squares, np.ndarray)
        probs, features, known = session.run(["probs", "features", "familiarity"], {"image": squares})
        assert probs == pytest.approx(softmax(outputs.logits / model.temperature), abs=1e-4)
        assert features == pytest.approx(outputs.features, abs=1e-3, rel=1e-3)
        measured = familiarity.measure(rows, outputs.logits)
        assert known == pytest.approx(familiarity.weigh(measured, probs.max(axis=1)), abs=1e-3)

    def test_one_class_cannot_be_told_apart(self, learner: Learner, training: TrainingData) -> None:
        one_class = replace(training, labels=np.zeros_like(training.labels), class_names=training.class_names[:1])
        with pytest.raises(InputUnusable, match="one class"):
            learner.fit(one_class)


# ---- found by name


def test_the_built_in_learners_are_known() -> None:
    assert list(known_learners()) == ["cnn", "colour", "transfer"]
    for name in known_learners():
        assert open_learner(TrainSettings(learner=name), 0).name == name


def test_the_nearest_name_is_told() -> None:
    with pytest.raises(SettingsError) as caught:
        open_learner(TrainSettings(learner="color"), 0)
    assert "colour" in caught.value.hint


def entries(monkeypatch: pytest.MonkeyPatch, value: str, name: str = "mine") -> None:
    entry = EntryPoint(name, value, "fieldguide.learners")
    monkeypatch.setattr("fieldguide.learners.entry_points", lambda group: [entry])


class Mine:
    """A learner of somebody else's."""

    name = "mine"
    is_quick = True

    def __init__(self, settings: TrainSettings, seed: int) -> None:
        self.seed = seed

    def fit(self, training: TrainingData) -> Iterator[None]:
        yield

    predict_held_out = load = fit


def test_other_packages_add_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    entries(monkeypatch, "test_learners:Mine")
    assert isinstance(open_learner(TrainSettings(learner="mine"), 5), Mine)


@pytest.mark.parametrize("value", ["no.such:thing", "test_learners:nothing", "test_learners:training_data_of"])
def test_a_learner_that_is_none_is_told_so(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    entries(monkeypatch, value)
    with pytest.raises(SettingsError, match="mine"):
        open_learner(TrainSettings(learner="mine"), 0)


def test_a_built_in_name_cannot_be_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    entries(monkeypatch, "test_learners:Mine", "cnn")
    assert not isinstance(open_learner(TrainSettings(learner="cnn"), 0), Mine)
