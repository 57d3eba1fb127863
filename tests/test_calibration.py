"""Temperatures that are known are found again; other methods are taken where they are planted, and only there."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fieldguide.calibration import (
    KNOTS,
    MAX_LOG_LOSS,
    Calibration,
    CalibrationChoice,
    choose_calibration,
    fit_confidence,
    fit_isotonic,
    fit_temper,
    fit_temperature,
    fit_vector,
    log_losses,
    softmax,
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


def test_infinite_confidence_has_a_finite_loss() -> None:
    logits = np.array([[1e15, 0.0], [0.0, 1e15], [3.0, 0.0]])
    losses = log_losses(logits, np.array([1, 1, 0]))
    assert losses[0] == MAX_LOG_LOSS and losses.max() <= MAX_LOG_LOSS and losses[2] < 1


# ---- the choice among four


def folds_of(count: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    places = np.arange(count)
    return [(np.flatnonzero(places % 5 != fold), np.flatnonzero(places % 5 == fold)) for fold in range(5)]


def choose(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> CalibrationChoice:
    return choose_calibration(logits, labels, folds_of(len(labels)), [str(place) for place in range(len(labels))])


def test_where_the_temperature_is_right_it_stays() -> None:
    logits, labels = drawn(1.0, 3000)
    choice = choose(logits, labels)
    assert choice.calibration.method == "temperature"
    assert set(choice.losses) == {"temperature", "confidence", "vector", "isotonic"}
    assert choice.probs == pytest.approx(softmax(logits))


def test_vector_scaling_is_taken_where_single_classes_are_off() -> None:
    logits, labels = drawn(1.0, 3000)
    choice = choose(logits * [1.0, 2.5, 1.0, 1.0] + [0.0, 0.0, 1.5, -1.0], labels)
    assert choice.calibration.method == "vector"
    assert choice.calibration.scale == pytest.approx([1, 0.4, 1, 1], abs=0.15)
    assert choice.losses["vector"] < choice.losses["temperature"] - 0.05


def test_a_temperature_by_confidence_is_taken_where_sure_answers_are_too_sure() -> None:
    dice = np.random.default_rng(5)
    logits, labels = drawn(1.0, 3000)
    sure = softmax(logits).max(axis=1) > 0.6
    labels = np.where(sure & (dice.random(3000) < 0.15), dice.integers(0, 4, 3000), labels)
    logits = logits / fit_temperature(logits, labels)
    choice = choose(logits, labels)
    assert choice.calibration.method == "confidence" and choice.calibration.bend[1] < 0
    assert choice.losses["confidence"] < choice.losses["temperature"] - 0.002
    assert calibration_error(choice.probs, labels) < calibration_error(softmax(logits), labels)
    assert np.array_equal(choice.calibration.probs(logits).argmax(axis=1), logits.argmax(axis=1)), "no answer changes"


@pytest.mark.parametrize("classes", [2, 3, 17, 300])
def test_surer_answers_stay_surer_under_a_temperature_by_confidence(classes: int) -> None:
    dice = np.random.default_rng(6)
    logits = dice.normal(0, 6, (2000, classes))
    worst = np.flatnonzero(softmax(logits).max(axis=1) > 0.5)
    labels = logits.argmax(axis=1)
    labels[worst] = dice.integers(0, classes, len(worst))  # the surest are never better than chance
    fitted = fit_confidence(logits, labels)
    for ray in [np.eye(classes)[0], *dice.normal(0, 1, (20, classes))]:
        stated = fitted.probs(np.linspace(0, 30, 300)[:, None] * ray).max(axis=1)
        assert (np.diff(stated) > -1e-9).all()


def test_isotonic_is_taken_where_the_curve_has_steps() -> None:
    dice = np.random.default_rng(4)
    score = dice.uniform(-4, 4, 4000)
    chances = np.select([score < -2, score < 2], [0.03, 0.5], 0.97)
    labels = (dice.random(4000) < chances).astype(np.int64)
    logits = np.stack([np.zeros(4000), score], axis=1)
    choice = choose(logits / fit_temperature(logits, labels), labels)
    assert choice.calibration.method == "isotonic"
    assert choice.losses["isotonic"] < choice.losses["vector"] - 0.02
    assert calibration_error(choice.probs, labels) < 0.03


def test_of_few_answers_or_with_a_class_that_is_absent_nothing_is_chosen() -> None:
    logits, labels = drawn(1.0, 150)
    off = np.array([3.0, 0.0, 0.0, 0.0])
    assert choose(logits + off, labels).calibration.method == "temperature"
    logits, labels = drawn(1.0, 400)
    choice = choose(logits[labels > 0] + off, labels[labels > 0])
    assert choice.calibration.method == "temperature" and not choice.losses


@pytest.mark.parametrize("method", ["temperature", "confidence", "vector", "isotonic"])
def test_a_calibration_is_json_and_keeps_to_its_classes(method: str) -> None:
    logits, labels = drawn(1.0, 300)
    fits = {"temperature": lambda *_: Calibration(temper=1.3), "confidence": fit_confidence, "vector": fit_vector,
            "isotonic": fit_isotonic}  # fmt: skip
    fitted = fits[method](logits, labels)
    restored = Calibration.from_dict(json.loads(json.dumps(fitted.to_dict())), 4)
    assert restored.probs(logits) == pytest.approx(fitted.probs(logits), abs=1e-12)
    assert fitted.probs(logits).sum(axis=1) == pytest.approx(np.ones(300))
    fewer = fitted.without(2).probs(np.delete(logits, 2, axis=1))
    assert fewer.shape == (300, 3) and fewer.sum(axis=1) == pytest.approx(np.ones(300))
    if method in ("vector", "isotonic"):
        with pytest.raises(ValueError, match="do not fit 3 classes"):
            Calibration.from_dict(fitted.to_dict(), 3)


def test_what_is_no_calibration_is_refused() -> None:
    for fields in ({"method": "magic"}, {"temper": 0.0}, {"method": "vector", "scale": [1.0, np.inf], "shift": [0, 0]},
                   {"method": "confidence", "bend": [0.1]}):  # fmt: skip
        with pytest.raises(ValueError, match="calibration"):
            Calibration.from_dict(fields, 2)


def test_isotonic_maps_rise() -> None:
    logits, labels = drawn(1.0, 500)
    values = fit_isotonic(logits, labels).values
    assert values.shape == (4, len(KNOTS)) and (np.diff(values, axis=1) >= 0).all() and values.min() > 0


def test_answers_are_made_less_sure_never_surer() -> None:
    logits, labels = drawn(2.0, 800)
    assert fit_temper(logits, labels) == pytest.approx(2.0, rel=0.15)
    assert fit_temper(logits / 6, labels) == 1.0
