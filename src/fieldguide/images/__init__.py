"""Bytes to upright sRGB pixels, under limits; thumbnails and hashes of pixels.

Knows nothing about projects, models or where the bytes came from. They are taken to be hostile: formats are
named and no other decoder is ever reached, sizes are refused from the header, and whatever a decoder raises
becomes one `BadImage` with a reason. A decoder can still be slow or die inside C code: see
`engine.map_guarded`. Safe in several threads at once, emits no warnings and changes nothing global (for TIFF
and AVIF, which are off unless named, see `_quiet`).
"""

import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, JpegImagePlugin

from fieldguide.errors import BadImage
from fieldguide.images.colour import to_srgb, turned
from fieldguide.images.formats import Limits, count_frames, is_cut_short, known_format, open_picture
from fieldguide.images.small import copy_prints, dhash, grey_thumbnail, thumbnail_jpeg

__all__ = [
    "Header",
    "Limits",
    "copy_prints",
    "decode",
    "decode_image",
    "dhash",
    "grey_thumbnail",
    "look",
    "read_header",
    "thumbnail_jpeg",
]

Pixels = npt.NDArray[np.uint8]

_USUAL = Limits()


@dataclass(frozen=True)
class Header:
    """What the first bytes say of a picture.

    Attributes:
        format: one of `Limits.formats`; an MPO is a JPEG.
        width: pixels as stored, before turning upright.
        height: as `width`.
        mode: Pillow's name of the pixel layout.
        frames: as declared; for a GIF by its graphic control blocks, an estimate that costs one search.
        suffix: the file name ending that tells the truth, with its dot.
    """

    format: str
    width: int
    height: int
    mode: str
    frames: int
    suffix: str


_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp",
             "TIFF": ".tif", "AVIF": ".avif"}  # fmt: skip


def read_header(data: bytes, limits: Limits = _USUAL) -> Header:
    """What the first bytes say of a picture, without decoding it.

    Raises:
        BadImage: as `decode`, except for what only shows when pixels are read.
    """
    kind = known_format(data, limits)
    with _refusing(data, kind), _quiet(kind):
        return _header(data, kind, open_picture(data, kind, limits))


def _header(data: bytes, kind: str, image: ImageFile.ImageFile) -> Header:
    """The header of an opened picture."""
    frames = count_frames(data, kind, image)
    return Header(kind, image.width, image.height, image.mode, frames, _SUFFIXES[kind])


def decode(data: bytes, limits: Limits = _USUAL, *, at_least: int | None = None) -> Pixels:
    """Pixels of the first frame, (h, w, 3) uint8 RGB in sRGB, upright, read-only.

    EXIF orientation is applied, alpha is laid on white, 16-bit grey is scaled so that 65535 becomes 255, and
    an embedded ICC profile is followed to sRGB (ICC.1:2022, perceptual intent); a broken one is ignored. Of
    an animated PNG it is the still picture that any PNG decoder shows.

    Args:
        data: the whole file.
        limits: what is taken.
        at_least: for a JPEG, decode at 1/2, 1/4 or 1/8 as long as the shorter side keeps that many pixels
            (ITU-T T.81 blocks through a smaller inverse DCT). Others are decoded whole.

    Raises:
        BadImage: with one of these reasons: empty, not_an_image, unsupported_format, too_many_bytes,
            too_many_pixels, too_many_scans, truncated, damaged.
    """
    return np.asarray(decode_image(data, limits, at_least=at_least))


def decode_image(data: bytes, limits: Limits = _USUAL, *, at_least: int | None = None) -> Image.Image:
    """As `decode`, as Pillow's RGB image: for those that go on with it there, a seventh of the time less.

    Raises:
        BadImage: as `decode`.
    """
    kind = known_format(data, limits)
    with _refusing(data, kind), _quiet(kind):
        return _upright(open_picture(data, kind, limits), at_least)


def look(data: bytes, limits: Limits = _USUAL, *, at_least: int, side: int) -> tuple[Header, tuple[int, int], Pixels]:
    """What `read_header`, and `copy_prints` of `decode`, give: the file is opened once and no array is made between.

    Args:
        data: the whole file.
        limits: what is taken.
        at_least: as in `decode`.
        side: cells along each edge of the grey thumbnail.

    Raises:
        BadImage: as `decode`.
    """
    kind = known_format(data, limits)
    with _refusing(data, kind), _quiet(kind):
        image = open_picture(data, kind, limits)
        header = _header(data, kind, image)
        return header, *copy_prints(_upright(image, at_least), side)


def _upright(image: ImageFile.ImageFile, at_least: int | None) -> Image.Image:
    """The picture decoded: sRGB, upright."""
    if at_least is not None and isinstance(image, JpegImagePlugin.JpegImageFile):
        image.draft(None, (at_least, at_least))
    image.load()
    # The EXIF of a PNG may stand behind its pixels, so it is read only now.
    return turned(to_srgb(image), image.info.get("exif"))


@contextmanager
def _refusing(data: bytes, kind: str) -> Iterator[None]:
    """Nothing; whatever a decoder raises inside the block becomes a `BadImage`."""
    try:
        yield
    except BadImage:
        raise
    # Pillow's decoders raise OSError, ValueError, TypeError, EOFError, MemoryError, NotImplementedError,
    # RuntimeError, IndexError, KeyError, SyntaxError, struct.error, OverflowError, zlib.error and more on
    # damaged files; its authors ask callers to expect any. This is the one place in the house that does.
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        if isinstance(error, MemoryError):
            raise BadImage("too_many_pixels", f"a {kind} that needs more memory than there is") from error
        if isinstance(error, Image.DecompressionBombError):
            raise BadImage("too_many_pixels", said) from error
        if "too large" in said and kind == "PNG":
            raise BadImage("too_many_bytes", f"a PNG text or profile unpacks without end ({said})") from error
        reason = "truncated" if is_cut_short(data, kind) or _says_cut_short(error) else "damaged"
        raise BadImage(reason, f"the {kind} cannot be decoded ({said})") from error


def _says_cut_short(error: Exception) -> bool:
    """Whether the decoder itself ran out of bytes."""
    return isinstance(error, EOFError) or "truncated" in str(error).lower()


_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def _silence() -> Iterator[None]:
    """Nothing; warnings raised inside the block are dropped."""
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _quiet(kind: str) -> AbstractContextManager[None]:
    """A block in which the decoder cannot warn.

    Pillow warns about odd TIFF tags, also those of an AVIF's EXIF. Filters belong to the whole process, so
    these two formats are decoded one at a time; the others never reach code that warns.
    """
    return _silence() if kind in ("TIFF", "AVIF") else nullcontext()
