"""Pictures: bytes to upright pixels under limits (`decoding`), to model input (`preprocess`), to small ones and hashes.

Knows nothing about projects, models or where the bytes came from.
"""

from fieldguide.images.decoding import Header, Limits, decode, decode_image, look, read_header, to_upright
from fieldguide.images.thumbnails import copy_prints, dhash, grey_thumbnail, thumbnail_jpeg

__all__ = [
    "Header",
    "Limits",
    "copy_prints",
    "decode",
    "decode_image",
    "dhash",
    "grey_thumbnail",
    "look",
    "read_header",
    "thumbnail_jpeg",
    "to_upright",
]
