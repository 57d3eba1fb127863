"""Which family and which settings are best, and which features matter, by cross-validation that keeps groups whole.

Knows nothing about pictures or projects: material and folds in, numbers out. The grids are those of the system that
the families follow; every number comes from rows that the classifier behind it, its scaling included, never saw.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import fit_temperature
from fieldguide.engine import core_count, map_threads
from fieldguide.learners.families import Choice, Classifier, Family, Material
from fieldguide.learners.fitting import fit_quietly, fit_rows
from fieldguide.learners.headfit import own_losses
from fieldguide.metrics import confusion_matrix, per_class_scores

__all__ = [
    "DEFAULTS",
    "GRIDS",
    "Found",
    "Importance",
    "Kept",
    "Tried",
    "choices",
    "elimination_curve",
    "held_out_scores",
    "permutation_importance",
    "search_families",
]

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]

GRIDS: dict[Family, dict[str, tuple[Any, ...]]] = {
    "svm": {"C": (0.1, 1, 10, 100, 1000), "gamma": (1, 0.1, 0.01, 0.001, 0.0001)},
    "mlp": {
        "alpha": (0, 0.5, 1),
        "hidden_layer_sizes": ((100,), (200,), (400,), (50, 50), (10, 10, 10)),
        "solver": ("lbfgs", "adam"),
    },
    "logistic": {"C": (0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2, 3, 5, 7, 10, 15, 20)},
    "forest": {"n_estimators": tuple(range(10, 201, 10)), "max_depth": (10, 15, 20, 25)},
    "boosting": {"n_estimators": (5, 50), "max_depth": (1, 100)},
}
DEFAULTS: dict[Family, Choice] = {
    "svm": Choice("svm", {"C": 100, "gamma": 0.01}),
    "mlp": Choice("mlp", {"alpha": 1, "hidden_layer_sizes": (400,), "solver": "lbfgs"}),
    "logistic": Choice("logistic", {"C": 15}),
    "forest": Choice("forest", {"n_estimators": 170, "max_depth": 25}),
    "boosting": Choice("boosting", {"n_estimators": 50, "max_depth": 100}),
}
_RANKED_BY = 500  # rows that say which features matter when features are taken away


def choices(family: Family) -> list[Choice]:
    """Every choice in the family's grid."""
    grid = GRIDS[family]
    return [Choice(family, dict(zip(grid, values, strict=True))) for values in product(*grid.values())]


@dataclass(frozen=True)
class Tried:
    """What cross-validation says of a choice.

    Attributes:
        choice: what was tried.
        accuracy: (folds,) share of right answers among each fold's held-out rows.
        right: right answers in all.
        loss: mean log loss of all held-out rows, at the temperature that suits them best.
    """

    choice: Choice
    accuracy: NDArray[np.float64]
    right: int
    loss: float


@dataclass(frozen=True)
class Found:
    """The best of the choices.

    Attributes:
        choice: most right answers held out; among equals the lowest loss, then the first.
        temperature: what its held-out logits have to be divided by.
        logits: (n, classes) its held-out logits.
        tried: what is said of every choice, in the order given.
    """

    choice: Choice
    temperature: float
    logits: NDArray[np.float64]
    tried: list[Tried]


def search_families(
    material: Material,
    folds: Sequence[Fold],
    wanted: Sequence[Choice],
    done: Callable[[Tried], None] = lambda tried: None,
) -> Found:
    """The best choice and its held-out logits. How right it is here is a little flattering: it was chosen by that.

    Args:
        material: what to learn from.
        folds: pairs of (train, held-out) indices that cover every row once.
        wanted: what to try.
        done: told of every choice once it is tried.

    Raises:
        ValueError: nothing is to be tried.
    """
    if not wanted:
        raise ValueError("nothing to try")
    tried: dict[int, Tried] = {}
    chosen, logits = wanted[0], np.zeros((len(material.labels), material.classes))
    least = (0, np.inf)
    for places in _fits(wanted):
        together = [wanted[place] for place in places]
        for place, found in zip(places, _held_out(material, folds, together), strict=True):
            one = tried[place] = _judge(material, folds, wanted[place], found)
            done(one)
            if (-one.right, one.loss) < least:
                least, chosen, logits = (-one.right, one.loss), one.choice, found
    temperature = fit_temperature(logits, material.labels)
    return Found(chosen, temperature, logits, [tried[place] for place in range(len(wanted))])


def held_out_scores(material: Material, folds: Sequence[Fold], choice: Choice) -> NDArray[np.float64]:
    """(n, classes) logits, each row's from a classifier that never saw its fold."""
    return _held_out(material, folds, [choice])[0]


def _fits(wanted: Sequence[Choice]) -> Iterator[list[int]]:
    """Places of choices that one fit answers: the same but for how many trees, since each tree has its own chance."""
    found: dict[str, list[int]] = {}
    for place, choice in enumerate(wanted):
        trees = choice.family in ("forest", "boosting") and "n_estimators" in choice.settings
        rest = sorted((name, value) for name, value in choice.settings.items() if not trees or name != "n_estimators")
        found.setdefault(repr((choice.family, rest, None if trees else place)), []).append(place)
    yield from found.values()


def _held_out(material: Material, folds: Sequence[Fold], together: Sequence[Choice]) -> list[NDArray[np.float64]]:
    """Held-out logits, (n, classes), of choices that one fit answers."""
    found = np.zeros((len(together), len(material.labels), material.classes))
    most = max(together, key=lambda choice: int(choice.settings.get("n_estimators", 0)))

    def hold_out(fold: Fold) -> None:
        train, test = fold
        fitted = _fit_part(material, train, most)
        for place, choice in enumerate(together):
            part = fitted if choice is most else fitted.first_trees(choice.settings["n_estimators"])
            found[place, test] = part.logits(material.features[test])

    with fit_quietly():
        list(map_threads(hold_out, folds, workers=core_count()))
    return list(found)


def _fit_part(material: Material, rows: NDArray[np.intp], choice: Choice) -> Classifier:
    """The classifier fitted on these rows, with logits for all classes."""
    fitted = fit_rows(material.take(rows), choice)
    return Classifier(fitted.choice, fitted.mean, fitted.scale, fitted.learnt, fitted.seen, material.classes)


def _judge(material: Material, folds: Sequence[Fold], choice: Choice, logits: NDArray[np.float64]) -> Tried:
    right = logits.argmax(axis=1) == material.labels
    accuracy = np.array([right[test].mean() for _, test in folds])
    return Tried(choice, accuracy, int(right.sum()), float(own_losses(logits, material.labels).mean()))


# ---- which features matter


@dataclass(frozen=True)
class Importance:
    """How much accuracy is lost, on held-out rows, when a feature is shuffled (Breiman, "Random Forests", 2001, 10).

    Attributes:
        mean: (d,) loss of accuracy.
        spread: (d,) standard deviation over folds and shuffles.
    """

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]


def permutation_importance(material: Material, folds: Sequence[Fold], choice: Choice, repeats: int = 5) -> Importance:
    """The importance of each feature, each fold's held-out rows shuffled `repeats` times."""

    def measure(numbered: tuple[int, Fold]) -> NDArray[np.float64]:
        number, (train, test) = numbered
        fitted = _fit_part(material, train, choice)
        chance = np.random.default_rng([material.seed, number])
        return _losses(fitted, material.take(test), repeats, chance)

    with fit_quietly():
        lost = np.concatenate(list(map_threads(measure, enumerate(folds), workers=core_count())))
    return Importance(lost.mean(axis=0), lost.std(axis=0))


def _losses(fitted: Classifier, rows: Material, repeats: int, chance: np.random.Generator) -> NDArray[np.float64]:
    """(repeats, d) losses of accuracy on these rows, one feature shuffled."""
    before = np.mean(fitted.logits(rows.features).argmax(axis=1) == rows.labels)
    lost = np.zeros((repeats, rows.features.shape[1]))
    for repeat, feature in np.ndindex(lost.shape):
        shuffled = rows.features.copy()
        shuffled[:, feature] = chance.permutation(shuffled[:, feature])
        lost[repeat, feature] = before - np.mean(fitted.logits(shuffled).argmax(axis=1) == rows.labels)
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


def elimination_curve(material: Material, folds: Sequence[Fold], choice: Choice) -> list[Kept]:
    """What is left with 1, 2 and so on up to all features.

    Each fold ranks the features by its own training rows, so that held-out rows do not choose what is kept.
    """
    width = material.features.shape[1]
    answers = np.zeros((width, len(material.labels)), np.int64)

    def hold_out(numbered: tuple[int, Fold]) -> None:
        number, (train, test) = numbered
        chance = np.random.default_rng([material.seed, number])
        some = material.take(chance.permutation(train)[:_RANKED_BY])
        ranks = np.argsort(-_losses(_fit_part(material, train, choice), some, 3, chance).mean(axis=0), kind="stable")
        for count in range(1, width + 1):
            kept = Material(material.features[:, ranks[:count]], material.labels, material.seed, material.balanced)
            answers[count - 1, test] = _fit_part(kept, train, choice).logits(kept.features[test]).argmax(axis=1)

    with fit_quietly():
        list(map_threads(hold_out, enumerate(folds), workers=core_count()))
    return [_score(material, count, answers[count - 1]) for count in range(1, width + 1)]


def _score(material: Material, count: int, answers: NDArray[np.int64]) -> Kept:
    scores = per_class_scores(confusion_matrix(material.labels, answers, material.classes))
    weights = np.array([one["support"] for one in scores]) / len(answers)
    precision, recall, f1 = (float(weights @ [one[name] for one in scores]) for name in ("precision", "recall", "f1"))
    return Kept(count, float(np.mean(answers == material.labels)), precision, recall, f1)
