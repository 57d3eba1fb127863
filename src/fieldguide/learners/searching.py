"""Which family and which settings are best, by cross-validation that keeps groups whole.

Knows nothing about pictures, projects or which features matter: material and folds in, numbers out. The grids are those
of the system that the families follow; every number comes from rows that the classifier behind it, its scaling
included, never saw.
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

__all__ = [
    "DEFAULTS",
    "GRIDS",
    "Found",
    "Tried",
    "choices",
    "fit_part",
    "held_out_scores",
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
        fitted: the classifier behind each fold's held-out logits.
    """

    choice: Choice
    temperature: float
    logits: NDArray[np.float64]
    tried: list[Tried]
    fitted: list[Classifier]


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
    best: tuple[Choice, NDArray[np.float64], list[Classifier]] | None = None
    least = (0, np.inf)
    for places in _fits(wanted):
        together = [wanted[place] for place in places]
        for place, fitted in zip(places, _fit_together(material, folds, together), strict=True):
            logits = _held_out(material, folds, fitted)
            one = tried[place] = _judge(material, folds, wanted[place], logits)
            done(one)
            if best is None or (-one.right, one.loss) < least:
                least, best = (-one.right, one.loss), (one.choice, logits, fitted)
    assert best, "something was tried"
    choice, logits, fitted = best
    temperature = fit_temperature(logits, material.labels)
    return Found(choice, temperature, logits, [tried[place] for place in range(len(wanted))], fitted)


def held_out_scores(material: Material, folds: Sequence[Fold], choice: Choice) -> NDArray[np.float64]:
    """(n, classes) logits, each row's from a classifier that never saw its fold."""
    return _held_out(material, folds, _fit_together(material, folds, [choice])[0])


def _fits(wanted: Sequence[Choice]) -> Iterator[list[int]]:
    """Places of choices that one fit answers: the same but for how many trees, since each tree has its own chance."""
    found: dict[str, list[int]] = {}
    for place, choice in enumerate(wanted):
        trees = choice.family in ("forest", "boosting") and "n_estimators" in choice.settings
        rest = sorted((name, value) for name, value in choice.settings.items() if not trees or name != "n_estimators")
        found.setdefault(repr((choice.family, rest, None if trees else place)), []).append(place)
    yield from found.values()


def _fit_together(material: Material, folds: Sequence[Fold], together: Sequence[Choice]) -> list[list[Classifier]]:
    """For each of the choices, which one fit answers, the classifier of each fold."""
    most = max(together, key=lambda choice: int(choice.settings.get("n_estimators", 0)))

    def fit(fold: Fold) -> Classifier:
        return fit_part(material, fold[0], most)

    with fit_quietly():
        fitted = list(map_threads(fit, folds, workers=core_count()))
    return [
        fitted if choice is most else [one.first_trees(choice.settings["n_estimators"]) for one in fitted]
        for choice in together
    ]


def _held_out(material: Material, folds: Sequence[Fold], fitted: Sequence[Classifier]) -> NDArray[np.float64]:
    """(n, classes) logits, each row's by the classifier of its fold."""
    found = np.zeros((len(material.labels), material.classes))
    for one, (_, test) in zip(fitted, folds, strict=True):
        found[test] = one.logits(material.features[test])
    return found


def fit_part(material: Material, rows: NDArray[np.intp], choice: Choice) -> Classifier:
    """The classifier fitted on these rows, with logits for all classes; inside `fit_quietly`."""
    fitted = fit_rows(material.take(rows), choice)
    return Classifier(fitted.choice, fitted.mean, fitted.scale, fitted.learnt, fitted.seen, material.classes)


def _judge(material: Material, folds: Sequence[Fold], choice: Choice, logits: NDArray[np.float64]) -> Tried:
    right = logits.argmax(axis=1) == material.labels
    accuracy = np.array([right[test].mean() for _, test in folds])
    return Tried(choice, accuracy, int(right.sum()), float(own_losses(logits, material.labels).mean()))
