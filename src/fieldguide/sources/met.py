"""The Metropolitan Museum of Art: its open-access collection, one question for a list of numbers, one for each work.

A page is 20 works of the list. The cursor is only how many were passed, and the list is asked for again with each
page: one question more in twenty, and nothing has to be kept. Knows nothing about networks or projects.
"""

from collections.abc import Iterator, Mapping

from fieldguide.errors import BadQuery
from fieldguide.records.candidates import Ask, Candidate, HostLimit, Query, Request, ResultPage, SourceFacts
from fieldguide.sources.answers import (
    MALFORMED,
    NO_IMAGE,
    Asked,
    check_options,
    cursor_number,
    dig,
    layout_changed,
    link,
    make_page,
    read_object,
    text,
    whole,
)

__all__ = ["MetSource"]

_ADDRESS = "https://collectionapi.metmuseum.org/public/collection/v1"
_PAGE_SIZE = 20
_FILTERS = {
    "date_begin": "dateBegin",
    "date_end": "dateEnd",
    "department_id": "departmentId",
    "geo_location": "geoLocation",
    "medium": "medium",
}
_CC0 = "https://creativecommons.org/publicdomain/zero/1.0/"
GONE = "gone"


class MetSource:
    """Asks The Met; its ready pictures, or the originals with the option `picture` = "original"."""

    name = "met"
    facts = SourceFacts(
        about="the open collection of The Metropolitan Museum of Art; slow: one question for each work",
        terms_url="https://www.metmuseum.org/hubs/open-access",
        licence_fields=True,
        page_size=_PAGE_SIZE,
        hosts={"collectionapi.metmuseum.org": HostLimit(1.0, 1)},  # faster, and its guard answers 403 after about 30
        media_hosts={"images.metmuseum.org": HostLimit(1.0, 1)},
    )

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._asked = Asked(self.name, refusal_hint="its guard minds quick questions; go on in an hour")

    async def search(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """The page of works after as many as the cursor says; raises as `Source.search`.

        All pictures of one work have one `extra["group"]`.
        """
        check_options(query, (*_FILTERS, "picture"))
        picture = query.options.get("picture", "small")
        if picture not in ("small", "original"):
            raise BadQuery(f"met has no picture '{picture[:20]}'", "take 'small' or 'original'")
        passed = cursor_number(self.name, cursor, 0)
        params = [("hasImages", "true"), ("q", query.text.strip())]
        params += sorted((_FILTERS[name], value) for name, value in query.options.items() if name in _FILTERS)
        answer = await ask(Request(f"{_ADDRESS}/search", tuple(params)))
        ids = self._ids(read_object(self._asked, answer))
        found: list[Candidate | str] = []
        for object_id in ids[passed : passed + _PAGE_SIZE]:
            answer = await ask(Request(f"{_ADDRESS}/objects/{object_id}"))
            if answer.status == 404:  # its list names works that were taken away
                found.append(GONE)
                continue
            found += _candidates(read_object(self._asked, answer), picture == "original")
        following = passed + _PAGE_SIZE
        return make_page(self.name, found, str(following) if following < len(ids) else "", answer)

    def _ids(self, value: dict[str, object]) -> list[int]:
        """The numbers of the works found, in its order."""
        ids, total = dig(value, "objectIDs"), dig(value, "total")
        if ids is None and "objectIDs" in value and total == 0:
            return []
        if not isinstance(ids, list) or not isinstance(total, int):
            raise layout_changed(self.name, "there is no list 'objectIDs' or no 'total'")
        numbers = [whole(one) for one in ids if whole(one)]
        if not numbers and (ids or total):
            raise layout_changed(self.name, f"it counts {total} works and names none")
        return numbers


def _candidates(work: Mapping[str, object], originals: bool) -> Iterator[Candidate | str]:
    """The pictures of a work, the first view first, or why it has none."""
    object_id, public = text(work, "objectID"), dig(work, "isPublicDomain")
    if not object_id or not isinstance(public, bool) or not isinstance(work.get("primaryImage"), str):
        yield MALFORMED
        return
    original, small = link(work, "primaryImage"), link(work, "primaryImageSmall")
    first = original or small if originals else small or original
    additional = dig(work, "additionalImages")
    further = [link(one) for one in additional] if isinstance(additional, list) else []
    urls = list(dict.fromkeys(url for url in (first, *further) if url))
    if not urls:
        yield NO_IMAGE
    for place, url in enumerate(urls):
        yield Candidate(
            url=url,
            item_id=f"{object_id}-{place}" if place else object_id,
            page_url=link(work, "objectURL"),
            thumb_url=small if url == first else "",
            title=text(work, "title"),
            author=text(work, "artistDisplayName"),
            author_url=link(work, "artistWikidata_URL"),
            # its documentation: images of works in the public domain are under CC0
            licence="CC0" if public else text(work, "rightsAndReproduction") or "not in the public domain",
            licence_url=_CC0 if public else "",
            attribution=text(work, "creditLine"),
            extra={"group": f"met:{object_id}"},
        )
