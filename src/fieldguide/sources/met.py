"""The Metropolitan Museum of Art: its open-access collection, one request for a list of numbers, one for each work.

A page is 20 works of the list. The cursor is only how many came before, and the list is requested again with each
page: one request more in twenty, and nothing has to be kept. Knows nothing about networks or projects.
"""

from collections.abc import Iterator

from fieldguide.errors import BadQuery
from fieldguide.records.candidates import Ask, Candidate, HostLimit, Query, Request, ResultPage, SourceFacts
from fieldguide.sources.inputs import cursor_number
from fieldguide.sources.json_api import CC0_URL, MALFORMED, NO_IMAGE, Json, JsonSource, Reply

_URL = "https://collectionapi.metmuseum.org/public/collection/v1"
_PAGE_SIZE = 20
_FILTERS = {
    "date_begin": "dateBegin",
    "date_end": "dateEnd",
    "department_id": "departmentId",
    "geo_location": "geoLocation",
    "medium": "medium",
}
GONE = "gone"


class MetSource(JsonSource):
    """Searches The Met; its ready pictures, or the originals with the option `picture` = "original".

    All pictures of one work have one `extra["group"]`.
    """

    name = "met"
    facts = SourceFacts(
        about="the open collection of The Metropolitan Museum of Art; slow: one request for each work",
        terms_url="https://www.metmuseum.org/hubs/open-access",
        licence_fields=True,
        page_size=_PAGE_SIZE,
        hosts={"collectionapi.metmuseum.org": HostLimit(1.0, 1)},  # faster, and its guard answers 403 after about 30
        media_hosts={"images.metmuseum.org": HostLimit(1.0, 1)},
    )
    options = (*_FILTERS, "picture")
    refusal_hint = "it refuses quick requests; run the same command again in an hour"

    async def read_page(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """Return the page of works after as many as the cursor says."""
        picture = query.options.get("picture", "small")
        if picture not in ("small", "original"):
            raise BadQuery(f"met has no picture '{picture[:20]}'", "choose 'small' or 'original'")
        skip = cursor_number(self.name, cursor, 0)
        params = [("hasImages", "true"), ("q", query.text.strip())]
        params += sorted((_FILTERS[name], value) for name, value in query.options.items() if name in _FILTERS)
        reply = await self.fetch(ask, f"{_URL}/search", params)
        ids = _object_ids(reply)
        candidates: list[Candidate | str] = []
        for object_id in ids[skip : skip + _PAGE_SIZE]:
            answer = await ask(Request(f"{_URL}/objects/{object_id}"))
            if answer.status == 404:  # its list names works that were taken away
                candidates.append(GONE)
                reply = Reply(None, answer, self.name)
                continue
            reply = self.read(answer)
            candidates += _candidates(reply, picture == "original")
        following = skip + _PAGE_SIZE
        return reply.page(candidates, str(following) if following < len(ids) else "")


def _object_ids(reply: Reply) -> list[int]:
    """Return the numbers of the works, in its order."""
    if reply.has("objectIDs") and reply.at("objectIDs").value is None and reply.at("total").value == 0:
        return []
    listed, total = reply.listed("objectIDs"), reply.count("total")
    numbers = [number for number in (item.whole() for item in listed) if number]
    if not numbers and (listed or total):
        raise reply.layout_changed(f"it counts {total} works and names none")
    return numbers


def _candidates(work: Json, originals: bool) -> Iterator[Candidate | str]:
    """Yield the pictures of a work, the first view first, or why it has none."""
    object_id, public = work.text("objectID"), work.at("isPublicDomain").value
    if not object_id or not isinstance(public, bool) or not isinstance(work.at("primaryImage").value, str):
        yield MALFORMED
        return
    original, small = work.link("primaryImage"), work.link("primaryImageSmall")
    first = original or small if originals else small or original
    views = [first, *(view.link() for view in work.items("additionalImages"))]
    urls = list(dict.fromkeys(url for url in views if url))
    if not urls:
        yield NO_IMAGE
    for number, url in enumerate(urls):
        yield Candidate(
            url=url,
            item_id=f"{object_id}-{number}" if number else object_id,
            page_url=work.link("objectURL"),
            thumb_url=small if url == first else "",
            title=work.text("title"),
            author=work.text("artistDisplayName"),
            author_url=work.link("artistWikidata_URL"),
            # its documentation: images of works in the public domain are under CC0
            licence="CC0" if public else work.text("rightsAndReproduction") or "not in the public domain",
            licence_url=CC0_URL if public else "",
            attribution=work.text("creditLine"),
            extra={"group": f"met:{object_id}"},
        )
