"""Which pictures an epoch shows, in what order, and how much each class counts.

Knows nothing about pixels or networks; the order of an epoch follows from the seed and the epoch alone.
"""

import numpy as np
from numpy.typing import NDArray

from fieldguide.learners.loop_records import ClassBalance, Imbalance

__all__ = ["class_balance", "epoch_order", "even_out"]


def epoch_order(labels: NDArray[np.int64], imbalance: Imbalance, seed: int, epoch: int) -> NDArray[np.intp]:
    """Pairs (place, turn), (m, 2): which training picture comes, and for how many times it has come before.

    With `oversample` every class comes as often as the largest; all its pictures come equally often, or once more.

    Args:
        labels: (n,) classes of the training pictures.
        imbalance: what is done about unequal classes.
        seed: what the order follows from.
        epoch: from 0.
    """
    dice = np.random.default_rng([seed, epoch])
    if imbalance != "oversample":
        pairs = np.stack([np.arange(len(labels)), np.zeros(len(labels), np.intp)], axis=1)
        return np.asarray(dice.permutation(pairs), dtype=np.intp)
    most = int(np.bincount(labels).max())
    parts = []
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        turns = -(-most // len(places))
        shuffled = np.concatenate([dice.permutation(places) for _ in range(turns)])[:most]
        parts.append(np.stack([shuffled, (np.arange(most) // len(places)).astype(np.intp)], axis=1))
    return np.asarray(dice.permutation(np.concatenate(parts)), dtype=np.intp)


def class_balance(labels: NDArray[np.int64], classes: int, imbalance: Imbalance) -> tuple[ClassBalance, ...]:
    """For each class, its pictures, how many are shown each epoch, and the weight of one in the loss.

    With `weights` a class weighs n / (classes present x its pictures), so that the mean over all pictures is 1.

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


def even_out(places: NDArray[np.intp], labels: NDArray[np.int64], imbalance: Imbalance) -> NDArray[np.intp]:
    """The places as a fit that sees every picture once should see them: those of rarer classes stand there again.

    Unless `imbalance` is "none", every class comes as often as the largest, each of its pictures equally often or once
    more; for a fit over all rows at once weights and oversampling are the same.

    Args:
        places: of the pictures to learn from.
        labels: (n,) classes of all pictures.
        imbalance: what is done about unequal classes.
    """
    if imbalance == "none":
        return places
    own = labels[places]
    most = int(np.bincount(own).max())
    return np.sort(np.concatenate([np.resize(places[own == label], most) for label in np.unique(own)]))
