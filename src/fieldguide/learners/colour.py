"""The learner that sees only colours: 18 features of a picture, and the best of five families of small classifiers.

Knows nothing about projects: a training in, what was learnt out. The features are those of the prepared square, as the
guide computes them, to the bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import Familiarity
from fieldguide.errors import NotReady
from fieldguide.exporters.colour import export_colour
from fieldguide.features import Pictures, Way
from fieldguide.learners.colour_features import FEATURE_NAMES, TABLES, colour_features
from fieldguide.learners.contract import FitResult, Fold, Model, Outputs, TrainingData, check_classes
from fieldguide.learners.families import Choice, Classifier, Material
from fieldguide.learners.fitting import fit_classifier
from fieldguide.learners.headfit import group_folds
from fieldguide.learners.mattering import elimination_curve, permutation_importance
from fieldguide.learners.sampling import class_balance
from fieldguide.learners.searching import (
    DEFAULTS,
    Found,
    choices,
    held_out_scores,
    search_families,
)
from fieldguide.learners.tracking import balance_csv
from fieldguide.plots import bars, curves
from fieldguide.progress import Progress
from fieldguide.records import Preprocessing
from fieldguide.settings import TrainSettings
from fieldguide.text import write_csv

__all__ = ["ColourLearner", "ColourModel"]

_SIDE = 256
_WAY = Way("colour-1", "numpy", lambda: colour_features)


@dataclass(frozen=True)
class ColourModel:
    """A classifier over the features of squares."""

    classifier: Classifier
    preprocessing: Preprocessing

    runtime = "numpy"
    file_name = "learnt.npz"

    @property
    def temperature(self) -> float:
        """What its logits are divided by."""
        return self.classifier.temperature

    @property
    def parameters(self) -> int:
        """How many numbers it learnt, its scaling included."""
        arrays = (*self.classifier.learnt.values(), self.classifier.mean, self.classifier.scale)
        return sum(int(np.size(one)) for one in arrays)

    def predict(self, pictures: Pictures, *, exact: bool = False) -> Outputs:
        """What it says of pictures; it is always exact.

        Raises:
            InputMissing: an original was taken away.
            ProjectDamaged: an original is no longer the picture that it was.
            DiskFull: no space for the features.
            NoPermission: the project cannot be written.
        """
        features = pictures.compute(_WAY, self.preprocessing)
        return Outputs(self.classifier.logits(features), features)

    def export(self, familiarity: Familiarity) -> bytes:
        """The bytes of `model.onnx`.

        Raises:
            MissingExtra: onnx is not installed.
        """
        return export_colour(vars(TABLES), self.classifier, familiarity, self.preprocessing.size)

    def to_bytes(self) -> bytes:
        """The classifier as an .npz file."""
        return self.classifier.to_bytes()


class ColourLearner:
    """Colour features and the best of five families."""

    name = "colour"
    is_quick = True

    def __init__(self, settings: TrainSettings, seed: int) -> None:
        self._settings = settings
        self._seed = seed

    def fit(self, training: TrainingData) -> FitResult:
        """The best classifier by grouped cross-validation, fitted on all that may be learnt from.

        Raises:
            InputUnusable: there is only one class.
            MissingExtra: scikit-learn is not installed.
            DiskFull: no space for the features.
            NoPermission: the folder cannot be written.
        """
        check_classes(training)
        side = self._settings.side(_SIDE)
        preprocessing = Preprocessing(size=side, fit=self._settings.fits()[0], resize_shorter=round(side / 0.875))
        material = self._material(training, preprocessing)
        folds = group_folds(training.labels, training.groups, training.folds, training.seed)
        found = self._search(material, folds, training.pictures.progress)
        classifier = fit_classifier(material, found.choice, found.temperature)
        best = self._best_of_each(material, found)
        training.pictures.progress.start("which features matter", None)
        evens = self._settings.loop.imbalance != "none"
        balance = class_balance(training.labels, len(training.class_names), "weights" if evens else "none")
        files = {"families.csv": _table(found).encode(), **_weigh_features(material, folds, found)}
        files["balance.csv"] = balance_csv(balance, training.class_names).encode()
        chosen = {"family": str(found.choice), "imbalance": self._settings.loop.imbalance}
        model = ColourModel(classifier, preprocessing)
        return FitResult(model, found.logits, "grouped cross-validation", chosen=chosen, tried=best, files=files)

    def _material(self, training: TrainingData, preprocessing: Preprocessing) -> Material:
        """What there is to learn from."""
        features = training.pictures.compute(_WAY, preprocessing)
        return Material(features, training.labels, self._seed, self._settings.loop.imbalance != "none")

    def _search(self, material: Material, folds: Sequence[Fold], progress: Progress) -> Found:
        """The best choice."""
        said = self._settings.colour
        wanted: list[Choice] = []
        for family in said.families:
            wanted += choices(family) if said.grid == "full" else [DEFAULTS[family]]
        progress.start("trying families", len(wanted))
        return search_families(material, folds, wanted, done=lambda tried: progress.advance())

    def _best_of_each(self, material: Material, found: Found) -> dict[str, float]:
        """The accuracy of the best choice of each family."""
        best: dict[str, float] = {}
        for one in found.tried:
            share = one.right / len(material.labels)
            best[one.choice.family] = max(share, best.get(one.choice.family, 0.0))
        return best

    def predict_held_out(self, training: TrainingData, folds: Sequence[Fold], like: Model) -> NDArray[np.float64]:
        """(n, classes) logits, each picture's by the same choice fitted without its fold.

        Raises:
            DiskFull: no space for the features.
            NoPermission: the folder cannot be written.
        """
        assert isinstance(like, ColourModel)
        return held_out_scores(self._material(training, like.preprocessing), folds, like.classifier.choice)

    def load(self, data: bytes, preprocessing: Preprocessing, classes: int) -> Model:
        """The model in a file.

        Raises:
            NotReady: the file is not whole.
        """
        try:
            return ColourModel(Classifier.from_bytes(data), preprocessing)
        except ValueError as error:
            raise NotReady(f"the classifier is not whole: {error}", "run: fieldguide train") from error


def _table(found: Found) -> str:
    """A CSV of what was tried, best first."""
    rows = []
    for one in sorted(found.tried, key=lambda one: (-one.right, one.loss)):
        numbers = one.accuracy.mean(), one.accuracy.std(), one.loss
        rows.append([one.choice.family, str(one.choice), *(f"{number:.6f}" for number in numbers)])
    return write_csv(["family", "choice", "accuracy", "spread_over_folds", "loss"], rows)


def _weigh_features(material: Material, folds: Sequence[Fold], found: Found) -> dict[str, bytes]:
    """Files that say how much accuracy each feature is worth, and how far the best so many go: a CSV, two charts.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    worth = permutation_importance(material, folds, found.fitted)
    curve = elimination_curve(material, folds, found.fitted)
    order = np.argsort(-worth.mean, kind="stable")
    rows = [
        [
            str(place), FEATURE_NAMES[one], f"{worth.mean[one]:.6f}", f"{worth.spread[one]:.6f}",
            f"{kept.accuracy:.6f}", f"{kept.precision:.6f}", f"{kept.recall:.6f}", f"{kept.f1:.6f}",
        ]
        for place, (one, kept) in enumerate(zip(order, curve, strict=True), 1)
    ]  # fmt: skip
    names = ["rank", "feature", "accuracy_lost", "spread", "accuracy_with_so_many", "precision", "recall", "f1"]
    lost = {FEATURE_NAMES[one]: (float(worth.mean[one]), float(worth.spread[one])) for one in order}
    kept = {name: [(one.count, getattr(one, name)) for one in curve] for name in ("accuracy", "f1")}
    return {
        "features.csv": write_csv(names, rows).encode(),
        "importance.png": bars(lost, title="What each feature is worth", x="accuracy lost when it is shuffled"),
        "elimination.png": curves(kept, title="How far a few features go", x="features kept", y="held out"),
    }
