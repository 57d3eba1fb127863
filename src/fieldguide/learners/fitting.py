"""Fits the five families with scikit-learn and keeps what it found as arrays.

Knows nothing about folds or which choice is good. The scaling is fitted on the same rows, the seed decides all chance,
and every fit runs in one thread: the same material gives the same bytes.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.errors import InputUnusable
from fieldguide.learners.families import Choice, Classifier, Material

__all__ = ["estimator", "fit_classifier", "fit_quietly", "fit_rows"]

Arrays = dict[str, NDArray[Any]]
Doubles = NDArray[np.float64]


def fit_classifier(material: Material, choice: Choice, temperature: float = 1.0) -> Classifier:
    """The classifier fitted on all that is given.

    The seed of `material` decides all chance: the same material gives the same bytes.

    Raises:
        InputUnusable: there is only one class.
    """
    if len(np.unique(material.labels)) < 2:
        raise InputUnusable(
            "all pictures are of one class: there is nothing to tell apart", "add pictures of another class"
        )
    with fit_quietly():
        return fit_rows(material, choice, temperature)


@contextmanager
def fit_quietly() -> Iterator[None]:
    """Nothing; inside the block fitting runs in one thread each, and nobody is warned that steps were too few.

    Filters belong to the whole process, so this stands around threads, not inside them.
    """
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def fit_rows(material: Material, choice: Choice, temperature: float = 1.0) -> Classifier:
    """The classifier fitted on all that is given, inside `fit_quietly`; one that knows one class always says it."""
    features = np.asarray(material.features, np.float32)
    mean, scale = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    mean32, scale32 = mean.astype(np.float32), np.where(scale > 1e-6, scale, 1.0).astype(np.float32)
    rows = (features - mean32) / scale32
    seen = np.unique(material.labels)
    learnt: Arrays
    if len(seen) == 1:
        choice = Choice("logistic")
        learnt = {"weights": np.zeros((features.shape[1], 1)), "bias": np.zeros(1)}
    else:
        model = estimator(material, choice)
        weights = material.weights()
        model.fit(rows, material.labels, **({} if weights is None else {"sample_weight": weights}))
        learnt = _ARRAYS[choice.family](model)
    return Classifier(choice, mean32, scale32, learnt, seen, material.classes, temperature)


def estimator(material: Material, choice: Choice) -> Any:
    """scikit-learn's estimator; what the settings leave open is as in the system that this one follows."""
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import SVC

    kinds: dict[str, tuple[Any, dict[str, Any]]] = {
        "svm": (SVC, {"kernel": "rbf", "cache_size": 500}),
        "mlp": (MLPClassifier, {"max_iter": 500, "n_iter_no_change": 400, "batch_size": min(50, len(material.labels))}),
        "logistic": (LogisticRegression, {"max_iter": 1500}),
        "forest": (RandomForestClassifier, {}),
        "boosting": (GradientBoostingClassifier, {"learning_rate": 1.0, "n_iter_no_change": _patience(material)}),
    }
    kind, common = kinds[choice.family]
    return kind(**{**common, "random_state": material.seed, **choice.settings})


def _patience(material: Material) -> int | None:
    """How many stages without gain end boosting; None where a tenth cannot be held out for each class to be in it."""
    counts = np.bincount(material.labels)
    return 20 if counts[counts > 0].min() > 1 and len(material.labels) >= 10 * np.count_nonzero(counts) else None


# ---- what was fitted, as arrays


def _linear_arrays(model: Any) -> Arrays:
    """Linear: weights (d, k), bias (k,)."""
    return dict(zip(("weights", "bias"), _both_classes(model.coef_.T, model.intercept_), strict=True))


def _both_classes(weights: Doubles, bias: Doubles) -> tuple[Doubles, Doubles]:
    """Weights and bias with a column for each class: scikit-learn keeps one for two."""
    if weights.shape[1] > 1:
        return weights, bias
    return np.hstack([-weights, weights]) / 2, np.r_[-bias, bias] / 2


def _mlp_arrays(model: Any) -> Arrays:
    """By layer: weights0, bias0 and so on, a pair for each layer."""
    layers = list(zip(model.coefs_, model.intercepts_, strict=True))
    layers[-1] = _both_classes(*layers[-1])
    return {f"{name}{place}": array for place, layer in enumerate(layers) for name, array in
            zip(("weights", "bias"), layer, strict=True)}  # fmt: skip


def _svm_arrays(model: Any) -> Arrays:
    """Support vectors (m, d) by class, dual (k - 1, m), counts (k,) of vectors, bias (pairs,), gamma ().

    For two classes scikit-learn turns the signs round; here the first of a pair is always the positive one.
    """
    sign = -1.0 if len(model.classes_) == 2 else 1.0
    return {
        "vectors": np.asarray(model.support_vectors_, np.float32),
        "dual": sign * np.asarray(model.dual_coef_),
        "counts": np.asarray(model.n_support_, np.int64),
        "bias": sign * np.asarray(model.intercept_),
        "gamma": np.array(float(model._gamma)),
    }


def _forest_arrays(model: Any) -> Arrays:
    """A wood whose leaf values (leaves, k) are shares of the classes."""
    trees = [one.tree_ for one in model.estimators_]
    return _wood(trees, [tree.value[:, 0, :].astype(np.float32) for tree in trees])


def _boosting_arrays(model: Any) -> Arrays:
    """A wood whose leaf values (leaves, 1) are steps; sign (trees, k) says whose; bias (k,)."""
    trees = [one.tree_ for one in model.estimators_.ravel()]
    wood = _wood(trees, [tree.value[:, 0, :] * model.learning_rate for tree in trees])
    prior = np.log(np.maximum(model.init_.class_prior_, 1e-300))
    classes = len(prior)
    sign = np.array([[-0.5, 0.5]]) if classes == 2 else np.eye(classes)
    return {**wood, "sign": np.tile(sign, (len(model.estimators_), 1)), "bias": prior - prior.mean()}


def _wood(trees: list[Any], values: list[NDArray[Any]]) -> Arrays:
    """Many trees in one numbering, first all forks, then all leaves; a leaf's two ways lead to itself.

    start (trees,), feature, threshold, left and right (nodes,), values (leaves, m), depth ().
    """
    leaves = [tree.children_left < 0 for tree in trees]
    forks = sum(int(np.sum(~leaf)) for leaf in leaves)
    next_fork, next_leaf = 0, forks
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in ("left", "right", "feature", "threshold")}
    start = []
    for tree, leaf in zip(trees, leaves, strict=True):
        number = np.where(leaf, np.cumsum(leaf) - 1 + next_leaf, np.cumsum(~leaf) - 1 + next_fork)
        next_fork, next_leaf = next_fork + int(np.sum(~leaf)), next_leaf + int(np.sum(leaf))
        start.append(number[0])
        parts["left"].append(number[tree.children_left[~leaf]])
        parts["right"].append(number[tree.children_right[~leaf]])
        parts["feature"].append(tree.feature[~leaf])
        parts["threshold"].append(_round_down(tree.threshold[~leaf]))
    own = np.arange(forks, next_leaf)
    ends = {"left": own, "right": own, "feature": np.zeros(len(own)), "threshold": np.full(len(own), np.inf)}
    kinds = {"left": np.int32, "right": np.int32, "feature": np.int32, "threshold": np.float32}
    made: Arrays = {name: np.concatenate([*parts[name], ends[name]]).astype(kinds[name]) for name in parts}
    made["start"] = np.array(start, np.int32)
    made["values"] = np.concatenate([value[leaf] for value, leaf in zip(values, leaves, strict=True)])
    made["depth"] = np.array(max(tree.max_depth for tree in trees), np.int64)
    return made


def _round_down(thresholds: Doubles) -> NDArray[np.float32]:
    """The largest float32 that is not above: the same float32 features are at or below it."""
    near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)


_ARRAYS = {
    "svm": _svm_arrays,
    "mlp": _mlp_arrays,
    "logistic": _linear_arrays,
    "forest": _forest_arrays,
    "boosting": _boosting_arrays,
}
