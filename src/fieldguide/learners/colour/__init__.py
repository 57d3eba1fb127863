"""The learner that sees only colours: 18 features of a picture, and the best of five families of small classifiers.

Knows nothing about projects: training data in, a model out. The features are those of the prepared square, as the guide
computes them, to the bit. scikit-learn answers while a training lasts; a model that was kept answers through the graph
that is published, which is first compared with scikit-learn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import softmax
from fieldguide.errors import NotReady, ParityError
from fieldguide.exporters.colour import Classifier, export_colour
from fieldguide.features import Extractor, Pictures
from fieldguide.images.colour_features import FEATURE_NAMES, TABLES, colour_features
from fieldguide.images.swatches import read_swatch
from fieldguide.learners.colour.families import (
    DEFAULTS,
    Candidate,
    FittedClassifier,
    Samples,
    SearchResult,
    fit_classifier,
    hold_out_logits,
    list_candidates,
    search_families,
)
from fieldguide.learners.colour.importance import measure_importance, trace_elimination
from fieldguide.learners.contract import FitResult, Fold, Model, Outputs, TrainingData, check_classes, group_folds
from fieldguide.learners.sampling import balance_csv, class_balance
from fieldguide.metrics import wilson_interval
from fieldguide.plots import draw_bars, draw_curves
from fieldguide.progress import Progress
from fieldguide.records import LayerSummary, Preprocessing
from fieldguide.settings import TrainSettings
from fieldguide.text import write_csv

__all__ = ["ColourLearner", "ColourModel"]

DEFAULT_SIDE = 256
_EXTRACTOR = Extractor("colour-1", "numpy", lambda: colour_features, read_swatch)
_TOLERANCE = 1e-3  # of a probability: scikit-learn computes some families in float32, the graph in float64


@dataclass(frozen=True)
class ColourModel:
    """A classifier over the colour features of squares."""

    classifier: Classifier
    preprocessing: Preprocessing

    runtime = "numpy"
    file_name = "learnt.npz"

    @property
    def temperature(self) -> float:
        """By what its logits are divided."""
        return self.classifier.temperature

    @property
    def parameters(self) -> int:
        """How many numbers it learnt, its scaling included."""
        arrays = (*self.classifier.arrays.values(), self.classifier.mean, self.classifier.scale)
        return sum(int(np.size(array)) for array in arrays)

    def layers(self) -> list[LayerSummary]:
        """Return its steps: the features, their scaling, the classifier."""
        width, scaling = len(FEATURE_NAMES), self.classifier.mean.size + self.classifier.scale.size
        return [
            LayerSummary("features", "colour features", (width,), 0),
            LayerSummary("scaling", "normalisation", (width,), scaling),
            LayerSummary(
                "classifier", self.classifier.family, (self.classifier.class_count,), self.parameters - scaling
            ),
        ]

    def predict(self, pictures: Pictures, *, exact: bool = False) -> Outputs:
        """Return the logits and features of pictures; they are always exact."""
        features = pictures.compute(_EXTRACTOR, self.preprocessing)
        return Outputs(self.classifier.logits(features), features)

    @property
    def answer_views(self) -> tuple[Preprocessing, ...]:
        """How a picture is seen for an answer: once."""
        return (self.preprocessing,)

    def answering(self, views: int) -> "ColourModel":
        """Return the model, which answers by one view whatever is asked for."""
        return self

    def export(self) -> bytes:
        """Return the graph of the colour features and the classifier."""
        return export_colour(vars(TABLES), self.classifier, self.preprocessing.size)

    def to_bytes(self) -> bytes:
        """Return the classifier as an .npz file."""
        return self.classifier.to_bytes()


class ColourLearner:
    """Colour features and the best of five families."""

    name = "colour"
    is_quick = True

    def __init__(self, settings: TrainSettings, seed: int) -> None:
        self._settings = settings
        self._seed = seed

    def fit(self, training: TrainingData) -> FitResult:
        """Find the best candidate by grouped cross-validation and fit it on train and val."""
        check_classes(training)
        preprocessing = self._preprocessing()
        samples = self._samples(training, preprocessing)
        folds = group_folds(training.labels, training.groups, training.folds, training.seed)
        result = self._search(samples, folds, training.pictures.progress)
        classifier = _to_arrays(fit_classifier(samples, result.best), result.temperature, samples.features)
        training.pictures.progress.start("measuring which features matter", None)
        balance = class_balance(training.labels, len(training.class_names), "weights" if samples.balanced else "none")
        table = _table(result, len(training.labels))
        files = {"families.csv": table.encode(), **_weigh_features(samples, folds, result)}
        files["balance.csv"] = balance_csv(balance, training.class_names).encode()
        return FitResult(
            ColourModel(classifier, preprocessing), result.logits, "grouped cross-validation", files=files,
            chosen={"family": str(result.best), "imbalance": self._settings.loop.imbalance},
            tried=_best_of_each(result, len(training.labels)),
        )  # fmt: skip

    def hold_out(self, training: TrainingData) -> NDArray[np.float64]:
        """Return what `fit` holds out, (n, classes) logits, without the rest that a run needs."""
        folds = group_folds(training.labels, training.groups, training.folds, training.seed)
        samples = self._samples(training, self._preprocessing())
        return self._search(samples, folds, training.pictures.progress).logits

    def _preprocessing(self) -> Preprocessing:
        return self._settings.preprocessing(self._settings.side(DEFAULT_SIDE))

    def _samples(self, training: TrainingData, preprocessing: Preprocessing) -> Samples:
        features = training.pictures.compute(_EXTRACTOR, preprocessing)
        return Samples(features, training.labels, self._seed, self._settings.loop.imbalance != "none")

    def _search(self, samples: Samples, folds: Sequence[Fold], progress: Progress) -> SearchResult:
        candidates: list[Candidate] = []
        for family in self._settings.colour.families:
            candidates += list_candidates(family) if self._settings.colour.grid == "full" else [DEFAULTS[family]]
        progress.start("trying families", len(candidates))
        return search_families(samples, folds, candidates, on_scored=lambda score: progress.advance())

    def predict_held_out(self, training: TrainingData, folds: Sequence[Fold], like: Model) -> NDArray[np.float64]:
        """Return (n, classes) logits, each picture's by the same candidate fitted without its fold."""
        assert isinstance(like, ColourModel)
        candidate = Candidate(like.classifier.family, like.classifier.params)
        return hold_out_logits(self._samples(training, like.preprocessing), folds, candidate)

    def refit(self, training: TrainingData, like: Model) -> FittedClassifier:
        """Fit the classifier of a model again, on the same pictures, of which a run keeps only the numbers.

        Raises:
            ParityError: it becomes another one.
        """
        assert isinstance(like, ColourModel)
        samples = self._samples(training, like.preprocessing)
        fitted = fit_classifier(samples, Candidate(like.classifier.family, like.classifier.params))
        probs = softmax(fitted.logits(samples.features) / like.temperature)
        if float(np.abs(like.classifier.probs(samples.features) - probs).max()) > _TOLERANCE:
            message = "the classifier becomes another one when it is fitted again, as with another scikit-learn"
            raise ParityError(message, "train anew with the one that is installed: fieldguide train")
        return fitted

    def load(self, data: bytes, preprocessing: Preprocessing, classes: int) -> Model:
        """Return the model in a file."""
        try:
            return ColourModel(Classifier.from_bytes(data), preprocessing)
        except ValueError as error:
            raise NotReady(f"the classifier is not whole: {error}", "run: fieldguide train") from error


def _to_arrays(fitted: FittedClassifier, temperature: float, features: NDArray[np.float32]) -> Classifier:
    """Return the classifier as arrays, whose graph answers for these (n, d) features as scikit-learn does."""
    classifier = fitted.to_arrays(temperature)
    gap = float(np.abs(classifier.probs(features) - softmax(fitted.logits(features) / temperature)).max())
    if gap > _TOLERANCE:
        message = f"the model's probabilities differ from those of scikit-learn by up to {gap:.3g}"
        raise ParityError(message, "take other families under [train.colour], and report it")
    return classifier


def _best_of_each(result: SearchResult, count: int) -> dict[str, float]:
    best: dict[str, float] = {}
    for score in result.scores:
        family = score.candidate.family
        best[family] = max(score.correct / count, best.get(family, 0.0))
    return best


def _table(result: SearchResult, count: int) -> str:
    """Return a CSV of what was tried on so many pictures, best first; `low` and `high` end the accuracy's interval."""
    rows = []
    for score in sorted(result.scores, key=lambda score: score.rank):
        low, high = wilson_interval(score.correct, count)
        numbers = score.correct / count, score.accuracy.std(), score.loss, low, high
        rows.append([score.candidate.family, str(score.candidate), *(f"{number:.6f}" for number in numbers)])
    return write_csv(["family", "choice", "accuracy", "spread_over_folds", "loss", "low", "high"], rows)


def _weigh_features(samples: Samples, folds: Sequence[Fold], result: SearchResult) -> dict[str, bytes]:
    """Return files that say how much accuracy each feature is worth, and how far the best so many go."""
    importance = measure_importance(samples, folds, result.fitted)
    points = trace_elimination(samples, folds, result.fitted)
    order = np.argsort(-importance.mean, kind="stable")
    rows = []
    for place, point in zip(order, points, strict=True):
        numbers = importance.mean[place], importance.std[place], point.accuracy, point.precision, point.recall, point.f1
        rows.append([str(point.count), FEATURE_NAMES[place], *(f"{number:.6f}" for number in numbers)])
    names = ["rank", "feature", "accuracy_lost", "spread", "accuracy_with_so_many", "precision", "recall", "f1"]
    lost = {FEATURE_NAMES[place]: (float(importance.mean[place]), float(importance.std[place])) for place in order}
    lines = {name: [(point.count, getattr(point, name)) for point in points] for name in ("accuracy", "f1")}
    return {
        "features.csv": write_csv(names, rows).encode(),
        "importance.png": draw_bars(lost, title="What each feature is worth", x="accuracy lost when it is shuffled"),
        "elimination.png": draw_curves(lines, title="How far a few features go", x="features kept", y="held out"),
    }
