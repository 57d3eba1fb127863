"""Groups: pictures that belong together for one reason or several, and never sit on both sides of a split.

Rows in, rows out: knows nothing about pixels, files or the catalogue. `links` says which pictures belong together;
here they become groups, and a new picture that would join groups of different splits is found.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fieldguide.records import Grouping

TRUST = ("train", "val", "test")  # what was seen in training can never be tested on: the first one wins


@dataclass(frozen=True)
class Link:
    """Pictures that belong together.

    Attributes:
        members: their hashes.
        why: the reason in a few words, such as "look-alike" or "same page".
    """

    members: tuple[str, ...]
    why: str


class Sets:
    """Disjoint sets that grow together (union-find with path halving)."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def root(self, name: str) -> str:
        """Return the name that stands for the set; a name that is not known yet is a set of its own."""
        parents = self._parents
        parents.setdefault(name, name)
        while parents[name] != name:
            parents[name] = parents[parents[name]]
            name = parents[name]
        return name

    def join(self, names: Sequence[str]) -> None:
        """Make one set of those that these names are in."""
        first = self.root(names[0])
        for name in names[1:]:
            self._parents[self.root(name)] = first

    def members(self) -> Iterator[list[str]]:
        """Yield the names of each set."""
        by_root: dict[str, list[str]] = defaultdict(list)
        for name in self._parents:
            by_root[self.root(name)].append(name)
        yield from by_root.values()


def join_links(links: Iterable[Link]) -> list[Grouping]:
    """Return a group for each picture that belongs with another; a group has all the reasons of its links."""
    known = [link for link in links if len(link.members) > 1]
    sets = Sets()
    for link in known:
        sets.join(link.members)
    reasons: dict[str, set[str]] = defaultdict(set)
    for link in known:
        reasons[sets.root(link.members[0])].add(link.why)
    groups = []
    for members in sets.members():
        why, group_id = "; ".join(sorted(reasons[sets.root(members[0])])), min(members)
        groups += [Grouping(name, group_id, why) for name in sorted(members)]
    return sorted(groups, key=lambda group: (group.group_id, group.sha256))


def members_by_group(groups: Iterable[Grouping]) -> dict[str, list[str]]:
    """Return the pictures of each group."""
    members: dict[str, list[str]] = defaultdict(list)
    for group in groups:
        members[group.group_id].append(group.sha256)
    return dict(members)


def without(links: Iterable[Link], names: set[str]) -> list[Link]:
    """Return the links among the other pictures."""
    return [
        replace(link, members=kept)
        for link in links
        if len(kept := tuple(name for name in link.members if name not in names)) > 1
    ]


def find_conflicts(groups: Iterable[Grouping], before: Mapping[str, str]) -> list[list[str]]:
    """Return the pictures of each group whose pictures were assigned to different splits."""
    return [
        members
        for members in members_by_group(groups).values()
        if len({before[name] for name in members if name in before}) > 1
    ]


def find_linkers(links: Sequence[Link], before: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Find the new pictures that would join pictures of different splits.

    New pictures are taken one by one, in the order of their hashes: a picture that belongs with pictures of one split
    goes with them, one that belongs with pictures of several is set aside.

    Args:
        links: which pictures belong together.
        before: the splits of those that were assigned earlier.

    Returns:
        For each picture to set aside, the splits that it would join, with a picture there that it belongs with.
    """
    by_name: dict[str, list[Link]] = defaultdict(list)
    for link in links:
        for name in link.members:
            by_name[name].append(link)
    sets = Sets()
    for link in links:
        if assigned := [name for name in link.members if name in before]:
            sets.join(assigned)
    split_of = _splits_of_sets(sets, before)
    placed, linkers = {name for name in by_name if name in before}, {}
    for name in sorted(by_name.keys() - placed):
        near = [other for link in by_name[name] for other in link.members if other in placed]
        splits = {split_of[root]: other for other in near if (root := sets.root(other)) in split_of}
        if len(splits) > 1:
            linkers[name] = splits
            continue
        placed.add(name)
        sets.join([name, *near])
        if splits:
            split_of[sets.root(name)] = next(iter(splits))
    return linkers


def _splits_of_sets(sets: Sets, before: Mapping[str, str]) -> dict[str, str]:
    """Return the split of each set of assigned pictures, by its root."""
    splits: dict[str, str] = {}
    for members in sets.members():
        splits[sets.root(members[0])] = first_split(before[name] for name in members)
    return splits


def first_split(splits: Iterable[str]) -> str:
    """Return that one of several splits in which a picture does no harm."""
    return min(splits, key=TRUST.index)
