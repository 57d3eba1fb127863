"""The stage that decides for each picture whether it is kept, with a reason. Nothing is ever deleted."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import partial

import numpy as np

from fieldguide.checks.duplicates import Fingerprints, find_copies, group_alike, judge_copies
from fieldguide.checks.files import GREY_SIDE, FileLook, look_at_file
from fieldguide.engine import Crash, core_count, map_guarded
from fieldguide.errors import NotReady
from fieldguide.hashing import hash_text
from fieldguide.licences import allowed, read_licence
from fieldguide.progress import Progress
from fieldguide.project import Project, decode_limits
from fieldguide.project.catalog import Catalog
from fieldguide.records import CleanReport, ImageRow, Verdict
from fieldguide.settings import Settings

_BATCH = 64
_WIDER = 2
# trouble of the machine, perhaps not of the file
_TEMPORARY = ("unreadable", "crashed", "too_slow", "too_much_memory")


def inputs(catalog: Catalog, settings: Settings) -> str:
    """Return the digest of everything that this stage's result depends on."""
    values = f"{settings.clean.model_dump_json()}{settings.images.model_dump_json()}{settings.collect.licences}"
    values += str(sorted(settings.classes))
    families = sorted(
        (origin.sha256, origin.family, origin.parent, origin.licence)
        for origin in catalog.origins()
        if origin.page or origin.query
    )
    return hash_text(f"{values}{families}" + catalog.digest("image", "label"))


def clean(project: Project, settings: Settings, *, progress: Progress) -> CleanReport:
    """Check every picture; report how many are kept per class and rejected per reason.

    Each file is decoded once, in a process under limits; a second run looks only at what is new. Copies are judged
    over all of them.

    Raises:
        NotReady: no picture has been added.
    """
    with project.catalog() as catalog:
        digest = inputs(catalog, settings)
        done = catalog.current("clean", digest, CleanReport)
        if done and not _any_temporary(catalog):
            return done
        images = catalog.images()
        if not images:
            raise NotReady("there are no pictures yet", "add some with: fieldguide add FOLDER")
        _check_files(project, settings, catalog, images, progress)
        _check_copies(settings, catalog, images, progress)
        _check_names(settings, catalog)
        _check_licences(settings, catalog)
        report = _report(catalog)
        catalog.finish("clean", digest, asdict(report), project.now())
    return report


def _is_temporary(verdict: Verdict) -> bool:
    """Tell whether another look may end differently."""
    return verdict.reason.partition(":")[0] in _TEMPORARY


def _any_temporary(catalog: Catalog) -> bool:
    """Tell whether some file is worth another look though nothing has changed."""
    return any(_is_temporary(verdict) for verdict, _ in catalog.verdicts("files").values())


def _check_files(
    project: Project, settings: Settings, catalog: Catalog, images: dict[str, ImageRow], progress: Progress
) -> None:
    """Give every image a verdict of the check "files", made with the present settings."""
    made_with = settings.images.model_dump_json() + str(settings.clean.min_side)
    known = catalog.verdicts("files")
    todo = [
        (row.sha256, str(project.image_path(row.sha256, row.format)), min(row.width, row.height))
        for row in images.values()
        if row.sha256 not in known or known[row.sha256][1] != made_with or _is_temporary(known[row.sha256][0])
    ]
    look = partial(look_at_file, limits=decode_limits(settings), min_side=settings.clean.min_side)
    progress.start("checking files", len(todo))
    batch: list[FileLook] = []
    for index, result in map_guarded(look, todo, workers=core_count()):
        if isinstance(result, Crash):
            result = FileLook(todo[index][0], result.reason, result.detail, 0)
        batch.append(result)
        progress.advance()
        if len(batch) == _BATCH:
            _write(catalog, batch, made_with)
            batch = []
    _write(catalog, batch, made_with)


def _write(catalog: Catalog, looks: Iterable[FileLook], made_with: str) -> None:
    """Write the fingerprints, then the verdicts that make them final."""
    looks = list(looks)
    catalog.set_fingerprints((look.sha256, look.dhash, look.mirror, look.grey) for look in looks if look.dhash)
    catalog.set_verdicts(
        (
            Verdict(look.sha256, "files", "reject", f"{look.reason}: {look.detail}", float(look.shorter))
            if look.reason
            else Verdict(look.sha256, "files", "keep", "", float(look.shorter))
            for look in looks
        ),
        made_with,
    )


def _check_copies(settings: Settings, catalog: Catalog, images: dict[str, ImageRow], progress: Progress) -> None:
    """Give every image that passed the check "files" a verdict of the check "duplicates"."""
    progress.start("looking for copies", None)
    passed = {name for name, (verdict, _) in catalog.verdicts("files").items() if verdict.verdict == "keep"}
    labels = catalog.labels(settings.classes)  # a picture under none of the names is no one's copy
    rows = [row for row in catalog.fingerprints() if row[0] in passed and row[0] in labels]
    prints = Fingerprints(
        [row[0] for row in rows],
        np.array([int.from_bytes(row[1], "big") for row in rows], dtype=np.uint64),
        np.array([int.from_bytes(row[2], "big") for row in rows], dtype=np.uint64),
        np.frombuffer(b"".join(row[3] for row in rows), dtype=np.uint8).reshape(-1, GREY_SIDE, GREY_SIDE),
    )
    limits = settings.clean
    alike = find_copies(prints, limits.copy_distance + _WIDER, min(limits.alike, limits.copy_likeness))
    pairs = find_copies(prints, limits.copy_distance, limits.copy_likeness)
    areas = {name: row.width * row.height for name, row in images.items()}
    verdicts = judge_copies(pairs, prints.sha256, labels, areas)
    groups = group_alike({*alike, *pairs, *_families(catalog, prints.sha256)}, prints.sha256)
    catalog.replace_copies(verdicts, groups, settings.clean.model_dump_json())


def _families(catalog: Catalog, sha256: Sequence[str]) -> set[tuple[int, int]]:
    """Return pairs of images of one family according to their source, or found by their likeness to one."""
    place = {name: index for index, name in enumerate(sha256)}
    members: dict[str, set[int]] = defaultdict(set)
    for origin in catalog.origins():
        for family in (origin.family, origin.parent) if origin.sha256 in place else ():
            members[family].add(place[origin.sha256])
    members.pop("", None)
    for origin in catalog.origins():
        if origin.sha256 in place and origin.location in members:  # the picture that others were found similar to
            members[origin.location].add(place[origin.sha256])
    return {(min(family), other) for family in members.values() for other in family if other != min(family)}


def _check_names(settings: Settings, catalog: Catalog) -> None:
    """Reject the pictures whose class is not, or no longer, among the names."""
    catalog.set_class_names(settings.classes)
    verdicts = []
    for sha256, names in catalog.labels().items():
        other = bool(settings.classes) and not names & set(settings.classes)
        reason = f"other_class: {min(names)} is not among the names" if other else ""
        verdicts.append(Verdict(sha256, "names", "reject" if other else "keep", reason, 0.0))
    catalog.set_verdicts(verdicts, str(sorted(settings.classes)))


def _check_licences(settings: Settings, catalog: Catalog) -> None:
    """Reject the pictures that were searched for and are under no licence that the settings now allow.

    A person's own pictures, added or drawn, are not judged.
    """
    admitted: dict[str, bool] = {}
    for origin in catalog.origins():
        free = not origin.query or allowed(read_licence(origin.licence, origin.licence_url), settings.collect.licences)
        admitted[origin.sha256] = admitted.get(origin.sha256, False) or free
    reason = f"licence: none of its licences is {settings.collect.licences!r}"
    catalog.set_verdicts(
        [
            Verdict(name, "licence", "keep" if free else "reject", "" if free else reason, 0.0)
            for name, free in admitted.items()
        ],
        settings.collect.licences,
    )


def _report(catalog: Catalog) -> CleanReport:
    """Return the counts of the catalogue as it is now."""
    states = catalog.states()
    kept = Counter(state.class_name for state in states if state.state == "kept")
    rejected: Counter[str] = Counter()
    for check in ("files", "duplicates", "names", "licence"):
        verdicts = (verdict for verdict, _ in catalog.verdicts(check).values() if verdict.verdict == "reject")
        rejected.update(verdict.reason.partition(":")[0] for verdict in verdicts)
    groups = Counter(state.group_id for state in states)
    copies = sum(1 for count in groups.values() if count > 1)
    return CleanReport(dict(sorted(kept.items())), dict(rejected.most_common()), copies)
