"""Numbers that say how good answers are. Arrays in, numbers out; draws nothing, reads nothing."""

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["accuracy", "calibration_error", "confusion_matrix", "per_class_scores", "wilson_interval"]

_Z95 = 1.959963984540054


def wilson_interval(right: int, total: int, z: float = _Z95) -> tuple[float, float]:
    """The interval, low and high in 0..1, that holds the true share with the confidence of `z` (95 %).

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
    """The share of right answers, and the low and high end of its 95 % Wilson interval."""
    right = int(np.sum(labels == predicted))
    low, high = wilson_interval(right, len(labels))
    return (right / len(labels) if len(labels) else 0.0), low, high


def confusion_matrix(labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Counts, (classes, classes): row = true class, column = answer."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def per_class_scores(confusion: NDArray[np.int64]) -> list[dict[str, float]]:
    """For each class `precision`, `recall`, `f1` in 0..1 and `support`; 0 where there is nothing to divide by."""
    hits = np.diag(confusion).astype(float)
    answered, support = confusion.sum(axis=0), confusion.sum(axis=1)
    scores = []
    for hit, given, true in zip(hits, answered, support, strict=True):
        precision = hit / given if given else 0.0
        recall = hit / true if true else 0.0
        f1 = 2 * precision * recall / (precision + recall) if hit else 0.0
        scores.append({"precision": precision, "recall": recall, "f1": f1, "support": float(true)})
    return scores


def calibration_error(probs: NDArray[np.float64], labels: NDArray[np.int64], bins: int = 15) -> float:
    """Expected calibration error in 0..1: how far the first answer's probability is from how often it is right.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017; equal-width bins.

    Args:
        probs: (n, classes) probabilities.
        labels: (n,) true classes.
        bins: how many.
    """
    if not len(labels):
        return 0.0
    sure = probs.max(axis=1)
    right = probs.argmax(axis=1) == labels
    place = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = [abs(float(np.sum(right[place == one]) - np.sum(sure[place == one]))) for one in range(bins)]
    return sum(gaps) / len(labels)
