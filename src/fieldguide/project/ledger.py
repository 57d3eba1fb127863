"""The ledger of collecting: what was asked, what was answered, which pictures were offered, fetched and judged.

Knows nothing about networks or pixels. What a method has written is on the disk when it returns, so that a search goes
on at its cursor and no finished address is fetched twice. Pages are kept as raw evidence.
"""

import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

from fieldguide.errors import ProjectDamaged
from fieldguide.hashing import hash_text
from fieldguide.project.catalog import Catalog
from fieldguide.records import NO_PRINTS, ImageRow, Prints
from fieldguide.records.candidates import Candidate, Query, ResultPage

_FETCH = (
    "url_key, url, final_url, status, reason, detail, passing, content_type, elapsed_ms, image, dhash, mirror, grey, "
    "colour, limits"
)


@dataclass(frozen=True)
class Search:
    """One query and how far it has got.

    Attributes:
        state: `open` while there is more, `ended` at its end, `refused` where the source did not answer as it should.
        parent: the address of the picture whose like are looked for, or "".
        pages: how many pages of results were read.
        seen: how many pictures they offered.
        reason: why it was refused.
    """

    id: int
    query: Query
    parent: str
    state: Literal["open", "ended", "refused"]
    cursor: str
    pages: int
    seen: int
    reason: str


@dataclass(frozen=True)
class Offer:
    """A candidate as it stands in the ledger.

    Attributes:
        id: its place in the order of its class.
        url_key: the address as the key that no picture is fetched twice under.
        judged: "" until judged, then "kept" or the reason why not.
    """

    id: int
    search: int
    class_name: str
    url_key: str
    candidate: Candidate
    judged: str


@dataclass(frozen=True)
class Fetch:
    """What came of fetching an address.

    Attributes:
        reason: "" where it is a whole picture.
        transient: whether another try may find otherwise.
        image: the original, where it is a picture.
        prints: what its copies are recognised by, where it is a picture.
        limits: the limits on pictures that refused it, as the caller writes them; "" where none did.
    """

    url_key: str
    url: str
    final_url: str
    status: int
    reason: str
    detail: str
    transient: bool
    content_type: str
    elapsed_ms: float
    image: ImageRow | None = None
    prints: Prints = NO_PRINTS
    limits: str = ""


class Ledger:
    """The ledger in an open catalogue; whoever writes holds the project's lock."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def open_search(self, query: Query, parent: str = "") -> None:
        """Make a query known; one that was known already stays as it is."""
        options = json.dumps(dict(query.options), sort_keys=True, ensure_ascii=False)
        row = (query.class_name, query.source, query.text, options, parent)
        self._catalog.write(
            """INSERT OR IGNORE INTO query (class_name, source, text, options, parent, state, cursor, pages, seen,
               reason) VALUES (?, ?, ?, ?, ?, 'open', '', 0, 0, '')""",
            [row],
        )

    def searches(self, class_name: str) -> list[Search]:
        """Return every query of a class, in the order they were opened."""
        sql = """SELECT id, source, class_name, text, options, parent, state, cursor, pages, seen, reason FROM query
                 WHERE class_name = ? ORDER BY id"""
        return [
            Search(row[0], Query(row[1], row[2], row[3], json.loads(row[4])), *row[5:])
            for row in self._catalog.rows(sql, (class_name,))
        ]

    def set_state(self, search: int, state: Literal["open", "ended", "refused"], reason: str = "") -> None:
        """Set whether a query goes on, has ended, or was refused and why."""
        self._catalog.write("UPDATE query SET state = ?, reason = ? WHERE id = ?", [(state, reason, search)])

    def take_over(self, search: Search) -> None:
        """Give the search what waits, or was left for its licence, from this query under older settings."""
        query = search.query
        self._catalog.write(
            """UPDATE candidate SET query_id = ? WHERE class_name = ? AND judged IN ('', 'licence') AND query_id IN
               (SELECT id FROM query WHERE class_name = ? AND source = ? AND text = ? AND parent = ?)""",
            [(search.id, query.class_name, query.class_name, query.source, query.text, search.parent)],
        )

    def add_page(
        self, search: Search, page: ResultPage, judged: Sequence[tuple[str, Candidate, str]], fetched_at: str,
        refused: str = "",
    ) -> None:  # fmt: skip
        """Write a page, its candidates and the next cursor together.

        Args:
            search: whose page it is.
            page: as the source gave it.
            judged: url_key, candidate, and "" or why it need not be fetched, in order. An address that the class was
                offered before is left as it was, but where it waits, or only its licence spoke against it and this
                one's does not: then this offer takes its place.
            fetched_at: the time.
            refused: why the page is only kept as evidence: the query stays where it was.
        """
        answer = page.answer
        keys = hash_text("\n".join(key for key, _, _ in judged)) if judged else ""
        repeats = bool(keys) and bool(
            self._catalog.rows("SELECT 1 FROM page WHERE query_id = ? AND keys = ?", (search.id, keys))
        )  # past its end a source may show the same again
        with self._catalog.transaction():
            self._catalog.write(
                "INSERT OR REPLACE INTO page VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(search.id, search.pages, answer.url, answer.status, json.dumps(dict(answer.headers)),
                  zlib.compress(answer.body), json.dumps(dict(page.skipped)), keys, fetched_at)],
            )  # fmt: skip
            self._catalog.write(
                """INSERT INTO candidate (query_id, class_name, url_key, rank, record, judged) VALUES (?, ?, ?, ?, ?, ?)
                   ON CONFLICT (class_name, url_key) DO UPDATE SET query_id = excluded.query_id,
                   rank = excluded.rank, record = excluded.record, judged = excluded.judged
                   WHERE judged = '' OR (judged = 'licence' AND excluded.judged = '')""",
                [
                    (search.id, search.query.class_name, key, search.seen + rank,
                     json.dumps(vars(candidate), ensure_ascii=False), why)
                    for rank, (key, candidate, why) in enumerate(judged)
                ],
            )  # fmt: skip
            state = "refused" if refused else "open" if page.cursor and not repeats else "ended"
            cursor = search.cursor if refused else page.cursor
            self._catalog.write(
                "UPDATE query SET cursor = ?, pages = pages + 1, seen = seen + ?, state = ?, reason = ? WHERE id = ?",
                [(cursor, len(page.candidates), state, refused, search.id)],
            )

    def offers(self, class_name: str, searches: Sequence[int], judged: str = "", limit: int = -1) -> list[Offer]:
        """Return a class's candidates in order: those judged so, by default those not judged yet.

        Args:
            class_name: the class.
            searches: the searches, by id, whose candidates count.
            judged: as in `Offer`.
            limit: most offers to give; below 0 all.
        """
        where = f"class_name = ? AND judged = ? AND query_id IN ({', '.join('?' * len(searches))}) ORDER BY id LIMIT ?"
        return self._offers(where, (class_name, judged, *searches, limit))

    def offer(self, class_name: str, url_key: str) -> Offer:
        """Return the class's candidate with that key."""
        offers = self._offers("class_name = ? AND url_key = ?", (class_name, url_key))
        if not offers:
            raise ProjectDamaged(f"the ledger has lost {url_key}", "put back a backup of catalog.db")
        return offers[0]

    def _offers(self, where: str, values: Sequence[str | int]) -> list[Offer]:
        sql = f"SELECT id, query_id, class_name, url_key, record, judged FROM candidate WHERE {where}"
        return [
            Offer(row[0], row[1], row[2], row[3], Candidate(**json.loads(row[4])), row[5])
            for row in self._catalog.rows(sql, values)
        ]

    def judge(self, judged: Iterable[tuple[int, str]]) -> None:
        """Write how these offers, by id, are judged."""
        self._catalog.write("UPDATE candidate SET judged = ? WHERE id = ?", ((why, offer) for offer, why in judged))

    def add_fetches(self, fetches: Iterable[Fetch], fetched_at: str) -> None:
        """Write what came of fetching these addresses, in place of what came of them before."""
        self._catalog.write(
            f"INSERT OR REPLACE INTO fetch ({_FETCH}, fetched_at, sha256) VALUES ({', '.join('?' * 17)})",
            [
                (fetch.url_key, fetch.url, fetch.final_url, fetch.status, fetch.reason, fetch.detail, fetch.transient,
                 fetch.content_type, fetch.elapsed_ms, json.dumps(vars(fetch.image)) if fetch.image else "",
                 *fetch.prints, fetch.limits, fetched_at, fetch.image.sha256 if fetch.image else "")
                for fetch in fetches
            ],
        )  # fmt: skip

    def transaction(self) -> AbstractContextManager[None]:
        """Commit together all that is written inside the block."""
        return self._catalog.transaction()

    def fetched(self, url_keys: Sequence[str]) -> set[str]:
        """Return which of these addresses were fetched, whatever came of it."""
        return {row[0] for row in self._fetch_rows("url_key", url_keys)}

    def fetches(self, url_keys: Sequence[str]) -> dict[str, Fetch]:
        """Return what came of fetching these addresses, where they were."""
        fetches = {}
        for row in self._fetch_rows(_FETCH, url_keys):
            image = ImageRow(**json.loads(row[9])) if row[9] else None
            values = (*row[:6], bool(row[6]), *row[7:9], image, Prints(*row[10:14]), row[14])
            fetches[row[0]] = Fetch(*values)
        return fetches

    def _fetch_rows(self, columns: str, url_keys: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Yield columns of these addresses' fetches, few enough at a time for one statement."""
        for start in range(0, len(url_keys), 500):
            part = url_keys[start : start + 500]
            sql = f"SELECT {columns} FROM fetch WHERE url_key IN ({', '.join('?' * len(part))})"
            yield from self._catalog.rows(sql, part)

    def forget(
        self, reasons: Iterable[str], may_help: Callable[[str, str, str], bool] = lambda reason, url, limits: True
    ) -> int:
        """Let candidates be fetched again whose fetching failed for one of the reasons, and return how many.

        Args:
            reasons: why it failed.
            may_help: told the reason, the address where it failed and the limits that refused it, returns whether
                another try may help.
        """
        values = tuple(reasons)
        marks = ", ".join("?" * len(values))
        sql = f"""SELECT id, url_key, reason, final_url, limits FROM candidate JOIN fetch USING (url_key)
                  WHERE judged = reason AND reason IN ({marks})"""
        with self._catalog.transaction():
            rows = [row for row in self._catalog.rows(sql, values) if may_help(*row[2:])]
            self._catalog.write("DELETE FROM fetch WHERE url_key = ?", ((row[1],) for row in rows))
            self.judge((row[0], "") for row in rows)
        return len(rows)

    def failures(self) -> dict[str, bool]:
        """Return each reason for which fetching failed, and whether another try may help."""
        return {
            row[0]: bool(row[1])
            for row in self._catalog.rows(
                "SELECT reason, max(passing) FROM fetch WHERE reason != '' GROUP BY reason ORDER BY reason"
            )
        }

    def count_fetched(self) -> dict[str, int]:
        """Return how many of each class's candidates were asked for."""
        sql = "SELECT class_name, count(*) FROM candidate JOIN fetch USING (url_key) GROUP BY class_name"
        return dict(self._catalog.rows(sql))

    def prints(self, class_name: str) -> dict[str, Prints]:
        """Return what copies of each collected picture that a class keeps are recognised by."""
        sql = """SELECT sha256, dhash, mirror, grey, colour FROM candidate JOIN fetch USING (url_key)
                 WHERE class_name = ? AND judged = 'kept'"""
        return {row[0]: Prints(*row[1:]) for row in self._catalog.rows(sql, (class_name,))}

    def skipped(self) -> dict[str, Counter[str]]:
        """Return for each class why what its sources showed was no candidate, and how often."""
        counts: dict[str, Counter[str]] = {}
        sql = "SELECT class_name, skipped FROM page JOIN query ON query.id = query_id WHERE skipped <> '{}'"
        for class_name, skipped in self._catalog.rows(sql):
            counts.setdefault(class_name, Counter()).update(json.loads(skipped))
        return counts

    def requests_since(self, source: str, moment: str) -> int:
        """Return how many pages a source has given since a moment (ISO 8601, UTC)."""
        sql = "SELECT count(*) FROM page JOIN query ON query.id = query_id WHERE source = ? AND fetched_at >= ?"
        return int(self._catalog.rows(sql, (source, moment))[0][0])

    def reasons(self) -> Mapping[str, Counter[str]]:
        """Return for each class how many candidates were judged how."""
        counts: dict[str, Counter[str]] = {}
        for class_name, judged, count in self._catalog.rows(
            "SELECT class_name, judged, count(*) FROM candidate GROUP BY class_name, judged"
        ):
            counts.setdefault(class_name, Counter())[judged] = count
        return counts
