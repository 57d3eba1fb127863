"""Sources asked without a network: an `ask` that answers from samples and checks what it is asked."""

import json
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fieldguide.records.candidates import Answer, Candidate, Query, Request, ResultPage, Source

SAMPLES = Path(__file__).parent / "samples" / "sources"
MOST_PAGES = 12


class OffScript(Exception):
    """The source asked what the script has no answer for."""


@dataclass(frozen=True)
class Step:
    """One question that is expected, and its answer.

    Attributes:
        url: exactly the address that is asked.
        has: parameters that the question has to hold, as "name=value".
        lacks: names of parameters that it may not hold.
        sample: the file of the answer, without .json; or the bytes.
    """

    url: str
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    sample: str | bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})

    def fits(self, request: Request) -> bool:
        params = {f"{name}={value}" for name, value in request.params}
        names = {name for name, _ in request.params}
        return request.url == self.url and set(self.has) <= params and not names & set(self.lacks)

    def answer(self) -> Answer:
        return Answer(self.url, self.status, self.headers, self.body())

    def body(self) -> bytes:
        return self.sample if isinstance(self.sample, bytes) else (SAMPLES / f"{self.sample}.json").read_bytes()


class Script:
    """Answer each question with the first step that fits it, and keep the requests."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps
        self.requests: list[Request] = []
        self.used: set[int] = set()

    async def __call__(self, request: Request) -> Answer:
        self.requests.append(request)
        for number, step in enumerate(self.steps):
            if step.fits(request):
                self.used.add(number)
                return step.answer()
        raise OffScript(f"{request.url} {request.params}")


def run(search: Coroutine[Any, Any, ResultPage]) -> ResultPage:
    """Return the page that comes back; the script never waits, so no event loop is needed."""
    try:
        search.send(None)
    except StopIteration as stopped:
        page: ResultPage = stopped.value
        return page
    raise AssertionError("the source waited for something other than its question")


def search(source: Source, query: Query, script: Script, cursor: str = "") -> ResultPage:
    """Return one page."""
    return run(source.search(query, cursor, script))


def walk(source: Source, query: Query, script: Script, cursor: str = "") -> list[ResultPage]:
    """Return all pages from the cursor on."""
    pages = [search(source, query, script, cursor)]
    while pages[-1].cursor:
        assert len(pages) < MOST_PAGES, "the search does not end"
        pages.append(search(source, query, script, pages[-1].cursor))
    return pages


def candidates_of(pages: Sequence[ResultPage]) -> list[Candidate]:
    return [candidate for page in pages for candidate in page.candidates]


def answered(value: object, status: int = 200, **headers: str) -> Answer:
    """Return an answer with this JSON, or these bytes; header names with _ for -."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Answer(
        "https://example.org/", status, {name.replace("_", "-"): value for name, value in headers.items()}, body
    )


def one_answer(body: bytes, status: int = 200, **headers: str) -> Script:
    """Return a script that answers every question alike."""

    class Same(Script):
        async def __call__(self, request: Request) -> Answer:
            self.requests.append(request)
            return answered(body, status, **headers)

    return Same(())
