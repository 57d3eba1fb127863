"""Numbers against scikit-learn, hand formulas and slow loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fieldguide.metrics import accuracy, calibration_error, confusion_matrix, per_class_scores, wilson_interval

answers = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


def pair(rows: list[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    both = np.array(rows, dtype=np.int64)
    return both[:, 0], both[:, 1]


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662), (5, 10, 0.2366, 0.7634), (0, 0, 0.0, 1.0)],
)
def test_wilson_against_printed_values(right: int, total: int, low: float, high: float) -> None:
    assert wilson_interval(right, total) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 5000), st.floats(0, 1), st.floats(0.5, 4))
def test_wilson_solves_its_own_equation(total: int, share: float, z: float) -> None:
    """The ends are where the observed share is `z` standard errors away: (p - x)^2 = z^2 x (1 - x) / n."""
    right = round(share * total)
    seen = right / total
    low, high = wilson_interval(right, total, z)
    assert 0.0 <= low <= seen + 1e-12
    assert seen - 1e-12 <= high <= 1.0
    for end in (low, high):
        assert (seen - end) ** 2 == pytest.approx(z * z * end * (1 - end) / total, abs=1e-9)


@given(answers)
def test_scores_are_those_of_scikit_learn(rows: list[tuple[int, int]]) -> None:
    sk = pytest.importorskip("sklearn.metrics", reason="the extra [train]")
    labels, predicted = pair(rows)
    assert accuracy(labels, predicted)[0] == pytest.approx(sk.accuracy_score(labels, predicted))
    counts = confusion_matrix(labels, predicted, 4)
    assert np.array_equal(counts, sk.confusion_matrix(labels, predicted, labels=range(4)))
    wanted = sk.precision_recall_fscore_support(labels, predicted, labels=range(4), zero_division=0)
    for place, scores in enumerate(per_class_scores(counts)):
        assert list(scores.values()) == pytest.approx([float(one[place]) for one in wanted])
        assert list(scores) == ["precision", "recall", "f1", "support"]


def test_accuracy_has_its_interval() -> None:
    labels = np.arange(10)
    predicted = np.where(labels < 8, labels, 0)
    assert accuracy(labels, predicted) == (0.8, *wilson_interval(8, 10))
    nothing = np.zeros(0, dtype=np.int64)
    assert accuracy(nothing, nothing) == (0.0, 0.0, 1.0)


def slow_calibration_error(probs: NDArray[np.float64], labels: NDArray[np.int64], bins: int) -> float:
    total = 0.0
    for one in range(bins):
        inside = [
            (row.max(), float(row.argmax() == label))
            for row, label in zip(probs, labels, strict=True)
            if one / bins <= row.max() < (one + 1) / bins or (one == bins - 1 and row.max() == 1.0)
        ]
        if inside:
            sure, right = (sum(values) / len(inside) for values in zip(*inside, strict=True))
            total += len(inside) / len(labels) * abs(sure - right)
    return total


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.sampled_from([7, 13, 15]))
def test_calibration_error_against_a_slow_loop(seed: int, count: int, bins: int) -> None:
    dice = np.random.default_rng(seed)
    probs = dice.dirichlet([0.3] * 3, count)
    probs[0] = (1.0, 0.0, 0.0)
    labels = dice.integers(0, 3, count)
    assert calibration_error(probs, labels, bins) == pytest.approx(slow_calibration_error(probs, labels, bins))


def test_calibration_error_of_plain_cases() -> None:
    sure = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert calibration_error(sure, np.array([0, 0])) == 0.0
    assert calibration_error(sure, np.array([1, 1])) == 1.0
    assert calibration_error(np.full((4, 2), 0.5), np.array([0, 0, 1, 1])) == pytest.approx(0.0)
    assert calibration_error(np.zeros((0, 2)), np.zeros(0, dtype=np.int64)) == 0.0
