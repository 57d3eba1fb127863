"""What a rejection costs: the share of good pictures among those that a check rejects.

Knows nothing about files or the catalogue. A picture that still shows its class has neighbours, by its features, that
are mostly of its class. How often that is so among the rejected, between chance and how often it is so among the kept,
tells how many of the rejected are good.
"""

import numpy as np
from numpy.typing import NDArray

from fieldguide.checks.contract import FeatureRows

_NEIGHBOURS = 5
_SAMPLE = 2_000  # rejected pictures, and kept ones, that are looked at
_BLOCK = 64  # of these at once: the memory of each grows with the kept


def estimate_loss(rows: FeatureRows, rejected: NDArray[np.bool_]) -> float:
    """Return the share of good pictures, 0 to 1, that are estimated to be rejected.

    Args:
        rows: the pictures, rejected and kept.
        rejected: (n,), which are rejected.
    """
    kept, judged = np.flatnonzero(~rejected), np.flatnonzero(rejected)
    if not len(judged) or len(kept) <= _NEIGHBOURS:
        return float(len(judged) > 0)
    roots = np.maximum(rows.features[:, : rows.top], 0.0)
    np.sqrt(roots, out=roots)
    roots /= np.maximum(np.sqrt(np.einsum("nd,nd->n", roots, roots)), 1e-12)[:, None]
    agree_kept = _agreement(roots, rows.labels, _spread(kept), kept)
    agree_rejected = _agreement(roots, rows.labels, _spread(judged), kept)
    shares = np.bincount(rows.labels[kept], minlength=len(rows.class_names)) / len(kept)
    chance = float(shares[rows.labels[judged]].mean())
    good = 1.0  # where features tell nothing of the classes, all may be good
    if agree_kept > chance:
        good = float(np.clip((agree_rejected - chance) / (agree_kept - chance), 0.0, 1.0))
    return good * len(judged) / (good * len(judged) + len(kept))


def _spread(places: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return at most `_SAMPLE` of them, evenly spread."""
    return places[:: -(-len(places) // _SAMPLE)]


def _agreement(
    roots: NDArray[np.float32], labels: NDArray[np.int64], chosen: NDArray[np.intp], kept: NDArray[np.intp]
) -> float:
    """Return how often a near neighbour among the kept pictures has the label of the chosen one."""
    agree, near = 0, roots[kept]
    for block in np.split(chosen, range(_BLOCK, len(chosen), _BLOCK)):
        similar = roots[block] @ near.T
        similar[block[:, None] == kept] = -np.inf
        nearest = np.argpartition(similar, -_NEIGHBOURS, axis=1)[:, -_NEIGHBOURS:]
        agree += int((labels[kept][nearest] == labels[block][:, None]).sum())
    return agree / (len(chosen) * _NEIGHBOURS)
