"""Addresses as pages and lists write them: cleaned, made absolute, or refused with a reason.

Knows nothing about fetching: whether an address may be asked is decided where it is asked.
"""

import unicodedata
from urllib.parse import quote, urljoin, urlsplit

__all__ = ["MAX_URL_CHARS", "absolute", "clean_text", "host_of", "refusal"]

MAX_URL_CHARS = 4000
_SAFE = "%/:=&?~#+!$,;'@()*[]|"  # what `quote` leaves alone: an address that is encoded already stays as it is


def clean_text(value: object, limit: int = 1000) -> str:
    """A value as one line of text, without control characters and lone surrogates; "" for what is no text or number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    text = str(value) if not isinstance(value, str) else value[: 4 * limit]
    kept = "".join(" " if unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") else one for one in text)
    return " ".join(kept.split())[:limit]


def absolute(text: str, base_url: str = "") -> str:
    """The address with the base's scheme, host and folder where it has none of its own; "" where nothing can be made.

    An address of another scheme, such as `data:`, comes back as it is: see `refusal`.
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


def refusal(url: str) -> str:
    """Why an address can be no candidate: data_uri, scheme, too_long or not_a_url; "" where it can."""
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
    """The host in lower case; "" where there is none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
