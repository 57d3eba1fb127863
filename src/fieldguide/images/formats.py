"""Which format bytes are of, and the picture opened by the one decoder of that format.

Knows the outside of file formats: marks, sizes, scans and frames; nothing about colour.
"""

import io
import re
import struct
from dataclasses import dataclass

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from fieldguide.errors import BadImage

__all__ = ["Limits", "count_frames", "is_cut_short", "known_format", "open_picture"]

# A longer side cannot be a JPEG, WebP or GIF, and would make the tall intermediate of a resize unbounded.
MAX_SIDE = 65_535


@dataclass(frozen=True)
class Limits:
    """What is taken at all.

    Attributes:
        formats: of JPEG, PNG, WEBP, GIF, BMP, TIFF and AVIF; the bytes decide, not a name or header.
        max_bytes: largest file.
        max_pixels: largest width x height.
        max_scans: most scans of one JPEG; a progressive file needs about ten, a slow one has thousands.
    """

    formats: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
    max_bytes: int = 50_000_000
    max_pixels: int = 50_000_000
    max_scans: int = 100


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

# Format by its first bytes, from the formats' own specifications; "" is something that is no picture.
_MAGIC: tuple[tuple[str, str], ...] = (
    ("JPEG", r"\xff\xd8"), ("PNG", r"\x89PNG"), ("WEBP", r"RIFF....WEBP"), ("GIF", r"GIF8[79]a"),
    ("BMP", r"BM"), ("TIFF", r"II[*+]\0|MM\0[*+]"), ("AVIF", r"....ftypavi[fs]"),
    ("AVIF", r"....ftypmi[fa]..{0,40}avi[fs]"), ("HEIF", r"....ftyp(hei|hev|mif1|msf1)"),
    ("JPEG 2000", r"\0\0\0\x0cjP  |\xff\x4f\xff\x51"), ("JPEG XL", r"\xff\x0a|\0\0\0\x0cJXL "),
    ("PSD", r"8BPS"), ("ICO", r"\0\0\x01\0"), ("CUR", r"\0\0\x02\0"), ("ICNS", r"icns"), ("DDS", r"DDS "),
    ("QOI", r"qoif"), ("Netpbm", r"P[1-7fFy][\s]"), ("XPM", r"\s*/\* XPM \*/"), ("XBM", r"#define \w+_width"),
    ("PCX", r"\x0a[\0\x02-\x05]\x01"), ("SGI", r"\x01\xda[\0\x01][\x01\x02]"), ("Sun", r"\x59\xa6\x6a\x95"),
    ("FLI", r"....[\x11\x12]\xaf"), ("BLP", r"BLP[12]"), ("EPS", r"%!PS|\xc5\xd0\xd3\xc6"),
    ("FITS", r"SIMPLE  ="), ("Radiance", r"#\?R(ADIANCE|GBE)"), ("OpenEXR", r"\x76\x2f\x31\x01"),
    ("farbfeld", r"farbfeld"), ("SVG", r"(?i:[\s\xef\xbb\xbf]*(<(\?xml|!--|!DOCTYPE).{0,1000})?<svg)"),
    # TGA has no mark: colour map or not, one of six kinds, any size, a depth that exists.
    ("TGA", r"(?=.[\0\x01][\x01-\x03\x09-\x0b]).{3}.{5}.{4}(?!\0\0)..(?!\0\0)..[\x08\x0f\x10\x18\x20]"),
)  # fmt: skip
_SNIFF = tuple((name, re.compile(pattern.encode("latin-1"), re.DOTALL)) for name, pattern in _MAGIC)


def known_format(data: bytes, limits: Limits) -> str:
    """The format, when it is one of those taken and the file is not too long."""
    if not data:
        raise BadImage("empty", "the file has no bytes")
    if len(data) > limits.max_bytes:
        raise BadImage("too_many_bytes", f"{len(data)} bytes, more than {limits.max_bytes}")
    head = bytes(data[:2048])
    kind = next((name for name, pattern in _SNIFF if pattern.match(head)), "")
    if not kind:
        raise BadImage("not_an_image", "the first bytes are of no picture format known here")
    if kind not in limits.formats or kind not in _OPENERS:
        raise BadImage("unsupported_format", f"a {kind} picture; taken are {', '.join(limits.formats)}")
    return kind


def open_picture(data: bytes, kind: str, limits: Limits) -> ImageFile.ImageFile:
    """The picture opened by the one decoder of its format, and small enough."""
    if kind in ("GIF", "WEBP"):
        # Both decoders take memory for the canvas while opening.
        _check_size(_gif_canvas(data) if kind == "GIF" else _webp_canvas(data), limits)
    # The class itself rather than Image.open: no other plugin can be reached, an MPO stays a plain JPEG, and
    # Pillow's own size warning is not raised before the check below.
    image = _OPENERS[kind](io.BytesIO(_still(data) if kind == "PNG" and b"acTL" in data else data))
    _check_size(image.size, limits)
    if kind == "JPEG" and (scans := _scans(data, limits.max_scans)) > limits.max_scans:
        raise BadImage("too_many_scans", f"more than {limits.max_scans} scans in a JPEG ({scans} or more)")
    return image


def _check_size(size: tuple[int, int], limits: Limits) -> None:
    """Nothing; raises when the picture has too many pixels or none."""
    width, height = size
    if width < 1 or height < 1:
        raise BadImage("damaged", f"the header says {width} x {height} pixels")
    if width * height > limits.max_pixels:
        raise BadImage("too_many_pixels", f"{width} x {height} pixels, more than {limits.max_pixels}")
    if max(size) > MAX_SIDE:
        raise BadImage("too_many_pixels", f"{width} x {height} pixels, a side over {MAX_SIDE}")


def _webp_canvas(data: bytes) -> tuple[int, int]:
    """Width and height from the first chunk of a WebP file (RFC 9649, sections 2.5 to 2.7)."""
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
    """Width and height that the first frame needs: the screen, or more where the frame sticks out of it."""
    width, height = struct.unpack_from("<HH", data, 6)
    at = _first_gif_frame(data)
    if len(data) >= at + 9:
        left, top, wide, high = struct.unpack_from("<HHHH", data, at + 1)
        width, height = max(width, left + wide), max(height, top + high)
    return width, height


def _first_gif_frame(data: bytes) -> int:
    """Where the first image descriptor stands, or the end of the data (GIF89a, section 20)."""
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
    """The PNG without the chunks of an animation (PNG 3, 11.3.6), so that nothing wrong in those matters."""
    kept, at = [data[:8]], 8
    while at + 8 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] not in (b"acTL", b"fcTL", b"fdAT"):
            kept.append(data[at:end])
        at = end
    return b"".join(kept)


def count_frames(data: bytes, kind: str, image: ImageFile.ImageFile) -> int:
    """Frames, without walking over them."""
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
    """Scans in a JPEG, at most `enough` + 1, counted as its decoder meets them (ITU-T T.81, annex B)."""
    every = np.frombuffer(data, dtype=np.uint8)
    if np.count_nonzero((every[:-1] == 0xFF) & (every[1:] == 0xDA)) <= enough:  # five times as fast as `count`
        # Counts those inside thumbnails too, so it is never under; nearly every file ends here.
        return 0
    scans, at = 0, 2
    while scans <= enough and (marker := _SEGMENT.search(data, at)):
        at = marker.end()
        code = marker.group(1)
        if code == b"\xd9":
            break
        if code not in (b"\x01", b"\xd8"):
            scans += code == b"\xda"
            at += int.from_bytes(data[at : at + 2], "big")
    return scans


def is_cut_short(data: bytes, kind: str) -> bool:
    """Whether the file ends before its format's own end mark or stated length."""
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
