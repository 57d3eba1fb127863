"""The stage that decides for each picture whether it is kept, with a reason. Nothing is ever deleted."""

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial

from fieldguide.checks.contract import settle
from fieldguide.checks.files import FileLook, look_at_file
from fieldguide.checks.quality import FORM, judge_quality
from fieldguide.engine import Crash, core_count, map_guarded
from fieldguide.errors import NotReady
from fieldguide.hashing import hash_text
from fieldguide.images.swatches import SWATCH
from fieldguide.licences import allowed, read_licence
from fieldguide.progress import Progress
from fieldguide.project import Project, decode_limits
from fieldguide.project.atomic import write_text
from fieldguide.project.catalog import Catalog
from fieldguide.project.decisions import Decisions
from fieldguide.project.rejections import explain_nothing_kept, load_rejections, load_suspects, rejection_table
from fieldguide.project.review_list import ReviewList
from fieldguide.records import CleanReport, ImageRow, Verdict
from fieldguide.settings import Settings, digest_json
from fieldguide.stages.clean.by_features import (
    CHECKS,
    SINGLE_CHECKS,
    check_by_features,
    check_unsafe,
    embed,
    estimate_losses,
    has_come,
)
from fieldguide.stages.clean.copies import find_by_hashes, judge_all_copies
from fieldguide.stages.clean.report import Lists, write_report
from fieldguide.stages.clean.swatches import check_swatches, keep_swatches

_BATCH = 64
# of what is measured of a file; another form is another look at every picture
_FORM = f"prints 3, colours, times, {FORM}"
# trouble of the machine, perhaps not of the file
_TEMPORARY = ("unreadable", "changed", "crashed", "too_slow", "too_much_memory")


def inputs(catalog: Catalog, settings: Settings) -> str:
    """Return the digest of everything that this stage's result depends on."""
    values = digest_json(settings, "clean", {"rescale"})  # which concerns training alone
    values += f"{settings.images.model_dump_json()}{settings.collect.licences}{sorted(settings.classes)}"
    families = sorted(
        (origin.sha256, origin.family, origin.parent, origin.licence)
        for origin in catalog.origins()
        if origin.page or origin.query
    )
    decided = catalog.decided()  # what a person is sure of helps to judge the others
    taken_back = sorted(_taken_back(catalog))
    return hash_text(f"{values}{families}{taken_back or ''}{decided or ''}" + catalog.digest("image", "label"))


def clean(project: Project, settings: Settings, *, progress: Progress) -> CleanReport:
    """Check every picture; report how many are kept per class and rejected per reason.

    Each file is decoded once, in a process under limits; a second run looks only at what is new. Copies are judged
    over all of them. The list of the rejected pictures is in the report and in clean/rejected.csv.

    Raises:
        NotReady: no picture has been added.
    """
    with project.catalog() as catalog:
        digest = inputs(catalog, settings)
        done = catalog.current("clean", digest, CleanReport)
        images = catalog.images()
        touched = _touched(project, images)
        as_before = not touched and catalog.has_current_prints() and not _any_to_look_at(catalog)
        if done and as_before and not has_come(done.not_run):
            return _with_lists(project, settings, _recount(project, settings, catalog, done, digest), catalog)
        if not images:
            raise NotReady("there are no pictures yet", "add some with: fieldguide add FOLDER")
        _check_files(project, settings, catalog, images, touched, progress)
        _check_quality(settings, catalog)
        _check_names(settings, catalog)
        _check_licences(settings, catalog)
        labels = catalog.labels(settings.classes)  # a picture under none of the names is no one's copy
        passed = _passed(catalog) & labels.keys()
        barred = catalog.rejected_by_others(("files", "names", "duplicates", "split", *SINGLE_CHECKS, *CHECKS))
        swatches = {name for name, row in images.items() if row.format == SWATCH}
        shown = {name: row.format for name, row in images.items() if name in passed - barred - swatches}
        lack = check_unsafe(project, settings, catalog, shown, progress)
        copies = find_by_hashes(settings, catalog, progress)
        embedded = embed(project, settings, shown, labels, copies.surplus(), progress)
        catalog.replace_features(embedded.sha256, embedded.store, embedded.top)
        judge_all_copies(project, settings, catalog, copies, embedded, progress)
        keep_swatches(catalog, passed & swatches, settings)
        not_run = check_by_features(settings, catalog, embedded) | ({"unsafe": lack} if lack else {})
        report = replace(_report(catalog, settings), not_run=not_run, lost=estimate_losses(settings, catalog, embedded))
        catalog.finish("clean", digest, asdict(report), project.now())
        return _with_lists(project, settings, report, catalog)


def _recount(project: Project, settings: Settings, catalog: Catalog, done: CleanReport, digest: str) -> CleanReport:
    """Return the report of the last run with the counts as a person's decisions since then have made them."""
    if not Decisions(catalog).last_id():
        return done
    report = replace(_report(catalog, settings), not_run=done.not_run, lost=done.lost)
    if (report.kept, report.rejected, report.suspected) != (done.kept, done.rejected, done.suspected):
        catalog.finish("clean", digest, asdict(report), project.now())
    return report


def _taken_back(catalog: Catalog) -> set[str]:
    """Return the pictures that a person keeps though the check "files" rejects them; their copies are looked for."""
    kept = catalog.kept_by_hand()
    verdicts = catalog.verdicts("files") if kept else {}
    # what has no shorter side could not be decoded
    return {
        name for name in kept & verdicts.keys() if verdicts[name][0].verdict == "reject" and verdicts[name][0].score
    }


def _with_lists(project: Project, settings: Settings, report: CleanReport, catalog: Catalog) -> CleanReport:
    """Write the lists of the pictures that are rejected and suspected, and the page that shows them.

    Return the report with these lists.
    """
    ReviewList(catalog).update()  # so that a review of many pictures opens at once
    rejections, suspects = load_rejections(catalog), load_suspects(catalog)
    for name, items in (("rejected", rejections), ("suspects", suspects)):
        path, table = project.root / "clean" / f"{name}.csv", rejection_table(items)
        if not path.is_file() or path.read_text(encoding="utf-8") != table:
            write_text(path, table)
    page = write_report(project, settings, catalog, Lists(rejections, suspects)) if settings.clean.report else ""
    return replace(report, rejections=tuple(rejections), suspicions=tuple(suspects), report=page)


def _passed(catalog: Catalog) -> set[str]:
    """Return the pictures that the check "files" keeps, or a person in spite of it."""
    passed = {name for name, (verdict, _) in catalog.verdicts("files").items() if verdict.verdict == "keep"}
    return passed | _taken_back(catalog)


def _touched(project: Project, images: dict[str, ImageRow]) -> set[str]:
    """Return the images whose original is gone, or has another length than when it was added.

    A change that keeps the length is found by the hash, when the file is looked at.
    """
    lengths = {}
    for name, row in images.items():
        with suppress(OSError):
            lengths[name] = project.image_path(name, row.format).stat().st_size
    return {name for name, row in images.items() if lengths.get(name) != row.bytes}


def _is_temporary(verdict: Verdict) -> bool:
    """Tell whether another look may end differently."""
    return verdict.reason.partition(":")[0] in _TEMPORARY


def _any_to_look_at(catalog: Catalog) -> bool:
    """Tell whether some file is worth another look, or was looked at by an earlier version."""
    return any(
        _is_temporary(verdict) or not made_with.endswith(_FORM)
        for verdict, made_with in catalog.verdicts("files").values()
    )


def _check_files(
    project: Project,
    settings: Settings,
    catalog: Catalog,
    images: dict[str, ImageRow],
    touched: set[str],
    progress: Progress,
) -> None:
    """Give every image a verdict of the check "files", made with the present settings."""
    made_with = settings.images.model_dump_json() + str(settings.clean.min_side) + _FORM
    known = catalog.verdicts("files")
    to_look_at = [
        row
        for row in images.values()
        if row.sha256 not in known
        or row.sha256 in touched
        or known[row.sha256][1] != made_with
        or _is_temporary(known[row.sha256][0])
    ]
    check_swatches(project, catalog, [row for row in to_look_at if row.format == SWATCH], made_with)
    todo = [
        (row.sha256, str(project.image_path(row.sha256, row.format)), (row.width, row.height))
        for row in to_look_at
        if row.format != SWATCH
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
    """Write what was measured, then the verdicts that make it final."""
    looks = list(looks)
    catalog.set_fingerprints({look.sha256: look.prints for look in looks})
    catalog.set_colours({look.sha256: look.colours for look in looks if look.colours})
    catalog.set_captures({look.sha256: look.capture for look in looks})
    catalog.set_verdicts((judge_quality(look.sha256, look.fault) for look in looks if look.fault), FORM)
    catalog.set_verdicts(
        (
            Verdict(look.sha256, "files", "reject", f"{look.reason}: {look.detail}", float(look.shorter))
            if look.reason
            else Verdict(look.sha256, "files", "keep", "", float(look.shorter))
            for look in looks
        ),
        made_with,
    )


def _check_quality(settings: Settings, catalog: Catalog) -> None:
    """Let the setting decide on the faults that were found when the files were looked at."""
    known = [verdict for verdict, _ in catalog.verdicts("quality").values()]
    settled = settle(known, settings.clean.quality)
    catalog.set_verdicts((new for old, new in zip(known, settled, strict=True) if new != old), FORM)


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


def _report(catalog: Catalog, settings: Settings) -> CleanReport:
    """Return the counts of the catalogue as it is now."""
    states, rejections = catalog.states(), load_rejections(catalog)
    kept = Counter(state.class_name for state in states if state.state == "kept")
    rejected = Counter(item.reason for item in rejections)
    suspected = Counter(item.reason for item in load_suspects(catalog))
    groups = Counter(state.group_id for state in states)
    copies = sum(1 for count in groups.values() if count > 1)
    nothing_kept, hint = ("", "") if kept else explain_nothing_kept(catalog, settings, rejections)
    return CleanReport(
        dict(sorted(kept.items())), dict(rejected.most_common()), copies, nothing_kept, hint,
        suspected=dict(suspected.most_common()),
        vectors=sum(state.format == SWATCH for state in states if state.state == "kept"),
    )  # fmt: skip
