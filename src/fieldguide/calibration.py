"""Probabilities that mean what they say, and a measure of how familiar a picture is.

Arrays in, arrays out; knows nothing about pictures or files.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Familiarity", "accept_threshold", "fit_familiarity", "fit_temperature", "softmax"]

_MAX_DIMENSIONS = 64
_GOLDEN = (np.sqrt(5.0) - 1) / 2


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities, (n, classes), rows summing to 1, of (n, classes) logits."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def log_loss(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The mean cross-entropy, nats, against the true classes, smoothed by one imagined mistake.

    Without it, pictures that are all told apart would ask for endless sureness (Platt, "Probabilistic outputs for
    support vector machines", 1999, uses the same targets, (n + 1) / (n + 2)).
    """
    top = logits.max(axis=1, keepdims=True)
    total = np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0]
    true = logits[np.arange(len(labels)), labels]
    doubt = 1.0 / (len(labels) + 2)
    return float(np.mean(total - (1 - doubt) * true - doubt * logits.mean(axis=1)))


def fit_temperature(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The temperature in 0.05..20 that makes held-out logits most likely.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017; golden-section search over its logarithm.

    Args:
        logits: (n, classes) of pictures that were not trained on.
        labels: (n,) true classes.
    """
    low, high = np.log(0.05), np.log(20.0)
    while high - low > 1e-4:
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if log_loss(logits / np.exp(left), labels) < log_loss(logits / np.exp(right), labels):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


@dataclass(frozen=True)
class Familiarity:
    """How near a picture is to what was learnt: minus the squared distance to the nearest class mean.

    Distances are measured after whitening with the classes' common covariance, per dimension, so that 0 is a class
    mean and about -1 is usual. Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples",
    NeurIPS 2018, on the last features, within their leading directions.

    Attributes:
        centre: (d,) subtracted first.
        whiten: (d, k) then multiplied with.
        means: (classes, k) class means after that.
    """

    centre: NDArray[np.float64]
    whiten: NDArray[np.float64]
    means: NDArray[np.float64]

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n,) values of at most 0, higher is more familiar, for (n, d) features."""
        placed = (features - self.centre) @ self.whiten
        gaps = (placed**2).sum(axis=1, keepdims=True) - 2 * placed @ self.means.T + (self.means**2).sum(axis=1)
        return np.asarray(-np.maximum(gaps.min(axis=1), 0.0) / self.means.shape[1])


def fit_familiarity(features: NDArray[np.float32], labels: NDArray[np.int64]) -> Familiarity:
    """What familiarity is measured with, from (n, d) features and (n,) classes 0..c-1, each with a picture."""
    centre = features.mean(axis=0, dtype=np.float64)
    wide = features - centre
    dimensions = int(min(_MAX_DIMENSIONS, max(2, len(wide) // 8), *wide.shape))
    directions = _leading_directions(wide, dimensions)
    placed = wide @ directions
    present = np.unique(labels)
    means = np.stack([placed[labels == one].mean(axis=0) for one in present])
    within = placed - means[np.searchsorted(present, labels)]
    # shrinking towards the diagonal keeps the inverse sound where pictures are few (Friedman 1989)
    spread = within.T @ within / max(len(within) - len(present), 1)
    spread = 0.9 * spread + 0.1 * np.diag(np.diag(spread))
    spread += (1e-6 * np.trace(spread) / dimensions + 1e-12) * np.eye(dimensions)
    values, vectors = np.linalg.eigh(spread)
    whiten = directions @ vectors / np.sqrt(values)
    return Familiarity(centre, whiten, means @ vectors / np.sqrt(values))


def _leading_directions(rows: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The principal directions, (d, count), of centred (n, d) rows."""
    from scipy.linalg import eigh

    if len(rows) < rows.shape[1]:
        return np.asarray(np.linalg.svd(rows, full_matrices=False)[2][:count].T)
    top = [rows.shape[1] - count, rows.shape[1] - 1]
    return np.asarray(eigh(rows.T @ rows, subset_by_index=top)[1][:, ::-1])


def accept_threshold(scores: NDArray[np.float64], true_accept: float) -> float:
    """The familiarity above which the wanted share (0..1) of these known pictures lies."""
    return float(np.quantile(scores, 1.0 - true_accept, method="lower"))
