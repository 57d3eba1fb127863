"""The stage that divides pictures into train, val and test so that no copy sits on both sides.

The core, `assign`, knows only rows: groups stay whole, each class is divided in the shares that the settings ask for,
what was assigned stays where it was, and the order of the rows does not matter.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from fieldguide.errors import NotReady
from fieldguide.hashing import hash_text
from fieldguide.progress import Progress
from fieldguide.project import Project
from fieldguide.project.catalog import Catalog
from fieldguide.project.rejections import check_some_kept, load_rejections
from fieldguide.records import ImageState, Origin, Rejection, SplitReport
from fieldguide.settings import Settings

_TRUST = ("train", "val", "test")  # a group seen in training can never be tested on: the first one wins


def inputs(catalog: Catalog, settings: Settings) -> str:
    """Return the digest of everything that this stage's result depends on."""
    return hash_text(_rules(settings) + catalog.digest("state"))


def _rules(settings: Settings) -> str:
    """Return the settings that, when changed, make every assignment anew."""
    return f"{settings.split.model_dump_json()} seed {settings.seed}"


def split(project: Project, settings: Settings, *, progress: Progress) -> SplitReport:
    """Split the kept pictures; report the images per split and class.

    Raises:
        NotReady: `clean` has not run, fewer than two classes are left, or a class has fewer than three groups.
    """
    with project.catalog() as catalog:
        done = catalog.current("split", inputs(catalog, settings), SplitReport)
        if done:
            return done
        progress.start("splitting", None)
        states = catalog.states()
        kept = [state for state in states if state.state == "kept"]
        if not kept:
            check_some_kept(catalog)
        _check_ready(states, kept, settings, load_rejections(catalog))
        last = catalog.finished("split")
        before = catalog.splits() if last and last.report.get("rules") == _rules(settings) else {}
        before = _extend_to_groups(states, before)
        splits = assign(kept, before, {"val": settings.split.val, "test": settings.split.test}, settings.seed)
        _check_splits(kept, splits)
        leaks = count_leaks(states, catalog.origins())
        report = _report(kept, splits, leaks, _rules(settings))
        with catalog.transaction():
            catalog.replace_splits({**before, **splits})
            catalog.finish("split", inputs(catalog, settings), asdict(report), project.now())
    return report


def _check_ready(
    states: list[ImageState], kept: list[ImageState], settings: Settings, rejections: list[Rejection]
) -> None:
    """Check that there is enough to divide; a `NotReady` says what is missing."""
    if any(state.state == "unchecked" for state in states) or not states:
        raise NotReady("some pictures have not been checked", "run: fieldguide clean")
    if not kept:
        raise NotReady(f"none of {len(states)} pictures is kept", "run: fieldguide clean")
    groups: dict[str, list[str]] = {name: [] for name in settings.classes}
    for state in kept:
        groups.setdefault(state.class_name, []).append(state.group_id)
    if len(groups) < 2:
        message = f"a classifier needs at least two classes; there is only {min(groups)!r}"
        lost = Counter(item.class_name for item in rejections if item.class_name not in groups)
        message += "".join(f"; all {count} pictures of {name!r} are rejected" for name, count in sorted(lost.items()))
        raise NotReady(message, "add pictures of another class with: fieldguide add FOLDER")
    short = sorted(name for name, members in groups.items() if len(set(members)) < 3)
    if short:
        counts = ", ".join(_count_class(name, groups[name], rejections) for name in short)
        hint = "add more pictures of it with: fieldguide add FOLDER, or remove its name from fieldguide.toml"
        if any(len(groups[name]) >= 3 for name in short):
            hint += ", or set [clean] alike = 1 there, so that only copies count as one"
        raise NotReady(f"each class needs at least 3 different pictures that are kept: {counts}", hint)


def _count_class(name: str, groups: list[str], rejections: list[Rejection]) -> str:
    """Return how many different pictures a class has, and what became of the others."""
    rejected = Counter(item.reason for item in rejections if item.class_name == name)
    others = [f"{count} rejected as {reason}" for reason, count in rejected.most_common()]
    if len(groups) > len(set(groups)):
        others.insert(0, f"{len(groups)} are kept, but look alike")
    return f"{name!r} has {len(set(groups))}" + (f" ({', '.join(others)})" if others else "")


def assign(
    rows: Iterable[ImageState], before: Mapping[str, str], shares: Mapping[str, float], seed: int
) -> dict[str, str]:
    """Return the split of each image.

    Args:
        rows: the images to divide.
        before: splits assigned earlier, which stay.
        shares: of "val" and "test", for each class; the rest is "train".
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
        fixed = next((name for name in _TRUST if name in splits), "")
        if fixed and (known or fixed != "train" or {"val", "test"} <= source_splits[_class_of(members)]):
            chosen[group_id] = fixed
    targets = {
        class_name: {split: 0.0 if split in source_splits[class_name] else share for split, share in shares.items()}
        for class_name in source_splits
    }
    _fill(groups, chosen, targets, seed)
    return {row.sha256: chosen[row.group_id] for members in groups.values() for row in members}


def _extend_to_groups(states: Iterable[ImageState], before: Mapping[str, str]) -> dict[str, str]:
    """Extend the earlier splits to every picture of a group that had one: a better copy takes its group's place."""
    groups: dict[str, list[ImageState]] = defaultdict(list)
    for state in states:
        groups[state.group_id].append(state)
    extended = dict(before)
    for members in groups.values():
        splits = {before[state.sha256] for state in members if state.sha256 in before}
        for name in _TRUST:
            if name in splits:
                extended.update({state.sha256: name for state in members})
                break
    return extended


def _check_splits(kept: Iterable[ImageState], splits: Mapping[str, str]) -> None:
    """Check that every class has a picture to train on."""
    trained = {row.class_name for row in kept if splits[row.sha256] == "train"}
    for name in sorted({row.class_name for row in kept} - trained):
        hint = "add pictures of it that are not in a test/ or validation/ folder"
        raise NotReady(f"{name!r} has no picture to train on: all came in another split", hint)


def count_leaks(states: Iterable[ImageState], origins: Iterable[Origin]) -> int:
    """Count the groups of copies that the source itself had put on two sides of its split."""
    group_of = {state.sha256: state.group_id for state in states}
    source_splits: dict[str, set[str]] = defaultdict(set)
    for origin in origins:
        if origin.given_split:
            source_splits[group_of[origin.sha256]].add(origin.given_split)
    return sum(len(splits) > 1 for splits in source_splits.values())


def _fill(
    groups: Mapping[str, list[ImageState]],
    chosen: dict[str, str],
    targets: Mapping[str, Mapping[str, float]],
    seed: int,
) -> None:
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
            share = targets[class_name][name]
            lacking = (max(1, round(share * totals[class_name])) if share else 0) - have[class_name, name]
            if lacking > 0 and (len(members) <= lacking or len(members) == 1):
                break
        else:
            name = "train"
        chosen[group_id] = name
        have.update((row.class_name, name) for row in members)


def _class_of(members: list[ImageState]) -> str:
    """Return the commonest class of a group."""
    return Counter(row.class_name for row in members).most_common(1)[0][0]


def _key(group_id: str, seed: int) -> str:
    """Return a group's place in the queue: random, and the same in every run."""
    return hash_text(f"{seed} {group_id}")


def _report(kept: list[ImageState], splits: Mapping[str, str], leaks: int, rules: str) -> SplitReport:
    counts: dict[str, dict[str, int]] = {name: {} for name in _TRUST}
    for row in kept:
        per_class = counts[splits[row.sha256]]
        per_class[row.class_name] = per_class.get(row.class_name, 0) + 1
    return SplitReport(counts, len({row.group_id for row in kept}), leaks, rules)
