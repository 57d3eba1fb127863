"""Flickr: photographs with the licence that their authors chose; a key is needed.

Its licences are numbers. What a number means is requested from Flickr itself with each page, since numbers were added
in 2025 and a wrong one would be a wrong licence. Knows nothing about networks or projects.
"""

from collections.abc import Iterable, Mapping
from urllib.parse import quote

from fieldguide.errors import BadQuery, KeyNeeded, LayoutChanged, NetworkDown
from fieldguide.licences import allowed, read_licence
from fieldguide.records.candidates import Answer, Ask, Candidate, HostLimit, Query, Request, ResultPage, SourceFacts
from fieldguide.sources.inputs import cursor_number
from fieldguide.sources.json_api import MALFORMED, Json, JsonSource, Reply, layout_changed

_PAGE_SIZE, _DEPTH = 250, 4000
_EXTRAS = "license,owner_name,o_dims,path_alias,url_o,url_l,url_c,url_m,url_s"
_SIZES = ("o", "l", "c", "m", "s")  # the original, 1024, 800, 500 and 240 pixels
_WRONG_KEY, _DOWN, _NO_SUCH_METHOD = ("95", "96", "97", "98", "99", "100"), ("0", "10", "105"), ("", "111", "112")
TOO_SMALL = "too_small"


class FlickrSource(JsonSource):
    """Searches Flickr with the key in FLICKR_API_KEY."""

    name = "flickr"
    facts = SourceFacts(
        about="photographs on Flickr, under the licence that their authors chose",
        terms_url="https://www.flickr.com/help/terms/api",
        licence_fields=True,
        key="FLICKR_API_KEY",
        key_needed=True,
        page_size=_PAGE_SIZE,
        per_query=_DEPTH,
        hosts={"api.flickr.com": HostLimit(1.0, 1)},  # 3,600 an hour and key
        media_hosts={"live.staticflickr.com": HostLimit(0.5, 2)},
    )
    options = (
        *("content_types", "max_taken_date", "max_upload_date", "min_taken_date", "min_upload_date", "sort"),
        *("tag_mode", "tags"),
    )
    key_from = "flickr.com/services/apps/create"

    async def read_page(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """Return the page of photographs whose number is the cursor."""
        page = cursor_number(self.name, cursor, 1)
        licences = _read_licences(await self._call(ask, "flickr.photos.licenses.getInfo", ()))
        reply = await self._call(ask, "flickr.photos.search", _params(query, page, licences))
        photos, pages = reply.listed("photos", "photo"), reply.count("photos", "pages")
        total = reply.text("photos", "total")  # a number, or a text with one
        if not total:
            raise reply.layout_changed("there is no 'photos.total'")
        if not photos and total != "0" and page <= pages:
            raise reply.none_shown(total)
        more = photos and page < pages and (page + 1) * _PAGE_SIZE <= _DEPTH
        return reply.page((_candidate(photo, licences) for photo in photos), str(page + 1) if more else "")

    async def _call(self, ask: Ask, method: str, params: Iterable[tuple[str, str]]) -> Reply:
        fixed = (("method", method), ("api_key", self.key), ("format", "json"), ("nojsoncallback", "1"))
        url = "https://api.flickr.com/services/rest/"
        return self.read(await ask(Request(url, (*fixed, *params), secret_params=frozenset({"api_key"}))))

    def read(self, answer: Answer) -> Reply:
        """Return the JSON object; a `stat` other than "ok", which comes with status 200, becomes an error."""
        reply = super().read(answer)
        stat = reply.text("stat")
        if stat == "fail":
            raise self._failure(reply)
        if stat != "ok":
            raise reply.layout_changed("there is no 'stat'")
        return reply

    def _failure(self, reply: Reply) -> KeyNeeded | NetworkDown | LayoutChanged | BadQuery:
        code = reply.text("code")
        because = f" (code {code}): {self.server_message(reply.answer)}"
        if code in _WRONG_KEY:
            return self.key_refused(because)
        if code in _DOWN:
            return NetworkDown(f"flickr is not available now{because}", "try again later")
        if code in _NO_SUCH_METHOD:
            return reply.layout_changed(f"it does not know the method{because}")
        return BadQuery(f"flickr does not accept the query{because}", "change the query or its options")


def _read_licences(reply: Reply) -> dict[str, tuple[str, str]]:
    """Return number to name and address of each licence that Flickr knows."""
    listed = reply.listed("licenses", "license")
    licences = {item.text("id"): (item.text("name"), item.link("url")) for item in listed if item.text("id")}
    if not any(url for _, url in licences.values()):
        raise reply.layout_changed("the licences have no 'id' or no 'url'")
    return licences


def _params(query: Query, page: int, licences: Mapping[str, tuple[str, str]]) -> list[tuple[str, str]]:
    params = [("text", query.text.strip()), ("media", "photos"), ("safe_search", "1"), ("extras", _EXTRAS)]
    if query.licences != "any":
        numbers = [number for number, terms in licences.items() if allowed(read_licence(*terms), query.licences)]
        if not numbers:
            raise layout_changed("flickr", "none of its licences is known")
        params.append(("license", ",".join(sorted(numbers, key=lambda number: (len(number), number)))))
    params += sorted({"sort": "relevance", **query.options}.items())
    return [*params, ("per_page", str(_PAGE_SIZE)), ("page", str(page))]


def _candidate(photo: Json, licences: Mapping[str, tuple[str, str]]) -> Candidate | str:
    """Return the photograph at the largest size offered, or why there is none."""
    item_id, owner = photo.text("id"), photo.text("owner")
    if not item_id or not owner:
        return MALFORMED
    size = next((size for size in _SIZES if photo.link(f"url_{size}")), "")
    if not size:
        return TOO_SMALL if photo.link("url_t") or photo.link("url_sq") else MALFORMED
    number = photo.text("license")
    licence, licence_url = licences.get(number, (number, ""))
    alias = quote(photo.text("pathalias") or photo.text("path_alias") or owner)
    return Candidate(
        url=photo.link(f"url_{size}"),
        item_id=item_id,
        page_url=f"https://www.flickr.com/photos/{alias}/{quote(item_id)}",
        thumb_url=photo.link("url_s"),
        title=photo.text("title"),
        author=photo.text("ownername") or owner,
        author_url=f"https://www.flickr.com/people/{quote(owner)}",
        licence=licence or number,
        licence_url=licence_url,
        width=photo.whole(f"width_{size}"),
        height=photo.whole(f"height_{size}"),
        is_thumb=size == "s",
        extra={"licence_number": number},
    )
