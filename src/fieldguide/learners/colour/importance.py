"""Which features matter to a classifier: what is lost without one, and how far a few of them go.

Knows nothing about pictures, or how a candidate was chosen. It costs far less than the choice did: the classifiers of
the folds come in as they were fitted, and what has to be fitted anew is fitted lightly. One fold follows the other:
scikit-learn's own parallel tasks change the filters of warnings, which belong to all threads.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fieldguide.learners.colour.families import Candidate, FittedClassifier, Samples, fit_quietly, fit_rows
from fieldguide.learners.contract import Fold

_HELD_OUT_ROWS = 300  # of a fold, that are shuffled
_LEARNING_ROWS = 1000  # of a fold, that the classifiers of the curve learn from
_RANKING_ROWS = 200  # of these, that say which features are kept
_MAX_PARAMS = {"forest": {"n_estimators": 25}, "boosting": {"n_estimators": 5, "max_depth": 3}}


@dataclass(frozen=True)
class Importance:
    """How much accuracy is lost, on held-out rows, when a feature is shuffled (Breiman, "Random Forests", 2001, 10).

    Attributes:
        mean: (d,) loss of accuracy.
        std: (d,) standard deviation over folds and shuffles.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]


@dataclass(frozen=True)
class CurvePoint:
    """How good a candidate is with so many features; averages over classes, weighted by their rows, in 0..1.

    Attributes:
        count: features kept, the most important ones.
        accuracy: share of right held-out answers.
        precision: weighted average.
        recall: weighted average; the same as accuracy, by definition.
        f1: weighted average.
    """

    count: int
    accuracy: float
    precision: float
    recall: float
    f1: float


def measure_importance(
    samples: Samples, folds: Sequence[Fold], fitted: Sequence[FittedClassifier], repeats: int = 5
) -> Importance:
    """Measure the importance of each feature on the held-out rows of each fold, at most 300 of them.

    Args:
        samples: what was learnt from.
        folds: pairs of (train, held-out) indices.
        fitted: the classifier of each fold, which never saw its held-out rows.
        repeats: how often each feature is shuffled.
    """

    def measure(number: int) -> NDArray[np.float64]:
        rows = np.random.default_rng([samples.seed, number]).permutation(folds[number][1])[:_HELD_OUT_ROWS]
        return _lose_accuracy(fitted[number], samples.take(rows), repeats)

    with fit_quietly():
        losses = np.concatenate([measure(number) for number in range(len(folds))], axis=1)
    return Importance(losses.mean(axis=1), losses.std(axis=1))


def _lose_accuracy(model: FittedClassifier, rows: Samples, repeats: int) -> NDArray[np.float64]:
    """Return (d, repeats) losses of accuracy on these rows, one feature shuffled."""
    from sklearn.inspection import permutation_importance

    def score(pipeline: object, features: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
        return float(np.mean(model.logits(features).argmax(axis=1) == labels))

    measured = permutation_importance(
        model.pipeline, rows.features, rows.labels, scoring=score, n_repeats=repeats, random_state=rows.seed
    )
    return np.asarray(measured.importances)


def lighten(candidate: Candidate) -> Candidate:
    """Return a candidate of the same family that is fitted in a fraction of the time, and a little less accurate."""
    params = dict(candidate.params)
    if candidate.family == "mlp":
        params |= {"hidden_layer_sizes": (50,), "solver": "lbfgs", "max_iter": 60}
    limits = _MAX_PARAMS.get(candidate.family, {})
    return Candidate(
        candidate.family, params | {name: min(most, params.get(name, most)) for name, most in limits.items()}
    )


def trace_elimination(samples: Samples, folds: Sequence[Fold], fitted: Sequence[FittedClassifier]) -> list[CurvePoint]:
    """Measure what is left with 1, 2 and so on up to all features, by a lighter candidate: the shape, not the height.

    Each fold ranks the features by its own learning rows, so that held-out rows do not choose what is kept.

    Args:
        samples: what was learnt from.
        folds: pairs of (train, held-out) indices that cover every row once.
        fitted: the classifier of each fold.
    """
    width = samples.features.shape[1]
    answers = np.zeros((width, len(samples.labels)), np.int64)

    def hold_out(number: int) -> None:
        train, test = folds[number]
        rows = np.random.default_rng([samples.seed, number]).permutation(train)[:_LEARNING_ROWS]
        losses = _lose_accuracy(fitted[number], samples.take(rows[:_RANKING_ROWS]), 3).mean(axis=1)
        order, candidate = np.argsort(-losses, kind="stable"), lighten(fitted[number].candidate)
        for count in range(1, width + 1):
            kept = replace(samples, features=samples.features[:, order[:count]])
            model = fit_rows(kept.take(rows), candidate, samples.class_count)
            answers[count - 1, test] = model.logits(kept.features[test]).argmax(axis=1)

    with fit_quietly():
        for number in range(len(folds)):
            hold_out(number)
    return [_score(samples.labels, count, row) for count, row in enumerate(answers, 1)]


def _score(labels: NDArray[np.int64], count: int, answers: NDArray[np.int64]) -> CurvePoint:
    from sklearn.metrics import precision_recall_fscore_support

    scores = precision_recall_fscore_support(labels, answers, average="weighted", zero_division=0)
    precision, recall, f1 = (float(score) for score in scores[:3])
    return CurvePoint(count, float(np.mean(answers == labels)), precision, recall, f1)
