"""How good answers are, in numbers. Arrays in, numbers out; knows nothing about files or models."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Z95 = 1.959963984540054
MIN_CALIBRATION = 30  # pictures: of fewer, chance alone makes a calibration error of 0.1
_DRAWS = 1000


def wilson_interval(right: int, total: int, z: float = _Z95) -> tuple[float, float]:
    """Return the interval, low and high in 0..1, that holds the true share with the confidence of `z` (95 %).

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927). With nothing
    seen, it is (0, 1).
    """
    if total == 0:
        return 0.0, 1.0
    share = right / total
    shrunk = 1 + z * z / total
    middle = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return min(share, max(0.0, (middle - spread) / shrunk)), max(share, min(1.0, (middle + spread) / shrunk))


def accuracy(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> tuple[float, float, float]:
    """Return the share of right answers, and the low and high end of its 95 % Wilson interval."""
    right = int(np.sum(labels == predicted))
    low, high = wilson_interval(right, len(labels))
    return (right / len(labels) if len(labels) else 0.0), low, high


def confusion_matrix(labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Return counts, (classes, classes): row = true class, column = answer."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def per_class_scores(confusion: NDArray[np.int64]) -> list[dict[str, float]]:
    """Return each class's `precision`, `recall`, `f1` in 0..1 and `support`; 0 where there is nothing to divide by.

    Each share has its 95 % interval beside it, as `precision_low`, `precision_high` and so on.
    """
    hits = np.diag(confusion).astype(float)
    answered, support = confusion.sum(axis=0), confusion.sum(axis=1)
    scores = []
    for hit, predicted, true in zip(hits, answered, support, strict=True):
        precision = hit / predicted if predicted else 0.0
        recall = hit / true if true else 0.0
        f1 = 2 * precision * recall / (precision + recall) if hit else 0.0
        row = {"precision": precision, "recall": recall, "f1": f1, "support": float(true)}
        ends = {
            "precision": wilson_interval(int(hit), int(predicted)),
            "recall": wilson_interval(int(hit), int(true)),
            "f1": f1_interval(int(hit), int(predicted + true - 2 * hit)),
        }
        scores.append(row | {f"{name}_{end}": pair[place] for name, pair in ends.items()
                             for place, end in enumerate(("low", "high"))})  # fmt: skip
    return scores


def macro_f1(labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> float:
    """Return the mean F1, 0..1, of the classes that are among the true ones; 0 where there are none.

    Args:
        labels: (n,) true classes, 0..classes-1.
        predicted: (n,) answers, 0..classes-1; one that is never true counts against those that it was given for.
        classes: how many there are.
    """
    scores = per_class_scores(confusion_matrix(labels, predicted, classes))
    f1 = [score["f1"] for score in scores if score["support"]]
    return float(np.mean(f1)) if f1 else 0.0


def f1_interval(hits: int, errors: int) -> tuple[float, float]:
    """Return the 95 % interval, low and high in 0..1, of a class's F1.

    Given J = hits / (hits + errors), F1 is 2 J / (1 + J), which rises with J: Wilson's interval of J, turned into F1
    (Lam, Gopal, Qian, "Confidence intervals for the F1 score: a comparison of four methods", 2023).

    Args:
        hits: pictures of the class that were answered so.
        errors: pictures of the class that were answered otherwise, and others that were answered so.
    """
    low, high = wilson_interval(hits, hits + errors)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def macro_f1_interval(confusion: NDArray[np.int64]) -> tuple[float, float]:
    """Return the 95 % interval, low and high in 0..1, of the macro F1 of (classes, classes) counts.

    The distances to the ends of the classes' intervals are squared and added (Zou, Donner, "Construction of confidence
    limits about effect measures", Statistics in Medicine 27, 2008). Each error lowers the F1 of two classes, so that
    the variance is twice that of classes that know nothing of each other.
    """
    hits, support = np.diag(confusion), confusion.sum(axis=1)
    errors = confusion.sum(axis=0) + support - 2 * hits
    true = np.flatnonzero(support)
    if not len(true):
        return 0.0, 1.0
    f1 = 2 * hits[true] / (2 * hits[true] + errors[true])
    ends = np.array([f1_interval(int(hits[index]), int(errors[index])) for index in true])
    down, up = np.sqrt(2 * np.sum((ends - f1[:, None]) ** 2, axis=0)) / len(true)
    return max(0.0, float(f1.mean() - down)), min(1.0, float(f1.mean() + up))


@dataclass(frozen=True)
class GroupIntervals:
    """95 % intervals, low and high in 0..1, of answers to pictures that come in groups.

    Attributes:
        accuracy: of the share of right answers.
        macro_f1: of the mean F1 of the classes that are there.
        per_class: for each class those of `precision`, `recall` and `f1`.
    """

    accuracy: tuple[float, float]
    macro_f1: tuple[float, float]
    per_class: list[dict[str, tuple[float, float]]]


def draw_groups(groups: Sequence[str], draws: int = _DRAWS, seed: int = 0) -> Iterator[NDArray[np.int64]]:
    """Yield how often each of n pictures is drawn, (n,), where whole groups are drawn with replacement.

    That is the bootstrap for clustered data (Davison, Hinkley, "Bootstrap Methods and Their Application", 1997, 3.8).

    Args:
        groups: n group ids.
        draws: how many.
        seed: of the drawing.
    """
    dice = np.random.default_rng(seed)
    numbers = np.unique(np.asarray(groups), return_inverse=True)[1]
    count = int(numbers.max()) + 1 if len(numbers) else 0
    for _ in range(draws if count else 0):
        yield np.bincount(dice.integers(0, count, count), minlength=count)[numbers]


def group_intervals(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], groups: Sequence[str], classes: int, seed: int = 0
) -> GroupIntervals | None:
    """Return intervals by drawing whole groups; None where every picture is a group of its own.

    Pictures of a group are right or wrong together: they say less than as many single ones. The intervals of single
    pictures are the least there is, because answers without a mistake show no error to draw.

    Args:
        labels: (n,) true classes.
        predicted: (n,) answers.
        groups: n group ids.
        classes: how many there are.
        seed: of the drawing.
    """
    if len(set(groups)) == len(groups):
        return None
    cells = labels * classes + predicted
    shares: dict[str, list[NDArray[np.float64]]] = {"precision": [], "recall": [], "f1": [], "macro": [], "right": []}
    with np.errstate(invalid="ignore"):  # a class that was not drawn has no scores
        for times in draw_groups(groups, seed=seed):
            counts = np.bincount(cells, times, classes * classes).reshape(classes, classes)
            hits, support, answered = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
            shares["precision"].append(hits / answered)
            shares["recall"].append(hits / support)
            shares["f1"].append(2 * hits / (support + answered))
            shares["macro"].append(np.nanmean(np.where(support > 0, shares["f1"][-1], np.nan), keepdims=True))
            shares["right"].append(hits.sum(keepdims=True) / counts.sum())
    confusion = confusion_matrix(labels, predicted, classes)
    scores = per_class_scores(confusion)
    single: dict[str, list[tuple[float, float]]] = {
        kind: [(score[f"{kind}_low"], score[f"{kind}_high"]) for score in scores]
        for kind in ("precision", "recall", "f1")
    }
    single |= {"macro": [macro_f1_interval(confusion)], "right": [accuracy(labels, predicted)[1:]]}
    wide = {kind: widen_intervals(np.array(values), single[kind]) for kind, values in shares.items()}
    per_class = [{kind: wide[kind][place] for kind in ("precision", "recall", "f1")} for place in range(classes)]
    return GroupIntervals(wide["right"][0], wide["macro"][0], per_class)


def widen_intervals(drawn: NDArray[np.float64], single: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return m intervals: the middle 95 % of each column of drawn values, with the interval as single pictures.

    Args:
        drawn: (draws, m), by drawing whole groups; NaN where a draw says nothing.
        single: m intervals, which count every picture as a witness of its own.
    """
    ends = []
    for column, (low, high) in zip(drawn.T, single, strict=True):
        known = column[~np.isnan(column)]
        below, above = np.quantile(known, (0.025, 0.975)) if len(known) else (low, high)
        ends.append((min(low, float(below)), max(high, float(above))))
    return ends


def share_by_groups(right: NDArray[np.bool_], groups: Sequence[str], seed: int = 0) -> tuple[float, float, float]:
    """Return a share with its 95 % interval: Wilson's, with that of drawing whole groups where any is larger than one.

    Args:
        right: (n,) what is counted.
        groups: n group ids.
        seed: of the drawing.
    """
    low, high = wilson_interval(int(right.sum()), len(right))
    share = float(right.mean()) if len(right) else 0.0
    return (share, *_widen_mean(right, groups, (low, high), seed))


def difference_by_groups(
    right_a: NDArray[np.bool_], right_b: NDArray[np.bool_], groups: Sequence[str], seed: int = 0
) -> tuple[float, float, float]:
    """Return what `accuracy_difference` does; the interval holds that of drawing whole groups too.

    Args:
        right_a: (n,) whether model a was right on each picture.
        right_b: (n,) likewise for model b.
        groups: n group ids.
        seed: of the drawing.
    """
    difference, low, high = accuracy_difference(right_a, right_b)
    return (difference, *_widen_mean(right_a.astype(float) - right_b, groups, (low, high), seed))


def _widen_mean(
    values: NDArray[Any], groups: Sequence[str], single: tuple[float, float], seed: int
) -> tuple[float, float]:
    if len(set(groups)) == len(groups):
        return single
    drawn = np.array([[(times @ values) / times.sum()] for times in draw_groups(groups, seed=seed)])
    return widen_intervals(drawn, [single])[0]


def top_k_accuracy(
    probs: NDArray[np.float64], labels: NDArray[np.int64], k: int, groups: Sequence[str], seed: int = 0
) -> tuple[float, float, float]:
    """Return how often the true class is among the `k` most probable ones, with its 95 % interval by groups.

    Args:
        probs: (n, classes) probabilities.
        labels: (n,) true classes.
        k: 1..classes.
        groups: n group ids.
        seed: of the drawing.
    """
    # of classes that are as probable as each other the first is ranked first, as argmax takes it
    among = (np.argsort(-probs, axis=1, kind="stable")[:, :k] == labels[:, None]).any(axis=1)
    return share_by_groups(among, groups, seed)


def mcnemar(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_]) -> float:
    """Return the p-value, 0..1, of McNemar's mid-p test that both models are equally accurate.

    Only pictures that one model got right and the other wrong count. Fagerland, Lydersen, Laake, "The
    McNemar test for binary matched-pairs data: mid-p and asymptotic are better than exact conditional", BMC Medical
    Research Methodology 13:91 (2013): the exact two-sided p, less the probability of just what was seen.

    Args:
        right_a: (n,) whether model a was right on each picture.
        right_b: (n,) likewise for model b.
    """
    only_a, only_b = int(np.sum(right_a & ~right_b)), int(np.sum(right_b & ~right_a))
    total, fewer = only_a + only_b, min(only_a, only_b)
    if only_a == only_b:
        return 1.0
    log_seen = math.lgamma(total + 1) - math.lgamma(fewer + 1) - math.lgamma(total - fewer + 1) - total * math.log(2)
    # the terms of the binomial's tail, downwards, in units of the first
    term = tail = 1.0
    for count in range(fewer, 0, -1):
        term *= count / (total - count + 1)
        tail += term
        if term < 1e-17 * tail:
            break
    return min(1.0, math.exp(log_seen) * (2 * tail - 1))


def accuracy_difference(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return the accuracy of `a` less that of `b` on the same pictures, -1..1, with its 95 % interval.

    Newcombe, "Improved confidence intervals for the difference between binomial proportions based on paired data",
    Statistics in Medicine 17 (1998), method 10: the Wilson intervals of both, squared and added, with what they have
    in common (phi, corrected for continuity) taken off.

    Args:
        right_a: (n,) whether model a was right on each picture.
        right_b: (n,) likewise for model b.
    """
    total = len(right_a)
    if not total:
        return 0.0, -1.0, 1.0
    both, neither = int(np.sum(right_a & right_b)), int(np.sum(~right_a & ~right_b))
    only_a, only_b = int(np.sum(right_a & ~right_b)), int(np.sum(right_b & ~right_a))
    share_a, share_b = (both + only_a) / total, (both + only_b) / total
    low_a, high_a = wilson_interval(both + only_a, total)
    low_b, high_b = wilson_interval(both + only_b, total)
    spread = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    covariance: float = both * neither - only_a * only_b
    if covariance > 0:
        covariance = max(covariance - total / 2, 0)
    phi = covariance / math.sqrt(spread) if spread else 0.0
    below, above = share_a - low_a, high_b - share_b
    down = math.sqrt(max(below**2 - 2 * phi * below * above + above**2, 0.0))
    above, below = high_a - share_a, share_b - low_b
    up = math.sqrt(max(above**2 - 2 * phi * above * below + below**2, 0.0))
    difference = (only_a - only_b) / total
    return difference, max(-1.0, difference - down), min(1.0, difference + up)


def adjust_for_many(p_values: Sequence[float]) -> list[float]:
    """Adjust the p-values of several tests so that all of them together are wrong as seldom as one would be.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).
    """
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def calibration_error(probs: NDArray[np.float64], labels: NDArray[np.int64], bins: int = 15) -> float:
    """Return the expected calibration error, 0..1: how far the top probability is from how often it is right.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017; equal-width bins.

    Args:
        probs: (n, classes) probabilities.
        labels: (n,) true classes.
        bins: how many.
    """
    return _calibration_gap(probs.max(axis=1), probs.argmax(axis=1) == labels, bins) if len(labels) else 0.0


def _calibration_gap(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int = 15, weights: NDArray[np.int64] | None = None
) -> float:
    weights = np.ones(len(right), dtype=np.int64) if weights is None else weights
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    return float(np.abs(np.bincount(bin_of, weights * (right - confidence), bins)).sum() / weights.sum())


def debiased_calibration_error(
    probs: NDArray[np.float64], labels: NDArray[np.int64], bins: int = 15, seed: int = 0
) -> float:
    """Return the expected calibration error, 0..1, without what chance alone adds to that of few pictures.

    Answers that are right as often as they say are drawn again and again; what they seem to be off by is taken off in
    quadrature, as noise adds up (Bröcker and Smith, "Increasing the Reliability of Reliability Diagrams", Weather and
    Forecasting 22, 2007, draw so; Roelofs et al., "Mitigating Bias in Calibration Error Estimation", AISTATS 2022, on
    why).

    Args:
        probs: (n, classes) probabilities.
        labels: (n,) true classes.
        bins: how many, of equal width.
        seed: of the drawing.
    """
    if not len(labels):
        return 0.0
    confidence, dice = probs.max(axis=1), np.random.default_rng(seed)
    by_chance = [_calibration_gap(confidence, dice.random(len(labels)) < confidence, bins) for _ in range(_DRAWS // 5)]
    error = _calibration_gap(confidence, probs.argmax(axis=1) == labels, bins)
    return math.sqrt(max(0.0, error**2 - float(np.mean(np.square(by_chance)))))


def reliability(probs: NDArray[np.float64], labels: NDArray[np.int64], bins: int = 10) -> list[dict[str, float]]:
    """Return, for each bin of stated probability that has answers, what was stated and how often it was right.

    Returns:
        rows of `stated` and `right` in 0..1, the 95 % interval of `right` as `low` and `high`, and `count`.
    """
    confidence, right = probs.max(axis=1), probs.argmax(axis=1) == labels
    places = np.minimum((confidence * bins).astype(int), bins - 1)
    rows = []
    for place in np.unique(places):
        inside = places == place
        hits, count = int(right[inside].sum()), int(inside.sum())
        low, high = wilson_interval(hits, count)
        stated = float(confidence[inside].mean())
        rows.append({"stated": stated, "right": hits / count, "low": low, "high": high, "count": float(count)})
    return rows


def area_under_curve(known: NDArray[np.float64], unknown: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the share of pairs in which the known picture has the higher score (AUROC), with its 95 % interval.

    Ties count half. The variance is DeLong's ("Comparing the areas under two or more correlated receiver operating
    characteristic curves", Biometrics 44, 1988), the interval on the scale of the logit, so that it stays in 0..1.
    Where no pair is out of order, its low end is that of Wilson's interval of as many pictures as the fewer are.

    Args:
        known: (m,) scores, higher is more familiar.
        unknown: (n,) likewise.
    """
    if not len(known) or not len(unknown):
        return 0.5, 0.0, 1.0
    wins, losses = _placements(known, unknown), 1 - _placements(unknown, known)
    area, fewer = float(wins.mean()), min(len(known), len(unknown))
    variance = wins.var() / max(1, len(known) - 1) + losses.var() / max(1, len(unknown) - 1)
    if not 0.0 < area < 1.0 or not variance:
        return area, wilson_interval(round(area * fewer), fewer)[0], wilson_interval(round(area * fewer), fewer)[1]
    place, spread = math.log(area / (1 - area)), _Z95 * math.sqrt(variance) / (area * (1 - area))
    low, high = (1 / (1 + math.exp(-min(max(place + side * spread, -500), 500))) for side in (-1, 1))
    return area, low, high


def _placements(scores: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each score the share of the others that are lower, ties half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    return np.asarray(below / (2 * len(others)))


def calibration_interval(
    probs: NDArray[np.float64], labels: NDArray[np.int64], groups: Sequence[str], seed: int = 0
) -> tuple[float, float] | None:
    """Return the 95 % interval of the calibration error; None for fewer than `MIN_CALIBRATION` pictures.

    Whole groups are drawn again and again (the bootstrap). Chance adds to the error of few pictures, and drawing adds
    as much once more: the low end is mirrored at the measured error (Davison, Hinkley, "Bootstrap Methods and Their
    Application", 1997, 5.2.1), and is 0 where answers that are right as often as they say would seem as far off. The
    high end is no lower than the interval of the accuracy allows: answers without a mistake show no error to draw.

    Args:
        probs: (n, classes) probabilities.
        labels: (n,) true classes.
        groups: n group ids.
        seed: of the drawing.
    """
    if len(labels) < MIN_CALIBRATION:
        return None
    confidence, right = probs.max(axis=1), probs.argmax(axis=1) == labels
    dice = np.random.default_rng(seed)
    numbers = np.unique(np.asarray(groups), return_inverse=True)[1]
    count = int(numbers.max()) + 1
    drawn, by_chance = [], []
    for _ in range(_DRAWS):
        times = np.bincount(dice.integers(0, count, count), minlength=count)[numbers]
        drawn.append(_calibration_gap(confidence, right, weights=times))
        by_chance.append(_calibration_gap(confidence, dice.random(len(right)) < confidence))
    error, high = _calibration_gap(confidence, right), float(np.quantile(drawn, 0.975))
    is_chance = error <= np.quantile(by_chance, 0.95)
    mean, (worst, best) = float(confidence.mean()), wilson_interval(int(right.sum()), len(right))
    return 0.0 if is_chance else max(0.0, 2 * error - high), max(high, mean - worst, best - mean)
