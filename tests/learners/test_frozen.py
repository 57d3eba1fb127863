"""Frozen training: which views and heads are chosen, what few pictures give, and what is kept of it."""

from typing import Any

import numpy as np
import pytest

from fieldguide.features import Pictures
from fieldguide.learners import open_learner
from fieldguide.learners.contract import FitResult, TrainingData
from fieldguide.learners.frozen import FrozenModel
from fieldguide.progress import SilentProgress
from fieldguide.project import Project
from fieldguide.project.dataset import load_dataset
from fieldguide.settings import change_settings

pytest.importorskip("torch", reason="training needs the extra [train]")


def training_of(project: Project, **changes: Any) -> tuple[TrainingData, Any]:
    """Return the training data of a project and the settings with changes under [train]."""
    settings = change_settings(project.settings(), {f"train.{key}": value for key, value in changes.items()})
    with project.catalog() as catalog:
        data = load_dataset(catalog).where("train", "val")
    pictures = Pictures(project, tuple(data.images.items()), settings, SilentProgress())
    return TrainingData.of(data, pictures, settings), settings


def fit(project: Project, **changes: Any) -> FitResult:
    training, settings = training_of(project, **{"size": 64, **changes})
    return open_learner(settings.train, settings.seed).fit(training)


def views_of(result: FitResult) -> list[tuple[str, bool]]:
    assert isinstance(result.model, FrozenModel)
    return [(view.fit, view.mirrored) for view in result.model.views]


@pytest.mark.parametrize(
    ("changes", "views"),
    [
        (
            {"views": 4, "mirror": "always", "depth": "top"},
            {("squash", False), ("squash", True), ("crop", False), ("crop", True)},
        ),
        ({"views": 2, "mirror": "never", "depth": "top"}, {("squash", False), ("crop", False)}),
        ({"views": 2, "fit": "pad", "depth": "top"}, {("pad", False), ("pad", True)}),
        ({"views": 1, "fit": "crop", "depth": "top"}, {("crop", False)}),
    ],
)  # fmt: skip
def test_views_are_those_of_the_settings(built: Project, changes: dict[str, Any], views: set[tuple[str, bool]]) -> None:
    result = fit(built, **changes)
    assert set(views_of(result)) == views
    assert result.chosen["views learnt from"] == len(views)


def test_answers_by_more_views_are_means_with_a_temperature_of_their_own(built: Project) -> None:
    result = fit(built, views=4, mirror="always", depth="top", head="ridge")
    model = result.model
    assert isinstance(model, FrozenModel)
    training, _ = training_of(built, size=64)
    tables = training.pictures.embed_views(model.backbone, model.views, model.runtime)
    alone = [model.head.logits(table) for table in tables]
    for count in (1, 2, 4):
        answering = model.answering(count)
        outputs = answering.predict(training.pictures)
        assert outputs.logits == pytest.approx(np.mean(alone[:count], axis=0), abs=1e-6)
        assert answering.temperature == model.temperatures[count]
    assert model.answering(4).answer_views == model.views
    loaded = open_learner(training_of(built)[1].train, 0).load(model.to_bytes(), model.preprocessing, 3)
    assert isinstance(loaded, FrozenModel)
    assert loaded.views == model.views and dict(loaded.temperatures) == dict(model.temperatures)


@pytest.mark.parametrize("head", ["ridge", "logistic", "lda"])
def test_every_head_tells_shapes_apart(built: Project, head: str) -> None:
    result = fit(built, head=head, depth="top", views=2, mirror="never", strengths=[0.01])
    training, _ = training_of(built)
    assert np.mean(result.held_out.argmax(axis=1) == training.labels) > 0.8
    assert result.chosen["head"] == head


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_pictures_a_class_are_enough_to_fit(built: Project, count: int) -> None:
    training, settings = training_of(built, size=64)
    chosen = np.concatenate([np.flatnonzero(training.labels == label)[:count] for label in range(3)])
    few = training.take(chosen)
    result = open_learner(settings.train, settings.seed).fit(few)
    assert np.isfinite(result.held_out).all()
    assert 0.05 <= result.model.temperature <= 20
    answers = result.model.predict(training.pictures).logits.argmax(axis=1)
    assert np.mean(answers == training.labels) > 0.4


@pytest.mark.parametrize("matters", [True, False])
def test_mirrored_views_are_left_out_where_left_and_right_matter(
    built: Project, monkeypatch: pytest.MonkeyPatch, matters: bool
) -> None:
    training, settings = training_of(built, size=64, depth="top", fit="squash", head="ridge")
    training = training.take(np.flatnonzero(training.labels < 2))

    def embed_views(self: Pictures, model: Any, views: Any, runtime: str) -> list[np.ndarray]:
        tables = []
        for number, view in enumerate(views):
            sides = training.labels ^ (view.mirrored and matters)  # a mirrored picture looks like the other class
            table = np.zeros((len(sides), 1280), np.float32)
            table[:, :2] = np.eye(2)[sides] * 4 + np.random.default_rng(number).uniform(0, 0.5, (len(sides), 2))
            tables.append(table)
        return tables

    monkeypatch.setattr(Pictures, "embed_views", embed_views)
    result = open_learner(settings.train, settings.seed).fit(training)
    assert any(mirrored for _, mirrored in views_of(result)) is not matters
