"""The pictures of an export: which they are, what they are called, and their bytes, as they are or scaled down.

Knows nothing about the forms that they are written in.
"""

import hashlib
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from PIL import Image

from fieldguide.engine import Crash, core_count, map_guarded
from fieldguide.errors import BadImage
from fieldguide.images import Limits, decode_image
from fieldguide.licences import CreditLine
from fieldguide.progress import Progress

MEDIA_TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".gif": "image/gif",
               ".bmp": "image/bmp", ".tif": "image/tiff", ".avif": "image/avif"}  # fmt: skip
SCALED_SUFFIX = ".jpg"
_SUFFIXES = {"JPEG": ".jpg", "TIFF": ".tif"}
_QUALITY = 90
_LONGEST = 65_500  # pixels of a side of a JPEG
_END_OF_JPEG = b"\xff\xd9"
# characters that Windows does not take in a name, and names that are devices there
_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_MAX_NAME_BYTES = 200  # a file system takes 255, and some need a few for themselves


@dataclass(frozen=True)
class Picture:
    """One kept picture, and where it goes.

    Attributes:
        original: its file in the project.
        location: where it came from, for a person.
        label: place of its class among the names.
        part: "train", "val" or "test"; "images" where the sides are not kept apart.
        file: its path in the export, with forward slashes.
        credits: whom to credit for it, the best known first.
    """

    sha256: str
    original: Path
    location: str
    class_name: str
    label: int
    part: str
    file: str
    credits: tuple[CreditLine, ...]

    @property
    def key(self) -> str:
        """Its file's name without the ending."""
        return Path(self.file).stem

    @property
    def suffix(self) -> str:
        """The ending of its file's name, with the dot."""
        return Path(self.file).suffix


@dataclass(frozen=True)
class Export:
    """What is exported.

    Attributes:
        name: what the project is called.
        about: a paragraph on it, or "".
        class_names: in the order of the labels.
        pictures: in the order of their parts and hashes, which mixes the classes.
        size: the shorter side that pictures are scaled down to; 0 where the originals are taken.
        limits: on what is decoded.
        date: the day, in ISO 8601.
        left_out: by the hash of a picture that could not be exported, why.
    """

    name: str
    about: str
    class_names: tuple[str, ...]
    pictures: tuple[Picture, ...]
    size: int
    limits: Limits
    date: str
    left_out: dict[str, str] = field(default_factory=dict)

    def parts(self) -> dict[str, list[Picture]]:
        """Return the pictures that are exported, by part."""
        parts: dict[str, list[Picture]] = {}
        for picture in self.pictures:
            if picture.sha256 not in self.left_out:
                parts.setdefault(picture.part, []).append(picture)
        return parts


def class_folders(class_names: Iterable[str]) -> dict[str, str]:
    """Return a folder's name for each class, which every system takes, and no two of which differ by case alone."""
    folders: dict[str, str] = {}
    taken: set[str] = set()
    for class_name in class_names:
        wanted = _safe_name(class_name)
        name, number = wanted, 1
        while (key := unicodedata.normalize("NFKC", name).casefold()) in taken:
            number += 1
            name = f"{wanted}-{number}"
        taken.add(key)
        folders[class_name] = name
    return folders


def _safe_name(text: str) -> str:
    """Return the text as the name of a folder; a name that is safe stays as it is."""
    name = _UNSAFE.sub("_", unicodedata.normalize("NFC", text)).strip()
    name = name.encode("utf-8", "replace")[:_MAX_NAME_BYTES].decode("utf-8", "ignore").rstrip(". ")
    if name.startswith((".", "-", "~")):
        name = f"_{name[1:]}"
    return f"{name}_" if _DEVICES.fullmatch(name) else name or "_"


def file_names(hashes: Sequence[str]) -> dict[str, str]:
    """Return a name without ending for each picture: the first half of a quarter of its hash, or as much as differs."""
    short = {sha256: sha256[:16] for sha256 in hashes}
    return short if len(set(short.values())) == len(short) else {sha256: sha256 for sha256 in hashes}


def suffix_of(image_format: str) -> str:
    """Return the ending of a file of that format, with the dot."""
    return _SUFFIXES.get(image_format, f".{image_format.lower()}")


def place_pictures(export: Export, folder: Path, progress: Progress) -> None:
    """Write every picture to its place below a folder; what is there already, whole, stays."""
    for place in {(folder / picture.file).parent for picture in export.pictures}:
        place.mkdir(parents=True, exist_ok=True)
    progress.start("scaling pictures" if export.size else "copying pictures", len(export.pictures))
    for picture, reason in _scale(export, folder) if export.size else _copy(export, folder):
        if reason:
            export.left_out[picture.sha256] = reason
            (folder / picture.file).unlink(missing_ok=True)
        progress.advance()


def _copy(export: Export, folder: Path) -> Iterator[tuple[Picture, str]]:
    """Copy the originals; yield each with why it could not be copied, or ""."""
    for picture in export.pictures:
        path = folder / picture.file
        try:
            if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != picture.sha256:
                _put(path, read_original(picture.original, picture.sha256))
            yield picture, ""
        except BadImage as trouble:
            yield picture, trouble.detail


def _scale(export: Export, folder: Path) -> Iterator[tuple[Picture, str]]:
    """Scale the originals in processes under limits; yield each with why it could not be scaled, or ""."""
    work = partial(scale_file, size=export.size, limits=export.limits)
    items = [(picture.sha256, str(picture.original), str(folder / picture.file)) for picture in export.pictures]
    for index, result in map_guarded(work, items, workers=core_count()):
        yield export.pictures[index], result.detail if isinstance(result, Crash) else result


def scale_file(item: tuple[str, str, str], *, size: int, limits: Limits) -> str:
    """Write a scaled copy of a picture; return why it could not be made, or "".

    Args:
        item: the hash of the original, its path, and that of the copy.
        size: pixels of the shorter side.
        limits: what may be decoded.
    """
    sha256, original, copy = item
    path = Path(copy)
    if path.exists() and path.read_bytes()[-2:] == _END_OF_JPEG:
        return ""
    try:
        data = scale_down(read_original(Path(original), sha256), size, limits)
    except BadImage as trouble:
        return trouble.detail
    _put(path, data)
    return ""


def scale_down(data: bytes, size: int, limits: Limits) -> bytes:
    """Return a picture as a JPEG, upright, in sRGB, without metadata, its shorter side `size` pixels or as it is.

    Raises:
        BadImage: it cannot be decoded.
    """
    image = decode_image(data, limits, at_least=2 * size)  # the filter needs more than it leaves
    scale = min(1.0, size / min(image.size), _LONGEST / max(image.size))
    if scale < 1.0:
        width, height = (max(1, round(side * scale)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    image.info = {}  # a comment would be written again
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def read_pictures(export: Export, scaled: Path | None, progress: Progress) -> Iterator[tuple[Picture, bytes]]:
    """Yield every picture with its bytes, in order: those of the scaled copies where there are any."""
    progress.start("packing pictures", len(export.pictures))
    for picture in export.pictures:
        if picture.sha256 not in export.left_out:
            try:
                data = _read(scaled / picture.file) if scaled else read_original(picture.original, picture.sha256)
                yield picture, data
            except BadImage as trouble:
                export.left_out[picture.sha256] = trouble.detail
        progress.advance()


def read_original(path: Path, sha256: str) -> bytes:
    """Read an original.

    Raises:
        BadImage: it is gone, cannot be read, or has other bytes than it had.
    """
    data = _read(path)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise BadImage("changed", "its file was changed")
    return data


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise BadImage("gone", "its file is gone") from error
    except OSError as error:
        raise BadImage("unreadable", f"its file cannot be read: {error.strerror}") from error


def _put(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all; it is flushed to the disk with all the others."""
    beside = path.with_name(f"{path.name}.part")
    beside.write_bytes(data)
    beside.replace(path)


def credit_values(picture: Picture) -> Mapping[str, str]:
    """Return who made the picture and under which terms, by name, as the best known of its origins says."""
    record = picture.credits[0].record() if picture.credits else {}
    return {name: record.get(name, "") for name in ("title", "author", "licence", "licence_url", "source", "page")}
