"""The Cleveland Museum of Art: its open-access collection, with pictures under CC0 and no key.

Knows nothing about networks or projects.
"""

from collections.abc import Mapping

from fieldguide.errors import BadQuery
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
    read_object,
    text,
    whole,
)

__all__ = ["ClevelandSource"]

_ADDRESS = "https://openaccess-api.clevelandart.org/api/artworks/"
_PAGE_SIZE = 100
_FIELDS = "id,title,creators,images,share_license_status,tombstone,url"
_FILTERS = ("artists", "created_after", "created_before", "department", "medium", "technique", "title", "type")
_SIZES = {"web": ("web", "print"), "print": ("print", "web")}  # 900 and 3,400 pixels; "full" is a TIFF of 40 MB


class ClevelandSource:
    """Asks the Cleveland Museum of Art; pictures of 900 pixels, or 3,400 with the option `picture` = "print"."""

    name = "cleveland"
    facts = SourceFacts(
        about="the open collection of the Cleveland Museum of Art",
        terms_url="https://www.clevelandart.org/open-access",
        licence_fields=True,
        page_size=_PAGE_SIZE,
        hosts={"openaccess-api.clevelandart.org": HostLimit(1.0, 1)},
        media_hosts={"openaccess-cdn.clevelandart.org": HostLimit(1.0, 2)},
    )

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._asked = Asked(self.name)

    async def search(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """The page of works after as many as the cursor says; raises as `Source.search`."""
        check_options(query, (*_FILTERS, "picture"))
        picture = query.options.get("picture", "web")
        if picture not in _SIZES:
            raise BadQuery(f"cleveland has no picture '{picture[:20]}'", "take 'web' or 'print'")
        skip = cursor_number(self.name, cursor, 0)
        params = [("q", query.text.strip()), ("has_image", "1")]
        params += [] if query.licences == "any" else [("cc0", "1")]
        params += sorted((name, value) for name, value in query.options.items() if name in _FILTERS)
        params += [("fields", _FIELDS), ("limit", str(_PAGE_SIZE)), ("skip", str(skip))]
        answer = await ask(Request(_ADDRESS, tuple(params)))
        value = read_object(self._asked, answer)
        works = entries(self.name, value, "data")
        total = dig(value, "info", "total")
        if not isinstance(total, int):
            raise layout_changed(self.name, "there is no 'info.total'")
        if not works and total > skip:
            raise layout_changed(self.name, f"it counts {total} works and shows none")
        following = skip + len(works)
        found = [_candidate(work, _SIZES[picture]) for work in works]
        return make_page(self.name, found, str(following) if works and following < total else "", answer)


def _candidate(work: object, sizes: tuple[str, ...]) -> Candidate | str:
    """The picture of a work, or why it has none."""
    item_id, images = text(work, "id"), dig(work, "images")
    if not item_id or not isinstance(work, dict) or "images" not in work:
        return MALFORMED
    if not images:
        return NO_IMAGE
    size = next((size for size in sizes if link(images, size, "url")), "")
    if not size:
        return MALFORMED
    return Candidate(
        url=link(images, size, "url"),
        item_id=item_id,
        page_url=link(work, "url"),
        thumb_url=link(images, "web", "url"),
        title=text(work, "title"),
        author=text(work, "creators", 0, "description"),
        licence=text(work, "share_license_status"),
        attribution=text(work, "tombstone"),
        width=whole(images, size, "width"),
        height=whole(images, size, "height"),
    )
