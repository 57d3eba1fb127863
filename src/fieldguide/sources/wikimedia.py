"""Wikimedia Commons: freely licensed files, through the search of its own API (MediaWiki Action API).

It reports errors in answers with status 200, sends pages in no order, and may send the same pages again with more
about them. Knows nothing about networks or projects.
"""

import json
import re
from collections.abc import Iterator, Mapping

from fieldguide.errors import BadQuery, Blocked, LayoutChanged, NetworkDown, RateLimited
from fieldguide.records.candidates import Answer, Ask, Candidate, HostLimit, Query, ResultPage, SourceFacts
from fieldguide.sources.inputs import bad_cursor
from fieldguide.sources.json_api import MALFORMED, WAIT_HINT, Json, JsonSource, Reply, wait_s

_URL = "https://commons.wikimedia.org/w/api.php"
_FIXED_PARAMS = {
    "action": "query",
    "format": "json",
    "formatversion": "2",
    "generator": "search",
    "gsrnamespace": "6",
    "gsrlimit": "50",
    "prop": "imageinfo",
    "iiprop": "url|size|mime|sha1|extmetadata|user|timestamp",
    "iiextmetadatafilter": (
        "LicenseShortName|License|LicenseUrl|Artist|Credit|UsageTerms|AttributionRequired|Restrictions|ImageDescription"
    ),
    "maxlag": "5",
}
_WIDTHS = ("20", "40", "60", "120", "250", "330", "500", "960", "1280", "1920", "3840")  # others are refused
_MAX_CURSOR_CHARS = 2000
_ITEM = re.compile(r"Q[1-9][0-9]{0,11}")
TOLD_ELSEWHERE = "told_on_another_page"


class WikimediaSource(JsonSource):
    """Searches Wikimedia Commons for bitmap files, at a width that it serves readily."""

    name = "wikimedia"
    facts = SourceFacts(
        about="freely licensed files of Wikimedia Commons",
        terms_url="https://foundation.wikimedia.org/wiki/Policy:Terms_of_Use",
        licence_fields=True,
        page_size=50,
        per_query=10000,  # the depth of its search
        hosts={"commons.wikimedia.org": HostLimit(1.0, 1)},
        media_hosts={"upload.wikimedia.org": HostLimit(1.0, 2), "thumb.wikimedia.org": HostLimit(1.0, 2)},
    )
    options = ("category", "depicts", "width")
    refusal_hint = "it wants to know who is asking: set a contact in [collect]"

    async def read_page(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """Return the page of results where the cursor goes on, which is the API's own `continue` object."""
        continued = _parse_cursor(cursor)
        params = {**continued, **_FIXED_PARAMS, **_search_params(query)}
        reply = await self.fetch(ask, _URL, params.items())
        following = _next_cursor(reply, continued)
        if not reply.has("query"):
            # formatversion 2 sends nothing but this flag when nothing was found
            if reply.at("batchcomplete").value is not True or following:
                raise reply.layout_changed("there is neither 'query' nor a complete batch")
            return reply.page([])
        pages = reply.at("query", "pages").value
        listed = [Json(page) for page in pages.values()] if isinstance(pages, dict) else reply.items("query", "pages")
        if not listed:
            raise reply.layout_changed("there is no list 'query.pages'")
        # one batch may come in several answers, each with the details of some pages: the first says "not complete",
        # and those after it are requested with more than where the batch begins
        several = not reply.has("batchcomplete") or bool(set(continued) - {"continue", "gsroffset"})
        listed.sort(key=lambda page: page.whole("index"))
        return reply.page(_candidates(listed, several), following)

    def read(self, answer: Answer) -> Reply:
        """Return the JSON object; an `error` in it, which comes with status 200, is raised."""
        reply = super().read(answer)
        if reply.has("error"):
            raise _error(reply)
        return reply


def _search_params(query: Query) -> dict[str, str]:
    words = [f"filetype:bitmap {query.text.strip()}"]
    depicts, category = query.options.get("depicts", ""), query.options.get("category", "")
    width = query.options.get("width", "1280")
    if depicts and not _ITEM.fullmatch(depicts):
        raise BadQuery("the option 'depicts' of wikimedia must be a Wikidata item", "write it as Q42")
    if '"' in category:
        raise BadQuery("no category of wikimedia has a quotation mark in its name", "leave it out")
    if width not in _WIDTHS:
        raise BadQuery(f"wikimedia serves no width '{width[:20]}'", f"choose one of {', '.join(_WIDTHS)}")
    words += [f"haswbstatement:P180={depicts}"] if depicts else []
    words += [f'incategory:"{category}"'] if category else []
    return {"gsrsearch": " ".join(words), "iiurlwidth": width}


def _parse_cursor(cursor: str) -> dict[str, str]:
    if not cursor:
        return {}
    try:
        value = json.loads(cursor)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or "continue" not in value or not all(isinstance(v, str) for v in value.values()):
        raise bad_cursor("wikimedia")
    return value


def _next_cursor(reply: Reply, continued: Mapping[str, str]) -> str:
    """Return the cursor for the next page, "" where there is none."""
    if not reply.has("continue"):
        return ""
    value = reply.at("continue")
    fields = {key: value.text(key) for key in value.value} if isinstance(value.value, dict) else {}
    cursor = json.dumps(fields, sort_keys=True)
    if not fields.get("continue") or len(fields) < 2 or len(cursor) > _MAX_CURSOR_CHARS:
        raise reply.layout_changed("'continue' does not say how to go on")
    if fields == continued or Json(fields).whole("gsroffset") < Json(continued).whole("gsroffset"):
        raise reply.layout_changed("'continue' does not go on")
    return cursor


def _error(reply: Reply) -> RateLimited | NetworkDown | Blocked | BadQuery | LayoutChanged:
    code, message = reply.text("error", "code").lower(), reply.text("error", "info")
    because = f": {message}" if message else ""
    if code in ("ratelimited", "maxlag"):
        seconds = wait_s(reply.answer) or (5.0 if code == "maxlag" else 0.0)  # its manual: at least 5 s after maxlag
        return RateLimited(f"wikimedia asks to wait ({code}){because}", WAIT_HINT, seconds)
    if code.startswith(("internal_api_error", "readonly")) or code == "cirrussearch-too-busy-error":
        return NetworkDown(f"wikimedia is not available now ({code}){because}", "try again later")
    if "blocked" in code or code in ("permissiondenied", "readapidenied"):
        return Blocked(f"wikimedia refuses to answer ({code}){because}", "set a contact in [collect]; try later")
    if code and message:
        return BadQuery(f"wikimedia does not accept the query ({code}){because}", "change the query or its options")
    return reply.layout_changed("an 'error' without a code")


def _candidates(pages: list[Json], several: bool) -> Iterator[Candidate | str]:
    """Yield the pictures of the pages; where a batch comes in several answers, another may hold a page's details."""
    for page in pages:
        if several and isinstance(page.value, dict) and not page.has("imageinfo"):
            yield TOLD_ELSEWHERE
        else:
            yield _candidate(page, page.at("imageinfo", 0))


def _candidate(page: Json, info: Json) -> Candidate | str:
    original, item_id = info.link("url"), page.text("pageid")
    url = info.link("thumburl") or original
    if not url or not item_id:
        return MALFORMED
    about = info.at("extmetadata")
    author, author_url = about.html("Artist", "value")
    extra = {
        "mime": info.text("mime"),
        "sha1": info.text("sha1"),
        "original": original if original != url else "",
        "restrictions": about.text("Restrictions", "value"),
    }
    width, height = info.whole("width"), info.whole("height")
    if url != original:  # the requested width may be stated, though the file is smaller
        width = min(info.whole("thumbwidth"), width or 1 << 30)
        height = min(info.whole("thumbheight"), height or 1 << 30)
    return Candidate(
        url=url,
        item_id=item_id,
        page_url=info.link("descriptionurl") or info.link("descriptionshorturl"),
        title=page.text("title").removeprefix("File:"),
        author=author or info.text("user"),
        author_url=author_url,
        licence=about.text("License", "value") or about.text("LicenseShortName", "value"),
        licence_url=about.link("LicenseUrl", "value"),
        attribution=about.html("Attribution", "value")[0],
        width=width,
        height=height,
        extra={name: value for name, value in extra.items() if value},
    )
