"""Which format bytes are of, by their first kilobytes: one table of magic numbers for whoever meets bytes.

Knows nothing about decoding: a format that is known here may still be broken, and one that is not known here ("")
may still be a picture. SVG is told apart from pictures: it is a program, and nothing here draws it.
"""

import re

# Format of a picture ("" for what is none), media type, and first bytes by each format's own specification; the first
# that fits counts.
_MAGIC: tuple[tuple[str, str, bytes], ...] = (
    ("JPEG", "image/jpeg", rb"\xff\xd8"),
    ("PNG", "image/png", rb"\x89PNG"),
    ("WEBP", "image/webp", rb"RIFF....WEBP"),
    ("GIF", "image/gif", rb"GIF8[79]a"),
    ("BMP", "image/bmp", rb"BM"),
    ("TIFF", "image/tiff", rb"II[*+]\0|MM\0[*+]"),
    ("AVIF", "image/avif", rb"....ftyp(avi[fs]|mi[fa].{1,41}avi[fs])"),
    ("HEIF", "image/heic", rb"....ftyp(hei|hev|mif1|msf1)"),
    ("JPEG 2000", "image/jp2", rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"),
    ("JPEG XL", "image/jxl", rb"\xff\x0a|\0\0\0\x0cJXL "),
    ("PSD", "image/vnd.adobe.photoshop", rb"8BPS"),
    ("ICO", "image/x-icon", rb"\0\0\x01\0"),
    ("CUR", "image/x-icon", rb"\0\0\x02\0"),
    ("ICNS", "image/x-icns", rb"icns"),
    ("DDS", "image/vnd-ms.dds", rb"DDS "),
    ("QOI", "image/qoi", rb"qoif"),
    ("Netpbm", "image/x-portable-anymap", rb"P[1-7fFy]\s"),
    ("XPM", "image/x-xpixmap", rb"\s*/\* XPM \*/"),
    ("XBM", "image/x-xbitmap", rb"#define \w+_width"),
    ("PCX", "image/x-pcx", rb"\x0a[\0\x02-\x05]\x01"),
    ("SGI", "image/x-sgi", rb"\x01\xda[\0\x01][\x01\x02]"),
    ("Sun", "image/x-sun-raster", rb"\x59\xa6\x6a\x95"),
    ("FLI", "image/x-fli", rb"....[\x11\x12]\xaf"),
    ("BLP", "image/x-blp", rb"BLP[12]"),
    ("EPS", "application/postscript", rb"%!PS|\xc5\xd0\xd3\xc6"),
    ("FITS", "image/fits", rb"SIMPLE  ="),
    ("Radiance", "image/vnd.radiance", rb"#\?R(ADIANCE|GBE)"),
    ("OpenEXR", "image/x-exr", rb"\x76\x2f\x31\x01"),
    ("farbfeld", "image/x-farbfeld", rb"farbfeld"),
    ("", "application/pdf", rb".{0,64}%PDF-"),
    ("", "application/zip", rb"PK(\x03\x04|\x05\x06)"),
    ("", "application/gzip", rb"\x1f\x8b\x08"),
    ("", "application/x-7z-compressed", rb"7z\xbc\xaf\x27\x1c"),
    ("", "application/vnd.rar", rb"Rar!\x1a\x07"),
    ("", "video/mp4", rb"....(ftyp|moov|mdat)"),
    ("", "video/webm", rb"\x1a\x45\xdf\xa3"),
    ("", "video/mpeg", rb"\0\0\x01[\xb3\xba]"),
    ("", "video/x-msvideo", rb"RIFF....AVI "),
    ("", "audio/wav", rb"RIFF....WAVE"),
    ("", "audio/mpeg", rb"ID3"),
    ("", "application/ogg", rb"OggS"),
    ("", "application/x-mpegurl", rb"#EXTM3U"),
    ("", "application/x-executable", rb"MZ|\x7fELF"),
    # TGA has no mark: colour map or not, one of six kinds, any size, a depth that exists.
    ("TGA", "image/x-tga", rb"(?=.[\0\x01][\x01-\x03\x09-\x0b]).{12}(?!\0\0)..(?!\0\0)..[\x08\x0f\x10\x18\x20]"),
)
_BINARY = tuple((name, media_type, re.compile(pattern, re.DOTALL)) for name, media_type, pattern in _MAGIC)
_WORDLIKE = ("image/bmp",)  # its two letters begin many a text
_LEAD = rb"(?:\xef\xbb\xbf)?\s*"
_BEFORE = _LEAD + rb"(?:<\?xml.{0,300}?\?>\s*|<!--.{0,300}?-->\s*|<!DOCTYPE.{0,300}?>\s*){0,4}"
_HTML_TAGS = rb"html|head|body|title|meta|script|iframe|div|p|h1|table|a|style|link|br|center|form|font|b|img"
_TEXT = tuple(
    (name, re.compile(pattern, re.DOTALL | re.IGNORECASE))
    for name, pattern in (
        ("image/svg+xml", _BEFORE + rb"<(?:\w+:)?svg[\s>]"),
        ("text/html", _LEAD + rb"(?:<!--.{0,300}?-->\s*)*<!DOCTYPE html"),
        ("text/html", _BEFORE + rb"<(?:" + _HTML_TAGS + rb")[\s>/]"),
        ("application/xml", _LEAD + rb"<(?:\?xml|!DOCTYPE|[a-z][\w.:-]{0,60}[\s>/])"),
        ("application/json", _LEAD + rb'(?:\{\s*(?:"|\}|$)|\[\s*(?:[\[{"\d\]tfn-]|$))'),
    )
)
_SVG = _TEXT[0][1]
_NOT_IN_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")  # https://mimesniff.spec.whatwg.org/#binary-data-byte
_WIDE = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


def picture_format(data: bytes) -> str:
    """Return the format of a picture, such as "JPEG" or "SVG", by its first bytes; "" for what is none known here."""
    head = bytes(data[:2048])
    for name, _, pattern in _BINARY:
        if pattern.match(head):
            return name
    return "SVG" if _SVG.match(head) else ""


def sniff(data: bytes, content_type: str) -> str:
    """Return the media type of the bytes, such as "image/jpeg" or "text/html"; "" where they do not say.

    Bytes decide; the server's word counts only where they are plain text of no known kind.
    """
    head = data[:1024]
    is_text = not _NOT_IN_TEXT.search(head)
    for _, media_type, pattern in _BINARY:
        if pattern.match(head) and not (is_text and media_type in _WORDLIKE):
            return media_type
    for mark, coding in _WIDE:
        if head.startswith(mark):
            head = head[2:].decode(coding, "replace").encode()
    for media_type, pattern in _TEXT:
        if pattern.match(head):
            return media_type
    if head.strip() and not _NOT_IN_TEXT.search(head):
        stated = content_type.partition(";")[0].strip().lower()
        return stated if stated.startswith("text/") or stated == "application/json" else _plain(head)
    return ""


def _plain(head: bytes) -> str:
    """Return text/plain for at least a word of UTF-8, else "": a damaged picture may hold no control bytes."""
    try:
        text = head[: len(head) - 3 if len(head) > 1000 else None].decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return "text/plain" if len(text) >= 4 else ""


def is_picture(media_type: str) -> bool:
    """Return whether bytes of that type may be a picture: yes for what is not known, no for SVG."""
    return not media_type or (media_type.startswith("image/") and media_type != "image/svg+xml")
