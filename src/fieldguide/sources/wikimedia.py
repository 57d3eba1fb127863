"""Wikimedia Commons: freely licensed files, through the search of its own interface (MediaWiki Action API).

It says its troubles in answers with status 200, sends pages in no order, and may send the same pages again with more
about them. Knows nothing about networks or projects.
"""

import json
import re
from collections.abc import Iterator, Mapping

from fieldguide.errors import BadQuery, Blocked, LayoutChanged, NetworkDown, RateLimited
from fieldguide.records.candidates import Answer, Ask, Candidate, HostLimit, Query, Request, ResultPage, SourceFacts
from fieldguide.sources.answers import (
    MALFORMED,
    Asked,
    check_options,
    dig,
    html_text,
    layout_changed,
    link,
    make_page,
    read_object,
    text,
    wait_s,
    whole,
)

__all__ = ["WikimediaSource"]

_ADDRESS = "https://commons.wikimedia.org/w/api.php"
_FIELDS = (
    "LicenseShortName|License|LicenseUrl|Artist|Credit|UsageTerms|AttributionRequired|Restrictions|ImageDescription"
)
_WIDTHS = ("20", "40", "60", "120", "250", "330", "500", "960", "1280", "1920", "3840")  # others are refused
_MAX_CURSOR_CHARS = 2000
TOLD_ELSEWHERE = "told_on_another_page"
_ITEM = re.compile(r"Q[1-9][0-9]{0,11}")


class WikimediaSource:
    """Asks Wikimedia Commons for bitmap files, at a width that it serves readily."""

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

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._asked = Asked(self.name, refusal_hint="it wants to know who asks: set a contact in [collect]")

    async def search(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """The page of results where the cursor goes on, which is its `continue` object; raises as `Source.search`."""
        check_options(query, ("category", "depicts", "width"))
        continued = _continued(cursor)
        answer = await ask(Request(_ADDRESS, _params(query, continued)))
        value = read_object(self._asked, answer)
        if "error" in value:
            raise _error(value, answer)
        further = _further(value, continued)
        pages = dig(value, "query", "pages")
        if pages is None and "query" not in value:
            # formatversion 2 sends nothing but this flag when nothing was found
            if value.get("batchcomplete") is not True or further:
                raise layout_changed(self.name, "there is neither 'query' nor a complete batch")
            return make_page(self.name, [], "", answer)
        listed = list(pages.values()) if isinstance(pages, dict) else pages
        if not isinstance(listed, list) or not listed:
            raise layout_changed(self.name, "there is no list 'query.pages'")
        # one batch may come in several answers, each with the details of some pages: the first says "not complete",
        # and those after it are asked for with more than where the batch begins
        several = "batchcomplete" not in value or bool(set(continued) - {"continue", "gsroffset"})
        found = _candidates(sorted(listed, key=_rank), several)
        return make_page(self.name, found, further, answer)


def _params(query: Query, continued: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The parameters of a search; what its last answer said of how to go on is merged in whole."""
    words = [f"filetype:bitmap {query.text.strip()}"]
    depicts, category = query.options.get("depicts", ""), query.options.get("category", "")
    width = query.options.get("width", "1280")
    if depicts and not _ITEM.fullmatch(depicts):
        raise BadQuery("wikimedia wants a Wikidata item in 'depicts'", "write it as Q42")
    if category and '"' in category:
        raise BadQuery("wikimedia knows no category with a quotation mark", "leave it out")
    if width not in _WIDTHS:
        raise BadQuery(f"wikimedia serves no width '{width[:20]}'", f"take one of {', '.join(_WIDTHS)}")
    words += [f"haswbstatement:P180={depicts}"] if depicts else []
    words += [f'incategory:"{category}"'] if category else []
    params = {
        "action": "query",
        "format": "json",
        "formatversion": "2",
        "generator": "search",
        "gsrnamespace": "6",
        "gsrsearch": " ".join(words),
        "gsrlimit": "50",
        "prop": "imageinfo",
        "iiprop": "url|size|mime|sha1|extmetadata|user|timestamp",
        "iiextmetadatafilter": _FIELDS,
        "iiurlwidth": width,
        "maxlag": "5",
    }
    return tuple({**continued, **params}.items())


def _continued(cursor: str) -> dict[str, str]:
    """The `continue` object that a cursor holds.

    Raises:
        BadQuery: it is no cursor of this source.
    """
    if not cursor:
        return {}
    try:
        value = json.loads(cursor)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or "continue" not in value or not all(isinstance(v, str) for v in value.values()):
        raise BadQuery("that is no place in a search of wikimedia", "begin this search again")
    return value


def _further(value: Mapping[str, object], continued: Mapping[str, str]) -> str:
    """The cursor for the next page, "" where there is none.

    Raises:
        LayoutChanged: it says how to go on in a form that is not known, or goes back: the search would never end.
    """
    if "continue" not in value:
        return ""
    said = value["continue"]
    fields = {key: text(said, key) for key in said} if isinstance(said, dict) else {}
    cursor = json.dumps(fields, sort_keys=True)
    if not fields.get("continue") or len(fields) < 2 or len(cursor) > _MAX_CURSOR_CHARS:
        raise layout_changed("wikimedia", "'continue' does not say how to go on")
    if fields == continued or whole(fields, "gsroffset") < whole(continued, "gsroffset"):
        raise layout_changed("wikimedia", "'continue' does not go on")
    return cursor


def _error(
    value: Mapping[str, object], answer: Answer
) -> RateLimited | NetworkDown | Blocked | BadQuery | LayoutChanged:
    """The error that an answer with status 200 tells of."""
    code, words = text(value, "error", "code").lower(), text(value, "error", "info")
    said = f": {words}" if words else ""
    if code in ("ratelimited", "maxlag"):
        seconds = wait_s(answer) or (5.0 if code == "maxlag" else 0.0)  # its manual: at least 5 s after maxlag
        hint = "collecting goes on with other sources; run the same command again later"
        return RateLimited(f"wikimedia asks to wait ({code}){said}", hint, seconds)
    if code.startswith(("internal_api_error", "readonly")) or code == "cirrussearch-too-busy-error":
        return NetworkDown(f"wikimedia is in trouble ({code}){said}", "try again later")
    if "blocked" in code or code in ("permissiondenied", "readapidenied"):
        return Blocked(f"wikimedia answers with a refusal ({code}){said}", "set a contact in [collect]; try later")
    if code and words:
        return BadQuery(f"wikimedia does not accept the query ({code}){said}", "change the query or its options")
    return layout_changed("wikimedia", "an 'error' without a code")


def _rank(page: object) -> int:
    return whole(page, "index")


def _candidates(pages: list[object], several: bool) -> Iterator[Candidate | str]:
    """The pictures of the pages; where a batch comes in several answers, another one may hold a page's details."""
    for page in pages:
        info = dig(page, "imageinfo", 0)
        if info is None and isinstance(page, dict) and "imageinfo" not in page and several:
            yield TOLD_ELSEWHERE
        else:
            yield _candidate(page, info)


def _candidate(page: object, info: object) -> Candidate | str:
    """The picture of a page, or why it is none."""
    original = link(info, "url")
    url = link(info, "thumburl") or original
    item_id = text(page, "pageid")
    if not url or not item_id:
        return MALFORMED
    about = dig(info, "extmetadata")
    author, author_url = html_text(text(about, "Artist", "value"))
    extra = {"mime": text(info, "mime"), "sha1": text(info, "sha1"), "original": original if original != url else ""}
    extra["restrictions"] = text(about, "Restrictions", "value")
    width, height = whole(info, "width"), whole(info, "height")
    if url != original:  # the asked width may be said, though the file is smaller
        width = min(whole(info, "thumbwidth"), width or 1 << 30)
        height = min(whole(info, "thumbheight"), height or 1 << 30)
    return Candidate(
        url=url,
        item_id=item_id,
        page_url=link(info, "descriptionurl") or link(info, "descriptionshorturl"),
        title=text(page, "title").removeprefix("File:"),
        author=author or text(info, "user"),
        author_url=author_url,
        licence=text(about, "License", "value") or text(about, "LicenseShortName", "value"),
        licence_url=link(about, "LicenseUrl", "value"),
        attribution=html_text(text(about, "Attribution", "value"))[0],
        width=width,
        height=height,
        extra={name: value for name, value in extra.items() if value},
    )
