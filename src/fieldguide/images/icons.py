"""Small pictures that keep what is clear in them, such as a logo."""

import io

from PIL import Image

from fieldguide.images.decoding import Limits, decode_image

_ORIENTATION = 0x0112  # of EXIF


def icon_png(data: bytes, side: int, limits: Limits) -> bytes:
    """Make a PNG file of a picture's pixels and how clear they are, its longer side at most `side`, without metadata.

    Args:
        data: a picture's file.
        side: 1..4096; it is never enlarged.
        limits: on the file.

    Raises:
        BadImage: it is not a picture that can be decoded within the limits.
    """
    icon = decode_image(data, limits).convert("RGBA")
    with Image.open(io.BytesIO(data)) as image:  # decoded once already, within the limits
        if image.has_transparency_data and image.getexif().get(_ORIENTATION, 1) == 1 and image.size == icon.size:
            icon = image.convert("RGBA")
    icon.thumbnail((side, side), Image.Resampling.LANCZOS)
    plain = Image.frombytes("RGBA", icon.size, icon.tobytes())
    file = io.BytesIO()
    plain.save(file, "PNG", optimize=True)
    return file.getvalue()
