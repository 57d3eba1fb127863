"""The figures of the test split and of the cross-validation that the stage reports, and the answers themselves.

Arrays in, numbers out; knows nothing about pictures or pages.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.metrics import (
    accuracy,
    calibration_error,
    calibration_interval,
    confusion_matrix,
    group_intervals,
    macro_f1,
    macro_f1_interval,
    per_class_scores,
    top_k_accuracy,
)
from fieldguide.stages.evaluate.measuring import Evaluation
from fieldguide.text import write_csv

_TOP = (1, 2, 3, 5)  # ranks


def measure_scores(evaluation: Evaluation) -> dict[str, Any]:
    """Return the figures that the stage reports, as in metrics.json."""
    labels, probs, class_names = evaluation.test_labels, evaluation.test_probs, evaluation.class_names
    answers, validation, groups = probs.argmax(axis=1), evaluation.validation, evaluation.test_groups
    confusion, seed = confusion_matrix(labels, answers, len(class_names)), evaluation.settings.seed
    return {
        "run": evaluation.run.name,
        "class_names": list(class_names),
        "images": len(evaluation.data.labels),
        "learnt_per_class": evaluation.data.learnt_per_class(),
        "test_images": len(labels),
        "test_groups": len(set(groups)),
        "accuracy": accuracy(labels, answers),
        "macro_f1": macro_f1(labels, answers, len(class_names)),
        "macro_f1_interval": macro_f1_interval(confusion),
        "ece": calibration_error(probs, labels),
        "ece_interval": calibration_interval(probs, labels, groups),
        "grouped": validation.grouped if validation else None,
        "careless": validation.careless if validation else None,
        "difference": validation.difference if validation else None,
        "copies": evaluation.copies,
        "folds": validation.folds if validation else 0,
        "per_class": dict(zip(class_names, per_class_scores(confusion), strict=True)),
        **_by_groups(evaluation, answers),
        "top_k": _rank(probs, labels, groups, seed),
        "cv_top_k": _rank(evaluation.held_probs, evaluation.data.labels, evaluation.data.groups, seed)
        if validation
        else None,
        "absent": [name for name, count in zip(class_names, confusion.sum(axis=1), strict=True) if not count],
        "confusion": confusion.tolist(),
        "cv_confusion": _cv_confusion(evaluation),
    }


def _by_groups(evaluation: Evaluation, answers: NDArray[np.int64]) -> dict[str, Any]:
    """Return the scores of the test split whose intervals are by groups; none where no group has several pictures."""
    labels, names, seed = evaluation.test_labels, evaluation.class_names, evaluation.settings.seed
    intervals = group_intervals(labels, answers, evaluation.test_groups, len(names), seed)
    if intervals is None:
        return {}
    scores = per_class_scores(confusion_matrix(labels, answers, len(names)))
    for score, ends in zip(scores, intervals.per_class, strict=True):
        score |= {f"{kind}_low": low for kind, (low, _) in ends.items()}
        score |= {f"{kind}_high": high for kind, (_, high) in ends.items()}
    return {
        "accuracy": (accuracy(labels, answers)[0], *intervals.accuracy),
        "macro_f1_interval": intervals.macro_f1,
        "per_class": dict(zip(names, scores, strict=True)),
    }


def _rank(
    probs: NDArray[np.float64], labels: NDArray[np.int64], groups: Sequence[str], seed: int
) -> dict[str, tuple[float, float, float]]:
    """Return by k how often the true class is among the k most probable, where there are more classes than that."""
    return {str(k): top_k_accuracy(probs, labels, k, groups, seed) for k in _TOP if k < probs.shape[1]}


def _cv_confusion(evaluation: Evaluation) -> list[list[int]] | None:
    """Return the counts of the grouped cross-validation, (classes, classes); None where there was none."""
    if evaluation.validation is None:
        return None
    answers: NDArray[np.int64] = evaluation.held_probs.argmax(axis=1)
    counts: list[list[int]] = confusion_matrix(evaluation.data.labels, answers, len(evaluation.class_names)).tolist()
    return counts


def write_answers(evaluation: Evaluation) -> str:
    """Return the answer for each test picture, and how familiar it is to a fit on train and val; CSV."""
    images, names = list(evaluation.data.images), evaluation.class_names
    answers = zip(evaluation.test, evaluation.test_probs, evaluation.familiarity, strict=True)
    rows = [
        [images[place], names[evaluation.data.labels[place]], names[row.argmax()], f"{row.max():.6f}",
         repr(float(near))] for place, row, near in answers
    ]  # fmt: skip
    return write_csv(["sha256", "class_name", "answer", "prob", "familiarity"], rows)
