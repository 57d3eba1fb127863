"""The report of a search: a record for programs, and a page for people that needs no network.

Knows nothing about learners.
"""

import base64
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fieldguide.optional import require
from fieldguide.plots import draw_bars, draw_curves
from fieldguide.project.atomic import write_text
from fieldguide.records import TuneReport
from fieldguide.stages.tune.space import format_params, format_value
from fieldguide.stages.tune.study import Ending, Study, TrialRow, best_row
from fieldguide.text import render

PAGE = "report.html"
_MAX_CURVES = 6
_MIN_TRIALS = 4  # complete ones, before anything is said about importance
_TOP_TRIALS = 5  # so many at least are "the best" (what Optuna advises), and a tenth of all


def summarise(study: Study, ended: Ending, same_as: str = "", written: bool = True) -> TuneReport:
    """Return the search as it stands.

    What the objective noted of the best trial is in it: its "interval", a pair of low and high, and how many "pictures"
    it was measured on.

    Args:
        study: the search.
        ended: why this call ended.
        same_as: name of a run that is the same model as the best trial's, or "".
        written: whether the best settings are written into fieldguide.toml.
    """
    rows = study.states()
    best = best_row(rows)
    counts = Counter(row.state for row in rows)
    return TuneReport(
        study=study.name,
        others=study.others,
        ended=ended,
        trials={state: counts[state] for state in ("complete", "pruned", "failed", "running", "stopped")},
        best=best.number if best else None,
        params=dict(best.params) if best else {},
        value=best.value if best else None,
        interval=_interval(best) if best else None,
        minutes=sum(row.seconds for row in rows) / 60,
        report=str(study.folder / PAGE),
        pictures=int(best.attrs.get("pictures", 0)) if best else 0,
        same_as=same_as,
        written=best is not None and written,
    )


def write_report(study: Study, report: TuneReport, name: str, measure: str, details: Mapping[str, str]) -> Path:
    """Write the page with the trials, how the search went and which settings mattered; return its path.

    Args:
        study: the search.
        report: what `summarise` says of it.
        name: of the project.
        measure: what the value of a trial is, such as "validation accuracy".
        details: how the search was made, in words by name.
    """
    rows = study.states()
    importances = param_importances(study)
    path = study.folder / PAGE
    values = {
        "name": name,
        "measure": measure,
        "details": details,
        "report": report,
        "params": {name: format_value(value) for name, value in report.params.items()},
        "rows": [_cells(row, row.number == report.best) for row in _ranked(rows)],
        "alike": _count_alike(rows, report),
        "failed": [row for row in rows if row.state == "failed"],
        "importances": importances,
        "history": _base64(_history(rows, measure)),
        "bars": _base64(_bars(importances)) if importances else "",
        "curves": _base64(_curves(rows, measure)) if any(row.steps for row in rows) else "",
    }
    write_text(path, render("tune.html", values))
    return path


def param_importances(study: Study) -> dict[str, float]:
    """Return how much each setting decides whether a trial is among the best, as shares of 1, the highest first.

    Optuna's PED-ANOVA, for settings that are active in some trials only too (Watanabe et al., "PED-ANOVA", IJCAI 2023).
    Empty where there are too few complete trials, or all are alike.
    """
    importance = require("optuna", extra="train").importance
    with study.translated(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there are few trials, which the page says
        complete = [trial for trial in study.trials() if trial.state.name == "COMPLETE"]
        if len(complete) < _MIN_TRIALS or len({trial.value for trial in complete}) < 2:
            return {}
        top = min(0.5, max(0.1, _TOP_TRIALS / len(complete)))
        evaluator = importance.PedAnovaImportanceEvaluator(target_quantile=top)
        shares = importance.get_param_importances(study.optuna_study, evaluator=evaluator, normalize=False)
    total = sum(shares.values())
    ranked = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    return {name: share / total for name, share in ranked if share > 0}


def best_so_far(rows: Sequence[TrialRow]) -> list[tuple[int, float]]:
    """Return number and highest value until then, for each complete trial, by number."""
    history: list[tuple[int, float]] = []
    for row in sorted(rows, key=lambda row: row.number):
        if row.state == "complete" and row.value is not None:
            history.append((row.number, max(row.value, history[-1][1]) if history else row.value))
    return history


def _interval(row: TrialRow) -> tuple[float, float] | None:
    match row.attrs.get("interval"):
        case [int() | float() as low, int() | float() as high]:
            return float(low), float(high)
        case _:
            return None


def _ranked(rows: Sequence[TrialRow]) -> list[TrialRow]:
    """Return complete trials, the highest value first, then pruned ones, then the others."""
    order = ("complete", "pruned", "failed", "running", "stopped")
    return sorted(rows, key=lambda row: (order.index(row.state), -(row.value or 0.0), row.number))


def _count_alike(rows: Sequence[TrialRow], report: TuneReport) -> int:
    """Return how many other complete trials are inside the interval of the best."""
    if report.interval is None:
        return 0
    values = [row.value for row in rows if row.state == "complete" and row.number != report.best]
    return sum(value is not None and value >= report.interval[0] for value in values)


def _cells(row: TrialRow, best: bool) -> dict[str, Any]:
    interval = _interval(row)
    return {
        "number": row.number,
        "state": row.state,
        "best": best,
        "value": "" if row.value is None else f"{row.value:.4f}",
        "interval": f"{interval[0]:.4f} to {interval[1]:.4f}" if interval else "",
        "steps": len(row.steps) or "",
        "seconds": f"{row.seconds:.1f}",
        "params": format_params(row.params),
    }


def _base64(png: bytes) -> str:
    return base64.b64encode(png).decode()


def _history(rows: Sequence[TrialRow], measure: str) -> bytes:
    each = [(float(row.number), row.value) for row in rows if row.state == "complete" and row.value is not None]
    best = [(float(number), value) for number, value in best_so_far(rows)]
    return draw_curves({"best so far": best, "each": each}, title="", x="trial", y=measure)


def _bars(importances: Mapping[str, float]) -> bytes:
    return draw_bars({name: (share, 0.0) for name, share in importances.items()}, title="", x="share of the importance")


def _curves(rows: Sequence[TrialRow], measure: str) -> bytes:
    """Draw the values after each step of the best trials that have steps."""
    stepped = [row for row in _ranked(rows) if row.steps][:_MAX_CURVES]
    lines = {f"trial {row.number}": [(float(step), value) for step, value in row.steps.items()] for row in stepped}
    return draw_curves(lines, title="", x="step", y=measure)
