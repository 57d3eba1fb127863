"""Flickr: photographs with the licence that their authors chose; a key is needed.

Its licences are numbers. What a number means is asked of Flickr itself with each page, since numbers were added in
2025 and a wrong one would be a wrong licence. Knows nothing about networks or projects.
"""

import os
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from fieldguide.errors import BadQuery, KeyNeeded, LayoutChanged, NetworkDown
from fieldguide.records.candidates import Answer, Ask, Candidate, HostLimit, Query, Request, ResultPage, SourceFacts
from fieldguide.sources.answers import (
    MALFORMED,
    Asked,
    check_options,
    cursor_number,
    dig,
    entries,
    layout_changed,
    link,
    make_page,
    read_object,
    server_words,
    text,
    whole,
)

__all__ = ["FlickrSource"]

KEY = "FLICKR_API_KEY"
_ADDRESS = "https://api.flickr.com/services/rest/"
_PAGE_SIZE, _DEPTH = 250, 4000
_OPTIONS = (
    "content_types",
    "max_taken_date",
    "max_upload_date",
    "min_taken_date",
    "min_upload_date",
    "sort",
    "tag_mode",
    "tags",
)
_EXTRAS = "license,owner_name,o_dims,path_alias,url_o,url_l,url_c,url_m,url_s"
_SIZES = ("o", "l", "c", "m")  # the original, 1024, 800 and 500 pixels
_OPEN = ("by", "by-sa", "zero", "mark")
_LICENCES = {
    "open": _OPEN,
    "commercial": (*_OPEN, "by-nd"),
    "modify": (*_OPEN, "by-nc", "by-nc-sa"),
}
_WRONG_KEY, _LOGIN, _DOWN, _NO_SUCH = ("100",), ("95", "96", "97", "98", "99"), ("0", "10", "105"), ("111", "112")
TOO_SMALL = "too_small"


class FlickrSource:
    """Asks Flickr with the key in FLICKR_API_KEY."""

    name = "flickr"
    facts = SourceFacts(
        about="photographs on Flickr, under the licence that their authors chose",
        terms_url="https://www.flickr.com/help/terms/api",
        licence_fields=True,
        key=KEY,
        key_needed=True,
        page_size=_PAGE_SIZE,
        per_query=_DEPTH,
        hosts={"api.flickr.com": HostLimit(1.0, 1)},  # 3,600 an hour and key
        media_hosts={"live.staticflickr.com": HostLimit(0.5, 2)},
    )

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._key = (os.environ if environ is None else environ).get(KEY, "").strip()
        self._asked = Asked(self.name, KEY, self._key)

    async def search(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """The page of photographs whose number is the cursor; raises as `Source.search`."""
        check_options(query, _OPTIONS)
        if not self._key:
            raise KeyNeeded(f"flickr wants a key and {KEY} is not set", "get one at flickr.com/services/apps/create")
        page = cursor_number(self.name, cursor, 1)
        names = self._licences(await ask(self._request("flickr.photos.licenses.getInfo", ())))
        answer = await ask(self._request("flickr.photos.search", _params(query, page, names)))
        value = self._read(answer)
        photos = entries(self.name, value, "photos", "photo")
        pages, total = dig(value, "photos", "pages"), dig(value, "photos", "total")
        if not isinstance(pages, int) or not isinstance(total, int | str):
            raise layout_changed(self.name, "there is no 'photos.pages' or no 'photos.total'")
        if not photos and text(total) != "0" and page <= pages:
            raise layout_changed(self.name, f"it counts {text(total)} photographs and shows none")
        more = bool(photos) and page < pages and (page + 1) * _PAGE_SIZE <= _DEPTH
        found = [_candidate(photo, names) for photo in photos]
        return make_page(self.name, found, str(page + 1) if more else "", answer)

    def _request(self, method: str, params: tuple[tuple[str, str], ...]) -> Request:
        fixed = (("method", method), ("api_key", self._key), ("format", "json"), ("nojsoncallback", "1"))
        return Request(_ADDRESS, fixed + params, secret_params=frozenset({"api_key"}))

    def _read(self, answer: Answer) -> dict[str, object]:
        """The answer's JSON object; a `stat` other than "ok", which comes with status 200, becomes an error."""
        value = read_object(self._asked, answer)
        stat = text(value, "stat")
        if stat == "fail":
            raise self._failed(text(value, "code"), server_words(answer, self._key))
        if stat != "ok":
            raise layout_changed(self.name, "there is no 'stat'")
        return value

    def _failed(self, code: str, words: str) -> KeyNeeded | NetworkDown | LayoutChanged | BadQuery:
        said = f" (code {code}): {words}"
        if code in _WRONG_KEY + _LOGIN:
            return KeyNeeded(f"flickr does not accept its key{said}", f"set {KEY} to a valid key")
        if code in _DOWN:
            return NetworkDown(f"flickr is in trouble{said}", "try again later")
        if code in _NO_SUCH or not code:
            return layout_changed(self.name, f"it does not know what was asked{said}")
        return BadQuery(f"flickr does not accept the query{said}", "change the query or its options")

    def _licences(self, answer: Answer) -> dict[str, tuple[str, str]]:
        """Number to name and address of each licence that Flickr knows."""
        listed = entries(self.name, self._read(answer), "licenses", "license")
        names = {text(one, "id"): (text(one, "name"), link(one, "url")) for one in listed if text(one, "id")}
        if not any(url for _, url in names.values()):
            raise layout_changed(self.name, "the licences have no 'id' or no 'url'")
        return names


def _params(query: Query, page: int, names: Mapping[str, tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    params = [("text", query.text.strip()), ("media", "photos"), ("safe_search", "1"), ("extras", _EXTRAS)]
    if query.licences in _LICENCES:
        wanted = [number for number, (_, url) in names.items() if _kind(url) in _LICENCES[query.licences]]
        if not wanted:
            raise layout_changed("flickr", "none of its licences is known")
        params.append(("license", ",".join(sorted(wanted, key=lambda number: (len(number), number)))))
    params += sorted({"sort": "relevance", **query.options}.items())
    return (*params, ("per_page", str(_PAGE_SIZE)), ("page", str(page)))


def _kind(url: str) -> str:
    """The Creative Commons word in a licence's address, such as by-sa, zero or mark; "" for others."""
    parts = urlsplit(url)
    steps = parts.path.strip("/").split("/")
    ours = parts.hostname in ("creativecommons.org", "www.creativecommons.org")
    return steps[1] if ours and len(steps) > 1 and steps[0] in ("licenses", "publicdomain") else ""


def _candidate(photo: object, names: Mapping[str, tuple[str, str]]) -> Candidate | str:
    """The photograph, at the largest size offered, or why there is none."""
    item_id, owner = text(photo, "id"), text(photo, "owner")
    if not item_id or not owner:
        return MALFORMED
    size = next((size for size in (*_SIZES, "s") if link(photo, f"url_{size}")), "")
    if not size:
        return TOO_SMALL if link(photo, "url_t") or link(photo, "url_sq") else MALFORMED
    given = text(photo, "license")
    licence, licence_url = names.get(given, (given, ""))
    place = quote(text(photo, "pathalias") or text(photo, "path_alias") or owner)
    return Candidate(
        url=link(photo, f"url_{size}"),
        item_id=item_id,
        page_url=f"https://www.flickr.com/photos/{place}/{quote(item_id)}",
        thumb_url=link(photo, "url_s"),
        title=text(photo, "title"),
        author=text(photo, "ownername") or owner,
        author_url=f"https://www.flickr.com/people/{quote(owner)}",
        licence=licence or given,
        licence_url=licence_url,
        width=whole(photo, f"width_{size}"),
        height=whole(photo, f"height_{size}"),
        is_thumb=size == "s",
        extra={"licence_number": given},
    )
