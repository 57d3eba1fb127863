"""Five families of small classifiers over a few features: SVM, MLP, logistic regression, forest and boosting.

Knows nothing about pictures, projects, what the features mean or how anything was fitted: a `Classifier` is arrays, and
numpy alone answers with it. `fitting` makes one, `searching` says which is best.
"""

import io
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import softmax

__all__ = ["FAMILIES", "Choice", "Classifier", "Family", "Material"]

Family = Literal["svm", "mlp", "logistic", "forest", "boosting"]
Rows = NDArray[np.float32]
FitResult = Mapping[str, NDArray[Any]]
Doubles = NDArray[np.float64]

FAMILIES: tuple[Family, ...] = get_args(Family)
_ABSENT = -50.0  # a logit that nothing overcomes, for a class without pictures
_DOUBT = 1e-3  # what a forest's share of 0 is raised by before its logarithm
_AT_ONCE = 2048  # rows


@dataclass(frozen=True)
class Choice:
    """A family and its settings, named as scikit-learn names them."""

    family: Family
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        said = ", ".join(f"{name} {value}" for name, value in self.settings.items())
        return f"{self.family} ({said})" if said else self.family


@dataclass(frozen=True)
class Material:
    """What there is to learn from.

    Attributes:
        features: (n, d).
        labels: (n,) classes 0..c-1.
        seed: of all chance in fitting.
        balanced: whether every class weighs the same, however many pictures it has.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    seed: int = 0
    balanced: bool = False

    @property
    def classes(self) -> int:
        """How many classes, those without pictures below the last included."""
        return int(self.labels.max()) + 1

    def take(self, rows: NDArray[np.intp]) -> "Material":
        """These rows only."""
        return replace(self, features=self.features[rows], labels=self.labels[rows])

    def weights(self) -> Doubles | None:
        """(n,) weights, mean 1; None where pictures weigh the same."""
        if not self.balanced:
            return None
        counts = np.bincount(self.labels)
        return np.asarray(len(self.labels) / (np.count_nonzero(counts) * counts[self.labels]))


@dataclass(frozen=True)
class Classifier:
    """A fitted classifier, calibrated.

    Attributes:
        choice: what it was fitted as.
        mean: (d,) float32, taken away from the features.
        scale: (d,) float32, what is left is divided by.
        learnt: the arrays of its family, as `fitting` describes them.
        seen: (k,) the classes that had pictures, ascending: what the family's own logits stand for.
        classes: how many classes there are.
        temperature: what the logits are divided by.
    """

    choice: Choice
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    learnt: FitResult
    seen: NDArray[np.int64]
    classes: int
    temperature: float = 1.0

    @property
    def family(self) -> Family:
        """The family that answers."""
        return self.choice.family

    def logits(self, features: NDArray[np.float32]) -> Doubles:
        """(n, classes) logits, before the temperature, of (n, d) features."""
        found = np.full((len(features), self.classes), _ABSENT)
        rows = (np.asarray(features, np.float32) - self.mean) / self.scale
        for at in range(0, len(rows), _AT_ONCE):
            found[at : at + _AT_ONCE, self.seen] = _LOGITS[self.family](rows[at : at + _AT_ONCE], self.learnt)
        return found

    def probs(self, features: NDArray[np.float32]) -> Doubles:
        """(n, classes) calibrated probabilities of (n, d) features."""
        return softmax(self.logits(features) / self.temperature)

    def first_trees(self, count: int) -> "Classifier":
        """The classifier that fitting with so many trees, or stages of boosting, would have given."""
        stage = 1 if self.family == "forest" or len(self.seen) == 2 else len(self.seen)  # trees of one stage
        cut = {name: self.learnt[name][: count * stage] for name in ("start", "sign") if name in self.learnt}
        choice = Choice(self.family, {**self.choice.settings, "n_estimators": count})
        return replace(self, learnt={**self.learnt, **cut}, choice=choice)

    def to_bytes(self) -> bytes:
        """The classifier as an .npz file, without pickles."""
        said = json.dumps({"family": self.family, "settings": dict(self.choice.settings)})
        whole: dict[str, Any] = {f"learnt.{name}": array for name, array in self.learnt.items()}
        whole |= {"choice": said, "mean": self.mean, "scale": self.scale, "seen": self.seen}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **whole, classes=self.classes, temperature=self.temperature)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Classifier":
        """The classifier in an .npz file.

        Raises:
            ValueError: the file is cut short or is not a classifier.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                said = json.loads(str(file["choice"]))
                if said["family"] not in FAMILIES:
                    raise ValueError(f"no family {said['family']!r}")
                learnt = {name.partition(".")[2]: file[name] for name in file.files if name.startswith("learnt.")}
                numbers = int(file["classes"]), float(file["temperature"])
                choice = Choice(said["family"], {name: _hashable(value) for name, value in said["settings"].items()})
                return cls(choice, file["mean"], file["scale"], learnt, file["seen"], *numbers)
        except (KeyError, TypeError, AttributeError, OSError, EOFError, BadZipFile, zlib.error) as error:
            raise ValueError(f"not a classifier: {error}") from error


def _hashable(value: Any) -> Any:
    """What JSON made of a setting, as it was."""
    return tuple(value) if isinstance(value, list) else value


# ---- logits of scaled rows, (n, k) of (n, d)


def _linear_logits(rows: Rows, learnt: FitResult) -> Doubles:
    return np.asarray(rows.astype(np.float64) @ learnt["weights"] + learnt["bias"])


def _mlp_logits(rows: Rows, learnt: FitResult) -> Doubles:
    found = rows.astype(np.float64)
    last = len(learnt) // 2 - 1
    for layer in range(last + 1):
        found = found @ learnt[f"weights{layer}"] + learnt[f"bias{layer}"]
        found = found if layer == last else np.maximum(found, 0.0)
    return np.asarray(found)


def _svm_logits(rows: Rows, learnt: FitResult) -> Doubles:
    """The sum, over a class's pairs, of the log-sigmoid of its margin.

    A margin just above 0 is worth little more than one just below: smoother than votes, which scikit-learn counts,
    and on hard cases a point more accurate (benchmarks/bench_colour.py).
    """
    wide, vectors = rows.astype(np.float64), learnt["vectors"].astype(np.float64)
    squares = (wide * wide).sum(axis=1)[:, None] - 2 * wide @ vectors.T + (vectors * vectors).sum(axis=1)
    kernel = np.exp(-learnt["gamma"] * np.maximum(squares, 0.0))
    counts = learnt["counts"]
    ends = np.cumsum(counts)
    sides = [kernel[:, end - count : end] @ learnt["dual"][:, end - count : end].T
             for end, count in zip(ends, counts, strict=True)]  # fmt: skip
    first, second = np.triu_indices(len(counts), 1)
    margins = np.stack([sides[i][:, j - 1] + sides[j][:, i] for i, j in zip(first, second, strict=True)], axis=1)
    margins += learnt["bias"]
    soft = np.log1p(np.exp(-np.abs(margins)))
    eye = np.eye(len(counts))
    return np.asarray((np.minimum(margins, 0) - soft) @ eye[first] + (np.minimum(-margins, 0) - soft) @ eye[second])


def _leaf_values(rows: Rows, learnt: FitResult) -> Doubles:
    """(n, trees, m) values of the leaves that the rows come to."""
    place = np.broadcast_to(learnt["start"], (len(rows), len(learnt["start"])))
    for _ in range(int(learnt["depth"])):
        low = np.take_along_axis(rows, learnt["feature"][place], axis=1) <= learnt["threshold"][place]
        place = np.where(low, learnt["left"][place], learnt["right"][place])
    forks = len(learnt["feature"]) - len(learnt["values"])
    return np.asarray(learnt["values"][place - forks])


def _forest_logits(rows: Rows, learnt: FitResult) -> Doubles:
    return np.asarray(np.log(_leaf_values(rows, learnt).mean(axis=1) + _DOUBT))


def _boosting_logits(rows: Rows, learnt: FitResult) -> Doubles:
    return np.asarray(_leaf_values(rows, learnt)[:, :, 0] @ learnt["sign"] + learnt["bias"])


_LOGITS = {
    "svm": _svm_logits,
    "mlp": _mlp_logits,
    "logistic": _linear_logits,
    "forest": _forest_logits,
    "boosting": _boosting_logits,
}
