"""The text of a page from its bytes, its tree, and where it says that it came from. Total: any bytes are a page.

Knows nothing about specs or candidates.
"""

import codecs
import re

from selectolax.lexbor import LexborHTMLParser

from fieldguide.sources.inputs import absolute_url, url_fault

__all__ = ["decode_html", "own_base", "parse_html"]

_SNIFFED_CHARS = 4096
_SAVED_FROM = re.compile(r"<!--\s*saved from url=\(\d{1,6}\)(https?://[^\s>]{1,2000})")
_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)
_CODINGS = re.compile(r"utf_?8|iso8859_\d+|cp\d+|koi8_[ru]|shift_jis\w*|euc_\w+|gb\w+|big5\w*|utf_16\w*", re.IGNORECASE)


def decode_html(data: bytes) -> str:
    """The text of a page: by its byte order mark, else its `<meta charset>`, else as UTF-8; never fails."""
    for mark, coding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if data.startswith(mark):
            return data[len(mark) :].decode(coding, "replace")
    said = _CHARSET.search(data[:_SNIFFED_CHARS])
    if said:
        try:
            name = codecs.lookup(said[1].decode("ascii")).name.replace("-", "_")
        except LookupError:
            name = ""
        # a page that can be read as far as its charset is not UTF-16, whatever it says
        if _CODINGS.fullmatch(name) and not name.startswith("utf_16"):
            return data.decode(name, "replace")
    return data.decode("utf-8", "replace")


def parse_html(html: bytes | str) -> LexborHTMLParser:
    """The tree of a page; lone surrogates, which no parser takes, become question marks."""
    text = decode_html(html) if isinstance(html, bytes) else html.encode("utf-8", "replace").decode("utf-8")
    return LexborHTMLParser(text)


def own_base(html: bytes | str, base_url: str) -> str:
    """What relative addresses of a page begin with, as the page itself says it; else what is given."""
    # Chromium and others: <!-- saved from url=(0026)https://example.org/page -->
    text = decode_html(html) if isinstance(html, bytes) else html
    saved = _SAVED_FROM.search(text[:_SNIFFED_CHARS])
    base_url = saved[1] if saved else base_url
    element = parse_html(text).css_first("base[href]")
    stated = absolute_url(element.attributes.get("href") or "", base_url) if element is not None else ""
    return base_url if not stated or url_fault(stated) else stated
