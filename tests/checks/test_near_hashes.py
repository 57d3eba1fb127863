"""Pairs of hashes that differ in few bits: those of the slow reference, each met in time that copies do not blow up."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fieldguide.checks import near_hashes
from fieldguide.checks.near_hashes import Families, near_pairs

Pairs = set[tuple[int, int]]
MANY = 8000  # more than are compared one by one at these distances


def slow_pairs(hashes: NDArray[np.uint64], distance: int) -> Pairs:
    """Compare every pair."""
    pairs: Pairs = set()
    for place, value in enumerate(hashes):
        near = np.flatnonzero(np.bitwise_count(hashes[place + 1 :] ^ value) <= distance) + place + 1
        pairs.update((place, other) for other in near.tolist())
    return pairs


def all_pairs(hashes: NDArray[np.uint64], distance: int) -> list[tuple[int, int]]:
    """Return the pairs as they come, nothing being linked."""
    places = np.arange(len(hashes))
    return [
        (min(pair), max(pair))
        for left, right in near_pairs(hashes, places, distance, Families(len(hashes)))
        for pair in zip(left.tolist(), right.tolist(), strict=True)
    ]


def perturbed(dice: np.random.Generator, count: int, most: int) -> NDArray[np.uint64]:
    """Return hashes of which many differ in few bits from others, some in none, and some have few bits set."""
    hashes = dice.integers(0, 2**64, count, dtype=np.uint64)
    hashes[: count // 8] &= dice.integers(0, 2**64, count // 8, dtype=np.uint64)
    hashes[: count // 8] &= dice.integers(0, 2**64, count // 8, dtype=np.uint64)
    for place in dice.integers(0, count, count // 3):
        bits = dice.choice(64, dice.integers(0, most + 1), replace=False)
        hashes[place] = hashes[dice.integers(0, count)] ^ np.uint64(sum(1 << int(bit) for bit in bits))
    return hashes


@given(st.integers(0, 2**32 - 1), st.integers(0, 64), st.integers(0, 60))
@settings(max_examples=60)
def test_few_hashes_are_compared_as_the_slow_reference_does(seed: int, distance: int, count: int) -> None:
    hashes = perturbed(np.random.default_rng(seed), count, min(64, distance + 3)) if count else np.zeros(0, np.uint64)
    pairs = all_pairs(hashes, distance)
    assert set(pairs) == slow_pairs(hashes, distance)
    assert len(pairs) == len(set(pairs)), "each pair comes once"


@pytest.mark.parametrize("distance", [0, 1, 2, 5, 8, 10])
def test_many_hashes_are_compared_as_the_slow_reference_does(distance: int) -> None:
    hashes = perturbed(np.random.default_rng(distance), MANY, distance + 3)
    pairs = all_pairs(hashes, distance)
    assert set(pairs) == slow_pairs(hashes, distance)
    assert len(pairs) == len(set(pairs)), "each pair comes once"


def test_parts_and_cores_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = perturbed(np.random.default_rng(8), MANY, 11)
    links = []
    for part, cores in ((MANY, 1), (500, 1), (500, 3)):
        monkeypatch.setattr(near_hashes, "_PART", part)
        monkeypatch.setattr(near_hashes, "core_count", lambda cores=cores: cores)
        families = Families(MANY)
        links.append([families.link(*pairs) for pairs in near_pairs(hashes, np.arange(MANY), 8, families)])
        pairs = all_pairs(hashes, 8)
        assert set(pairs) == slow_pairs(hashes, 8) and len(pairs) == len(set(pairs))
    assert links[1] == links[2] and sum(map(len, links[0])) == sum(map(len, links[1]))


def families_of(pairs: Pairs, count: int) -> set[frozenset[int]]:
    """Join pairs until nothing changes."""
    member = {place: {place} for place in range(count)}
    for left, right in pairs:
        if member[left] is not member[right]:
            member[left] |= member[right]
            for place in member[right]:
                member[place] = member[left]
    return {frozenset(family) for family in member.values()}


@given(st.integers(0, 2**32 - 1), st.integers(0, 10), st.sampled_from([40, MANY]))
@settings(max_examples=8, deadline=None)
def test_what_is_linked_on_the_way_changes_no_family(seed: int, distance: int, count: int) -> None:
    dice = np.random.default_rng(seed)
    hashes = perturbed(dice, count, distance + 1)
    refused = {pair for pair in slow_pairs(hashes, distance) if dice.random() < 0.3}
    families = Families(count)
    for left, right in near_pairs(hashes, np.arange(count), distance, families):
        ordered = np.sort(np.stack([left, right]), axis=0)
        chosen = [pair not in refused for pair in zip(*ordered.tolist(), strict=True)]
        families.link(left[chosen], right[chosen])
    linked: dict[int, set[int]] = defaultdict(set)
    for place, family in enumerate(families.of(np.arange(count)).tolist()):
        linked[family].add(place)
    assert set(map(frozenset, linked.values())) == families_of(slow_pairs(hashes, distance) - refused, count)


def test_copies_of_one_picture_are_not_all_compared() -> None:
    dice, count = np.random.default_rng(0), 20_000
    same = np.full(count, 0x0123456789ABCDEF, np.uint64)
    saved = same.copy()
    for place in range(count):
        for bit in dice.integers(0, 64, 3):
            saved[place] ^= np.uint64(1 << int(bit))
    for hashes in (same, saved):
        families, met = Families(count), 0
        for left, right in near_pairs(hashes, np.arange(count), 8, families):
            met += len(left)
            families.link(left, right)
        assert len(families.members()[0]) == count
        assert met < 100 * count, "of 200 million pairs"


def test_two_owners_of_a_hash_are_a_pair_and_one_owner_of_two_hashes_is_none() -> None:
    hashes, owners = np.array([5, 5, 4, 2**63], np.uint64), np.array([0, 1, 1, 1])
    families = Families(2)
    pairs = [pair for block in near_pairs(hashes, owners, 1, families) for pair in zip(*map(list, block), strict=True)]
    assert {(0, 1), (0, 2)} <= {(min(pair), max(pair)) for pair in pairs} <= {(0, 1), (0, 2), (1, 2)}


def test_families_keep_the_first_link_of_each() -> None:
    families = Families(6)
    new = families.link(np.array([4, 1, 4, 1]), np.array([1, 2, 2, 4]))
    assert new == [(4, 1), (1, 2)] and families.links == 2
    assert families.members() == [[1, 2, 4]]
    assert families.of(np.arange(6)).tolist() == [0, 1, 1, 3, 1, 5]
