"""Small pictures laid over each other: the shift, stretch and turn under which two are most alike.

Knows nothing about files or what is a copy: arrays in, arrays out. Gauss-Newton steps of B. Lucas and T. Kanade ("An
iterative image registration technique", 1981) for an affine map, with gain and offset of the brightness fitted along
(as S. Baker and I. Matthews, "Lucas-Kanade 20 years on", 2004, part 3), for many pairs at once.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from fieldguide.engine import core_count, map_threads

Floats = NDArray[np.float32]
_STEPS, _LAST_STEPS = 6, 3  # on blurred and on small pictures, then on large ones
_SMALL = 32  # pixels on a side; on larger ones a step takes long
_PAIRS = 64  # at once: what they need stays near the processor
_LARGEST_MOVE = 0.35  # of half a side; what a map may move any point of the picture by
_DAMPING = 1e-3


@dataclass(frozen=True)
class Alignment:
    """How n pairs of small pictures lie over each other.

    Attributes:
        maps: (n, 2, 3) float32, from places in the left picture to places in the right one, sides being -1 and 1.
        likeness: (n,) float32, Pearson correlation where both are seen.
        overlap: (n,) float32, how much of the left picture the right one shows.
    """

    maps: Floats
    likeness: Floats
    overlap: Floats


def align(left: Floats, right: Floats) -> Alignment:
    """Lay each right picture over the left one.

    Args:
        left: (n, side, side) grey, of any scale.
        right: the same shape.
    """

    def part(start: int) -> tuple[Floats, Floats, Floats]:
        return _align(left[start : start + _PAIRS], right[start : start + _PAIRS])

    parts = map_threads(part, range(0, max(len(left), 1), _PAIRS), workers=core_count())
    maps, likeness, overlap = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Alignment(maps, likeness, overlap)


def _align(left: Floats, right: Floats) -> tuple[Floats, Floats, Floats]:
    """Lay some pictures over others: blurred ones first, and large ones last."""
    small = [_shrunk(pictures) for pictures in (left, right)]
    levels = [([_blurred(pictures) for pictures in small], _STEPS), (small, _STEPS)]
    if left.shape[1] > _SMALL:
        levels.append(([left, right], _LAST_STEPS))
    maps = np.tile(np.array([[0, 1, 0], [0, 0, 1]], np.float32), (len(left), 1, 1))
    for (first, second), steps in levels:
        slopes = np.stack([second, *np.gradient(second, axis=(2, 1))])
        for _ in range(steps):
            maps = _improved(maps, first, slopes)
    seen, inside = warped(right[None], maps)
    return maps, _correlation(left, seen[0], inside), inside.mean(axis=(1, 2), dtype=np.float32)


def _shrunk(pictures: Floats) -> Floats:
    """Return the pictures with a side of at most 32 pixels, where that divides theirs."""
    count, side = pictures.shape[:2]
    if side <= _SMALL or side % _SMALL:
        return pictures
    cells = pictures.reshape(count, _SMALL, side // _SMALL, _SMALL, side // _SMALL)
    return np.asarray(cells.mean(axis=(2, 4)), np.float32)


def warped(pictures: Floats, maps: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the pictures, (channels, n, side, side), seen through n maps, and where they are seen at all.

    Between pixels the four next are weighted (bilinear).
    """
    count, side = pictures.shape[1:3]
    places = np.einsum("nij,jp->nip", maps, _grid(side))  # x and y
    inside = (np.abs(places) <= 1).all(axis=1).reshape(count, side, side)
    pixels = np.clip((places + 1) * (side / 2) - 0.5, 0, side - 1.001)
    whole = pixels.astype(np.intp)
    right, below = np.moveaxis((pixels - whole).astype(np.float32), 1, 0)
    corner = whole[:, 1] * side + whole[:, 0] + np.arange(count)[:, None] * side * side
    corners = [corner + step for step in (0, 1, side, side + 1)]
    seen = np.empty((len(pictures), count, side * side), np.float32)
    for channel, plane in enumerate(pictures.reshape(len(pictures), count * side * side)):
        values = [plane.take(places, mode="clip") for places in corners]  # quicker than plane[places]
        upper = values[0] * (1 - right) + values[1] * right
        lower = values[2] * (1 - right) + values[3] * right
        seen[channel] = upper * (1 - below) + lower * below
    return seen.reshape(pictures.shape), inside


def _improved(maps: Floats, left: Floats, slopes: Floats) -> Floats:
    """Return the maps after one step."""
    count, side = left.shape[:2]
    seen, inside = warped(slopes, maps)
    grid = _grid(side)
    picture, across, down = seen.reshape(3, count, side * side)
    scale = np.float32(side / 2)  # pixels in a unit
    moves = [slope[:, None] * grid * scale for slope in (across, down)]
    known = np.concatenate([*moves, picture[:, None], np.ones_like(picture)[:, None]], axis=1)
    weighted = known * inside.reshape(count, 1, side * side)
    normal = weighted @ known.transpose(0, 2, 1)
    normal += np.eye(8, dtype=np.float32) * (_DAMPING * np.trace(normal, axis1=1, axis2=2) / 8)[:, None, None]
    found = np.linalg.solve(normal, weighted @ left.reshape(count, side * side, 1))[..., 0]
    gain = np.where(np.abs(found[:, 6]) < 0.2, 0.2, found[:, 6])
    step = (found[:, :6] / gain[:, None]).reshape(count, 2, 3)
    still = np.array([[0, 1, 0], [0, 0, 1]], np.float32)
    moved = maps + np.clip(step, -0.2, 0.2) - still
    largest = np.abs(moved).sum(axis=2).max(axis=1)
    shrunk = np.minimum(1, _LARGEST_MOVE / np.maximum(largest, 1e-6))
    return np.asarray(still + moved * shrunk[:, None, None], np.float32)


def _correlation(left: Floats, right: Floats, inside: NDArray[np.bool_]) -> Floats:
    """Return the correlation of each pair over the pixels that are inside."""
    count = np.maximum(inside.sum(axis=(1, 2)), 1)
    parts = []
    for picture in (left, right):
        mean = (picture * inside).sum(axis=(1, 2)) / count
        parts.append((picture - mean[:, None, None]) * inside)
    product = (parts[0] * parts[1]).sum(axis=(1, 2))
    lengths = [np.sqrt((part * part).sum(axis=(1, 2))) for part in parts]
    return np.asarray(product / np.maximum(lengths[0] * lengths[1], 1e-12), np.float32)


@cache
def _grid(side: int) -> Floats:
    """Return (3, side * side): 1, x and y of every pixel."""
    line = (np.arange(side, dtype=np.float32) + np.float32(0.5)) * np.float32(2 / side) - 1
    return np.stack([np.ones(side * side, np.float32), np.tile(line, side), np.repeat(line, side)])


def _blurred(pictures: Floats) -> Floats:
    """Return the pictures with each pixel the mean of 5 x 5."""
    for axis in (1, 2):
        wide = np.pad(pictures, [(2, 2) if place == axis else (0, 0) for place in range(3)], mode="edge")
        pictures = np.mean([np.roll(wide, shift, axis) for shift in range(-2, 3)], axis=0, dtype=np.float32)
        pictures = pictures[:, 2:-2] if axis == 1 else pictures[:, :, 2:-2]
    return pictures
