"""The stage that makes a form of the guide for another runtime, and proves that it answers as the guide does.

A form appears whole, by a rename, after its proof; where the proof fails, nothing is written. What was measured is then
written into the guide.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.engine import core_count
from fieldguide.errors import InputUnusable, MissingExtra, NotReady, ParityError
from fieldguide.exporters import open_exporter
from fieldguide.exporters.contract import Exporter, Source
from fieldguide.guide import Guide, open_guide
from fieldguide.hashing import hash_file, hash_text
from fieldguide.images import Limits
from fieldguide.learners import open_learner, takes_vectors
from fieldguide.progress import Progress
from fieldguide.project import Project
from fieldguide.project.atomic import replace_folder
from fieldguide.project.dataset import Dataset, load_dataset
from fieldguide.project.outputs import check_place, hash_files, is_whole, read_replaceable, write_record
from fieldguide.project.runs import Run, latest_run
from fieldguide.records import ExportReport
from fieldguide.settings import Settings, TrainSettings
from fieldguide.stages.export.compared import ComparedFile, choose_files
from fieldguide.stages.export.estimator import fit_estimator
from fieldguide.stages.export.forms import record_form
from fieldguide.stages.export.parity import GuideRuntime, measure_parity

_CHECK = 3  # version of the proof; another one proves every export anew
_NOT_REPORTED = ("probes", "exact_difference")


@dataclass(frozen=True)
class Target:
    """What to export.

    Attributes:
        to: the form.
        out: the folder to make; None for one in `exports/` of the project.
        allow_disagreement: whether it is written though it does not answer as the guide does.
    """

    to: str
    out: Path | None = None
    allow_disagreement: bool = False


def export(project: Project, settings: Settings, *, target: Target, progress: Progress) -> ExportReport:
    """Make a form of the published guide; report how closely it gives the guide's answers.

    Raises:
        InputUnusable: there is no such form, this guide cannot take it, or the folder is where the project keeps its
            own files.
        ProjectExists: the folder holds something that no export wrote.
        NotReady: nothing is published, or the guide is out of date.
        MissingExtra: what makes the form, or could prove it, is not installed.
        ParityError: it does not answer as the guide does; nothing is written, and what was there stays.
        GuideDamaged: the guide was altered.
    """
    exporter = open_exporter(target.to)
    out = _place(project, target)
    with project.catalog() as catalog:
        run = latest_run(catalog, project.runs_folder)
        data = load_dataset(catalog, with_vectors=takes_vectors(run.learner))
    source = _source(project, settings, run, data, progress)
    why_not = exporter.unsuitable(source)
    if why_not:
        raise InputUnusable(f"the guide cannot be exported as {target.to}: {why_not}", "choose another form")
    digest = _digest(exporter, source)
    unproved = _why_unproved(exporter, target)
    report = _current(out, digest, target)
    if report is None or (report.unproved and not unproved):
        with replace_folder(out) as fresh:
            progress.start(f"making {target.to}", None)
            made = dict(exporter.export(source, fresh))
            report = _describe(exporter, fresh, unproved)
            if not unproved:
                files = _compared_files(project, run, data, source.guide.limits)
                report = _prove(report, exporter, source, files, fresh, progress)
            report = replace(report, folder=str(out), made=made)
            if report.doubts and not target.allow_disagreement:
                message = f"{target.to} does not answer as the guide does: {'; '.join(report.doubts)}"
                raise ParityError(message, "report it, or accept it with: --allow-disagreement")
            _write_record(fresh, digest, report)
    record_form(project.guide_folder, report)
    return report


def _place(project: Project, target: Target) -> Path:
    """Return the folder to make."""
    if target.out is None:
        return project.root / "exports" / target.to
    check_place(project.root, target.out)
    return target.out


def _source(project: Project, settings: Settings, run: Run, data: Dataset, progress: Progress) -> Source:
    """Return what a form is made from: the guide of the last run, and pictures that it was trained on."""
    if not (project.guide_folder / "MANIFEST").is_file():
        raise NotReady("this project has no guide yet", "run: fieldguide build")
    guide = open_guide(project.guide_folder, threads=core_count(), trusted=True)
    if guide.about.get("run") != run.name or guide.about["data"].get("fingerprint") != run.data:
        raise NotReady("the guide is out of date: it was not made from the last run", "run: fieldguide publish")
    sample = partial(_sample, project, data, guide)
    return Source(guide, run.learner, run.model, sample, partial(fit_estimator, project, settings, run, data, progress))


def _sample(project: Project, data: Dataset, guide: Guide, count: int) -> NDArray[np.uint8]:
    """Return pictures that the guide was trained on, as it sees them; those that cannot be read are left out."""
    train = data.where("train")
    squares = []
    for read in _readers(project, train)[:count]:
        squares.append(guide.load(read()))
    return np.stack(squares)


def _compared_files(project: Project, run: Run, data: Dataset, limits: Limits) -> list[ComparedFile]:
    """Choose pictures in the order of their hashes: random."""
    learns_val = open_learner(TrainSettings(**run.settings), run.seed).is_quick
    val, train = (_readers(project, data.where(split)) for split in ("val", "train"))
    return choose_files(val, train, limits, learns_val=learns_val)


def _readers(project: Project, data: Dataset) -> list[Callable[[], bytes]]:
    """Return what reads each original."""
    return [partial(project.read_image, sha256, suffix) for sha256, suffix in data.images.items()]


def _why_unproved(exporter: Exporter, target: Target) -> str:
    """Return why this computer cannot run the form; "" where it can.

    Raises:
        MissingExtra: it could, if something were installed, and is not to be written without.
    """
    try:
        return exporter.cannot_run()
    except MissingExtra as error:
        if target.allow_disagreement:
            return str(error)
        hint = f"{error.hint}; or write it unproved: --allow-disagreement"
        raise MissingExtra(f"{target.to} cannot be proved here: {error}", hint) from error


def _describe(exporter: Exporter, folder: Path, unproved: str) -> ExportReport:
    """Return the report of a form in a folder that nothing was asked about yet."""
    files, facts = [path for path in folder.rglob("*") if path.is_file()], exporter.facts
    return ExportReport(
        form=exporter.name, about=facts.about, folder=str(folder), files=len(files),
        bytes=sum(path.stat().st_size for path in files), least_agreement=facts.least_agreement, unproved=unproved,
    )  # fmt: skip


def _prove(
    report: ExportReport,
    exporter: Exporter,
    source: Source,
    files: list[ComparedFile],
    folder: Path,
    progress: Progress,
) -> ExportReport:
    """Return the report of the form in a folder with what was measured."""
    progress.start(f"comparing {exporter.name} with the guide", len(files))
    with exporter.open(folder) as form:
        parity = measure_parity(GuideRuntime(source.guide), form, files, progress.advance)
    measured = {name: value for name, value in vars(parity).items() if name not in _NOT_REPORTED}
    return replace(report, **measured, doubts=parity.doubts(exporter.facts))


def _digest(exporter: Exporter, source: Source) -> str:
    """Return the digest of all that a form is made from."""
    from fieldguide import __version__

    model, about = (hash_file(source.guide.folder / name) for name in ("model.onnx", "guide.json"))
    return hash_text(repr((exporter.name, exporter.facts.version, _CHECK, __version__, model, about)))


def _current(out: Path, digest: str, target: Target) -> ExportReport | None:
    """Return the report of the form that is there where it is the same, whole and accepted.

    Raises:
        ProjectExists: there is something that no export wrote.
        InputUnusable: there is a file of that name.
    """
    record = read_replaceable(out, ("digest", "hashes", "report"))
    if record is None or record["digest"] != digest or not is_whole(out, record):
        return None
    report = _read_report(record["report"], out)
    return None if report is None or (report.doubts and not target.allow_disagreement) else report


def _read_report(values: Mapping[str, Any], out: Path) -> ExportReport | None:
    """Return the report in a record; None where another version wrote one that cannot be read."""
    names = {field.name for field in fields(ExportReport)}
    try:
        report = ExportReport(**{key: value for key, value in values.items() if key in names})
    except (TypeError, AttributeError):
        return None
    return replace(report, folder=str(out))


def _write_record(folder: Path, digest: str, report: ExportReport) -> None:
    """Write what the export says of itself; not its folder, which may be moved."""
    hashes = hash_files(folder)
    write_record(folder, {"report": asdict(replace(report, folder="")), "digest": digest, "hashes": hashes})
