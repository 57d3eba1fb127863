"""GBIF: pictures that museums, gardens and observers publish with their records of a species.

A record's licence is not its pictures': each picture's own counts where it has one. Knows nothing about networks or
projects.
"""

from collections.abc import Iterator

from fieldguide.errors import BadQuery
from fieldguide.licences import most_specific, read_licence
from fieldguide.records.candidates import Ask, Candidate, HostLimit, Query, ResultPage, SourceFacts
from fieldguide.sources.inputs import shorten
from fieldguide.sources.json_api import MALFORMED, NO_IMAGE, Json, Reply, TaxonSource

_URL = "https://api.gbif.org/v1"
_PAGE_SIZE, _DEPTH = 300, 100_000
_LICENCES = {
    "open": ("CC0_1_0", "CC_BY_4_0"),
    "commercial": ("CC0_1_0", "CC_BY_4_0"),
    "modify": ("CC0_1_0", "CC_BY_4_0", "CC_BY_NC_4_0"),
    "any": (),
}
_FILTERS = {"country": "country", "dataset_key": "datasetKey"}
NOT_A_PICTURE = "not_a_picture"


class GbifSource(TaxonSource):
    """Searches GBIF for the pictures of human observations of a taxon.

    A name that GBIF matches only to something larger, such as its genus, is a `BadQuery`.
    """

    name = "gbif"
    facts = SourceFacts(
        about="pictures in records of plants, animals and fungi; the query is a scientific name",
        terms_url="https://www.gbif.org/terms",
        licence_fields=True,
        page_size=_PAGE_SIZE,
        per_query=_DEPTH,
        hosts={"api.gbif.org": HostLimit(1.0, 1)},
        media_hosts={"inaturalist-open-data.s3.amazonaws.com": HostLimit(0.5, 2)},  # the others are their publishers'
    )
    options = ("basis_of_record", *_FILTERS, "kingdom", "taxon_key")
    taxon_key, place_key = "taxon_key", "offset"

    async def find_taxon(self, query: Query, ask: Ask) -> tuple[int, Reply]:
        """Return the key of the taxon of the query's name; a synonym stands for the accepted name."""
        params = [("name", query.text.strip()), ("verbose", "false")]
        params += [("kingdom", query.options["kingdom"])] if "kingdom" in query.options else []
        reply = await self.fetch(ask, f"{_URL}/species/match", params)
        kind = reply.text("matchType")
        if kind == "NONE":
            return 0, reply
        taxon = reply.whole("acceptedUsageKey") or reply.whole("usageKey")
        if not taxon or not kind:
            raise reply.layout_changed("there is no 'usageKey' or no 'matchType'")
        if kind not in ("EXACT", "FUZZY", "VARIANT"):
            near = shorten(reply.text("scientificName"))
            message = f"gbif knows no taxon called '{shorten(query.text)}', only '{near}'"
            raise BadQuery(message, "use its scientific name, or set the option 'taxon_key'")
        return taxon, reply

    async def read_taxon(self, query: Query, taxon: int, place: int, ask: Ask) -> ResultPage:
        """Return the pictures of the taxon's records from that offset on."""
        params = [("mediaType", "StillImage"), ("taxonKey", str(taxon))]
        params += [("license", licence) for licence in _LICENCES[query.licences]]
        params.append(("basisOfRecord", query.options.get("basis_of_record", "HUMAN_OBSERVATION")))
        params += [(_FILTERS[name], value) for name, value in query.options.items() if name in _FILTERS]
        params += [("limit", str(_PAGE_SIZE)), ("offset", str(place))]
        reply = await self.fetch(ask, f"{_URL}/occurrence/search", params)
        records, is_last, total = reply.listed("results"), reply.at("endOfRecords").value, reply.count("count")
        if not isinstance(is_last, bool):
            raise reply.layout_changed("there is no 'endOfRecords'")
        if not records and not (is_last and total <= place):
            raise reply.none_shown(total)
        following = place + max(reply.whole("limit"), len(records))
        more = not is_last and following + _PAGE_SIZE <= _DEPTH
        return reply.page(_candidates(records, taxon), self.taxon_cursor(taxon, following) if more else "")


def _candidates(records: list[Json], taxon: int) -> Iterator[Candidate | str]:
    """Yield a picture for each medium of the records."""
    for record in records:
        media = record.at("media").value
        if not record.whole("key") or not isinstance(media, list):
            yield MALFORMED
        elif not media:
            yield NO_IMAGE
        else:
            yield from (_candidate(record, medium, taxon) for medium in record.items("media"))


def _candidate(record: Json, medium: Json, taxon: int) -> Candidate | str:
    url, key = medium.link("identifier"), record.text("key")
    if medium.text("type") not in ("", "StillImage"):
        return NOT_A_PICTURE
    if not url:
        return MALFORMED
    licence = most_specific(*(read_licence(item.text("license")) for item in (medium, record))).raw
    authors = (medium.text("creator"), medium.text("rightsHolder"), record.text("rightsHolder"))
    return Candidate(
        url=url,
        item_id=f"{key}:{url}",
        page_url=f"https://www.gbif.org/occurrence/{key}",
        title=medium.text("title") or record.text("scientificName"),
        author=next(filter(None, authors), record.text("recordedBy")),
        licence=licence,
        licence_url=Json(licence).link(),
        extra={"group": f"gbif:{key}", "taxon": record.text("acceptedScientificName"), "taxon_key": taxon},
    )
