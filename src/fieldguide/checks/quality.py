"""The check for quality: dark, bright, blank, blurred, nearly empty, framed, long and thin, or text alone.

Knows nothing about files or the catalogue: one decoded picture in, its worst fault out. All is measured on a small grey
copy whose shorter side has 120 to 255 pixels, about what a backbone sees, so that the same picture in another size is
judged alike. `docs/clean.md` says how the limits were found.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from fieldguide.checks.contract import SUSPICIOUS
from fieldguide.records import Verdict

CHECK = "quality"
FORM = "quality 2"  # of what is measured; another form is another look at every picture
_SIDE = 128
_INK = 60  # levels between a background and what is drawn on it
_BLANK = 12  # levels of grey, and of colour, within which a picture is plain
_NOISE = 12  # levels that a cell without detail may vary by
_PLAIN = 3  # levels that a plain row of a border may vary by
_EDGE = 16  # levels between a border and what it frames
_NEARLY_ALL, _MOSTLY = 0.99, 0.7  # shares of a row that are plain in a border, and differ from it behind

Grey = NDArray[np.uint8]


class Fault(NamedTuple):
    """What may be wrong with a picture.

    Attributes:
        score: 0 to 1, suspicious from 0.5 on.
        reason: its code and a sentence, as a verdict has them.
    """

    score: float
    reason: str


def find_fault(image: Image.Image, size: tuple[int, int]) -> Fault:
    """Return the worst fault of a picture, with its score; what is not suspicious has no reason.

    Args:
        image: the decoded picture in mode RGB; a JPEG may be decoded smaller.
        size: width and height of the original, pixels.
    """
    factor = min(image.size) // _SIDE
    small = image.reduce(factor) if factor > 1 else image
    worst = max(_faults(small, size), key=lambda fault: fault.score)
    return worst if worst.score >= SUSPICIOUS else worst._replace(reason="")


def judge_quality(sha256: str, fault: Fault) -> Verdict:
    """Return the verdict on one picture."""
    return Verdict(sha256, CHECK, "suspect" if fault.score >= SUSPICIOUS else "keep", fault.reason, fault.score)


def _faults(small: Image.Image, size: tuple[int, int]) -> Iterator[Fault]:
    image = small.convert("L")
    levels = _Levels(image.histogram())
    low, dark, bright, high = (levels.at(share) for share in (0.005, 0.01, 0.99, 0.995))
    if high - low < _BLANK and _colour_range(small, 0.005) < _BLANK:
        yield Fault(1.0, "blank: it is one plain colour")
        return
    grey = np.asarray(image)
    yield Fault(_scale(bright, 90, 20), f"dark: 99% of it is darker than {bright / 255:.0%} of white")
    yield Fault(_scale(dark, 190, 250), f"bright: 99% of it is brighter than {dark / 255:.0%} of white")
    detail = _detailed_share(grey)
    yield Fault(_scale(detail, 0.06, 0.0), f"low_information: only {detail:.0%} of it has any detail")
    blur = _blur(grey)
    yield Fault(_scale(blur, 0.5, 0.8), f"blurred: there is hardly any fine detail (blur {blur:.2f} of 1)")
    ratio = max(size) / min(size)
    yield Fault(_scale(ratio, 2.0, 6.0), f"aspect: its longer side is {ratio:.1f} times the shorter")
    yield _border(grey)
    yield _text(small, grey, levels)


class _Levels:
    """How often each grey level occurs."""

    def __init__(self, histogram: list[int]) -> None:
        self.counts = np.array(histogram)
        self._sums = np.cumsum(self.counts)

    def at(self, share: float) -> int:
        """Return the level that this share of the pixels does not exceed."""
        return int(np.searchsorted(self._sums, share * self._sums[-1]))

    def within(self, level: int, distance: int) -> float:
        """Return the share of the pixels that are so near to a level."""
        return float(self.counts[max(0, level - distance) : level + distance + 1].sum() / self._sums[-1])

    @property
    def ground(self) -> int:
        """The level in the middle of the commonest eight."""
        return int(self.counts.reshape(32, 8).sum(axis=1).argmax()) * 8 + 4


def _scale(value: float, good: float, bad: float) -> float:
    """Return 0 at a value that is good and 1 at one that is bad, straight between them."""
    return min(1.0, max(0.0, (value - good) / (bad - good)))


def _colour_range(small: Image.Image, beyond: float) -> int:
    """Return the levels of Cb or Cr between all pixels but this share at either end."""
    histogram = small.convert("YCbCr").histogram()
    chroma = _Levels(histogram[256:512]), _Levels(histogram[512:])
    return max(levels.at(1.0 - beyond) - levels.at(beyond) for levels in chroma)


def _detailed_share(grey: Grey) -> float:
    """Return the share of cells of 8 x 8 pixels in which the grey varies by more than noise does."""
    height, width = (side // 8 for side in grey.shape)
    rows = grey[: height * 8, : width * 8].reshape(height, 8, width * 8)
    top, bottom = (part.reshape(height, width, 8) for part in (rows.max(axis=1), rows.min(axis=1)))
    return float((top.max(axis=2) - bottom.min(axis=2) > _NOISE).mean())


def _blur(grey: Grey) -> float:
    """Return how little a picture loses by being blurred again, 0 sharp to 1; every third line is looked at.

    F. Crete et al., "The blur effect: perception and estimation with a new no-reference perceptual blur metric", 2007.
    """
    shares = []
    for lines in (grey.T[::3], grey[::3]):
        picked = np.ascontiguousarray(lines)
        again = np.asarray(Image.fromarray(picked).filter(ImageFilter.BoxBlur((4, 0))))
        sharp, blurred = (np.abs(np.diff(each.astype(np.int16))) for each in (picked, again))
        lost = np.maximum(sharp - blurred, 0).sum(dtype=np.int64)
        shares.append(1.0 - lost / max(int(sharp.sum(dtype=np.int64)), 1))
    return float(max(shares))


def _border(grey: Grey) -> Fault:
    """Return how much of the picture is a plain border that frames the rest with straight edges."""
    top, bottom = _bar(grey), _bar(grey[::-1])
    inner = grey[top : grey.shape[0] - bottom].T
    left, right = _bar(inner), _bar(inner[::-1])
    across, down = (left + right) / grey.shape[1], (top + bottom) / grey.shape[0]
    if min(left, right, top, bottom) > 0:
        share = 1.0 - (1.0 - across) * (1.0 - down)
        return Fault(_scale(share, 0.0, 0.3), f"border: {share:.0%} of it is a plain border")
    bars = max(across if min(left, right) > 0 else 0.0, down if min(top, bottom) > 0 else 0.0)
    return Fault(_scale(bars, 0.0, 0.3), f"letterbox: {bars:.0%} of it is plain bars")


def _bar(grey: Grey) -> int:
    """Return how many rows at the top are of one plain grey and end at a straight edge; 0 where it is another end."""
    if np.ptp(grey[0]) > 4 * _PLAIN:
        return 0
    colour = int(np.median(grey[0]))
    plain = (np.abs(grey.astype(np.int16) - colour) <= _PLAIN).mean(axis=1) > _NEARLY_ALL
    rows = 0 if plain.all() else int(np.argmin(plain))
    behind = grey[rows + 1 : rows + 5].astype(np.int16)
    if not rows or not behind.size:
        return 0
    straight = (np.abs(behind - colour) > _EDGE).mean(axis=1) > _MOSTLY
    return rows if straight.all() else 0


def _text(small: Image.Image, grey: Grey, levels: _Levels) -> Fault:
    """Return whether the picture holds nothing but lines of text on a plain ground.

    Letters are short strokes in rows; a chart has axes, a thing has an area, and both often have colours.
    """
    ground = levels.ground
    share = 1.0 - levels.within(ground, _INK)
    none = Fault(0.0, "")
    pale = 1.0 - share - levels.within(ground, _NOISE)  # the soft edges of strokes, or areas
    if not 0.005 < share < 0.3 or pale > max(1.2 * share, 0.05) or _colour_range(small, 0.001) > _NOISE:
        return none
    ink = np.abs(grey.astype(np.int16) - ground) > _INK
    rows = np.asarray(ink.any(axis=1))
    lines = int((np.diff(rows.astype(np.int8), prepend=0) == 1).sum())
    # the letters of a word, and of small text a line's, run into each other
    across, down = _longest_run(ink) / ink.shape[1], _longest_run(ink.T) / ink.shape[0]
    tallest = _longest_run(rows[None]) / len(rows)
    if lines < 2 or tallest > 0.2 or across > 0.3 or down > 0.08:
        return none
    return Fault(0.75, f"text: it shows {lines} lines of text and nothing else")


def _longest_run(ink: NDArray[np.bool_]) -> int:
    """Return the longest run of ink along a row."""
    padded = np.pad(ink, ((0, 0), (1, 1))).ravel()
    edges = np.flatnonzero(np.diff(padded.astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))
