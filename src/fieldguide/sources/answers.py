"""What a source's answer holds, read without trust: JSON, texts, numbers, links, and what its status means.

Every function here is total: whatever bytes a server sends, what comes back is a value, or one of the errors that
`fieldguide.records.candidates.Source` names. Knows nothing about any one source, networks or projects.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from selectolax.lexbor import LexborHTMLParser

from fieldguide.errors import BadQuery, Blocked, KeyNeeded, LayoutChanged, NetworkDown, RateLimited
from fieldguide.records.candidates import Answer, Candidate, Query, ResultPage

__all__ = [
    "MALFORMED",
    "NO_IMAGE",
    "Asked",
    "check_options",
    "cursor_fields",
    "cursor_number",
    "dig",
    "entries",
    "fit",
    "html_text",
    "layout_changed",
    "link",
    "make_page",
    "number",
    "read_object",
    "server_words",
    "shorten",
    "text",
    "wait_s",
    "whole",
]

MALFORMED = "malformed"
NO_IMAGE = "no_image"

_MAX_TEXT_CHARS = 2000
_MAX_LINK_CHARS = 4000
_MAX_WORDS_CHARS = 300
_MAX_WHOLE = 2**53
_LONGEST_WAIT_S = 7 * 24 * 3600.0
_UNIT_S = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_WAIT = re.compile(r"\b(?:in|after|wait(?: for)?) (\d{1,9}) ?(second|minute|hour|day)s?\b", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_SPACES = re.compile(r"\s+")
_BREAKS = re.compile(r"<(?:br|/p|/div|/li|/td|/tr|/h[1-6])\b", re.IGNORECASE)
_CHALLENGES = (
    b"_cf_chl_opt",
    b"challenge-platform",
    b"challenge-error-text",
    b"_incapsula_resource",
    b"captcha",
    b"consent.google",
    b"unusual traffic",
    b"px-block",
)
_CHALLENGE_HEADERS = ("cf-mitigated", "x-yandex-captcha", "x-datadome")
_WORDS_AT = (
    ("detail",),
    ("message",),
    ("error", "info"),
    ("error", "detail"),
    ("error", "message"),
    ("error_description",),
    ("error",),
    ("errors", 0),
    ("reason",),
)


@dataclass(frozen=True, repr=False)
class Asked:
    """Who was asked, for the messages of errors.

    Attributes:
        name: the source's name.
        key_name: the environment variable with its key, "" where it has none.
        secret: the key that was sent; taken out of what the server says.
        refusal_hint: what to do when it answers 403, where that is known.
    """

    name: str
    key_name: str = ""
    secret: str = ""
    refusal_hint: str = ""


def read_object(asked: Asked, answer: Answer) -> dict[str, object]:
    """The JSON object of an answer with status 200.

    Raises:
        RateLimited: status 429, or 503 that says when to come back.
        Blocked: status 403, or a challenge or consent page in place of JSON.
        KeyNeeded: status 401; 403 where a key was sent.
        BadQuery: status 400, 414 or 422.
        NetworkDown: status 500 and above.
        LayoutChanged: any other status, or no JSON object in the answer.
    """
    _check_status(asked, answer)
    value = _parse(answer.body)
    if isinstance(value, dict):
        return value
    if _is_challenge(answer):
        raise _blocked(asked, "a challenge or consent page")
    if _looks_like_html(answer):
        raise layout_changed(asked.name, "its answer is a web page, not JSON")
    raise layout_changed(asked.name, "its answer is no JSON object")


def _check_status(asked: Asked, answer: Answer) -> None:
    """Nothing, for status 200; the errors of `read_object` for all others."""
    status, words = answer.status, server_words(answer, asked.secret)
    if status == 429 or (status == 503 and "retry-after" in answer.headers):
        seconds = wait_s(answer)
        how_long = f"{seconds:.0f} seconds" if seconds else "a while"
        hint = "collecting goes on with other sources; run the same command again later"
        raise RateLimited(f"{asked.name} asks to wait {how_long}", hint, seconds)
    if status == 200:
        return
    if status != 401 and _is_challenge(answer):
        raise _blocked(asked, "a challenge or consent page")
    said = f": {words}" if words else ""
    if status == 401 or (status == 403 and asked.key_name and asked.secret):
        raise _key_refused(asked, said)
    if status == 403:
        raise _blocked(asked, f"a refusal (status 403){said}")
    if status in (400, 414, 422):
        raise BadQuery(f"{asked.name} does not accept the query{said}", "change the query or its options")
    if status >= 500:
        raise NetworkDown(f"{asked.name} answers with status {status}{said}", "try again later")
    raise layout_changed(asked.name, f"it answers with status {status}{said}")


def _key_refused(asked: Asked, said: str) -> KeyNeeded:
    if not asked.key_name:
        return KeyNeeded(f"{asked.name} wants a key and none is known for it{said}", "use another source")
    if not asked.secret:
        return KeyNeeded(f"{asked.name} wants a key{said}", f"set {asked.key_name} to a valid key")
    return KeyNeeded(f"{asked.name} does not accept its key{said}", f"set {asked.key_name} to a valid key, or unset it")


def _blocked(asked: Asked, what: str) -> Blocked:
    hint = asked.refusal_hint or "nothing is solved or disguised; try later, or use another source"
    return Blocked(f"{asked.name} answers with {what}", hint)


def layout_changed(name: str, what: str) -> LayoutChanged:
    """The error for an answer in another form than the one known; `what` says what was missing or found."""
    hint = "the answer is kept; look for a newer Fieldguide, or leave this source out for now"
    return LayoutChanged(f"{name} answers in a form that is not known: {what}", hint)


def _parse(body: bytes) -> object:
    """The JSON value of the bytes, None where they hold none."""
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value


def _looks_like_html(answer: Answer) -> bool:
    return answer.body.lstrip()[:1] == b"<" or "html" in answer.headers.get("content-type", "").lower()


def _is_challenge(answer: Answer) -> bool:
    if any(name in answer.headers for name in _CHALLENGE_HEADERS):
        return True
    start = answer.body[:65536].lower()
    return _looks_like_html(answer) and any(mark in start for mark in _CHALLENGES)


def server_words(answer: Answer, secret: str = "") -> str:
    """What the server says went wrong, in its own words, without the secret; "" where it says nothing readable."""
    value = _parse(answer.body)
    found = next((words for path in _WORDS_AT if (words := text(value, *path))), "")
    if not found and value is None and not _looks_like_html(answer):
        found = text(answer.body[:_MAX_WORDS_CHARS].decode("utf-8", "replace"))
    return _without(found, secret)[:_MAX_WORDS_CHARS]


def _without(words: str, secret: str) -> str:
    return words.replace(secret, "(key)") if secret else words


def wait_s(answer: Answer) -> float:
    """How long the server asks to wait, seconds; 0 where it does not say.

    From Retry-After (RFC 9110, 10.2.3), or else from its own words ("available in 30 seconds"). A date in
    Retry-After is taken relative to the answer's own Date, so that no clock is needed.
    """
    said = answer.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return min(float(said[:12]), _LONGEST_WAIT_S)
    if said:
        try:
            until = parsedate_to_datetime(said)
            seconds = (until - parsedate_to_datetime(answer.headers.get("date", ""))).total_seconds()
        except (ValueError, TypeError, OverflowError):
            seconds = 0.0
        return min(max(seconds, 0.0), _LONGEST_WAIT_S)
    found = _WAIT.search(server_words(answer))
    return min(float(found[1]) * _UNIT_S[found[2].lower()], _LONGEST_WAIT_S) if found else 0.0


def dig(value: object, *path: str | int) -> object:
    """What lies at the path of keys and places inside a JSON value; None where there is no such path."""
    for step in path:
        if isinstance(step, str) and isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def text(value: object, *path: str | int) -> str:
    """The text there, on one line, at most 2,000 characters, encodable as UTF-8; whole numbers as text; else ""."""
    found = dig(value, *path)
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found) if abs(found) <= _MAX_WHOLE else ""
    if not isinstance(found, str):
        return ""
    plain = found[: 4 * _MAX_TEXT_CHARS].encode("utf-8", "replace").decode("utf-8")
    return _SPACES.sub(" ", _CONTROL.sub(" ", plain)).strip()[:_MAX_TEXT_CHARS]


def whole(value: object, *path: str | int) -> int:
    """The whole number there, 0 or more, also where it is written as text; else 0."""
    found = dig(value, *path)
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) <= 16:
        found = int(found)
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    if isinstance(found, bool) or not isinstance(found, int):
        return 0
    return found if 0 <= found <= _MAX_WHOLE else 0


def number(value: object, *path: str | int) -> float | None:
    """The finite number there, as it is; else None."""
    found = dig(value, *path)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return found if abs(found) <= _MAX_WHOLE else None


def link(value: object, *path: str | int) -> str:
    """The absolute http or https address there; `//host/path` becomes https; else "".

    Addresses are kept as the source writes them: the client encodes what has to be.
    """
    found = dig(value, *path)
    if not isinstance(found, str):
        return ""
    found = found.strip()
    if found.startswith("//"):
        found = f"https:{found}"
    if len(found) > _MAX_LINK_CHARS or _CONTROL.search(found) or not found.isprintable():
        return ""
    try:
        parts = urlsplit(found)
        _ = parts.port
    except ValueError:
        return ""
    return found if parts.scheme in ("http", "https") and parts.hostname else ""


def entries(name: str, value: object, *path: str | int) -> list[object]:
    """The list at the path.

    Raises:
        LayoutChanged: there is none.
    """
    found = dig(value, *path)
    if not isinstance(found, list):
        raise layout_changed(name, f"there is no list '{'.'.join(str(step) for step in path)}'")
    return found


def html_text(value: str) -> tuple[str, str]:
    """The text of a piece of HTML, and the first address that it links to ("" for none)."""
    if "<" not in value and "&" not in value:
        return text(value), ""
    tree = LexborHTMLParser(_BREAKS.sub(r" \g<0>", value))
    body = tree.body
    found = tree.css_first("a[href]")
    return text(body.text() if body else ""), link(found.attributes.get("href")) if found else ""


def fit(width: int, height: int, longest: int) -> tuple[int, int]:
    """The size of a picture of this size made to fit a square, never enlarged; (0, 0) where a side is unknown."""
    if not width or not height:
        return 0, 0
    shrink = min(1.0, longest / max(width, height))
    return max(1, round(width * shrink)), max(1, round(height * shrink))


def shorten(value: str, most: int = 60) -> str:
    """The text, cut at so many characters, for a message."""
    return value if len(value) <= most else value[: most - 1] + "…"


def check_options(query: Query, known: Iterable[str]) -> None:
    """Nothing, where the query has a text and only options that are known.

    Raises:
        BadQuery: there is no text, or an option is unknown; the nearest known one is named.
    """
    names = sorted(known)
    if not query.text.strip():
        raise BadQuery(f"{query.source} was asked for nothing", "give the query a text")
    for name in query.options:
        if name not in names:
            near = get_close_matches(name, names, 1, 0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"it knows {', '.join(names) or 'no options'}"
            raise BadQuery(f"{query.source} knows no option '{shorten(name)}'", hint)


def cursor_number(name: str, cursor: str, first: int) -> int:
    """The number that a cursor holds, `first` for "".

    Raises:
        BadQuery: it is no cursor of this source.
    """
    if not cursor:
        return first
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 16 and int(cursor) >= first):
        raise _bad_cursor(name)
    return int(cursor)


def cursor_fields(name: str, cursor: str, keys: Iterable[str]) -> dict[str, int]:
    """The whole numbers that a cursor holds under these keys.

    Raises:
        BadQuery: it is no cursor of this source.
    """
    value = _parse(cursor.encode("utf-8", "replace"))
    fields = {key: whole(value, key) for key in keys}
    if not isinstance(value, dict) or set(value) != set(fields) or any(value[key] != fields[key] for key in fields):
        raise _bad_cursor(name)
    return fields


def _bad_cursor(name: str) -> BadQuery:
    return BadQuery(f"that is no place in a search of {name}", "begin this search again")


def make_page(name: str, found: Iterable[Candidate | str], cursor: str, answer: Answer) -> ResultPage:
    """A page of the candidates; each text among them is the reason why an item held none, and is counted.

    Raises:
        LayoutChanged: there is no candidate, and half of the items or more could not be read.
    """
    candidates: list[Candidate] = []
    skipped: Counter[str] = Counter()
    for one in found:
        if isinstance(one, str):
            skipped[one] += 1
        else:
            candidates.append(one)
    if not candidates and 0 < skipped.total() <= 2 * skipped[MALFORMED]:
        raise layout_changed(name, f"none of {skipped.total()} results could be read")
    return ResultPage(tuple(candidates), cursor, answer, dict(+skipped))
