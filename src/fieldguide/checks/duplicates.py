"""The check for copies: which images are near-copies of each other, and which of them to keep.

Knows nothing about files or the catalogue: arrays and rows in, rows out. A 64-bit difference hash (and that of the
mirror image) finds candidates; the correlation of small grey thumbnails confirms them, because drawings on white
share their hash far more often than photographs do; and small colour thumbnails must agree. All three are blind to
exposure and contrast. `docs/clean.md` says how the limits were found.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldguide.images import COLOUR_SIDE, GREY_SIDE
from fieldguide.records import Grouping, Prints, Verdict

CHECK = "duplicates"
_BLOCK = 1024
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
        contrast: (n,) float32, the standard deviation of the grey, in levels.
        white: (n,) bool, whether some cell is white.
    """

    grey: NDArray[np.float32]
    colour: NDArray[np.float32]
    contrast: NDArray[np.float32]
    white: NDArray[np.bool_]

    def take(self, chosen: NDArray[np.intp] | slice) -> "Thumbnails":
        """Return some of them."""
        return Thumbnails(self.grey[chosen], self.colour[chosen], self.contrast[chosen], self.white[chosen])

    def flipped(self) -> "Thumbnails":
        """Return those of the mirror images."""
        return Thumbnails(self.grey[:, :, ::-1], self.colour[:, :, ::-1], self.contrast, self.white)


class Fingerprints:
    """What the copies among some pictures are recognised by.

    Attributes:
        sha256: n hashes.
        dhash: (n,) uint64.
        mirror: (n,) uint64, of the mirror images.
        thumbnails: n of them.
    """

    def __init__(self, prints: Mapping[str, Prints]) -> None:
        self.sha256 = tuple(prints)
        self.dhash = np.array([int.from_bytes(item.dhash, "big") for item in prints.values()], dtype=np.uint64)
        self.mirror = np.array([int.from_bytes(item.mirror, "big") for item in prints.values()], dtype=np.uint64)
        self.thumbnails = _standardised(prints.values())


def find_copies(
    prints: Fingerprints, distance: int, likeness: float, classes: NDArray[np.intp] | None = None
) -> list[tuple[int, int]]:
    """Find pairs (i, j), i < j, of near-copies, mirrored ones included, in order.

    Args:
        prints: what copies are recognised by.
        distance: bits of the dHash that may differ, 0 to 64.
        likeness: Pearson correlation of the grey thumbnails that confirms a pair, -1 to 1.
        classes: (n,); pictures of one class are a pair also where their colours differ.
    """
    pairs: set[tuple[int, int]] = set()
    for hashes, right in ((prints.dhash, prints.thumbnails), (prints.mirror, prints.thumbnails.flipped())):
        for first, second in _candidates(prints.dhash, hashes, distance):
            alike = _correlation(prints.thumbnails.grey[first], right.grey[second]) >= likeness
            first, second = first[alike], second[alike]
            same = _same_colour(prints.thumbnails.take(first), right.take(second))
            if classes is not None:
                same |= classes[first] == classes[second]
            first, second = first[same], second[same]
            pairs.update(zip(first.tolist(), second.tolist(), strict=True))
    return sorted(pairs)


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
        new = _standardised([prints])
        return self._like(prints.dhash, new) or self._like(prints.mirror, new.flipped())

    def _like(self, dhash: bytes, new: Thumbnails) -> bool:
        """Tell whether a picture with nearly that hash has nearly those thumbnails."""
        known = self._hashes[: len(self._prints)]
        near = np.flatnonzero(np.bitwise_count(known ^ np.uint64(int.from_bytes(dhash, "big"))) <= self._distance)
        if not near.size:
            return False
        earlier = _standardised([self._prints[place] for place in near])
        alike = _correlation(earlier.grey, new.grey) >= self._likeness
        return bool((alike & _same_colour(earlier, new)).any())


def _standardised(prints: Collection[Prints]) -> Thumbnails:
    """Return the thumbnails of pictures in a form that can be compared."""
    grey = np.frombuffer(b"".join(item.grey for item in prints), dtype=np.uint8)
    rows = grey.reshape(len(prints), GREY_SIDE**2).astype(np.float32)
    white = rows.max(axis=1, initial=0.0) >= _WHITE
    rows -= rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1)
    light = np.linalg.norm(rows @ _uneven_light(GREY_SIDE), axis=1)
    rows *= ((length**2 - light**2 > (_FLAT * GREY_SIDE) ** 2) / np.maximum(length, 1.0))[:, None]
    contrast = np.maximum(length / GREY_SIDE, 1.0)
    colour = np.frombuffer(b"".join(item.colour for item in prints), dtype=np.uint8).astype(np.float32) - 128.0
    cells = colour.reshape(len(prints), COLOUR_SIDE, COLOUR_SIDE, 2) / contrast[:, None, None, None]
    return Thumbnails(rows.reshape(-1, GREY_SIDE, GREY_SIDE), cells, contrast, white)


def _uneven_light(side: int) -> NDArray[np.float32]:
    """Return an orthonormal basis, (pixels, 6), of the brightness of a plain wall: polynomials of second order."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j].reshape(2, -1)
    return np.linalg.qr(np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1))[0].astype(np.float32)


def _correlation(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the correlation of each pair of grey thumbnails; 0 where one has no detail."""
    return np.asarray(np.einsum("nyx,nyx->n", left, np.broadcast_to(right, left.shape)))


def _same_colour(left: Thumbnails, right: Thumbnails) -> NDArray[np.bool_]:
    """Tell of each pair whether no cell's colour differs, once both have the contrast of the weaker one.

    Where white stays white, a much weaker contrast is a paler thing, not another exposure.
    """
    contrast = np.minimum(left.contrast, right.contrast)
    paler = (contrast < _PALER * np.maximum(left.contrast, right.contrast)) & left.white & right.white
    change = (left.colour - right.colour) * contrast[:, None, None, None]
    uncast = change - change.mean(axis=(1, 2), keepdims=True)
    share = np.maximum(_COLOUR_SHARE * contrast, _LEAST_SHARE)
    return ~paler & (_largest(change) <= _COLOUR) & (_largest(uncast) <= share)


def _largest(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the largest of each picture's differences."""
    return np.asarray(np.linalg.norm(cells, axis=-1).max(axis=(1, 2)))


def _candidates(
    left: NDArray[np.uint64], right: NDArray[np.uint64], distance: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield index pairs i < j whose hashes differ in at most `distance` bits, block by block."""
    for start in range(0, len(left), _BLOCK):
        block = left[start : start + _BLOCK, None]
        near = np.bitwise_count(block ^ right[None, start:]) <= distance
        first, second = np.nonzero(near)
        later = second > first
        first, second = first[later] + start, second[later] + start
        for part in range(0, len(first), _BLOCK * 16):
            yield first[part : part + _BLOCK * 16], second[part : part + _BLOCK * 16]


def judge_copies(
    pairs: Sequence[tuple[int, int]],
    sha256: Sequence[str],
    labels: Mapping[str, set[str]],
    areas: Mapping[str, int],
) -> list[Verdict]:
    """Return a verdict for every image.

    Of copies with one label the largest is kept. Copies with different labels are all rejected: at most one label
    is right, and only a person can tell which. The same bytes under two labels are judged alike.

    Args:
        pairs: near-copies, as indices into `sha256`.
        sha256: the images.
        labels: class names by image.
        areas: width x height by image.
    """
    families = _families(pairs, len(sha256))
    verdicts: dict[str, Verdict] = {name: Verdict(name, CHECK, "keep", "", 0.0) for name in sha256}
    for family in families:
        members = sorted((sha256[index] for index in family), key=lambda name: (-areas[name], name))
        if len(set().union(*(labels.get(name, set()) for name in members))) == 1:
            reason = f"near_copy: of {members[0][:12]}"
            verdicts.update({name: Verdict(name, CHECK, "reject", reason, 1.0, members[0]) for name in members[1:]})
        else:
            verdicts.update({name: _conflict(name, members, labels) for name in members})
    for name in sha256:
        if len(labels.get(name, ())) > 1:
            verdicts[name] = _conflict(name, [name], labels)
    return list(verdicts.values())


def group_alike(pairs: Iterable[tuple[int, int]], sha256: Sequence[str]) -> list[Grouping]:
    """Return a group for each image that looks like another: copies, and shots of one scene, which share a split.

    Args:
        pairs: images that look alike, as indices into `sha256`.
        sha256: the images.
    """
    groups = []
    for family in _families(sorted(pairs), len(sha256)):
        members = [sha256[index] for index in family]
        groups += [Grouping(name, min(members), "look-alike") for name in members]
    return groups


def _conflict(name: str, members: Sequence[str], labels: Mapping[str, set[str]]) -> Verdict:
    """Reject one of several copies that do not share a label."""
    names = sorted(set().union(*(labels.get(member, set()) for member in members)))
    mine = labels.get(name, set())
    other = next((member for member in members if labels.get(member, set()) != mine), "")
    reason = f"two_labels: the same picture is labelled {', '.join(names)}"
    return Verdict(name, CHECK, "reject", reason, 1.0, other)


def _families(pairs: Sequence[tuple[int, int]], count: int) -> list[list[int]]:
    """Return connected sets of two or more indices (union-find with path halving)."""
    parent = list(range(count))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for first, second in pairs:
        parent[root(second)] = root(first)
    members: dict[int, list[int]] = defaultdict(list)
    for index in {index for pair in pairs for index in pair}:
        members[root(index)].append(index)
    return [sorted(family) for family in members.values()]
