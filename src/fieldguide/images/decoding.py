"""Bytes to upright sRGB pixels, under limits: the format by its marks, the decoder, the colours, the orientation.

Knows nothing about projects, models or where the bytes came from. They are taken to be hostile: formats are named and
no other decoder is ever reached, sizes are refused before pixels are made, and whatever a decoder raises becomes one
`BadImage` with a reason. A decoder can still be slow or die inside C code: see `engine.map_guarded`. Safe in several
threads at once, emits no warnings and changes nothing global (for TIFF and AVIF, which are off unless named, see
`_quiet`).
"""

import io
import re
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from fieldguide.errors import BadImage
from fieldguide.filetypes import picture_format
from fieldguide.images.exif import read_capture, read_orientation
from fieldguide.images.thumbnails import copy_prints
from fieldguide.records import Capture, Prints

Pixels = npt.NDArray[np.uint8]

# A longer side cannot be a JPEG, WebP or GIF, and would make the tall intermediate of a resize unbounded.
MAX_SIDE = 65_535
# A JPEG with a shorter side of this is decoded at half its size or smaller for every model: no input has more than 640
# pixels (see `decode_size`). So it may have twice as many pixels along each side.
_HALVED_SIDE = 3_000
# What a progressive JPEG may hold in memory until its last scan, per pixel of `max_pixels`: four channels of int16.
_COEFFICIENT_BYTES = 8


@dataclass(frozen=True)
class Limits:
    """Which pictures are accepted.

    Attributes:
        formats: of JPEG, PNG, WEBP, GIF, BMP, TIFF and AVIF; the bytes decide, not a name or header.
        max_bytes: largest file.
        max_pixels: most pixels that are decoded, width x height. A JPEG whose shorter side has 3,000 pixels may have
            four times as many, since `at_least` lets it be decoded smaller; if it is progressive, as long as its
            coefficients take at most 8 bytes per pixel of `max_pixels`.
        max_scans: most scans of one JPEG; a progressive file needs about ten, a slow one has thousands. Of a JPEG with
            more than `max_pixels`, fewer in proportion.
    """

    formats: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
    max_bytes: int = 50_000_000
    max_pixels: int = 50_000_000
    max_scans: int = 100


_USUAL = Limits()


@dataclass(frozen=True)
class Header:
    """What the first bytes state about a picture.

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
    """Read what the first bytes state about a picture, without decoding it.

    Raises:
        BadImage: as `decode`, except for what only shows when pixels are read.
    """
    kind = _known_format(data, limits)
    with _refusing(data, kind), _quiet(kind):
        return _header(data, kind, _open(data, kind, limits))


def _header(data: bytes, kind: str, image: ImageFile.ImageFile) -> Header:
    frames = _count_frames(data, kind, image)
    return Header(kind, image.width, image.height, image.mode, frames, _SUFFIXES[kind])


def decode(data: bytes, limits: Limits = _USUAL, *, at_least: int | None = None) -> Pixels:
    """Decode the first frame to pixels, (h, w, 3) uint8 RGB in sRGB, upright, read-only.

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
    """Decode as `decode` does, to Pillow's RGB image: a seventh of the time less for callers that continue with Pillow.

    Raises:
        BadImage: as `decode`.
    """
    kind = _known_format(data, limits)
    with _refusing(data, kind), _quiet(kind):
        return _upright(_open(data, kind, limits), limits, at_least)


def decode_photo(data: bytes, limits: Limits = _USUAL, *, at_least: int | None = None) -> tuple[Image.Image, Capture]:
    """Decode as `decode_image` does; return also when and with what the picture was taken, by its EXIF.

    Raises:
        BadImage: as `decode`.
    """
    kind = _known_format(data, limits)
    with _refusing(data, kind), _quiet(kind):
        image = _open(data, kind, limits)
        upright = _upright(image, limits, at_least)
        return upright, read_capture(image.info.get("exif"))


def look(data: bytes, limits: Limits = _USUAL, *, at_least: int) -> tuple[Header, Prints]:
    """Return what `read_header`, and `copy_prints` of `decode`, return; the file is opened once, and no array is made.

    Args:
        data: the whole file.
        limits: what is taken.
        at_least: as in `decode`.

    Raises:
        BadImage: as `decode`.
    """
    kind = _known_format(data, limits)
    with _refusing(data, kind), _quiet(kind):
        image = _open(data, kind, limits)
        header = _header(data, kind, image)
        return header, copy_prints(_upright(image, limits, at_least))


def _upright(image: ImageFile.ImageFile, limits: Limits, at_least: int | None) -> Image.Image:
    """Decode an opened picture to upright sRGB."""
    if at_least is not None and isinstance(image, JpegImagePlugin.JpegImageFile):
        image.draft(None, (at_least, at_least))
    _check_size(image.size, limits.max_pixels)
    return to_upright(image)


def to_upright(image: Image.Image) -> Image.Image:
    """Return a picture that Pillow has opened in sRGB, upright; the given one stays as it is."""
    image.load()
    # The EXIF of a PNG may stand behind its pixels, so it is read only now.
    return _turn_upright(_to_srgb(image), image.info.get("exif"))


@contextmanager
def _refusing(data: bytes, kind: str) -> Iterator[None]:
    """Turn whatever a decoder raises inside the block into a `BadImage`."""
    try:
        yield
    except BadImage:
        raise
    # Pillow's decoders raise OSError, ValueError, TypeError, EOFError, MemoryError, NotImplementedError,
    # RuntimeError, IndexError, KeyError, SyntaxError, struct.error, OverflowError, zlib.error and more on
    # damaged files; its authors ask callers to expect any. This is the one place in the house that does.
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
        if isinstance(error, MemoryError):
            raise BadImage("too_many_pixels", f"the {kind} file needs more memory than there is") from error
        if isinstance(error, Image.DecompressionBombError):
            raise BadImage("too_many_pixels", cause) from error
        if "too large" in cause and kind == "PNG":
            raise BadImage("too_many_bytes", f"a PNG text or profile unpacks without end ({cause})") from error
        reason = "truncated" if _is_cut_short(data, kind) or _says_cut_short(error) else "damaged"
        # an OSError of Pillow speaks to people, the others to programmers
        why = f": {error}" if isinstance(error, OSError) and not isinstance(error, UnidentifiedImageError) else ""
        raise BadImage(reason, f"the {kind} file cannot be decoded{why}") from error


def _says_cut_short(error: Exception) -> bool:
    """Tell whether the decoder itself ran out of bytes."""
    return isinstance(error, EOFError) or "truncated" in str(error).lower()


_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def _silence() -> Iterator[None]:
    """Drop the warnings raised inside the block."""
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _quiet(kind: str) -> AbstractContextManager[None]:
    """Return a context in which the decoder cannot warn.

    Pillow warns about odd TIFF tags, also those of an AVIF's EXIF. Filters belong to the whole process, so
    these two formats are decoded one at a time; the others never reach code that warns.
    """
    return _silence() if kind in ("TIFF", "AVIF") else nullcontext()


class _Jpeg(JpegImagePlugin.JpegImageFile):
    """A JPEG opened without reading EXIF for its resolution, which warns on damaged EXIF."""

    def _read_dpi_from_exif(self) -> None:
        pass


_OPENERS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": _Jpeg,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}


# No decoder for it is under a licence that Fieldguide could ask for: libheif is LGPL, and x265 beside it GPL.
_HEIF = (
    "a HEIC picture: save or export it as JPEG (an iPhone takes JPEGs after Settings, Camera, Formats, Most Compatible)"
)


def _known_format(data: bytes, limits: Limits) -> str:
    """Return the format when it is one of those accepted and the file is not too long."""
    if not data:
        raise BadImage("empty", "the file has no bytes")
    if len(data) > limits.max_bytes:
        raise BadImage("too_many_bytes", f"{len(data)} bytes, more than {limits.max_bytes}")
    kind = picture_format(data)
    if not kind:
        raise BadImage("not_an_image", "the first bytes match no known picture format")
    if kind == "HEIF":
        raise BadImage("unsupported_format", _HEIF)
    if kind not in limits.formats or kind not in _OPENERS:
        raise BadImage(
            "unsupported_format", f"{kind} is not an accepted format; accepted are {', '.join(limits.formats)}"
        )
    return kind


def _open(data: bytes, kind: str, limits: Limits) -> ImageFile.ImageFile:
    """Open a picture by the one decoder of its format, and refuse one that is too large."""
    if kind in ("GIF", "WEBP"):
        # Both decoders take memory for the canvas while opening.
        _check_size(_gif_canvas(data) if kind == "GIF" else _webp_canvas(data), limits.max_pixels)
    # The class itself rather than Image.open: no other plugin can be reached, an MPO stays a plain JPEG, and
    # Pillow's own size warning is not raised before the check below.
    image = _OPENERS[kind](io.BytesIO(_still(data) if kind == "PNG" and b"acTL" in data else data))
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        _check_jpeg(data, image, limits)
    else:
        _check_size(image.size, limits.max_pixels)
    return image


def _check_jpeg(data: bytes, image: JpegImagePlugin.JpegImageFile, limits: Limits) -> None:
    """Refuse a JPEG that takes too much time or memory however small it is decoded."""
    halved = min(image.size) >= _HALVED_SIDE
    _check_size(image.size, limits.max_pixels, scale=2 if halved else 1)
    pixels = image.width * image.height
    most = min(limits.max_scans, limits.max_scans * limits.max_pixels // pixels)
    if (scans := _scans(data, most)) > most:
        raise BadImage("too_many_scans", f"more than {most} scans in a JPEG ({scans} or more)")
    if pixels > limits.max_pixels and _is_held_whole(data, image):
        needed, room = 2 * _count_coefficients(image), _COEFFICIENT_BYTES * limits.max_pixels
        if needed > room:
            size = f"{image.width} x {image.height}"
            raise BadImage("too_many_pixels", f"{size} pixels of a progressive JPEG: {needed} bytes, more than {room}")


def _is_held_whole(data: bytes, image: JpegImagePlugin.JpegImageFile) -> bool:
    """Tell whether the decoder keeps every coefficient until the last scan: it has several (libjpeg's jdmaster.c)."""
    return "progressive" in image.info or _first_scan_channels(data) < image.layers


def _count_coefficients(image: JpegImagePlugin.JpegImageFile) -> int:
    """Return how many coefficients a JPEG has: as many as samples, each channel at its own resolution."""
    across, down = (max(1, *(channel[place] for channel in image.layer)) for place in (1, 2))
    return sum(-(-image.width * wide // across) * -(-image.height * high // down) for _, wide, high, _ in image.layer)


def _check_size(size: tuple[int, int], max_pixels: int, scale: int = 1) -> None:
    """Refuse a picture with too many pixels or none; `scale` is that at which it is decoded at the most."""
    width, height = size
    if width < 1 or height < 1:
        raise BadImage("damaged", f"the header says {width} x {height} pixels")
    if -(-width // scale) * -(-height // scale) > max_pixels:
        raise BadImage("too_many_pixels", f"{width} x {height} pixels, more than {scale * scale * max_pixels}")
    if max(size) > MAX_SIDE:
        raise BadImage("too_many_pixels", f"{width} x {height} pixels, a side over {MAX_SIDE}")


def _webp_canvas(data: bytes) -> tuple[int, int]:
    """Return width and height from the first chunk of a WebP file (RFC 9649, sections 2.5 to 2.7)."""
    chunk = data[12:16]
    if chunk == b"VP8X":
        wide, high = data[24:27], data[27:30]
        return 1 + int.from_bytes(wide, "little"), 1 + int.from_bytes(high, "little")
    if chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _gif_canvas(data: bytes) -> tuple[int, int]:
    """Return the width and height that the first frame needs: the screen, or more where the frame sticks out of it."""
    width, height = struct.unpack_from("<HH", data, 6)
    at = _first_gif_frame(data)
    if len(data) >= at + 9:
        left, top, wide, high = struct.unpack_from("<HHHH", data, at + 1)
        width, height = max(width, left + wide), max(height, top + high)
    return width, height


def _first_gif_frame(data: bytes) -> int:
    """Return where the first image descriptor stands, or the end of the data (GIF89a, section 20)."""
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    while data[at : at + 1] not in (b",", b";", b""):
        if data[at] != 0x21:
            at += 1
            continue
        at += 2
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    return at if data[at : at + 1] == b"," else len(data)


def _still(data: bytes) -> bytes:
    """Drop the chunks of an animation from a PNG (PNG 3, 11.3.6), so that faults in them do not matter."""
    kept, at = [data[:8]], 8
    while at + 8 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] not in (b"acTL", b"fcTL", b"fdAT"):
            kept.append(data[at:end])
        at = end
    return b"".join(kept)


def _count_frames(data: bytes, kind: str, image: ImageFile.ImageFile) -> int:
    """Count frames without walking over them."""
    if kind == "GIF":
        # A graphic control block before each frame, which only the first often goes without.
        first = _first_gif_frame(data)
        return data.count(b"!\xf9\x04", first) + 1
    if kind == "PNG":
        at = data.find(b"acTL", 0, data.find(b"IDAT") + 1)
        return max(1, int.from_bytes(data[at + 4 : at + 8], "big")) if at > 0 else 1
    return int(getattr(image, "n_frames", 1)) if kind in ("WEBP", "AVIF") else 1


_SEGMENT = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")


def _scans(data: bytes, enough: int) -> int:
    """Count the scans of a JPEG, up to `enough` + 1, as its decoder meets them (ITU-T T.81, annex B)."""
    array = np.frombuffer(data, dtype=np.uint8)
    if np.count_nonzero((array[:-1] == 0xFF) & (array[1:] == 0xDA)) <= enough:  # five times as fast as `count`
        # Counts those inside thumbnails too, so it is never under; nearly every file ends here.
        return 0
    return sum(1 for _ in islice(_scan_headers(data), enough + 1))


def _first_scan_channels(data: bytes) -> int:
    """Return how many channels the first scan of a JPEG holds; 0 where there is none."""
    start = next(_scan_headers(data), len(data))
    return int.from_bytes(data[start + 2 : start + 3], "big")


def _scan_headers(data: bytes) -> Iterator[int]:
    """Yield where the header of each scan of a JPEG begins, behind its marker."""
    at = 2
    while marker := _SEGMENT.search(data, at):
        at = marker.end()
        code = marker.group(1)
        if code == b"\xd9":
            break
        if code not in (b"\x01", b"\xd8"):
            if code == b"\xda":
                yield at
            at += int.from_bytes(data[at : at + 2], "big")


def _is_cut_short(data: bytes, kind: str) -> bool:
    """Tell whether the file ends before its format's own end mark or stated length."""
    if kind == "JPEG":
        return b"\xff\xd9" not in data[-2048:]
    if kind == "PNG":
        return b"IEND" not in data[-2048:]
    if kind == "GIF":
        return b";" not in data[-16:]
    if kind in ("WEBP", "BMP"):
        at, extra = (4, 8) if kind == "WEBP" else (2, 0)
        return len(data) < at + 4 or int.from_bytes(data[at : at + 4], "little") + extra > len(data)
    return False


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# 16 bits to 8, to the nearest: 65535 / 255 = 257.
_TO_8_BITS = ((np.arange(65536, dtype=np.uint32) + 128) // 257).astype(np.uint8)


def _to_srgb(image: Image.Image) -> Image.Image:
    """Convert to mode RGB: sRGB, alpha on white."""
    profile = image.info.get("icc_profile")
    image = _plain(image)
    if isinstance(profile, bytes) and profile:
        image = _follow(image, profile)
    if image.mode in ("LA", "RGBA"):
        flat = Image.new("RGB", image.size, (255, 255, 255))
        flat.paste(image.convert("RGB"), mask=image.getchannel("A"))
        return flat
    if image.mode == "LAB":
        return _profiled(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    return image if image.mode == "RGB" else image.convert("RGB")


def _turn_upright(image: Image.Image, exif: object) -> Image.Image:
    """Turn the picture upright, as its EXIF block says; return it as it is where that says nothing."""
    turn = _TURNS.get(read_orientation(exif))
    return image if turn is None else image.transpose(turn)


def _plain(image: Image.Image) -> Image.Image:
    """Convert to one of L, LA, RGB, RGBA, CMYK, YCbCr or LAB, with any transparent colour made alpha."""
    clear = image.info.get("transparency")
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.size and (values.min() < 0 or values.max() > 65535):
            raise BadImage("unsupported_format", "a picture of 32-bit numbers, for which white is not defined")
        grey = Image.fromarray(_TO_8_BITS[values])
        if isinstance(clear, int):
            grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
        return grey
    if image.mode == "F":
        raise BadImage("unsupported_format", "a picture of fractions, for which white is not defined")
    if clear is not None and image.mode in ("1", "L", "P", "RGB"):
        return image.convert("RGBA")
    if image.mode in ("PA", "RGBa", "La"):
        return image.convert("RGBA" if image.mode != "La" else "LA")
    if image.mode in ("1", "P"):
        return image.convert("L" if image.mode == "1" else "RGB")
    return image


def _follow(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert from the embedded profile to sRGB; return the picture as it is where that is sRGB, broken or unfit."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in (source.profile.profile_description or ""):
            return image
        alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
        base = image if alpha is None else image.convert(image.mode[:-1])
        moved = _profiled(base, source)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    if alpha is not None:
        moved.putalpha(alpha)
    return moved


def _profiled(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    """Convert from a profile to sRGB, mode RGB, with perceptual intent."""
    moved = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert moved is not None  # only in place
    return moved
