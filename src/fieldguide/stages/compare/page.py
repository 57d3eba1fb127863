"""The comparison as a page, a table for spreadsheets, and their place in the project.

Knows nothing about how the numbers were found.
"""

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fieldguide.plots import PlotPoint, pareto
from fieldguide.project.atomic import write_text
from fieldguide.records.comparison import BASELINE, CompareReport, CompareRow
from fieldguide.stages.compare.words import say_bytes, say_count, say_ms, say_p, say_seconds
from fieldguide.text import render, write_csv

__all__ = ["draw_page", "write_comparison"]

_HEADING = (
    "run", "learner", "settings", "seed", "held_out", "accuracy", "accuracy_low", "accuracy_high", "macro_f1",
    "pictures", "own_accuracy", "own_pictures", "difference", "difference_low", "difference_high", "shared", "p",
    "p_adjusted", "verdict", "fastest", "smallest", "parameters", "bytes", "p50_ms", "train_s",
)  # fmt: skip


def write_comparison(folder: Path, name: str, report: CompareReport) -> CompareReport:
    """The report with the paths of the page and the table, which are in `folder` now.

    Raises:
        MissingExtra: matplotlib is not installed.
        DiskFull: no space.
        NoPermission: the folder cannot be written.
    """
    page, table = folder / "report.html", folder / "compare.csv"
    drawn = draw_page(name, report)
    write_text(table, _table(report))
    write_text(page, drawn)
    return replace(report, report=str(page), table=str(table))


def draw_page(name: str, report: CompareReport) -> str:
    """The HTML of the comparison of a project with this name; everything is in it, nothing is fetched.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    beside = [row for row in report.rows if row.verdict != "too few shared pictures"]
    timed = [row for row in beside if row.p50_ms is not None]
    said = {"ms": say_ms, "bytes": say_bytes, "count": say_count, "seconds": say_seconds, "p": say_p}
    charts = [
        ("What accuracy costs in time", _chart(timed, "fastest"), [row for row in timed if row.fastest]),
        ("What accuracy costs in size", _chart(beside, "smallest"), [row for row in beside if row.smallest]),
    ]
    labels = dict(zip((row.name for row in beside), _labels(beside), strict=True))
    compared = [row for row in beside if row.name in {run for scores in report.per_class.values() for run in scores}]
    pictures = report.rows[0].pictures if report.rows else 0
    mixed = any(row.own_pictures != pictures for row in report.rows)
    values = {"name": name, "report": report, "charts": charts, "say": said, "baseline": BASELINE, "labels": labels,
              "compared": compared, "pictures": pictures, "mixed": mixed,
              "held_out": "" if mixed or not report.rows else report.rows[0].held_out}  # fmt: skip
    return render("compare.html", values)


def _labels(rows: Sequence[CompareRow]) -> list[str]:
    """What each row is called: its settings, the seed too where they do not tell it from another, or else its name."""
    said = [row.name if row.learner == BASELINE else f"{row.learner}, {row.what}" for row in rows]
    often = Counter(said)
    said = [one if often[one] == 1 else f"{one}, seed {row.seed}" for one, row in zip(said, rows, strict=True)]
    often = Counter(said)
    return [one if often[one] == 1 else row.name for one, row in zip(said, rows, strict=True)]


def _chart(rows: Sequence[CompareRow], kind: str) -> str:
    """A PNG in base64: accuracy for milliseconds ("fastest") or for megabytes ("smallest")."""
    points = []
    for row in rows:
        cost, best = (row.p50_ms or 0.0, row.fastest) if kind == "fastest" else (row.bytes / 1e6, row.smallest)
        points.append(PlotPoint(row.name, cost, *row.accuracy, best))
    x = "for one picture on this machine, ms (half are faster)" if kind == "fastest" else "the published file, MB"
    return base64.b64encode(pareto(points, title="", x=x, y="held-out accuracy")).decode("ascii")


def _table(report: CompareReport) -> str:
    """A CSV of every run, those made from other pictures last."""
    return write_csv(_HEADING, [_cells(row) for row in (*report.rows, *report.outdated)])


def _cells(row: CompareRow) -> list[str]:
    """A run's cells in the order of the heading; empty where nothing is known."""
    difference = row.difference or (None, None, None)
    values = (
        row.name, row.learner, row.what, row.seed, row.held_out, *row.accuracy, row.macro_f1, row.pictures,
        row.own_accuracy[0], row.own_pictures, *difference, row.shared, row.p, row.p_adjusted, row.verdict,
        row.fastest, row.smallest, row.parameters, row.bytes, row.p50_ms, row.train_s,
    )  # fmt: skip
    return [_cell(value) for value in values]


def _cell(value: object) -> str:
    """A value as text: six figures of a fraction, yes or no."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
