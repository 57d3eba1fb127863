"""What pictures are like in numbers: sizes, channels, and the 18 colour features by class.

Knows nothing about files or the catalogue: arrays in, numbers out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fieldguide.images.colour_features import FEATURE_NAMES

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_EDGES = (0, 64, 128, 256, 512, 1024, 2048, 4096)  # pixels of the shorter side
_SQUARE = 1.05  # times as long a side may be as the other


@dataclass(frozen=True)
class Channels:
    """The channels R, G and B over all pixels, each picture counted alike, in units of 0..1.

    Attributes:
        mean: of each channel.
        std: the standard deviation of each channel.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Boxes:
    """How a feature spreads within each class.

    Attributes:
        feature: its name.
        quantiles: by class, the values that 5, 25, 50, 75 and 95 % of its pictures do not exceed; by their medians.
    """

    feature: str
    quantiles: dict[str, tuple[float, ...]]


def measure_channels(features: NDArray[np.float32]) -> Channels:
    """Return the channels of (n, 18) colour features, n at least 1."""
    places = [[FEATURE_NAMES.index(f"{channel}_bgr_{number}") for channel in "rgb"] for number in ("mean", "std")]
    means, stds = (features[:, place].astype(np.float64) / 255 for place in places)
    mean = means.mean(axis=0)
    variance = (stds**2 + means**2).mean(axis=0) - mean**2  # the law of total variance
    return Channels(tuple(mean.tolist()), tuple(np.sqrt(np.maximum(variance, 0)).tolist()))


def measure_boxes(features: NDArray[np.float32], labels: NDArray[np.int64], class_names: Sequence[str]) -> list[Boxes]:
    """Return how each of (n, 18) colour features spreads within each class that has pictures."""
    by_class = {
        class_name: np.quantile(features[labels == label], QUANTILES, axis=0).T.tolist()
        for label, class_name in enumerate(class_names)
        if np.any(labels == label)
    }
    boxes = []
    for place, feature in enumerate(FEATURE_NAMES):
        rows = {class_name: tuple(rows[place]) for class_name, rows in by_class.items()}
        boxes.append(Boxes(feature, dict(sorted(rows.items(), key=lambda item: item[1][2]))))
    return boxes


def correlate(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return Pearson's correlation of the columns, (d, d); 0 where a column does not vary."""
    centred = features - features.mean(axis=0, dtype=np.float64)
    length = np.linalg.norm(centred, axis=0)
    scaled = centred / np.where(length > 1e-6, length, np.inf)
    return np.asarray(scaled.T @ scaled)


def count_sizes(width: NDArray[np.int64], height: NDArray[np.int64]) -> dict[str, int]:
    """Return how many pictures have a shorter side in each range of pixels, without empty ranges at the ends."""
    places = np.digitize(np.minimum(width, height), _EDGES) - 1
    counts = np.bincount(places, minlength=len(_EDGES)).tolist()
    names = [f"{low} to {high - 1}" for low, high in pairwise(_EDGES)] + [f"{_EDGES[-1]} and more"]
    names[0] = f"under {_EDGES[1]}"
    filled = [place for place, count in enumerate(counts) if count]
    return {names[place]: counts[place] for place in range(filled[0], filled[-1] + 1)} if filled else {}


def count_shapes(width: NDArray[np.int64], height: NDArray[np.int64]) -> dict[str, int]:
    """Return how many pictures are wider than high, higher than wide, and about square."""
    wide, high = width > _SQUARE * height, height > _SQUARE * width
    counts = {"landscape": int(wide.sum()), "portrait": int(high.sum()), "square": int((~wide & ~high).sum())}
    return {name: count for name, count in counts.items() if count}
