"""What passes between collecting and the sources of pictures: queries, requests, answers, candidates.

Knows nothing about networks or projects. A source turns a `Query` and a cursor into `Request`s and the `Answer`s to
them into a `ResultPage`; the caller keeps the page and its cursor, so that a search continues where it stopped.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from yarl import URL


@dataclass(frozen=True)
class Query:
    """One search: a text, for a class, at a source.

    Attributes:
        source: the source's name.
        class_name: what the pictures will be labelled as.
        text: what is searched for; for some sources a taxon's name, a file's path or a page's address.
        options: the source's own options, from `[collect.options.<source>]`.
        licences: the policy, so that a source can search for no more than is wanted.
        contact: how the person can be reached, for servers that want to know who is asking.
    """

    source: str
    class_name: str
    text: str
    options: Mapping[str, str] = field(default_factory=dict)
    licences: Literal["open", "commercial", "modify", "any"] = "open"
    contact: str = ""


@dataclass(frozen=True)
class Request:
    """One request to a server.

    Attributes:
        url: absolute, http or https, without the parameters.
        params: added to the address, in order, percent-encoded by the client; a name may come twice.
        headers: beside those that the client always sends; a key in them is never written down.
        secret_params: names of parameters (such as `api_key`) whose values are never written down.
    """

    url: str
    params: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    secret_params: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Answer:
    """The answer of a server.

    Attributes:
        url: the address that answered, after redirects, secrets taken out.
        status: the HTTP status; 200 for what was read from a file.
        headers: names in lower case.
        body: decoded from any transfer coding, at most what the client allows.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


Ask = Callable[[Request], Awaitable[Answer]]


@dataclass(frozen=True)
class Candidate:
    """One picture that a source offers; nothing of it has been fetched. Empty where the source does not say.

    Attributes:
        url: the best address to fetch it from.
        item_id: the source's own name for it.
        page_url: where a person can see it and its terms.
        thumb_url: a small version.
        licence: as the source says it: an identifier, a number, a URL or a sentence; never interpreted here.
        licence_url: where the source says its text is.
        attribution: the line that the source asks to print.
        width: pixels, 0 where unknown.
        height: pixels, 0 where unknown.
        is_thumb: only a small version is offered.
        similar_url: where the source lists similar pictures, where it does.
        extra: small facts worth keeping (a museum's colour, a taxon), JSON-able.
    """

    url: str
    item_id: str = ""
    page_url: str = ""
    thumb_url: str = ""
    title: str = ""
    author: str = ""
    author_url: str = ""
    licence: str = ""
    licence_url: str = ""
    attribution: str = ""
    width: int = 0
    height: int = 0
    is_thumb: bool = False
    similar_url: str = ""
    extra: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True)
class ResultPage:
    """One page of a search.

    Attributes:
        candidates: in the source's order.
        cursor: what to ask for the next page with; "" when this was the last.
        answer: the raw answer, kept as evidence; the last of them where several made the page.
        skipped: reason to how many items held no usable picture, such as {"no_image": 2}.
    """

    candidates: tuple[Candidate, ...]
    cursor: str
    answer: Answer
    skipped: Mapping[str, int] = field(default_factory=dict)


def url_key(url: str) -> str:
    """Return what two spellings of one address share: host in lower case, no default port, no fragment.

    An invalid address is its own key.
    """
    try:
        return str(URL(url).with_fragment(None))
    except ValueError:
        return url


@dataclass(frozen=True)
class HostLimit:
    """How fast a host may be sent requests.

    Attributes:
        spacing_s: shortest time between the starts of two requests, seconds.
        concurrency: most requests at once.
    """

    spacing_s: float = 1.0
    concurrency: int = 2


@dataclass(frozen=True)
class SourceFacts:
    """What a person should know about a source before using it.

    Attributes:
        about: a line: what it holds.
        terms_url: where its terms are.
        licence_fields: whether it says each picture's licence.
        key: the environment variable that holds its key; "" where it has none.
        key_needed: whether nothing works without that key.
        page_size: pictures per page, at most.
        per_query: most pictures that one query can give; 0 where there is no end.
        per_day: most requests a day without a key; 0 where none is known.
        hosts: the hosts of its API, and their limits.
        media_hosts: the hosts of its pictures, and their limits; both are documented APIs, so robots.txt is not read
            there.
        drives_browser: whether a real browser is started.
    """

    about: str
    terms_url: str
    licence_fields: bool
    key: str = ""
    key_needed: bool = False
    page_size: int = 20
    per_query: int = 0
    per_day: int = 0
    hosts: Mapping[str, HostLimit] = field(default_factory=dict)
    media_hosts: Mapping[str, HostLimit] = field(default_factory=dict)
    drives_browser: bool = False


class Source(Protocol):
    """A place that is searched for pictures. Third parties add theirs through the entry point `fieldguide.sources`."""

    name: str
    facts: SourceFacts

    async def search(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """Return the page of results that begins at the cursor, "" for the first.

        All requests go through `ask`, and the same answers give the same page. An answer with nothing in it is
        an empty page only where the source's own sign of "nothing found" is seen.

        Raises:
            RateLimited: the source asks to wait.
            Blocked: it answers with a challenge, a consent page or a refusal.
            LayoutChanged: its answer has an unknown form.
            KeyNeeded: a key is missing or wrong.
            BadQuery: it does not accept the query or an option.
            NetworkDown: it could not be reached.
        """


class SimilarSource(Source, Protocol):
    """A source that can also list pictures similar to one that it found."""

    async def similar(self, query: Query, candidate: Candidate, cursor: str, ask: Ask) -> ResultPage:
        """Return the page of pictures similar to the candidate that begins at the cursor; raises as `search`."""


@runtime_checkable
class DrawingSource(Protocol):
    """A program that draws pictures on this machine: no network, no queries. Joined by the same entry point.

    One is made without arguments and travels to worker processes by pickle, so its class stands in a module.

    Attributes:
        name: as in its entry point.
        facts: what a person should know of it.
        class_names: what it can draw.
        author: of its pictures.
        licence: of its pictures, an SPDX identifier.
        licence_url: where that can be read.
    """

    name: str
    facts: SourceFacts
    class_names: tuple[str, ...]
    author: str
    licence: str
    licence_url: str

    def check(self) -> None:
        """Check that everything that drawing needs is installed.

        Raises:
            MissingExtra: something is not.
        """

    def draw(self, class_name: str, seed: int) -> bytes:
        """Return the bytes of a picture file; the same class name and seed (0 or more) give the same bytes."""
