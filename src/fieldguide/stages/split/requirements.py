"""What there has to be before pictures can be divided; what is missing is said in numbers.

Rows in, an error or nothing out.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from fieldguide.errors import NotReady
from fieldguide.records import Grouping, ImageState, Rejection
from fieldguide.settings import SplitSettings
from fieldguide.stages.split.links import BURST, FEATURES, LOOK_ALIKE

_LEAST = 3  # groups of a class: one for each split


def check_states(states: Sequence[ImageState], kept: Sequence[ImageState]) -> None:
    """Check that `clean` has looked at every picture, and keeps some.

    Raises:
        NotReady: it has not, or it keeps none.
    """
    if any(state.state == "unchecked" for state in states) or not states:
        raise NotReady("some pictures have not been checked", "run: fieldguide clean")
    if not kept:
        raise NotReady(f"none of {len(states)} pictures is kept", "run: fieldguide clean")


def check_classes(
    kept: Sequence[ImageState], names: Iterable[str], groups: Iterable[Grouping], rejections: Sequence[Rejection]
) -> None:
    """Check that there are two classes, each with a group for each split.

    Raises:
        NotReady: there are not; the message says how many there are and what became of the others.
    """
    members: dict[str, list[str]] = {name: [] for name in names}
    for state in kept:
        members.setdefault(state.class_name, []).append(state.group_id)
    if len(members) < 2:
        message = f"a classifier needs at least two classes; there is only {min(members)!r}"
        lost = Counter(item.class_name for item in rejections if item.class_name not in members)
        message += "".join(f"; all {count} pictures of {name!r} are rejected" for name, count in sorted(lost.items()))
        raise NotReady(message, "add pictures of another class with: fieldguide add FOLDER")
    short = sorted(name for name, ids in members.items() if len(set(ids)) < _LEAST)
    if not short:
        return
    reasons = {group.group_id: group.why for group in groups}
    counts = ", ".join(_count_class(name, members[name], reasons, rejections) for name in short)
    hint = "add more pictures of it with: fieldguide add FOLDER, or remove its name from fieldguide.toml"
    joined = {group for name in short for group in members[name] if len(members[name]) >= _LEAST}
    why = "; ".join(reasons.get(group, "") for group in joined)
    if LOOK_ALIKE in why:
        hint += ", or set [clean] alike = 1 there, so that only copies count as one"
    if FEATURES in why:
        hint += ", or set [split] features_alike = 1 there"
    if BURST in why:
        hint += ", or set [split] burst_s = 0 there"
    raise NotReady(f"each class needs at least {_LEAST} different pictures that are kept: {counts}", hint)


def _count_class(name: str, ids: Sequence[str], reasons: Mapping[str, str], rejections: Iterable[Rejection]) -> str:
    """Return how many different pictures a class has, and what became of the others."""
    rejected = Counter(item.reason for item in rejections if item.class_name == name)
    others = [f"{count} rejected as {reason}" for reason, count in rejected.most_common()]
    if len(ids) > len(set(ids)):
        why = {reason for group in set(ids) if group in reasons for reason in reasons[group].split("; ")}
        together = "look alike" if why <= {LOOK_ALIKE} else f"belong together ({', '.join(sorted(why))})"
        others.insert(0, f"{len(ids)} are kept, but {together}")
    return f"{name!r} has {len(set(ids))}" + (f" ({', '.join(others)})" if others else "")


def check_counts(kept: Iterable[ImageState], settings: SplitSettings) -> None:
    """Check that numbers of pictures for val and test leave every class some to train on.

    A class whose val or test its source gives is not asked for them.

    Raises:
        NotReady: they do not; the message names the classes.
    """
    totals: Counter[str] = Counter()
    given: dict[str, set[str]] = defaultdict(set)
    for state in kept:
        totals[state.class_name] += 1
        given[state.class_name].add(state.given_split)
    numbers = {name: share for name in ("val", "test") if isinstance(share := getattr(settings, name), int)}
    asked = {name: {split: number for split, number in numbers.items() if split not in given[name]} for name in totals}
    short = [f"{name!r} has {totals[name]}" for name in sorted(totals) if sum(asked[name].values()) >= totals[name]]
    short = [text for text in short if numbers]
    if short:
        words = " and ".join(f"{name} = {number}" for name, number in numbers.items())
        hint = "add more pictures, or give fewer or a share, such as test = 0.2, in fieldguide.toml"
        raise NotReady(f"[split] {words} leaves nothing to train on: {', '.join(short)}", hint)


def check_trained(kept: Iterable[ImageState], splits: Mapping[str, str]) -> None:
    """Check that every class has a picture to train on.

    Raises:
        NotReady: a class has none.
    """
    trained = {row.class_name for row in kept if splits[row.sha256] == "train"}
    for name in sorted({row.class_name for row in kept} - trained):
        hint = "add pictures of it that are not in a test/ or validation/ folder"
        raise NotReady(f"{name!r} has no picture to train on: all came in another split", hint)
