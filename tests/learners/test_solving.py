"""The solver for many rows: the answer is that of scikit-learn solved closely, whatever is left out."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fieldguide.learners import solving
from fieldguide.learners.solving import Solver, Stock

linear = pytest.importorskip("sklearn.linear_model", reason="learning needs the extra [train]")


def leaning(count: int, wide: int, classes: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Rows whose columns lean on each other, as features do, of clusters that overlap."""
    dice = np.random.default_rng(seed)
    labels = dice.integers(0, classes, count)
    hidden = dice.normal(size=(classes, 12))[labels] * 0.7 + dice.normal(size=(count, 12))
    rows = hidden @ dice.normal(size=(12, wide)) + 0.7 * dice.normal(size=(count, wide))
    return (rows * dice.uniform(0.5, 3, wide) + dice.normal(size=wide)).astype(np.float32), labels


def closely(rows: NDArray[np.float32], labels: NDArray[np.int64], strength: float) -> tuple[NDArray[np.float64], ...]:
    """Weights and intercepts over these rows standardised, by scikit-learn."""
    scaled = (rows - rows.mean(axis=0)) / np.where(rows.std(axis=0) > 1e-6, rows.std(axis=0), 1.0)
    model = linear.LogisticRegression(C=strength, max_iter=5000, tol=1e-9).fit(scaled.astype(np.float64), labels)
    return scaled, model.coef_.T, model.intercept_


def probs_of(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("directions", [8, 512])
@pytest.mark.parametrize("without", [slice(0, 0), slice(0, 60), slice(100, 170)])
def test_the_answer_is_that_of_all_columns_and_of_the_rows_given(
    without: slice, directions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solving, "_DIRECTIONS", directions)
    monkeypatch.setattr(solving, "_SPARE", 0)
    monkeypatch.setattr(solving, "_ENOUGH", 1e-10)
    monkeypatch.setattr(solving, "_CHUNK", 64)
    rows, labels = leaning(300, 40, 4)
    rows[:, 7] = 2.5
    kept = np.r_[0 : without.start, without.stop : 300]
    stock = Stock.take(rows.copy(), labels)
    assert stock.directions.shape == (40, min(directions, 39))
    solver = Solver(stock, without)
    for strength in (0.01, 0.3):
        scaled, weights, intercept = closely(rows[kept], labels[kept], strength)
        found = solver.advance(strength)
        wanted = probs_of(scaled @ weights + intercept)
        assert probs_of(stock.rows[kept] @ found[0] + found[1]) == pytest.approx(wanted, abs=2e-3)
    other = Solver(stock).advance(0.3)[0] if without.stop else solver.advance(0.001)[0]
    assert np.abs(other - found[0]).max() > 0.01


def test_a_stock_is_standardised_in_place() -> None:
    rows, labels = leaning(200, 30, 3)
    rows[:, 3] = 1.5
    before = rows.copy()
    stock = Stock.take(rows, labels)
    assert stock.rows is rows
    assert rows == pytest.approx((before - before.mean(axis=0)) / stock.scale, abs=1e-4)
    assert stock.scale[3] == 1 and np.allclose(np.delete(rows, 3, axis=1).std(axis=0), 1, atol=1e-4)
    assert np.allclose(stock.directions.T @ stock.directions, np.eye(stock.directions.shape[1]), atol=1e-3)


def test_the_widest_directions_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solving, "_DIRECTIONS", 12)
    rows, labels = leaning(400, 60, 3)
    stock = Stock.take(rows, labels)
    best = np.linalg.svd(stock.rows, compute_uv=False)[:12]
    assert np.sum((stock.rows @ stock.directions) ** 2) > 0.99 * np.sum(best**2)


def test_classes_that_are_left_out_are_not_there() -> None:
    rows, labels = leaning(200, 20, 3)
    order = np.argsort(labels, kind="stable")
    stock = Stock.take(rows[order], labels[order])
    first = int(np.sum(labels == 0))
    solver = Solver(stock, slice(0, first))
    weights, intercept = solver.advance(0.1)
    assert solver.present.tolist() == [1, 2]
    assert weights.shape == (20, 2) and intercept.shape == (2,)
