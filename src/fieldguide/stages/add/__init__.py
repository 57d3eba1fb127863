"""The stage that adds a person's own pictures: from folders, tables and archives.

Originals are stored by the hash of their bytes and never changed. What is refused is counted with its reason.
Knows nothing about what the pictures show.
"""

import difflib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from fieldguide.errors import BadImage, FieldguideError, InputUnusable, NamesError, translate_os_errors
from fieldguide.folders import Skipped
from fieldguide.images import read_header
from fieldguide.images.swatches import SWATCH
from fieldguide.licences import read_licence
from fieldguide.names import check_name, match_key
from fieldguide.progress import Progress
from fieldguide.project import Project, decode_limits
from fieldguide.project.additions import Additions, LabelPlace
from fieldguide.project.catalog import Catalog
from fieldguide.records import AddReport, ImageRow, Label, Origin
from fieldguide.settings import Settings
from fieldguide.stages.add.files import InputFile
from fieldguide.stages.add.inputs import Reading, read_input
from fieldguide.stages.add.labels import LabelHistory
from fieldguide.stages.add.splits import describe_unused_split, looks_like_split, read_splits
from fieldguide.stages.add.tables import is_table
from fieldguide.text import readable

_BATCH = 64
_EXAMPLES = 3


@dataclass(frozen=True)
class Terms:
    """The terms under which pictures are added, and what they show where no folder names it.

    Attributes:
        class_name: what every picture shows; "" takes the names of folders or files.
        author: who made them.
        licence: SPDX identifier, or "own" for the person's own pictures; anything else needs a `licence_url`.
        licence_url: where the licence can be read.
        relabel: whether a picture that is known under another label gets the new one instead.
        layout: how folders are read: "auto", "class", "split/class", "class/split" or "flat".
        split_from: pairs of a folder's name and the split that it stands for.
    """

    class_name: str = ""
    author: str = ""
    licence: str = ""
    licence_url: str = ""
    relabel: bool = False
    layout: str = "auto"
    split_from: tuple[tuple[str, str], ...] = ()


@dataclass
class _Counts:
    """What has been taken and refused so far."""

    taken: Counter[str] = field(default_factory=Counter)
    relabelled: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    spellings: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    known: int = 0
    conflicts: int = 0
    vectors: int = 0

    def refuse(self, reason: str, example: str) -> None:
        """Count one more file that was not taken, and keep the first few as examples."""
        self.refused[reason] += 1
        self.show(reason, example)

    def show(self, reason: str, example: str) -> None:
        """Keep the first few examples of a reason."""
        if len(self.examples[reason]) < _EXAMPLES:
            self.examples[reason].append(example)


@dataclass(frozen=True)
class _Source:
    """One of the paths that are added, and what it holds."""

    root: Path
    kind: str
    files: Sequence[InputFile]
    skipped: Sequence[Skipped] = ()


def add(
    project: Project, settings: Settings, *paths: Path, terms: Terms | None = None, progress: Progress
) -> AddReport:
    """Add pictures; report what was taken, what was known already, and what was refused and why.

    Args:
        project: where the originals go.
        settings: the names, and what counts as a picture.
        paths: each a folder with a folder per class (or `train/`, `validation/`, `test/` with those), a flat folder, a
            CSV or Parquet of `path,label` and perhaps `split,group`, one of the 18 colour features and labels, or a zip
            or tar of folders.
        terms: author, licence, and one class name for everything.
        progress: told of each batch.

    Raises:
        InputMissing: there is nothing at a path.
        InputUnusable: nothing there can be a labelled picture, or the licence is not known.
        MissingExtra: a Parquet file without pyarrow.
    """
    terms = terms or Terms()
    reading = Reading(tuple(settings.classes), terms.class_name, terms.layout, dict(terms.split_from))
    if terms.licence and not terms.licence_url and not read_licence(terms.licence).spdx:
        message = f"{terms.licence!r} is not a licence that Fieldguide knows"
        raise InputUnusable(message, "give an SPDX identifier such as CC-BY-4.0, or own, or add --licence-url")
    shown = _shorten([readable(str(path)) for path in paths])
    with translate_os_errors(f"adding {shown}"), project.catalog() as catalog, ExitStack() as stack:
        sources = []
        for path, split in zip(paths, _split_sources(paths, reading), strict=True):
            contents = read_input(path, reading, stack)
            files = [replace(file, given_split=file.given_split or split) for file in contents.files]
            sources.append(_Source(path.resolve(), contents.kind, files, contents.skipped))
            for line in [*contents.describe(), *_describe_split(path, split, contents.files)]:
                progress.say(line)
        adder = _Adder(project, settings, terms, catalog, sources)
        name = f"{len(paths)} paths" if len(paths) > 1 else readable(paths[0].name or str(paths[0]))
        progress.start(f"adding {name}", sum(len(source.files) for source in sources))
        for source in sources:
            adder.add_source(source, progress)
    report = _report(shown, adder)
    if not (report.taken or report.known or report.relabelled or report.conflicts):
        tables = [source.root / file.location for source in sources for file in source.files if is_table(file.location)]
        raise _nothing_taken(shown, report, tables)
    return report


def _split_sources(paths: Sequence[Path], reading: Reading) -> list[str]:
    """Return the split that each path is by its own name: as in `add train test`, or where a person says so."""
    names = [_own_name(path) for path in paths]
    splits = read_splits(names, reading.split_from)
    if len(set(splits.values())) < 2 or set(splits) < set(names):
        told = {match_key(name): split for name, split in reading.split_from.items()}
        splits = {name: told.get(match_key(name), "") for name in names}
    return [splits.get(name, "") for name in names]


def _own_name(path: Path) -> str:
    """Return the name of a folder, or of a file without its endings."""
    path = path.resolve()
    return path.name if path.is_dir() else path.name.partition(".")[0]


def _describe_split(path: Path, split: str, files: Sequence[InputFile]) -> Iterator[str]:
    """Yield what to know about a path that is called like a split."""
    name = _own_name(path)
    if split:
        yield f"read as the split {split}: {readable(str(path))}"
        return
    seeming = looks_like_split(name)
    if seeming and not any(file.given_split or match_key(file.label) == match_key(name) for file in files):
        yield describe_unused_split(readable(name), seeming)


def undo(project: Project, settings: Settings, *, number: int | None = None, progress: Progress) -> AddReport:
    """Take back what an addition brought, by its number or the last; originals and records stay.

    Raises:
        NotReady: there is no such addition, or it is undone already.
    """
    progress.start("undoing", None)
    with project.catalog() as catalog:
        undone = Additions(catalog).undo(number, project.now())
    return AddReport(
        path=_shorten(undone.paths), taken={}, known=0, refused={}, examples={}, number=undone.number,
        removed=undone.removed, restored=undone.restored, added_at=undone.added_at,
    )  # fmt: skip


def _shorten(paths: Sequence[str]) -> str:
    return ", ".join(paths[:_EXAMPLES]) + (f" and {len(paths) - _EXAMPLES} more" if len(paths) > _EXAMPLES else "")


def _report(shown: str, adder: "_Adder") -> AddReport:
    counts = adder.counts
    return AddReport(
        path=shown,
        taken=dict(sorted(counts.taken.items())),
        known=counts.known,
        refused=dict(counts.refused.most_common()),
        examples={reason: tuple(paths) for reason, paths in counts.examples.items()},
        given_splits=dict(counts.splits),
        number=adder.number if adder.is_recorded else 0,
        relabelled=dict(sorted(counts.relabelled.items())),
        conflicts=counts.conflicts,
        vectors=counts.vectors,
        spellings={name: tuple(sorted(labels)) for name, labels in sorted(counts.spellings.items()) if len(labels) > 1},
    )


class _Adder:
    """Adds one picture after another."""

    def __init__(
        self, project: Project, settings: Settings, terms: Terms, catalog: Catalog, sources: Sequence[_Source]
    ) -> None:
        self.counts = _Counts()
        self._project, self._settings, self._terms, self._catalog = project, settings, terms, catalog
        self._limits = decode_limits(settings)
        self._additions = Additions(catalog)
        self.number = self._additions.next_number()
        self.is_recorded = False
        places = self._additions.label_places()
        self._labels = LabelHistory(places, settings.classes, relabel=terms.relabel)
        for source in sources:
            self._labels.open_source(source.root, source.files)
        used = sorted({place.class_name for known in places.values() for place in known})
        self._by_key = {match_key(name): name for name in settings.classes or used}

    def add_source(self, source: _Source, progress: Progress) -> None:
        """Add what one source holds, batch by batch; it is written down as an addition once it brings anything new."""
        addition = 0
        for skipped in source.skipped:
            if skipped.reason == "unreadable":
                self.counts.refuse("unreadable", f"{skipped.location}/: {skipped.detail}")
        for first in range(0, len(source.files), _BATCH):
            batch = source.files[first : first + _BATCH]
            rows = [row for file in batch if (row := self._add_file(file, source)) is not None]
            if any(file.form for file in batch):
                self._project.flush_images()
            with self._catalog.transaction():
                if not addition and any(label for _, _, label in rows):
                    self.is_recorded = True
                    addition = self._additions.open_addition(
                        self.number, readable(str(source.root)), asdict(self._terms), self._project.now()
                    )
                self._catalog.add_images(rows, self._project.now(), addition)
            progress.advance(len(batch))

    def _add_file(self, file: InputFile, source: _Source) -> tuple[ImageRow, Origin, Label | None] | None:
        """Store one picture and return its rows for the catalogue; None when it was refused."""
        class_name = self._class_name(file)
        if not class_name:
            return None
        data = self._read(file)
        if data is None:
            return None
        try:
            header = read_header(data, self._limits)
        except BadImage as error:
            self.counts.refuse(error.reason, f"{file.location}: {error.detail}")
            return None
        form = file.form or header.format
        sha256 = self._project.store_image(data, form, durable=not file.form)
        row = ImageRow(sha256, form, len(data), header.width, header.height, header.mode, header.frames)
        return row, self._origin(sha256, file, source.kind), self._label(sha256, class_name, file, source)

    def _label(self, sha256: str, class_name: str, file: InputFile, source: _Source) -> Label | None:
        """Count the picture and return the label it is given; None where it keeps those it has."""
        counts = self.counts
        before = " and ".join(map(repr, self._labels.other_names(sha256, class_name)))
        change = self._labels.judge(sha256, class_name)
        if change == "new":
            counts.taken[class_name] += 1
            counts.vectors += file.form == SWATCH
            if file.given_split:
                counts.splits[file.given_split] += 1
        elif change == "known":
            counts.known += 1
        elif change == "relabelled":
            counts.relabelled[class_name] += 1
            counts.show("relabelled", f"{file.location}: was {before}")
        else:
            counts.conflicts += 1
            why = "a person decided that it is" if change == "decided" else "known as"
            counts.show("other_label", f"{file.location}: {why} {before}")
        place = LabelPlace(class_name, "folder", readable(str(source.root)), source.kind, file.location)
        is_recorded = self._labels.is_recorded(sha256, place)
        if change == "decided" or (is_recorded and change != "relabelled"):
            return None
        replaces = change == "relabelled" or (change == "known" and self._labels.has_moved(sha256))
        self._labels.record(sha256, place, replaces=replaces)
        return Label(sha256, class_name, "folder", replaces=replaces)

    def _origin(self, sha256: str, file: InputFile, kind: str) -> Origin:
        """Return where the picture came from and under what terms."""
        licence = read_licence(self._terms.licence, self._terms.licence_url)
        return Origin(
            sha256=sha256,
            source=kind,
            location=file.location,
            author=self._terms.author,
            licence=licence.spdx,
            licence_url=licence.url,
            given_split=file.given_split,
            licence_raw=self._terms.licence,
            family=file.group,
        )

    def _class_name(self, file: InputFile) -> str:
        """Return the project's own spelling of the label; "" when it is not one of its names."""
        if not file.label:
            self.counts.refuse("no_class", f"{file.location}: neither a folder nor the file name says which class")
            return ""
        name = self._by_key.get(match_key(file.label), "")
        if not name and not self._settings.classes:
            name = self._new_name(file)
            if not name:
                return ""
        if not name:
            nearest = difflib.get_close_matches(file.label, self._settings.classes, n=1)
            advice = f"; did you mean {nearest[0]!r}?" if nearest else ""
            self.counts.refuse("other_class", f"{file.location}: {file.label!r} is not a name of this project{advice}")
        else:
            self.counts.spellings[name].add(file.label)
            if not self._settings.classes:
                self.counts.spellings[name].add(name)
        return name

    def _new_name(self, file: InputFile) -> str:
        """Return the label as a new class name, where the project accepts any; "" when it cannot be one."""
        try:
            name = check_name(file.label)
        except NamesError as error:
            self.counts.refuse("bad_name", f"{file.location}: {error.message}")
            return ""
        self._by_key[match_key(name)] = name
        return name

    def _read(self, file: InputFile) -> bytes | None:
        """Return the bytes; None when they cannot be read or are too many."""
        limit = self._limits.max_bytes
        if file.size_bytes > limit:
            detail = f"{file.size_bytes:,} bytes; at most {limit:,} are allowed"
            self.counts.refuse("too_many_bytes", f"{file.location}: {detail}")
            return None
        try:
            return file.read()
        except (OSError, FieldguideError, BadImage) as error:
            reason = error.reason if isinstance(error, BadImage) else "unreadable"
            self.counts.refuse(reason, f"{file.location}: {getattr(error, 'strerror', None) or error}")
            return None


def _nothing_taken(shown: str, report: AddReport, tables: Sequence[Path]) -> InputUnusable:
    """Return the error for a source without a single usable picture: its commonest reason, and what to do."""
    reason, count = next(iter(report.refused.items()))
    example = report.examples[reason][0]
    hints = {
        "no_class": "put the pictures into one folder per class, or give --class NAME",
        "other_class": "name the folders as in fieldguide.toml, or add their names to [classes] there",
        "unreadable": "check that the files are there and open; paths in a table are relative to the table's folder",
    }
    if "no_class" in report.refused and tables:
        hints[reason] = f"if a table there names the classes: fieldguide add {readable(str(tables[0]))}"
    hint = hints.get(reason, "check that other programs open them; [images] in fieldguide.toml says what is accepted")
    return InputUnusable(f"no picture of {shown} can be used ({count} x {reason}): {example}", hint)
