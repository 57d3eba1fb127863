"""The check that a file is a picture: it decodes in full and is large enough.

Knows nothing about other images or the catalogue. Runs in a process of its own, under limits.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fieldguide.errors import BadImage
from fieldguide.images import Header, Limits, copy_prints, decode, look

GREY_SIDE = 32
DECODE_SIDE = 128  # a scaled decode reads every byte of a JPEG, and hashes need no more than this


@dataclass(frozen=True)
class FileLook:
    """The result of looking at one file.

    Attributes:
        sha256: its hash.
        reason: "" when it is a picture that is large enough.
        detail: the reason as a sentence.
        shorter: its shorter side, pixels; 0 when it does not decode.
        dhash: 64-bit difference hash, big-endian, 8 bytes; empty when it does not decode.
        mirror: that of its mirror image.
        grey: its grey thumbnail, 32 x 32 bytes, row by row.
    """

    sha256: str
    reason: str
    detail: str
    shorter: int
    dhash: bytes = b""
    mirror: bytes = b""
    grey: bytes = b""


def look_at_file(item: tuple[str, str, int], *, limits: Limits, min_side: int) -> FileLook:
    """Decode a file and measure it; trouble with it becomes a reason, never an exception.

    Args:
        item: the image's hash, its path, and its shorter side according to the header, pixels.
        limits: what may be decoded.
        min_side: the shortest side that is large enough, pixels.
    """
    sha256, path, shorter = item
    try:
        pixels = decode(Path(path).read_bytes(), limits, at_least=DECODE_SIDE)
    except BadImage as error:
        return FileLook(sha256, error.reason, error.detail, 0)
    except OSError as error:
        return FileLook(sha256, "unreadable", f"the original cannot be read: {error.strerror}", 0)
    small = shorter < min_side
    return FileLook(
        sha256,
        "too_small" if small else "",
        f"its shorter side has {shorter} pixels; at least {min_side} are needed" if small else "",
        shorter,
        *take_prints(pixels),
    )


def take_prints(pixels: NDArray[np.uint8]) -> tuple[bytes, bytes, bytes]:
    """Return what copies are recognised by: dHash, that of the mirror image, grey thumbnail, as in `FileLook`.

    Args:
        pixels: (h, w, 3) uint8 RGB.
    """
    hashes, grey = copy_prints(pixels, GREY_SIDE)
    return _as_bytes(hashes, grey)


def look_at_bytes(data: bytes, limits: Limits) -> tuple[Header, tuple[bytes, bytes, bytes]]:
    """Decode a picture in full; return its header and what `take_prints` returns.

    Raises:
        BadImage: it is not a picture, is too large, or is damaged.
    """
    header, hashes, grey = look(data, limits, at_least=DECODE_SIDE, side=GREY_SIDE)
    return header, _as_bytes(hashes, grey)


def _as_bytes(hashes: tuple[int, int], grey: NDArray[np.uint8]) -> tuple[bytes, bytes, bytes]:
    return hashes[0].to_bytes(8, "big"), hashes[1].to_bytes(8, "big"), grey.tobytes()
