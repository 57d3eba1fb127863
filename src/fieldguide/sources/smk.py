"""SMK, the National Gallery of Denmark: its open collection, and the works that it finds similar to one.

Knows nothing about networks or projects.
"""

from urllib.parse import quote

from fieldguide.errors import BadQuery
from fieldguide.records.candidates import Ask, Candidate, HostLimit, Query, ResultPage, SourceFacts
from fieldguide.sources.inputs import cursor_number
from fieldguide.sources.json_api import MALFORMED, NO_IMAGE, Json, JsonSource, fit_size

_URL = "https://api.smk.dk/api/v1/art/search/"
_SIMILAR_HOST = "similar.api.smk.dk"
_PAGE_SIZE = 50  # each work takes 20 kB and more
_SIDE = 1024  # of the smaller version that it keeps ready


class SmkSource(JsonSource):
    """Searches SMK, for pictures of 1,024 pixels."""

    name = "smk"
    facts = SourceFacts(
        about="the open collection of SMK, the National Gallery of Denmark",
        terms_url="https://www.smk.dk/en/article/smk-open/",
        licence_fields=True,
        page_size=_PAGE_SIZE,
        hosts={"api.smk.dk": HostLimit(1.0, 1), _SIMILAR_HOST: HostLimit(1.0, 1)},
        media_hosts={"iip-thumb.smk.dk": HostLimit(1.0, 2), "iip.smk.dk": HostLimit(1.0, 1)},
    )
    options = ("creator", "materials", "object_names", "production_dates_period", "techniques")

    async def read_page(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """Return the page of works after as many as the cursor says."""
        offset = cursor_number(self.name, cursor, 0)
        filters = ["[has_image:true]"] if query.licences == "any" else ["[has_image:true]", "[public_domain:true]"]
        for name, value in sorted(query.options.items()):
            if set(value) & set("[]"):
                raise BadQuery(f"smk allows no brackets in '{name}'", "leave them out")
            filters.append(f"[{name}:{value}]")
        params = [("keys", query.text.strip()), ("filters", ",".join(filters))]
        reply = await self.fetch(ask, _URL, [*params, ("offset", str(offset)), ("rows", str(_PAGE_SIZE))])
        works = reply.listed("items")
        return reply.page(map(_candidate, works), reply.next_offset(works, offset, reply.count("found")))

    async def similar(self, query: Query, candidate: Candidate, cursor: str, ask: Ask) -> ResultPage:
        """Return the works that SMK finds similar to one of its own, one page; raises as `Source.search`."""
        reply = await self.fetch_similar(candidate, cursor, ask, _SIMILAR_HOST)
        return reply.page(map(_candidate, reply.listed("items")))


def _candidate(work: Json) -> Candidate | str:
    number = work.text("object_number")
    thumb, iiif, native = (work.link(f"image_{kind}") for kind in ("thumbnail", "iiif_id", "native"))
    url = thumb or (f"{iiif}/full/!{_SIDE},/0/default.jpg" if iiif else native)
    if number and not url and work.at("has_image").value is False:
        return NO_IMAGE
    if not number or not url:
        return MALFORMED
    width, height = work.whole("image_width"), work.whole("image_height")
    if url != native:
        width, height = fit_size(width, height, _SIDE)
    similar_url = work.link("similar_images_url")
    return Candidate(
        url=url,
        item_id=number,
        page_url=work.link("frontend_url") or f"https://open.smk.dk/artwork/image/{quote(number)}",
        title=work.text("titles", 0, "title"),
        author="; ".join(filter(None, (maker.text("creator") for maker in work.items("production")))),
        licence=work.text("rights"),
        licence_url=work.link("rights"),
        width=width,
        height=height,
        similar_url=similar_url if similar_url.startswith(f"https://{_SIMILAR_HOST}/") else "",
    )
