"""Five families of small classifiers over a few features: SVM, MLP, logistic regression, forest and boosting.

Knows nothing about pictures, projects or what the features mean. scikit-learn fits them and answers; `to_arrays` gives
what a run keeps and a guide's graph is built from. The grids are those of the system that the families follow. Scaling
is fitted on the same rows as the classifier, the seed decides all chance, and every fit runs in one thread: the same
samples give the same bytes, and every held-out number comes from a classifier that never saw the row.
"""

import copy
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import fit_temperature
from fieldguide.engine import core_count, map_threads
from fieldguide.exporters.colour import Classifier, Family
from fieldguide.exporters.estimators import estimator_logits
from fieldguide.learners.contract import Fold
from fieldguide.learners.linear_head import picture_losses

Arrays = dict[str, NDArray[Any]]
Doubles = NDArray[np.float64]

FAMILIES: tuple[Family, ...] = get_args(Family)


@dataclass(frozen=True)
class Candidate:
    """A family and its parameters, named as scikit-learn names them."""

    family: Family
    params: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        params = ", ".join(f"{name} {value}" for name, value in self.params.items())
        return f"{self.family} ({params})" if params else self.family


GRIDS: dict[Family, dict[str, list[Any]]] = {
    "svm": {"C": [0.1, 1, 10, 100, 1000], "gamma": [1, 0.1, 0.01, 0.001, 0.0001]},
    "mlp": {
        "alpha": [0, 0.5, 1],
        "hidden_layer_sizes": [(100,), (200,), (400,), (50, 50), (10, 10, 10)],
        "solver": ["lbfgs", "adam"],
    },
    "logistic": {"C": [0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2, 3, 5, 7, 10, 15, 20]},
    "forest": {"n_estimators": list(range(10, 201, 10)), "max_depth": [10, 15, 20, 25]},
    "boosting": {"n_estimators": [5, 50], "max_depth": [1, 100]},
}
DEFAULTS: dict[Family, Candidate] = {
    "svm": Candidate("svm", {"C": 100, "gamma": 0.01}),
    "mlp": Candidate("mlp", {"alpha": 1, "hidden_layer_sizes": (400,), "solver": "lbfgs"}),
    "logistic": Candidate("logistic", {"C": 15}),
    "forest": Candidate("forest", {"n_estimators": 170, "max_depth": 25}),
    "boosting": Candidate("boosting", {"n_estimators": 50, "max_depth": 100}),
}


def list_candidates(family: Family) -> list[Candidate]:
    """Return every candidate in the grid of a family."""
    from sklearn.model_selection import ParameterGrid

    return [Candidate(family, params) for params in ParameterGrid(GRIDS[family])]


@dataclass(frozen=True)
class Samples:
    """Rows to learn from.

    Attributes:
        features: (n, d) float32.
        labels: (n,) classes 0..c-1.
        seed: decides all chance in fitting.
        balanced: whether every class weighs the same, however many rows it has.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    seed: int = 0
    balanced: bool = False

    @property
    def class_count(self) -> int:
        """How many classes there are, those without rows below the last included."""
        return int(self.labels.max()) + 1

    def take(self, rows: NDArray[np.intp]) -> "Samples":
        """Return these rows only."""
        return replace(self, features=self.features[rows], labels=self.labels[rows])


# ---- fitting


@dataclass(frozen=True)
class FittedClassifier:
    """A scaler and a classifier that scikit-learn fitted, with an answer for every class, those without rows included.

    Attributes:
        candidate: what it was fitted as.
        pipeline: a `StandardScaler`, then the estimator of the family.
        class_count: how many classes there are.
    """

    candidate: Candidate
    pipeline: Any
    class_count: int

    def logits(self, features: NDArray[np.float32]) -> Doubles:
        """Return (n, classes) logits, before the temperature, of (n, d) features."""
        return estimator_logits(self.candidate.family, self.pipeline, self.class_count, features)

    def first_trees(self, count: int) -> "FittedClassifier":
        """Return the classifier that fitting with so many trees, or stages of boosting, would have given."""
        pipeline = copy.copy(self.pipeline)
        model = copy.copy(pipeline[-1])
        model.estimators_ = model.estimators_[:count]
        pipeline.steps = [pipeline.steps[0], ("classify", model)]
        params = {**self.candidate.params, "n_estimators": count}
        return replace(self, candidate=Candidate(self.candidate.family, params), pipeline=pipeline)

    def to_arrays(self, temperature: float) -> Classifier:
        """Return the classifier as arrays, to be kept and published; it knows at least two classes."""
        scaler, model = self.pipeline[0], self.pipeline[-1]
        return Classifier(
            self.candidate.family, self.candidate.params, scaler.mean_.astype(np.float32),
            scaler.scale_.astype(np.float32), _ARRAYS[self.candidate.family](model), model.classes_, self.class_count,
            temperature,
        )  # fmt: skip


def fit_classifier(samples: Samples, candidate: Candidate) -> FittedClassifier:
    """Fit a candidate on all samples."""
    with fit_quietly():
        return fit_rows(samples, candidate)


@contextmanager
def fit_quietly() -> Iterator[None]:
    """Fit in one thread each, without warnings that steps were too few.

    Filters belong to the whole process, so this stands around threads, not inside them.
    """
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def fit_rows(samples: Samples, candidate: Candidate, class_count: int | None = None) -> FittedClassifier:
    """Fit a candidate on samples, inside `fit_quietly`; samples of one class get a classifier that always says it.

    Args:
        samples: to learn from.
        candidate: what to fit.
        class_count: how many classes there are, where there may be more than the samples show.
    """
    from sklearn.dummy import DummyClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.utils.class_weight import compute_sample_weight

    one_class = len(np.unique(samples.labels)) == 1
    model = DummyClassifier() if one_class else make_estimator(samples, candidate)
    weights = compute_sample_weight("balanced", samples.labels) if samples.balanced else None
    pipeline = Pipeline([("scale", StandardScaler()), ("classify", model)])
    pipeline.fit(samples.features, samples.labels, classify__sample_weight=weights)
    if candidate.family == "mlp" and not one_class:
        model.out_activation_ = "identity"  # logits: of probabilities that were rounded to 0 or 1 no logarithm helps
    elif candidate.family == "forest" and not one_class:
        model.n_jobs = 1  # answers of trees are added up in one order
    return FittedClassifier(candidate, pipeline, class_count or samples.class_count)


def make_estimator(samples: Samples, candidate: Candidate) -> Any:
    """Return scikit-learn's estimator; what the parameters leave open is as in the system that this one follows."""
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import SVC

    count = len(samples.labels)
    kinds: dict[str, tuple[Any, dict[str, Any]]] = {
        "svm": (SVC, {"kernel": "rbf", "cache_size": 500, "decision_function_shape": "ovo"}),
        "mlp": (MLPClassifier, {"max_iter": 500, "n_iter_no_change": 400, "batch_size": min(50, count)}),
        "logistic": (LogisticRegression, {"max_iter": 1500}),
        "forest": (RandomForestClassifier, {"n_jobs": core_count()}),  # folds in threads would share warnings' filters
        "boosting": (GradientBoostingClassifier, {"learning_rate": 1.0, "n_iter_no_change": _patience(samples)}),
    }
    kind, common = kinds[candidate.family]
    return kind(**{**common, "random_state": samples.seed, **candidate.params})


def _patience(samples: Samples) -> int | None:
    """Return how many stages without gain end boosting; None where a tenth cannot be held out with each class in it."""
    counts = np.bincount(samples.labels)
    return 20 if counts[counts > 0].min() > 1 and len(samples.labels) >= 10 * np.count_nonzero(counts) else None


# ---- searching


@dataclass(frozen=True)
class CandidateScore:
    """How well a candidate does in cross-validation.

    Attributes:
        candidate: what was tried.
        accuracy: (folds,) share of right answers among the held-out rows of each fold.
        correct: right answers in all.
        loss: mean log loss of all held-out rows, at the temperature that suits them best.
    """

    candidate: Candidate
    accuracy: Doubles
    correct: int
    loss: float

    @property
    def rank(self) -> tuple[int, float]:
        """Lower is better: more right answers, among equals the lower loss."""
        return -self.correct, self.loss


@dataclass(frozen=True)
class SearchResult:
    """The best of the candidates.

    Attributes:
        best: the candidate of the lowest rank; among equals the first.
        temperature: by which its held-out logits have to be divided.
        logits: (n, classes) its held-out logits.
        scores: of every candidate, in the order given.
        fitted: the classifier behind the held-out logits of each fold.
    """

    best: Candidate
    temperature: float
    logits: Doubles
    scores: list[CandidateScore]
    fitted: list[FittedClassifier]


def search_families(
    samples: Samples,
    folds: Sequence[Fold],
    candidates: Sequence[Candidate],
    on_scored: Callable[[CandidateScore], None] = lambda score: None,
) -> SearchResult:
    """Find the best candidate. Its held-out accuracy is a little flattering: it was chosen by that.

    Args:
        samples: to learn from.
        folds: pairs of (train, held-out) indices that cover every row once.
        candidates: at least one.
        on_scored: told of every candidate once it has been tried.
    """
    scores: dict[int, CandidateScore] = {}
    best: tuple[CandidateScore, Doubles, list[FittedClassifier]] | None = None
    for places in _share_fits(candidates):
        fits = _fit_folds(samples, folds, [candidates[place] for place in places])
        for place, fitted in zip(places, fits, strict=True):
            logits = _hold_out(samples, folds, fitted)
            score = scores[place] = _score(samples, folds, candidates[place], logits)
            if best is None or score.rank < best[0].rank:
                best = score, logits, fitted
            on_scored(score)
    if best is None:
        raise ValueError("there are no candidates")
    score, logits, fitted = best
    ordered = [scores[place] for place in range(len(candidates))]
    return SearchResult(score.candidate, fit_temperature(logits, samples.labels), logits, ordered, fitted)


def hold_out_logits(samples: Samples, folds: Sequence[Fold], candidate: Candidate) -> Doubles:
    """Return (n, classes) logits, each row's from a classifier that never saw its fold."""
    return _hold_out(samples, folds, _fit_folds(samples, folds, [candidate])[0])


def _share_fits(candidates: Sequence[Candidate]) -> list[list[int]]:
    """Return the places of candidates that one fit answers: those that differ only in how many trees they have.

    Each tree has a chance of its own, so fewer are the first of many; the grid of forests takes 4 fits, not 80.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for place, candidate in enumerate(candidates):
        others = sorted((name, value) for name, value in candidate.params.items() if name != "n_estimators")
        places[repr((candidate.family, others))].append(place)
    return list(places.values())


def _fit_folds(
    samples: Samples, folds: Sequence[Fold], candidates: Sequence[Candidate]
) -> list[list[FittedClassifier]]:
    """Return, for each of the candidates, which share a fit, the classifier of each fold.

    scikit-learn's `cross_val_predict` keeps no classifiers, and fails where a fold leaves one class to learn from.
    """
    largest = max(candidates, key=lambda candidate: int(candidate.params.get("n_estimators", 0)))

    def fit(fold: Fold) -> FittedClassifier:
        return fit_rows(samples.take(fold[0]), largest, samples.class_count)

    with fit_quietly():
        fitted = list(map_threads(fit, folds, workers=1 if largest.family == "forest" else core_count()))
    return [
        fitted if candidate == largest else [model.first_trees(candidate.params["n_estimators"]) for model in fitted]
        for candidate in candidates
    ]


def _hold_out(samples: Samples, folds: Sequence[Fold], fitted: Sequence[FittedClassifier]) -> Doubles:
    """Return (n, classes) logits, each row's by the classifier of its fold."""
    logits = np.zeros((len(samples.labels), samples.class_count))
    for model, (_, test) in zip(fitted, folds, strict=True):
        logits[test] = model.logits(samples.features[test])
    return logits


def _score(samples: Samples, folds: Sequence[Fold], candidate: Candidate, logits: Doubles) -> CandidateScore:
    correct = logits.argmax(axis=1) == samples.labels
    accuracy = np.array([correct[test].mean() for _, test in folds])
    return CandidateScore(candidate, accuracy, int(correct.sum()), float(picture_losses(logits, samples.labels).mean()))


# ---- what was fitted, as arrays


def _linear_arrays(model: Any) -> Arrays:
    """Return weights (d, k) and bias (k,)."""
    return dict(zip(("weights", "bias"), _both_classes(model.coef_.T, model.intercept_), strict=True))


def _both_classes(weights: Doubles, bias: Doubles) -> tuple[Doubles, Doubles]:
    """Return weights and bias with a column for each class: scikit-learn keeps one for two."""
    if weights.shape[1] > 1:
        return weights, bias
    return np.hstack([-weights, weights]) / 2, np.r_[-bias, bias] / 2


def _mlp_arrays(model: Any) -> Arrays:
    """Return weights0, bias0 and so on, a pair for each layer."""
    layers = list(zip(model.coefs_, model.intercepts_, strict=True))
    layers[-1] = _both_classes(*layers[-1])
    return {f"{name}{place}": array for place, layer in enumerate(layers) for name, array in
            zip(("weights", "bias"), layer, strict=True)}  # fmt: skip


def _svm_arrays(model: Any) -> Arrays:
    """Return vectors (m, d) by class, dual (k - 1, m), counts (k,) of vectors, bias (pairs,) and gamma ().

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
    """Return trees whose leaf values (leaves, k) are shares of the classes."""
    trees = [tree.tree_ for tree in model.estimators_]
    return _join_trees(trees, [tree.value[:, 0, :].astype(np.float32) for tree in trees])


def _boosting_arrays(model: Any) -> Arrays:
    """Return trees whose leaf values (leaves, 1) are steps, sign (trees, k), which says whose, and bias (k,)."""
    trees = [tree.tree_ for tree in model.estimators_.ravel()]
    joined = _join_trees(trees, [tree.value[:, 0, :] * model.learning_rate for tree in trees])
    prior = np.log(np.maximum(model.init_.class_prior_, 1e-300))
    classes = len(prior)
    sign = np.array([[-0.5, 0.5]]) if classes == 2 else np.eye(classes)
    return {**joined, "sign": np.tile(sign, (len(model.estimators_), 1)), "bias": prior - prior.mean()}


def _join_trees(trees: list[Any], values: list[NDArray[Any]]) -> Arrays:
    """Number the nodes of many trees as one, first all forks, then all leaves; a leaf's two ways lead to itself.

    Returns start (trees,), feature, threshold, left and right (nodes,), values (leaves, m), depth ().
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
    arrays: Arrays = {name: np.concatenate([*parts[name], ends[name]]).astype(kinds[name]) for name in parts}
    arrays["start"] = np.array(start, np.int32)
    arrays["values"] = np.concatenate([value[leaf] for value, leaf in zip(values, leaves, strict=True)])
    arrays["depth"] = np.array(max(tree.max_depth for tree in trees), np.int64)
    return arrays


def _round_down(thresholds: Doubles) -> NDArray[np.float32]:
    """Return the largest float32 that is not above: the same float32 features are at or below it."""
    near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)


_ARRAYS = {
    "svm": _svm_arrays,
    "mlp": _mlp_arrays,
    "logistic": _linear_arrays,
    "forest": _forest_arrays,
    "boosting": _boosting_arrays,
}
