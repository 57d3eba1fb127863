"""Pictures in a zip or tar, read one at a time into memory: nothing is ever unpacked to a disk.

Paths inside an archive are only words to read a class from; links and nested archives are not followed.
Knows nothing about projects; opens no picture.
"""

import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path, PurePosixPath

from fieldguide.errors import InputUnusable
from fieldguide.stages.add.folders import Found, is_visible, place, unwrap
from fieldguide.text import readable

__all__ = ["is_archive", "read_archive"]

MAX_MEMBERS = 200_000
MAX_TOTAL_BYTES = 10_000_000_000
MAX_RATIO = 200
# what zipfile and tarfile raise on directories of members that make no sense
_DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, IndexError, ValueError,
    NotImplementedError, OverflowError,
)  # fmt: skip


def is_archive(path: Path) -> bool:
    """Whether the file is a zip or a tar, by its content."""
    try:
        return zipfile.is_zipfile(path) or tarfile.is_tarfile(path)
    except _DAMAGE:  # packed, and damaged at its beginning
        return True


def read_archive(path: Path, names: Sequence[str], class_name: str, opened: ExitStack) -> list[Found]:
    """Every file in an archive with its class and split, in the archive's order.

    Args:
        path: the archive.
        names: those of the project.
        class_name: what every picture shows, or "".
        opened: closes the archive when its members have been read.

    Raises:
        InputUnusable: it is damaged, holds over 200,000 members or 10 GB, or inflates more than 200 times.
        OSError: it cannot be read.
    """
    try:
        members = _zip_members(path, opened) if zipfile.is_zipfile(path) else _tar_members(path, opened)
    except _DAMAGE as error:
        raise InputUnusable(f"{path} is damaged: {error}", "make or download the archive again") from error
    _check_sizes(path, members)
    visible = [member for member in members if all(is_visible(part) for part in PurePosixPath(member.location).parts)]
    top = unwrap([member.location for member in visible], names)
    found = []
    for member in visible:
        label, split = place(member.location[len(top) :], names, class_name)
        found.append(Found(member.location, label, split, member.size_bytes, member.read))
    return found


def _check_sizes(path: Path, members: Sequence[Found]) -> None:
    """Nothing; the archive is of a size that an honest one has.

    Raises:
        InputUnusable: it is not.
    """
    total = sum(member.size_bytes for member in members)
    hint = "unpack it yourself if you trust it, and add the folder"
    if len(members) > MAX_MEMBERS:
        raise InputUnusable(f"{path} holds {len(members):,} files; {MAX_MEMBERS:,} are the most", hint)
    if total > MAX_TOTAL_BYTES or total > MAX_RATIO * max(path.stat().st_size, 1_000):
        raise InputUnusable(f"{path} would inflate to {total:,} bytes", hint)


def _zip_members(path: Path, opened: ExitStack) -> list[Found]:
    """The ordinary files in a zip; links count as text and are refused later as no picture."""
    archive = opened.enter_context(zipfile.ZipFile(path))
    return [
        Found(info.filename.replace("\\", "/"), "", "", info.file_size, partial(_read_zip, archive, info))
        for info in archive.infolist()[: MAX_MEMBERS + 1]
        if info.filename and not info.is_dir()
    ]


def _read_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """A member's bytes, never more than its entry states.

    Raises:
        OSError: it is damaged, encrypted, or of a method that is not known.
    """
    try:
        with archive.open(info) as file:
            return file.read(info.file_size)
    except (*_DAMAGE, RuntimeError) as error:
        raise OSError(f"cannot be unpacked: {error}") from error


def _tar_members(path: Path, opened: ExitStack) -> list[Found]:
    """The ordinary files in a tar; links and devices are left out."""
    archive = opened.enter_context(tarfile.open(path))  # noqa: SIM115
    found = []
    total = 0
    for member in archive:
        if member.isreg():
            found.append(Found(readable(member.name), "", "", member.size, partial(_read_tar, archive, member)))
            total += member.size
        if len(found) > MAX_MEMBERS or total > MAX_TOTAL_BYTES:
            break  # refused by its sizes; reading on would only inflate more
    return found


def _read_tar(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """A member's bytes.

    Raises:
        OSError: it is damaged.
    """
    try:
        file = archive.extractfile(member)
        return file.read(member.size) if file else b""
    except _DAMAGE as error:
        raise OSError(f"cannot be unpacked: {error}") from error
