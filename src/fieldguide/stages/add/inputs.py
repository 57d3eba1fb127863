"""What a folder, a table or an archive holds: each file with the class and the split that its place names.

An archive is read one member at a time into memory: nothing is ever unpacked to a disk, paths inside are only words to
read a class from, and links and nested archives are not followed. Knows nothing about projects; opens no picture.
"""

import gzip
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path, PurePosixPath

from fieldguide.errors import InputMissing, InputUnusable
from fieldguide.filetypes import picture_format
from fieldguide.names import match_key
from fieldguide.stages.add.files import SPLIT_FOLDERS, InputFile, refuse_reading
from fieldguide.stages.add.tables import is_table, read_table
from fieldguide.text import readable

_NOT_PICTURES = {"thumbs.db", "desktop.ini", "__macosx"}
MAX_MEMBERS = 200_000
MAX_TOTAL_BYTES = 10_000_000_000
MAX_RATIO = 200
# what zipfile and tarfile raise on directories of members that make no sense
_DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, IndexError, ValueError,
    NotImplementedError, OverflowError, gzip.BadGzipFile,
)  # fmt: skip


def read_input(path: Path, names: Sequence[str], class_name: str, stack: ExitStack) -> tuple[str, list[InputFile]]:
    """Return the kind of a source ("folder", "table", "archive", "file") and the files it holds.

    Args:
        path: the source.
        names: those of the project.
        class_name: what every picture shows, or "".
        stack: closes an archive once its members have been read.

    Raises:
        InputMissing: there is nothing at the path.
        InputUnusable: it is not a folder, table or archive, it is empty, damaged, or inflates beyond measure.
        MissingExtra: a Parquet file without pyarrow.
    """
    if not path.exists():
        raise InputMissing(f"there is nothing at {path}", "check the path")
    if path.is_dir():
        kind, files = "folder", _read_folder(path, names, class_name)
    elif is_table(path):
        kind, files = "table", read_table(path, class_name)
    elif is_archive(path):
        kind, files = "archive", read_archive(path, names, class_name, stack)
    elif _is_picture(path):
        kind, files = "file", [_read_picture(path, names, class_name)]
    else:
        hint = "give a folder with a folder per class, a .csv or .parquet of path,label, a .zip or .tar, or a picture"
        raise InputUnusable(f"{path} is neither a picture nor a file that holds any", hint)
    if not files:
        raise InputUnusable(f"{path} holds no files", "give a folder with a folder of pictures for each class")
    return kind, files


def _is_picture(path: Path) -> bool:
    if not path.is_file():  # a pipe may never end
        return False
    with path.open("rb") as file:
        return bool(picture_format(file.read(2048)))


def _read_picture(path: Path, names: Sequence[str], class_name: str) -> InputFile:
    """Return a single picture: where nothing else says its class, its folder may be called as one of the names."""
    location = readable(path.name)
    label, _ = class_and_split(location, names, class_name)
    own_folder = match_key(path.resolve().parent.name)
    label = label or next((name for name in names if match_key(name) == own_folder), "")
    return InputFile(location, label, "", path.stat().st_size, path.read_bytes)


def class_and_split(location: str, names: Sequence[str], class_name: str) -> tuple[str, str]:
    """Return the class and the split that a path names; "" for either when it names none.

    The first folder names the class, after a split folder if there is one; when the project has names, the first
    folder that is one of them. Without folders the file's own name may begin with one of the names.
    """
    folders = list(PurePosixPath(location).parts[:-1])
    keys = {match_key(name) for name in names}
    split = SPLIT_FOLDERS.get(match_key(folders[0]), "") if folders else ""
    if len(folders) == 1 and match_key(folders[0]) in keys:
        split = ""  # a class may be called "train"
    if split:
        folders = folders[1:]
    if class_name:
        return class_name, split
    named = next((folder for folder in folders if match_key(folder) in keys), "")
    if named or folders:
        return named or folders[0], split
    stem = match_key(PurePosixPath(location).stem)
    starts = [name for name in names if stem == match_key(name) or stem.startswith(match_key(name) + " ")]
    return max(starts, key=len, default=""), split


def wrapping_folder(locations: Sequence[str], names: Sequence[str]) -> str:
    """Return the folder, with its slash, that wraps everything without being a class itself; "" when there is none.

    A folder wraps when it is the only one at its depth and holds folders, as archives and downloads often have.
    """
    kept = {*SPLIT_FOLDERS, *map(match_key, names)}
    prefix = ""
    while True:
        rest = [PurePosixPath(location[len(prefix) :]).parts for location in locations]
        tops = {parts[0] for parts in rest if parts}
        if len(tops) != 1 or any(len(parts) < 3 for parts in rest) or match_key(min(tops)) in kept:
            return prefix
        prefix += min(tops) + "/"


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name.casefold() not in _NOT_PICTURES


def _read_folder(folder: Path, names: Sequence[str], class_name: str) -> list[InputFile]:
    """Return every file under a folder in the order of the paths; hidden ones are skipped."""
    os.scandir(folder).close()
    paths = sorted(
        Path(base, file).relative_to(folder)
        for base, folders, files in os.walk(folder, onerror=_raise)
        for file in _visible(folders, files)
    )
    located = [(readable(path.as_posix()), path) for path in paths]
    prefix = wrapping_folder([location for location, _ in located], names)
    if not class_name and all("/" not in location for location, _ in located):
        own_name = match_key(folder.resolve().name)
        class_name = next((name for name in names if match_key(name) == own_name), "")
    inputs = []
    for location, path in located:
        label, split = class_and_split(location[len(prefix) :], names, class_name)
        full = folder / path
        if full.is_file():
            inputs.append(InputFile(location, label, split, full.stat().st_size, full.read_bytes))
        else:  # a dangling link, a socket, a pipe: reading it must not hang
            inputs.append(InputFile(location, label, split, 0, partial(refuse_reading, location)))
    return inputs


def _raise(error: OSError) -> None:
    raise error


def _visible(folders: list[str], files: list[str]) -> Iterable[str]:
    """Return the visible files; take hidden folders out of `folders` so that the walk skips them."""
    folders[:] = [name for name in folders if _is_visible(name)]
    return [name for name in files if _is_visible(name)]


def is_archive(path: Path) -> bool:
    """Tell whether the file is a zip or a tar, by its content."""
    try:
        return zipfile.is_zipfile(path) or tarfile.is_tarfile(path)
    except _DAMAGE:  # packed, and damaged at its beginning
        return True


def read_archive(path: Path, names: Sequence[str], class_name: str, stack: ExitStack) -> list[InputFile]:
    """Return every file in an archive with its class and split, in the archive's order; as `read_input`.

    Raises:
        InputUnusable: it is damaged, holds over 200,000 members or 10 GB, or inflates more than 200 times.
    """
    try:
        members = _zip_members(path, stack) if zipfile.is_zipfile(path) else _tar_members(path, stack)
    except _DAMAGE as error:
        raise InputUnusable(f"{path} is damaged: {error}", "make or download the archive again") from error
    _check_sizes(path, members)
    visible = [file for file in members if all(_is_visible(part) for part in PurePosixPath(file.location).parts)]
    prefix = wrapping_folder([file.location for file in visible], names)
    inputs = []
    for file in visible:
        label, split = class_and_split(file.location[len(prefix) :], names, class_name)
        inputs.append(InputFile(file.location, label, split, file.size_bytes, file.read))
    return inputs


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
        InputFile(info.filename.replace("\\", "/"), "", "", info.file_size, partial(_read_zip, archive, info))
        for info in archive.infolist()[: MAX_MEMBERS + 1]
        if info.filename and not info.is_dir()
    ]


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
