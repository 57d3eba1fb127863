"""The stage that adds a person's own pictures: from folders, tables and archives.

Originals are stored by the hash of their bytes and never changed. What is refused is counted with its reason.
Knows nothing about what the pictures show.
"""

import difflib
from collections import Counter, defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from fieldguide.errors import BadImage, FieldguideError, InputUnusable, NamesError, translate_os_errors
from fieldguide.images import read_header
from fieldguide.licences import read_licence
from fieldguide.names import check_name, match_key
from fieldguide.progress import Progress
from fieldguide.project import Project, decode_limits
from fieldguide.records import AddReport, ImageRow, Label, Origin
from fieldguide.settings import Settings
from fieldguide.stages.add.files import InputFile
from fieldguide.stages.add.inputs import read_input
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
    """

    class_name: str = ""
    author: str = ""
    licence: str = ""
    licence_url: str = ""


@dataclass
class _Counts:
    """What has been taken and refused so far."""

    taken: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    known: int = 0

    def refuse(self, reason: str, example: str) -> None:
        """Count one more file that was not taken, and keep the first few as examples."""
        self.refused[reason] += 1
        if len(self.examples[reason]) < _EXAMPLES:
            self.examples[reason].append(example)


def add(
    project: Project, settings: Settings, path: Path, *, terms: Terms | None = None, progress: Progress
) -> AddReport:
    """Add pictures; report what was taken, what was known already, and what was refused and why.

    Args:
        project: where the originals go.
        settings: the names, and what counts as a picture.
        path: a folder with a folder per class (or `train/`, `validation/`, `test/` with those), a flat folder, a
            CSV or Parquet of `path,label`, or a zip or tar of folders.
        terms: author, licence, and one class name for everything.
        progress: told of each batch.

    Raises:
        InputMissing: there is nothing at `path`.
        InputUnusable: nothing there can be a labelled picture, or the licence is not known.
        MissingExtra: a Parquet file without pyarrow.
    """
    terms = terms or Terms()
    if terms.licence and not terms.licence_url and not read_licence(terms.licence).spdx:
        message = f"{terms.licence!r} is not a licence that Fieldguide knows"
        raise InputUnusable(message, "give an SPDX identifier such as CC-BY-4.0, or own, or add --licence-url")
    counts = _Counts()
    with translate_os_errors(f"adding {path}"), project.catalog() as catalog, ExitStack() as stack:
        source, files = read_input(path, tuple(settings.classes), terms.class_name, stack)
        used = sorted(set().union(*catalog.labels().values()))
        adder = _Adder(project, settings, terms, source, counts, catalog.hashes(), used)
        progress.start(f"adding {readable(path.name or str(path))}", len(files))
        for first in range(0, len(files), _BATCH):
            batch = files[first : first + _BATCH]
            rows = [row for file in batch if (row := adder.add(file)) is not None]
            catalog.add_images(rows, project.now())
            progress.advance(len(batch))
    examples = {reason: tuple(paths) for reason, paths in counts.examples.items()}
    report = AddReport(
        readable(str(path)), dict(sorted(counts.taken.items())), counts.known, dict(counts.refused.most_common()),
        examples, dict(counts.splits),
    )  # fmt: skip
    if not report.taken and not report.known:
        raise _nothing_taken(path, report)
    return report


@dataclass
class _Adder:
    """Adds one picture after another."""

    project: Project
    settings: Settings
    terms: Terms
    source: str
    counts: _Counts
    known: set[str]
    used: list[str]

    def __post_init__(self) -> None:
        self.limits = decode_limits(self.settings)
        self.by_key = {match_key(name): name for name in self.settings.classes or self.used}

    def add(self, file: InputFile) -> tuple[ImageRow, Origin, Label] | None:
        """Store one picture and return its rows for the catalogue; None when it was refused."""
        class_name = self._class_name(file)
        if not class_name:
            return None
        data = self._read(file)
        if data is None:
            return None
        try:
            header = read_header(data, self.limits)
        except BadImage as error:
            self.counts.refuse(error.reason, f"{file.location}: {error.detail}")
            return None
        sha256 = self.project.store_image(data, header.format)
        row = ImageRow(sha256, header.format, len(data), header.width, header.height, header.mode, header.frames)
        origin = self._origin(sha256, file)
        self._count(sha256, class_name, file)
        return row, origin, Label(sha256, class_name, "folder")

    def _origin(self, sha256: str, file: InputFile) -> Origin:
        """Return where the picture came from and under what terms."""
        licence = read_licence(self.terms.licence, self.terms.licence_url)
        return Origin(
            sha256=sha256,
            source=self.source,
            location=file.location,
            author=self.terms.author,
            licence=licence.spdx,
            licence_url=licence.url,
            given_split=file.given_split,
            licence_raw=self.terms.licence,
        )

    def _count(self, sha256: str, class_name: str, file: InputFile) -> None:
        if sha256 in self.known:
            self.counts.known += 1
            return
        self.known.add(sha256)
        self.counts.taken[class_name] += 1
        if file.given_split:
            self.counts.splits[file.given_split] += 1

    def _class_name(self, file: InputFile) -> str:
        """Return the project's own spelling of the label; "" when it is not one of its names."""
        if not file.label:
            self.counts.refuse("no_class", f"{file.location}: neither a folder nor the file name says which class")
            return ""
        name = self.by_key.get(match_key(file.label), "")
        if not name and not self.settings.classes:
            return self._new_name(file)
        if not name:
            nearest = difflib.get_close_matches(file.label, self.settings.classes, n=1)
            advice = f"; did you mean {nearest[0]!r}?" if nearest else ""
            self.counts.refuse("other_class", f"{file.location}: {file.label!r} is not a name of this project{advice}")
        return name

    def _new_name(self, file: InputFile) -> str:
        """Return the label as a new class name, where the project accepts any; "" when it cannot be one."""
        try:
            name = check_name(file.label)
        except NamesError as error:
            self.counts.refuse("bad_name", f"{file.location}: {error.message}")
            return ""
        self.by_key[match_key(name)] = name
        return name

    def _read(self, file: InputFile) -> bytes | None:
        """Return the bytes; None when they cannot be read or are too many."""
        limit = self.limits.max_bytes
        if file.size_bytes > limit:
            detail = f"{file.size_bytes:,} bytes; at most {limit:,} are allowed"
            self.counts.refuse("too_many_bytes", f"{file.location}: {detail}")
            return None
        try:
            return file.read()
        except (OSError, FieldguideError) as error:
            self.counts.refuse("unreadable", f"{file.location}: {error}")
            return None


def _nothing_taken(path: Path, report: AddReport) -> InputUnusable:
    """Return the error for a source without a single usable picture: its commonest reason, and what to do."""
    reason, count = next(iter(report.refused.items()))
    example = report.examples[reason][0]
    hints = {
        "no_class": "put the pictures into one folder per class, or give --class NAME",
        "other_class": "name the folders as in fieldguide.toml, or add their names to [classes] there",
    }
    hint = hints.get(reason, "check that other programs open them; [images] in fieldguide.toml says what is accepted")
    return InputUnusable(f"no picture of {path} can be used ({count} x {reason}): {example}", hint)
