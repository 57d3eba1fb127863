"""Which features matter to a classifier: what is lost without one, and how far a few of them go.

Knows nothing about pictures, or how a classifier was chosen. It costs far less than the choice did: the classifiers of
the folds come in as they were fitted, and what has to be fitted anew is fitted lightly.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fieldguide.engine import core_count, map_threads
from fieldguide.learners.families import Choice, Classifier, Material
from fieldguide.learners.fitting import fit_quietly
from fieldguide.learners.searching import fit_part
from fieldguide.metrics import confusion_matrix, per_class_scores

__all__ = ["Importance", "Kept", "elimination_curve", "lighten", "permutation_importance"]

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]
_MOST_HELD = 300  # held-out rows of a fold that are shuffled
_MOST_LEARNT = 1000  # rows of a fold that the curve's classifiers learn from
_RANKED_BY = 200  # of these rows, how many say what is kept
_TREES, _STAGES, _DEPTH = 25, 5, 3


@dataclass(frozen=True)
class Importance:
    """How much accuracy is lost, on held-out rows, when a feature is shuffled (Breiman, "Random Forests", 2001, 10).

    Attributes:
        mean: (d,) loss of accuracy.
        spread: (d,) standard deviation over folds and shuffles.
    """

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]


def permutation_importance(
    material: Material, folds: Sequence[Fold], fitted: Sequence[Classifier], repeats: int = 5
) -> Importance:
    """The importance of each feature, each fold's held-out rows, at most 300 of them, shuffled `repeats` times.

    Args:
        material: what was learnt from.
        folds: pairs of (train, held-out) indices.
        fitted: the classifier of each fold, which never saw its held-out rows.
        repeats: how often each feature is shuffled.
    """

    def measure(numbered: tuple[int, Fold, Classifier]) -> NDArray[np.float64]:
        number, (_, test), classifier = numbered
        chance = np.random.default_rng([material.seed, number])
        return _losses(classifier, material.take(chance.permutation(test)[:_MOST_HELD]), repeats, chance)

    lost = np.concatenate(list(map_threads(measure, _number(folds, fitted), workers=core_count())))
    return Importance(lost.mean(axis=0), lost.std(axis=0))


def _number(folds: Sequence[Fold], fitted: Sequence[Classifier]) -> Iterable[tuple[int, Fold, Classifier]]:
    return ((number, fold, one) for number, (fold, one) in enumerate(zip(folds, fitted, strict=True)))


def _losses(fitted: Classifier, rows: Material, repeats: int, chance: np.random.Generator) -> NDArray[np.float64]:
    """(repeats, d) losses of accuracy on these rows, one feature shuffled."""
    before = np.mean(fitted.logits(rows.features).argmax(axis=1) == rows.labels)
    many, labels = np.tile(rows.features, (repeats, 1)), np.tile(rows.labels, repeats)
    lost = np.zeros((repeats, rows.features.shape[1]))
    for feature in range(lost.shape[1]):
        column = rows.features[:, feature]
        many[:, feature] = np.concatenate([chance.permutation(column) for _ in range(repeats)])
        right = fitted.logits(many).argmax(axis=1) == labels
        lost[:, feature] = before - right.reshape(repeats, -1).mean(axis=1)
        many[:, feature] = np.tile(column, repeats)
    return lost


@dataclass(frozen=True)
class Kept:
    """How good a choice is with so many features: averages over classes, each weighing as many as it has rows.

    Attributes:
        count: features kept, the most important ones.
        accuracy: share of right held-out answers.
        precision: in 0..1.
        recall: in 0..1; the same as accuracy, by definition.
        f1: in 0..1.
    """

    count: int
    accuracy: float
    precision: float
    recall: float
    f1: float


def lighten(choice: Choice) -> Choice:
    """A choice of the same family that is fitted in a fraction of the time, and a little less accurate."""
    most = {"forest": {"n_estimators": _TREES}, "boosting": {"n_estimators": _STAGES, "max_depth": _DEPTH}}
    said = dict(choice.settings)
    if choice.family == "mlp":
        said |= {"hidden_layer_sizes": (50,), "solver": "lbfgs", "max_iter": 60}
    said |= {name: min(limit, said.get(name, limit)) for name, limit in most.get(choice.family, {}).items()}
    return Choice(choice.family, said)


def elimination_curve(material: Material, folds: Sequence[Fold], fitted: Sequence[Classifier]) -> list[Kept]:
    """What is left with 1, 2 and so on up to all features, by a lighter form of the choice: its shape, not its height.

    Each fold ranks the features by its own learning rows, so that held-out rows do not choose what is kept.

    Args:
        material: what was learnt from.
        folds: pairs of (train, held-out) indices that cover every row once.
        fitted: the classifier of each fold.
    """
    width = material.features.shape[1]
    answers = np.zeros((width, len(material.labels)), np.int64)

    def hold_out(numbered: tuple[int, Fold, Classifier]) -> None:
        number, (train, test), classifier = numbered
        chance = np.random.default_rng([material.seed, number])
        some = chance.permutation(train)[:_MOST_LEARNT]
        lost = _losses(classifier, material.take(some[:_RANKED_BY]), 3, chance).mean(axis=0)
        ranks, light = np.argsort(-lost, kind="stable"), lighten(classifier.choice)
        for count in range(1, width + 1):
            kept = replace(material, features=material.features[:, ranks[:count]])
            answers[count - 1, test] = fit_part(kept, some, light).logits(kept.features[test]).argmax(axis=1)

    with fit_quietly():
        list(map_threads(hold_out, _number(folds, fitted), workers=core_count()))
    return [_score(material, count, answers[count - 1]) for count in range(1, width + 1)]


def _score(material: Material, count: int, answers: NDArray[np.int64]) -> Kept:
    scores = per_class_scores(confusion_matrix(material.labels, answers, material.classes))
    weights = np.array([one["support"] for one in scores]) / len(answers)
    precision, recall, f1 = (float(weights @ [one[name] for one in scores]) for name in ("precision", "recall", "f1"))
    return Kept(count, float(np.mean(answers == material.labels)), precision, recall, f1)
