"""How good answers are, in numbers. Arrays in, numbers out; knows nothing about files or models."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_Z95 = 1.959963984540054


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
    return max(0.0, (middle - spread) / shrunk), min(1.0, (middle + spread) / shrunk)


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
    """Return each class's `precision`, `recall`, `f1` in 0..1 and `support`; 0 where there is nothing to divide by."""
    hits = np.diag(confusion).astype(float)
    answered, support = confusion.sum(axis=0), confusion.sum(axis=1)
    scores = []
    for hit, predicted, true in zip(hits, answered, support, strict=True):
        precision = hit / predicted if predicted else 0.0
        recall = hit / true if true else 0.0
        f1 = 2 * precision * recall / (precision + recall) if hit else 0.0
        scores.append({"precision": precision, "recall": recall, "f1": f1, "support": float(true)})
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
    if not len(labels):
        return 0.0
    confidence = probs.max(axis=1)
    right = probs.argmax(axis=1) == labels
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(float(np.sum(right[bin_of == index]) - np.sum(confidence[bin_of == index]))) for index in range(bins)]
    return sum(gaps) / len(labels)
