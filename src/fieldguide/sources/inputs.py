"""What reaches a source from outside, checked and cleaned: options, cursors, texts, addresses.

Knows nothing about fetching: whether an address may be asked is decided where it is asked.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from urllib.parse import quote, urljoin, urlsplit

from fieldguide.errors import BadQuery
from fieldguide.records.candidates import Query
from fieldguide.text import one_line

MAX_URL_CHARS = 4000
_SAFE = "%/:=&?~#+!$,;'@()*[]|"  # what `quote` leaves alone: an address that is encoded already stays as it is


def check_options(query: Query, known: Iterable[str]) -> None:
    """Check that the query has a text and only options that its source knows."""
    names = sorted(known)
    if not query.text.strip():
        raise BadQuery(f"the query for {query.source} is empty", "give it a text")
    for name in query.options:
        if name not in names:
            near = get_close_matches(name, names, 1, 0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"it knows {', '.join(names) or 'no options'}"
            raise BadQuery(f"{query.source} has no option '{shorten(name)}'", hint)


def cursor_number(source: str, cursor: str, first: int) -> int:
    """Return the number that a cursor holds, `first` for ""."""
    if not cursor:
        return first
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 16 and int(cursor) >= first):
        raise bad_cursor(source)
    return int(cursor)


def bad_cursor(source: str) -> BadQuery:
    """Return the error for a cursor that the source never gave."""
    return BadQuery(f"a search of {source} cannot continue from there", "begin the search again")


def clean_text(value: object, limit: int = 1000) -> str:
    """Return a text or number as one line of at most so many characters, "" for any other value."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return one_line(str(value)[: 4 * limit])[:limit]


def shorten(text: str, max_chars: int = 60) -> str:
    """Return the text, cut for a message."""
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"


def absolute_url(text: str, base_url: str = "") -> str:
    """Return the address, completed from the base where it is relative; "" where nothing can be made of it.

    An address of another scheme, such as `data:`, comes back as it is: see `url_fault`.
    """
    text = text.strip()
    if not text or text.lower().startswith("data:"):
        return text[:100]
    try:
        joined = urljoin(base_url, text)
        if not joined.startswith(("http:", "https:")) and joined.startswith("//"):
            joined = f"https:{joined}"  # a page's "//host/path" means the page's own scheme; today that is https
        parts = urlsplit(joined)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            return joined
        return parts._replace(path=quote(parts.path, _SAFE), query=quote(parts.query, _SAFE)).geturl()
    except ValueError:  # "http://[", a lone surrogate
        return ""


def url_fault(url: str) -> str:
    """Return why an address can be no candidate (data_uri, scheme, too_long, not_a_url), "" where it can."""
    if url[:5].lower() == "data:":
        return "data_uri"
    if len(url) > MAX_URL_CHARS:
        return "too_long"
    if " " in url or not url.isprintable():  # no other space is printable
        return "not_a_url"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "not_a_url"
    if parts.scheme not in ("http", "https"):
        return "scheme" if parts.scheme and ":" in url else "not_a_url"
    return "" if host else "not_a_url"


def host_of(url: str) -> str:
    """Return the host of an address in lower case, "" where there is none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
