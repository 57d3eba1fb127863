"""The stage that writes down what a person decided about pictures, for those who have no browser at hand.

A picture is named by its SHA-256, by the beginning of it, by the path of its original, or by where it came from. All of
a call is written, or nothing.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Literal

from fieldguide.errors import InputMissing, InputUnusable, NotReady, translate_os_errors
from fieldguide.progress import Progress
from fieldguide.project import Project
from fieldguide.project.catalog import Catalog
from fieldguide.project.decisions import Author, Choice, Decisions, Outcome
from fieldguide.project.review_details import find_hashes
from fieldguide.project.review_list import class_names_of
from fieldguide.records import DecideReport
from fieldguide.settings import Settings

_BY = "decide"
_SHORTEST = 6  # characters of a hash that are taken for one
_PICTURE = ("sha256", "path", "location")
_CLASS = ("class", "label", "class_name")  # the last one is in the lists of `clean` anyway, as the label that is known
_DECISIONS: dict[str, Literal["keep", "drop", "relabel"]] = {"keep": "keep", "drop": "drop", "relabel": "relabel"}


@dataclass(frozen=True)
class Wishes:
    """What a person wants of which pictures.

    Attributes:
        relabel: class name to pictures.
        table: a CSV file with a column `sha256`, `path` or `location`, a column `decision`, and for relabels `class`.
    """

    keep: Sequence[str] = ()
    drop: Sequence[str] = ()
    relabel: Mapping[str, Sequence[str]] = field(default_factory=dict)
    table: Path | None = None

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """Yield each picture's name, decision and class name."""
        yield from ((name, "keep", "") for name in self.keep)
        yield from ((name, "drop", "") for name in self.drop)
        yield from ((name, "relabel", class_name) for class_name, names in self.relabel.items() for name in names)
        if self.table:
            yield from _read_table(self.table)


def decide(project: Project, settings: Settings, *, wishes: Wishes, progress: Progress) -> DecideReport:
    """Write decisions down, in one action; a decision outranks every check.

    Raises:
        InputUnusable: a picture is not known, or cannot be kept; a class is not among those of the project; or the
            table has not the right columns. Nothing is written.
        InputMissing: there is no such table.
    """
    rows = list(wishes.rows())
    if not rows:
        raise InputUnusable("nothing is decided", "name pictures: fieldguide decide --drop SHA256, or --csv FILE")
    progress.start("deciding", None)
    with project.catalog() as catalog, catalog.transaction():
        names = _resolve(catalog, [name for name, _, _ in rows])
        choices = [
            Choice(names[name], _DECISIONS[decision], class_name) for name, decision, class_name in rows
        ]  # fmt: skip
        outcome = Decisions(catalog).decide(choices, Author(_BY, project.now()), class_names_of(catalog, settings))
        if outcome.refused:
            raise _refusal(outcome, {sha256: name for name, sha256 in names.items()})
        copies = _copies_left(catalog, {choice.sha256 for choice in choices if choice.decision == "drop"})
    counts = Counter((choice.decision, choice.class_name) for choice in choices)
    relabelled = {name: count for (decision, name), count in sorted(counts.items()) if decision == "relabel"}
    return DecideReport(counts["keep", ""], counts["drop", ""], relabelled, copies=copies)


def _copies_left(catalog: Catalog, dropped: Collection[str]) -> tuple[str, ...]:
    """Return the pictures that are set aside as copies of these and of which nobody has decided, the largest first."""
    decided, images = catalog.decided(), catalog.images()
    copies = [
        name
        for name, (verdict, _) in catalog.verdicts("duplicates", "reject").items()
        if verdict.copy_of in dropped and verdict.reason.startswith("near_copy") and name not in decided
    ]
    return tuple(sorted(copies, key=lambda name: (-images[name].width * images[name].height, name)))


def undo(project: Project, settings: Settings, *, number: int, progress: Progress) -> DecideReport:
    """Take back the last actions, whether made here or in the browser.

    Raises:
        NotReady: nothing is decided.
    """
    restored = left = undone = 0
    progress.start("undoing", None)
    with project.catalog() as catalog:
        for _ in range(number):
            outcome = Decisions(catalog).undo(Author(_BY, project.now()), of_anybody=True)
            if not outcome.action:
                break
            undone += 1
            restored += len(outcome.saved)
            left += len(outcome.stale)
    if not undone:
        raise NotReady("there is no decision to undo", "decisions are made by: fieldguide review")
    return DecideReport(undone=undone, restored=restored, left=left)


def _refusal(outcome: Outcome, names: Mapping[str, str]) -> InputUnusable:
    """Return the error for what cannot be decided so."""
    sha256, objection = outcome.refused[0]
    others = f", and {len(outcome.refused) - 1} more cannot be decided so" if len(outcome.refused) > 1 else ""
    hint = "nothing was written: correct it and run the same command again"
    return InputUnusable(f"{names[sha256][:80]}: {objection}{others}", hint)


def _resolve(catalog: Catalog, names: Iterable[str]) -> dict[str, str]:
    """Return the hash of each picture that is named."""
    resolved: dict[str, str] = {}
    places: dict[str, set[str]] = {}
    for name in dict.fromkeys(names):
        hashes = _with_hash(catalog, name)
        if not hashes:
            if not places:
                for origin in catalog.origins():
                    places.setdefault(origin.location, set()).add(origin.sha256)
            hashes = places.get(name, set())
        if len(hashes) != 1:
            problem = f"{len(hashes)} pictures" if hashes else "no picture"
            hint = "name each by its sha256, as clean/rejected.csv and review --json have it; nothing was written"
            raise InputUnusable(f"{name[:80]!r} is {problem} of this project", hint)
        resolved[name] = hashes.pop()
    return resolved


def _with_hash(catalog: Catalog, name: str) -> set[str]:
    """Return the pictures whose hash is, or begins with, the name or the name of that file."""
    text = (PurePath(name).stem if "/" in name or "." in name else name).lower()
    if not re.fullmatch(rf"[0-9a-f]{{{_SHORTEST},64}}", text):
        return set()
    return find_hashes(catalog, text)


def _read_table(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the name, decision and class name of each row that has a decision."""
    try:
        with translate_os_errors(f"reading {path}"):
            text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise InputMissing(f"there is no file {path}", "check the path") from error
    except (IsADirectoryError, UnicodeDecodeError) as error:
        raise InputUnusable(f"{path} is not a CSV file in UTF-8", "save it as CSV, UTF-8") from error
    heading = text.split("\n", 1)[0]
    table = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=";" if heading.count(";") > heading.count(",") else ","
    )
    columns = [name.strip().lower() for name in table.fieldnames or ()]
    table.fieldnames = columns
    picture = next((name for name in _PICTURE if name in columns), "")
    if not picture or "decision" not in columns:
        hint = "give it the columns sha256 (or path), decision, and class for relabels"
        raise InputUnusable(f"{path} has not the right columns: {', '.join(columns)[:80]}", hint)
    class_column = next((name for name in _CLASS if name in columns), "")
    for row in table:
        decision = (row["decision"] or "").strip().lower()
        if decision and decision not in _DECISIONS:
            hint = "write keep, drop or relabel; rows without a decision are left as they are"
            raise InputUnusable(f"line {table.line_num} of {path}: {decision[:40]!r} is no decision", hint)
        if decision:
            class_name = (row.get(class_column) or "").strip() if decision == "relabel" else ""
            yield _plain(row[picture] or ""), decision, class_name


def _plain(cell: str) -> str:
    """Return a cell without the quote that keeps a spreadsheet from taking it for a formula."""
    return cell[1:] if re.match(r"'[=+\-@\t\r]", cell) else cell.strip()
