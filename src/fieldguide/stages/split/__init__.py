"""The stage that divides pictures into train, val and test so that no copy sits on both sides.

Pictures that belong together, for whatever reason, are one group (`links`, `groups`), and groups are divided
(`assigning`). What was assigned stays where it was. `leaks` says what was, or would have been, on two sides.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from fieldguide.checks.duplicates import Fingerprints, find_copies
from fieldguide.errors import SettingsError
from fieldguide.hashing import hash_text
from fieldguide.images.swatches import SWATCH
from fieldguide.progress import Progress
from fieldguide.project import Project
from fieldguide.project.atomic import write_text
from fieldguide.project.catalog import Catalog
from fieldguide.project.rejections import check_some_kept, load_rejections
from fieldguide.records import Grouping, ImageState, Origin, Prints, SplitReport, Verdict
from fieldguide.settings import Settings, digest_json
from fieldguide.settings.patterns import read_group
from fieldguide.stages.split.assigning import assign
from fieldguide.stages.split.groups import (
    TRUST,
    Link,
    find_conflicts,
    find_linkers,
    first_split,
    join_links,
    members_by_group,
    without,
)
from fieldguide.stages.split.leaks import Nearest, count_leaks, expect_careless, find_leaks
from fieldguide.stages.split.links import LOOK_ALIKE, link_bursts, link_look_alikes, link_neighbours, link_origins
from fieldguide.stages.split.page import PAGE, render_page
from fieldguide.stages.split.requirements import check_classes, check_counts, check_states, check_trained

CHECK = "split"
_WIDER = 2  # bits: as `clean` looks for look-alikes
_MAX_COMPARED = 100  # look-alikes of which each two are compared where they link splits


def inputs(catalog: Catalog, settings: Settings) -> str:
    """Return the digest of everything that this stage's result depends on."""
    pattern, origins = settings.split.group_pattern, catalog.origins()
    together = sorted(
        (origin.sha256, origin.source, origin.family, origin.parent, origin.page, origin.location)
        for origin in origins
        if pattern or origin.family or origin.parent or origin.page
    )
    captures = catalog.captures() if settings.split.burst_s else {}
    authors = _authors(origins) if captures else {}
    taken = [(name, *capture, sorted(authors.get(name, ()))) for name, capture in captures.items()]
    features = list(catalog.features().items())
    more = "".join(repr(part) for part in (together, taken, features) if part)
    return hash_text(_rules(settings) + catalog.digest("state") + more)


def _rules(settings: Settings) -> str:
    """Return the settings that, when changed, make every assignment anew."""
    return f"{digest_json(settings, 'split')} seed {settings.seed}"


def split(project: Project, settings: Settings, *, progress: Progress, resplit: bool = False) -> SplitReport:
    """Split the kept pictures; report the images per split and class.

    Args:
        project: whose pictures they are.
        settings: its settings.
        progress: told of what is done.
        resplit: whether groups of different splits that a new picture joins go to train; else it is set aside.

    Raises:
        NotReady: `clean` has not run, fewer than two classes are left, or a class has too few groups or pictures.
        SettingsError: [split] group_pattern matches no file name.
    """
    with project.catalog() as catalog:
        done = catalog.current("split", inputs(catalog, settings), SplitReport)
        if done and (project.root / PAGE).is_file() and not (resplit and done.set_aside):
            return done
        features = _read_features(project, catalog)
        progress.start("splitting", None)
        with catalog.transaction():
            catalog.replace_verdicts(CHECK, (), "")  # its own verdicts of last time
            report = _divide(catalog, settings, features, resplit)
        progress.start("writing the report", None)
        formats = {image.sha256: image.format for image in catalog.images().values()}
        write_text(project.root / PAGE, render_page(project, settings, report, formats))
        catalog.finish("split", inputs(catalog, settings), asdict(report), project.now())
    return report


@dataclass(frozen=True)
class _Features:
    """The features of those pictures whose features `clean` has compared.

    Attributes:
        sha256: n hashes.
        rows: (n, d) float32, the backbone's last layer.
    """

    sha256: tuple[str, ...]
    rows: NDArray[np.float32]


def _read_features(project: Project, catalog: Catalog) -> _Features:
    """Read the features that `clean` has compared, and no others that training may have added to them since."""
    known = catalog.features()
    rows: dict[str, NDArray[np.float32]] = {}
    if known:
        from fieldguide.features import FeatureStore  # onnxruntime alone takes a quarter of a second to import

        for store in sorted({store for store, _ in known.values()}):
            for names, features in FeatureStore(project.features_folder / store).read():
                wanted = [(name, row) for name, row in zip(names, features, strict=True) if name in known]
                rows |= {name: row[: known[name][1]].copy() for name, row in wanted if known[name][0] == store}
    if not rows:
        return _Features((), np.zeros((0, 0), np.float32))
    return _Features(tuple(sorted(rows)), np.stack([rows[name] for name in sorted(rows)]))


def _divide(catalog: Catalog, settings: Settings, features: _Features, resplit: bool) -> SplitReport:
    """Group and divide the pictures, and write what became of them."""
    states, origins, rules = catalog.states(), catalog.origins(), _rules(settings)
    kept = [state for state in states if state.state == "kept"]
    if not kept:
        check_some_kept(catalog)
    check_states(states, kept)
    last = catalog.finished("split")
    before = catalog.splits() if last and last.report.get("rules") == rules else {}
    links = _find_links(catalog, settings, states, origins)
    links += _link_bursts(catalog, settings, states, origins, before)
    links += _link_features(settings, states, features, links, before)
    grouped = _group(catalog, settings, links, before, resplit)
    ids = {group.sha256: group.group_id for group in grouped.groups}
    states = [replace(state, group_id=ids.get(state.sha256, state.sha256)) for state in states]
    kept = [state for state in states if state.state == "kept" and state.sha256 not in grouped.linkers]
    check_classes(kept, settings.classes, grouped.groups, load_rejections(catalog))
    check_counts(kept, settings.split)
    splits = assign(kept, grouped.before, _shares(settings), settings.seed)
    check_trained(kept, splits)
    places = _locations(origins)
    catalog.replace_groups(grouped.groups)
    catalog.replace_verdicts(CHECK, grouped.verdicts(places), rules)
    catalog.replace_splits({**grouped.before, **splits})
    report = _report(kept, splits, grouped, rules)
    report = _with_leaks(report, catalog, settings, states, grouped)
    return _with_flattery(report, catalog, states, features, settings.seed)


def _shares(settings: Settings) -> dict[str, float]:
    return {"val": float(settings.split.val), "test": float(settings.split.test)}


def _locations(origins: Iterable[Origin]) -> dict[str, str]:
    """Return where each picture came from; several places are parted by "; "."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for origin in origins:
        places[origin.sha256].append(origin.location)
    return {sha256: "; ".join(locations) for sha256, locations in places.items()}


@dataclass(frozen=True)
class _Grouped:
    """The groups, and what became of the earlier splits.

    Attributes:
        groups: of every picture that is not alone.
        before: the earlier splits, the same for all pictures of a group.
        linkers: the new pictures that are set aside, with the splits that each would join and a picture there.
        joined: groups whose pictures were in different splits, and are now in one.
    """

    groups: Sequence[Grouping]
    before: Mapping[str, str]
    linkers: Mapping[str, Mapping[str, str]]
    joined: int

    def verdicts(self, places: Mapping[str, str]) -> list[Verdict]:
        """Return the verdicts on the pictures that are set aside; `places` says where pictures are from."""
        verdicts = []
        for name, splits in self.linkers.items():
            known = sorted(splits.items(), key=lambda item: TRUST.index(item[0]))
            like = " and ".join(f"{places.get(other, other[:12])} ({split})" for split, other in known)
            reason = f"links_splits: links {' and '.join(split for split, _ in known)}: it belongs with {like}"
            verdicts.append(Verdict(name, CHECK, "reject", reason, 1.0, known[0][1]))
        return verdicts


def _group(
    catalog: Catalog, settings: Settings, links: Sequence[Link], before: Mapping[str, str], resplit: bool
) -> _Grouped:
    """Group the pictures, and find those that may not join the groups that they belong with."""
    conflicts = find_conflicts(join_links(links), before)
    linkers: dict[str, dict[str, str]] = {}
    if conflicts and not resplit:
        troubled = {name for members in conflicts for name in members}
        links = _take_apart(catalog, settings, links, before, troubled)
        decided = catalog.kept_by_person()  # which outranks a verdict: what they join goes to train
        linkers = {name: splits for name, splits in find_linkers(links, before).items() if name not in decided}
        links = without(links, set(linkers))
    groups = join_links(links)
    extended = {name: split for name, split in before.items() if name not in linkers}
    for members in members_by_group(groups).values():
        if assigned := [before[name] for name in members if name in before]:
            extended.update(dict.fromkeys(members, first_split(assigned)))
    return _Grouped(groups, extended, linkers, len(find_conflicts(groups, before)))


def _find_links(
    catalog: Catalog, settings: Settings, states: Sequence[ImageState], origins: Sequence[Origin]
) -> list[Link]:
    """Return which of the pictures that `clean` has looked at belong together."""
    judged = catalog.verdicts("duplicates")
    classes = {state.sha256: state.class_name for state in states if state.sha256 in judged}
    pattern = settings.split.group_pattern
    if pattern and not any(read_group(pattern, origin.location) for origin in origins):
        message = f"[split] group_pattern = {pattern!r} matches none of {len(origins)} paths"
        hint = "correct it in fieldguide.toml: * stands for anything, {group} for what a group is called"
        raise SettingsError(f"{message}, such as {origins[0].location!r}", hint)
    return [*link_look_alikes(catalog.look_alikes()), *link_origins(origins, classes, pattern)]


def _link_bursts(
    catalog: Catalog,
    settings: Settings,
    states: Sequence[ImageState],
    origins: Sequence[Origin],
    before: Mapping[str, str],
) -> list[Link]:
    """Return the links of kept pictures that were taken shortly after each other."""
    if not settings.split.burst_s:
        return []
    classes = {state.sha256: state.class_name for state in states if state.state == "kept"}
    return link_bursts(catalog.captures(), _authors(origins), classes, settings.split.burst_s, before)


def _authors(origins: Iterable[Origin]) -> dict[str, set[str]]:
    """Return the authors of each picture, as far as they are known."""
    authors: defaultdict[str, set[str]] = defaultdict(set)
    for origin in origins:
        authors[origin.sha256] |= {origin.author} - {""}
    return authors


def _link_features(
    settings: Settings,
    states: Sequence[ImageState],
    features: _Features,
    others: Sequence[Link],
    before: Mapping[str, str],
) -> list[Link]:
    """Return the links of kept pictures of one class whose features are very alike, none of two splits."""
    likeness = settings.split.features_alike
    if likeness >= 1 or not features.sha256:
        return []
    classes = {state.sha256: state.class_name for state in states if state.state == "kept"}
    places = [place for place, name in enumerate(features.sha256) if name in classes]
    names = [features.sha256[place] for place in places]
    labels = [classes[name] for name in names]
    assigned = {state.sha256: state.given_split for state in states if state.given_split} | dict(before)
    return link_neighbours(names, labels, features.rows[places], likeness, others, assigned)


def _take_apart(
    catalog: Catalog, settings: Settings, links: Sequence[Link], before: Mapping[str, str], names: set[str]
) -> list[Link]:
    """Return the links with the look-alikes among some pictures taken apart into pairs.

    Where the pairs that can be found here do not join all of a link, its new pictures are taken to be what joins it.
    """
    prints = catalog.fingerprints()
    copy_of = {name: verdict.copy_of for name, (verdict, _) in catalog.verdicts("duplicates").items()}
    apart: list[Link] = []
    for link in links:
        if link.why != LOOK_ALIKE or names.isdisjoint(link.members):
            apart.append(link)
            continue
        if len(link.members) > _MAX_COMPARED:
            apart += _by_split(link, before)
            continue
        known = {name: prints[name] for name in link.members if name in prints and prints[name].dhash}
        parts = _find_pairs(known, settings)
        parts += [Link((name, copy_of[name]), LOOK_ALIKE) for name in link.members if copy_of.get(name) in link.members]
        joined = members_by_group(join_links(parts)).values()
        apart += parts if [len(members) for members in joined] == [len(link.members)] else _by_split(link, before)
    return apart


def _find_pairs(prints: Mapping[str, Prints], settings: Settings) -> list[Link]:
    """Return a link for each two of some pictures that look alike."""
    known, limits = Fingerprints(prints), settings.clean
    one_class = np.zeros(2, np.intp)  # whose colours may differ
    return [
        Link((known.sha256[first], known.sha256[second]), LOOK_ALIKE)
        for first, second in combinations(range(len(known.sha256)), 2)
        if find_copies(known.take(np.array([first, second])), limits.copy_distance + _WIDER, limits.alike, one_class)
    ]


def _by_split(link: Link, before: Mapping[str, str]) -> list[Link]:
    """Return a link for each split of a link's pictures, all with its new ones; itself where it has no new one."""
    new = tuple(name for name in link.members if name not in before)
    if not new:
        return [link]
    assigned = [name for name in link.members if name in before]
    splits = sorted({before[name] for name in assigned})
    return [replace(link, members=(*(name for name in assigned if before[name] == split), *new)) for split in splits]


def _report(kept: Sequence[ImageState], splits: Mapping[str, str], grouped: _Grouped, rules: str) -> SplitReport:
    counts: dict[str, dict[str, int]] = {name: {} for name in TRUST}
    for row in kept:
        per_class = counts[splits[row.sha256]]
        per_class[row.class_name] = per_class.get(row.class_name, 0) + 1
    vectors = Counter(splits[row.sha256] for row in kept if row.format == SWATCH)
    ids = {row.group_id for row in kept}
    whys = {group.group_id: group.why for group in grouped.groups if group.group_id in ids}
    reasons = Counter(reason for why in whys.values() for reason in why.split("; "))
    return SplitReport(
        counts, len(ids), 0, rules, reasons=dict(reasons.most_common()), joined=grouped.joined, vectors=dict(vectors)
    )


def _with_leaks(
    report: SplitReport, catalog: Catalog, settings: Settings, states: Sequence[ImageState], grouped: _Grouped
) -> SplitReport:
    """Return the report with what was, and what would have been, on two sides of a split."""
    origins = catalog.origins()
    nearest = _nearest(catalog)
    copies = _near_copies(catalog)
    rows = [state for state in states if state.class_name and (state.state == "kept" or state.sha256 in copies)]
    careless = expect_careless(rows, origins, grouped.groups, _shares(settings), nearest)
    set_aside = [item for item in load_rejections(catalog) if item.reason == "links_splits"]
    return replace(
        report,
        leaks=count_leaks(states, origins),
        leaking=tuple(find_leaks(states, origins, grouped.groups, nearest)),
        set_aside=tuple(set_aside),
        several=careless.groups, cut=careless.cut, careless_test=careless.test, careless_linked=careless.linked,
        pairs=careless.pairs, page=PAGE,
    )  # fmt: skip


def _near_copies(catalog: Catalog) -> set[str]:
    """Return the pictures that are rejected for being near-copies: a careless script would have kept them."""
    verdicts = catalog.verdicts("duplicates")
    return {name for name, (verdict, _) in verdicts.items() if verdict.reason.startswith("near_copy")}


def _with_flattery(
    report: SplitReport, catalog: Catalog, states: Sequence[ImageState], features: _Features, seed: int
) -> SplitReport:
    """Return the report with how much a split by chance would flatter a frozen backbone, where features are kept."""
    copies = _near_copies(catalog)
    known = {
        state.sha256: state
        for state in states
        if state.class_name and (state.state == "kept" or state.sha256 in copies)
    }
    places = [place for place, name in enumerate(features.sha256) if name in known]
    if not places:
        return report
    from fieldguide.learners.careless import measure_flattery

    rows = [known[features.sha256[place]] for place in places]
    labels = np.unique([row.class_name for row in rows], return_inverse=True)[1].astype(np.int64)
    is_copy = np.array([row.state != "kept" for row in rows])
    measured = measure_flattery(features.rows[places], labels, [row.group_id for row in rows], is_copy, seed)
    if measured is None:
        return report
    return replace(report, careless=measured.careless, honest=measured.honest, difference=measured.difference)


def _nearest(catalog: Catalog) -> Nearest:
    """Return what finds the picture most like another by their small grey pictures."""
    prints = {name: item for name, item in catalog.fingerprints().items() if item.grey}

    def nearest(sha256: str, others: Sequence[str]) -> str:
        known = [name for name in others if name in prints]
        if len(others) == 1 or not known or sha256 not in prints:
            return others[0]
        grey = (
            Fingerprints({name: prints[name] for name in [sha256, *known]}).thumbnails(np.arange(len(known) + 1)).grey
        )
        return known[int(np.argmax(np.einsum("nyx,yx->n", grey[1:], grey[0])))]

    return nearest
