"""The pictures that look most like one, by the features that are kept, or by small thumbnails where there are none.

Reads the rows part by part, so that memory does not grow with the number of pictures.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldguide.features import FeatureStore
from fieldguide.project.catalog import Catalog
from fieldguide.project.review_details import read_small_greys

Rows = tuple[list[str], NDArray[np.float32]]
_SPARE = 32  # neighbours that may have left the project since their features were computed


def find_neighbours(
    catalog: Catalog, features_folder: Path, sha256: str, limit: int
) -> tuple[str, list[tuple[str, float]]]:
    """Return what they were compared by, and the nearest pictures with their similarity, 1 for the same.

    Args:
        catalog: the open catalogue.
        features_folder: where features are kept.
        sha256: a picture.
        limit: how many.
    """
    store = best_store(features_folder)
    if store is not None:
        nearest = _nearest(store.read, sha256, limit + _SPARE)
        if nearest:
            return "features", nearest
    return "thumbnails", _nearest(lambda: _prints(catalog), sha256, limit + _SPARE)


def best_store(features_folder: Path) -> FeatureStore | None:
    """Return the features of the most pictures, the latest of several."""
    shards = {
        folder: [path.stat().st_mtime for path in folder.glob("*.npz")]
        for folder in features_folder.glob("*")
        if folder.is_dir() and "-mirrored-" not in folder.name
    }
    ranked = sorted((len(times), max(times), folder) for folder, times in shards.items() if times)
    return FeatureStore(ranked[-1][2]) if ranked else None


def _nearest(read: Callable[[], Iterator[Rows]], sha256: str, count: int) -> list[tuple[str, float]]:
    """Return the nearest by the cosine of the angle between their rows."""
    own = next((rows[names.index(sha256)] for names, rows in read() if sha256 in names), None)
    if own is None:
        return []
    own = own / max(float(np.linalg.norm(own)), 1e-12)
    nearest: dict[str, float] = {}
    for names, rows in read():
        lengths = np.maximum(np.linalg.norm(rows, axis=1), 1e-12)
        likeness = (rows @ own) / lengths
        best = np.argpartition(-likeness, min(count, len(names)) - 1)[:count]
        nearest |= {names[place]: float(likeness[place]) for place in best if names[place] != sha256}
        nearest = dict(sorted(nearest.items(), key=lambda item: -item[1])[:count])
    return list(nearest.items())


def _prints(catalog: Catalog) -> Iterator[Rows]:
    """Yield the thumbnails by which copies are recognised, about their mean."""
    for names, greys in read_small_greys(catalog):
        grey = np.array([np.frombuffer(data, np.uint8) for data in greys], np.float32)
        yield names, grey - grey.mean(axis=1, keepdims=True)
