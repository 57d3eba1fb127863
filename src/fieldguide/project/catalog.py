"""The catalogue: one SQLite file that knows each image, where it came from, its verdicts, groups and split.

Knows nothing about pixels, models or the stages; the layout of the file is private to this module. Whoever writes
holds the project's lock; whoever reads needs none (WAL mode). A commit is on the disk when the call returns.
"""

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from fieldguide.errors import (
    DiskFailed,
    DiskFull,
    NoPermission,
    ProjectBusy,
    ProjectDamaged,
    ProjectTooNew,
    translate_os_errors,
)
from fieldguide.project.schema import MIGRATIONS
from fieldguide.records import Capture, Grouping, ImageRow, ImageState, Label, Origin, Prints, Verdict

Report = TypeVar("Report")


# terms that are given later are adopted; what was known is never emptied; the split is as it was read last
_TERMS = ("author", "licence", "licence_url", "title", "page", "author_url", "licence_raw", "query", "parent", "family")
_UPSERT_ORIGIN = (
    f"INSERT INTO provenance VALUES ({', '.join('?' * 14)}) ON CONFLICT DO UPDATE SET "
    + "given_split = excluded.given_split, "
    + ", ".join(f"{name} = CASE WHEN excluded.{name} = '' THEN {name} ELSE excluded.{name} END" for name in _TERMS)
)
# an origin that an undone addition brought comes again as if it had never been there
_FORGET_ORIGIN = """DELETE FROM provenance WHERE sha256 = ?1 AND source = ?2 AND location = ?3 AND NOT EXISTS (
    SELECT 1 FROM origin WHERE sha256 = ?1 AND source = ?2 AND location = ?3)"""
_LABELLED = "sha256 IN (SELECT sha256 FROM standing)"
_AT_ONCE = 500  # hashes in a query
_VERDICT = ", ".join(f'"{field.name}"' for field in fields(Verdict))
_ORIGIN = ", ".join(field.name for field in fields(Origin))


@dataclass(frozen=True)
class Finished:
    """The row that says a stage is done.

    Attributes:
        inputs: the digest of what it was done with.
        report: its report.
    """

    inputs: str
    report: dict[str, Any]


@dataclass(frozen=True)
class Holding:
    """A picture of a class.

    Attributes:
        rejected: whether a verdict rejects it.
        prints: what its copies are recognised by; empty where it is not checked yet.
        similar: whether it was found by its likeness to another.
    """

    sha256: str
    format: str
    rejected: bool
    prints: Prints
    similar: bool


class Catalog:
    """The open catalogue of one project; a context manager."""

    def __init__(self, path: Path, migrations: Sequence[str] = MIGRATIONS) -> None:
        """Open or make the file, and migrate an older one after a backup copy.

        Where nothing may be written, as on a read-only disk, it is read into memory, and writing to it is refused.

        Raises:
            ProjectTooNew: its schema is newer than this program's.
            ProjectDamaged: it is not a database, or its pages are damaged.
        """
        self.path = path
        self._read_only = not all(os.access(place, os.W_OK) for place in (path.parent, path) if place.exists())
        with self._translated():
            target = ":memory:" if self._read_only else path
            self._db = sqlite3.connect(target, isolation_level=None, timeout=30.0)
            try:
                if self._read_only:
                    self._read_into_memory()
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
                self._db.execute("PRAGMA foreign_keys = ON")
                self._migrate(migrations)
                self._db.execute(f"PRAGMA query_only = {self._read_only:d}")
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> "Catalog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _read_into_memory(self) -> None:
        """Read the file and its write-ahead log, which SQLite itself only reads where it may write beside them."""
        with TemporaryDirectory() as folder, translate_os_errors(f"reading {self.path}"):
            copy = Path(folder) / self.path.name
            for suffix in ("", "-wal"):
                if (part := self.path.with_name(self.path.name + suffix)).exists():
                    shutil.copyfile(part, f"{copy}{suffix}")
            with closing(sqlite3.connect(copy)) as database:
                database.backup(self._db)

    def _migrate(self, migrations: Sequence[str]) -> None:
        """Bring the schema to the newest version."""
        version = self._version()
        if version > len(migrations):
            message = f"{self.path} has schema version {version}; this Fieldguide reads up to {len(migrations)}"
            raise ProjectTooNew(message, "install a newer Fieldguide to work on this project")
        if 0 < version < len(migrations) and not self._read_only:
            with closing(sqlite3.connect(self.path.with_name(f"{self.path.name}.v{version}.bak"))) as copy:
                self._db.backup(copy)
        for number in range(version, len(migrations)):
            with self.transaction():
                if self._version() == number:  # whoever reads may be here at the same time
                    for statement in _statements(migrations[number]):
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA user_version = {number + 1}")

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Translate errors of SQLite inside the block into the tree of `errors`."""
        try:
            yield
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "")
            if name in ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_WRITE"):  # also a quota or limit
                hint = "free some space and run the same command again"
                raise DiskFull(f"no space left while writing {self.path}", hint) from error
            if name.startswith("SQLITE_IOERR"):
                hint = "check the disk (its cable, dmesg, fsck), copy the project to another one, then run this again"
                raise DiskFailed(f"the disk failed while reading or writing {self.path} ({name})", hint) from error
            if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")):
                raise NoPermission(f"cannot write {self.path}", "check the owner and mode of the folder") from error
            if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
                hint = "restore a backup of catalog.db, or make a new project and add the images/ folder to it"
                raise ProjectDamaged(f"{self.path} is damaged: {error}", hint) from error
            if str(error).startswith(("no such table", "no such column")):
                hint = "restore a backup of catalog.db, or make a new project"
                raise ProjectDamaged(f"{self.path} is not the catalogue of a project: {error}", hint) from error
            if name.startswith("SQLITE_BUSY"):
                raise ProjectBusy(f"{self.path} is open in another program", "close it there") from error
            raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is written in the block together, durably, or not at all."""
        with self._translated():
            if self._db.in_transaction:  # part of a larger one
                yield
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query; only for modules of this package."""
        with self._translated(), closing(self._db.execute(sql, values)) as cursor:
            return cursor.fetchall()

    def write(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement for each row, in one transaction; only for modules of this package."""
        with self.transaction():
            self._db.executemany(sql, rows)

    def add_images(
        self, rows: Iterable[tuple[ImageRow, Origin, Label | None]], added_at: str, addition: int = 0
    ) -> None:
        """Write images, origins and labels together; those known already are left as they are.

        Args:
            rows: each image with where it is from, and the label that it is given, if it is given one.
            added_at: the time.
            addition: the addition that brings them, so that it can be undone; 0 where none does.
        """
        added = list(rows)
        with self.transaction():  # table by table: a statement for many rows costs a third of one for each
            self._db.executemany(
                "INSERT OR IGNORE INTO image VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [(*vars(image).values(), added_at) for image, _, _ in added],
            )
            if self.rows("SELECT 1 FROM addition WHERE undone_at <> '' LIMIT 1"):
                places = [(origin.sha256, origin.source, origin.location) for _, origin, _ in added]
                self._db.executemany(_FORGET_ORIGIN, places)
            self._db.executemany(_UPSERT_ORIGIN, [tuple(vars(origin).values()) for _, origin, _ in added])
            self._db.executemany(
                """INSERT OR IGNORE INTO labelling (addition, sha256, class_name, by, source, location, replaces)
                   VALUES (?, ?, ?, ?, ?, ?, ?)""",
                [
                    (addition, label.sha256, label.class_name, label.by,
                     *((origin.source, origin.location) if addition else ("", "")), label.replaces)
                    for _, origin, label in added
                    if label
                ],
            )  # fmt: skip

    def hashes(self) -> set[str]:
        """Return the SHA-256 of every image."""
        return {row[0] for row in self.rows("SELECT DISTINCT sha256 FROM standing")}

    def images(self) -> dict[str, ImageRow]:
        """Return every image's row by its hash, in the order of the hashes."""
        sql = f"""SELECT sha256, format, bytes, width, height, mode, frames FROM image
                  WHERE {_LABELLED} ORDER BY sha256"""
        return {row[0]: ImageRow(*row) for row in self.rows(sql)}

    def states(self) -> list[ImageState]:
        """Return the state of each image, in the order of the hashes."""
        sql = "SELECT sha256, format, class_name, state, group_id, split, given_split FROM state ORDER BY sha256"
        return [ImageState(*row) for row in self.rows(sql)]

    def rejected(self) -> list[str]:
        """Return the images that are rejected, in the order of the hashes."""
        return [row[0] for row in self.rows("SELECT sha256 FROM state WHERE state = 'rejected' ORDER BY sha256")]

    def decided(self) -> dict[str, str]:
        """Return what a person has decided, keep, drop or relabel, about each image that has a decision."""
        sql = f"SELECT sha256, decision FROM decided WHERE decision <> '' AND {_LABELLED} ORDER BY sha256"
        return dict(self.rows(sql))

    def kept_by_hand(self) -> set[str]:
        """Return the images that count as kept since a person says so, whatever the checks say."""
        sql = """SELECT sha256 FROM decided WHERE decision IN ('keep', 'relabel')
                 AND (SELECT state FROM state WHERE state.sha256 = decided.sha256) = 'kept'"""
        return {row[0] for row in self.rows(sql)}

    def holdings(self, class_name: str) -> list[Holding]:
        """Return the pictures of one class."""
        sql = """SELECT sha256, format, state = 'rejected', coalesce(dhash, x''), coalesce(mirror, x''),
                        coalesce(grey, x''), coalesce(colour, x''),
                        EXISTS (SELECT 1 FROM origin WHERE origin.sha256 = state.sha256 AND parent <> '')
                 FROM state LEFT JOIN fingerprint USING (sha256)
                 WHERE sha256 IN (SELECT sha256 FROM label WHERE class_name = ?) ORDER BY sha256"""
        return [
            Holding(row[0], row[1], bool(row[2]), Prints(*row[3:7]), bool(row[7]))
            for row in self.rows(sql, (class_name,))
        ]

    def labels(self, among: Collection[str] = ()) -> dict[str, set[str]]:
        """Return the class names given to each image that has any; with `among`, only those names count."""
        labels: dict[str, set[str]] = {}
        for sha256, class_name in self.rows("SELECT sha256, class_name FROM label"):
            if not among or class_name in among:
                labels.setdefault(sha256, set()).add(class_name)
        return labels

    def count_shared(self) -> int:
        """Return how many images have labels of more than one class."""
        sql = "SELECT count(*) FROM (SELECT 1 FROM label GROUP BY sha256 HAVING min(class_name) < max(class_name))"
        return int(self.rows(sql)[0][0])

    def set_class_names(self, class_names: Iterable[str]) -> None:
        """Say which class names the project has now: an image with such a label has no other; none means any."""
        with self.transaction():
            self._db.execute("DELETE FROM current_class")
            self._db.executemany("INSERT INTO current_class VALUES (?)", [(name,) for name in class_names])

    def origins(self) -> list[Origin]:
        """Return every origin, in the order of the hashes."""
        sql = f"SELECT {_ORIGIN} FROM origin ORDER BY sha256, source, location"
        return [Origin(*row) for row in self.rows(sql)]

    def count_origins(self, source: str) -> dict[str, int]:
        """Count the images of one source by class name."""
        sql = """SELECT class_name, count(DISTINCT label.sha256) FROM label JOIN origin USING (sha256)
                 WHERE source = ? GROUP BY class_name"""
        return dict(self.rows(sql, (source,)))

    def locations(self, source: str) -> set[str]:
        """Return where the images of one source came from."""
        return {row[0] for row in self.rows("SELECT location FROM origin WHERE source = ?", (source,))}

    def ranks(self) -> dict[str, int]:
        """Return the best place in the results of a search, 0 being the first, of each image that was searched for."""
        sql = "SELECT sha256, min(rank) FROM fetch JOIN candidate USING (url_key) WHERE sha256 <> '' GROUP BY sha256"
        return dict(self.rows(sql))

    def set_fingerprints(self, prints: Mapping[str, Prints]) -> None:
        """Write what copies of each image are recognised by."""
        sql = "INSERT OR REPLACE INTO fingerprint VALUES (?, ?, ?, ?, ?)"
        self.write(sql, ((sha256, *values) for sha256, values in prints.items()))

    def fingerprints(self) -> dict[str, Prints]:
        """Return what copies are recognised by, of each image for which it is known, in the order of the hashes."""
        rows = self.rows(
            f"SELECT sha256, dhash, mirror, grey, colour FROM fingerprint WHERE {_LABELLED} ORDER BY sha256"
        )
        return {row[0]: Prints(*row[1:]) for row in rows}

    def measured(self) -> list[str]:
        """Return the images of which it is known what their copies are recognised by, in the order of the hashes."""
        return [row[0] for row in self.rows(f"SELECT sha256 FROM fingerprint WHERE {_LABELLED} ORDER BY sha256")]

    def prints(self, sha256: str) -> Prints:
        """Return what copies of one of these images are recognised by.

        Raises:
            KeyError: it is not known.
        """
        rows = self.rows("SELECT dhash, mirror, grey, colour FROM fingerprint WHERE sha256 = ?", (sha256,))
        if not rows:
            raise KeyError(sha256)
        return Prints(*rows[0])

    def set_colours(self, colours: Mapping[str, bytes]) -> None:
        """Write the colour features of each image, as they were measured."""
        self.write("INSERT OR REPLACE INTO colours VALUES (?, ?)", colours.items())

    def colours(self, hashes: Collection[str]) -> dict[str, bytes]:
        """Return the colour features of those of these images that have been decoded."""
        asked = list(hashes)
        parts = [asked[start : start + _AT_ONCE] for start in range(0, len(asked), _AT_ONCE)]
        sql = "SELECT sha256, features FROM colours WHERE sha256 IN ({})"
        return {
            sha256: features
            for part in parts
            for sha256, features in self.rows(sql.format(", ".join("?" * len(part))), part)
        }

    def set_captures(self, captures: Mapping[str, Capture]) -> None:
        """Write when and with what each image was taken, in place of what was known before."""
        known = [(sha256, *capture) for sha256, capture in captures.items() if capture.taken_at]
        with self.transaction():
            self.write("DELETE FROM capture WHERE sha256 = ?", ((sha256,) for sha256 in captures))
            self.write("INSERT INTO capture VALUES (?, ?, ?)", known)

    def captures(self) -> dict[str, Capture]:
        """Return when and with what each image was taken of which that is known, in the order of the hashes."""
        sql = f"SELECT sha256, taken_at, camera FROM capture WHERE {_LABELLED} ORDER BY sha256"
        return {row[0]: Capture(*row[1:]) for row in self.rows(sql)}

    def replace_features(self, hashes: Iterable[str], store: str, top: int) -> None:
        """Say which images have features that others than training may read; all others have none.

        Args:
            hashes: the images.
            store: the name of the folder of features that they are in.
            top: how many numbers of each row are the backbone's last layer.
        """
        with self.transaction():
            self._db.execute("DELETE FROM features")
            self.write("INSERT INTO features VALUES (?, ?, ?)", ((sha256, store, top) for sha256 in hashes))

    def features(self) -> dict[str, tuple[str, int]]:
        """Return, of each image that has features, their folder's name and how many numbers are the last layer."""
        sql = f"SELECT sha256, store, top FROM features WHERE {_LABELLED} ORDER BY sha256"
        return {row[0]: (row[1], row[2]) for row in self.rows(sql)}

    def has_current_prints(self) -> bool:
        """Tell whether no picture was last measured by a version that did not look at colours."""
        sql = f"SELECT 1 FROM fingerprint WHERE dhash <> x'' AND colour = x'' AND {_LABELLED} LIMIT 1"
        return not self.rows(sql)

    def set_verdicts(self, verdicts: Iterable[Verdict], settings: str) -> None:
        """Write verdicts in place of those of the same check; `settings` says what they were made with."""
        with self.transaction():
            self._db.executemany(
                f"INSERT OR REPLACE INTO verdict ({_VERDICT}, settings) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(*vars(verdict).values(), settings) for verdict in verdicts],
            )

    def replace_verdicts(self, check: str, verdicts: Iterable[Verdict], settings: str) -> None:
        """Replace all verdicts of one check, together; images not named have none."""
        with self.transaction():
            self._db.execute('DELETE FROM verdict WHERE "check" = ?', (check,))
            self.set_verdicts(verdicts, settings)

    def rejected_by_others(self, checks: Collection[str]) -> set[str]:
        """Return the images that a check other than these rejects."""
        sql = """SELECT DISTINCT sha256, "check" FROM verdict WHERE verdict = 'reject'"""
        return {sha256 for sha256, check in self.rows(sql) if check not in checks}

    def replace_copies(self, verdicts: Iterable[Verdict], groups: Iterable[Grouping], settings: str) -> None:
        """Replace all verdicts of the check "duplicates" and all groups, which are of look-alikes alone, together."""
        rows = [(group.sha256, group.group_id, group.why) for group in groups]
        with self.transaction():
            self.replace_verdicts("duplicates", verdicts, settings)
            for table in ("alike", "grouping"):
                self._db.execute(f"DELETE FROM {table}")
                self._db.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", rows)

    def look_alikes(self) -> list[Grouping]:
        """Return the groups of look-alikes, as the check "duplicates" found them."""
        return [Grouping(*row) for row in self.rows("SELECT sha256, group_id, why FROM alike ORDER BY sha256")]

    def groups(self) -> list[Grouping]:
        """Return the group of each image that is not alone."""
        return [Grouping(*row) for row in self.rows("SELECT sha256, group_id, why FROM grouping ORDER BY sha256")]

    def replace_groups(self, groups: Iterable[Grouping]) -> None:
        """Replace all groups, for whatever reason; the look-alikes stay as they were found."""
        with self.transaction():
            self._db.execute("DELETE FROM grouping")
            self.write("INSERT INTO grouping VALUES (?, ?, ?)", ((g.sha256, g.group_id, g.why) for g in groups))

    def verdicts(self, check: str, kind: str = "") -> dict[str, tuple[Verdict, str]]:
        """Return a check's verdict on each image, and the settings it was made with.

        Args:
            check: its name.
            kind: only verdicts of this kind, such as "reject"; "" for all.
        """
        sql = f"""SELECT {_VERDICT}, settings FROM verdict
                  WHERE "check" = ? AND verdict = coalesce(nullif(?, ''), verdict) AND {_LABELLED}"""
        return {row[0]: (Verdict(*row[:6]), row[6]) for row in self.rows(sql, (check, kind))}

    def kept_by_person(self) -> set[str]:
        """Return the images that a person decided to keep, under whatever label."""
        return {row[0] for row in self.rows("SELECT sha256 FROM decided WHERE decision IN ('keep', 'relabel')")}

    def replace_splits(self, splits: dict[str, str]) -> None:
        """Replace the split of each image; images not named have none."""
        with self.transaction():
            self._db.execute("DELETE FROM split")
            self._db.executemany("INSERT INTO split VALUES (?, ?)", sorted(splits.items()))

    def splits(self) -> dict[str, str]:
        """Return the split of each image that has one."""
        return dict(self.rows("SELECT sha256, split FROM split"))

    def add_run(self, name: str, learner: str, inputs: str, made_at: str) -> None:
        """Add a finished training run."""
        with self.transaction():
            self._db.execute("INSERT OR REPLACE INTO run VALUES (?, ?, ?, ?)", (name, learner, inputs, made_at))

    def runs(self, inputs: str | None = None) -> list[str]:
        """Return the names of finished training runs, the latest first: all, or those made from these inputs."""
        rows = self.rows("SELECT name, inputs FROM run ORDER BY made_at DESC, rowid DESC")
        return [name for name, made_from in rows if inputs in (None, made_from)]

    def run_inputs(self, name: str) -> str:
        """Return the digest of what a finished training run was made from, "" for a run that is not there."""
        rows = self.rows("SELECT inputs FROM run WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else ""

    def add_look(self, run: str, by: str, at: str) -> None:
        """Record that the test split was opened, by which stage, for which run."""
        with self.transaction():
            self._db.execute("INSERT INTO look VALUES (?, ?, ?)", (run, by, at))

    def count_looks(self, by: str = "%") -> int:
        """Count how often the test split has been opened, by one stage or by all."""
        return int(self.rows("SELECT count(*) FROM look WHERE by LIKE ?", (by,))[0][0])

    def finish(self, stage: str, inputs: str, report: dict[str, Any], at: str) -> None:
        """Record that the stage is done with these inputs; written last."""
        with self.transaction():
            row = (stage, inputs, json.dumps(report, ensure_ascii=False), at)
            self._db.execute("INSERT OR REPLACE INTO stage VALUES (?, ?, ?, ?)", row)

    def finished(self, stage: str) -> Finished | None:
        """Return what a stage was last done with, and its report; None when it never was."""
        rows = self.rows("SELECT inputs, report FROM stage WHERE name = ?", (stage,))
        return Finished(rows[0][0], json.loads(rows[0][1])) if rows else None

    def current(self, stage: str, inputs: str, kind: type[Report]) -> Report | None:
        """Return the stage's report where it is done with these inputs; None where it is not, or has another form."""
        done = self.finished(stage)
        if done is None or done.inputs != inputs:
            return None
        try:
            return kind(**done.report)
        except TypeError:  # written by a version whose report had other fields
            return None

    def digest(self, *tables: str) -> str:
        """Hash the rows of some tables, whatever the order they were written in."""
        known = {row[0] for row in self.rows("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}
        total = hashlib.sha256()
        for table in tables:
            if table not in known:
                raise KeyError(table)
            columns = [row[1] for row in self.rows(f"PRAGMA table_info({table})")]
            kept = [name for name in columns if name not in ("added_at", "at", "made_at", "settings")]
            selected = ", ".join(f'"{name}"' for name in kept)
            for row in self.rows(f"SELECT {selected} FROM {table} ORDER BY {selected}"):
                total.update(repr(row).encode())
        return total.hexdigest()


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script, one by one, so that they can share a transaction."""
    statement = ""
    for part in script.split(";"):
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            if statement.strip(" \n;"):
                yield statement
            statement = ""
