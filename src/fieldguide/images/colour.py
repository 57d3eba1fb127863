"""A decoded picture to upright sRGB.

Knows Pillow's picture modes, EXIF orientation and ICC profiles; nothing about files.
"""

import io
import struct

import numpy as np
from PIL import Image, ImageCms

from fieldguide.errors import BadImage

__all__ = ["to_srgb", "turned"]

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


def to_srgb(image: Image.Image) -> Image.Image:
    """The picture in mode RGB: sRGB, alpha on white."""
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


def turned(image: Image.Image, exif: object) -> Image.Image:
    """The picture upright, as its EXIF block says; itself where that says nothing."""
    turn = _TURNS.get(_orientation(exif))
    return image if turn is None else image.transpose(turn)


def _orientation(exif: object) -> int:
    """The EXIF orientation, 1..8; 1 where it is missing or unreadable (CIPA DC-008, 4.6.4, tag 0x0112)."""
    if not isinstance(exif, bytes):
        return 1
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 10:
        return 1
    (at,) = struct.unpack_from(order + "I", tiff, 4)
    if at + 2 > len(tiff):
        return 1
    (entries,) = struct.unpack_from(order + "H", tiff, at)
    for entry in range(at + 2, min(at + 2 + 12 * entries, len(tiff) - 11), 12):
        tag, kind, _, value = struct.unpack_from(order + "HHIH", tiff, entry)
        if tag == 0x0112:
            return int(value) if kind == 3 and 1 <= value <= 8 else 1
    return 1


def _plain(image: Image.Image) -> Image.Image:
    """The picture in one of L, LA, RGB, RGBA, CMYK, YCbCr or LAB, with any transparent colour made alpha."""
    clear = image.info.get("transparency")
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.size and (values.min() < 0 or values.max() > 65535):
            raise BadImage("unsupported_format", "a picture of 32-bit numbers, whose white is not defined")
        grey = Image.fromarray(_TO_8_BITS[values])
        if isinstance(clear, int):
            grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
        return grey
    if image.mode == "F":
        raise BadImage("unsupported_format", "a picture of fractions, whose white is not defined")
    if clear is not None and image.mode in ("1", "L", "P", "RGB"):
        return image.convert("RGBA")
    if image.mode in ("PA", "RGBa", "La"):
        return image.convert("RGBA" if image.mode != "La" else "LA")
    if image.mode in ("1", "P"):
        return image.convert("L" if image.mode == "1" else "RGB")
    return image


def _follow(image: Image.Image, profile: bytes) -> Image.Image:
    """The picture moved from its profile to sRGB; itself where that is sRGB already, or broken, or unfit."""
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
    """The picture in mode RGB, moved from a profile to sRGB with perceptual intent."""
    moved = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert moved is not None  # only in place
    return moved
