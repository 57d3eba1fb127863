"""iNaturalist: photographs of living things, named by its community; a taxon's name in, its observations out.

The cursor holds the last observation seen. Knows nothing about networks or projects.
"""

import re
from collections.abc import Iterator, Mapping
from unicodedata import normalize

from fieldguide.errors import BadQuery
from fieldguide.records.candidates import Answer, Ask, Candidate, HostLimit, Query, Request, ResultPage, SourceFacts
from fieldguide.sources.answers import (
    MALFORMED,
    Asked,
    check_options,
    dig,
    entries,
    fit,
    layout_changed,
    link,
    make_page,
    read_object,
    shorten,
    text,
    whole,
)
from fieldguide.sources.taxa import TaxonWalk

__all__ = ["InaturalistSource"]

_ADDRESS = "https://api.inaturalist.org/v1"
_OPEN_HOST = "inaturalist-open-data.s3.amazonaws.com"
_OPTIONS = ("locale", "place_id", "quality_grade", "taxon_id")
_LICENCES = {
    "open": "cc0,cc-by,cc-by-sa",
    "commercial": "cc0,cc-by,cc-by-sa,cc-by-nd",
    "modify": "cc0,cc-by,cc-by-sa,cc-by-nc,cc-by-nc-sa",
}
_PAGE_SIZE = 50  # of 200 allowed: an observation is told of in 50 to 150 kB
_LARGE = 1024  # the longest side of its size "large"
_SIZE_WORD = re.compile(r"/(?:square|thumb|small|medium|large|original)\.(?=[A-Za-z]{3,4}(?:\?|$))")
NOT_OPEN = "not_openly_licensed"


class InaturalistSource:
    """Asks iNaturalist for the photographs of research-grade observations of a taxon."""

    name = "inaturalist"
    facts = SourceFacts(
        about="photographs of plants, animals and fungi; the query is a scientific or common name",
        terms_url="https://www.inaturalist.org/pages/api+recommended+practices",
        licence_fields=True,
        page_size=_PAGE_SIZE,
        per_day=10000,
        hosts={"api.inaturalist.org": HostLimit(1.0, 1)},
        media_hosts={_OPEN_HOST: HostLimit(0.5, 2), "static.inaturalist.org": HostLimit(1.0, 1)},
    )

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._asked = Asked(self.name)
        self._walk = TaxonWalk(self.name, "taxon_id", "above", self._complete, self._observations)

    async def search(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """The page of observations where the cursor goes on; raises as `Source.search`.

        A name that is only part of a taxon's name is a `BadQuery`, since a wrong taxon would make wrong labels.
        """
        check_options(query, _OPTIONS)
        return await self._walk.search(query, cursor, ask)

    async def similar(self, query: Query, candidate: Candidate, cursor: str, ask: Ask) -> ResultPage:
        """A page of other photographs of the candidate's taxon; raises as `Source.search`."""
        return await self._walk.similar(query, candidate, cursor, ask)

    async def _complete(self, query: Query, ask: Ask) -> tuple[int, Answer]:
        """The number of the taxon that the query names, and the answer that said so."""
        params = [("q", query.text.strip()), ("is_active", "true"), ("per_page", "30")]
        params += [("locale", query.options["locale"])] if "locale" in query.options else []
        answer = await ask(Request(f"{_ADDRESS}/taxa/autocomplete", tuple(params)))
        return self._taxon(query.text, answer), answer

    def _taxon(self, name: str, answer: Answer) -> int:
        """The number of the taxon of this name, 0 where none is known."""
        value = read_object(self._asked, answer)
        taxa = entries(self.name, value, "results")
        if not taxa:
            if dig(value, "total_results") != 0:
                raise layout_changed(self.name, "it shows no taxa and does not count 0")
            return 0
        for key in ("name", "matched_term", "preferred_common_name", "english_common_name"):
            for taxon in taxa:
                if _same(text(taxon, key), name) and whole(taxon, "id"):
                    return whole(taxon, "id")
        offered = [text(taxon, "matched_term") or text(taxon, "name") for taxon in taxa if whole(taxon, "id")]
        if not any(offered):
            raise layout_changed(self.name, "the taxa have no names")
        message = f"inaturalist knows no taxon called '{shorten(name)}'"
        near = ", ".join(f"'{shorten(one)}'" for one in offered[:5] if one)
        raise BadQuery(message, f"take one of {near}, or set the option 'taxon_id'")

    async def _observations(self, query: Query, taxon: int, above: int, ask: Ask) -> ResultPage:
        answer = await ask(Request(f"{_ADDRESS}/observations", _params(query, taxon, above)))
        value = read_object(self._asked, answer)
        observations = entries(self.name, value, "results")
        total = dig(value, "total_results")
        if not isinstance(total, int):
            raise layout_changed(self.name, "there is no 'total_results'")
        if not observations and total > 0:
            raise layout_changed(self.name, f"it counts {total} observations and shows none")
        last = max((whole(one, "id") for one in observations), default=0)
        cursor = ""
        if total > len(observations) > 0:  # its count is of those above
            if last <= above:
                raise layout_changed(self.name, "the observations have no rising 'id'")
            cursor = self._walk.cursor(taxon, last)
        return make_page(self.name, _candidates(observations, query.licences == "any"), cursor, answer)


def _same(one: str, other: str) -> bool:
    return normalize("NFC", one).casefold() == normalize("NFC", other.strip()).casefold()


def _params(query: Query, taxon: int, above: int) -> tuple[tuple[str, str], ...]:
    params = [("taxon_id", str(taxon)), ("quality_grade", query.options.get("quality_grade", "research"))]
    params += [("photos", "true")]
    params += [("photo_license", _LICENCES[query.licences])] if query.licences in _LICENCES else []
    params += [("place_id", query.options["place_id"])] if "place_id" in query.options else []
    params += [("per_page", str(_PAGE_SIZE)), ("order_by", "id"), ("order", "asc")]
    params += [("id_above", str(above))] if above else []
    return tuple(params)


def _candidates(observations: list[object], all_hosts: bool) -> Iterator[Candidate | str]:
    """A picture for each photograph of the observations."""
    for observation in observations:
        photos = dig(observation, "photos")
        if not whole(observation, "id") or not isinstance(photos, list) or not photos:
            yield MALFORMED  # it was asked for observations with photographs
            continue
        for photo in photos:
            yield _candidate(observation, photo, all_hosts)


def _candidate(observation: object, photo: object, all_hosts: bool) -> Candidate | str:
    """The picture of one photograph, or why it is none. Its own licence counts, not the observation's."""
    small, item_id = link(photo, "url"), text(photo, "id")
    url, changed = _SIZE_WORD.subn("/large.", small)
    if not item_id or not changed:
        return MALFORMED
    if not all_hosts and f"//{_OPEN_HOST}/" not in url:
        return NOT_OPEN  # its other hosts hold what is not under a Creative Commons licence
    observation_id, login = text(observation, "id"), text(observation, "user", "login")
    attribution = text(photo, "attribution")
    licence = text(photo, "license_code")
    if not licence and "all rights reserved" in attribution.lower():
        licence = "all rights reserved"
    dimensions = dig(photo, "original_dimensions")
    width, height = fit(whole(dimensions, "width"), whole(dimensions, "height"), _LARGE)
    taxon = text(observation, "taxon", "name")
    return Candidate(
        url=url,
        item_id=item_id,
        page_url=f"https://www.inaturalist.org/observations/{observation_id}",
        thumb_url=small,
        title=taxon or text(observation, "species_guess"),
        author=text(observation, "user", "name") or login,
        author_url=f"https://www.inaturalist.org/people/{login}" if login else "",
        licence=licence,
        attribution=attribution,
        width=width,
        height=height,
        extra={
            "group": f"inaturalist:{observation_id}",
            "taxon": taxon,
            "taxon_id": whole(observation, "taxon", "id"),
        },
    )
