"""What bytes are, by their first kilobyte: enough to tell a picture from a page saved under a picture's name.

Knows nothing about decoding: a format that is known here may still be broken, and one that is not known here ("")
may still be a picture. SVG is told apart from pictures: it is a program, and nothing here draws it.
"""

import re

__all__ = ["is_picture", "sniff"]

# Type by first bytes, from each format's own specification; the first that fits counts.
_MAGIC: tuple[tuple[str, bytes], ...] = (
    ("image/jpeg", rb"\xff\xd8\xff"),
    ("image/png", rb"\x89PNG\r\n\x1a\n"),
    ("image/webp", rb"RIFF....WEBP"),
    ("image/gif", rb"GIF8[79]a"),
    ("image/avif", rb"....ftyp(avi[fs]|mi[fa].{1,40}avi[fs])"),
    ("image/heic", rb"....ftyp(hei|hev|mif1|msf1)"),
    ("image/tiff", rb"II[*+]\0|MM\0[*+]"),
    ("image/bmp", rb"BM.{4}\0{4}"),
    ("image/jp2", rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"),
    ("image/jxl", rb"\xff\x0a|\0\0\0\x0cJXL "),
    ("image/x-icon", rb"\0\0[\x01\x02]\0"),
    ("image/vnd.adobe.photoshop", rb"8BPS"),
    ("application/pdf", rb".{0,64}%PDF-"),
    ("application/postscript", rb"%!PS|\xc5\xd0\xd3\xc6"),
    ("application/zip", rb"PK(\x03\x04|\x05\x06)"),
    ("application/gzip", rb"\x1f\x8b\x08"),
    ("application/x-7z-compressed", rb"7z\xbc\xaf\x27\x1c"),
    ("application/vnd.rar", rb"Rar!\x1a\x07"),
    ("video/mp4", rb"....(ftyp|moov|mdat)"),
    ("video/webm", rb"\x1a\x45\xdf\xa3"),
    ("video/mpeg", rb"\0\0\x01[\xb3\xba]"),
    ("video/x-msvideo", rb"RIFF....AVI "),
    ("audio/wav", rb"RIFF....WAVE"),
    ("audio/mpeg", rb"ID3"),
    ("application/ogg", rb"OggS"),
    ("application/x-mpegurl", rb"#EXTM3U"),
    ("application/x-executable", rb"MZ|\x7fELF"),
)
_BINARY = tuple((name, re.compile(pattern, re.DOTALL)) for name, pattern in _MAGIC)
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
_NOT_IN_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")  # https://mimesniff.spec.whatwg.org/#binary-data-byte
_WIDE = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


def sniff(data: bytes, content_type: str) -> str:
    """The media type of the bytes, such as "image/jpeg" or "text/html"; "" where they do not say.

    Bytes decide; the server's word counts only where they are plain text of no known kind.
    """
    head = data[:1024]
    for name, pattern in _BINARY:
        if pattern.match(head):
            return name
    for mark, coding in _WIDE:
        if head.startswith(mark):
            head = head[2:].decode(coding, "replace").encode()
    for name, pattern in _TEXT:
        if pattern.match(head):
            return name
    if head.strip() and not _NOT_IN_TEXT.search(head):
        said = content_type.partition(";")[0].strip().lower()
        return said if said.startswith("text/") or said == "application/json" else _plain(head)
    return ""


def _plain(head: bytes) -> str:
    """text/plain for at least a word of UTF-8, else "": a damaged picture may happen to hold no control bytes."""
    try:
        text = head[: len(head) - 3 if len(head) > 1000 else None].decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return "text/plain" if len(text) >= 4 else ""


def is_picture(media_type: str) -> bool:
    """Whether bytes of that type may be a picture: yes for what is not known, no for SVG."""
    return not media_type or (media_type.startswith("image/") and media_type != "image/svg+xml")
