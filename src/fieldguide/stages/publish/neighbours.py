"""Which classes are taken for which, as guide.json tells it: each class with the few that it is confused with most.

Numbers in, plain values out; knows nothing about pictures or pages.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST = 3


@dataclass(frozen=True)
class Confusion:
    """How often each class was answered with each, for pictures that the model had not learnt from.

    Attributes:
        counts: (classes, classes) int64: row = true class, column = answer.
        measured_on: "cross-validation" or "test".
    """

    counts: NDArray[np.int64]
    measured_on: str


def load_confusion(metrics: Path, class_names: tuple[str, ...]) -> Confusion | None:
    """Load the counts of the evaluation: of the cross-validation, which has more pictures, else of the test.

    Args:
        metrics: the run's metrics.json.
        class_names: in the order of the model's outputs.

    Returns:
        None where there are none, or of other classes.
    """
    try:
        numbers = json.loads(metrics.read_text(encoding="utf-8"))
        if numbers["class_names"] != list(class_names):
            return None
        crossed = numbers.get("cv_confusion")
        counts = np.array(crossed or numbers["confusion"], np.int64)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # evaluated by an earlier version
    if counts.shape != (len(class_names), len(class_names)):
        return None
    return Confusion(counts, "cross-validation" if crossed else "test")


def list_neighbours(
    confusion: Confusion | None, class_names: tuple[str, ...], nearness: NDArray[np.float64]
) -> dict[str, list[dict[str, Any]]]:
    """Return for each class the others that it is confused with, the most often confused first.

    Where there is none, the one that it comes nearest to stands there, with counts of 0.

    Args:
        confusion: how often each was answered with each; of None there are no neighbours.
        class_names: in its order.
        nearness: (classes, classes) the mean probability of each class, by column, for pictures of each, by row; it
            decides between equals.
    """
    if confusion is None:
        return {name: [] for name in class_names}
    counts, totals = confusion.counts, confusion.counts.sum(axis=1)
    both, near = counts + counts.T, nearness + nearness.T
    neighbours = {}
    for place, name in enumerate(class_names):
        others = [other for other in range(len(class_names)) if other != place]
        others.sort(key=lambda other: (-both[place, other], -near[place, other], other))
        confused = [other for other in others[:_MOST] if both[place, other]] or others[:1]
        neighbours[name] = [
            {
                "name": class_names[other],
                "taken_for_it": [int(counts[place, other]), int(totals[place])],
                "it_taken_for_this": [int(counts[other, place]), int(totals[other])],
                "measured_on": confusion.measured_on,
            }
            for other in confused
        ]
    return neighbours


def mean_probs(
    logits: Mapping[str, NDArray[np.float32]], labels: Mapping[str, int], classes: int
) -> NDArray[np.float64]:
    """Return the mean probability of each class, by column, for pictures of each, by row; (classes, classes) in 0..1.

    Args:
        logits: (classes,) of each held-out picture, by its hash.
        labels: the class of each picture, by its hash.
        classes: how many there are.
    """
    sums, counts = np.zeros((classes, classes)), np.zeros(classes)
    for sha256, row in logits.items():
        if sha256 not in labels or row.shape != (classes,):
            continue
        powers = np.exp(row.astype(np.float64) - row.max())
        sums[labels[sha256]] += powers / powers.sum()
        counts[labels[sha256]] += 1
    means: NDArray[np.float64] = sums / np.maximum(counts, 1)[:, None]
    return means
