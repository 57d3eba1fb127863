"""What a section of the report is made of, and small pictures for it.

Knows nothing about which sections there are.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fieldguide.images import decode, thumbnail_jpeg
from fieldguide.project import decode_limits
from fieldguide.stages.evaluate.measuring import Evaluation

_THUMBNAIL_SIDE = 260


@dataclass(frozen=True)
class Part:
    """What a section holds.

    Attributes:
        numbers: every figure of it, as JSON can hold them: metrics.json has them.
        shown: what only the page shows, such as thumbnails.
    """

    numbers: Mapping[str, Any]
    shown: Mapping[str, Any] = field(default_factory=dict)


def thumbnail(evaluation: Evaluation, place: int, side: int = _THUMBNAIL_SIDE) -> str:
    """Return the picture at a place of the data as a small JPEG in base64."""
    sha256, suffix = evaluation.pictures.images[place]
    limits = decode_limits(evaluation.settings)
    pixels = decode(evaluation.project.read_image(sha256, suffix), limits, at_least=side)
    return base64.b64encode(thumbnail_jpeg(pixels, side)).decode()
