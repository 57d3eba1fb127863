"""Brave Search: pictures of the open web, without licences; a paid key is needed.

Knows nothing about networks or projects.
"""

import os
from collections.abc import Mapping

from fieldguide.errors import BadQuery, KeyNeeded
from fieldguide.records.candidates import Answer, Ask, Candidate, HostLimit, Query, Request, ResultPage, SourceFacts
from fieldguide.sources.answers import (
    MALFORMED,
    Asked,
    check_options,
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

__all__ = ["BraveSource"]

KEY = "BRAVE_API_KEY"
_ADDRESS = "https://api.search.brave.com/res/v1/images/search"
_COUNT = 200


class BraveSource:
    """Asks Brave with the key in BRAVE_API_KEY: one page of up to 200 pictures for a query."""

    name = "brave"
    facts = SourceFacts(
        about="pictures of the open web found by Brave Search, without licences; paid",
        terms_url="https://api-dashboard.search.brave.com/terms-of-service",
        licence_fields=False,
        key=KEY,
        key_needed=True,
        page_size=_COUNT,
        per_query=_COUNT,
        hosts={"api.search.brave.com": HostLimit(1.0, 1)},
    )

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._key = (os.environ if environ is None else environ).get(KEY, "").strip()
        self._asked = Asked(self.name, KEY, self._key)

    async def search(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """The only page of results; raises as `Source.search`."""
        check_options(query, ("country", "search_lang", "spellcheck"))
        if cursor:
            raise BadQuery("brave has only one page for a query", "begin this search again")
        if not self._key:
            raise KeyNeeded(f"brave wants a key and {KEY} is not set", "get one at api-dashboard.search.brave.com")
        params = (("q", query.text.strip()), ("count", str(_COUNT)), ("safesearch", "strict"))
        headers = {"X-Subscription-Token": self._key}
        answer = await ask(Request(_ADDRESS, (*params, *sorted(query.options.items())), headers))
        self._check_key(answer)
        value = read_object(self._asked, answer)
        results = entries(self.name, value, "results")
        if not results and (text(value, "type") != "images" or not text(value, "query", "original")):
            raise layout_changed(self.name, "there are no results and it does not say for which query")
        return make_page(self.name, map(_candidate, results), "", answer)

    def _check_key(self, answer: Answer) -> None:
        """Nothing, where it does not complain about the key, which it does with status 422."""
        words = server_words(answer, self._key)
        if answer.status in (400, 403, 422) and "token" in words.lower():
            raise KeyNeeded(f"brave does not accept its key: {words}", f"set {KEY} to a valid key")


def _candidate(result: object) -> Candidate | str:
    """The picture of a result; only a small one where its own address is not given."""
    url, thumb = link(result, "properties", "url"), link(result, "thumbnail", "src")
    if not (url or thumb) or dig(result, "properties") is None:
        return MALFORMED
    sized = "properties" if url else "thumbnail"
    return Candidate(
        url=url or thumb,
        page_url=link(result, "url"),
        thumb_url=thumb,
        title=text(result, "title"),
        width=whole(result, sized, "width"),
        height=whole(result, sized, "height"),
        is_thumb=not url,
    )
