"""Pixels to model input: the one definition, for training, serving and the page.

Knows nothing about files or models; normalising is inside the model. The arithmetic, exact to the bit, is
written down in docs/preprocessing.md; Pillow does it here, and `tests/vectors/resize.json` holds it for other
languages.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from fieldguide.images.decoding import Limits, decode_image
from fieldguide.images.thumbnails import to_image
from fieldguide.records import Preprocessing

Pixels = npt.NDArray[np.uint8]

WHITE = 255
# docs/preprocessing.md has what a scaled decode changes after `prepare`, and what it saves.
DECODE_FACTOR = 2


def prepare(pixels: npt.ArrayLike, preprocessing: Preprocessing) -> Pixels:
    """Fit pixels to the square that a backbone sees, (size, size, 3) uint8 RGB, a fresh array.

    - `squash`: the whole picture, resized to the square whatever its aspect.
    - `crop`: the middle square of side `s * size / resize_shorter`, s the shorter side, resized to the
      square: what resizing to `resize_shorter` and cutting the middle shows, without the rounding of sizes.
    - `pad`: resized so that the longer side is `size` and the shorter `size * shorter / longer`, rounded,
      halves up, at least 1; then laid on a white square, `floor((size - side) / 2)` from its left and top.

    A `mirrored` square is turned left to right after that.

    Resizing is bicubic convolution (R. Keys, 1981, a = -0.5), widened when shrinking so as not to alias.

    Args:
        pixels: (h, w, 3) uint8 RGB, upright.
        preprocessing: the record that a guide carries.

    Raises:
        ValueError: the array has another shape or type, or the record asks for what is not defined.
    """
    return prepare_image(to_image(pixels), preprocessing)


def prepare_image(image: Image.Image, preprocessing: Preprocessing) -> Pixels:
    """Fit an upright RGB image of Pillow's to the square, as `prepare` does.

    Raises:
        ValueError: the image is not RGB, or the record asks for what is not defined.
    """
    square = _fit(image, preprocessing)
    return np.ascontiguousarray(square[:, ::-1]) if preprocessing.mirrored else square


def prepare_views(data: bytes, views: Sequence[Preprocessing], limits: Limits) -> Pixels:
    """Return a file's bytes in several views of one size, (views, size, size, 3) uint8 RGB.

    Each view is what decoding for it alone would give; what two have in common is done once.

    Raises:
        BadImage: it is not a picture that can be decoded within the limits.
        ValueError: a record asks for what is not defined.
    """
    decoded: dict[int, Image.Image] = {}
    squares: dict[Preprocessing, Pixels] = {}
    for view in views:
        size, upright = decode_size(view), replace(view, mirrored=False)
        if size not in decoded:
            decoded[size] = decode_image(data, limits, at_least=size)
        if upright not in squares:
            squares[upright] = _fit(decoded[size], upright)
    return np.stack([squares[replace(view, mirrored=False)][:, :: -1 if view.mirrored else 1] for view in views])


def _fit(image: Image.Image, preprocessing: Preprocessing) -> Pixels:
    """Fit an image to the square, not mirrored."""
    if image.mode != "RGB":
        raise ValueError(f"the image must be RGB, not {image.mode}")
    if preprocessing.interpolation != "bicubic":
        raise ValueError(f"interpolation {preprocessing.interpolation!r} is not defined")
    side, whole = preprocessing.size, (0.0, 0.0, float(image.width), float(image.height))
    if preprocessing.fit == "squash":
        return np.array(_resize(image, side, side, whole))
    if preprocessing.fit == "crop":
        return np.array(_resize(image, side, side, _middle(image.width, image.height, preprocessing)))
    if preprocessing.fit == "pad":
        longer = max(image.size)
        width, height = (max(1, (2 * extent * side + longer) // (2 * longer)) for extent in image.size)
        square = np.full((side, side, 3), WHITE, np.uint8)
        left, top = (side - width) // 2, (side - height) // 2
        square[top : top + height, left : left + width] = np.asarray(_resize(image, width, height, whole))
        return square
    raise ValueError(f"fit {preprocessing.fit!r} is not defined")


def shrink(image: Image.Image, shorter: int) -> Image.Image:
    """Return an upright RGB image of Pillow's whose shorter side has so many pixels, or fewer where it has fewer.

    It is resized by the filter of `prepare`.
    """
    scale = min(1.0, shorter / min(image.size))
    width, height = (max(1, round(side * scale)) for side in image.size)
    return _resize(image, width, height, (0.0, 0.0, float(image.width), float(image.height)))


def decode_size(preprocessing: Preprocessing) -> int:
    """Return the `at_least` for `images.decode`: how small a JPEG's shorter side may get while it is decoded.

    Part of the definition: whoever decodes for `prepare` passes it, in training and in serving alike.
    """
    return DECODE_FACTOR * (preprocessing.resize_shorter if preprocessing.fit == "crop" else preprocessing.size)


def _middle(width: int, height: int, preprocessing: Preprocessing) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of the middle square, in pixels of the picture."""
    if preprocessing.resize_shorter < preprocessing.size:
        raise ValueError("resize_shorter must be at least size")
    extent = min(width, height) * preprocessing.size / preprocessing.resize_shorter
    left, top = (width - extent) / 2, (height - extent) / 2
    return left, top, left + extent, top + extent


def _resize(image: Image.Image, width: int, height: int, box: tuple[float, float, float, float]) -> Image.Image:
    """Resize a box of the picture to (width, height): across, then down.

    Two calls of one pass each, because Pillow 13 goes down first where that is faster and older ones do not,
    and the rounding between the passes makes that another picture.
    """
    left, top, right, bottom = box
    how = Image.Resampling.BICUBIC
    across = image.resize((width, image.height), how, box=(left, 0, right, image.height))
    return across.resize((width, height), how, box=(0, top, width, bottom))
