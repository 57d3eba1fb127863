"""What a comparison means: the sentences, the numbers as a person reads them, the page and the table.

Knows nothing about answers or tests: rows in, words and files out.
"""

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fieldguide.plots import PlotPoint, draw_tradeoff
from fieldguide.project.atomic import write_text
from fieldguide.records.reports import BASELINE, CompareReport, CompareRow
from fieldguide.text import format_score, render, write_csv

# measured times and sizes vary: a smaller gain is no reason to take a less accurate run
_AS_FAST = 1.2
_AS_SMALL = 1.1
_Z = 1.96  # the 95 % interval of a paired difference reaches so many standard errors each way
_HEADING = (
    "run", "learner", "settings", "seed", "held_out", "accuracy", "accuracy_low", "accuracy_high", "macro_f1",
    "pictures", "own_accuracy", "own_pictures", "difference", "difference_low", "difference_high", "shared", "p",
    "p_adjusted", "verdict", "fastest", "smallest", "parameters", "bytes", "p50_ms", "train_s", "same_as",
    "macro_f1_low", "macro_f1_high",
)  # fmt: skip


def advise(rows: Sequence[CompareRow]) -> tuple[str, str]:
    """Return the name of the run to publish, or "", and why.

    Of the runs that do not differ significantly from the best, those within one standard error of its accuracy may be
    taken for being cheaper (Breiman et al., "Classification and Regression Trees", 1984, 3.4.3): the fastest of these,
    of those about as fast (a fifth slower) the smallest, of those about as small (a tenth larger) the most accurate.

    Args:
        rows: the compared runs, the best first.
    """
    trained = [row for row in rows if row.learner != BASELINE and not row.same_as]
    if not trained:
        return "", "No run was trained on the pictures as they are now: run fieldguide train."
    best = rows[0]
    if best.verdict != "best":
        return "", "The runs share too few held-out pictures to be compared: train them again on the same pictures."
    base = next((row for row in rows if row.learner == BASELINE), None)
    if base is not None and (base is best or base.verdict == "no significant difference"):
        return "", (
            f"No run is significantly better than the baseline, which {base.what} and is {format_score(base.accuracy)} "
            f"accurate: more pictures, or pictures that differ more between the classes, are needed."
        )
    equals = [row for row in trained if row is best or row.verdict.startswith(("no significant", "better"))]
    near = [row for row in equals if _is_within_error(row)]
    chosen = _choose(near)
    twins = [row.name for row in rows if row.same_as == chosen.name]
    verb = "is" if len(twins) == 1 else "are"
    same = f" {' and '.join(twins)} {verb} the same model, byte for byte." if twins else ""
    return chosen.name, _explain_choice(chosen, best, (equals, near), base, len(trained)) + same


def _is_within_error(row: CompareRow) -> bool:
    """Tell whether a run is within one standard error, of their paired difference, of the best."""
    if row.difference is None:  # the best itself
        return True
    difference, low, high = row.difference
    return difference >= -(high - low) / (2 * _Z)


def _choose(rows: Sequence[CompareRow]) -> CompareRow:
    timed = [(row.p50_ms, row) for row in rows if row.p50_ms is not None]
    if timed:
        quickest = min(time for time, _ in timed)
        rows = [row for time, row in timed if time <= quickest * _AS_FAST]
    smallest = min(row.bytes for row in rows)
    rows = [row for row in rows if row.bytes <= smallest * _AS_SMALL]
    return max(rows, key=lambda row: (row.accuracy[0], -row.bytes, row.name))


def _explain_choice(
    chosen: CompareRow,
    best: CompareRow,
    rivals: tuple[Sequence[CompareRow], Sequence[CompareRow]],
    base: CompareRow | None,
    trained: int,
) -> str:
    """Return the sentences about the recommended run; `rivals`: runs not worse than the best, and those near it."""
    equals, near = rivals
    cost = f"{format_ms(chosen.p50_ms)} per picture, {format_bytes(chosen.bytes)}"
    if chosen.p50_ms is None:
        cost = f"{format_bytes(chosen.bytes)}; not timed"
    score = f"{format_score(chosen.accuracy)} accurate on {chosen.pictures} pictures"
    head = f"Publish {chosen.name} ({chosen.what}): {score}, {cost}."
    if trained == 1:
        better = f" It beats the baseline's {base.accuracy[0]:.1%};" if base is not None else ""
        return f"{head}{better} there is no other model to compare it with."
    if len(equals) == 1:
        return f"{head} Every other comparable run is significantly less accurate."
    if chosen is best:
        count = len(equals) - 1
        others = "1 other run does" if count == 1 else f"{count} other runs do"
        return (
            f"{head} None measured more accurate; {others} not differ from it significantly, but none within one "
            f"standard error of it costs less."
        )
    doubt = ""
    if chosen.difference and chosen.difference[1] < 0:
        _, low, high = (value * 100 for value in chosen.difference)
        doubt = f" It may be up to {-low:.1f} points less accurate than that" + (
            f", or up to {high:.1f} points more." if high > 0 else "."
        )
    return (
        f"{head} It costs the least of the {len(near)} runs within one standard error of the most accurate, "
        f"{best.name}, which is {format_score(best.accuracy)} accurate, at {format_ms(best.p50_ms)} and "
        f"{format_bytes(best.bytes)}.{doubt}"
    )


def explain(rows: Sequence[CompareRow], outdated: int, seeds: int, min_shared: int) -> tuple[str, ...]:
    """Return what a reader has to know to read the table, a sentence or two each."""
    notes = []
    tests = sum(row.p is not None for row in rows)
    if tests:
        notes.append(
            f"Each run is compared with the best on the pictures that both held out of their training "
            f'(mid-p McNemar test{f", {tests} of them, corrected by Holm" if tests > 1 else ""}). "No significant '
            f'difference" means that these pictures cannot tell the two apart, not that they are equal: the interval '
            f"says how far apart they may be."
        )
    if len(rows) > 2:
        notes.append(
            "The best of several runs was chosen on these same pictures, so its number is a little too good. The test "
            "split is not used here: fieldguide evaluate opens it."
        )
    for row in rows:
        if row.same_as:
            same = f"{row.name} and {row.same_as} are the same model, byte for byte"
            notes.append(f"{same}: where their scores differ, other pictures were held out together.")
    together = [row for row in rows if row.verdict != "too few shared pictures"]
    if len({row.held_out for row in together if row.learner != BASELINE}) > 1:
        notes.append(
            "Runs measured on the validation split kept the epoch that did best there: beside runs measured by grouped "
            "cross-validation their numbers are a little too good."
        )
    if any(row.own_pictures != row.pictures for row in together):
        notes.append(
            f"The runs held out different pictures: all are scored on the {together[0].pictures} that they have in "
            f"common, and tested on those that each shares with the best."
        )
    if any(row.pictures < min_shared for row in together) or any(0 < row.shared < min_shared for row in together):
        notes.append(f"With fewer than {min_shared} shared pictures hardly any difference can be significant.")
    apart = sum(row.verdict == "too few shared pictures" for row in rows)
    if apart:
        several = "1 run shares" if apart == 1 else f"{apart} runs share"
        notes.append(f"{several} too few held-out pictures with the others; those scores are on other pictures and "
                     f"cannot be compared with the rest.")  # fmt: skip
    if seeds:
        notes.append(
            "Runs that differ in the seed alone show how much is luck: a gain smaller than their spread means nothing."
        )
    if outdated:
        several = "1 run was" if outdated == 1 else f"{outdated} runs were"
        notes.append(f"{several} made from other pictures, classes or splits than there are now, and not compared.")
    return tuple(notes)


def write_comparison(folder: Path, name: str, report: CompareReport) -> CompareReport:
    """Write the page and the table into a folder, and return the report with their paths."""
    page, table = folder / "report.html", folder / "compare.csv"
    html = draw_page(name, report)
    write_text(table, write_csv(_HEADING, [_cells(row) for row in (*report.rows, *report.outdated)]))
    write_text(page, html)
    return replace(report, report=str(page), table=str(table))


def draw_page(name: str, report: CompareReport) -> str:
    """Return the HTML of the comparison of a project with this name; it fetches nothing."""
    beside = [row for row in report.rows if row.verdict != "too few shared pictures"]
    timed = [row for row in beside if row.p50_ms is not None]
    formats = {"ms": format_ms, "bytes": format_bytes, "count": format_count, "seconds": format_seconds, "p": format_p}
    charts = [
        ("What accuracy costs in time", _chart(timed, "fastest"), [row for row in timed if row.fastest]),
        ("What accuracy costs in size", _chart(beside, "smallest"), [row for row in beside if row.smallest]),
    ]
    labels = dict(zip((row.name for row in beside), _labels(beside), strict=True))
    compared = [row for row in beside if row.name in {run for scores in report.per_class.values() for run in scores}]
    pictures = report.rows[0].pictures if report.rows else 0
    mixed = any(row.own_pictures != pictures for row in report.rows)
    values = {"name": name, "report": report, "charts": charts, "format": formats, "baseline": BASELINE,
              "labels": labels, "compared": compared, "pictures": pictures, "mixed": mixed,
              "held_out": "" if mixed or not report.rows else report.rows[0].held_out}  # fmt: skip
    return render("compare.html", values)


def _labels(rows: Sequence[CompareRow]) -> list[str]:
    """Return a unique label of each row: its settings, with the seed where that helps, or else its name."""
    labels = [row.name if row.learner == BASELINE else f"{row.learner}, {row.what}" for row in rows]
    counts = Counter(labels)
    labels = [label if counts[label] == 1 else f"{label}, seed {row.seed}"
              for label, row in zip(labels, rows, strict=True)]  # fmt: skip
    counts = Counter(labels)
    return [label if counts[label] == 1 else row.name for label, row in zip(labels, rows, strict=True)]


def _chart(rows: Sequence[CompareRow], kind: str) -> str:
    """Return a PNG in base64: accuracy against milliseconds ("fastest") or megabytes ("smallest")."""
    points = []
    for row in rows:
        cost, best = (row.p50_ms or 0.0, row.fastest) if kind == "fastest" else (row.bytes / 1e6, row.smallest)
        points.append(PlotPoint(row.name, cost, *row.accuracy, best))
    x = "median time of one picture on this machine, ms" if kind == "fastest" else "the published file, MB"
    return base64.b64encode(draw_tradeoff(points, title="", x=x, y="held-out accuracy")).decode("ascii")


def _cells(row: CompareRow) -> list[str]:
    difference = row.difference or (None, None, None)
    values = (
        row.name, row.learner, row.what, row.seed, row.held_out, *row.accuracy, row.macro_f1, row.pictures,
        row.own_accuracy[0], row.own_pictures, *difference, row.shared, row.p, row.p_adjusted, row.verdict,
        row.fastest, row.smallest, row.parameters, row.bytes, row.p50_ms, row.train_s, row.same_as,
        *(row.macro_f1_interval or (None, None)),
    )  # fmt: skip
    return [_cell(value) for value in values]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def format_ms(milliseconds: float | None) -> str:
    """Return a time such as `3.2 ms` or `41 ms`; `-` where it is not known."""
    if milliseconds is None:
        return "-"
    return f"{milliseconds:.0f} ms" if milliseconds >= 9.95 else f"{milliseconds:.2g} ms"


def format_seconds(seconds: float) -> str:
    """Return a time such as `41 s`, `3.2 min` or `1.4 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def format_bytes(count: int) -> str:
    """Return a size such as `14.2 MB`, `310 kB` or `12 B`."""
    if count >= 999_500:
        return f"{count / 1e6:.1f} MB"
    return f"{count / 1e3:.0f} kB" if count >= 1000 else f"{count} B"


def format_count(count: int) -> str:
    """Return a count such as `2.5 M`, `310 k` or `12`."""
    if count >= 999_500:
        return f"{count / 1e6:.1f} M"
    return f"{count / 1e3:.0f} k" if count >= 1000 else str(count)


def format_p(p: float | None) -> str:
    """Return a p-value such as `0.31`, `0.004` or `< 0.001`; `-` where nothing was tested."""
    if p is None:
        return "-"
    if p < 0.001:
        return "< 0.001"
    return f"{p:.2f}" if p >= 0.0995 else f"{p:.3f}"
