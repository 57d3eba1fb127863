"""Temperatures that are known are found again; familiarity against a slow loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fieldguide.calibration import Familiarity, accept_threshold, fit_familiarity, fit_temperature, log_loss, softmax
from fieldguide.metrics import calibration_error


def drawn(temperature: float, count: int = 4000) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits that are `temperature` times too large, and labels drawn from the true probabilities."""
    dice = np.random.default_rng(1)
    logits = dice.normal(0, 2, (count, 4))
    chances = softmax(logits)
    labels = (chances.cumsum(axis=1) < dice.random((count, 1))).sum(axis=1)
    return logits * temperature, labels.astype(np.int64)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 8.0])
def test_a_known_temperature_is_found_and_the_error_falls(temperature: float) -> None:
    logits, labels = drawn(temperature)
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(temperature, rel=0.08)
    before = calibration_error(softmax(logits), labels)
    after = calibration_error(softmax(logits / found), labels)
    assert after < 0.03
    assert after < before or temperature == 1.0


def test_the_temperature_is_the_best_of_a_fine_grid() -> None:
    logits, labels = drawn(1.7, 300)
    grid = np.exp(np.linspace(np.log(0.05), np.log(20), 2000))
    losses = [log_loss(logits / one, labels) for one in grid]
    assert log_loss(logits / fit_temperature(logits, labels), labels) <= min(losses) + 1e-6


def test_answers_that_are_all_right_or_all_wrong_stay_in_bounds() -> None:
    logits = np.eye(3)[[0, 1, 2]] * 5
    right = fit_temperature(logits, np.array([0, 1, 2]))
    assert 0.9 > softmax(logits / right).max() > 1 / 3, "three right answers are no reason to be sure"
    assert fit_temperature(logits, np.array([1, 2, 0])) == pytest.approx(20, rel=0.01)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 300))
def test_softmax_and_log_loss_against_plain_formulas(seed: int, size: float) -> None:
    dice = np.random.default_rng(seed)
    logits = dice.normal(0, size, (6, 3))
    probs = softmax(logits)
    assert probs.sum(axis=1) == pytest.approx(np.ones(6))
    assert np.array_equal(probs.argmax(axis=1), logits.argmax(axis=1))
    assert softmax(logits + 1000) == pytest.approx(probs, abs=1e-9)
    labels = dice.integers(0, 3, 6)
    loss = np.logaddexp.reduce(logits, axis=1)[:, None] - logits
    doubt = 1 / 8  # one imagined mistake among 6 + 2
    wanted = np.mean([(1 - doubt) * row[label] + doubt * row.mean() for row, label in zip(loss, labels, strict=True)])
    assert log_loss(logits, labels) == pytest.approx(wanted)


def clouds(count: int, wide: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    dice = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    middles = dice.normal(0, 3, (3, wide))
    return (middles[labels] + dice.normal(0, 1, (count, wide))).astype(np.float32), labels.astype(np.int64)


@pytest.mark.parametrize(("count", "wide"), [(12, 40), (120, 30), (300, 5)])
def test_familiarity_against_a_slow_loop(count: int, wide: int) -> None:
    features, labels = clouds(count, wide)
    fitted = fit_familiarity(features, labels)
    scores = fitted.score(features)
    for row, score in zip(features, scores, strict=True):
        placed = (row.astype(np.float64) - fitted.centre) @ fitted.whiten
        nearest = min(float(((placed - mean) ** 2).mean()) for mean in fitted.means)
        assert score == pytest.approx(-nearest, rel=1e-6, abs=1e-6)
    assert (scores <= 0).all()


def test_the_score_is_zero_at_a_class_mean_and_about_minus_one_for_what_was_learnt() -> None:
    features, labels = clouds(600, 20)
    fitted = fit_familiarity(features, labels)
    means = np.stack([features[labels == one].mean(axis=0) for one in range(3)]).astype(np.float32)
    assert fitted.score(means) == pytest.approx(np.zeros(3), abs=0.01)
    assert fitted.score(features).mean() == pytest.approx(-1, abs=0.35)


def test_what_is_strange_is_less_familiar() -> None:
    features, labels = clouds(300, 16)
    known, _ = clouds(90, 16, seed=0)
    fitted = fit_familiarity(features, labels)
    strange = np.random.default_rng(7).normal(0, 9, (90, 16)).astype(np.float32)
    assert np.median(fitted.score(strange)) < np.quantile(fitted.score(known), 0.02)


def test_few_pictures_are_no_reason_to_fail() -> None:
    for count in (4, 6, 9):
        features, labels = clouds(count, 50)
        scores = fit_familiarity(features, labels).score(features)
        assert np.isfinite(scores).all()


@given(st.lists(st.floats(-100, 0), min_size=1, max_size=80), st.floats(0.51, 1.0))
def test_the_threshold_accepts_the_share_that_was_asked_for(scores: list[float], share: float) -> None:
    known = np.array(scores)
    threshold = accept_threshold(known, share)
    assert (known >= threshold).mean() >= share - 1e-9 or (known >= threshold).sum() >= np.floor(share * len(known))
    assert threshold in scores


def test_everything_is_accepted_when_all_is_asked_for() -> None:
    assert accept_threshold(np.array([-3.0, -1.0, -2.0]), 1.0) == -3.0


def test_a_familiarity_is_only_arrays() -> None:
    fitted = fit_familiarity(*clouds(60, 10))
    again = Familiarity(fitted.centre, fitted.whiten, fitted.means)
    features = clouds(9, 10, seed=5)[0]
    assert np.array_equal(again.score(features), fitted.score(features))
