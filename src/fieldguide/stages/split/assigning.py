"""Which split each picture goes to: groups whole, each class divided alike, whatever was assigned where it was.

Rows in, rows out: knows nothing about pixels, files or the catalogue. The order of the rows does not matter.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from fieldguide.hashing import hash_text
from fieldguide.records import ImageState
from fieldguide.stages.split.groups import first_split

Groups = Mapping[str, list[ImageState]]


def assign(
    rows: Iterable[ImageState], before: Mapping[str, str], shares: Mapping[str, float], seed: int
) -> dict[str, str]:
    """Return the split of each image.

    Args:
        rows: the images to divide.
        before: splits assigned earlier, which stay.
        shares: of "val" and "test", for each class: below 1 a share, from 1 on a number of pictures; the rest is
            "train".
        seed: decides, together with the images' hashes, who goes where.
    """
    groups: dict[str, list[ImageState]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.sha256):
        groups[row.group_id].append(row)
    source_splits: dict[str, set[str]] = defaultdict(set)  # by class: what no source divides is divided here
    for members in groups.values():
        for row in members:
            source_splits[row.class_name].add(row.given_split)
    chosen: dict[str, str] = {}
    for group_id, members in groups.items():
        known = {before[row.sha256] for row in members if row.sha256 in before}
        splits = known or {row.given_split for row in members} - {""}
        # where a source gives no val (or no test), it is taken from its train pictures
        fixed = first_split(splits) if splits else ""
        if fixed and (known or fixed != "train" or {"val", "test"} <= source_splits[_class_of(members)]):
            chosen[group_id] = fixed
    targets = {
        class_name: {split: 0.0 if split in source_splits[class_name] else share for split, share in shares.items()}
        for class_name in source_splits
    }
    _fill(groups, chosen, targets, seed)
    return {row.sha256: chosen[row.group_id] for members in groups.values() for row in members}


def wanted_pictures(share: float, total: int) -> int:
    """Return how many of a class's pictures a split should have: so many, or that share of them."""
    return round(share) if share >= 1 else max(1, round(share * total)) if share else 0


def _fill(groups: Groups, chosen: dict[str, str], targets: Mapping[str, Mapping[str, float]], seed: int) -> None:
    """Put every group that is not in `chosen` where its class lacks most, in an order set by hashes."""
    totals = Counter(row.class_name for members in groups.values() for row in members)
    have: Counter[tuple[str, str]] = Counter()
    for group_id, name in chosen.items():
        have.update((row.class_name, name) for row in groups[group_id])
    free = sorted(
        (group_id for group_id in groups if group_id not in chosen), key=lambda group_id: _key(group_id, seed)
    )
    for group_id in free:
        members = groups[group_id]
        class_name = _class_of(members)
        for name in ("test", "val"):
            lacking = wanted_pictures(targets[class_name][name], totals[class_name]) - have[class_name, name]
            if lacking > 0 and len(members) <= lacking:
                break
        else:
            name = "train"
        chosen[group_id] = name
        have.update((row.class_name, name) for row in members)
    _fill_empty(groups, chosen, targets, free)


def _fill_empty(
    groups: Groups, chosen: dict[str, str], targets: Mapping[str, Mapping[str, float]], free: list[str]
) -> None:
    """Give a split for which all groups of a class were too large the smallest, so long as training keeps one."""
    by_class: dict[str, list[str]] = defaultdict(list)
    for group_id in free:
        by_class[_class_of(groups[group_id])].append(group_id)
    splits: dict[str, set[str]] = defaultdict(set)
    trained: Counter[str] = Counter()
    for group_id, members in groups.items():
        for class_name in {row.class_name for row in members}:
            splits[class_name].add(chosen[group_id])
            trained[class_name] += chosen[group_id] == "train"
    for class_name, group_ids in sorted(by_class.items()):
        smallest = sorted(group_ids, key=lambda group_id: len(groups[group_id]))  # else in the order of their keys
        for name in ("test", "val"):
            movable = [
                group_id
                for group_id in smallest
                if chosen[group_id] == "train" and all(trained[row.class_name] > 1 for row in groups[group_id])
            ]
            if targets[class_name][name] and name not in splits[class_name] and movable:
                chosen[movable[0]] = name
                trained.subtract({row.class_name for row in groups[movable[0]]})


def _class_of(members: list[ImageState]) -> str:
    """Return the commonest class of a group."""
    return Counter(row.class_name for row in members).most_common(1)[0][0]


def _key(group_id: str, seed: int) -> str:
    """Return a group's place in the queue: random, and the same in every run."""
    return hash_text(f"{seed} {group_id}")
