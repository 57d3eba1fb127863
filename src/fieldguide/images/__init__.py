"""Pictures: bytes to upright pixels under limits (`decoding`), to model input (`preprocess`), to small ones and hashes.

Knows nothing about projects, models or where the bytes came from.
"""

from fieldguide.images.decoding import (
    Header,
    Limits,
    decode,
    decode_image,
    decode_photo,
    look,
    read_header,
    to_upright,
)
from fieldguide.images.icons import icon_png
from fieldguide.images.thumbnails import (
    COLOUR_SIDE,
    GREY_SIDE,
    copy_prints,
    copy_thumbnails,
    dhash,
    squash,
    thumbnail_jpeg,
)

__all__ = [
    "COLOUR_SIDE",
    "GREY_SIDE",
    "Header",
    "Limits",
    "copy_prints",
    "copy_thumbnails",
    "decode",
    "decode_image",
    "decode_photo",
    "dhash",
    "icon_png",
    "look",
    "read_header",
    "squash",
    "thumbnail_jpeg",
    "to_upright",
]
