"""What a person sees of pictures while reviewing: size, labels, sources, verdicts, origins; and the looks so far.

Read from the catalogue for a page of pictures at a time. Knows nothing about pages or the network.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fieldguide.project.catalog import Catalog
from fieldguide.records import ImageRow, Origin, Verdict

_CHUNK = 5000


@dataclass
class Details:
    """A picture's row and what belongs to it.

    Attributes:
        readable: whether it was decoded, or nobody has tried yet.
        revision: of the last decision about it; 0 where there is none.
    """

    image: ImageRow
    added_at: str
    readable: bool
    revision: int
    labels: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)


class FirstLook(NamedTuple):
    """The first decision about a picture.

    Attributes:
        random: whether it was shown in random order.
        wrong: whether it is dropped or relabelled by now.
    """

    random: bool
    wrong: bool


def read_details(catalog: Catalog, names: Sequence[str]) -> dict[str, Details]:
    """Return the details of some pictures, by hash."""
    among = f"sha256 IN ({', '.join('?' * len(names))})"
    sql = f"""SELECT sha256, format, bytes, width, height, mode, frames, added_at,
                     coalesce((SELECT dhash <> x'' FROM fingerprint f WHERE f.sha256 = image.sha256), 1),
                     coalesce((SELECT max(id) FROM decision d WHERE d.sha256 = image.sha256), 0)
              FROM image WHERE {among}"""
    details = {
        row[0]: Details(ImageRow(*row[:7]), row[7], bool(row[8]), row[9]) for row in catalog.rows(sql, names)
    }  # fmt: skip

    def each(selected: str) -> Iterator[tuple[Details, tuple[Any, ...]]]:
        for sha256, *values in catalog.rows(f"{selected} AND {among}", names):
            if sha256 in details:
                yield details[sha256], tuple(values)

    for item, (class_name,) in each("SELECT DISTINCT sha256, class_name FROM label WHERE 1"):
        item.labels = sorted([*item.labels, class_name])
    for item, (source,) in each("SELECT DISTINCT sha256, source FROM origin WHERE 1"):
        item.sources = sorted([*item.sources, source])
    said = """SELECT sha256, "check", verdict, reason, score, copy_of FROM verdict WHERE verdict <> 'keep'"""
    for item, values in each(said):
        item.verdicts.append(Verdict(item.image.sha256, *values))
    return details


def read_origins(catalog: Catalog, sha256: str) -> list[Origin]:
    """Return where one picture comes from."""
    columns = ", ".join(Origin.__dataclass_fields__)
    sql = f"SELECT {columns} FROM origin WHERE sha256 = ? ORDER BY source, location"
    return [Origin(*row) for row in catalog.rows(sql, (sha256,))]


def read_format(catalog: Catalog, sha256: str) -> tuple[str, bool] | None:
    """Return a picture's format and whether it can be read; None where the project has no such picture."""
    sql = """SELECT format, coalesce((SELECT dhash <> x'' FROM fingerprint f WHERE f.sha256 = image.sha256), 1)
             FROM image WHERE sha256 = ? AND EXISTS (SELECT 1 FROM standing s WHERE s.sha256 = image.sha256)"""
    rows = catalog.rows(sql, (sha256,))
    return (rows[0][0], bool(rows[0][1])) if rows else None


def read_looks(catalog: Catalog) -> list[FirstLook]:
    """Return a look for each picture that is decided on and that no check rejects, in the order of the first looks."""
    sql = """SELECT (SELECT view FROM decision f WHERE f.sha256 = d.sha256 ORDER BY id LIMIT 1) = 'audit',
                    d.decision IN ('drop', 'relabel')
             FROM decided d
             WHERE d.decision <> '' AND EXISTS (SELECT 1 FROM standing s WHERE s.sha256 = d.sha256)
                AND NOT EXISTS (SELECT 1 FROM verdict v WHERE v.sha256 = d.sha256 AND v.verdict = 'reject')
             ORDER BY (SELECT min(id) FROM decision f WHERE f.sha256 = d.sha256)"""
    return [FirstLook(bool(random), bool(wrong)) for random, wrong in catalog.rows(sql)]


def read_small_greys(catalog: Catalog) -> Iterator[tuple[list[str], list[bytes]]]:
    """Yield hashes and grey thumbnails of all pictures that are measured, some thousand at a time."""
    last = ""
    sql = "SELECT sha256, grey FROM fingerprint WHERE sha256 > ? AND grey <> x'' ORDER BY sha256 LIMIT ?"
    while rows := catalog.rows(sql, (last, _CHUNK)):
        last = rows[-1][0]
        yield [row[0] for row in rows], [row[1] for row in rows]


def find_hashes(catalog: Catalog, beginning: str) -> set[str]:
    """Return the pictures whose hash begins so, two at most."""
    sql = "SELECT sha256 FROM image WHERE sha256 >= ? AND sha256 < ? LIMIT 2"
    return {row[0] for row in catalog.rows(sql, (beginning, f"{beginning}g"))}
