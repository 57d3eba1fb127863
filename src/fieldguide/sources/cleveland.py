"""The Cleveland Museum of Art: its open-access collection, with pictures under CC0 and no key.

Knows nothing about networks or projects.
"""

from fieldguide.errors import BadQuery
from fieldguide.records.candidates import Ask, Candidate, HostLimit, Query, ResultPage, SourceFacts
from fieldguide.sources.inputs import cursor_number
from fieldguide.sources.json_api import MALFORMED, NO_IMAGE, Json, JsonSource

_URL = "https://openaccess-api.clevelandart.org/api/artworks/"
_PAGE_SIZE = 100
_FIELDS = "id,title,creators,images,share_license_status,tombstone,url"
_FILTERS = ("artists", "created_after", "created_before", "department", "medium", "technique", "title", "type")
_SIZES = {"web": ("web", "print"), "print": ("print", "web")}  # 900 and 3,400 pixels; "full" is a TIFF of 40 MB


class ClevelandSource(JsonSource):
    """Searches the Cleveland Museum of Art; pictures of 900 pixels, or 3,400 with the option `picture` = "print"."""

    name = "cleveland"
    facts = SourceFacts(
        about="the open collection of the Cleveland Museum of Art",
        terms_url="https://www.clevelandart.org/open-access",
        licence_fields=True,
        page_size=_PAGE_SIZE,
        hosts={"openaccess-api.clevelandart.org": HostLimit(1.0, 1)},
        media_hosts={"openaccess-cdn.clevelandart.org": HostLimit(1.0, 2)},
    )
    options = (*_FILTERS, "picture")

    async def read_page(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """Return the page of works after as many as the cursor says."""
        picture = query.options.get("picture", "web")
        if picture not in _SIZES:
            raise BadQuery(f"cleveland has no picture '{picture[:20]}'", "choose 'web' or 'print'")
        skip = cursor_number(self.name, cursor, 0)
        params = [("q", query.text.strip()), ("has_image", "1")]
        params += [] if query.licences == "any" else [("cc0", "1")]
        params += sorted((name, value) for name, value in query.options.items() if name in _FILTERS)
        params += [("fields", _FIELDS), ("limit", str(_PAGE_SIZE)), ("skip", str(skip))]
        reply = await self.fetch(ask, _URL, params)
        works = reply.listed("data")
        following = reply.next_offset(works, skip, reply.count("info", "total"))
        return reply.page((_candidate(work, _SIZES[picture]) for work in works), following)


def _candidate(work: Json, sizes: tuple[str, ...]) -> Candidate | str:
    item_id, images = work.text("id"), work.at("images")
    if not item_id or not work.has("images"):
        return MALFORMED
    if not images.value:
        return NO_IMAGE
    size = next((size for size in sizes if images.link(size, "url")), "")
    if not size:
        return MALFORMED
    return Candidate(
        url=images.link(size, "url"),
        item_id=item_id,
        page_url=work.link("url"),
        thumb_url=images.link("web", "url"),
        title=work.text("title"),
        author=work.text("creators", 0, "description"),
        licence=work.text("share_license_status"),
        attribution=work.text("tombstone"),
        width=images.whole(size, "width"),
        height=images.whole(size, "height"),
    )
