"""What the check of labels needs from a learner: answers for each picture by classifiers that never saw it."""

import numpy as np
from numpy.typing import NDArray

from fieldguide.checks.contract import FeatureRows
from fieldguide.checks.labels import find_label_errors, judge_labels
from fieldguide.records import Verdict

MOST_DEEP = 2000  # pictures up to which all layers are read; they tell a little more and cost much more


def check_labels(rows: FeatureRows) -> list[Verdict]:
    """Return a verdict on each picture of a class with enough pictures; none where there is but one class."""
    return judge_labels(rows, predict_left_out(rows)) if len(np.unique(rows.labels)) > 1 else []


def predict_left_out(rows: FeatureRows) -> NDArray[np.float64]:
    """Return (n, classes) probabilities of pictures of two classes or more, each by fits that never saw its group.

    They are the mean of two fits: of one that believes all labels, and of one that learns from none that the first
    makes out to be an error. Errors that a classifier learns from make it unsure of all; leaving out what is only rare
    makes it blind. The mean ranked errors best (`benchmarks/bench_labels.py`).
    """
    # the learners import onnxruntime, which takes a quarter of a second
    from fieldguide.learners.ridge import hold_out_probs

    features = rows.features if len(rows.labels) <= MOST_DEEP else rows.features[:, : rows.top]
    groups = np.unique(np.array(rows.groups), return_inverse=True)[1]
    believing = hold_out_probs(features, rows.labels, groups)
    errors = find_label_errors(believing, rows.labels) & ~rows.is_certain()
    if not errors.any():
        return believing
    return (believing + hold_out_probs(features, rows.labels, groups, without=errors)) / 2
