"""The additions of a project: what each `add` brought, numbered, so that it can be taken back.

Knows nothing about files or pixels. Taking back deletes nothing: the addition is marked, and what stands without it is
what the project then has.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fieldguide.errors import NotReady
from fieldguide.project.catalog import Catalog


@dataclass(frozen=True)
class LabelPlace:
    """A place that gave an image its label.

    Attributes:
        root: what was added, as an absolute path; "" where that is not known.
        source: the kind of the source.
        location: the place inside it.
    """

    class_name: str
    by: str
    root: str
    source: str
    location: str


@dataclass(frozen=True)
class Undone:
    """What undoing an addition changed.

    Attributes:
        paths: what had been added.
        added_at: when.
        removed: number of images by class name whose label was taken back.
        restored: number of images by class name that have the label again that the addition had replaced.
    """

    number: int
    paths: tuple[str, ...]
    added_at: str
    removed: dict[str, int]
    restored: dict[str, int]


class Additions:
    """The additions in an open catalogue; whoever writes holds the project's lock."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def next_number(self) -> int:
        """Return the number that the next addition has; none is given twice."""
        return int(self._catalog.rows("SELECT coalesce(max(number), 0) + 1 FROM addition")[0][0])

    def open_addition(self, number: int, path: str, options: Mapping[str, Any], added_at: str) -> int:
        """Write that a path is added and return the id under which its images are written.

        Args:
            number: what a person calls the addition by; several paths may share it.
            path: what is added, as an absolute path.
            options: how it was added.
            added_at: the time.
        """
        with self._catalog.transaction():
            row = (number, path, json.dumps(dict(options), ensure_ascii=False), added_at)
            self._catalog.write(
                "INSERT INTO addition (number, path, options, added_at, undone_at) VALUES (?, ?, ?, ?, '')", [row]
            )
            return int(self._catalog.rows("SELECT max(id) FROM addition")[0][0])

    def label_places(self) -> dict[str, list[LabelPlace]]:
        """Return where each image has its labels from, in the order they were given."""
        sql = """SELECT sha256, class_name, by, coalesce(path, ''), source, location FROM standing
                 LEFT JOIN addition ON addition.id = standing.addition ORDER BY standing.id"""
        places: dict[str, list[LabelPlace]] = {}
        for sha256, *values in self._catalog.rows(sql):
            places.setdefault(sha256, []).append(LabelPlace(*values))
        return places

    def undo(self, number: int | None, undone_at: str) -> Undone:
        """Take back the addition with that number, or the last one that stands.

        Raises:
            NotReady: there is no such addition, or it is undone already.
        """
        standing = self._standing()
        if number is None:
            number = max(standing, default=0)
        if number not in standing:
            raise _not_standing(number, standing)
        with self._catalog.transaction():
            before = self._catalog.labels()
            self._catalog.write("UPDATE addition SET undone_at = ? WHERE number = ?", [(undone_at, number)])
            after = self._catalog.labels()
        paths, added_at = standing[number]
        return Undone(number, paths, added_at, _count_missing(before, after), _count_missing(after, before))

    def _standing(self) -> dict[int, tuple[tuple[str, ...], str]]:
        """Return the paths and the time of each addition that is not undone."""
        additions: dict[int, tuple[tuple[str, ...], str]] = {}
        sql = "SELECT number, path, added_at FROM addition WHERE undone_at = '' ORDER BY id"
        for number, path, added_at in self._catalog.rows(sql):
            paths, first = additions.get(number, ((), added_at))
            additions[number] = ((*paths, path), first)
        return additions


def _not_standing(number: int, standing: Mapping[int, tuple[tuple[str, ...], str]]) -> NotReady:
    if not standing:
        return NotReady("there is no addition to undo", "an addition is made by: fieldguide add FOLDER")
    latest = [f"{known} ({', '.join(paths)}, {added_at})" for known, (paths, added_at) in standing.items()][-5:]
    return NotReady(f"there is no addition {number} to undo", f"give one of: {'; '.join(latest)}")


def _count_missing(labels: Mapping[str, set[str]], others: Mapping[str, set[str]]) -> dict[str, int]:
    """Count by class name the labels that are not among the others."""
    counts = Counter(name for sha256, names in labels.items() for name in names - others.get(sha256, set()))
    return dict(sorted(counts.items()))
