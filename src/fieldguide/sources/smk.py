"""SMK, the National Gallery of Denmark: its open collection, and the works that it finds similar to one.

Knows nothing about networks or projects.
"""

from collections.abc import Mapping
from urllib.parse import quote

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
    fit,
    layout_changed,
    link,
    make_page,
    read_object,
    text,
    whole,
)

__all__ = ["SmkSource"]

_ADDRESS = "https://api.smk.dk/api/v1/art/search/"
_SIMILAR_HOST = "similar.api.smk.dk"
_PAGE_SIZE = 50  # a work is told of at length: 20 kB and more
_SIDE = 1024  # of the smaller version that it keeps ready
_FILTERS = ("creator", "materials", "object_names", "production_dates_period", "techniques")


class SmkSource:
    """Asks SMK, for pictures of 1,024 pixels."""

    name = "smk"
    facts = SourceFacts(
        about="the open collection of SMK, the National Gallery of Denmark",
        terms_url="https://www.smk.dk/en/article/smk-open/",
        licence_fields=True,
        page_size=_PAGE_SIZE,
        hosts={"api.smk.dk": HostLimit(1.0, 1), _SIMILAR_HOST: HostLimit(1.0, 1)},
        media_hosts={"iip-thumb.smk.dk": HostLimit(1.0, 2), "iip.smk.dk": HostLimit(1.0, 1)},
    )

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._asked = Asked(self.name)

    async def search(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """The page of works after as many as the cursor says; raises as `Source.search`."""
        check_options(query, _FILTERS)
        offset = cursor_number(self.name, cursor, 0)
        filters = ["[has_image:true]"] if query.licences == "any" else ["[has_image:true]", "[public_domain:true]"]
        for name, value in sorted(query.options.items()):
            if set(value) & set("[]"):
                raise BadQuery(f"smk allows no brackets in '{name}'", "leave them out")
            filters.append(f"[{name}:{value}]")
        params = [("keys", query.text.strip()), ("filters", ",".join(filters))]
        params += [("offset", str(offset)), ("rows", str(_PAGE_SIZE))]
        answer = await ask(Request(_ADDRESS, tuple(params)))
        value_ = read_object(self._asked, answer)
        works = entries(self.name, value_, "items")
        found = dig(value_, "found")
        if not isinstance(found, int):
            raise layout_changed(self.name, "there is no 'found'")
        if not works and found > offset:
            raise layout_changed(self.name, f"it counts {found} works and shows none")
        following = offset + len(works)
        cursor = str(following) if works and following < found else ""
        return make_page(self.name, map(_candidate, works), cursor, answer)

    async def similar(self, query: Query, candidate: Candidate, cursor: str, ask: Ask) -> ResultPage:
        """The works that SMK finds similar to one that it gave: one page; raises as `Source.search`."""
        if cursor or not candidate.similar_url.startswith(f"https://{_SIMILAR_HOST}/"):
            raise BadQuery("smk lists nothing similar to that picture", "take a picture that it gave")
        answer = await ask(Request(candidate.similar_url))
        works = entries(self.name, read_object(self._asked, answer), "items")
        return make_page(self.name, map(_candidate, works), "", answer)


def _candidate(work: object) -> Candidate | str:
    """The picture of a work, or why it has none."""
    number = text(work, "object_number")
    thumb, iiif, native = (link(work, f"image_{kind}") for kind in ("thumbnail", "iiif_id", "native"))
    url = thumb or (f"{iiif}/full/!{_SIDE},/0/default.jpg" if iiif else native)
    if number and not url and dig(work, "has_image") is False:
        return NO_IMAGE
    if not number or not url:
        return MALFORMED
    width, height = whole(work, "image_width"), whole(work, "image_height")
    if url != native:
        width, height = fit(width, height, _SIDE)
    makers = dig(work, "production")
    names = [text(maker, "creator") for maker in makers] if isinstance(makers, list) else []
    similar_url = link(work, "similar_images_url")
    return Candidate(
        url=url,
        item_id=number,
        page_url=link(work, "frontend_url") or f"https://open.smk.dk/artwork/image/{quote(number)}",
        title=text(work, "titles", 0, "title"),
        author="; ".join(name for name in names if name),
        licence=text(work, "rights"),
        licence_url=link(work, "rights"),
        width=width,
        height=height,
        similar_url=similar_url if similar_url.startswith(f"https://{_SIMILAR_HOST}/") else "",
    )
