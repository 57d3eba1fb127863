"""Openverse: openly licensed pictures of many collections, through its own interface; similar pictures too.

Anonymous askers get 20 pictures a page, 240 a query and 200 requests a day, so a class grows by more queries, not by
more pages. Knows nothing about networks or projects.
"""

import os
from collections.abc import Mapping
from dataclasses import replace

from fieldguide.errors import BadQuery
from fieldguide.records.candidates import Answer, Ask, Candidate, HostLimit, Query, Request, ResultPage, SourceFacts
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
    server_words,
    text,
    whole,
)

__all__ = ["OpenverseSource"]

KEY = "FIELDGUIDE_OPENVERSE_TOKEN"
_HOST = "api.openverse.org"
_ADDRESS = f"https://{_HOST}/v1/images/"
_PAGE_SIZE, _PAGE_SIZE_WITH_TOKEN, _MOST_PAGES = 20, 100, 20
_ANONYMOUS_DEPTH = 240
_MAX_QUERY_CHARS = 200
_OPTIONS = (
    "aspect_ratio",
    "category",
    "creator",
    "excluded_source",
    "extension",
    "license",
    "license_type",
    "size",
    "source",
    "tags",
    "title",
)
_LICENCES = {
    "open": ("license", "by,by-sa,cc0,pdm"),
    "commercial": ("license_type", "commercial"),
    "modify": ("license_type", "modification"),
}


class OpenverseSource:
    """Asks Openverse; a token in FIELDGUIDE_OPENVERSE_TOKEN raises its limits."""

    name = "openverse"
    facts = SourceFacts(
        about="openly licensed pictures of many collections, mostly Flickr and museums",
        terms_url="https://docs.openverse.org/terms_of_service.html",
        licence_fields=True,
        key=KEY,
        page_size=_PAGE_SIZE,
        per_query=_ANONYMOUS_DEPTH,
        per_day=200,
        hosts={_HOST: HostLimit(3.0, 1)},  # 20 a minute without a token
        media_hosts={"live.staticflickr.com": HostLimit(0.5, 2), "upload.wikimedia.org": HostLimit(1.0, 2)},
    )

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._token = (os.environ if environ is None else environ).get(KEY, "").strip()
        self._asked = Asked(self.name, KEY, self._token)
        if self._token:
            most = _PAGE_SIZE_WITH_TOKEN * _MOST_PAGES
            hosts = {_HOST: HostLimit(0.6, 1)}  # 100 a minute
            self.facts = replace(self.facts, page_size=_PAGE_SIZE_WITH_TOKEN, per_query=most, hosts=hosts)

    async def search(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """The page of results whose number is the cursor; raises as `Source.search`."""
        check_options(query, _OPTIONS)
        page = cursor_number(self.name, cursor, 1)
        answer = await ask(Request(_ADDRESS, self._params(query, page), self._headers()))
        past_the_end = answer.status == 404 and page > 1 and "invalid page" in server_words(answer).lower()
        if past_the_end:
            return make_page(self.name, [], "", answer)
        value = read_object(self._asked, answer)
        results = entries(self.name, value, "results")
        seen = (page - 1) * self.facts.page_size + len(results)
        total = dig(value, "result_count")
        if not isinstance(total, int):
            raise layout_changed(self.name, "there is no 'result_count'")
        if not results and page == 1 and total != 0:
            raise layout_changed(self.name, f"it counts {total} results and shows none")
        # its count may be capped: only a short page together with the count, an empty page, or the depth is the end
        short = len(results) < self.facts.page_size and seen >= total
        deep = page * self.facts.page_size >= self.facts.per_query
        more = bool(results) and not short and not deep
        return make_page(self.name, map(_candidate, results), str(page + 1) if more else "", answer)

    async def similar(self, query: Query, candidate: Candidate, cursor: str, ask: Ask) -> ResultPage:
        """The pictures that Openverse lists as related to one that it gave: one page; raises as `Source.search`."""
        if cursor or not candidate.similar_url.startswith(f"https://{_HOST}/"):
            raise BadQuery(f"{self.name} lists nothing similar to that picture", "take a picture that it gave")
        answer = await ask(Request(candidate.similar_url, (), self._headers()))
        return self._related(answer)

    def _related(self, answer: Answer) -> ResultPage:
        value = read_object(self._asked, answer)
        results = entries(self.name, value, "results")
        if not results and dig(value, "result_count") != 0:
            raise layout_changed(self.name, "it shows no related pictures and does not count 0")
        return make_page(self.name, map(_candidate, results), "", answer)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def _params(self, query: Query, page: int) -> tuple[tuple[str, str], ...]:
        params = [("q", query.text.strip()[:_MAX_QUERY_CHARS]), ("page", str(page))]
        params += [("page_size", str(self.facts.page_size)), ("mature", "false")]
        if not {"license", "license_type"} & set(query.options) and query.licences in _LICENCES:
            params.append(_LICENCES[query.licences])
        return (*params, *sorted(query.options.items()))


def _candidate(item: object) -> Candidate | str:
    """The picture that an item of its list describes, or why it is none."""
    url, item_id = link(item, "url"), text(item, "id")
    if not url or not item_id:
        return MALFORMED
    similar_url = link(item, "related_url")
    extra = {"source": text(item, "source")}
    return Candidate(
        url=url,
        item_id=item_id,
        page_url=link(item, "foreign_landing_url"),
        thumb_url=link(item, "thumbnail"),
        title=text(item, "title"),
        author=text(item, "creator"),
        author_url=link(item, "creator_url"),
        licence=" ".join(filter(None, (text(item, "license"), text(item, "license_version")))),
        licence_url=link(item, "license_url"),
        attribution=text(item, "attribution"),
        width=whole(item, "width"),
        height=whole(item, "height"),
        similar_url=similar_url if similar_url.startswith(f"https://{_HOST}/") else "",
        extra={name: value for name, value in extra.items() if value},
    )
