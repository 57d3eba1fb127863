"""Thumbnails and hashes made from pixels.

Knows nothing about files beyond writing a JPEG.
"""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from fieldguide.records import Prints

GREY_SIDE, COLOUR_SIDE = 32, 8
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

    The picture becomes a grey grid of 8 rows and 9 columns (`copy_thumbnails` names the arithmetic). Row by row from
    the top left, most significant bit first, a bit is 1 where a cell is darker than its right neighbour. The
    mirror's hash is that of the same grid with its columns reversed. Near-copies differ in few bits
    (N. Krawetz, "Kind of like that", 2013).

    Args:
        pixels: (h, w, 3) uint8 RGB.

    Raises:
        ValueError: the array has another shape or type.
    """
    return _both_ways(to_image(pixels).convert("L"))


def squash(image: Image.Image) -> Pixels:
    """Squash a picture in mode RGB to (32, 32, 3) uint8: each pixel is the mean of the area that it covers."""
    return _squashed(image, GREY_SIDE, GREY_SIDE)


def copy_thumbnails(pixels: npt.ArrayLike | Image.Image, squashed: Pixels | None = None) -> tuple[Pixels, Pixels]:
    """Squash a picture to (32, 32) uint8 grey and (8, 8, 2) uint8 colour, to compare near-copies cell by cell.

    Each cell is the mean of the area it covers (a box filter, horizontal then vertical). Grey is
    (19595 R + 38470 G + 7471 B + 32768) >> 16, colour is Cb and Cr (ITU-R BT.601, full range): both shrink with
    the contrast of a picture, and colour is 128 where there is none.

    Args:
        pixels: (h, w, 3) uint8 RGB, or a picture in mode RGB.
        squashed: what `squash` gives, where it is known.

    Raises:
        ValueError: the array has another shape or type.
    """
    image = pixels if isinstance(pixels, Image.Image) else to_image(pixels)
    small = Image.fromarray(squash(image) if squashed is None else squashed)
    each = GREY_SIDE // COLOUR_SIDE
    colour = np.asarray(small.convert("YCbCr"))[:, :, 1:].reshape(COLOUR_SIDE, each, COLOUR_SIDE, each, 2)
    return np.asarray(small.convert("L")), np.rint(colour.mean(axis=(1, 3))).astype(np.uint8)


def copy_prints(pixels: npt.ArrayLike | Image.Image, squashed: Pixels | None = None) -> Prints:
    """Return what `dhash` and `copy_thumbnails` return, as bytes.

    Args:
        pixels: (h, w, 3) uint8 RGB, or a picture in mode RGB.
        squashed: what `squash` gives, where it is known.

    Raises:
        ValueError: the array has another shape or type.
    """
    image = pixels if isinstance(pixels, Image.Image) else to_image(pixels)
    straight, mirror = _both_ways(image.convert("L"))
    grey, colour = copy_thumbnails(image, squashed)
    return Prints(straight.to_bytes(8, "big"), mirror.to_bytes(8, "big"), grey.tobytes(), colour.tobytes())


def to_image(pixels: npt.ArrayLike) -> Image.Image:
    """Wrap an array (h, w, 3) uint8 RGB as Pillow's image.

    Raises:
        ValueError: the array has another shape or type.
    """
    array = np.asarray(pixels)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise ValueError(f"pixels must be (h, w, 3) uint8, not {array.shape} {array.dtype}")
    return Image.fromarray(np.ascontiguousarray(array))


def _squashed(image: Image.Image, width: int, height: int) -> Pixels:
    """Squash a picture to (height, width) uint8, or (height, width, 3) where it has colours."""
    # One pass per call: which of two Pillow does first depends on its version, and so would the last bit.
    across = image.resize((width, image.height), Image.Resampling.BOX)
    return np.asarray(across.resize((width, height), Image.Resampling.BOX))


def _both_ways(grey: Image.Image) -> tuple[int, int]:
    """Return the hash of a grey picture and that of its mirror image."""
    grid = _squashed(grey, 9, 8)
    return _bits(grid), _bits(grid[:, ::-1])


def _bits(grid: Pixels) -> int:
    """Return the bits of "a cell is darker than its right neighbour", most significant first."""
    darker = grid[:, :-1] < grid[:, 1:]
    return int.from_bytes(np.packbits(darker).tobytes(), "big")
