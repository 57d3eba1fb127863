"""The Art Institute of Chicago: its collection with the main colour of each work.

Its words and colours are open to programs; the host of its pictures has answered programs with a challenge since
December 2025, so that pixels may not come. Knows nothing about networks or projects.
"""

from collections.abc import Mapping

from fieldguide.records.candidates import Ask, Candidate, HostLimit, Query, Request, ResultPage, SourceFacts
from fieldguide.sources.answers import (
    MALFORMED,
    NO_IMAGE,
    Asked,
    check_options,
    cursor_number,
    dig,
    entries,
    layout_changed,
    link,
    make_page,
    number,
    read_object,
    text,
    whole,
)

__all__ = ["ArticSource"]

_ADDRESS = "https://api.artic.edu/api/v1/artworks/search"
_PAGE_SIZE, _DEPTH = 100, 10_000
_FIELDS = "id,title,artist_title,image_id,is_public_domain,color,colorfulness,thumbnail"
_WIDTH = 843  # the width that it keeps ready
_CC0 = "https://creativecommons.org/publicdomain/zero/1.0/"
_MAX_LQIP_CHARS = 1500


class ArticSource:
    """Asks the Art Institute of Chicago; `extra` holds the main colour (h, s, l, percentage, population)."""

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

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._asked = Asked(self.name)

    async def search(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """The page of works whose number is the cursor; raises as `Source.search`."""
        check_options(query, ())
        page = cursor_number(self.name, cursor, 1)
        params = [("q", query.text.strip())]
        params += [] if query.licences == "any" else [("query[term][is_public_domain]", "true")]
        params += [("fields", _FIELDS), ("limit", str(_PAGE_SIZE)), ("page", str(page))]
        contact = "".join(one for one in query.contact if " " <= one <= "~")
        headers = {"AIC-User-Agent": f"fieldguide ({contact})"} if contact else {"AIC-User-Agent": "fieldguide"}
        answer = await ask(Request(_ADDRESS, tuple(params), headers))
        value = read_object(self._asked, answer)
        works, images = entries(self.name, value, "data"), link(value, "config", "iiif_url")
        total, pages = dig(value, "pagination", "total"), dig(value, "pagination", "total_pages")
        if not isinstance(total, int) or not isinstance(pages, int):
            raise layout_changed(self.name, "there is no 'pagination.total' or no 'pagination.total_pages'")
        if not works and total and page <= pages:
            raise layout_changed(self.name, f"it counts {total} works and shows none")
        if works and not images:
            raise layout_changed(self.name, "there is no 'config.iiif_url'")
        more = bool(works) and page < pages and (page + 1) * _PAGE_SIZE <= _DEPTH
        found = [_candidate(work, images.rstrip("/")) for work in works]
        return make_page(self.name, found, str(page + 1) if more else "", answer)


def _candidate(work: object, images: str) -> Candidate | str:
    """The picture of a work, or why it has none."""
    item_id, image_id = text(work, "id"), text(work, "image_id")
    public = dig(work, "is_public_domain")
    if not item_id or not isinstance(work, dict) or "image_id" not in work:
        return MALFORMED
    if not image_id:
        return NO_IMAGE
    if not image_id.replace("-", "").isalnum():
        return MALFORMED
    width, height = whole(work, "thumbnail", "width"), whole(work, "thumbnail", "height")
    if width > _WIDTH:
        width, height = _WIDTH, round(height * _WIDTH / width)
    return Candidate(
        url=f"{images}/{image_id}/full/{_WIDTH},/0/default.jpg",
        item_id=item_id,
        page_url=f"https://www.artic.edu/artworks/{item_id}",
        title=text(work, "title"),
        author=text(work, "artist_title"),
        # its documentation: images of works in the public domain are under CC0
        licence="CC0" if public is True else "not in the public domain",
        licence_url=_CC0 if public is True else "",
        width=width,
        height=height,
        extra=_colours(work),
    )


def _colours(work: object) -> dict[str, str | int | float]:
    """The work's colour fields, and a picture of 5 x 5 pixels as a data: address, where it has them."""
    extra: dict[str, str | int | float] = {}
    for name in ("h", "s", "l", "percentage", "population"):
        value = number(work, "color", name)
        if value is not None:
            extra[name] = value
    colourfulness = number(work, "colorfulness")
    if colourfulness is not None:
        extra["colorfulness"] = colourfulness
    tiny = text(work, "thumbnail", "lqip")
    if tiny.startswith("data:image/gif;base64,") and len(tiny) <= _MAX_LQIP_CHARS:
        extra["lqip"] = tiny
    return extra
