"""Which pictures belong together, and why: what their sources, their names and their features say.

Rows and arrays in, links out; knows nothing about files or the catalogue.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fieldguide.records import Grouping, Origin
from fieldguide.settings.patterns import read_group
from fieldguide.stages.split.groups import Link, Sets

LOOK_ALIKE = "look-alike"
FEATURES = "alike in features"
_LARGEST_PAGE = 8  # pictures: a page with more of them lists different things
_LARGEST = 12  # pictures that features alone may join: more of them are a look of the class, not one thing
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
    sets, links = Sets(), []
    for link in others:
        sets.join(link.members)
    sizes = Counter({sets.root(members[0]): len(members) for members in sets.members()})
    for _, first, second in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        left, right = sets.root(first), sets.root(second)
        size = (sizes[left] or 1) + (sizes[right] or 1)
        in_two = before.get(first, before.get(second)) != before.get(second, before.get(first))
        if in_two or (left != right and size > _LARGEST):
            continue
        sets.join((first, second))
        sizes[sets.root(first)] = size if left != right else sizes[left]
        links.append(Link((first, second), FEATURES))
    return links


def unit_roots(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the roots of the features, each row of length 1: their product is the likeness of two pictures."""
    rows = np.sqrt(np.maximum(features, 0.0))
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def _alike(names: Sequence[str], rows: NDArray[np.float32], likeness: float) -> Iterator[tuple[float, str, str]]:
    """Yield the likeness and the names of each pair that is alike enough, the first name being the lower."""
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
                yield round(float(products[left, right]), 4), pair[0], pair[1]
