"""iNaturalist: photographs of living things, named by its community; a taxon's name in, its observations out.

The cursor holds the last observation seen. Knows nothing about networks or projects.
"""

import re
from collections.abc import Iterator
from unicodedata import normalize

from fieldguide.errors import BadQuery
from fieldguide.records.candidates import Ask, Candidate, HostLimit, Query, ResultPage, SourceFacts
from fieldguide.sources.inputs import shorten
from fieldguide.sources.json_api import MALFORMED, Json, Reply, TaxonSource, fit_size

_URL = "https://api.inaturalist.org/v1"
_OPEN_HOST = "inaturalist-open-data.s3.amazonaws.com"
_LICENCES = {
    "open": "cc0,cc-by,cc-by-sa",
    "commercial": "cc0,cc-by,cc-by-sa,cc-by-nd",
    "modify": "cc0,cc-by,cc-by-sa,cc-by-nc,cc-by-nc-sa",
}
_PAGE_SIZE = 50  # of 200 allowed: an observation takes 50 to 150 kB
_LARGE = 1024  # the longest side of its size "large"
_SIZE_WORD = re.compile(r"/(?:square|thumb|small|medium|large|original)\.(?=[A-Za-z]{3,4}(?:\?|$))")
NOT_OPEN = "not_openly_licensed"


class InaturalistSource(TaxonSource):
    """Searches iNaturalist for the photographs of research-grade observations of a taxon.

    A name that is only part of a taxon's name is a `BadQuery`, since a wrong taxon would make wrong labels.
    """

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
    options = ("locale", "place_id", "quality_grade", "taxon_id")
    taxon_key, place_key = "taxon_id", "above"

    async def find_taxon(self, query: Query, ask: Ask) -> tuple[int, Reply]:
        """Return the number of the taxon of the query's name."""
        params = [("q", query.text.strip()), ("is_active", "true"), ("per_page", "30")]
        params += [("locale", query.options["locale"])] if "locale" in query.options else []
        reply = await self.fetch(ask, f"{_URL}/taxa/autocomplete", params)
        taxa = reply.listed("results")
        if not taxa and reply.at("total_results").value != 0:
            raise reply.layout_changed("it shows no taxa and does not count 0")
        if not taxa:
            return 0, reply
        for key in ("name", "matched_term", "preferred_common_name", "english_common_name"):
            for taxon in taxa:
                if _fold(taxon.text(key)) == _fold(query.text) and taxon.whole("id"):
                    return taxon.whole("id"), reply
        names = [taxon.text("matched_term") or taxon.text("name") for taxon in taxa if taxon.whole("id")]
        if not any(names):
            raise reply.layout_changed("the taxa have no names")
        near = ", ".join(f"'{shorten(name)}'" for name in names[:5] if name)
        message = f"inaturalist knows no taxon called '{shorten(query.text)}'"
        raise BadQuery(message, f"choose one of {near}, or set the option 'taxon_id'")

    async def read_taxon(self, query: Query, taxon: int, place: int, ask: Ask) -> ResultPage:
        """Return the photographs of the taxon's observations above that number."""
        params = [("taxon_id", str(taxon)), ("quality_grade", query.options.get("quality_grade", "research"))]
        params += [("photos", "true"), ("per_page", str(_PAGE_SIZE)), ("order_by", "id"), ("order", "asc")]
        params += [("photo_license", _LICENCES[query.licences])] if query.licences in _LICENCES else []
        params += [("place_id", query.options["place_id"])] if "place_id" in query.options else []
        params += [("id_above", str(place))] if place else []
        reply = await self.fetch(ask, f"{_URL}/observations", params)
        observations, total = reply.listed("results"), reply.count("total_results")
        if not observations and total > 0:
            raise reply.none_shown(total)
        last = max((observation.whole("id") for observation in observations), default=0)
        more = total > len(observations) > 0  # its count is of those above
        if more and last <= place:
            raise reply.layout_changed("the observations have no rising 'id'")
        cursor = self.taxon_cursor(taxon, last) if more else ""
        return reply.page(_candidates(observations, query.licences == "any"), cursor)


def _fold(name: str) -> str:
    return normalize("NFC", name.strip()).casefold()


def _candidates(observations: list[Json], all_hosts: bool) -> Iterator[Candidate | str]:
    """Yield a picture for each photograph of the observations."""
    for observation in observations:
        photos = observation.items("photos")
        if not observation.whole("id") or not photos:
            yield MALFORMED  # only observations with photographs were requested
        else:
            yield from (_candidate(observation, photo, all_hosts) for photo in photos)


def _candidate(observation: Json, photo: Json, all_hosts: bool) -> Candidate | str:
    """Return the picture of one photograph, or why it is none; its own licence counts, not the observation's."""
    small, item_id = photo.link("url"), photo.text("id")
    url, changed = _SIZE_WORD.subn("/large.", small)
    if not item_id or not changed:
        return MALFORMED
    if not all_hosts and f"//{_OPEN_HOST}/" not in url:
        return NOT_OPEN  # its other hosts hold what is not under a Creative Commons licence
    observation_id, login = observation.text("id"), observation.text("user", "login")
    licence, attribution = photo.text("license_code"), photo.text("attribution")
    if not licence and "all rights reserved" in attribution.lower():
        licence = "all rights reserved"
    original = photo.at("original_dimensions")
    width, height = fit_size(original.whole("width"), original.whole("height"), _LARGE)
    taxon, taxon_id = observation.text("taxon", "name"), observation.whole("taxon", "id")
    return Candidate(
        url=url,
        item_id=item_id,
        page_url=f"https://www.inaturalist.org/observations/{observation_id}",
        thumb_url=small,
        title=taxon or observation.text("species_guess"),
        author=observation.text("user", "name") or login,
        author_url=f"https://www.inaturalist.org/people/{login}" if login else "",
        licence=licence,
        attribution=attribution,
        width=width,
        height=height,
        extra={"group": f"inaturalist:{observation_id}", "taxon": taxon, "taxon_id": taxon_id},
    )
