"""The check for outliers: pictures that do not look like their class.

Knows nothing about files or the catalogue: rows in, verdicts out.
"""

import numpy as np
from numpy.typing import NDArray

from fieldguide.checks.contract import SUSPICIOUS, FeatureRows
from fieldguide.records import Verdict

CHECK = "outliers"
_NEIGHBOURS = 5


def judge_outliers(rows: FeatureRows) -> list[Verdict]:
    """Return a verdict on each picture of a class with enough pictures."""
    unit = unit_rows(rows.features[:, : rows.top])
    verdicts = []
    for label in rows.judged_classes():
        places = np.flatnonzero(rows.labels == label)
        scores = score_class(unit[places])
        reason = f"outlier: it does not look like the other pictures of {rows.class_names[label]}"
        verdicts += [
            Verdict(rows.sha256[place], CHECK, "suspect", reason, float(score))
            if score >= SUSPICIOUS
            else Verdict(rows.sha256[place], CHECK, "keep", "", float(score))
            for place, score in zip(places, scores, strict=True)
        ]
    return verdicts


def unit_rows(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows at length 1."""
    return np.asarray(features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12))


def score_class(unit: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how much each picture of a class stands apart, (n,) from 0 to 1."""
    similar = unit @ unit.T
    np.fill_diagonal(similar, -np.inf)
    nearest = np.sort(similar, axis=1)[:, ::-1][:, :_NEIGHBOURS]
    distance = 1.0 - nearest.mean(axis=1).astype(np.float64)
    middle = np.median(distance)
    spread = np.median(np.abs(distance - middle)) * 1.4826
    return np.asarray(1.0 / (1.0 + np.exp(-((distance - middle) / max(spread, 1e-6) - 3.5))))
