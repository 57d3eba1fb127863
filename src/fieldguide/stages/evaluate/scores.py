"""The figures of the test split and of the cross-validation that the stage reports, and the answers themselves.

Arrays in, numbers out; knows nothing about pictures or pages.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.metrics import (
    accuracy,
    calibration_error,
    calibration_interval,
    confusion_matrix,
    macro_f1,
    macro_f1_interval,
    per_class_scores,
)
from fieldguide.stages.evaluate.measuring import Evaluation
from fieldguide.text import write_csv


def measure_scores(evaluation: Evaluation) -> dict[str, Any]:
    """Return the figures that the stage reports, as in metrics.json."""
    labels, probs, class_names = evaluation.test_labels, evaluation.test_probs, evaluation.class_names
    answers, validation = probs.argmax(axis=1), evaluation.validation
    confusion = confusion_matrix(labels, answers, len(class_names))
    return {
        "run": evaluation.run.name,
        "class_names": list(class_names),
        "images": len(evaluation.data.labels),
        "learnt_per_class": evaluation.data.learnt_per_class(),
        "test_images": len(labels),
        "accuracy": accuracy(labels, answers),
        "macro_f1": macro_f1(labels, answers, len(class_names)),
        "macro_f1_interval": macro_f1_interval(confusion),
        "ece": calibration_error(probs, labels),
        "ece_interval": calibration_interval(probs, labels, evaluation.test_groups),
        "grouped": validation.grouped if validation else None,
        "careless": validation.careless if validation else None,
        "difference": validation.difference if validation else None,
        "copies": evaluation.copies,
        "folds": validation.folds if validation else 0,
        "per_class": dict(zip(class_names, per_class_scores(confusion), strict=True)),
        "confusion": confusion.tolist(),
        "cv_confusion": _cv_confusion(evaluation),
    }


def _cv_confusion(evaluation: Evaluation) -> list[list[int]] | None:
    """Return the counts of the grouped cross-validation, (classes, classes); None where there was none."""
    if evaluation.validation is None:
        return None
    answers: NDArray[np.int64] = evaluation.validation.logits.argmax(axis=1)
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
