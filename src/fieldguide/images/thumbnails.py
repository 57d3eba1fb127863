"""Thumbnails and hashes made from pixels.

Knows nothing about files beyond writing a JPEG.
"""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]


def thumbnail_jpeg(pixels: npt.ArrayLike, side: int, quality: int = 85) -> bytes:
    """Make a JPEG file whose longer side is at most `side`, never enlarged, without metadata.

    Args:
        pixels: (h, w, 3) uint8 RGB.
        side: 1..65500.
        quality: 1..95, the JPEG quality scale.

    Raises:
        ValueError: the array has another shape or type.
    """
    image = to_image(pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, optimize=True)
    return file.getvalue()


def dhash(pixels: npt.ArrayLike) -> tuple[int, int]:
    """Return the 64-bit difference hash of a picture and that of its mirror image, each 0..2**64 - 1.

    The picture becomes a grey grid of 8 rows and 9 columns (`grey_thumbnail`'s arithmetic). Row by row from
    the top left, most significant bit first, a bit is 1 where a cell is darker than its right neighbour. The
    mirror's hash is that of the same grid with its columns reversed. Near-copies differ in few bits
    (N. Krawetz, "Kind of like that", 2013).

    Args:
        pixels: (h, w, 3) uint8 RGB.

    Raises:
        ValueError: the array has another shape or type.
    """
    return _both_ways(_grey(pixels))


def grey_thumbnail(pixels: npt.ArrayLike, side: int = 32) -> Pixels:
    """Squash a picture to (side, side) uint8 grey, to compare two near-copies cell by cell.

    Grey is (19595 R + 38470 G + 7471 B + 32768) >> 16 (ITU-R BT.601); each cell is the mean of the area it
    covers (a box filter, horizontal then vertical).

    Args:
        pixels: (h, w, 3) uint8 RGB.
        side: cells along each edge.

    Raises:
        ValueError: the array has another shape or type.
    """
    return _squashed(_grey(pixels), side, side)


def copy_prints(pixels: npt.ArrayLike | Image.Image, side: int = 32) -> tuple[tuple[int, int], Pixels]:
    """Return what `dhash` and `grey_thumbnail` return, converting to grey once for both.

    Args:
        pixels: (h, w, 3) uint8 RGB, or a picture in mode RGB.
        side: cells along each edge of the thumbnail.

    Raises:
        ValueError: the array has another shape or type.
    """
    grey = pixels.convert("L") if isinstance(pixels, Image.Image) else _grey(pixels)
    return _both_ways(grey), _squashed(grey, side, side)


def to_image(pixels: npt.ArrayLike) -> Image.Image:
    """Wrap an array (h, w, 3) uint8 RGB as Pillow's image.

    Raises:
        ValueError: the array has another shape or type.
    """
    array = np.asarray(pixels)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise ValueError(f"pixels must be (h, w, 3) uint8, not {array.shape} {array.dtype}")
    return Image.fromarray(np.ascontiguousarray(array))


def _grey(pixels: npt.ArrayLike) -> Image.Image:
    return to_image(pixels).convert("L")


def _squashed(grey: Image.Image, width: int, height: int) -> Pixels:
    """Squash a picture to (height, width) uint8 grey."""
    # One pass per call: which of two Pillow does first depends on its version, and so would the last bit.
    across = grey.resize((width, grey.height), Image.Resampling.BOX)
    return np.asarray(across.resize((width, height), Image.Resampling.BOX))


def _both_ways(grey: Image.Image) -> tuple[int, int]:
    """Return the hash of a grey picture and that of its mirror image."""
    grid = _squashed(grey, 9, 8)
    return _bits(grid), _bits(grid[:, ::-1])


def _bits(grid: Pixels) -> int:
    """Return the bits of "a cell is darker than its right neighbour", most significant first."""
    darker = grid[:, :-1] < grid[:, 1:]
    return int.from_bytes(np.packbits(darker).tobytes(), "big")
