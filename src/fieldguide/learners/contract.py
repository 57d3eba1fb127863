"""What every learner is, and what passes between learners and stages: pictures in, a model out.

Knows nothing about how anything is learnt. There is no place here for test pictures: `TrainingData` holds only those
that may be learnt from.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fieldguide.errors import InputUnusable
from fieldguide.features import Pictures
from fieldguide.project.dataset import Dataset
from fieldguide.records import LayerSummary, Preprocessing
from fieldguide.settings import Settings

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]
Scalar = str | int | float


@dataclass(frozen=True)
class TrainingData:
    """Pictures to learn from, with their labels.

    Attributes:
        pictures: n pictures.
        labels: (n,) indices into `class_names`.
        groups: n group ids; no fold divides a group.
        splits: (n,) of "train" and "val"; val chooses, it is not learnt from unless it is folded in.
        class_names: in the order of the logits.
        seed: of all randomness.
        folds: of the cross-validation.
        keep: the folder for checkpoints, from which the training is resumed; None keeps none.
        watch: called now and then with a step (from 1) and the accuracy on val so far; raising ends the training.
    """

    pictures: Pictures
    labels: NDArray[np.int64]
    groups: tuple[str, ...]
    splits: NDArray[np.str_]
    class_names: tuple[str, ...]
    seed: int
    folds: int
    keep: Path | None = None
    watch: Callable[[int, float], None] = lambda step, value: None

    @classmethod
    def of(cls, data: Dataset, pictures: Pictures, settings: Settings, keep: Path | None = None) -> "TrainingData":
        """Return the training data of a dataset whose pictures these are."""
        more = settings.learning_seed, settings.train.folds, keep
        return cls(pictures, data.labels, data.groups, data.splits, data.class_names, *more)

    def take(self, chosen: NDArray[np.intp]) -> "TrainingData":
        """Return the pictures at these indices, in that order."""
        return replace(
            self, pictures=self.pictures.take(chosen), labels=self.labels[chosen], splits=self.splits[chosen],
            groups=tuple(self.groups[index] for index in chosen),
        )  # fmt: skip

    def where(self, split: str) -> NDArray[np.intp]:
        """Return the indices of a split's pictures."""
        return np.flatnonzero(self.splits == split)


@dataclass(frozen=True)
class Outputs:
    """A model's outputs for n pictures.

    Attributes:
        logits: (n, classes) float64, before the temperature.
        features: (n, d) float32, the guide's `features`; familiarity is measured by their roots.
    """

    logits: NDArray[np.float64]
    features: NDArray[np.float32]

    def take(self, chosen: NDArray[np.intp]) -> "Outputs":
        """Return those for the pictures at these places."""
        return Outputs(self.logits[chosen], self.features[chosen])


class Model(Protocol):
    """A trained model: it predicts, and it can be exported."""

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures are fitted to the model's square."""

    @property
    def temperature(self) -> float:
        """What the logits are divided by."""

    @property
    def runtime(self) -> str:
        """The library that computes, such as "torch"."""

    @property
    def parameters(self) -> int:
        """How many numbers the model holds."""

    @property
    def file_name(self) -> str:
        """The name of the model's file in a run."""

    @property
    def answer_views(self) -> tuple[Preprocessing, ...]:
        """How a picture is seen for an answer, once or several times."""

    def answering(self, views: int) -> "Model":
        """Return the model with answers averaged over so many views, or as many as it can."""

    def predict(self, pictures: Pictures, *, exact: bool = False) -> Outputs:
        """Return logits and features of pictures.

        Args:
            pictures: of the project that the model was trained in.
            exact: compute in the guide's arithmetic, float32, whatever the model was trained with.

        Raises:
            InputMissing: an original was taken away.
            ProjectDamaged: an original has changed.
        """

    def export(self) -> bytes:
        """Return an ONNX graph: `image` (n, size, size, 3) uint8 to `logits`, over the temperature, and `features`.

        Where an answer is averaged over several views, `image` is (n, views, size, size, 3). `exporters.answers` makes
        the guide's model of it.

        Raises:
            MissingExtra: an optional library is not installed.
        """

    def to_bytes(self) -> bytes:
        """Return the model as a file: arrays, nothing that can run."""


@runtime_checkable
class Layered(Protocol):
    """A model that can say what it is made of; a report then shows its layers."""

    def layers(self) -> Sequence[LayerSummary]:
        """Return its layers, from the picture to the logits."""


@dataclass(frozen=True)
class FitResult:
    """What a training gives.

    Attributes:
        model: the trained model.
        held_out: (n, classes) logits, each picture's by a model that never learnt from it; NaN where there is none.
        measured_by: "grouped cross-validation" or "validation split".
        backbone: its name; "" for none.
        chosen: what was chosen, by name, for reports.
        tried: the accuracy of what was tried, by name.
        files: further files of the run, by name.
        folders: further folders of the run, by name, and where they lie now.
    """

    model: Model
    held_out: NDArray[np.float64]
    measured_by: str
    backbone: str = ""
    chosen: Mapping[str, Scalar] = field(default_factory=dict)
    tried: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)


def check_classes(training: TrainingData) -> None:
    """Check that there are at least two classes.

    Raises:
        InputUnusable: there is only one.
    """
    if len(np.unique(training.labels)) < 2:
        message = "all pictures are of one class: there is nothing to tell apart"
        raise InputUnusable(message, "add pictures of another class")


def group_folds(labels: NDArray[np.int64], groups: Sequence[str] | None, folds: int, seed: int) -> list[Fold]:
    """Return pairs of (train, held-out) indices: stratified, groups whole; `groups` None shuffles single pictures.

    There are fewer folds where a class has fewer groups than folds, never less than two.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    keys = np.arange(len(labels)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    fewest = min(len(np.unique(keys[labels == label])) for label in np.unique(labels))
    count = int(max(2, min(folds, fewest)))
    splitter = StratifiedKFold if groups is None else StratifiedGroupKFold
    with warnings.catch_warnings():
        # a class with one group is allowed: it is simply never held out well
        warnings.simplefilter("ignore", UserWarning)
        return list(splitter(count, shuffle=True, random_state=seed).split(labels, labels, keys))


class Learner(Protocol):
    """A way of learning with its settings; it holds no pictures."""

    @property
    def name(self) -> str:
        """The learner's name in the settings."""

    @property
    def is_quick(self) -> bool:
        """Whether fitting takes seconds once features are computed, so that cross-validation costs little."""

    def fit(self, training: TrainingData) -> FitResult:
        """Train a model on the pictures.

        Raises:
            SettingsError: the settings cannot be.
            InputUnusable: only one class, or weights or checkpoints of something else.
            MissingExtra: an optional library is not installed.
        """

    def predict_held_out(self, training: TrainingData, folds: Sequence[Fold], like: Model) -> NDArray[np.float64]:
        """Return (n, classes) logits, each picture's by a model that never saw its fold; NaN where no fold has it.

        Args:
            training: the pictures.
            folds: pairs of indices, to learn from and held out.
            like: a model of this learner; its choices are made again.

        Raises:
            SettingsError: the settings cannot be.
            MissingExtra: an optional library is not installed.
        """

    def load(self, data: bytes, preprocessing: Preprocessing, classes: int) -> Model:
        """Return the model in a file that `to_bytes` made.

        Raises:
            NotReady: the file is damaged, or what the model was made with has changed.
            MissingExtra: an optional library is not installed.
        """
