"""Brave Search: pictures of the open web, without licences; a paid key is needed.

Knows nothing about networks or projects.
"""

from fieldguide.errors import BadQuery
from fieldguide.records.candidates import Answer, Ask, Candidate, HostLimit, Query, ResultPage, SourceFacts
from fieldguide.sources.json_api import MALFORMED, Json, JsonSource, Reply

_URL = "https://api.search.brave.com/res/v1/images/search"
_COUNT = 200


class BraveSource(JsonSource):
    """Searches Brave with the key in BRAVE_API_KEY: one page of up to 200 pictures for a query."""

    name = "brave"
    facts = SourceFacts(
        about="pictures of the open web found by Brave Search, without licences; paid",
        terms_url="https://api-dashboard.search.brave.com/terms-of-service",
        licence_fields=False,
        key="BRAVE_API_KEY",
        key_needed=True,
        page_size=_COUNT,
        per_query=_COUNT,
        hosts={"api.search.brave.com": HostLimit(1.0, 1)},
    )
    options = ("country", "search_lang", "spellcheck")
    key_from = "api-dashboard.search.brave.com"

    async def read_page(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """Return the only page of results."""
        if cursor:
            raise BadQuery("brave has only one page for a query", "begin the search again")
        params = [("q", query.text.strip()), ("count", str(_COUNT)), ("safesearch", "strict")]
        params += sorted(query.options.items())
        reply = await self.fetch(ask, _URL, params, {"X-Subscription-Token": self.key})
        results = reply.listed("results")
        if not results and (reply.text("type") != "images" or not reply.text("query", "original")):
            raise reply.layout_changed("there are no results and it does not say for which query")
        return reply.page(map(_candidate, results))

    def read(self, answer: Answer) -> Reply:
        """Return the JSON object; a complaint about the key, which comes with status 422, becomes `KeyNeeded`."""
        message = self.server_message(answer)
        if answer.status in (400, 403, 422) and "token" in message.lower():
            raise self.key_refused(f": {message}")
        return super().read(answer)


def _candidate(result: Json) -> Candidate | str:
    """Return the picture of a result; only a small one where its own address is not given."""
    url, thumb = result.link("properties", "url"), result.link("thumbnail", "src")
    if not (url or thumb) or result.at("properties").value is None:
        return MALFORMED
    sized = result.at("properties" if url else "thumbnail")
    return Candidate(
        url=url or thumb,
        page_url=result.link("url"),
        thumb_url=thumb,
        title=result.text("title"),
        width=sized.whole("width"),
        height=sized.whole("height"),
        is_thumb=not url,
    )
