"""SearXNG: one's own instance of the metasearch engine; pictures of the open web, without licences.

Knows nothing about networks or projects.
"""

import re
from urllib.parse import urlsplit

from fieldguide.errors import BadQuery, Blocked
from fieldguide.records.candidates import Ask, Candidate, Query, ResultPage, SourceFacts
from fieldguide.sources.inputs import cursor_number
from fieldguide.sources.json_api import MALFORMED, Json, JsonSource

_MAX_PAGES = 20
_RESOLUTION = re.compile(r"^\s*([0-9]{1,6})\s*[x\u00d7*]\s*([0-9]{1,6})")


class SearxngSource(JsonSource):
    """Searches the SearXNG instance at the option `base_url`, which has to list json under `search.formats`.

    Engines that did not answer it are counted under `skipped`, each by name.
    """

    name = "searxng"
    facts = SourceFacts(
        about="pictures of the open web through one's own SearXNG, without licences",
        terms_url="https://docs.searxng.org/dev/search_api.html",
        licence_fields=False,
        page_size=100,  # its engines decide; seldom more
    )
    options = ("base_url", "engines", "language", "safesearch", "time_range")
    refusal_hint = "list json under search.formats in its settings.yml"

    async def read_page(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """Return the page of results whose number is the cursor."""
        page = cursor_number(self.name, cursor, 1)
        options = {"safesearch": "1", **query.options}
        url = f"{_base_url(options.pop('base_url', ''))}/search"
        params = [("q", query.text.strip()), ("categories", "images"), ("format", "json"), ("pageno", str(page))]
        reply = await self.fetch(ask, url, params + sorted(options.items()))
        results = reply.listed("results")
        silent = [engine.text(0) or engine.text() or "an engine" for engine in reply.listed("unresponsive_engines")]
        if not results and silent and page == 1:
            names = ", ".join(silent[:5])
            raise Blocked(f"none of the engines of searxng answered: {names}", "try later, or set 'engines'")
        if not results:
            reply.count("number_of_results")
        candidates = [*map(_candidate, results), *(f"unresponsive: {name}" for name in silent)]
        return reply.page(candidates, str(page + 1) if results and page < _MAX_PAGES else "")


def _base_url(option: str) -> str:
    """Return the instance's address without a slash at its end."""
    base = Json(option).link()
    parts = urlsplit(base)
    if not base or parts.query or parts.fragment or "@" in parts.netloc:
        message = "searxng cannot use its 'base_url'" if option else "searxng needs the address of your own instance"
        raise BadQuery(message, 'set base_url = "https://search.example.org" in [collect.options.searxng]')
    return base.rstrip("/")


def _candidate(result: Json) -> Candidate | str:
    """Return the picture of a result; only a small one where no other is given."""
    url, thumb = result.link("img_src"), result.link("thumbnail_src") or result.link("thumbnail")
    if not (url or thumb):
        return MALFORMED
    size = _RESOLUTION.match(result.text("resolution")) if url else None
    engine = result.text("engine")
    return Candidate(
        url=url or thumb,
        page_url=result.link("url"),
        thumb_url=thumb,
        title=result.text("title"),
        author=result.text("author"),
        width=int(size[1]) if size else 0,
        height=int(size[2]) if size else 0,
        is_thumb=not url,
        extra={"engine": engine} if engine else {},
    )
