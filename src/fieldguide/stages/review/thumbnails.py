"""Pictures as the review page shows them: decoded under limits and made anew, never the bytes that came from outside.

A thumbnail is made once and kept in the project; a larger view is made each time.
"""

import threading
from pathlib import Path

import numpy as np

from fieldguide.engine import core_count
from fieldguide.errors import BadImage, FieldguideError
from fieldguide.images import Limits, decode_image, thumbnail_jpeg
from fieldguide.project import Project
from fieldguide.project.atomic import write_bytes

THUMBNAIL_SIDE, PREVIEW_SIDE = 400, 1600
_QUALITY = 82


class Thumbnails:
    """Makes and keeps them; may be called from many threads."""

    def __init__(self, project: Project, limits: Limits) -> None:
        self._project = project
        self._limits = limits
        self._slots = threading.BoundedSemaphore(core_count())

    def thumbnail(self, sha256: str, suffix: str) -> bytes:
        """Return the JPEG file of a thumbnail.

        Raises:
            BadImage: the original cannot be decoded.
            InputMissing: the original is gone.
        """
        path = self._path(sha256)
        try:
            return path.read_bytes()
        except OSError:
            data = self._make(sha256, suffix, THUMBNAIL_SIDE)
        try:
            write_bytes(path, data, durable=False)
        except (OSError, FieldguideError):  # a full disk, or one that is only read: it is made again
            return data
        return data

    def preview(self, sha256: str, suffix: str) -> bytes:
        """Return the JPEG file of a larger view; raises as `thumbnail`."""
        return self._make(sha256, suffix, PREVIEW_SIDE)

    def _path(self, sha256: str) -> Path:
        return self._project.root / "review" / "thumbnails" / sha256[:2] / f"{sha256}.jpg"

    def _make(self, sha256: str, suffix: str, side: int) -> bytes:
        data = self._project.read_image(sha256, suffix)
        with self._slots:
            try:
                return thumbnail_jpeg(np.asarray(decode_image(data, self._limits, at_least=side)), side, _QUALITY)
            except MemoryError as error:
                raise BadImage("too_much_memory", "there is not enough memory to decode it") from error
