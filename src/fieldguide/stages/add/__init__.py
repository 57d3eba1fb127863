"""The stage that takes pictures from where a person has them: folders, tables, archives.

Originals are stored by the hash of their bytes and never changed. What is not taken is counted with its reason.
Knows nothing about what the pictures show.
"""

import difflib
from collections import Counter, defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from fieldguide.errors import (
    BadImage,
    FieldguideError,
    InputMissing,
    InputUnusable,
    NamesError,
    translate_os_errors,
)
from fieldguide.images import read_header
from fieldguide.licences import read_licence
from fieldguide.names import check_name, match_key
from fieldguide.progress import Progress
from fieldguide.project import Project, decode_limits
from fieldguide.records import AddReport, ImageRow, Label, Origin
from fieldguide.settings import Settings
from fieldguide.stages.add.archives import is_archive, read_archive
from fieldguide.stages.add.folders import Found, read_folder
from fieldguide.stages.add.tables import is_table, read_table
from fieldguide.text import readable

__all__ = ["Terms", "add"]

_BATCH = 64
_EXAMPLES = 3


@dataclass(frozen=True)
class Terms:
    """Under what terms pictures are added, and what they show where no folder says so.

    Attributes:
        class_name: what every picture shows; "" takes the names of folders or files.
        author: who made them.
        licence: SPDX identifier, or "own" for the person's own pictures; other words need a `licence_url`.
        licence_url: where the licence can be read.
    """

    class_name: str = ""
    author: str = ""
    licence: str = ""
    licence_url: str = ""


@dataclass
class _Tally:
    """Counts while adding."""

    taken: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    known: int = 0

    def refuse(self, reason: str, example: str) -> None:
        """Nothing; one more was not taken."""
        self.refused[reason] += 1
        if len(self.examples[reason]) < _EXAMPLES:
            self.examples[reason].append(example)


def add(
    project: Project, settings: Settings, path: Path, *, terms: Terms | None = None, progress: Progress
) -> AddReport:
    """What was taken, what was known already, and what was refused and why.

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
        NoPermission: it cannot be read.
        DiskFull: no space; what was taken before stays.
    """
    terms = terms or Terms()
    if terms.licence and not terms.licence_url and not read_licence(terms.licence).spdx:
        message = f"{terms.licence!r} is no licence that Fieldguide knows"
        raise InputUnusable(message, "give an SPDX identifier such as CC-BY-4.0, or: own; or its --licence-url too")
    tally = _Tally()
    with translate_os_errors(f"adding {path}"), project.catalog() as catalog, ExitStack() as opened:
        source, found = _open(path, settings, terms, opened)
        used = sorted(set().union(*catalog.labels().values()))
        taker = _Taker(project, settings, terms, source, tally, catalog.hashes(), used)
        progress.start(f"adding {readable(path.name or str(path))}", len(found))
        for first in range(0, len(found), _BATCH):
            batch = found[first : first + _BATCH]
            rows = [row for item in batch if (row := taker.take(item)) is not None]
            catalog.add_images(rows, project.now())
            progress.advance(len(batch))
    examples = {reason: tuple(paths) for reason, paths in tally.examples.items()}
    report = AddReport(
        readable(str(path)), dict(sorted(tally.taken.items())), tally.known, dict(tally.refused.most_common()),
        examples, dict(tally.splits),
    )  # fmt: skip
    if not report.taken and not report.known:
        raise _nothing_taken(path, report)
    return report


def _open(path: Path, settings: Settings, terms: Terms, opened: ExitStack) -> tuple[str, list[Found]]:
    """The kind of source and what it holds.

    Raises:
        InputMissing: there is nothing at the path.
        InputUnusable: it is no folder, table or archive, or it is empty.
        MissingExtra: a Parquet file without pyarrow.
    """
    if not path.exists():
        raise InputMissing(f"there is nothing at {path}", "check the path")
    names = tuple(settings.classes)
    if path.is_dir():
        source, found = "folder", read_folder(path, names, terms.class_name)
    elif is_table(path):
        source, found = "table", read_table(path, terms.class_name)
    elif is_archive(path):
        source, found = "archive", read_archive(path, names, terms.class_name, opened)
    else:
        hint = "give a folder with a folder per class, a .csv or .parquet of path,label, or a .zip or .tar"
        raise InputUnusable(f"{path} is a file that holds no folders of pictures", hint)
    if not found:
        raise InputUnusable(f"{path} holds no files", "give a folder with a folder of pictures for each class")
    return source, found


@dataclass
class _Taker:
    """Takes one picture after the other."""

    project: Project
    settings: Settings
    terms: Terms
    source: str
    tally: _Tally
    known: set[str]
    used: list[str]

    def __post_init__(self) -> None:
        self.limits = decode_limits(self.settings)
        self.by_key = {match_key(name): name for name in self.settings.classes or self.used}

    def take(self, found: Found) -> tuple[ImageRow, Origin, Label] | None:
        """What the catalogue is to know of one picture; None when it was refused.

        Raises:
            DiskFull: no space.
            NoPermission: the project cannot be written.
        """
        class_name = self._class_name(found)
        if not class_name:
            return None
        data = self._read(found)
        if data is None:
            return None
        try:
            header = read_header(data, self.limits)
        except BadImage as error:
            self.tally.refuse(error.reason, f"{found.location}: {error.detail}")
            return None
        sha256 = self.project.store_image(data, header.format)
        row = ImageRow(sha256, header.format, len(data), header.width, header.height, header.mode, header.frames)
        origin = self._origin(sha256, found)
        self._count(sha256, class_name, found)
        return row, origin, Label(sha256, class_name, "folder")

    def _origin(self, sha256: str, found: Found) -> Origin:
        """Where the picture came from and under what terms."""
        licence = read_licence(self.terms.licence, self.terms.licence_url)
        return Origin(
            sha256=sha256,
            source=self.source,
            location=found.location,
            author=self.terms.author,
            licence=licence.spdx,
            licence_url=licence.url,
            given_split=found.given_split,
            licence_raw=self.terms.licence,
        )

    def _count(self, sha256: str, class_name: str, found: Found) -> None:
        if sha256 in self.known:
            self.tally.known += 1
            return
        self.known.add(sha256)
        self.tally.taken[class_name] += 1
        if found.given_split:
            self.tally.splits[found.given_split] += 1

    def _class_name(self, found: Found) -> str:
        """The project's own spelling of the label; "" when it is none of its names."""
        if not found.label:
            self.tally.refuse("no_class", f"{found.location}: neither a folder nor the file's name says a class")
            return ""
        name = self.by_key.get(match_key(found.label), "")
        if not name and not self.settings.classes:
            return self._new_name(found)
        if not name:
            nearest = difflib.get_close_matches(found.label, self.settings.classes, n=1)
            advice = f"; did you mean {nearest[0]!r}?" if nearest else ""
            self.tally.refuse("other_class", f"{found.location}: {found.label!r} is not a name of this project{advice}")
        return name

    def _new_name(self, found: Found) -> str:
        """The label as a new class name, where the project takes whatever comes; "" when it cannot be one."""
        try:
            name = check_name(found.label)
        except NamesError as error:
            self.tally.refuse("bad_name", f"{found.location}: {error.message}")
            return ""
        self.by_key[match_key(name)] = name
        return name

    def _read(self, found: Found) -> bytes | None:
        """The bytes; None when they cannot be read or are too many."""
        limit = self.limits.max_bytes
        if found.size_bytes > limit:
            self.tally.refuse("too_many_bytes", f"{found.location}: {found.size_bytes:,} bytes; {limit:,} are the most")
            return None
        try:
            return found.read()
        except (OSError, FieldguideError) as error:
            self.tally.refuse("unreadable", f"{found.location}: {error}")
            return None


def _nothing_taken(path: Path, report: AddReport) -> InputUnusable:
    """The error for a source without a single usable picture: its commonest reason, and what to do."""
    reason, count = next(iter(report.refused.items()))
    example = report.examples[reason][0]
    hints = {
        "no_class": "put the pictures into a folder per class, or give --class NAME",
        "other_class": "name the folders as in fieldguide.toml, or add their names to [classes] there",
    }
    hint = hints.get(reason, "give pictures that open elsewhere; [images] in fieldguide.toml says what is taken")
    return InputUnusable(f"no picture of {path} can be used ({count} x {reason}): {example}", hint)
