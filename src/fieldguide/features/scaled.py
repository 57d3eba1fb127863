"""Scaled copies: what networks learn from where originals would have to be decoded again in every epoch.

A copy is made once, by the filter that fits pictures to squares, and kept beside the originals; the folder may be
deleted at any time. No answer and nothing that is measured comes from a copy.
"""

import io
from dataclasses import dataclass
from pathlib import Path

from fieldguide.images import Limits, decode_image
from fieldguide.images.preprocess import DECODE_FACTOR, shrink
from fieldguide.project.atomic import write_bytes
from fieldguide.records import Preprocessing

LARGE = 2  # times the side of a copy: decoding a smaller original takes hardly longer than decoding its copy
_QUALITY = 95


@dataclass(frozen=True)
class ScaledCopies:
    """Copies of one size.

    Attributes:
        base: the folder of those of all sizes.
        side: pixels of the shorter side.
    """

    base: Path
    side: int

    def path(self, sha256: str) -> Path:
        """Return where the copy of an original is, or would be."""
        return self.base / str(self.side) / sha256[:2] / f"{sha256}.jpg"

    def suit(self, preprocessing: Preprocessing) -> bool:
        """Tell whether they have as many pixels as a square asks for."""
        needed = preprocessing.resize_shorter if preprocessing.fit == "crop" else preprocessing.size
        return needed <= self.side

    def make(self, sha256: str, original: Path, limits: Limits) -> None:
        """Make the copy of an original, unless it is there.

        Raises:
            BadImage: the original cannot be decoded.
        """
        path = self.path(sha256)
        if path.exists():
            return
        image = decode_image(original.read_bytes(), limits, at_least=DECODE_FACTOR * self.side)
        small, file = shrink(image, self.side), io.BytesIO()
        small.info = {}
        small.save(file, "JPEG", quality=_QUALITY, subsampling=0)
        write_bytes(path, file.getvalue(), durable=False)  # what a power cut leaves is not decoded, or made again
