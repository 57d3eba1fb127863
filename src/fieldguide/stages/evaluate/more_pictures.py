"""Which classes need more pictures: how the accuracy grows with their number, and how far that can be drawn out.

The accuracy is measured on pictures that were held out, by models that learnt from a quarter of them, half, and all:
so each size is measured on every picture. The error is taken to fall as a power of the number of pictures (Cortes and
others, "Learning curves: asymptotic values and rate of convergence", NIPS 1993; Hestness and others, "Deep learning
scaling is predictable, empirically", 2017). What a bootstrap over groups does not carry is not told.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.learners.contract import TrainingData, group_folds
from fieldguide.metrics import draw_groups, share_by_groups
from fieldguide.stages.evaluate.charts import Axis, Line, draw_chart
from fieldguide.stages.evaluate.measuring import Evaluation
from fieldguide.stages.evaluate.parts import Part

_PARTS = (4, 2)  # into so many the pictures are divided; then they are taken as a whole
_LEAST_GROUPS = 3  # of the smallest class, in each part
_LEAST_PICTURES = 10  # of a class, for anything to be told about it
_DRAWS = 400
_MOST_TIMES = 4.0  # the high end of the interval may be so many times the low one
_FARTHEST = 4.0  # times as many pictures as there are: a curve is drawn out no farther


@dataclass(frozen=True)
class Growth:
    """Whether each picture was answered rightly, by how many pictures were learnt from.

    Attributes:
        sizes: how many pictures a model learnt from, on average; ascending.
        right: (sizes, n) whether each of n pictures was answered rightly, where it was held out.
    """

    sizes: tuple[float, ...]
    right: NDArray[np.bool_]


def measure_growth(evaluation: Evaluation) -> Part | None:
    """Return the learning curve, and which classes need how many more pictures; None where it was not measured."""
    if evaluation.validation is None or not evaluation.learner.is_quick or not evaluation.settings.evaluate.growth:
        return None
    data, names = evaluation.data, evaluation.class_names
    growth = _learn_from_parts(evaluation)
    if growth is None:
        return Part({"curve": []}, {"charts": []})
    curve = [(size, share_by_groups(right, data.groups, evaluation.settings.seed)) for size, right in
             zip(growth.sizes, growth.right, strict=True)]  # fmt: skip
    numbers = {
        "curve": [{"learnt_from": round(size, 1), "accuracy": score} for size, score in curve],
        **advise(growth, data.labels, data.groups, names, evaluation.settings.seed),
    }
    return Part(numbers, {"charts": [_draw(numbers)]})


def advise(
    growth: Growth, labels: NDArray[np.int64], groups: tuple[str, ...], names: Sequence[str], seed: int
) -> dict[str, Any]:
    """Return how the error falls with the number of pictures, and how many more each class needs, or why none is told.

    A class needs so many that it becomes as good as all together are now, the `goal`.

    Args:
        growth: what was answered rightly.
        labels: (n,) true classes.
        groups: n group ids.
        names: of the classes.
        seed: of the bootstrap.
    """
    exponent, factors = _draw_out(growth, labels, groups, seed)
    counts = np.bincount(labels, minlength=len(names))
    recalls = [float(growth.right[-1][labels == place].mean()) if counts[place] else 0.0 for place in range(len(names))]
    goal = float(growth.right[-1].mean())
    classes = {
        name: {"pictures": int(counts[place]), "recall": recalls[place],
               **_advise(int(counts[place]), factors[:, place], is_good=recalls[place] >= goal)}
        for place, name in enumerate(names)
    }  # fmt: skip
    return {"goal": goal, "exponent": exponent, "classes": classes}


def _learn_from_parts(evaluation: Evaluation) -> Growth | None:
    """Return the answers by models that learnt from parts of the pictures; None where classes are too small."""
    data, settings, learner = evaluation.data, evaluation.settings, evaluation.learner
    validation, temperature = evaluation.validation, evaluation.model.temperature
    training = replace(TrainingData.of(data, evaluation.pictures, settings), seed=evaluation.run.seed)
    groups = np.unique(np.asarray(data.groups), return_inverse=True)[1]
    smallest = min(len(np.unique(groups[data.labels == label])) for label in np.unique(data.labels))
    divisions = [parts for parts in _PARTS if smallest >= _LEAST_GROUPS * parts]
    if not divisions or validation is None:
        return None
    evaluation.progress.start("measuring what more pictures bring", sum(divisions))
    sizes, rows = [], []
    for parts in divisions:
        right, learnt = np.zeros(len(data.labels), bool), []
        part_of = _divide(data.labels, groups, parts, settings.seed)
        for part in range(parts):
            chosen = np.flatnonzero(part_of == part)
            some = training.take(chosen)
            folds = group_folds(some.labels, some.groups, settings.evaluate.folds, settings.seed)
            logits = learner.predict_held_out(some, folds, evaluation.model)
            right[chosen] = evaluation.calibration.logits(logits / temperature).argmax(axis=1) == some.labels
            learnt += [len(known) for known, _ in folds]
            evaluation.progress.advance()
        sizes.append(float(np.mean(learnt)))
        rows.append(right)
    sizes.append(len(data.labels) * (1 - 1 / validation.folds))
    rows.append(evaluation.held_probs.argmax(axis=1) == data.labels)
    return Growth(tuple(sizes), np.stack(rows))


def _divide(labels: NDArray[np.int64], groups: NDArray[np.intp], parts: int, seed: int) -> NDArray[np.intp]:
    """Return the part of each picture, 0..parts-1, groups whole; each class is spread evenly."""
    dice, part_of = np.random.default_rng(seed), np.zeros(len(labels), np.intp)
    for label in np.unique(labels):
        of_class = dice.permutation(np.unique(groups[labels == label]))
        for place, group in enumerate(of_class):
            part_of[groups == group] = place % parts
    return part_of


def _draw_out(
    growth: Growth, labels: NDArray[np.int64], groups: tuple[str, ...], seed: int
) -> tuple[tuple[float, float, float], NDArray[np.float64]]:
    """Return the exponent of the error with its interval, and (draws, classes) factors by which classes must grow.

    A class must grow until its error is that of all pictures, along the curve of all: error = a * pictures ** -b.
    """
    logs, classes = np.log(growth.sizes), int(labels.max()) + 1
    slopes, factors = [], []
    wrong = ~growth.right

    def fit(times: NDArray[np.int64]) -> tuple[float, NDArray[np.float64]]:
        total = times.sum()
        errors = (wrong @ times + 0.5) / (total + 1.0)  # no error at all has no logarithm
        slope = -float(np.polyfit(logs, np.log(errors), 1)[0])
        seen = np.bincount(labels, times, classes)
        own = (np.bincount(labels, times * wrong[-1], classes) + 0.5) / (seen + 1.0)
        ratio = np.maximum(own / errors[-1], 1.0)
        with np.errstate(over="ignore"):
            factor = ratio ** (1.0 / slope) if slope > 0 else np.full(classes, np.inf)
        return slope, np.where(seen > 0, factor, np.nan)

    for times in draw_groups(groups, _DRAWS, seed):
        slope, factor = fit(times)
        slopes.append(slope)
        factors.append(factor)
    low, high = np.quantile(slopes, (0.025, 0.975))
    slope = fit(np.ones(len(labels), np.int64))[0]
    return (slope, float(low), float(high)), np.array(factors)


def _advise(count: int, factors: NDArray[np.float64], *, is_good: bool) -> dict[str, Any]:
    """Return how many more pictures a class of so many needs, or why that can't be told.

    Args:
        count: how many it has.
        factors: (draws,) by which it must grow; NaN where a draw had none of it.
        is_good: whether it is as good as all together.
    """
    known = factors[~np.isnan(factors)]
    why = ""
    if is_good:
        why = "as good as all together"
    elif count < _LEAST_PICTURES:
        why = f"fewer than {_LEAST_PICTURES} pictures say too little"
    else:
        low, middle, high = (float(value) for value in np.quantile(known, (0.1, 0.5, 0.9), method="nearest"))
        if low <= 1.0:
            why = "may be no worse than the others"
        elif not math.isfinite(high) or high - 1 > _MOST_TIMES * (low - 1):
            why = "worse than the others, but the curve is too uncertain to say by how many pictures"
        elif middle > _FARTHEST:
            why = f"needs more than {_FARTHEST:.0f} times as many: no curve reaches that far"
    if why:
        return {"more": None, "low": None, "high": None, "why": why}
    more, least, most = (_round((factor - 1) * count) for factor in (middle, low, high))
    return {"more": more, "low": least, "high": most, "why": ""}


def _round(number: float) -> int:
    """Return a number with the one or two digits that an extrapolation carries."""
    step: int = 10 ** max(0, math.floor(math.log10(max(number, 1.0))) - 1)
    return max(1, round(number / step) * step)


def _draw(numbers: dict[str, Any]) -> Any:
    """Return the chart of the learning curve."""
    points = [(row["learnt_from"], row["accuracy"][0]) for row in numbers["curve"]]
    ends = [tuple(row["accuracy"][1:]) for row in numbers["curve"]]
    lowest = math.floor(min(low for low, _ in ends) * 10) / 10
    line = Line("accuracy", points, ends, dots=True)
    x = Axis("pictures learnt from", 0, points[-1][0] * 1.08)
    return draw_chart("Accuracy by number of pictures", x, Axis("accuracy", lowest, 1, percent=True), [line])
