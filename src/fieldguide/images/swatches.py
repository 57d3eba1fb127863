"""Swatches: the small pictures that stand for pictures of which only the colour features are known.

A swatch is a PNG in the picture's mean colour, with lighter and darker bands as far apart as its standard deviations;
the 18 numbers themselves are in it as text. It is looked at, never measured: whoever learns from it reads the numbers.
Only a project says that a file is a swatch, by its format in the catalogue: what is written in a picture that somebody
else made is not believed.
"""

import io
import json

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from fieldguide.errors import BadImage
from fieldguide.images.colour_features import FEATURE_NAMES

SWATCH = "vector.png"  # the format, and the ending of the file's name
_KEY = "fieldguide colour features"
_SIDE, _BANDS = 48, (-1.0, -0.5, 0.0, 0.0, 0.5, 1.0)
_MAX_CHARS = 4000
_MOST_HUE = 180.0


def make_swatch(features: NDArray[np.float32]) -> bytes:
    """Return the PNG file of (18,) colour features in the order of `FEATURE_NAMES`; the same ones give the same bytes.

    Raises:
        BadImage: they are no colour features.
    """
    _check(features)
    mean, deviation = features[:3][::-1].astype(np.float64), features[9:12][::-1].astype(np.float64)
    bands = np.clip(np.round(mean + np.outer(_BANDS, deviation)), 0, 255).astype(np.uint8)
    pixels = np.broadcast_to(np.repeat(bands, _SIDE // len(_BANDS), axis=0)[:, None], (_SIDE, _SIDE, 3))
    numbers = dict(zip(FEATURE_NAMES, features.astype(float).tolist(), strict=True))
    text = PngImagePlugin.PngInfo()
    text.add_text(_KEY, json.dumps(numbers))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=text)
    return buffer.getvalue()


def read_swatch(data: bytes) -> NDArray[np.float32]:
    """Return the (18,) colour features in a swatch.

    Raises:
        BadImage: it is none.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            text = str(image.info.get(_KEY, ""))
        numbers = json.loads(text) if len(text) <= _MAX_CHARS else {}
        features = np.array([numbers[name] for name in FEATURE_NAMES], np.float32)
    except (OSError, ValueError, KeyError, TypeError, SyntaxError) as error:
        raise BadImage("unreadable", f"it holds no colour features: {error}") from error
    _check(features)
    return features


def _check(features: NDArray[np.float32]) -> None:
    limits = np.where([name.startswith("h_") for name in FEATURE_NAMES], _MOST_HUE, 255.0)
    limits[9:] = limits[9:] / 2 + 1  # no values between 0 and a limit are farther apart
    if features.shape != (len(FEATURE_NAMES),) or not np.isfinite(features).all():
        raise BadImage("bad_vector", f"colour features are {len(FEATURE_NAMES)} numbers")
    wrong = np.flatnonzero((features < 0) | (features > limits))
    if len(wrong):
        name, value = FEATURE_NAMES[wrong[0]], float(features[wrong[0]])
        raise BadImage("bad_vector", f"{name} is {value:g}, and can only be from 0 to {limits[wrong[0]]:g}")
