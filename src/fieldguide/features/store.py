"""Rows of numbers on disk, by the hash of the image that they were computed from.

Knows nothing about how they are computed.
"""

import io
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from fieldguide.features.runtimes import Runner
from fieldguide.hashing import hash_text
from fieldguide.project.atomic import write_bytes
from fieldguide.records import Preprocessing


@dataclass(frozen=True)
class Extractor:
    """A computation of one row of numbers per square, the same each time.

    Attributes:
        name: identifies all that the numbers depend on, except preprocessing and runtime; up to its first hyphen a
            word for people.
        runtime: the library that computes them.
        open: returns the function that computes them.
    """

    name: str
    runtime: str
    open: Callable[[], Runner]


@dataclass(frozen=True)
class FeatureStore:
    """What was computed from squares under one preprocessing, by the hash of the image.

    Shards are written whole; a pass that is interrupted loses at most one.
    """

    folder: Path

    @classmethod
    def at(cls, base: Path, extractor: Extractor, preprocessing: Preprocessing) -> "FeatureStore":
        """Return the store below `base` for an extractor and a preprocessing, each pair having its own."""
        key = json.dumps([extractor.name, asdict(preprocessing), extractor.runtime], sort_keys=True)
        kind = extractor.name.partition("-")[0]
        return cls(base / f"{kind}-{preprocessing.fit}-{hash_text(key)[:12]}")

    def read(self) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
        """Yield the images and rows, (m, d) float32, of one shard after another: all at once may be 300 MB.

        A damaged shard counts as missing and is computed again.
        """
        for path in sorted(self.folder.glob("*.npz")):
            try:
                with path.open("rb") as file, np.load(file, allow_pickle=False) as shard:
                    names, features = [str(name) for name in shard["sha256"]], shard["features"]
                    fits = features.ndim == 2 and len(names) == len(features)
            except (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, BadZipFile, zlib.error):
                continue
            if fits:
                yield names, features

    def write(self, names: Sequence[str], features: NDArray[np.float32]) -> None:
        """Write one more shard, named after what it holds."""
        buffer = io.BytesIO()
        np.savez(buffer, sha256=np.array(names), features=features)
        name = hash_text("".join(names))[:16]
        write_bytes(self.folder / f"{name}.npz", buffer.getvalue())
