"""Whether the colours of two pictures differ by another light or by another hue.

Arrays in, arrays out. A lamp or a camera's white balance adds a colour in proportion to the brightness, and may make
all colours stronger or weaker; another hue turns them about grey, weak ones as much as strong ones. Each is fitted to
the cells of both pictures, and the one that leaves less unexplained is taken. The limits were chosen on real pictures
(`benchmarks/bench_clean.py`).
"""

import numpy as np
from numpy.typing import NDArray

_STRONGEST_TINT = 0.08  # of the brightness; red 8 % up and blue 8 % down make a grey change by 0.07
_GAINS = (0.6, 1.6)  # how much stronger colours may be
_LEAST_TURN = 12.0  # degrees
_LEAST_LEFT = 2.0  # levels of Cb and Cr, root mean square; what saving as JPEG changes stays below
_BETTER = 0.6  # of what a tint leaves unexplained
Chroma = NDArray[np.complex64]
Floats = NDArray[np.float32]


def is_other_hue(left: Floats, right: Floats, luma: Floats) -> NDArray[np.bool_]:
    """Tell of each pair whether a turn of the hue explains better than a tint how its colours differ.

    Args:
        left: (n, side, side, 2) float32, Cb and Cr of one picture's cells in levels, 0 where there is no colour.
        right: of the other's, both at one contrast.
        luma: (n, side, side) float32, the brightness of the cells, 0..255.
    """
    before, after = _to_complex(left), _to_complex(right)
    turn = _ratio(before, after)
    by_turn = _spread(after - turn[:, None] * before)
    by_tint = _left_by_tint(before, after, luma.reshape(-1, before.shape[1]))
    turned = np.abs(np.angle(turn, deg=True)) >= _LEAST_TURN
    return np.asarray(turned & (by_tint >= _LEAST_LEFT) & (by_turn <= _BETTER * by_tint))


def _left_by_tint(before: Chroma, after: Chroma, luma: Floats) -> Floats:
    """Return (n,) levels: what the best gain and the best tint leave of the difference, as far as they are usual."""
    power = np.maximum(np.sum(luma**2, axis=1), 1e-9)
    tints = [np.sum(cells * luma, axis=1) / power for cells in (before, after)]
    own, other = (cells - tint[:, None] * luma for cells, tint in zip((before, after), tints, strict=True))
    gain = np.clip(_ratio(own, other).real, *_GAINS)
    tint = tints[1] - gain * tints[0]
    tint = tint * np.minimum(1.0, _STRONGEST_TINT / np.maximum(np.abs(tint), 1e-9))
    rest = after - tint[:, None] * luma
    return _spread(rest - np.clip(_ratio(before, rest).real, *_GAINS)[:, None] * before)


def _to_complex(cells: Floats) -> Chroma:
    chroma = np.asarray(cells[..., 0] + 1j * cells[..., 1], np.complex64)
    return chroma.reshape(-1, cells.shape[1] * cells.shape[2])


def _ratio(before: Chroma, after: Chroma) -> Chroma:
    """Return the complex number by which each of `before` is multiplied to come nearest to `after`."""
    power = np.maximum(np.sum(np.abs(before) ** 2, axis=1), 1e-9)
    return np.asarray(np.sum(before.conj() * after, axis=1) / power)


def _spread(cells: Chroma) -> Floats:
    """Return the root mean square of each picture's cells."""
    return np.asarray(np.sqrt(np.mean(np.abs(cells) ** 2, axis=1)))
