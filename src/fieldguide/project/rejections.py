"""The pictures that are set aside or suspected: which, why, and what to do where none is left.

Read from the verdicts in the catalogue; knows nothing about how a check comes to its verdict.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from fieldguide.errors import NotReady
from fieldguide.project.catalog import Catalog
from fieldguide.records import Rejection
from fieldguide.settings import Settings
from fieldguide.text import write_csv

# A picture that several checks reject, or suspect, counts once, for the first of these.
_CHECKS = ("files", "names", "licence", "unsafe", "quality", "duplicates", "labels", "outliers", "split")
_SCORED = ("unsafe", "quality", "labels", "outliers")  # each has a key in [clean]
_COLUMNS = (
    "sha256", "location", "class_name", "reason", "detail", "score", "copy_of", "location_of_copy"
)  # fmt: skip
_LIST = "look at clean/rejected.csv"


def load_rejections(catalog: Catalog) -> list[Rejection]:
    """Return every rejected picture once, with its first reason, in the order of the classes and locations.

    What a person dropped is among them, what a person kept is not.
    """
    rejections = _load_reasons(catalog, "reject")
    return sorted(rejections, key=lambda item: (item.class_name, item.location, item.sha256))


def load_suspects(catalog: Catalog) -> list[Rejection]:
    """Return every suspected picture that nobody has decided on once, the most suspicious first."""
    settled = catalog.rejected_by_others(()) | catalog.decided().keys()
    suspects = [item for item in _load_reasons(catalog, "suspect") if item.sha256 not in settled]
    return sorted(suspects, key=lambda item: (-item.score, item.class_name, item.location, item.sha256))


def count_unsettled(catalog: Catalog) -> dict[str, int]:
    """Count the pictures that a person should look at and nobody has decided on.

    By why: "suspected", "two_labels" of which one is wrong, or "links_splits", set aside for belonging with two splits.
    """
    why = """CASE WHEN verdict = 'suspect' THEN 'suspected' WHEN reason LIKE 'two!_labels%' ESCAPE '!' THEN 'two_labels'
                  WHEN reason LIKE 'links!_splits%' ESCAPE '!' THEN 'links_splits' ELSE '' END"""
    sql = f"""SELECT {why}, count(DISTINCT sha256) FROM verdict v
              WHERE verdict <> 'keep' AND {why} <> '' AND sha256 IN (SELECT sha256 FROM standing)
                AND sha256 NOT IN (SELECT sha256 FROM decided WHERE decision <> '')
                AND (verdict = 'reject' OR NOT EXISTS (
                    SELECT 1 FROM verdict r WHERE r.sha256 = v.sha256 AND r.verdict = 'reject'))
              GROUP BY 1 ORDER BY 1 DESC"""
    return dict(catalog.rows(sql))


def _load_reasons(catalog: Catalog, kind: str) -> list[Rejection]:
    """Return every picture that has a verdict of this kind, with the first check's reason."""
    locations: defaultdict[str, list[str]] = defaultdict(list)
    for origin in catalog.origins():
        locations[origin.sha256].append(origin.location)
    places = {sha256: "; ".join(found) for sha256, found in locations.items()}
    labels = catalog.labels()
    taken_back = catalog.kept_by_hand()
    dropped = {sha256 for sha256, decision in catalog.decided().items() if decision == "drop"}
    rejections = {
        sha256: Rejection(
            sha256, places[sha256], ", ".join(sorted(labels[sha256])), "dropped", "left out by a person", 0.0, "", ""
        )
        for sha256 in (dropped if kind == "reject" else ())
    }
    for check in _CHECKS:
        for sha256, (verdict, _) in catalog.verdicts(check, kind).items():
            if sha256 in rejections or sha256 in taken_back:
                continue
            reason, _, detail = verdict.reason.partition(": ")
            class_name = ", ".join(sorted(labels.get(sha256, ())))
            copy = verdict.copy_of
            if reason == "near_copy" and copy in dropped:
                detail = "which a person left out"
            rejections[sha256] = Rejection(
                sha256, places.get(sha256, ""), class_name, reason, detail, verdict.score, copy, places.get(copy, "")
            )
    return list(rejections.values())


def rejection_table(rejections: Sequence[Rejection]) -> str:
    """Return the text of clean/rejected.csv or clean/suspects.csv."""
    return write_csv(_COLUMNS, ([str(value) for value in vars(item).values()] for item in rejections))


def explain_nothing_kept(catalog: Catalog, settings: Settings, rejections: Sequence[Rejection]) -> tuple[str, str]:
    """Return the commonest cause with its numbers, and what to do about it.

    Args:
        catalog: what holds the pictures.
        settings: those that the verdicts were made with.
        rejections: all pictures, at least one.
    """
    counts = Counter(item.reason for item in rejections)
    (reason, number), *others = counts.most_common()
    cause, hint = _cause(reason, [item for item in rejections if item.reason == reason], catalog, settings)
    if not others:
        return f"all {number} pictures {cause}", hint
    rest = ", ".join(f"{count} {name}" for name, count in others)
    return f"none of {len(rejections)} pictures is kept: {number} {cause}; {rest}", hint


def _cause(reason: str, rejections: Sequence[Rejection], catalog: Catalog, settings: Settings) -> tuple[str, str]:
    """Return why these pictures are rejected, as the end of a sentence, and what to do."""
    again = "then run: fieldguide build"
    if reason == "too_small":
        images = catalog.images()
        largest = max((images[item.sha256] for item in rejections), key=lambda row: min(row.width, row.height))
        size, side = f"{largest.width} x {largest.height}", min(largest.width, largest.height)
        cause = f"are smaller than min_side = {settings.clean.min_side}; the largest is {size}"
        return cause, f"set [clean] min_side = {side} or less in fieldguide.toml, {again}"
    if reason == "other_class":
        labels, names = sorted({item.class_name for item in rejections}), sorted(settings.classes)
        cause = f"have labels that are not among the names: they are labelled {_shortened(labels)}"
        return cause, f"the names in fieldguide.toml are {_shortened(names)}: rename them or the folders, {again}"
    if reason == "two_labels":
        return "are copies of pictures with another label", f"{_LIST}, keep each in one folder, and add it again"
    if reason == "licence":
        cause = f"have no licence that [collect] licences = {settings.collect.licences!r} allows"
        return cause, f'set it to "any" in fieldguide.toml if you may use them, {again}'
    if reason == "dropped":
        return "were left out by a person", "take that back with: fieldguide decide --undo"
    by_score = [name for name in _SCORED if _gives(catalog, name, reason)]
    if by_score:
        cause = f"have a score that [clean] {by_score[0]} rejects ({reason})"
        return cause, f'set it to a higher score, or to "suspect", {again}'
    return f"cannot be read ({reason})", f"{_LIST} for the reason of each, and add others"


def _gives(catalog: Catalog, check: str, reason: str) -> bool:
    """Tell whether a check rejects pictures for this reason."""
    known = [verdict for verdict, _ in catalog.verdicts(check).values()]
    return any(verdict.verdict == "reject" and verdict.reason.startswith(f"{reason}:") for verdict in known)


def _shortened(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def check_some_kept(catalog: Catalog) -> None:
    """Check that the last `clean` has kept a picture, unless others were added since.

    Raises:
        NotReady: it has kept none; the message says why.
    """
    clean = catalog.finished("clean")
    unchecked = catalog.rows("SELECT 1 FROM state WHERE state = 'unchecked' LIMIT 1")
    if clean and not unchecked and clean.report.get("nothing_kept"):
        raise NotReady(clean.report["nothing_kept"], clean.report["hint"])
