"""The pages in a HAR, the record of a browser's network panel (http://www.softwareishard.com/blog/har-12-spec/).

Knows nothing about specs or candidates.
"""

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fieldguide.errors import BadQuery

__all__ = ["Recorded", "pages_of"]

_PAGE_TYPES = ("text/html", "application/xhtml+xml", "text/xml", "application/xml", "text/plain")
_JSON_TYPES = ("application/json", "text/json", "application/javascript", "text/javascript")
_MAX_FRAGMENTS = 1000


@dataclass(frozen=True)
class Recorded:
    """One answer that the browser got: a page, or the HTML inside a JSON answer."""

    url: str
    status: int
    html: bytes | str


def pages_of(data: bytes, called: str) -> list[Recorded]:
    """The pages and the parts of pages in a HAR, in its order.

    Raises:
        BadQuery: it is no HAR.
    """
    try:
        entries = json.loads(data)["log"]["entries"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadQuery(f"{called} is no HAR file", "save it again from the browser's network panel") from error
    if not isinstance(entries, list):
        raise BadQuery(f"{called} is no HAR file: its log has no entries", "save it again from the network panel")
    return [one for entry in entries for one in _pages(entry)]


def _pages(entry: Any) -> Iterator[Recorded]:
    """The pages of one entry; nothing for an entry of another form."""
    try:
        url, response = str(entry["request"]["url"]), entry["response"]
        status = int(response.get("status") or 0)
        content = response["content"]
        kind = str(content.get("mimeType") or "").partition(";")[0].strip().lower()
        body = _body(content)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        return
    if not body:
        return
    if kind in _PAGE_TYPES:
        yield Recorded(url, status, body)
    elif kind in _JSON_TYPES:
        yield from (Recorded(url, status, text) for text in _fragments(body))


def _body(content: dict[str, Any]) -> bytes | str:
    text = content.get("text")
    if not isinstance(text, str):
        return ""
    if content.get("encoding") != "base64":
        return text
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return ""


def _fragments(body: bytes | str) -> Iterator[str]:
    """The texts in a JSON answer that are HTML."""
    try:
        waiting: list[Any] = [json.loads(body)]
    except (ValueError, RecursionError):
        return
    given = 0
    while waiting and given < _MAX_FRAGMENTS:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting.extend(reversed(one.values()))
        elif isinstance(one, list):
            waiting.extend(reversed(one))
        elif isinstance(one, str) and "<" in one and ">" in one:
            given += 1
            yield one
