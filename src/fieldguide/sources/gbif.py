"""GBIF: pictures that museums, gardens and observers publish with their records of a species.

A record's licence is not its pictures': each picture's own counts where it has one. Knows nothing about networks or
projects.
"""

from collections.abc import Iterator, Mapping

from fieldguide.errors import BadQuery
from fieldguide.licences import most_specific, read_licence
from fieldguide.records.candidates import Answer, Ask, Candidate, HostLimit, Query, Request, ResultPage, SourceFacts
from fieldguide.sources.answers import (
    MALFORMED,
    NO_IMAGE,
    Asked,
    check_options,
    dig,
    entries,
    layout_changed,
    link,
    make_page,
    read_object,
    shorten,
    text,
    whole,
)
from fieldguide.sources.taxa import TaxonWalk

__all__ = ["GbifSource"]

_ADDRESS = "https://api.gbif.org/v1"
_OPTIONS = ("basis_of_record", "country", "dataset_key", "kingdom", "taxon_key")
_PAGE_SIZE, _DEPTH = 300, 100_000
_LICENCES = {
    "open": ("CC0_1_0", "CC_BY_4_0"),
    "commercial": ("CC0_1_0", "CC_BY_4_0"),
    "modify": ("CC0_1_0", "CC_BY_4_0", "CC_BY_NC_4_0"),
    "any": (),
}
NOT_A_PICTURE = "not_a_picture"


class GbifSource:
    """Asks GBIF for the pictures of human observations of a taxon."""

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

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._asked = Asked(self.name)
        self._walk = TaxonWalk(self.name, "taxon_key", "offset", self._match, self._records)

    async def search(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """The page of records where the cursor goes on; raises as `Source.search`.

        A name that GBIF matches only to something larger, such as its genus, is a `BadQuery`.
        """
        check_options(query, _OPTIONS)
        return await self._walk.search(query, cursor, ask)

    async def similar(self, query: Query, candidate: Candidate, cursor: str, ask: Ask) -> ResultPage:
        """A page of other pictures of the candidate's taxon; raises as `Source.search`."""
        return await self._walk.similar(query, candidate, cursor, ask)

    async def _match(self, query: Query, ask: Ask) -> tuple[int, Answer]:
        """The key of the taxon that the query names, and the answer that said so."""
        params = [("name", query.text.strip()), ("verbose", "false")]
        params += [("kingdom", query.options["kingdom"])] if "kingdom" in query.options else []
        answer = await ask(Request(f"{_ADDRESS}/species/match", tuple(params)))
        return self._taxon(query.text, answer), answer

    def _taxon(self, name: str, answer: Answer) -> int:
        """The key of the taxon of this name, 0 where none is known. A synonym stands for what is accepted."""
        value = read_object(self._asked, answer)
        kind = text(value, "matchType")
        if kind == "NONE":
            return 0
        taxon = whole(value, "acceptedUsageKey") or whole(value, "usageKey")
        if not taxon or not kind:
            raise layout_changed(self.name, "there is no 'usageKey' or no 'matchType'")
        if kind not in ("EXACT", "FUZZY", "VARIANT"):
            near = shorten(text(value, "scientificName"))
            message = f"gbif knows no taxon called '{shorten(name)}', only '{near}'"
            raise BadQuery(message, "take its scientific name, or set the option 'taxon_key'")
        return taxon

    async def _records(self, query: Query, taxon: int, offset: int, ask: Ask) -> ResultPage:
        answer = await ask(Request(f"{_ADDRESS}/occurrence/search", _params(query, taxon, offset)))
        value = read_object(self._asked, answer)
        records = entries(self.name, value, "results")
        ended, count = dig(value, "endOfRecords"), dig(value, "count")
        if not isinstance(ended, bool) or not isinstance(count, int):
            raise layout_changed(self.name, "there is no 'endOfRecords' or no 'count'")
        if not records and not (ended and count <= offset):
            raise layout_changed(self.name, f"it counts {count} records and shows none")
        following = offset + max(whole(value, "limit"), len(records))
        further = self._walk.cursor(taxon, following)
        more = not ended and following + _PAGE_SIZE <= _DEPTH
        return make_page(self.name, _candidates(records, taxon), further if more else "", answer)


def _params(query: Query, taxon: int, offset: int) -> tuple[tuple[str, str], ...]:
    params = [("mediaType", "StillImage"), ("taxonKey", str(taxon))]
    params += [("license", licence) for licence in _LICENCES[query.licences]]
    params.append(("basisOfRecord", query.options.get("basis_of_record", "HUMAN_OBSERVATION")))
    params += [("country", query.options["country"])] if "country" in query.options else []
    params += [("datasetKey", query.options["dataset_key"])] if "dataset_key" in query.options else []
    return (*params, ("limit", str(_PAGE_SIZE)), ("offset", str(offset)))


def _candidates(records: list[object], taxon: int) -> Iterator[Candidate | str]:
    """A picture for each medium of the records."""
    for record in records:
        media = dig(record, "media")
        if not whole(record, "key") or not isinstance(media, list):
            yield MALFORMED
        elif not media:
            yield NO_IMAGE
        else:
            yield from (_candidate(record, medium, taxon) for medium in media)


def _candidate(record: object, medium: object, taxon: int) -> Candidate | str:
    """The picture of one medium, or why it is none."""
    url = link(medium, "identifier")
    if text(medium, "type") not in ("", "StillImage"):
        return NOT_A_PICTURE
    if not url:
        return MALFORMED
    key = text(record, "key")
    creator = text(medium, "creator") or text(medium, "rightsHolder")
    licence = most_specific(*(read_licence(text(one, "license")) for one in (medium, record))).raw
    return Candidate(
        url=url,
        item_id=f"{key}:{url}",
        page_url=f"https://www.gbif.org/occurrence/{key}",
        title=text(medium, "title") or text(record, "scientificName"),
        author=creator or text(record, "rightsHolder") or text(record, "recordedBy"),
        licence=licence,
        licence_url=link(licence),
        extra={"group": f"gbif:{key}", "taxon": text(record, "acceptedScientificName"), "taxon_key": taxon},
    )
