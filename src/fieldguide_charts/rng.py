"""Small random choices: the words in which every drawing says what it leaves to chance.

Knows nothing about charts, libraries or pictures.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Rng = np.random.Generator

_T = TypeVar("_T")


def choice(rng: Rng, options: Sequence[_T], weights: Sequence[float] | None = None) -> _T:
    """Return one of the options, each as likely as the others or as its weight says."""
    if weights is None:
        return options[int(rng.integers(len(options)))]
    shares = np.asarray(weights, dtype=float)
    return options[int(rng.choice(len(options), p=shares / shares.sum()))]


def chance(rng: Rng, probability: float) -> bool:
    """Return true with this probability."""
    return bool(rng.random() < probability)


def uniform(rng: Rng, low: float, high: float) -> float:
    """Return a number from low up to high, each equally likely."""
    return float(rng.uniform(low, high))


def integer(rng: Rng, low: int, high: int) -> int:
    """Return a whole number from low to high, both included."""
    return int(rng.integers(low, high + 1))


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """Return a number from low up to high (both above 0), each order of size equally likely."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
