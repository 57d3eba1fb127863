"""Pairs of 64-bit hashes that differ in few bits, without comparing every pair; families of what is linked.

Knows nothing about pictures. Where two hashes differ in at most r bits, they agree in all bits of at least one of some
hundred masks (`_masks`), so only hashes that are equal under a mask are compared: the multi-index of M. Norouzi,
A. Punjani and D. Fleet ("Fast search in Hamming space with multi-index hashing", 2012) with the choice of blocks of
G. Manku, A. Jain and A. Das Sarma ("Detecting near-duplicates for web crawling", 2007). They are brought together by a
radix sort of 16 bits in parts that fit a core's cache: a million in a seventh of the time of sorting 64-bit numbers.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, combinations
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fieldguide.engine import core_count, map_threads

Places = NDArray[np.intp]
Hashes = NDArray[np.uint64]
_FEW = 28  # hashes for each mask of one part of the bits, up to which comparing every pair takes no longer
_BLOCKS = 5  # that must agree: under a mask, one of a million random hashes meets 3 others
_PART = 1 << 16  # hashes up to which what is sorted stays in the cache of a core
_REACH = 10  # hashes in sorted order that each is compared with before it is asked which are of one family
_ROWS = 64  # compared with all at once
_PAIRS = 1 << 16  # handed over at once
_ODD = np.uint64(0x9E3779B97F4A7C15)  # a multiplier that mixes bits: 2**64 divided by the golden ratio
_FAMILY_BITS = 30


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


class _Holders:
    """Which places hold each of some different values, and what is linked."""

    def __init__(self, numbers: Places, owners: Places, families: Families) -> None:
        self._places = np.argsort(numbers, kind="stable")
        self._owners = owners[self._places]
        self._starts = np.flatnonzero(np.diff(numbers[self._places], prepend=-1))
        self._sizes = np.diff(self._starts, append=len(numbers))
        self.linked = families
        each = families.of(self._owners)
        self._whole = np.minimum.reduceat(each, self._starts) == np.maximum.reduceat(each, self._starts)
        self._others = owners.max() + 1

    def families(self, values: Places) -> Places:
        """Return the family of all that hold each value; a number of its own where they were of several."""
        families = self.linked.of(self._owners[self._starts[values]])
        return np.where(self._whole[values], families, self._others + values)

    def pairs(self, left: Places, right: Places) -> Iterator[tuple[Places, Places]]:
        """Yield the pairs of places that hold these pairs of values: first one for each, which may link them all."""
        for start in range(0, len(left), _PAIRS):
            first, second = (self._starts[part[start : start + _PAIRS]] for part in (left, right))
            apart = self.linked.of(self._owners[first]) != self.linked.of(self._owners[second])
            yield self._places[first[apart]], self._places[second[apart]]
        left, right = (part[self._sizes[left] * self._sizes[right] > 1] for part in (left, right))
        apart = self.families(left) != self.families(right)
        yield from self._all_pairs(left[apart], right[apart])

    def _all_pairs(self, left: Places, right: Places) -> Iterator[tuple[Places, Places]]:
        ends = np.cumsum(self._sizes[left] * self._sizes[right])
        for start in range(0, int(ends[-1]) if len(ends) else 0, _PAIRS):
            numbers = np.arange(start, min(start + _PAIRS, int(ends[-1])))
            pair = np.searchsorted(ends, numbers, side="right")
            across = self._sizes[right[pair]]
            numbers -= ends[pair] - self._sizes[left[pair]] * across
            pair, across, numbers = (part[numbers > 0] for part in (pair, across, numbers))
            first, second = self._starts[left[pair]] + numbers // across, self._starts[right[pair]] + numbers % across
            yield self._places[first], self._places[second]


class _Met(NamedTuple):
    """What came of sorting hashes by keys.

    Attributes:
        near: the pairs of near ones in reach of each other, and some of other keys.
        crowd: those with so many equal keys that not all are in reach.
        rows: where these are in the sorted order of their part.
        reach: how far from each other in sorted order those are that have met.
    """

    near: tuple[Places, Places]
    crowd: Places
    rows: Places
    reach: int


def near_pairs(hashes: Hashes, owners: Places, distance: int, families: Families) -> Iterator[tuple[Places, Places]]:
    """Yield pairs of hashes, as arrays of places in `hashes`, that differ in at most `distance` bits.

    Owners may be linked between two yields. Pairs whose owners are in one family are left out: of a thousand copies of
    one picture most are never compared.

    Args:
        hashes: (n,), fewer than 2**29.
        owners: (n,) places in `families`: whose hash each is.
        distance: bits that may differ, 0 to 64.
        families: what is linked.
    """
    if not len(hashes):
        return
    values, numbers = np.unique(hashes, return_inverse=True)
    alone = _Holders(np.arange(len(hashes)), owners, families)
    equal = _neighbours(hashes, numbers, 0, 1)
    for left, right in chain([equal.near], _pairs_in_crowd(equal, numbers[equal.crowd].astype(np.uint64), alone)):
        yield from alone.pairs(left, right)
    search = _every_pair if len(values) <= _FEW * comb(distance // 2 + _BLOCKS, _BLOCKS) else _by_masks
    yield from search(values, distance, _Holders(numbers, owners, families))


def _every_pair(values: Hashes, distance: int, holders: _Holders) -> Iterator[tuple[Places, Places]]:
    for start in range(0, len(values), _ROWS):
        bits = values[start : start + _ROWS, None] ^ values[start:]
        left, right = np.nonzero(np.triu(np.bitwise_count(bits) <= distance, 1))
        yield from holders.pairs(left + start, right + start)


def _by_masks(values: Hashes, distance: int, holders: _Holders) -> Iterator[tuple[Places, Places]]:
    done = np.zeros(0, np.uint64)
    for block, masks in _masks(distance):
        # Where most are linked there are large families, which need not meet within.
        reach = _REACH if 2 * holders.linked.links < len(values) else 1
        meet = partial(_meet, _split(values, block), distance, reach)
        for mask, met in zip(masks, map_threads(meet, masks, workers=core_count()), strict=True):
            keys = _mixed(values[met.crowd], mask, 64 - _FAMILY_BITS)
            for left, right in chain([met.near], _pairs_in_crowd(met, keys, holders)):
                bits = values[left] ^ values[right]
                near = np.flatnonzero((np.bitwise_count(bits) <= distance) & (bits & mask == 0))
                for earlier in done:  # those that agree under it have met
                    near = near[bits[near] & earlier != 0]
                    if not len(near):
                        break
                yield from holders.pairs(left[near], right[near])
            done = np.append(done, mask)


def _split(values: Hashes, block: np.uint64) -> list[tuple[Places, Hashes]]:
    """Return parts of the values such that those with the same bits in a block are together, with their places."""
    if len(values) <= _PART:
        return [(np.arange(len(values)), values)]
    keys = _mixed(values, block, 8).astype(np.uint8)
    order = np.argsort(keys, kind="stable")
    return [(places, values[places]) for places in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1)]


def _meet(parts: Sequence[tuple[Places, Hashes]], distance: int, reach: int, mask: np.uint64) -> _Met:
    """Compare those values of each part that are alike under a mask."""
    met = []
    for places, values in parts:
        (left, right), crowd, rows, _ = _neighbours(values, _mixed(values, mask, 16).astype(np.uint16), distance, reach)
        met.append((places[left], places[right], places[crowd], rows))
    left, right, crowd, rows = (np.concatenate(arrays) for arrays in zip(*met, strict=True))
    return _Met((left, right), crowd, rows, reach)


def _mixed(values: Hashes, mask: np.uint64, bits: int) -> Hashes:
    """Return numbers of so many bits that are equal where the values are equal under a mask, and seldom elsewhere."""
    return ((values & mask) * _ODD) >> np.uint64(64 - bits)


def _neighbours(values: Hashes, keys: NDArray[np.integer], distance: int, reach: int) -> _Met:
    """Sort values by their keys, and compare each with the next of those with the same key."""
    order = np.argsort(keys, kind="stable")  # keys of 16 bits by radix, ten times as fast as any other way
    values, keys = values[order], keys[order]
    near = [(order[:0], order[:0])]
    for offset in range(1, reach + 1):
        if not np.any(keys[offset:] == keys[:-offset]):
            break
        left = np.flatnonzero(np.bitwise_count(values[offset:] ^ values[:-offset]) <= distance)
        near.append((order[left], order[left + offset]))
    crowded = np.zeros(len(keys), np.bool_)
    left = np.flatnonzero(keys[reach + 1 :] == keys[: -reach - 1])
    for offset in range(reach + 2):
        crowded[left + offset] = True
    rows = np.flatnonzero(crowded)
    first, second = (np.concatenate(places) for places in zip(*near, strict=True))
    return _Met((first, second), order[rows], rows, reach)


def _pairs_in_crowd(met: _Met, keys: Hashes, holders: _Holders) -> Iterator[tuple[Places, Places]]:
    """Yield the pairs with equal keys and different families that have not met.

    Each with the first of the next family, that after it, and so on.
    """
    keys = keys << np.uint64(_FAMILY_BITS)
    both = keys | holders.families(met.crowd).astype(np.uint64)
    order = np.argsort(both, kind="stable")
    places, rows = met.crowd[order], met.rows[order]
    end, right = _ends(keys[order]), _ends(both[order])
    left = np.flatnonzero(right < end)
    right, end = right[left], end[left]
    held: list[tuple[Places, Places]] = []
    count = 0  # as many together as take longer than the calls
    while len(left):
        held.append((left, right))
        count += len(left)
        right = right + 1
        more = right < end
        left, right, end = left[more], right[more], end[more]
        if count >= _PAIRS or not len(left):
            first, second = (np.concatenate(parts) for parts in zip(*held, strict=True))
            apart = np.abs(rows[first] - rows[second]) > met.reach
            yield places[first[apart]], places[second[apart]]
            held, count = [], 0


def _ends(keys: Hashes) -> Places:
    """Return for each key of a sorted sequence where those equal to it end."""
    ends = np.append(np.flatnonzero(np.diff(keys)) + 1, len(keys))
    return np.repeat(ends, np.diff(ends, prepend=0))


def _masks(distance: int) -> Iterator[tuple[np.uint64, Hashes]]:
    """Yield blocks of bits, each with masks that it belongs to, under one of which any two near hashes agree.

    In one of two parts of the bits at most t differ, where the two t are `distance` - 1 together; of the t + 5 blocks
    of that part, 5 agree. Neighbouring bits are alike, and are in different blocks.
    """
    for bits, limit in ((range(30, 64), distance // 2), (range(30), (distance - 1) // 2)):
        count = limit + _BLOCKS
        blocks = [sum(1 << bit for bit in bits[first::count]) for first in reversed(range(count))]
        for last in range(_BLOCKS - 1, count):
            masks = [sum(others, blocks[last]) for others in combinations(blocks[:last], _BLOCKS - 1)]
            yield np.uint64(blocks[last]), np.array(masks, dtype=np.uint64)
