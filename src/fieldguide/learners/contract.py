"""What every learner is, and what passes between one and the stages: pictures in, a model out.

Knows nothing about how anything is learnt. There is no place here for test pictures: a training holds those that may be
learnt from.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import Familiarity
from fieldguide.errors import InputUnusable
from fieldguide.features import Pictures
from fieldguide.project.dataset import Dataset
from fieldguide.records import Preprocessing
from fieldguide.settings import Settings

__all__ = ["FitResult", "Fold", "Learner", "Model", "Outputs", "Scalar", "TrainingData", "check_classes"]

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]
Scalar = str | int | float


def _ignore(step: int, value: float) -> None:
    """Nothing: nobody watches."""


@dataclass(frozen=True)
class TrainingData:
    """Pictures to learn from.

    Attributes:
        pictures: n pictures.
        labels: (n,) places in `class_names`.
        groups: n group ids; a group is never divided.
        splits: (n,) of "train" and "val"; val chooses, it is not learnt from unless it is folded in.
        class_names: in the order of the model's answers.
        seed: all randomness follows from it.
        folds: of cross-validation.
        keep: the folder where what is unfinished lies, so that the training can be gone on with; None keeps nothing.
        watch: told from time to time of a step (from 1) and the accuracy on val so far; what it raises ends it.
    """

    pictures: Pictures
    labels: NDArray[np.int64]
    groups: tuple[str, ...]
    splits: NDArray[np.str_]
    class_names: tuple[str, ...]
    seed: int
    folds: int
    keep: Path | None = None
    watch: Callable[[int, float], None] = _ignore

    @classmethod
    def of(cls, data: Dataset, pictures: Pictures, settings: Settings, keep: Path | None = None) -> "TrainingData":
        """The training that a dataset makes, whose pictures these are."""
        more = settings.learning_seed, settings.train.folds, keep
        return cls(pictures, data.labels, data.groups, data.splits, data.class_names, *more)

    def take(self, chosen: NDArray[np.intp]) -> "TrainingData":
        """The pictures at these places, in that order."""
        return replace(
            self, pictures=self.pictures.take(chosen), labels=self.labels[chosen], splits=self.splits[chosen],
            groups=tuple(self.groups[index] for index in chosen),
        )  # fmt: skip

    def where(self, split: str) -> NDArray[np.intp]:
        """The places of a split's pictures."""
        return np.flatnonzero(self.splits == split)


@dataclass(frozen=True)
class Outputs:
    """What a model says of n pictures.

    Attributes:
        logits: (n, classes) float64, before the temperature.
        features: (n, d) float32, by whose roots familiarity is measured: the guide's `features`.
    """

    logits: NDArray[np.float64]
    features: NDArray[np.float32]


class Model(Protocol):
    """What was learnt. It answers, and it can be published."""

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures are fitted to its square."""

    @property
    def temperature(self) -> float:
        """What its logits are divided by."""

    @property
    def runtime(self) -> str:
        """What computes."""

    @property
    def parameters(self) -> int:
        """How many numbers were learnt, in all its parts."""

    @property
    def file_name(self) -> str:
        """What its file is called."""

    def predict(self, pictures: Pictures, *, exact: bool = False) -> Outputs:
        """What it says of pictures; `exact`: in the arithmetic of the guide, float32, whatever it learnt with.

        Raises:
            InputMissing: an original was taken away.
            ProjectDamaged: an original is no longer the picture that it was.
            DiskFull: no space for what is computed.
            NoPermission: the project cannot be written.
        """

    def export(self, familiarity: Familiarity) -> bytes:
        """The bytes of `model.onnx`: `image` (n, size, size, 3) uint8 to `probs`, `features` and `familiarity`.

        Raises:
            MissingExtra: something optional is not installed.
        """

    def to_bytes(self) -> bytes:
        """The model as a file: arrays, nothing that can run."""


@dataclass(frozen=True)
class FitResult:
    """What came of a training.

    Attributes:
        model: what was learnt.
        held_out: (n, classes) logits of pictures by something that never learnt from them; NaN where there is none.
        measured_by: "grouped cross-validation" or "validation split".
        backbone: where its features come from; "" for none.
        chosen: what was chosen, by name, for people.
        tried: what else was tried, with its accuracy.
        files: further files of the run, by name.
        folders: further folders of the run, by name, where they lie now.
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
    """Nothing; there are at least two classes.

    Raises:
        InputUnusable: there is only one.
    """
    if len(np.unique(training.labels)) < 2:
        message = "all pictures are of one class: there is nothing to tell apart"
        raise InputUnusable(message, "add pictures of another class")


class Learner(Protocol):
    """A way of learning, with its settings; it holds no pictures."""

    @property
    def name(self) -> str:
        """What it is called in the settings."""

    @property
    def is_quick(self) -> bool:
        """Whether it learns in seconds once features are computed, so that cross-validation costs little."""

    def fit(self, training: TrainingData) -> FitResult:
        """What came of the training.

        Raises:
            SettingsError: the settings cannot be.
            InputUnusable: weights or checkpoints that are not what they should be, or only one class.
            MissingExtra: something optional is not installed.
            DiskFull: no space; what was kept before stays.
            NoPermission: a folder cannot be written.
        """

    def predict_held_out(self, training: TrainingData, folds: Sequence[Fold], like: Model) -> NDArray[np.float64]:
        """(n, classes) logits, each picture's by something that never learnt from its fold; NaN where no fold has it.

        Args:
            training: the pictures.
            folds: pairs of places, to learn from and held out.
            like: a model of this learner: what it chose is chosen again.

        Raises:
            SettingsError: as `fit`.
            MissingExtra: something optional is not installed.
            DiskFull: no space.
            NoPermission: a folder cannot be written.
        """

    def load(self, data: bytes, preprocessing: Preprocessing, classes: int) -> Model:
        """The model, of so many classes, in a file that `to_bytes` made.

        Raises:
            NotReady: the file is not whole, or what it was made with has changed.
            MissingExtra: something optional is not installed.
        """
