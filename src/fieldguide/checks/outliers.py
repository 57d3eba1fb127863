"""The check for outliers: pictures that do not look like their class.

Knows nothing about files or the catalogue: rows in, verdicts out. A picture's distance is the mean cosine distance to
the nearest of its class, so that a class may have several looks, measured in the class's own spread, so that a class of
many different pictures is not suspected whole (Ramaswamy et al., "Efficient algorithms for mining outliers from large
data sets", SIGMOD 2000). `docs/clean.md` says how the limits were found.
"""

import numpy as np
from numpy.typing import NDArray

from fieldguide.checks.contract import SUSPICIOUS, FeatureRows
from fieldguide.hashing import hash_text
from fieldguide.records import Verdict

CHECK = "outliers"
_NEIGHBOURS = 5
_REFERENCE = 5_000  # pictures of a class that each is compared with, at most
_BLOCK = 1_024
_PRIOR = 20  # pictures that the spread of the other classes counts for: that of few pictures is uncertain
_MAD = 1.4826  # a normal distribution's standard deviation in median absolute deviations
# Of good pictures one in a hundred is 4.5 spreads and more beyond its class's median, and exp(-0.75) of those one more.
_LIMIT, _DECAY, _SHARE_AT_LIMIT = 4.5, 0.75, 0.01
_LEAST_SPREAD = 1e-3  # of cosine distance, where pictures are all the same

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


def judge_outliers(rows: FeatureRows) -> list[Verdict]:
    """Return a verdict on each picture of the classes that have enough pictures; the score orders them all."""
    classes = {label: np.flatnonzero(rows.labels == label) for label in rows.judged_classes(_NEIGHBOURS + 1)}
    scores = score_outliers(rows, classes)
    verdicts = []
    for label, places in classes.items():
        reason = f"outlier: it does not look like the other pictures of {rows.class_names[label]}"
        for place, score in zip(places, scores[label].tolist(), strict=True):
            odd = score >= SUSPICIOUS
            verdicts.append(
                Verdict(rows.sha256[place], CHECK, "suspect" if odd else "keep", reason if odd else "", score)
            )
    return verdicts


def score_outliers(rows: FeatureRows, classes: dict[int, NDArray[np.intp]]) -> dict[int, Doubles]:
    """Return how odd each picture of a class is, (n,) from 0 to 1; see `share_lost` for what a score means.

    Args:
        rows: the pictures.
        classes: the places of each class's pictures.
    """
    distances = {label: _distances(_unit_roots(rows, places), rows, places) for label, places in classes.items()}
    medians = {label: float(np.median(distance)) for label, distance in distances.items()}
    spreads = {
        label: _MAD * float(np.median(np.abs(distance - medians[label]))) for label, distance in distances.items()
    }
    usual = float(np.median(list(spreads.values()))) if spreads else 0.0
    scores = {}
    for label, distance in distances.items():
        count = len(distance)
        spread = np.sqrt((count * spreads[label] ** 2 + _PRIOR * usual**2) / (count + _PRIOR))
        beyond = (distance - medians[label]) / max(float(spread), _LEAST_SPREAD) - _LIMIT
        tail = 0.5 * np.exp(-_DECAY * np.abs(beyond))
        scores[label] = np.asarray(np.where(beyond < 0, tail, 1.0 - tail))
    return scores


def share_lost(score: float) -> float:
    """Return the share of good pictures, 0 to 1, that are likely to be lost by rejecting from this score on."""
    return _SHARE_AT_LIMIT * (1.0 - score) / (1.0 - SUSPICIOUS)


def _unit_roots(rows: FeatureRows, places: NDArray[np.intp]) -> Floats:
    """Return the roots of the last layer's features at length 1, which no single large feature rules."""
    roots = rows.features[places, : rows.top]  # a copy, in which all else is done: a class may have all pictures
    np.sqrt(np.maximum(roots, 0.0, out=roots), out=roots)
    roots /= np.maximum(np.sqrt(np.einsum("nd,nd->n", roots, roots)), 1e-12)[:, None]
    return roots


def _distances(unit: Floats, rows: FeatureRows, places: NDArray[np.intp]) -> Doubles:
    """Return the mean distance, (n,), of each picture to the nearest others of its class."""
    count = len(places)
    chosen = np.arange(count)
    if count > _REFERENCE:
        order = sorted(range(count), key=lambda place: hash_text(rows.sha256[places[place]]))
        chosen = np.array(sorted(order[:_REFERENCE]))
    reference, nearest = unit[chosen], min(_NEIGHBOURS, count - 1)
    own = np.full(count, -1)
    own[chosen] = np.arange(len(chosen))
    distances = np.empty(count)
    for start in range(0, count, _BLOCK):
        similar = unit[start : start + _BLOCK] @ reference.T
        itself = np.flatnonzero(own[start : start + _BLOCK] >= 0)
        similar[itself, own[start + itself]] = -np.inf
        top = np.partition(similar, -nearest, axis=1)[:, -nearest:]
        distances[start : start + _BLOCK] = 1.0 - top.mean(axis=1)
    return distances
