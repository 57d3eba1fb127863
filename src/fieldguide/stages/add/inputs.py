"""What a folder, a table or an archive holds: each file with the class and the split that its place names.

An archive is read one member at a time into memory: nothing is ever unpacked to a disk, paths inside are only words to
read a class from, and links and nested archives are not followed. Knows nothing about projects; opens no picture.
"""

import gzip
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from fieldguide.errors import InputMissing, InputUnusable
from fieldguide.filetypes import picture_format
from fieldguide.folders import Skipped, is_leftover, walk
from fieldguide.names import match_key
from fieldguide.stages.add.files import InputFile, refuse_reading
from fieldguide.stages.add.layout import FORMS, Layout, read_layout
from fieldguide.stages.add.splits import check_split_from
from fieldguide.stages.add.tables import is_table, read_cells, read_headings, read_parquet_cells, read_table
from fieldguide.stages.add.vectors import has_vectors, read_vectors
from fieldguide.text import readable

_VECTORS = "read as colour features without pictures, from which the learner colour alone can learn"
MAX_MEMBERS = 200_000
MAX_TOTAL_BYTES = 10_000_000_000
MAX_RATIO = 200
# what zipfile and tarfile raise on directories of members that make no sense
_DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, IndexError, ValueError,
    NotImplementedError, OverflowError, gzip.BadGzipFile,
)  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """How a source is to be read.

    Attributes:
        names: those of the project.
        class_name: what every picture shows, or "".
        layout: one of `layout.FORMS`.
        split_from: what further names of folders mean.
    """

    names: tuple[str, ...] = ()
    class_name: str = ""
    layout: str = "auto"
    split_from: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what a person chose."""
        if self.layout not in FORMS:
            raise InputUnusable(f"there is no layout {self.layout!r}", f"give one of {', '.join(FORMS)}")
        check_split_from(self.split_from)


@dataclass(frozen=True)
class Contents:
    """What a source holds.

    Attributes:
        kind: "folder", "table", "vectors", "archive" or "file".
        files: that may be pictures.
        layout: how folders are read; None where there are none.
        skipped: what was not read.
        note: what a person should know about how a table is read, or "".
    """

    kind: str
    files: Sequence[InputFile]
    layout: Layout | None = None
    skipped: tuple[Skipped, ...] = ()
    note: str = ""

    def closed(self) -> list[InputFile]:
        """Return a file that cannot be read for each folder that could not be."""
        return [
            InputFile(f"{item.location}/", PurePosixPath(item.location).name, "", 0, partial(_refuse, item.detail))
            for item in self.skipped
            if item.reason == "unreadable"
        ]

    def describe(self) -> list[str]:
        """Return lines that tell how it is read, and which folders are left out."""
        lines = [self.note] if self.note else []
        if self.layout is not None:
            lines += self.layout.describe([file.location for file in self.files])
        for skipped in self.skipped:
            if skipped.reason == "project":
                lines.append(f"left out: {skipped.location}, which a project or guide keeps")
            elif skipped.reason == "read_already":
                lines.append(f"left out: {skipped.location}: {skipped.detail}")
        return lines


def _refuse(detail: str) -> bytes:
    raise OSError(detail)


def read_input(path: Path, reading: Reading, stack: ExitStack) -> Contents:
    """Return what a source holds.

    Args:
        path: the source.
        reading: the names, and how folders are to be read.
        stack: closes an archive once its members have been read.

    Raises:
        InputMissing: there is nothing at the path.
        InputUnusable: it is not a folder, table or archive, it is empty, damaged, or inflates beyond measure; or
            folders look like splits, and it is not clear which.
        MissingExtra: a Parquet file without pyarrow.
    """
    if not path.exists():
        raise InputMissing(f"there is nothing at {path}", "check the path")
    if path.is_dir():
        contents = _read_folder(path, reading)
    elif is_table(path) and has_vectors(read_headings(path)):
        read = read_parquet_cells if path.suffix.lower() == ".parquet" else read_cells
        contents = Contents("vectors", read_vectors(path, *read(path), reading.class_name), note=_VECTORS)
    elif is_table(path):
        reads_folders = reading.layout not in ("class", "flat")
        files, note = read_table(path, reading.class_name, reading.split_from if reads_folders else None)
        contents = Contents("table", files, note=note)
    elif is_archive(path):
        contents = read_archive(path, reading, stack)
    elif _is_picture(path):
        contents = Contents("file", [_read_picture(path, reading)])
    else:
        hint = "give a folder with a folder per class, a .csv or .parquet of path,label, a .zip or .tar, or a picture"
        raise InputUnusable(f"{path} is neither a picture nor a file that holds any", hint)
    if not contents.files:
        raise InputUnusable(f"{path} holds no files", "give a folder with a folder of pictures for each class")
    return contents


def _is_picture(path: Path) -> bool:
    if not path.is_file():  # a pipe may never end
        return False
    with path.open("rb") as file:
        return bool(picture_format(file.read(2048)))


def _read_picture(path: Path, reading: Reading) -> InputFile:
    """Return a single picture: where nothing else says its class, its folder may be called as one of the names."""
    location = readable(path.name)
    label, _ = Layout("flat", "", reading.names, {}, reading.class_name).place(location)
    own_folder = match_key(path.resolve().parent.name)
    label = label or next((name for name in reading.names if match_key(name) == own_folder), "")
    return InputFile(location, label, "", path.stat().st_size, path.read_bytes)


def _read_folder(folder: Path, reading: Reading) -> "Contents":
    """Return every file under a folder in the order of the paths, what other programs left there aside."""
    found, skipped = walk(folder, reading.names)
    paths = {readable(path.relative_to(folder).as_posix()): path for path in found}
    class_name = reading.class_name
    if not class_name and all("/" not in location for location in paths):
        own_name = match_key(folder.resolve().name)
        class_name = next((name for name in reading.names if match_key(name) == own_name), "")
    layout = read_layout(list(paths), reading.names, class_name, reading.layout, reading.split_from)
    inputs = []
    for location, path in paths.items():
        label, split = layout.place(location)
        try:
            ordinary, size = path.is_file(), path.stat().st_size
        except OSError:  # a dangling link, or in a folder that lists its names alone
            ordinary, size = not path.is_symlink(), 0
        # reading a socket or a pipe must not hang
        read = path.read_bytes if ordinary else partial(refuse_reading, location)
        inputs.append(InputFile(location, label, split, size if ordinary else 0, read))
    return Contents("folder", inputs, layout, tuple(skipped))


def is_archive(path: Path) -> bool:
    """Tell whether the file is a zip or a tar, by its content."""
    try:
        return zipfile.is_zipfile(path) or tarfile.is_tarfile(path)
    except _DAMAGE:  # packed, and damaged at its beginning
        return True


def read_archive(path: Path, reading: Reading, stack: ExitStack) -> Contents:
    """Return every file in an archive with its class and split, in the archive's order; as `read_input`.

    Raises:
        InputUnusable: it is damaged, holds over 200,000 members or 10 GB, or inflates more than 200 times.
    """
    try:
        members = _zip_members(path, stack) if zipfile.is_zipfile(path) else _tar_members(path, stack)
    except _DAMAGE as error:
        raise InputUnusable(f"{path} is damaged: {error}", "make or download the archive again") from error
    _check_sizes(path, members)
    kept = {name.casefold() for name in reading.names}
    visible = [file for file in members if not any(
        is_leftover(part) and part.casefold() not in kept for part in PurePosixPath(file.location).parts)]  # fmt: skip
    locations = [file.location for file in visible]
    layout = read_layout(locations, reading.names, reading.class_name, reading.layout, reading.split_from)
    inputs = []
    for file in visible:
        label, split = layout.place(file.location)
        inputs.append(InputFile(file.location, label, split, file.size_bytes, file.read))
    return Contents("archive", inputs, layout)


def _check_sizes(path: Path, members: Sequence[InputFile]) -> None:
    """Refuse an archive of a size that no honest one has."""
    total = sum(member.size_bytes for member in members)
    hint = "unpack it yourself if you trust it, and add the folder"
    if len(members) > MAX_MEMBERS:
        raise InputUnusable(f"{path} holds {len(members):,} files; at most {MAX_MEMBERS:,} are allowed", hint)
    if total > MAX_TOTAL_BYTES or total > MAX_RATIO * max(path.stat().st_size, 1_000):
        raise InputUnusable(f"{path} would inflate to {total:,} bytes", hint)


def _zip_members(path: Path, stack: ExitStack) -> list[InputFile]:
    """Return the ordinary files in a zip; links count as text and are refused later, not being pictures."""
    archive = stack.enter_context(zipfile.ZipFile(path))
    return [
        InputFile(_zip_name(info).replace("\\", "/"), "", "", info.file_size, partial(_read_zip, archive, info))
        for info in archive.infolist()[: MAX_MEMBERS + 1]
        if info.filename and not info.is_dir()
    ]


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Return a member's name; many programs write UTF-8 without the flag that says so."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _read_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Return a member's bytes, never more than its entry states."""
    try:
        with archive.open(info) as file:
            return file.read(info.file_size)
    except (*_DAMAGE, RuntimeError) as error:
        raise OSError(f"cannot be unpacked: {error}") from error


def _tar_members(path: Path, stack: ExitStack) -> list[InputFile]:
    """Return the ordinary files in a tar; links and devices are left out."""
    archive = stack.enter_context(tarfile.open(path))  # noqa: SIM115
    members = []
    total = 0
    for member in archive:
        if member.isreg():
            members.append(InputFile(readable(member.name), "", "", member.size, partial(_read_tar, archive, member)))
            total += member.size
        if len(members) > MAX_MEMBERS or total > MAX_TOTAL_BYTES:
            break  # refused by its sizes; reading on would only inflate more
    return members


def _read_tar(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    try:
        file = archive.extractfile(member)
        return file.read(member.size) if file else b""
    except _DAMAGE as error:
        raise OSError(f"cannot be unpacked: {error}") from error
