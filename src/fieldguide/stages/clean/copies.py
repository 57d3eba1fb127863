"""Copies among the pictures of a project: which of them is kept, and which share a split."""

from collections.abc import Mapping

import numpy as np

from fieldguide.checks.duplicates import Fingerprints, find_copies, group_alike, judge_copies
from fieldguide.licences import count_conditions, read_licence
from fieldguide.progress import Progress
from fieldguide.project.catalog import Catalog
from fieldguide.records import ImageRow
from fieldguide.settings import Settings

_WIDER = 2
_LAST_RANK = 10**9  # of a picture that was not searched for


def check_copies(
    settings: Settings, catalog: Catalog, images: Mapping[str, ImageRow], passed: set[str], progress: Progress
) -> None:
    """Give every image that passed the check "files", and has one of the names, a verdict of the check "duplicates".

    Copies are judged among the pictures that no other check rejects.
    """
    progress.start("looking for copies", None)
    labels = catalog.labels(settings.classes)
    prints = Fingerprints({name: item for name, item in catalog.fingerprints().items() if name in passed})
    limits = settings.clean
    # in one class, a picture in other colours (grey, tinted, another model's) may tell the test what was trained on
    numbers = {names: number for number, names in enumerate({frozenset(names) for names in labels.values()})}
    classes = np.array([numbers[frozenset(labels[name])] for name in prints.sha256], dtype=np.intp)
    alike = find_copies(prints, limits.copy_distance + _WIDER, limits.alike, classes)
    others = [catalog.verdicts(check) for check in ("licence", "unsafe", "quality")]
    barred = {name for known in others for name, (verdict, _) in known.items() if verdict.verdict == "reject"}
    judged = np.flatnonzero([name not in barred for name in prints.sha256])
    found = find_copies(prints.take(judged), limits.copy_distance, limits.copy_likeness)
    pairs = [(int(judged[first]), int(judged[second])) for first, second in found]
    verdicts = judge_copies(pairs, prints.sha256, labels, _merits(catalog, images))
    groups = group_alike({*alike, *pairs}, prints.sha256)
    catalog.replace_copies(verdicts, groups, settings.clean.model_dump_json())


def _merits(catalog: Catalog, images: Mapping[str, ImageRow]) -> dict[str, tuple[int, ...]]:
    """Return what makes an image better than its copies: size, a licence that asks for less, its rank in a search."""
    conditions: dict[str, int] = {}
    for origin in catalog.origins():
        count = count_conditions(read_licence(origin.licence, origin.licence_url))
        conditions[origin.sha256] = min(count, conditions.get(origin.sha256, count))
    ranks = catalog.ranks()
    return {
        name: (row.width * row.height, -conditions.get(name, 0), -ranks.get(name, _LAST_RANK))
        for name, row in images.items()
    }
