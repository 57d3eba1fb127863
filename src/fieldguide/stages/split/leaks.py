"""Leaks: pictures that belong together and stand, or would have stood, on two sides of a split.

Rows in, rows out: knows nothing about files, pixels or the catalogue.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from fieldguide.records import Grouping, ImageState, LinkedPair, Origin
from fieldguide.stages.split.groups import TRUST

MAX_PAIRS = 100  # that are named in a report
SAME_FILE = "the same file"

Nearest = Callable[[str, Sequence[str]], str]  # the picture most like the first among others


@dataclass(frozen=True)
class _Place:
    """A picture of a group, where it is from, and the split that it has there."""

    sha256: str
    location: str
    split: str


@dataclass(frozen=True)
class CarelessSplit:
    """What to expect of a split of single files by chance.

    Attributes:
        groups: how many groups have several files.
        cut: how many of them it would cut.
        test: how many files it would test on.
        linked: how many of those would belong with one that it trains on.
        pairs: two of each group that belong together.
    """

    groups: int = 0
    cut: float = 0.0
    test: float = 0.0
    linked: float = 0.0
    pairs: tuple[LinkedPair, ...] = ()


def count_leaks(states: Iterable[ImageState], origins: Iterable[Origin]) -> int:
    """Count the groups that the source itself had put on two sides of its split."""
    return sum(1 for places in _given_places(states, origins).values() if len({place.split for place in places}) > 1)


def find_leaks(
    states: Sequence[ImageState], origins: Iterable[Origin], groups: Iterable[Grouping], nearest: Nearest
) -> list[LinkedPair]:
    """Return the pairs that the source itself had put on two sides of its split, at most 100.

    Each picture outside the first split of its group, of train, val, test, is shown with the one most like it there.
    """
    reasons = {group.group_id: group.why for group in groups}
    pairs: list[LinkedPair] = []
    for group_id, places in sorted(_given_places(states, origins).items()):
        pairs += _pairs(places, reasons.get(group_id, SAME_FILE), nearest, MAX_PAIRS - len(pairs))
    return pairs


def expect_careless(
    states: Sequence[ImageState],
    origins: Iterable[Origin],
    groups: Iterable[Grouping],
    shares: Mapping[str, float],
    nearest: Nearest,
) -> CarelessSplit:
    """Return what to expect of a split of single files by chance, copies left in.

    Args:
        states: the pictures, near-copies among them, with their groups.
        origins: where they are from; one picture may be several files.
        groups: why pictures belong together.
        shares: as `assign` takes them, for each class.
        nearest: finds the most alike picture.
    """
    class_of = {state.sha256: state.class_name for state in states}
    group_of = {state.sha256: state.group_id for state in states}
    places: dict[str, list[_Place]] = defaultdict(list)
    for origin in origins:
        if origin.sha256 in group_of:
            places[group_of[origin.sha256]].append(_Place(origin.sha256, origin.location, ""))
    totals = Counter(class_of[place.sha256] for members in places.values() for place in members)
    parts = {name: {split: _share(share, total) for split, share in shares.items()} for name, total in totals.items()}
    cut = linked = 0.0
    several = {group: members for group, members in sorted(places.items()) if len(members) > 1}
    for members in several.values():
        chances = parts[class_of[members[0].sha256]]
        train = max(0.0, 1.0 - sum(chances.values()))
        size = len(members)
        cut += 1.0 - sum(chance**size for chance in (*chances.values(), train))
        linked += size * chances["test"] * (1.0 - (1.0 - train) ** (size - 1))
    test = sum(parts[name]["test"] * total for name, total in totals.items())
    reasons = {group.group_id: group.why for group in groups}
    pairs = [_pair(members, reasons.get(group, SAME_FILE), nearest) for group, members in several.items()][:MAX_PAIRS]
    return CarelessSplit(len(several), round(cut, 2), round(test, 2), round(linked, 2), tuple(pairs))


def _share(share: float, total: int) -> float:
    return min(1.0, share / total) if share >= 1 else share


def _pair(places: Sequence[_Place], why: str, nearest: Nearest) -> LinkedPair:
    """Return the first picture of a group with the one most like it."""
    first, others = places[0], places[1:]
    by_hash = {place.sha256: place for place in reversed(others)}
    same = first.sha256 in by_hash
    other = by_hash[first.sha256 if same else nearest(first.sha256, list(by_hash))]
    return _linked(first, other, why)


def _linked(first: _Place, second: _Place, why: str) -> LinkedPair:
    why = SAME_FILE if first.sha256 == second.sha256 else why
    left, right = (first.sha256, first.location, first.split), (second.sha256, second.location, second.split)
    return LinkedPair(*left, *right, why)


def _given_places(states: Iterable[ImageState], origins: Iterable[Origin]) -> dict[str, list[_Place]]:
    """Return the places of each group where a source says their split."""
    group_of = {state.sha256: state.group_id for state in states}
    places: dict[str, list[_Place]] = defaultdict(list)
    for origin in origins:
        if origin.given_split and origin.sha256 in group_of:
            places[group_of[origin.sha256]].append(_Place(origin.sha256, origin.location, origin.given_split))
    return places


def _pairs(places: Sequence[_Place], why: str, nearest: Nearest, most: int) -> list[LinkedPair]:
    """Return each picture outside the first split of a group with the most alike one in it."""
    first = min((place.split for place in places), key=TRUST.index)
    there = {place.sha256: place for place in places if place.split == first}
    others = [place for place in places if place.split != first]
    pairs = []
    for place in others[: max(0, most)]:
        same = place.sha256 in there
        partner = there[place.sha256 if same else nearest(place.sha256, list(there))]
        pairs.append(_linked(place, partner, why))
    return pairs
