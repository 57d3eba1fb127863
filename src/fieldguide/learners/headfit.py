"""Heads over features: what they are, fitting, searching, folds.

Knows nothing about pictures, projects or how features were made: arrays in, a `Head` out. A linear head is a logistic
regression on the standardised square roots of the features; its strength is chosen by cross-validation that keeps
groups whole, and the same held-out logits set the temperature. Heads of several layers are fitted in `deepheads`.
"""

import io
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, get_args
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from fieldguide.calibration import fit_temperature, log_losses, softmax
from fieldguide.engine import core_count, map_threads
from fieldguide.layers import Activation, Layer, apply_layers

__all__ = [
    "Head",
    "Searched",
    "choose_within_error",
    "fit_head",
    "group_folds",
    "held_out_logits",
    "own_losses",
    "root",
    "search_head",
]

_MAX_STEPS = 200
_ERRORS = 0.5  # a whole one chooses too strong a penalty where pictures are few


def root(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """The square roots of the sizes of (n, d) features, with the features' signs.

    Pooled activations are skewed: their roots are nearer to what a linear model takes for granted, which is worth about
    a point of accuracy (Perronnin, Sánchez and Mensink, "Improving the Fisher Kernel", ECCV 2010, section 3.1, where
    signs are kept too).
    """
    roots = np.abs(features, dtype=np.float32)  # in place from here: there may be a third of a gigabyte of them
    np.sqrt(roots, out=roots)
    np.copysign(roots, features, out=roots)
    return roots


@dataclass(frozen=True)
class Head:
    """A classifier over the roots of features.

    It reads the first `width` features and leaves any behind them.

    Attributes:
        layers: one for a linear head; standardising is folded into the first.
        temperature: what the logits are divided by.
        strength: the inverse regularisation strength C that a linear head was fitted with; 0 for the others.
    """

    layers: tuple[Layer, ...]
    temperature: float
    strength: float

    @property
    def width(self) -> int:
        """How many features it reads."""
        return len(self.layers[0].weights)

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n, classes) logits, before the temperature, of (n, d) features, d at least `width`."""
        return apply_layers(self.layers, root(features[:, : self.width]))

    def probs(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n, classes) calibrated probabilities of (n, d) features."""
        return softmax(self.logits(features) / self.temperature)

    def tempered(self) -> tuple[Layer, ...]:
        """The layers with the temperature in the last one: what a graph holds."""
        last = self.layers[-1]
        return *self.layers[:-1], Layer(last.weights / self.temperature, last.bias / self.temperature)

    def to_bytes(self) -> bytes:
        """The head as an .npz file, without pickles."""
        arrays: dict[str, Any] = {"temperature": self.temperature, "strength": self.strength}
        arrays["activations"] = np.array([layer.activation for layer in self.layers])
        for number, layer in enumerate(self.layers):
            arrays |= {f"weights{number}": layer.weights, f"bias{number}": layer.bias}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Head":
        """The head in an .npz file.

        Raises:
            ValueError: the file is cut short or is not a head.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                kinds = [str(kind) for kind in file["activations"]]
                layers = [
                    Layer(file[f"weights{number}"], file[f"bias{number}"], _activation(kind))
                    for number, kind in enumerate(kinds)
                ]
                return cls(tuple(layers), float(file["temperature"]), float(file["strength"]))
        except (KeyError, OSError, EOFError, BadZipFile, zlib.error, TypeError) as error:
            raise ValueError(f"not a head: {error}") from error


def _activation(said: str) -> Activation:
    """The activation of this name.

    Raises:
        ValueError: there is none.
    """
    known: tuple[Activation, ...] = get_args(Activation)
    for one in known:
        if one == said:
            return one
    raise ValueError(f"not a head: no activation {said!r}")


@dataclass(frozen=True)
class Searched:
    """What cross-validation found.

    Attributes:
        strength: the lowest C whose held-out log loss is within half a standard error of the best.
        logits: (n, classes) held-out logits at that C.
    """

    strength: float
    logits: NDArray[np.float64]


def group_folds(
    labels: NDArray[np.int64], groups: Sequence[str] | None, folds: int, seed: int
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Pairs of (train, held-out) indices: stratified, groups whole; `groups` None shuffles single pictures.

    Fewer folds are made where a class has fewer groups than folds, never less than two.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    keys = np.arange(len(labels)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    fewest = min(len(np.unique(keys[labels == one])) for one in np.unique(labels))
    count = int(max(2, min(folds, fewest)))
    splitter = StratifiedKFold if groups is None else StratifiedGroupKFold
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # a class with one group is allowed: it is simply never held out well
        return list(splitter(count, shuffle=True, random_state=seed).split(labels, labels, keys))


def search_head(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    folds: Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]],
    strengths: Sequence[float],
) -> Searched:
    """The best strength and its held-out logits.

    Args:
        features: (n, d).
        labels: (n,) classes 0..c-1.
        folds: pairs of (train, held-out) indices that cover every picture once.
        strengths: values of C to try.
    """
    from threadpoolctl import threadpool_limits

    classes = int(labels.max()) + 1
    ordered = sorted(strengths)
    rows = root(features)
    held_out = np.zeros((len(ordered), len(labels), classes))

    def hold_out(fold: tuple[NDArray[np.intp], NDArray[np.intp]]) -> None:
        train, test = fold
        for place, (weights, bias) in enumerate(_fit_path(rows[train], labels[train], ordered, classes)):
            held_out[place, test] = rows[test] @ weights + bias

    # the matrices are small: one thread for each fold is several times faster than all threads for every product
    with threadpool_limits(1), _patient():
        list(map_threads(hold_out, folds, workers=core_count()))
    chosen = choose_within_error([own_losses(logits, labels) for logits in held_out], _ERRORS)
    return Searched(ordered[chosen], held_out[chosen])


def own_losses(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Each picture's log loss, after the temperature that suits all best: strength and temperature are told apart."""
    return log_losses(logits / fit_temperature(logits, labels), labels)


def choose_within_error(losses: Sequence[NDArray[np.float64]], errors: float = 1.0) -> int:
    """The first, and so the simplest, whose mean loss is within so many standard errors of the lowest.

    Breiman et al., "Classification and Regression Trees", 1984, section 3.4.3, with the error of the paired
    differences.

    Args:
        losses: for each choice, simplest first, (n,) losses of the same pictures.
        errors: how many; one is the rule's own.
    """
    best = min(range(len(losses)), key=lambda place: float(losses[place].mean()))
    for place, one in enumerate(losses):
        gaps = one - losses[best]
        if gaps.mean() <= errors * gaps.std() / np.sqrt(len(gaps)):
            return place
    return best


def held_out_logits(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    folds: Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]],
    strength: float,
) -> NDArray[np.float64]:
    """(n, classes) logits, each picture's from a head that never saw its fold."""
    return search_head(features, labels, folds, [strength]).logits


def fit_head(features: NDArray[np.float32], labels: NDArray[np.int64], strength: float, temperature: float) -> Head:
    """The head fitted on all that is given: (n, d) features, (n,) classes 0..c-1."""
    classes = int(labels.max()) + 1
    with _patient():
        ((weights, bias),) = _fit_path(root(features), labels, [strength], classes)
    return Head((Layer(weights, bias),), temperature, strength)


@contextmanager
def _patient() -> Iterator[None]:
    """Nothing; inside the block nobody is warned that 200 steps were not enough: the log loss is flat there.

    Filters belong to the whole process, so this stands around the threads, not inside them.
    """
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def _fit_path(
    roots: NDArray[np.float32], labels: NDArray[np.int64], strengths: Sequence[float], classes: int
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Weights (d, classes) and bias (classes,) for each strength, ascending; each starts from the one before."""
    from sklearn.linear_model import LogisticRegression

    mean, scale = roots.mean(axis=0), roots.std(axis=0)
    scale = np.where(scale > 1e-6, scale, 1.0).astype(np.float32)
    rows, rotation = _rotate((roots - mean) / scale)
    model = LogisticRegression(max_iter=_MAX_STEPS, warm_start=True, tol=1e-3)
    found = []
    for strength in strengths:
        model.set_params(C=strength)
        model.fit(rows, labels)
        found.append(_unfold(model, rotation, mean, scale, classes))
    return found


def _rotate(rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """The rows in as few columns as there are rows, and the (d, n) rotation back; None where that saves nothing.

    A ridge penalty does not see rotations, so the solution is the same and much cheaper when pictures are few.
    """
    if len(rows) >= rows.shape[1]:
        return rows, None
    squares, left = np.linalg.eigh(np.asarray(rows @ rows.T, dtype=np.float64))  # much cheaper than rows' own SVD
    seen = squares > squares[-1] * 1e-7
    lengths = np.sqrt(squares[seen])
    left = left[:, seen]
    return (left * lengths).astype(np.float32), rows.T @ (left / lengths).astype(np.float32)


def _unfold(
    model: Any, rotation: NDArray[np.float32] | None, mean: NDArray[np.float32], scale: NDArray[np.float32],
    classes: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    """Weights and bias over unscaled rows; a class that was absent gets a bias that nothing overcomes."""
    coefficients, intercept = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # scikit-learn keeps one row for two classes
        coefficients, intercept = np.vstack([-coefficients, coefficients]) / 2, np.r_[-intercept, intercept] / 2
    turned = coefficients.T if rotation is None else rotation @ coefficients.T
    scaled = turned.astype(np.float64) / scale[:, None]
    weights = np.zeros((len(mean), classes))
    bias = np.full(classes, -50.0)
    weights[:, model.classes_] = scaled
    bias[model.classes_] = intercept - mean @ scaled
    return weights, bias
