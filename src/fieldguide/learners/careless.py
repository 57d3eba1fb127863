"""How much a split by chance flatters the frozen-feature learner, by features; computes none.

Knows nothing about projects. Ridge on the backbone's last layer answers for pictures left out, once with groups held
together and once by chance, near-copies left in; the answers are compared on the same pictures.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldguide.hashing import hash_text
from fieldguide.learners import ridge
from fieldguide.learners.contract import group_folds
from fieldguide.metrics import accuracy, accuracy_difference

MAX_PICTURES = 3000  # a sample of whole groups says as much as all of more
_FOLDS = 5
Floats = NDArray[np.float32]
Score = tuple[float, float, float]


class Flattery(NamedTuple):
    """Two accuracies on the same pictures, each with its 95 % interval, and the first less the second."""

    careless: Score
    honest: Score
    difference: Score


def measure_flattery(
    features: Floats, labels: NDArray[np.int64], groups: Sequence[str], copies: NDArray[np.bool_], seed: int
) -> Flattery | None:
    """Return what a split by chance would claim, and what holds with groups held together; None of too few groups.

    Args:
        features: (n, d) of the backbone's last layer.
        labels: (n,) classes.
        groups: n group ids.
        copies: (n,) whether a picture is a near-copy, which only the careless split has.
        seed: of the folds.
    """
    places = _sample(groups, seed)
    rows, labels, copies = features[places], labels[places], copies[places]
    ids = np.array([groups[place] for place in places])
    kept = np.flatnonzero(~copies)
    if not _is_enough(labels[kept], ids[kept]):
        return None
    classes = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    careless = _answers(rows, classes, None, seed)[kept]
    honest = _answers(rows[kept], classes[kept], ids[kept].tolist(), seed)
    truth = classes[kept]
    return Flattery(
        accuracy(truth, careless), accuracy(truth, honest), accuracy_difference(careless == truth, honest == truth)
    )


def _answers(rows: Floats, labels: NDArray[np.int64], groups: Sequence[str] | None, seed: int) -> NDArray[np.int64]:
    """Return the class that a fit without its fold answers for each picture."""
    numbers = np.zeros(len(labels), np.intp)
    for number, (_, held_out) in enumerate(group_folds(labels, groups, _FOLDS, seed)):
        numbers[held_out] = number
    return np.asarray(ridge.fit_ridge(rows.copy(), labels, numbers).held_out.argmax(axis=1))


def _is_enough(labels: NDArray[np.int64], ids: NDArray[np.str_]) -> bool:
    """Tell whether there are two classes and each has two groups."""
    counts = [len(np.unique(ids[labels == label])) for label in np.unique(labels)]
    return len(counts) > 1 and min(counts) > 1


def _sample(groups: Sequence[str], seed: int) -> NDArray[np.intp]:
    """Return the places of whole groups, at most about 3,000 pictures, chosen by hash."""
    if len(groups) <= MAX_PICTURES:
        return np.arange(len(groups))
    order = sorted(range(len(groups)), key=lambda place: hash_text(f"{seed} {groups[place]}"))
    last = groups[order[MAX_PICTURES]]
    return np.array(sorted(place for place in order[:MAX_PICTURES] if groups[place] != last), np.intp)
