"""The Art Institute of Chicago: its collection with the main colour of each work.

Its words and colours are open to programs; the host of its pictures has answered programs with a challenge since
December 2025, so that pixels may not come. Knows nothing about networks or projects.
"""

from fieldguide.records.candidates import Ask, Candidate, HostLimit, Query, ResultPage, SourceFacts
from fieldguide.sources.inputs import cursor_number
from fieldguide.sources.json_api import CC0_URL, MALFORMED, NO_IMAGE, Json, JsonSource

_URL = "https://api.artic.edu/api/v1/artworks/search"
_PAGE_SIZE, _DEPTH = 100, 10_000
_FIELDS = "id,title,artist_title,image_id,is_public_domain,color,colorfulness,thumbnail"
_WIDTH = 843  # the width that it keeps ready
_COLOUR_PATHS = (*(("color", name) for name in ("h", "s", "l", "percentage", "population")), ("colorfulness",))
_MAX_LQIP_CHARS = 1500


class ArticSource(JsonSource):
    """Searches the Art Institute of Chicago; `extra` holds the main colour (h, s, l, percentage, population)."""

    name = "artic"
    facts = SourceFacts(
        about="the Art Institute of Chicago, with colours; its image host challenges programs: pictures may not come",
        terms_url="https://www.artic.edu/terms",
        licence_fields=True,
        page_size=_PAGE_SIZE,
        per_query=_DEPTH,
        hosts={"api.artic.edu": HostLimit(1.0, 1)},
        media_hosts={"www.artic.edu": HostLimit(1.0, 1)},
    )

    async def read_page(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """Return the page of works whose number is the cursor."""
        page = cursor_number(self.name, cursor, 1)
        params = [("q", query.text.strip())]
        params += [] if query.licences == "any" else [("query[term][is_public_domain]", "true")]
        params += [("fields", _FIELDS), ("limit", str(_PAGE_SIZE)), ("page", str(page))]
        contact = "".join(char for char in query.contact if " " <= char <= "~")
        headers = {"AIC-User-Agent": f"fieldguide ({contact})" if contact else "fieldguide"}
        reply = await self.fetch(ask, _URL, params, headers)
        works, images_url = reply.listed("data"), reply.link("config", "iiif_url").rstrip("/")
        total, pages = reply.count("pagination", "total"), reply.count("pagination", "total_pages")
        if not works and total and page <= pages:
            raise reply.none_shown(total)
        if works and not images_url:
            raise reply.layout_changed("there is no 'config.iiif_url'")
        more = works and page < pages and (page + 1) * _PAGE_SIZE <= _DEPTH
        return reply.page((_candidate(work, images_url) for work in works), str(page + 1) if more else "")


def _candidate(work: Json, images_url: str) -> Candidate | str:
    item_id, image_id = work.text("id"), work.text("image_id")
    if not item_id or not work.has("image_id"):
        return MALFORMED
    if not image_id:
        return NO_IMAGE
    if not image_id.replace("-", "").isalnum():
        return MALFORMED
    width, height = work.whole("thumbnail", "width"), work.whole("thumbnail", "height")
    if width > _WIDTH:
        width, height = _WIDTH, round(height * _WIDTH / width)
    # its documentation: images of works in the public domain are under CC0
    public = work.at("is_public_domain").value is True
    return Candidate(
        url=f"{images_url}/{image_id}/full/{_WIDTH},/0/default.jpg",
        item_id=item_id,
        page_url=f"https://www.artic.edu/artworks/{item_id}",
        title=work.text("title"),
        author=work.text("artist_title"),
        licence="CC0" if public else "not in the public domain",
        licence_url=CC0_URL if public else "",
        width=width,
        height=height,
        extra=_colours(work),
    )


def _colours(work: Json) -> dict[str, str | int | float]:
    """Return the work's colours, and a picture of 5 x 5 pixels as a data: address, where it has them."""
    numbers = {path[-1]: work.number(*path) for path in _COLOUR_PATHS}
    extra: dict[str, str | int | float] = {name: value for name, value in numbers.items() if value is not None}
    tiny = work.text("thumbnail", "lqip")
    if tiny.startswith("data:image/gif;base64,") and len(tiny) <= _MAX_LQIP_CHARS:
        extra["lqip"] = tiny
    return extra
