"""Openverse: openly licensed pictures of many collections, through its own API; similar pictures too.

Anonymous users get 20 pictures a page, 240 a query and 200 requests a day, so a class grows by more queries, not by
more pages. Knows nothing about networks or projects.
"""

from collections.abc import Mapping
from dataclasses import replace

from fieldguide.records.candidates import Ask, Candidate, HostLimit, Query, Request, ResultPage, SourceFacts
from fieldguide.sources.inputs import cursor_number
from fieldguide.sources.json_api import MALFORMED, Json, JsonSource

_HOST = "api.openverse.org"
_URL = f"https://{_HOST}/v1/images/"
_PAGE_SIZE, _ANONYMOUS_DEPTH = 20, 240
_PAGE_SIZE_WITH_TOKEN, _MAX_PAGES = 100, 20
_MAX_QUERY_CHARS = 200
_LICENCES = {
    "open": ("license", "by,by-sa,cc0,pdm"),
    "commercial": ("license_type", "commercial"),
    "modify": ("license_type", "modification"),
}


class OpenverseSource(JsonSource):
    """Searches Openverse; a token in FIELDGUIDE_OPENVERSE_TOKEN raises its limits."""

    name = "openverse"
    facts = SourceFacts(
        about="openly licensed pictures of many collections, mostly Flickr and museums",
        terms_url="https://docs.openverse.org/terms_of_service.html",
        licence_fields=True,
        key="FIELDGUIDE_OPENVERSE_TOKEN",
        page_size=_PAGE_SIZE,
        per_query=_ANONYMOUS_DEPTH,
        per_day=200,
        hosts={_HOST: HostLimit(3.0, 1)},  # 20 a minute without a token
        media_hosts={"live.staticflickr.com": HostLimit(0.5, 2), "upload.wikimedia.org": HostLimit(1.0, 2)},
    )
    options = (
        *("aspect_ratio", "category", "creator", "excluded_source", "extension", "license", "license_type", "size"),
        *("source", "tags", "title"),
    )

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        super().__init__(environ)
        self._headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        if self.key:
            depth = _PAGE_SIZE_WITH_TOKEN * _MAX_PAGES
            hosts = {_HOST: HostLimit(0.6, 1)}  # 100 a minute
            self.facts = replace(self.facts, page_size=_PAGE_SIZE_WITH_TOKEN, per_query=depth, hosts=hosts)

    async def read_page(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """Return the page of results whose number is the cursor."""
        page, size = cursor_number(self.name, cursor, 1), self.facts.page_size
        params = [("q", query.text.strip()[:_MAX_QUERY_CHARS]), ("page", str(page))]
        params += [("page_size", str(size)), ("mature", "false"), *sorted(query.options.items())]
        if not {"license", "license_type"} & set(query.options) and query.licences in _LICENCES:
            params.append(_LICENCES[query.licences])
        answer = await ask(Request(_URL, tuple(params), self._headers))
        if answer.status == 404 and page > 1 and "invalid page" in self.server_message(answer).lower():
            return ResultPage((), "", answer)  # past the end
        reply = self.read(answer)
        results, total = reply.listed("results"), reply.count("result_count")
        if not results and page == 1 and total != 0:
            raise reply.none_shown(total)
        # its count may be capped: only a short page together with the count, an empty page, or the depth is the end
        short = len(results) < size and (page - 1) * size + len(results) >= total
        more = results and not short and page * size < self.facts.per_query
        return reply.page(map(_candidate, results), str(page + 1) if more else "")

    async def similar(self, query: Query, candidate: Candidate, cursor: str, ask: Ask) -> ResultPage:
        """Return the pictures that Openverse lists as related to one of its own; raises as `Source.search`."""
        reply = await self.fetch_similar(candidate, cursor, ask, _HOST, self._headers)
        results = reply.listed("results")
        if not results and reply.at("result_count").value != 0:
            raise reply.layout_changed("it shows no related pictures and does not count 0")
        return reply.page(map(_candidate, results))


def _candidate(item: Json) -> Candidate | str:
    url, item_id = item.link("url"), item.text("id")
    if not url or not item_id:
        return MALFORMED
    similar_url, collection = item.link("related_url"), item.text("source")
    return Candidate(
        url=url,
        item_id=item_id,
        page_url=item.link("foreign_landing_url"),
        thumb_url=item.link("thumbnail"),
        title=item.text("title"),
        author=item.text("creator"),
        author_url=item.link("creator_url"),
        licence=" ".join(filter(None, (item.text("license"), item.text("license_version")))),
        licence_url=item.link("license_url"),
        attribution=item.text("attribution"),
        width=item.whole("width"),
        height=item.whole("height"),
        similar_url=similar_url if similar_url.startswith(f"https://{_HOST}/") else "",
        extra={"source": collection} if collection else {},
    )
