"""The pictures in the order in which a person reviews them, and how many there are of each kind.

Made from the rest of the catalogue when that has changed, kept in tables with the indexes that paging needs, and
brought up to date with each decision: a sort over the view of states takes half a minute at a million pictures. Knows
nothing about pages or the network.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from fieldguide.project.catalog import Catalog
from fieldguide.settings import Settings

Order = Literal["worst", "audit", "class"]
FILTERS = ("class_name", "split", "state", "decision", "reason", "source")
_MARKS = ("reason", "source")
# what is looked at first: one of two labels is wrong for certain, a small picture harms the least
_FIRST = ("unsafe", "labels", "outliers", "duplicates", "split", "quality", "files")
_LAST = (len(_FIRST) + 1.0, 0.0)
_CODE = "CASE instr(reason, ':') WHEN 0 THEN reason ELSE substr(reason, 1, instr(reason, ':') - 1) END"
_COLUMNS = "place, sha256, class_name, split, group_id, decision, audited, state"
_SORTS = {"worst": "place", "audit": "sha256", "class": "class_name, place"}  # hashes come in a random order
_AUDIT = "(audited OR (decision = '' AND state IN ('kept', 'suspect')))"


class Suspicion(NamedTuple):
    """A verdict that sets a picture aside or asks for a look."""

    sha256: str
    check: str
    reason: str
    score: float
    group_id: str


@dataclass(frozen=True)
class Query:
    """Which pictures are wanted, in which order.

    Attributes:
        filters: a value for some of `FILTERS`.
        after: what the picture before is sorted by; None at the beginning.
        offset: how many to leave out; only without `after`.
    """

    order: Order = "worst"
    filters: dict[str, str] = field(default_factory=dict)
    limit: int = 100
    after: tuple[Any, ...] | None = None
    offset: int = 0


class Item(NamedTuple):
    """A picture's row in the list."""

    place: int
    sha256: str
    class_name: str
    split: str
    group_id: str
    decision: str
    audited: int
    state: str

    def key(self, order: Order) -> tuple[Any, ...]:
        """Return what it is sorted by."""
        return tuple(getattr(self, name) for name in _SORTS[order].split(", "))


def class_names_of(catalog: Catalog, settings: Settings) -> tuple[str, ...]:
    """Return the labels that a picture may be given: the names of the settings, or else all that were added."""
    names = tuple(settings.classes)
    return names or tuple(row[0] for row in catalog.rows("SELECT DISTINCT class_name FROM labelling ORDER BY 1"))


def order_worst_first(suspicions: Iterable[Suspicion], kept_of: Iterable[tuple[str, str]] = ()) -> list[str]:
    """Return the pictures to look at first: two labels, unsafe, labels, outliers, copies side by side, sizes, others.

    Pictures of one group that are copies stand together, where the worst of them belongs.

    Args:
        suspicions: what the checks said.
        kept_of: pictures that others are copies of, with their group.
    """
    homes = dict(kept_of)
    worst: dict[str, tuple[float, float]] = {}
    for item in suspicions:
        if item.check == "duplicates":
            homes[item.sha256] = item.group_id
        worst[item.sha256] = min(worst.get(item.sha256, _LAST), _rank(item))
    groups: dict[str, list[str]] = {}
    for sha256 in {**homes, **worst}:
        groups.setdefault(homes.get(sha256, sha256), []).append(sha256)
    ranked = []
    for members in groups.values():
        members.sort(key=lambda name: (name in worst, worst.get(name, _LAST), name))  # the one that is kept, its copies
        ranked.append((min(worst.get(name, _LAST) for name in members), members))
    return [sha256 for _, members in sorted(ranked) for sha256 in members]


def _rank(item: Suspicion) -> tuple[float, float]:
    """Return how early a picture is looked at for one verdict: the check, then the score."""
    if item.reason.startswith("two_labels"):
        return 0.0, 0.0
    place = _FIRST.index(item.check) + 1.0 if item.check in _FIRST else _LAST[0]
    return place, item.score if item.check == "files" else -item.score  # a file's score is its shorter side


class ReviewList:
    """The list in an open catalogue."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def update(self) -> int:
        """Make the list again where the catalogue has changed since, and return its version."""
        checked, split = self._made_from()
        last = self._last()
        if last[1:] == (checked, split):
            return last[0]
        with self._catalog.transaction():
            last = self._last()
            if last[1:] != (checked, split):  # another process may have been here in between
                if last[1] == checked:
                    self._refresh_splits()
                else:
                    self._clear()
                    self._fill()
                self._catalog.write("DELETE FROM review_list", [()])
                made_from = json.dumps([checked, split])
                self._catalog.write("INSERT INTO review_list VALUES (?, ?)", [(last[0] + 1, made_from)])
        return self._last()[0]

    def _last(self) -> tuple[int, str, str]:
        """Return the version of the list, 0 where there is none, and what it was made from."""
        rows = self._catalog.rows("SELECT version, made_from FROM review_list")
        checked, split = json.loads(rows[0][1]) if rows else ("", "")
        return (int(rows[0][0]) if rows else 0, str(checked), str(split))

    def _made_from(self) -> tuple[str, str]:
        """Return what tells, at once, whether checks or an addition have changed the catalogue, and whether a split."""
        stages = dict.fromkeys(("clean", "split"), "")
        for name, inputs, at in self._catalog.rows(
            "SELECT name, inputs, at FROM stage WHERE name IN ('clean', 'split')"
        ):
            stages[name] = f"{inputs} {at}"
        numbers = """SELECT (SELECT max(id) FROM labelling), (SELECT max(rowid) FROM verdict),
                            (SELECT count(*) FROM addition WHERE undone_at <> '')"""
        return f"{stages['clean']} {self._catalog.rows(numbers)[0]}", stages["split"]

    def _refresh_splits(self) -> None:
        """Write the split of each picture, which changes no place."""
        split = "coalesce((SELECT split FROM split s WHERE s.sha256 = review_item.sha256), '')"
        self._catalog.write(f"UPDATE review_item SET split = {split} WHERE split <> {split}", [()])
        self._catalog.write("DELETE FROM review_count WHERE kind = 'split'", [()])
        counts = "INSERT INTO review_count SELECT 'split', split, count(*) FROM review_item GROUP BY split"
        self._catalog.write(counts, [()])

    def _clear(self) -> None:
        for table in ("review_item", "review_mark", "review_count"):
            self._catalog.write(f"DELETE FROM {table}", [()])

    def _fill(self) -> None:
        """Write every picture at its place, then what it is found by, then the counts."""
        write, rows = self._catalog.write, self._catalog.rows
        suspicions = rows(
            f"""SELECT sha256, "check", {_CODE}, score, coalesce(group_id, sha256)
                FROM verdict LEFT JOIN alike USING (sha256) WHERE verdict <> 'keep'"""
        )
        copied = rows(
            """SELECT DISTINCT copy_of, coalesce(a.group_id, copy_of) FROM verdict v
               LEFT JOIN alike a ON a.sha256 = copy_of WHERE verdict <> 'keep' AND copy_of <> ''"""
        )
        names = order_worst_first((Suspicion(*row) for row in suspicions), copied)
        write("CREATE TEMP TABLE worst (sha256 TEXT PRIMARY KEY, place INTEGER) WITHOUT ROWID", [()])
        try:
            write("INSERT INTO worst VALUES (?, ?)", ((name, place) for place, name in enumerate(names)))
            write(
                f"""INSERT INTO review_item ({_COLUMNS})
                    SELECT row_number() OVER (ORDER BY worst.place IS NULL, worst.place, sha256), sha256, class_name,
                        split, coalesce(alike.group_id, sha256), decision, audited, state
                    FROM review_state LEFT JOIN worst USING (sha256) LEFT JOIN alike USING (sha256)""",
                [()],
            )
        finally:
            write("DROP TABLE worst", [()])
        write(
            f"""INSERT OR IGNORE INTO review_mark
                SELECT 'reason', {_CODE}, place FROM verdict JOIN review_item USING (sha256) WHERE verdict <> 'keep'
                UNION ALL SELECT 'source', source, place FROM origin JOIN review_item USING (sha256)""",
            [()],
        )
        counts: Counter[tuple[str, str]] = Counter()
        sql = "SELECT class_name, split, decision, audited, state, count(*) FROM review_item GROUP BY 1, 2, 3, 4, 5"
        for class_name, split, decision, audited, state, number in rows(sql):
            for fact in _facts(Item(0, "", class_name, split, "", decision, audited, state)):
                counts[fact] += number
        counts.update({row[:2]: row[2] for row in rows("SELECT kind, value, count(*) FROM review_mark GROUP BY 1, 2")})
        self._count(counts)

    def _count(self, changes: Counter[tuple[str, str]]) -> None:
        sql = """INSERT INTO review_count VALUES (?, ?, ?)
                 ON CONFLICT DO UPDATE SET number = number + excluded.number"""
        self._catalog.write(sql, [(*fact, number) for fact, number in changes.items() if number])

    def refresh(self, names: Iterable[str]) -> None:
        """Bring the rows of some pictures up to date, in the transaction that has changed them."""
        changes: Counter[tuple[str, str]] = Counter()
        with self._catalog.transaction():
            for sha256 in dict.fromkeys(names):
                before = self.item(sha256)
                after = self._catalog.rows(
                    "SELECT class_name, decision, audited, state FROM review_state WHERE sha256 = ?", (sha256,)
                )
                if before is None or not after:
                    continue
                class_name, decision, audited, state = after[0]
                item = before._replace(class_name=class_name, decision=decision, audited=audited, state=state)
                changes.update(_facts(item))
                changes.subtract(_facts(before))
                self._catalog.write(
                    "UPDATE review_item SET class_name = ?, decision = ?, audited = ?, state = ? WHERE place = ?",
                    [(class_name, decision, audited, state, before.place)],
                )
            self._count(changes)

    def item(self, sha256: str) -> Item | None:
        """Return one picture's row."""
        rows = self._catalog.rows(f"SELECT {_COLUMNS} FROM review_item WHERE sha256 = ?", (sha256,))
        return Item(*rows[0]) if rows else None

    def items(self, names: Sequence[str]) -> list[Item]:
        """Return the rows of some pictures, in their order; those that are not there are left out."""
        return [item for item in map(self.item, names) if item]

    def group(self, item: Item, limit: int) -> list[Item]:
        """Return the other pictures that look like a picture."""
        names = self._catalog.rows(
            "SELECT sha256 FROM alike WHERE group_id = ? AND sha256 <> ? LIMIT ?",
            (item.group_id, item.sha256, limit),
        )
        return self.items([name for (name,) in names])

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of pictures by value, for each of `FILTERS`, "audit" and "open".

        "audit" counts those of the random sample by decision, "open" those that nobody has decided on by state.
        """
        counts: dict[str, dict[str, int]] = {kind: {} for kind in (*FILTERS, "audit", "open")}
        for kind, value, number in self._catalog.rows("SELECT kind, value, number FROM review_count WHERE number > 0"):
            counts[kind][value] = number
        return counts

    def page(self, query: Query) -> list[Item]:
        """Return the next pictures."""
        where, values = _condition(query)
        columns = _SORTS[query.order]
        offset = query.offset
        if query.after is not None:
            where += f" AND ({columns}) > ({', '.join('?' * len(query.after))})"
            values += query.after
        elif query.order == "worst" and not query.filters and offset:  # places are numbered from 1 without a gap
            where, values, offset = "place > ?", (offset,), 0
        sql = f"SELECT {_COLUMNS} FROM {_table(query)} WHERE {where} ORDER BY {columns} LIMIT ? OFFSET ?"
        return [Item(*row) for row in self._catalog.rows(sql, (*values, query.limit, offset))]

    def total(self, query: Query) -> int:
        """Return how many pictures the filters leave."""
        kinds = list(query.filters)
        if query.order != "audit" and len(kinds) < 2:
            counts = self.counts()
            return counts[kinds[0]].get(query.filters[kinds[0]], 0) if kinds else sum(counts["state"].values())
        if query.order == "audit" and not kinds:
            counts = self.counts()
            undecided = sum(counts["open"].get(state, 0) for state in ("kept", "suspect"))
            return undecided + sum(counts["audit"].values())
        where, values = _condition(query)
        return int(self._catalog.rows(f"SELECT count(*) FROM {_table(query)} WHERE {where}", values)[0][0])


def _facts(item: Item) -> Counter[tuple[str, str]]:
    """Return what a picture is counted under."""
    facts = [(kind, getattr(item, kind)) for kind in ("class_name", "split", "state", "decision")]
    if item.audited and item.decision:
        facts.append(("audit", item.decision))
    if not item.decision:
        facts.append(("open", item.state))
    return Counter(facts)


def _table(query: Query) -> str:
    """Return the tables of a query; a reason or a source comes first where its places are in the order wanted."""
    return "review_mark CROSS JOIN review_item USING (place)" if _leading_mark(query) else "review_item"


def _leading_mark(query: Query) -> str:
    """Return the filter whose places lead a query, or ""."""
    return next((kind for kind in _MARKS if kind in query.filters), "") if query.order == "worst" else ""


def _condition(query: Query) -> tuple[str, tuple[Any, ...]]:
    """Return the condition of a query and its values."""
    parts: list[str] = ["1"]
    values: list[str] = []
    for kind, value in query.filters.items():
        if kind not in _MARKS:
            parts.append(f"{kind} = ?")
        elif kind == _leading_mark(query):
            parts.append("review_mark.kind = ? AND review_mark.value = ?")
        else:
            marked = "SELECT 1 FROM review_mark m WHERE m.kind = ? AND m.value = ? AND m.place = review_item.place"
            parts.append(f"EXISTS ({marked})")
        values += [kind, value] if kind in _MARKS else [value]
    if query.order == "audit":
        parts.append(_AUDIT)
    return " AND ".join(parts), tuple(values)
