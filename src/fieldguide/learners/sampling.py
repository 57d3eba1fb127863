"""Which pictures an epoch shows, in what order, and how much each class counts.

Knows nothing about pixels or networks; the order of an epoch follows from the seed and the epoch alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fieldguide.text import write_csv

Imbalance = Literal["none", "weights", "oversample"]


@dataclass(frozen=True)
class ClassBalance:
    """How a class is counted: its pictures, how many an epoch shows, and the weight of one in the loss."""

    label: int
    pictures: int
    shown: int
    weight: float


def class_balance(labels: NDArray[np.int64], classes: int, imbalance: Imbalance) -> tuple[ClassBalance, ...]:
    """Return how each class is counted.

    With `weights` a class weighs n / (classes present x its pictures), scikit-learn's "balanced", so that the mean
    over all pictures is 1.

    Args:
        labels: (n,) classes of the training pictures.
        classes: how many there are.
        imbalance: what is done about unequal classes.
    """
    counts = np.bincount(labels, minlength=classes)
    present = int((counts > 0).sum())
    return tuple(
        ClassBalance(
            label,
            count,
            int(counts.max()) if imbalance == "oversample" and count else count,
            len(labels) / (present * count) if imbalance == "weights" and count else 1.0,
        )
        for label, count in enumerate(counts.tolist())
    )


def balance_table(balance: Sequence[ClassBalance], class_names: Sequence[str]) -> list[dict[str, str | int | float]]:
    """Return a row for each class with its name, pictures, shown, weight and share.

    `share`, 0..1, is the class's part of the loss of an epoch: equal for all classes where weights or oversampling
    made up for their sizes.
    """
    total = sum(row.shown * row.weight for row in balance)
    return [
        {
            "class_name": class_names[row.label],
            "pictures": row.pictures,
            "shown": row.shown,
            "weight": row.weight,
            "share": row.shown * row.weight / total if total else 0.0,
        }
        for row in balance
    ]


def balance_csv(balance: Sequence[ClassBalance], class_names: Sequence[str]) -> str:
    """Return `balance_table` as CSV."""
    columns = ["class_name", "pictures", "shown", "weight", "share"]
    rows = ([row[column] for column in columns] for row in balance_table(balance, class_names))
    return write_csv(columns, ([f"{v:.6g}" if isinstance(v, float) else str(v) for v in row] for row in rows))


def epoch_order(labels: NDArray[np.int64], imbalance: Imbalance, seed: int, epoch: int) -> NDArray[np.intp]:
    """Return pairs (position, repeat), (m, 2): the pictures of an epoch in order, and how often each came before.

    With `oversample` every class comes as often as the largest; all its pictures come equally often, or once more.

    Args:
        labels: (n,) classes of the training pictures.
        imbalance: what is done about unequal classes.
        seed: what the order follows from.
        epoch: from 0.
    """
    rng = np.random.default_rng([seed, epoch])
    if imbalance != "oversample":
        pairs = np.stack([np.arange(len(labels)), np.zeros(len(labels), np.intp)], axis=1)
        return np.asarray(rng.permutation(pairs), dtype=np.intp)
    largest = int(np.bincount(labels).max())
    parts = []
    for label in np.unique(labels):
        positions = np.flatnonzero(labels == label)
        repeats = -(-largest // len(positions))
        shuffled = np.concatenate([rng.permutation(positions) for _ in range(repeats)])[:largest]
        parts.append(np.stack([shuffled, (np.arange(largest) // len(positions)).astype(np.intp)], axis=1))
    return np.asarray(rng.permutation(np.concatenate(parts)), dtype=np.intp)


def oversample(indices: NDArray[np.intp], labels: NDArray[np.int64], imbalance: Imbalance) -> NDArray[np.intp]:
    """Return the indices for a fit that sees all rows at once, those of smaller classes repeated.

    Unless `imbalance` is "none", every class comes as often as the largest, each of its pictures equally often or once
    more: for such a fit weights and oversampling are the same.

    Args:
        indices: of the pictures to learn from.
        labels: (n,) classes of all pictures.
        imbalance: what is done about unequal classes.
    """
    if imbalance == "none":
        return indices
    own = labels[indices]
    largest = int(np.bincount(own).max())
    return np.sort(np.concatenate([np.resize(indices[own == label], largest) for label in np.unique(own)]))
