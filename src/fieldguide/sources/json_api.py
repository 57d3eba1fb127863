"""The base of the sources whose servers answer in JSON: key, cursor, status to error, values read without trust.

A source adds what is its own: its parameters, where the fields of its items stand, its terms. Whatever bytes a server
sends, a value comes of them or one of the errors that `fieldguide.records.candidates.Source` names. Knows nothing
about any one source, networks or projects.
"""

import json
import os
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from selectolax.lexbor import LexborHTMLParser

from fieldguide.errors import BadQuery, Blocked, KeyNeeded, LayoutChanged, NetworkDown, RateLimited
from fieldguide.net.signs import challenge, retry_after
from fieldguide.records.candidates import Answer, Ask, Candidate, Query, Request, ResultPage, SourceFacts
from fieldguide.sources.inputs import bad_cursor, check_options, clean_text, url_fault

# why an item holds no picture; a source may have reasons of its own
MALFORMED = "malformed"
NO_IMAGE = "no_image"
CC0_URL = "https://creativecommons.org/publicdomain/zero/1.0/"
WAIT_HINT = "collecting goes on with other sources; run the same command again later"

_MAX_TEXT_CHARS = 2000
_MAX_MESSAGE_CHARS = 300
_MAX_WHOLE = 2**53  # of JSON's numbers that every reader takes alike (RFC 8259, 6)
_MAX_WAIT_S = 7 * 24 * 3600.0
_BREAKS = re.compile(r"<(?:br|/p|/div|/li|/td|/tr|/h[1-6])\b", re.IGNORECASE)
_MESSAGE_PATHS = (
    *(("detail",), ("message",), ("error", "info"), ("error", "detail"), ("error", "message")),
    *(("error_description",), ("error",), ("errors", 0), ("reason",)),
)


@dataclass(frozen=True)
class Json:
    """A value of JSON, read without trust: what is missing or of another kind reads as empty.

    Each method takes a path of keys and of places in lists.
    """

    value: object

    def at(self, *path: str | int) -> "Json":
        """Return what stands at the path; null where there is no such path."""
        value = self.value
        for step in path:
            if isinstance(step, str) and isinstance(value, Mapping):
                value = value.get(step)
            elif isinstance(step, int) and isinstance(value, list) and step < len(value):
                value = value[step]
            else:
                return Json(None)
        return Json(value)

    def has(self, key: str) -> bool:
        """Return whether this is an object with the key."""
        return isinstance(self.value, Mapping) and key in self.value

    def items(self, *path: str | int) -> list["Json"]:
        """Return the items of the list there, none where there is no list."""
        value = self.at(*path).value
        return [Json(item) for item in value] if isinstance(value, list) else []

    def text(self, *path: str | int) -> str:
        """Return the text there on one line, at most 2,000 characters; whole numbers as text; else ""."""
        value = self.at(*path).value
        if isinstance(value, float) or (isinstance(value, int) and abs(value) > _MAX_WHOLE):
            return ""
        return clean_text(value, _MAX_TEXT_CHARS)

    def whole(self, *path: str | int) -> int:
        """Return the whole number there, 0 or more, also where it is written as text; else 0."""
        value = self.at(*path).value
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 16:
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            return 0
        return value if 0 <= value <= _MAX_WHOLE else 0

    def number(self, *path: str | int) -> float | None:
        """Return the finite number there as it is, else None."""
        value = self.at(*path).value
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return value if abs(value) <= _MAX_WHOLE else None

    def link(self, *path: str | int) -> str:
        """Return the absolute http or https address there, as it is written; `//host/path` becomes https; else ""."""
        value = self.at(*path).value
        if not isinstance(value, str):
            return ""
        url = value.strip()
        url = f"https:{url}" if url.startswith("//") else url
        return "" if url_fault(url.replace(" ", "%20")) else url  # the client encodes what has to be

    def html(self, *path: str | int) -> tuple[str, str]:
        """Return the text of the HTML there, and the first address that it links to ("" for none)."""
        source = self.text(*path)
        if "<" not in source and "&" not in source:
            return source, ""
        tree = LexborHTMLParser(_BREAKS.sub(r" \g<0>", source))
        anchor = tree.css_first("a[href]")
        address = Json(anchor.attributes.get("href")).link() if anchor else ""
        return clean_text(tree.body.text() if tree.body else "", _MAX_TEXT_CHARS), address


@dataclass(frozen=True)
class Reply(Json):
    """The JSON object of an answer, with the answer and the name of the source that gave it."""

    answer: Answer
    source: str

    def listed(self, *path: str | int) -> list[Json]:
        """Return the items of the list there."""
        if not isinstance(self.at(*path).value, list):
            raise self.layout_changed(f"there is no list '{_spell(path)}'")
        return self.items(*path)

    def count(self, *path: str | int) -> int:
        """Return the whole number there."""
        value = self.at(*path).value
        if not isinstance(value, int):
            raise self.layout_changed(f"there is no number '{_spell(path)}'")
        return value

    def next_offset(self, items: list[Json], offset: int, total: int) -> str:
        """Return the cursor after these items of a search that counts them, "" at its end."""
        if not items and total > offset:
            raise self.none_shown(total)
        following = offset + len(items)
        return str(following) if items and following < total else ""

    def none_shown(self, total: object) -> LayoutChanged:
        """Return the error for a page that counts results and shows none."""
        return self.layout_changed(f"it counts {total} results and shows none")

    def layout_changed(self, what: str) -> LayoutChanged:
        """Return the error for an answer of another form than the one known."""
        return layout_changed(self.source, what)

    def page(self, candidates: Iterable[Candidate | str], cursor: str = "") -> ResultPage:
        """Return a page of the candidates; each text among them is why an item held none, and is counted."""
        pictures: list[Candidate] = []
        skipped: Counter[str] = Counter()
        for candidate in candidates:
            if isinstance(candidate, str):
                skipped[candidate] += 1
            else:
                pictures.append(candidate)
        if not pictures and 0 < skipped.total() <= 2 * skipped[MALFORMED]:
            raise self.layout_changed(f"none of {skipped.total()} results could be read")
        return ResultPage(tuple(pictures), cursor, self.answer, dict(+skipped))


class JsonSource(ABC):
    """A source whose server answers in JSON. A source of its own sets the attributes and writes `read_page`.

    Attributes:
        name: the source's name.
        facts: what a person should know of it; where it names a key, that is taken from the environment.
        options: the names of its options.
        refusal_hint: what to do when it answers 403, where that is known.
        key_from: where a key is to be had, for a source that needs one.
        key: the key, "" for none.
    """

    name: str
    facts: SourceFacts
    options: ClassVar[tuple[str, ...]] = ()
    refusal_hint: ClassVar[str] = ""
    key_from: ClassVar[str] = ""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        self.key = environ.get(self.facts.key, "").strip() if self.facts.key else ""

    async def search(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """Return the page of results that begins at the cursor; raises as `Source.search`."""
        check_options(query, self.options)
        if self.facts.key_needed and not self.key:
            raise KeyNeeded(f"{self.name} needs a key, and {self.facts.key} is not set", f"get one at {self.key_from}")
        return await self.read_page(query, cursor, ask)

    @abstractmethod
    async def read_page(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """Return the page of results, for a query with known options and a key where one is needed."""

    async def fetch(
        self, ask: Ask, url: str, params: Iterable[tuple[str, str]] = (), headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Return the JSON object that the server answers with; raises as `read`."""
        return self.read(await ask(Request(url, tuple(params), headers or {})))

    async def fetch_similar(
        self, candidate: Candidate, cursor: str, ask: Ask, host: str, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Return the answer to the candidate's own list of similar pictures, which lies on this host."""
        if cursor or not candidate.similar_url.startswith(f"https://{host}/"):
            raise BadQuery(f"{self.name} lists nothing similar to that picture", "choose a picture that it found")
        return await self.fetch(ask, candidate.similar_url, (), headers)

    def read(self, answer: Answer) -> Reply:
        """Return the JSON object of an answer with status 200; any other raises the error that it stands for."""
        self._check_status(answer)
        value = _parse(answer.body)
        if isinstance(value, dict):
            return Reply(value, answer, self.name)
        if _is_challenge(answer):
            raise self._blocked("a challenge or consent page")
        raise layout_changed(self.name, "a web page, not JSON" if _is_html(answer) else "not a JSON object")

    def server_message(self, answer: Answer) -> str:
        """Return what the server says went wrong, without the key; "" where it says nothing readable."""
        value = Json(_parse(answer.body))
        message = next((text for path in _MESSAGE_PATHS if (text := value.text(*path))), "")
        if not message and value.value is None and not _is_html(answer):
            message = clean_text(answer.body[:_MAX_MESSAGE_CHARS].decode("utf-8", "replace"))
        return (message.replace(self.key, "(key)") if self.key else message)[:_MAX_MESSAGE_CHARS]

    def _check_status(self, answer: Answer) -> None:
        status, message = answer.status, self.server_message(answer)
        because = f": {message}" if message else ""
        if status == 429 or (status == 503 and "retry-after" in answer.headers):
            seconds = wait_s(answer)
            how_long = f"{seconds:.0f} seconds" if seconds else "a while"
            raise RateLimited(f"{self.name} asks to wait {how_long}", WAIT_HINT, seconds)
        if status == 200:
            return
        if status != 401 and _is_challenge(answer):
            raise self._blocked("a challenge or consent page")
        if status == 401 or (status == 403 and self.key):
            raise self.key_refused(because)
        if status == 403:
            raise self._blocked(f"a refusal (status 403){because}")
        if status in (400, 414, 422):
            raise BadQuery(f"{self.name} does not accept the query{because}", "change the query or its options")
        if status >= 500:
            raise NetworkDown(f"{self.name} answers with status {status}{because}", "try again later")
        raise layout_changed(self.name, f"status {status}{because}")

    def key_refused(self, because: str) -> KeyNeeded:
        """Return the error for a missing or wrong key; `because` is what the server says, after a colon."""
        name = self.facts.key
        if not name:
            return KeyNeeded(f"{self.name} asks for a key, and Fieldguide knows of none{because}", "use another source")
        if not self.key:
            return KeyNeeded(f"{self.name} asks for a key{because}", f"set {name} to a valid key")
        return KeyNeeded(f"{self.name} does not accept the key{because}", f"set {name} to a valid key, or unset it")

    def _blocked(self, what: str) -> Blocked:
        hint = self.refusal_hint or "Fieldguide does not work around this; try later, or use another source"
        return Blocked(f"{self.name} answers with {what}", hint)


class TaxonSource(JsonSource):
    """A source of living things: a name leads to a taxon, the taxon to pages of its pictures.

    The first page of a search also asks which taxon is meant; after that the cursor holds its number and how far it
    was read.

    Attributes:
        taxon_key: what its option, and the entry in its candidates' `extra`, are called that hold a taxon's number.
        place_key: what says in a cursor how far a taxon was read.
    """

    taxon_key: ClassVar[str]
    place_key: ClassVar[str]

    @abstractmethod
    async def find_taxon(self, query: Query, ask: Ask) -> tuple[int, Reply]:
        """Return the number of the taxon that the query names, 0 where none is known, and the reply that says so."""

    @abstractmethod
    async def read_taxon(self, query: Query, taxon: int, place: int, ask: Ask) -> ResultPage:
        """Return the page of the taxon's pictures from that place on."""

    async def read_page(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """Return the page of pictures of the query's taxon."""
        if cursor:
            return await self.read_taxon(query, *self._parse_cursor(cursor), ask)
        if self.taxon_key in query.options:
            taxon = Json(query.options[self.taxon_key]).whole()
            if not taxon:
                message = f"the option '{self.taxon_key}' of {self.name} must be a number"
                raise BadQuery(message, "the address of the taxon's page holds it")
            return await self.read_taxon(query, taxon, 0, ask)
        taxon, reply = await self.find_taxon(query, ask)
        return await self.read_taxon(query, taxon, 0, ask) if taxon else reply.page([])

    async def similar(self, query: Query, candidate: Candidate, cursor: str, ask: Ask) -> ResultPage:
        """Return a page of other pictures of the candidate's taxon; raises as `Source.search`."""
        taxon = Json(candidate.extra).whole(self.taxon_key)
        if not taxon:
            raise BadQuery(f"{self.name} does not know that picture's taxon", "choose a picture that it found")
        return await self.read_taxon(query, *(self._parse_cursor(cursor) if cursor else (taxon, 0)), ask)

    def taxon_cursor(self, taxon: int, place: int) -> str:
        """Return the cursor that goes on with a taxon from that place."""
        return json.dumps({"taxon": taxon, self.place_key: place})

    def _parse_cursor(self, cursor: str) -> tuple[int, int]:
        value = Json(_parse(cursor.encode("utf-8", "replace")))
        taxon, place = value.whole("taxon"), value.whole(self.place_key)
        if value.value != {"taxon": taxon, self.place_key: place}:
            raise bad_cursor(self.name)
        return taxon, place


def layout_changed(source: str, what: str) -> LayoutChanged:
    """Return the error for an answer of another form than the one known; `what` says what was missing or found."""
    hint = "the answer is kept; look for a newer Fieldguide, or leave this source out for now"
    return LayoutChanged(f"{source} answers in a form that Fieldguide does not know: {what}", hint)


def wait_s(answer: Answer) -> float:
    """Return how long the server asks to wait, seconds, at most a week; 0 where it does not say.

    A date counts from the answer's own, so that the same answer always gives the same wait.
    """
    return min(retry_after(answer.headers, answer.body), _MAX_WAIT_S)


def fit_size(width: int, height: int, longest: int) -> tuple[int, int]:
    """Return the size of a picture made to fit a square, never enlarged; (0, 0) where a side is unknown."""
    if not width or not height:
        return 0, 0
    shrink = min(1.0, longest / max(width, height))
    return max(1, round(width * shrink)), max(1, round(height * shrink))


def _parse(body: bytes) -> object:
    """Return the JSON value of the bytes, None where they hold none."""
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value


def _spell(path: tuple[str | int, ...]) -> str:
    return ".".join(map(str, path))


def _is_html(answer: Answer) -> bool:
    return answer.body.lstrip()[:1] == b"<" or "html" in answer.headers.get("content-type", "").lower()


def _is_challenge(answer: Answer) -> bool:
    return bool(challenge(answer.headers, answer.body if _is_html(answer) else b"", refused=True))
