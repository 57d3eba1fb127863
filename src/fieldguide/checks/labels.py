"""The check for labels: pictures that probably show another class than the one they are labelled with.

Knows nothing about files, the catalogue or how a classifier learns: it is handed the probabilities that each picture
gets from classifiers that never saw it, and judges by confident learning (Northcutt, Jiang and Chuang, "Confident
Learning: Estimating Uncertainty in Dataset Labels", JAIR 70, 2021). `docs/clean.md` says how the rule was found.
"""

import numpy as np
from numpy.typing import NDArray

from fieldguide.checks.contract import SUSPICIOUS, FeatureRows
from fieldguide.records import Verdict

CHECK = "labels"
_TRUST = 5.0  # a label is suspected where its probability is below a fifth of what its class's pictures get
_MOST_REMOVED = 0.5  # of a class

Integers = NDArray[np.int64]
Doubles = NDArray[np.float64]


def find_label_errors(probs: Doubles, labels: Integers) -> NDArray[np.bool_]:
    """Tell which labels confident learning takes for errors, (n,), for a classifier to learn without them.

    A picture is counted to the class that it is most probable of, among those that it is as probable of as the
    pictures labelled so are on average. Where that is another class than its own, the label is an error. A class that
    would lose more than half of its pictures keeps all.

    Args:
        probs: (n, classes) from classifiers that never saw the picture.
        labels: (n,) classes.
    """
    likely = np.where(probs >= _thresholds(probs, labels), probs, -1.0)
    errors = (likely.max(axis=1) >= 0) & (likely.argmax(axis=1) != labels)
    lost = np.bincount(labels, errors, probs.shape[1]) / np.maximum(np.bincount(labels, minlength=probs.shape[1]), 1)
    return np.asarray(errors & (lost <= _MOST_REMOVED)[labels])


def score_labels(probs: Doubles, labels: Integers) -> Doubles:
    """Return how doubtful each label is, (n,) from 0 to 1, suspicious from 0.5.

    That is 1 / (1 + p / (t / 5)), p being the probability of the label and t the mean of p over the pictures labelled
    so: the threshold of confident learning.

    Args:
        probs: (n, classes) from classifiers that never saw the picture.
        labels: (n,) classes.
    """
    own = probs[np.arange(len(labels)), labels]
    usual = _thresholds(probs, labels)[labels]
    return np.asarray(usual / np.maximum(usual + _TRUST * own, 1e-12))


def judge_labels(rows: FeatureRows, probs: Doubles) -> list[Verdict]:
    """Return a verdict on each picture of a class with enough pictures.

    Args:
        rows: of pictures of at least two classes.
        probs: (n, classes) from classifiers that never saw the picture.
    """
    scores = score_labels(probs, rows.labels)
    others = probs.copy()
    others[np.arange(len(others)), rows.labels] = -1.0
    likely = others.argmax(axis=1)
    judged = np.isin(rows.labels, rows.judged_classes())
    return [
        Verdict(
            rows.sha256[place], CHECK, "suspect", f"other_label: it looks like {rows.class_names[likely[place]]}",
            float(scores[place]),
        )
        if scores[place] >= SUSPICIOUS
        else Verdict(rows.sha256[place], CHECK, "keep", "", float(scores[place]))
        for place in np.flatnonzero(judged)
    ]  # fmt: skip


def _thresholds(probs: Doubles, labels: Integers) -> Doubles:
    """Return the mean probability of each class, (classes,), over the pictures labelled so; 2 where none is."""
    counts = np.bincount(labels, minlength=probs.shape[1])
    sums = np.bincount(labels, probs[np.arange(len(labels)), labels], probs.shape[1])
    return np.where(counts > 0, sums / np.maximum(counts, 1), 2.0)
