"""Numbers against scikit-learn, hand formulas and slow loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fieldguide.metrics import (
    MIN_CALIBRATION,
    GroupIntervals,
    accuracy,
    accuracy_difference,
    adjust_for_many,
    area_under_curve,
    calibration_error,
    calibration_interval,
    confusion_matrix,
    debiased_calibration_error,
    difference_by_groups,
    f1_interval,
    group_intervals,
    macro_f1,
    macro_f1_interval,
    mcnemar,
    per_class_scores,
    reliability,
    share_by_groups,
    top_k_accuracy,
    wilson_interval,
)

answers = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


def pair(rows: list[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    pairs = np.array(rows, dtype=np.int64)
    return pairs[:, 0], pairs[:, 1]


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
    observed = right / total
    low, high = wilson_interval(right, total, z)
    assert 0.0 <= low <= observed + 1e-12
    assert observed - 1e-12 <= high <= 1.0
    for end in (low, high):
        assert (observed - end) ** 2 == pytest.approx(z * z * end * (1 - end) / total, abs=1e-9)


@given(answers)
def test_scores_are_those_of_scikit_learn(rows: list[tuple[int, int]]) -> None:
    sk = pytest.importorskip("sklearn.metrics", reason="the extra [train]")
    labels, predicted = pair(rows)
    assert accuracy(labels, predicted)[0] == pytest.approx(sk.accuracy_score(labels, predicted))
    counts = confusion_matrix(labels, predicted, 4)
    assert np.array_equal(counts, sk.confusion_matrix(labels, predicted, labels=range(4)))
    expected = sk.precision_recall_fscore_support(labels, predicted, labels=range(4), zero_division=0)
    for place, scores in enumerate(per_class_scores(counts)):
        named = [scores[name] for name in ("precision", "recall", "f1", "support")]
        assert named == pytest.approx([float(column[place]) for column in expected])
        for name in ("precision", "recall", "f1"):
            assert scores[f"{name}_low"] <= scores[name] <= scores[f"{name}_high"]
    there = np.unique(labels)
    assert macro_f1(labels, predicted, 4) == pytest.approx(
        sk.f1_score(labels, predicted, labels=there, average="macro", zero_division=0)
    )


def test_macro_f1_counts_each_true_class_alike() -> None:
    labels = np.array([0] * 8 + [1] * 2)
    assert macro_f1(labels, labels, 3) == 1.0
    assert macro_f1(labels, np.zeros(10, dtype=np.int64), 3) == pytest.approx((16 / 18 + 0) / 2)
    assert macro_f1(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), 3) == 0.0


def test_accuracy_has_its_interval() -> None:
    labels = np.arange(10)
    predicted = np.where(labels < 8, labels, 0)
    assert accuracy(labels, predicted) == (0.8, *wilson_interval(8, 10))
    nothing = np.zeros(0, dtype=np.int64)
    assert accuracy(nothing, nothing) == (0.0, 0.0, 1.0)


def slow_calibration_error(probs: NDArray[np.float64], labels: NDArray[np.int64], bins: int) -> float:
    total = 0.0
    for index in range(bins):
        inside = [
            (row.max(), float(row.argmax() == label))
            for row, label in zip(probs, labels, strict=True)
            if index / bins <= row.max() < (index + 1) / bins or (index == bins - 1 and row.max() == 1.0)
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


def say_with_error(count: int, error: float, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return probabilities of two classes, and true classes that are the first less often by `error` than they say."""
    dice = np.random.default_rng(seed)
    sure = dice.uniform(0.7, 1.0, count)
    return np.stack([sure, 1 - sure], axis=1), (dice.random(count) >= sure - error).astype(np.int64)


@pytest.mark.parametrize(("error", "count"), [(0.0, 60), (0.1, 60), (0.0, 300), (0.1, 300)])
def test_the_calibration_interval_holds_the_truth_as_often_as_it_says(error: float, count: int) -> None:
    names = [str(place) for place in range(count)]
    ends = [calibration_interval(*say_with_error(count, error, seed), names) for seed in range(40)]
    held = [end is not None and end[0] <= error <= end[1] for end in ends]
    assert sum(held) >= 35


def test_a_calibration_error_of_few_pictures_has_no_interval() -> None:
    probs, labels = say_with_error(MIN_CALIBRATION, 0.0, 1)
    names = [str(place) for place in range(MIN_CALIBRATION)]
    assert calibration_interval(probs, labels, names)
    assert calibration_interval(probs[1:], labels[1:], names[1:]) is None


def test_answers_without_a_mistake_may_still_be_off() -> None:
    probs, labels = np.tile([1.0, 0.0], (40, 1)), np.zeros(40, dtype=np.int64)
    assert calibration_interval(probs, labels, [str(place) for place in range(40)]) == pytest.approx(
        (0.0, 1 - wilson_interval(40, 40)[0])
    )


def test_pictures_of_one_group_count_as_one() -> None:
    probs, labels = say_with_error(200, 0.1, 3)
    single, paired = [str(place) for place in range(400)], [str(place // 2) for place in range(400)]
    twice = np.repeat(probs, 2, axis=0), np.repeat(labels, 2)
    narrow, wide = calibration_interval(*twice, single), calibration_interval(*twice, paired)
    assert narrow and wide and narrow[1] - narrow[0] < wide[1] - wide[0]


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_the_interval_of_macro_f1_holds_the_truth_as_often_as_it_says(classes: int) -> None:
    chances = np.full((classes, classes), 0.2 / (classes - 1)) + np.eye(classes) * (0.8 - 0.2 / (classes - 1))
    dice = np.random.default_rng(classes)
    ends = [macro_f1_interval(np.array([dice.multinomial(12, row) for row in chances])) for _ in range(200)]
    assert np.mean([low <= 0.8 <= high for low, high in ends]) > 0.93


def test_intervals_of_f1_at_the_ends() -> None:
    assert f1_interval(0, 0) == (0.0, 1.0)
    low, high = f1_interval(4, 0)
    assert high == 1.0 and low < 0.7, "four right of four say little"
    assert macro_f1_interval(np.diag([4, 4]))[0] < 0.8 and macro_f1_interval(np.diag([4, 4]))[1] == 1.0
    assert macro_f1_interval(np.array([[0, 5], [5, 0]]))[0] == 0.0 and macro_f1_interval(np.zeros((2, 2), int)) == (
        0,
        1,
    )


def answered(both: int, only_a: int, only_b: int, neither: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return two series of answers with these counts."""
    counts = (both, only_a, only_b, neither)
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 50))
def test_mcnemar_against_the_binomial_test(only_a: int, only_b: int, same: int) -> None:
    """The mid-p is the exact two-sided p less the chance of just what was seen (Fagerland and others, 2013)."""
    stats = pytest.importorskip("scipy.stats", reason="the extra [train]")
    p = mcnemar(*answered(same, only_a, only_b, same))
    total = only_a + only_b
    if total == 0:
        assert p == 1.0
        return
    exact = stats.binomtest(only_a, total, 0.5).pvalue
    chance = stats.binom.pmf(only_a, total, 0.5)
    # with as many on either side the exact p is held at 1, where twice its tail would be 1 + chance
    assert p == pytest.approx(1.0 if only_a == only_b else exact - chance, rel=1e-9, abs=1e-300)
    assert p == mcnemar(*answered(same, only_b, only_a, same))


def test_mcnemar_of_plain_cases() -> None:
    assert mcnemar(*answered(50, 0, 0, 9)) == 1.0
    assert mcnemar(*answered(50, 0, 1, 9)) == 0.5
    assert mcnemar(*answered(0, 5, 0, 0)) == pytest.approx(2 / 32 - 1 / 32)
    assert mcnemar(*answered(0, 100_000, 90_000, 0)) < 1e-100
    assert mcnemar(*answered(0, 100_100, 100_000, 0)) == pytest.approx(0.8231, abs=1e-3)


def test_the_paired_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Drawn a thousand times from known shares it covers in about 95 of 100, of few pictures in more."""
    dice = np.random.default_rng(11)
    for shares in ((0.7, 0.1, 0.05, 0.15), (0.9, 0.04, 0.01, 0.05), (0.25, 0.25, 0.25, 0.25), (0.45, 0.05, 0.05, 0.45)):
        for total in (30, 200):
            truth = shares[1] - shares[2]
            ends = [
                accuracy_difference(*answered(*map(int, counts))) for counts in dice.multinomial(total, shares, 1000)
            ]
            covered = np.mean([low <= truth <= high for _, low, high in ends])
            assert 0.925 <= covered <= (1.0 if total == 30 else 0.99), (shares, total, covered)


def test_the_paired_interval_of_plain_cases() -> None:
    assert accuracy_difference(*answered(0, 0, 0, 0)) == (0.0, -1.0, 1.0)
    difference, low, high = accuracy_difference(*answered(36, 12, 2, 0))
    assert (difference, low, high) == pytest.approx((0.2, 0.0569, 0.3404), abs=1e-4)  # printed in the paper
    swapped = accuracy_difference(*answered(36, 2, 12, 0))
    assert swapped == pytest.approx((-difference, -high, -low))
    same = accuracy_difference(*answered(50, 0, 0, 50))
    assert same[0] == 0.0 and same[1] == -same[2] and 0 < same[2] < 0.1
    large = accuracy_difference(*answered(40_000, 6_000, 4_000, 50_000))
    error = 1.96 * np.sqrt(0.1 - 0.02**2) / np.sqrt(100_000)
    assert large == pytest.approx((0.02, 0.02 - error, 0.02 + error), abs=2e-5)


def test_holm_by_hand() -> None:
    assert adjust_for_many([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjust_for_many([0.6, 0.9]) == [1.0, 1.0]
    assert adjust_for_many([]) == []
    assert adjust_for_many([0.02]) == [0.02]


class TestGroups:
    """Pictures of a group are right or wrong together."""

    LABELS = np.repeat(np.arange(2), 60)
    RIGHT = np.tile(np.repeat([True, True, True, True, False, True], 10), 2)  # by groups of ten

    def intervals(self, groups: list[str]) -> GroupIntervals | None:
        return group_intervals(self.LABELS, np.where(self.RIGHT, self.LABELS, 1 - self.LABELS), groups, 2)

    def test_single_pictures_keep_their_intervals(self) -> None:
        assert self.intervals([str(number) for number in range(120)]) is None

    def test_tens_that_fall_together_say_less_than_single_pictures(self) -> None:
        wide = self.intervals([str(number // 10) for number in range(120)])
        low, high = wilson_interval(100, 120)
        assert wide and wide.accuracy[0] < low - 0.05 and wide.accuracy[1] > high
        scores = per_class_scores(confusion_matrix(self.LABELS, np.where(self.RIGHT, self.LABELS, 1 - self.LABELS), 2))
        for score, ends in zip(scores, wide.per_class, strict=True):
            for kind, (below, above) in ends.items():
                assert below <= score[f"{kind}_low"] and above >= score[f"{kind}_high"]
        assert wide.macro_f1[0] < 0.83 < wide.macro_f1[1]

    def test_shares_and_differences_widen_alike(self) -> None:
        tens = [str(number // 10) for number in range(120)]
        wide = self.intervals(tens)
        assert wide and share_by_groups(self.RIGHT, tens)[1:] == pytest.approx(wide.accuracy)
        other = np.ones(120, bool)
        difference, low, high = difference_by_groups(other, self.RIGHT, tens)
        single = accuracy_difference(other, self.RIGHT)
        assert difference == single[0] and low < single[1] and high > single[2]
        assert difference_by_groups(other, self.RIGHT, [str(number) for number in range(120)]) == single

    def test_no_mistake_is_no_certainty(self) -> None:
        ends = group_intervals(self.LABELS, self.LABELS, [str(number // 10) for number in range(120)], 3)
        assert ends and ends.accuracy == pytest.approx(wilson_interval(120, 120))
        assert ends.per_class[2]["recall"] == (0.0, 1.0), "the third class is not there"


def test_the_right_class_among_the_first_few() -> None:
    probs = np.array([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5], [0.4, 0.4, 0.2]])
    labels = np.array([0, 0, 1])
    groups = ["a", "b", "c"]
    assert [top_k_accuracy(probs, labels, k, groups)[0] for k in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 1])
    assert top_k_accuracy(probs, labels, 2, groups)[1:] == pytest.approx(wilson_interval(2, 3))
    assert top_k_accuracy(probs[:0], labels[:0], 1, []) == (0.0, 0.0, 1.0)


def stating(count: int, gap: float, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return answers of two classes that state `gap` more than how often they are right."""
    dice = np.random.default_rng(seed)
    stated = dice.uniform(0.6 + gap, 0.95, count)
    labels = (dice.random(count) > stated - gap).astype(np.int64)
    return np.stack([stated, 1 - stated], axis=1), labels


def test_the_debiased_error_is_near_the_truth_of_many_sets_of_few_pictures() -> None:
    for gap in (0.0, 0.1):
        plain = np.mean([calibration_error(*stating(150, gap, seed)) for seed in range(20)])
        debiased = np.mean([debiased_calibration_error(*stating(150, gap, seed)) for seed in range(20)])
        assert debiased < plain
        assert abs(debiased - gap) < 0.03 and abs(debiased - gap) < abs(plain - gap)
    assert debiased_calibration_error(np.zeros((0, 2)), np.zeros(0, np.int64)) == 0.0


def test_reliability_counts_every_answer_once() -> None:
    probs, labels = stating(400, 0.0, 1)
    rows = reliability(probs, labels)
    assert sum(row["count"] for row in rows) == 400
    for row in rows:
        inside = (probs.max(axis=1) * 10).astype(int) == int(row["stated"] * 10)
        assert row["right"] == pytest.approx((probs.argmax(axis=1) == labels)[inside].mean())
        assert 0 <= row["low"] <= row["right"] <= row["high"] <= 1


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_the_area_under_the_curve_against_all_pairs(known: list[int], unknown: list[int]) -> None:
    area, low, high = area_under_curve(np.array(known, float), np.array(unknown, float))
    pairs = [(first > second) + (first == second) / 2 for first in known for second in unknown]
    assert area == pytest.approx(np.mean(pairs))
    assert 0 <= low <= area + 1e-9 and area - 1e-9 <= high <= 1


def test_the_interval_of_the_area_holds_the_truth_as_often_as_it_says() -> None:
    from math import erf

    truth, held = 0.5 * (1 + erf(0.5**0.5)), 0  # of two normal distributions, 2 ** 0.5 apart
    for seed in range(200):
        dice = np.random.default_rng(seed)
        _, low, high = area_under_curve(dice.normal(2**0.5, 1, 40), dice.normal(0, 1, 60))
        held += low <= truth <= high
    assert held >= 180
    area, low, high = area_under_curve(np.ones(50), np.zeros(40))
    assert area == high == 1.0 and 0.9 < low < 0.95
