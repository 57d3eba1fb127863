"""The check for copies: which images are near-copies of each other, and which of them to keep.

Knows nothing about files or the catalogue: arrays and rows in, rows out. A 64-bit difference hash (and that of the
mirror image) finds candidates; the correlation of small grey thumbnails confirms them, because drawings on white
share their hash far more often than photographs do.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldguide.records import Grouping, Verdict

CHECK = "duplicates"
_BLOCK = 1024


@dataclass(frozen=True)
class Fingerprints:
    """What copies are recognised by.

    Attributes:
        sha256: n hashes.
        dhash: (n,) uint64.
        mirror: (n,) uint64, of the mirror images.
        grey: (n, side, side) uint8 thumbnails.
    """

    sha256: Sequence[str]
    dhash: NDArray[np.uint64]
    mirror: NDArray[np.uint64]
    grey: NDArray[np.uint8]


def find_copies(prints: Fingerprints, distance: int, likeness: float) -> list[tuple[int, int]]:
    """Find pairs (i, j), i < j, of near-copies, mirrored ones included, in order.

    Args:
        prints: what copies are recognised by.
        distance: bits of the dHash that may differ, 0 to 64.
        likeness: Pearson correlation of the thumbnails that confirms a pair, -1 to 1.
    """
    straight = _standardised(prints.grey)
    flipped = _standardised(prints.grey[:, :, ::-1])
    pairs: set[tuple[int, int]] = set()
    for hashes, greys in ((prints.dhash, straight), (prints.mirror, flipped)):
        for first, second in _candidates(prints.dhash, hashes, distance):
            alike = np.einsum("np,np->n", straight[first], greys[second]) >= likeness
            pairs.update(zip(first[alike].tolist(), second[alike].tolist(), strict=True))
    return sorted(pairs)


class CopyIndex:
    """Pictures that arrive one by one; tells whether the next is a near-copy of an earlier one."""

    def __init__(self, distance: int, likeness: float) -> None:
        """Take the thresholds that `find_copies` takes."""
        self._distance = distance
        self._likeness = likeness
        self._hashes = np.zeros(256, dtype=np.uint64)
        self._greys: list[bytes] = []

    def add(self, prints: tuple[bytes, bytes, bytes]) -> None:
        """Add a picture by its dHash and grey thumbnail, as `take_prints` returns them."""
        if len(self._greys) == len(self._hashes):
            self._hashes = np.concatenate([self._hashes, np.zeros_like(self._hashes)])
        self._hashes[len(self._greys)] = int.from_bytes(prints[0], "big")
        self._greys.append(prints[2])

    def has(self, prints: tuple[bytes, bytes, bytes]) -> bool:
        """Tell whether the picture, or its mirror image, is a near-copy of one that was added."""
        side = round(len(prints[2]) ** 0.5)
        grey = np.frombuffer(prints[2], dtype=np.uint8).reshape(1, side, side)
        return self._like(prints[0], grey) or self._like(prints[1], grey[:, :, ::-1])

    def _like(self, dhash: bytes, grey: NDArray[np.uint8]) -> bool:
        """Tell whether a picture with nearly that hash has nearly that thumbnail."""
        known = self._hashes[: len(self._greys)]
        near = np.flatnonzero(np.bitwise_count(known ^ np.uint64(int.from_bytes(dhash, "big"))) <= self._distance)
        if not near.size:
            return False
        greys = np.frombuffer(b"".join(self._greys[place] for place in near), dtype=np.uint8)
        rows = _standardised(np.concatenate([grey, greys.reshape(-1, *grey.shape[1:])]))
        return bool((rows[1:] @ rows[0] >= self._likeness).any())


def _standardised(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return thumbnails as (n, pixels) float32 rows of mean 0 and length 1; flat ones become a row of equal values."""
    rows = grey.reshape(len(grey), grey.shape[1] * grey.shape[2]).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    flat = 1.0 / np.sqrt(max(rows.shape[1], 1))
    return np.where(length > 1e-3, rows / np.maximum(length, 1e-3), np.float32(flat)).astype(np.float32)


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
    verdicts: dict[str, Verdict] = {name: _verdict(name, "keep", "", 0.0) for name in sha256}
    for family in families:
        members = sorted((sha256[index] for index in family), key=lambda name: (-areas[name], name))
        if len(set().union(*(labels.get(name, set()) for name in members))) == 1:
            reason = f"near_copy: of {members[0][:12]}"
            verdicts.update({name: _verdict(name, "reject", reason, 1.0) for name in members[1:]})
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


def _verdict(name: str, verdict: str, reason: str, score: float) -> Verdict:
    return Verdict(name, CHECK, "reject" if verdict == "reject" else "keep", reason, score)


def _conflict(name: str, members: Sequence[str], labels: Mapping[str, set[str]]) -> Verdict:
    """Reject one of several copies that do not share a label."""
    names = sorted(set().union(*(labels.get(member, set()) for member in members)))
    return _verdict(name, "reject", f"two_labels: the same picture is labelled {', '.join(names)}", 1.0)


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
