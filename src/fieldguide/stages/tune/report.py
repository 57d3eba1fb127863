"""What a search found: a record for programs, a page for people.

Knows nothing about learners; the page needs no network.
"""

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldguide.plots import bars, curves
from fieldguide.project.atomic import write_text
from fieldguide.records import TuneReport
from fieldguide.stages.tune.importance import Importance, best_so_far, param_importances
from fieldguide.stages.tune.rows import TrialRow, best_row
from fieldguide.stages.tune.space import Value
from fieldguide.stages.tune.study import Study
from fieldguide.stages.tune.trials import Ended
from fieldguide.text import render

__all__ = ["PAGE", "About", "summarise", "write_report"]

PAGE = "report.html"
_CURVES = 6


@dataclass(frozen=True)
class About:
    """What the page says besides the trials.

    Attributes:
        name: of the project.
        measure: what the value of a trial is, such as "validation accuracy".
        made: how the search was made, in words by name.
    """

    name: str
    measure: str
    made: dict[str, str]


def summarise(study: Study, ended: Ended) -> TuneReport:
    """The search as it stands.

    The interval of the best trial is what the objective noted as "interval", a pair of low and high.

    Raises:
        ProjectDamaged: the storage is not sound.
    """
    rows = study.rows()
    best = best_row(rows)
    counts = Counter(row.state for row in rows)
    return TuneReport(
        study=study.name,
        others=study.others,
        ended=ended.why,
        trials={state: counts[state] for state in ("complete", "pruned", "failed", "running")},
        best=best.number if best else None,
        params=dict(best.params) if best else {},
        value=best.value if best else None,
        interval=_interval(best) if best else None,
        minutes=sum(row.seconds for row in rows) / 60,
        report=str(study.folder / PAGE),
    )


def write_report(study: Study, report: TuneReport, about: About) -> Path:
    """Where the page is, which shows the trials, how the search went and which settings mattered.

    Raises:
        MissingExtra: matplotlib, scikit-learn or Optuna is not installed.
        ProjectDamaged: the storage is not sound.
        DiskFull: no space.
        NoPermission: the folder cannot be written.
    """
    rows = study.rows()
    importances = param_importances(rows, study.plan.space, study.plan.seed)
    path = study.folder / PAGE
    shown = [_shown(row, row.number == report.best) for row in _ranked(rows)]
    write_text(
        path,
        render(
            "tune.html",
            {
                "about": about,
                "report": report,
                "params": {name: _short(value) for name, value in report.params.items()},
                "rows": shown,
                "failed": [row for row in rows if row.state == "failed"],
                "importances": importances,
                "history": _base64(_history(rows, about.measure)),
                "bars": _base64(_bars(importances)) if importances else "",
                "curves": _base64(_curves(rows, about.measure)) if any(row.steps for row in rows) else "",
            },
        ),
    )
    return path


def _interval(row: TrialRow) -> tuple[float, float] | None:
    """The interval that was noted."""
    said = row.attrs.get("interval")
    pair = isinstance(said, list) and len(said) == 2 and all(isinstance(one, int | float) for one in said)
    return (float(said[0]), float(said[1])) if pair and said else None


def _ranked(rows: Sequence[TrialRow]) -> list[TrialRow]:
    """Complete trials, the highest value first, then pruned ones, then the others."""
    order = ("complete", "pruned", "failed", "running")
    return sorted(rows, key=lambda row: (order.index(row.state), -(row.value or 0.0), row.number))


def _shown(row: TrialRow, best: bool) -> dict[str, Any]:
    """A row of the page's table."""
    interval = _interval(row)
    return {
        "number": row.number,
        "state": row.state,
        "best": best,
        "value": "" if row.value is None else f"{row.value:.4f}",
        "interval": f"{interval[0]:.4f} to {interval[1]:.4f}" if interval else "",
        "steps": len(row.steps) or "",
        "seconds": f"{row.seconds:.1f}",
        "params": ", ".join(f"{name} {_short(value)}" for name, value in row.params.items()),
    }


def _short(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _base64(png: bytes) -> str:
    return base64.b64encode(png).decode()


def _history(rows: Sequence[TrialRow], measure: str) -> bytes:
    """A PNG of each trial's value and the best so far."""
    each = [(float(row.number), row.value) for row in rows if row.state == "complete" and row.value is not None]
    best = [(float(number), value) for number, value in best_so_far(rows)]
    return curves({"best so far": best, "each": each}, title="", x="trial", y=measure)


def _bars(importances: Sequence[Importance]) -> bytes:
    """A PNG of the settings' importances."""
    shares = {one.name: (one.share, one.spread) for one in importances}
    return bars(shares, title="", x="share of the variance between trials")


def _curves(rows: Sequence[TrialRow], measure: str) -> bytes:
    """A PNG of the values after each step of the best trials that have steps."""
    stepped = [row for row in _ranked(rows) if row.steps][:_CURVES]
    lines = {f"trial {row.number}": [(float(step), value) for step, value in row.steps.items()] for row in stepped}
    return curves(lines, title="", x="step", y=measure)
