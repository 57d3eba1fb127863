"""What checks share: the rows that a check by features reads, and how a setting turns suspicions into rejections.

A check by features is a pure function of `FeatureRows` that returns a verdict on each picture it judges: "keep" below a
score of 0.5, "suspect" from there on. `stages.clean.by_features` is where such checks are plugged in.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fieldguide.records import Verdict

SUSPICIOUS = 0.5  # the score from which a picture is suspected, in every check that has scores
LEAST_PER_CLASS = 10  # pictures that some class must have for a pass of the backbone


@dataclass(frozen=True)
class FeatureRows:
    """n pictures that no earlier check rejects, one row each.

    Attributes:
        sha256: n hashes, in order.
        labels: (n,) int64 places in `class_names`.
        class_names: the classes.
        groups: n group ids; look-alikes share one.
        features: (n, d) float32, the backbone's last layer first.
        top: how many of the first features are that last layer.
        certain: hashes of pictures that a person has decided to keep, or labelled.
    """

    sha256: tuple[str, ...]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    groups: tuple[str, ...]
    features: NDArray[np.float32]
    top: int
    certain: frozenset[str] = frozenset()

    def is_certain(self) -> NDArray[np.bool_]:
        """Tell of each picture whether a person has decided on it, (n,)."""
        return np.array([name in self.certain for name in self.sha256], dtype=bool)

    def judged_classes(self, least: int = LEAST_PER_CLASS) -> list[int]:
        """Return the places of the classes that have so many pictures."""
        counts = np.bincount(self.labels, minlength=len(self.class_names))
        return np.flatnonzero(counts >= least).tolist()


def settle(verdicts: Iterable[Verdict], setting: float | str) -> list[Verdict]:
    """Return the verdicts as a setting of [clean] has them.

    Args:
        verdicts: with scores from 0 to 1, as `SUSPICIOUS` parts them.
        setting: "off" for no suspicions, "suspect" for no rejections, or the score from which pictures are rejected.
    """
    return [replace(verdict, verdict=_settled(verdict, setting)) for verdict in verdicts]


def _settled(verdict: Verdict, setting: float | str) -> Literal["keep", "suspect", "reject"]:
    if setting == "off" or verdict.score < SUSPICIOUS:
        return "keep"
    return "suspect" if isinstance(setting, str) or verdict.score < setting else "reject"
