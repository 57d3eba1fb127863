"""From a name to a taxon to its pages: the walk that sources of living things share.

The first page of a search also asks which taxon is meant; after that the cursor holds its number and how far it was
read. Knows nothing about any one source: how a name is looked up and a page is read is given.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fieldguide.errors import BadQuery
from fieldguide.records.candidates import Answer, Ask, Candidate, Query, ResultPage
from fieldguide.sources.answers import cursor_fields, make_page, whole

__all__ = ["TaxonWalk"]


@dataclass(frozen=True)
class TaxonWalk:
    """The walk over one source's taxa.

    Attributes:
        source: its name.
        key: what its option, and the small fact of its candidates, are called that hold a taxon's number.
        place: what says in a cursor how far a taxon was read.
        find: the taxon of a query's name, 0 where none is known, and the answer that said so.
        read: the page of a taxon's pictures from that place on.
    """

    source: str
    key: str
    place: str
    find: Callable[[Query, Ask], Awaitable[tuple[int, Answer]]]
    read: Callable[[Query, int, int, Ask], Awaitable[ResultPage]]

    async def search(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """The page of pictures of the query's taxon where the cursor goes on; raises as `Source.search`."""
        if cursor:
            return await self.read(query, *self._parse(cursor), ask)
        if self.key in query.options:
            taxon = whole(query.options[self.key])
            if not taxon:
                message = f"{self.source} wants a number in '{self.key}'"
                raise BadQuery(message, "it is in the address of the taxon's page")
            return await self.read(query, taxon, 0, ask)
        taxon, answer = await self.find(query, ask)
        return await self.read(query, taxon, 0, ask) if taxon else make_page(self.source, [], "", answer)

    async def similar(self, query: Query, candidate: Candidate, cursor: str, ask: Ask) -> ResultPage:
        """The page of other pictures of the candidate's taxon where the cursor goes on; raises as `Source.search`."""
        taxon = whole(candidate.extra.get(self.key))
        if not taxon:
            raise BadQuery(f"{self.source} does not know that picture's taxon", "take a picture that it gave")
        return await self.read(query, *(self._parse(cursor) if cursor else (taxon, 0)), ask)

    def cursor(self, taxon: int, place: int) -> str:
        """What goes on with a taxon from that place."""
        return json.dumps({"taxon": taxon, self.place: place})

    def _parse(self, cursor: str) -> tuple[int, int]:
        """The taxon and the place that a cursor holds; raises as `cursor_fields`."""
        fields = cursor_fields(self.source, cursor, ("taxon", self.place))
        return fields["taxon"], fields[self.place]
