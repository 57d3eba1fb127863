"""The ridge classifier beside fits that really leave the rows out."""

import numpy as np
import pytest

from fieldguide.learners.linear_head import NEVER, root
from fieldguide.learners.ridge import PENALTIES, SCALE, fit_ridge


def clouds(pictures: int, width: int, classes: int = 3, views: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features about a centre for each class, labels and pictures' numbers; views are near one another."""
    rng = np.random.default_rng(3)
    labels = np.tile(np.arange(classes), -(-pictures // classes))[:pictures]
    centres = rng.gamma(2.0, 1.0, (classes, width))
    rows = np.abs(centres[labels] + rng.normal(0, 1.5, (pictures, width)))
    copies = [np.abs(rows + rng.normal(0, 0.2, rows.shape)) for _ in range(views)]
    numbers = np.tile(np.arange(pictures), views)
    return np.concatenate(copies).astype(np.float32), np.tile(labels, views).astype(np.int64), numbers


def leave_out_slowly(features: np.ndarray, labels: np.ndarray, groups: np.ndarray, penalty: float) -> np.ndarray:
    """Return each row's logits by a fit that never saw its group, by the normal equations."""
    rows = root(features).astype(np.float64)
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    targets = np.eye(labels.max() + 1)[labels]
    ridge = penalty * (rows**2).sum()
    logits = np.zeros(targets.shape)
    for group in np.unique(groups):
        out = groups == group
        design = np.column_stack([rows[~out], np.ones((~out).sum())])
        penalties = np.diag([*[ridge] * rows.shape[1], 0.0])
        weights = np.linalg.solve(design.T @ design + penalties, design.T @ targets[~out])
        logits[out] = SCALE * (np.column_stack([rows[out], np.ones(out.sum())]) @ weights)
    return logits


@pytest.mark.parametrize(("pictures", "width", "views"), [(12, 40, 1), (40, 12, 1), (15, 40, 3), (40, 12, 4)])
def test_answers_for_groups_left_out_are_exact(pictures: int, width: int, views: int) -> None:
    features, labels, numbers = clouds(pictures, width, views=views)
    groups = numbers // 2 if views == 1 else numbers
    fit = fit_ridge(features.copy(), labels, groups, [0.01])
    expected = leave_out_slowly(features, labels, groups, 0.01)
    np.testing.assert_allclose(fit.held_out, expected, atol=1e-4)


def test_answers_are_exact_where_columns_are_many_and_the_penalty_is_weak() -> None:
    features, labels, groups = clouds(24, 3000)
    hardly = 25 + np.random.default_rng(0).normal(0, 2e-3, (24, 3000))  # varies, but by few steps of float32
    features = np.concatenate([features, hardly.astype(np.float32)], axis=1)
    fit = fit_ridge(features.copy(), labels, groups, [PENALTIES[-1]])
    expected = leave_out_by_products(features, labels, PENALTIES[-1])
    np.testing.assert_allclose(fit.held_out, expected, atol=1e-2)


def leave_out_by_products(features: np.ndarray, labels: np.ndarray, penalty: float) -> np.ndarray:
    """Return each row's logits by a fit that never saw it, from products of rows: columns may be many."""
    rows = root(features).astype(np.float64)
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    targets = np.eye(labels.max() + 1)[labels]
    logits = np.zeros(targets.shape)
    for place in range(len(rows)):
        kept = np.arange(len(rows)) != place
        middle, average = rows[kept].mean(axis=0), targets[kept].mean(axis=0)
        others = rows[kept] - middle
        ridge = penalty * (rows**2).sum() * np.eye(len(others))
        weights = others.T @ np.linalg.solve(others @ others.T + ridge, targets[kept] - average)
        logits[place] = SCALE * (average + (rows[place] - middle) @ weights)
    return logits


def test_many_rows_and_columns_give_the_same_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels, groups = clouds(60, 30, views=2)
    few = fit_ridge(features.copy(), labels, groups)
    monkeypatch.setattr("fieldguide.learners.ridge.MOST_FOR_EIGENVALUES", 5)
    many = fit_ridge(features.copy(), labels, groups)
    assert many.penalty == few.penalty
    np.testing.assert_allclose(many.held_out, few.held_out, atol=2e-2)
    np.testing.assert_allclose(many.layer.weights, few.layer.weights, atol=2e-3)


def test_the_layer_answers_from_roots_of_features() -> None:
    features, labels, groups = clouds(60, 20)
    fit = fit_ridge(features.copy(), labels, groups)
    logits = root(features) @ fit.layer.weights + fit.layer.bias
    assert np.mean(logits.argmax(axis=1) == labels) > 0.9
    assert fit.penalty in PENALTIES


def test_a_class_without_rows_is_never_the_answer() -> None:
    features, labels, groups = clouds(40, 20, classes=2)
    labels[labels == 1] = 2
    fit = fit_ridge(features.copy(), labels, groups)
    assert fit.layer.bias[1] == NEVER
    assert (fit.held_out[:, 1] == NEVER).all()


def test_one_picture_a_class_still_gives_a_classifier() -> None:
    features, labels, groups = clouds(3, 20, views=4)
    fit = fit_ridge(features.copy(), labels, groups)
    logits = root(features) @ fit.layer.weights + fit.layer.bias
    assert (logits.argmax(axis=1) == labels).all()
    assert fit.penalty == PENALTIES[0]


@pytest.mark.parametrize("penalty", [1e-2, 1e-5])
def test_columns_without_variation_change_no_answer(penalty: float) -> None:
    """In float32 the mean of equal numbers can miss them, and dividing by that tiny error makes a column of ones."""
    features, labels, groups = clouds(120, 300)
    constants = np.tile(np.linspace(0.5, 5.0, 60, dtype=np.float32), (120, 1))
    expected = fit_ridge(features.copy(), labels, groups, [penalty])
    fit = fit_ridge(np.concatenate([features, constants], axis=1), labels, groups, [penalty])
    np.testing.assert_allclose(fit.held_out, expected.held_out, atol=1e-2)
    assert not fit.layer.weights[300:].any()
