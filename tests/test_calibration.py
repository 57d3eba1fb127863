"""Temperatures that are known are found again; familiarity against a slow loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fieldguide.calibration import (
    MAX_LOG_LOSS,
    Familiarity,
    accept_threshold,
    fit_familiarity,
    fit_temperature,
    log_losses,
    softmax,
    weigh_probability,
)
from fieldguide.metrics import calibration_error


def drawn(temperature: float, count: int = 4000) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return logits that are `temperature` times too large, and labels drawn from the true probabilities."""
    dice = np.random.default_rng(1)
    logits = dice.normal(0, 2, (count, 4))
    chances = softmax(logits)
    labels = (chances.cumsum(axis=1) < dice.random((count, 1))).sum(axis=1)
    return logits * temperature, labels.astype(np.int64)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 8.0])
def test_a_known_temperature_is_found_and_the_error_falls(temperature: float) -> None:
    logits, labels = drawn(temperature)
    fitted = fit_temperature(logits, labels)
    assert fitted == pytest.approx(temperature, rel=0.08)
    before = calibration_error(softmax(logits), labels)
    after = calibration_error(softmax(logits / fitted), labels)
    assert after < 0.03
    assert after < before or temperature == 1.0


def test_the_temperature_is_the_best_of_a_fine_grid() -> None:
    logits, labels = drawn(1.7, 300)
    grid = np.exp(np.linspace(np.log(0.05), np.log(20), 2000))
    losses = [log_losses(logits / value, labels).mean() for value in grid]
    assert log_losses(logits / fit_temperature(logits, labels), labels).mean() <= min(losses) + 1e-6


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
    each = [(1 - doubt) * row[label] + doubt * row.mean() for row, label in zip(loss, labels, strict=True)]
    expected = np.mean([min(value, MAX_LOG_LOSS) for value in each])
    assert log_losses(logits, labels).mean() == pytest.approx(expected)


def clouds(count: int, wide: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    dice = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    middles = dice.normal(0, 3, (3, wide))
    return (middles[labels] + dice.normal(0, 1, (count, wide))).astype(np.float32), labels.astype(np.int64)


@pytest.mark.parametrize(("count", "wide"), [(12, 40), (120, 30), (300, 5)])
def test_familiarity_against_a_slow_loop(count: int, wide: int) -> None:
    rows, labels = clouds(count, wide)
    scores = fit_familiarity(rows, labels).nearness(rows)
    means = [rows[labels == label].astype(np.float64).mean(axis=0) for label in range(3)]
    for row, score in zip(rows.astype(np.float64), scores, strict=True):
        cosines = [row @ mean / np.sqrt((row @ row) * (mean @ mean)) for mean in means]
        assert score == pytest.approx(max(cosines) - 1, abs=1e-6)
    assert (scores <= 1e-6).all()


def test_the_score_is_zero_at_a_class_mean_whatever_its_length() -> None:
    rows, labels = clouds(600, 20)
    fitted = fit_familiarity(rows, labels)
    means = np.stack([rows[labels == label].mean(axis=0) for label in range(3)]).astype(np.float32)
    assert fitted.nearness(means * 7) == pytest.approx(np.zeros(3), abs=1e-6)


def test_what_was_learnt_is_hardly_more_familiar_than_the_rest_of_its_class() -> None:
    rows, labels = clouds(400, 60)
    learnt, rest = rows[:200], rows[200:]
    fitted = fit_familiarity(learnt, labels[:200])
    threshold = np.quantile(fitted.nearness(rest), 0.05)
    assert (fitted.nearness(learnt) >= threshold).mean() > 0.94


def test_what_is_strange_is_less_familiar() -> None:
    features, labels = clouds(300, 16)
    known, _ = clouds(90, 16, seed=0)
    fitted = fit_familiarity(features, labels)
    strange = np.random.default_rng(7).normal(0, 9, (90, 16)).astype(np.float32)
    assert np.median(fitted.nearness(strange)) < np.quantile(fitted.nearness(known), 0.02)


def test_few_pictures_are_no_reason_to_fail() -> None:
    for count in (4, 6, 9):
        features, labels = clouds(count, 50)
        scores = fit_familiarity(features, labels).nearness(features)
        assert np.isfinite(scores).all()


@given(st.lists(st.floats(-100, 0), min_size=1, max_size=80), st.floats(0.51, 1.0))
def test_the_threshold_accepts_the_share_that_was_asked_for(scores: list[float], share: float) -> None:
    known = np.array(scores)
    threshold = accept_threshold(known, share)
    assert (known >= threshold).mean() >= share - 1e-9 or (known >= threshold).sum() >= np.floor(share * len(known))
    assert threshold in scores


def test_everything_is_accepted_when_all_is_asked_for() -> None:
    assert accept_threshold(np.array([-3.0, -1.0, -2.0]), 1.0) == -3.0


def test_infinite_confidence_has_a_finite_loss() -> None:
    logits = np.array([[1e15, 0.0], [0.0, 1e15], [3.0, 0.0]])
    losses = log_losses(logits, np.array([1, 1, 0]))
    assert losses[0] == MAX_LOG_LOSS and losses.max() <= MAX_LOG_LOSS and losses[2] < 1


def test_a_familiarity_is_only_arrays() -> None:
    fitted = fit_familiarity(*clouds(60, 10))
    restored = Familiarity(fitted.means)
    features = clouds(9, 10, seed=5)[0]
    assert np.array_equal(restored.nearness(features), fitted.nearness(features))


def test_of_two_pictures_as_near_the_surer_one_is_more_familiar() -> None:
    known = Familiarity(np.eye(2), weight=0.4)
    assert known.weigh(np.array([-0.1, -0.1]), np.array([0.5, 1.0])) == pytest.approx([-0.3, -0.1])


def test_the_probability_varies_half_as_much_as_nearness() -> None:
    dice = np.random.default_rng(3)
    nearness, probs = -dice.random(500) / 9, dice.random(500)
    weight = weigh_probability(nearness, probs)
    assert (weight * probs).std() == pytest.approx(nearness.std() / 2)


def test_where_all_answers_are_certain_the_probability_hardly_counts() -> None:
    nearness = -np.random.default_rng(3).random(500) / 9
    weight = weigh_probability(nearness, np.ones(500))
    assert 0 < weight <= 25 * nearness.std()
