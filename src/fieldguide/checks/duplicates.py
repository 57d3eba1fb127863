"""The check for copies: which images are near-copies of each other, and which of them to keep.

Knows nothing about files or the catalogue: arrays and rows in, rows out. A 64-bit difference hash (and that of the
mirror image) finds candidates; the correlation of small grey thumbnails confirms them, because drawings on white
share their hash far more often than photographs do; and small colour thumbnails must agree. All three are blind to
exposure and contrast. `docs/clean.md` says how the limits were found.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from fieldguide.checks.hues import is_other_hue
from fieldguide.checks.near_hashes import Families, Places, near_pairs
from fieldguide.images import COLOUR_SIDE, GREY_SIDE
from fieldguide.records import Grouping, Prints, Verdict

CHECK = "duplicates"
_BLOCK = 2048  # pictures, or pairs of them, whose thumbnails are in memory at once
_FLAT = 2.0  # grey levels; the least detailed real picture measured has 4.9
_COLOUR = 20.0  # levels of Cb and Cr: a cast of 8 % moves them by 17, a turn of the hue by 30 degrees by 25 and more
_COLOUR_SHARE = 0.6  # of a picture's contrast, for colour that covers little of each cell, such as thin lines
_LEAST_SHARE = 3.0  # levels: twice what saving as JPEG moves
_WHITE, _PALER = 253.0, 0.7


@dataclass(frozen=True)
class Thumbnails:
    """Small pictures in a form that can be compared.

    Attributes:
        grey: (n, side, side) float32 of mean 0 and length 1; 0 where there is no detail.
        colour: (n, side, side, 2) float32, 0 where there is no colour, in units of the picture's contrast.
        luma: (n, side, side) float32, the brightness of the cells of `colour`, 0..255.
        contrast: (n,) float32, the standard deviation of the grey, in levels.
        white: (n,) bool, whether some cell is white.
    """

    grey: NDArray[np.float32]
    colour: NDArray[np.float32]
    luma: NDArray[np.float32]
    contrast: NDArray[np.float32]
    white: NDArray[np.bool_]

    def take(self, chosen: NDArray[np.intp] | slice) -> "Thumbnails":
        """Return some of them."""
        return Thumbnails(
            self.grey[chosen], self.colour[chosen], self.luma[chosen], self.contrast[chosen], self.white[chosen]
        )

    def flipped(self, chosen: NDArray[np.bool_] | None = None) -> "Thumbnails":
        """Return those of the mirror images: of all, or of the chosen."""
        if chosen is not None and not chosen.any():
            return self
        everything = np.ones(len(self.contrast), np.bool_) if chosen is None else chosen
        grey, colour, luma = (
            np.where(everything.reshape(-1, *[1] * (grid.ndim - 1)), grid[:, :, ::-1], grid)
            for grid in (self.grey, self.colour, self.luma)
        )
        return Thumbnails(grey, colour, luma, self.contrast, self.white)


class Fingerprints:
    """What the copies among some pictures are recognised by.

    Attributes:
        sha256: n hashes.
        dhash: (n,) uint64.
        mirror: (n,) uint64, of the mirror images.
        detailed: (n,) bool, whether the picture has detail; one without is no copy.
    """

    def __init__(self, prints: Mapping[str, Prints]) -> None:
        """Take the prints by hash; thumbnails of very many are read there again whenever they are compared."""
        self._prints = prints
        self.sha256 = tuple(prints)
        self._held: Thumbnails | None = None  # of all, where they fit into one block
        self.dhash = np.empty(len(self.sha256), np.uint64)
        self.mirror = np.empty_like(self.dhash)
        self.detailed = np.empty(len(self.sha256), np.bool_)
        for start in range(0, len(self.sha256), _BLOCK):
            rows = [prints[name] for name in self.sha256[start : start + _BLOCK]]
            block = slice(start, start + len(rows))
            self.dhash[block] = np.frombuffer(b"".join(item.dhash for item in rows), ">u8")
            self.mirror[block] = np.frombuffer(b"".join(item.mirror for item in rows), ">u8")
            thumbnails = _standardised(rows)
            self.detailed[block] = thumbnails.grey.any(axis=(1, 2))
            self._held = thumbnails if len(rows) == len(self.sha256) else None

    def thumbnails(self, places: Places) -> Thumbnails:
        """Return the thumbnails of some of the pictures."""
        if self._held is not None:
            return self._held.take(places)
        return _standardised([self._prints[self.sha256[place]] for place in places.tolist()])

    def take(self, places: Places) -> "Fingerprints":
        """Return some of the pictures."""
        some = copy(self)
        some.sha256 = tuple(self.sha256[place] for place in places.tolist())
        some.dhash, some.mirror, some.detailed = self.dhash[places], self.mirror[places], self.detailed[places]
        some._held = None if self._held is None else self._held.take(places)
        return some


def find_copies(
    prints: Fingerprints, distance: int, likeness: float, classes: NDArray[np.intp] | None = None
) -> list[tuple[int, int]]:
    """Find pairs (i, j), i < j, of near-copies, mirrored ones included, in order.

    Of a family of copies only as many pairs as link it: of three copies two pairs, not three.

    Args:
        prints: what copies are recognised by.
        distance: bits of the dHash that may differ, 0 to 64.
        likeness: Pearson correlation of the grey thumbnails that confirms a pair, -1 to 1.
        classes: (n,); pictures of one class are a pair also where their colours differ.
    """
    families, links = Families(len(prints.sha256)), []
    detailed = np.flatnonzero(prints.detailed)
    hashes = np.concatenate([prints.dhash[detailed], prints.mirror[detailed]])
    for left, right in near_pairs(hashes, np.tile(detailed, 2), distance, families):
        for start in range(0, len(left), _BLOCK):
            block = slice(start, start + _BLOCK)
            first, second, flipped = _ordered(detailed, left[block], right[block], families)
            same = _confirm(prints, first, second, flipped, likeness, classes)
            links += families.link(first[same], second[same])
    return sorted(links)


def _ordered(
    detailed: Places, left: Places, right: Places, families: Families
) -> tuple[Places, Places, NDArray[np.bool_]]:
    """Return pairs of pictures i < j that are not of one family yet, and whether the second is mirrored.

    Args:
        detailed: the pictures.
        left: places among their hashes followed by those of their mirror images.
        right: others.
        families: what is linked.
    """
    count = len(detailed)
    first, second = detailed[left % count], detailed[right % count]
    swapped = first > second
    first, second = np.where(swapped, second, first), np.where(swapped, first, second)
    first_mirrored, second_mirrored = np.where(swapped, right, left) >= count, np.where(swapped, left, right) >= count
    chosen = ~first_mirrored & (families.of(first) != families.of(second))
    return first[chosen], second[chosen], second_mirrored[chosen]


def _confirm(
    prints: Fingerprints,
    first: Places,
    second: Places,
    flipped: NDArray[np.bool_],
    likeness: float,
    classes: NDArray[np.intp] | None,
) -> NDArray[np.bool_]:
    """Tell of each pair whether the thumbnails are alike."""
    places, numbers = np.unique(np.concatenate([first, second]), return_inverse=True)
    thumbnails = prints.thumbnails(places)
    left, right = thumbnails.take(numbers[: len(first)]), thumbnails.take(numbers[len(first) :]).flipped(flipped)
    same = same_colour(left, right)
    if classes is not None:
        same |= classes[first] == classes[second]
    return same & (_correlation(left.grey, right.grey) >= likeness)


class CopyIndex:
    """Pictures that arrive one by one; tells whether the next is a near-copy of an earlier one."""

    def __init__(self, distance: int, likeness: float) -> None:
        """Take the thresholds that `find_copies` takes."""
        self._distance = distance
        self._likeness = likeness
        self._hashes = np.zeros(256, dtype=np.uint64)
        self._prints: list[Prints] = []

    def add(self, prints: Prints) -> None:
        """Add a picture."""
        if len(self._prints) == len(self._hashes):
            self._hashes = np.concatenate([self._hashes, np.zeros_like(self._hashes)])
        self._hashes[len(self._prints)] = int.from_bytes(prints.dhash, "big")
        self._prints.append(prints)

    def has(self, prints: Prints) -> bool:
        """Tell whether the picture, or its mirror image, is a near-copy of one that was added."""
        return self._like(prints, prints.dhash) or self._like(prints, prints.mirror, mirrored=True)

    def _like(self, prints: Prints, dhash: bytes, *, mirrored: bool = False) -> bool:
        """Tell whether a picture with nearly that hash has nearly the thumbnails of this one."""
        known = self._hashes[: len(self._prints)]
        near = np.flatnonzero(np.bitwise_count(known ^ np.uint64(int.from_bytes(dhash, "big"))) <= self._distance)
        if not near.size:
            return False
        new = _standardised([prints])
        new = new.flipped() if mirrored else new
        earlier = _standardised([self._prints[place] for place in near])
        alike = _correlation(earlier.grey, new.grey) >= self._likeness
        return bool((alike & same_colour(earlier, new)).any())


def _standardised(prints: Collection[Prints]) -> Thumbnails:
    """Return the thumbnails of pictures in a form that can be compared."""
    grey = np.frombuffer(b"".join(item.grey for item in prints), dtype=np.uint8)
    rows = grey.reshape(len(prints), GREY_SIDE**2).astype(np.float32)
    white = rows.max(axis=1, initial=0.0) >= _WHITE
    each = GREY_SIDE // COLOUR_SIDE
    luma = rows.reshape(len(prints), COLOUR_SIDE, each, COLOUR_SIDE, each).mean(axis=(2, 4))
    rows -= rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1)
    light = np.linalg.norm(rows @ _uneven_light(GREY_SIDE), axis=1)
    rows *= ((length**2 - light**2 > (_FLAT * GREY_SIDE) ** 2) / np.maximum(length, 1.0))[:, None]
    contrast = np.maximum(length / GREY_SIDE, 1.0)
    colour = np.frombuffer(b"".join(item.colour for item in prints), dtype=np.uint8).astype(np.float32) - 128.0
    cells = colour.reshape(len(prints), COLOUR_SIDE, COLOUR_SIDE, 2) / contrast[:, None, None, None]
    return Thumbnails(rows.reshape(-1, GREY_SIDE, GREY_SIDE), cells, luma, contrast, white)


@cache  # read only
def _uneven_light(side: int) -> NDArray[np.float32]:
    """Return an orthonormal basis, (pixels, 6), of the brightness of a plain wall: polynomials of second order."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j].reshape(2, -1)
    return np.linalg.qr(np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1))[0].astype(np.float32)


def _correlation(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the correlation of each pair of grey thumbnails; 0 where one has no detail."""
    return np.asarray(np.einsum("nyx,nyx->n", left, np.broadcast_to(right, left.shape)))


def same_colour(left: Thumbnails, right: Thumbnails) -> NDArray[np.bool_]:
    """Tell of each pair whether no cell's colour differs, once both have the contrast of the weaker one.

    Where white stays white, a much weaker contrast is a paler thing, not another exposure. Weak colours differ little
    in any hue: where all of them are turned alike, they are others nevertheless.
    """
    contrast = np.minimum(left.contrast, right.contrast)
    paler = (contrast < _PALER * np.maximum(left.contrast, right.contrast)) & left.white & right.white
    first, second = (side.colour * contrast[:, None, None, None] for side in (left, right))
    change = first - second
    uncast = change - change.mean(axis=(1, 2), keepdims=True)
    share = np.maximum(_COLOUR_SHARE * contrast, _LEAST_SHARE)
    near = ~paler & (_largest(change) <= _COLOUR) & (_largest(uncast) <= share)
    return near & ~is_other_hue(first, second, np.maximum(left.luma, right.luma))


def _largest(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the largest of each picture's differences."""
    return np.asarray(np.linalg.norm(cells, axis=-1).max(axis=(1, 2)))


def judge_copies(
    pairs: Sequence[tuple[int, int]],
    sha256: Sequence[str],
    labels: Mapping[str, set[str]],
    merits: Mapping[str, tuple[int, ...]],
    dropped: Collection[str] = (),
) -> list[Verdict]:
    """Return a verdict for every image.

    Of copies with one label the best is kept, and the others point to it, also where a person dropped it: what is wrong
    with a picture is mostly wrong with its copies. Copies with different labels are all rejected, for at most one label
    is right, unless a person dropped those with the others. The same bytes under two labels are judged alike.

    Args:
        pairs: near-copies, as indices into `sha256`.
        sha256: the images.
        labels: class names by image.
        merits: by image what makes it better than its copies, the most important first; a larger number is better.
        dropped: the images that a person left out.
    """
    families = _families(pairs, len(sha256))
    verdicts: dict[str, Verdict] = {name: Verdict(name, CHECK, "keep", "", 0.0) for name in sha256}
    for family in families:
        members = best_first([sha256[index] for index in family], merits)
        if not _share_label(members, labels):
            verdicts.update(_conflict(members, labels))
            members = [name for name in members if name not in dropped]
        if _share_label(members, labels):
            reason = f"near_copy: of {members[0][:12]}"
            verdicts[members[0]] = Verdict(members[0], CHECK, "keep", "", 0.0)
            verdicts.update({name: Verdict(name, CHECK, "reject", reason, 1.0, members[0]) for name in members[1:]})
    for name in sha256:
        if len(labels.get(name, ())) > 1:
            verdicts.update(_conflict([name], labels))
    return list(verdicts.values())


def _share_label(names: Iterable[str], labels: Mapping[str, set[str]]) -> bool:
    """Return whether all of them have one label, and the same."""
    return len(set().union(*(labels.get(name, set()) for name in names))) == 1


def best_first(members: Iterable[str], merits: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return copies of one picture in the order of their merits; equal ones in that of their hashes."""
    return sorted(sorted(members), key=lambda name: merits[name], reverse=True)


def surplus_copies(
    pairs: Iterable[tuple[int, int]], sha256: Sequence[str], merits: Mapping[str, tuple[int, ...]], most: int
) -> set[str]:
    """Return the copies that are not among the `most` best of their family; the other arguments are `judge_copies`'."""
    families = _families(pairs, len(sha256))
    return {name for family in families for name in best_first((sha256[index] for index in family), merits)[most:]}


def group_alike(pairs: Iterable[tuple[int, int]], sha256: Sequence[str]) -> list[Grouping]:
    """Return a group for each image that looks like another: copies, and shots of one scene, which share a split.

    Args:
        pairs: images that look alike, as indices into `sha256`.
        sha256: the images.
    """
    groups = []
    for family in _families(pairs, len(sha256)):
        members = [sha256[index] for index in family]
        first = min(members)
        groups += [Grouping(name, first, "look-alike") for name in members]
    return groups


def _conflict(members: Sequence[str], labels: Mapping[str, set[str]]) -> dict[str, Verdict]:
    """Reject copies that do not share a label; each points to the first that is labelled otherwise."""
    given = [frozenset(labels.get(name, ())) for name in members]
    reason = f"two_labels: the same picture is labelled {', '.join(sorted(set().union(*given)))}"
    first: dict[frozenset[str], str] = {}
    for name, mine in zip(members, given, strict=True):
        first.setdefault(mine, name)
    others = {mine: next((name for labelled, name in first.items() if labelled != mine), "") for mine in first}
    return {
        name: Verdict(name, CHECK, "reject", reason, 1.0, others[mine])
        for name, mine in zip(members, given, strict=True)
    }


def _families(pairs: Iterable[tuple[int, int]], count: int) -> list[list[int]]:
    """Return the connected sets of two or more indices."""
    families = Families(count)
    first, second = np.array([*pairs], dtype=np.intp).reshape(-1, 2).T
    families.link(first, second)
    return families.members()
