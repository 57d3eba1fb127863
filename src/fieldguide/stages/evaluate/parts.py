"""What a section of the report is made of, and small pictures for it.

Knows nothing about which sections there are.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fieldguide.engine import core_count, map_threads
from fieldguide.images import decode, thumbnail_jpeg
from fieldguide.project import decode_limits
from fieldguide.stages.evaluate.measuring import Evaluation


@dataclass(frozen=True)
class Part:
    """What a section holds.

    Attributes:
        numbers: every figure of it, as JSON can hold them: metrics.json has them.
        shown: what only the page shows, such as thumbnails.
    """

    numbers: Mapping[str, Any]
    shown: Mapping[str, Any] = field(default_factory=dict)


def make_thumbnails(evaluation: Evaluation, places: Sequence[int], side: int) -> list[str]:
    """Return the pictures at these places of the data as small JPEGs in base64, `side` pixels at most."""
    limits = decode_limits(evaluation.settings)

    def make(place: int) -> str:
        data = evaluation.project.read_image(*evaluation.pictures.images[place])
        pixels = decode(data, limits, at_least=side)
        evaluation.progress.advance()
        return base64.b64encode(thumbnail_jpeg(pixels, side, 80)).decode()

    return list(map_threads(make, places, workers=core_count()))
