"""Pairs of 64-bit hashes that differ in few bits, without comparing every pair; families of what is linked.

Knows nothing about pictures. Where two hashes differ in at most r bits, they agree in all bits of at least one of some
hundred masks (`_masks`), so only hashes that are equal under a mask are compared: the multi-index of M. Norouzi,
A. Punjani and D. Fleet ("Fast search in Hamming space with multi-index hashing", 2012) with the choice of blocks of
G. Manku, A. Jain and A. Das Sarma ("Detecting near-duplicates for web crawling", 2007).
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.intp]
Hashes = NDArray[np.uint64]
_FEW = 20  # hashes for each mask up to which comparing every pair takes no longer
_BLOCKS = 5  # that must agree: under a mask, one of a million random hashes meets 3 others
_PAIRS = 1 << 16  # handed over at once
_ODD = np.uint64(0x9E3779B97F4A7C15)  # a multiplier that mixes bits: 2**64 divided by the golden ratio
_HALF = np.uint64(32)


class Families:
    """Places that are linked, directly or through others; at first each is alone."""

    def __init__(self, count: int) -> None:
        """Start with so many places."""
        self._parent: Places = np.arange(count)
        self.links = 0

    def of(self, places: Places) -> Places:
        """Return the family of each place: the first of its members."""
        roots = self._parent[places]
        while not np.array_equal(above := self._parent[roots], roots):
            roots = above
        self._parent[places] = roots
        return roots

    def link(self, first: Places, second: Places) -> list[tuple[int, int]]:
        """Link pairs of places; return those that were not in one family before the pairs ahead of them."""
        new, apart = [], self.of(first) != self.of(second)
        for left, right in zip(first[apart].tolist(), second[apart].tolist(), strict=True):
            low, high = sorted((self._first(left), self._first(right)))
            if low != high:
                self._parent[high] = low
                new.append((left, right))
        self.links += len(new)
        return new

    def members(self) -> list[list[int]]:
        """Return the families of two or more, each in order."""
        roots = self.of(np.arange(len(self._parent)))
        order = np.argsort(roots, kind="stable")
        borders = np.flatnonzero(np.diff(roots[order])) + 1
        return [family.tolist() for family in np.split(order, borders) if len(family) > 1]

    def _first(self, place: int) -> int:
        parent = self._parent
        while (above := int(parent[place])) != place:
            parent[place] = parent[above]
            place = int(parent[place])
        return place


def near_pairs(hashes: Hashes, owners: Places, distance: int, families: Families) -> Iterator[tuple[Places, Places]]:
    """Yield pairs of hashes, as arrays of places in `hashes`, that differ in at most `distance` bits.

    Owners may be linked between two yields. Pairs whose owners are in one family are left out as far as that saves
    time: of a thousand copies of one picture most are never compared. A pair may come twice where links were made.

    Args:
        hashes: (n,).
        owners: (n,) places in `families`: whose hash each is.
        distance: bits that may differ, 0 to 64.
        families: what is linked.
    """
    if not len(hashes):
        return
    values, numbers = np.unique(hashes, return_inverse=True)
    for left, right in _equal(numbers, _Holders(np.arange(len(hashes)), owners, families)):
        for start in range(0, len(left), _PAIRS):
            yield left[start : start + _PAIRS], right[start : start + _PAIRS]
    holders = _Holders(numbers, owners, families)
    masks = _masks(distance)
    masks = masks if len(values) > _FEW * len(masks) else np.zeros(1, np.uint64)
    for place, mask in enumerate(masks):
        for left, right in _equal(((values & mask) * _ODD) >> _HALF, holders):
            bits = values[left] ^ values[right]
            near = np.flatnonzero((np.bitwise_count(bits) <= distance) & (bits & mask == 0))
            for earlier in masks[:place]:  # those that agree under it have met
                near = near[bits[near] & earlier != 0]
                if not len(near):
                    break
            yield from holders.pairs(left[near], right[near])


class _Holders:
    """Which places hold each of some different values."""

    def __init__(self, numbers: Places, owners: Places, families: Families) -> None:
        self._places = np.argsort(numbers, kind="stable")
        self._owners = owners[self._places]
        self._starts = np.flatnonzero(np.diff(numbers[self._places], prepend=-1))
        self._sizes = np.diff(self._starts, append=len(numbers))
        self._linked = families
        self._links, self._families, self._order = -1, self._starts, self._starts
        self.met = 0  # pairs that were compared since

    @property
    def outdated(self) -> bool:
        """Whether comparing again what was linked since would take longer than sorting all by family."""
        new, rows = self._linked.links - self._links, len(self._starts)
        return self._links < 0 or new * new > 16 * rows or (new > 0 and self.met > 8 * rows)

    def families(self) -> tuple[Places, Places]:
        """Return the family of all that hold a value, a number of its own where they are of several; and its order.

        Both are as of some links ago.
        """
        if self.outdated:
            each = self._linked.of(self._owners)
            lowest, highest = np.minimum.reduceat(each, self._starts), np.maximum.reduceat(each, self._starts)
            self._families = np.where(lowest == highest, lowest, -1 - np.arange(len(self._starts)))
            self._order, self._links, self.met = np.argsort(self._families), self._linked.links, 0
        return self._families, self._order

    def pairs(self, left: Places, right: Places) -> Iterator[tuple[Places, Places]]:
        """Yield the pairs of places that hold these pairs of values: first one for each, which may link them all."""
        for start in range(0, len(left), _PAIRS):
            chosen = slice(start, start + _PAIRS)
            yield self._places[self._starts[left[chosen]]], self._places[self._starts[right[chosen]]]
        families = self._families
        left, right = (part[self._sizes[left] * self._sizes[right] > 1] for part in (left, right))
        whole = (families[left] >= 0) & (families[right] >= 0)  # all that hold either are of one family
        ends = [self._linked.of(self._owners[self._starts[part]]) for part in (left, right)]
        apart = ~whole | (ends[0] != ends[1])
        yield from self._every_pair(left[apart], right[apart])

    def _every_pair(self, left: Places, right: Places) -> Iterator[tuple[Places, Places]]:
        ends = np.cumsum(self._sizes[left] * self._sizes[right])
        for start in range(0, int(ends[-1]) if len(ends) else 0, _PAIRS):
            numbers = np.arange(start, min(start + _PAIRS, int(ends[-1])))
            pair = np.searchsorted(ends, numbers, side="right")
            across = self._sizes[right[pair]]
            numbers -= ends[pair] - self._sizes[left[pair]] * across
            pair, across, numbers = (part[numbers > 0] for part in (pair, across, numbers))
            first, second = self._starts[left[pair]] + numbers // across, self._starts[right[pair]] + numbers % across
            yield self._places[first], self._places[second]


def _equal(keys: NDArray[np.integer], holders: _Holders) -> Iterator[tuple[Places, Places]]:
    """Yield the pairs of values with equal keys, below 2**32, whose holders are not of one family.

    The neighbours in each set of equal keys come first; what they link is left out of the rest.
    """
    for again in (True, False):
        for left, right in _pairs_by_offset(keys.astype(np.uint64), *holders.families()):
            yield left, right
            holders.met += len(left)
            if again and holders.outdated:
                break
        else:
            return


def _pairs_by_offset(keys: Hashes, families: Places, by_family: Places) -> Iterator[tuple[Places, Places]]:
    """Yield the pairs with equal keys and different families: each with the next, that after it, and so on."""
    ranked = (keys[by_family] << _HALF) | np.arange(len(keys), dtype=np.uint64)
    ranked.sort()  # several times as fast as sorting places by their keys
    order = by_family[(ranked & np.uint64(2**32 - 1)).astype(np.intp)]
    new_key = np.diff(ranked >> _HALF) != 0
    end = _ends(new_key)
    right = _ends(new_key | (np.diff(families[order]) != 0))
    left = np.flatnonzero(right < end)
    right, end = right[left], end[left]
    held: list[tuple[Places, Places]] = []
    count, least = 0, 1  # the neighbours alone, then as many together as take longer than the calls
    while len(left):
        held.append((left, right))
        count += len(left)
        right = right + 1
        more = right < end
        left, right, end = left[more], right[more], end[more]
        if count >= least or not len(left):
            first, second = (np.concatenate(parts) for parts in zip(*held, strict=True))
            yield order[first], order[second]
            held, count, least = [], 0, _PAIRS


def _ends(borders: NDArray[np.bool_]) -> Places:
    """Return for each place of a sequence where its run ends, given whether each but the first begins one."""
    ends = np.append(np.flatnonzero(borders) + 1, len(borders) + 1)
    return np.repeat(ends, np.diff(ends, prepend=0))


def _masks(distance: int) -> Hashes:
    """Return masks under one of which at least any two hashes agree that differ in at most `distance` bits.

    In one of two halves of the bits at most t differ, where the two t are `distance` - 1 together; of the t + 5 blocks
    of that half, 5 agree.
    """
    bits = np.random.default_rng(0).permutation(64)  # neighbouring bits are alike, and should be in different masks
    limits = [distance // 2, (distance - 1) // 2] if distance else [0]
    share = [limit + _BLOCKS for limit in limits]
    halves = np.split(bits, [round(64 * share[0] / sum(share))])
    masks = []
    for limit, half in zip(limits, halves, strict=False):
        if limit + _BLOCKS > len(half):
            return np.zeros(1, np.uint64)
        blocks = [sum(1 << int(bit) for bit in block) for block in np.array_split(half, limit + _BLOCKS)]
        masks += [sum(chosen) for chosen in combinations(blocks, _BLOCKS)]
    return np.array(masks, dtype=np.uint64)
