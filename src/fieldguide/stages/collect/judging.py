"""Which fetched pictures a class keeps: those that are whole, large enough and no copy of one it has, in order.

Judged strictly in the order in which they were offered, however their downloads ended, so that an interrupted run ends
with the same pictures as one that was not.
"""

from collections.abc import Mapping, Sequence

from fieldguide.checks.duplicates import CopyIndex
from fieldguide.checks.files import DECODE_SIDE, take_prints
from fieldguide.errors import BadImage
from fieldguide.images import decode
from fieldguide.licences import licence_url
from fieldguide.project import Project, decode_limits
from fieldguide.project.catalog import Catalog
from fieldguide.project.ledger import Fetch, Ledger, Offer, Search
from fieldguide.records import ImageRow, Label, Origin
from fieldguide.settings import Settings
from fieldguide.stages.collect.searching import read_terms

__all__ = ["Judge"]


class Judge:
    """Judges the offers of one class."""

    def __init__(self, project: Project, settings: Settings, catalog: Catalog, class_name: str) -> None:
        self._project = project
        self._settings = settings
        self._catalog = catalog
        self._ledger = Ledger(catalog)
        self._class_name = class_name
        self._seen = CopyIndex(settings.clean.copy_distance, settings.clean.copy_likeness)
        self._known: set[str] = set()
        self._kept: list[tuple[ImageRow, Origin, Label]] = []  # not in the catalogue yet
        self._similar = 0
        self.good = 0
        self._remember()

    @property
    def may_widen(self) -> bool:
        """Whether the class may still take pictures that were found by their likeness."""
        return self._similar < self._settings.collect.similar_share * self._settings.collect.per_class

    def _remember(self) -> None:
        """Nothing; what the class has already is known: collected or added, and not rejected since."""
        collected = {name: (one, two, grey) for name, one, two, grey in self._ledger.prints(self._class_name)}
        for one in self._catalog.holdings(self._class_name):
            prints = one.prints if one.prints[0] else collected.get(one.sha256) or self._look(one.sha256, one.format)
            self._known.add(one.sha256)
            if prints:
                self.good += not one.rejected
                self._similar += one.similar
                self._seen.add(prints)

    def _look(self, sha256: str, suffix: str) -> tuple[bytes, bytes, bytes] | None:
        """The prints of a picture that was added by hand and not checked yet; None where it does not decode."""
        try:
            data = self._project.read_image(sha256, suffix)
            return take_prints(decode(data, decode_limits(self._settings), at_least=DECODE_SIDE))
        except BadImage:
            return None

    def judge(self, offers: Sequence[Offer], searches: Mapping[int, Search]) -> int:
        """How many of these offers are judged now: the first ones, up to one that is not fetched yet.

        Args:
            offers: in order, none judged yet.
            searches: by id.
        """
        if not self._ledger.fetched([one.url_key for one in offers[:1]]):  # most often, and soon told
            return 0
        fetches = self._ledger.fetches([one.url_key for one in offers])
        judged = []
        for offer in offers:
            fetch = fetches.get(offer.url_key)
            if fetch is None:
                break
            judged.append((offer.id, self._verdict(offer, fetch, searches[offer.search])))
        with self._ledger.together():
            self._catalog.add_images(self._kept, self._project.now())
            self._ledger.judge(judged)
        self._kept.clear()
        return len(judged)

    def _verdict(self, offer: Offer, fetch: Fetch, search: Search) -> str:
        """`kept`, or why not."""
        if fetch.image is None:
            return fetch.reason
        if min(fetch.image.width, fetch.image.height) < self._settings.clean.min_side:
            return "too_small"
        if search.parent and not self.may_widen:
            return "enough_similar"
        if fetch.image.sha256 in self._known:  # another source may know more of its author and terms
            self._add(offer, fetch, search)
            return "copy"
        if self._seen.has(fetch.prints):
            return "near_copy"
        self._add(offer, fetch, search)
        self._known.add(fetch.image.sha256)
        self._seen.add(fetch.prints)
        self._similar += bool(search.parent)
        self.good += 1
        return "kept"

    def _add(self, offer: Offer, fetch: Fetch, search: Search) -> None:
        """Nothing; the picture, its label and this origin will be in the catalogue."""
        assert fetch.image is not None
        label = Label(fetch.image.sha256, self._class_name, "query")
        self._kept.append((fetch.image, self._origin(offer, fetch, search), label))

    def _origin(self, offer: Offer, fetch: Fetch, search: Search) -> Origin:
        """Where a kept picture came from and under what terms."""
        assert fetch.image is not None
        one = offer.candidate
        licence = read_terms(one, search.query.source)
        parent = self._ledger.offer(self._class_name, search.parent).candidate if search.parent else None
        return Origin(
            sha256=fetch.image.sha256,
            source=search.query.source,
            location=one.url,
            author=one.author,
            licence=licence.spdx,
            licence_url=licence.url or licence_url(licence.spdx),
            title=one.title,
            page=one.page_url,
            author_url=one.author_url,
            licence_raw=one.licence,
            query=search.query.text,
            parent=parent.url if parent else "",
            family=str(one.extra.get("group", "")),
        )
