"""The stage that hands the kept pictures on: as folders with tables, as Parquet, WebDataset or Croissant.

An export is made beside its place, in a folder whose name ends with ".unfinished", and appears whole, by a rename. What
an interrupted one has written is taken over by the next that exports the same.
"""

import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from fieldguide.errors import InputMissing, InputUnusable, NotReady, ProjectExists, translate_os_errors
from fieldguide.hashing import hash_text
from fieldguide.images.swatches import SWATCH
from fieldguide.licences import credit_lines, credit_table
from fieldguide.progress import Progress
from fieldguide.project import Project, decode_limits
from fieldguide.project.atomic import flush_disk, put_folder
from fieldguide.project.catalog import Catalog
from fieldguide.project.outputs import RECORD_FILE, check_place, read_record, read_replaceable, write_record
from fieldguide.project.rejections import check_some_kept
from fieldguide.records import ExportDataReport, ImageState, Origin
from fieldguide.settings import Settings
from fieldguide.stages.export_data.croissant import write_croissant
from fieldguide.stages.export_data.folders import write_csv_folders, write_imagefolder
from fieldguide.stages.export_data.packed import write_parquet, write_webdataset
from fieldguide.stages.export_data.pictures import (
    SCALED_SUFFIX,
    Export,
    Picture,
    class_folders,
    file_names,
    suffix_of,
)

Form = Literal["csv", "imagefolder", "parquet", "webdataset", "croissant"]
FORMS: tuple[str, ...] = get_args(Form)
_KEYS = ("digest", "files", "left_out")  # of what an export says of itself
_VERSION = 1  # of what is written; another one makes every export anew
_WRITERS: Mapping[str, Callable[[Export, Path, Progress], None]] = {
    "csv": write_csv_folders,
    "imagefolder": write_imagefolder,
    "parquet": write_parquet,
    "webdataset": write_webdataset,
    "croissant": write_croissant,
}
_HUGGING_FACE = ("imagefolder", "parquet")  # where the split "val" is called "validation"


@dataclass(frozen=True)
class Target:
    """What to export.

    Attributes:
        to: the form.
        out: the folder to make; None for one in `exports/` of the project.
        size: the shorter side that pictures are scaled down to; None for the original files.
        split: whether train, val and test are kept apart.
    """

    to: str
    out: Path | None = None
    size: int | None = None
    split: bool = False


def export_data(project: Project, settings: Settings, *, target: Target, progress: Progress) -> ExportDataReport:
    """Export the kept pictures with labels and credits; report how many, and which could not be exported.

    Raises:
        InputUnusable: there is no such form, or the folder is where the project keeps its own files.
        ProjectExists: the folder holds something that no export wrote.
        NotReady: no picture is kept; with `split`, some are not split.
        InputMissing: not one of the originals can be read.
        MissingExtra: Parquet without pyarrow.
    """
    _check(target)
    out = _place(project, target)
    with project.catalog() as catalog:
        export = _plan(project, settings, catalog, target)
    digest = _digest(export, target)
    with translate_os_errors(f"writing {out}"):
        done = _current(out, digest)
        if done:
            return done
        fresh = _begin(out, digest)
        _WRITERS[target.to](export, fresh, progress)
        progress.start("finishing", None)
        report = _finish(export, target, fresh, digest)
        flush_disk(fresh)
        put_folder(fresh, out)
    return report


def _check(target: Target) -> None:
    """Check that the request can be fulfilled at all."""
    if target.to not in FORMS:
        raise InputUnusable(f"{target.to!r} is no form of a data set", f"choose one of: {', '.join(FORMS)}")
    if target.size is not None and not 16 <= target.size <= 4096:
        raise InputUnusable(f"the size {target.size} is not between 16 and 4096 pixels", "for example: --size 256")


def _place(project: Project, target: Target) -> Path:
    """Return the folder to make."""
    if target.out is None:
        words = [target.to, *([str(target.size)] if target.size else []), *(["split"] if target.split else [])]
        return project.root / "exports" / "-".join(words)
    check_place(project.root, target.out)
    return target.out.resolve()


def _plan(project: Project, settings: Settings, catalog: Catalog, target: Target) -> Export:
    """Return what to export, picture by picture."""
    states = [state for state in catalog.states() if state.state == "kept" and state.format != SWATCH]
    if not states:
        check_some_kept(catalog)
        raise NotReady("no picture is kept yet", "run: fieldguide clean")
    if target.split and not all(state.split for state in states):
        raise NotReady("the pictures are not split yet", "run: fieldguide split")
    class_names = tuple(sorted({state.class_name for state in states}))
    origins: defaultdict[str, list[Origin]] = defaultdict(list)
    for origin in catalog.origins():
        origins[origin.sha256].append(origin)
    places = _places(states, class_names, target)
    labels = {name: label for label, name in enumerate(class_names)}
    pictures = [
        _picture(project, state, labels[state.class_name], places[state.sha256], origins[state.sha256])
        for state in states
    ]
    order = {name: place for place, name in enumerate(("train", "val", "validation", "test", "images"))}
    pictures.sort(key=lambda picture: (order[picture.part], picture.sha256))
    limits, date = decode_limits(settings), project.now()[:10]
    return Export(settings.name, settings.about, class_names, tuple(pictures), target.size or 0, limits, date)


def _places(states: list[ImageState], class_names: tuple[str, ...], target: Target) -> dict[str, tuple[str, str]]:
    """Return the part and the file of each picture."""
    folders, names = class_folders(class_names), file_names([state.sha256 for state in states])
    places = {}
    for state in states:
        part = state.split if target.split else "images"
        part = "validation" if part == "val" and target.to in _HUGGING_FACE else part
        suffix = SCALED_SUFFIX if target.size else suffix_of(state.format)
        places[state.sha256] = part, f"{part}/{folders[state.class_name]}/{names[state.sha256]}{suffix}"
    return places


def _picture(project: Project, state: ImageState, label: int, place: tuple[str, str], origins: list[Origin]) -> Picture:
    part, file = place
    return Picture(
        sha256=state.sha256,
        original=project.image_path(state.sha256, state.format),
        location=origins[0].location if origins else "",
        class_name=state.class_name,
        label=label,
        part=part,
        file=file,
        credits=tuple(credit_lines(state.sha256, file, state.class_name, origins)),
    )


def _digest(export: Export, target: Target) -> str:
    """Return the digest of all that the files of an export depend on, the day apart."""
    pictures = [(picture.sha256, picture.label, picture.file, picture.credits) for picture in export.pictures]
    return hash_text(repr((_VERSION, target.to, export.size, export.name, export.about, export.class_names, pictures)))


def _current(out: Path, digest: str) -> ExportDataReport | None:
    """Return the report of the export that is there where it is the same and whole.

    Raises:
        ProjectExists: there is something that no export wrote.
        InputUnusable: there is a file of that name.
    """
    record = read_replaceable(out, _KEYS)
    if record is None:
        return None
    files = sum(path.is_file() for path in out.rglob("*"))
    if record["digest"] != digest or files <= record["files"] or record["left_out"]:
        return None
    return ExportDataReport(**{**{key: record[key] for key in record if key != "digest"}, "folder": str(out)})


def _begin(out: Path, digest: str) -> Path:
    """Return the folder to fill; what an interrupted export of the same left there stays."""
    fresh = out.with_name(f"{out.name}.unfinished")
    if fresh.exists():
        record = read_record(fresh, _KEYS)
        if record is None and any(fresh.iterdir()):
            message = f"{fresh} holds files that no export wrote"
            raise ProjectExists(message, "rename it, or choose another folder: --out DIR")
        if record is None or record["digest"] != digest:
            shutil.rmtree(fresh)
        else:  # the pictures can be used again
            for path in (*filter(Path.is_file, fresh.iterdir()), *fresh.rglob("*.part")):
                if path.name != RECORD_FILE:
                    path.unlink(missing_ok=True)
            shutil.rmtree(fresh / "data", ignore_errors=True)
    fresh.mkdir(parents=True, exist_ok=True)
    write_record(fresh, {"digest": digest, "files": 0, "left_out": {}})
    return fresh


def _finish(export: Export, target: Target, fresh: Path, digest: str) -> ExportDataReport:
    """Write the credits and what the export says of itself; return its report."""
    shutil.rmtree(fresh / ".scaled", ignore_errors=True)
    parts = export.parts()
    if not parts:
        reason = next(iter(export.left_out.values()))
        raise InputMissing(f"not one of the originals can be read: {reason}", "restore the folder images/")
    exported = [picture for pictures in parts.values() for picture in pictures]
    credits = (line for picture in sorted(exported, key=lambda item: item.file) for line in picture.credits)
    (fresh / "CREDITS.csv").write_text(credit_table(credits), encoding="utf-8")
    counts = {part: dict(sorted(Counter(item.class_name for item in items).items())) for part, items in parts.items()}
    written = [path for path in fresh.rglob("*") if path.is_file() and path.name != RECORD_FILE]
    out = fresh.with_name(fresh.name.removesuffix(".unfinished"))
    places = {picture.sha256: picture for picture in export.pictures}
    report = ExportDataReport(
        to=target.to,
        folder=str(out),
        counts=counts,
        files=len(written),
        bytes=sum(path.stat().st_size for path in written),
        size=export.size,
        left_out={_named(places[sha256]): reason for sha256, reason in sorted(export.left_out.items())},
    )
    record = {key: value for key, value in asdict(report).items() if key != "folder"}  # it may be moved
    write_record(fresh, {**record, "digest": digest})
    return report


def _named(picture: Picture) -> str:
    """Return an original by its place in the project, and where it came from."""
    return f"images/{picture.sha256[:2]}/{picture.original.name} ({picture.location})"
