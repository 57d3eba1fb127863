"""How well the probabilities rank: ROC and precision-recall curves, and for two classes what each threshold trades.

Each class is told from all others by its probability, on pictures that were held out. Fawcett, "An introduction to ROC
analysis", Pattern Recognition Letters 27 (2006); Davis, Goadrich, "The relationship between precision-recall and ROC
curves", ICML 2006.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.metrics import draw_groups, widen_intervals, wilson_interval
from fieldguide.stages.evaluate.charts import Axis, Chart, Line, draw_chart
from fieldguide.stages.evaluate.measuring import Evaluation
from fieldguide.stages.evaluate.parts import Part

_GRID = np.linspace(0.0, 1.0, 51)
_MOST_DRAWS, _LEAST_DRAWS, _MOST_STEPS = 300, 40, 20_000_000
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Ranking:
    """Pictures in the order of their probability of a class, the highest first.

    Attributes:
        order: (n,) places of the pictures.
        positive: (n,) whether each is of the class, in that order.
        ends: the last place of each run of equal probabilities.
    """

    order: NDArray[np.intp]
    positive: NDArray[np.bool_]
    ends: NDArray[np.intp]

    @classmethod
    def of(cls, probs: Doubles, positive: NDArray[np.bool_]) -> "Ranking":
        """Rank n pictures by their probabilities, (n,)."""
        order = np.argsort(-probs, kind="stable")
        ends = np.flatnonzero(np.append(np.diff(probs[order]) != 0, True))
        return cls(order, positive[order], ends)

    def count(self, times: NDArray[np.int64] | None = None) -> tuple[Doubles, Doubles]:
        """Return how many of the class and how many others lie above each threshold, beginning with none."""
        weights = np.ones(len(self.order)) if times is None else times[self.order].astype(float)
        hits, false = np.cumsum(weights * self.positive)[self.ends], np.cumsum(weights * ~self.positive)[self.ends]
        return np.concatenate([[0.0], hits]), np.concatenate([[0.0], false])

    def areas(self, times: NDArray[np.int64] | None = None) -> tuple[float, float]:
        """Return the area under the ROC curve and the average precision, each NaN where either kind is missing."""
        hits, false = self.count(times)
        if not hits[-1] or not false[-1]:
            return float("nan"), float("nan")
        recall, precision = hits / hits[-1], hits[1:] / np.maximum(hits + false, 1e-12)[1:]
        area = float(np.sum(np.diff(false / false[-1]) * (recall[1:] + recall[:-1]) / 2))
        return area, float(np.sum(np.diff(recall) * precision))

    def curves(self) -> tuple[Doubles, Doubles]:
        """Return the true positive rate by false positive rate, and the precision by recall, both on a grid of 0..1."""
        hits, false = self.count()
        recall, fallout = hits / hits[-1], false / false[-1]
        precision = np.maximum.accumulate((hits[1:] / (hits + false)[1:])[::-1])[
            ::-1
        ]  # the best at this recall or more
        last = np.searchsorted(fallout, _GRID, side="right") - 1  # a step up takes its upper end
        follows = np.minimum(last + 1, len(fallout) - 1)
        gap = fallout[follows] - fallout[last]
        along = np.where(gap > 0, (_GRID - fallout[last]) / np.maximum(gap, 1e-12), 0.0)
        rates = recall[last] + along * (recall[follows] - recall[last])
        at = np.minimum(np.searchsorted(recall[1:], _GRID - 1e-12), len(precision) - 1)
        return rates, precision[at]


def measure_curves(evaluation: Evaluation) -> Part | None:
    """Return the curves and the areas under them; None where nothing is held out."""
    labels, probs, names = evaluation.data.labels[evaluation.held], evaluation.held_probs, evaluation.class_names
    if not len(labels):
        return None
    known = [place for place in range(len(names)) if 0 < np.sum(labels == place) < len(labels)]
    if not known:
        return None
    rankings = [Ranking.of(probs[:, place], labels == place) for place in known]
    groups = [evaluation.data.groups[place] for place in evaluation.held]
    areas = _measure_areas(rankings, groups, evaluation.settings.seed)
    curves = [ranking.curves() for ranking in rankings]
    # of two classes the second is the one that a threshold is set for
    shown = curves[-1:] if len(names) == 2 else curves
    rates, precision = (np.mean([pair[kind] for pair in shown], axis=0) for kind in (0, 1))
    numbers = {
        "measured_on": evaluation.measured_on,
        "pictures": len(labels),
        "roc_auc": {"macro": areas[0][0], **{names[place]: areas[number + 1][0] for number, place in enumerate(known)}},
        "average_precision": {
            "macro": areas[0][1], **{names[place]: areas[number + 1][1] for number, place in enumerate(known)}
        },
        "roc": np.round(np.stack([_GRID, rates], axis=1), 4).tolist(),
        "precision_recall": np.round(np.stack([_GRID, precision], axis=1), 4).tolist(),
        "absent": [name for place, name in enumerate(names) if place not in known],
        "thresholds": list_thresholds(labels == 1, probs[:, 1], groups, evaluation.settings.seed)
        if len(names) == 2
        else None,
    }  # fmt: skip
    charts = _draw(numbers, [names[place] for place in known], curves)
    return Part(
        numbers,
        {
            "charts": charts,
            "words": _describe(names),
            "thresholds": [_write(row) for row in numbers["thresholds"] or ()],
        },
    )


def _measure_areas(
    rankings: Sequence[Ranking], groups: Sequence[str], seed: int
) -> list[tuple[tuple[float, float, float], tuple[float, float, float]]]:
    """Return both areas with their 95 % intervals, by drawing groups: first the mean over classes, then of each."""
    steps = len(groups) * len(rankings)
    draws = int(np.clip(_MOST_STEPS // max(1, steps), _LEAST_DRAWS, _MOST_DRAWS))
    measured = np.array([ranking.areas() for ranking in rankings])
    drawn = np.array([[ranking.areas(times) for ranking in rankings] for times in draw_groups(groups, draws, seed)])

    def around(value: float, values: Doubles) -> tuple[float, float, float]:
        known = values[~np.isnan(values)]
        low, high = np.quantile(known, (0.025, 0.975)) if len(known) else (0.0, 1.0)
        return float(value), min(float(value), float(low)), max(float(value), float(high))

    rows = []
    for place in range(-1, len(rankings)):
        # a draw without one of a rare class says nothing about it, and nothing about the mean
        values = drawn.mean(axis=1) if place < 0 else drawn[:, place]
        value = measured.mean(axis=0) if place < 0 else measured[place]
        rows.append((around(value[0], values[:, 0]), around(value[1], values[:, 1])))
    return rows


def list_thresholds(
    positive: NDArray[np.bool_], probs: Doubles, groups: Sequence[str], seed: int
) -> list[dict[str, Any]]:
    """Return what each whole percentage as threshold of the second class's probability gives, with intervals.

    Args:
        positive: (n,) whether each picture is of the second class.
        probs: (n,) of that class.
        groups: n group ids; where some are larger than one, the intervals are by drawing groups.
        seed: of the drawing.
    """
    steps = np.arange(101) / 100
    reached = np.searchsorted(steps, probs, side="right") - 1  # the last threshold that each picture passes

    def count(times: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (4, 101): found, missed, wrongly called so, and rightly not, where pictures count so many times."""
        own, other = (
            np.cumsum(np.bincount(reached, times * kind, len(steps))[::-1])[::-1] for kind in (positive, ~positive)
        )
        return np.array([own, own[0] - own, other, other[0] - other])

    counts = count(np.ones(len(probs), np.int64))
    shares = _threshold_shares(counts)
    drawn = None
    if len(set(groups)) < len(groups):
        drawn = np.array([list(_divide(_threshold_shares(count(times)))) for times in draw_groups(groups, seed=seed)])
    rows: list[dict[str, Any]] = [
        {"threshold": percent / 100, "counts": counts[:, percent].astype(int).tolist()} for percent in range(len(steps))
    ]
    for place, (name, (hits, totals)) in enumerate(shares.items()):
        singles = [wilson_interval(int(hit), int(total)) for hit, total in zip(hits, totals, strict=True)]
        ends = singles if drawn is None else widen_intervals(drawn[:, place], singles)
        for row, hit, total, (low, high) in zip(rows, hits, totals, ends, strict=True):
            row[name] = (float(hit / total), low, high) if total else None
    return rows


def _threshold_shares(counts: NDArray[np.float64]) -> dict[str, tuple[Doubles, Doubles]]:
    """Return what is counted by a share, and of how many, each (101,), given the counts at every threshold."""
    hits, missed, false, rest = counts
    return {
        "precision": (hits, hits + false),
        "recall": (hits, hits + missed),
        "false_positive_rate": (false, false + rest),
        "accuracy": (hits + rest, counts.sum(axis=0)),
    }


def _divide(shares: dict[str, tuple[Doubles, Doubles]]) -> Iterator[Doubles]:
    """Yield each share, NaN where it is of nothing."""
    for hits, totals in shares.values():
        yield np.where(totals > 0, hits / np.maximum(totals, 1), np.nan)


def _describe(names: Sequence[str]) -> dict[str, str]:
    """Return what the figures of a threshold are called, by their keys."""
    return {
        "precision": f"of those called {names[-1]}, right (precision)",
        "recall": f"of all {names[-1]}, found (recall)",
        "false": f"of all {names[0]}, called {names[-1]} by mistake",
        "accuracy": "right of all",
    }


def _write(row: dict[str, Any]) -> dict[str, str]:
    """Return the figures of a threshold as text, by the keys of `_describe`."""
    keys = {"precision": "precision", "recall": "recall", "false": "false_positive_rate", "accuracy": "accuracy"}
    return {
        "at": f"{row['threshold']:.0%}".replace("%", " %"),
        **{key: _in_words(row[name]) for key, name in keys.items()},
    }


def _in_words(score: tuple[float, float, float] | None) -> str:
    return f"{score[0] * 100:.1f} % ({score[1] * 100:.1f} to {score[2] * 100:.1f})" if score else "none"


def _draw(numbers: dict[str, Any], names: Sequence[str], curves: Sequence[tuple[Doubles, Doubles]]) -> list[Chart]:
    """Return both charts: the mean over classes, and each class where these are few."""
    drawn = []
    kinds = (("ROC curve", "false positive rate", "true positive rate", "roc"),
             ("Precision and recall", "recall", "precision", "precision_recall"))  # fmt: skip
    for kind, (title, x, y, key) in enumerate(kinds):
        lines = [Line("mean over classes" if numbers["thresholds"] is None else names[-1], numbers[key])]
        if 2 < len(names) <= 4:
            for name, pair in zip(names, curves, strict=True):
                lines.append(Line(name, list(zip(_GRID.tolist(), np.round(pair[kind], 4).tolist(), strict=True))))
        if key == "roc":
            lines.append(Line("", [(0.0, 0.0), (1.0, 1.0)]))
        drawn.append(draw_chart(title, Axis(x, 0, 1, percent=True), Axis(y, 0, 1, percent=True), lines))
    return drawn
