"""The check for copies that are cropped, framed or turned a little: what hashes of whole pictures cannot see.

Knows nothing about files or the catalogue: arrays in, arrays out. Pictures with like features are candidates; small
grey thumbnails laid over each other leave few of them; squares of 96 pixels, laid over each other, decide. At that size
two photographs of one kind of thing no longer look the same. `docs/clean.md` says how the limits were found.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldguide.checks.alignment import Alignment, Floats, align, warped
from fieldguide.checks.duplicates import Thumbnails, same_colour

SIDE = 96  # pixels of the squares that decide
_COARSE = 16
_LIKE = 0.7  # cosine of features; what is cropped by a tenth or framed has 0.71 at least
_NEIGHBOURS = 5  # of each picture that are looked at
_ROUGHLY = 0.85  # likeness of thumbnails; of 16 pixels 99 of 100 copies have 0.87, but some that are framed less
_PERHAPS = 0.6  # of those of 16 pixels, from which those of 32 are compared: a border of 3 % is less than one of 16
_OVERLAP = 0.6
_WHITE, _WHITE_SHARE = 250, 0.25  # of a square that is on white
_SURER = 0.6  # of what is missing to a likeness of 1, for what is on white
_STEP, _DETAIL = 2, 0.07  # grey levels, and where: plain shapes have them at 0.06, real sets at 0.09 and more
_CELLS = 8  # on a side, in which colours are compared
_BLOCK = 512  # pictures whose features are compared with some, or pairs that are aligned, at once
_COSINES = 1 << 21  # at once: their memory should not grow with the pictures
_CELL_ROWS = 20_000  # pictures up to which every pair of features is compared


@dataclass(frozen=True)
class Closeness:
    """How alike n pairs of squares are, laid over each other.

    Attributes:
        likeness: (n,) float32, correlation of what both show; 0 where that is little.
        same_colour: (n,) bool, whether their colours agree there.
        on_white: (n,) bool, whether much of both is white, as of drawings, which are more alike than photographs.
        plain: (n,) bool, whether one shows hardly more than a plain shape, which fits any other of its kind.
    """

    likeness: Floats
    same_colour: NDArray[np.bool_]
    on_white: NDArray[np.bool_]
    plain: NDArray[np.bool_]

    def are_copies(self, likeness: float) -> NDArray[np.bool_]:
        """Tell of each pair whether one is a copy, given the likeness that photographs need; drawings need more."""
        needed = np.where(self.on_white, likeness + _SURER * (1 - likeness), likeness)
        return self.same_colour & ~self.plain & (self.likeness >= needed)


def like_features(features: Floats) -> list[tuple[int, int]]:
    """Find pairs (i, j), i < j, of pictures with like features: of each its nearest, as far as they are near.

    Args:
        features: (n, d).
    """
    lengths = np.maximum(np.sqrt(np.einsum("nd,nd->n", features, features)), 1e-12)
    pairs: set[tuple[int, int]] = set()
    for places in _cells(features, lengths):
        if len(places) < 2:
            continue
        inside, scale = features if len(places) == len(features) else features[places], lengths[places]
        few, step = min(_NEIGHBOURS, len(places) - 1), max(1, _COSINES // len(places))
        for start in range(0, len(places), step):
            likeness = inside[start : start + step] @ inside.T
            likeness /= scale
            likeness /= scale[start : start + step, None]
            likeness[np.arange(len(likeness)), np.arange(start, start + len(likeness))] = -1
            nearest = np.argpartition(likeness, -few, axis=1)[:, -few:]
            near = np.take_along_axis(likeness, nearest, axis=1) >= _LIKE
            first, which = np.nonzero(near)
            ends = np.stack([places[first + start], places[nearest[first, which]]])
            pairs.update(zip(*np.sort(ends, axis=0).tolist(), strict=True))
    return sorted(pairs)


def _cells(features: Floats, lengths: Floats) -> list[NDArray[np.intp]]:
    """Return sets of rows that are compared with each other: all, or of very many those nearest to a common row."""
    count = len(features)
    if count <= _CELL_ROWS:
        return [np.arange(count)]
    chosen = np.random.default_rng(0).choice(count, max(2, count // 1000), replace=False)
    centres = features[chosen] / lengths[chosen, None]
    nearest = np.concatenate(
        [np.argpartition(-(features[at : at + _BLOCK] @ centres.T), 2, axis=1)[:, :2] for at in range(0, count, _BLOCK)]
    )
    return [np.flatnonzero((nearest == number).any(axis=1)) for number in range(len(centres))]


def roughly_alike(left: Floats, right: Floats) -> NDArray[np.bool_]:
    """Tell of pairs of grey thumbnails, each (n, 32, 32), whether a closer look is worth while."""
    alike = np.zeros(len(left), np.bool_)
    for start in range(0, len(left), _BLOCK):
        block = slice(start, start + _BLOCK)
        first, second = left[block], right[block]
        likeness = _either_way(_coarse(first), _coarse(second))
        unsure = np.flatnonzero((likeness >= _PERHAPS) & (likeness < _ROUGHLY))
        if len(unsure):
            likeness[unsure] = _either_way(first[unsure], second[unsure])
        alike[block] = likeness >= _ROUGHLY
    return alike


def _either_way(left: Floats, right: Floats) -> Floats:
    """Return the likeness of pairs, the one laid over the other or the other way round, whichever fits better."""
    return np.maximum(_likeness(align(left, right)), _likeness(align(right, left)))


def compare_squares(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> Closeness:
    """Lay pairs of squares over each other, whichever way they fit better.

    Args:
        left: (n, side, side, 3) uint8 RGB.
        right: the same shape.
    """
    first, second = _luma_and_colour(left), _luma_and_colour(right)
    one, other = align(first[..., 0], second[..., 0]), align(second[..., 0], first[..., 0])
    turned = _likeness(other) > _likeness(one)
    ahead = np.where(turned[:, None, None, None], second, first)
    behind = np.where(turned[:, None, None, None], first, second)
    maps = np.where(turned[:, None, None], other.maps, one.maps)
    on_white = [(square.min(axis=3) >= _WHITE).mean(axis=(1, 2)) >= _WHITE_SHARE for square in (left, right)]
    likeness = np.maximum(_likeness(one), _likeness(other))
    plain = (_detail(first[..., 0]) < _DETAIL) | (_detail(second[..., 0]) < _DETAIL)
    return Closeness(likeness, _colours_agree(ahead, behind, maps), on_white[0] & on_white[1], plain)


def _detail(grey: Floats) -> Floats:
    """Return the share of the pixels that differ from the next one to the right or below."""
    across, down = np.abs(np.diff(grey, axis=2))[:, :-1], np.abs(np.diff(grey, axis=1))[:, :, :-1]
    return np.asarray((np.maximum(across, down) > _STEP).mean(axis=(1, 2)), np.float32)


def _likeness(alignment: Alignment) -> Floats:
    return np.asarray(np.where(alignment.overlap >= _OVERLAP, alignment.likeness, 0), np.float32)


def _coarse(grey: Floats) -> Floats:
    cells = grey.reshape(len(grey), _COARSE, grey.shape[1] // _COARSE, _COARSE, -1)
    return np.asarray(cells.mean(axis=(2, 4)), np.float32)


def _luma_and_colour(squares: NDArray[np.uint8]) -> Floats:
    """Return (n, side, side, 3) float32: Y, Cb and Cr (ITU-R BT.601, full range), 0 for no colour."""
    matrix = np.array(
        [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
    )  # fmt: skip
    return np.asarray(squares.astype(np.float32) @ matrix.T)


def _colours_agree(left: Floats, right: Floats, maps: Floats) -> NDArray[np.bool_]:
    """Tell of each pair whether the colours agree where both are seen."""
    seen, inside = warped(np.moveaxis(right, 3, 0), maps)
    seen = np.moveaxis(seen, 0, 3)
    return same_colour(_thumbnails(left, inside), _thumbnails(seen, inside))


def _thumbnails(pictures: Floats, inside: NDArray[np.bool_]) -> Thumbnails:
    """Return what colours are compared by, as if nothing were outside."""
    count, side = pictures.shape[:2]
    weight = inside[..., None].astype(np.float32)
    total = np.maximum(weight.sum(axis=(1, 2)), 1)
    mean = (pictures * weight).sum(axis=(1, 2)) / total
    spread = np.sqrt(((pictures[..., 0] - mean[:, None, None, 0]) ** 2 * inside).sum(axis=(1, 2)) / total[:, 0])
    contrast = np.maximum(spread, 1.0)
    shape = (count, _CELLS, side // _CELLS, _CELLS, side // _CELLS, -1)
    share = weight.reshape(shape).mean(axis=(2, 4))
    cells = (pictures * weight).reshape(shape).mean(axis=(2, 4)) / np.maximum(share, 1e-6)
    cells = np.where(share >= 0.5, cells, 0).astype(np.float32)
    colour = cells[..., 1:] / contrast[:, None, None, None]
    luma = np.where(inside, pictures[..., 0], 0)
    return Thumbnails(luma, colour, cells[..., 0], contrast, luma.max(axis=(1, 2), initial=0) >= 253)
