"""The 18 colour features: mean and standard deviation of each channel of a picture in RGB, HSV and Lab.

Knows nothing about classes, files or models: pixels in, features out. The channels are those of OpenCV's 8-bit
conversions, and every one of the 2^24 colours gets the same three bytes there and here (compared with 4.14.0 and
5.0.0, so the tolerance of a channel is 0 levels). All the arithmetic is on whole numbers below 2^24, which float32
holds exactly: it runs in vectors, in any order, and an ONNX graph of the same steps gives the same numbers.

Hue and saturation: A. R. Smith, "Color gamut transform pairs", SIGGRAPH 1978, hue in steps of two degrees. Lab: CIE 15,
3rd edition, section 8.2.1, from sRGB (IEC 61966-2-1) with the white D65, L in 0..255, a and b shifted by 128.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEATURE_NAMES = tuple(
    f"{channel}_{space}_{number}"
    for number in ("mean", "std")
    for space, channels in (("bgr", "bgr"), ("hsv", "hsv"), ("lab", "lab"))
    for channel in channels
)

_CHANNELS = 9
_PIXELS = 32768  # pixels at a time: what they need stays in the processor's cache
_EXACT = 1024  # (x - 128)^2 is at most 2^14: so many of them still add up exactly in float32

_STEP = 1 << 12  # HSV and XYZ are in steps of 1/4096, the roots and Lab in steps of 1/32768
_FINE = 1 << 15
_LINEAR_TOP = 255 << 3  # linear light is kept in eighths of a level

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Tables:
    """Tables that the conversions look up; all float32, all whole numbers.

    Attributes:
        saturation: (256,) what chroma is multiplied with, by value.
        hue: (256,) what the place in the colour circle is multiplied with, by chroma.
        linear: (256,) linear light, 0..2040, of an sRGB level.
        xyz: (3, 3) X, Y and Z, each over that of white, rows, from linear R, G and B, columns, times 4096.
        root: (2041,) CIE's f of X, Y or Z, 0..2040, times 32768.
        lab: (3, 3) L, a and b, rows, from f(X), f(Y) and f(Z), columns.
        offset: (3,) what is added to L, a and b, half a level for rounding included; then 32768 is one level.
    """

    saturation: Floats
    hue: Floats
    linear: Floats
    xyz: Floats
    root: Floats
    lab: Floats
    offset: Floats


def _make_tables() -> Tables:
    level = np.arange(1, 256)
    encoded = np.arange(256) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    # ITU-R BT.709-6, section 1: the primaries of sRGB to XYZ, each row over the XYZ of D65
    primaries = np.array(
        [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
    )
    white = np.array([0.950456, 1.0, 1.088754])
    part = np.arange(_LINEAR_TOP + 1) / _LINEAR_TOP
    root = np.where(part < 216 / 24389, part * 841 / 108 + 16 / 116, np.cbrt(part))
    return Tables(
        saturation=_whole(np.r_[0, 255 * _STEP / level]),
        hue=_whole(np.r_[0, 180 * _STEP / (6 * level)]),
        linear=_whole(linear * _LINEAR_TOP),
        xyz=_whole(primaries / white[:, None] * _STEP),
        root=_whole(root.astype(np.float32) * np.float32(_FINE)),  # by way of float32 as there: two of 2,041 differ
        lab=_whole(np.array([[0, 296, 0], [500, -500, 0], [0, 200, -200]])),  # 296 is 116 * 255 / 100, rounded
        offset=_whole(np.array([-16 * 255 * _FINE / 100, 128 * _FINE, 128 * _FINE]) + _FINE / 2),
    )


def _whole(values: NDArray[np.floating]) -> Floats:
    """Return the nearest whole numbers, not to be written to."""
    rounded: Floats = np.rint(values).astype(np.float32)
    rounded.flags.writeable = False
    return rounded


TABLES = _make_tables()


def colour_features(pictures: NDArray[np.uint8]) -> Floats:
    """Return the features, (n, 18) float32, of (n, h, w, 3) uint8 RGB pictures, in the order of `FEATURE_NAMES`.

    Means and standard deviations are over all pixels of a picture (the deviation over n, not n - 1); sums are exact.
    """
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3 or 0 in pictures.shape[1:]:
        raise ValueError(f"pictures must be (n, h, w, 3) uint8, not {pictures.shape} {pictures.dtype}")
    count, height, width, _ = pictures.shape
    pixels = height * width
    rows = pictures.reshape(count, pixels, 3)
    sums, squares = np.zeros((2, count, _CHANNELS))
    for first, last, start, end in _portions(count, pixels):
        channels = _channels(rows[first:last, start:end].reshape(-1, 3))
        channels -= 128  # small numbers have small squares
        added, squared = _sum(channels.reshape(_CHANNELS, last - first, end - start))
        sums[first:last] += added
        squares[first:last] += squared
    mean = sums / pixels
    deviation = np.sqrt(np.maximum(squares / pixels - mean * mean, 0))
    return np.concatenate([mean + 128, deviation], axis=1).astype(np.float32)


def _portions(count: int, pixels: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield first and last picture and pixel of each portion: several small pictures, or a part of a large one."""
    if pixels <= _EXACT:
        together = _PIXELS // pixels
        yield from ((first, min(first + together, count), 0, pixels) for first in range(0, count, together))
        return
    for picture in range(count):
        for start in range(0, pixels, _PIXELS):
            yield picture, picture + 1, start, min(start + _PIXELS, pixels)


def _sum(channels: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return sums and sums of squares, (n, 9) each, of (9, n, m) centred channels; exact, in runs of up to 1,024."""
    whole = channels.shape[2] // _EXACT * _EXACT
    runs = channels[:, :, :whole].reshape(*channels.shape[:2], -1, _EXACT)
    rest = channels[:, :, whole:]
    sums = runs.sum(axis=(2, 3), dtype=np.float32) + rest.sum(axis=2)
    squares = np.vecdot(runs, runs).sum(axis=2, dtype=np.float64) + np.vecdot(rest, rest)
    return sums.T.astype(np.float64), squares.T.astype(np.float64)


def _channels(pixels: NDArray[np.uint8]) -> Floats:
    """Return the channels B, G, R, H, S, V, L, a and b, (9, n), of (n, 3) RGB pixels."""
    planes = np.ascontiguousarray(pixels.T)
    channels = np.empty((_CHANNELS, len(pixels)), np.float32)
    channels[:3] = planes[::-1]
    _fill_hsv(planes, channels)
    _fill_lab(planes, channels[6:])
    return channels


def _fill_hsv(planes: NDArray[np.uint8], channels: Floats) -> None:
    """Fill rows 3 to 5 of the channels with H, S and V of the rows 0 to 2."""
    (red8, green8, blue8), (blue, green, red) = planes, channels[:3]
    hue, saturation, value = channels[3:6]
    value8 = np.maximum(np.maximum(red8, green8), blue8)
    chroma8 = value8 - np.minimum(np.minimum(red8, green8), blue8)
    chroma = chroma8.astype(np.float32)
    value[:] = value8
    np.take(TABLES.saturation, value8, out=saturation, mode="clip")
    _round(saturation, chroma)
    # sixths of the circle in units of the chroma: from blue, else from green, else from red
    np.subtract(red, green, out=hue)
    hue += 4 * chroma
    place = blue - red
    place += 2 * chroma
    np.copyto(hue, place, where=value8 == green8)
    np.subtract(green, blue, out=place)
    np.copyto(hue, place, where=value8 == red8)
    _round(hue, np.take(TABLES.hue, chroma8, mode="clip"))
    np.less(hue, 0, out=place, casting="unsafe")
    place *= 180
    hue += place


def _round(values: Floats, factor: Floats) -> None:
    """Multiply the values by the factor and divide them by 4,096, rounded to whole numbers, halves up."""
    values *= factor
    values += _STEP / 2
    values *= 1 / _STEP
    np.floor(values, out=values)


def _fill_lab(planes: NDArray[np.uint8], channels: Floats) -> None:
    """Fill the channels with L, a and b of the (3, n) planes R, G and B."""
    xyz = TABLES.xyz @ np.take(TABLES.linear, planes, mode="clip")
    xyz += _STEP / 2
    xyz *= 1 / _STEP
    roots = np.take(TABLES.root, xyz.astype(np.intp), mode="clip")  # cuts off what is behind the point
    np.matmul(TABLES.lab, roots, out=channels)
    channels += TABLES.offset[:, None]
    channels *= 1 / _FINE
    np.floor(channels, out=channels)


def measure_colours(pixels: NDArray[np.uint8]) -> bytes:
    """Return the features of a picture, (h, w, 3) uint8 RGB, as bytes: 18 float32, least byte first."""
    return colour_features(pixels[None]).astype("<f4").tobytes()


def read_colours(measured: bytes) -> Floats:
    """Return the (18,) features that `measure_colours` has measured."""
    return np.frombuffer(measured, dtype="<f4").astype(np.float32)
