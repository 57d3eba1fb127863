"""SearXNG: one's own instance of the metasearch engine; pictures of the open web, without licences.

Knows nothing about networks or projects.
"""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from fieldguide.errors import BadQuery, Blocked
from fieldguide.records.candidates import Ask, Candidate, Query, Request, ResultPage, SourceFacts
from fieldguide.sources.answers import (
    MALFORMED,
    Asked,
    check_options,
    cursor_number,
    dig,
    entries,
    layout_changed,
    link,
    make_page,
    read_object,
    text,
    whole,
)

__all__ = ["SearxngSource"]

_MOST_PAGES = 20
_OPTIONS = ("base_url", "engines", "language", "safesearch", "time_range")
_RESOLUTION = re.compile(r"^\s*([0-9]{1,6})\s*[x\u00d7*]\s*([0-9]{1,6})")


class SearxngSource:
    """Asks the SearXNG instance at the option `base_url`, which has to list json under `search.formats`."""

    name = "searxng"
    facts = SourceFacts(
        about="pictures of the open web through one's own SearXNG, without licences",
        terms_url="https://docs.searxng.org/dev/search_api.html",
        licence_fields=False,
        page_size=100,  # its engines decide; seldom more
        per_query=0,
    )

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._asked = Asked(self.name, refusal_hint="list json under search.formats in its settings.yml")

    async def search(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """The page of results whose number is the cursor; raises as `Source.search`.

        Engines that did not answer it are counted under `skipped`, each by name.
        """
        check_options(query, _OPTIONS)
        page = cursor_number(self.name, cursor, 1)
        options = {name: value for name, value in query.options.items() if name != "base_url"}
        params = [("q", query.text.strip()), ("categories", "images"), ("format", "json"), ("pageno", str(page))]
        params += sorted({"safesearch": "1", **options}.items())
        answer = await ask(Request(f"{_base(query)}/search", tuple(params)))
        value = read_object(self._asked, answer)
        results = entries(self.name, value, "results")
        silent = list(_silent(entries(self.name, value, "unresponsive_engines")))
        if not results and silent and page == 1:
            names = ", ".join(one.removeprefix("unresponsive: ") for one in silent[:5])
            raise Blocked(f"none of the engines of searxng answered: {names}", "try later, or set 'engines'")
        if not results and not isinstance(dig(value, "number_of_results"), int):
            raise layout_changed(self.name, "there are no results and no 'number_of_results'")
        found = [*map(_candidate, results), *silent]
        more = bool(results) and page < _MOST_PAGES
        return make_page(self.name, found, str(page + 1) if more else "", answer)


def _base(query: Query) -> str:
    """The instance's address without a slash at its end.

    Raises:
        BadQuery: the option is missing, or is no plain http or https address.
    """
    given = query.options.get("base_url", "")
    base = link(given)
    parts = urlsplit(base)
    if not base or parts.query or parts.fragment or "@" in parts.netloc:
        message = "searxng needs the address of your own instance" if not given else "searxng cannot use its 'base_url'"
        raise BadQuery(message, 'set base_url = "https://search.example.org" in [collect.options.searxng]')
    return base.rstrip("/")


def _silent(listed: list[object]) -> Iterator[str]:
    for one in listed:
        yield f"unresponsive: {text(one, 0) or text(one) or 'an engine'}"


def _candidate(result: object) -> Candidate | str:
    """The picture of a result; only a small one where no other is given."""
    url, thumb = link(result, "img_src"), link(result, "thumbnail_src") or link(result, "thumbnail")
    if not (url or thumb):
        return MALFORMED
    size = _RESOLUTION.match(text(result, "resolution"))
    engine = text(result, "engine")
    return Candidate(
        url=url or thumb,
        page_url=link(result, "url"),
        thumb_url=thumb,
        title=text(result, "title"),
        author=text(result, "author"),
        width=whole(size[1]) if size and url else 0,
        height=whole(size[2]) if size and url else 0,
        is_thumb=not url,
        extra={"engine": engine} if engine else {},
    )
