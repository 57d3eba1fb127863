"""Which pictures belong together, and why: what their sources, names, times and features say.

Rows and arrays in, links out; knows nothing about files or the catalogue.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import combinations, pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fieldguide.records import Capture, Grouping, Origin
from fieldguide.settings.patterns import read_group
from fieldguide.stages.split.groups import Link, Sets, join_links, members_by_group

LOOK_ALIKE = "look-alike"
FEATURES = "alike in features"
BURST = "burst"
_LARGEST_PAGE = 8  # pictures: a page with more of them lists different things
_LARGEST = 12  # pictures that features alone may join: more of them are a look of the class, not one thing
_LONGEST_BURST = 30  # pictures that times alone may join, and at most this part of a class: the rest is a session
_PART_OF_CLASS = 5
_SAME_MOMENT = 12  # pictures of one camera: a time that more of them share is not when they were taken
_BLOCK = 2048  # rows
_SAMPLE = 1000  # pictures of a class that tell how alike its pictures usually are


def link_look_alikes(groups: Iterable[Grouping]) -> list[Link]:
    """Return a link for each group of copies and look-alikes that `clean` found."""
    members: dict[str, list[str]] = defaultdict(list)
    for group in groups:
        members[group.group_id].append(group.sha256)
    return [Link(tuple(sorted(names)), LOOK_ALIKE) for names in members.values()]


def link_origins(origins: Iterable[Origin], classes: Mapping[str, str], pattern: str) -> list[Link]:
    """Return the links that sources and names give: one subject, one page, one group of the person's own.

    Args:
        origins: where pictures came from.
        classes: the class of each picture that counts, "" where it has several.
        pattern: [split] group_pattern; "" for none.
    """
    known = [origin for origin in origins if origin.sha256 in classes]
    links = [
        *_links(known, "group in a table", lambda origin: origin.family if origin.source == "table" else ""),
        *_links(known, "one subject", lambda origin: origin.family if origin.source != "table" else ""),
        *_similar(known),
        *_pages(known, classes),
    ]
    if pattern:
        links += _links(known, "group_pattern", lambda origin: read_group(pattern, origin.location))
    return links


def _links(origins: Iterable[Origin], why: str, key: Callable[[Origin], str]) -> list[Link]:
    """Return a link for the pictures of each key but ""."""
    members: dict[str, set[str]] = defaultdict(set)
    for origin in origins:
        members[key(origin)].add(origin.sha256)
    members.pop("", None)
    return [Link(tuple(sorted(names)), why) for names in members.values() if len(names) > 1]


def _similar(origins: Sequence[Origin]) -> list[Link]:
    """Return the links of pictures with those that were found by their likeness to them."""
    children = {origin.parent for origin in origins} - {""}
    both = [(origin, origin.parent) for origin in origins if origin.parent]
    both += [(origin, origin.location) for origin in origins if origin.location in children]
    members: dict[str, set[str]] = defaultdict(set)
    for origin, place in both:
        members[place].add(origin.sha256)
    return [Link(tuple(sorted(names)), "found by likeness") for names in members.values() if len(names) > 1]


def _pages(origins: Iterable[Origin], classes: Mapping[str, str]) -> Iterator[Link]:
    """Yield the links of pictures of one class that stand on one page, unless the page is a list of many."""
    for link in _links(origins, "same page", lambda origin: origin.page):
        names = {classes[name] for name in link.members}
        if len(link.members) <= _LARGEST_PAGE and len(names) == 1 and "" not in names:
            yield link


def link_bursts(
    captures: Mapping[str, Capture],
    authors: Mapping[str, Collection[str]],
    classes: Mapping[str, str],
    burst_s: float,
    before: Mapping[str, str] = MappingProxyType({}),
) -> list[Link]:
    """Return the links of pictures of one class that one author took with one camera shortly after each other.

    Those that follow each other the fastest are joined first, and no more than 30, or a fifth of their class: a person
    who photographs all the cups of a shelf, one after the other, has made a session of many, which is cut at its
    longest pauses.

    Args:
        captures: when and with what pictures were taken.
        authors: who took each picture; where that is not known, it counts as one author.
        classes: the class of each picture that counts.
        burst_s: seconds between a picture and the next.
        before: splits assigned earlier. Times move no picture: they join none of two of them.
    """
    taken = {name: datetime.fromisoformat(captures[name].taken_at) for name in sorted(captures.keys() & classes.keys())}
    rolls: dict[tuple[str, str], list[str]] = defaultdict(list)  # what one author took with one camera
    for name, moment in taken.items():
        if (moment.month, moment.day) != (1, 1):  # where a clock begins that nobody has set
            for author in authors.get(name) or ("",):
                rolls[author, captures[name].camera].append(name)
    pairs: dict[str, list[tuple[float, str, str]]] = defaultdict(list)
    for names in rolls.values():
        for gap_s, first, second in _successive(names, taken, classes):
            if gap_s <= burst_s:
                pairs[classes[first]].append((gap_s, first, second))
    sizes = Counter(classes.values())
    links: list[Link] = []
    for class_name in sorted(pairs):
        largest = min(_LONGEST_BURST, sizes[class_name] // _PART_OF_CLASS)
        links += _join_closest(pairs[class_name], BURST, largest, (), before)
    return list(_whole_bursts(links, taken, burst_s, before))


def _successive(
    names: Iterable[str], taken: Mapping[str, datetime], classes: Mapping[str, str]
) -> Iterator[tuple[float, str, str]]:
    """Yield the seconds between, and the names of, each two of a camera's pictures that follow each other in a class.

    A time that many share, of scans or exports, counts for none of them.
    """
    shared = Counter(taken[name] for name in names)
    by_class: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for name in names:
        if shared[taken[name]] <= _SAME_MOMENT:
            by_class[classes[name]].append((taken[name], name))
    for shots in by_class.values():
        for (earlier, first), (later, second) in pairwise(sorted(shots)):
            yield (later - earlier).total_seconds(), min(first, second), max(first, second)


def _whole_bursts(
    links: Iterable[Link], taken: Mapping[str, datetime], burst_s: float, before: Mapping[str, str]
) -> Iterator[Link]:
    """Yield a link for each burst; for each two of its pictures that are close where it has pictures of two splits.

    So they belong together whatever becomes of those between them.
    """
    for members in members_by_group(join_links(links)).values():
        if len({before[name] for name in members if name in before}) < 2:
            yield Link(tuple(members), BURST)
            continue
        for first, second in combinations(members, 2):
            gap_s = abs((taken[first] - taken[second]).total_seconds())
            if gap_s <= burst_s and not _are_apart(first, second, before):
                yield Link((first, second), BURST)


def link_neighbours(
    sha256: Sequence[str],
    labels: Sequence[str],
    features: NDArray[np.float32],
    likeness: float,
    others: Iterable[Link] = (),
    before: Mapping[str, str] = MappingProxyType({}),
) -> list[Link]:
    """Return the links of pictures of one class whose features are very alike, for what is usual in the class.

    The most alike are joined first, and into groups of at most 12: a chain of pictures, each a little like the next,
    would join a whole class.

    Args:
        sha256: n hashes.
        labels: their classes.
        features: (n, d), the backbone's last layer, at least 0.
        likeness: cosine of the roots of the features from which two pictures belong together, 0 to 1. In a class of
            pictures that are alike anyway, the distance has to be at most half of what it is between most.
        others: what belongs together for other reasons, which counts towards the size of a group.
        before: splits assigned earlier. Likeness alone moves no picture: it joins none of two of them.
    """
    pairs: list[tuple[float, str, str]] = []
    for label in sorted(set(labels)):
        places = [place for place, name in enumerate(labels) if name == label]
        pairs += _alike([sha256[place] for place in places], unit_roots(features[places]), likeness)
    return _join_closest(pairs, FEATURES, _LARGEST, others, before)


def _join_closest(
    pairs: Iterable[tuple[float, str, str]],
    why: str,
    largest: int,
    others: Iterable[Link],
    before: Mapping[str, str],
) -> list[Link]:
    """Return links for pairs, each with its distance, the closest first, so long as no group becomes too large.

    Args:
        pairs: distance and names.
        why: the reason of the links.
        largest: most pictures of a group.
        others: what belongs together for other reasons, which counts towards the size of a group.
        before: splits assigned earlier; no two pictures of different ones are linked.
    """
    sets, links = Sets(), []
    for link in others:
        sets.join(link.members)
    sizes = Counter({sets.root(members[0]): len(members) for members in sets.members()})
    for _, first, second in sorted(pairs):
        left, right = sets.root(first), sets.root(second)
        size = (sizes[left] or 1) + (sizes[right] or 1)
        if _are_apart(first, second, before) or (left != right and size > largest):
            continue
        sets.join((first, second))
        sizes[sets.root(first)] = size if left != right else sizes[left]
        links.append(Link((first, second), why))
    return links


def _are_apart(first: str, second: str, before: Mapping[str, str]) -> bool:
    """Tell whether two pictures were assigned to different splits."""
    return first in before and second in before and before[first] != before[second]


def unit_roots(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the roots of the features, each row of length 1: their product is the likeness of two pictures."""
    rows = np.sqrt(np.maximum(features, 0.0))
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def _alike(names: Sequence[str], rows: NDArray[np.float32], likeness: float) -> Iterator[tuple[float, str, str]]:
    """Yield minus the likeness, and the names, of each pair that is alike enough, the first name being the lower."""
    if len(rows) < 2:
        return
    sample = rows[np.argsort(np.asarray(names))[:_SAMPLE]]
    usual = float(np.median((sample @ sample.T)[np.triu_indices(len(sample), 1)]))
    least = max(likeness, 1 - (1 - usual) / 2)
    for start in range(0, len(rows), _BLOCK):
        products = rows[start : start + _BLOCK] @ rows[start:].T
        first, second = np.nonzero(products >= least)
        for left, right in zip(first.tolist(), second.tolist(), strict=True):
            if left < right:
                pair = sorted((names[start + left], names[start + right]))
                yield -round(float(products[left, right]), 4), pair[0], pair[1]
